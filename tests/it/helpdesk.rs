//! Help desks: an escalation to a team that is one becomes a ticket, whatever happens on the way, and what becomes
//! of the ticket is told in the case's thread.

use crate::fake::fault::Fault;
use crate::fake::helpdesk::{EMAIL, FakeDesk, KEY};
use crate::fake::house::{self, Beside, Core};
use crate::fake::server::Server;
use crate::fake::webhook::{SECRET, deliver, signed};
use hearback::adapter::chat::helpdesk::{CHANNEL, Desk, chat, speaker};
use hearback::adapter::supervise::Lost;
use hearback::app::{Group, Home, Response, TeamEntry};
use hearback::config::Helpdesk;
use hearback::domain::{
    Author, ChannelId, Clock as _, ManualClock, Metrics, NativeId, Post, PostKind, Role, Sighting,
    SourceName, Visibility,
};
use rstest::rstest;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zendesk,
    Freshdesk,
    Hook,
}

struct Scene {
    server: FakeDesk,
    clock: ManualClock,
    desk: Arc<Desk>,
    core: Core,
}

fn desk(kind: Kind, server: &FakeDesk, clock: &ManualClock, installation: &str) -> Arc<Desk> {
    let (name, poll) = ("desk".to_owned(), Duration::from_secs(60));
    let config = match kind {
        Kind::Zendesk => Helpdesk::Zendesk {
            name,
            url: server.at("/z"),
            email: EMAIL.to_owned(),
            api_token: SecretString::from(KEY),
            poll,
        },
        Kind::Freshdesk => Helpdesk::Freshdesk {
            name,
            url: server.at("/f"),
            email: EMAIL.to_owned(),
            api_key: SecretString::from(KEY),
            poll,
        },
        Kind::Hook => Helpdesk::Webhook {
            name,
            url: server.at("/hook"),
            secret: SecretString::from(SECRET),
        },
    };
    Arc::new(Desk::new(&config, installation, house::clock(clock)).unwrap())
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let clock = ManualClock::default();
        let server = FakeDesk::start(house::clock(&clock)).await;
        // Every key begins with the installation: any will do here.
        let desk = desk(kind, &server, &clock, "");
        let beside = Beside {
            chats: vec![desk.clone()],
            teams: vec![TeamEntry {
                name: "support".into(),
                homes: vec![Home {
                    chat: chat("desk"),
                    channel: ChannelId::new(CHANNEL),
                }],
                members: vec![],
            }],
            groups: vec![Group {
                chat: chat("desk"),
                id: speaker().to_owned(),
                role: Role::Agent,
            }],
            ..Beside::default()
        };
        let mut core = Core::with(&clock, vec![], beside).await;
        let post = Post {
            source: SourceName::new("shop"),
            id: NativeId::new("p1"),
            conversation: NativeId::new("p1"),
            in_reply_to: None,
            kind: PostKind::Post,
            visibility: Visibility::Public,
            url: Some("https://shop.example/p1".to_owned()),
            author: Author {
                id: NativeId::new("ann"),
                handle: "ann".to_owned(),
                name: "Ann".to_owned(),
                followers: None,
                url: None,
            },
            text: "My <b>lid</b> broke".to_owned(),
            created_at: clock.now(),
            edited_at: None,
            deleted: false,
            lang: None,
            media: vec![],
            metrics: Metrics::default(),
            rating: None,
        };
        let seen = vec![Sighting::Post(Box::new(post))];
        core.inbound
            .posts_seen(&SourceName::new("shop"), seen, None)
            .await
            .unwrap();
        core.deliver().await;
        Self {
            server,
            clock,
            desk,
            core,
        }
    }

    async fn says(&mut self, line: &str) {
        let response = self.core.says(line).await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        self.core.deliver().await;
    }

    async fn look(&mut self) {
        self.desk.look(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[rstest]
#[case(Kind::Zendesk, "Zendesk", "/z/agent/tickets/4711")]
#[case(Kind::Freshdesk, "Freshdesk", "/f/a/tickets/4711")]
#[tokio::test]
async fn an_escalation_becomes_a_ticket_and_its_end_comes_back(
    #[case] kind: Kind,
    #[case] label: &str,
    #[case] page: &str,
) {
    let mut scene = Scene::new(kind).await;
    assert!(scene.server.tickets().is_empty());
    scene.says("escalate 1 support the lid, again").await;
    let tickets = scene.server.tickets();
    assert_eq!(tickets.len(), 1);
    assert!(tickets[0].subject.contains("#1"), "{tickets:?}");
    assert!(tickets[0].is_internal());
    let all = tickets[0].notes.join("\n");
    assert!(
        all.contains("lid") && all.contains("https://shop.example/p1"),
        "{all}"
    );
    assert!(all.contains("the lid, again"), "{all}");
    assert!(
        !all.contains("<b>") || kind == Kind::Zendesk,
        "Freshdesk reads markup: {all}"
    );
    // Its address, told once.
    for _ in 0..3 {
        scene.look().await;
    }
    let address = format!("Ticket 4711 is open in {label}: {}", scene.server.at(page));
    let thread = scene.core.thread(1);
    assert_eq!(thread.matches(&address).count(), 1, "{thread}");
    // What happens to the case stands in the ticket; what the help desk said itself does not.
    scene.says("note 1 she called").await;
    let notes = scene.server.tickets()[0].notes.join("\n");
    assert!(
        notes.contains("she called") && !notes.contains("is open in"),
        "{notes}"
    );
    // It is closed there; another's ticket is none of ours.
    scene.server.noise();
    scene.clock.advance(Duration::from_secs(600));
    scene.server.close(0);
    for _ in 0..2 {
        scene.look().await;
    }
    let thread = scene.core.thread(1);
    assert_eq!(thread.matches("Ticket 4711 is done").count(), 1, "{thread}");
    assert_eq!(thread.matches("Ticket 4712").count(), 0, "{thread}");
}

/// Whatever the help desk did before it fell silent, one ticket stands in the end, with each note once.
#[rstest]
#[tokio::test]
async fn one_ticket_stands_whatever_happens(
    #[values(Kind::Zendesk, Kind::Freshdesk, Kind::Hook)] kind: Kind,
    #[values(
        Fault::AcceptThenDrop,
        Fault::StatusButDone(503),
        Fault::Garbage,
        Fault::Drop,
        Fault::Status(500),
        Fault::Status(403),
        Fault::RateLimited("30".to_owned())
    )]
    fault: Fault,
) {
    let mut scene = Scene::new(kind).await;
    scene.server.next("open", fault.clone());
    scene.server.next("note", fault.clone());
    scene.says("escalate 1 support").await;
    for _ in 0..6 {
        scene.core.wait(Duration::from_secs(120)).await;
    }
    scene.says("note 1 she called").await;
    for _ in 0..6 {
        scene.core.wait(Duration::from_secs(120)).await;
    }
    let tickets = scene.server.tickets();
    assert_eq!(tickets.len(), 1, "{fault:?}: {tickets:?}");
    let notes = tickets[0].notes.join("\n");
    assert_eq!(notes.matches("she called").count(), 1, "{fault:?}: {notes}");
    assert_eq!(
        notes.matches("escalated the case").count(),
        1,
        "{fault:?}: {notes}"
    );
    assert!(scene.server.opened() <= 2);
}

#[tokio::test]
async fn any_system_takes_tickets_and_tells_of_their_end() {
    let mut scene = Scene::new(Kind::Hook).await;
    scene.says("escalate 1 support").await;
    let ticket = scene.server.tickets()[0].id;
    let routes = scene.desk.clone().routes(scene.core.inbound.clone()).unwrap();
    let door = Server::start(routes).await;
    let to = door.url.join("/helpdesk/desk").unwrap();
    let tell = async |ticket: &str, status: &str, id: &str| {
        let body =
            format!(r#"{{"ticket":{ticket},"status":"{status}","url":"https://desk.example/{ticket}"}}"#);
        let headers = signed(id, scene.clock.now().timestamp(), body.as_bytes());
        deliver(&to, &headers, body).await.0.as_u16()
    };
    let ticket = ticket.to_string();
    assert_eq!(tell(&ticket, "open", "m1").await, 202);
    assert_eq!(tell(&ticket, "done", "m2").await, 202);
    assert_eq!(tell(&ticket, "done", "m3").await, 202);
    assert_eq!(tell("99", "done", "m4").await, 404);
    assert_eq!(tell(&ticket, "lost", "m5").await, 400);
    let forged = format!(r#"{{"ticket":{ticket},"status":"done"}}"#);
    let headers = signed("m6", scene.clock.now().timestamp(), b"other");
    assert_eq!(deliver(&to, &headers, forged).await.0.as_u16(), 401);
    scene.core.deliver().await;
    let thread = scene.core.thread(1);
    let wanted = format!("Ticket {ticket} is done in Help desk: https://desk.example/{ticket}");
    assert_eq!(thread.matches(&wanted).count(), 1, "{thread}");
}

#[tokio::test]
async fn who_is_not_let_in_says_so_and_loses_nothing() {
    let mut scene = Scene::new(Kind::Zendesk).await;
    scene.server.next("open", Fault::Status(401));
    scene.says("escalate 1 support").await;
    assert!(scene.server.tickets().is_empty());
    for _ in 0..3 {
        scene.core.wait(Duration::from_secs(120)).await;
    }
    assert_eq!(scene.server.tickets().len(), 1);
    let other = Helpdesk::Zendesk {
        name: "desk".to_owned(),
        url: scene.server.at("/z"),
        email: EMAIL.to_owned(),
        api_token: SecretString::from("another-SECRET"),
        poll: Duration::from_secs(60),
    };
    let other = Desk::new(&other, "", house::clock(&scene.clock)).unwrap();
    let lost = other.look(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if !why.contains("SECRET")),
        "{lost:?}"
    );
    let findings = other.examine().await;
    assert!(!findings[0].ok && !findings[0].mend.is_empty(), "{findings:?}");
    assert!(scene.desk.examine().await[0].ok);
}
