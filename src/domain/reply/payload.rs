//! What is frozen when a reply is approved, its fingerprint, and the seals of the buttons that speak of it.

use super::Reply;
use crate::domain::{Audience, NativeId, ReplyId, SourceName, Visibility};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// How many characters of a button's seal travel in it: 132 bits.
const SEAL: usize = 22;

/// Everything that decides what is published, where, and under whose name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload<'a> {
    /// Which approval this is: another text is another version.
    pub version: i64,
    /// The source that publishes it.
    pub source: &'a SourceName,
    /// The brand's account there, by its native id, if the platform tells it.
    pub account: Option<&'a NativeId>,
    /// The post it answers.
    pub target: &'a NativeId,
    /// Who wrote that post.
    pub author: &'a NativeId,
    /// The root of the conversation.
    pub root: &'a NativeId,
    /// Exactly the words.
    pub text: &'a str,
    /// SHA-256 of each attached file, in order.
    pub media: &'a [String],
    /// The language it is marked as.
    pub lang: Option<&'a str>,
    /// For whom it is.
    pub audience: Audience,
    /// The visibility of the post it answers, which it never exceeds.
    pub visibility: Visibility,
}

impl Payload<'_> {
    /// SHA-256 of all of it, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        // A struct of texts and numbers always has a JSON; the fields' order is that of the struct.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(bytes))
    }
}

impl Reply {
    /// What is frozen of it.
    #[must_use]
    pub fn payload(&self) -> Payload<'_> {
        Payload {
            version: self.version,
            source: &self.source,
            account: self.account.as_ref(),
            target: &self.target,
            author: &self.author,
            root: &self.conversation,
            text: &self.text,
            media: &self.media,
            lang: self.lang.as_deref(),
            audience: self.audience,
            visibility: self.target_visibility,
        }
    }

    /// Freezes it as it stands: from here on every other payload is another version.
    pub fn freeze(&mut self) {
        self.hash = self.payload().hash();
    }

    /// Whether what would be sent is what was frozen. Replies of databases from before there were
    /// fingerprints have none, and were frozen by their row alone.
    #[must_use]
    pub fn is_as_frozen(&self) -> bool {
        self.hash.is_empty() || self.hash == self.payload().hash()
    }
}

/// The secret that seals buttons. Made once for an installation.
#[derive(Clone)]
pub struct ButtonKey([u8; 64]);

impl ButtonKey {
    /// From the text that the store keeps. Any text makes a key; a random one makes a good one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut key = [0; 64];
        key[..32].copy_from_slice(&Sha256::digest(text.as_bytes()));
        Self(key)
    }

    /// The seal of a button about this version of a reply: only who was shown it can have it.
    #[must_use]
    pub fn seal(&self, reply: ReplyId, version: i64, hash: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&self.0).into());
        mac.update(format!("{reply}.{version}.{hash}").as_bytes());
        let mut text = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        text.truncate(SEAL);
        text
    }

    /// Whether a button's seal is that of this version. In constant time.
    #[must_use]
    pub fn fits(&self, reply: ReplyId, version: i64, hash: &str, seal: &str) -> bool {
        let right = self.seal(reply, version, hash);
        right.as_bytes().ct_eq(seal.as_bytes()).into()
    }
}

impl fmt::Debug for ButtonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ButtonKey(…)")
    }
}
