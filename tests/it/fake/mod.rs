//! Platforms made here: real sockets, scripted faults.

pub mod app_store;
pub mod bluesky;
pub mod discord;
pub mod door;
pub mod errors;
pub mod fault;
pub mod gateway;
pub mod google;
pub mod google_business;
pub mod google_play;
pub mod house;
pub mod mastodon;
pub mod postgres;
pub mod reviews;
pub mod server;
pub mod slack;
pub mod specs;
pub mod tokens;
pub mod trustpilot;
pub mod webhook;
pub mod youtube;
