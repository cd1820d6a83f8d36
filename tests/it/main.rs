//! One integration binary: fakes that speak real HTTP and WebSocket, and conversations with them.

mod architecture;
mod config;
mod console;
mod conversation;
mod discord;
mod fake;
mod harness;
mod mastodon;
mod migrations;
mod restart;
mod slack;
mod store;
mod webhook;
