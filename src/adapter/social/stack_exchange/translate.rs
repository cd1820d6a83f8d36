//! A question, an answer or a comment as a post. Its id is the site's own number for it, behind a letter: `q` for
//! questions, `a` for answers, `c` for comments; questions and answers share their numbers. A conversation is a
//! question. An account is told by its number on the site.

use super::wire::{Answer, Comment, Question, User};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};

/// A thing that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thing {
    Question(i64),
    Answer(i64),
    Comment(i64),
}

impl Thing {
    /// The thing that an id names.
    pub fn of(id: &NativeId) -> Option<Self> {
        let (kind, number) = id.as_str().split_at_checked(1)?;
        let number = number.parse().ok()?;
        match kind {
            "q" => Some(Self::Question(number)),
            "a" => Some(Self::Answer(number)),
            "c" => Some(Self::Comment(number)),
            _ => None,
        }
    }

    /// Its id.
    pub fn id(self) -> NativeId {
        NativeId::new(match self {
            Self::Question(number) => format!("q{number}"),
            Self::Answer(number) => format!("a{number}"),
            Self::Comment(number) => format!("c{number}"),
        })
    }
}

/// The number of the question that a conversation is.
pub fn root(conversation: &NativeId) -> Option<i64> {
    match Thing::of(conversation) {
        Some(Thing::Question(number)) => Some(number),
        Some(Thing::Answer(_) | Thing::Comment(_)) | None => None,
    }
}

/// A question; `None` where its author's account is gone. Nobody wrote it to us: it was found.
pub fn question(source: &SourceName, question: &Question) -> Option<Post> {
    let id = Thing::Question(question.question_id).id();
    Some(Post {
        conversation: id.clone(),
        text: words(question),
        url: question.link.clone(),
        edited_at: question.last_edit_date,
        metrics: Metrics {
            likes: question.score,
            shares: 0,
            views: question.view_count,
        },
        ..blank(source, id, question.owner.as_ref()?, question.creation_date)?
    })
}

/// An answer to a question; `None` as above.
pub fn answer(source: &SourceName, answer: &Answer, kind: PostKind) -> Option<Post> {
    let question = Thing::Question(answer.question_id).id();
    let id = Thing::Answer(answer.answer_id).id();
    Some(Post {
        in_reply_to: Some(question.clone()),
        conversation: question,
        kind,
        text: sound(&answer.body_markdown),
        url: answer.link.clone(),
        edited_at: answer.last_edit_date,
        metrics: likes(answer.score),
        ..blank(source, id, answer.owner.as_ref()?, answer.creation_date)?
    })
}

/// A comment in the conversation of a question; `None` as above.
pub fn comment(source: &SourceName, comment: &Comment, question: i64, kind: PostKind) -> Option<Post> {
    let id = Thing::Comment(comment.comment_id).id();
    Some(Post {
        conversation: Thing::Question(question).id(),
        in_reply_to: Some(above(comment, question).id()),
        kind,
        text: sound(&comment.body_markdown),
        url: comment.link.clone(),
        metrics: likes(comment.score),
        ..blank(source, id, comment.owner.as_ref()?, comment.creation_date)?
    })
}

/// What a comment is below: the question, or one of its answers.
pub fn above(comment: &Comment, question: i64) -> Thing {
    match comment.post_id == question {
        true => Thing::Question(question),
        false => Thing::Answer(comment.post_id),
    }
}

/// What a question says: its title and its text.
pub fn words(question: &Question) -> String {
    sound(&format!("{}\n\n{}", question.title, question.body_markdown))
}

/// An account's id; none where it is gone.
pub fn account(user: Option<&User>) -> Option<NativeId> {
    Some(NativeId::new(user?.user_id?.to_string()))
}

/// How somebody is named in a comment: an `@` and the name without its blanks
/// (<https://meta.stackexchange.com/questions/43019>).
pub fn handle(user: &User) -> String {
    user.display_name.split_whitespace().collect()
}

/// Whose it is, and nothing else.
fn blank(source: &SourceName, id: NativeId, owner: &User, created: Instant) -> Option<Post> {
    Some(Post {
        source: source.clone(),
        id,
        conversation: NativeId::new(""),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: account(Some(owner))?,
            handle: sound(&handle(owner)),
            name: sound(&owner.display_name),
            followers: None,
            url: owner.link.clone(),
        },
        text: String::new(),
        created_at: created,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    })
}

fn likes(likes: i64) -> Metrics {
    Metrics {
        likes,
        shares: 0,
        views: 0,
    }
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A comment's text without the name it begins with. The site takes off the name of who is told anyway.
pub fn unaddressed(text: &str) -> &str {
    match text.trim_start().strip_prefix('@') {
        Some(rest) => rest.split_once(char::is_whitespace).map_or("", |(_, text)| text),
        None => text,
    }
}

/// Whom a comment names at its begin.
pub fn addressed(text: &str) -> Option<&str> {
    let named = text.trim_start().strip_prefix('@')?.split_whitespace().next()?;
    Some(named.trim_end_matches([',', ':', '.', '!', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_thing() {
        for thing in [Thing::Question(7), Thing::Answer(8), Thing::Comment(9)] {
            assert_eq!(Thing::of(&thing.id()), Some(thing));
        }
        for none in ["", "7", "x7", "ü7", "c"] {
            assert_eq!(Thing::of(&NativeId::new(none)), None, "{none}");
        }
    }

    #[test]
    fn a_comment_names_at_its_begin_whom_it_answers() {
        assert_eq!(addressed("@AnnB, which one?"), Some("AnnB"));
        assert_eq!(addressed("which one, @AnnB?"), None);
        assert_eq!(unaddressed("@AnnB which one?"), "which one?");
        assert_eq!(unaddressed("which one?"), "which one?");
    }
}
