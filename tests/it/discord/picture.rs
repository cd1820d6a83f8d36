//! Pictures in Discord's threads, without the rest of Hearback.

use super::{open, scene};
use crate::fake::discord::{FORUM, TEXT};
use crate::fake::fault::Fault;
use crate::fake::gallery::drawing;
use hearback::domain::{Clock as _, IdempotencyKey, Instant, Message};
use hearback::port::{ChatPlatform as _, Opened, Picture, PictureForm, PortError, ShowPicture};
use rstest::rstest;
use std::sync::Arc;

const SEND: &str = "POST /channels/:id/messages";

fn order(opened: &Opened, channel: u64, earlier: Option<Instant>) -> ShowPicture {
    ShowPicture {
        key: IdempotencyKey::from("k2"),
        channel: channel.to_string().into(),
        thread: opened.thread.clone(),
        picture: Arc::new(Picture {
            bytes: drawing(400, 300),
            form: PictureForm::Png,
        }),
        title: "Picture".to_owned(),
        alt: "é".repeat(2000),
        message: Message::line("Picture @everyone"),
        earlier,
    }
}

#[rstest]
#[case(TEXT)]
#[case(FORUM)]
#[tokio::test]
async fn a_picture_is_attached_to_its_message(#[case] channel: u64) {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(channel, "k1")).await.unwrap();
    let shown = s
        .discord
        .show_picture(&order(&opened, channel, None))
        .await
        .unwrap();
    {
        let world = s.fake.world();
        let post = &world.posts[&shown.as_str().parse().unwrap()];
        assert_eq!(post.channel.to_string(), opened.thread.as_str());
        assert_eq!(post.files[0].name, "picture.png");
        assert_eq!(post.files[0].mime, "image/png");
        assert_eq!(post.files[0].bytes, drawing(400, 300));
        let description = post.body["attachments"][0]["description"].as_str().unwrap();
        assert_eq!(description.chars().count(), 1024);
        assert!(world.pings.is_empty());
    }
    s.fake.check();
}

#[rstest]
#[case::cut_off_before(Fault::Drop)]
#[case::cut_off_after(Fault::AcceptThenDrop)]
#[case::nobody_knows(Fault::StatusButDone(502))]
#[tokio::test]
async fn what_may_have_been_shown_is_looked_for_before_it_is_shown_again(#[case] fault: Fault) {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    s.fake.world().forget_nonces = true;
    s.fake.faults().next(SEND, fault);
    let began = s.clock.now();
    let broke = s
        .discord
        .show_picture(&order(&opened, TEXT, None))
        .await
        .unwrap_err();
    assert!(matches!(broke, PortError::Unknown(_)), "{broke:?}");
    s.discord
        .show_picture(&order(&opened, TEXT, Some(began)))
        .await
        .unwrap();
    let world = s.fake.world();
    let shown = world.posts.values().filter(|post| !post.files.is_empty());
    assert_eq!(shown.count(), 1);
}

#[tokio::test]
async fn without_the_permission_it_says_so() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    s.fake.world().bot_permissions &= !(1 << 15);
    let refused = s
        .discord
        .show_picture(&order(&opened, TEXT, None))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, PortError::Closed(why) if why.contains("Attach Files")),
        "{refused:?}"
    );
}
