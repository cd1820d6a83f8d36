//! The way out: a comment, or a private message; and the look whether it stands among our own.
//!
//! `POST /comment` and `POST /private_message` (<https://join-lemmy.org/api/v3>) know no key and look for no doubles:
//! the same call again makes another (`create_comment` in <https://github.com/LemmyNet/lemmy>). Refusals are those
//! names that are given before anything is written. `couldnt_find_comment` is none of them: it is also said of the
//! new comment itself, when it cannot be read back (`build_comment_response`).

use super::api::{Failed, before, name};
use super::feed::Now;
use super::translate::{self, Thing, account};
use super::wire::{CommentView, MessageView, OneComment, OneMessage, Page};
use super::{Known, Lemmy};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published, Target};
use serde_json::json;
use tokio::time::{Instant as Moment, timeout_at};
use url::Url;

/// The names by which nothing was written.
const REFUSALS: [&str; 14] = [
    "locked",
    "deleted",
    "site_ban",
    "banned",
    "banned_from_community",
    "person_is_banned_from_site",
    "person_is_banned_from_community",
    "person_is_blocked",
    "language_not_allowed",
    "max_comment_depth_reached",
    "invalid_body_field",
    "slurs",
    "blocked_url",
    "couldnt_find_post",
];
/// The most of our own comments or messages in one answer, and the most answers.
const LIMIT: &str = "50";
const MOST_PAGES: usize = 10;

impl Lemmy {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = Moment::now() + self.timeout;
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(Moment::now() + self.timeout / 2, self.prepare(reply));
        reading.await.map_err(late)??;
        let left = deadline.saturating_duration_since(Moment::now());
        if reply.audience == Audience::Private {
            let recipient: i64 = reply.author.as_str().parse().unwrap_or_default();
            let body = json!({"content": reply.text, "recipient_id": recipient});
            let made: Result<OneMessage, Failed> =
                self.api.publish("private_message", &body, (left, permit)).await;
            return sent(
                reply,
                self.api.base(),
                &made.map_err(refusal)?.private_message_view,
            );
        }
        let mut body = json!({"content": reply.text});
        match (Thing::of(&reply.target), Thing::of(&reply.conversation)) {
            (Some(Thing::Comment(comment)), Some(Thing::Post(post))) => {
                body["post_id"] = post.into();
                body["parent_id"] = comment.into();
            }
            (Some(Thing::Post(post)), _) => body["post_id"] = post.into(),
            (Some(Thing::Comment(_) | Thing::Message(_)) | None, _) => {
                return Err(stop("the post's id is none that can be answered in public"));
            }
        }
        let made: Result<OneComment, Failed> = self.api.publish("comment", &body, (left, permit)).await;
        published(&made.map_err(refusal)?.comment_view)
    }

    /// Whether the reply may be sent at all.
    async fn prepare(&self, reply: &Reply) -> Result<(), PortError> {
        let known = self.known().await.map_err(before)?;
        if reply
            .account
            .as_ref()
            .is_some_and(|account| *account != known.account())
        {
            return Err(stop(
                "the password is now that of another account than the one the reply was approved for",
            ));
        }
        if matches!(Thing::of(&reply.target), Some(Thing::Message(_))) {
            return Ok(());
        }
        match self.now(&known, &reply.target).await.map_err(before)? {
            None => Err(stop("the server does not show the post any more")),
            Some(Now::Gone) => Err(stop("the post was taken back or removed")),
            Some(Now::Stands { post, .. }) if post.author.id != reply.author => {
                Err(stop("the server shows another author for that post"))
            }
            Some(Now::Stands { .. }) => Ok(()),
        }
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        if matches!(Thing::of(&reply.target), Some(Thing::Message(_))) {
            return Ok(Target::NotReadable);
        }
        let known = self.known().await.map_err(before)?;
        let post = match self.now(&known, &reply.target).await.map_err(before)? {
            None => return Ok(Target::Gone("the server does not show it any more".to_owned())),
            Some(Now::Gone) => return Ok(Target::Gone("it was taken back, or removed".to_owned())),
            Some(Now::Stands { post, locked }) => {
                if post.author.id != reply.author {
                    let why = "the server shows another author for that post";
                    return Ok(Target::Gone(why.to_owned()));
                }
                if locked && reply.audience == Audience::Public {
                    return Ok(Target::Locked("moderators locked it".to_owned()));
                }
                post
            }
        };
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() && reply.audience == Audience::Public {
            let (own, _) = self.own_comments(&known, post.created_at).await.map_err(before)?;
            let by_hand = |own: &&CommentView| {
                stands(own)
                    && translate::parent(own) == reply.target
                    && !ours.contains(&Thing::Comment(own.comment.id).id())
            };
            if let Some(own) = own.iter().find(by_hand) {
                return Ok(Target::Answered {
                    text: own.comment.content.clone(),
                    url: Some(own.comment.ap_id.clone()),
                });
            }
        }
        Ok(Target::Stands { text: post.text })
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let known = self.known().await.map_err(Failed::unread)?;
        let since = since(reply);
        let (ours, whole, fresh) = if reply.audience == Audience::Private {
            let (messages, whole) = self.own_messages(&known, since).await.map_err(Failed::unread)?;
            let to_them = messages
                .iter()
                .filter(|view| account(&view.recipient) == reply.author);
            let own = to_them.map(|view| {
                Ok(Own {
                    published: sent(reply, self.api.base(), view)?,
                    text: view.private_message.content.clone(),
                    at: view.private_message.published,
                })
            });
            let listed = messages
                .iter()
                .map(|view| Thing::Message(view.private_message.id));
            let fresh = shows(&listed.collect::<Vec<_>>(), canary);
            (own.collect::<Result<Vec<_>, PortError>>()?, whole, fresh)
        } else {
            let (comments, whole) = self.own_comments(&known, since).await.map_err(Failed::unread)?;
            let listed = comments.iter().map(|view| Thing::Comment(view.comment.id));
            let fresh = shows(&listed.collect::<Vec<_>>(), canary);
            let below = comments
                .iter()
                .filter(|view| stands(view) && translate::parent(view) == reply.target);
            let own = below.map(|view| {
                Ok(Own {
                    published: published(view)?,
                    text: view.comment.content.clone(),
                    at: view.comment.published,
                })
            });
            (own.collect::<Result<Vec<_>, PortError>>()?, whole, fresh)
        };
        if !whole {
            return Err(PortError::Unknown(
                "our account wrote more since the attempt than is looked through".to_owned(),
            ));
        }
        verdict(reply, fresh, ours, blanks)
    }

    /// What our account wrote since then and some of what it wrote before, and whether all since then is there.
    async fn own_comments(&self, known: &Known, since: Instant) -> Result<(Vec<CommentView>, bool), Failed> {
        let mut ours = Vec::new();
        let me = known.id.to_string();
        for number in 1..=MOST_PAGES {
            let number = number.to_string();
            let query = [
                ("person_id", me.as_str()),
                ("sort", "New"),
                ("limit", LIMIT),
                ("page", &number),
            ];
            let page: Page = self.api.get(&["user"], &query).await?;
            let views = page.comments.iter().map(|raw| decode::<CommentView>(raw));
            let views = views.collect::<Result<Vec<_>, Failed>>()?;
            let reached = views.is_empty() || views.iter().any(|view| view.comment.published < since);
            ours.extend(views.into_iter().filter(|view| view.creator.id == known.id));
            if reached {
                return Ok((ours, true));
            }
        }
        Ok((ours, false))
    }

    /// What our account sent in private since then and some of before, and whether all since then is there.
    async fn own_messages(&self, known: &Known, since: Instant) -> Result<(Vec<MessageView>, bool), Failed> {
        let mut ours = Vec::new();
        for number in 1..=MOST_PAGES {
            let number = number.to_string();
            let query = [("unread_only", "false"), ("limit", LIMIT), ("page", &number)];
            let page: Page = self.api.get(&["private_message", "list"], &query).await?;
            let views = page.private_messages.iter().map(|raw| decode::<MessageView>(raw));
            let views = views.collect::<Result<Vec<_>, Failed>>()?;
            let reached = views.is_empty() || views.iter().any(|view| view.private_message.published < since);
            ours.extend(views.into_iter().filter(|view| view.creator.id == known.id));
            if reached {
                return Ok((ours, true));
            }
        }
        Ok((ours, false))
    }

    /// The comment at an address such as `https://server/comment/ID`.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Option<Published>, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let known = self.known().await.map_err(before)?;
        let Some(number) = Url::parse(told.trim())
            .ok()
            .and_then(|url| place(self.api.base(), &url))
        else {
            return refuse("that is no address of a comment on this server");
        };
        let id = number.to_string();
        let read: Result<OneComment, Failed> = self.api.get(&["comment"], &[("id", &id)]).await;
        let view = match read {
            Ok(one) => one.comment_view,
            Err(error) if super::api::is_missing(&error) => {
                return refuse("no comment stands at that address");
            }
            Err(error) => {
                return Err(PortError::NotReached(format!(
                    "the address could not be read: {error}"
                )));
            }
        };
        if view.creator.id != known.id {
            return refuse("that comment is not by our account");
        }
        if translate::parent(&view) != reply.target {
            return refuse("that comment does not answer the customer's post");
        }
        published(&view).map(Some)
    }
}

fn stands(view: &CommentView) -> bool {
    !view.comment.deleted && !view.comment.removed
}

/// Whether a list of ours shows the newest reply that is known to stand, or ends before it comes. A copy of the
/// database that lags does neither. Of another kind of list it tells nothing.
fn shows(listed: &[Thing], canary: Option<&NativeId>) -> bool {
    let number = |thing: &Thing| match thing {
        Thing::Comment(id) | Thing::Post(id) | Thing::Message(id) => *id,
    };
    let Some(canary) = canary.and_then(Thing::of) else {
        return true;
    };
    let same_kind = |thing: &Thing| std::mem::discriminant(thing) == std::mem::discriminant(&canary);
    match listed.iter().map(number).min() {
        _ if listed.contains(&canary) => true,
        None => false,
        Some(lowest) => !listed.iter().all(same_kind) || number(&canary) < lowest,
    }
}

fn decode<T: serde::de::DeserializeOwned>(raw: &serde_json::value::RawValue) -> Result<T, Failed> {
    crate::adapter::api::decode(raw.get().as_bytes())
}

fn stop(why: &str) -> PortError {
    PortError::Refused(format!("{why}, so nothing was published"))
}

/// A comment of ours; the caller judges whether it stands where it belongs.
fn published(view: &CommentView) -> Result<Published, PortError> {
    Ok(Published {
        id: identity(Thing::Comment(view.comment.id))?,
        url: Some(view.comment.ap_id.clone()),
        parent: Some(translate::parent(view)),
        author: Some(account(&view.creator)),
    })
}

/// A message of ours. It answers the post, if it went to the author: a message stands under nothing.
fn sent(reply: &Reply, base: &Url, view: &MessageView) -> Result<Published, PortError> {
    let mut inbox = base.clone();
    inbox.set_path("/inbox");
    Ok(Published {
        id: identity(Thing::Message(view.private_message.id))?,
        url: Some(inbox.to_string()),
        parent: (account(&view.recipient) == reply.author).then(|| reply.target.clone()),
        author: Some(account(&view.creator)),
    })
}

fn identity(thing: Thing) -> Result<NativeId, PortError> {
    ids::reply_id(thing.id().as_str())
        .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))
}

/// The number of the comment at an address of this server.
fn place(base: &Url, url: &Url) -> Option<i64> {
    if url.host_str() != base.host_str() || url.port_or_known_default() != base.port_or_known_default() {
        return None;
    }
    let parts: Vec<_> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["comment", id] => id.parse().ok(),
        // As pages of a post have it.
        ["post", _, id] => id.parse().ok(),
        _ => None,
    }
}

/// A failure of the publishing call.
fn refusal(error: Failed) -> PortError {
    let told = name(&error).unwrap_or_default();
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Broken(why) => PortError::Unknown(why.clone()),
        Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
        Failed::Status { status, .. } => match status.as_u16() {
            401 => PortError::NotReached(
                "the token was over just then; the next attempt takes a new one".to_owned(),
            ),
            403 => PortError::Refused(format!("the server refused: {error}")),
            400 | 404 if REFUSALS.contains(&told) => {
                PortError::Refused(format!("the server refused: {error}"))
            }
            _ => PortError::Unknown(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use rstest::rstest;

    #[rstest]
    #[case("locked", true)]
    #[case("couldnt_create_comment", false)]
    #[case("couldnt_find_comment", false)]
    fn only_what_is_known_is_a_refusal(#[case] told: &str, #[case] refused: bool) {
        let error = refusal(Failed::Status {
            status: StatusCode::BAD_REQUEST,
            told: Some(told.to_owned()),
        });
        assert_eq!(matches!(error, PortError::Refused(_)), refused, "{error:?}");
    }

    #[rstest]
    #[case::listed(&[9, 7, 5], Some("c7"), true)]
    #[case::lags(&[6, 5], Some("c7"), false)]
    #[case::empty(&[], Some("c7"), false)]
    #[case::of_before(&[9, 8], Some("c7"), true)]
    #[case::of_another_kind(&[6, 5], Some("m7"), true)]
    #[case::none_is_known(&[], None, true)]
    fn a_list_that_lags_does_not_show_the_newest(
        #[case] listed: &[i64],
        #[case] canary: Option<&str>,
        #[case] fresh: bool,
    ) {
        let listed: Vec<_> = listed.iter().map(|id| Thing::Comment(*id)).collect();
        assert_eq!(shows(&listed, canary.map(NativeId::new).as_ref()), fresh);
    }

    #[rstest]
    #[case("https://lemmy.example/comment/7", Some(7))]
    #[case("https://lemmy.example/post/3/7?scrollToComments=true", Some(7))]
    #[case("https://lemmy.example/post/3", None)]
    #[case("https://evil.example/comment/7", None)]
    fn an_address_names_a_comment(#[case] address: &str, #[case] named: Option<i64>) {
        let base = Url::parse("https://lemmy.example").unwrap();
        assert_eq!(place(&base, &Url::parse(address).unwrap()), named);
    }
}
