//! The lines of `doctor`.

use super::StackExchange;
use super::api::SCOPES;
use crate::adapter::finding::Finding;
use chrono::TimeDelta;

/// The points of reputation from which on an account may comment everywhere
/// (<https://stackoverflow.com/help/privileges/comment>).
const COMMENTS: i64 = 50;
/// So long before its end a token is told of.
const SOON: TimeDelta = TimeDelta::days(7);

impl StackExchange {
    /// Whether the site, the token and the clocks are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Err(error) = self.api.list(&["info"], &[]).await {
            findings.push(Finding::wrong(
                format!("{} cannot be read: {error}", self.api.site()),
                "Check url, site and key, and where there is one the access token.",
            ));
            return findings;
        }
        findings.push(Finding::well(format!("{} can be read", self.api.site())));
        if self.api.has_token() {
            findings.extend(self.account().await);
        } else {
            let told = "there is no access token: the inbox is not read, and answers are written by hand";
            findings.push(Finding::well(told));
        }
        if let Some(quota) = self.api.meter().last() {
            let told = format!("{} of {} calls are left today", quota.left, quota.limit);
            findings.push(Finding::well(told));
        }
        findings.push(Finding::clocks(self.api.date().await, self.clock.now()));
        findings
    }

    /// Who we are there, and what we may do.
    async fn account(&self) -> Vec<Finding> {
        let user = match self.user().await {
            Ok(user) => user,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("the access token is of no use: {error}"),
                    "Join the site with the account, or let `hearback connect` get a new token.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the token is of {} ({} points of reputation)",
            user.display_name, user.reputation
        ))];
        if user.reputation < COMMENTS {
            findings.push(Finding::wrong(
                format!("the account may not comment everywhere: that takes {COMMENTS} points of reputation"),
                "Earn them on the site; until then answer by hand.",
            ));
        }
        findings.push(self.scopes().await);
        findings
    }

    async fn scopes(&self) -> Finding {
        let mend = "Run `hearback connect` for this source again.";
        let token = match self.api.token().await {
            Ok(Some(token)) => token,
            Ok(None) => return Finding::wrong("the API does not know the token", mend),
            Err(error) => return Finding::wrong(format!("the token cannot be looked at: {error}"), mend),
        };
        let has = |scope: &str| token.scope.iter().any(|other| other == scope);
        let missing: Vec<_> = SCOPES[..2].iter().copied().filter(|scope| !has(scope)).collect();
        if !missing.is_empty() {
            return Finding::wrong(format!("the token lacks {}", missing.join(" and ")), mend);
        }
        match token.expires_on_date {
            Some(end) if end - self.clock.now() < SOON => {
                let end = end.format("%Y-%m-%d %H:%M UTC");
                Finding::wrong(format!("the token ends at {end}, and nothing renews it"), mend)
            }
            Some(_) | None => Finding::well("the token may read the inbox and write"),
        }
    }
}
