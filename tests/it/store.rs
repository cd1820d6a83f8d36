//! What the store promises, on both engines.

use crate::fake::door::Door;
use crate::fake::postgres;
use chrono::TimeDelta;
use hearback::domain::{
    Agent, Author, By, Case, CaseNumber, Effect, EffectId, EffectRow, Event, EventId, EventRecord, Instant,
    Lane, Media, Metrics, Post, PostKind, Reply, ReplyId, ReplyState, SourceName, Visibility,
};
use hearback::store::{
    Aside, CaseFilter, Changes, Counters, CursorRow, Error, InboxRow, OrderRow, PauseRow, ReplyMark,
    ReplyMessage, ReplyStep, Store, StoredPost, Tables, Thread, Vault,
};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use std::time::Duration;

/// How long anything is waited for.
const GUARD: Duration = Duration::from_secs(30);

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

    /// Does this on a connection of its own.
    async fn run(&self, sql: &'static str) {
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        } else {
            self.hold(sql).await.close().await.unwrap();
        }
    }

    /// Does this in PostgreSQL, and keeps the connection.
    async fn hold(&self, sql: &'static str) -> PgConnection {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection
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
    a_refused_row_takes_everything_with_it
    a_step_that_lost_its_race_writes_nothing
    the_same_again_replaces
    two_of_one_key_in_a_batch_leave_the_later
    search_finds_words_literally_and_in_any_case
    lists_are_in_order_and_bounded
    suggestions_put_open_and_new_ones_first
    a_thread_leads_to_its_case
    effects_keep_their_order_and_their_history
    the_inbox_keeps_the_first_answer_and_forgets
    only_one_process_works_on_a_database
    a_database_that_another_process_works_on_is_not_touched
    looking_makes_nothing
    commits_at_the_same_time_all_arrive
    a_caller_that_goes_away_cancels_nothing
    an_order_is_carried_out_or_taken_back_and_never_both
    a_pause_in_the_place_of_the_one_that_was_read_is_not_called_logged
    a_guest_makes_nothing_and_takes_no_lock
    a_secret_comes_back_with_its_key_and_is_nothing_without
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
            poster: None,
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

/// An event without a word, so that its case need not be there.
fn quiet(id: i64, case: i64) -> EventRecord {
    EventRecord {
        event: Event::Released,
        ..event(id, case)
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
        conversation: "c1".into(),
        target: "p1".into(),
        author: "ann".into(),
        author_handle: "ann@example".to_owned(),
        text: "We are sorry.\nTruly.".to_owned(),
        state,
        hold_until: at(11),
        fence: 1,
        begun_at: Some(at(12)),
        ..Reply::blank(
            ReplyId(id),
            CaseNumber(1),
            "fedi".into(),
            ann(),
            "k1".into(),
            at(1),
        )
    }
}

fn new(reply: Reply) -> ReplyStep {
    ReplyStep { from: None, reply }
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
        claims: 1,
        by_status: [1, 1, 0, 0, 0, 7],
    };
    store
        .commit(Changes {
            posts: vec![stored(1, post("p1", "It broke"))],
            cases: vec![claimed.clone(), case(2)],
            events: vec![event(1, 1)],
            effects: vec![effect(1, "slack/C1")],
            threads: vec![thread(1, "C1", "t1")],
            reply_messages: vec![message.clone()],
            replies: vec![new(reply(1, ReplyState::Sending)), new(sent.clone())],
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
    assert_eq!(store.known(&[], &[talk], &[]).await.unwrap().cases, [case(2)]);
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
    assert_eq!(store.lanes().await.unwrap(), std::slice::from_ref(&lane));
    assert_eq!(
        store.effects_of(&lane, FIRST, 5).await.unwrap(),
        [effect(1, "slack/C1")]
    );
    assert_eq!(
        store.threads(&[CaseNumber(1)]).await.unwrap(),
        [thread(1, "C1", "t1")]
    );
    let facts = store.facts(&[CaseNumber(1), CaseNumber(9)]).await.unwrap();
    assert_eq!(facts.cases, store.cases(&[CaseNumber(1)]).await.unwrap());
    assert_eq!(facts.firsts, [stored(1, post("p1", "It broke"))]);
    assert_eq!(facts.threads, [thread(1, "C1", "t1")]);
    assert_eq!(store.reply_messages(ReplyId(1)).await.unwrap(), [message]);
    assert_eq!(
        store.replies(&[ReplyId(2)]).await.unwrap(),
        std::slice::from_ref(&sent)
    );
    assert_eq!(
        store.replies_of(CaseNumber(1)).await.unwrap(),
        [reply(1, ReplyState::Sending), sent]
    );
    assert_eq!(
        store.open_replies().await.unwrap(),
        [reply(1, ReplyState::Sending)]
    );
    let own = store
        .known(
            &[("fedi".into(), "r9".into()), ("fedi".into(), "p1".into())],
            &[],
            &[],
        )
        .await;
    assert_eq!(own.unwrap().own, [("fedi".into(), "r9".into())]);
    assert_eq!(
        store
            .known(&[], &[], &["slack:1".to_owned()])
            .await
            .unwrap()
            .inbox,
        [taken]
    );
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

/// One list of changes.
macro_rules! changes {
    ($($field:ident: $value:expr),* $(,)?) => { Changes { $($field: $value,)* ..Changes::default() } };
}

fn numbers(cases: &[Case]) -> Vec<i64> {
    cases.iter().map(|case| case.number.0).collect()
}

fn ids(effects: &[EffectRow]) -> Vec<i64> {
    effects.iter().map(|effect| effect.id.0).collect()
}

async fn a_refused_row_takes_everything_with_it(place: Place) {
    let store = place.open().await;
    store.commit(changes!(events: vec![quiet(1, 1)])).await.unwrap();
    let refused = store
        .commit(changes!(
            cases: vec![case(1)],
            posts: vec![stored(1, post("p1", "x"))],
            events: vec![quiet(2, 1), quiet(1, 1)],
        ))
        .await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(store.cases(&[CaseNumber(1)]).await.unwrap(), []);
    assert_eq!(store.posts_of(CaseNumber(1), 9).await.unwrap(), []);
    assert_eq!(
        store.events_of(CaseNumber(1), EventId(0), 9).await.unwrap(),
        [quiet(1, 1)]
    );
    // The same conversation twice, under two numbers, is refused too.
    let twin = Case {
        number: CaseNumber(8),
        ..case(1)
    };
    let refused = store.commit(changes!(cases: vec![case(1), twin])).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    // And the writer goes on.
    store.commit(changes!(cases: vec![case(1)])).await.unwrap();
    assert_eq!(numbers(&store.cases(&[CaseNumber(1)]).await.unwrap()), [1]);
    store.close().await;
}

/// Two saw a reply held; one claims it, the other takes it back. Whoever comes second finds nothing to
/// change, and nothing of their commit is written.
async fn a_step_that_lost_its_race_writes_nothing(place: Place) {
    let store = place.open().await;
    let held = reply(1, ReplyState::Held);
    store
        .commit(changes!(replies: vec![new(held.clone())]))
        .await
        .unwrap();
    let step = |state, fence| ReplyStep {
        from: Some(ReplyMark::of(&held)),
        reply: Reply {
            state,
            fence,
            step: held.step + 1,
            ..held.clone()
        },
    };
    let claimed = changes!(replies: vec![step(ReplyState::Sending, 2)]);
    store.commit(claimed).await.unwrap();
    let too_late = changes!(
        replies: vec![step(ReplyState::Cancelled, 1)],
        threads: vec![thread(1, "C1", "t9")],
    );
    let lost = store.commit(too_late).await;
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
    let stands = store.replies(&[ReplyId(1)]).await.unwrap().remove(0);
    assert_eq!((stands.state, stands.fence), (ReplyState::Sending, 2));
    assert!(store.threads(&[CaseNumber(1)]).await.unwrap().is_empty());
    // And the writer goes on.
    let known = ReplyStep {
        from: Some(ReplyMark::of(&stands)),
        reply: Reply {
            state: ReplyState::Sent,
            step: stands.step + 1,
            ..stands
        },
    };
    store.commit(changes!(replies: vec![known])).await.unwrap();
    store.close().await;
}

async fn the_same_again_replaces(place: Place) {
    let store = place.open().await;
    let first = changes!(
        posts: vec![stored(1, post("p1", "before"))],
        cases: vec![case(1)],
        threads: vec![thread(1, "C1", "t1")],
        replies: vec![new(reply(1, ReplyState::Sending))],
    );
    store.commit(first).await.unwrap();
    let mut resolved = case(1);
    resolved.evolve(
        &Event::Resolved {
            outcome: "refund".to_owned(),
        },
        at(9),
    );
    let again = changes!(
        posts: vec![stored(1, post("p1", "after"))],
        cases: vec![resolved.clone()],
        threads: vec![thread(1, "C1", "t2")],
        replies: vec![ReplyStep {
            from: Some(ReplyMark::of(&reply(1, ReplyState::Sending))),
            reply: reply(1, ReplyState::Sent),
        }],
    );
    store.commit(again).await.unwrap();
    assert_eq!(
        store.posts_of(CaseNumber(1), 9).await.unwrap(),
        [stored(1, post("p1", "after"))]
    );
    assert_eq!(store.cases(&[CaseNumber(1)]).await.unwrap(), [resolved]);
    assert_eq!(
        store.threads(&[CaseNumber(1)]).await.unwrap(),
        [thread(1, "C1", "t2")]
    );
    assert_eq!(store.open_replies().await.unwrap(), []);
    let open = CaseFilter {
        open: true,
        owner: None,
    };
    assert_eq!(store.list_cases(&open, 9).await.unwrap(), []);
    store.close().await;
}

async fn two_of_one_key_in_a_batch_leave_the_later(place: Place) {
    let store = place.open().await;
    let twice = changes!(
        posts: vec![stored(1, post("p1", "first")), stored(1, post("p1", "second"))],
        cases: vec![case(1), case(1)],
    );
    store.commit(twice).await.unwrap();
    assert_eq!(
        store.posts_of(CaseNumber(1), 9).await.unwrap(),
        [stored(1, post("p1", "second"))]
    );
    store.close().await;
}

async fn search_finds_words_literally_and_in_any_case(place: Place) {
    let store = place.open().await;
    let texts = [
        "My ÜBERTRAGUNG fails",
        "100% broken",
        "1000 broken",
        "a_b",
        "axb",
        r"back\slash",
    ];
    let posts = (1..)
        .zip(texts)
        .map(|(n, text)| stored(n, post(&format!("p{n}"), text)))
        .collect();
    let cases = (1..=6).map(case).collect();
    store.commit(changes!(posts: posts, cases: cases)).await.unwrap();
    for (words, found) in [
        ("übertragung", vec![1]),
        ("BROKEN", vec![3, 2]),
        ("100%", vec![2]),
        ("a_b", vec![4]),
        (r"k\s", vec![6]),
        ("nothing", vec![]),
    ] {
        assert_eq!(
            numbers(&store.search_cases(words, 9).await.unwrap()),
            found,
            "{words}"
        );
    }
    assert_eq!(numbers(&store.search_cases("broken", 1).await.unwrap()), [3]);
    store.close().await;
}

async fn lists_are_in_order_and_bounded(place: Place) {
    let store = place.open().await;
    let mut cases: Vec<Case> = (1..=6).map(case).collect();
    cases[1].evolve(&Event::Claimed { owner: ann() }, at(50));
    cases[3].evolve(&Event::Claimed { owner: ann() }, at(40));
    cases[3].evolve(
        &Event::Resolved {
            outcome: String::new(),
        },
        at(41),
    );
    store.commit(changes!(cases: cases)).await.unwrap();
    let owner = Some(ann().key);
    for (filter, found) in [
        (
            CaseFilter {
                open: false,
                owner: None,
            },
            vec![1, 2, 3, 4, 5, 6],
        ),
        (
            CaseFilter {
                open: true,
                owner: None,
            },
            vec![1, 2, 3, 5, 6],
        ),
        (
            CaseFilter {
                open: false,
                owner: owner.clone(),
            },
            vec![2, 4],
        ),
        (CaseFilter { open: true, owner }, vec![2]),
    ] {
        assert_eq!(
            numbers(&store.list_cases(&filter, 9).await.unwrap()),
            found,
            "{filter:?}"
        );
        let bounded = store.list_cases(&filter, 1).await.unwrap();
        assert_eq!(numbers(&bounded), found[..1]);
    }
    assert_eq!(numbers(&store.latest_cases(3).await.unwrap()), [2, 4, 6]);
    let mut posts: Vec<StoredPost> = (1..=4).map(|n| stored(1, post(&format!("q{n}"), "x"))).collect();
    posts[0].post.created_at = at(99);
    store.commit(changes!(posts: posts)).await.unwrap();
    let last: Vec<String> = store
        .posts_of(CaseNumber(1), 3)
        .await
        .unwrap()
        .into_iter()
        .map(|stored| stored.post.id.to_string())
        .collect();
    assert_eq!(last, ["q3", "q4", "q1"]);
    store.close().await;
}

async fn suggestions_put_open_and_new_ones_first(place: Place) {
    let store = place.open().await;
    let mut cases: Vec<Case> = (1..=130).map(case).collect();
    for n in [12, 121] {
        cases[n - 1].evolve(
            &Event::Resolved {
                outcome: String::new(),
            },
            at(500),
        );
    }
    store.commit(changes!(cases: cases)).await.unwrap();
    let suggest = async |digits: &str, limit| numbers(&store.suggest_cases(digits, limit).await.unwrap());
    assert_eq!(
        suggest("12", 25).await,
        [129, 128, 127, 126, 125, 124, 123, 122, 120, 121, 12]
    );
    assert_eq!(suggest("12", 2).await, [129, 128]);
    assert_eq!(suggest("13", 9).await, [130, 13]);
    assert_eq!(suggest("", 3).await, [130, 129, 128]);
    assert_eq!(suggest("99999", 3).await, [0; 0]);
    assert_eq!(suggest("x", 3).await, [0; 0]);
    store.close().await;
}

async fn a_thread_leads_to_its_case(place: Place) {
    let store = place.open().await;
    store
        .commit(changes!(threads: vec![thread(1, "C1", "t1"), thread(2, "C2", "t1"), thread(1, "C3", "t9")]))
        .await
        .unwrap();
    let slack = "slack".into();
    let of = async |channel: Option<&str>, thread: &str| {
        let channel = channel.map(Into::into);
        store
            .case_of_thread(&slack, channel.as_ref(), &thread.into())
            .await
            .unwrap()
            .map(|case| case.0)
    };
    assert_eq!(of(Some("C1"), "t1").await, Some(1));
    assert_eq!(of(Some("C2"), "t1").await, Some(2));
    assert_eq!(of(None, "t9").await, Some(1));
    assert_eq!(of(Some("C9"), "t1").await, None);
    assert_eq!(
        store
            .case_of_thread(&"discord".into(), None, &"t1".into())
            .await
            .unwrap(),
        None
    );
    store.close().await;
}

/// Before every effect.
const FIRST: (Instant, EffectId) = (Instant::MIN_UTC, EffectId(0));

async fn effects_keep_their_order_and_their_history(place: Place) {
    let store = place.open().await;
    let (slack, timer) = (Lane::from("slack/C1".to_owned()), Lane::timers());
    let effects = vec![
        effect(1, "slack/C1"),
        effect(2, "timer"),
        effect(3, "slack/C1"),
        effect(10, "slack/C1"),
    ];
    store.commit(changes!(effects: effects)).await.unwrap();
    assert_eq!(store.lanes().await.unwrap(), [slack.clone(), timer.clone()]);
    assert_eq!(
        ids(&store.effects_of(&slack, FIRST, 9).await.unwrap()),
        [1, 3, 10]
    );
    let first = effect(1, "slack/C1").due_at;
    assert_eq!(
        ids(&store.effects_of(&slack, (first, EffectId(1)), 1).await.unwrap()),
        [3]
    );

    store
        .commit(changes!(effects_begun: vec![(EffectId(1), at(100))]))
        .await
        .unwrap();
    store
        .commit(
            changes!(effects_begun: vec![(EffectId(1), at(200))], effects_due: vec![(EffectId(1), at(300))]),
        )
        .await
        .unwrap();
    let tried = EffectRow {
        attempts: 2,
        begun_at: Some(at(100)),
        due_at: at(300),
        ..effect(1, "slack/C1")
    };
    // What was put off is behind the others.
    assert_eq!(store.effects_of(&slack, FIRST, 9).await.unwrap()[2], tried);

    let ended = changes!(
        effects_done: vec![EffectId(1), EffectId(77)],
        effects_dead: vec![(EffectId(2), "refused".to_owned()), (EffectId(3), "refused".to_owned())],
    );
    store.commit(ended).await.unwrap();
    assert_eq!(store.lanes().await.unwrap(), std::slice::from_ref(&slack));
    assert_eq!(ids(&store.effects_of(&slack, FIRST, 9).await.unwrap()), [10]);
    assert_eq!(ids(&store.effects_of(&timer, FIRST, 9).await.unwrap()), [0; 0]);
    assert_eq!(store.dead_effects().await.unwrap(), 2);
    store.close().await;
}

async fn the_inbox_keeps_the_first_answer_and_forgets(place: Place) {
    let store = place.open().await;
    let row = |key: &str, seconds, answer: &str| InboxRow {
        key: key.to_owned(),
        at: at(seconds),
        answer: answer.to_owned(),
    };
    store
        .commit(changes!(inbox: vec![row("a", 1, "1"), row("a", 2, "2"), row("b", 3, "3")]))
        .await
        .unwrap();
    store
        .commit(changes!(inbox: vec![row("b", 4, "4")]))
        .await
        .unwrap();
    let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let mut kept = store.known(&[], &[], &keys).await.unwrap().inbox;
    kept.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(kept, [row("a", 1, "1"), row("b", 3, "3")]);
    store.forget_inbox(at(3)).await.unwrap();
    assert_eq!(
        store.known(&[], &[], &keys).await.unwrap().inbox,
        [row("b", 3, "3")]
    );
    store.close().await;
}

async fn only_one_process_works_on_a_database(place: Place) {
    let first = Store::claim(&place.url).await.unwrap();
    let refused = Store::claim(&place.url).await.unwrap_err();
    assert!(matches!(refused, Error::Taken), "{refused}");
    let words = "another Hearback is running on this database";
    assert!(refused.to_string().contains(words), "{refused}");
    first.ping().await.unwrap();
    first.keep_lock().await.unwrap();
    let reader = place.open().await;
    assert_eq!(reader.lanes().await.unwrap(), [], "reading needs no lock");
    reader.close().await;
    first.close().await;
    let second = Store::claim(&place.url).await.unwrap();
    second.close().await;
}

/// The tables could be those of the other process's older version.
async fn a_database_that_another_process_works_on_is_not_touched(place: Place) {
    let first = Store::claim(&place.url).await.unwrap();
    place.run("DELETE FROM _sqlx_migrations").await;
    assert!(matches!(Store::claim(&place.url).await, Err(Error::Taken)));
    assert_eq!(
        Store::look(&place.url).await.unwrap(),
        Tables::Older,
        "nobody migrated"
    );
    first.close().await;
}

async fn looking_makes_nothing(place: Place) {
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::None);
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::None);
    if let Some(path) = place.url.strip_prefix("sqlite:") {
        assert!(!std::path::Path::new(path).exists());
    }
    let store = Store::claim(&place.url).await.unwrap();
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::Current);
    store.close().await;
    place
        .run("UPDATE _sqlx_migrations SET version = version + 1000000")
        .await;
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::Newer);
}

/// Ends the session that holds the lock, as a restart of the server does.
async fn lose_the_lock(place: &Place) {
    let ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks \
                 WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    place.run(ended).await;
}

#[tokio::test]
async fn a_lock_that_the_server_lost_is_taken_again() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = Store::claim(&place.url).await.unwrap();
    lose_the_lock(&place).await;
    store.keep_lock().await.unwrap();
    assert!(matches!(Store::claim(&place.url).await, Err(Error::Taken)));
    store.close().await;
}

#[tokio::test]
async fn a_lock_that_another_process_took_meanwhile_is_noticed() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = Store::claim(&place.url).await.unwrap();
    lose_the_lock(&place).await;
    let other = Store::claim(&place.url).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(store.keep_lock().await, Err(Error::Taken)));
    }
    other.close().await;
    store.keep_lock().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_server_that_is_away_takes_nobodys_lock() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let mut url = url::Url::parse(&place.url).unwrap();
    let server = (url.host_str().unwrap(), url.port().unwrap_or(5432));
    let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
    let door = Door::before(server).await;
    url.set_ip_host(door.address.ip()).unwrap();
    url.set_port(Some(door.address.port())).unwrap();
    let store = Store::claim(url.as_str()).await.unwrap();
    door.shut();
    assert!(matches!(store.keep_lock().await, Err(Error::Unavailable(_))));
    // The server has not noticed: the lock is still that of our own lost connection.
    door.open();
    let first = store.keep_lock().await.unwrap_err();
    assert!(
        matches!(&first, Error::Unavailable(why) if why.contains("being ended")),
        "{first}"
    );
    let regained = async {
        while store.keep_lock().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GUARD, regained).await.unwrap();
    assert!(matches!(Store::claim(&place.url).await, Err(Error::Taken)));
    store.close().await;
}

#[tokio::test]
async fn a_statement_that_hangs_is_given_up_by_the_server() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = place.open().await;
    let waiting = place.hold("BEGIN; LOCK TABLE settings").await;
    let refused = tokio::time::timeout(GUARD, store.ping())
        .await
        .expect("it is given up");
    assert!(
        matches!(&refused, Err(Error::Unavailable(why)) if why.contains("lock timeout")),
        "{refused:?}"
    );
    drop(waiting);
    store.close().await;
}

async fn commits_at_the_same_time_all_arrive(place: Place) {
    let store = place.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=60 {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .commit(changes!(cases: vec![case(n)], events: vec![quiet(n, n)]))
                .await
        });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    let all = store.list_cases(&CaseFilter::default(), 99).await.unwrap();
    assert_eq!(numbers(&all), (1..=60).collect::<Vec<_>>());
    store.close().await;
}

async fn a_caller_that_goes_away_cancels_nothing(place: Place) {
    let store = place.open().await;
    let mut acknowledged = Vec::new();
    for n in 1..=500_i64 {
        let patience = async {
            for _ in 0..n % 40 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = store.commit(changes!(cases: vec![case(n)])) => {
                done.unwrap();
                acknowledged.push(n);
            }
            () = patience => {}
        }
        if n % 50 == 0 {
            // One that is waited for, between those that are not.
            store.commit(changes!(events: vec![quiet(n, n)])).await.unwrap();
        }
    }
    store.close().await;
    let again = place.open().await;
    let kept = numbers(&again.list_cases(&CaseFilter::default(), 999).await.unwrap());
    assert!(
        acknowledged.iter().all(|n| kept.contains(n)),
        "acknowledged and lost"
    );
    assert_eq!(kept, (1..=500).collect::<Vec<_>>(), "begun and lost");
    let told: Vec<EventId> = (1..=10).map(|n| EventId(n * 50)).collect();
    assert_eq!(again.events(&told).await.unwrap().len(), 10);
    again.close().await;
}

#[tokio::test]
async fn a_file_is_called_what_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("100% a b?mode=memory#c.db");
    let url = format!("sqlite:{}", path.display());
    Store::claim(&url).await.unwrap().close().await;
    assert!(path.is_file());
    assert_eq!(Store::look(&url).await.unwrap(), Tables::Current);
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere").join("hearback.db");
    for (url, words) in [
        (format!("sqlite:{}", missing.display()), "nowhere does not exist"),
        (format!("sqlite:{}", folder.path().display()), "cannot be opened"),
        ("sqlite:".to_owned(), "must name a file"),
        (
            "mysql://x".to_owned(),
            "must begin with `sqlite:` or `postgres://`",
        ),
    ] {
        let error = Store::open(&url).await.unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable(why) if why.contains(words)),
            "{url}: {error}"
        );
    }
}

async fn an_order_is_carried_out_or_taken_back_and_never_both(place: Place) {
    let (store, guest) = (place.open().await, Store::join(&place.url).await);
    let guest = guest.unwrap();
    let order = |key: &str, seconds| OrderRow {
        key: key.to_owned(),
        at: at(seconds),
        by: "Olga".to_owned(),
        body: "{}".to_owned(),
    };
    let given = Changes {
        orders: vec![order("b", 2), order("a", 2), order("old", 0)],
        ..Changes::default()
    };
    guest.commit(given).await.unwrap();
    assert_eq!(store.orders(at(1)).await.unwrap(), [order("a", 2), order("b", 2)]);

    // An answer comes with what was done for it, or nothing does.
    let carried_out = |keys: &[&str], number| Changes {
        cases: vec![case(number)],
        orders_answered: keys
            .iter()
            .map(|key| ((*key).to_owned(), "\"done\"".to_owned()))
            .collect(),
        ..Changes::default()
    };
    guest.withdraw_order("b").await.unwrap();
    for keys in [["b"].as_slice(), &["a", "b"]] {
        let lost = store.commit(carried_out(keys, 1)).await;
        assert!(matches!(lost, Err(Error::Lost)), "{keys:?}: {lost:?}");
    }
    assert_eq!(store.cases(&[CaseNumber(1)]).await.unwrap(), []);
    store.commit(carried_out(&["a"], 1)).await.unwrap();
    assert_eq!(store.cases(&[CaseNumber(1)]).await.unwrap().len(), 1);
    guest.withdraw_order("a").await.unwrap();
    assert_eq!(guest.answer_to("a").await.unwrap().as_deref(), Some("\"done\""));
    assert_eq!(guest.answer_to("b").await.unwrap(), None);
    assert_eq!(store.orders(at(1)).await.unwrap(), []);
    let twice = store.commit(carried_out(&["a"], 2)).await;
    assert!(matches!(twice, Err(Error::Lost)), "{twice:?}");

    store.forget_inbox(at(1)).await.unwrap();
    assert_eq!(store.orders(at(-1)).await.unwrap(), []);
    guest.close().await;
    store.close().await;
}

async fn a_pause_in_the_place_of_the_one_that_was_read_is_not_called_logged(place: Place) {
    let store = place.open().await;
    let row = |source: Option<&str>, paused, seconds| PauseRow {
        source: source.map(Into::into),
        paused,
        at: at(seconds),
        by: "Olga".to_owned(),
        reason: "Why not".to_owned(),
        logged: false,
    };
    let put = |rows: Vec<PauseRow>| Changes {
        pauses: rows,
        ..Changes::default()
    };
    store
        .commit(put(vec![row(None, false, 1), row(Some("shop"), true, 1)]))
        .await
        .unwrap();
    let read = store.pauses().await.unwrap();
    // Meanwhile somebody pauses again.
    store.commit(put(vec![row(None, true, 2)])).await.unwrap();
    let logged = Changes {
        pauses_logged: read,
        ..Changes::default()
    };
    store.commit(logged).await.unwrap();
    let shop = PauseRow {
        logged: true,
        ..row(Some("shop"), true, 1)
    };
    assert_eq!(store.pauses().await.unwrap(), [row(None, true, 2), shop]);
    store.close().await;
}

async fn a_guest_makes_nothing_and_takes_no_lock(place: Place) {
    let none = Store::join(&place.url).await.unwrap_err().to_string();
    assert!(none.contains("`hearback serve` makes"), "{none}");
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::None);
    let store = Store::claim(&place.url).await.unwrap();
    let guest = Store::join(&place.url).await.unwrap();
    guest.commit(Changes::default()).await.unwrap();
    guest.close().await;
    store.close().await;
    let guest = Store::join(&place.url).await.unwrap();
    Store::claim(&place.url).await.unwrap().close().await;
    guest.close().await;
    place
        .run("UPDATE _sqlx_migrations SET version = 99 WHERE version = 5")
        .await;
    let newer = Store::join(&place.url).await.unwrap_err().to_string();
    assert!(newer.contains("a later version"), "{newer}");
    place.run("DELETE FROM _sqlx_migrations WHERE version > 3").await;
    let older = Store::join(&place.url).await.unwrap_err().to_string();
    assert!(older.contains("an earlier version"), "{older}");
    assert_eq!(Store::look(&place.url).await.unwrap(), Tables::Older);
}

async fn a_secret_comes_back_with_its_key_and_is_nothing_without(place: Place) {
    let store = place.open().await;
    let folder = tempfile::tempdir().unwrap();
    let seal = folder.path().join("hearback.seal");
    let (birds, sky) = (SourceName::new("birds"), SourceName::new("sky"));
    let vault = Vault::of(&store, &seal);
    assert_eq!(vault.get(&birds, "oauth").await.unwrap(), None);
    vault.put(&birds, "oauth", "token-1").await.unwrap();
    vault.put(&birds, "oauth", "token-2").await.unwrap();
    vault.put(&sky, "oauth", "other").await.unwrap();
    // Of several that make the key at once, all have the same.
    let again = Vault::of(&store, &seal);
    assert_eq!(
        again.get(&birds, "oauth").await.unwrap().as_deref(),
        Some("token-2")
    );
    // What was moved to another place does not open.
    place
        .run("UPDATE tokens SET body = (SELECT body FROM tokens AS t WHERE t.source = 'sky') WHERE source = 'birds'")
        .await;
    let told = again.get(&birds, "oauth").await.unwrap_err().to_string();
    assert!(told.contains("tokens.key"), "{told}");
    assert_eq!(again.get(&sky, "oauth").await.unwrap().as_deref(), Some("other"));
    // A copy of the database without the key is no way in.
    let elsewhere = Vault::of(&store, &folder.path().join("copy.seal"));
    let told = elsewhere.get(&sky, "oauth").await.unwrap_err().to_string();
    assert!(
        told.contains("copy.seal.tokens.key") && told.contains("hearback connect"),
        "{told}"
    );
    assert!(
        !folder.path().join("copy.seal.tokens.key").exists(),
        "a new key opens nothing"
    );
    // Who was let in anew goes on.
    elsewhere.put(&sky, "oauth", "anew").await.unwrap();
    assert_eq!(
        elsewhere.get(&sky, "oauth").await.unwrap().as_deref(),
        Some("anew")
    );
    let key = folder.path().join("hearback.seal.tokens.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    std::fs::write(&key, "short").unwrap();
    let told = Vault::of(&store, &seal)
        .get(&sky, "oauth")
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("5 bytes instead of 32"), "{told}");
    store.close().await;
}
