//! Networks on which customers write.

pub mod bluesky;
pub mod facebook;
pub mod instagram;
pub mod mastodon;
pub mod playground;
pub mod threads;
pub mod webhook;
