//! Chats in which teams work.

pub mod console;
pub mod discord;
pub mod helpdesk;
pub mod slack;
