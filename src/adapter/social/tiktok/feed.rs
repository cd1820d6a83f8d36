//! Reading what was written: comments below the account's newest videos, answers to them, and whether what is
//! known still stands.
//!
//! Comments of a video come newest first, page by page; a sweep reads back to an hour before the newest that
//! it knew. Answers are listed for each comment alone: they are read where a comment has more of them than
//! the last time. Each reading is one call for each video, so how many videos are listened to is configured.
//!
//! What is kept between sweeps is, for each video, the newest moment; and the one from which on posts count:
//! a day before the first start. A new installation does not open old cases.

use super::TikTok;
use super::call::{Failed, MEND};
use super::wire::{Comment, Comments, Video, Videos};
use crate::adapter::api::decode;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{
    Author, Instant, Media, Metrics, NativeId, Post, PostKind, Sighting, SourceName, Visibility,
};
use chrono::{DateTime, TimeDelta};
use std::collections::{BTreeMap, HashSet};

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far behind the newest a sweep reads again.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// The most objects of a page, as the API has it, and the most pages of one reading.
const PAGE: &str = "30";
const MOST_PAGES: usize = 100;
/// The most comments that are asked for by their ids.
const BATCH: usize = 30;
/// How many known posts are read again in a minute.
const LOOKS_A_MINUTE: u32 = 60;

/// The id of a comment here: without its video nothing can be asked about it.
pub fn native(comment: &Comment) -> String {
    joined(&comment.video_id, &comment.comment_id)
}

fn joined(video: &str, comment: &str) -> String {
    format!("{video}:{comment}")
}

/// The video and the comment of an id.
pub fn parts(id: &str) -> Option<(&str, &str)> {
    let (video, comment) = id.split_once(':')?;
    let sound = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (sound(video) && sound(comment)).then_some((video, comment))
}

impl TikTok {
    /// What was written since the last time. A video whose comments cannot be read stops none of the others.
    pub(super) async fn listen(&self, inbound: &Inbound) -> Result<(), Lost> {
        let (mut read, mut failed) = (0, None);
        for video in self.newest_videos().await.map_err(|error| error.lost(&MEND))? {
            if let Some(url) = video.share_url {
                self.addresses().insert(video.item_id.clone(), url);
            }
            let feed = format!("video:{}", video.item_id);
            match self.follow(inbound, &video.item_id, &feed).await {
                Ok(()) => {
                    self.troubles.over(&feed);
                    read += 1;
                }
                Err(Halt::Network(error)) if !error.is_everywhere() => {
                    self.troubles.say((&self.source, &feed), &error, self.clock.now());
                    failed = Some(error);
                }
                Err(halt) => return Err(halt.lost(&MEND)),
            }
        }
        match failed {
            Some(error) if read == 0 => Err(error.lost(&MEND)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether what is known still stands, and who answered there.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        let place = (&self.source, "known posts");
        self.troubles
            .beside(place, self.clock.now(), self.look_again(inbound))
            .await
    }

    async fn newest_videos(&self) -> Result<Vec<Video>, Failed> {
        let most = self.videos.to_string();
        let query = [
            ("fields", "[\"item_id\",\"share_url\"]"),
            ("max_count", most.as_str()),
        ];
        let page: Videos = self.way.get(&["business", "video", "list"], &query).await?;
        Ok(page.videos)
    }

    async fn follow(&self, inbound: &Inbound, video: &str, stream: &str) -> Result<(), Halt> {
        let since = self.since(inbound).await?;
        let kept = inbound.cursor(&self.source, stream).await?;
        let known = kept.as_deref().and_then(moment).unwrap_or(since);
        let horizon = (known - OVERLAP).max(since);
        let query = [
            ("video_id", video),
            ("sort_field", "create_time"),
            ("sort_order", "desc"),
        ];
        let mut comments = self
            .walk(inbound, &["business", "comment", "list"], &query, horizon)
            .await?;
        let newest = comments.iter().map(Comment::at).max().unwrap_or(known).max(known);
        let newest = newest.min(self.clock.now());
        let (answers, counts) = self.answers(inbound, &comments).await?;
        comments.extend(answers);
        comments.retain(|comment| comment.at() >= since && self.concerns(comment));
        let value = newest.timestamp().to_string();
        let cursor = (kept.as_ref() != Some(&value)).then(|| Cursor {
            stream: stream.to_owned(),
            value,
        });
        self.store(inbound, &comments, cursor).await?;
        self.counted.put(counts);
        Ok(())
    }

    /// From when on posts count: kept from the first start on.
    async fn since(&self, inbound: &Inbound) -> Result<Instant, Halt> {
        let kept = inbound.cursor(&self.source, "since").await?;
        if let Some(since) = kept.as_deref().and_then(moment) {
            return Ok(since);
        }
        let since = self.clock.now() - FIRST_LOOK;
        let cursor = Cursor {
            stream: "since".to_owned(),
            value: since.timestamp().to_string(),
        };
        inbound.posts_seen(&self.source, vec![], Some(cursor)).await?;
        Ok(since)
    }

    /// Reads back to the horizon. What cannot be read is set aside and blocks nothing.
    async fn walk(
        &self,
        inbound: &Inbound,
        path: &[&str],
        query: &[(&str, &str)],
        horizon: Instant,
    ) -> Result<Vec<Comment>, Halt> {
        let mut comments = Vec::new();
        let mut cursor = 0;
        for _ in 0..MOST_PAGES {
            let at = cursor.to_string();
            let mut query = query.to_vec();
            query.extend([("cursor", at.as_str()), ("max_count", PAGE)]);
            let page: Comments = self.way.get(path, &query).await?;
            let read = self.readable(inbound, &page).await?;
            // One that is fixed above the others may be old, and ends nothing.
            let reached = read.last().is_some_and(|comment| comment.at() < horizon);
            comments.extend(read);
            if reached || !page.has_more || page.cursor == cursor {
                return Ok(comments);
            }
            cursor = page.cursor;
        }
        tracing::warn!(
            source = %self.source, pages = MOST_PAGES, %horizon,
            "More was written than is read at once: what is older than these pages was not read."
        );
        Ok(comments)
    }

    async fn readable(&self, inbound: &Inbound, page: &Comments) -> Result<Vec<Comment>, Halt> {
        let mut read = Vec::new();
        for raw in &page.comments {
            match serde_json::from_str(raw.get()) {
                Ok(comment) => read.push(comment),
                Err(error) => {
                    let name: String = raw.get().chars().take(200).collect();
                    self.troubles
                        .put_aside(inbound, (&self.source, "comments"), &name, &error, raw.get())
                        .await?;
                }
            }
        }
        Ok(read)
    }

    /// The answers to those of the comments that have more of them than the last time, and how many each has: to be
    /// kept when the answers are stored.
    async fn answers(
        &self,
        inbound: &Inbound,
        comments: &[Comment],
    ) -> Result<(Vec<Comment>, Vec<(String, i64)>), Halt> {
        let (mut answers, mut counts) = (Vec::new(), Vec::new());
        for comment in comments
            .iter()
            .filter(|comment| comment.root() == comment.comment_id)
        {
            let id = native(comment);
            let known = self.counted.version(&id).unwrap_or(0);
            if comment.replies > known {
                answers.extend(
                    self.below(inbound, &comment.video_id, &comment.comment_id)
                        .await?,
                );
            }
            counts.push((id, comment.replies));
        }
        Ok((answers, counts))
    }

    /// All answers to a comment.
    pub(super) async fn below(
        &self,
        inbound: &Inbound,
        video: &str,
        comment: &str,
    ) -> Result<Vec<Comment>, Halt> {
        let query = [
            ("video_id", video),
            ("comment_id", comment),
            ("sort_field", "create_time"),
            ("sort_order", "desc"),
        ];
        let path = ["business", "comment", "reply", "list"];
        self.walk(inbound, &path, &query, Instant::MIN_UTC).await
    }

    async fn shown(&self, video: &str, ids: &[&str]) -> Result<Comments, Failed> {
        let ids = serde_json::json!(ids).to_string();
        let query = [("video_id", video), ("comment_ids", &ids), ("max_count", PAGE)];
        self.way.get(&["business", "comment", "list"], &query).await
    }

    /// Comments by their ids, of first ones or of answers; those that are gone are not among them.
    ///
    /// # Errors
    /// They cannot be asked for, or one of them cannot be read: it is not gone.
    pub(super) async fn several(&self, video: &str, ids: &[&str]) -> Result<Vec<Comment>, Failed> {
        let page = self.shown(video, ids).await?;
        let read = page.comments.iter().map(|raw| decode(raw.get().as_bytes()));
        read.collect()
    }

    /// Whether a comment is somebody else's, and not stored in this run.
    pub(super) fn concerns(&self, comment: &Comment) -> bool {
        !comment.owner && !self.stored.has(&native(comment))
    }

    pub(super) async fn store(
        &self,
        inbound: &Inbound,
        comments: &[Comment],
        cursor: Option<Cursor>,
    ) -> Result<(), Halt> {
        let mut comments: Vec<_> = comments.iter().collect();
        comments.sort_by_key(|comment| (comment.at(), comment.comment_id.parse::<u64>().unwrap_or(0)));
        let posts = comments.iter().map(|comment| {
            let url = self.addresses().get(&comment.video_id).cloned();
            Sighting::Post(Box::new(post(&self.source, comment, url)))
        });
        let posts: Vec<_> = posts.collect();
        if !posts.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, posts, cursor).await?;
        }
        self.stored.remember(comments.into_iter().map(native));
        Ok(())
    }

    /// Reads known posts again, in turns: whether they stand, and whether somebody answered there.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let turns = self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE);
        let mut by_video: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        // With the first comment of each thread, which knows how many answers there are.
        let roots = turns.iter().filter_map(|post| post.in_reply_to.as_ref());
        let known: HashSet<_> = turns.iter().map(|post| &post.id).collect();
        let ids = turns.iter().map(|post| &post.id).chain(roots);
        for (video, comment) in ids.filter_map(|id| parts(id.as_str())) {
            let all = by_video.entry(video).or_default();
            if !all.contains(&comment) {
                all.push(comment);
            }
        }
        let mut failed = None;
        for (video, all) in by_video {
            for some in all.chunks(BATCH) {
                let page = match self.shown(video, some).await {
                    Ok(page) => page,
                    Err(error) if error.is_everywhere() => return Err(error.into()),
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                };
                let asked = some.iter().map(|comment| NativeId::new(joined(video, comment)));
                let asked = asked.filter(|id| known.contains(id)).collect();
                self.judge(inbound, asked, &page).await?;
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What another look at known comments showed.
    async fn judge(&self, inbound: &Inbound, asked: Vec<NativeId>, page: &Comments) -> Result<(), Halt> {
        let there = self.readable(inbound, page).await?;
        let standing: HashSet<_> = there.iter().map(native).collect();
        // What cannot be read is not gone.
        let whole = there.len() == page.comments.len();
        let mut gone = Vec::new();
        for id in asked {
            if standing.contains(id.as_str()) {
                self.watch.found(&id);
            } else if whole && self.watch.is_gone(&id) {
                gone.push(Sighting::Gone(id));
            }
        }
        if !gone.is_empty() {
            inbound.posts_seen(&self.source, gone, None).await?;
        }
        let (mut answers, counts) = self.answers(inbound, &there).await?;
        let since = self.since(inbound).await?;
        answers.retain(|comment| comment.at() >= since && self.concerns(comment));
        self.store(inbound, &answers, None).await?;
        self.counted.put(counts);
        Ok(())
    }
}

/// The post a comment is.
fn post(source: &SourceName, told: &Comment, url: Option<String>) -> Post {
    let (id, root) = (native(told), joined(&told.video_id, told.root()));
    let name = sound(told.display_name.trim());
    Post {
        source: source.clone(),
        in_reply_to: (root != id).then(|| NativeId::new(&root)),
        id: NativeId::new(id),
        conversation: NativeId::new(root),
        kind: PostKind::Comment,
        visibility: Visibility::Public,
        url,
        author: Author {
            id: NativeId::new(author(told)),
            handle: told.username.clone(),
            name: if name.is_empty() {
                told.username.clone()
            } else {
                name
            },
            followers: None,
            url: (!told.username.is_empty()).then(|| format!("https://www.tiktok.com/@{}", told.username)),
        },
        text: sound(&told.text),
        created_at: told.at(),
        edited_at: None,
        deleted: false,
        lang: None,
        media: told.image_url.iter().map(|url| picture(url)).collect(),
        metrics: Metrics {
            likes: told.likes,
            shares: 0,
            views: 0,
        },
        rating: None,
    }
}

/// Who wrote it.
pub fn author(comment: &Comment) -> &str {
    match comment.unique_identifier.as_str() {
        "" => &comment.user_id,
        id => id,
    }
}

fn picture(url: &str) -> Media {
    Media {
        url: url.to_owned(),
        mime: "image/*".to_owned(),
        alt: String::new(),
        poster: None,
    }
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn moment(text: &str) -> Option<Instant> {
    DateTime::from_timestamp(text.parse().ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("7400000000000000001:7400000000000000002", Some(("7400000000000000001", "7400000000000000002")))]
    #[case("7400000000000000001", None)]
    #[case("1:../2", None)]
    #[case(":2", None)]
    fn an_id_has_a_video_and_a_comment(#[case] id: &str, #[case] both: Option<(&str, &str)>) {
        assert_eq!(parts(id), both);
    }
}
