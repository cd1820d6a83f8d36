//! The way out: one record a reply, at a key that every attempt has, and the look whether it stands there.
//!
//! `com.atproto.repo.putRecord` with `swapRecord: null` writes only where nothing stands: the same record
//! again is answered with success and changes nothing, another one with 400 `InvalidSwap`
//! (<https://docs.bsky.app/docs/api/com-atproto-repo-put-record>). So whatever an attempt finds in the
//! customer's post, for example another version of it, and so another CID in the record, there is never a
//! second reply, and never another one in its place. `createRecord` would answer 500 for the same key, as an
//! outage does (<https://github.com/bluesky-social/atproto/issues/3718>).
//!
//! Definite refusals are those that a server's own code gives before it writes: validation (400
//! `InvalidRequest`), a session that is over, an account that may not write, 413, 429. Of other programs
//! nobody has shown it, so before one is believed the key is looked at.

use super::session::{Failed, Session, before, is_stale, name};
use super::translate::{address, is_in};
use super::wire::{Put, Record, Resolved, Stored, View};
use super::{Bluesky, POST, Shown, record};
use crate::adapter::ids;
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why who blocks us, or whom we block, gets no answer.
pub(super) const BLOCKED: &str = "its author and our account block each other";

/// What an attempt found before it wrote.
enum Ready {
    /// All that is to be written.
    Record(Arc<Session>, Value),
    /// An earlier attempt wrote it.
    Stands(Published),
}

impl Bluesky {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading before, a quarter at least for publishing, the rest for reading after.
        let began = Instant::now();
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 2, self.prepare(reply));
        let (session, record) = match reading.await.map_err(late)?? {
            Ready::Record(session, record) => (session, record),
            Ready::Stands(published) => return Ok(published),
        };
        let key = record::key(reply.created_at, &reply.key);
        let left = self.timeout.mul_f64(0.75).saturating_sub(began.elapsed());
        let written = self.write(&session, &key, &record, (left, permit)).await;
        let there = async {
            let read = timeout_at(began + self.timeout, self.own(&session, &key)).await;
            read.unwrap_or_else(|_| Err(Failed::Broken("it could not be read in time".to_owned())))
        };
        match written {
            Ok(()) => match there.await {
                Ok(Some(own)) => published(&session, &uri(&session, &key), &own),
                Ok(None) => Err(PortError::Unknown("it was written, but is not there".to_owned())),
                Err(error) => Err(PortError::Unknown(format!("it was written, but {error}"))),
            },
            Err(PortError::Refused(why)) => match there.await {
                Ok(None) => Err(PortError::Refused(why)),
                Ok(Some(_)) | Err(_) => Err(PortError::Unknown(why)),
            },
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        session: &Session,
        key: &str,
        record: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<(), PortError> {
        let method = "com.atproto.repo.putRecord";
        let body = json!({
            "repo": session.did, "collection": POST, "rkey": key, "record": record, "swapRecord": null,
        });
        let put: Put = self
            .xrpc
            .publish(session, method, &body, allowed)
            .await
            .map_err(refusal)?;
        if put.uri == uri(session, key) {
            return Ok(());
        }
        Err(PortError::Unknown(format!(
            "the server wrote it somewhere else: look at {}",
            put.uri
        )))
    }

    /// Reads all that the record needs, and whether it may be written at all: a server takes an answer to a
    /// post that is gone, or whose author blocks us, without a word.
    async fn prepare(&self, reply: &Reply) -> Result<Ready, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        let session = self.xrpc.session().await.map_err(before)?;
        if reply.audience == Audience::Private {
            return stop("private messages are not written here");
        }
        if reply
            .account
            .as_ref()
            .is_some_and(|account| account.as_str() != session.did)
        {
            return stop(
                "the password is now that of another account than the one the reply was approved for",
            );
        }
        // After an earlier attempt: whatever became of the customer's post, ours may stand.
        if reply.fence > 1
            && let Look::Found(published) = self.look(reply).await?
        {
            return Ok(Ready::Stands(published));
        }
        let parent = match self.shown(reply.target.as_str(), 0).await.map_err(before)? {
            Shown::Stands(parent, _) => parent,
            Shown::Blocked => return stop(BLOCKED),
            Shown::Gone => return stop("the post is gone"),
        };
        if parent.author.did != reply.author.as_str() {
            return stop("the network shows another author for that post");
        }
        if let Some(why) = closed(&parent) {
            return stop(why);
        }
        let known = self.people(reply).await?;
        let record = record::record(reply, &parent, &known);
        // What was read may have renewed the session.
        let session = self.xrpc.session().await.map_err(before)?;
        Ok(Ready::Record(session, record))
    }

    /// The DIDs of those whom the text names. A handle that nobody has stays a word.
    async fn people(&self, reply: &Reply) -> Result<HashMap<String, String>, PortError> {
        let author = reply.author_handle.to_ascii_lowercase();
        let mut known = HashMap::from([(author, reply.author.to_string())]);
        for (_, handle) in record::mentions(&reply.text) {
            if known.contains_key(&handle) {
                continue;
            }
            let method = "com.atproto.identity.resolveHandle";
            match self.xrpc.get::<Resolved>(method, &[("handle", &handle)]).await {
                Ok(resolved) => drop(known.insert(handle, resolved.did)),
                Err(error) if name(&error).is_some() && !is_stale(&error) => {}
                Err(error) => return Err(before(error)),
            }
        }
        Ok(known)
    }

    /// Whether the reply stands at its key. The account's own server answers for it: no copy lags.
    pub(super) async fn look(&self, reply: &Reply) -> Result<Look, PortError> {
        let session = self.xrpc.session().await.map_err(Failed::unread)?;
        let key = record::key(reply.created_at, &reply.key);
        let uri = uri(&session, &key);
        let Some(own) = self.own(&session, &key).await.map_err(Failed::unread)? else {
            return Ok(Look::Absent { fresh: true });
        };
        let parent = own.reply.as_ref().map(|reply| reply.parent.uri.as_str());
        if own.text != reply.text || parent != Some(reply.target.as_str()) {
            let at = address(&session.handle, &uri).unwrap_or(uri);
            return Err(PortError::Unknown(format!(
                "something else stands in the reply's place: look at {at}"
            )));
        }
        published(&session, &uri, &own).map(Look::Found)
    }

    /// The record of ours at a key.
    async fn own(&self, session: &Session, key: &str) -> Result<Option<Record>, Failed> {
        let query = [
            ("repo", session.did.as_str()),
            ("collection", POST),
            ("rkey", key),
        ];
        match self
            .xrpc
            .get::<Stored>("com.atproto.repo.getRecord", &query)
            .await
        {
            Ok(stored) => Ok(Some(stored.value)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The post at an address: a page of the network's, or a URI of it.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let session = self.xrpc.session().await.map_err(before)?;
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some((who, key)) = parts(told.trim()) else {
            return refuse("that is no address of a post on Bluesky");
        };
        if who != session.did && !who.eq_ignore_ascii_case(&session.handle) {
            return refuse("that post is not by our account");
        }
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(own) = self.own(&session, key).await.map_err(unread)? else {
            return refuse("no post stands at that address");
        };
        if own.reply.as_ref().map(|reply| reply.parent.uri.as_str()) != Some(reply.target.as_str()) {
            return refuse("that post does not answer the customer's post");
        }
        published(&session, &uri(&session, key), &own)
    }
}

/// Why a post takes no answer of ours.
pub(super) fn closed(post: &View) -> Option<&'static str> {
    let author = &post.author.viewer;
    if author.blocked_by || author.blocking.is_some() {
        Some(BLOCKED)
    } else if post.viewer.reply_disabled {
        Some("its author lets only some people answer, and our account is none of them")
    } else {
        None
    }
}

/// A record of ours, as the network names it.
fn uri(session: &Session, key: &str) -> String {
    format!("at://{}/{POST}/{key}", session.did)
}

/// Whose post stands at an address, and its key.
fn parts(address: &str) -> Option<(&str, &str)> {
    let path = ["https://bsky.app/profile/", "at://"]
        .iter()
        .find_map(|start| address.strip_prefix(start))?;
    let path = path.split(['?', '#']).next()?.trim_end_matches('/');
    let (who, rest) = path.split_once('/')?;
    let key = rest
        .strip_prefix("post/")
        .or_else(|| rest.strip_prefix(POST)?.strip_prefix('/'))?;
    let sound = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then_some((who, key))
}

/// What stands at a place of ours; the caller judges whether it belongs there.
pub(super) fn published(session: &Session, uri: &str, own: &Record) -> Result<Published, PortError> {
    Ok(Published {
        id: ids::reply_id(uri).map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: address(&session.handle, uri),
        parent: own.reply.as_ref().map(|reply| NativeId::new(&reply.parent.uri)),
        author: is_in(uri, &session.did).then(|| NativeId::new(&session.did)),
    })
}

/// Whether the server says that no record stands there: by the name it has for it now, or, as before there
/// was one, in words (`getRecord.ts` of the PDS).
fn is_missing(error: &Failed) -> bool {
    match name(error) {
        Some("RecordNotFound") => true,
        Some("InvalidRequest") => error.to_string().contains("Could not locate record"),
        Some(_) | None => false,
    }
}

/// A failure of the publishing call.
fn refusal(error: Failed) -> PortError {
    match (&error, name(&error)) {
        (Failed::Limited(wait), _) => PortError::RetryAfter(*wait),
        (Failed::Unreached(why), _) => PortError::NotReached(why.clone()),
        (_, Some("ExpiredToken" | "InvalidToken" | "AuthMissing")) => PortError::NotReached(
            "the session was over just then; the next attempt takes a new one".to_owned(),
        ),
        (_, Some("AccountTakedown" | "AccountDeactivated" | "AccountSuspended")) => {
            PortError::Unauthorized(error.to_string())
        }
        (Failed::Status { status, .. }, Some(name)) => match (status.as_u16(), name) {
            (400, "InvalidRequest") | (403 | 413, _) => {
                PortError::Refused(format!("the server refused: {error}"))
            }
            _ => PortError::Unknown(error.to_string()),
        },
        (Failed::Status { .. } | Failed::Broken(_), _) => PortError::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://bsky.app/profile/shop.example/post/3jzfcijpj2z2a", Some(("shop.example", "3jzfcijpj2z2a")))]
    #[case("https://bsky.app/profile/did:plc:me/post/3jzfcijpj2z2a?x#y", Some(("did:plc:me", "3jzfcijpj2z2a")))]
    #[case("at://did:plc:me/app.bsky.feed.post/3jzfcijpj2z2a", Some(("did:plc:me", "3jzfcijpj2z2a")))]
    #[case("at://did:plc:me/app.bsky.feed.like/3jzfcijpj2z2a", None)]
    #[case("https://bsky.app/profile/shop.example", None)]
    #[case("https://bsky.app/profile/shop.example/post/..%2Fx", None)]
    #[case("https://evil.example/profile/shop.example/post/3jzfcijpj2z2a", None)]
    fn an_address_names_a_post(#[case] address: &str, #[case] named: Option<(&str, &str)>) {
        assert_eq!(parts(address), named);
    }
}
