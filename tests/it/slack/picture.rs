//! Pictures in Slack's threads, without the rest of Hearback.

use crate::fake::fault::Fault;
use crate::fake::gallery::drawing;
use crate::fake::slack::{CHANNEL, SlackFake};
use hearback::adapter::chat::slack::{Limits, Slack};
use hearback::domain::{Card, Clock as _, IdempotencyKey, Instant, ManualClock, Message};
use hearback::port::{
    ChatPlatform as _, FindTraces, OpenThread, Opened, Picture, PictureForm, PortError, ShowPicture,
    Withdraw, Withdrawn,
};
use rstest::rstest;
use std::sync::Arc;

const COMPLETE: &str = "files.completeUploadExternal";

struct Desk {
    slack: SlackFake,
    ours: Slack,
    clock: ManualClock,
    thread: Opened,
}

impl Desk {
    async fn open() -> Self {
        let clock = ManualClock::default();
        let slack = SlackFake::start(Arc::new(clock.clone())).await;
        let ours = Slack::new(&slack.config(), Arc::new(clock.clone()), "here").unwrap();
        let ours = ours.with_limits(Limits::lifted());
        let card = Card {
            title: "#1".to_owned(),
            status: "new".to_owned(),
            message: Message::line("It broke"),
        };
        let order = OpenThread {
            key: IdempotencyKey::new("here-e1o"),
            channel: CHANNEL.into(),
            card,
            earlier: None,
        };
        let thread = ours.open_thread(&order).await.unwrap();
        Self {
            slack,
            ours,
            clock,
            thread,
        }
    }

    fn order(&self, earlier: Option<Instant>) -> ShowPicture {
        ShowPicture {
            key: IdempotencyKey::new("here-e2"),
            channel: CHANNEL.into(),
            thread: self.thread.thread.clone(),
            picture: Arc::new(Picture {
                bytes: drawing(400, 300),
                form: PictureForm::Png,
            }),
            title: "Picture".to_owned(),
            alt: "é".repeat(2000),
            message: Message::line("Picture <!channel>"),
            earlier,
        }
    }

    fn shown(&self) -> usize {
        let replies = self.slack.replies(self.thread.thread.as_str());
        replies.iter().filter(|message| !message.files.is_empty()).count()
    }
}

#[tokio::test]
async fn a_picture_is_brought_and_shown_once() {
    let desk = Desk::open().await;
    let shown = desk.ours.show_picture(&desk.order(None)).await.unwrap();
    assert!(
        shown.as_str().starts_with('F'),
        "{shown}: Slack does not tell the message"
    );
    let [message] = &desk.slack.replies(desk.thread.thread.as_str())[..] else {
        panic!("not one message")
    };
    assert_eq!(message.files[0].bytes, drawing(400, 300));
    assert_eq!(message.files[0].name, "here-e2.png");
    assert_eq!(message.files[0].alt.chars().count(), 1000);
    assert!(message.pings().is_empty());
    assert_eq!(desk.slack.problems(), Vec::<String>::new());
}

#[rstest]
#[case::cut_off_before(COMPLETE, Fault::Drop, 0)]
#[case::cut_off_after(COMPLETE, Fault::AcceptThenDrop, 1)]
#[case::nobody_knows(COMPLETE, Fault::StatusButDone(502), 1)]
#[tokio::test]
async fn what_may_have_been_shown_is_looked_for_before_it_is_shown_again(
    #[case] call: &str,
    #[case] fault: Fault,
    #[case] stands: usize,
) {
    let desk = Desk::open().await;
    desk.slack.faults.next(call, fault);
    let began = desk.clock.now();
    let broke = desk.ours.show_picture(&desk.order(None)).await.unwrap_err();
    assert!(matches!(broke, PortError::Unknown(_)), "{broke:?}");
    assert_eq!(desk.shown(), stands);
    desk.ours.show_picture(&desk.order(Some(began))).await.unwrap();
    assert_eq!(desk.shown(), 1);
}

#[rstest]
#[case::asking("files.getUploadURLExternal", Fault::AcceptThenDrop)]
#[case::bringing("upload", Fault::Drop)]
#[case::brought_in_vain("upload", Fault::Status(500))]
#[tokio::test]
async fn before_it_is_shown_nothing_is_uncertain(#[case] call: &str, #[case] fault: Fault) {
    let desk = Desk::open().await;
    desk.slack.faults.next(call, fault);
    let broke = desk.ours.show_picture(&desk.order(None)).await.unwrap_err();
    assert!(matches!(broke, PortError::NotReached(_)), "{broke:?}");
    assert_eq!(desk.shown(), 0);
    desk.ours.show_picture(&desk.order(None)).await.unwrap();
    assert_eq!(desk.shown(), 1);
}

#[tokio::test]
async fn without_the_scope_it_says_so() {
    let desk = Desk::open().await;
    desk.slack.remove_scope("files.getUploadURLExternal");
    let refused = desk.ours.show_picture(&desk.order(None)).await.unwrap_err();
    assert!(
        matches!(&refused, PortError::Unauthorized(why) if why.contains("missing_scope")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn of_two_pictures_the_later_goes() {
    let desk = Desk::open().await;
    let since = desk.clock.now();
    let known = desk.ours.show_picture(&desk.order(None)).await.unwrap();
    desk.ours.show_picture(&desk.order(None)).await.unwrap();
    assert_eq!(desk.shown(), 2);
    let traces = FindTraces {
        key: IdempotencyKey::new("here-e2"),
        channel: CHANNEL.into(),
        thread: Some(desk.thread.thread.clone()),
        since,
        fresh: desk.clock.now(),
        known: Opened {
            thread: desk.thread.thread.clone(),
            card: known,
        },
    };
    let found = desk.ours.traces(&traces).await.unwrap();
    let [kept, double] = &found[..] else {
        panic!("{found:?}")
    };
    let order = Withdraw {
        channel: CHANNEL.into(),
        double: double.clone(),
        kept: kept.clone(),
        what: Withdrawn::Message,
    };
    desk.ours.withdraw(&order).await.unwrap();
    assert_eq!(desk.shown(), 1);
    assert_eq!(
        desk.slack.replies(desk.thread.thread.as_str())[0].ts,
        kept.card.as_str()
    );
}
