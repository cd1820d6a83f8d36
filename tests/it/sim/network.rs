//! A network in memory. It knows what really stands there; what it says and shows is thrown by dice.
//!
//! What it keeps to are the assumptions of the promise: what it still does after an answer was lost, and
//! how far a copy that it shows may lag unnoticed, are together shorter than the settle time.

use super::SETTLE;
use super::death::Death;
use super::dice::Dice;
use async_trait::async_trait;
use chrono::TimeDelta;
use hearback::domain::*;
use hearback::port::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// For how long the network with a key knows a repetition.
pub const WINDOW: Duration = Duration::from_secs(3600);
/// How much later than its answer was lost an attempt may take effect.
const LATEST: u64 = 60;
/// How far a copy may lag that shows what we published last.
const LAG: u64 = 50;
/// The name of our account, everywhere.
pub const BRAND: &str = "brand";

/// What a customer wrote.
#[derive(Clone)]
pub struct Written {
    pub conversation: NativeId,
    pub author: NativeId,
    pub text: String,
    pub created_at: Instant,
    pub edited_at: Option<Instant>,
    pub deleted: bool,
    pub locked: bool,
}

/// An answer under our name.
#[derive(Clone, Debug)]
pub struct Stand {
    pub id: NativeId,
    /// `None`: somebody of ours wrote it on the network itself.
    pub reply: Option<ReplyId>,
    pub parent: Option<NativeId>,
    pub text: String,
    pub at: Instant,
    /// It stands, and nobody but its account sees it.
    pub hidden: bool,
    /// The script put it elsewhere.
    pub misplaced: bool,
}

#[derive(Default)]
struct Book {
    written: BTreeMap<NativeId, Written>,
    stands: Vec<Stand>,
    /// What takes effect later.
    late: Vec<(Instant, Stand)>,
    away_until: Option<Instant>,
    next: u64,
    /// Answers that named a wrong place or a post that was there before.
    wrong_answers: u64,
    calls: u64,
    faults: u64,
}

pub struct Network {
    pub source: SourceName,
    pub class: Class,
    clock: ManualClock,
    dice: Dice,
    death: Arc<Death>,
    book: Mutex<Book>,
    calm: Mutex<bool>,
}

impl Network {
    pub fn new(name: &str, class: Class, seed: u64, clock: &ManualClock, death: &Arc<Death>) -> Arc<Self> {
        Arc::new(Self {
            source: name.into(),
            class,
            clock: clock.clone(),
            dice: Dice::new(seed, name),
            death: Arc::clone(death),
            book: Mutex::default(),
            calm: Mutex::new(false),
        })
    }

    /// From now on nothing goes wrong here.
    pub fn calms_down(&self) {
        *self.calm.lock().unwrap() = true;
        self.book.lock().unwrap().away_until = None;
    }

    /// It is out of reach for so long.
    pub fn goes_away(&self, seconds: u64) {
        let until = self.clock.now() + TimeDelta::seconds(i64::try_from(seconds).unwrap());
        self.book.lock().unwrap().away_until = Some(until);
    }

    /// How many calls came, and how many of them went wrong.
    pub fn calls(&self) -> (u64, u64) {
        let book = self.book.lock().unwrap();
        (book.calls, book.faults)
    }

    pub fn wrong_answers(&self) -> u64 {
        self.book.lock().unwrap().wrong_answers
    }

    /// All that stands there now under our name.
    pub fn stands(&self) -> Vec<Stand> {
        self.open().stands.clone()
    }

    pub fn written(&self) -> BTreeMap<NativeId, Written> {
        self.book.lock().unwrap().written.clone()
    }

    /// A customer writes; `conversation`: in one that is there.
    pub fn write(&self, author: &str, conversation: Option<NativeId>, text: String) -> NativeId {
        let mut book = self.book.lock().unwrap();
        book.next += 1;
        let id = NativeId::new(format!("{}-p{}", self.source, book.next));
        let written = Written {
            conversation: conversation.unwrap_or_else(|| id.clone()),
            author: author.into(),
            text,
            created_at: self.clock.now(),
            edited_at: None,
            deleted: false,
            locked: false,
        };
        book.written.insert(id.clone(), written);
        id
    }

    /// The customer, or the network, changes a post.
    pub fn change(&self, id: &NativeId, change: impl FnOnce(&mut Written)) {
        change(self.book.lock().unwrap().written.get_mut(id).unwrap());
    }

    /// Somebody of ours answers on the network itself.
    pub fn answer_natively(&self, parent: &NativeId) {
        let mut book = self.open();
        let stand = Stand {
            id: "".into(),
            reply: None,
            parent: Some(parent.clone()),
            text: "We are on it.".to_owned(),
            at: self.clock.now(),
            hidden: false,
            misplaced: false,
        };
        self.stand(&mut book, stand);
    }

    /// A post as the source hands it over.
    pub fn sighting(&self, id: &NativeId) -> Sighting {
        let written = self.book.lock().unwrap().written[id].clone();
        if written.deleted {
            return Sighting::Gone(id.clone());
        }
        let post = self.post(id, &written.conversation, written.author.as_str(), &written.text);
        Sighting::Post(Box::new(Post {
            created_at: written.created_at,
            edited_at: written.edited_at,
            ..post
        }))
    }

    /// One of our answers as it comes back from the network.
    pub fn echo(&self, stand: &Stand) -> Option<Sighting> {
        let parent = stand.parent.as_ref()?;
        let conversation = self
            .book
            .lock()
            .unwrap()
            .written
            .get(parent)?
            .conversation
            .clone();
        let post = self.post(&stand.id, &conversation, BRAND, &stand.text);
        Some(Sighting::Post(Box::new(Post {
            in_reply_to: stand.parent.clone(),
            created_at: stand.at,
            ..post
        })))
    }

    fn post(&self, id: &NativeId, conversation: &NativeId, author: &str, text: &str) -> Post {
        Post {
            source: self.source.clone(),
            id: id.clone(),
            conversation: conversation.clone(),
            in_reply_to: None,
            kind: PostKind::Mention,
            visibility: Visibility::Public,
            url: Some(address(id)),
            author: Author {
                id: author.into(),
                handle: author.to_owned(),
                name: author.to_owned(),
                followers: None,
                url: None,
            },
            text: text.to_owned(),
            created_at: self.clock.now(),
            edited_at: None,
            deleted: false,
            lang: None,
            media: Vec::new(),
            metrics: Metrics::default(),
            rating: None,
        }
    }

    /// The book, with everything in it that was late and has happened.
    fn open(&self) -> std::sync::MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap();
        let now = self.clock.now();
        let (due, later) = std::mem::take(&mut book.late)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        book.late = later;
        for (at, stand) in due {
            self.stand(&mut book, Stand { at, ..stand });
        }
        book
    }

    /// It stands there; or what stood there before, where the network knows a repetition.
    fn stand(&self, book: &mut Book, stand: Stand) -> Stand {
        let known = book.stands.iter().find(|known| {
            let repeated = match self.class {
                Class::Key { window } => stand.at - known.at < TimeDelta::from_std(window).unwrap(),
                Class::Id => true,
                Class::Lookup | Class::None => false,
            };
            repeated && known.reply == stand.reply && known.reply.is_some()
        });
        if let Some(known) = known {
            return known.clone();
        }
        book.next += 1;
        let id = NativeId::new(format!("{}-r{}", self.source, book.next));
        let stand = Stand { id, ..stand };
        book.stands.push(stand.clone());
        stand
    }

    fn is_away(&self) -> bool {
        let until = self.book.lock().unwrap().away_until;
        until.is_some_and(|until| until > self.clock.now())
    }

    /// Trouble that can meet any call, before it does anything.
    async fn trouble(&self) -> Result<(), PortError> {
        self.book.lock().unwrap().calls += 1;
        if *self.calm.lock().unwrap() {
            return Ok(());
        }
        self.death.may_come(&self.dice).await;
        let trouble = if self.is_away() {
            match self.dice.below(2) {
                0 => PortError::NotReached("the network is away".to_owned()),
                _ => PortError::Unknown("the network is away".to_owned()),
            }
        } else if self.dice.happens(40) {
            PortError::RetryAfter(Duration::from_secs(self.dice.up_to(900)))
        } else if self.dice.happens(40) {
            PortError::NotReached("the connection was refused".to_owned())
        } else {
            return Ok(());
        };
        self.book.lock().unwrap().faults += 1;
        Err(trouble)
    }

    fn fault<T>(&self, error: PortError) -> Result<T, PortError> {
        self.book.lock().unwrap().faults += 1;
        Err(error)
    }

    fn published(stand: &Stand) -> Published {
        Published {
            id: stand.id.clone(),
            url: Some(address(&stand.id)),
            parent: stand.parent.clone(),
            author: Some(BRAND.into()),
        }
    }
}

/// Where a post can be seen.
pub fn address(id: &NativeId) -> String {
    format!("https://network.example/{id}")
}

fn lost<T>(network: &Network) -> Result<T, PortError> {
    network.fault(PortError::Unknown("the answer was lost".to_owned()))
}

#[async_trait]
impl SocialPlatform for Network {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: self.class,
            private: true,
            label: self.source.to_string(),
            account: Some(BRAND.into()),
        }
    }

    fn compose(&self, text: &str, _: &str, _: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: 500,
            unit: "characters",
            refusal: None,
        }
    }

    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        self.trouble().await?;
        if self.class == Class::None {
            return Ok(Target::NotReadable);
        }
        let book = self.open();
        let written = &book.written[&reply.target];
        if written.deleted {
            return Ok(Target::Gone("the post is gone".to_owned()));
        }
        if written.locked {
            return Ok(Target::Locked("the thread is locked".to_owned()));
        }
        let other = book
            .stands
            .iter()
            .find(|stand| stand.parent.as_ref() == Some(&reply.target) && !ours.contains(&stand.id));
        if let (Some(other), None) = (other, reply.begun_at) {
            return Ok(Target::Answered {
                text: other.text.clone(),
                url: Some(address(&other.id)),
            });
        }
        Ok(Target::Stands {
            text: written.text.clone(),
        })
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        permit.check()?;
        self.trouble().await?;
        let now = self.clock.now();
        let stand = Stand {
            id: "".into(),
            reply: Some(reply.id),
            parent: Some(reply.target.clone()),
            text: reply.text.clone(),
            at: now,
            hidden: false,
            misplaced: false,
        };
        if *self.calm.lock().unwrap() {
            return Ok(Self::published(&self.stand(&mut self.open(), stand)));
        }
        let stand = Stand {
            hidden: self.dice.happens(50),
            ..stand
        };
        match self.dice.below(100) {
            // Neither done nor answered.
            0..10 => lost(self),
            // Done, and not answered (or with a 500, a 400, or garbage: that is the same here).
            10..24 => {
                self.stand(&mut self.open(), stand);
                lost(self)
            }
            // Done later than anybody waits.
            24..32 => {
                let seconds = i64::try_from(self.dice.below(LATEST)).unwrap();
                let due = now + TimeDelta::seconds(seconds);
                self.open().late.push((due, stand));
                lost(self)
            }
            32..35 => self.fault(PortError::Refused("the words are not allowed".to_owned())),
            35 => self.fault(PortError::Unauthorized("the token has expired".to_owned())),
            // Under another post, or under none.
            36..38 => {
                let mut book = self.open();
                let other = book.written.keys().find(|id| **id != reply.target).cloned();
                let misplaced = Stand {
                    parent: other.filter(|_| self.dice.happens(500)),
                    misplaced: true,
                    ..stand
                };
                let stood = self.stand(&mut book, misplaced);
                book.wrong_answers += u64::from(stood.misplaced);
                book.faults += 1;
                Ok(Self::published(&stood))
            }
            // The answer names a post that was there before; done or not.
            38 => {
                let mut book = self.open();
                let before = book.written.keys().next().cloned();
                if self.dice.happens(500) {
                    self.stand(&mut book, stand);
                }
                book.wrong_answers += 1;
                book.faults += 1;
                Ok(Published {
                    id: before.unwrap(),
                    url: None,
                    parent: Some(reply.target.clone()),
                    author: Some(BRAND.into()),
                })
            }
            _ => {
                let stood = self.stand(&mut self.open(), stand);
                self.death.may_come(&self.dice).await;
                Ok(Self::published(&stood))
            }
        }
    }

    async fn find(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        assert!(
            self.class != Class::None,
            "nobody looks where nothing can be looked up"
        );
        self.trouble().await?;
        let calm = *self.calm.lock().unwrap();
        if matches!(self.class, Class::Key { .. }) && !calm && self.dice.happens(400) {
            return Ok(Look::NotLooked);
        }
        if !calm && self.dice.happens(50) {
            return lost(self);
        }
        let book = self.open();
        let now = self.clock.now();
        let shown = |lag: u64| {
            let until = now - TimeDelta::seconds(i64::try_from(lag).unwrap());
            // An account sees its own, also what others do not see.
            let seen = book.stands.iter().filter(move |stand| stand.at <= until);
            seen.cloned().collect::<Vec<_>>()
        };
        let fresh = |view: &[Stand]| canary.is_none_or(|id| view.iter().any(|stand| stand.id == *id));
        let mut lag = if calm { 0 } else { self.dice.below(LAG) };
        let old = SETTLE.as_secs() + self.dice.below(7_200);
        if !calm && self.dice.happens(100) && !fresh(&shown(old)) {
            lag = old;
        }
        let view = shown(lag);
        let fresh = fresh(&view);
        let mut found: Vec<_> = view
            .into_iter()
            .filter(|stand| stand.reply == Some(reply.id))
            .collect();
        Ok(match (found.len(), found.pop()) {
            (1, Some(one)) => Look::Found(Self::published(&one)),
            (_, Some(last)) => {
                found.push(last);
                Look::Several(found.iter().map(Self::published).collect())
            }
            (_, None) => Look::Absent { fresh },
        })
    }

    async fn visit(&self, reply: &Reply, at: &str) -> Result<Option<Published>, PortError> {
        self.trouble().await?;
        let book = self.open();
        let stand = book.stands.iter().find(|stand| address(&stand.id) == at);
        let right = stand.is_some_and(|stand| stand.reply == Some(reply.id) && !stand.misplaced);
        if right && self.dice.happens(300) {
            return Ok(None);
        }
        match stand {
            Some(stand) if stand.parent.as_ref() == Some(&reply.target) => Ok(Some(Self::published(stand))),
            Some(_) | None => Err(PortError::Refused("no answer of ours stands there".to_owned())),
        }
    }
}
