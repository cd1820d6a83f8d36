//! Who comes in. In the demo everybody may sit on every chair; elsewhere people say their name and
//! password (HTTP Basic, which browsers keep and send along by themselves: so the server belongs
//! behind TLS), and sit on their own chair only.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What the browser shows when it asks for name and password.
const CHALLENGE: &str = r#"Basic realm="Hearback", charset="UTF-8""#;

/// The way to the chairs.
#[derive(Debug)]
pub(super) enum Door {
    /// Everybody may sit everywhere.
    Open,
    /// Each of these may sit on their own chair.
    Locked(Vec<Key>),
}

/// What opens one chair. The password itself is not kept.
pub(super) struct Key {
    user: String,
    digest: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Key {
    pub fn new(user: &str, password: &SecretString) -> Self {
        Self {
            user: user.to_owned(),
            digest: Sha256::digest(password.expose_secret()).into(),
        }
    }
}

impl Door {
    /// Whose chair a request may use: `None` is everybody's.
    pub fn enter(&self, headers: &HeaderMap) -> Result<Option<String>, Box<Response>> {
        let keys = match self {
            Self::Open => return Ok(None),
            Self::Locked(keys) => keys,
        };
        match said(headers).and_then(|(user, password)| opened(keys, &user, &password)) {
            Some(user) => Ok(Some(user)),
            None => Err(Box::new(
                (
                    StatusCode::UNAUTHORIZED,
                    [(WWW_AUTHENTICATE, CHALLENGE)],
                    "Sign in with your name as in [[agent]] and your console_password.\n",
                )
                    .into_response(),
            )),
        }
    }
}

/// The name and the password of a request.
fn said(headers: &HeaderMap) -> Option<(String, String)> {
    let told = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, code) = told.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let both = String::from_utf8(BASE64_STANDARD.decode(code.trim()).ok()?).ok()?;
    let (user, password) = both.split_once(':')?;
    Some((user.trim().to_lowercase(), password.to_owned()))
}

/// Looks at every key, so that the time tells nothing about names.
fn opened(keys: &[Key], user: &str, password: &str) -> Option<String> {
    let digest: [u8; 32] = Sha256::digest(password).into();
    let fits = |key: &&Key| bool::from(key.digest.ct_eq(&digest)) & (key.user == user);
    keys.iter().filter(fits).map(|key| key.user.clone()).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    fn basic(words: &str) -> HeaderMap {
        with(&format!("Basic {}", BASE64_STANDARD.encode(words)))
    }

    #[test]
    fn a_chair_is_opened_by_its_own_key_only() {
        let key = |user: &str, password: &str| Key::new(user, &SecretString::from(password.to_owned()));
        let door = Door::Locked(vec![
            key("ada", "a long pass:word"),
            key("grace", "another long one"),
        ]);
        let enter = |headers: &HeaderMap| door.enter(headers).map_err(|refused| refused.status());
        assert_eq!(enter(&basic("Ada:a long pass:word")), Ok(Some("ada".to_owned())));
        for wrong in [
            HeaderMap::new(),
            basic("ada:another long one"),
            basic("ada:"),
            basic("ada"),
            basic("eve:a long pass:word"),
            with("Basic ???"),
            with("Bearer YWRhOmEgbG9uZyBwYXNzOndvcmQ="),
        ] {
            assert_eq!(enter(&wrong), Err(StatusCode::UNAUTHORIZED), "{wrong:?}");
        }
        assert!(!format!("{door:?}").contains("word"));
        assert_eq!(Door::Open.enter(&HeaderMap::new()).ok(), Some(None));
    }
}
