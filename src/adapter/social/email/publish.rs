//! The way out: one letter a reply, with a Message-ID that every attempt has, and the look for it among the
//! sent letters.
//!
//! A mail server does not know a repeated letter, so an uncertain end is cleared up in the Sent folder, and the
//! class is [`crate::port::Class::Lookup`]. Who puts it there decides what it proves:
//!
//! - `sent_copy = "server"`: the server keeps what it takes. It is there, or it was not taken.
//! - `sent_copy = "append"`: we put it there as a draft before its last byte leaves, and take the mark of a
//!   draft off when the server has taken it. None there: it was not begun. One without the mark: it was taken.
//!   A draft: nobody knows, and a person is asked; it is never sent again by itself.

use super::Email;
use super::imap::{self, Session, Trouble, within};
use super::letter::{self, Letter};
use super::outgoing::{self, Answered};
use super::smtp::Announced;
use crate::domain::{NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use lettre::Address;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the mailbox may take for the mark of a copy beyond the time of an attempt.
const NOTING: Duration = Duration::from_secs(1);

/// How our letter stands among the sent ones.
enum Standing {
    /// It left.
    Sent,
    /// It was begun, and nobody knows more.
    Begun,
    /// It is not there.
    Absent,
}

/// The draft in the Sent folder before its letter left: the session, its folder is open for writing.
struct Draft {
    session: Session,
    uid: u32,
}

impl Email {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        let stop = |why: &str| PortError::Refused(format!("{why}, so nothing was sent"));
        let outbox = self.outbox.as_ref().ok_or_else(|| stop(super::ONLY_LISTENS))?;
        if reply
            .account
            .as_ref()
            .is_some_and(|account| *account != self.account())
        {
            return Err(stop(
                "our address is another one now than when the reply was approved",
            ));
        }
        let to: Address = reply
            .author
            .as_str()
            .parse()
            .map_err(|_| stop(super::NO_ADDRESS))?;
        let began = Instant::now();
        let late =
            |_| PortError::NotReached("the mailbox could not be read in time before answering".to_owned());
        let preparing = timeout_at(began + self.timeout / 2, self.prepare(reply));
        let (mut session, folder, answered) = match preparing.await.map_err(late)?? {
            Ready::Send(session, folder, answered) => (session, folder, answered),
            Ready::Stands(published) => return Ok(published),
        };
        let from = (&self.from, self.from_name.as_deref());
        let letter = outgoing::letter(reply, from, &to, &answered)
            .map_err(|why| PortError::Refused(format!("no letter can be made of it: {why}")))?;
        let end = began + self.timeout;
        let announcing = timeout_at(
            began + self.timeout.mul_f64(0.7),
            outbox.announce(&self.from, &to),
        );
        let announced = announcing.await.map_err(early)??;
        let draft = if self.server_keeps {
            None
        } else {
            let drafting = self.draft(&mut session, &folder, reply, &letter);
            let drafted = timeout_at(began + self.timeout.mul_f64(0.85), drafting).await;
            match drafted.map_err(late).flatten() {
                Ok(uid) => Some(Draft { session, uid }),
                Err(error) => {
                    announced.give_up().await;
                    return Err(error);
                }
            }
        };
        let sent = deliver(announced, &letter, (end, permit)).await;
        // Whatever the mailbox does now, what the way out said counts.
        if timeout_at(end + NOTING, self.note(draft, &sent)).await.is_err() {
            tracing::warn!(source = %self.source, "The mailbox did not take the mark of a sent letter's copy in time.");
        }
        sent.map(|()| self.published(reply))
    }

    /// Reads what the letter answers, and whether an earlier attempt sent it.
    async fn prepare(&self, reply: &Reply) -> Result<Ready, PortError> {
        let mut session = self.mailbox.open().await.map_err(Trouble::before)?;
        let folder = self.sent_folder(&mut session).await?;
        // After an earlier attempt, whatever is known of its end.
        if reply.fence > 1 {
            match self
                .standing(&mut session, &folder, reply)
                .await
                .map_err(Trouble::before)?
            {
                Standing::Sent => return Ok(Ready::Stands(self.published(reply))),
                Standing::Begun => return Err(PortError::Unknown(BEGUN.to_owned())),
                Standing::Absent => {}
            }
        }
        let answered = self.find_letter(&mut session, reply.target.as_str()).await;
        let answered = answered.map_err(Trouble::before)?;
        let answered = answered.map(|letter| Answered {
            subject: Some(letter.subject),
            references: letter.references,
        });
        Ok(Ready::Send(session, folder, answered.unwrap_or_default()))
    }

    /// The folder of sent letters.
    pub(super) async fn sent_folder(&self, session: &mut Session) -> Result<String, PortError> {
        if let Some(sent) = &self.sent {
            return Ok(imap::name(sent).into_owned());
        }
        let marked = imap::sent_folder(session).await.map_err(Trouble::before)?;
        marked.ok_or_else(|| {
            PortError::Refused(
                "the server does not say which folder is that of sent letters: name it in `sent`".to_owned(),
            )
        })
    }

    /// Puts the letter among the sent ones, as a draft. Gives its number.
    async fn draft(
        &self,
        session: &mut Session,
        folder: &str,
        reply: &Reply,
        letter: &[u8],
    ) -> Result<u32, PortError> {
        within(session.append(folder, Some("(\\Draft \\Seen)"), None, letter))
            .await
            .map_err(Trouble::before)?;
        within(session.select(folder)).await.map_err(Trouble::before)?;
        let found = self.own(session, reply).await.map_err(Trouble::before)?;
        let newest = found.into_iter().filter(|own| own.draft).map(|own| own.uid).max();
        newest.ok_or_else(|| {
            PortError::NotReached("the mailbox did not keep the draft of the letter".to_owned())
        })
    }

    /// Notes at the draft what became of it. It stays as it is where nobody knows.
    async fn note(&self, draft: Option<Draft>, sent: &Result<(), PortError>) {
        let Some(Draft { mut session, uid }) = draft else {
            return;
        };
        let change = match sent {
            Ok(()) => "-FLAGS.SILENT (\\Draft)",
            Err(PortError::Unknown(_)) => return,
            // Our own letter, which nobody got.
            Err(_) => "+FLAGS.SILENT (\\Deleted)",
        };
        if let Err(error) = imap::flag(&mut session, uid, change).await {
            tracing::warn!(source = %self.source, %error, "The copy of a letter could not be marked in the Sent folder.");
        }
    }

    /// Our letter among the sent ones, in the folder that is open; more than one after several attempts.
    async fn own(&self, session: &mut Session, reply: &Reply) -> Result<Vec<imap::Found>, Trouble> {
        self.by_id(session, &outgoing::id(&reply.key, self.from.domain()))
            .await
    }

    /// The letters of the open folder with exactly this Message-ID: servers find more.
    pub(super) async fn by_id(&self, session: &mut Session, id: &str) -> Result<Vec<imap::Found>, Trouble> {
        let Some(quoted) = imap::quoted(&format!("<{id}>")) else {
            return Ok(Vec::new());
        };
        let uids = imap::search(session, &format!("HEADER Message-ID {quoted}")).await?;
        let mut found = imap::letters(session, &uids, None).await?;
        found.retain(|own| letter::read(&own.raw).is_ok_and(|letter| letter.id == id));
        Ok(found)
    }

    async fn standing(
        &self,
        session: &mut Session,
        folder: &str,
        reply: &Reply,
    ) -> Result<Standing, Trouble> {
        within(session.examine(folder)).await?;
        let mut own = self.own(session, reply).await?;
        own.retain(|own| !own.deleted);
        Ok(match own.iter().any(|own| !own.draft) {
            true => Standing::Sent,
            false if own.is_empty() => Standing::Absent,
            false => Standing::Begun,
        })
    }

    /// Whether the reply is among the sent letters.
    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let mut session = self.mailbox.open().await.map_err(Trouble::unread)?;
        let folder = self.sent_folder(&mut session).await?;
        match self
            .standing(&mut session, &folder, reply)
            .await
            .map_err(Trouble::unread)?
        {
            Standing::Sent => Ok(Look::Found(self.published(reply))),
            Standing::Begun => Err(PortError::Unknown(BEGUN.to_owned())),
            Standing::Absent => {
                let fresh = match canary {
                    // The mailbox is the one that we wrote to.
                    _ if !self.server_keeps => true,
                    None => true,
                    Some(canary) => {
                        let known = self.by_id(&mut session, canary.as_str()).await;
                        !known.map_err(Trouble::unread)?.is_empty()
                    }
                };
                Ok(Look::Absent { fresh })
            }
        }
    }

    /// A letter in the folder that is read, by its Message-ID.
    pub(super) async fn find_letter(
        &self,
        session: &mut Session,
        id: &str,
    ) -> Result<Option<Letter>, Trouble> {
        let Some(quoted) = imap::quoted(&format!("<{id}>")) else {
            return Ok(None);
        };
        within(session.examine(imap::name(&self.folder))).await?;
        let uids = imap::search(session, &format!("HEADER Message-ID {quoted}")).await?;
        let found = imap::letters(session, &uids, Some(letter::MOST)).await?;
        let mut letters = found.iter().filter_map(|found| letter::read(&found.raw).ok());
        Ok(letters.find(|letter| letter.id == id))
    }

    /// Where a reply stands that was sent: it has no address, and its place is in its own headers.
    fn published(&self, reply: &Reply) -> Published {
        Published {
            id: NativeId::new(outgoing::id(&reply.key, self.from.domain())),
            url: None,
            parent: Some(reply.target.clone()),
            author: Some(self.account()),
        }
    }
}

/// What an attempt found before it sent.
enum Ready {
    /// All that the letter needs, and the folder of sent letters.
    Send(Session, String, Answered),
    /// An earlier attempt sent it.
    Stands(Published),
}

/// Why a draft is not sent again.
const BEGUN: &str = "the letter was begun, and the mail server's answer was lost: it stands as a draft in the Sent \
     folder, and only the customer, or the log of the mail server, can tell whether it left";

fn early(_: tokio::time::error::Elapsed) -> PortError {
    PortError::NotReached("the mail server did not answer in time; nothing was sent".to_owned())
}

/// Sends a letter that the server has agreed to take. The permit is asked before its first byte.
async fn deliver(
    announced: Announced,
    letter: &[u8],
    (end, permit): (Instant, &Permit),
) -> Result<(), PortError> {
    if let Err(over) = permit.check() {
        announced.give_up().await;
        return Err(over);
    }
    crash_point!(K6);
    match timeout_at(end, announced.send(letter)).await {
        Ok(sent) => sent,
        Err(_) => Err(PortError::Unknown(
            "the mail server did not answer in time".to_owned(),
        )),
    }
}
