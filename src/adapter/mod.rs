//! The chats and the networks. Adapters never import each other or the store.

pub mod api;
pub mod attempts;
pub mod chat;
pub mod connector;
pub mod finding;
pub mod google;
pub mod graph;
pub mod guard;
pub mod html;
pub mod http;
mod ids;
pub mod jwt;
pub mod link;
pub mod meter;
pub mod oauth;
pub mod oidc;
pub mod push;
pub mod quota;
pub mod reach;
pub mod reviews;
pub mod social;
pub mod stored;
pub mod supervise;
pub mod tokens;
pub mod trouble;
pub mod verdict;
pub mod watch;
