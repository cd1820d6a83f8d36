//! The way out: one status a reply, and the look whether an earlier one stands.
//!
//! Definite refusals are only those that the API's own code is known to give before it inserts
//! anything, and only in the API's own form, a JSON object with `error` (a proxy's page proves
//! nothing): 401, 403 (scope, or an account that may not post), 404 (the post answered is gone,
//! `statuses.errors.in_reply_not_found`), 422 (validation). This is Mastodon's own code; of the
//! other programs nobody has shown it. All else may have been published.

use super::Mastodon;
use super::api::{Failed, before};
use super::instance::{Known, Software};
use super::target::is_meant;
use super::wire::{Descendants, Status};
use super::{count, text, translate};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply, Visibility};
use crate::port::{Class, Look, Permit, PortError, Published};
use std::collections::BTreeMap;

/// How many pages of own statuses are looked through.
const MOST_PAGES: usize = 5;
/// The statuses of a page.
const PAGE: usize = 40;

impl Mastodon {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = tokio::time::Instant::now() + self.reply_timeout;
        let reading = tokio::time::timeout(self.reply_timeout / 2, async {
            let known = self.known().await.map_err(before)?;
            let parent = self.parent(&known, reply).await?;
            Ok::<_, PortError>((known, parent))
        });
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let (known, parent) = reading.await.map_err(late)??;
        let visibility = audible(reply, &parent);
        if visibility == Visibility::Private
            && let Some(why) = self.leak(&reply.text, &reply.author_handle, &known.acct)
        {
            return Err(PortError::Refused(format!("{why} Nothing was published.")));
        }
        let body = serde_json::json!({
            "status": reply.text,
            "in_reply_to_id": parent.id,
            "visibility": translate::word(visibility),
            "language": reply.lang,
            "sensitive": false,
        });
        // Pleroma keeps keys for all accounts together: ours carries the account.
        let key = format!("{}-{}", reply.key, known.me);
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let answer: Status = self
            .api
            .publish(&["api", "v1", "statuses"], &key, &body, (left, permit))
            .await
            .map_err(|error| refusal(known.software, error))?;
        published(&known, &answer)
    }

    /// The post to answer, as it is now: servers answer a missing one with a post on its own.
    async fn parent(&self, known: &Known, reply: &Reply) -> Result<Status, PortError> {
        let stop = |why: &str| PortError::Refused(why.to_owned());
        let parent = match self.status(reply.target.as_str()).await {
            Ok(parent) => parent,
            Err(error) if error.is_missing() => {
                return Err(stop("the post is gone, so nothing was published"));
            }
            Err(error) => return Err(before(error)),
        };
        if !is_meant(known, reply, &parent) {
            return Err(stop(
                "the server shows another post under that id, so nothing was published",
            ));
        }
        Ok(parent)
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let known = self.known().await.map_err(Failed::unread)?;
        let mut ours = self.own_statuses(&known, since(reply)).await?;
        let fresh = self.shows(&known, &ours, canary).await?;
        // Some servers leave direct posts out of the account's list; the thread has them.
        let path = ["api", "v1", "statuses", reply.target.as_str(), "context"];
        match self.api.get::<Descendants>(&path, &[]).await {
            Ok(context) => ours.extend(context.descendants.into_iter().map(|own| (own.id.clone(), own))),
            Err(error) if error.is_missing() => {
                if reply.audience == Audience::Private && !matches!(known.software.class(), Class::Key { .. })
                {
                    return Err(PortError::Unknown(
                        "the post is gone, and this server shows private answers only under it".to_owned(),
                    ));
                }
            }
            Err(error) => return Err(error.unread()),
        }
        ours.retain(|_, own| {
            own.account.id == known.me
                && own
                    .in_reply_to_id
                    .as_deref()
                    .is_some_and(|parent| known.software.stable(parent) == reply.target)
        });
        let ours = ours.values().map(|own| {
            Ok(Own {
                published: published(&known, own)?,
                text: text::plain(&own.content, &own.mentions),
                at: own.created_at,
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, comparable)
    }

    /// Whether the list of our statuses shows the newest that is known to stand: a copy of the database
    /// that lags would not. One that somebody removed meanwhile cannot be asked for.
    async fn shows(
        &self,
        known: &Known,
        ours: &BTreeMap<String, Status>,
        canary: Option<&NativeId>,
    ) -> Result<bool, PortError> {
        let Some(canary) = canary else { return Ok(true) };
        if ours.values().any(|own| known.software.stable(&own.id) == *canary) {
            return Ok(true);
        }
        // It may be older than what was listed: then the copy need not be new to show it.
        match self.status(canary.as_str()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error.unread()),
        }
    }

    /// What our account wrote since then.
    async fn own_statuses(
        &self,
        known: &Known,
        since: Instant,
    ) -> Result<BTreeMap<String, Status>, PortError> {
        let path = ["api", "v1", "accounts", &known.me, "statuses"];
        let limit = PAGE.to_string();
        let mut ours = BTreeMap::new();
        let mut before: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("limit", limit.as_str()), ("exclude_reblogs", "true")];
            if let Some(id) = &before {
                query.push(("max_id", id));
            }
            let page: Vec<Status> = self.api.get(&path, &query).await.map_err(Failed::unread)?;
            // The list is in the order of publication, but for pinned posts on some servers.
            let reached = page.iter().filter(|own| own.created_at < since).count();
            before = page.last().map(|own| own.id.clone());
            let known_all = page.is_empty() || reached * 2 > page.len() || page.len() < PAGE;
            let fresh = page.len();
            let had = ours.len();
            ours.extend(page.into_iter().map(|own| (own.id.clone(), own)));
            if known_all || (fresh > 0 && ours.len() == had) {
                return Ok(ours);
            }
        }
        Err(PortError::Unknown(format!(
            "our account wrote more than {} posts since the attempt: the reply cannot be looked for",
            MOST_PAGES * PAGE
        )))
    }
}

/// How visible the answer is: as the post it answers, never more; private if it was meant so.
fn audible(reply: &Reply, parent: &Status) -> Visibility {
    let now = translate::visibility(&parent.visibility);
    match reply.audience {
        Audience::Private => Visibility::Private,
        Audience::Public if rank(now) > rank(reply.target_visibility) => now,
        Audience::Public => reply.target_visibility,
    }
}

fn rank(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Unlisted => 1,
        Visibility::Followers => 2,
        Visibility::Private => 3,
    }
}

/// What the server says it published; the caller judges whether it stands where it belongs.
pub(super) fn published(known: &Known, status: &Status) -> Result<Published, PortError> {
    let id = known.software.stable(&status.id);
    let id = ids::reply_id(id.as_str())
        .map_err(|why| PortError::Unknown(format!("the reply was published, but {why}")))?;
    let parent = status.in_reply_to_id.as_deref();
    Ok(Published {
        id,
        url: status.url.clone(),
        parent: parent.map(|id| known.software.stable(id)),
        author: Some(NativeId::new(&status.account.id)),
    })
}

/// A text as it can be compared: servers add hosts to mentions and change blanks.
fn comparable(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.strip_prefix('@') {
        Some(handle) => format!("@{}", handle.split('@').next().unwrap_or_default()),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A failure of the publishing call.
fn refusal(software: Software, error: Failed) -> PortError {
    match error {
        Failed::Limited(wait) => PortError::RetryAfter(wait),
        Failed::Unreached(why) => PortError::NotReached(why),
        Failed::Broken(why) => PortError::Unknown(why),
        Failed::Status {
            status,
            told: Some(ref told),
        } if software == Software::Mastodon => match status.as_u16() {
            401 => PortError::Unauthorized(told.clone()),
            403 | 404 | 422 => PortError::Refused(format!("the server refused ({status}): {told}")),
            _ => PortError::Unknown(error.to_string()),
        },
        Failed::Status { .. } => PortError::Unknown(error.to_string()),
    }
}

/// The text with the author addressed: the server does not do it, and nobody is told otherwise.
pub(super) fn addressed(text: &str, handle: &str) -> String {
    if handle.is_empty() || count::mentions(text, handle) {
        text.to_owned()
    } else {
        format!("@{handle} {text}")
    }
}

impl Mastodon {
    /// Why a private answer must not have these words: whom it names besides its author reads it
    /// too (<https://docs.joinmastodon.org/methods/statuses/#create>, `direct`).
    pub(super) fn leak(&self, text: &str, author: &str, me: &str) -> Option<String> {
        let own_host = self.api.base().host_str().unwrap_or_default();
        let person = |handle: &str| {
            let handle = handle.to_lowercase();
            match handle.rsplit_once('@') {
                Some((user, host)) if host.eq_ignore_ascii_case(own_host) => user.to_owned(),
                Some(_) | None => handle,
            }
        };
        let known = [person(author), person(me)];
        let stranger = count::addressees(text).find(|handle| !known.contains(&person(handle)))?;
        Some(format!(
            "Everybody whom a private answer names can read it, so this one would go to @{stranger} too. \
             Leave the name out, or write it without the @."
        ))
    }
}
