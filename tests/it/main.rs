//! One integration binary: fakes that speak real HTTP and WebSocket, and conversations with them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod architecture;
mod audit;
mod bluesky;
mod cases;
mod config;
mod conformance;
mod console;
mod conversation;
mod discord;
mod fake;
mod grammar;
mod harness;
mod jetstream;
mod mastodon;
mod media;
mod migrations;
mod oauth;
mod operator;
mod races;
mod real;
mod replay;
mod reply;
mod restart;
mod serve;
mod sim;
mod slack;
mod store;
mod webhook;
