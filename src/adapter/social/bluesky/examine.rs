//! What `doctor` asks the network.

use super::Bluesky;
use super::session::name;
use super::wire::Page;
use crate::adapter::finding::Finding;

impl Bluesky {
    /// Whether the password, the reading and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let session = match self.xrpc.session().await {
            Ok(session) => session,
            Err(error) => {
                let mend = match name(&error) {
                    Some("AuthFactorTokenRequired") => {
                        "The account wants a second factor: use an app password, which needs none (Settings, \
                         Privacy and security, App passwords)."
                    }
                    Some(_) | None => {
                        "Check url, identifier and password; an app password is made under Settings, Privacy and \
                         security, App passwords."
                    }
                };
                return vec![Finding::wrong(format!("no session: {error}"), mend)];
            }
        };
        let home = session.home.host_str().unwrap_or_default().to_owned();
        let mut findings = vec![Finding::well(format!(
            "the session is of @{} ({}); its data is at {home}",
            session.handle, session.did
        ))];
        findings.push(self.may_read().await);
        findings.push(Finding::well(
            "whether the account may post shows with the first reply: nothing is posted to try it",
        ));
        findings.extend(self.quota());
        if let Some(jetstream) = &self.jetstream {
            findings.push(jetstream.examine().await);
        }
        findings.push(Finding::clocks(self.xrpc.date().await, self.clock.now()));
        findings
    }

    async fn may_read(&self) -> Finding {
        let query = [("reasons", "mention"), ("limit", "1")];
        let asking = self
            .xrpc
            .get::<Page>("app.bsky.notification.listNotifications", &query);
        match asking.await {
            Ok(_) => Finding::well("notifications can be read"),
            Err(error) => Finding::wrong(
                format!("notifications cannot be read ({error})"),
                "Try again later; if it stays, look whether the account is in good standing.",
            ),
        }
    }

    fn quota(&self) -> Option<Finding> {
        let quota = self.xrpc.meter().last()?;
        Some(Finding::well(format!(
            "{} of {} calls are left for now",
            quota.left, quota.limit
        )))
    }
}
