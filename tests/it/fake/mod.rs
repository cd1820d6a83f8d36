//! Platforms made here: real sockets, scripted faults.

pub mod bluesky;
pub mod discord;
pub mod discourse;
pub mod door;
pub mod errors;
pub mod fault;
pub mod gateway;
pub mod github;
pub mod house;
pub mod lemmy;
pub mod mastodon;
pub mod postgres;
pub mod reddit;
pub mod server;
pub mod slack;
pub mod specs;
pub mod telegram;
pub mod tokens;
pub mod webhook;
