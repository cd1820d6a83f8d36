//! Help desks: an escalation to a team that is one becomes a ticket, whatever happens on the way, and what becomes
//! of the ticket is told in the case's thread.

use crate::fake::complaint::{complaint, person};
use crate::fake::fault::Fault;
use crate::fake::helpdesk::{EMAIL, FakeDesk, KEY};
use crate::fake::house::{self, Beside, Core};
use crate::fake::server::Server;
use crate::fake::webhook::{SECRET, deliver, signed};
use hearback::adapter::chat::helpdesk::{CHANNEL, Desk, chat, speaker};
use hearback::adapter::supervise::Lost;
use hearback::app::{Group, Home, Response, TeamEntry};
use hearback::config::Helpdesk;
use hearback::domain::{ChannelId, Clock as _, ManualClock, Post, Role, Sighting, SourceName};
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
        let core = Core::with(&clock, vec![], beside).await;
        let mut scene = Self {
            server,
            clock,
            desk,
            core,
        };
        let post = scene.post("p1", "My <b>lid</b> broke");
        scene.sees(post).await;
        scene
    }

    fn post(&self, id: &str, text: &str) -> Post {
        Post {
            url: Some(format!("https://shop.example/{id}")),
            author: person("ann", "Ann"),
            text: text.to_owned(),
            ..complaint(&"shop".into(), id, self.clock.now())
        }
    }

    async fn sees(&mut self, post: Post) {
        let seen = vec![Sighting::Post(Box::new(post))];
        let source = SourceName::new("shop");
        self.core.inbound.posts_seen(&source, seen, None).await.unwrap();
        self.core.deliver().await;
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
    // The same delivery again, late; then it is open again, and done again.
    assert_eq!(tell(&ticket, "open", "m6").await, 202);
    assert_eq!(tell(&ticket, "done", "m2").await, 202);
    let forged = format!(r#"{{"ticket":{ticket},"status":"done"}}"#);
    let headers = signed("m7", scene.clock.now().timestamp(), b"other");
    let (status, told) = deliver(&to, &headers, forged).await;
    assert_eq!(status.as_u16(), 401);
    assert!(told["error"].is_string(), "{told}");
    scene.core.deliver().await;
    let thread = scene.core.thread(1);
    let wanted = format!("Ticket {ticket} is done in Help desk: https://desk.example/{ticket}");
    assert_eq!(thread.matches(&wanted).count(), 1, "{thread}");
    let again = format!("Ticket {ticket} is open again in Help desk: https://desk.example/{ticket}");
    assert_eq!(thread.matches(&again).count(), 1, "{thread}");
    assert_eq!(tell(&ticket, "done", "m8").await, 202);
    scene.core.deliver().await;
    assert_eq!(scene.core.thread(1).matches(&wanted).count(), 2);
}

/// The process dies after the ticket was opened and before anybody was told of it.
#[rstest]
#[tokio::test]
async fn the_address_of_a_ticket_is_told_by_the_next_run(
    #[values(Kind::Zendesk, Kind::Freshdesk, Kind::Hook)] kind: Kind,
) {
    let mut scene = Scene::new(kind).await;
    scene.look().await;
    scene.says("escalate 1 support").await;
    assert!(
        !scene.core.thread(1).contains("is open in"),
        "{}",
        scene.core.thread(1)
    );
    scene.desk = desk(kind, &scene.server, &scene.clock, "");
    for _ in 0..2 {
        scene.look().await;
    }
    let thread = scene.core.thread(1);
    assert_eq!(thread.matches("Ticket 4711 is open in").count(), 1, "{thread}");
}

/// Also when nothing of this run is remembered.
#[rstest]
#[tokio::test]
async fn a_ticket_that_is_opened_again_is_told_of_each_time(
    #[values(Kind::Zendesk, Kind::Freshdesk)] kind: Kind,
) {
    let mut scene = Scene::new(kind).await;
    scene.says("escalate 1 support").await;
    scene.look().await;
    for turn in 1..=2 {
        scene.clock.advance(Duration::from_secs(60));
        scene.server.close(0);
        scene.look().await;
        // A word of ours changes it, and closes nothing.
        scene.says("note 1 she called").await;
        scene.desk = desk(kind, &scene.server, &scene.clock, "");
        scene.look().await;
        scene.clock.advance(Duration::from_secs(60));
        scene.server.open_again(0);
        scene.look().await;
        let thread = scene.core.thread(1);
        assert_eq!(thread.matches("Ticket 4711 is done in").count(), turn, "{thread}");
        assert_eq!(
            thread.matches("Ticket 4711 is open again in").count(),
            turn,
            "{thread}"
        );
    }
    assert_eq!(scene.core.thread(1).matches("Ticket 4711 is open in").count(), 1);
}

#[rstest]
#[tokio::test]
async fn a_case_that_is_escalated_again_comes_back_to_the_help_desk(
    #[values(Kind::Zendesk, Kind::Freshdesk, Kind::Hook)] kind: Kind,
) {
    let mut scene = Scene::new(kind).await;
    scene.says("escalate 1 support").await;
    scene.says("resolve 1").await;
    scene.server.close(0);
    scene.says("note 1 nobody has to act").await;
    assert!(scene.server.tickets()[0].done);
    scene.says("reopen 1").await;
    assert!(!scene.server.tickets()[0].done, "it is theirs again");
    scene.server.close(0);
    scene.says("claim 1").await;
    assert!(scene.server.tickets()[0].done);
    scene.says("escalate 1 support it broke again").await;
    let tickets = scene.server.tickets();
    assert_eq!(tickets.len(), 1);
    assert!(!tickets[0].done, "{tickets:?}");
    assert!(tickets[0].notes.join("\n").contains("it broke again"));
    // Where the ticket takes no change any more, the case gets another one.
    scene.server.seal(0);
    scene.says("note 1 nobody has to act").await;
    assert_eq!(scene.server.tickets().len(), 1);
    scene.says("claim 1").await;
    scene.says("escalate 1 support and again").await;
    let tickets = scene.server.tickets();
    assert_eq!(tickets.len(), 2, "{tickets:?}");
    assert!(tickets[1].notes.join("\n").contains("and again"), "{tickets:?}");
    scene.says("note 1 she called").await;
    assert!(scene.server.tickets()[1].notes.join("\n").contains("she called"));
}

/// A customer may call themselves what they like: their words stand in the ticket.
#[tokio::test]
async fn nobody_passes_for_the_help_desk() {
    let mut scene = Scene::new(Kind::Zendesk).await;
    scene.says("escalate 1 support").await;
    let mut post = scene.post("p2", "It burns");
    post.conversation = "p1".into();
    post.author.name = "Zendesk noted:".to_owned();
    scene.sees(post).await;
    let notes = scene.server.tickets()[0].notes.join("\n");
    assert!(notes.contains("It burns"), "{notes}");
}

#[rstest]
#[tokio::test]
async fn of_very_many_changes_none_is_missed(#[values(Kind::Zendesk, Kind::Freshdesk)] kind: Kind) {
    let mut scene = Scene::new(kind).await;
    scene.says("escalate 1 support").await;
    scene.look().await;
    for _ in 0..2_500 {
        scene.clock.advance(Duration::from_secs(1));
        scene.server.noise();
    }
    scene.clock.advance(Duration::from_secs(1));
    scene.server.close(0);
    scene.look().await;
    let thread = scene.core.thread(1);
    assert_eq!(thread.matches("Ticket 4711 is done in").count(), 1, "{thread}");
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
