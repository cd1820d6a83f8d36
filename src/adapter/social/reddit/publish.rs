//! The way out: one comment a reply, and the look whether it stands among our own comments.
//!
//! `POST /api/comment` (<https://www.reddit.com/dev/api#POST_api_comment>) knows no key: the same call again
//! makes a second comment. What is wrong it says in an answer of 200, by names that are given before anything
//! is made (`has_errors` in the published source,
//! <https://github.com/reddit-archive/reddit/blob/master/r2/r2/controllers/api.py>). Those are refusals; a name
//! that is not among them proves nothing.

use super::session::{Failed, before};
use super::translate::{self, account, address};
use super::wire::{Commented, Data, Listing, Outcome, Thing};
use super::{NO_MESSAGES, Reddit};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant as Moment, timeout_at};

/// What Reddit calls refusals of a comment. By each it says that nothing was made.
const REFUSALS: [&str; 12] = [
    "THREAD_LOCKED",
    "TOO_OLD",
    "DELETED_COMMENT",
    "DELETED_LINK",
    "NO_TEXT",
    "TOO_LONG",
    "NOT_AUTHOR",
    "USER_BLOCKED",
    "USER_BLOCKED_MESSAGE",
    "SUBREDDIT_NOTALLOWED",
    "COMMENTER_BLOCKED_POSTER",
    "SUBREDDIT_LINKING_DISALLOWED",
];
/// How many pages of our own comments are looked through: Reddit shows 1000 of them.
const MOST_PAGES: usize = 10;

impl Reddit {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = Moment::now() + self.timeout;
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(Moment::now() + self.timeout / 2, self.prepare(reply));
        reading.await.map_err(late)??;
        let form = [
            ("api_type", "json"),
            ("raw_json", "1"),
            ("thing_id", reply.target.as_str()),
            ("text", reply.text.as_str()),
        ];
        let left = deadline.saturating_duration_since(Moment::now());
        let answer: Commented = self
            .account
            .publish(&["api", "comment"], &form, (left, permit))
            .await
            .map_err(refusal)?;
        made(answer.json)
    }

    /// Whether the reply may be sent at all.
    async fn prepare(&self, reply: &Reply) -> Result<(), PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply.audience == Audience::Private {
            return stop(NO_MESSAGES);
        }
        if reply.account.as_ref().is_some_and(|account| *account != self.me) {
            return stop("the username is now another one than that which the reply was approved for");
        }
        match self.thing(&reply.target).await.map_err(before)? {
            None => stop("Reddit does not show the post any more"),
            Some(thing) if translate::is_gone(&thing.data) => stop("the post was taken back or removed"),
            Some(thing) if !is_by(&thing.data, &reply.author) => {
                stop("Reddit shows another author for that post")
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let (mut ours, whole) = self.own_comments(since(reply)).await.map_err(Failed::unread)?;
        if !whole {
            return Err(PortError::Unknown(
                "our account wrote more comments since the attempt than Reddit lists".to_owned(),
            ));
        }
        let fresh = match canary {
            None => true,
            Some(canary) => self.shows(&ours, canary).await?,
        };
        ours.retain(|own| own.data.parent_id.as_deref() == Some(reply.target.as_str()));
        let ours = ours.iter().map(|own| {
            Ok(Own {
                published: published(&own.data)?,
                text: own.data.body.clone().unwrap_or_default(),
                at: own.data.created_at(),
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, blanks)
    }

    /// Whether the list of our comments shows the newest that is known to stand, or ends before it. Lists are
    /// made beforehand and may lag: one that does not show it need not show an attempt either.
    async fn shows(&self, ours: &[Thing], canary: &NativeId) -> Result<bool, PortError> {
        if ours.iter().any(|own| own.data.name == canary.as_str()) {
            return Ok(true);
        }
        let known = self.thing(canary).await.map_err(Failed::unread)?;
        let oldest = ours.iter().map(|own| own.data.created_at()).min();
        Ok(known.is_some_and(|known| oldest.is_some_and(|oldest| known.data.created_at() < oldest)))
    }

    /// What our account wrote since then and some of what it wrote before, and whether all since then is there
    /// (<https://www.reddit.com/dev/api#GET_user_{username}_comments>).
    pub(super) async fn own_comments(&self, since: Instant) -> Result<(Vec<Thing>, bool), Failed> {
        let mut ours = Vec::new();
        let mut behind: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("sort", "new"), ("limit", "100")];
            query.extend(behind.as_deref().map(|name| ("after", name)));
            let path = ["user", self.username.as_str(), "comments"];
            let listing: Listing = self.account.get(&path, &query).await?;
            let page = listing.data.children.iter();
            let page: Result<Vec<Thing>, _> = page.map(|raw| serde_json::from_str(raw.get())).collect();
            let page = page.map_err(|error| {
                Failed::Broken(format!(
                    "one of our comments is not what the API describes ({error})"
                ))
            })?;
            let reached = page.iter().any(|own| own.data.created_at() < since);
            ours.extend(page);
            behind = listing.data.after;
            if reached || behind.is_none() {
                return Ok((ours, true));
            }
        }
        Ok((ours, false))
    }
}

/// Whether a thing is by this user.
pub(super) fn is_by(data: &Data, user: &NativeId) -> bool {
    data.author.as_deref().is_some_and(|name| account(name) == *user)
}

/// What publishing came to.
fn made(outcome: Outcome) -> Result<Published, PortError> {
    let error = outcome.errors.first().map(|parts| {
        let part = |at: usize| parts.get(at).and_then(Value::as_str).unwrap_or_default();
        (part(0), part(1))
    });
    match error {
        Some(("RATELIMIT", words)) => Err(PortError::RetryAfter(pause(outcome.ratelimit, words))),
        Some((name, words)) if REFUSALS.contains(&name) => {
            Err(PortError::Refused(format!("Reddit refused ({name}): {words}")))
        }
        Some((name, words)) => Err(PortError::Unknown(format!("Reddit answered {name}: {words}"))),
        None => {
            let thing = outcome.data.and_then(|data| data.things.into_iter().next());
            let missing = || PortError::Unknown("Reddit does not say which comment it made".to_owned());
            published(&thing.ok_or_else(missing)?.data)
        }
    }
}

/// How long a new account, or one that wrote much, has to wait: told in seconds, or in words (`Take a break
/// for 2 minutes`).
fn pause(seconds: Option<f64>, words: &str) -> Duration {
    let told = seconds.filter(|seconds| *seconds > 0.0 && seconds.is_finite());
    let told = told.map(|seconds| Duration::from_secs_f64(seconds.min(3600.0)));
    let mut before = "";
    let mut found = None;
    for word in words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let unit = match word {
            "second" | "seconds" => Some(1),
            "minute" | "minutes" => Some(60),
            "hour" | "hours" => Some(3600),
            _ => None,
        };
        found = found.or_else(|| Some(Duration::from_secs(before.parse::<u64>().ok()?.min(3600) * unit?)));
        before = word;
    }
    let pause = told.or(found).unwrap_or(Duration::from_secs(60));
    pause.clamp(Duration::from_secs(1), Duration::from_secs(3600))
}

/// A comment of ours; the caller judges whether it stands where it belongs.
pub(super) fn published(data: &Data) -> Result<Published, PortError> {
    Ok(Published {
        id: ids::reply_id(&data.name)
            .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: address(data),
        parent: data.parent_id.as_deref().map(NativeId::new),
        author: data.author.as_deref().map(account),
    })
}

/// A failure of the publishing call. What the API's own front refuses was not executed.
fn refusal(error: Failed) -> PortError {
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Broken(why) => PortError::Unknown(why.clone()),
        Failed::Status {
            status,
            told: Some(_),
        } => match status.as_u16() {
            401 => PortError::NotReached(
                "the token was over just then; the next attempt takes a new one".to_owned(),
            ),
            403 => PortError::Refused(format!("Reddit refused: {error}")),
            _ => PortError::Unknown(error.to_string()),
        },
        Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(
        None,
        "Looks like you've been doing that a lot. Take a break for 2 minutes before trying again.",
        120
    )]
    #[case(None, "Take a break for 43 seconds before trying again.", 43)]
    #[case(Some(12.5), "Take a break for 2 minutes", 12)]
    #[case(None, "later", 60)]
    #[case(None, "Take a break for 999999999999999999999 hours", 60)]
    fn how_long_to_wait_is_understood(#[case] told: Option<f64>, #[case] words: &str, #[case] seconds: u64) {
        assert_eq!(pause(told, words).as_secs(), seconds);
    }

    #[rstest]
    #[case("THREAD_LOCKED", true)]
    #[case("SOMETHING_NEW", false)]
    fn only_a_name_that_is_known_is_a_refusal(#[case] name: &str, #[case] refused: bool) {
        let outcome = serde_json::from_value(json!({"errors": [[name, "words", "parent"]]})).unwrap();
        let error = made(outcome).unwrap_err();
        assert_eq!(matches!(error, PortError::Refused(_)), refused, "{error:?}");
    }
}
