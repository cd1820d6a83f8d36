//! `[slack]`, `[discord]`.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// `[slack]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The bot token, `xoxb-…`.
    pub bot_token: SecretString,
    /// The app-level token, `xapp-…`: Socket Mode. Without it, HTTP mode.
    #[serde(default)]
    pub app_token: Option<SecretString>,
    /// The signing secret: HTTP mode.
    #[serde(default)]
    pub signing_secret: Option<SecretString>,
    /// Where cases open.
    pub channel: String,
    /// The Web API's address.
    #[serde(default = "slack_api")]
    pub api_url: Url,
}

fn slack_api() -> Url {
    #[expect(clippy::expect_used, reason = "a constant; a test reads it")]
    "https://slack.com/api".parse().expect("a sound address")
}

/// `[discord]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discord {
    /// The bot token.
    pub token: SecretString,
    /// The guild's id.
    pub guild: String,
    /// Where cases open: a forum or a text channel.
    pub channel: String,
    /// The application's public key, hexadecimal: only for the HTTP interactions endpoint.
    #[serde(default)]
    pub public_key: Option<String>,
    /// The API's address; the API lives under `/api/v10` of it.
    #[serde(default = "discord_api")]
    pub api_url: Url,
}

fn discord_api() -> Url {
    #[expect(clippy::expect_used, reason = "a constant; a test reads it")]
    "https://discord.com".parse().expect("a sound address")
}
