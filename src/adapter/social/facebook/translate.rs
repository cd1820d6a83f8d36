//! What stands on Facebook as a post, and which kind of thing an id names.
//!
//! Ids of posts, comments, reviews and messages look alike, so the kind is kept in the conversation: that of a
//! post and its comments is the post's id, a review's begins with `review:`, a message's with `messages:`.

use super::wire::{Attached, Attachment, Node, Rating, Sent, Told};
use crate::adapter::graph::talk::Message;
use crate::adapter::graph::wire::{Who, sound};
use crate::domain::{
    Author, Instant, Media, Metrics, NativeId, Post, PostKind, Reply, SourceName, Visibility,
};

/// Where people read the network.
const PAGES: &str = "https://www.facebook.com";
/// The mark of a review's conversation.
const REVIEW: &str = "review:";
/// The mark of a conversation in Messenger.
const MESSAGES: &str = "messages:";
/// The mark of an author whom the network does not name.
const UNNAMED: &str = "unnamed:";

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A post on the page, or one that names it.
    Post,
    /// A comment on a post or a review.
    Comment,
    /// A review.
    Review,
    /// A message of this person's.
    Message(&'a str),
}

impl<'a> Place<'a> {
    /// What this reply answers.
    pub fn of(reply: &'a Reply) -> Self {
        let (conversation, target) = (reply.conversation.as_str(), reply.target.as_str());
        if let Some(person) = conversation.strip_prefix(MESSAGES) {
            Self::Message(person)
        } else if conversation.strip_prefix(REVIEW) == Some(target) {
            Self::Review
        } else if conversation == target {
            Self::Post
        } else {
            Self::Comment
        }
    }
}

/// A post or a comment. `root`: the post that a comment stands under.
pub fn node(source: &SourceName, kind: PostKind, root: Option<&str>, node: &Node) -> Post {
    let parent = node.parent.as_ref().map(|parent| parent.id.as_str()).or(root);
    Post {
        in_reply_to: parent.map(NativeId::new),
        media: node
            .attachment
            .iter()
            .chain(&node.attachments.data)
            .filter_map(media)
            .collect(),
        metrics: Metrics {
            likes: node.like_count,
            shares: node.shares.count,
            views: 0,
        },
        url: node.permalink_url.clone().or_else(|| Some(address(&node.id))),
        ..blank(
            (source, kind),
            (&node.id, root.unwrap_or(&node.id)),
            author(node.from.as_ref(), &node.id),
            (words(node), node.created_time),
        )
    }
}

/// What a post or a comment says.
pub fn words(node: &Node) -> String {
    let said = node.message.as_deref().or(node.story.as_deref());
    sound(said.unwrap_or_default())
}

/// A review.
pub fn rating(source: &SourceName, rating: &Rating) -> Post {
    let story = &rating.open_graph_story.id;
    let stars = stars(rating.rating, rating.recommendation_type.as_deref());
    Post {
        rating: stars,
        ..blank(
            (source, PostKind::Review),
            (story, &format!("{REVIEW}{story}")),
            author(rating.reviewer.as_ref(), story),
            (review(rating.review_text.as_deref(), stars), rating.created_time),
        )
    }
}

/// A recommendation stands for five stars, its opposite for one, as Facebook itself counts them
/// (<https://developers.facebook.com/docs/graph-api/changelog/non-versioned-changes/aug-17-2018>).
fn stars(rating: Option<i64>, recommendation: Option<&str>) -> Option<i64> {
    match (rating, recommendation) {
        (Some(stars @ 1..=5), _) => Some(stars),
        (_, Some("positive")) => Some(5),
        (_, Some("negative")) => Some(1),
        (_, _) => None,
    }
}

/// The words of a review; one without any is said in ours.
fn review(text: Option<&str>, stars: Option<i64>) -> String {
    match (text.map(str::trim).filter(|text| !text.is_empty()), stars) {
        (Some(text), _) => sound(text),
        (None, Some(4..)) => "(recommends the page, without words)".to_owned(),
        (None, Some(_)) => "(does not recommend the page, without words)".to_owned(),
        (None, None) => "(a review without words)".to_owned(),
    }
}

/// A message, as the API lists it.
pub fn message(source: &SourceName, message: &Message) -> Post {
    let files = message.attachments.data.iter();
    let media = files.filter_map(|file| {
        Some(Media {
            url: file.image_data.as_ref()?.url.clone(),
            mime: file.mime_type.clone(),
            alt: String::new(),
            poster: None,
        })
    });
    said(
        source,
        (&message.id, &message.from),
        (Some(message.text()), message.created_time),
        media.collect(),
    )
}

/// A message, as it was sent to us.
pub fn sent(source: &SourceName, sender: &str, sent: &Sent, at: Instant) -> Post {
    let who = Who {
        id: sender.to_owned(),
        name: None,
        username: None,
    };
    let media = sent.attachments.iter().filter_map(attached).collect();
    said(source, (&sent.mid, &who), (sent.text.as_deref(), at), media)
}

fn attached(attached: &Attached) -> Option<Media> {
    Some(Media {
        url: attached.payload.url.clone()?,
        mime: format!("{}/*", attached.kind),
        alt: String::new(),
        poster: None,
    })
}

fn said(
    source: &SourceName,
    (id, who): (&str, &Who),
    (text, at): (Option<&str>, Instant),
    media: Vec<Media>,
) -> Post {
    Post {
        visibility: Visibility::Private,
        url: None,
        media,
        ..blank(
            (source, PostKind::Message),
            (id, &format!("{MESSAGES}{}", who.id)),
            author(Some(who), id),
            (sound(text.unwrap_or_default()), at),
        )
    }
}

/// A post, a comment or a review, as a webhook tells of it; `None` where it names none.
pub fn told(source: &SourceName, field: &str, told: &Told, now: Instant) -> Option<Post> {
    let at = told.created_time.unwrap_or(now).min(now);
    let from = told.from.clone().or_else(|| {
        Some(Who {
            id: told.sender_id.clone().or_else(|| told.reviewer_id.clone())?,
            name: told.sender_name.clone().or_else(|| told.reviewer_name.clone()),
            username: None,
        })
    });
    let picture = told.photo.iter().map(|url| Media {
        url: url.clone(),
        mime: "image/*".to_owned(),
        alt: String::new(),
        poster: None,
    });
    let text = sound(told.message.as_deref().unwrap_or_default());
    let story = told.open_graph_story_id.as_deref();
    if let (Some(id), true) = (&told.comment_id, told.item.as_deref() == Some("comment")) {
        let review = story.map(|story| format!("{REVIEW}{story}"));
        let root = review.as_deref().or(told.post_id.as_deref())?;
        let parent = told.parent_id.as_deref().or(story).unwrap_or(root);
        return Some(Post {
            in_reply_to: Some(NativeId::new(parent)),
            media: picture.collect(),
            ..blank(
                (source, PostKind::Comment),
                (id, root),
                author(from.as_ref(), id),
                (text, at),
            )
        });
    }
    if field == "ratings" {
        let (story, stars) = (story?, stars(told.rating, told.recommendation_type.as_deref()));
        return Some(Post {
            rating: stars,
            ..blank(
                (source, PostKind::Review),
                (story, &format!("{REVIEW}{story}")),
                author(from.as_ref(), story),
                (review(told.review_text.as_deref(), stars), at),
            )
        });
    }
    let id = told.post_id.as_deref()?;
    let kind = if field == "mention" {
        PostKind::Mention
    } else {
        PostKind::Post
    };
    Some(Post {
        media: picture.collect(),
        ..blank((source, kind), (id, id), author(from.as_ref(), id), (text, at))
    })
}

fn blank(
    (source, kind): (&SourceName, PostKind),
    (id, conversation): (&str, &str),
    author: Author,
    (text, at): (String, Instant),
) -> Post {
    Post {
        source: source.clone(),
        id: NativeId::new(id),
        conversation: NativeId::new(conversation),
        in_reply_to: None,
        kind,
        visibility: Visibility::Public,
        url: Some(address(id)),
        author,
        text,
        created_at: at,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// Ids are those that only this page sees, so there is no address of a person's page; and the network has no
/// handles. Whom it does not name is somebody else with every post.
fn author(from: Option<&Who>, id: &str) -> Author {
    let name = from.and_then(|who| who.name.as_deref()).map(sound);
    let name = name.filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| "somebody on Facebook".to_owned());
    Author {
        id: from.map_or_else(
            || NativeId::new(format!("{UNNAMED}{id}")),
            |who| NativeId::new(&who.id),
        ),
        handle: name.clone(),
        name,
        followers: None,
        url: None,
    }
}

fn media(attachment: &Attachment) -> Option<Media> {
    Some(Media {
        url: attachment.media.as_ref()?.image.as_ref()?.src.clone(),
        mime: "image/*".to_owned(),
        alt: sound(attachment.description.as_deref().unwrap_or_default()),
        poster: None,
    })
}

/// The address of whatever has this id.
pub fn address(id: &str) -> String {
    format!("{PAGES}/{id}")
}

/// Whether a post is by the author that is known of it; whom the network does not name may be anybody.
pub fn is_by(node: &Node, author: &NativeId) -> bool {
    node.from.as_ref().is_none_or(|who| who.id == author.as_str()) || author.as_str().starts_with(UNNAMED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(3), None, Some(3))]
    #[case(None, Some("positive"), Some(5))]
    #[case(None, Some("negative"), Some(1))]
    #[case(Some(0), Some("negative"), Some(1))]
    #[case(None, None, None)]
    fn a_recommendation_counts_as_facebook_counts_it(
        #[case] rating: Option<i64>,
        #[case] recommendation: Option<&str>,
        #[case] counted: Option<i64>,
    ) {
        assert_eq!(stars(rating, recommendation), counted);
    }

    #[test]
    fn a_review_without_words_says_what_it_is() {
        assert_eq!(review(Some(" late "), Some(1)), "late");
        assert_eq!(
            review(Some(" "), Some(1)),
            "(does not recommend the page, without words)"
        );
        assert_eq!(review(None, Some(5)), "(recommends the page, without words)");
    }
}
