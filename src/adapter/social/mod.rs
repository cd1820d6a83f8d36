//! Networks on which customers write.

pub mod app_store;
pub mod bluesky;
pub mod google_business;
pub mod google_play;
pub mod mastodon;
pub mod playground;
pub mod trustpilot;
pub mod webhook;
pub mod youtube;
