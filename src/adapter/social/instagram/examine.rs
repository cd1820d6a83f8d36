//! What `doctor` asks Instagram.

use super::Instagram;
use super::wire::Account;
use crate::adapter::finding::Finding;

impl Instagram {
    /// Whether the token, the permissions and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let account = self.account.as_str();
        let asked = self
            .graph
            .get::<Account>(&[account], &[("fields", "id,username")])
            .await;
        let mut findings = vec![match asked {
            Ok(asked) => Finding::well(format!(
                "the token sees @{} ({account})",
                asked.username.unwrap_or_default()
            )),
            Err(error) => {
                return vec![Finding::wrong(
                    format!("{error}"),
                    "Check url, account_id (GET /PAGE?fields=instagram_business_account), access_token (of the page \
                     that the account belongs to) and app_secret.",
                )];
            }
        }];
        let edges = [
            (
                "media and comments",
                [account, "media"],
                "instagram_basic and instagram_manage_comments",
            ),
            (
                "pictures that tag the account",
                [account, "tags"],
                "instagram_manage_comments",
            ),
            (
                "conversations",
                ["me", "conversations"],
                "instagram_manage_messages",
            ),
        ];
        for (what, path, permissions) in edges {
            let query = [("limit", "1"), ("platform", "instagram")];
            let query = if path[1] == "conversations" {
                &query[..]
            } else {
                &query[..1]
            };
            let read = self.graph.get::<serde_json::Value>(&path, query).await;
            findings.push(match read {
                Ok(_) => Finding::well(format!("{what} can be read")),
                Err(error) => Finding::wrong(
                    format!("{what} cannot be read ({error})"),
                    format!("Give the token {permissions}, with Advanced Access."),
                ),
            });
        }
        findings.push(Finding::well(format!(
            "Meta tells of comments and mentions at /webhooks/{} if the app's Webhooks settings name it for the \
             object Instagram: they cannot be looked at with this token",
            self.source
        )));
        findings.extend(self.graph.quota());
        findings.push(Finding::clocks(self.graph.date().await, self.clock.now()));
        findings
    }
}
