//! Networks on which customers write.

pub mod bluesky;
pub mod discourse;
pub mod github;
pub mod lemmy;
pub mod mastodon;
pub mod playground;
pub mod reddit;
pub mod telegram;
pub mod webhook;
