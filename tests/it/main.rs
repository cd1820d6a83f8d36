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
mod discourse;
mod email;
mod facebook;
mod fake;
mod github;
mod google_business;
mod grammar;
mod harness;
mod helpdesk;
mod instagram;
mod jetstream;
mod ledger;
mod lemmy;
mod linkedin;
mod mastodon;
mod media;
mod migrations;
mod oauth;
mod operator;
mod races;
mod real;
mod reddit;
mod replay;
mod reply;
mod restart;
mod reviews;
mod rss;
mod rules;
mod serve;
mod sim;
mod slack;
mod stack_exchange;
mod store;
mod telegram;
mod threads;
mod tiktok;
mod trustpilot;
mod webhook;
mod x;
mod youtube;
