//! A site of Stack Exchange: questions with our tags, what a search finds, and what comes of them. Written from the
//! documentation of the API (<https://api.stackexchange.com/docs>, version 2.3); never run against it.
//!
//! A sweep reads questions and the account's inbox (see `feed`), and the answers and comments of the questions that
//! are known (see `follow`). Nothing is pushed. What was only found (questions, answers, comments of others) is for
//! the rules of the source to choose from; what names us or stands below what is ours is written to us.
//!
//! A reply is a comment, or with `answers = "answer"` an answer where it replies to a question (see `publish`). It
//! has no key: `request_id`, to which the error 409 points, is not documented. An uncertain end is looked for among
//! our own: the class is [`Class::Lookup`]. Writing needs an application that is registered on Stack Apps with a post
//! there, and an account with the privilege to comment everywhere (50 points of reputation); comments may be written
//! every five seconds, three a day and one more for each 25 points (<https://api.stackexchange.com/docs/write>).
//! Without a token the source only listens: the agent answers by hand.

mod api;
mod examine;
mod feed;
mod follow;
mod publish;
mod translate;
mod wire;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Door, Grant};
use crate::adapter::stored::Stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Post, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use api::{Api, Failed};
use async_trait::async_trait;
use follow::Below;
use reqwest::StatusCode;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use translate::Thing;
use wire::User;

/// The least and the most characters of a comment, and of an answer
/// (<https://meta.stackexchange.com/questions/19756>, <https://meta.stackexchange.com/questions/176445>).
const COMMENT: (usize, usize) = (15, 600);
const ANSWER: (usize, usize) = (30, 30_000);

/// What a reply becomes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Comment,
    Answer,
}

/// Our account on a site, or listening without one.
pub struct StackExchange {
    source: SourceName,
    api: Api,
    /// Our account, as the configuration names it.
    told: Option<NativeId>,
    tags: Vec<String>,
    search: Vec<String>,
    /// What a reply to a question becomes.
    answers: Form,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    known: RwLock<Option<NativeId>>,
    watch: Watch,
    troubles: Troubles,
    stored: Stored,
    /// Whose turn it is to be followed.
    turn: AtomicUsize,
    /// Where readings go on that could not be ended, by feed.
    paused: Mutex<HashMap<String, (Instant, usize)>>,
    /// Until when it was read what stands below questions and answers.
    read: Mutex<HashMap<(Below, i64), Instant>>,
    /// To which questions answers belong.
    places: Mutex<HashMap<i64, i64>>,
    /// When we wrote last.
    wrote: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for StackExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StackExchange")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl StackExchange {
    /// The site as configured. Asks nothing yet.
    ///
    /// # Errors
    /// An address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::StackExchange,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        Ok(Self {
            source: SourceName::new(name),
            api: Api::new(config, reply_timeout, clock.clone(), vault)?,
            told: config.user_id.map(|user| NativeId::new(user.to_string())),
            tags: config.tags.clone(),
            search: config.search.clone(),
            answers: match config.answers {
                true => Form::Answer,
                false => Form::Comment,
            },
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            known: RwLock::new(None),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            turn: AtomicUsize::new(0),
            paused: Mutex::default(),
            read: Mutex::default(),
            places: Mutex::default(),
            wrote: Mutex::default(),
        })
    }

    /// Our account's id on the site; asked for once, if there is a token to ask with.
    async fn me(&self) -> Result<Option<NativeId>, Failed> {
        let known = self.me_already();
        if known.is_some() || !self.api.has_token() {
            return Ok(known);
        }
        let me = translate::account(Some(&self.user().await?));
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&me);
        Ok(me)
    }

    /// Our account on the site (<https://api.stackexchange.com/docs/me>).
    async fn user(&self) -> Result<User, Failed> {
        let page = self.api.list(&["me"], &[]).await?;
        let nobody = || Failed::Status {
            status: StatusCode::FORBIDDEN,
            told: Some(format!("the account has no profile on {}", self.api.site())),
        };
        api::item(page.items.first().ok_or_else(nobody)?)
    }

    fn me_already(&self) -> Option<NativeId> {
        if !self.api.has_token() {
            return self.told.clone();
        }
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a reply to this becomes there.
    fn form(&self, target: Option<Thing>) -> Form {
        match target {
            Some(Thing::Question(_)) => self.answers,
            Some(Thing::Answer(_) | Thing::Comment(_)) | None => Form::Comment,
        }
    }

    /// The text as it is, in which sites read Markdown. How long it may be is counted in UTF-16, as the site's own
    /// programs do.
    fn composed(&self, text: &str, (form, named): (Form, Option<&str>), audience: Audience) -> Composed {
        let ((least, limit), what) = match form {
            Form::Comment => (COMMENT, "a comment"),
            Form::Answer => (ANSWER, "an answer"),
        };
        let words = text.encode_utf16().count();
        let text = match named {
            Some(name) if !publish::names(text, name) => format!("@{name} {text}"),
            Some(_) | None => text.to_owned(),
        };
        let refusal = if audience == Audience::Private {
            Some(
                "Stack Exchange has no private messages. Ask them in a public answer to write to you by other \
                 means, for example by e-mail."
                    .to_owned(),
            )
        } else if !self.api.has_token() {
            Some(
                "No access token is configured for this site, so Hearback cannot answer there. Answer on the page \
                 with our own account, and then say `answered ADDRESS`, with the address of your answer."
                    .to_owned(),
            )
        } else if words < least {
            Some(format!(
                "Stack Exchange takes {what} of {least} characters at least, and this has {words}. Say a little more."
            ))
        } else {
            None
        };
        Composed {
            length: text.encode_utf16().count(),
            limit,
            unit: "characters",
            refusal,
            text,
        }
    }
}

#[async_trait]
impl SocialPlatform for StackExchange {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: match self.api.has_token() {
                true => Class::Lookup,
                false => Class::None,
            },
            private: false,
            label: "Stack Exchange".to_owned(),
            account: self.me_already(),
        }
    }

    fn compose(&self, text: &str, _author_handle: &str, audience: Audience) -> Composed {
        self.composed(text, (Form::Comment, None), audience)
    }

    /// Who wrote a question or an answer is told of comments below it; who wrote a comment is, if it is named.
    fn compose_to(&self, text: &str, post: &Post, audience: Audience) -> Composed {
        let target = Thing::of(&post.id);
        let is_comment = matches!(target, Some(Thing::Comment(_)));
        let named = Some(post.author.handle.as_str()).filter(|name| is_comment && !name.is_empty());
        self.composed(text, (self.form(target), named), audience)
    }

    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        self.before_sending(reply, ours).await
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.send(reply, permit).await
    }

    async fn find(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        self.look(reply, canary).await
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        self.at(reply, address).await.map(Some)
    }
}

#[async_trait]
impl Connector for StackExchange {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.api.meter())
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.hear(inbound).await?;
        self.explore(inbound).await
    }

    fn entrance(&self) -> Option<(Door, &Grant)> {
        self.api.entrance()
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
