//! Erases a person: their words, and what they are called. The log keeps that something happened, and
//! when; what was said is gone with the person's key.

use super::inbound::{Response, Unavailable};
use super::work::AT_ONCE;
use crate::domain::private::{ERASED, blank, texts_mut};
use crate::domain::{
    By, Case, CaseNumber, Effect, EffectId, EffectRow, Event, EventId, EventRecord, Instant, Lane, Message,
    NativeId, Part, Post, Reply, ReplyId, SourceName, Span,
};
use crate::store::{Changes, ReplyMark, ReplyStep, Store, StoredPost, Thread};
use std::collections::HashSet;

/// The fewest letters by which a text is known again.
const TELLING: usize = 8;

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// The person's cases.
    pub cases: Vec<CaseNumber>,
    /// How many posts were blanked.
    pub posts: usize,
    /// How many replies were blanked.
    pub replies: usize,
    /// Whether there was a key, which is destroyed: what it locks in the log is noise now.
    pub key: bool,
    /// How many events of earlier versions, which had no key, were blanked.
    pub events: usize,
    /// How many remembered answers to agents were blanked: those of everybody.
    pub answers: usize,
    /// How many things set aside were removed.
    pub asides: usize,
    /// How many posts that opened no case were removed.
    pub unheard: usize,
    /// Where messages of ours still show what the person wrote.
    pub threads: Vec<Thread>,
}

impl Erased {
    /// Whether there was nothing to erase.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.posts + self.replies + self.events + self.asides + self.unheard == 0 && !self.key
    }
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum CannotErase {
    /// Replies to the person are under way: what would be published in their place?
    #[error("a reply to this person is under way")]
    UnderWay(Vec<(ReplyId, CaseNumber, &'static str)>),
    /// The database does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<crate::store::Error> for CannotErase {
    fn from(error: crate::store::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Erases a person, on a database that nobody works on meanwhile. In one commit: all or nothing.
///
/// # Errors
/// A reply to the person has no end yet, or the database does not answer: then nothing was changed.
pub async fn erase(
    store: &Store,
    source: &SourceName,
    author: &NativeId,
    now: Instant,
) -> Result<Erased, CannotErase> {
    let found = Person::look_up(store, source, author).await?;
    let open = found.replies.iter().filter(|reply| reply.state.is_open());
    let open: Vec<_> = open
        .map(|reply| (reply.id, reply.case, reply.state.word()))
        .collect();
    if !open.is_empty() {
        return Err(CannotErase::UnderWay(open));
    }
    let counters = store.counters().await?;
    let needles = found.needles(author);
    let mut changes = Changes::default();
    for mut stored in found.posts {
        if blank_post(&mut stored.post) {
            changes.posts.push(stored);
        }
    }
    for mut reply in found.replies {
        let from = ReplyMark::of(&reply);
        if blank_reply(&mut reply) {
            reply.step += 1;
            let from = Some(from);
            changes.replies.push(ReplyStep { from, reply });
        }
    }
    for mut record in found.unproven {
        let before = record.clone();
        texts_mut(&mut record.event).into_iter().for_each(blank);
        if record != before {
            changes.erasure.events.push(record);
        }
    }
    let asides = store.asides().await?.into_iter();
    changes.erasure.asides = asides
        .filter(|(_, kept)| needles.are_in(kept))
        .map(|(id, _)| id)
        .collect();
    changes.unheard_gone = store.unheard_of_person(source, author).await?;
    changes.erasure.keys = store.keys_of_person(source, author).await?;
    let mut erased = Erased {
        cases: found.cases.iter().map(|case| case.number).collect(),
        posts: changes.posts.len(),
        replies: changes.replies.len(),
        key: !changes.erasure.keys.is_empty(),
        events: changes.erasure.events.len(),
        answers: 0,
        asides: changes.erasure.asides.len(),
        unheard: changes.unheard_gone.len(),
        threads: found.threads,
    };
    if erased.is_nothing() {
        return Ok(erased);
    }
    changes.erasure.answers = blanked_answers(store).await?;
    erased.answers = changes.erasure.answers.len();
    let reasons = store.given_up_for_a_reason(&erased.cases).await?.into_iter();
    changes.erasure.effects = reasons.map(|id| (id, ERASED.to_owned())).collect();
    let mut record = Record {
        event: counters.event,
        effect: counters.effect,
        changes,
    };
    for case in found.cases {
        record.case(case, &erased.threads, now);
    }
    let Record {
        event,
        effect,
        mut changes,
    } = record;
    changes.counters = Some(crate::store::Counters {
        event,
        effect,
        ..counters
    });
    store.commit(changes).await?;
    Ok(erased)
}

/// All that is stored about a person.
struct Person {
    cases: Vec<Case>,
    posts: Vec<StoredPost>,
    replies: Vec<Reply>,
    unproven: Vec<EventRecord>,
    threads: Vec<Thread>,
}

impl Person {
    async fn look_up(
        store: &Store,
        source: &SourceName,
        author: &NativeId,
    ) -> Result<Self, crate::store::Error> {
        let cases = store.cases_of_person(source, author).await?;
        let numbers: Vec<_> = cases.iter().map(|case| case.number).collect();
        let mut replies = Vec::new();
        for number in &numbers {
            replies.extend(store.replies_of(*number).await?);
        }
        Ok(Self {
            posts: store.posts_of_cases(&numbers).await?,
            unproven: store.unproven_events(&numbers).await?,
            threads: store.threads(&numbers).await?,
            cases,
            replies,
        })
    }

    /// What a thing set aside is known by, if it is about this person.
    fn needles(&self, author: &NativeId) -> Needles {
        let mut needles = Needles::default();
        needles.name(author.as_str());
        for StoredPost { post, .. } in &self.posts {
            needles.name(post.id.as_str());
            needles.name(&post.author.handle);
            needles.name(&post.author.name);
            post.text.lines().for_each(|line| needles.words(line));
        }
        for reply in &self.replies {
            reply.text.lines().for_each(|line| needles.words(line));
        }
        needles
    }
}

/// What tells that a text is about somebody, however it was written down.
#[derive(Debug, Default)]
struct Needles {
    names: HashSet<String>,
    words: HashSet<String>,
}

impl Needles {
    /// A short one counts only where it stands alone.
    fn name(&mut self, name: &str) {
        if name.is_empty() || name == ERASED {
            return;
        }
        if name.chars().count() < TELLING {
            self.names.insert(format!("\"{name}\""));
            self.names.insert(format!("@{name}"));
        } else {
            self.names.insert(name.to_owned());
        }
    }

    fn words(&mut self, line: &str) {
        let letters = letters(line);
        if letters.chars().count() >= TELLING {
            self.words.insert(letters);
        }
    }

    fn are_in(&self, text: &str) -> bool {
        let letters = letters(text);
        self.names.iter().any(|name| text.contains(name.as_str()))
            || self.words.iter().any(|words| letters.contains(words.as_str()))
    }
}

/// Its letters and digits: quotes and escapes do not count.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The commit as it grows.
struct Record {
    event: i64,
    effect: i64,
    changes: Changes,
}

impl Record {
    /// Notes in a case that it was erased; its cards are drawn anew, and its threads are told.
    fn case(&mut self, mut case: Case, threads: &[Thread], now: Instant) {
        self.event += 1;
        let id = EventId(self.event);
        let event = Event::Erased;
        case.evolve(&event, now);
        for thread in threads.iter().filter(|thread| thread.case == case.number) {
            let (chat, channel) = (thread.chat.clone(), thread.channel.clone());
            let tell = Effect::Tell {
                chat: chat.clone(),
                channel: channel.clone(),
                event: id,
            };
            self.effect(Lane::channel(&chat, &channel), case.number, tell);
            let lane = Lane::cards(&chat, &channel);
            self.effect(lane, case.number, Effect::UpdateCard { chat, channel });
        }
        self.changes.events.push(EventRecord {
            id,
            case: case.number,
            at: now,
            by: By::System,
            event,
        });
        self.changes.cases.push(case);
    }

    fn effect(&mut self, lane: Lane, case: CaseNumber, effect: Effect) {
        self.effect += 1;
        self.changes.effects.push(EffectRow {
            id: EffectId(self.effect),
            lane,
            case,
            effect,
            due_at: AT_ONCE,
            attempts: 0,
            begun_at: None,
        });
    }
}

/// Whether there was something to blank. A blanked post counts as deleted: it is neither watched nor
/// answered any more, and an edit of it does not bring its words back.
fn blank_post(post: &mut Post) -> bool {
    let before = post.clone();
    blank(&mut post.text);
    blank(&mut post.author.handle);
    blank(&mut post.author.name);
    post.author.followers = None;
    post.author.url = None;
    post.url = None;
    post.lang = None;
    post.media.clear();
    post.deleted = true;
    *post != before
}

fn blank_reply(reply: &mut Reply) -> bool {
    let before = reply.clone();
    blank(&mut reply.words);
    blank(&mut reply.text);
    blank(&mut reply.author_handle);
    let of_the_post = reply.target_text.iter_mut().chain(&mut reply.target_seen);
    of_the_post.for_each(blank);
    reply.target_url = None;
    reply.remarks.clear();
    // Its fingerprint would let somebody try which words it had.
    reply.hash.clear();
    reply.reason.iter_mut().for_each(blank);
    reply.lang = None;
    *reply != before
}

/// Answers are kept for commands that come twice. They may repeat anybody's words, and nothing tells
/// whose: all of them are replaced by one that says what happened.
async fn blanked_answers(store: &Store) -> Result<Vec<(String, String)>, crate::store::Error> {
    let words = "This was taken. What was answered then was removed when somebody's words were erased.";
    let message = Message {
        parts: vec![Part::Line(vec![Span::Text(words.to_owned())])],
    };
    let answer = serde_json::to_string(&Response::Done(message))
        .map_err(|error| crate::store::Error::Refused(error.to_string()))?;
    let answers = store.answers().await?.into_iter();
    Ok(answers
        .filter(|(_, given)| !given.is_empty() && *given != answer)
        .map(|(key, _)| (key, answer.clone()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_again_however_they_were_written_down() {
        let mut needles = Needles::default();
        needles.name("u1");
        needles.name("ann@shop.example");
        needles.words("It \"broke\" again.");
        for about in [
            r#"{"author":{"id":"u1"}}"#,
            "by ann@shop.example",
            r#"text: "It \"broke\" again.""#,
            "@u1: hello",
        ] {
            assert!(needles.are_in(about), "{about}");
        }
        for other in [r#"{"id":"u10"}"#, "It broke", "su1t"] {
            assert!(!needles.are_in(other), "{other}");
        }
    }
}
