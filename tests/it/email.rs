//! E-mail: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::mail::{ADDRESS, FakeMail, PASSWORD};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::email::Email;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::config::{self, SentCopy};
use hearback::domain::{ManualClock, PostKind, ReplyState, Visibility};
use hearback::port::SocialPlatform as _;
use rstest::rstest;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// A mail server, our mailbox, and the time.
struct Scene {
    server: FakeMail,
    clock: ManualClock,
    mail: Arc<Email>,
    core: Core,
}

fn mailbox(server: &FakeMail, clock: &ManualClock, sent_copy: SentCopy) -> Arc<Email> {
    let config = config(server, sent_copy);
    Arc::new(Email::new(&config, Duration::from_secs(5), house::clock(clock)).unwrap())
}

fn config(server: &FakeMail, sent_copy: SentCopy) -> config::Email {
    config::Email {
        name: "letters".to_owned(),
        imap_url: server.imap_url(),
        smtp_url: Some(server.smtp_url()),
        username: ADDRESS.to_owned(),
        password: SecretString::from(PASSWORD),
        folder: "INBOX".to_owned(),
        from: ADDRESS.to_owned(),
        from_name: Some("The Shop".to_owned()),
        sent: None,
        sent_copy,
        alerts: vec!["@twilert.com".to_owned()],
        poll: Duration::from_secs(60),
        approval: None,
    }
}

impl Scene {
    async fn new(sent_copy: SentCopy) -> Self {
        let clock = ManualClock::default();
        let keeps = sent_copy == SentCopy::Server;
        let server = FakeMail::start(house::clock(&clock), keeps).await;
        let mail = mailbox(&server, &clock, sent_copy);
        let core = Core::start(&clock, vec![mail.clone()]).await;
        Self {
            server,
            clock,
            mail,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.mail.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }

    async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for case in self.core.cases().await {
            texts.extend(self.core.posts(&case).await.into_iter().map(|post| post.text));
        }
        texts
    }
}

#[tokio::test]
async fn a_letter_is_answered_in_its_thread() {
    let mut scene = Scene::new(SentCopy::Append).await;
    let id = scene.server.write("ann", "Where is my parcel?");
    scene.sweep().await;
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(post.text, "A letter\n\nWhere is my parcel?");
    assert_eq!(
        (post.kind, post.visibility),
        (PostKind::Message, Visibility::Private)
    );
    assert_eq!(post.author.id.as_str(), "ann@mail.example");
    scene
        .core
        .reply(1, "It is on its way.\n.\nSee you — the shop")
        .await;
    let delivered = scene.server.delivered();
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0].to, "ann@mail.example");
    assert_eq!(delivered[0].subject, "Re: A letter");
    assert_eq!(delivered[0].in_reply_to.as_deref(), Some(id.as_str()));
    assert_eq!(delivered[0].references, [id]);
    assert_eq!(
        delivered[0].text.replace("\r\n", "\n"),
        "It is on its way.\n.\nSee you — the shop"
    );
    // Our copy is no draft any more, and nothing of the customer's was touched.
    let sent = scene.server.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, delivered[0]);
    assert_eq!(sent[0].1, ["\\Seen"]);
    assert!(scene.server.flags().iter().all(Vec::is_empty));
    assert!(
        scene
            .server
            .changes()
            .iter()
            .all(|change| change.contains("Sent Items")),
        "{:?}",
        scene.server.changes()
    );
    // The answer to it comes into the same case, without what it quotes.
    let ours = delivered[0].id.clone();
    scene.clock.advance(Duration::from_secs(60));
    scene.server.answer(
        "ann",
        &ours,
        "Thank you\r\n\r\nOn Monday The Shop wrote:\r\n> It is on its way.",
    );
    scene.sweep().await;
    assert_eq!(scene.texts().await[1], "Thank you");
    assert_eq!(scene.core.cases().await.len(), 1);
}

/// Some programs tell only what they answer, and leave the letters before it out.
#[rstest]
#[case(SentCopy::Append)]
#[case(SentCopy::Server)]
#[tokio::test]
async fn an_answer_that_names_only_our_letter_joins_its_case(#[case] sent_copy: SentCopy) {
    let mut scene = Scene::new(sent_copy).await;
    scene.server.write("ann", "Where is my parcel?");
    scene.sweep().await;
    scene.core.reply(1, "It is on its way.").await;
    let ours = scene.server.delivered()[0].id.clone();
    scene.clock.advance(Duration::from_secs(60));
    let head = format!("In-Reply-To: <{ours}>\r\n");
    scene.server.write_with("ann", "Thank you", &head);
    scene.server.write("bob", "And mine?");
    scene.sweep().await;
    assert_eq!(scene.texts().await[1], "Thank you");
    assert_eq!(scene.core.cases().await.len(), 2);
}

#[rstest]
#[case::automatic("Auto-Submitted: auto-replied\r\n")]
#[case::list("List-Id: <talk.example>\r\nPrecedence: list\r\n")]
#[case::bounce("Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n")]
#[tokio::test]
async fn machines_open_no_case_and_so_no_loop_begins(#[case] head: &str) {
    let mut scene = Scene::new(SentCopy::Server).await;
    scene.server.write_with("robot", "I am away", head);
    scene.server.write("ann", "I am here");
    scene.sweep().await;
    assert_eq!(scene.texts().await, ["A letter\n\nI am here"]);
    assert_eq!(scene.core.set_aside().await, 0);
}

/// It was taken and found no mailbox: who answered reads so where they answered.
#[tokio::test]
async fn a_reply_that_comes_back_is_told_in_its_case() {
    let mut scene = Scene::new(SentCopy::Server).await;
    scene.server.write("ann", "Where is my parcel?");
    scene.sweep().await;
    scene.core.reply(1, "It is on its way.").await;
    let ours = scene.server.delivered()[0].clone();
    let report = |id: &str| {
        format!(
            "Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nMessage-ID: <r{id}>\r\n\
             Subject: Undelivered Mail\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
             --x\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n\
             --x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
             Final-Recipient: rfc822; ann@elsewhere.example\r\nAction: failed\r\nStatus: 5.2.2\r\n\
             Diagnostic-Code: smtp; 552 5.2.2 Mailbox full\r\n\
             --x\r\nContent-Type: message/rfc822\r\n\r\nFrom: {ADDRESS}\r\nTo: {to}\r\nMessage-ID: <{id}>\r\n\
             References: <{first}>\r\n\r\nIt is on its way.\r\n--x--\r\n",
            to = ours.to,
            first = ours.references[0],
        )
    };
    scene.clock.advance(Duration::from_secs(60));
    scene.server.put_raw(report(&ours.id).as_bytes());
    scene
        .server
        .put_raw(report("somebody.elses@mail.example").as_bytes());
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    assert_eq!(
        scene.texts().await[1..],
        ["[The mail server: the reply did not arrive. 552 5.2.2 Mailbox full]"]
    );
    assert!(scene.core.thread(1).contains("the reply did not arrive"));
}

/// A server that cannot look at passwords for a moment is no reason to stay away, as a refused password is.
#[tokio::test]
async fn a_server_that_is_out_of_order_is_asked_again() {
    let mut scene = Scene::new(SentCopy::Server).await;
    scene.server.write("ann", "one");
    scene.server.out_of_order(true);
    let lost = scene.mail.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Broken(why) if why == "the mail server refused: [UNAVAILABLE] Temporary failure"),
        "{lost:?}"
    );
    scene.server.out_of_order(false);
    scene.sweep().await;
    assert_eq!(scene.texts().await.len(), 1);
}

#[tokio::test]
async fn an_alert_is_a_post_with_its_link_and_gets_no_letter() {
    let mut scene = Scene::new(SentCopy::Server).await;
    scene.server.put_raw(
        b"From: Twilert <alerts@twilert.com>\r\nPrecedence: bulk\r\nSubject: Shop\r\nMessage-ID: <a1@twilert.com>\r\n\r\n\
          ann: my parcel from Shop is late https://twitter.com/ann/status/12\r\n",
    );
    scene.sweep().await;
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(post.url.as_deref(), Some("https://twitter.com/ann/status/12"));
    assert_eq!(
        (post.visibility, post.author.handle.as_str()),
        (Visibility::Public, "ann")
    );
    let refused = format!("{:?}", scene.core.says("reply 1 Sorry!").await);
    assert!(
        refused.starts_with("Refused") && refused.contains("https://twitter.com/ann/status/12"),
        "{refused}"
    );
    let done = scene
        .core
        .says("answered 1 https://twitter.com/shop/status/13")
        .await;
    assert!(matches!(done, Response::Done(_)), "{done:?}");
    assert!(scene.server.delivered().is_empty());
}

#[tokio::test]
async fn new_numbers_bring_nothing_twice_and_lose_nothing() {
    let mut scene = Scene::new(SentCopy::Server).await;
    scene.server.write("ann", "one");
    scene.sweep().await;
    scene.server.write("bob", "two");
    scene.server.renumber();
    scene.server.write("eve", "three");
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(
        scene.texts().await,
        ["A letter\n\none", "A letter\n\ntwo", "A letter\n\nthree"]
    );
}

/// The mail server took it, or not, and its answer was lost: where the server keeps no copy nobody can tell, and
/// nothing is sent a second time.
#[rstest]
#[case(Fault::AcceptThenDrop, 1)]
#[case(Fault::Drop, 0)]
#[case(Fault::StatusButDone(503), 1)]
#[tokio::test]
async fn a_draft_is_never_sent_again(#[case] fault: Fault, #[case] delivered: usize) {
    let mut scene = Scene::new(SentCopy::Append).await;
    scene.server.write("ann", "Where is my parcel?");
    scene.sweep().await;
    scene.server.faults().next("publish", fault);
    scene.core.reply(1, "It is on its way.").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Ambiguous);
    let mail = mailbox(&scene.server, &scene.clock, SentCopy::Append);
    let mut core = scene.core.restart(vec![mail]).await;
    for _ in 0..30 {
        core.wait(SETTLE).await;
    }
    let reply = &core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::NeedsHuman, "{:?}", reply.reason);
    assert_eq!(
        (scene.server.data(), scene.server.delivered().len()),
        (1, delivered)
    );
    assert!(scene.server.sent()[0].1.contains(&"\\Draft".to_owned()));
}

#[tokio::test]
async fn what_the_way_out_said_counts_though_the_mailbox_hangs() {
    let mut scene = Scene::new(SentCopy::Append).await;
    let config = config(&scene.server, SentCopy::Append);
    let mail = Email::new(&config, Duration::from_secs(3), house::clock(&scene.clock));
    scene.core = scene.core.restart(vec![Arc::new(mail.unwrap())]).await;
    scene.server.write("ann", "Where is my parcel?");
    scene.sweep().await;
    scene.server.faults().next("note", Fault::Hang);
    scene.core.reply(1, "It is on its way.").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
}

#[tokio::test]
async fn what_the_server_does_not_take_is_told_and_marked() {
    let mut scene = Scene::new(SentCopy::Append).await;
    scene.server.write("nobody", "Where is my parcel?");
    scene.server.write("ann", "And mine?");
    scene.sweep().await;
    // The address is refused before anything is sent, the letter at its end.
    scene.core.reply(1, "It is on its way.").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    assert!(reply.reason.as_deref().unwrap().contains("no such user"));
    scene.server.faults().next("publish", Fault::Status(403));
    scene.core.reply(2, "Yours, too.").await;
    assert_eq!(scene.core.replies(2).await[0].state, ReplyState::Failed);
    for (_, flags) in scene.server.sent() {
        assert!(flags.contains(&"\\Deleted".to_owned()), "{flags:?}");
    }
    assert!(scene.server.delivered().is_empty());
}

#[tokio::test]
async fn what_a_colleague_answered_is_seen_and_a_letter_put_away_is_still_answered() {
    let mut scene = Scene::new(SentCopy::Server).await;
    let one = scene.server.write("ann", "Where is my parcel?");
    let two = scene.server.write("bob", "And mine?");
    scene.sweep().await;
    scene.server.we_write(Some(&one), "We look into it.");
    scene.server.put_away(&two);
    scene.core.reply(1, "Sorry!").await;
    scene.core.reply(2, "Sorry!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Stale);
    assert_eq!(scene.core.replies(2).await[0].state, ReplyState::Sent);
    let delivered = scene.server.delivered();
    assert_eq!(delivered.len(), 1);
    assert_eq!(
        (delivered[0].subject.as_str(), &delivered[0].references),
        ("Re: Your letter", &vec![two])
    );
}

#[tokio::test]
async fn it_is_told_of_letters_at_once() {
    let clock = ManualClock::default();
    let server = FakeMail::start(house::clock(&clock), true).await;
    let mail = mailbox(&server, &clock, SentCopy::Server);
    let core = Core::start(&clock, vec![mail.clone()]).await;
    let running = core.run();
    running
        .tracker
        .spawn(mail.run(running.inbound.clone(), running.stop.clone()));
    server.write("ann", "one");
    running.threads(1).await;
    server.write("bob", "two");
    running.threads(2).await;
    assert_eq!(server.logins(), 1, "over one session");
}

#[tokio::test]
async fn doctor_asks_both_servers() {
    let scene = Scene::new(SentCopy::Append).await;
    let findings = scene.mail.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.what.contains("Sent Items")),
        "{findings:?}"
    );
    assert!(scene.server.changes().is_empty());
    assert!(scene.mail.abilities().private);
}

#[tokio::test]
async fn doctor_finds_a_folder_that_is_not_there_and_waits_for_no_silent_server() {
    let scene = Scene::new(SentCopy::Append).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let config = config::Email {
        sent: Some("Nowhere".to_owned()),
        smtp_url: Some(format!("smtp://{address}").parse().unwrap()),
        ..config(&scene.server, SentCopy::Append)
    };
    let mail = Email::new(&config, Duration::from_millis(200), house::clock(&scene.clock)).unwrap();
    let wrong: Vec<_> = mail
        .examine()
        .await
        .into_iter()
        .filter(|finding| !finding.ok)
        .collect();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].what.starts_with("Nowhere cannot be read"), "{wrong:?}");
    assert!(wrong[1].what.contains("does not answer"), "{wrong:?}");
}
