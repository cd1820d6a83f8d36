//! Networks on which customers write.

pub mod bluesky;
pub mod linkedin;
pub mod mastodon;
pub mod playground;
pub mod tiktok;
pub mod webhook;
pub mod x;
