//! `[listen]` and `[alerts]`.

use super::section::Section;
use std::time::Duration;

/// The longest that what rules pass over is kept: nobody asked these people.
const MOST_KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// How long what rules pass over is kept; zero keeps nothing.
    pub keep: Duration,
}

impl Listen {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let keep = section.need("keep", "\"30d\"")?;
        section.at_most("keep", keep, MOST_KEEP);
        Some(Self { keep })
    }
}

/// `[alerts]`
#[derive(Debug, Clone)]
pub struct Alerts {
    /// A Slack channel.
    pub slack_channel: Option<String>,
    /// A Discord channel.
    pub discord_channel: Option<String>,
}

impl Alerts {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            slack_channel: section.get("slack_channel"),
            discord_channel: section.get("discord_channel"),
        })
    }
}
