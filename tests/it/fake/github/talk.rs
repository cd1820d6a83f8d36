//! Discussions: GraphQL for reading and commenting, and what webhooks tell of them. Written from
//! <https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions> and the payloads of webhooks.

use super::{FakeGitHub, Inner, ME, REPOSITORY, time, user};
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use hearback::domain::Instant;
use serde_json::{Value, json};

/// A discussion, or a comment in one.
#[derive(Clone)]
pub(super) struct Talk {
    id: i64,
    number: i64,
    comment: bool,
    /// The comment in whose thread it stands.
    above: Option<i64>,
    who: String,
    text: String,
    association: &'static str,
    created: Instant,
    stirred: Instant,
    edited: Option<Instant>,
    gone: bool,
    locked: bool,
    odd: bool,
}

impl FakeGitHub {
    /// Somebody starts a discussion. Gives the id, as our connector names it.
    pub fn discuss(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        world.made += 1;
        let number = world.made;
        let talk = Talk::new(number, number, who, text, now);
        let id = name(&talk);
        world.talks.push(talk);
        id
    }

    /// Somebody comments on a discussion, or answers in the thread of a comment.
    pub fn say(&self, who: &str, on: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let on = world.talks.iter().find(|talk| name(talk) == on).unwrap().clone();
        world.say(&on, who, text, now)
    }

    /// Somebody of the house does.
    pub fn say_as(&self, who: &str, on: &str, text: &str, association: &'static str) -> String {
        let id = self.say(who, on, text);
        self.change(&id, |talk| talk.association = association);
        id
    }

    pub fn reword(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        self.change(id, |talk| {
            text.clone_into(&mut talk.text);
            talk.edited = Some(now);
        });
    }

    pub fn take_back(&self, id: &str) {
        self.change(id, |talk| talk.gone = true);
    }

    pub fn lock_talk(&self, id: &str) {
        self.change(id, |talk| talk.locked = true);
    }

    /// It is not as the API describes it.
    pub fn garble(&self, id: &str) {
        self.change(id, |talk| talk.odd = true);
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Talk)) {
        let mut world = self.world();
        change(world.talks.iter_mut().find(|talk| name(talk) == id).unwrap());
    }

    /// What the brand account said in discussions, the oldest first: what it stands below, text, address.
    pub fn said(&self) -> Vec<(String, String, String)> {
        let world = self.world();
        let ours = world.talks.iter().filter(|talk| talk.who == ME && talk.comment);
        let below = |own: &Talk| {
            let mut all = world.talks.iter();
            let above = all.find(|other| match own.above {
                Some(above) => other.id == above,
                None => other.number == own.number && !other.comment,
            });
            name(above.unwrap())
        };
        ours.map(|own| (below(own), own.text.clone(), page(own)))
            .collect()
    }

    /// The webhook's body that tells of something in a discussion.
    pub fn told_of_talk(&self, id: &str, action: &str) -> Value {
        let world = self.world();
        let talk = world.talks.iter().find(|talk| name(talk) == id).unwrap();
        let mut all = world.talks.iter();
        let head = all
            .find(|other| other.number == talk.number && !other.comment)
            .unwrap();
        // Capitals are as the repository has them, and not as somebody configured them.
        let mut body = json!({"action": action, "discussion": pushed(head), "sender": user(&talk.who),
            "repository": {"id": 1, "full_name": "Acme/app"}});
        if talk.comment {
            body["comment"] = pushed(talk);
        }
        body
    }
}

impl Talk {
    fn new(id: i64, number: i64, who: &str, text: &str, now: Instant) -> Self {
        Self {
            id,
            number,
            comment: false,
            above: None,
            who: who.to_owned(),
            text: text.to_owned(),
            association: "NONE",
            created: now,
            stirred: now,
            edited: None,
            gone: false,
            locked: false,
            odd: false,
        }
    }

    fn node(&self) -> String {
        let kind = if self.comment { "DC" } else { "D" };
        format!("{kind}_kwDO{}", self.id)
    }
}

impl super::World {
    fn say(&mut self, on: &Talk, who: &str, text: &str, now: Instant) -> String {
        self.made += 1;
        let talk = Talk {
            comment: true,
            above: on.comment.then(|| on.above.unwrap_or(on.id)),
            ..Talk::new(self.made, on.number, who, text, now)
        };
        let id = name(&talk);
        self.talks.push(talk);
        let of_it = |talk: &&mut Talk| talk.number == on.number && !talk.comment;
        self.talks.iter_mut().find(of_it).unwrap().stirred = now;
        id
    }

    fn replies(&self, above: i64) -> Vec<&Talk> {
        let all = self.talks.iter();
        all.filter(|talk| talk.above == Some(above) && !talk.gone)
            .collect()
    }

    /// A comment as GraphQL shows it: one that was taken back stays where others answered it.
    fn comment(&self, talk: &Talk) -> Value {
        if talk.odd {
            return json!({"id": talk.node(), "databaseId": "many"});
        }
        let text = if talk.gone { "" } else { &talk.text };
        json!({"id": talk.node(), "databaseId": talk.id, "body": text, "url": page(talk), "createdAt": time(talk.created),
            "lastEditedAt": talk.edited.map(time), "deletedAt": talk.gone.then(|| time(talk.stirred)),
            "authorAssociation": talk.association, "upvoteCount": 2, "author": actor(&talk.who),
            "replyTo": talk.above.map(|above| json!({"databaseId": above})),
            "discussion": {"number": talk.number, "repository": {"nameWithOwner": "Acme/app"}}})
    }
}

fn name(talk: &Talk) -> String {
    let comment = if talk.comment {
        format!("!{}", talk.id)
    } else {
        String::new()
    };
    format!("{REPOSITORY}#d{}{comment}", talk.number)
}

fn page(talk: &Talk) -> String {
    let anchor = if talk.comment {
        format!("#discussioncomment-{}", talk.id)
    } else {
        String::new()
    };
    format!(
        "https://github.com/{REPOSITORY}/discussions/{}{anchor}",
        talk.number
    )
}

fn actor(who: &str) -> Value {
    let user = user(who);
    json!({"login": who, "url": user["html_url"], "__typename": "User", "databaseId": user["id"]})
}

fn pushed(talk: &Talk) -> Value {
    let mut shown = json!({"id": talk.id, "node_id": talk.node(), "html_url": page(talk), "user": user(&talk.who),
        "author_association": talk.association, "body": talk.text, "created_at": time(talk.created),
        "updated_at": time(talk.edited.unwrap_or(talk.stirred))});
    if talk.comment {
        shown["parent_id"] = talk.above.into();
        shown["child_comment_count"] = 0.into();
    } else {
        shown["number"] = talk.number.into();
        shown["title"] = "A title".into();
        shown["locked"] = talk.locked.into();
        shown["state"] = "open".into();
    }
    shown
}

fn data(data: Value) -> Response {
    Json(json!({"data": data})).into_response()
}

/// Failures come with the status 200.
pub(super) fn error(kind: &str, message: &str) -> Response {
    let error = json!({"type": kind, "path": ["repository"], "message": message});
    Json(json!({"data": null, "errors": [error]})).into_response()
}

/// What a query does, by its words.
pub(super) fn call(body: &Value) -> &'static str {
    let query = body["query"].as_str().unwrap();
    let known = [
        ("addDiscussionComment", "discuss"),
        ("discussions(first", "discussions"),
        ("discussion(number", "thread"),
        ("node(id", "replies"),
    ];
    known.iter().find(|(words, _)| query.contains(words)).unwrap().1
}

fn paged(nodes: Vec<Value>, after: &Value, size: usize) -> Value {
    let from: usize = after.as_str().map_or(0, |after| after.parse().unwrap());
    let more = from + size < nodes.len();
    let nodes: Vec<_> = nodes.into_iter().skip(from).take(size).collect();
    json!({"pageInfo": {"hasNextPage": more, "endCursor": (from + size).to_string()}, "nodes": nodes})
}

pub(super) fn answer(inner: &Inner, body: &Value) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    let asked = &body["variables"];
    if let Some(owner) = asked["owner"].as_str() {
        let named = format!("{owner}/{}", asked["name"].as_str().unwrap());
        if !named.eq_ignore_ascii_case(REPOSITORY) {
            return error("NOT_FOUND", "Could not resolve to a Repository with that name.");
        }
    }
    match call(body) {
        "discussions" => {
            let mut heads: Vec<_> = world
                .talks
                .iter()
                .filter(|talk| !talk.comment && !talk.gone)
                .collect();
            heads.sort_by_key(|talk| std::cmp::Reverse(talk.stirred));
            let nodes = heads
                .iter()
                .map(|talk| json!({"number": talk.number, "updatedAt": time(talk.stirred)}));
            data(json!({"repository": {"discussions": paged(nodes.collect(), &asked["after"], 50)}}))
        }
        "thread" => {
            let number = asked["number"].as_i64().unwrap();
            let is = |talk: &&Talk| talk.number == number && !talk.comment && !talk.gone;
            let Some(head) = world.talks.iter().find(is) else {
                return error("NOT_FOUND", "Could not resolve to a Discussion with that number.");
            };
            let comments = world.talks.iter().filter(|talk| {
                let own = talk.number == number && talk.comment && talk.above.is_none();
                own && (!talk.gone || !world.replies(talk.id).is_empty())
            });
            let comments = comments.map(|talk| {
                let mut shown = world.comment(talk);
                let replies = world.replies(talk.id);
                let replies = replies.into_iter().map(|talk| world.comment(talk)).collect();
                shown["replies"] = paged(replies, &Value::Null, 100);
                shown
            });
            let mut shown = world.comment(head);
            shown["number"] = number.into();
            shown["title"] = "A title".into();
            shown["locked"] = head.locked.into();
            shown["comments"] = paged(comments.collect(), &asked["after"], 50);
            data(json!({"repository": {"discussion": shown}}))
        }
        "replies" => {
            let id = asked["id"].as_str().unwrap();
            let above = world.talks.iter().find(|talk| talk.node() == id).unwrap().id;
            let replies = world
                .replies(above)
                .into_iter()
                .map(|talk| world.comment(talk))
                .collect();
            data(json!({"node": {"replies": paged(replies, &asked["after"], 100)}}))
        }
        _ => {
            let text = asked["body"].as_str().unwrap();
            let find = |id: &Value| {
                let id = id.as_str()?;
                world
                    .talks
                    .iter()
                    .find(|talk| talk.node() == id && !talk.gone)
                    .cloned()
            };
            let Some(head) = find(&asked["discussion"]) else {
                return error("NOT_FOUND", "Could not resolve to a node with that global id.");
            };
            if head.locked {
                return error("FORBIDDEN", "The discussion is locked.");
            }
            if text.chars().count() > 65_536 {
                return error("UNPROCESSABLE", "Body is too long (maximum is 65536 characters)");
            }
            let above = find(&asked["above"]);
            if above.as_ref().is_some_and(|above| above.above.is_some()) {
                return error(
                    "UNPROCESSABLE",
                    "Parent comment is already in a thread, cannot reply to it",
                );
            }
            let on = above.unwrap_or(head);
            let id = world.say(&on, ME, text, now);
            let made = world.talks.iter().find(|talk| name(talk) == id).unwrap();
            data(json!({"addDiscussionComment": {"comment": world.comment(made)}}))
        }
    }
}
