//! Networks on which customers write.

pub mod app_store;
pub mod bluesky;
pub mod discourse;
pub mod email;
pub mod facebook;
pub mod github;
pub mod google_business;
pub mod google_play;
pub mod instagram;
pub mod lemmy;
pub mod linkedin;
pub mod mastodon;
pub mod playground;
pub mod reddit;
pub mod rss;
pub mod stack_exchange;
pub mod telegram;
pub mod threads;
pub mod tiktok;
pub mod trustpilot;
pub mod webhook;
pub mod x;
pub mod youtube;
