//! The rows on a mailbox: of a server that keeps what it sends, and of one that does not.

use super::{Call, Counted, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::mail::{ADDRESS, FakeMail, PASSWORD};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::email::Email;
use hearback::config::{self, SentCopy};
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// A server that keeps what it sends.
pub type Keeping = OnMail<true>;
/// One that does not: we put it there.
pub type Forgetful = OnMail<false>;

/// A mail server, and our mailbox there.
pub struct OnMail<const KEEPS: bool> {
    server: FakeMail,
    clock: ManualClock,
}

const COMES: &str = "nothing is pushed to our addresses: the mailbox is read";
const ONE: &str = "there is one mailbox, and nothing beside it";
const DRAFT: &str = "a letter whose answer was lost stands as a draft: a person is asked (tests/it/email.rs)";

const CANNOT: &[(Row, &str)] = &[
    (Row::Ambiguous, DRAFT),
    (Row::Finds, DRAFT),
    (Row::FindsNot, DRAFT),
    (Row::Signature, COMES),
    (Row::Twice, COMES),
    (Row::Edit, "letters cannot be edited"),
    (Row::Deletion, "who puts a letter away takes nothing back"),
    (Row::Refresh, "a password does not end by itself"),
    (Row::Forbidden, ONE),
    (
        Row::Limited,
        "mail servers know no 429; and nothing is read beside the mailbox",
    ),
    (Row::Quota, "mail servers tell no quota"),
];

impl<const KEEPS: bool> Stage for OnMail<KEEPS> {
    const PLATFORM: &'static str = if KEEPS { "email, server" } else { "email, append" };
    const MISPLACES: &'static [Misplaced] = &[];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::AuthorPage, Untold::Page];
    /// The first three are of the one that does not keep.
    const CANNOT: &'static [(Row, &'static str)] = if KEEPS { CANNOT.split_at(3).1 } else { CANNOT };

    fn handle(who: &str) -> String {
        format!("{who}@mail.example")
    }

    async fn set(clock: &ManualClock, _: Option<Misplaced>) -> Self {
        Self {
            server: FakeMail::start(house::clock(clock), KEEPS).await,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Email {
            name: "letters".to_owned(),
            imap_url: self.server.imap_url(),
            smtp_url: Some(self.server.smtp_url()),
            username: ADDRESS.to_owned(),
            password: SecretString::from(PASSWORD),
            folder: "INBOX".to_owned(),
            from: ADDRESS.to_owned(),
            from_name: Some("Shop".to_owned()),
            sent: None,
            sent_copy: if KEEPS { SentCopy::Server } else { SentCopy::Append },
            alerts: vec![],
            poll: Duration::from_secs(300),
            approval: None,
        };
        Arc::new(Email::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.write(who, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.write_at(who, text, self.clock.now() - by)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.answer(who, post, text)
    }

    fn deletes(&self, post: &str) {
        self.server.put_away(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        self.server.we_write(post, text)
    }

    fn garbles(&self) {
        self.server
            .put_raw(b"Subject: nobody wrote this\r\n\r\nhello\r\n");
    }

    fn next(&self, call: Call, fault: Fault) {
        self.server.faults().next(name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        match call {
            Call::Publish => self.server.data(),
            Call::Listen | Call::Beside => self.server.opened(),
        }
    }

    fn locks_out(&self) {
        self.server.lock_out();
    }

    fn signed_in(&self) -> usize {
        self.server.logins()
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 20_000,
            unit: "characters",
        };
        vec![
            count("ä".repeat(20_000), 20_000),
            count("ä".repeat(20_001), 20_001),
            count(".\n".repeat(100) + "end", 203),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let delivered = self.server.delivered().into_iter();
        delivered
            .map(|seen| Standing {
                id: seen.id,
                parent: seen.in_reply_to,
                text: seen.text,
                url: String::new(),
            })
            .collect()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "listen",
        Call::Publish => "publish",
        Call::Beside => panic!("there is nothing beside a mailbox"),
    }
}

mod server {
    use super::{Keeping, Stage};
    rows!(tests!(Keeping));
}

mod append {
    use super::{Forgetful, Stage};
    rows!(tests!(Forgetful));
}
