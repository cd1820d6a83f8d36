//! The console chat.
