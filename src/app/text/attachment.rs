//! What a thread is told about a picture, a film or a sound of a post.

use super::{sentence, text};
use crate::domain::message::{cut, one_line};
use crate::domain::{Media, MediaKind, Message, Part, Span};

/// The most graphemes of a description that is told.
const MOST_ALT: usize = 1_000;

/// Which attachment of a post: its place, counted from one, and how many there are.
pub type Place = (usize, usize);

/// What stands with a picture that is shown.
#[must_use]
pub fn shown(media: &Media, place: Place) -> Message {
    let mut line = vec![text(format!("{} · ", which(media, place)))];
    line.push(Span::Link {
        label: "original".to_owned(),
        url: media.url.clone(),
    });
    described(Message::default().with(Part::Small(line)), media)
}

/// What stands in the place of one that is not.
#[must_use]
pub fn not_shown(media: &Media, place: Place, why: Option<&str>) -> Message {
    let mut line = vec![text(format!("{}: ", which(media, place)))];
    line.push(Span::Link {
        label: one_line(&media.url, 200),
        url: media.url.clone(),
    });
    if let Some(why) = why {
        line.push(text(format!(" · not shown: {}", sentence(why))));
    }
    described(Message::default().with(Part::Line(line)), media)
}

/// What an attachment is called.
#[must_use]
pub fn which(media: &Media, (nth, of): Place) -> String {
    let what = match media.kind() {
        MediaKind::Picture => "Picture",
        MediaKind::Film => "Video",
        MediaKind::Sound => "Sound",
        MediaKind::Other => "Attachment",
    };
    if of > 1 {
        format!("{what} {nth} of {of}")
    } else {
        what.to_owned()
    }
}

fn described(message: Message, media: &Media) -> Message {
    if media.alt.trim().is_empty() {
        message
    } else {
        message.with(Part::Quote(cut(&media.alt, MOST_ALT)))
    }
}
