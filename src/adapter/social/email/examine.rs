//! What `doctor` asks the mail servers.

use super::Email;
use super::imap::{self, Trouble, within};
use crate::adapter::finding::Finding;
use crate::port::PortError;

impl Email {
    /// Whether both servers let us in, and the folders are there. Sends nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let mut session = match self.mailbox.open().await {
            Ok(session) => session,
            Err(error) => {
                let mend = match error {
                    Trouble::Refused(_) => {
                        "Check username and password; many servers want a password made for programs, or IMAP to be allowed first."
                    }
                    Trouble::Unreached(_) | Trouble::Broken(_) => {
                        "Check imap_url: imaps:// on port 993, or imap:// on 143."
                    }
                };
                return vec![Finding::wrong(
                    format!("the mailbox does not open: {error}"),
                    mend,
                )];
            }
        };
        let mut findings = vec![match within(session.examine(imap::name(&self.folder))).await {
            Ok(folder) => Finding::well(format!("{} can be read: {} letters", self.folder, folder.exists)),
            Err(error) => Finding::wrong(
                format!("{} cannot be read ({error})", self.folder),
                "Check `folder`: it is written as the server names it.",
            ),
        }];
        findings.push(match imap::can_idle(&mut session).await {
            Ok(true) => Finding::well("the server tells of letters at once (IDLE)"),
            Ok(false) | Err(_) => {
                Finding::well("the server does not tell of letters by itself: it is asked every `poll`")
            }
        });
        let Some(outbox) = &self.outbox else {
            findings.push(Finding::well("without smtp_url it only listens"));
            return findings;
        };
        let sent = match self.sent_folder(&mut session).await {
            Ok(folder) => match within(session.examine(&folder)).await {
                Ok(_) => Ok(folder),
                Err(error) => Err(format!("{folder} cannot be read ({error})")),
            },
            Err(error) => Err(error.to_string()),
        };
        findings.push(match sent {
            Ok(folder) => Finding::well(format!("sent letters are looked up in {folder}")),
            Err(error) => Finding::wrong(error, "Write `sent = \"…\"`, as the server names the folder."),
        });
        let opening = tokio::time::timeout(self.timeout, outbox.open());
        findings.push(match opening.await.unwrap_or_else(|_| Err(silent())) {
            Ok(mut connection) => {
                connection.abort().await;
                Finding::well("the server for sending lets us in")
            }
            Err(error) => Finding::wrong(
                format!("the server for sending does not let us in: {error}"),
                "Check smtp_url (smtps:// on port 465, or smtp:// on 587), username and password.",
            ),
        });
        let keeps = ["gmail.com", "office365.com", "outlook.com"];
        let host = self.smtp_host.as_str();
        if !self.server_keeps && keeps.iter().any(|keeper| host.ends_with(keeper)) {
            findings.push(Finding::wrong(
                format!(
                    "{host} keeps what it sends by itself, so each letter stands twice among the sent ones"
                ),
                "Write sent_copy = \"server\".",
            ));
        }
        findings
    }
}

fn silent() -> PortError {
    PortError::NotReached("it does not answer".to_owned())
}
