//! Networks on which customers write.

pub mod bluesky;
pub mod mastodon;
pub mod playground;
pub mod webhook;
pub mod x;
