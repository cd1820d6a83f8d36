//! What a reply answers, read just before it is sent.

use super::imap::{self, Trouble, within};
use super::{Email, letter, outgoing, translate};
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Target};

impl Email {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        if self.outbox.is_none() {
            return Ok(Target::Locked(super::ONLY_LISTENS.to_owned()));
        }
        let mut session = self.mailbox.open().await.map_err(Trouble::before)?;
        let letter = self.find_letter(&mut session, reply.target.as_str()).await;
        let letter = letter.map_err(Trouble::before)?;
        if let Some(letter) = &letter
            && letter.answer_to.address != reply.author.as_str()
        {
            return Ok(Target::Gone(
                "another letter with the same id is in its place".to_owned(),
            ));
        }
        let folder = self.sent_folder(&mut session).await?;
        let answered = if reply.begun_at.is_none() {
            within(session.examine(&folder)).await.map_err(Trouble::before)?;
            self.answer(&mut session, reply, ours)
                .await
                .map_err(Trouble::before)?
        } else {
            // After an attempt whose end is open the answer there may well be this one.
            None
        };
        Ok(match (answered, letter) {
            (Some(text), _) => Target::Answered { text, url: None },
            (None, Some(letter)) => Target::Stands {
                text: translate::words(&letter),
            },
            // Somebody has put it into another folder: what we were told of it counts.
            (None, None) => Target::NotReadable,
        })
    }

    /// What a colleague answered from a mail program, in the open folder of sent letters.
    async fn answer(
        &self,
        session: &mut imap::Session,
        reply: &Reply,
        ours: &[NativeId],
    ) -> Result<Option<String>, Trouble> {
        let target = reply.target.as_str();
        let Some(quoted) = imap::quoted(&format!("<{target}>")) else {
            return Ok(None);
        };
        let uids = imap::search(session, &format!("HEADER In-Reply-To {quoted}")).await?;
        let own = outgoing::id(&reply.key, self.from.domain());
        let found = imap::letters(session, &uids, Some(letter::MOST)).await?;
        let letters = found
            .iter()
            .filter(|found| !found.draft && !found.deleted)
            .filter_map(|found| letter::read(&found.raw).ok());
        let mut answers = letters.filter(|letter| letter.in_reply_to.as_deref() == Some(target));
        let other = answers.find(|letter| letter.id != own && !ours.contains(&NativeId::new(&letter.id)));
        Ok(other.map(|letter| letter.text))
    }
}
