//! The e-mail connector on a real Dovecot; letters leave by a server made here.

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::mail::{ADDRESS, FakeMail, PASSWORD};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::email::Email;
use hearback::config::{self, SentCopy};
use hearback::domain::{Clock as _, ManualClock, NativeId, ReplyState, SystemClock};
use hearback::port::{Look, SocialPlatform as _, Target};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use url::Url;

pub(super) type Session = async_imap::Session<TcpStream>;

pub(super) async fn session(url: &Url, who: &str) -> Session {
    let at = (url.host_str().unwrap(), url.port().unwrap());
    let mut client = async_imap::Client::new(TcpStream::connect(at).await.unwrap());
    client.read_response().await.unwrap().unwrap();
    client
        .login(who, PASSWORD)
        .await
        .map_err(|(error, _)| error)
        .unwrap()
}

async fn write(session: &mut Session, id: &str, text: &str, more: &str) {
    let raw = format!(
        "From: Ann <ann@mail.example>\r\nTo: {ADDRESS}\r\nSubject: My parcel\r\nMessage-ID: <{id}>\r\n{more}\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    );
    session.append("INBOX", None, None, raw).await.unwrap();
}

/// The letters of a folder that a search finds, with their flags.
pub(super) async fn found(session: &mut Session, folder: &str, query: &str) -> Vec<String> {
    use futures_util::TryStreamExt as _;
    session.examine(folder).await.unwrap();
    let uids = session.uid_search(query).await.unwrap();
    let mut flags = Vec::new();
    for uid in uids {
        let fetched = session.uid_fetch(uid.to_string(), "(UID FLAGS)").await.unwrap();
        let fetched: Vec<_> = fetched.try_collect().await.unwrap();
        flags.push(
            fetched
                .iter()
                .map(|one| format!("{:?}", one.flags().collect::<Vec<_>>()))
                .collect(),
        );
    }
    flags
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where a server is"
)]
async fn dovecot() {
    let Ok(told) = std::env::var("HEARBACK_TEST_DOVECOT") else {
        eprintln!("Not played: HEARBACK_TEST_DOVECOT names no server (tests/real/dovecot.sh starts one).");
        return;
    };
    let url: Url = told.parse().unwrap();
    let clock = ManualClock::new(SystemClock.now());
    let way_out = FakeMail::start(house::clock(&clock), false).await;
    let config = config::Email {
        name: "letters".to_owned(),
        imap_url: url.clone(),
        smtp_url: Some(way_out.smtp_url()),
        username: ADDRESS.to_owned(),
        password: SecretString::from(PASSWORD),
        folder: "INBOX".to_owned(),
        from: ADDRESS.to_owned(),
        from_name: None,
        sent: None,
        sent_copy: SentCopy::Append,
        alerts: vec![],
        poll: Duration::from_secs(60),
        approval: None,
    };
    let mail = Arc::new(Email::new(&config, Duration::from_secs(5), house::clock(&clock)).unwrap());
    let findings = mail.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let mut other = session(&url, ADDRESS).await;
    let mark = clock.now().timestamp_micros();
    let id = |n: u32| format!("{mark}.{n}@mail.example");
    write(&mut other, &id(1), "Wo bleibt mein Päckchen?", "").await;

    let mut core = Core::start(&clock, vec![mail.clone()]).await;
    mail.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let heard = core.cases().await.len();
    assert!(heard >= 1);
    mail.sweep(&core.inbound).await.unwrap();
    assert_eq!(
        core.cases().await.len(),
        heard,
        "the last letter is found again, and is known"
    );

    // Answered; the copy is no draft; the customer's letter is as it was, not even seen.
    core.reply(1, "Es ist unterwegs.").await;
    let reply = core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    assert_eq!(
        way_out.delivered()[0].in_reply_to.as_deref(),
        Some(id(1).as_str())
    );
    let ours = reply.remote_id.clone().unwrap();
    let copies = found(
        &mut other,
        "Sent Items",
        &format!("HEADER Message-ID \"<{ours}>\""),
    )
    .await;
    assert!(
        copies.len() == 1 && copies[0].contains("Seen") && !copies[0].contains("Draft"),
        "{copies:?}"
    );
    let theirs = found(&mut other, "INBOX", &format!("HEADER Message-ID \"<{}>\"", id(1))).await;
    assert!(theirs.len() == 1 && !theirs[0].contains("Seen"), "{theirs:?}");
    assert!(matches!(mail.find(&reply, None).await, Ok(Look::Found(at)) if at.id == ours));

    // The customer answers it: one case.
    let chain = format!("In-Reply-To: <{ours}>\r\nReferences: <{}> <{ours}>\r\n", id(1));
    write(
        &mut other,
        &id(2),
        "Danke!\r\n\r\nAm Montag schrieb The Shop:\r\n> Es ist unterwegs.",
        &chain,
    )
    .await;
    mail.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let case = &core.cases().await[0];
    assert_eq!(
        (case.posts, core.posts(case).await[1].text.as_str()),
        (2, "Danke!")
    );

    // A colleague answers from a mail program.
    let theirs = format!(
        "From: {ADDRESS}\r\nTo: ann@mail.example\r\nMessage-ID: <{}>\r\nIn-Reply-To: <{}>\r\n\r\nGern geschehen.\r\n",
        id(3),
        id(2)
    );
    other
        .append("Sent Items", Some("(\\Seen)"), None, theirs)
        .await
        .unwrap();
    core.reply(1, "Bitte!").await;
    assert_eq!(core.replies(1).await[1].state, ReplyState::Stale);
    let answered = hearback::domain::Reply {
        target: NativeId::new(id(1)),
        begun_at: None,
        ..reply
    };
    let target = mail.target(&answered, &[ours]).await.unwrap();
    assert!(matches!(target, Target::Stands { text } if text == "My parcel\n\nWo bleibt mein Päckchen?"));

    // An answer of the way out is lost: a draft stands, and nothing is sent again.
    write(&mut other, &id(4), "Und meins?", "").await;
    mail.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let number = i64::try_from(core.cases().await.len()).unwrap();
    way_out.faults().next("publish", Fault::AcceptThenDrop);
    core.reply(u32::try_from(number).unwrap(), "Auch.").await;
    for _ in 0..12 {
        core.wait(SETTLE).await;
    }
    assert_eq!(core.replies(number).await[0].state, ReplyState::NeedsHuman);
    assert_eq!(way_out.delivered().len(), 2);
    assert_eq!(found(&mut other, "Sent Items", "DRAFT").await.len(), 1);

    // It tells of letters at once.
    let running = core.run();
    running
        .tracker
        .spawn(mail.clone().run(running.inbound.clone(), running.stop.clone()));
    tokio::time::timeout(Duration::from_secs(20), async {
        while !mail
            .links()
            .iter()
            .all(|link| link.state() == hearback::adapter::link::LinkState::Up)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    write(&mut other, &id(5), "Hallo?", "").await;
    running.threads(usize::try_from(number).unwrap() + 1).await;

    // A folder whose name is not in ASCII, as people write it; and what the doctor says of a wrong one, and of a
    // wrong password, is what the server said.
    let folder = format!("Kündigungen {mark}");
    let named = format!("K&APw-ndigungen {mark}");
    other.create(&named).await.unwrap();
    let examined = async |config: config::Email| {
        let mail = Email::new(&config, Duration::from_secs(5), house::clock(&clock)).unwrap();
        let findings = mail.examine().await;
        findings
            .into_iter()
            .filter(|finding| !finding.ok)
            .map(|finding| finding.what)
            .collect::<Vec<_>>()
    };
    let of = |folder: String| config::Email {
        folder,
        ..config.clone()
    };
    assert_eq!(examined(of(folder)).await, Vec::<String>::new());
    let wrong = examined(of("Nirgends".to_owned())).await;
    assert!(
        wrong.len() == 1 && wrong[0].contains("(the mail server refused: Mailbox doesn't exist"),
        "{wrong:?}"
    );
    let wrong = examined(config::Email {
        password: SecretString::from("another"),
        ..config.clone()
    });
    let wrong = wrong.await;
    assert!(
        wrong.len() == 1 && wrong[0].ends_with("the password: [AUTHENTICATIONFAILED] Authentication failed."),
        "{wrong:?}"
    );
}
