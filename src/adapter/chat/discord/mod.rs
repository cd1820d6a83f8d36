//! The discord chat.
