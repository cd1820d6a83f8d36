//! Reading the mailbox: what came since the last time.
//!
//! Letters have rising numbers in a folder, as long as its UIDVALIDITY stays
//! (<https://www.rfc-editor.org/rfc/rfc9051#section-2.3.1.1>); when it changes, the letters since a day before
//! the newest known one are read again, and those that are known by their Message-ID change nothing. A search
//! for `N:*` finds the last letter even where N is beyond it, so what it finds is looked through.

use super::imap::{self, Found, Session, Trouble, within};
use super::{Email, alert, letter, outgoing, translate};
use crate::adapter::supervise::Lost;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far back it is read again when the numbers are new ones.
const AGAIN: TimeDelta = TimeDelta::hours(24);
/// How many letters are read at once.
const BATCH: usize = 20;

/// How far the mailbox was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reach {
    /// The folder's UIDVALIDITY.
    validity: u32,
    /// The highest number that was read.
    last: u32,
    /// Letters that came before do not count.
    since: Instant,
    /// When the newest known one came.
    newest: Instant,
}

impl Reach {
    fn first(validity: u32, now: Instant) -> Self {
        Self {
            validity,
            last: 0,
            since: now - FIRST_LOOK,
            newest: now - FIRST_LOOK,
        }
    }

    fn text(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

impl Email {
    /// What came since the last time, over the session that stands, or a new one.
    pub(super) async fn read_letters(&self, inbound: &Inbound) -> Result<(), Lost> {
        let mut held = self.session.lock().await;
        // One that stood for long may have ended without a word: what it says then is not worth telling, but
        // what is no answer at all is.
        if let Some(mut session) = held.take() {
            match self.read(&mut session, inbound).await {
                Ok(()) => {
                    *held = Some(session);
                    return Ok(());
                }
                Err(Lost::Broken(why)) if why == imap::ODD => {
                    // Unless it is that we are not let in any more.
                    *held = Some(self.mailbox.open().await.map_err(Trouble::lost)?);
                    return Err(Lost::Broken(why));
                }
                Err(_) => {}
            }
        }
        let mut session = self.mailbox.open().await.map_err(Trouble::lost)?;
        self.read(&mut session, inbound).await?;
        *held = Some(session);
        Ok(())
    }

    async fn read(&self, session: &mut Session, inbound: &Inbound) -> Result<(), Lost> {
        let stored = |error: crate::app::Unavailable| Lost::Broken(error.to_string());
        // What was told until now is looked for now.
        imap::came(|| session.unsolicited_responses.try_recv().ok());
        let folder = within(session.examine(imap::name(&self.folder)))
            .await
            .map_err(Trouble::lost)?;
        let stream = format!("folder:{}", self.folder);
        let told = inbound.cursor(&self.source, &stream).await.map_err(stored)?;
        let known: Option<Reach> = told.and_then(|told| serde_json::from_str(&told).ok());
        let validity = folder.uid_validity.unwrap_or_default();
        let first = Reach::first(validity, self.clock.now());
        let (mut reach, query) = match known {
            Some(reach) if reach.validity == validity => {
                (reach, format!("UID {}:*", reach.last.saturating_add(1)))
            }
            Some(before) => {
                let again = Reach {
                    validity,
                    last: 0,
                    ..before
                };
                (again, since((before.newest - AGAIN).max(before.since)))
            }
            None => (first, since(first.since)),
        };
        let mut uids = imap::search(session, &query).await.map_err(Trouble::lost)?;
        uids.retain(|uid| *uid > reach.last);
        for some in uids.chunks(BATCH) {
            let found = imap::letters(session, some, Some(letter::MOST))
                .await
                .map_err(Trouble::lost)?;
            let mut posts = Vec::new();
            for letter in &found {
                let came = letter.at.unwrap_or_else(|| self.clock.now());
                if came >= reach.since {
                    posts.extend(
                        self.posts(inbound, letter, came, validity)
                            .await
                            .map_err(stored)?,
                    );
                }
                reach.newest = reach.newest.max(came.min(self.clock.now()));
            }
            self.join(session, &mut posts).await.map_err(Trouble::lost)?;
            reach.last = some.last().copied().unwrap_or(reach.last);
            self.store(inbound, &stream, posts, reach).await.map_err(stored)?;
        }
        if uids.is_empty() && known != Some(reach) {
            // Nothing new: the next search begins behind what is there.
            reach.last = folder
                .uid_next
                .map_or(reach.last, |next| next.saturating_sub(1).max(reach.last));
            self.store(inbound, &stream, Vec::new(), reach)
                .await
                .map_err(stored)?;
        }
        Ok(())
    }

    async fn store(
        &self,
        inbound: &Inbound,
        stream: &str,
        posts: Vec<Post>,
        reach: Reach,
    ) -> Result<(), crate::app::Unavailable> {
        let sightings = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
        let cursor = Cursor {
            stream: stream.to_owned(),
            value: reach.text(),
        };
        inbound
            .posts_seen(&self.source, sightings.collect(), Some(cursor))
            .await
            .map(drop)
    }

    /// The posts that a letter is: none for one of ours, or of a machine. What cannot be read is set aside and
    /// blocks nothing.
    async fn posts(
        &self,
        inbound: &Inbound,
        found: &Found,
        came: Instant,
        validity: u32,
    ) -> Result<Vec<Post>, crate::app::Unavailable> {
        let letter = match letter::read(&found.raw) {
            Ok(letter) => letter,
            Err(why) => {
                let name = format!("{validity}.{}", found.uid);
                let raw = String::from_utf8_lossy(&found.raw);
                self.troubles
                    .put_aside(inbound, (&self.source, &self.folder), &name, &why, &raw)
                    .await?;
                return Ok(Vec::new());
            }
        };
        let came = came.min(self.clock.now());
        if alert::is_from(&letter.from.address, &self.alerts) {
            return Ok(alert::posts(&self.source, &letter, came));
        }
        if letter.answer_to.address == self.from_address {
            return Ok(Vec::new());
        }
        if let Some(returned) = letter
            .returned
            .as_ref()
            .filter(|returned| self.is_ours(&returned.id))
        {
            return Ok(vec![translate::returned(&self.source, &letter, returned, came)]);
        }
        if let Some(why) = letter.machine {
            tracing::info!(source = %self.source, id = letter.id, why, "A letter that no person wrote opens no case.");
            return Ok(Vec::new());
        }
        Ok(vec![translate::post(&self.source, &letter, came)])
    }

    /// Puts what answers one of ours into the conversation of that, where the letter tells no more of it.
    async fn join(&self, session: &mut Session, posts: &mut [Post]) -> Result<(), Trouble> {
        let answers = posts
            .iter_mut()
            .filter(|post| self.is_ours(post.conversation.as_str()));
        let answers: Vec<_> = answers.collect();
        if answers.is_empty() {
            return Ok(());
        }
        let Ok(folder) = self.sent_folder(session).await else {
            return Ok(());
        };
        within(session.examine(&folder)).await?;
        for post in answers {
            let ours = self.by_id(session, post.conversation.as_str()).await?;
            let ours = ours.iter().find_map(|ours| letter::read(&ours.raw).ok());
            if let Some(ours) = ours {
                post.conversation = NativeId::new(ours.root());
            }
        }
        within(session.examine(imap::name(&self.folder))).await.map(drop)
    }

    /// Whether a Message-ID is that of a reply.
    fn is_ours(&self, id: &str) -> bool {
        outgoing::is_id(id, self.from.domain())
    }

    /// Waits until the server says that something came, or it is time to look: not longer.
    pub(super) async fn wait(&self) -> Result<(), Lost> {
        let Some(mut session) = self.session.lock().await.take() else {
            return Ok(());
        };
        if !imap::can_idle(&mut session).await.map_err(Trouble::lost)? {
            *self.session.lock().await = Some(session);
            tokio::time::sleep(self.poll).await;
            return Ok(());
        }
        // What came since the look began was told then, and is not told again.
        let heard = session.unsolicited_responses.clone();
        let mut idle = session.idle();
        within(idle.init()).await.map_err(Trouble::lost)?;
        if imap::came(|| heard.try_recv().ok()) {
            let session = within(idle.done()).await.map_err(Trouble::lost)?;
            *self.session.lock().await = Some(session);
            return Ok(());
        }
        let (waiting, _until_dropped) = idle.wait_with_timeout(self.poll);
        // Servers say now and then that they are there, which is no reason to wait longer.
        let waited = tokio::time::timeout(self.poll, waiting).await;
        if let Ok(Err(error)) = waited {
            return Err(Trouble::from(error).lost());
        }
        let session = within(idle.done()).await.map_err(Trouble::lost)?;
        *self.session.lock().await = Some(session);
        Ok(())
    }
}

/// A search for what came since the day of a moment, by whichever clock: a day more.
fn since(moment: Instant) -> String {
    format!("SINCE {}", (moment - TimeDelta::days(1)).format("%d-%b-%Y"))
}
