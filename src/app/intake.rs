//! What sources saw becomes posts, cases and events. A post seen twice changes nothing, in whatever
//! order or under whatever event id it comes.

use super::desk::Rules;
use super::hearing::{self, Fate, Gate};
use super::inbound::{Cursor, Intake};
use super::replies;
use super::request::ReplyEnd;
use super::work::{PostKey, TalkKey, Work};
use crate::domain::case::MOST_LABELS;
use crate::domain::listen::is_to_us;
use crate::domain::{By, Event, Post, PostKind, ReplyId, Sighting, SourceName, case};
use crate::port::Published;
use crate::store::{CursorRow, InboxRow, StoredPost, Why};
use std::sync::Arc;

/// Takes the sightings of one request, in the order in which they were written.
pub(super) fn posts(
    work: &mut Work,
    rules: &Rules,
    (source, gate): (&SourceName, Gate),
    mut sightings: Vec<Sighting>,
    cursor: Option<Cursor>,
) -> Intake {
    sightings.sort_by_key(|sighting| match sighting {
        Sighting::Post(post) => (post.created_at, post.edited_at),
        Sighting::Gone(_) => (chrono::DateTime::<chrono::Utc>::MAX_UTC, None),
    });
    let gate = match gate {
        Gate::Open => {
            hearing::open(work, source);
            Gate::Open
        }
        Gate::Closed => {
            hearing::calm(work, source);
            Gate::Rules
        }
        Gate::Rules => hearing::gate(work, rules, source, &sightings),
    };
    let mut intake = Intake::default();
    for sighting in sightings {
        let seen = match sighting {
            Sighting::Post(post) => seen(work, rules, *post, gate),
            Sighting::Gone(id) => gone(work, rules, &(source.clone(), id)).into(),
        };
        match seen {
            Seen::Changed => intake.accepted += 1,
            Seen::Known => intake.duplicates += 1,
            Seen::Unheard => intake.unheard += 1,
        }
    }
    if let Some(Cursor { stream, value }) = cursor {
        work.changes
            .cursors
            .retain(|row| row.source != *source || row.stream != stream);
        work.changes.cursors.push(CursorRow {
            source: source.clone(),
            stream,
            value,
        });
    }
    intake
}

/// What became of something that a source saw.
enum Seen {
    /// It changed something.
    Changed,
    /// It was known, or is our own.
    Known,
    /// It opened no case.
    Unheard,
}

impl From<bool> for Seen {
    fn from(changed: bool) -> Self {
        match changed {
            true => Self::Changed,
            false => Self::Known,
        }
    }
}

fn seen(work: &mut Work, rules: &Rules, post: Post, gate: Gate) -> Seen {
    let key = (post.source.clone(), post.id.clone());
    if gate == Gate::Open {
        // Whatever becomes of it, it does not wait any more.
        hearing::forget(work, &key);
    }
    if work.own.contains(&key) {
        return Seen::Known;
    }
    if !work.posts.contains_key(&key) && echoed(work, rules, &post) {
        return Seen::Known;
    }
    match work.posts.get(&key) {
        Some(known) if known.post.deleted => Seen::Known,
        Some(_) if post.deleted => gone(work, rules, &key).into(),
        Some(known) if is_edit(&known.post, &post) => edited(work, rules, post).into(),
        Some(_) => Seen::Known,
        None if post.deleted => gone(work, rules, &key).into(),
        None if work.inbox.contains_key(&tombstone(&key)) => Seen::Known,
        None => fresh(work, rules, post, gate),
    }
}

/// A post that is not known: it goes on a case that is there, or opens one, if it is heard.
fn fresh(work: &mut Work, rules: &Rules, post: Post, gate: Gate) -> Seen {
    let key = (post.source.clone(), post.id.clone());
    let talk = talk_of(&post);
    let waits = work.unheard.get(&key).copied().filter(|why| *why != Why::Rules);
    if let Some(why) = waits
        && gate != Gate::Open
        && !work.talks.contains_key(&talk)
        // What was found may turn out to be written to us; then it waits for nobody.
        && !is_to_us(&post)
    {
        hearing::waits_on(work, post, why);
        return Seen::Known;
    }
    let labels = match work.talks.contains_key(&talk) {
        true => Vec::new(),
        false => match hearing::fate(work, rules, &post, gate) {
            Fate::Opens(labels) => labels,
            Fate::Unheard(why) => {
                hearing::pass_over(work, rules, post, why);
                return Seen::Unheard;
            }
        },
    };
    hearing::forget(work, &key);
    added(work, rules, post, &labels);
    Seen::Changed
}

fn talk_of(post: &Post) -> TalkKey {
    (
        post.source.clone(),
        post.conversation.clone(),
        post.author.id.clone(),
    )
}

/// A newer `edited_at` is an edit; so is the first one.
fn is_edit(known: &Post, post: &Post) -> bool {
    match (known.edited_at, post.edited_at) {
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after > before,
        (_, None) => false,
    }
}

/// Whether a post is a reply of ours that comes back; then it proves that the reply stands there.
fn echoed(work: &mut Work, rules: &Rules, post: &Post) -> bool {
    let Some(reply) = work.echo(post) else {
        return false;
    };
    prove(work, rules, reply, post);
    true
}

/// The echo of a reply came back from its network: that proves that it stands there.
fn prove(work: &mut Work, rules: &Rules, id: ReplyId, post: &Post) {
    let Some(reply) = work.replies.get(&id).cloned() else {
        return;
    };
    // A copy of our words by somebody else proves nothing.
    if reply.account.as_ref() != Some(&post.author.id) {
        return;
    }
    let published = Published {
        id: post.id.clone(),
        url: post.url.clone(),
        parent: post.in_reply_to.clone(),
        author: Some(post.author.id.clone()),
    };
    replies::conclude(work, rules, &By::System, reply, None, ReplyEnd::Sent(published));
}

/// The rules that caught it become the labels of the case that it opens.
fn added(work: &mut Work, rules: &Rules, post: Post, labels: &[Arc<str>]) {
    let talk = talk_of(&post);
    let number = match work.talks.get(&talk) {
        Some(&number) => {
            if let Some(known) = work.cases.get(&number) {
                for event in case::on_post(known, &post.id, post.created_at) {
                    work.happen(&rules.directory, number, &By::Author, event);
                }
            }
            number
        }
        None => {
            let number = work.next_case();
            let opened = Event::Opened {
                source: post.source.clone(),
                conversation: post.conversation.clone(),
                author: post.author.id.clone(),
                post: post.id.clone(),
                written_at: post.created_at,
            };
            work.happen(&rules.directory, number, &By::Author, opened);
            classify(work, rules, number, &post);
            if !labels.is_empty() {
                let added = labels.iter().take(MOST_LABELS).map(|name| name.to_string());
                let labelled = Event::Labelled {
                    added: added.collect(),
                    removed: Vec::new(),
                };
                work.happen(&rules.directory, number, &By::System, labelled);
            }
            work.talks.insert(talk, number);
            number
        }
    };
    metrics::counter!("hearback_posts_total", "source" => post.source.to_string()).increment(1);
    work.put_post(StoredPost { case: number, post });
}

/// What can be said of a case by the form of its first post alone.
fn classify(work: &mut Work, rules: &Rules, number: crate::domain::CaseNumber, post: &Post) {
    if post.kind == PostKind::Review && post.rating.is_some_and(|stars| stars >= 4) {
        let event = Event::KindSet {
            kind: crate::domain::Kind::Praise,
        };
        work.happen(&rules.directory, number, &By::System, event);
    }
}

fn edited(work: &mut Work, rules: &Rules, post: Post) -> bool {
    let key = (post.source.clone(), post.id.clone());
    let Some(known) = work.posts.get(&key) else {
        return false;
    };
    let number = known.case;
    let added = post.attached_since(&known.post);
    if known.post.text != post.text || !added.is_empty() {
        let event = Event::PostEdited {
            post: post.id.clone(),
            before: known.post.text.clone(),
            after: post.text.clone(),
            added,
        };
        work.happen(&rules.directory, number, &By::Author, event);
    }
    work.put_post(StoredPost { case: number, post });
    true
}

/// The inbox key that remembers a deletion which came before its post.
pub(super) fn tombstone((source, id): &PostKey) -> String {
    format!("gone:{source}:{id}")
}

/// A deletion marks the post; its words stay for the team. One that comes before its post is
/// remembered, so that the post opens no case.
fn gone(work: &mut Work, rules: &Rules, key: &PostKey) -> bool {
    hearing::forget(work, key);
    let Some(known) = work.posts.get(key) else {
        let row = InboxRow {
            key: tombstone(key),
            at: work.now,
            answer: String::new(),
        };
        work.inbox.insert(row.key.clone(), String::new());
        work.changes.inbox.push(row);
        return false;
    };
    if known.post.deleted {
        return false;
    }
    let mut stored = known.clone();
    stored.post.deleted = true;
    let number = stored.case;
    work.put_post(stored);
    work.happen(
        &rules.directory,
        number,
        &By::Author,
        Event::PostDeleted { post: key.1.clone() },
    );
    true
}
