//! What becomes of a feed that was set aside: somebody lets it in, or leaves it out.

use super::directory::Known;
use super::hearing::Gate;
use super::inbound::{Inbound, Response, Unavailable};
use super::text;
use crate::domain::{NO_CASE, Press, Role, Sighting, SourceName};

/// How many posts are let in by one commit.
const TOGETHER: i64 = 200;

/// The button that lets a feed in, or leaves it out.
pub(super) fn press(source: &SourceName, admit: bool) -> Press {
    let word = if admit { "let-in" } else { "leave-out" };
    Press::Command {
        case: NO_CASE,
        line: format!("{word} {source}"),
    }
}

/// What such a button says.
pub(super) fn of_line(line: &str) -> Option<(SourceName, bool)> {
    let (word, source) = line.split_once(' ')?;
    match word {
        "let-in" => Some((source.into(), true)),
        "leave-out" => Some((source.into(), false)),
        _ => None,
    }
}

impl Inbound {
    /// Lets in what of a feed waits, or leaves it out. Leads only. The same again finds nothing that waits.
    pub(super) async fn feed(
        &self,
        known: &Known,
        source: &SourceName,
        admit: bool,
    ) -> Result<Response, Unavailable> {
        if known.role < Role::Lead {
            return Ok(text::only_leads_open_feeds());
        }
        let waiting = self.store.count_waiting(source).await?;
        if waiting == 0 {
            return Ok(text::nothing_waits(source.as_str()));
        }
        let by = &known.agent.name;
        tracing::info!(%source, waiting, admit, by, "What was set aside of a feed is decided on.");
        if admit {
            self.let_in(source).await?;
        } else {
            // First, so that what comes meanwhile is another flood, and told of.
            self.take_in(source, Vec::new(), None, Gate::Closed).await?;
            self.store.leave_out(source).await?;
        }
        Ok(text::feed_decided(source.as_str(), waiting, admit))
    }

    /// Lets the posts in, as many in a commit as others can wait for. Each goes where it would have gone.
    async fn let_in(&self, source: &SourceName) -> Result<(), Unavailable> {
        loop {
            let posts = self.store.waiting(source, TOGETHER).await?;
            if posts.is_empty() {
                return Ok(());
            }
            let seen = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
            let intake = self.take_in(source, seen.collect(), None, Gate::Open).await?;
            if intake.set_aside > 0 {
                // The database took them in no form: they would come again and again.
                return Err(Unavailable("some of what waits cannot be stored".to_owned()));
            }
        }
    }
}
