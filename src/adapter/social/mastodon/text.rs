//! What a post says, with its mentions as whole handles.

use super::wire::Mention;
use crate::adapter::plain::{self, Named};

/// The text of a post as a person reads it.
pub fn plain(html: &str, mentions: &[Mention]) -> String {
    let named = mentions.iter().map(|mention| Named {
        url: &mention.url,
        handle: &mention.acct,
    });
    plain::plain(html, &named.collect::<Vec<_>>())
}
