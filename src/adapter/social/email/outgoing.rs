//! A letter of ours: the same bytes for every attempt.

use crate::domain::{IdempotencyKey, Reply};
use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use sha2::{Digest as _, Sha256};
use std::time::SystemTime;

/// What the Message-IDs of replies begin with.
const PREFIX: &str = "hearback.";

/// What a letter answers, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// Its subject.
    pub subject: Option<String>,
    /// The letters before it, the first one first.
    pub references: Vec<String>,
}

/// The Message-ID that a reply has in every attempt, without its angle brackets.
#[must_use]
pub fn id(key: &IdempotencyKey, domain: &str) -> String {
    let hash = Sha256::digest(key.as_str().as_bytes());
    format!("{PREFIX}{}@{domain}", hex::encode(&hash[..16]))
}

/// Whether a Message-ID is of that form.
#[must_use]
pub fn is_id(id: &str, domain: &str) -> bool {
    let local = id.rsplit_once('@').filter(|(_, at)| *at == domain);
    let hash = local.and_then(|(local, _)| local.strip_prefix(PREFIX));
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Builds the letter.
///
/// # Errors
/// In words: the customer's address is none that a letter can go to.
pub fn letter(
    reply: &Reply,
    from: (&Address, Option<&str>),
    to: &Address,
    answered: &Answered,
) -> Result<Vec<u8>, String> {
    let (address, name) = from;
    let angle = |id: &str| format!("<{id}>");
    let mut references = answered.references.clone();
    references.retain(|id| is_message_id(id));
    for id in [reply.conversation.as_str(), reply.target.as_str()] {
        if is_message_id(id) && !references.iter().any(|known| known == id) {
            references.push(id.to_owned());
        }
    }
    let references: Vec<_> = references.iter().map(|id| angle(id)).collect();
    let written = SystemTime::from(reply.created_at);
    let mut building = Message::builder()
        .from(Mailbox::new(name.map(str::to_owned), address.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(subject(answered.subject.as_deref()))
        .date(written)
        .message_id(Some(angle(&id(&reply.key, address.domain()))))
        .header(ContentType::TEXT_PLAIN);
    if is_message_id(reply.target.as_str()) {
        building = building.in_reply_to(angle(reply.target.as_str()));
    }
    if !references.is_empty() {
        building = building.references(references.join(" "));
    }
    let message = building
        .body(reply.text.clone())
        .map_err(|error| error.to_string())?;
    Ok(message.formatted())
}

/// The subject of an answer.
fn subject(answered: Option<&str>) -> String {
    let told = answered.unwrap_or_default().replace(['\r', '\n'], " ");
    let told = told.trim();
    let again = |prefix: &&str| {
        told.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if told.is_empty() {
        "Re: Your letter".to_owned()
    } else if ["re:", "aw:", "sv:", "antw:"].iter().any(again) {
        told.to_owned()
    } else {
        format!("Re: {told}")
    }
}

/// Whether an id is a letter's own, and can stand in a header; not one that we gave.
pub fn is_message_id(id: &str) -> bool {
    id.contains('@')
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, "Re: Your letter")]
    #[case(Some("Late parcel"), "Re: Late parcel")]
    #[case(Some("RE: Late parcel"), "RE: Late parcel")]
    #[case(Some("AW: Paket"), "AW: Paket")]
    #[case(Some("x\r\nBcc: eve@evil.example"), "Re: x  Bcc: eve@evil.example")]
    fn an_answer_has_the_subject_of_what_it_answers(#[case] told: Option<&str>, #[case] subject: &str) {
        assert_eq!(super::subject(told), subject);
    }

    #[test]
    fn a_reply_is_known_by_its_id() {
        let ours = id(&"key".into(), "shop.example");
        assert!(is_id(&ours, "shop.example") && !is_id(&ours, "other.example"));
        assert!(
            !is_id("hearback.1@shop.example", "shop.example") && !is_id("1@shop.example", "shop.example")
        );
    }

    #[rstest]
    #[case("1@shop.example", true)]
    #[case("sha256:00", false)]
    #[case("1@a>\r\nBcc: <eve@evil.example", false)]
    fn only_ids_of_letters_stand_in_headers(#[case] id: &str, #[case] sound: bool) {
        assert_eq!(is_message_id(id), sound);
    }
}
