//! What `doctor` asks Telegram.

use super::api::Failed;
use super::wire::WebhookInfo;
use super::{Mode, Telegram};
use crate::adapter::finding::Finding;
use serde::Deserialize;
use serde_json::json;

/// <https://core.telegram.org/bots/api#getme>
#[derive(Deserialize)]
struct Myself {
    #[serde(default)]
    username: String,
    /// Whether privacy mode is off.
    #[serde(default)]
    can_read_all_group_messages: bool,
}

impl Telegram {
    /// Whether the token, the way of the updates and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let myself: Myself = match self.api.read("getMe", &json!({})).await {
            Ok(myself) => myself,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("the bot cannot sign in: {error}"),
                    "Check token and url; @BotFather shows the token, and makes a new one with /revoke.",
                )];
            }
        };
        vec![
            Finding::well(format!("the token is of @{}", myself.username)),
            Finding::well(if myself.can_read_all_group_messages {
                "the bot hears everything in its groups"
            } else {
                "the bot hears in groups what answers it or names it, and everything where it is an administrator; to \
                 hear all, turn privacy mode off with /setprivacy at @BotFather and add the bot again"
            }),
            self.updates_come().await,
            Finding::clocks(self.api.date().await, self.clock.now()),
        ]
    }

    /// Whether updates come as they are configured to.
    async fn updates_come(&self) -> Finding {
        let info: Result<WebhookInfo, Failed> = self.api.read("getWebhookInfo", &json!({})).await;
        match (info, &self.mode) {
            (Err(error), _) => Finding::wrong(
                format!("how updates come is not told ({error})"),
                "Try again later.",
            ),
            (Ok(info), Mode::Asking) if info.url.is_empty() => Finding::well("updates are asked for"),
            (Ok(_), Mode::Asking) => Finding::wrong(
                "a webhook is set, so updates cannot be asked for",
                "Take it off with deleteWebhook, or configure webhook_secret.",
            ),
            (Ok(info), Mode::Pushed(_)) if info.url.is_empty() => Finding::wrong(
                "no webhook is set, so nobody tells us of messages",
                "Set it with setWebhook: url is public_url/webhooks/NAME, secret_token is webhook_secret.",
            ),
            (Ok(info), Mode::Pushed(_)) => {
                match info.last_error_message.filter(|_| info.pending_update_count > 0) {
                    Some(why) => Finding::wrong(
                        format!(
                            "Telegram has {} updates that it could not deliver: {why}",
                            info.pending_update_count
                        ),
                        "Look whether the webhook's address can be reached from outside, and its secret_token is \
                     webhook_secret.",
                    ),
                    None => Finding::well("updates are pushed to us"),
                }
            }
        }
    }
}
