//! Pictures of posts in the threads: each is an effect of its own, owed once the post's text stands there, in a
//! lane of its own. So nothing that a stranger's server does can hold up or lose a word.

use super::Delivery;
use super::facts::{Facts, Place};
use super::mirror::{earlier, timed};
use crate::app::request::Settled;
use crate::app::text;
use crate::app::work::AT_ONCE;
use crate::domain::{ChannelId, Effect, EffectRow, Event, Instant, Lane, Media, Message, NativeId, Post};
use crate::port::{Attachments, ChatPlatform, NoPicture, Picture, PortError, PostMessage, ShowPicture};
use chrono::TimeDelta;
use std::sync::Arc;

/// The most attachments of one post that are shown; the note under its text counts all.
const MOST_SHOWN: usize = 10;
/// How long a picture that cannot be had is asked for again, and the pause between.
const PATIENCE: TimeDelta = TimeDelta::minutes(3);
const AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Why an attachment was not told.
pub(super) enum Untold {
    /// At another time.
    PutOff(Instant),
    /// The chat did not take it.
    Failed(PortError),
}

impl From<PortError> for Untold {
    fn from(error: PortError) -> Self {
        Self::Failed(error)
    }
}

impl Delivery {
    /// What is owed for the attachments of a post whose text stands in a thread now: for `added`, or for all but
    /// those that an edit brought which is told next.
    pub(super) fn attachments(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        (post, added): (Option<&Post>, Option<&[usize]>),
        facts: &Facts,
    ) -> Option<Settled> {
        let post = post.filter(|post| !post.media.is_empty() && !post.deleted)?;
        if !platform.takes_pictures() || matches!(self.attachments, Attachments::Counted) {
            return None;
        }
        let is_shown = |nth: &usize| match added {
            Some(added) => added.contains(nth),
            None => !is_told_next(facts, row, &post.id, *nth),
        };
        let lane = Lane::files(platform.name(), channel);
        let effect = |nth| {
            let show = Effect::ShowPicture {
                chat: platform.name().clone(),
                channel: channel.clone(),
                post: post.id.clone(),
                nth,
            };
            (lane.clone(), show, AT_ONCE)
        };
        Some(Settled::Owes {
            case: row.case,
            effects: (0..post.media.len().min(MOST_SHOWN))
                .filter(is_shown)
                .map(effect)
                .collect(),
        })
    }

    /// Shows an attachment, or tells of it.
    pub(super) async fn show(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        (post, nth): (&NativeId, usize),
        facts: &mut Facts,
    ) -> Result<Vec<Settled>, Untold> {
        let done = vec![Settled::Done(row.id)];
        let source = facts.cases.get(&row.case).map(|case| case.source.clone());
        let post = source.and_then(|source| facts.posts.get(&(source, post.clone())));
        // What its author took back meanwhile, or was erased, is not shown.
        let Some(post) = post.filter(|post| !post.deleted) else {
            return Ok(done);
        };
        let Some(media) = post.media.get(nth).cloned() else {
            return Ok(done);
        };
        let at = (nth + 1, post.media.len());
        let place = (row.case, platform.name().clone(), channel.clone());
        let told = match self.picture(row, &media).await? {
            Ok(picture) => {
                match self
                    .upload(platform, row, &place, (&media, at, picture), facts)
                    .await
                {
                    // The words can stand where the file cannot.
                    Err(
                        PortError::Refused(reason)
                        | PortError::Closed(reason)
                        | PortError::Unauthorized(reason),
                    ) => {
                        tracing::warn!(case = %row.case, lane = %row.lane, reason, "A picture cannot be shown; its address is told.");
                        let words = text::not_shown(&media, at, None);
                        self.tell_in(platform, row, &place, words, facts).await?
                    }
                    shown => shown?,
                }
            }
            Err(why) => {
                let words = text::not_shown(&media, at, why.as_deref());
                self.tell_in(platform, row, &place, words, facts).await?
            }
        };
        Ok(told.unwrap_or(done))
    }

    /// The picture of an attachment, or why there is none.
    async fn picture(
        &self,
        row: &EffectRow,
        media: &Media,
    ) -> Result<Result<Arc<Picture>, Option<String>>, Untold> {
        let (Some(pictures), Some(still)) = (self.attachments.pictures(), media.still()) else {
            return Ok(Err(None));
        };
        match pictures.get(still).await {
            Ok(picture) => Ok(Ok(Arc::new(picture))),
            Err(NoPicture::NotNow(_)) if self.now() - row.begun_at.unwrap_or_default() < PATIENCE => {
                Err(Untold::PutOff(self.now() + AGAIN))
            }
            Err(NoPicture::NotNow(why) | NoPicture::Never(why)) => Ok(Err(Some(why))),
        }
    }

    /// Uploads a picture into the case's thread. `None`: there is no thread; the one that is opened next gets
    /// its pictures then.
    async fn upload(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        place: &Place,
        (media, at, picture): (&Media, text::Place, Arc<Picture>),
        facts: &mut Facts,
    ) -> Result<Option<Vec<Settled>>, PortError> {
        while let Some((thread, _)) = facts.threads.get(place).cloned() {
            let order = ShowPicture {
                key: self.key(row, ""),
                channel: place.2.clone(),
                thread: thread.clone(),
                picture: Arc::clone(&picture),
                title: text::which(media, at),
                alt: media.alt.clone(),
                message: text::shown(media, at),
                earlier: earlier(row),
            };
            match timed(platform.show_picture(&order)).await {
                Err(PortError::Gone(_)) if self.moved(place, facts).await? => {}
                Err(PortError::Gone(_)) => return Ok(None),
                done => {
                    let message = done?;
                    let mut settled = vec![Settled::Done(row.id)];
                    self.posted(row, place, (order.key, thread), message, None, &mut settled);
                    return Ok(Some(settled));
                }
            }
        }
        Ok(None)
    }

    /// Tells of an attachment in the case's thread.
    async fn tell_in(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        place: &Place,
        message: Message,
        facts: &mut Facts,
    ) -> Result<Option<Vec<Settled>>, PortError> {
        while let Some((thread, _)) = facts.threads.get(place).cloned() {
            let order = PostMessage {
                key: self.key(row, ""),
                channel: place.2.clone(),
                thread: thread.clone(),
                message: message.clone(),
                hands_over: false,
                earlier: earlier(row),
            };
            match timed(platform.post(&order)).await {
                Err(PortError::Gone(_)) if self.moved(place, facts).await? => {}
                Err(PortError::Gone(_)) => return Ok(None),
                done => {
                    let message = done?;
                    let mut settled = vec![Settled::Done(row.id)];
                    self.posted(row, place, (order.key, thread), message, None, &mut settled);
                    return Ok(Some(settled));
                }
            }
        }
        Ok(None)
    }
}

/// Whether an edit brought an attachment that is told in this turn, too.
fn is_told_next(facts: &Facts, row: &EffectRow, id: &NativeId, nth: usize) -> bool {
    let brought = |event: &Event| matches!(event, Event::PostEdited { post, added, .. } if post == id && added.contains(&nth));
    let mut events = facts.events.values();
    events.any(|record| record.case == row.case && brought(&record.event))
}
