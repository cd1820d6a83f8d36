//! The REST API, as far as it is used, with its refusals.

use super::super::fault::Fault;
use super::{APP, BOT, Call, Channel, File, GUILD, Post, Shared, TOKEN, World, specs};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hearback::domain::Instant;
use serde_json::{Value, json};
use std::collections::HashSet;

/// An answer: the status, and the body.
type Told = (u16, Value);

pub fn routes(shared: Shared) -> Router {
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(path) = uri.path().strip_prefix("/api/v10") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok());
    let (body, files) = match kind.and_then(|kind| kind.strip_prefix("multipart/form-data; boundary=")) {
        Some(boundary) => multipart(&body, boundary),
        None if body.is_empty() => (Value::Null, Vec::new()),
        None => (serde_json::from_slice(&body).unwrap(), Vec::new()),
    };
    let name = name(&method, path);
    {
        let mut world = shared.world();
        world.calls.push(Call { name: name.clone() });
        if !body.is_null() {
            let problems = check(&method, path, &body);
            world.problems.extend(problems);
        }
    }
    let fault = shared.faults.take(&name);
    shared.touch();
    let told = || {
        let told = serve(
            &shared,
            &method,
            path,
            uri.query().unwrap_or_default(),
            &headers,
            (&body, &files),
        );
        shared.touch();
        told
    };
    match fault {
        None => answer(&shared, &name, told()),
        Some(Fault::RateLimited(after)) => {
            let seconds: f64 = after.parse().unwrap();
            let body =
                json!({"message": "You are being rate limited.", "retry_after": seconds, "global": false});
            let mut answer = answer(&shared, &name, (429, body));
            answer
                .headers_mut()
                .insert("retry-after", seconds.ceil().to_string().parse().unwrap());
            answer
        }
        Some(Fault::Status(status)) => answer(&shared, &name, (status, refusal(status))),
        Some(Fault::StatusButDone(status)) => {
            told();
            answer(&shared, &name, (status, refusal(status)))
        }
        Some(Fault::AcceptThenDrop) => {
            told();
            broken_off()
        }
        Some(Fault::Drop) => {
            let dropped = (method.to_string(), path.to_owned(), body.clone());
            shared.world().dropped.push(dropped);
            broken_off()
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Garbage) => {
            told();
            "<html>".into_response()
        }
    }
}

/// What was cut off is carried out now.
pub fn carry_out_late(shared: &Shared) {
    let dropped = std::mem::take(&mut shared.world().dropped);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bot {TOKEN}").parse().unwrap());
    for (method, path, body) in dropped {
        let method = method.parse().unwrap();
        let (status, told) = serve(shared, &method, &path, "", &headers, (&body, &[]));
        assert!(status < 300, "{method} {path}: {told}");
    }
    shared.touch();
}

/// What the real one says with these statuses; none with those of whatever stands before it.
fn refusal(status: u16) -> Value {
    match status {
        401 => json!({"message": "401: Unauthorized", "code": 0}),
        403 => json!({"message": "Missing Access", "code": 50001}),
        404 => json!({"message": "Unknown Channel", "code": 10003}),
        _ => Value::Null,
    }
}

/// An answer that ends before it is whole: the line is cut.
fn broken_off() -> Response {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let stream = futures_util::stream::iter([Err::<Bytes, _>(error)]);
    let mut answer = Response::new(Body::from_stream(stream));
    answer
        .headers_mut()
        .insert("content-length", "100".parse().unwrap());
    answer
}

fn answer(shared: &Shared, name: &str, (status, body): Told) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let mut answer = if body.is_null() {
        status.into_response()
    } else {
        (status, axum::Json(body)).into_response()
    };
    let (remaining, after) = shared.world().limits.get(name).copied().unwrap_or((49, 1.0));
    let headers = answer.headers_mut();
    headers.insert("x-ratelimit-remaining", remaining.to_string().parse().unwrap());
    headers.insert("x-ratelimit-reset-after", after.to_string().parse().unwrap());
    headers.insert("date", shared.clock.now().to_rfc2822().parse().unwrap());
    answer
}

/// The name of a call: ids become `:id`.
fn name(method: &Method, path: &str) -> String {
    let secret = path.starts_with("/interactions/") || path.starts_with("/webhooks/");
    let parts = path.split('/').enumerate().map(|(at, part)| match part {
        _ if secret && at == 3 => ":token",
        part if part.parse::<u64>().is_ok() => ":id",
        part => part,
    });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

fn check(method: &Method, path: &str, body: &Value) -> Vec<String> {
    let mut problems = specs::check(method.as_str(), path, body);
    let messages = [Some(body), body.get("message"), body.get("data")];
    for message in messages.into_iter().flatten() {
        problems.extend(check_mentions(path, message));
    }
    problems
}

/// What is wrong with a callback that came as the body of an answer.
pub fn check_callback(body: &Value) -> Vec<String> {
    check(&Method::POST, "/interactions/1/token/callback", body)
}

/// Everything that carries text must say who may be pinged, and never by kind.
fn check_mentions(path: &str, message: &Value) -> Option<String> {
    let carries_text = message.get("content").is_some() || message.get("embeds").is_some();
    let sound = message["allowed_mentions"]["parse"] == json!([]);
    (carries_text && !sound).then(|| format!("{path}: allowed_mentions is {}", message["allowed_mentions"]))
}

fn error(status: u16, code: u64, message: &str) -> Told {
    (status, json!({"code": code, "message": message}))
}

fn serve(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    (body, files): (&Value, &[File]),
) -> Told {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let open = matches!(parts[0], "interactions" | "webhooks") || parts == ["gateway"];
    let expected = format!("Bot {TOKEN}");
    if !open
        && headers
            .get("authorization")
            .is_none_or(|given| *given != *expected)
    {
        return (401, refusal(401));
    }
    let id = |at: usize| parts[at].parse::<u64>().unwrap_or_default();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["gateway"]) => (200, json!({"url": format!("ws://{}", shared.address)})),
        ("GET", ["gateway", "bot"]) => (
            200,
            json!({"url": format!("ws://{}", shared.address), "shards": 1,
            "session_start_limit": {"total": 1000, "remaining": 999, "reset_after": 1000, "max_concurrency": 1}}),
        ),
        ("GET", ["users", "@me"]) => (
            200,
            json!({"id": BOT.to_string(), "username": "hearback", "bot": true}),
        ),
        ("GET", ["applications", "@me"]) => (
            200,
            json!({"id": APP.to_string(), "name": "Hearback",
            "interactions_endpoint_url": shared.world().endpoint_url}),
        ),
        ("GET", ["guilds", _]) if id(1) != GUILD => error(404, 10004, "Unknown Guild"),
        ("GET", ["guilds", _]) => (200, guild(&shared.world())),
        ("GET", ["guilds", _, "members", _]) => (200, json!({"user": {"id": parts[3]}, "roles": []})),
        ("GET", ["guilds", _, "threads", "active"]) => {
            (200, threads(&shared.world(), usize::MAX, |_, c| !c.archived))
        }
        ("GET", ["channels", _, "threads", "archived", "public"]) => {
            let forum = id(1);
            let asked = |key: &str| {
                query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            };
            let limit = asked("limit").map_or(50, |limit| limit.parse().unwrap());
            let before = asked("before").map(|at| at.parse::<Instant>().unwrap());
            let wanted = |id, c: &Channel| {
                c.archived && c.parent == Some(forum) && before.is_none_or(|before| made_at(id) < before)
            };
            (200, threads(&shared.world(), limit, wanted))
        }
        ("PUT", ["applications", _, "guilds", _, "commands"]) => {
            shared.world().commands = body.clone();
            (200, body.clone())
        }
        ("GET", ["channels", _]) => with_channel(shared, id(1), |world| (200, channel(world, id(1)))),
        ("PATCH", ["channels", _]) => with_channel(shared, id(1), |world| change(world, id(1), body)),
        ("GET", ["channels", _, "messages"]) => {
            with_channel(shared, id(1), |world| list(world, id(1), query))
        }
        ("POST", ["channels", _, "messages"]) => {
            let new = shared.new_id();
            with_channel(shared, id(1), |world| create(world, id(1), new, (body, files)))
        }
        ("DELETE", ["channels", _]) => with_channel(shared, id(1), |world| remove_thread(world, id(1))),
        ("DELETE", ["channels", _, "messages", _]) => {
            with_channel(shared, id(1), |world| remove(world, id(1), id(3)))
        }
        ("GET", ["channels", _, "messages", _]) => match shared.world().posts.get(&id(3)) {
            Some(post) => (200, shown(post)),
            None => error(404, 10008, "Unknown Message"),
        },
        ("PATCH", ["channels", _, "messages", _]) => {
            with_channel(shared, id(1), |world| edit(world, id(1), id(3), body))
        }
        ("POST", ["channels", _, "messages", _, "threads"]) => {
            with_channel(shared, id(1), |world| thread(world, id(1), id(3), body))
        }
        ("POST", ["channels", _, "threads"]) => {
            let new = shared.new_id();
            with_channel(shared, id(1), |world| forum_post(world, id(1), new, body))
        }
        ("POST", ["interactions", _, token, "callback"]) => callback(&mut shared.world(), id(1), token, body),
        ("PATCH", ["webhooks", _, token, "messages", "@original"]) => {
            original(&mut shared.world(), token, body)
        }
        _ => {
            let problem = format!("{method} {path}: not an endpoint of this fake");
            shared.world().problems.push(problem);
            (404, Value::Null)
        }
    }
}

fn with_channel(shared: &Shared, id: u64, act: impl FnOnce(&mut World) -> Told) -> Told {
    let mut world = shared.world();
    if !world.channels.contains_key(&id) {
        return error(404, 10003, "Unknown Channel");
    }
    if world.bot_permissions & (1 << 10) == 0 {
        return error(403, 50001, "Missing Access");
    }
    act(&mut world)
}

fn guild(world: &World) -> Value {
    let everyone = json!({"id": GUILD.to_string(), "name": "@everyone", "permissions": world.bot_permissions.to_string()});
    json!({"id": GUILD.to_string(), "name": "Care", "owner_id": "1", "roles": [everyone]})
}

fn channel(world: &World, id: u64) -> Value {
    let channel = &world.channels[&id];
    let tags = channel
        .tags
        .iter()
        .map(|(id, name)| json!({"id": id.to_string(), "name": name, "moderated": false}));
    let mut told = json!({
        "id": id.to_string(), "type": channel.kind, "name": channel.name, "guild_id": GUILD.to_string(),
        "parent_id": channel.parent.map(|id| id.to_string()), "flags": channel.flags,
        "permission_overwrites": channel.overwrites,
    });
    if channel.kind == 15 {
        told["available_tags"] = tags.collect();
    }
    if let Some(owner) = channel.owner {
        told["owner_id"] = json!(owner.to_string());
        told["applied_tags"] = channel.applied.iter().map(u64::to_string).collect();
        told["thread_metadata"] = json!({"archived": channel.archived, "locked": channel.locked,
            "archive_timestamp": made_at(id).to_rfc3339()});
    }
    told
}

/// When a thread was made; archived ones count as archived then.
fn made_at(id: u64) -> Instant {
    let millis = i64::try_from(id >> 22).unwrap() + 1_420_070_400_000;
    Instant::from_timestamp_millis(millis).unwrap()
}

/// The newest first.
fn threads(world: &World, limit: usize, wanted: impl Fn(u64, &Channel) -> bool) -> Value {
    let found: Vec<_> = world
        .channels
        .iter()
        .rev()
        .filter(|(id, channel)| {
            channel.owner.is_some() && wanted(**id, channel) && !world.hidden.contains(id)
        })
        .map(|(id, _)| self::channel(world, *id))
        .collect();
    let shown = &found[..limit.min(found.len())];
    json!({"threads": shown, "has_more": shown.len() < found.len(), "members": []})
}

/// Whether a forum has all these tags.
fn has_tags(world: &World, forum: u64, tags: &[u64]) -> bool {
    let known = &world.channels[&forum].tags;
    tags.iter().all(|tag| known.iter().any(|(id, _)| id == tag))
}

fn change(world: &mut World, id: u64, body: &Value) -> Told {
    let tags = body["applied_tags"].as_array().into_iter().flatten();
    let tags: Vec<u64> = tags.map(|tag| tag.as_str().unwrap().parse().unwrap()).collect();
    let parent = world.channels[&id].parent;
    if parent.is_some_and(|forum| !has_tags(world, forum, &tags)) {
        return error(400, 50035, "Invalid Form Body");
    }
    let channel = world.channels.get_mut(&id).unwrap();
    if body.get("name").is_some() {
        channel.renamed += 1;
    }
    if let Some(archived) = body["archived"].as_bool() {
        channel.archived = archived;
    } else if channel.archived {
        return error(400, 50083, "Thread is archived");
    }
    if body["applied_tags"].is_array() {
        channel.applied = tags;
    }
    (200, self::channel(world, id))
}

/// A message as the API gives it: without its nonce.
pub fn shown(post: &Post) -> Value {
    let mut told = json!({
        "id": post.id.to_string(), "channel_id": post.channel.to_string(), "author": {"id": post.author.to_string()},
        "content": post.body["content"].as_str().unwrap_or_default(), "embeds": post.body["embeds"].clone(),
        "components": post.body["components"].clone(), "flags": post.body["flags"].as_u64().unwrap_or_default(),
        "type": 0, "pinned": false, "timestamp": "2026-11-21T10:00:00Z",
    });
    if told["flags"].as_u64().unwrap() & 4 != 0 || told["embeds"].is_null() {
        told["embeds"] = json!([]);
    }
    told
}

fn list(world: &World, channel: u64, query: &str) -> Told {
    let number = |key: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(name, _)| *name == key)?
            .1
            .parse::<u64>()
            .ok()
    };
    let after = number("after").unwrap_or_default();
    let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap();
    let posts = world
        .posts
        .values()
        .filter(|post| post.channel == channel && post.id > after && !world.hidden.contains(&post.id));
    let mut page: Vec<_> = posts.take(limit).map(shown).collect();
    page.reverse();
    (200, json!(page))
}

/// What Discord refuses in a message.
fn unsound(body: &Value) -> Option<Told> {
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let form = |place: &str| {
        let errors = json!({place: {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Too long."}]}});
        Some((
            400,
            json!({"code": 50035, "message": "Invalid Form Body", "errors": errors}),
        ))
    };
    if chars(&body["content"]) > 2000 {
        return form("content");
    }
    let embeds = body["embeds"].as_array().cloned().unwrap_or_default();
    if chars(&body["content"]) == 0 && embeds.is_empty() {
        return Some(error(400, 50006, "Cannot send an empty message"));
    }
    let mut sum = 0;
    for embed in &embeds {
        let fields = embed["fields"].as_array().cloned().unwrap_or_default();
        let long = fields.iter().any(|field| {
            sum += chars(&field["name"]) + chars(&field["value"]);
            !(1..=256).contains(&chars(&field["name"])) || !(1..=1024).contains(&chars(&field["value"]))
        });
        sum += chars(&embed["title"]) + chars(&embed["description"]) + chars(&embed["footer"]["text"]);
        if long || fields.len() > 25 || chars(&embed["title"]) > 256 || chars(&embed["description"]) > 4096 {
            return form("embeds");
        }
    }
    if sum > 6000 {
        return form("embeds");
    }
    let rows = body["components"].as_array().cloned().unwrap_or_default();
    let mut ids = HashSet::new();
    let sound = rows.len() <= 5
        && rows.iter().all(|row| {
            let buttons = row["components"].as_array().unwrap();
            (1..=5).contains(&buttons.len())
                && buttons.iter().all(|button| {
                    (1..=80).contains(&chars(&button["label"]))
                        && (1..=100).contains(&chars(&button["custom_id"]))
                        && ids.insert(button["custom_id"].as_str().unwrap().to_owned())
                })
        });
    if sound { None } else { form("components") }
}

fn create(world: &mut World, channel: u64, new: u64, (body, files): (&Value, &[File])) -> Told {
    if world.channels[&channel].kind == 15 {
        return error(400, 40058, "Cannot send a message in a forum channel");
    }
    if world.channels[&channel].locked {
        return error(400, 160_005, "Thread is locked");
    }
    if let Some(refused) = unsound(body).or_else(|| unsound_files(world, body, files)) {
        return refused;
    }
    let nonce = body["nonce"].as_str().map(str::to_owned);
    if body["enforce_nonce"] == true && !world.forget_nonces {
        let known = world.posts.values().find(|post| {
            post.channel == channel && post.author == BOT && nonce.is_some() && post.nonce == nonce
        });
        if let Some(known) = known {
            return (200, shown(known));
        }
    }
    // "Sending a message unarchives a thread."
    world.channels.get_mut(&channel).unwrap().archived = false;
    let told = keep(world, channel, new, nonce, body);
    world.posts.get_mut(&new).unwrap().files = files.to_vec();
    (200, told)
}

/// What Discord refuses about files: <https://discord.com/developers/docs/reference#uploading-files>.
fn unsound_files(world: &World, body: &Value, files: &[File]) -> Option<Told> {
    if !files.is_empty() && world.bot_permissions & (1 << 15) == 0 {
        return Some(error(403, 50013, "Missing Permissions"));
    }
    if files.iter().map(|file| file.bytes.len()).sum::<usize>() > 10 * 1024 * 1024 {
        return Some(error(413, 40005, "Request entity too large"));
    }
    let attachments = body["attachments"].as_array().into_iter().flatten();
    let sound = attachments.clone().count() == files.len()
        && attachments.zip(files).enumerate().all(|(at, (told, file))| {
            told["id"].as_str().and_then(|id| id.parse().ok()) == Some(at)
                && told["filename"] == *file.name
                && told["description"].as_str().unwrap_or_default().chars().count() <= 1024
        });
    (!sound).then(|| error(400, 50035, "Invalid Form Body"))
}

/// The parts of a form: `payload_json`, and `files[n]` in their order.
fn multipart(body: &[u8], boundary: &str) -> (Value, Vec<File>) {
    let seam = format!("--{boundary}");
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|at| at == what);
    let (mut payload, mut files) = (Value::Null, Vec::new());
    let mut rest = body;
    while let Some(at) = find(rest, seam.as_bytes()) {
        rest = &rest[at + seam.len()..];
        let Some(end) = find(rest, seam.as_bytes()) else {
            break;
        };
        let part = &rest[2..end - 2];
        let head_end = find(part, b"\r\n\r\n").unwrap();
        let head = String::from_utf8(part[..head_end].to_vec()).unwrap();
        let bytes = part[head_end + 4..].to_vec();
        let quoted = |key: &str| {
            let from = head.split(&format!("{key}=\"")).nth(1)?;
            Some(from.split('"').next().unwrap().to_owned())
        };
        let mime = head.to_lowercase();
        let mime = mime.split("content-type: ").nth(1).unwrap_or_default();
        let mime = mime.lines().next().unwrap_or_default().to_owned();
        match quoted("; name").unwrap().as_str() {
            "payload_json" => payload = serde_json::from_slice(&bytes).unwrap(),
            name => {
                assert_eq!(name, format!("files[{}]", files.len()));
                let name = quoted("filename").unwrap();
                files.push(File { name, mime, bytes });
            }
        }
    }
    (payload, files)
}

fn keep(world: &mut World, channel: u64, id: u64, nonce: Option<String>, body: &Value) -> Value {
    let content = body["content"].as_str().unwrap_or_default();
    for user in body["allowed_mentions"]["users"].as_array().into_iter().flatten() {
        let user = user.as_str().unwrap();
        if content.contains(&format!("<@{user}>")) {
            world.pings.push((id, user.parse().unwrap()));
        }
    }
    let post = Post {
        id,
        channel,
        author: BOT,
        nonce,
        body: body.clone(),
        files: Vec::new(),
        edits: 0,
    };
    let told = shown(&post);
    world.posts.insert(id, post);
    told
}

fn edit(world: &mut World, channel: u64, message: u64, body: &Value) -> Told {
    if world.channels[&channel].archived {
        return error(400, 50083, "Thread is archived");
    }
    if let Some(refused) = unsound(body) {
        return refused;
    }
    match world.posts.get_mut(&message) {
        Some(post) if post.channel != channel => error(404, 10008, "Unknown Message"),
        Some(post) if post.author != BOT => {
            error(403, 50005, "Cannot edit a message authored by another user")
        }
        Some(post) => {
            post.body = body.clone();
            post.edits += 1;
            (200, shown(post))
        }
        None => error(404, 10008, "Unknown Message"),
    }
}

/// Needs Manage Threads.
fn remove_thread(world: &mut World, thread: u64) -> Told {
    if world.bot_permissions & (1 << 34) == 0 {
        return error(403, 50013, "Missing Permissions");
    }
    if world.channels[&thread].parent.is_none() {
        world
            .problems
            .push(format!("channel {thread} is no thread, and was deleted"));
    }
    world.channels.remove(&thread);
    world.posts.retain(|_, post| post.channel != thread);
    (200, json!({"id": thread.to_string()}))
}

fn remove(world: &mut World, channel: u64, message: u64) -> Told {
    match world.posts.get(&message) {
        Some(post) if post.channel != channel => error(404, 10008, "Unknown Message"),
        Some(post) if post.author != BOT => error(403, 50013, "Missing Permissions"),
        Some(_) => {
            world.posts.remove(&message);
            (204, Value::Null)
        }
        None => error(404, 10008, "Unknown Message"),
    }
}

fn new_thread(parent: u64, body: &Value) -> Option<Channel> {
    let name = body["name"].as_str().unwrap_or_default();
    (1..=100).contains(&name.chars().count()).then(|| Channel {
        kind: 11,
        name: name.to_owned(),
        parent: Some(parent),
        owner: Some(BOT),
        overwrites: json!([]),
        ..Channel::default()
    })
}

fn thread(world: &mut World, parent: u64, message: u64, body: &Value) -> Told {
    if world.channels.contains_key(&message) {
        return error(400, 160_004, "A thread has already been created for this message");
    }
    if world
        .posts
        .get(&message)
        .is_none_or(|post| post.channel != parent)
    {
        return error(404, 10008, "Unknown Message");
    }
    let Some(thread) = new_thread(parent, body) else {
        return error(400, 50035, "Invalid Form Body");
    };
    world.channels.insert(message, thread);
    (201, channel(world, message))
}

fn forum_post(world: &mut World, forum: u64, new: u64, body: &Value) -> Told {
    let (kind, flags) = (world.channels[&forum].kind, world.channels[&forum].flags);
    if kind != 15 {
        return error(400, 50024, "Cannot execute action on this channel type");
    }
    let tags = body["applied_tags"].as_array().into_iter().flatten();
    let tags: Vec<u64> = tags.map(|tag| tag.as_str().unwrap().parse().unwrap()).collect();
    if flags & (1 << 4) != 0 && tags.is_empty() {
        return error(
            400,
            40067,
            "A tag is required to create a forum post in this channel",
        );
    }
    if !has_tags(world, forum, &tags) {
        return error(400, 50035, "Invalid Form Body");
    }
    let message = &body["message"];
    if let Some(refused) = unsound(message) {
        return refused;
    }
    let Some(thread) = new_thread(forum, body) else {
        return error(400, 50035, "Invalid Form Body");
    };
    world.channels.insert(
        new,
        Channel {
            applied: tags,
            ..thread
        },
    );
    let first = keep(world, new, new, None, message);
    let mut told = channel(world, new);
    told["message"] = first;
    (201, told)
}

fn callback(world: &mut World, id: u64, token: &str, body: &Value) -> Told {
    let refused = if body["type"] == 4 {
        unsound(&body["data"])
    } else {
        None
    };
    let Some(pending) = world
        .pending
        .get_mut(&id)
        .filter(|pending| pending.token == token)
    else {
        return error(404, 10062, "Unknown interaction");
    };
    if pending.callback.is_some() {
        return error(400, 40060, "Interaction has already been acknowledged.");
    }
    if let Some(refused) = refused {
        return refused;
    }
    pending.callback = Some(body.clone());
    (204, Value::Null)
}

fn original(world: &mut World, token: &str, body: &Value) -> Told {
    if let Some(refused) = unsound(body) {
        return refused;
    }
    match world.pending.values_mut().find(|pending| pending.token == token) {
        Some(pending) if pending.callback.is_some() => {
            pending.edit = Some(body.clone());
            (200, json!({"id": "1"}))
        }
        Some(_) | None => error(404, 10015, "Unknown Webhook"),
    }
}

#[test]
fn text_without_a_word_about_mentions_is_seen() {
    let path = "/channels/1/messages";
    assert!(check_mentions(path, &json!({"content": "x"})).is_some());
    assert!(
        check_mentions(
            path,
            &json!({"content": "x", "allowed_mentions": {"parse": ["users"]}})
        )
        .is_some()
    );
    assert!(check_mentions(path, &json!({"content": "x", "allowed_mentions": {"parse": []}})).is_none());
    assert!(check_mentions(path, &json!({"archived": false})).is_none());
}
