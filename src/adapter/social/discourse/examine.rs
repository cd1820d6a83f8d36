//! What `doctor` asks a forum.

use super::Discourse;
use super::wire::Latest;
use crate::adapter::finding::Finding;

impl Discourse {
    /// Whether the key, the reading and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let known = match self.known().await {
            Ok(known) => known,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("the key is of no use: {error}"),
                    "Check url, api_key and api_username; the forum's administrators make keys under Admin, API.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the key is of @{} ({} to {} characters a post)",
            self.api.username(),
            known.settings.min_post_length,
            known.settings.max_post_length
        ))];
        for list in ["posts.json", "private-posts.json"] {
            findings.push(match self.api.get::<Latest>(&[list], &[]).await {
                Ok(_) => Finding::well(format!("{list} can be read")),
                Err(error) => Finding::wrong(
                    format!("{list} cannot be read ({error})"),
                    "Give the key the scope Global, or read and write of topics, posts, users and search.",
                ),
            });
        }
        findings.push(Finding::well(if self.hook.is_some() {
            "posts are pushed to us, if the forum has a webhook for posts at public_url/webhooks/NAME with the secret \
             webhook_secret; a sweep finds the rest"
        } else {
            "posts are asked for; with a webhook and webhook_secret they come at once"
        }));
        if let Some(quota) = self.api.meter().last() {
            let told = format!("{} of {} calls are left for now", quota.left, quota.limit);
            findings.push(Finding::well(told));
        }
        findings.push(Finding::clocks(self.api.date().await, self.clock.now()));
        findings
    }
}
