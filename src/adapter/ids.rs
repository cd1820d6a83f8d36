//! What the networks share about ids: how long one may be, and how one travels in a header.

use crate::domain::NativeId;
use std::borrow::Cow;

/// The longest id a network may give a reply, in bytes. Longer ones cannot be kept and looked up.
const LONGEST_ID: usize = 512;

/// The id a network gave a reply.
///
/// # Errors
/// Why it is none, in words that fit behind "but".
pub fn reply_id(id: &str) -> Result<NativeId, &'static str> {
    if id.trim().is_empty() {
        return Err("the published reply has an empty id");
    }
    if id.len() > LONGEST_ID {
        return Err("the id is too long");
    }
    Ok(NativeId::new(id))
}

/// A key as a header can carry it: as it is where it can, percent-encoded otherwise.
pub fn header_safe(key: &str) -> Cow<'_, str> {
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(url::form_urlencoded::byte_serialize(key.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::usual("0f3a-r12", "0f3a-r12")]
    #[case::a_blank("a b", "a+b")]
    #[case::a_line("a\r\nx: y", "a%0D%0Ax%3A+y")]
    #[case::letters("ä", "%C3%A4")]
    fn a_key_fits_into_a_header(#[case] key: &str, #[case] header: &str) {
        assert_eq!(header_safe(key), header);
    }

    #[rstest]
    #[case("r1", true)]
    #[case(" ", false)]
    #[case(&"x".repeat(512), true)]
    #[case(&"x".repeat(513), false)]
    fn an_id_is_neither_empty_nor_endless(#[case] id: &str, #[case] sound: bool) {
        assert_eq!(reply_id(id).is_ok(), sound);
    }
}
