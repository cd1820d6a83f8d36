//! What `doctor` asks X.

use super::X;
use crate::adapter::finding::Finding;

impl X {
    /// Whether the credentials, the reading and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let me = match self.me().await {
            Ok(me) => me,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("nobody lets us in: {error}"),
                    "Check the credentials and the application's credits in X's developer console.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the credentials are of @{} ({})",
            me.username, me.id
        ))];
        findings.push(self.may_read(&me.id).await);
        findings.push(Finding::well(
            "whether the account may post shows with the first reply: nothing is posted to try it",
        ));
        if self.secrets.is_none() {
            findings.push(Finding::well(
                "no webhook is taken: it wants client_secret or consumer_secret; the sweep hears everything, later",
            ));
        }
        if let Some(quota) = self.way.meter().last() {
            findings.push(Finding::well(format!(
                "{} of {} calls are left for now",
                quota.left, quota.limit
            )));
        }
        if self.way.meter().kept(self.clock.now()).is_none() {
            findings.push(Finding::well("no budget is set: what is spent has no end"));
        }
        findings.push(Finding::clocks(self.way.date().await, self.clock.now()));
        findings
    }

    async fn may_read(&self, me: &str) -> Finding {
        let query = [("max_results", "5")];
        match self.way.page(&["2", "users", me, "mentions"], &query).await {
            Ok(_) => Finding::well("mentions can be read"),
            Err(error) => Finding::wrong(
                format!("mentions cannot be read ({error})"),
                "Give the application the scopes tweet.read and users.read, and credits.",
            ),
        }
    }
}
