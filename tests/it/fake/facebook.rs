//! A Facebook Page, its visitors, and the Graph API before them, written from the documentation: posts on the
//! page and under it, one level of answers, tags, recommendations, conversations with their windows, the one
//! private reply (<https://developers.facebook.com/docs/graph-api/reference/page>,
//! <https://developers.facebook.com/docs/messenger-platform/discovery/private-replies>). Scripted faults go by
//! the last part of a path, `feed`, `tagged`, `comments`; `publish` is a comment of ours, `messages` a message.

use super::fault::Faults;
use super::graph::{self, Asked, asked, error, missing, page, show, time};
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

/// The page.
pub const PAGE: &str = "104000000000001";
const POST_FIELDS: &[&str] = &[
    "id",
    "message",
    "story",
    "from",
    "created_time",
    "updated_time",
    "permalink_url",
    "shares",
    "attachments",
    "can_reply_privately",
];
const COMMENT_FIELDS: &[&str] = &[
    "id",
    "message",
    "from",
    "created_time",
    "permalink_url",
    "like_count",
    "parent",
    "attachment",
    "can_comment",
    "can_reply_privately",
    "private_reply_conversation",
];

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Post,
    /// A post elsewhere, in which the page is tagged.
    Tag,
    Comment,
    Review,
}

#[derive(Debug, Clone)]
struct Node {
    id: String,
    kind: Kind,
    /// The post that a comment stands under.
    root: String,
    parent: Option<String>,
    who: String,
    text: String,
    at: Instant,
    updated: Instant,
    alt: Option<String>,
    closed: bool,
    nameless: bool,
    recommends: bool,
}

#[derive(Debug, Clone)]
struct Message {
    mid: String,
    person: String,
    ours: bool,
    text: String,
    at: Instant,
    /// The comment or post that it is the private reply to.
    began: Option<String>,
}

#[derive(Default)]
struct World {
    nodes: Vec<Node>,
    messages: Vec<Message>,
    odd: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: bool,
    lists_no_reviews: bool,
    /// Whose the token is, if not the page's.
    stranger: Option<String>,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    url: Mutex<Option<Url>>,
}

/// The server.
pub struct FakeFacebook {
    inner: Arc<Inner>,
    server: Server,
}

/// How a person's id reads.
pub fn id(who: &str) -> String {
    if who == "page" {
        return PAGE.to_owned();
    }
    who.bytes().map(|byte| byte.to_string()).collect()
}

impl FakeFacebook {
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

    /// Somebody writes on the page. Gives the id.
    pub fn write(&self, who: &str, text: &str) -> String {
        self.write_at(who, text, self.inner.clock.now())
    }

    /// As [`Self::write`]; it is shown only now, for example because somebody let it stand.
    pub fn write_at(&self, who: &str, text: &str, at: Instant) -> String {
        let mut world = self.world();
        let number = world.number();
        world.add(Kind::Post, format!("{PAGE}_{number}"), None, (who, text), at)
    }

    /// Somebody tags the page in a post of theirs.
    pub fn tag(&self, who: &str, text: &str) -> String {
        let mut world = self.world();
        let number = world.number();
        let name = format!("{}_{number}", id(who));
        world.add(Kind::Tag, name, None, (who, text), self.inner.clock.now())
    }

    /// Somebody recommends the page, or does not.
    pub fn review(&self, who: &str, text: &str, recommends: bool) -> String {
        let mut world = self.world();
        let number = world.number().to_string();
        let story = world.add(Kind::Review, number, None, (who, text), self.inner.clock.now());
        world.find_mut(&story).recommends = recommends;
        story
    }

    /// Recommendations cannot be listed any more.
    pub fn list_no_reviews(&self) {
        self.world().lists_no_reviews = true;
    }

    /// Somebody comments on a post, or answers a comment.
    pub fn answer(&self, who: &str, to: &str, text: &str) -> String {
        self.world().comment(to, (who, text), self.inner.clock.now())
    }

    /// Somebody writes to the page in Messenger.
    pub fn message(&self, who: &str, text: &str) -> String {
        self.world().say(who, (false, text), None, self.inner.clock.now())
    }

    /// A colleague writes to somebody in Messenger.
    pub fn we_message(&self, who: &str, text: &str) -> String {
        self.world().say(who, (true, text), None, self.inner.clock.now())
    }

    /// A picture is shown with it.
    pub fn illustrate(&self, node: &str, alt: &str) {
        self.world().find_mut(node).alt = Some(alt.to_owned());
    }

    /// The author changes it.
    pub fn edit(&self, node: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let node = world.find_mut(node);
        node.text = text.to_owned();
        node.updated = now;
    }

    /// The author takes it back, and what stands below it goes with it.
    pub fn delete(&self, node: &str) {
        let mut world = self.world();
        world
            .nodes
            .retain(|other| other.id != node && other.root != node && other.parent.as_deref() != Some(node));
    }

    /// It takes no comments of ours.
    pub fn close(&self, node: &str) {
        self.world().find_mut(node).closed = true;
    }

    /// Its author's settings hide who wrote it.
    pub fn hide_author(&self, node: &str) {
        self.world().find_mut(node).nameless = true;
    }

    /// Puts something into the feed that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    pub fn lock_out(&self) {
        self.world().locked_out = true;
    }

    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// The token is that of another page from now on, and what it writes is by that.
    pub fn change_hands(&self, to: &str) {
        self.world().stranger = Some(to.to_owned());
    }

    /// What is published from now on stands under another post.
    pub fn misplace(&self) {
        self.world().misplaces = true;
    }

    /// What the page published, the oldest first: id, what it answers, text.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world.nodes.iter().filter(|node| node.who == "page");
        ours.map(|node| {
            let root = (node.kind == Kind::Comment).then(|| node.root.clone());
            (node.id.clone(), node.parent.clone().or(root), node.text.clone())
        })
        .collect()
    }

    /// What the page said in private, the oldest first: to whom, text, the private reply's target.
    pub fn said(&self) -> Vec<(String, String, Option<String>)> {
        let world = self.world();
        let ours = world.messages.iter().filter(|message| message.ours);
        ours.map(|message| {
            (
                message.person.clone(),
                message.text.clone(),
                message.began.clone(),
            )
        })
        .collect()
    }

    pub fn calls(&self, call: &str) -> usize {
        self.world().calls.iter().filter(|other| *other == call).count()
    }

    /// What Meta sends of a post or a comment.
    pub fn notice(&self, node: &str, verb: &str) -> Value {
        let world = self.world();
        let node = world.find(node).unwrap();
        let from = json!({"id": id(&node.who), "name": node.who});
        let field = match node.kind {
            Kind::Tag => "mention",
            Kind::Review => "ratings",
            Kind::Post | Kind::Comment => "feed",
        };
        let at = node.at.timestamp();
        let value = match node.kind {
            Kind::Post => json!({"item": "status", "verb": verb, "post_id": node.id, "from": from,
                "message": node.text, "created_time": at}),
            Kind::Tag => json!({"item": "post", "verb": verb, "post_id": node.id, "sender_id": id(&node.who),
                "sender_name": node.who, "message": node.text, "created_time": at}),
            Kind::Comment => {
                json!({"item": "comment", "verb": verb, "comment_id": node.id, "post_id": node.root,
                "parent_id": node.parent.as_ref().unwrap_or(&node.root), "from": from,
                "message": node.text, "created_time": at})
            }
            Kind::Review => json!({"item": "rating", "verb": verb, "open_graph_story_id": node.id,
                "reviewer_id": id(&node.who), "reviewer_name": node.who, "review_text": node.text,
                "recommendation_type": if node.recommends { "positive" } else { "negative" },
                "created_time": at}),
        };
        self.entry(json!({"changes": [{"field": field, "value": value}]}))
    }

    /// What Meta sends of a message.
    pub fn message_notice(&self, mid: &str) -> Value {
        let world = self.world();
        let message = world.messages.iter().find(|message| message.mid == mid).unwrap();
        let (sender, recipient) = if message.ours {
            (PAGE.to_owned(), id(&message.person))
        } else {
            (id(&message.person), PAGE.to_owned())
        };
        let mut sent = json!({"mid": mid, "text": message.text});
        if message.ours {
            sent["is_echo"] = true.into();
        }
        let messaging = json!({"sender": {"id": sender}, "recipient": {"id": recipient},
            "timestamp": message.at.timestamp_millis(), "message": sent});
        drop(world);
        self.entry(json!({"messaging": [messaging]}))
    }

    fn entry(&self, mut entry: Value) -> Value {
        entry["id"] = PAGE.into();
        entry["time"] = self.inner.clock.now().timestamp().into();
        json!({"object": "page", "entry": [entry]})
    }
}

impl World {
    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn find(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    fn find_mut(&mut self, id: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id == id).unwrap()
    }

    fn add(
        &mut self,
        kind: Kind,
        id: String,
        below: Option<(String, Option<String>)>,
        (who, text): (&str, &str),
        at: Instant,
    ) -> String {
        let (root, parent) = below.unwrap_or_else(|| (id.clone(), None));
        self.nodes.push(Node {
            id: id.clone(),
            kind,
            root,
            parent,
            who: who.to_owned(),
            text: text.to_owned(),
            at,
            updated: at,
            alt: None,
            closed: false,
            nameless: false,
            recommends: true,
        });
        id
    }

    /// Comments have one level of answers: one to an answer stands beside it.
    fn comment(&mut self, to: &str, said: (&str, &str), at: Instant) -> String {
        let target = self.find(to).unwrap().clone();
        let parent = match target.kind {
            Kind::Comment => Some(target.parent.unwrap_or(target.id)),
            Kind::Post | Kind::Tag | Kind::Review => None,
        };
        let number = self.number();
        let post = target.root.rsplit('_').next().unwrap();
        let id = format!("{post}_{number}");
        self.find_mut(&target.root).updated = at;
        self.add(Kind::Comment, id, Some((target.root, parent)), said, at)
    }

    fn say(&mut self, who: &str, (ours, text): (bool, &str), began: Option<&str>, at: Instant) -> String {
        let number = self.number();
        let mid = format!("m_{number}");
        self.messages.push(Message {
            mid: mid.clone(),
            person: who.to_owned(),
            ours,
            text: text.to_owned(),
            at,
            began: began.map(str::to_owned),
        });
        mid
    }

    /// As the API shows it, all fields.
    fn whole(&self, node: &Node, now: Instant) -> Value {
        let number = node.id.rsplit('_').next().unwrap();
        let post = node.root.rsplit('_').next().unwrap();
        let permalink = match node.kind {
            Kind::Comment => format!("https://www.facebook.com/{PAGE}/posts/{post}?comment_id={number}"),
            Kind::Post | Kind::Tag | Kind::Review => format!("https://www.facebook.com/{PAGE}/posts/{post}"),
        };
        let picture = node.alt.as_ref().map(
            |alt| json!({"media_type": "photo", "media": {"image": {"src": "https://cdn.example/1.jpg"}}, "description": alt}),
        );
        let begun = self
            .messages
            .iter()
            .any(|message| message.began.as_deref() == Some(&node.id));
        let open = now - node.at < TimeDelta::days(7) && node.who != "page" && !begun;
        json!({
            "id": node.id, "message": node.text, "created_time": time(node.at), "updated_time": time(node.updated),
            "from": (!node.nameless).then(|| json!({"id": id(&node.who), "name": node.who})),
            "permalink_url": permalink, "shares": {"count": 2}, "like_count": 1,
            "parent": node.parent.as_ref().map(|parent| json!({"id": parent})),
            "attachment": picture, "attachments": {"data": picture.iter().collect::<Vec<_>>()},
            "can_comment": !node.closed, "can_reply_privately": open,
            "private_reply_conversation": begun.then(|| self.talk(&node.who)),
        })
    }

    fn shown(&self, node: &Node, asked: &Asked, now: Instant) -> Result<Value, Box<Response>> {
        let wanted = graph::fields(asked);
        let whole = self.whole(node, now);
        match node.kind {
            Kind::Comment => show(whole, "Comment", COMMENT_FIELDS, &wanted),
            Kind::Post | Kind::Tag | Kind::Review => show(whole, "Post", POST_FIELDS, &wanted),
        }
    }

    /// A conversation, its newest messages first.
    fn talk(&self, who: &str) -> Value {
        let said = self.messages.iter().filter(|message| message.person == who).rev();
        let shown = |message: &Message| {
            let from = if message.ours { "page" } else { who };
            json!({"id": message.mid, "message": message.text, "created_time": time(message.at),
                "from": {"id": id(from), "name": from, "email": "x@facebook.com"}})
        };
        let all = said.clone().count();
        // Of older ones it tells nothing.
        let messages: Vec<_> = said.take(20).map(shown).collect();
        let mut talk = json!({"id": format!("t_{}", id(who)), "updated_time": messages[0]["created_time"],
            "messages": {"data": messages}});
        if all > 20 {
            let next = format!(
                "https://graph.facebook.com/v26.0/t_1/messages?access_token={}&after=x",
                graph::TOKEN
            );
            talk["messages"]["paging"] = json!({"cursors": {"after": "x"}, "next": next});
        }
        talk
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
            return Some(graph::throttled(PAGE, until - self.clock.now()));
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
        answer(&world, &path, &asked, (inner.clock.now(), &url)).unwrap_or_else(|error| *error)
    };
    graph::act(&inner.faults, &call, &line, answer).await
}

fn answer(
    world: &World,
    path: &str,
    asked: &Asked,
    (now, url): (Instant, &Url),
) -> Result<Response, Box<Response>> {
    let (object, edge) = path.split_once('/').unwrap_or((path, ""));
    let listed = |mut nodes: Vec<&Node>| {
        nodes.reverse();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.at));
        nodes
            .into_iter()
            .map(|node| world.shown(node, asked, now))
            .collect::<Result<Vec<_>, _>>()
    };
    let of_kind = |kind| {
        world
            .nodes
            .iter()
            .filter(|node| node.kind == kind)
            .collect::<Vec<_>>()
    };
    Ok(match (object, edge) {
        ("me", "") => {
            let me = world
                .stranger
                .as_ref()
                .map_or_else(|| PAGE.to_owned(), |who| id(who));
            Json(json!({"id": me, "name": "The Shop"})).into_response()
        }
        (PAGE, "feed") => {
            let mut items = world.odd.clone();
            items.extend(listed(of_kind(Kind::Post))?);
            page(items, asked, url)
        }
        (PAGE, "tagged") => page(listed(of_kind(Kind::Tag))?, asked, url),
        (PAGE, "ratings") => {
            if world.lists_no_reviews {
                return Err(Box::new(error(
                    400,
                    (12, 0),
                    "(#12) ratings is deprecated for versions v22.0 and higher",
                )));
            }
            let mut reviews = of_kind(Kind::Review);
            reviews.reverse();
            let shown = |node: &&Node| {
                let kind = if node.recommends { "positive" } else { "negative" };
                json!({"created_time": time(node.at), "recommendation_type": kind, "review_text": node.text,
                    "has_rating": false, "reviewer": {"id": id(&node.who), "name": node.who},
                    "open_graph_story": {"id": node.id}})
            };
            page(reviews.iter().map(shown).collect(), asked, url)
        }
        (PAGE, "conversations") => {
            let mut people: Vec<&str> = Vec::new();
            for message in world.messages.iter().rev() {
                if !people.contains(&message.person.as_str()) {
                    people.push(&message.person);
                }
            }
            if let Some(wanted) = asked.get("user_id") {
                people.retain(|who| id(who) == *wanted);
            }
            page(
                people.into_iter().map(|who| world.talk(who)).collect(),
                asked,
                url,
            )
        }
        (PAGE, "subscribed_apps") => {
            let app =
                json!({"id": "7", "name": "Hearback", "subscribed_fields": ["feed", "mention", "messages"]});
            Json(json!({"data": [app]})).into_response()
        }
        (object, "comments") => {
            let Some(target) = world.find(object) else {
                return Err(Box::new(missing(object)));
            };
            assert_eq!(asked.get("order").unwrap(), "reverse_chronological");
            assert_eq!(asked.get("filter").unwrap(), "stream");
            let below = world.nodes.iter().filter(|node| match target.kind {
                Kind::Comment => node.parent.as_deref() == Some(object),
                Kind::Post | Kind::Tag | Kind::Review => node.root == object && node.kind == Kind::Comment,
            });
            page(listed(below.collect())?, asked, url)
        }
        (object, "") => match world.find(object) {
            Some(node) if node.kind != Kind::Review => Json(world.shown(node, asked, now)?).into_response(),
            Some(_) | None => missing(object),
        },
        _ => error(400, (2500, 0), &format!("Unknown path components: /{edge}")),
    })
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
    let call = match edge {
        "comments" => "publish",
        "messages" => "messages",
        _ => panic!("nobody asks for {path}"),
    };
    inner.world.lock().unwrap().calls.push(call.to_owned());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    let act = || {
        let mut world = inner.world.lock().unwrap();
        let now = inner.clock.now();
        if call == "messages" {
            assert_eq!(object, PAGE);
            return send(&mut world, &asked, now);
        }
        publish(&mut world, object, &asked, now)
    };
    graph::act(&inner.faults, call, &line, act).await
}

fn publish(world: &mut World, object: &str, asked: &Asked, now: Instant) -> Response {
    let text = asked.get("message").map(String::as_str).unwrap_or_default();
    if text.is_empty() || text.chars().count() > 8000 {
        return error(
            400,
            (100, 0),
            "(#100) Param message must be non-empty and not too long",
        );
    }
    let Some(target) = world.find(object) else {
        return missing(object);
    };
    if target.closed {
        return error(403, (200, 0), "(#200) Permissions error");
    }
    let to = if world.misplaces {
        let number = world.number();
        world.add(Kind::Post, format!("{PAGE}_{number}"), None, ("eve", "else"), now)
    } else {
        object.to_owned()
    };
    let who = world.stranger.clone().unwrap_or_else(|| "page".to_owned());
    let id = world.comment(&to, (&who, text), now);
    Json(json!({"id": id})).into_response()
}

fn send(world: &mut World, asked: &Asked, now: Instant) -> Response {
    let part = |name: &str| serde_json::from_str::<Value>(asked.get(name).unwrap()).unwrap();
    let (recipient, message) = (part("recipient"), part("message"));
    let text = message["text"].as_str().unwrap();
    if text.chars().count() > 2000 {
        return error(
            400,
            (100, 0),
            "(#100) Length of param message[text] must be less than or equal to 2000",
        );
    }
    let began = recipient["comment_id"].as_str().or(recipient["post_id"].as_str());
    let who = match began {
        Some(target) => {
            let Some(node) = world.find(target) else {
                return missing(target);
            };
            if now - node.at >= TimeDelta::days(7) {
                return error(400, (10_901, 0), "(#10901) Private reply timed out");
            }
            if world
                .messages
                .iter()
                .any(|message| message.began.as_deref() == Some(target))
            {
                return error(400, (10_900, 0), "(#10900) Activity already replied to");
            }
            node.who.clone()
        }
        None => {
            let person = recipient["id"].as_str().unwrap();
            let theirs = |message: &&Message| !message.ours && id(&message.person) == person;
            let last = world
                .messages
                .iter()
                .filter(theirs)
                .max_by_key(|message| message.at);
            match last {
                Some(last) if now - last.at < TimeDelta::hours(24) => last.person.clone(),
                Some(_) | None => {
                    let why = "(#10) This message is sent outside of allowed window.";
                    return error(400, (10, 2_018_278), why);
                }
            }
        }
    };
    let mid = world.say(&who, (true, text), began, now);
    Json(json!({"recipient_id": id(&who), "message_id": mid})).into_response()
}
