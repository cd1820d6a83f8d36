//! The names of things on LinkedIn (URNs), and how they stand in addresses
//! (<https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/urns>).

use std::fmt::Write as _;

/// How a comment is named: after the post that it is below, and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentName {
    pub object: String,
    pub id: String,
}

impl CommentName {
    /// Reads `urn:li:comment:(urn:li:activity:1,2)`; notifications leave out the inner `urn:li:`.
    pub fn parse(urn: &str) -> Option<Self> {
        let inner = urn.strip_prefix("urn:li:comment:(")?.strip_suffix(')')?;
        let (object, id) = inner.rsplit_once(',')?;
        let sound = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && object.contains(':');
        let object = if object.starts_with("urn:") {
            object.to_owned()
        } else {
            format!("urn:li:{object}")
        };
        sound.then(|| Self {
            object,
            id: id.to_owned(),
        })
    }

    /// In full.
    pub fn urn(&self) -> String {
        format!("urn:li:comment:({},{})", self.object, self.id)
    }
}

/// As it has to stand in a path or a query: colons, commas and brackets mean something there.
pub fn encoded(urn: &str) -> String {
    let mut out = String::with_capacity(urn.len() * 2);
    for byte in urn.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "urn:li:comment:(urn:li:activity:12,34)",
        Some("urn:li:comment:(urn:li:activity:12,34)")
    )]
    #[case(
        "urn:li:comment:(activity:12,34)",
        Some("urn:li:comment:(urn:li:activity:12,34)")
    )]
    #[case("urn:li:share:12", None)]
    #[case("urn:li:comment:(urn:li:activity:12,../3)", None)]
    #[case("urn:li:comment:(34)", None)]
    fn a_comment_is_named_in_full(#[case] told: &str, #[case] full: Option<&str>) {
        assert_eq!(CommentName::parse(told).map(|name| name.urn()).as_deref(), full);
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        assert_eq!(
            encoded("urn:li:a:(b,c)/../"),
            "urn%3Ali%3Aa%3A%28b%2Cc%29%2F..%2F"
        );
    }
}
