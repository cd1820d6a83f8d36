//! Networks on which customers write.

pub mod mastodon;
pub mod playground;
pub mod webhook;
