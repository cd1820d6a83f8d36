//! What sources saw becomes posts, cases and events. A post seen twice changes nothing, in whatever
//! order or under whatever event id it comes.

use super::directory::Directory;
use super::inbound::{Cursor, Intake};
use super::work::{PostKey, Work};
use crate::domain::{By, Event, Post, PostKind, Sighting, SourceName, case};
use crate::store::{CursorRow, InboxRow, StoredPost};

/// Takes the sightings of one request, in the order in which they were written.
pub(super) fn posts(
    work: &mut Work,
    directory: &Directory,
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
            Sighting::Post(post) => seen(work, directory, *post),
            Sighting::Gone(id) => gone(work, directory, &(source.clone(), id)),
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
fn seen(work: &mut Work, directory: &Directory, post: Post) -> bool {
    let key = (post.source.clone(), post.id.clone());
    if work.own.contains(&key) {
        return false;
    }
    match work.posts.get(&key) {
        Some(known) if known.post.deleted => false,
        Some(_) if post.deleted => gone(work, directory, &key),
        Some(known) if is_edit(&known.post, &post) => edited(work, directory, post),
        Some(_) => false,
        None if work.is_echo(&post) => false,
        None if post.deleted => gone(work, directory, &key),
        None if work.inbox.contains_key(&tombstone(&key)) => false,
        None => {
            added(work, directory, post);
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

fn added(work: &mut Work, directory: &Directory, post: Post) {
    let talk = (
        post.source.clone(),
        post.conversation.clone(),
        post.author.id.clone(),
    );
    let number = match work.talks.get(&talk) {
        Some(&number) => {
            if let Some(known) = work.cases.get(&number) {
                for event in case::on_post(known, &post.id, post.created_at) {
                    work.happen(directory, number, &By::Author, event);
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
            work.happen(directory, number, &By::Author, opened);
            classify(work, directory, number, &post);
            work.talks.insert(talk, number);
            number
        }
    };
    metrics::counter!("hearback_posts_total", "source" => post.source.to_string()).increment(1);
    work.put_post(StoredPost { case: number, post });
}

/// What can be said of a case by the form of its first post alone.
fn classify(work: &mut Work, directory: &Directory, number: crate::domain::CaseNumber, post: &Post) {
    if post.kind == PostKind::Review && post.rating.is_some_and(|stars| stars >= 4) {
        let event = Event::KindSet {
            kind: crate::domain::Kind::Praise,
        };
        work.happen(directory, number, &By::System, event);
    }
}

fn edited(work: &mut Work, directory: &Directory, post: Post) -> bool {
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
        work.happen(directory, number, &By::Author, event);
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
fn gone(work: &mut Work, directory: &Directory, key: &PostKey) -> bool {
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
        directory,
        number,
        &By::Author,
        Event::PostDeleted { post: key.1.clone() },
    );
    true
}
