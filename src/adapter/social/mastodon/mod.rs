//! The mastodon source.
