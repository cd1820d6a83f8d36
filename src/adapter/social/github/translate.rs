//! An issue, a discussion or a comment as a post. Its id has the repository and the number of the issue in it, and of a
//! comment its own: `acme/app#12`, `acme/app#12!345`; of a discussion `acme/app#d12`, `acme/app#d12!345`. A
//! conversation is an issue or a discussion.

use super::wire::{Comment, Issue, User};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;

/// Who belongs to the house, and is no customer
/// (<https://docs.github.com/en/graphql/reference/enums#commentauthorassociation>).
const OURS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

/// A place in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `owner/name`
    pub repository: String,
    /// Its number, or that of a discussion.
    pub issue: i64,
    pub comment: Option<i64>,
    /// Whether it is a discussion.
    pub talk: bool,
}

impl Place {
    /// The place that an id names.
    pub fn of(id: &NativeId) -> Option<Self> {
        let (repository, rest) = id.as_str().split_once('#')?;
        let (talk, rest) = match rest.strip_prefix('d') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (issue, comment) = match rest.split_once('!') {
            Some((issue, comment)) => (issue, Some(comment.parse().ok()?)),
            None => (rest, None),
        };
        Some(Self {
            repository: repository.to_owned(),
            issue: issue.parse().ok()?,
            comment,
            talk,
        })
    }

    /// Its id.
    pub fn id(&self) -> NativeId {
        let Self {
            repository, issue, ..
        } = self;
        let kind = if self.talk { "d" } else { "" };
        NativeId::new(match self.comment {
            Some(comment) => format!("{repository}#{kind}{issue}!{comment}"),
            None => format!("{repository}#{kind}{issue}"),
        })
    }

    /// The issue or the discussion that it is in.
    pub fn root(&self) -> NativeId {
        let root = Self {
            comment: None,
            ..self.clone()
        };
        root.id()
    }

    /// Owner and name of the repository, for an address.
    pub fn names(&self) -> (&str, &str) {
        self.repository.split_once('/').unwrap_or((&self.repository, ""))
    }
}

/// Where a comment stands in its repository.
pub fn place(repository: &str, comment: &Comment) -> Option<Place> {
    let issue = comment.issue_url.rsplit('/').next()?;
    Some(Place {
        repository: repository.to_owned(),
        issue: issue.parse().ok()?,
        comment: Some(comment.id),
        talk: false,
    })
}

/// Something that was said in a discussion, however we heard of it.
pub struct Said<'a> {
    /// The discussion's number.
    pub number: i64,
    /// Of a comment: its own, and that of the comment it answers.
    pub comment: Option<(i64, Option<i64>)>,
    pub author: Option<&'a User>,
    pub association: &'a str,
    pub text: String,
    pub url: &'a str,
    pub created: Instant,
    pub edited: Option<Instant>,
    pub likes: i64,
}

impl Said<'_> {
    /// Where it stands.
    pub fn place(&self, repository: &str) -> Place {
        Place {
            repository: repository.to_owned(),
            issue: self.number,
            comment: self.comment.map(|(comment, _)| comment),
            talk: true,
        }
    }

    /// As a post of a customer's; `None` as with issues.
    pub fn post(&self, source: &SourceName, repository: &str) -> Option<Post> {
        let author = customer(self.author, self.association)?;
        let place = self.place(repository);
        let above = self.comment.map(|(_, above)| Place {
            comment: above,
            ..place.clone()
        });
        Some(Post {
            in_reply_to: above.map(|above| above.id()),
            text: sound(&self.text),
            url: Some(self.url.to_owned()),
            edited_at: self.edited.map(|at| at.trunc_subsecs(6)),
            metrics: metrics(self.likes),
            ..blank(source, &place, author, self.created)
        })
    }
}

/// A title and a text.
pub fn titled(title: &str, text: &str) -> String {
    match text.is_empty() {
        true => title.to_owned(),
        false => format!("{title}\n\n{text}"),
    }
}

/// An issue of a customer's; `None` where it is a pull request, a program's, or of somebody of the house.
pub fn issue(source: &SourceName, repository: &str, issue: &Issue) -> Option<Post> {
    let author = customer(issue.user.as_ref(), &issue.author_association)?;
    if issue.pull_request.is_some() {
        return None;
    }
    let place = Place {
        repository: repository.to_owned(),
        issue: issue.number,
        comment: None,
        talk: false,
    };
    Some(Post {
        kind: PostKind::Post,
        text: issue_words(issue),
        url: Some(issue.html_url.clone()),
        edited_at: edited(issue.created_at, issue.updated_at),
        metrics: metrics(issue.reactions.likes),
        ..blank(source, &place, author, issue.created_at)
    })
}

/// A customer's comment; `None` as above, and on a pull request. Comments stand in one row, and none says which other
/// one it answers: it is merely found.
pub fn comment(source: &SourceName, repository: &str, comment: &Comment) -> Option<Post> {
    let author = customer(comment.user.as_ref(), &comment.author_association)?;
    let place = place(repository, comment)?;
    // A pull request is an issue of the API, and tells itself by the address of its page.
    if comment.html_url.contains(&format!("/pull/{}#", place.issue)) {
        return None;
    }
    Some(Post {
        in_reply_to: Some(place.root()),
        text: sound(comment.body.as_deref().unwrap_or_default()),
        url: Some(comment.html_url.clone()),
        edited_at: edited(comment.created_at, comment.updated_at),
        metrics: metrics(comment.reactions.likes),
        ..blank(source, &place, author, comment.created_at)
    })
}

/// What an issue says: its title and its text.
pub fn issue_words(issue: &Issue) -> String {
    sound(&titled(&issue.title, issue.body.as_deref().unwrap_or_default()))
}

/// An account's id.
pub fn account(user: &User) -> NativeId {
    NativeId::new(user.id.to_string())
}

fn customer<'a>(user: Option<&'a User>, association: &str) -> Option<&'a User> {
    user.filter(|user| user.kind != "Bot" && !OURS.contains(&association))
}

/// What it says may be another than at first. An issue is updated by all that happens to it, so where only that is
/// known, the words have to be compared.
fn edited(created: Instant, updated: Instant) -> Option<Instant> {
    (updated > created).then(|| updated.trunc_subsecs(6))
}

fn blank(source: &SourceName, place: &Place, author: &User, created: Instant) -> Post {
    Post {
        source: source.clone(),
        id: place.id(),
        conversation: place.root(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: account(author),
            handle: author.login.clone(),
            name: author.login.clone(),
            followers: None,
            url: author.html_url.clone(),
        },
        text: String::new(),
        created_at: created.trunc_subsecs(6),
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

fn metrics(likes: i64) -> Metrics {
    Metrics {
        likes,
        shares: 0,
        views: 0,
    }
}

/// A text that every database keeps.
pub fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Whether a text names somebody.
pub fn names(text: &str, login: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '@'));
    words.any(|word| {
        word.strip_prefix('@')
            .is_some_and(|name| name.eq_ignore_ascii_case(login))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn an_id_names_a_place() {
        for id in [
            "acme/app#12",
            "acme/app#12!345",
            "acme/app#d12",
            "acme/app#d12!345",
        ] {
            assert_eq!(Place::of(&NativeId::new(id)).unwrap().id().as_str(), id);
        }
        let place = Place::of(&NativeId::new("acme/app#12!345")).unwrap();
        assert_eq!(
            (place.names(), place.root().as_str()),
            (("acme", "app"), "acme/app#12")
        );
        assert_eq!(Place::of(&NativeId::new("acme/app")), None);
    }

    #[rstest]
    #[case("@Ann-B it works", true)]
    #[case("ask @ann-b.", true)]
    #[case("@ann-bell", false)]
    #[case("ann-b", false)]
    fn it_knows_whom_a_text_names(#[case] text: &str, #[case] named: bool) {
        assert_eq!(names(text, "ann-b"), named);
    }
}
