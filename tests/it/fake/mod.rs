//! Platforms made here: real sockets, scripted faults.

pub mod bluesky;
pub mod discord;
pub mod door;
pub mod errors;
pub mod facebook;
pub mod fault;
pub mod gateway;
pub mod graph;
pub mod house;
pub mod instagram;
pub mod mastodon;
pub mod postgres;
pub mod server;
pub mod slack;
pub mod specs;
pub mod threads;
pub mod tokens;
pub mod webhook;
