use super::*;
use crate::domain::{Agent, CaseNumber, ManualClock, ReplyId, ReplyState, Sighting, Visibility};
use square::customer;

fn open(folder: &Path) -> Playground {
    let config = config::Playground {
        name: "square".to_owned(),
    };
    Playground::open(
        &config,
        folder,
        "http://127.0.0.1:8080/",
        Arc::new(ManualClock::default()),
    )
    .unwrap()
}

async fn write(
    square: &Playground,
    name: &'static str,
    text: &'static str,
    to: Option<&NativeId>,
) -> NativeId {
    let to = to.cloned();
    let wish = move |square: &square::Square| Wish::Write {
        to,
        by: customer(square, name),
        text: text.to_owned(),
        lang: None,
        nonce: format!("{name}/{text}"),
    };
    square.write(None, wish).await.unwrap()
}

fn reply(key: &str, to: &NativeId, author: &str, audience: Audience) -> Reply {
    let ada = Agent {
        key: "Ada".to_owned(),
        name: "Ada".to_owned(),
    };
    let now = chrono::DateTime::UNIX_EPOCH;
    Reply {
        conversation: to.clone(),
        target: to.clone(),
        author: author.into(),
        author_handle: "ann".to_owned(),
        audience,
        text: "We are on it.".to_owned(),
        state: ReplyState::Sending,
        fence: 1,
        ..Reply::blank(ReplyId(1), CaseNumber(1), "square".into(), ada, key.into(), now)
    }
}

/// Time stands still for it.
fn permit() -> Permit {
    Permit::new(
        std::sync::Arc::new(ManualClock::default()),
        std::time::Duration::from_secs(1),
    )
}

fn posts(square: &Playground, after: i64) -> Vec<String> {
    let seen = square
        .book
        .square()
        .seen_after(after, BATCH, &square.source, &square.base);
    let (_, sightings) = seen.unwrap_or_default();
    let told = sightings.iter().map(|sighting| match sighting {
        Sighting::Post(post) => format!(
            "{} by @{}{}{}",
            post.text,
            post.author.handle,
            if post.edited_at.is_some() { " (edited)" } else { "" },
            if post.visibility == Visibility::Private {
                " (private)"
            } else {
                ""
            },
        ),
        Sighting::Gone(_) => "gone".to_owned(),
    });
    told.collect()
}

#[tokio::test]
async fn listeners_see_what_customers_did_in_order_and_not_what_the_brand_said() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let post = write(&square, "Ann Lee", "Where is my box?", None).await;
    square
        .publish(&reply("r1", &post, "u-ann_lee", Audience::Private), &permit())
        .await
        .unwrap();
    let found = square
        .find(&reply("r1", &post, "u-ann_lee", Audience::Private), None)
        .await;
    let Look::Found(answer) = found.unwrap() else {
        panic!("the answer is not there");
    };
    write(&square, "Ann Lee", "Still waiting.", Some(&answer.id)).await;
    let edited = post.clone();
    square
        .write(None, move |_| Wish::Edit {
            id: edited,
            text: "WHERE is my box?".to_owned(),
        })
        .await
        .unwrap();
    square
        .write(None, move |_| Wish::Delete { id: post })
        .await
        .unwrap();
    let expected = [
        "Where is my box? by @ann_lee",
        "Still waiting. by @ann_lee (private)",
        "WHERE is my box? by @ann_lee (edited)",
        "gone",
    ];
    assert_eq!(posts(&square, 0), expected);
}

#[tokio::test]
async fn a_restarted_square_tells_the_same_and_goes_on_from_a_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    write(&square, "Ann", "One", None).await;
    let cursor = format!("{}:2", square.book.square().name());
    write(&square, "Bob", "Two", None).await;
    drop(square);
    let square = open(folder.path());
    assert_eq!(posts(&square, 0), ["One by @ann", "Two by @bob"]);
    assert_eq!(posts(&square, square.place(Some(&cursor))), ["Two by @bob"]);
    assert_eq!(
        square.place(Some("another:2")),
        0,
        "a cursor of another square counts as none"
    );
    let third = write(&square, "Ann", "Three", None).await;
    assert!(third.as_str().ends_with("-4"), "{third}: ids are not used again");
}

#[tokio::test]
async fn the_same_key_publishes_once_even_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let post = write(&square, "Ann", "Where is my box?", None).await;
    let order = reply("r1", &post, "u-ann", Audience::Public);
    assert_eq!(
        square.find(&order, None).await.unwrap(),
        Look::Absent { fresh: true }
    );
    let published = square.publish(&order, &permit()).await.unwrap();
    assert_eq!(
        published.url,
        Some(format!("http://127.0.0.1:8080/playground#{}", published.id))
    );
    assert_eq!(square.publish(&order, &permit()).await.unwrap(), published);
    drop(square);
    let square = open(folder.path());
    assert_eq!(square.publish(&order, &permit()).await.unwrap(), published);
    assert_eq!(square.find(&order, None).await.unwrap(), Look::Found(published));
    let shown = square
        .book
        .square()
        .conversations(9)
        .iter()
        .map(|(_, answers)| answers.len())
        .sum::<usize>();
    assert_eq!(shown, 1);
}

#[tokio::test]
async fn a_reply_goes_under_the_right_post_or_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let post = write(&square, "Ann", "Where is my box?", None).await;
    let wrong = square
        .publish(&reply("r1", &post, "u-bob", Audience::Public), &permit())
        .await
        .unwrap_err();
    assert!(matches!(wrong, PortError::Refused(_)), "{wrong}");
    let gone = post.clone();
    square
        .write(None, move |_| Wish::Delete { id: gone })
        .await
        .unwrap();
    let error = square
        .publish(&reply("r2", &post, "u-ann", Audience::Public), &permit())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PortError::Refused(why) if why == "That post is gone."),
        "{error}"
    );
}

#[tokio::test]
async fn one_name_is_one_customer_and_two_names_are_two() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    for (name, text) in [
        ("Ann Lee", "a"),
        ("Ann  Lee ", "b"),
        ("ann-lee", "c"),
        ("🔥", "d"),
        ("💧", "e"),
    ] {
        write(&square, name, text, None).await;
    }
    let expected = [
        "a by @ann_lee",
        "b by @ann_lee",
        "c by @ann_lee_2",
        "d by @guest",
        "e by @guest_2",
    ];
    assert_eq!(posts(&square, 0), expected);
}

#[tokio::test]
async fn what_may_not_be_written_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let post = write(&square, "Ann", "Where is my box?", None).await;
    let answer = square
        .publish(&reply("r1", &post, "u-ann", Audience::Public), &permit())
        .await
        .unwrap();
    let say = async |wish: Wish| square.write(None, move |_| wish).await.unwrap_err().to_string();
    let words = |text: String, name: &str| Wish::Write {
        to: None,
        by: customer(&square.book.square(), name),
        text,
        lang: None,
        nonce: "n".to_owned(),
    };
    assert_eq!(
        say(words(" \n".to_owned(), "Ann")).await,
        "Write something first."
    );
    assert_eq!(
        say(words("Hi".to_owned(), " ")).await,
        "Give a name to write under."
    );
    let family = "👨‍👩‍👧".repeat(MOST_TEXT + 1);
    assert_eq!(
        say(words(family, "Ann")).await,
        "That is 501 characters; a post has at most 500."
    );
    let id = answer.id;
    assert_eq!(
        say(Wish::Delete { id }).await,
        "That post was written by somebody else.",
        "nobody deletes what the brand said"
    );
}

#[test]
fn the_length_of_a_reply_is_counted_as_people_count() {
    let folder = tempfile::tempdir().unwrap();
    let composed = open(folder.path()).compose("👨‍👩‍👧 é", "ann", Audience::Public);
    assert_eq!(
        (composed.length, composed.limit, composed.unit),
        (3, 500, "characters")
    );
    assert_eq!(composed.text, "👨‍👩‍👧 é", "nothing is added");
}

#[test]
fn a_hostile_post_is_shown_as_it_is_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let sample = &SAMPLES[3];
    let wish = |_: &square::Square| Wish::Write {
        to: None,
        by: sample.customer(),
        text: sample.text.to_owned(),
        lang: None,
        nonce: "n".to_owned(),
    };
    square.book.write(None, square.clock.now(), wish).unwrap();
    let page = view::feed(&square.book.square(), None).into_string();
    assert!(
        page.contains("&lt;script&gt;alert('hi')&lt;/script&gt; ⟦U+202E⟧ytefas"),
        "{page}"
    );
    assert!(!page.contains("<script") && !page.contains("href=\"https://evil"));
}

#[tokio::test]
async fn a_conversation_goes_up_when_somebody_writes_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let square = open(folder.path());
    let first = write(&square, "Ann", "One", None).await;
    write(&square, "Bob", "Two", None).await;
    let shown = || {
        let square = square.book.square();
        let talks = square.conversations(9).into_iter();
        let talks = talks.map(|(root, answers)| {
            let texts = answers.iter().map(|answer| answer.text.clone());
            std::iter::once(root.text.clone())
                .chain(texts)
                .collect::<Vec<_>>()
                .join(" > ")
        });
        talks.collect::<Vec<_>>()
    };
    assert_eq!(shown(), ["Two", "One"]);
    square
        .publish(&reply("r1", &first, "u-ann", Audience::Public), &permit())
        .await
        .unwrap();
    write(&square, "Ann", "Thanks", Some(&first)).await;
    assert_eq!(shown(), ["One > We are on it. > Thanks", "Two"]);
}
