//! Which words of an event are about a person, and what is left of them after an erasure.

use super::Event;

/// What stands where words were that nobody can read any more.
pub const ERASED: &str = "[erased]";

/// The free texts of an event: what people wrote, or what was written about them. They are stored
/// under the key of the case's customer; all else of an event is stored as it is. The order is part of
/// what is stored: a new text of an event comes after its others.
pub fn texts_mut(event: &mut Event) -> Vec<&mut String> {
    match event {
        Event::PostEdited {
            post: _,
            before,
            after,
            added: _,
        } => vec![before, after],
        Event::Noted { text } => vec![text],
        Event::Escalated { team: _, reason } => vec![reason],
        Event::Resolved { outcome } => vec![outcome],
        Event::ReplyDrafted {
            reply: _,
            version: _,
            author: _,
            audience: _,
            text,
            remarks,
        }
        | Event::ReplySubmitted {
            reply: _,
            version: _,
            author: _,
            audience: _,
            text,
            remarks,
            until: _,
        } => {
            let found = remarks.iter_mut().map(|remark| &mut remark.found);
            [text].into_iter().chain(found).collect()
        }
        Event::ReplyHeld {
            reply: _,
            audience: _,
            text,
            until: _,
            version: _,
            author: _,
        } => vec![text],
        Event::ReplyEdited {
            reply: _,
            version: _,
            before,
            after,
        } => vec![before, after],
        Event::ReplyRejected { reply: _, reason } => vec![reason],
        Event::ReplyStale {
            reply: _,
            reason,
            before,
            after,
        } => [reason].into_iter().chain(before).chain(after).collect(),
        Event::ReplyCollided { reply: _, text } => vec![text],
        Event::ReplySent {
            reply: _,
            audience: _,
            text,
            remote: _,
            url: _,
        } => vec![text],
        Event::ReplyFailed { reply: _, reason } => vec![reason],
        Event::ReplyUncertain {
            reply: _,
            reason,
            look_at: _,
        } => vec![reason],
        Event::ReplyDelayed { reply: _, reason } => vec![reason],
        Event::ReplyNeedsHuman { reply: _, reason } => vec![reason],
        // Ids, times, names of the team's own, and labels, which are words of the team's own too.
        Event::Opened {
            source: _,
            conversation: _,
            author: _,
            post: _,
            written_at: _,
        }
        | Event::PostAdded {
            post: _,
            written_at: _,
        }
        | Event::PostDeleted { post: _ }
        | Event::Claimed { owner: _ }
        | Event::Released
        | Event::Assigned { owner: _ }
        | Event::Reopened
        | Event::Snoozed { until: _ }
        | Event::Woke
        | Event::PrioritySet { priority: _ }
        | Event::KindSet { kind: _ }
        | Event::Labelled { added: _, removed: _ }
        | Event::ReplyCancelled { reply: _ }
        | Event::ReplyRetried { reply: _, looked: _ }
        | Event::ReplyApproved {
            reply: _,
            version: _,
            hash: _,
        }
        | Event::ReplyExpired { reply: _ }
        | Event::ReplyNotSeen {
            reply: _,
            look_at: _,
        }
        | Event::ReplyToldAbsent { reply: _ }
        | Event::ReplyAbandoned { reply: _ }
        | Event::AnsweredByHand { url: _, looked: _ }
        // Of no case: the team's own words about itself.
        | Event::PublishingPaused {
            source: _,
            reason: _,
        }
        | Event::PublishingResumed { source: _ }
        | Event::Erased => Vec::new(),
    }
}

/// Blanks a text; an empty one stays empty.
pub fn blank(text: &mut String) {
    if !text.is_empty() {
        ERASED.clone_into(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_found_and_blanked() {
        let mut event = Event::PostEdited {
            post: "p1".into(),
            before: String::new(),
            after: "It broke".to_owned(),
            added: vec![1],
        };
        texts_mut(&mut event).into_iter().for_each(blank);
        let blanked = Event::PostEdited {
            post: "p1".into(),
            before: String::new(),
            after: ERASED.to_owned(),
            added: vec![1],
        };
        assert_eq!(event, blanked);
        assert!(texts_mut(&mut Event::Woke).is_empty());
    }
}
