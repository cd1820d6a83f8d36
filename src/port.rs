//! What the core asks of a chat and of a network. The decision about a failure travels in the
//! error: adapters classify once, where the status codes are known.

use crate::domain::{
    Audience, Card, ChannelId, ChatName, Clock, IdempotencyKey, Instant, Message, MessageId, NativeId, Post,
    Reply, SourceName, ThreadId,
};
use async_trait::async_trait;
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Why a call had no success, and so what may be done next.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Not executed: the platform wants us to wait. The lane waits, nothing else.
    #[error("rate limited for {0:?}")]
    RetryAfter(Duration),
    /// Not executed, for certain: no byte of the request reached the platform.
    #[error("not reached: {0}")]
    NotReached(String),
    /// Not executed, for certain: a refusal that is proven to mean so. A retry would be refused too.
    #[error("{0}")]
    Refused(String),
    /// Not executed: the place takes nothing until somebody mends it (the bot is not in the channel,
    /// the channel is archived). The lane waits and tries again; nothing is lost.
    #[error("{0}")]
    Closed(String),
    /// Not executed: the thread or the message that was meant does not exist any more.
    #[error("{0}")]
    Gone(String),
    /// Not executed: the credentials are not accepted.
    #[error("the credentials are not accepted: {0}")]
    Unauthorized(String),
    /// May have been executed: look before a second attempt.
    #[error("no certain answer: {0}")]
    Unknown(String),
}

/// An order to open a case's thread.
#[derive(Debug, Clone)]
pub struct OpenThread {
    /// The same for every attempt.
    pub key: IdempotencyKey,
    /// Where.
    pub channel: ChannelId,
    /// The first message.
    pub card: Card,
    /// When an earlier attempt began, if there was one: then look for its result first.
    pub earlier: Option<Instant>,
}

/// A thread that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The thread.
    pub thread: ThreadId,
    /// Its first message, the card.
    pub card: MessageId,
}

/// An order to post a message into a thread.
#[derive(Debug, Clone)]
pub struct PostMessage {
    /// The same for every attempt.
    pub key: IdempotencyKey,
    /// The channel of the thread.
    pub channel: ChannelId,
    /// The thread.
    pub thread: ThreadId,
    /// The message.
    pub message: Message,
    /// Whether it hands the case to the people there: one that is done with has to come back to them.
    pub hands_over: bool,
    /// When an earlier attempt began, if there was one: then look for its result first.
    pub earlier: Option<Instant>,
}

/// In which form a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureForm {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl PictureForm {
    /// Its MIME type.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// The ending of its files' names.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

/// A picture, written by ourselves: it holds nothing but what is seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file; at most 8 MiB.
    pub bytes: Vec<u8>,
    /// In which form.
    pub form: PictureForm,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (form, length) = (self.form, self.bytes.len());
        write!(f, "Picture({form:?}, {length} bytes)")
    }
}

/// Why there is no picture, as the end of a sentence that begins with "not shown:".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// There never will be.
    #[error("{0}")]
    Never(String),
    /// There may be another time.
    #[error("{0}")]
    NotNow(String),
}

/// Gets pictures that strangers put somewhere.
#[async_trait]
pub trait Pictures: Send + Sync {
    /// The picture at an address from outside, made fit to be shown. One attempt.
    async fn get(&self, url: &str) -> Result<Picture, NoPicture>;
}

/// What becomes of what is attached to a post.
#[derive(Clone, Default)]
pub enum Attachments {
    /// It is counted, and not told else.
    #[default]
    Counted,
    /// Its address and its description are told.
    Linked,
    /// Its picture is shown, from here.
    Shown(Arc<dyn Pictures>),
}

impl Attachments {
    /// Where pictures come from, if they are shown.
    #[must_use]
    pub fn pictures(&self) -> Option<&Arc<dyn Pictures>> {
        match self {
            Self::Shown(pictures) => Some(pictures),
            Self::Counted | Self::Linked => None,
        }
    }
}

impl fmt::Debug for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counted => "Counted",
            Self::Linked => "Linked",
            Self::Shown(_) => "Shown",
        })
    }
}

/// An order to show a picture in a thread.
#[derive(Debug, Clone)]
pub struct ShowPicture {
    /// The same for every attempt.
    pub key: IdempotencyKey,
    /// The channel of the thread.
    pub channel: ChannelId,
    /// The thread.
    pub thread: ThreadId,
    /// The picture.
    pub picture: Arc<Picture>,
    /// What it is called: `Picture 1 of 2`.
    pub title: String,
    /// What it shows, in the words of who published it; may be empty.
    pub alt: String,
    /// What stands with it.
    pub message: Message,
    /// When an earlier attempt began, if there was one: then look for its result first.
    pub earlier: Option<Instant>,
}

/// An order to replace what a message of ours says. Idempotent.
#[derive(Debug, Clone)]
pub struct EditMessage {
    /// The channel of the thread.
    pub channel: ChannelId,
    /// The thread.
    pub thread: ThreadId,
    /// The message.
    pub message: MessageId,
    /// What it is to say.
    pub content: Content,
}

/// What a message of ours is.
#[derive(Debug, Clone)]
pub enum Content {
    /// The card, with title and status.
    Card(Card),
    /// Any other.
    Message(Message),
}

/// A question for everything that stands of one delivery.
#[derive(Debug, Clone)]
pub struct FindTraces {
    /// The key of its attempts.
    pub key: IdempotencyKey,
    /// Where.
    pub channel: ChannelId,
    /// The thread it went to; `None` when it opened one.
    pub thread: Option<ThreadId>,
    /// When the first attempt began.
    pub since: Instant,
    /// What was read before this moment is too old to tell.
    pub fresh: Instant,
    /// The one we know of.
    pub known: Opened,
}

/// An order to take a double of ours away.
#[derive(Debug, Clone)]
pub struct Withdraw {
    /// Where.
    pub channel: ChannelId,
    /// What goes.
    pub double: Opened,
    /// What stays.
    pub kept: Opened,
    /// What it is.
    pub what: Withdrawn,
}

/// What is taken away.
#[derive(Debug, Clone)]
pub enum Withdrawn {
    /// A thread. Where somebody else wrote in it, or it cannot be removed, its card becomes this one,
    /// with the address of the thread that is kept.
    Thread(Card),
    /// A message in a thread.
    Message,
}

/// A chat in which a team works. Losing a message is not tolerable, a double one is mended: calls
/// take the same key on every attempt, and an `earlier` attempt is looked for first.
#[async_trait]
pub trait ChatPlatform: Send + Sync {
    /// The chat's name: `slack`, `discord`, `console`.
    fn name(&self) -> &ChatName;

    /// Opens a thread with the card as its first message.
    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError>;

    /// Posts a message into a thread.
    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError>;

    /// Replaces what a message of ours says.
    async fn edit(&self, order: &EditMessage) -> Result<(), PortError>;

    /// Whether what somebody did in this chat is told in it, too.
    fn hears_itself(&self) -> bool {
        true
    }

    /// Whether pictures are uploaded into its threads. A chat whose pages show them by themselves takes none.
    fn takes_pictures(&self) -> bool {
        false
    }

    /// Shows a picture in a thread. Asked only where it takes pictures. The message by which the chat knows
    /// it may be an id of its file, where that is all that the chat tells.
    async fn show_picture(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        let _ = order;
        Err(PortError::Refused("this chat takes no pictures".to_owned()))
    }

    /// Everything that stands of one delivery; the message is the `card` of each. The first is the one to
    /// keep: the earliest that people can go on in. Asked only after an attempt without a certain end. A chat that keeps no messages, or knows a
    /// repetition by its key, has no doubles: this is its answer.
    async fn traces(&self, order: &FindTraces) -> Result<Vec<Opened>, PortError> {
        Ok(vec![order.known.clone()])
    }

    /// Takes a double of ours away, never what somebody else wrote. Idempotent: what is gone already
    /// is done.
    async fn withdraw(&self, order: &Withdraw) -> Result<(), PortError> {
        let _ = order;
        Ok(())
    }
}

/// How an uncertain end of a publishing call can be cleared up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The platform honours an idempotency key: the same call again is safe.
    Key {
        /// For so long after the first attempt.
        window: Duration,
    },
    /// We choose the id of what is published, or there is a single place for it: the same call again
    /// changes nothing, whenever it comes.
    Id,
    /// Our own posts can be read: look whether it is there.
    Lookup,
    /// Neither: a person must look.
    None,
}

/// What a source's platform can do.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// How an uncertain end is cleared up.
    pub class: Class,
    /// Whether a private answer is possible.
    pub private: bool,
    /// What people call the network, for example `Mastodon`.
    pub label: String,
    /// The native id of the account that answers, once it is known.
    pub account: Option<NativeId>,
}

/// A text as it would be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Exactly what is published (a platform may need the author addressed in the text).
    pub text: String,
    /// Its length, counted the platform's way.
    pub length: usize,
    /// The most the platform takes, counted the same way.
    pub limit: usize,
    /// What is counted, in the plural: `characters`, `bytes`.
    pub unit: &'static str,
    /// Why the platform cannot take these words as they are, and what to do: whatever their length, or because
    /// there are too few of them.
    pub refusal: Option<String>,
}

/// What the platform made of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id there.
    pub id: NativeId,
    /// Its address.
    pub url: Option<String>,
    /// The post under which it stands, as the platform says. `None`: under none.
    pub parent: Option<NativeId>,
    /// The account under whose name it stands, if the platform says.
    pub author: Option<NativeId>,
}

/// What a look for a reply whose end is unknown showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It stands there.
    Found(Published),
    /// It stands there more than once.
    Several(Vec<Published>),
    /// Looked, and it is not there.
    Absent {
        /// Whether the look showed the newest that is known of us (`canary`), so that it came from no
        /// copy that lags; also true where a copy cannot lag.
        fresh: bool,
    },
    /// Nobody could look; but the same call again is safe, because the platform honours the key.
    NotLooked,
}

/// How the post that a reply answers stands on its platform, just before the reply is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// It stands, with this text; nobody of ours answered it in the platform's own way.
    Stands {
        /// What it says now.
        text: String,
    },
    /// Our account has answered it already, and not by Hearback.
    Answered {
        /// With these words.
        text: String,
        /// Where.
        url: Option<String>,
    },
    /// It is gone, or its author does not let us see it.
    Gone(String),
    /// It takes no answers.
    Locked(String),
    /// The platform does not let us read it: what we were told of it counts.
    NotReadable,
}

/// The right to send a reply's first byte. It ends with the lease of the claim, by a clock that also
/// runs while the machine sleeps: a sender that was stopped for long must not send late.
#[derive(Clone)]
pub struct Permit {
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Permit {
    /// For `lease` from now on.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, lease: Duration) -> Self {
        let until = clock.since_boot() + lease;
        Self { clock, until }
    }

    /// Whether the first byte may still be sent. To be asked after the connection stands, right before
    /// the request is written.
    ///
    /// # Errors
    /// The lease is over; nothing was sent.
    pub fn check(&self) -> Result<(), PortError> {
        if self.clock.since_boot() < self.until {
            Ok(())
        } else {
            Err(PortError::NotReached(
                "Hearback was held up for too long before sending; nothing was sent".to_owned(),
            ))
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// A network on which customers write. One per source.
///
/// There is deliberately no call that removes, hides or reports anything.
#[async_trait]
pub trait SocialPlatform: Send + Sync {
    /// The source's name.
    fn source(&self) -> &SourceName;

    /// What the platform can do.
    fn abilities(&self) -> Abilities;

    /// The text as it would be published to this author, with its length.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed;

    /// The same, for the post that is answered, where the form of an answer hangs on what it answers.
    fn compose_to(&self, text: &str, post: &Post, audience: Audience) -> Composed {
        self.compose(text, &post.author.handle, audience)
    }

    /// Why a post, as it is stored, cannot be answered here whatever the words, and the way out: told before
    /// anybody writes them. `None`: it can be, as far as is known.
    fn closed(&self, post: &Post, audience: Audience) -> Option<String> {
        let _ = (post, audience);
        None
    }

    /// Reads the post that a reply answers, just before the reply is claimed. `ours` are the ids of the
    /// replies to it that are known to be ours.
    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError>;

    /// Publishes a claimed reply: its frozen payload, nothing else. Never retries, never follows a
    /// redirect, and sends its first byte only after `permit` was asked. `Ok` says where the reply
    /// stands; whether that is where it belongs is judged by the caller.
    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError>;

    /// Looks whether a reply whose end is unknown was published. Not for [`Class::None`]. `canary` is
    /// the newest reply that is known to stand on this account.
    async fn find(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError>;

    /// Looks at an address that a person says the reply stands at. `None`: nobody can look there.
    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError>;
}

/// Where secrets that a platform gave us are kept over a restart, as the token that renews another one.
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is kept for a source under this name.
    ///
    /// # Errors
    /// It cannot be read now; that is not the same as none.
    async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept>;

    /// Keeps a secret, instead of what was kept before. Durable when this returns.
    ///
    /// # Errors
    /// It is not kept.
    async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept>;

    /// Where work counts at whose end something is put here. Whoever closes the vault waits for it: what a
    /// platform has just given must not be lost with the process.
    fn under_way(&self) -> TaskTracker {
        TaskTracker::new()
    }
}

/// Why a secret cannot be kept or read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unkept(pub String);

/// A vault that lasts as long as the process.
#[derive(Default)]
pub struct ShortVault(std::sync::Mutex<std::collections::HashMap<(SourceName, String), SecretString>>);

#[async_trait]
impl Vault for ShortVault {
    async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(kept.get(&(source.clone(), name.to_owned())).cloned())
    }

    async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.insert((source.clone(), name.to_owned()), secret.clone());
        Ok(())
    }
}
