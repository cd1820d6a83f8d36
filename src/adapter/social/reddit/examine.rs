//! What `doctor` asks the network.

use super::Reddit;
use super::session::is_stale;
use super::translate::account;
use crate::adapter::finding::Finding;
use serde::Deserialize;

/// The account that a token is of (<https://www.reddit.com/dev/api#GET_api_v1_me>).
#[derive(Deserialize)]
struct Me {
    name: String,
}

impl Reddit {
    /// Whether the credentials, the reading and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let me: Me = match self.account.get(&["api", "v1", "me"], &[]).await {
            Ok(me) => me,
            Err(error) => {
                let mend = if is_stale(&error) {
                    "Check client_id, client_secret, username and password; the application must be of the kind \
                     \"script\", and the account one of its developers, without two-factor sign-in."
                } else {
                    "Try again later; if it stays, look whether Reddit approved the application."
                };
                return vec![Finding::wrong(format!("nobody could sign in: {error}"), mend)];
            }
        };
        let mut findings = vec![if account(&me.name) == self.me {
            Finding::well(format!("the token is of u/{}", me.name))
        } else {
            Finding::wrong(
                format!("the token is of u/{}, not of u/{}", me.name, self.username),
                "Write the account's own name into username.",
            )
        }];
        findings.push(self.may_read().await);
        findings.push(Finding::well(
            "whether the account may comment shows with the first reply: nothing is posted to try it",
        ));
        if let Some(quota) = self.account.meter().last() {
            let told = format!("{} of {} calls are left for now", quota.left, quota.limit);
            findings.push(Finding::well(told));
        }
        findings.push(Finding::clocks(self.account.date().await, self.clock.now()));
        findings
    }

    async fn may_read(&self) -> Finding {
        let query = [("limit", "1"), ("mark", "false")];
        let asking = self
            .account
            .get::<super::wire::Listing>(&["message", "inbox"], &query);
        match asking.await {
            Ok(_) => Finding::well("the inbox can be read"),
            Err(error) => Finding::wrong(
                format!("the inbox cannot be read ({error})"),
                "Try again later; if it stays, look whether the account is in good standing.",
            ),
        }
    }
}
