//! The chats and the networks. Adapters never import each other or the store.

pub mod attempts;
pub mod chat;
pub mod finding;
pub mod html;
pub mod http;
mod ids;
pub mod link;
pub mod social;
pub mod supervise;
