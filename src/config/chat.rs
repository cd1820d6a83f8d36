//! `[slack]`, `[discord]`.

use super::section::{Section, Wrong};
use secrecy::SecretString;
use url::Url;

/// `[slack]`
#[derive(Debug, Clone)]
pub struct Slack {
    /// The bot token, `xoxb-…`.
    pub bot_token: SecretString,
    /// The app-level token, `xapp-…`: Socket Mode. Without it, HTTP mode.
    pub app_token: Option<SecretString>,
    /// The signing secret: HTTP mode.
    pub signing_secret: Option<SecretString>,
    /// Where cases open.
    pub channel: String,
    /// The Web API's address.
    pub api_url: Url,
}

impl Slack {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let bot_token = section.need_secret("bot_token", "\"xoxb-…\"", |text| {
            begins(
                text,
                "xoxb-",
                "copy the Bot User OAuth Token from \"OAuth & Permissions\"",
            )
        });
        let app_token = section.secret("app_token", |text| {
            begins(
                text,
                "xapp-",
                "make an app-level token with connections:write in \"Basic Information\"",
            )
        });
        let signing_secret = section.secret("signing_secret", token);
        let channel = section.need("channel", "\"C0123456789\"");
        let api_url = section.get("api_url");
        Self::validate(section, channel.as_deref());
        Some(Self {
            bot_token: bot_token?,
            app_token,
            signing_secret,
            channel: channel?,
            api_url: api_url.or_else(slack_api)?,
        })
    }

    fn validate(section: &mut Section<'_>, channel: Option<&str>) {
        if let Some(channel) = channel {
            section.check("channel", channel_id(channel));
        }
        if !section.has("app_token") && !section.has("signing_secret") {
            let wrong = Wrong::new(
                "has neither app_token nor signing_secret, so nothing can be heard",
                "add `app_token = \"xapp-…\"` for Socket Mode or `signing_secret = \"…\"` for HTTP",
            );
            section.wrong("", wrong);
        }
    }
}

fn slack_api() -> Option<Url> {
    "https://slack.com/api".parse().ok()
}

/// `[discord]`
#[derive(Debug, Clone)]
pub struct Discord {
    /// The bot token.
    pub token: SecretString,
    /// The guild's id.
    pub guild: String,
    /// Where cases open: a forum or a text channel.
    pub channel: String,
    /// The application's public key, hexadecimal: only for the HTTP interactions endpoint.
    pub public_key: Option<String>,
    /// The API's address; the API lives under `/api/v10` of it.
    pub api_url: Url,
}

impl Discord {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let discord_token = section.need_secret("token", "\"…\"", token);
        let guild: Option<String> = section.need("guild", "\"1100000000000000000\"");
        let channel: Option<String> = section.need("channel", "\"1100000000000000001\"");
        let public_key: Option<String> = section.get("public_key");
        let api_url = section.get("api_url");
        for (key, id) in [("guild", &guild), ("channel", &channel)] {
            if let Some(id) = id {
                section.check(key, snowflake(id));
            }
        }
        if let Some(public_key) = &public_key {
            section.check("public_key", key_of_64_digits(public_key));
        }
        Some(Self {
            token: discord_token?,
            guild: guild?,
            channel: channel?,
            public_key,
            api_url: api_url.or_else(discord_api)?,
        })
    }
}

fn discord_api() -> Option<Url> {
    "https://discord.com".parse().ok()
}

/// A token: no space or line end crept in.
pub(super) fn token(text: &str) -> Result<(), Wrong> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::new("has a space or a line end in it", "copy it again"));
    }
    Ok(())
}

/// A token that begins with this.
fn begins(text: &str, prefix: &str, mend: &str) -> Result<(), Wrong> {
    if !text.starts_with(prefix) {
        return Err(Wrong::new(format!("must begin with {prefix}"), mend));
    }
    token(text)
}

/// A Slack channel by id, not by name.
pub(super) fn channel_id(text: &str) -> Result<(), Wrong> {
    if text.starts_with(['#', '@', '<']) || text.contains(char::is_whitespace) {
        let mend = "take the id, like C0123456789, from the end of the channel's \"About\" page";
        return Err(Wrong::new("is a name, not an id", mend));
    }
    Ok(())
}

/// A Discord id: <https://docs.discord.com/developers/reference#snowflakes>.
pub(super) fn snowflake(text: &str) -> Result<(), Wrong> {
    if text.parse::<u64>().is_ok_and(|id| id > 0) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let mend = "an id is digits only: turn on Developer Mode in Discord, then right-click and \"Copy ID\"";
    Err(Wrong::new("is not a Discord id", mend))
}

fn key_of_64_digits(text: &str) -> Result<(), Wrong> {
    let mut key = [0_u8; 32];
    hex::decode_to_slice(text, &mut key).map_err(|_| {
        Wrong::new(
            "is not 64 hexadecimal digits",
            "copy the Public Key from \"General Information\"",
        )
    })
}
