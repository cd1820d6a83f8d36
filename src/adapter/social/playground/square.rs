//! The square as it stands: the fold of its journal. Pure.

use super::journal::{Customer, Record, What};
use crate::domain::{
    Author, Instant, Media, Metrics, NativeId, Post, PostKind, Sighting, SourceName, Visibility,
};
use std::collections::{BTreeMap, HashMap};
use unicode_segmentation::UnicodeSegmentation as _;

/// The most characters of a post, as people count them.
pub(super) const MOST_TEXT: usize = 500;
/// The most characters of a name.
pub(super) const MOST_NAME: usize = 50;

/// Whose voice a post is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Voice {
    /// A customer's.
    Customer(Customer),
    /// The brand's.
    Brand,
}

/// A post as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub id: NativeId,
    pub to: Option<NativeId>,
    /// The post that the conversation began with.
    pub root: NativeId,
    pub voice: Voice,
    pub text: String,
    pub lang: Option<String>,
    pub private: bool,
    pub at: Instant,
    pub edited_at: Option<Instant>,
    pub deleted: bool,
}

/// Something that is to happen on the square.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// A customer writes.
    Write {
        to: Option<NativeId>,
        by: Customer,
        text: String,
        lang: Option<String>,
        nonce: String,
    },
    /// A customer edits a post.
    Edit { id: NativeId, text: String },
    /// A customer takes a post back.
    Delete { id: NativeId },
    /// The brand answers a customer's post.
    Answer {
        to: NativeId,
        author: NativeId,
        text: String,
        private: bool,
        key: String,
    },
}

/// Why something does not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Sorry {
    /// Nothing to post.
    #[error("Write something first.")]
    Empty,
    /// Nobody posts it.
    #[error("Give a name to write under.")]
    NoName,
    /// Too much.
    #[error("That is {0} characters; a post has at most {MOST_TEXT}.")]
    TooLong(usize),
    /// The post it is about is not there.
    #[error("That post is gone.")]
    Gone,
    /// The post it is about is somebody else's.
    #[error("That post was written by somebody else.")]
    NotTheirs,
}

/// The square as it stands.
#[derive(Debug, Default)]
pub(super) struct Square {
    name: String,
    log: Vec<Record>,
    items: BTreeMap<NativeId, Item>,
    /// The ids in the order of writing.
    order: Vec<NativeId>,
    /// What was written under these nonces and answered under these keys.
    by_key: HashMap<String, NativeId>,
}

impl Square {
    /// The square that a journal tells of.
    pub(super) fn of(records: Vec<Record>) -> Self {
        let mut square = Self::default();
        for record in records {
            square.apply(record);
        }
        square
    }

    /// Its name; empty before it is founded.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The place of the next record.
    pub(super) fn next(&self) -> i64 {
        self.log.last().map_or(1, |record| record.seq + 1)
    }

    /// Whether nobody ever wrote here.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// A post.
    pub(super) fn item(&self, id: &NativeId) -> Option<&Item> {
        self.items.get(id)
    }

    /// What was written or answered under this key.
    pub(super) fn under(&self, key: &str) -> Option<&NativeId> {
        self.by_key.get(key)
    }

    /// Everybody who wrote, by name.
    pub(super) fn customers(&self) -> BTreeMap<&str, &Customer> {
        let voices = self.items.values().filter_map(|item| match &item.voice {
            Voice::Customer(customer) => Some((customer.name.as_str(), customer)),
            Voice::Brand => None,
        });
        voices.collect()
    }

    /// The conversations, the one where somebody wrote last first, each with its answers in order;
    /// at most `most`.
    pub(super) fn conversations(&self, most: usize) -> Vec<(&Item, Vec<&Item>)> {
        let mut roots = Vec::new();
        let mut answers: HashMap<&NativeId, Vec<&Item>> = HashMap::new();
        for item in self.order.iter().rev().filter_map(|id| self.items.get(id)) {
            let conversation = answers.entry(&item.root).or_insert_with(|| {
                roots.push(&item.root);
                Vec::new()
            });
            if item.to.is_some() {
                conversation.push(item);
            }
        }
        let shown = roots.into_iter().take(most);
        shown
            .filter_map(|root| {
                let mut answers = answers.remove(root).unwrap_or_default();
                answers.reverse();
                Some((self.items.get(root)?, answers))
            })
            .collect()
    }

    /// What a wish leads to. Texts lose their outer white space, as on any network.
    pub(super) fn decide(&self, wish: Wish) -> Result<What, Sorry> {
        let id = NativeId::new(format!("{}-{}", self.name, self.next()));
        match wish {
            Wish::Write {
                to,
                by,
                text,
                lang,
                nonce,
            } => {
                let text = sound(&text)?;
                if by.name.is_empty() {
                    return Err(Sorry::NoName);
                }
                let private = match &to {
                    Some(to) => self.standing(to)?.private,
                    None => false,
                };
                Ok(What::Wrote {
                    id,
                    to,
                    by,
                    text,
                    lang,
                    private,
                    nonce,
                })
            }
            Wish::Edit { id, text } => {
                let text = sound(&text)?;
                self.customers_own(&id)?;
                Ok(What::Edited { id, text })
            }
            Wish::Delete { id } => {
                self.customers_own(&id)?;
                Ok(What::Deleted { id })
            }
            Wish::Answer {
                to,
                author,
                text,
                private,
                key,
            } => match &self.standing(&to)?.voice {
                Voice::Customer(customer) if customer.id == author => Ok(What::Answered {
                    id,
                    to,
                    text,
                    private,
                    key,
                }),
                Voice::Customer(_) | Voice::Brand => Err(Sorry::NotTheirs),
            },
        }
    }

    fn standing(&self, id: &NativeId) -> Result<&Item, Sorry> {
        self.items.get(id).filter(|item| !item.deleted).ok_or(Sorry::Gone)
    }

    fn customers_own(&self, id: &NativeId) -> Result<(), Sorry> {
        match self.standing(id)?.voice {
            Voice::Customer(_) => Ok(()),
            Voice::Brand => Err(Sorry::NotTheirs),
        }
    }

    /// Takes in what happened.
    pub(super) fn apply(&mut self, record: Record) {
        match &record.what {
            What::Founded { name } => self.name.clone_from(name),
            What::Wrote {
                id,
                to,
                by,
                text,
                lang,
                private,
                nonce,
            } => {
                self.by_key.insert(nonce.clone(), id.clone());
                self.add(Item {
                    id: id.clone(),
                    to: to.clone(),
                    root: self.root_of(id, to.as_ref()),
                    voice: Voice::Customer(by.clone()),
                    text: text.clone(),
                    lang: lang.clone(),
                    private: *private,
                    at: record.at,
                    edited_at: None,
                    deleted: false,
                });
            }
            What::Edited { id, text } => {
                if let Some(item) = self.items.get_mut(id) {
                    item.text.clone_from(text);
                    item.edited_at = Some(record.at);
                }
            }
            What::Deleted { id } => {
                if let Some(item) = self.items.get_mut(id) {
                    item.deleted = true;
                }
            }
            What::Answered {
                id,
                to,
                text,
                private,
                key,
            } => {
                self.by_key.insert(key.clone(), id.clone());
                self.add(Item {
                    id: id.clone(),
                    to: Some(to.clone()),
                    root: self.root_of(id, Some(to)),
                    voice: Voice::Brand,
                    text: text.clone(),
                    lang: None,
                    private: *private,
                    at: record.at,
                    edited_at: None,
                    deleted: false,
                });
            }
        }
        self.log.push(record);
    }

    fn add(&mut self, item: Item) {
        self.order.push(item.id.clone());
        self.items.insert(item.id.clone(), item);
    }

    fn root_of(&self, id: &NativeId, to: Option<&NativeId>) -> NativeId {
        let parent = to.and_then(|to| self.items.get(to));
        parent.map_or_else(|| id.clone(), |parent| parent.root.clone())
    }

    /// What a listener sees after this place, at most `most` of it, and the place it reaches.
    pub(super) fn seen_after(
        &self,
        after: i64,
        most: usize,
        source: &SourceName,
        base: &str,
    ) -> Option<(i64, Vec<Sighting>)> {
        let from = self.log.partition_point(|record| record.seq <= after);
        let batch = &self.log[from..self.log.len().min(from + most)];
        let last = batch.last()?.seq;
        let seen = batch
            .iter()
            .filter_map(|record| self.sighting(record, source, base));
        Some((last, seen.collect()))
    }

    /// A record as a network shows it to those who listen: posts as they stood then.
    fn sighting(&self, record: &Record, source: &SourceName, base: &str) -> Option<Sighting> {
        let (id, text, edited_at) = match &record.what {
            What::Wrote { id, text, .. } => (id, text, None),
            What::Edited { id, text } => (id, text, Some(record.at)),
            What::Deleted { id } => return Some(Sighting::Gone(id.clone())),
            What::Founded { .. } | What::Answered { .. } => return None,
        };
        let item = self.items.get(id)?;
        let Voice::Customer(customer) = &item.voice else {
            return None;
        };
        let kind = match (item.private, &item.to) {
            (true, _) => PostKind::Message,
            (false, Some(_)) => PostKind::Comment,
            (false, None) => PostKind::Post,
        };
        let author = Author {
            id: customer.id.clone(),
            handle: customer.handle.clone(),
            name: customer.name.clone(),
            followers: customer.followers,
            url: None,
        };
        Some(Sighting::Post(Box::new(Post {
            source: source.clone(),
            id: id.clone(),
            conversation: item.root.clone(),
            in_reply_to: item.to.clone(),
            kind,
            visibility: if item.private {
                Visibility::Private
            } else {
                Visibility::Public
            },
            url: Some(permalink(base, id)),
            author,
            text: text.clone(),
            created_at: item.at,
            edited_at,
            deleted: false,
            lang: item.lang.clone(),
            media: Vec::<Media>::new(),
            metrics: Metrics::default(),
            rating: None,
        })))
    }
}

/// The address of a post.
pub(super) fn permalink(base: &str, id: &NativeId) -> String {
    format!("{base}/playground#{id}")
}

fn sound(text: &str) -> Result<String, Sorry> {
    let text = text.trim();
    match text.graphemes(true).count() {
        0 => Err(Sorry::Empty),
        length if length > MOST_TEXT => Err(Sorry::TooLong(length)),
        _ => Ok(text.to_owned()),
    }
}

/// The customer whom a visitor writes as: somebody who wrote before, or somebody new of that name.
pub(super) fn customer(square: &Square, name: &str) -> Customer {
    let name = crate::domain::message::one_line(name, MOST_NAME);
    if let Some(known) = square.customers().get(name.as_str()) {
        return (*known).clone();
    }
    let letters = name.to_lowercase();
    let words = letters
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut handle = words.collect::<Vec<_>>().join("_");
    if handle.is_empty() {
        "guest".clone_into(&mut handle);
    }
    let taken = |handle: &str| {
        square
            .customers()
            .values()
            .any(|customer| customer.handle == handle)
    };
    if taken(&handle) {
        let free = (2..)
            .map(|n| format!("{handle}_{n}"))
            .find(|handle| !taken(handle));
        handle = free.unwrap_or(handle);
    }
    Customer {
        id: NativeId::new(format!("u-{handle}")),
        handle,
        name,
        followers: None,
    }
}
