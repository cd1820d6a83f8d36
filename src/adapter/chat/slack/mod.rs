//! The slack chat.
