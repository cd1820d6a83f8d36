//! What `doctor` asks Threads.

use super::Threads;
use crate::adapter::finding::Finding;
use serde_json::Value;

impl Threads {
    /// Whether the token, the permissions and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let me = match self.me().await {
            Ok(me) => me,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("{error}"),
                    "Check url and access_token (a long-lived token of the Threads API, which holds for 60 days).",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the token is of @{} ({})",
            me.username, me.id
        ))];
        let mut edges = vec![
            ("our posts", vec![me.id.as_str(), "threads"], "threads_basic"),
            (
                "our answers",
                vec![me.id.as_str(), "replies"],
                "threads_read_replies",
            ),
            (
                "mentions",
                vec![me.id.as_str(), "mentions"],
                "threads_manage_mentions",
            ),
        ];
        if let Some(words) = self.search.first() {
            edges.push((
                "what others say",
                vec!["keyword_search", words],
                "threads_keyword_search",
            ));
        }
        for (what, path, permission) in edges {
            // A search has its words in the query.
            let (path, query) = match path.as_slice() {
                ["keyword_search", words] => (&path[..1], vec![("q", *words), ("limit", "1")]),
                _ => (&path[..], vec![("limit", "1")]),
            };
            findings.push(match self.graph.get::<Value>(path, &query).await {
                Ok(_) => Finding::well(format!("{what} can be read")),
                Err(error) => Finding::wrong(
                    format!("{what} cannot be read ({error})"),
                    format!("Give the token {permission}, with Advanced Access."),
                ),
            });
        }
        findings.push(self.replies_left(&me.id).await);
        findings.push(Finding::well(format!(
            "Meta tells of answers and mentions at /webhooks/{} if the app's settings say so: they cannot be looked \
             at with this token",
            self.source
        )));
        findings.push(Finding::clocks(self.graph.date().await, self.clock.now()));
        findings
    }

    /// <https://developers.facebook.com/docs/threads/retrieve-and-manage-replies>, "Rate limits"
    async fn replies_left(&self, me: &str) -> Finding {
        let query = [("fields", "reply_quota_usage,reply_config")];
        match self
            .graph
            .get::<Value>(&[me, "threads_publishing_limit"], &query)
            .await
        {
            Ok(told) => {
                let told = &told["data"][0];
                let (used, whole) = (&told["reply_quota_usage"], &told["reply_config"]["quota_total"]);
                Finding::well(format!("{used} of {whole} replies of a day are used"))
            }
            Err(error) => Finding::wrong(
                format!("how many replies are left cannot be read ({error})"),
                "Give the token threads_content_publish and threads_manage_replies.",
            ),
        }
    }
}
