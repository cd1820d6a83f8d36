//! YouTube's API for comments, from <https://developers.google.com/youtube/v3/docs/commentThreads> and
//! <https://developers.google.com/youtube/v3/docs/comments>: one video with threads of two levels, of which a
//! list shows five answers each, channels with their subscribers, and tokens for a refresh token. Scripted
//! faults: `list` (the channel's threads), `known` (threads by id), `replies`, `comment`, `channels`, `insert`.

use super::google::error;
use super::reviews::{Books, json};
use super::server::{Line, Server};
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{SecondsFormat, TimeDelta};
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json as value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use url::Url;

pub const ME: &str = "UC-help";
pub const VIDEO: &str = "dQw4w9WgXcQ";
pub const REFRESH: &str = "tube-refresh-SECRET";

/// A comment.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: String,
    /// The comment at the head of its thread, if it is not that one.
    pub head: Option<String>,
    pub who: String,
    pub text: String,
    pub published: Instant,
    pub updated: Instant,
    pub odd: Option<Value>,
}

#[derive(Default)]
struct Channel {
    comments: Vec<Comment>,
    made: usize,
    /// What is published stands on its own.
    orphans: bool,
    closed: bool,
    /// The day's units are used up.
    spent: bool,
    /// The channel that the authorisation is of, if it is not ours.
    stranger: Option<String>,
}

struct Inner {
    /// Who may come in, and what the script says; it keeps no reviews here.
    books: Arc<Books>,
    channel: Mutex<Channel>,
}

pub struct FakeYouTube {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeYouTube {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            books: Books::new(clock, "", error),
            channel: Mutex::default(),
        });
        let router = Router::new()
            .route("/token", post(token))
            .route("/youtube/v3/commentThreads", get(threads))
            .route("/youtube/v3/comments", get(comments).post(insert))
            .route("/youtube/v3/channels", get(channels))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        Self { inner, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    pub fn books(&self) -> &Books {
        &self.inner.books
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.inner.channel.lock().unwrap()
    }

    /// Somebody comments, under a comment or on their own, so long before now. Gives the id.
    pub fn comment(&self, who: &str, under: Option<&str>, text: &str, by: Duration) -> String {
        let at = self.inner.books.clock.now() - TimeDelta::from_std(by).unwrap();
        let mut channel = self.channel();
        let head = under.map(|id| {
            let under = channel.find(id).unwrap();
            under.head.clone().unwrap_or_else(|| under.id.clone())
        });
        channel.add(who, head, text, at)
    }

    /// Something stands among the threads, or the answers in one, that is none.
    pub fn poison(&self, under: Option<&str>, odd: Value) {
        let id = self.comment("odd", under, "odd", Duration::ZERO);
        self.channel().find_mut(&id).unwrap().odd = Some(odd);
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.books.clock.now();
        let mut channel = self.channel();
        let comment = channel.find_mut(id).unwrap();
        comment.text = text.to_owned();
        comment.updated = now;
    }

    /// With a comment at the head its answers go.
    pub fn delete(&self, id: &str) {
        let own = |comment: &Comment| comment.id == id || comment.head.as_deref() == Some(id);
        self.channel().comments.retain(|comment| !own(comment));
    }

    /// What is published from now on stands on its own.
    pub fn orphan(&self) {
        self.channel().orphans = true;
    }

    /// Our channel may write nothing in the threads.
    pub fn close(&self) {
        self.channel().closed = true;
    }

    /// The authorisation is of another channel.
    pub fn take_over(&self, channel: &str) {
        self.channel().stranger = Some(channel.to_owned());
    }

    /// The day's units are used up, or there are new ones.
    pub fn spend(&self, all: bool) {
        self.channel().spent = all;
    }

    /// What our channel wrote, the oldest first.
    pub fn ours(&self) -> Vec<Comment> {
        let channel = self.channel();
        channel
            .comments
            .iter()
            .filter(|comment| comment.who == "help")
            .cloned()
            .collect()
    }
}

impl Channel {
    fn add(&mut self, who: &str, head: Option<String>, text: &str, at: Instant) -> String {
        self.made += 1;
        let id = match &head {
            Some(head) => format!("{head}.9{}", self.made),
            None => format!("Ugx{}AaABAg", self.made),
        };
        self.comments.push(Comment {
            id: id.clone(),
            head,
            who: who.to_owned(),
            text: text.to_owned(),
            published: at,
            updated: at,
            odd: None,
        });
        id
    }

    fn find(&self, id: &str) -> Option<&Comment> {
        self.comments.iter().find(|comment| comment.id == id)
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Comment> {
        self.comments.iter_mut().find(|comment| comment.id == id)
    }

    fn answers(&self, head: &str) -> Vec<&Comment> {
        let answers = self.comments.iter();
        answers
            .filter(|comment| comment.head.as_deref() == Some(head))
            .collect()
    }

    /// The heads, the newest first.
    fn heads(&self) -> Vec<&Comment> {
        let mut heads: Vec<_> = self
            .comments
            .iter()
            .rev()
            .filter(|comment| comment.head.is_none())
            .collect();
        heads.sort_by_key(|comment| std::cmp::Reverse(comment.published));
        heads
    }

    fn thread(&self, head: &Comment) -> Value {
        if let Some(odd) = &head.odd {
            return odd.clone();
        }
        let answers = self.answers(&head.id);
        let mut thread = value!({
            "kind": "youtube#commentThread", "id": head.id,
            "snippet": {"channelId": ME, "videoId": VIDEO, "topLevelComment": shown(head),
                "canReply": !self.closed, "totalReplyCount": answers.len(), "isPublic": true},
        });
        if !answers.is_empty() {
            let some: Vec<_> = answers.iter().rev().take(5).map(|answer| shown(answer)).collect();
            thread["replies"] = value!({"comments": some});
        }
        thread
    }
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn shown(comment: &Comment) -> Value {
    if let Some(odd) = &comment.odd {
        return odd.clone();
    }
    let mut snippet = value!({
        "channelId": ME, "textDisplay": comment.text, "authorDisplayName": format!("@{}", comment.who),
        "authorProfileImageUrl": "https://yt3.ggpht.com/a", "authorChannelId": {"value": format!("UC-{}", comment.who)},
        "authorChannelUrl": format!("http://www.youtube.com/@{}", comment.who), "canRate": true,
        "viewerRating": "none", "likeCount": 1, "publishedAt": time(comment.published), "updatedAt": time(comment.updated),
    });
    if let Some(head) = &comment.head {
        snippet["parentId"] = head.as_str().into();
    }
    if comment.who == "help" {
        snippet["textOriginal"] = comment.text.as_str().into();
    }
    value!({"kind": "youtube#comment", "etag": "x", "id": comment.id, "snippet": snippet})
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;
type Asked = Query<HashMap<String, String>>;

impl Inner {
    async fn act(
        &self,
        name: &str,
        headers: &HeaderMap,
        line: &Line,
        act: impl FnOnce() -> Response,
    ) -> Response {
        let spent = self.channel.lock().unwrap().spent;
        let act = || if spent { used_up() } else { act() };
        self.books.act((name, self.books.knows(headers)), line, act).await
    }
}

fn used_up() -> Response {
    let message = "The request cannot be completed because you have exceeded your quota.";
    let reason = value!({"message": message, "domain": "youtube.quota", "reason": "quotaExceeded"});
    json(
        403,
        value!({"error": {"code": 403, "message": message, "errors": [reason]}}),
    )
}

/// 404, as the methods tell it (<https://developers.google.com/youtube/v3/docs/errors>).
fn missing(reason: &str) -> Response {
    let message = "One or more of the requested resources cannot be found.";
    let error = value!({"message": message, "domain": "youtube.comment", "reason": reason});
    json(
        404,
        value!({"error": {"code": 404, "message": message, "errors": [error]}}),
    )
}

async fn token(State(inner): Shared, Form(form): Form<HashMap<String, String>>) -> Response {
    let refused =
        value!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
    match inner
        .books
        .sign_in()
        .filter(|_| form.get("refresh_token").map(String::as_str) == Some(REFRESH))
    {
        Some(token) => json(
            200,
            value!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}),
        ),
        None => json(400, refused),
    }
}

async fn threads(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let answer = || {
        let channel = inner.channel.lock().unwrap();
        if let Some(ids) = asked.get("id") {
            let heads = ids
                .split(',')
                .map(|id| channel.find(id).filter(|head| head.head.is_none()));
            // One that is not there spoils all.
            let Some(heads) = heads.collect::<Option<Vec<_>>>() else {
                return missing("commentThreadNotFound");
            };
            let items: Vec<_> = heads.into_iter().map(|head| channel.thread(head)).collect();
            return json(
                200,
                value!({"kind": "youtube#commentThreadListResponse", "items": items}),
            );
        }
        assert_eq!(
            asked.get("allThreadsRelatedToChannelId").map(String::as_str),
            Some(ME)
        );
        let size: usize = asked.get("maxResults").map_or(20, |size| size.parse().unwrap());
        let from: usize = asked.get("pageToken").map_or(0, |token| token.parse().unwrap());
        let heads = channel.heads();
        let items: Vec<_> = heads
            .iter()
            .skip(from)
            .take(size)
            .map(|head| channel.thread(head))
            .collect();
        let mut told =
            value!({"items": items, "pageInfo": {"totalResults": heads.len(), "resultsPerPage": size}});
        if from + size < heads.len() {
            told["nextPageToken"] = (from + size).to_string().into();
        }
        json(200, told)
    };
    let name = if asked.contains_key("id") { "known" } else { "list" };
    inner.act(name, &headers, &line, answer).await
}

async fn comments(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let answer = || {
        let channel = inner.channel.lock().unwrap();
        let (items, more) = match (asked.get("id"), asked.get("parentId")) {
            (Some(id), _) => match channel.find(id) {
                Some(comment) => (vec![shown(comment)], None),
                None => return missing("commentNotFound"),
            },
            (None, Some(head)) if channel.find(head).is_none() => return missing("commentNotFound"),
            (None, Some(head)) => {
                let from: usize = asked.get("pageToken").map_or(0, |token| token.parse().unwrap());
                let answers = channel.answers(head);
                let some = answers
                    .iter()
                    .rev()
                    .skip(from)
                    .take(100)
                    .map(|answer| shown(answer));
                (
                    some.collect::<Vec<_>>(),
                    (from + 100 < answers.len()).then(|| (from + 100).to_string()),
                )
            }
            (None, None) => return error(400, "No filter selected."),
        };
        json(200, value!({"items": items, "nextPageToken": more}))
    };
    let name = if asked.contains_key("id") {
        "comment"
    } else {
        "replies"
    };
    inner.act(name, &headers, &line, answer).await
}

async fn channels(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let answer = || {
        let stranger = inner.channel.lock().unwrap().stranger.clone();
        let mine = stranger.as_deref().unwrap_or(ME);
        let ids = asked.get("id").map_or(vec![mine], |ids| ids.split(',').collect());
        let statistics = value!({"viewCount": "7", "subscriberCount": "120", "hiddenSubscriberCount": false});
        let items: Vec<_> = ids
            .iter()
            .map(|id| value!({"id": id, "statistics": statistics}))
            .collect();
        json(200, value!({"items": items}))
    };
    inner.act("channels", &headers, &line, answer).await
}

async fn insert(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let answer = || {
        let text = body["snippet"]["textOriginal"].as_str().unwrap();
        let parent = body["snippet"]["parentId"].as_str().unwrap();
        let mut channel = inner.channel.lock().unwrap();
        if channel.find(parent).is_none_or(|head| head.head.is_some()) {
            return error(404, "The specified parent comment could not be found.");
        }
        if channel.closed || text.chars().count() > 10_000 {
            return error(400, "The comment cannot be inserted.");
        }
        let head = (!channel.orphans).then(|| parent.to_owned());
        let now = inner.books.clock.now();
        let id = channel.add("help", head, text, now);
        json(200, shown(channel.find(&id).unwrap()))
    };
    inner.act("insert", &headers, &line, answer).await
}
