//! Networks on which customers write.

pub mod bluesky;
pub mod email;
pub mod mastodon;
pub mod playground;
pub mod rss;
pub mod webhook;
