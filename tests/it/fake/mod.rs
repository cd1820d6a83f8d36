//! Platforms made here: real sockets, scripted faults.

pub mod bluesky;
pub mod discord;
pub mod door;
pub mod errors;
pub mod fault;
pub mod gallery;
pub mod gateway;
pub mod house;
pub mod jetstream;
pub mod mastodon;
pub mod postgres;
pub mod server;
pub mod slack;
pub mod specs;
pub mod tokens;
pub mod webhook;
