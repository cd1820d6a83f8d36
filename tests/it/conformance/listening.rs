//! The rows about what is heard.

use super::{Call, KNOCK, Knock, Play, SOUGHT, Stage, Untold};
use crate::fake::fault::Fault;
use hearback::adapter::link::LinkState;
use hearback::adapter::supervise::Lost;
use hearback::domain::Clock as _;
use std::time::Duration;

/// The most time that something is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn signature<S: Stage>() {
    let play = Play::<S>::new().await;
    for how in [Knock::Good, Knock::Escaped] {
        let status = play.stage.knocks(&play.core.inbound, how).await;
        assert!((200..300).contains(&status), "{how:?}: {status}");
    }
    let stale = S::DATED.then_some(Knock::Stale);
    for how in [Knock::Bad, Knock::Doubled].into_iter().chain(stale) {
        let status = play.stage.knocks(&play.core.inbound, how).await;
        assert!((400..500).contains(&status), "{how:?}: {status}");
    }
    play.heard_are(&[KNOCK.to_owned(), KNOCK.to_owned()]).await;
}

/// A first start opens no old cases; after an outage all of several pages is there, each once, also where
/// several were written at the same moment.
pub async fn paging<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.stage.writes("ann", "long ago");
    play.clock.advance(Duration::from_secs(25 * 3600));
    play.stage.writes("ann", "number 0");
    play.sweep().await;
    let mut texts = vec!["number 0".to_owned()];
    play.heard_are(&texts).await;
    for n in 1..=250 {
        if n % 3 == 0 {
            play.clock.advance(Duration::from_secs(1));
        }
        let text = format!("number {n}");
        play.stage.writes("ann", &text);
        texts.push(text);
    }
    play.sweep().await;
    play.heard_are(&texts).await;
    play.sweep().await;
    let mut play = play.restart().await;
    play.sweep().await;
    play.heard_are(&texts).await;
}

pub async fn twice<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let one = play.stage.writes("ann", "one");
    let two = play.stage.writes("bob", "two");
    play.stage.pushes(&play.core.inbound, &one).await;
    play.sweep().await;
    play.stage.pushes(&play.core.inbound, &two).await;
    play.heard_are(&["one".to_owned(), "two".to_owned()]).await;
}

/// What takes its place before what was read already is heard all the same.
pub async fn reorder<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "first").await;
    play.clock.advance(Duration::from_secs(7200));
    play.heard("ann", "second").await;
    let mut texts = vec!["first".to_owned(), "second".to_owned()];
    for by in S::LATE {
        let text = format!("late by {by}");
        play.stage.comes_late("bob", &text, Duration::from_secs(*by));
        play.sweep().await;
        texts.push(text);
    }
    play.heard_are(&texts).await;
}

pub async fn edit<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let post = play.heard("ann", "it is blue").await;
    play.clock.advance(Duration::from_secs(60));
    play.stage.edits(&post, "it is on fire");
    play.sweep().await;
    play.sweep().await;
    let thread = play.core.thread(1);
    assert!(
        thread.contains("it is blue") && thread.contains("it is on fire"),
        "{thread}"
    );
    play.heard_are(&["it is on fire".to_owned()]).await;
}

pub async fn deletion<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.stage.writes("ann", "this stays");
    let post = play.stage.writes("bob", "this goes");
    play.sweep().await;
    play.clock.advance(Duration::from_secs(60));
    play.stage.deletes(&post);
    for _ in 0..3 {
        play.sweep().await;
    }
    let deleted: Vec<_> = play.posts().await.iter().map(|post| post.deleted).collect();
    assert_eq!(deleted, [false, true]);
    // Said once, not with every round.
    let before = play.core.thread(2);
    play.sweep().await;
    assert_eq!(play.core.thread(2), before);
}

pub async fn own<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let post = play.heard("ann", &format!("my {SOUGHT} is late")).await;
    if S::ANSWERS {
        play.core.reply(1, &format!("Which {SOUGHT} is it?")).await;
    }
    play.stage.we_write(Some(&post), "We look into it.");
    play.stage.we_write(None, &format!("Every {SOUGHT} on time!"));
    play.sweep().await;
    let mut play = play.restart().await;
    play.sweep().await;
    play.heard_are(&["is late".to_owned()]).await;
}

pub async fn follow_up<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let post = play.heard("ann", "my parcel is late").await;
    play.core.reply(1, "Which one is it, please?").await;
    let ours = play.stage.published()[0].id.clone();
    play.clock.advance(Duration::from_secs(60));
    play.stage.answers("ann", &ours, "the blue one");
    play.stage.answers("bob", &post, "mine too");
    play.sweep().await;
    let cases = play.core.cases().await;
    assert_eq!(cases.iter().map(|case| case.posts).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(cases[0].conversation, cases[1].conversation);
    let posts = play.core.posts(&cases[0]).await;
    let parent = if S::UNTOLD.contains(&Untold::Parent) {
        post
    } else {
        play.stage.under(&ours)
    };
    assert_eq!(posts[1].in_reply_to.as_ref().unwrap().as_str(), parent);
}

pub async fn mapped<S: Stage>() {
    let mut play = Play::<S>::new().await;
    let id = play.heard("ann", "my parcel is late").await;
    let post = &play.posts().await[0];
    assert_eq!(post.id.as_str(), id);
    let told = |what| !S::UNTOLD.contains(&what);
    assert_eq!(post.author.followers, told(Untold::Followers).then_some(120));
    assert_eq!(post.author.handle, S::handle("ann"));
    assert_eq!(post.lang.as_deref(), told(Untold::Language).then_some("en"));
    assert_eq!(post.created_at, play.clock.now());
    assert_eq!(post.author.url.is_some(), told(Untold::AuthorPage));
    assert_eq!(post.url.is_some(), told(Untold::Page));
    for address in post.url.iter().chain(&post.author.url) {
        assert!(address.starts_with(S::HOME), "{address:?}");
    }
    if play
        .stage
        .shows("bob", "look at this", "a broken parcel")
        .is_some()
    {
        play.sweep().await;
        let media = &play.posts().await[1].media;
        assert_eq!((media.len(), media[0].alt.as_str()), (1, "a broken parcel"));
        assert!(media[0].url.starts_with("https://") && media[0].mime.starts_with("image/"));
    }
}

pub async fn drift<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.stage.writes("ann", "one");
    play.stage.garbles();
    play.stage.writes("bob", "two");
    play.sweep().await;
    play.heard_are(&["one".to_owned(), "two".to_owned()]).await;
    assert_eq!(play.core.set_aside().await, 1);
    play.sweep().await;
    assert_eq!(play.core.set_aside().await, 1);
    // An answer that is no answer at all is told, and asked for again.
    play.stage.next(Call::Listen, Fault::Garbage);
    let lost = play.swept().await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Broken(why) if why.contains("describes")),
        "{lost:?}"
    );
    play.heard("eve", "three").await;
    play.heard_are(&["one", "two", "three"].map(str::to_owned)).await;
}

pub async fn refresh<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "one").await;
    assert_eq!(play.stage.signed_in(), 1);
    play.stage.expires();
    play.stage.writes("bob", "two");
    let inbound = &play.core.inbound;
    let (one, two) = tokio::join!(play.connector.sweep(inbound), play.connector.sweep(inbound));
    one.unwrap();
    two.unwrap();
    play.core.deliver().await;
    play.heard_are(&["one".to_owned(), "two".to_owned()]).await;
    assert_eq!(play.stage.signed_in(), 2);
    play.stage.expires();
    play.core.reply(1, "Sorry about that!").await;
    assert_eq!(play.stage.published().len(), 1);
    assert_eq!(play.stage.signed_in(), 3);
}

pub async fn locked_out<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "one").await;
    play.clock.advance(Duration::from_secs(60));
    play.stage.locks_out();
    let before = play.stage.signed_in();
    for _ in 0..20 {
        let lost = play.swept().await.unwrap_err();
        assert!(
            matches!(&lost, Lost::Hopeless(why) if !why.is_empty() && !why.contains("SECRET")),
            "{lost:?}"
        );
    }
    assert!(
        play.stage.signed_in() <= before + 2,
        "who is refused does not hammer"
    );
    let findings = play.stage.connector().examine().await;
    let wrong = findings.iter().find(|finding| !finding.ok).unwrap();
    assert!(
        !wrong.mend.is_empty() && !format!("{wrong:?}").contains("SECRET"),
        "{wrong:?}"
    );
}

pub async fn forbidden<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "one").await;
    play.stage.next(Call::Beside, Fault::Status(403));
    play.heard("bob", "two").await;
    play.stage.next(Call::Listen, Fault::Status(403));
    let lost = play.swept().await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("403")),
        "{lost:?}"
    );
    play.heard("eve", "three").await;
    play.heard_are(&["one", "two", "three"].map(str::to_owned)).await;
}

pub async fn limited<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "number 0").await;
    let date = (play.clock.now() + Duration::from_secs(40)).to_rfc2822();
    let forms = [("30", 30), (date.as_str(), 40), ("soon", 5)];
    for (n, (form, seconds)) in forms.into_iter().enumerate() {
        play.stage.next(Call::Listen, Fault::RateLimited(form.to_owned()));
        let lost = play.swept().await.unwrap_err();
        assert!(
            matches!(lost, Lost::Later(wait) if wait == Duration::from_secs(seconds)),
            "{form}: {lost:?}"
        );
        play.heard("ann", &format!("number {}", n + 1)).await;
    }
    if !S::BESIDE {
        let texts: Vec<_> = (0..=3).map(|n| format!("number {n}")).collect();
        return play.heard_are(&texts).await;
    }
    // What is beside is left alone for as long, and the rest is heard.
    play.stage.next(Call::Beside, Fault::RateLimited("30".to_owned()));
    play.heard("ann", "number 4").await;
    let asked = play.stage.asked(Call::Beside);
    play.sweep().await;
    assert_eq!(play.stage.asked(Call::Beside), asked);
    play.stage.mutters("bob", &format!("number 5, a {SOUGHT}"));
    play.clock.advance(Duration::from_secs(31));
    play.sweep().await;
    assert!(play.stage.asked(Call::Beside) > asked);
    let texts: Vec<_> = (0..=5).map(|n| format!("number {n}")).collect();
    play.heard_are(&texts).await;
}

pub async fn quota<S: Stage>() {
    let mut play = Play::<S>::new().await;
    play.heard("ann", "one").await;
    play.stage.exhausts(Duration::from_secs(120));
    play.stage.writes("bob", "two");
    let lost = play.swept().await.unwrap_err();
    let Lost::Later(wait) = lost else {
        panic!("{lost:?}")
    };
    assert!(
        Duration::from_secs(60) < wait && wait <= Duration::from_secs(120),
        "{wait:?}"
    );
    play.core.reply(1, "Sorry about that!").await;
    assert!(play.stage.published().is_empty(), "nothing can be published now");
    play.core.wait(wait).await;
    play.sweep().await;
    play.heard_are(&["one".to_owned(), "two".to_owned()]).await;
    play.core.wait(wait).await;
    assert_eq!(play.stage.published().len(), 1);
}

/// One that ended by itself would end the whole service.
pub async fn runs<S: Stage>() {
    let play = Play::<S>::new().await;
    play.stage.writes("ann", "my parcel is late");
    let running = play.core.run();
    let stop = running.stop.clone();
    let reading = play.connector.clone().run(running.inbound.clone(), stop.clone());
    let reading = running.tracker.spawn(reading);
    play.stage.delivers(&running.inbound).await;
    running.threads(1).await;
    let links = play.connector.links();
    until("it is up", || {
        links.iter().all(|link| link.state() == LinkState::Up)
    })
    .await;
    assert!(!reading.is_finished());
    stop.cancel();
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("it stops when it is told to")
        .unwrap();
}

pub async fn told<S: Stage>() {
    let play = Play::<S>::new().await;
    play.stage.writes("ann", "my parcel is late");
    play.stage.next(Call::Listen, Fault::Status(500));
    let running = play.core.run();
    let reading = play.connector.clone();
    running
        .tracker
        .spawn(reading.run(running.inbound.clone(), running.stop.clone()));
    play.stage.delivers(&running.inbound).await;
    let links = play.connector.links();
    until("it is told that it is down", || {
        links
            .iter()
            .any(|link| matches!(link.state(), LinkState::Down(_)))
    })
    .await;
    running.threads(1).await;
    until("it is up", || {
        links.iter().all(|link| link.state() == LinkState::Up)
    })
    .await;
}

/// Waits, with everything else running, until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
