//! What a reply answers, read just before it is sent; and who may be answered at all.
//!
//! Since February 2026 X takes an answer through its API only where the author of the post named our account
//! or quoted it (<https://docs.x.com/changelog>); Enterprise is free of that. Everybody else can only be
//! answered by hand: the page for it is told.

use super::call::{Failed, before, why};
use super::translate::{self, Me};
use super::wire::{One, Tweet};
use super::{FIELDS, X};
use crate::domain::{Audience, NativeId, Post, Reply, Visibility};
use crate::port::{PortError, Target};

/// How a post is shown to us.
pub(super) enum Shown {
    /// It stands; the newest version of it.
    Stands(Box<Tweet>),
    /// It is there, but not for us.
    Hidden(String),
    /// It is gone.
    Gone,
}

impl X {
    /// Reads a post, in its newest version.
    pub(super) async fn shown(&self, id: &str) -> Result<Shown, Failed> {
        let shown = self.version(id).await?;
        let Shown::Stands(tweet) = &shown else {
            return Ok(shown);
        };
        match tweet.edit_history_tweet_ids.last() {
            Some(last) if last != id && *last != tweet.id => self.version(last).await,
            Some(_) | None => Ok(shown),
        }
    }

    async fn version(&self, id: &str) -> Result<Shown, Failed> {
        let one: One<Tweet> = match self.way.get(&["2", "tweets", id], &FIELDS).await {
            Ok(one) => one,
            Err(error) if error.is_missing() => return Ok(Shown::Gone),
            Err(error) => return Err(error),
        };
        self.way
            .pay(one.data.iter().map(|tweet| tweet.id.clone()), &Default::default());
        Ok(match (one.data, one.errors.first()) {
            (Some(tweet), _) => Shown::Stands(Box::new(tweet)),
            (None, Some(problem)) if problem.is_gone() => Shown::Gone,
            (None, problem) => Shown::Hidden(why(problem)),
        })
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        if reply.target_visibility == Visibility::Private {
            return Ok(Target::NotReadable);
        }
        let me = self.me().await.map_err(before)?;
        let tweet = match self.shown(reply.target.as_str()).await.map_err(before)? {
            Shown::Stands(tweet) => tweet,
            Shown::Hidden(why) => return Ok(Target::Gone(format!("X does not show us the post ({why})"))),
            Shown::Gone => return Ok(Target::Gone("the post is gone".to_owned())),
        };
        if tweet.author_id != reply.author.as_str() {
            let why = "X shows another author for that post";
            return Ok(Target::Gone(why.to_owned()));
        }
        if reply.audience == Audience::Public
            && let Some(why) = self.barred(&me, &tweet)
        {
            return Ok(Target::Locked(why));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.audience == Audience::Public && reply.begun_at.is_none() {
            let own = self.own_answers(&me, &tweet).await.map_err(before)?;
            if let Some(other) = own.iter().find(|own| !ours.contains(&NativeId::new(&own.id))) {
                return Ok(Target::Answered {
                    text: translate::words(other),
                    url: Some(translate::address(&me.username, &other.id)),
                });
            }
        }
        Ok(Target::Stands {
            text: translate::words(&tweet),
        })
    }

    /// Why X takes no answer to a post as it stands now. Who quoted us the post itself does not say: that is
    /// known from how it came, and [`Self::closed_to`] tells.
    pub(super) fn barred(&self, me: &Me, tweet: &Tweet) -> Option<String> {
        let quotes = tweet.referenced_tweets.iter().any(|other| other.kind == "quoted");
        let named = translate::summons(me, tweet);
        let page = translate::answer_page(&tweet.id);
        if self.summoned_only && !named && !quotes {
            return Some(format!("{UNSUMMONED} Answer it by hand at {page}"));
        }
        let open = match tweet.reply_settings.as_deref() {
            None | Some("everyone") => true,
            Some("mentionedUsers") => named,
            // Whom its author follows, or who pays them, is not told: X decides.
            Some(_) => true,
        };
        (!open).then(|| format!("its author lets only those answer whom the post names; see {page}"))
    }

    /// Why a post as it is known cannot be answered in public.
    pub(super) fn closed_to(&self, post: &Post) -> Option<String> {
        let barred = self.summoned_only && !translate::is_written_to_us(post);
        barred.then(|| {
            let page = translate::answer_page(post.id.as_str());
            format!("{UNSUMMONED} Answer it by hand at {page}")
        })
    }
}

const UNSUMMONED: &str = "X lets an application answer only where the author named or quoted our account, and this \
                          post does neither.";
