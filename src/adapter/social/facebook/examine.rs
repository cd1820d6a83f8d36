//! What `doctor` asks Facebook.

use super::Facebook;
use crate::adapter::api::Failed;
use crate::adapter::finding::Finding;
use crate::adapter::graph::wire::Who;
use serde::Deserialize;

/// The webhook fields that news comes by.
const FIELDS: [&str; 4] = ["feed", "mention", "ratings", "messages"];

impl Facebook {
    /// Whether the token, the permissions, the webhook and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let me: Result<Who, Failed> = self.graph.get(&["me"], &[("fields", "id,name")]).await;
        let mut findings = vec![match me {
            Ok(me) if self.is_ours(&me.id) => {
                Finding::well(format!("the token is of the page {}", me.name.unwrap_or(me.id)))
            }
            Ok(me) => Finding::wrong(
                format!("the token is of {}, not of the page {}", me.id, self.page),
                "Use a Page access token of this page: GET /me/accounts lists them with their ids.",
            ),
            Err(error) => {
                return vec![Finding::wrong(
                    format!("{error}"),
                    "Check url, access_token (a Page access token) and app_secret (App settings, Basic).",
                )];
            }
        }];
        let page = self.page.as_str();
        let scope = "Give the token";
        let edges = [
            (
                "posts and comments",
                "feed",
                "pages_read_engagement and pages_read_user_content",
            ),
            ("posts that tag the page", "tagged", "pages_read_user_content"),
            ("messages", "conversations", "pages_messaging"),
        ];
        for (what, edge, permissions) in edges {
            let read: Result<serde_json::Value, _> = self.graph.get(&[page, edge], &[("limit", "1")]).await;
            findings.push(match read {
                Ok(_) => Finding::well(format!("{what} can be read")),
                Err(error) => Finding::wrong(
                    format!("{what} cannot be read ({error})"),
                    format!("{scope} {permissions}, with Advanced Access."),
                ),
            });
        }
        findings.push(self.is_told().await);
        findings.push(Finding::well(
            "whether the page may comment shows with the first reply (pages_manage_engagement): nothing is posted \
             to try it",
        ));
        findings.extend(self.graph.quota());
        findings.push(Finding::clocks(self.graph.date().await, self.clock.now()));
        findings
    }

    /// Whether Meta tells us of news. Without it a sweep sees what it can, only later.
    async fn is_told(&self) -> Finding {
        #[derive(Deserialize)]
        struct Apps {
            data: Vec<App>,
        }
        #[derive(Deserialize)]
        struct App {
            #[serde(default)]
            subscribed_fields: Vec<String>,
        }
        let apps: Result<Apps, _> = self.graph.get(&[&self.page, "subscribed_apps"], &[]).await;
        let mend = format!(
            "Set the address /webhooks/{} with the verify_token in the app's Webhooks settings, and POST \
             /{}/subscribed_apps with subscribed_fields={}.",
            self.source,
            self.page,
            FIELDS.join(",")
        );
        let apps = match apps {
            Ok(apps) => apps.data,
            Err(error) => return Finding::wrong(format!("webhooks cannot be looked at ({error})"), mend),
        };
        let told: Vec<_> = apps.into_iter().flat_map(|app| app.subscribed_fields).collect();
        let missing: Vec<_> = FIELDS
            .iter()
            .filter(|field| !told.iter().any(|told| told == **field))
            .collect();
        if missing.is_empty() {
            return Finding::well("the app is subscribed to the page's news");
        }
        let missing: Vec<_> = missing.into_iter().copied().collect();
        Finding::wrong(
            format!("the app is not subscribed to {} of the page", missing.join(", ")),
            mend,
        )
    }
}
