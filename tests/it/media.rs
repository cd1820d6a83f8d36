//! What is attached to posts: in the threads of both chats, and on the console's pages.

use crate::fake::complaint::{complaint, person};
use crate::fake::discord::TEXT;
use crate::fake::gallery::{Gallery, SECRET};
use crate::fake::house::Core;
use crate::harness::run_test;
use async_trait::async_trait;
use hearback::config::{Config, Purpose};
use hearback::domain::{Clock as _, ManualClock, Media, Post, PostKind, Sighting, SourceName, SystemClock};
use hearback::port::{Attachments, NoPicture, Picture, PictureForm, Pictures};
use hearback::runtime::{Options, Running};
use image::GenericImageView as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::StatusCode;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn pictures_follow_the_words_into_both_chats() {
    run_test(async |ctx| {
        let gallery = Gallery::open().await;
        let post = json!({
            "id": "p1", "text": "Look at this!", "author": {"id": "ann", "handle": "ann"},
            "media": [
                {"url": gallery.url("photo.jpg"), "type": "image/jpeg", "alt": "A broken lamp @everyone <!channel>"},
                {"url": gallery.url("film.mp4"), "type": "video/mp4", "poster": gallery.url("poster.png")},
                {"url": format!("http://localhost:{}/shot.png", gallery.port()), "type": "image/png", "alt": "Where it stood"},
                {"url": gallery.url("sound.mp3"), "type": "audio/mpeg"},
            ],
        });
        let (status, _) = ctx.deliver(&post).await;
        assert_eq!(status, 202);
        let card = ctx.slack.thread(1).await;
        assert!(card.shown().contains("4 attachments"), "{}", card.shown());

        let photo = ctx.slack.said(&card.ts, "Picture 1 of 4").await;
        assert!(photo.shown().contains("A broken lamp"), "{}", photo.shown());
        assert!(photo.pings().is_empty());
        let [file] = &photo.files[..] else { panic!("{photo:?}") };
        assert_eq!(file.title, "Picture 1 of 4");
        assert_eq!(file.alt, "A broken lamp @everyone <!channel>");
        upright_and_clean(&file.bytes);
        let film = ctx.slack.said(&card.ts, "Video 2 of 4").await;
        assert!(film.files[0].bytes.starts_with(b"\x89PNG"));
        let barred = ctx.slack.said(&card.ts, "Picture 3 of 4").await;
        assert!(barred.files.is_empty());
        let words = barred.shown();
        assert!(
            words.contains("only the ports 80 and 443") && words.contains("Where it stood"),
            "{words}"
        );
        let sound = ctx.slack.said(&card.ts, "Sound 4 of 4").await;
        assert!(sound.shown().contains(&gallery.url("sound.mp3")));

        let thread = ctx.discord_thread(TEXT).await;
        for words in ["Picture 1 of 4", "Video 2 of 4", "Picture 3 of 4", "Sound 4 of 4"] {
            ctx.discord_says(thread, words).await;
        }
        let files: Vec<_> = {
            let world = ctx.discord.world();
            let posts = world.posts.values().filter(|post| post.channel == thread);
            posts.flat_map(|post| post.files.clone()).collect()
        };
        let named: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.mime.as_str())).collect();
        assert_eq!(named, [("picture.jpg", "image/jpeg"), ("picture.png", "image/png")]);
        upright_and_clean(&files[0].bytes);

        // The customer writes again.
        let more = json!({
            "id": "p2", "conversation": "p1", "in_reply_to": "p1", "text": "And this.", "author": {"id": "ann"},
            "media": [{"url": gallery.url("shot.png")}],
        });
        assert_eq!(ctx.deliver(&more).await.0, 202);
        ctx.eventually("the picture of the second post", || {
            let replies = ctx.slack.replies(&card.ts);
            let words = replies.iter().position(|message| message.shown().contains("And this."))?;
            let after = &replies[words + 1..];
            after.iter().any(|message| !message.files.is_empty()).then_some(())
        })
        .await;
        let asked = gallery.asked();
        assert!(!asked.contains(&"film.mp4".to_owned()), "{asked:?}");
        assert!(!asked.contains(&"sound.mp3".to_owned()), "{asked:?}");
    })
    .await;
}

/// The photograph of the gallery, upright, and nothing else.
fn upright_and_clean(bytes: &[u8]) {
    let picture = image::load_from_memory(bytes).unwrap();
    assert_eq!(picture.dimensions(), (40, 60));
    let (top, bottom) = (picture.get_pixel(20, 5).0, picture.get_pixel(20, 55).0);
    assert!(top[0] > 200 && top[2] < 50, "{top:?}");
    assert!(bottom[2] > 200 && bottom[0] < 50, "{bottom:?}");
    for trace in [SECRET.as_bytes(), b"Exif"] {
        assert!(!bytes.windows(trace.len()).any(|at| at == trace));
    }
}

/// Pictures as a test wishes them; the last answer is given for ever.
struct Script(Mutex<VecDeque<Result<Picture, NoPicture>>>);

#[async_trait]
impl Pictures for Script {
    async fn get(&self, _: &str) -> Result<Picture, NoPicture> {
        let mut script = self.0.lock().unwrap();
        let next = script.pop_front().unwrap();
        if script.is_empty() {
            script.push_back(next.clone());
        }
        next
    }
}

fn scripted(script: Vec<Result<Picture, NoPicture>>) -> Attachments {
    Attachments::Shown(Arc::new(Script(Mutex::new(script.into()))))
}

fn picture() -> Result<Picture, NoPicture> {
    Ok(Picture {
        bytes: vec![1; 12],
        form: PictureForm::Png,
    })
}

fn not_now() -> Result<Picture, NoPicture> {
    Err(NoPicture::NotNow("its server answered 503".to_owned()))
}

fn post(clock: &ManualClock, id: &str, pictures: usize) -> Post {
    let media = |nth| Media {
        url: format!("https://pics.example/{nth}.png"),
        mime: "image/png".to_owned(),
        alt: "A crack".to_owned(),
        poster: None,
    };
    Post {
        conversation: "p1".into(),
        kind: PostKind::Mention,
        author: person("ann", "Ann"),
        text: "It broke".to_owned(),
        media: (1..=pictures).map(media).collect(),
        ..complaint(&"fedi".into(), id, clock.now())
    }
}

async fn seen(core: &mut Core, post: Post) {
    let source = post.source.clone();
    let seen = vec![Sighting::Post(Box::new(post))];
    core.inbound.posts_seen(&source, seen, None).await.unwrap();
    core.deliver().await;
}

fn after_the_card(core: &Core) -> String {
    let thread = core.thread(1);
    let (_, rest) = thread.split_once("\n---\n").unwrap_or_default();
    rest.to_owned()
}

#[tokio::test]
async fn a_picture_that_is_late_is_waited_for_and_holds_up_nothing() {
    let clock = ManualClock::default();
    let attachments = scripted(vec![not_now(), not_now(), picture()]);
    let mut core = Core::with_attachments(&clock, attachments).await;
    seen(&mut core, post(&clock, "p1", 1)).await;
    assert_eq!(after_the_card(&core), "");
    seen(&mut core, post(&clock, "p2", 0)).await;
    assert!(after_the_card(&core).contains("wrote again"), "words do not wait");
    core.wait(Duration::from_secs(60)).await;
    assert!(!after_the_card(&core).contains("Picture"));
    core.wait(Duration::from_secs(60)).await;
    assert!(
        after_the_card(&core).ends_with(
            "[image/png of 12 bytes: Picture]\nPicture · original (https://pics.example/1.png)\n> A crack"
        ),
        "{}",
        after_the_card(&core)
    );
}

#[tokio::test]
async fn a_picture_that_never_comes_is_a_line() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![not_now()])).await;
    seen(&mut core, post(&clock, "p1", 1)).await;
    for _ in 0..3 {
        core.wait(Duration::from_secs(60)).await;
    }
    insta::assert_snapshot!(after_the_card(&core), @r"
    Picture: https://pics.example/1.png · not shown: its server answered 503.
    > A crack
    ");
    let never = NoPicture::Never("it cannot be read".to_owned());
    let mut core = Core::with_attachments(&clock, scripted(vec![picture(), Err(never)])).await;
    seen(&mut core, post(&clock, "p1", 3)).await;
    insta::assert_snapshot!(after_the_card(&core), @r"
    [image/png of 12 bytes: Picture 1 of 3]
    Picture 1 of 3 · original (https://pics.example/1.png)
    > A crack
    ---
    Picture 2 of 3: https://pics.example/2.png · not shown: it cannot be read.
    > A crack
    ---
    Picture 3 of 3: https://pics.example/3.png · not shown: it cannot be read.
    > A crack
    ");
}

#[tokio::test]
async fn where_the_chat_takes_no_file_the_address_is_told() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![picture()])).await;
    core.refuse_files();
    seen(&mut core, post(&clock, "p1", 1)).await;
    insta::assert_snapshot!(after_the_card(&core), @r"
    Picture: https://pics.example/1.png
    > A crack
    ");
}

#[tokio::test]
async fn what_is_switched_off_is_not_fetched() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, Attachments::Linked).await;
    seen(&mut core, post(&clock, "p1", 2)).await;
    insta::assert_snapshot!(after_the_card(&core), @r"
    Picture 1 of 2: https://pics.example/1.png
    > A crack
    ---
    Picture 2 of 2: https://pics.example/2.png
    > A crack
    ");
    let mut core = Core::with_attachments(&clock, Attachments::Counted).await;
    seen(&mut core, post(&clock, "p1", 2)).await;
    assert_eq!(after_the_card(&core), "");
    assert!(core.thread(1).contains("2 attachments"));
}

#[tokio::test]
async fn what_its_author_takes_back_meanwhile_is_not_shown() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![not_now(), picture()])).await;
    seen(&mut core, post(&clock, "p1", 1)).await;
    let gone = Post {
        deleted: true,
        ..post(&clock, "p1", 1)
    };
    seen(&mut core, gone).await;
    core.wait(Duration::from_secs(60)).await;
    assert!(!core.thread(1).contains("Picture"), "{}", core.thread(1));
}

/// An edit of a post that has these pictures now.
fn edit(clock: &ManualClock, id: &str, pictures: &[&str]) -> Post {
    clock.advance(Duration::from_secs(60));
    let media = |url: &&str| Media {
        url: (*url).to_owned(),
        mime: "image/png".to_owned(),
        ..Media::default()
    };
    Post {
        edited_at: Some(clock.now()),
        media: pictures.iter().map(media).collect(),
        ..post(clock, id, 0)
    }
}

#[tokio::test]
async fn a_picture_that_an_edit_brings_is_shown_and_no_other() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![picture()])).await;
    seen(&mut core, post(&clock, "p1", 1)).await;
    let before = after_the_card(&core);
    let first = "https://pics.example/1.png?signed=again";
    let second = "https://pics.example/new.png";
    seen(&mut core, edit(&clock, "p1", &[second, first])).await;
    let thread = after_the_card(&core);
    insta::assert_snapshot!(thread.strip_prefix(&before).unwrap(), @r"

    ---
    The customer edited a post: 1 attachment is new.
    ---
    [image/png of 12 bytes: Picture 1 of 2]
    Picture 1 of 2 · original (https://pics.example/new.png)
    ");
    let words = Post {
        text: "It broke again".to_owned(),
        ..edit(&clock, "p1", &[second, first, "https://pics.example/third.png"])
    };
    seen(&mut core, words).await;
    let more = after_the_card(&core);
    let more = more.strip_prefix(&thread).unwrap();
    assert!(
        more.contains("Now:\n> It broke again\n1 attachment is new."),
        "{more}"
    );
    assert_eq!(more.matches("[image/png").count(), 1, "{more}");
    assert!(more.contains("third.png"), "{more}");
    // Taken away, or told again: nothing new.
    seen(
        &mut core,
        Post {
            text: "It broke again".to_owned(),
            ..edit(&clock, "p1", &[first])
        },
    )
    .await;
    assert_eq!(
        after_the_card(&core).matches("---").count() - thread.matches("---").count(),
        2
    );
}

#[tokio::test]
async fn an_edit_before_the_thread_is_open_shows_each_picture_once() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![picture()])).await;
    let source = SourceName::new("fedi");
    let first = post(&clock, "p1", 1);
    let (one, two) = (first.media[0].url.clone(), "https://pics.example/new.png");
    let edited = edit(&clock, "p1", &[&one, two]);
    for post in [first, edited] {
        let seen = vec![Sighting::Post(Box::new(post))];
        core.inbound.posts_seen(&source, seen, None).await.unwrap();
    }
    core.deliver().await;
    let thread = core.thread(1);
    assert_eq!(thread.matches("[image/png").count(), 2, "{thread}");
    assert_eq!(thread.matches("Picture 2 of 2 ·").count(), 1, "{thread}");
}

#[tokio::test]
async fn of_very_many_pictures_the_first_ten_are_shown() {
    let clock = ManualClock::default();
    let mut core = Core::with_attachments(&clock, scripted(vec![picture()])).await;
    seen(&mut core, post(&clock, "p1", 12)).await;
    assert_eq!(core.thread(1).matches("[image/png").count(), 10);
    assert!(core.thread(1).contains("Picture 10 of 12"));
}

#[tokio::test]
async fn the_console_shows_them_to_those_who_are_let_in() {
    const ADA: (&str, &str) = ("ada", "the one of the lamp shop");
    let gallery = Gallery::open().await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
[server]
allow_private_hosts = ["127.0.0.1:{}"]
[database]
url = "sqlite:{}"
[[source]]
name = "fedi"
platform = "webhook"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
[[agent]]
name = "Ada"
console_password = "{}"
roles = ["agent"]
"#,
        gallery.port(),
        folder.path().join("hearback.db").display(),
        ADA.1,
    );
    let config = Config::from_toml("console.toml", &text, Purpose::Serve).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        clock: Some(Arc::new(SystemClock)),
        demo: None,
        samples: false,
        stepped: false,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    };
    let running = Running::start(&config, listener, options).await.unwrap();
    let mut post = post(&ManualClock::default(), "p1", 2);
    post.media[0].url = gallery.url("photo.jpg");
    post.media[1].url = gallery.url("page.html");
    let seen = vec![Sighting::Post(Box::new(post))];
    let inbound = &running.inbound;
    inbound
        .posts_seen(&SourceName::new("fedi"), seen, None)
        .await
        .unwrap();

    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    let base = format!("http://{}", running.addr);
    let get = |path: &str| {
        http.get(format!("{base}{path}"))
            .basic_auth(ADA.0, Some(ADA.1))
            .send()
    };
    let thread = get("/console/thread/1").await.unwrap().text().await.unwrap();
    assert!(
        thread.contains("<img src=\"/console/picture/1/0/0\" alt=\"A crack\""),
        "{thread}"
    );
    assert!(gallery.asked().is_empty(), "nobody looked yet");

    let stranger = http
        .get(format!("{base}/console/picture/1/0/0"))
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let picture = get("/console/picture/1/0/0").await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/jpeg");
    assert_eq!(picture.headers()["x-content-type-options"], "nosniff");
    upright_and_clean(&picture.bytes().await.unwrap());
    for none in ["1/0/1", "1/0/2", "1/7/0", "2/0/0"] {
        let answer = get(&format!("/console/picture/{none}")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{none}");
        assert!(!answer.text().await.unwrap().contains("<script>"));
    }
    running.stop().await.unwrap();
}
