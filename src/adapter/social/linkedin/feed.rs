//! Reading what was written: notifications of the organisation's page, and whether what is known still
//! stands.
//!
//! Notifications are kept for 60 days and asked for by a range of time. Whether they come in order is not
//! said, so a sweep reads the whole range, from ten minutes before the newest that it knew. A notification
//! does not tell what a comment answers: each new comment is read once.
//!
//! What is kept between sweeps is the newest moment, and the one from which on posts count: a day before the
//! first start. A new installation does not open old cases.

use super::LinkedIn;
use super::call::{Failed, MEND};
use super::translate;
use super::urn::{CommentName, encoded};
use super::wire::{Comment, Notice, Page, Several, at};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{NativeId, Post, PostKind, Sighting};
use chrono::TimeDelta;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far behind the newest a sweep reads again.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// The most notifications of a page, and the most pages of one reading.
const PAGE: usize = 50;
const MOST_PAGES: usize = 100;
/// What is asked for.
const ACTIONS: &str = "List(COMMENT,COMMENT_EDIT,COMMENT_DELETE,SHARE_MENTION)";
/// How many known posts are read again in a minute: quotas are by day.
const LOOKS_A_MINUTE: u32 = 50;
/// For how long a comment is asked for that cannot be read.
const TRYING: TimeDelta = TimeDelta::hours(6);
/// So many comments that cannot be read, and none that can, are more than the fault of one of them.
const TOO_MANY: usize = 3;
/// How many of them are remembered.
const MOST_TRIED: usize = 20_000;
/// The cursor's name.
const STREAM: &str = "notifications";

/// How far it was read, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    newest: i64,
    since: i64,
}

impl Reach {
    fn parse(text: &str) -> Option<Self> {
        let (newest, since) = text.split_once(' ')?;
        Some(Self {
            newest: newest.parse().ok()?,
            since: since.parse().ok()?,
        })
    }
}

impl LinkedIn {
    /// What happened since the last time.
    pub(super) async fn listen(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.notifications(inbound).await.map_err(|halt| halt.lost(&MEND))
    }

    /// Whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        let place = (&self.source, "known posts");
        self.troubles
            .beside(place, self.clock.now(), self.look_again(inbound))
            .await
    }

    async fn notifications(&self, inbound: &Inbound) -> Result<(), Halt> {
        let now = self.clock.now();
        let kept = inbound.cursor(&self.source, STREAM).await?;
        let first = (now - FIRST_LOOK).timestamp_millis();
        let known = kept.as_deref().and_then(Reach::parse).unwrap_or(Reach {
            newest: first,
            since: first,
        });
        let from = (known.newest - OVERLAP.num_milliseconds()).max(known.since);
        let raw = self.range(from, now.timestamp_millis() + 1).await?;
        let notices = self.read(inbound, &raw).await?;
        let newest = notices.iter().map(|notice| notice.last_modified_at);
        let newest = newest.max().unwrap_or(known.newest).max(known.newest);
        let heard = self.heard(inbound, &notices, known.since).await?;
        // What could not be read is asked for again.
        let missed = heard.missed.as_ref().map_or(i64::MAX, |(at, _)| *at);
        let value = format!("{} {}", newest.min(missed), known.since);
        let cursor = (kept.as_ref() != Some(&value)).then(|| Cursor {
            stream: STREAM.to_owned(),
            value,
        });
        match self.take(inbound, heard, cursor).await? {
            None => self.troubles.over(STREAM),
            Some(error) if error.is_everywhere() => return Err(error.into()),
            Some(error) => self.troubles.say((&self.source, STREAM), &error, now),
        }
        Ok(())
    }

    /// Stores what was heard; gives why something could not be read.
    pub(super) async fn take(
        &self,
        inbound: &Inbound,
        heard: Heard,
        cursor: Option<Cursor>,
    ) -> Result<Option<Failed>, Halt> {
        if !heard.sightings.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, heard.sightings, cursor).await?;
        }
        self.stored.put(heard.of);
        Ok(heard.missed.map(|(_, error)| error))
    }

    async fn range(&self, from: i64, to: i64) -> Result<Vec<Box<RawValue>>, Failed> {
        let mut all = Vec::new();
        let organisation = encoded(&self.organization);
        for page in 0..MOST_PAGES {
            let start = page * PAGE;
            let query = format!(
                "q=criteria&actions={ACTIONS}&organizationalEntity={organisation}\
                 &timeRange=(start:{from},end:{to})&start={start}&count={PAGE}"
            );
            let told: Page = self
                .way
                .get("/rest/organizationalEntityNotifications", &query)
                .await?;
            let read = told.elements.len();
            all.extend(told.elements);
            if read < PAGE {
                return Ok(all);
            }
        }
        tracing::warn!(
            source = %self.source, pages = MOST_PAGES,
            "More happened than is read at once: what is behind these pages was not read."
        );
        Ok(all)
    }

    /// Those that can be read. What cannot is set aside and blocks nothing.
    pub(super) async fn read(&self, inbound: &Inbound, raw: &[Box<RawValue>]) -> Result<Vec<Notice>, Halt> {
        let mut notices = Vec::new();
        for raw in raw {
            match serde_json::from_str(raw.get()) {
                Ok(notice) => notices.push(notice),
                Err(error) => {
                    let name: String = raw.get().chars().take(200).collect();
                    self.troubles
                        .put_aside(inbound, (&self.source, STREAM), &name, &error, raw.get())
                        .await?;
                }
            }
        }
        notices.sort_by_key(|notice: &Notice| notice.last_modified_at);
        Ok(notices)
    }

    /// What notifications come to: of each comment the newest. One that cannot be read stops none of the others; it
    /// is asked for again for some hours, and then set aside.
    pub(super) async fn heard(
        &self,
        inbound: &Inbound,
        notices: &[Notice],
        since: i64,
    ) -> Result<Heard, Halt> {
        let mut newest = BTreeMap::new();
        for (place, notice) in notices.iter().enumerate() {
            if notice.last_modified_at >= since
                && let Some(urn) = about(notice)
            {
                newest.insert(urn, (place, notice));
            }
        }
        let mut newest: Vec<_> = newest.into_iter().collect();
        newest.sort_by_key(|(_, (place, _))| *place);
        let (mut heard, mut broken) = (Heard::default(), 0);
        for (urn, (_, notice)) in newest {
            let at = notice.last_modified_at;
            if self.is_stored(&urn, at) {
                continue;
            }
            let error = match self.sighting(&urn, notice).await {
                Ok(sighting) => {
                    heard.sightings.extend(sighting);
                    self.tried().remove(&urn);
                    heard.of.push((urn, at));
                    continue;
                }
                Err(error) => error,
            };
            broken += 1;
            let hopeless = error.is_everywhere() || (broken >= TOO_MANY && heard.of.is_empty());
            if !hopeless && self.was_tried(&urn) {
                let place = (&self.source, STREAM);
                let what = format!("{} of {urn} at {at}", notice.action);
                self.troubles
                    .put_aside(inbound, place, &urn, &error, &what)
                    .await?;
                heard.of.push((urn, at));
                continue;
            }
            // They come in the order of their moments: the first is the earliest.
            heard.missed.get_or_insert((at, error));
            if hopeless {
                break;
            }
        }
        Ok(heard)
    }

    /// Whether a comment could not be read for long.
    fn was_tried(&self, urn: &str) -> bool {
        let mut tried = self.tried();
        if tried.len() >= MOST_TRIED {
            tried.clear();
        }
        let now = self.clock.now();
        now - *tried.entry(urn.to_owned()).or_insert(now) >= TRYING
    }

    async fn sighting(&self, urn: &str, notice: &Notice) -> Result<Option<Sighting>, Failed> {
        let decorated = &notice.decorated_generated_activity;
        let Some(name) = CommentName::parse(urn) else {
            let share = decorated.share.as_ref();
            let share = share.filter(|share| share.owner != self.organization && !share.owner.is_empty());
            let post =
                share.map(|share| translate::mention(&self.source, share, at(notice.last_modified_at)));
            return Ok(post.map(|post| Sighting::Post(Box::new(post))));
        };
        if notice.action == "COMMENT_DELETE" {
            return Ok(Some(Sighting::Gone(NativeId::new(urn))));
        }
        if decorated
            .comment
            .as_ref()
            .is_some_and(|told| told.owner == self.organization)
        {
            return Ok(None);
        }
        // One that is gone already was never known, or its deletion is told by the next look.
        let comment = self.comment(&name).await?;
        let comment = comment.filter(|comment| comment.actor != self.organization);
        Ok(comment.map(|comment| Sighting::Post(Box::new(translate::comment(&self.source, &comment)))))
    }

    /// A comment; `None`: it is gone.
    pub(super) async fn comment(&self, name: &CommentName) -> Result<Option<Comment>, Failed> {
        let path = format!(
            "/rest/socialActions/{}/comments/{}",
            encoded(&name.object),
            name.id
        );
        match self.way.get(&path, "").await {
            Ok(comment) => Ok(Some(comment)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads some known comments again, in turns: those of a post at once.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted && post.kind == PostKind::Comment);
        let mut by_post: BTreeMap<String, Vec<(String, &Post)>> = BTreeMap::new();
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            if let Some(name) = CommentName::parse(post.id.as_str()) {
                by_post.entry(name.object).or_default().push((name.id, post));
            }
        }
        let (mut seen, mut failed) = (Vec::new(), None);
        for (object, posts) in by_post {
            match self.seen_again(inbound, &object, &posts).await {
                Ok(sightings) => seen.extend(sightings),
                Err(Halt::Network(error)) => {
                    let hopeless = error.is_everywhere();
                    failed = Some(error);
                    if hopeless {
                        break;
                    }
                }
                Err(halt @ Halt::Store(_)) => return Err(halt),
            }
        }
        if !seen.is_empty() {
            inbound.posts_seen(&self.source, seen, None).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is new about comments below a post: taken back, which has to show in two rounds and by the
    /// comment's own address, or edited.
    async fn seen_again(
        &self,
        inbound: &Inbound,
        object: &str,
        posts: &[(String, &Post)],
    ) -> Result<Vec<Sighting>, Halt> {
        let ids: Vec<_> = posts.iter().map(|(id, _)| id.as_str()).collect();
        let path = format!("/rest/socialActions/{}/comments", encoded(object));
        let query = format!("ids=List({})", ids.join(","));
        let told: Several = match self.way.get(&path, &query).await {
            // The post is gone, and what stood below it.
            Err(error) if error.is_missing() => Several::default(),
            other => other?,
        };
        let mut seen = Vec::new();
        for (id, post) in posts {
            let there = match told
                .results
                .get(id)
                .map(|raw| (raw, serde_json::from_str::<Comment>(raw.get())))
            {
                None => None,
                Some((_, Ok(comment))) => Some(comment),
                Some((raw, Err(error))) => {
                    let place = (&self.source, "known posts");
                    self.troubles
                        .put_aside(inbound, place, post.id.as_str(), &error, raw.get())
                        .await?;
                    continue;
                }
            };
            match there {
                Some(comment) => {
                    self.watch.found(&post.id);
                    if translate::edited(&comment) > post.edited_at {
                        let comment = translate::comment(&self.source, &comment);
                        seen.push(Sighting::Post(Box::new(comment)));
                    }
                }
                None if self.watch.is_gone(&post.id) => {
                    let name = CommentName {
                        object: object.to_owned(),
                        id: id.clone(),
                    };
                    if self.comment(&name).await?.is_none() {
                        seen.push(Sighting::Gone(post.id.clone()));
                    }
                }
                None => {}
            }
        }
        Ok(seen)
    }

    /// Whether a notification was heard of in this run, or a newer one of the same comment.
    fn is_stored(&self, urn: &str, moment: i64) -> bool {
        self.stored.version(urn).is_some_and(|known| known >= moment)
    }
}

/// What notifications came to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    sightings: Vec<Sighting>,
    /// Of which comments, and the moments of their notifications.
    of: Vec<(String, i64)>,
    /// From when the earliest is that could not be read, and why.
    missed: Option<(i64, Failed)>,
}

/// What a notification is about: the full name of a comment or a post.
fn about(notice: &Notice) -> Option<String> {
    let told = &notice.decorated_generated_activity;
    let entity = told
        .comment
        .as_ref()
        .or(told.share.as_ref())
        .map(|said| said.entity.as_str());
    let urn = entity.or(notice.generated_activity.as_deref())?;
    match notice.action.as_str() {
        "COMMENT" | "COMMENT_EDIT" | "COMMENT_DELETE" => Some(CommentName::parse(urn)?.urn()),
        "SHARE_MENTION" => Some(urn.to_owned()),
        // Likes, shares and our own comments say nothing to us.
        _ => None,
    }
}
