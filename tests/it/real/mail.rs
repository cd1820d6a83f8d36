//! The whole way of a letter: a customer's leaves by Postfix, Dovecot tells of it, Ada answers, and the answer
//! stands in the customer's mailbox once, whatever is killed meanwhile.

use super::desk::Desk;
use super::dovecot::{Session, found, session};
use crate::fake::mail::{ADDRESS, PASSWORD};
use futures_util::TryStreamExt as _;
use hearback::domain::{Clock as _, SystemClock};
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use mail_parser::MessageParser;
use std::process::Command;
use std::time::Duration;
use url::Url;

const ANN: &str = "ann@mail.example";
/// How Ada is told that a letter left.
const LEFT: &str = "The private reply is delivered.";
/// How she is told that nobody knows.
const LOOK: &str = "Please look: was the reply published?";

/// A mail server, and a customer who uses it.
struct Town {
    way_in: AsyncSmtpTransport<Tokio1Executor>,
    imap: Url,
    dovecot: String,
    /// What sets the letters of one run apart from those of another.
    mark: i64,
}

impl Town {
    fn id(&self, name: &str) -> String {
        format!("{name}.{}@mail.example", self.mark)
    }

    /// Ann writes, with more lines in the head.
    async fn write(&self, name: &str, text: &str, more: &str) {
        let raw = format!(
            "From: Ann <{ANN}>\r\nTo: <{ADDRESS}>\r\nSubject: My parcel\r\nMessage-ID: <{}>\r\n{more}\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
            self.id(name)
        );
        let envelope = Envelope::new(Some(ANN.parse().unwrap()), vec![ADDRESS.parse().unwrap()]);
        self.way_in
            .send_raw(&envelope.unwrap(), raw.as_bytes())
            .await
            .unwrap();
    }

    /// The letters that Ann got in answer to one of hers: their whole text.
    async fn got(&self, name: &str) -> Vec<String> {
        let mut ann = session(&self.imap, ANN).await;
        let query = format!("HEADER In-Reply-To \"<{}>\"", self.id(name));
        raws(&mut ann, "INBOX", &query).await
    }

    async fn ours(&self) -> Session {
        session(&self.imap, ADDRESS).await
    }

    /// What the administrator of the server does.
    fn doveadm(&self, args: &[&str]) {
        let mut command = Command::new("doveadm");
        let done = command.args(["-c", &self.dovecot]).args(args).status().unwrap();
        assert!(done.success(), "doveadm {args:?}");
    }

    fn stop(&self) {
        self.doveadm(&["stop"]);
    }

    fn start(&self) {
        let done = Command::new("dovecot")
            .args(["-c", &self.dovecot])
            .status()
            .unwrap();
        assert!(done.success(), "dovecot");
    }
}

async fn raws(session: &mut Session, folder: &str, query: &str) -> Vec<String> {
    session.examine(folder).await.unwrap();
    let uids = session.uid_search(query).await.unwrap();
    if uids.is_empty() {
        return Vec::new();
    }
    let uids: Vec<_> = uids.iter().map(u32::to_string).collect();
    let fetched = session
        .uid_fetch(uids.join(","), "(UID BODY.PEEK[])")
        .await
        .unwrap();
    let fetched: Vec<_> = fetched.try_collect().await.unwrap();
    let raw = fetched
        .iter()
        .map(|one| String::from_utf8(one.body().unwrap().to_vec()).unwrap());
    raw.collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where a server is"
)]
async fn mail() {
    let (Ok(told), Ok(imap)) = (
        std::env::var("HEARBACK_TEST_MAIL"),
        std::env::var("HEARBACK_TEST_DOVECOT"),
    ) else {
        eprintln!("Not played: HEARBACK_TEST_MAIL names no servers (tests/real/dovecot.sh starts them).");
        return;
    };
    let told: Vec<_> = told.split_whitespace().collect();
    let [imap_url, smtp_url, way_in, dovecot, certificate] = told[..] else {
        panic!("HEARBACK_TEST_MAIL is not \"IMAP SMTP CUSTOMER_SMTP DOVECOT_CONF CERTIFICATE\"");
    };
    let way_in: Url = way_in.parse().unwrap();
    let host = way_in.host_str().unwrap();
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(way_in.port().unwrap())
        .credentials(Credentials::new(ANN.to_owned(), PASSWORD.to_owned()))
        .build();
    let town = Town {
        way_in: transport,
        imap: imap.parse().unwrap(),
        dovecot: dovecot.to_owned(),
        mark: SystemClock.now().timestamp_micros(),
    };
    // So long that only IDLE can bring a letter in time.
    let source = format!(
        "name = \"letters\"\nplatform = \"email\"\nimap_url = \"{imap_url}\"\nsmtp_url = \"{smtp_url}\"\n\
         username = \"{ADDRESS}\"\npassword = \"{PASSWORD}\"\npoll = \"25m\""
    );
    let mut desk = Desk::open(&source, &[("SSL_CERT_FILE", certificate)]).await;
    let said = desk.command(&["doctor"]).await;
    for words in [
        "INBOX can be read",
        "(IDLE)",
        "Sent Items",
        "the server for sending lets us in",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    answered(&town, &mut desk).await;
    killed(&town, &mut desk).await;
    restarted(&town, &desk).await;
    returned(&town, &desk).await;
    renumbered(&town, &mut desk).await;

    // Nothing of the customers' was touched, and nothing went away.
    let mut ours = town.ours().await;
    let flags = found(&mut ours, "INBOX", "ALL").await;
    assert!(
        flags.iter().all(|flags| flags == "[]" || flags == "[Recent]"),
        "{flags:?}"
    );
    let query = format!("HEADER Message-ID \".{}@mail.example\"", town.mark);
    assert_eq!(raws(&mut ours, "INBOX", &query).await.len(), 13);
}

/// A letter comes, is claimed, is answered after a kill, and the customer's answer to it joins the case.
async fn answered(town: &Town, desk: &mut Desk) {
    let word = format!("Päckchen{}", town.mark);
    town.write("first", &format!("Wo bleibt mein {word}?"), "").await;
    let (case, card) = desk.case(&word).await;
    desk.claim(case).await;
    desk.restart().await;
    desk.reply(case, "Es ist unterwegs.\n.\nGrüße").await;
    assert_eq!(desk.says(&card, &[LEFT]).await, LEFT);

    let got = town.got("first").await;
    assert_eq!(got.len(), 1, "{got:?}");
    let letter = MessageParser::default().parse(&got[0]).unwrap();
    assert_eq!(
        letter.body_text(0).unwrap().replace("\r\n", "\n").trim_end(),
        "Es ist unterwegs.\n.\nGrüße"
    );
    assert_eq!(letter.subject(), Some("Re: My parcel"));
    let id = letter.message_id().unwrap().to_owned();
    let mut ours = town.ours().await;
    let copies = found(&mut ours, "Sent Items", &format!("HEADER Message-ID \"<{id}>\"")).await;
    assert_eq!(copies, ["[Seen]"], "our copy is no draft");

    // Some programs tell only what they answer, and not the whole chain.
    let thanks = format!("Danke{}!", town.mark);
    town.write(
        "second",
        &format!("{thanks}\r\n\r\nAm Montag schrieb The Shop:\r\n> Es ist unterwegs."),
        &format!("In-Reply-To: <{id}>\r\n"),
    )
    .await;
    let (again, _) = desk.case(&thanks).await;
    assert_eq!(again, case);
    assert!(
        !desk.thread(&card).contains("Am Montag"),
        "what it quotes is left out"
    );
}

/// Killed at any moment after Ada answered: the customer gets it once, or Ada is asked.
async fn killed(town: &Town, desk: &mut Desk) {
    for turn in 0..8_u64 {
        let (name, word) = (format!("kill{turn}"), format!("broken{turn}x{}", town.mark));
        town.write(&name, &format!("It is {word}"), "").await;
        let (case, card) = desk.case(&word).await;
        desk.reply(case, &format!("Sorry, no. {turn}.")).await;
        tokio::time::sleep(Duration::from_millis(turn * 12)).await;
        desk.restart().await;
        let end = desk.says(&card, &[LEFT, LOOK]).await;
        let got = town.got(&name).await.len();
        eprintln!(
            "killed {} ms after the answer: {end} {got} in the customer's mailbox",
            turn * 12
        );
        assert!(got == 1 || got == 0 && end == LOOK, "{got}, and Ada reads: {end}");
        let mut ours = town.ours().await;
        let query = format!("HEADER In-Reply-To \"<{}>\"", town.id(&name));
        let copies = found(&mut ours, "Sent Items", &query).await;
        let drafts = copies.iter().filter(|flags| flags.contains("Draft")).count();
        assert_eq!(drafts, usize::from(end == LOOK), "{copies:?}");
    }
}

/// The server restarts while Hearback listens.
async fn restarted(town: &Town, desk: &Desk) {
    town.stop();
    town.start();
    let word = format!("restart{}", town.mark);
    town.write("restart", &format!("Is the {word} over?"), "").await;
    desk.case(&word).await;
}

/// An answer that finds no mailbox comes back, and Ada reads so where she gave it.
async fn returned(town: &Town, desk: &Desk) {
    let word = format!("nobody{}", town.mark);
    town.write(
        "nobody",
        &format!("Write to {word}"),
        "Reply-To: <nobody@mail.example>\r\n",
    )
    .await;
    let (case, card) = desk.case(&word).await;
    desk.reply(case, "Here we are.").await;
    desk.says(&card, &[LEFT]).await;
    desk.says(&card, &["the reply did not arrive"]).await;
    assert!(
        desk.thread(&card).contains("User doesn't exist"),
        "{}",
        desk.thread(&card)
    );
}

/// The folder is rebuilt: its letters have new numbers.
async fn renumbered(town: &Town, desk: &mut Desk) {
    let before = desk.cards().len();
    town.doveadm(&[
        "mailbox",
        "update",
        "-u",
        ADDRESS,
        "--uid-validity",
        "77",
        "INBOX",
    ]);
    let word = format!("numbers{}", town.mark);
    town.write("numbers", &format!("What about my {word}?"), "").await;
    desk.restart().await;
    desk.case(&word).await;
    assert_eq!(desk.cards().len(), before + 1);
}
