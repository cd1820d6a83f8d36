//! A professional Instagram account and those who write there, with the API before them, written from the
//! documentation: comments and one level of answers under our media, what names or tags us elsewhere, the one
//! private reply (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference>).
//! Scripted faults go by the last part of a path, `media`, `tags`, `comments`; `publish` is an answer to a
//! comment, `mentions` one to a mention, `messages` a message.

use super::fault::Faults;
use super::graph::{self, Asked, TOKEN, asked, error, missing, page, show, time};
use super::server::{Line, Server};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The account, and its handle.
pub const ACCOUNT: &str = "17841400000000001";
pub const HANDLE: &str = "help.shop";
const MEDIA_FIELDS: &[&str] = &[
    "id",
    "caption",
    "permalink",
    "timestamp",
    "username",
    "like_count",
    "comments_count",
    "media_type",
    "media_url",
    "thumbnail_url",
];
const COMMENT_FIELDS: &[&str] = &[
    "id",
    "text",
    "timestamp",
    "username",
    "from",
    "parent_id",
    "like_count",
    "hidden",
    "media",
    "replies",
];

#[derive(Debug, Clone)]
struct Media {
    id: String,
    who: String,
    caption: String,
    at: Instant,
    tags_us: bool,
}

#[derive(Debug, Clone)]
struct Comment {
    id: String,
    media: String,
    parent: Option<String>,
    who: String,
    text: String,
    at: Instant,
    hidden: bool,
    /// What the call that wrote it named.
    named: Option<String>,
}

#[derive(Debug, Clone)]
struct Message {
    mid: String,
    who: String,
    text: String,
    at: Instant,
    began: Option<String>,
}

#[derive(Default)]
struct World {
    media: Vec<Media>,
    comments: Vec<Comment>,
    messages: Vec<Message>,
    odd: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: bool,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    url: Mutex<Option<Url>>,
}

/// A comment of ours.
pub struct Own {
    pub id: String,
    /// What the call that wrote it named.
    pub named: Option<String>,
    /// The comment that it stands under.
    pub parent: Option<String>,
    pub text: String,
    pub media: String,
}

/// The server.
pub struct FakeInstagram {
    inner: Arc<Inner>,
    server: Server,
}

/// How a person's id reads.
pub fn id(who: &str) -> String {
    if who == HANDLE {
        return ACCOUNT.to_owned();
    }
    who.bytes().map(|byte| byte.to_string()).collect()
}

/// Where people read a media object.
pub fn permalink(media: &str) -> String {
    format!("https://www.instagram.com/p/C{media}/")
}

impl FakeInstagram {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
            url: Mutex::default(),
        });
        let router = Router::new()
            .route(
                "/",
                get(|| async { error(400, (100, 0), "Unsupported get request.") }),
            )
            .route("/{version}/{*path}", get(read).post(write))
            .layer(axum::middleware::map_response_with_state(inner.clone(), dated))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        *inner.url.lock().unwrap() = Some(server.url.clone());
        Self { inner, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap()
    }

    /// Somebody shows a picture. Gives its id.
    pub fn show(&self, who: &str, caption: &str, tags_us: bool) -> String {
        let mut world = self.world();
        let id = world.id("180");
        world.media.push(Media {
            id: id.clone(),
            who: who.to_owned(),
            caption: caption.to_owned(),
            at: self.inner.clock.now(),
            tags_us,
        });
        id
    }

    /// Somebody comments on a media object, or answers a comment.
    pub fn comment(&self, who: &str, to: &str, text: &str) -> String {
        self.comment_at(who, to, text, self.inner.clock.now())
    }

    /// As [`Self::comment`]; it is shown only now.
    pub fn comment_at(&self, who: &str, to: &str, text: &str, at: Instant) -> String {
        self.world().comment(to, (who, text), at)
    }

    pub fn edit(&self, comment: &str, text: &str) {
        self.world().find_mut(comment).text = text.to_owned();
    }

    /// We hide it.
    pub fn hide(&self, comment: &str) {
        self.world().find_mut(comment).hidden = true;
    }

    /// Its author takes it back, and somebody writes another at the same moment.
    pub fn replace(&self, old: &str, who: &str, text: &str) -> String {
        let media = self.world().find(old).unwrap().media.clone();
        self.delete(old);
        self.comment(who, &media, text)
    }

    /// Its author takes it back, and the answers with it.
    pub fn delete(&self, id: &str) {
        let mut world = self.world();
        let stays = |comment: &Comment| comment.id != id && comment.parent.as_deref() != Some(id);
        world.comments.retain(stays);
    }

    /// We write to somebody in Direct, by hand.
    pub fn we_message(&self, who: &str, text: &str) {
        let now = self.inner.clock.now();
        self.world().say(who, text, None, now);
    }

    /// Puts something among the comments that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    pub fn lock_out(&self) {
        self.world().locked_out = true;
    }

    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// What is published from now on stands under another comment.
    pub fn misplace(&self) {
        self.world().misplaces = true;
    }

    /// What we commented, the oldest first.
    pub fn published(&self) -> Vec<Own> {
        let world = self.world();
        let ours = world.comments.iter().filter(|comment| comment.who == HANDLE);
        ours.map(|own| Own {
            id: own.id.clone(),
            named: own.named.clone(),
            parent: own.parent.clone(),
            text: own.text.clone(),
            media: own.media.clone(),
        })
        .collect()
    }

    /// What we said in Direct, the oldest first: to whom, text, the comment that it is the private reply to.
    pub fn said(&self) -> Vec<(String, String, Option<String>)> {
        let said = self.world().messages.clone().into_iter();
        said.map(|message| (message.who, message.text, message.began))
            .collect()
    }

    pub fn calls(&self, call: &str) -> usize {
        self.world().calls.iter().filter(|other| *other == call).count()
    }

    /// What Meta sends of a comment under our media.
    pub fn notice(&self, comment: &str) -> Value {
        let world = self.world();
        let comment = world.find(comment).unwrap();
        let mut from = json!({"id": id(&comment.who), "username": comment.who});
        if comment.who == HANDLE {
            // Of our own comments another id of ours is told, and marked as such.
            from["id"] = "2105722729836161".into();
            from["self_ig_scoped_id"] = "2105722729836161".into();
        }
        let mut value = json!({"id": comment.id, "text": comment.text, "from": from,
            "media": {"id": comment.media, "media_product_type": "FEED"}});
        if let Some(parent) = &comment.parent {
            value["parent_id"] = parent.clone().into();
        }
        self.entry("comments", value)
    }

    /// What Meta sends of what names us.
    pub fn mention_notice(&self, media: &str, comment: Option<&str>) -> Value {
        let mut value = json!({"media_id": media});
        if let Some(comment) = comment {
            value["comment_id"] = comment.into();
        }
        self.entry("mentions", value)
    }

    fn entry(&self, field: &str, value: Value) -> Value {
        let time = self.inner.clock.now().timestamp();
        let change = json!({"field": field, "value": value});
        json!({"object": "instagram", "entry": [{"id": ACCOUNT, "time": time, "changes": [change]}]})
    }
}

impl World {
    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{:08}", self.made)
    }

    fn find(&self, id: &str) -> Option<&Comment> {
        self.comments.iter().find(|comment| comment.id == id)
    }

    fn find_mut(&mut self, id: &str) -> &mut Comment {
        self.comments.iter_mut().find(|comment| comment.id == id).unwrap()
    }

    fn media(&self, id: &str) -> Option<&Media> {
        self.media.iter().find(|media| media.id == id)
    }

    /// Answers to an answer are added to the comment that begins the thread.
    fn comment(&mut self, to: &str, (who, text): (&str, &str), at: Instant) -> String {
        let id = self.id("179");
        let (media, parent) = match self.find(to) {
            Some(above) => {
                let top = above.parent.clone().unwrap_or_else(|| above.id.clone());
                (above.media.clone(), Some(top))
            }
            None => (self.media(to).unwrap().id.clone(), None),
        };
        self.comments.push(Comment {
            id: id.clone(),
            media,
            parent,
            who: who.to_owned(),
            text: text.to_owned(),
            at,
            hidden: false,
            named: None,
        });
        id
    }

    fn say(&mut self, who: &str, text: &str, began: Option<&str>, at: Instant) -> String {
        let mid = self.id("aWdf");
        self.messages.push(Message {
            mid: mid.clone(),
            who: who.to_owned(),
            text: text.to_owned(),
            at,
            began: began.map(str::to_owned),
        });
        mid
    }

    /// A comment with all its fields.
    fn whole(&self, comment: &Comment) -> Value {
        let answers = self.comments.iter();
        let answers = answers.filter(|answer| answer.parent.as_deref() == Some(&comment.id));
        let mut answers: Vec<_> = answers.map(|answer| self.plain(answer)).collect();
        let mut whole = self.plain(comment);
        if answers.is_empty() {
            return whole;
        }
        // A page of them, as it is asked for.
        let more = answers.split_off(answers.len().min(50));
        whole["replies"] = json!({"data": answers});
        if !more.is_empty() {
            let next = format!(
                "https://graph.facebook.com/v26.0/{}/replies?access_token={TOKEN}&limit=50&after=50",
                comment.id
            );
            whole["replies"]["paging"] = json!({"cursors": {"after": "50"}, "next": next});
        }
        whole
    }

    fn plain(&self, comment: &Comment) -> Value {
        json!({
            "id": comment.id, "text": comment.text, "timestamp": time(comment.at), "username": comment.who,
            "from": {"id": id(&comment.who), "username": comment.who}, "parent_id": comment.parent,
            "like_count": 1, "hidden": comment.hidden,
            "media": {"id": comment.media, "permalink": permalink(&comment.media)},
        })
    }

    fn picture(&self, media: &Media) -> Value {
        let comments = self.comments.iter().filter(|comment| comment.media == media.id);
        json!({
            "id": media.id, "caption": media.caption, "permalink": permalink(&media.id),
            "timestamp": time(media.at), "username": media.who, "like_count": 3,
            "comments_count": comments.count() + self.odd.len(),
            "media_type": "IMAGE", "media_url": "https://cdn.example/1.jpg",
        })
    }
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;

async fn dated(State(inner): Shared, answer: Response) -> Response {
    graph::dated(&*inner.clock, answer)
}

impl Inner {
    fn refused(&self, asked: &Asked) -> Option<Response> {
        let world = self.world.lock().unwrap();
        if let Some(until) = world.exhausted_until.filter(|until| self.clock.now() < *until) {
            return Some(graph::throttled(ACCOUNT, until - self.clock.now()));
        }
        graph::denied(asked, world.locked_out)
    }
}

async fn read(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path((version, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    assert_eq!(version, "v26.0");
    let asked = asked(&query.unwrap_or_default());
    let call = path.split_once('/').map_or("node", |(_, edge)| edge).to_owned();
    inner.world.lock().unwrap().calls.push(call.clone());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    let answer = || {
        let world = inner.world.lock().unwrap();
        let url = inner.url.lock().unwrap().clone().unwrap();
        answer(&world, &path, &asked, &url).unwrap_or_else(|error| *error)
    };
    graph::act(&inner.faults, &call, &line, answer).await
}

fn newest_first<T>(items: impl Iterator<Item = T>, at: impl Fn(&T) -> Instant) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.reverse();
    items.sort_by_key(|item| std::cmp::Reverse(at(item)));
    items
}

fn answer(world: &World, path: &str, asked: &Asked, url: &Url) -> Result<Response, Box<Response>> {
    let (object, edge) = path.split_once('/').unwrap_or((path, ""));
    let wanted = graph::fields(asked);
    let pictures = |some: Vec<&Media>| {
        let shown = some.into_iter();
        let shown = shown.map(|media| show(world.picture(media), "InstagramMedia", MEDIA_FIELDS, &wanted));
        shown.collect::<Result<Vec<_>, _>>()
    };
    let comments = |some: Vec<&Comment>| {
        let shown = some.into_iter();
        let shown =
            shown.map(|comment| show(world.whole(comment), "InstagramComment", COMMENT_FIELDS, &wanted));
        shown.collect::<Result<Vec<_>, _>>()
    };
    Ok(match (object, edge) {
        (ACCOUNT, "") => Json(account(world, asked)?).into_response(),
        (ACCOUNT, "media") => {
            let ours = world.media.iter().filter(|media| media.who == HANDLE);
            page(pictures(newest_first(ours, |media| media.at))?, asked, url)
        }
        (ACCOUNT, "tags") => {
            let tags = world.media.iter().filter(|media| media.tags_us);
            page(pictures(newest_first(tags, |media| media.at))?, asked, url)
        }
        ("me", "conversations") => {
            assert_eq!(asked.get("platform").unwrap(), "instagram");
            let wanted = asked.get("user_id");
            let said = world.messages.iter().rev();
            let said = said.filter(|message| wanted.is_none_or(|wanted| id(&message.who) == *wanted));
            let said: Vec<_> = said
                .map(|message| {
                    json!({"id": message.mid, "message": message.text, "created_time": time(message.at),
                        "from": {"id": ACCOUNT, "username": HANDLE}})
                })
                .collect();
            let talk = json!({"id": "aWdGGiblWx", "messages": {"data": said}});
            let talks = if said.is_empty() { vec![] } else { vec![talk] };
            Json(json!({"data": talks})).into_response()
        }
        (media, "comments") if world.media(media).is_some_and(|media| media.who == HANDLE) => {
            if asked
                .get("limit")
                .is_some_and(|limit| limit.parse::<u8>().unwrap() > 50)
            {
                return Err(Box::new(error(400, (100, 0), "(#100) The limit is at most 50")));
            }
            let top = world
                .comments
                .iter()
                .filter(|comment| comment.media == media && comment.parent.is_none());
            let mut items = world.odd.clone();
            items.extend(comments(newest_first(top, |comment| comment.at))?);
            page(items, asked, url)
        }
        (comment, "replies") if world.find(comment).is_some() => {
            let below = world.comments.iter();
            let below = below.filter(|answer| answer.parent.as_deref() == Some(comment));
            page(comments(below.collect())?, asked, url)
        }
        (object, "") => match (world.find(object), world.media(object)) {
            // What others wrote elsewhere is only shown as a mention.
            (Some(comment), _)
                if comment.who == HANDLE || world.media(&comment.media).unwrap().who == HANDLE =>
            {
                Json(comments(vec![comment])?.remove(0)).into_response()
            }
            (None, Some(media)) if media.who == HANDLE => {
                Json(pictures(vec![media])?.remove(0)).into_response()
            }
            (_, _) => missing(object),
        },
        (object, _) => missing(object),
    })
}

/// The fields of our account: its handle, or what names us.
fn account(world: &World, asked: &Asked) -> Result<Value, Box<Response>> {
    let fields = asked.get("fields").unwrap();
    let named = |what: &str| {
        let rest = fields.split_once(what)?.1;
        Some(rest.split(')').next().unwrap().to_owned())
    };
    let us = format!("@{HANDLE}");
    if let Some(id) = named("mentioned_comment.comment_id(") {
        let comment = world.find(&id).filter(|comment| comment.text.contains(&us));
        let Some(comment) = comment else {
            return Err(Box::new(missing(&id)));
        };
        // Who wrote it is not among its fields.
        let shown = json!({"id": comment.id, "text": comment.text, "timestamp": time(comment.at), "like_count": 1,
            "media": {"id": comment.media, "permalink": permalink(&comment.media)}});
        return Ok(json!({"id": ACCOUNT, "mentioned_comment": shown}));
    }
    if let Some(id) = named("mentioned_media.media_id(") {
        let media = world.media(&id).filter(|media| media.caption.contains(&us));
        let Some(media) = media else {
            return Err(Box::new(missing(&id)));
        };
        return Ok(json!({"id": ACCOUNT, "mentioned_media": world.picture(media)}));
    }
    assert_eq!(fields, "id,username");
    Ok(json!({"id": ACCOUNT, "username": HANDLE}))
}

async fn write(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path((version, path)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    assert_eq!(version, "v26.0");
    let asked = asked(std::str::from_utf8(&body).unwrap());
    let (object, edge) = path.split_once('/').unwrap();
    let call = match (object, edge) {
        (ACCOUNT, "mentions") => "mentions",
        ("me", "messages") => "messages",
        (_, "replies") => "publish",
        _ => panic!("nobody asks for {path}"),
    };
    inner.world.lock().unwrap().calls.push(call.to_owned());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    let act = || {
        let mut world = inner.world.lock().unwrap();
        let now = inner.clock.now();
        match call {
            "messages" => send(&mut world, &asked, now),
            "mentions" => {
                let to = asked.get("comment_id").unwrap_or(&asked["media_id"]).clone();
                publish(&mut world, &to, &asked, now)
            }
            _ => publish(&mut world, object, &asked, now),
        }
    };
    graph::act(&inner.faults, call, &line, act).await
}

fn publish(world: &mut World, to: &str, asked: &Asked, now: Instant) -> Response {
    let text = asked.get("message").map(String::as_str).unwrap_or_default();
    if text.is_empty() || text.chars().count() > 2200 {
        return error(
            400,
            (100, 0),
            "(#100) Param message must be non-empty and not too long",
        );
    }
    let target = (world.find(to).cloned(), world.media(to).is_some());
    if matches!(target, (None, false)) {
        return missing(to);
    }
    if target.0.is_some_and(|comment| comment.hidden) {
        return error(400, (100, 0), "(#100) The comment is hidden");
    }
    let at = if world.misplaces {
        let media = world.find(to).unwrap().media.clone();
        world.comment(&media, ("eve", "else"), now)
    } else {
        to.to_owned()
    };
    let id = world.comment(&at, (HANDLE, text), now);
    world.find_mut(&id).named = Some(to.to_owned());
    Json(json!({"id": id})).into_response()
}

fn send(world: &mut World, asked: &Asked, now: Instant) -> Response {
    let part = |name: &str| serde_json::from_str::<Value>(asked.get(name).unwrap()).unwrap();
    let (recipient, message) = (part("recipient"), part("message"));
    let text = message["text"].as_str().unwrap();
    if text.len() > 1000 {
        return error(
            400,
            (100, 0),
            "(#100) Length of param message[text] must be less than or equal to 1000",
        );
    }
    let target = recipient["comment_id"].as_str().unwrap();
    let Some(comment) = world.find(target).cloned() else {
        return missing(target);
    };
    if now - comment.at >= TimeDelta::days(7) {
        return error(400, (10_901, 0), "(#10901) Private reply timed out");
    }
    if world
        .messages
        .iter()
        .any(|message| message.began.as_deref() == Some(target))
    {
        return error(400, (10_900, 0), "(#10900) Activity already replied to");
    }
    let mid = world.say(&comment.who, text, Some(target), now);
    Json(json!({"recipient_id": id(&comment.who), "message_id": mid})).into_response()
}
