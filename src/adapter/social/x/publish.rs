//! The way out: one post or one private message a reply, and the look whether an earlier one stands.
//!
//! X honours no key, and the answer to a call that publishes does not say what the post answers
//! (<https://docs.x.com/x-api/posts/manage-tweets/introduction>): so what was published is read again. Refusals
//! in the form of X's own problems come before it publishes. One of them says that the same words were
//! published before, and does not say where: then our own posts are looked at.

use super::call::{Failed, before, refusal};
use super::price::Paid;
use super::target::Shown;
use super::translate::{self, Me};
use super::wire::{Created, Message, One, Page, Sent, Tweet};
use super::{FIELDS, X, count};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout_at;
use unicode_normalization::UnicodeNormalization as _;

/// How many pages of our own posts are looked through.
const MOST_PAGES: usize = 5;

impl X {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // A third of the time for reading before, a third at least for publishing, the rest for reading after.
        let began = tokio::time::Instant::now();
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 3, self.prepare(reply));
        let (me, tweet) = reading.await.map_err(late)??;
        let left = self.timeout.mul_f64(0.7).saturating_sub(began.elapsed());
        let Some(tweet) = tweet else {
            return self.send_message(&me, reply, (left, permit)).await;
        };
        let end = began + self.timeout;
        let read = match self.write(reply, is_summoned(&me, &tweet), (left, permit)).await {
            Ok(id) => timeout_at(end, self.confirm(&me, &id, &tweet)).await,
            Err(error) if is_duplicate(&error) => timeout_at(end, self.repeated(reply, error)).await,
            Err(error) => return Err(refusal(error)),
        };
        read.unwrap_or_else(|_| {
            Err(PortError::Unknown(
                "what stands there could not be read in time".to_owned(),
            ))
        })
    }

    /// Who we are, and the post to answer in public, as it is now. The post is read before it is looked at whose
    /// credentials we have: reading may renew them.
    async fn prepare(&self, reply: &Reply) -> Result<(Me, Option<Tweet>), PortError> {
        let stop = |why: String| Err(PortError::Refused(format!("{why}, so nothing was published")));
        let tweet = match reply.audience {
            Audience::Private => None,
            Audience::Public => match self.shown(reply.target.as_str()).await.map_err(before)? {
                Shown::Stands(tweet) => Some(*tweet),
                Shown::Hidden(why) => return stop(format!("X does not show us the post ({why})")),
                Shown::Gone => return stop("the post is gone".to_owned()),
            },
        };
        let me = self.me().await.map_err(before)?;
        if reply
            .account
            .as_ref()
            .is_some_and(|account| account.as_str() != me.id)
        {
            let why =
                "the credentials are now those of another account than the one the reply was approved for";
            return stop(why.to_owned());
        }
        let Some(tweet) = tweet else {
            return Ok((me, None));
        };
        if tweet.author_id != reply.author.as_str() {
            return stop("X shows another author for that post".to_owned());
        }
        match self.barred(&me, &tweet) {
            Some(why) => stop(why),
            None => Ok((me, Some(tweet))),
        }
    }

    /// `is_summoned`: such an answer costs less.
    async fn write(
        &self,
        reply: &Reply,
        is_summoned: bool,
        allowed: (Duration, &Permit),
    ) -> Result<String, Failed> {
        let body = json!({"text": reply.text, "reply": {"in_reply_to_tweet_id": reply.target.as_str()}});
        let answer: One<Created> = self.way.publish(&["2", "tweets"], &body, allowed).await?;
        let created = answer.data;
        let created = created.ok_or_else(|| Failed::Broken("the answer names no post".to_owned()))?;
        self.way.wrote(match () {
            () if count::has_address(&reply.text) => Paid::WithAddress,
            () if is_summoned => Paid::Summoned,
            () => Paid::Written,
        });
        Ok(created.id)
    }

    /// Reads what was published: under what it stands, the caller judges.
    async fn confirm(&self, me: &Me, id: &str, target: &Tweet) -> Result<Published, PortError> {
        let unread = |why: &str| PortError::Unknown(format!("it was published, but {why}"));
        match self.shown(id).await {
            Ok(Shown::Stands(own)) => published(me, &own, Some(target)),
            Ok(Shown::Hidden(why)) => Err(unread(&why)),
            Ok(Shown::Gone) => Err(unread("is not there")),
            Err(error) => Err(unread(&error.to_string())),
        }
    }

    /// The same words were published before: perhaps by an earlier attempt of this reply.
    async fn repeated(&self, reply: &Reply, error: Failed) -> Result<Published, PortError> {
        match self.look(reply, None).await {
            Ok(Look::Found(published)) => Ok(published),
            Ok(Look::Absent { .. }) if reply.fence <= 1 => Err(PortError::Refused(format!(
                "X takes the same words only once, and our account has published these before: change them \
                 ({error})"
            ))),
            Ok(_) | Err(_) => Err(PortError::Unknown(error.to_string())),
        }
    }

    async fn send_message(
        &self,
        me: &Me,
        reply: &Reply,
        allowed: (Duration, &Permit),
    ) -> Result<Published, PortError> {
        let path = ["2", "dm_conversations", "with", reply.author.as_str(), "messages"];
        let body = json!({"text": reply.text});
        let sending = self.way.publish(&path, &body, allowed);
        let sent: One<Sent> = sending.await.map_err(refusal)?;
        let Some(sent) = sent.data else {
            return Err(PortError::Unknown("the answer names no message".to_owned()));
        };
        self.way.wrote(Paid::Sent);
        message(me, reply, &sent.dm_conversation_id, &sent.dm_event_id)
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let me = self.me().await.map_err(Failed::unread)?;
        if reply.audience == Audience::Private {
            return self.look_for_message(&me, reply, canary).await;
        }
        let ours = self.own_posts(&me, since(reply)).await?;
        let fresh = match canary {
            None => true,
            Some(canary) => self.shows(&ours, canary).await?,
        };
        let target = reply.target.as_str();
        let ours = ours.iter().filter(|own| answers(own, &[target.to_owned()]));
        let ours = ours.map(|own| {
            Ok(Own {
                published: published(&me, own, None)?,
                text: translate::words(own),
                at: own.created_at,
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, comparable)
    }

    /// Whether our posts as read show the newest that is known to stand.
    async fn shows(&self, ours: &[Tweet], canary: &NativeId) -> Result<bool, PortError> {
        if ours.iter().any(|own| own.id == canary.as_str()) {
            return Ok(true);
        }
        // It may be older than what was listed: then the copy need not be new to show it.
        match self.shown(canary.as_str()).await {
            Ok(Shown::Stands(_)) => Ok(true),
            Ok(Shown::Hidden(_) | Shown::Gone) => Ok(false),
            Err(error) => Err(error.unread()),
        }
    }

    /// What our account published since then.
    async fn own_posts(&self, me: &Me, since: Instant) -> Result<Vec<Tweet>, PortError> {
        let since = translate::lowest(since);
        match self.own_since(me, since).await.map_err(Failed::unread)? {
            (ours, None) => Ok(ours),
            (_, Some(lacks)) => Err(PortError::Unknown(format!(
                "{lacks}: the reply cannot be looked for"
            ))),
        }
    }

    /// Our answers to a post, as far as they can be read.
    pub(super) async fn own_answers(&self, me: &Me, tweet: &Tweet) -> Result<Vec<Tweet>, Failed> {
        let since = translate::first(tweet).parse().unwrap_or(0);
        let (mut ours, _) = self.own_since(me, since).await?;
        ours.retain(|own| answers(own, &versions(tweet)));
        Ok(ours)
    }

    /// Our posts since an id, newest first, and what is lacking
    /// (<https://docs.x.com/x-api/posts/timelines/introduction>).
    async fn own_since(&self, me: &Me, since: u64) -> Result<(Vec<Tweet>, Option<String>), Failed> {
        let since = since.to_string();
        let path = ["2", "users", &me.id, "tweets"];
        let (mut ours, mut lacks) = (Vec::new(), None);
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("max_results", "100"), ("since_id", since.as_str())];
            query.extend(FIELDS);
            if let Some(next) = &next {
                query.push(("pagination_token", next));
            }
            let page = self.way.page(&path, &query).await?;
            for raw in &page.data {
                match serde_json::from_str(raw.get()) {
                    Ok(own) => ours.push(own),
                    Err(error) => lacks = Some(format!("a post of ours is odd ({error})")),
                }
            }
            next = page.meta.next_token;
            if next.is_none() {
                return Ok((ours, lacks));
            }
        }
        let many = format!("our account wrote more than {MOST_PAGES} pages of posts since then");
        Ok((ours, Some(many)))
    }

    /// Looks for a private message in the conversation with its addressee.
    async fn look_for_message(
        &self,
        me: &Me,
        reply: &Reply,
        canary: Option<&NativeId>,
    ) -> Result<Look, PortError> {
        let path = [
            "2",
            "dm_conversations",
            "with",
            reply.author.as_str(),
            "dm_events",
        ];
        let query = [
            ("event_types", "MessageCreate"),
            (
                "dm_event.fields",
                "id,text,created_at,sender_id,dm_conversation_id,entities",
            ),
            ("max_results", "100"),
        ];
        let page: Page = self.way.get(&path, &query).await.map_err(Failed::unread)?;
        let read = page.data.iter();
        let read: Result<Vec<Message>, _> = read.map(|raw| serde_json::from_str(raw.get())).collect();
        let messages = read.map_err(|error| PortError::Unknown(format!("a message is odd ({error})")))?;
        self.way
            .paid(Paid::Message, messages.iter().map(|message| message.id.as_str()));
        let newest = canary.is_none_or(|canary| messages.iter().any(|own| own.id == canary.as_str()));
        let ours = messages.iter().filter(|message| message.sender_id == me.id);
        let ours = ours.map(|own| {
            let conversation = own.dm_conversation_id.as_deref().unwrap_or_default();
            Ok(Own {
                published: message(me, reply, conversation, &own.id)?,
                text: own.text.clone(),
                at: own.created_at,
            })
        });
        verdict(reply, newest, ours.collect::<Result<_, PortError>>()?, comparable)
    }

    /// The post at an address.
    pub(super) async fn at(&self, reply: &Reply, address: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let me = self.me().await.map_err(before)?;
        let Some((_, id)) = translate::parts(address) else {
            return refuse("that is no address of a post on X");
        };
        let own = match self.shown(&id).await {
            Ok(Shown::Stands(own)) => own,
            Ok(Shown::Hidden(_) | Shown::Gone) => return refuse("no post stands at that address"),
            Err(error) => {
                return Err(PortError::NotReached(format!(
                    "the address could not be read: {error}"
                )));
            }
        };
        if own.author_id != me.id {
            return refuse("that post is not by our account");
        }
        if !answers(&own, &[reply.target.to_string()]) {
            return refuse("that post does not answer the customer's post");
        }
        published(&me, &own, None)
    }
}

/// Whether X takes our answer to a post as one that its author asked for.
fn is_summoned(me: &Me, tweet: &Tweet) -> bool {
    translate::summons(me, tweet) || tweet.referenced_tweets.iter().any(|other| other.kind == "quoted")
}

/// All ids of a post.
fn versions(tweet: &Tweet) -> Vec<String> {
    let mut ids = tweet.edit_history_tweet_ids.clone();
    ids.push(tweet.id.clone());
    ids
}

fn parent(own: &Tweet) -> Option<&str> {
    let answered = own
        .referenced_tweets
        .iter()
        .find(|other| other.kind == "replied_to");
    answered.map(|other| other.id.as_str())
}

fn answers(own: &Tweet, versions: &[String]) -> bool {
    parent(own).is_some_and(|parent| versions.iter().any(|id| id == parent))
}

/// Where a post of ours stands. One version of `target` counts as any other.
fn published(me: &Me, own: &Tweet, target: Option<&Tweet>) -> Result<Published, PortError> {
    let id = ids::reply_id(&own.id)
        .map_err(|why| PortError::Unknown(format!("the reply was published, but {why}")))?;
    let parent = parent(own).map(|parent| match target {
        Some(target) if versions(target).iter().any(|id| id == parent) => translate::first(target),
        Some(_) | None => parent,
    });
    Ok(Published {
        id,
        url: Some(translate::address(&me.username, &own.id)),
        parent: parent.map(NativeId::new),
        author: Some(NativeId::new(&own.author_id)),
    })
}

/// Where a message of ours stands: a conversation of two is named after both
/// (<https://docs.x.com/x-api/direct-messages/manage/introduction>).
fn message(me: &Me, reply: &Reply, conversation: &str, id: &str) -> Result<Published, PortError> {
    let id =
        ids::reply_id(id).map_err(|why| PortError::Unknown(format!("the message was sent, but {why}")))?;
    let mut between: Vec<_> = conversation.split('-').collect();
    between.sort_unstable();
    let mut both = [me.id.as_str(), reply.author.as_str()];
    both.sort_unstable();
    Ok(Published {
        id,
        url: Some(translate::compose_page(reply.author.as_str())),
        parent: (between == both).then(|| reply.target.clone()),
        author: Some(NativeId::new(&me.id)),
    })
}

/// A text as it can be compared: X puts those who are answered before it, changes blanks, composes letters, and
/// shows an address that had no scheme with one.
fn comparable(text: &str) -> String {
    let mut rest = text.trim_start();
    while let Some(named) = rest.strip_prefix('@') {
        let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let after = end.map_or("", |end| &named[end..]);
        if !after.starts_with(char::is_whitespace) {
            break;
        }
        rest = after.trim_start();
    }
    let text: String = blanks(rest).nfc().collect();
    let text = text.replace("https://", "").replace("http://", "");
    let words: Vec<_> = text.split(' ').map(|word| word.trim_end_matches('/')).collect();
    words.join(" ")
}

/// Whether the API says that these words were published before
/// (<https://github.com/akrherz/iembot/issues/163>; the code 187 of its first version).
fn is_duplicate(error: &Failed) -> bool {
    matches!(error, Failed::Status { status, told: Some(told) }
        if status.as_u16() == 403 && told.to_lowercase().contains("duplicate content"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("@ann Sorry!", "sorry!")]
    #[case("@ann @bob_1  Sorry!\nSoon.", "sorry! soon.")]
    #[case("@ann, sorry", "@ann, sorry")]
    #[case("@ann", "@ann")]
    #[case("see Example.com", "see example.com")]
    #[case("@ann see http://example.com", "see example.com")]
    #[case("see https://example.com/", "see example.com")]
    #[case("cafe\u{301}", "caf\u{e9}")]
    fn those_who_are_answered_do_not_count(#[case] text: &str, #[case] same: &str) {
        assert_eq!(comparable(text), same);
    }
}
