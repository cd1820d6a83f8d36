//! `platform = "telegram"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use url::Url;

/// Where the Bot API is.
const HOME: &str = "https://api.telegram.org";
/// The most characters of a webhook's secret.
const LONGEST_SECRET: usize = 256;

/// `platform = "telegram"`
#[derive(Debug, Clone)]
pub struct Telegram {
    /// The source's name; with a `webhook_secret`, updates come to `/webhooks/{name}`.
    pub name: String,
    /// Where the Bot API is.
    pub url: Url,
    /// The bot's token.
    pub token: SecretString,
    /// The secret of the webhook; without it, updates are asked for.
    pub webhook_secret: Option<SecretString>,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Telegram {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let token = section.need_secret("token", "\"123456:…\"", token);
        let webhook_secret = section.secret("webhook_secret", secret);
        let approval = section.get("approval");
        Some(Self {
            name: name?,
            url: url?,
            token: token?,
            webhook_secret,
            approval,
        })
    }
}

/// A bot's number, a colon, and what only its owner knows.
fn token(text: &str) -> Result<(), Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let sound = text.split_once(':').is_some_and(|(number, rest)| {
        number.parse::<i64>().is_ok_and(|number| number > 0) && !rest.is_empty() && rest.bytes().all(plain)
    });
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        "is no bot's token",
        "copy it from @BotFather; it looks like 123456:ABC-DEF",
    ))
}

/// What Telegram takes as `secret_token`.
fn secret(text: &str) -> Result<(), Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (16..=LONGEST_SECRET).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(Wrong::new(
        "must be 16 to 256 letters, digits, _ and -",
        "make one with: openssl rand -hex 32",
    ))
}
