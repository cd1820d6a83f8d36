//! What stands twice after a broken call: one stays, and nothing is lost. Time moves by hand.

use super::world::{ADA, Net, Shop, directory, sighting, within};
use crate::fake::fault::Fault;
use crate::fake::slack::{BOT, CHANNEL, ESCALATIONS, Posted, SlackFake};
use hearback::adapter::chat::slack::{Limits, Slack};
use hearback::adapter::link::LinkState;
use hearback::app::{App, Inbound, Parts, Worker};
use hearback::domain::ManualClock;
use hearback::store::Store;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const POST: &str = "chat.postMessage";

struct Stage {
    slack: SlackFake,
    inbound: Inbound,
    clock: ManualClock,
    worker: Worker,
    store: Store,
    stop: CancellationToken,
    tasks: TaskTracker,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn open() -> Self {
        let clock = ManualClock::default();
        let slack = SlackFake::start(Arc::new(clock.clone())).await;
        Self::begin(slack, clock, tempfile::tempdir().unwrap()).await
    }

    /// The process ends, and another one goes on.
    async fn restart(self) -> Self {
        let Self {
            slack,
            inbound,
            clock,
            worker,
            store,
            stop,
            tasks,
            folder,
        } = self;
        stop.cancel();
        drop((inbound, worker));
        tasks.close();
        within("everything ends", tasks.wait()).await;
        store.close().await;
        let mut next = Self::begin(slack, clock, folder).await;
        next.worker.recover().await.unwrap();
        next.settle().await;
        next
    }

    async fn begin(slack: SlackFake, clock: ManualClock, folder: tempfile::TempDir) -> Self {
        let url = format!("sqlite:{}", folder.path().join("t.db").display());
        let store = Store::open(&url).await.unwrap();
        let installation = store.installation().await.unwrap();
        let ours = Slack::new(&slack.config(), Arc::new(clock.clone()), &installation)
            .unwrap()
            .with_limits(Limits::lifted());
        let ours = Arc::new(ours);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let parts = Parts {
            directory: directory(),
            chats: vec![ours.clone()],
            networks: vec![Arc::new(Shop("shop".into(), Arc::new(Net::default())))],
            hold: Duration::from_secs(3600),
            timeout: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            stop: stop.clone(),
            ..Parts::around(store.clone(), Arc::new(clock.clone()))
        };
        let App { inbound, worker, .. } = App::start(parts, &tasks).await.unwrap();
        tasks.spawn(Arc::clone(&ours).run(inbound.clone(), stop.clone()));
        slack.connected(2).await;
        let known = async {
            while !matches!(ours.links()[0].state(), LinkState::Up) {
                tokio::task::yield_now().await;
            }
        };
        within("Slack tells who we are", known).await;
        Self {
            slack,
            inbound,
            clock,
            worker,
            store,
            stop,
            tasks,
            folder,
        }
    }

    async fn complaint(&mut self, id: &str, text: &str) {
        let seen = vec![sighting(id, "talk", "Ann", text)];
        self.inbound.posts_seen(&"shop".into(), seen, None).await.unwrap();
        self.settle().await;
    }

    async fn settle(&mut self) {
        within("the outbox comes to rest", self.worker.run_until_idle()).await;
    }

    async fn pass(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }

    async fn says(&mut self, line: &str) -> String {
        let said = self.slack.command(ADA, "/case", line).await;
        self.settle().await;
        said
    }

    /// Our first messages of threads in a channel.
    fn roots(&self, channel: &str) -> Vec<Posted> {
        let messages = self.slack.messages(channel).into_iter();
        messages.filter(|m| m.thread.is_none() && m.user == BOT).collect()
    }

    /// What stands under a first message.
    fn told(&self, root: &Posted) -> Vec<String> {
        self.slack.replies(&root.ts).iter().map(Posted::shown).collect()
    }

    /// Two roots of the first case, the first of which Slack does not show yet.
    async fn two_roots(&mut self) -> (Posted, Posted) {
        self.slack.faults.next(POST, Fault::AcceptThenDrop);
        self.complaint("p1", "It broke.").await;
        let first = self.roots(CHANNEL).remove(0);
        self.slack.hide(&first.ts);
        self.pass(1).await;
        let roots = self.roots(CHANNEL);
        assert_eq!(roots.len(), 2, "nobody could know");
        (first, roots[1].clone())
    }

    /// How often the channel or a thread was read.
    fn looks(&self) -> usize {
        self.slack.calls("conversations.history").len() + self.slack.calls("conversations.replies").len()
    }

    fn well(self) {
        self.stop.cancel();
        assert_eq!(self.slack.problems(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn where_nothing_breaks_nobody_looks() {
    let mut s = Stage::open().await;
    s.complaint("p1", "It broke.").await;
    s.says("claim 1").await;
    s.says("note 1 A good customer.").await;
    s.pass(3600).await;
    assert_eq!(s.looks(), 0);
    s.well();
}

#[rstest]
#[case::seen_at_the_first_look(0)]
#[case::seen_at_the_last_look(120)]
#[tokio::test]
async fn of_two_threads_the_earlier_stays_and_nothing_is_lost(#[case] late: u64) {
    let mut s = Stage::open().await;
    let (first, second) = s.two_roots().await;
    s.says("claim 1").await;
    s.says("note 1 A good customer.").await;
    s.says("reply 1 We look at it.").await;
    s.complaint("p2", "Hello? Anybody?").await;
    assert_eq!(s.told(&second).len(), 4);
    s.pass(late).await;
    assert_eq!(s.roots(CHANNEL).len(), 2);
    s.slack.show_all();
    s.pass(600).await;

    let roots = s.roots(CHANNEL);
    assert_eq!(roots.len(), 1, "one case, one thread");
    assert_eq!(roots[0].ts, first.ts);
    assert!(s.slack.replies(&second.ts).is_empty(), "no remains");
    let told = s.told(&first).join("\n---\n");
    for words in ["Ada", "A good customer.", "We look at it.", "Hello? Anybody?"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(s.told(&first).len(), 4, "{told}");
    assert!(
        roots[0].shown().contains("claimed by Ada"),
        "{}",
        roots[0].shown()
    );

    // The thread is in use: what is said goes there, and the cancel button there works.
    let held = s
        .slack
        .replies(&first.ts)
        .into_iter()
        .find(|m| m.buttons().contains(&"Undo".to_owned()));
    s.slack.press(ADA, &held.unwrap(), "Undo").await;
    s.settle().await;
    let told = s.told(&first).join("\n---\n");
    assert!(told.contains("Taken back. Nothing was published."), "{told}");
    s.pass(600).await;
    let before = s.looks();
    s.pass(3600).await;
    assert_eq!(s.looks(), before, "that is the end of it");
    s.well();
}

#[tokio::test]
async fn a_call_that_was_carried_out_late_makes_no_second_thread() {
    let mut s = Stage::open().await;
    s.slack.faults.next(POST, Fault::Drop);
    s.complaint("p1", "It broke.").await;
    s.pass(1).await;
    let root = s.roots(CHANNEL).remove(0);
    s.says("note 1 A good customer.").await;
    s.pass(5).await;
    s.slack.carry_out_late();
    assert_eq!(s.roots(CHANNEL).len(), 2);
    s.pass(60).await;
    let roots = s.roots(CHANNEL);
    assert_eq!((roots.len(), &roots[0].ts), (1, &root.ts));
    assert_eq!(s.told(&root).len(), 1, "told once");
    s.well();
}

#[rstest]
#[case(Fault::Drop)]
#[case(Fault::AcceptThenDrop)]
#[case(Fault::Status(500))]
#[case(Fault::RateLimited("30".to_owned()))]
#[tokio::test]
async fn a_mend_that_is_broken_off_begins_again_even_in_another_process(#[case] fault: Fault) {
    let mut s = Stage::open().await;
    let (first, second) = s.two_roots().await;
    s.says("note 1 A good customer.").await;
    s.says("claim 1").await;
    s.slack.show_all();
    s.slack.faults.next("chat.delete", fault);
    s.pass(60).await;
    let mut s = s.restart().await;
    s.pass(60).await;
    s.pass(60).await;
    let roots = s.roots(CHANNEL);
    assert_eq!((roots.len(), &roots[0].ts), (1, &first.ts));
    assert!(s.slack.replies(&second.ts).is_empty());
    assert_eq!(
        s.told(&first).len(),
        2,
        "each is told once: {:#?}",
        s.told(&first)
    );
    assert!(roots[0].shown().contains("claimed by Ada"));
    s.pass(600).await;
    s.well();
}

#[tokio::test]
async fn what_people_wrote_is_never_removed() {
    let mut s = Stage::open().await;
    let (first, second) = s.two_roots().await;
    s.says("note 1 A good customer.").await;
    let theirs = s.slack.write(ADA, CHANNEL, Some(&second.ts), "I called her.");
    s.slack.show_all();
    s.pass(60).await;
    assert_eq!(s.slack.message(&theirs).text, "I called her.");
    let pointer = s.slack.message(&second.ts);
    let address = format!(
        "https://slack.com/archives/{CHANNEL}/p{}",
        first.ts.replace('.', "")
    );
    assert!(pointer.shown().contains("opened twice"), "{}", pointer.shown());
    assert!(pointer.shown().contains(&address), "{}", pointer.shown());
    assert_eq!(pointer.buttons(), Vec::<String>::new());
    assert!(s.told(&first).join("\n").contains("A good customer."));
    let edits = pointer.edits;
    s.pass(600).await;
    assert_eq!(
        s.slack.message(&second.ts).edits,
        edits + 1,
        "it is found again, and says the same"
    );
    s.well();
}

#[tokio::test]
async fn a_first_thread_that_somebody_removed_is_no_double() {
    let mut s = Stage::open().await;
    let (first, second) = s.two_roots().await;
    s.says("note 1 A good customer.").await;
    s.slack.delete(&first.ts);
    s.slack.show_all();
    s.pass(600).await;
    assert_eq!(s.roots(CHANNEL).len(), 1);
    assert_eq!(s.told(&second).len(), 1);
    // And when it is the one we know: the other is there to go on in.
    let mut s = Stage::open().await;
    let (first, second) = s.two_roots().await;
    s.says("note 1 A good customer.").await;
    s.slack.delete(&second.ts);
    s.slack.show_all();
    s.pass(600).await;
    assert_eq!(s.roots(CHANNEL).len(), 1);
    assert!(s.told(&first).join("\n").contains("A good customer."));
    s.says("claim 1").await;
    assert_eq!(s.roots(CHANNEL).len(), 1);
    s.well();
}

#[tokio::test]
async fn of_two_messages_the_earlier_stays_and_is_the_one_that_changes() {
    let mut s = Stage::open().await;
    s.complaint("p1", "It broke.").await;
    let root = s.roots(CHANNEL).remove(0);
    s.says("claim 1").await;
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    s.says("reply 1 We look at it.").await;
    let first = s.slack.replies(&root.ts).remove(1);
    s.slack.hide(&first.ts);
    s.pass(1).await;
    assert_eq!(s.told(&root).len(), 3, "nobody could know");
    s.slack.show_all();
    s.pass(60).await;
    let left = s.slack.replies(&root.ts);
    assert_eq!((left.len(), &left[1].ts), (2, &first.ts));
    s.slack.press(ADA, &first, "Undo").await;
    s.settle().await;
    let shown = s.slack.message(&first.ts).shown();
    assert!(shown.contains("Taken back"), "{shown}");
    s.well();
}

#[tokio::test]
async fn a_second_thread_at_a_team_is_mended_too() {
    let mut s = Stage::open().await;
    s.complaint("p1", "It broke.").await;
    s.says("note 1 Before.").await;
    s.pass(60).await;
    // One for each of the two channels, whose lanes go side by side.
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    s.says("escalate 1 managers She is angry.").await;
    let first = s.roots(ESCALATIONS).remove(0);
    s.slack.hide(&first.ts);
    s.pass(1).await;
    assert_eq!(s.roots(ESCALATIONS).len(), 2, "nobody could know");
    s.says("note 1 After.").await;
    s.slack.show_all();
    s.pass(600).await;
    let roots = s.roots(ESCALATIONS);
    assert_eq!((roots.len(), &roots[0].ts), (1, &first.ts));
    let told = s.told(&first);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].contains("She is angry.") && told[1].contains("After."),
        "{told:#?}"
    );
    assert_eq!(s.roots(CHANNEL).len(), 1);
    s.well();
}

#[tokio::test]
async fn metadata_of_other_apps_does_not_blind_us() {
    let mut s = Stage::open().await;
    for metadata in [
        json!({"event_type": "other", "event_payload": {"deep": {"er": [1, {"x": null}]}}}),
        json!({"event_type": 7, "event_payload": "text"}),
        json!({"event_type": "hearback_mirror", "event_payload": {"key": ["x"], "installation": {}}}),
        json!([1, 2]),
        json!(null),
    ] {
        let blocks = json!([{"type": "of_tomorrow", "block_id": 7}, "text", null]);
        s.slack.post_foreign(CHANNEL, metadata, blocks);
    }
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    s.complaint("p1", "It broke.").await;
    s.pass(1).await;
    assert_eq!(s.roots(CHANNEL).len(), 1, "it was found among them");
    s.pass(600).await;
    assert_eq!(s.roots(CHANNEL).len(), 1);
    s.well();
}

#[tokio::test]
async fn whoever_cannot_look_for_ten_minutes_posts_and_mends_later() {
    let mut s = Stage::open().await;
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    for _ in 0..12 {
        s.slack.faults.next("conversations.history", Fault::Status(503));
    }
    s.complaint("p1", "It broke.").await;
    for _ in 0..8 {
        s.pass(60).await;
        assert_eq!(s.roots(CHANNEL).len(), 1, "it waits for a look");
    }
    let before = s.roots(CHANNEL).remove(0);
    for _ in 0..4 {
        s.pass(60).await;
    }
    s.says("note 1 A good customer.").await;
    for _ in 0..12 {
        s.pass(60).await;
    }
    let roots = s.roots(CHANNEL);
    assert_eq!((roots.len(), &roots[0].ts), (1, &before.ts));
    assert!(s.told(&before).join("\n").contains("A good customer."));
    assert!(s.slack.calls(POST).len() > 2, "it was posted again");
    s.well();
}

/// One page of fifteen messages a minute, as apps have that are not in the Marketplace.
#[tokio::test]
async fn a_look_within_the_smallest_budget_goes_on_where_it_was() {
    let mut s = Stage::open().await;
    s.slack.limit_readings(15, 60);
    s.slack.faults.next(POST, Fault::AcceptThenDrop);
    s.complaint("p1", "It broke.").await;
    for n in 0..40 {
        s.slack.write(ADA, CHANNEL, None, &format!("chatter {n}"));
    }
    s.pass(1).await;
    s.pass(60).await;
    s.pass(60).await;
    assert_eq!(s.slack.calls(POST).len(), 1, "found on the third page");
    assert_eq!(s.looks(), 5, "three pages, and two that were refused");
    s.says("note 1 A good customer.").await;
    for _ in 0..30 {
        s.pass(60).await;
    }
    assert_eq!(s.roots(CHANNEL).len(), 1);
    assert_eq!(
        s.told(&s.roots(CHANNEL)[0]).len(),
        1,
        "nothing waited for the looks"
    );
    s.well();
}

/// Where a process was killed with much under way, all of it is in doubt.
#[tokio::test]
async fn one_reading_of_a_thread_tells_about_everything_in_it() {
    let mut s = Stage::open().await;
    s.complaint("p1", "It broke.").await;
    let root = s.roots(CHANNEL).remove(0);
    for n in 0..5 {
        s.slack.faults.next(POST, Fault::AcceptThenDrop);
        s.says(&format!("note 1 Note {n}.")).await;
        s.pass(60).await;
    }
    s.pass(60).await;
    assert_eq!(s.told(&root).len(), 5, "each stands once");
    let before = s.slack.calls("conversations.replies").len();
    // The last looks of all five come together.
    s.pass(3600).await;
    let last = s.slack.calls("conversations.replies").len() - before;
    assert!(last <= 2, "{last} readings for five messages");
    s.well();
}
