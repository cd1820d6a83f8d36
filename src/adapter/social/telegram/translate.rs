//! A message as a post. Its id is that of its chat and its own, for it counts only within the chat; a
//! conversation is what one person says in one chat, or in one topic of it.

use super::wire::{Chat, Message, User};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::DateTime;

/// Where people read public chats.
const PAGES: &str = "https://t.me";

/// Who we are.
#[derive(Debug, Clone)]
pub struct Me {
    /// The bot's id.
    pub id: i64,
    /// Its name, without `@`, once it is known.
    pub username: Option<String>,
}

/// The post a message is; `None` where no person said anything in it: it tells of somebody who came or left, is a
/// bot's, ours, or was written by the group itself (its anonymous administrators), or by its own channel.
pub fn post(source: &SourceName, me: &Me, message: &Message) -> Option<Post> {
    let chat = &message.chat;
    let author = author(message)?;
    let text = words(message);
    if message.is_automatic_forward || text.is_empty() {
        return None;
    }
    Some(Post {
        source: source.clone(),
        id: id(chat.id, message.message_id),
        conversation: conversation(message),
        in_reply_to: parent(message),
        kind: kind(me, message, &text),
        visibility: visibility(chat),
        url: address(chat, message.message_id),
        author,
        text,
        created_at: at(message.date),
        edited_at: message.edit_date.map(at),
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    })
}

/// A message's id in its chat.
pub fn id(chat: i64, message: i64) -> NativeId {
    NativeId::new(format!("{chat}:{message}"))
}

/// The chat and the message that an id names.
pub fn parts(id: &NativeId) -> Option<(i64, i64)> {
    let (chat, message) = id.as_str().split_once(':')?;
    Some((chat.parse().ok()?, message.parse().ok()?))
}

/// The topic that a conversation is in.
pub fn topic(conversation: &NativeId) -> Option<i64> {
    let (_, topic) = conversation.as_str().split_once('/')?;
    topic.parse().ok()
}

fn conversation(message: &Message) -> NativeId {
    let chat = message.chat.id;
    match message.message_thread_id.filter(|_| message.is_topic_message) {
        Some(topic) => NativeId::new(format!("{chat}/{topic}")),
        None => NativeId::new(chat.to_string()),
    }
}

/// What it answers: a message of the same chat, or one of another.
pub fn parent(message: &Message) -> Option<NativeId> {
    if let Some(above) = &message.reply_to_message {
        let answers = above.forum_topic_created.is_none();
        return answers.then(|| id(message.chat.id, above.message_id));
    }
    let above = message.external_reply.as_ref()?;
    Some(id(above.chat.as_ref()?.id, above.message_id?))
}

fn author(message: &Message) -> Option<Author> {
    if let Some(chat) = &message.sender_chat {
        let own = chat.id == message.chat.id && chat.kind != "channel";
        return (!own).then(|| by_chat(chat));
    }
    match &message.from {
        Some(user) if user.is_bot => None,
        Some(user) => Some(by_user(user)),
        None => Some(by_chat(&message.chat)).filter(|_| message.chat.kind == "channel"),
    }
}

fn by_user(user: &User) -> Author {
    let name = [Some(user.first_name.as_str()), user.last_name.as_deref()];
    let name: Vec<_> = name
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    let name = sound(&name.join(" "));
    let handle = user.username.clone().unwrap_or_else(|| name.clone());
    Author {
        id: NativeId::new(user.id.to_string()),
        name: if name.is_empty() { handle.clone() } else { name },
        handle,
        followers: None,
        url: user.username.as_deref().map(page),
    }
}

fn by_chat(chat: &Chat) -> Author {
    let name = sound(chat.title.as_deref().unwrap_or("a channel"));
    Author {
        id: NativeId::new(chat.id.to_string()),
        handle: chat.username.clone().unwrap_or_else(|| name.clone()),
        name,
        followers: None,
        url: chat.username.as_deref().map(page),
    }
}

/// What it says, what is attached, and the addresses that its words hide.
fn words(message: &Message) -> String {
    let emoji = |sticker: &serde_json::Value| {
        let emoji = sticker["emoji"].as_str().unwrap_or_default();
        format!("[sticker {emoji}]").replace(" ]", "]")
    };
    let attached = [
        (message.photo.is_some(), "[photo]"),
        (message.video.is_some() || message.video_note.is_some(), "[video]"),
        (message.voice.is_some(), "[voice message]"),
        (message.audio.is_some(), "[audio]"),
        (message.document.is_some(), "[file]"),
    ];
    let attached = attached.into_iter().filter(|(there, _)| *there);
    let mut parts: Vec<String> = attached.map(|(_, word)| word.to_owned()).collect();
    parts.extend(message.sticker.as_ref().map(emoji));
    parts.extend(message.text.clone().or_else(|| message.caption.clone()));
    let entities = message.entities.iter().chain(&message.caption_entities);
    parts.extend(entities.filter_map(|entity| entity.url.clone()));
    sound(&parts.join("\n"))
}

fn kind(me: &Me, message: &Message, text: &str) -> PostKind {
    let answers_us = message
        .reply_to_message
        .as_ref()
        .and_then(|above| above.from.as_ref())
        .is_some_and(|user| user.id == me.id);
    match message.chat.kind.as_str() {
        "private" => PostKind::Message,
        "channel" => PostKind::Post,
        _ if answers_us => PostKind::Comment,
        _ if names(text, me.username.as_deref()) => PostKind::Mention,
        _ => PostKind::Post,
    }
}

/// Whether a text names the bot.
fn names(text: &str, username: Option<&str>) -> bool {
    let Some(username) = username else { return false };
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '@' | '/'));
    words.any(|word| {
        // By its name, or with a command for it: `/help@shop_bot`.
        word.split_once('@').is_some_and(|(before, name)| {
            let name = name.split('/').next().unwrap_or_default();
            (before.is_empty() || before.starts_with('/')) && name.eq_ignore_ascii_case(username)
        })
    })
}

/// A chat without a public name is read by its members.
fn visibility(chat: &Chat) -> Visibility {
    match (chat.kind.as_str(), &chat.username) {
        ("private", _) => Visibility::Private,
        (_, Some(_)) => Visibility::Public,
        (_, None) => Visibility::Followers,
    }
}

/// Where a message can be read (<https://core.telegram.org/api/links#message-links>).
pub fn address(chat: &Chat, message: i64) -> Option<String> {
    if let Some(name) = chat.username.as_deref().filter(|_| chat.kind != "private") {
        return Some(format!("{PAGES}/{name}/{message}"));
    }
    Some(format!("{PAGES}/c/{}/{message}", shared(chat.id)?))
}

/// The number of a supergroup or a channel, whose messages have ids that count outside of it; `None` for small
/// groups and private chats (<https://core.telegram.org/api/bots/ids>).
pub fn shared(chat: i64) -> Option<i64> {
    const ABOVE: i64 = -1_000_000_000_000;
    (chat < ABOVE).then(|| ABOVE.saturating_sub(chat))
}

/// A public page.
pub fn page(username: &str) -> String {
    format!("{PAGES}/{username}")
}

fn at(seconds: i64) -> Instant {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn me() -> Me {
        Me {
            id: 123,
            username: Some("shop_bot".to_owned()),
        }
    }

    /// As an update has it, shortened by what is not read.
    fn message() -> Value {
        json!({
            "message_id": 7, "date": 1_800_000_000,
            "from": {"id": 9, "is_bot": false, "first_name": "Ann", "last_name": "B.", "username": "ann", "language_code": "en"},
            "chat": {"id": -1_001_234_567_890_i64, "type": "supergroup", "title": "The shop", "username": "the_shop"},
            "text": "It broke."
        })
    }

    fn translated(change: Value) -> Option<Post> {
        let mut value = message();
        value
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let message: Message = serde_json::from_value(value).unwrap();
        post(&SourceName::new("tg"), &me(), &message)
    }

    #[test]
    fn a_message_is_told_whole() {
        let post = translated(json!({})).unwrap();
        assert_eq!(
            (post.id.as_str(), post.conversation.as_str()),
            ("-1001234567890:7", "-1001234567890")
        );
        assert_eq!(
            (post.author.id.as_str(), post.author.handle.as_str()),
            ("9", "ann")
        );
        assert_eq!(post.author.name, "Ann B.");
        assert_eq!(post.url.as_deref(), Some("https://t.me/the_shop/7"));
        assert_eq!((post.kind, post.visibility), (PostKind::Post, Visibility::Public));
    }

    #[rstest]
    #[case::private(json!({"chat": {"id": 9, "type": "private", "username": "ann"}}), PostKind::Message, Visibility::Private, None)]
    #[case::closed(json!({"chat": {"id": -1_000_000_000_777_i64, "type": "supergroup"}}), PostKind::Post, Visibility::Followers, Some("https://t.me/c/777/7"))]
    #[case::small(json!({"chat": {"id": -1_001_234, "type": "group"}}), PostKind::Post, Visibility::Followers, None)]
    #[case::named(json!({"text": "Hi @Shop_Bot!"}), PostKind::Mention, Visibility::Public, Some("https://t.me/the_shop/7"))]
    #[case::command(json!({"text": "/late@shop_bot 4711"}), PostKind::Mention, Visibility::Public, Some("https://t.me/the_shop/7"))]
    #[case::another(json!({"text": "@shop_bottle, mail@shop_bot and @shop_bot@far.example"}), PostKind::Post, Visibility::Public, Some("https://t.me/the_shop/7"))]
    #[case::answers_us(json!({"reply_to_message": {"message_id": 3, "from": {"id": 123, "is_bot": true}}}), PostKind::Comment, Visibility::Public, Some("https://t.me/the_shop/7"))]
    fn a_chat_says_what_it_is(
        #[case] change: Value,
        #[case] kind: PostKind,
        #[case] visibility: Visibility,
        #[case] url: Option<&str>,
    ) {
        let post = translated(change).unwrap();
        assert_eq!(
            (post.kind, post.visibility, post.url.as_deref()),
            (kind, visibility, url)
        );
    }

    #[rstest]
    #[case::a_bot(json!({"from": {"id": 5, "is_bot": true, "first_name": "B"}}))]
    #[case::ourselves(json!({"from": {"id": 123, "is_bot": true, "first_name": "Shop"}}))]
    #[case::its_administrators(json!({"sender_chat": {"id": -1_001_234_567_890_i64, "type": "supergroup"}}))]
    #[case::its_channel(json!({"is_automatic_forward": true, "sender_chat": {"id": -10099, "type": "channel"}}))]
    #[case::somebody_came(json!({"text": null, "new_chat_members": []}))]
    fn some_messages_are_nobodys(#[case] change: Value) {
        assert!(translated(change).is_none());
    }

    #[test]
    fn a_channel_writes_in_its_own_name() {
        let channel = json!({"id": -10055, "type": "channel", "title": "News", "username": "news"});
        let post = translated(json!({"from": null, "chat": channel, "sender_chat": channel})).unwrap();
        assert_eq!((post.author.handle.as_str(), post.kind), ("news", PostKind::Post));
    }

    #[test]
    fn what_is_attached_and_hidden_is_told() {
        let entities = json!([{"type": "text_link", "offset": 0, "length": 4, "url": "https://a.example/x"}]);
        let post =
            translated(json!({"text": null, "photo": [{}], "caption": "look", "caption_entities": entities}));
        assert_eq!(post.unwrap().text, "[photo]\nlook\nhttps://a.example/x");
        let post = translated(json!({"text": null, "sticker": {"emoji": "😡"}}));
        assert_eq!(post.unwrap().text, "[sticker 😡]");
    }

    #[test]
    fn a_topic_is_a_conversation_of_its_own() {
        let opening = json!({"message_id": 2, "forum_topic_created": {"name": "Parcels"}});
        let topic_message =
            json!({"is_topic_message": true, "message_thread_id": 2, "reply_to_message": opening});
        let post = translated(topic_message).unwrap();
        assert_eq!(post.conversation.as_str(), "-1001234567890/2");
        assert_eq!(topic(&post.conversation), Some(2));
        assert_eq!(post.in_reply_to, None);
        assert_eq!(topic(&NativeId::new("-1001234")), None);
    }

    #[test]
    fn an_id_names_chat_and_message() {
        assert_eq!(parts(&id(-1001234, 7)), Some((-1001234, 7)));
        assert_eq!(parts(&NativeId::new("7")), None);
    }
}
