//! The rows about what is published.

use super::{Call, Play, Row, Stage, Untold};
use crate::fake::fault::Fault;
use crate::fake::house::SETTLE;
use hearback::app::Response;
use hearback::domain::{Audience, ReplyState};
use hearback::port::Class;
use std::time::Duration;

pub async fn place<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let one = play.heard("ann", "my parcel is late").await;
    play.clock.advance(Duration::from_secs(1));
    let two = play.stage.answers("bob", &one, "mine too");
    play.sweep().await;
    play.core
        .reply(2, "Sorry, Bob! See https://shop.example/track.")
        .await;
    play.core.reply(1, "Sorry about it, Ann!").await;
    let ours = play.stage.published();
    let parents: Vec<_> = ours.iter().map(|own| own.parent.as_deref()).collect();
    let (below_two, below_one) = (play.stage.under(&two), play.stage.under(&one));
    // Where all stand in a row, the first is above all of them.
    let in_a_row = S::UNTOLD.contains(&Untold::Parent) && parents[0] == Some(&below_one);
    assert!(in_a_row || parents[0] == Some(&below_two), "{parents:?}");
    assert_eq!(parents[1], Some(below_one.as_str()));
    assert!(
        ours[0]
            .text
            .contains("Sorry, Bob! See https://shop.example/track."),
        "{ours:?}"
    );
    for (case, own) in [(2, &ours[0]), (1, &ours[1])] {
        let reply = &play.core.replies(case).await[0];
        assert_eq!(reply.state, ReplyState::Sent);
        assert_eq!(
            reply.url.as_ref(),
            Some(&own.url).filter(|_| !S::UNTOLD.contains(&Untold::Page))
        );
        assert!(
            play.core
                .thread(usize::try_from(case).unwrap())
                .contains(&own.url)
        );
    }
}

pub async fn misplacement<S: Stage>() {
    for misplaced in S::MISPLACES {
        let mut play = Play::<S>::with(Some(*misplaced)).await;
        play.heard("ann", "my parcel is late").await;
        play.core.reply(1, "Sorry about that!").await;
        let reply = &play.core.replies(1).await[0];
        assert_eq!(
            reply.state,
            ReplyState::NeedsHuman,
            "{misplaced:?}: {:?}",
            reply.reason
        );
        let why = reply.reason.as_deref().unwrap();
        assert!(why.contains("not under the post"), "{misplaced:?}: {why}");
        play.core.wait(SETTLE).await;
        assert_eq!(
            play.stage.published().len(),
            1,
            "{misplaced:?}: it is not tried again"
        );
    }
}

pub async fn length<S: Stage>() {
    for counted in S::counted() {
        let mut play = Play::<S>::new().await;
        play.heard("ann", "my parcel is late").await;
        let composed = play
            .connector
            .compose(&counted.text, &S::handle("ann"), Audience::Public);
        assert_eq!(
            (composed.length, composed.limit, composed.unit),
            (counted.length, counted.limit, counted.unit),
            "{}",
            counted.text
        );
        let fits = counted.length <= counted.limit;
        if fits {
            play.core.reply(1, &counted.text).await;
        } else {
            let response = play.core.says(&format!("reply 1 {}", counted.text)).await;
            assert!(!matches!(response, Response::Done(_)), "{response:?}");
            assert!(format!("{response:?}").contains(counted.unit), "{response:?}");
        }
        // The platform counts by itself, and takes what we took.
        assert_eq!(
            play.stage.published().len(),
            usize::from(fits),
            "{}",
            counted.text
        );
    }
}

pub async fn answered<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let post = play.heard("ann", "my parcel is late").await;
    play.clock.advance(Duration::from_secs(60));
    play.stage.we_write(Some(&post), "It is on its way.");
    play.core.reply(1, "Sorry about that!").await;
    let reply = &play.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert!(reply.reason.as_deref().unwrap().contains("It is on its way."));
    assert_eq!(play.stage.asked(Call::Publish), 0);
    if S::cannot(Row::Deletion).is_some() {
        return;
    }
    // A post that is gone is not answered either.
    let gone = play.heard("bob", "never mind").await;
    play.stage.deletes(&gone);
    play.core.reply(2, "What happened there?").await;
    assert_eq!(play.core.replies(2).await[0].state, ReplyState::Stale);
    assert_eq!(play.stage.asked(Call::Publish), 0);
}

pub async fn refused<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "my parcel is late").await;
    play.stage.next(Call::Publish, Fault::Status(403));
    play.core.reply(1, "Sorry about that!").await;
    let reply = &play.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    assert!(
        reply.reason.as_deref().unwrap().contains("403"),
        "{:?}",
        reply.reason
    );
    play.core.wait(SETTLE).await;
    assert_eq!(
        (play.stage.asked(Call::Publish), play.stage.published().len()),
        (1, 0)
    );
}

pub async fn publishing_limited<S: Stage>() {
    for form in ["30", "soon"] {
        let mut play = Play::<S>::new().await;
        play.heard("ann", "my parcel is late").await;
        play.stage
            .next(Call::Publish, Fault::RateLimited(form.to_owned()));
        play.core.reply(1, "Sorry about that!").await;
        assert_eq!(play.stage.published().len(), 0);
        play.core.wait(Duration::from_secs(60)).await;
        assert_eq!(
            (play.stage.asked(Call::Publish), play.stage.published().len()),
            (2, 1)
        );
    }
}

/// Whatever the platform did before it fell silent, and though we are killed meanwhile, one reply stands in
/// the end; where nobody can look, a person is asked.
pub async fn ambiguous<S: Stage>() {
    let faults = [
        Fault::AcceptThenDrop,
        Fault::StatusButDone(500),
        Fault::StatusButDone(503),
        Fault::Garbage,
        Fault::Drop,
        Fault::Status(500),
        Fault::Hang,
    ];
    for fault in faults {
        let mut play = Play::<S>::new().await;
        play.heard("ann", "my parcel is late").await;
        play.stage.next(Call::Publish, fault.clone());
        play.core
            .reply(1, "Sorry, see https://shop.example/orders/4711?lang=en")
            .await;
        let state = play.core.replies(1).await[0].state;
        // It may be seen at once that it stands there.
        let seen = state == ReplyState::Sent && play.stage.published().len() == 1;
        assert!(
            seen || matches!(state, ReplyState::Ambiguous | ReplyState::NeedsHuman),
            "{fault:?}: {state:?}"
        );
        let mut play = play.restart().await;
        play.sweep().await;
        for _ in 0..3 {
            play.core.wait(SETTLE).await;
        }
        let (ours, reply) = (play.stage.published(), &play.core.replies(1).await[0]);
        match play.connector.abilities().class {
            Class::Key { .. } | Class::Id | Class::Lookup => {
                assert_eq!((ours.len(), reply.state), (1, ReplyState::Sent), "{fault:?}");
                let url = Some(&ours[0].url).filter(|_| !S::UNTOLD.contains(&Untold::Page));
                assert_eq!(reply.url.as_ref(), url, "{fault:?}");
            }
            Class::None => {
                assert!(ours.len() <= 1, "{fault:?}");
                assert_eq!(reply.state, ReplyState::NeedsHuman, "{fault:?}");
            }
        }
    }
}

pub async fn finds<S: Stage>() {
    looks::<S>(Fault::AcceptThenDrop, 1).await;
}

pub async fn finds_not<S: Stage>() {
    looks::<S>(Fault::Drop, 2).await;
}

/// How often it is published, after an attempt that ended so.
async fn looks<S: Stage>(fault: Fault, calls: usize) {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "my parcel is late").await;
    play.stage.next(Call::Publish, fault);
    play.core.reply(1, "Sorry about that!").await;
    for _ in 0..3 {
        play.core.wait(SETTLE).await;
    }
    assert_eq!(play.core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(
        (play.stage.asked(Call::Publish), play.stage.published().len()),
        (calls, 1)
    );
}
