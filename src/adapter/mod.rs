//! The chats and the networks. Adapters never import each other or the store.

pub mod api;
pub mod attempts;
pub mod chat;
pub mod connector;
pub mod finding;
pub mod guard;
pub mod html;
pub mod http;
mod ids;
pub mod link;
pub mod meter;
pub mod oauth;
pub mod picture;
pub mod social;
pub mod supervise;
pub mod trouble;
pub mod verdict;
pub mod watch;
