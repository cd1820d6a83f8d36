//! Chats in which teams work.

pub mod console;
pub mod discord;
pub mod slack;
