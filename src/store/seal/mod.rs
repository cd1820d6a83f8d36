//! The seal: what is written down about a database outside of it, so that it shows when a database was
//! copied, when an old copy came back, and when the end of its log was cut off.
//!
//! It is a small signed file beside the database, with its key in another file. It is written before
//! each public reply, every few seconds, and at the end; it may be behind the database, and never ahead.

mod file;

use super::place::{Difference, Place};
use super::{Changes, Counters, Result, Store};
use crate::domain::audit::{Head, Report, Sealed, Verifier};
use crate::domain::{Clock, EventId, Instant, Marks, Standing};
use file::{File, Found};
pub(super) use file::{private, sync_folder};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Short, PoisonError};
use tokio::sync::Mutex;

/// How many events are verified at a time.
const PAGE: i64 = 2_000;

/// Why nothing may be sent: a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It cannot be written, or must not be.
    #[error("{0}")]
    Refused(String),
    /// The database is not any more the one that this process began with: it must begin anew.
    #[error("{0}; start Hearback again")]
    Replaced(String),
}

impl From<super::Error> for SealError {
    fn from(error: super::Error) -> Self {
        Self::Refused(format!("the database cannot be sealed: {error}"))
    }
}

/// What the seal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// The name of the installation.
    installation: String,
    /// Where its database lives.
    place: Place,
    /// The first event with a hash.
    begins: Option<EventId>,
    /// The last one.
    head: Option<Head>,
    /// How far the database had come.
    marks: Marks,
    /// When this was written.
    written_at: Instant,
    /// Where an old copy began that came back, until somebody adopts it.
    #[serde(default)]
    rolled_back: Option<Marks>,
}

/// The seal of a database. Cheap to clone.
#[derive(Clone)]
pub struct Seal {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.inner.file.path();
        f.debug_struct("Seal")
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

struct Inner {
    store: Store,
    file: File,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    standing: Short<Standing>,
    /// Why it could not be written the last time.
    trouble: Short<Option<String>>,
}

#[derive(Debug)]
struct State {
    /// What the file says.
    content: Option<Content>,
    /// Why it says nothing, if it is there.
    unsound: Option<String>,
    /// Whether the database is only elsewhere, and nothing is where it was.
    moved: bool,
    /// Whether the database has the note that it was sealed.
    noted: bool,
}

/// What a database says of itself.
struct Present {
    installation: String,
    place: Place,
    marks: Marks,
    was_sealed: bool,
}

impl Seal {
    /// Where the seal of a database is: where it was told to be, or beside an SQLite file, or in the
    /// working folder.
    #[must_use]
    pub fn path(url: &str, told: Option<&Path>) -> PathBuf {
        if let Some(told) = told {
            return told.to_owned();
        }
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut path = path.strip_prefix("//").unwrap_or(path).to_owned();
                path.push_str(".seal");
                path.into()
            }
            None => "hearback.seal".into(),
        }
    }

    /// Reads the seal and compares the database with it. Writes nothing.
    ///
    /// # Errors
    /// The database does not answer. A seal that cannot be read is told by the standing.
    pub async fn open(store: &Store, path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self> {
        let file = File::at(path);
        // The file first: then the database cannot be behind it by what is written meanwhile.
        let found = file.read().await;
        let present = Present {
            installation: store.installation().await?,
            place: Place::of(store).await?,
            marks: store.counters().await?.into(),
            was_sealed: store.was_sealed().await?,
        };
        let same_log = match &found {
            Found::Sealed(content) => same_log(store, content.head).await?,
            Found::Nothing | Found::Unsound(_) => true,
        };
        let (standing, moved) = judge(&present, &found, same_log, file.path());
        let (content, unsound) = match found {
            Found::Sealed(content) => (Some(*content), None),
            Found::Unsound(why) => (None, Some(why)),
            Found::Nothing => (None, None),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                store: store.clone(),
                file,
                clock,
                state: Mutex::new(State {
                    content,
                    unsound,
                    moved,
                    noted: present.was_sealed,
                }),
                standing: Short::new(standing),
                trouble: Short::new(None),
            }),
        })
    }

    /// How the database stands to it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let standing = self.inner.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the database is only in another place, and nothing is left where it was.
    pub async fn is_plain_move(&self) -> bool {
        self.inner.state.lock().await.moved
    }

    /// Why it could not be written the last time.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.inner.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down, outside of the database, how far it has come: durable when this returns. To be done
    /// after a claim is committed and before the first byte is sent.
    ///
    /// # Errors
    /// Nothing may be sent, for this reason: the seal cannot be written, or the database is not
    /// the one that was sealed.
    pub async fn raise(&self) -> std::result::Result<(), SealError> {
        let mut state = self.inner.state.lock().await;
        let done = self.write(&mut state, false).await;
        self.note(&done);
        done
    }

    /// The same, if something happened since, and if it may be written at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn keep(&self) -> std::result::Result<(), SealError> {
        if held_back(&self.standing()) {
            return Ok(());
        }
        let mut state = self.inner.state.lock().await;
        let done = self.write(&mut state, true).await;
        self.note(&done);
        done
    }

    /// Before the first request is taken: a database that lost something hands out none of the numbers
    /// again that were handed out since; one that is behind stays known as such until it is adopted.
    ///
    /// # Errors
    /// The seal cannot be written, or the database does not answer.
    pub async fn prepare(&self) -> std::result::Result<(), SealError> {
        let mut state = self.inner.state.lock().await;
        let Some(content) = state.content.clone() else {
            return Ok(());
        };
        let sealed = content.marks;
        match self.standing() {
            Standing::Sound | Standing::New | Standing::Copied { .. } => return Ok(()),
            Standing::FailedOver { .. } => {}
            Standing::RolledBack { found, .. } => {
                let content = Content {
                    rolled_back: Some(found),
                    ..content
                };
                self.inner.file.write(&content).await?;
                state.content = Some(content);
            }
        }
        Ok(self.skip(sealed).await?)
    }

    /// Takes the database as the one that sends from now on. One that may be a copy and is behind
    /// as well is only the original after this, and still behind.
    ///
    /// # Errors
    /// The seal cannot be written, or the database does not answer.
    pub async fn adopt(&self) -> std::result::Result<Standing, SealError> {
        let mut state = self.inner.state.lock().await;
        let store = &self.inner.store;
        let place = Place::of(store).await?;
        let copied = matches!(self.standing(), Standing::Copied { .. });
        let installation = store.installation().await?;
        let known = state
            .content
            .clone()
            .filter(|content| content.installation == installation);
        let content = match known {
            Some(content) if copied => Content { place, ..content },
            known => {
                if let Some(content) = &known {
                    self.skip(content.marks).await?;
                }
                self.present(place, None).await?
            }
        };
        self.inner.file.write(&content).await?;
        store.mark_sealed(self.inner.clock.now()).await?;
        let standing = self.judged_again(&content).await?;
        *state = State {
            content: Some(content),
            unsound: None,
            moved: false,
            noted: true,
        };
        *self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing.clone();
        Ok(standing)
    }

    /// What it says about the log; `Err`: why it says nothing, though it should.
    ///
    /// # Errors
    /// It is missing though there was one, or it is not sound.
    pub async fn sealed(&self) -> Result<std::result::Result<Option<Sealed>, String>> {
        let state = self.inner.state.lock().await;
        if let Some(why) = &state.unsound {
            return Ok(Err(why.clone()));
        }
        let Some(content) = &state.content else {
            let missing = self.inner.store.was_sealed().await?;
            let path = self.inner.file.path().display();
            return Ok(if missing {
                Err(format!("{path} is missing"))
            } else {
                Ok(None)
            });
        };
        if content.installation != self.inner.store.installation().await? {
            return Ok(Err("it is that of another installation".to_owned()));
        }
        let sealed = content.begins.zip(content.head);
        Ok(Ok(sealed.map(|(begins, head)| Sealed { begins, head })))
    }

    /// Looks through the whole log: whether it is as it was written, and reaches as far as was sealed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn verify(&self, sealed: Option<Sealed>) -> Result<Report> {
        let store = &self.inner.store;
        let least = EventId(store.counters().await?.event);
        let mut verifier = Verifier::new(&store.installation().await?, sealed);
        let mut after = i64::MIN;
        loop {
            let page = store.lines(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            page.into_iter().for_each(|line| verifier.line(line));
        }
        let most = EventId(store.counters().await?.event);
        Ok(verifier.finish(least, most))
    }

    /// Writes it, unless nothing happened since and that is enough.
    async fn write(&self, state: &mut State, unless_same: bool) -> std::result::Result<(), SealError> {
        let standing = self.standing();
        if held_back(&standing) {
            let trouble = standing.trouble().unwrap_or_default();
            return Err(SealError::Refused(format!("{trouble}; {}", standing.mend())));
        }
        let store = &self.inner.store;
        if unless_same && let Some(content) = &state.content {
            let failed_over = matches!(standing, Standing::FailedOver { .. });
            if Marks::from(store.counters().await?) == content.marks && !failed_over {
                return Ok(());
            }
        }
        let place = Place::of(store).await?;
        let before = state.content.as_ref();
        let known = before.filter(|_| matches!(standing, Standing::Sound));
        if let Some(known) = known
            && place.differs(&known.place) != Difference::None
        {
            let what = "the database was replaced by another one while Hearback worked on it";
            return Err(SealError::Replaced(what.to_owned()));
        }
        let content = self
            .present(place, known.and_then(|content| content.begins))
            .await?;
        if let Some(known) = known
            && !content.marks.reaches(known.marks)
        {
            let what = "the database fell behind its seal while Hearback worked on it";
            return Err(SealError::Replaced(what.to_owned()));
        }
        self.inner.file.write(&content).await?;
        if !state.noted {
            store.mark_sealed(content.written_at).await?;
            state.noted = true;
        }
        state.content = Some(content);
        state.unsound = None;
        // What it was before is in the hands of those who asked at the start.
        *self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner) = Standing::Sound;
        Ok(())
    }

    /// What the database says of itself now, as the seal keeps it.
    async fn present(&self, place: Place, begins: Option<EventId>) -> Result<Content> {
        let store = &self.inner.store;
        // The numbers first: what the seal says of the log may then be newer, and both are there.
        let marks = store.counters().await?.into();
        let begins = match begins {
            Some(begins) => Some(begins),
            None => store.chain_begins().await?,
        };
        Ok(Content {
            installation: store.installation().await?,
            place,
            begins,
            head: store.head().await?,
            marks,
            written_at: self.inner.clock.now(),
            rolled_back: None,
        })
    }

    /// Lets the database hand out no number again that is below these. Events keep theirs: the chain
    /// through them has no gaps.
    async fn skip(&self, marks: Marks) -> Result<()> {
        let counters = self.inner.store.counters().await?;
        let reached = Marks::from(counters).highest(marks);
        let skipped = Counters {
            case: reached.case,
            effect: reached.effect,
            reply: reached.reply,
            claims: reached.claims,
            ..counters
        };
        let changes = Changes {
            counters: (skipped != counters).then_some(skipped),
            ..Changes::default()
        };
        self.inner.store.commit(changes).await
    }

    async fn judged_again(&self, content: &Content) -> Result<Standing> {
        let store = &self.inner.store;
        let present = Present {
            installation: store.installation().await?,
            place: Place::of(store).await?,
            marks: store.counters().await?.into(),
            was_sealed: true,
        };
        let same_log = same_log(store, content.head).await?;
        let found = Found::Sealed(Box::new(content.clone()));
        Ok(judge(&present, &found, same_log, self.inner.file.path()).0)
    }

    fn note(&self, done: &std::result::Result<(), SealError>) {
        let trouble = done.as_ref().err().map(ToString::to_string);
        *self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl From<Counters> for Marks {
    fn from(counters: Counters) -> Self {
        Self {
            case: counters.case,
            event: counters.event,
            effect: counters.effect,
            reply: counters.reply,
            claims: counters.claims,
        }
    }
}

/// Whether the seal must stay as it is: it is the proof.
fn held_back(standing: &Standing) -> bool {
    match standing {
        Standing::Sound | Standing::New | Standing::FailedOver { .. } => false,
        Standing::Copied { .. } | Standing::RolledBack { .. } => true,
    }
}

/// Whether the event that was sealed is the one that is there.
async fn same_log(store: &Store, head: Option<Head>) -> Result<bool> {
    let Some(head) = head else { return Ok(true) };
    let line = store.line_at(head.event).await?;
    Ok(line.is_some_and(|line| line.hash == Some(head.hash.to_string())))
}

/// How a database stands to its seal, and whether it only moved.
fn judge(present: &Present, found: &Found, same_log: bool, path: &Path) -> (Standing, bool) {
    let copied = |why: String| (Standing::Copied { why }, false);
    let content = match found {
        // A database that no reply left may begin anew; so may one of a version that had no seals.
        Found::Nothing if !present.was_sealed || present.marks.claims == 0 => return (Standing::New, false),
        Found::Nothing => {
            let path = path.display();
            return copied(format!("its seal {path} is missing, and replies were sent"));
        }
        Found::Unsound(why) => return copied(why.clone()),
        Found::Sealed(content) => content,
    };
    if content.installation != present.installation {
        if !present.was_sealed && present.marks.claims == 0 {
            return (Standing::New, false);
        }
        let path = path.display();
        return copied(format!("the seal {path} is that of another installation"));
    }
    let difference = present.place.differs(&content.place);
    let failed_over = match difference {
        Difference::None => false,
        Difference::FailedOver => true,
        Difference::Other(why) => return copied(why),
        Difference::Moved(why) => return (Standing::Copied { why }, true),
    };
    let (sealed, sealed_at) = (content.marks, content.written_at);
    let rolled_back = |found| {
        let standing = Standing::RolledBack {
            sealed,
            found,
            sealed_at,
        };
        (standing, false)
    };
    if let Some(found) = content.rolled_back {
        return rolled_back(found);
    }
    let lost = present.marks.claims < sealed.claims || present.marks.reply < sealed.reply;
    // After a failover the last events may be missing, as long as no reply or claim is.
    let whole = same_log && present.marks.reaches(sealed);
    if lost || !(failed_over || whole) {
        return rolled_back(present.marks);
    }
    if failed_over {
        return (Standing::FailedOver { since: sealed_at }, false);
    }
    (Standing::Sound, false)
}
