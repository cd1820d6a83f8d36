//! What sources saw becomes posts, cases and events. A post seen twice changes nothing, in whatever
//! order or under whatever event id it comes.

use super::desk::Rules;
use super::inbound::{Cursor, Intake};
use super::replies;
use super::request::ReplyEnd;
use super::work::{PostKey, Work};
use crate::domain::{By, Event, Post, PostKind, ReplyId, Sighting, SourceName, case};
use crate::port::Published;
use crate::store::{CursorRow, InboxRow, StoredPost};

/// Takes the sightings of one request, in the order in which they were written.
pub(super) fn posts(
    work: &mut Work,
    rules: &Rules,
    source: &SourceName,
    mut sightings: Vec<Sighting>,
    cursor: Option<Cursor>,
) -> Intake {
    sightings.sort_by_key(|sighting| match sighting {
        Sighting::Post(post) => (post.created_at, post.edited_at),
        Sighting::Gone(_) => (chrono::DateTime::<chrono::Utc>::MAX_UTC, None),
    });
    let mut intake = Intake::default();
    for sighting in sightings {
        let changed = match sighting {
            Sighting::Post(post) => seen(work, rules, *post),
            Sighting::Gone(id) => gone(work, rules, &(source.clone(), id)),
        };
        if changed {
            intake.accepted += 1;
        } else {
            intake.duplicates += 1;
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

/// Whether the post changed something.
fn seen(work: &mut Work, rules: &Rules, post: Post) -> bool {
    let key = (post.source.clone(), post.id.clone());
    if work.own.contains(&key) {
        return false;
    }
    if !work.posts.contains_key(&key) && echoed(work, rules, &post) {
        return false;
    }
    match work.posts.get(&key) {
        Some(known) if known.post.deleted => false,
        Some(_) if post.deleted => gone(work, rules, &key),
        Some(known) if is_edit(&known.post, &post) => edited(work, rules, post),
        Some(_) => false,
        None if post.deleted => gone(work, rules, &key),
        None if work.inbox.contains_key(&tombstone(&key)) => false,
        None => {
            added(work, rules, post);
            true
        }
    }
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

fn added(work: &mut Work, rules: &Rules, post: Post) {
    let talk = (
        post.source.clone(),
        post.conversation.clone(),
        post.author.id.clone(),
    );
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
    let event = Event::PostEdited {
        post: post.id.clone(),
        before: known.post.text.clone(),
        after: post.text.clone(),
    };
    if known.post.text != post.text {
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
