//! What the store promises, on both engines.

use crate::fake::postgres;
use chrono::TimeDelta;
use hearback::domain::{
    Agent, Audience, Author, By, Case, CaseNumber, Effect, EffectId, EffectRow, Event, EventId, EventRecord,
    Instant, Lane, Media, Metrics, Post, PostKind, Reply, ReplyId, ReplyState, SourceName, Status,
    Visibility,
};
use hearback::store::{
    Aside, CaseFilter, Changes, Counters, CursorRow, Error, InboxRow, ReplyMessage, Store, StoredPost, Thread,
};

/// A database of its own.
struct Place {
    url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", folder.path().join("hearback.db").display()),
            _folder: Some(folder),
        }
    }

    async fn postgres() -> Option<Self> {
        Some(Self {
            url: postgres::database().await?,
            _folder: None,
        })
    }

    async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }
}

/// Each promise is held on both engines.
macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Place::sqlite()).await;
            })*
        }
        mod postgres_ {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = super::Place::postgres().await {
                    super::$name(place).await;
                }
            })*
        }
    };
}

on_both_engines! {
    everything_comes_back_as_it_went
    odd_texts_come_back
    a_second_opening_finds_what_the_first_left
}

fn at(seconds: i64) -> Instant {
    Instant::from_timestamp_micros(1_790_000_000_123_456).unwrap() + TimeDelta::seconds(seconds)
}

fn ann() -> Agent {
    Agent {
        key: "ada".to_owned(),
        name: "Ada".to_owned(),
    }
}

fn author(id: &str) -> Author {
    Author {
        id: id.into(),
        handle: format!("{id}@example"),
        name: "Ann \u{202E} Ünal 🦀".to_owned(),
        followers: Some(120),
        url: Some("https://example.com/@ann".to_owned()),
    }
}

fn post(id: &str, text: &str) -> Post {
    Post {
        source: "fedi".into(),
        id: id.into(),
        conversation: format!("c{id}").into(),
        in_reply_to: Some("p0".into()),
        kind: PostKind::Mention,
        visibility: Visibility::Unlisted,
        url: Some("https://example.com/1".to_owned()),
        author: author("ann"),
        text: text.to_owned(),
        created_at: at(1),
        edited_at: Some(at(2)),
        deleted: false,
        lang: Some("en".to_owned()),
        media: vec![Media {
            url: "https://example.com/1.png".to_owned(),
            mime: "image/png".to_owned(),
            alt: "A crack".to_owned(),
        }],
        metrics: Metrics {
            likes: 1,
            shares: 2,
            views: 3,
        },
        rating: Some(2),
    }
}

fn stored(case: i64, post: Post) -> StoredPost {
    StoredPost {
        case: CaseNumber(case),
        post,
    }
}

/// A new case, by its first event.
fn case(number: i64) -> Case {
    let opened = Event::Opened {
        source: "fedi".into(),
        conversation: format!("c{number}").into(),
        author: "ann".into(),
        post: format!("p{number}").into(),
        written_at: at(number),
    };
    Case::open(CaseNumber(number), &opened, at(number)).unwrap()
}

fn event(id: i64, case: i64) -> EventRecord {
    EventRecord {
        id: EventId(id),
        case: CaseNumber(case),
        at: at(id),
        by: By::Agent {
            agent: ann(),
            chat: "slack".into(),
        },
        event: Event::Noted {
            text: "Looks bad 🦀".to_owned(),
        },
    }
}

fn effect(id: i64, lane: &str) -> EffectRow {
    EffectRow {
        id: EffectId(id),
        lane: lane.to_owned().into(),
        case: CaseNumber(1),
        effect: Effect::Tell {
            chat: "slack".into(),
            channel: "C1".into(),
            event: EventId(id),
        },
        due_at: at(id),
        attempts: 0,
        begun_at: None,
    }
}

fn reply(id: i64, state: ReplyState) -> Reply {
    Reply {
        id: ReplyId(id),
        case: CaseNumber(1),
        source: "fedi".into(),
        conversation: "c1".into(),
        target: "p1".into(),
        target_visibility: Visibility::Public,
        author: "ann".into(),
        author_handle: "ann@example".to_owned(),
        lang: None,
        audience: Audience::Public,
        text: "We are sorry.\nTruly.".to_owned(),
        agent: ann(),
        key: "k1".into(),
        state,
        created_at: at(1),
        hold_until: at(11),
        fence: 1,
        begun_at: Some(at(12)),
        remote_id: None,
        url: None,
        reason: None,
    }
}

fn thread(case: i64, channel: &str, thread: &str) -> Thread {
    Thread {
        case: CaseNumber(case),
        chat: "slack".into(),
        channel: channel.into(),
        thread: thread.into(),
        card: thread.into(),
    }
}

async fn everything_comes_back_as_it_went(place: Place) {
    let store = place.open().await;
    let mut claimed = case(1);
    claimed.evolve(&Event::Claimed { owner: ann() }, at(5));
    let sent = Reply {
        remote_id: Some("r9".into()),
        ..reply(2, ReplyState::Sent)
    };
    let message = ReplyMessage {
        reply: ReplyId(1),
        chat: "slack".into(),
        channel: "C1".into(),
        message: "m1".into(),
    };
    let taken = InboxRow {
        key: "slack:1".to_owned(),
        at: at(3),
        answer: "{\"Done\":\"a\"}".to_owned(),
    };
    let counters = Counters {
        case: 2,
        event: 1,
        effect: 1,
        reply: 2,
        by_status: [1, 1, 0, 0, 0, 7],
    };
    store
        .commit(Changes {
            authors: vec![("fedi".into(), author("ann"))],
            posts: vec![stored(1, post("p1", "It broke"))],
            cases: vec![claimed.clone(), case(2)],
            events: vec![event(1, 1)],
            effects: vec![effect(1, "slack/C1")],
            threads: vec![thread(1, "C1", "t1")],
            reply_messages: vec![message.clone()],
            replies: vec![reply(1, ReplyState::Sending), sent.clone()],
            inbox: vec![taken.clone()],
            cursors: vec![CursorRow {
                source: "fedi".into(),
                stream: "home".to_owned(),
                value: "42".to_owned(),
            }],
            asides: vec![Aside {
                at: at(1),
                origin: "webhook".to_owned(),
                reason: "no id".to_owned(),
                raw: "{}".to_owned(),
            }],
            counters: Some(counters),
            ..Changes::default()
        })
        .await
        .unwrap();

    assert_eq!(
        store.cases(&[CaseNumber(1), CaseNumber(9)]).await.unwrap(),
        [claimed.clone()]
    );
    let talk: (SourceName, _, _) = ("fedi".into(), "c2".into(), "ann".into());
    assert_eq!(store.cases_of(&[talk]).await.unwrap(), [case(2)]);
    let key = ("fedi".into(), "p1".into());
    let kept = [stored(1, post("p1", "It broke"))];
    assert_eq!(
        store.posts(&[key, ("shop".into(), "p1".into())]).await.unwrap(),
        kept
    );
    assert_eq!(store.posts_of(CaseNumber(1), 5).await.unwrap(), kept);
    assert_eq!(store.events(&[EventId(1)]).await.unwrap(), [event(1, 1)]);
    assert_eq!(
        store
            .events_of(CaseNumber(1), EventId(0), i64::MAX)
            .await
            .unwrap(),
        [event(1, 1)]
    );
    let lane = Lane::from("slack/C1".to_owned());
    assert_eq!(store.lanes().await.unwrap(), [lane.clone()]);
    assert_eq!(
        store.effects_of(&lane, EffectId(0), 5).await.unwrap(),
        [effect(1, "slack/C1")]
    );
    assert_eq!(
        store.threads(&[CaseNumber(1)]).await.unwrap(),
        [thread(1, "C1", "t1")]
    );
    assert_eq!(store.reply_messages(ReplyId(1)).await.unwrap(), [message]);
    assert_eq!(store.replies(&[ReplyId(2)]).await.unwrap(), [sent.clone()]);
    assert_eq!(
        store.replies_of(CaseNumber(1)).await.unwrap(),
        [reply(1, ReplyState::Sending), sent]
    );
    assert_eq!(
        store.replies_in_sending().await.unwrap(),
        [reply(1, ReplyState::Sending)]
    );
    let own = store
        .own_posts(&[("fedi".into(), "r9".into()), ("fedi".into(), "p1".into())])
        .await;
    assert_eq!(own.unwrap(), [("fedi".into(), "r9".into())]);
    assert_eq!(store.inbox(&["slack:1".to_owned()]).await.unwrap(), [taken]);
    assert_eq!(
        store.cursor(&"fedi".into(), "home").await.unwrap().as_deref(),
        Some("42")
    );
    assert_eq!(store.cursor(&"fedi".into(), "other").await.unwrap(), None);
    assert_eq!(store.counters().await.unwrap(), counters);
    store.close().await;
}

async fn odd_texts_come_back(place: Place) {
    let store = place.open().await;
    let odd = [
        "",
        " ",
        "'; DROP TABLE posts; --",
        "\"\\\\u0000\"",
        "a\u{1}\u{7f}b",
        "💣👩‍👩‍👧‍👦 e\u{301} \u{FEFF}\u{202E}",
        "\u{10FFFF}",
        "tab\tnew\r\nline",
        r"\u0000 spelled out",
        "{\"a\":[1]}",
        "null",
    ];
    let posts: Vec<_> = (1..)
        .zip(odd)
        .map(|(n, text)| stored(n, post(&format!("p{n} {text}"), text)))
        .collect();
    store
        .commit(Changes {
            posts: posts.clone(),
            ..Changes::default()
        })
        .await
        .unwrap();
    for kept in posts {
        let key = (kept.post.source.clone(), kept.post.id.clone());
        assert_eq!(store.posts(&[key]).await.unwrap(), [kept]);
    }
    store
        .commit(Changes {
            posts: vec![stored(99, post("nul\0", "a\0b"))],
            ..Changes::default()
        })
        .await
        .unwrap();
    let kept = store.posts(&[("fedi".into(), "nul\0".into())]).await.unwrap();
    assert_eq!(
        kept,
        [stored(99, post("nul\u{FFFD}", "a\u{FFFD}b")).clone()].map(|mut kept| {
            kept.post.conversation = "cnul\u{FFFD}".into();
            kept
        })
    );
    store.close().await;
}

async fn a_second_opening_finds_what_the_first_left(place: Place) {
    let store = place.open().await;
    let name = store.installation().await.unwrap();
    assert!(
        name.len() == 8 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{name}"
    );
    store
        .commit(Changes {
            cases: vec![case(1)],
            ..Changes::default()
        })
        .await
        .unwrap();
    store.close().await;
    assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
    let again = place.open().await;
    again.ping().await.unwrap();
    assert_eq!(again.installation().await.unwrap(), name);
    assert_eq!(again.cases(&[CaseNumber(1)]).await.unwrap(), [case(1)]);
    again.close().await;
}
