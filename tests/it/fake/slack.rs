//! A Slack workspace: the Web API, Socket Mode, signed HTTP, and people who type and press.
//!
//! It keeps channels, threads and windows like Slack does, enforces Slack's lengths, and writes down
//! every request that Slack would refuse or that could do harm (`problems`).

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

use super::fault::{Fault, Faults};
use super::specs::check_slack;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Query, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use hearback::config;
use hearback::domain::Clock;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The workspace.
pub const TEAM: &str = "T0HOME";
/// The channel where cases open.
pub const CHANNEL: &str = "C0CARE";
/// The channel of a second team.
pub const ESCALATIONS: &str = "C0BOSS";
/// The bot.
pub const BOT: &str = "U0BOT";
/// The tokens.
pub const BOT_TOKEN: &str = "xoxb-fake";
/// The app-level token.
pub const APP_TOKEN: &str = "xapp-fake";
/// The signing secret.
pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// How long a test waits before it fails.
const GUARD: Duration = Duration::from_secs(10);
/// How long Slack waits for an acknowledgement.
const ACK: Duration = Duration::from_secs(3);

/// A message as it stands.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The channel.
    pub channel: String,
    /// Its id.
    pub ts: String,
    /// The thread it is in; `None` for a message of the channel itself.
    pub thread: Option<String>,
    /// Who wrote it.
    pub user: String,
    /// The text for notifications.
    pub text: String,
    /// The blocks.
    pub blocks: Value,
    /// The metadata.
    pub metadata: Value,
    /// What is attached.
    pub files: Vec<Uploaded>,
    /// How often it was changed.
    pub edits: usize,
}

/// A file that was brought.
#[derive(Debug, Clone, Default)]
pub struct Uploaded {
    /// Its name.
    pub name: String,
    /// How many bytes were announced.
    length: usize,
    /// What it shows.
    pub alt: String,
    /// What is written over it.
    pub title: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Posted {
    /// What people see.
    pub fn shown(&self) -> String {
        shown(&self.blocks)
    }

    /// What the buttons say.
    pub fn buttons(&self) -> Vec<String> {
        let mut out = Vec::new();
        walk(&self.blocks, &mut |object| {
            if object["type"] == "button" {
                out.push(object["text"]["text"].as_str().unwrap_or_default().to_owned());
            }
        });
        out
    }

    /// Who is called by it: ids of people, groups, ranges.
    pub fn pings(&self) -> Vec<String> {
        pings(&self.blocks)
    }
}

/// A text that only one person sees.
#[derive(Debug, Clone)]
pub struct Whisper {
    /// For whom.
    pub user: String,
    /// Where.
    pub channel: String,
    /// In which thread.
    pub thread: Option<String>,
    /// What.
    pub text: String,
}

/// A window somebody has open.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its id.
    pub id: String,
    /// Who has it open.
    pub user: String,
    /// What it is.
    pub view: Value,
}

impl Window {
    /// What stands over it.
    pub fn title(&self) -> &str {
        self.view["title"]["text"].as_str().unwrap_or_default()
    }
}

/// What a press led to.
#[derive(Debug, Clone)]
pub enum After {
    /// Words for the person.
    Whisper(Whisper),
    /// A window.
    Window(Window),
}

impl After {
    /// The words; fails when a window opened.
    pub fn words(self) -> String {
        match self {
            Self::Whisper(whisper) => whisper.text,
            Self::Window(window) => panic!("a window opened: {}", window.view),
        }
    }

    /// The window; fails when there were words.
    pub fn window(self) -> Window {
        match self {
            Self::Window(window) => window,
            Self::Whisper(whisper) => panic!("no window, but: {}", whisper.text),
        }
    }
}

/// What a submission led to.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// The window closed, and these words came.
    Closed(Whisper),
    /// The window stays open, with this at the field.
    Errors(String),
}

/// What Slack got for an envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivered {
    /// An acknowledgement, with or without an answer.
    Acked(Option<Value>),
    /// None in time: people see that something went wrong.
    TimedOut,
    /// HTTP only: refused.
    Status(u16),
}

/// A call of the Web API.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Its body or query.
    pub body: Value,
}

enum Wire {
    Send(String),
    /// Neither reads nor writes any more, and stays open.
    Silence,
    Close,
}

struct Plug {
    id: u64,
    wire: mpsc::UnboundedSender<Wire>,
}

struct View {
    window: Window,
    open: bool,
}

#[derive(Default)]
struct State {
    messages: Vec<Posted>,
    archived: Vec<String>,
    without_bot: Vec<String>,
    without_scope: Vec<String>,
    groups: BTreeMap<String, Vec<String>>,
    whispers: Vec<Whisper>,
    views: Vec<View>,
    calls: Vec<Call>,
    problems: Vec<String>,
    plugs: Vec<Plug>,
    /// How many sockets were ever greeted.
    greeted: u64,
    /// How many the app asked for.
    asked: u64,
    turn: usize,
    /// Who waits for an acknowledgement, and the socket it must come by.
    pending: HashMap<String, (u64, oneshot::Sender<Option<Value>>)>,
    triggers: HashMap<String, String>,
    /// Where the answers to a command go: response id to user, channel.
    responses: HashMap<String, (String, String)>,
    acks: Vec<String>,
    /// Messages that no reading shows yet.
    hidden: Vec<String>,
    /// Calls that were cut off before they were carried out.
    dropped: Vec<(String, Value)>,
    /// Files that are not shown yet, by their ids.
    uploads: HashMap<String, Uploaded>,
    /// The most messages of a page, whatever is asked for.
    page: Option<usize>,
    /// The pause between two readings in seconds, and when the last was.
    looks: Option<(i64, i64)>,
    /// Methods whose answers wait.
    held: HashMap<String, watch::Receiver<bool>>,
    last: i64,
    serial: u64,
    /// The app's address, in HTTP mode.
    app: Option<String>,
}

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    base: String,
    http: reqwest::Client,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn next_ts(&self, state: &mut State) -> String {
        state.last = self.clock.now().timestamp_micros().max(state.last + 1);
        format!("{}.{:06}", state.last / 1_000_000, state.last % 1_000_000)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// The workspace, running.
#[derive(Clone)]
pub struct SlackFake {
    inner: Arc<Inner>,
    /// What happens to the next call of a method.
    pub faults: Faults,
}

impl SlackFake {
    /// Starts it; message ids are instants of this clock.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let faults = Faults::default();
        let inner = Arc::new(Inner {
            state: Mutex::default(),
            changed: watch::channel(0).0,
            faults: faults.clone(),
            clock,
            base: format!("http://{}", listener.local_addr().unwrap()),
            http: hearback::adapter::http::client(GUARD).unwrap(),
        });
        let router = Router::new()
            .route("/api/{method}", any(call))
            .route("/respond/{id}", post(respond))
            .route("/upload/{id}", post(upload).layer(DefaultBodyLimit::disable()))
            .route("/link", get(link))
            .with_state(Arc::clone(&inner));
        tokio_util::task::TaskTracker::new()
            .spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, faults }
    }

    /// The configuration of an app in Socket Mode.
    pub fn config(&self) -> config::Slack {
        config::Slack {
            bot_token: BOT_TOKEN.to_owned().into(),
            app_token: Some(APP_TOKEN.to_owned().into()),
            signing_secret: None,
            channel: CHANNEL.to_owned(),
            api_url: format!("{}/api", self.inner.base).parse().unwrap(),
        }
    }

    /// The configuration of an app in HTTP mode.
    pub fn config_http(&self) -> config::Slack {
        config::Slack {
            app_token: None,
            signing_secret: Some(SECRET.to_owned().into()),
            ..self.config()
        }
    }

    /// From now on, payloads go to the app's address, signed.
    pub fn deliver_by_http(&self, app: &str) {
        self.inner.state().app = Some(app.to_owned());
    }

    /// Takes the bot out of a channel.
    pub fn remove_bot(&self, channel: &str) {
        self.inner.state().without_bot.push(channel.to_owned());
    }

    /// The bot is invited back into a channel.
    pub fn invite_bot(&self, channel: &str) {
        self.inner
            .state()
            .without_bot
            .retain(|without| without != channel);
    }

    /// From now on calls of this method are carried out, but not answered, until the guard is dropped.
    pub fn hold_answers(&self, method: &str) -> watch::Sender<bool> {
        let (guard, held) = watch::channel(true);
        self.inner.state().held.insert(method.to_owned(), held);
        guard
    }

    /// Takes away the scope that a method needs.
    pub fn remove_scope(&self, method: &str) {
        self.inner.state().without_scope.push(method.to_owned());
    }

    /// A message that stands, but that no reading shows until [`Self::show_all`].
    pub fn hide(&self, ts: &str) {
        self.inner.state().hidden.push(ts.to_owned());
    }

    /// Readings show everything again.
    pub fn show_all(&self) {
        self.inner.state().hidden.clear();
    }

    /// What was cut off is carried out now, late.
    pub fn carry_out_late(&self) {
        let dropped = std::mem::take(&mut self.inner.state().dropped);
        for (method, body) in dropped {
            let done = perform(&self.inner, &method, &Method::POST, &body);
            assert_eq!(done["ok"], true, "{done}");
        }
        self.inner.touch();
    }

    /// Readings give at most so many messages, once in so many seconds.
    pub fn limit_readings(&self, most: usize, every: i64) {
        let mut state = self.inner.state();
        state.page = Some(most);
        state.looks = Some((every, i64::MIN / 2));
    }

    /// Another app posts with metadata of whatever shape.
    pub fn post_foreign(&self, channel: &str, metadata: Value, blocks: Value) {
        let mut state = self.inner.state();
        let ts = self.inner.next_ts(&mut state);
        state.messages.push(Posted {
            channel: channel.to_owned(),
            ts,
            thread: None,
            user: "U0APP".to_owned(),
            text: "foreign".to_owned(),
            blocks,
            metadata,
            files: Vec::new(),
            edits: 0,
        });
    }

    /// Somebody deletes a message; a thread goes with its first one.
    pub fn delete(&self, ts: &str) {
        self.inner.state().messages.retain(|message| message.ts != ts);
    }

    /// Archives a channel.
    pub fn archive(&self, channel: &str) {
        self.inner.state().archived.push(channel.to_owned());
    }

    /// Sets who is in a user group.
    pub fn set_group(&self, group: &str, users: &[&str]) {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        self.inner.state().groups.insert(group.to_owned(), users);
    }

    /// Waits until something is so.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changed = self.inner.changed.subscribe();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = look(self) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(GUARD, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; {}", self.story()),
        }
    }

    /// What happened, for failures.
    fn story(&self) -> String {
        let state = self.inner.state();
        let lines = state
            .messages
            .iter()
            .map(|m| format!("{} {:?}: {}", m.ts, m.thread, m.text));
        let lines: Vec<_> = lines.collect();
        let calls: Vec<_> = state.calls.iter().map(|call| call.method.as_str()).collect();
        format!(
            "messages: {lines:#?}\nwhispers: {:#?}\ncalls: {calls:?}\nproblems: {:#?}",
            state.whispers, state.problems
        )
    }

    /// Waits until so many sockets stand.
    pub async fn connected(&self, sockets: usize) {
        let what = format!("{sockets} sockets");
        self.until(&what, |slack| {
            (slack.inner.state().plugs.len() >= sockets).then_some(())
        })
        .await;
    }

    /// How many sockets stand.
    pub fn sockets(&self) -> usize {
        self.inner.state().plugs.len()
    }

    /// How many sockets were ever greeted.
    pub fn greeted(&self) -> u64 {
        self.inner.state().greeted
    }

    /// The calls of a method so far.
    pub fn calls(&self, method: &str) -> Vec<Call> {
        let state = self.inner.state();
        state
            .calls
            .iter()
            .filter(|call| call.method == method)
            .cloned()
            .collect()
    }

    /// All messages of a channel and its threads, in order.
    pub fn messages(&self, channel: &str) -> Vec<Posted> {
        let state = self.inner.state();
        state
            .messages
            .iter()
            .filter(|message| message.channel == channel)
            .cloned()
            .collect()
    }

    /// The messages under a thread's first one.
    pub fn replies(&self, thread: &str) -> Vec<Posted> {
        let state = self.inner.state();
        let replies = state
            .messages
            .iter()
            .filter(|message| message.thread.as_deref() == Some(thread));
        replies.cloned().collect()
    }

    /// A message as it stands now.
    pub fn message(&self, ts: &str) -> Posted {
        let state = self.inner.state();
        state
            .messages
            .iter()
            .find(|message| message.ts == ts)
            .cloned()
            .unwrap()
    }

    /// Everything that was said to one person alone.
    pub fn whispers(&self) -> Vec<Whisper> {
        self.inner.state().whispers.clone()
    }

    /// What Slack would have refused, and what could have done harm.
    pub fn problems(&self) -> Vec<String> {
        self.inner.state().problems.clone()
    }

    /// Waits for the first message of a case's thread.
    pub async fn thread(&self, case: i64) -> Posted {
        self.thread_in(CHANNEL, case).await
    }

    /// The same in another channel.
    pub async fn thread_in(&self, channel: &str, case: i64) -> Posted {
        let number = format!("#{case}");
        let names = |text: &str| {
            text.split(|c: char| c != '#' && !c.is_alphanumeric())
                .any(|word| word == number)
        };
        self.until(&format!("the thread of {number}"), |slack| {
            let messages = slack.messages(channel);
            messages
                .into_iter()
                .find(|message| message.thread.is_none() && names(&message.shown()))
        })
        .await
    }

    /// Waits for a message under a thread that shows these words.
    pub async fn said(&self, thread: &str, words: &str) -> Posted {
        self.until(&format!("{words:?} in the thread {thread}"), |slack| {
            slack
                .replies(thread)
                .into_iter()
                .find(|message| message.shown().contains(words))
        })
        .await
    }

    /// Waits until a message shows these words.
    pub async fn shows(&self, ts: &str, words: &str) -> Posted {
        self.until(&format!("{words:?} in the message {ts}"), |slack| {
            Some(slack.message(ts)).filter(|message| message.shown().contains(words))
        })
        .await
    }

    /// Somebody writes in a channel or a thread, to no one of ours.
    pub fn write(&self, user: &str, channel: &str, thread: Option<&str>, text: &str) -> String {
        let mut state = self.inner.state();
        let ts = self.inner.next_ts(&mut state);
        state.messages.push(Posted {
            channel: channel.to_owned(),
            ts: ts.clone(),
            thread: thread.map(str::to_owned),
            user: user.to_owned(),
            text: text.to_owned(),
            blocks: Value::Null,
            metadata: json!({"event_type": "other_app", "event_payload": {"count": 1, "deep": {"er": []}}}),
            files: Vec::new(),
            edits: 0,
        });
        drop(state);
        self.inner.touch();
        ts
    }

    /// A slash command in the channel; returns what the person reads.
    pub async fn command(&self, user: &str, command: &str, text: &str) -> String {
        let (payload, before) = (self.command_payload(user, command, text), self.whispers().len());
        match self.deliver("slash_commands", payload).await {
            Delivered::Acked(Some(answer)) => {
                assert_eq!(answer["response_type"], "ephemeral", "{answer}");
                self.inspect("the answer to a command", &answer);
                shown(&answer["blocks"])
            }
            Delivered::Acked(None) => self.next_whisper(before, user).await.text,
            other => panic!("the command was not acknowledged: {other:?}; {}", self.story()),
        }
    }

    /// The payload of a slash command.
    pub fn command_payload(&self, user: &str, command: &str, text: &str) -> Value {
        let mut state = self.inner.state();
        let (trigger, response) = (
            format!("{}.9.trigger", state.number()),
            state.number().to_string(),
        );
        state.triggers.insert(trigger.clone(), user.to_owned());
        state
            .responses
            .insert(response.clone(), (user.to_owned(), CHANNEL.to_owned()));
        json!({"token": "legacy", "team_id": TEAM, "team_domain": "home", "channel_id": CHANNEL,
            "channel_name": "care", "user_id": user, "user_name": user.to_lowercase(), "command": command,
            "text": escape(text), "api_app_id": "A0", "is_enterprise_install": "false", "trigger_id": trigger,
            "response_url": format!("{}/respond/{response}", self.inner.base)})
    }

    /// Somebody mentions the bot; returns what they read.
    pub async fn mention(&self, user: &str, channel: &str, thread: Option<&str>, text: &str) -> String {
        let before = self.whispers().len();
        let payload = self.mention_payload(user, channel, thread, text);
        let delivered = self.deliver("events_api", payload).await;
        assert_eq!(delivered, Delivered::Acked(None), "{}", self.story());
        self.next_whisper(before, user).await.text
    }

    /// The payload of a mention, with the message it is in.
    pub fn mention_payload(&self, user: &str, channel: &str, thread: Option<&str>, text: &str) -> Value {
        let text = format!("<@{BOT}> {}", escape(text));
        let ts = self.write(user, channel, thread, &text);
        let number = self.inner.state().number();
        let mut event = json!({"type": "app_mention", "user": user, "text": text, "ts": ts, "channel": channel,
            "team": TEAM, "event_ts": ts, "blocks": []});
        if let Some(thread) = thread {
            event["thread_ts"] = json!(thread);
        }
        json!({"token": "legacy", "team_id": TEAM, "api_app_id": "A0", "type": "event_callback",
            "event_id": format!("Ev{number}"), "event_time": 1, "event": event,
            "authorizations": [{"enterprise_id": null, "team_id": TEAM, "user_id": BOT, "is_bot": true}]})
    }

    /// Somebody presses the button that says `label`.
    pub async fn press(&self, user: &str, message: &Posted, label: &str) -> After {
        let before = self.whispers().len();
        let (payload, trigger) = self.press_payload(user, message, label);
        let delivered = self.deliver("interactive", payload).await;
        assert_eq!(delivered, Delivered::Acked(None), "{}", self.story());
        self.after(before, user, &trigger).await
    }

    /// The payload of a press, and its trigger.
    pub fn press_payload(&self, user: &str, message: &Posted, label: &str) -> (Value, String) {
        let message = self.message(&message.ts);
        let mut button = None;
        walk(&message.blocks, &mut |object| {
            if object["type"] == "button" && object["text"]["text"] == label {
                button = Some(object.clone());
            }
        });
        let button = button.unwrap_or_else(|| panic!("no button {label:?} in {:?}", message.buttons()));
        let mut payload = self.interaction(user, &message);
        payload["type"] = json!("block_actions");
        payload["actions"] = json!([{"type": "button", "action_id": button["action_id"], "value": button["value"],
            "text": button["text"], "block_id": "b", "action_ts": format!("{}.5", self.inner.state().number())}]);
        let trigger = payload["trigger_id"].as_str().unwrap().to_owned();
        (payload, trigger)
    }

    /// Somebody chooses a shortcut in a message's menu.
    pub async fn shortcut(&self, user: &str, message: &Posted, callback: &str) -> After {
        let before = self.whispers().len();
        let mut payload = self.interaction(user, message);
        payload["type"] = json!("message_action");
        payload["callback_id"] = json!(callback);
        payload["message_ts"] = json!(message.ts);
        let trigger = payload["trigger_id"].as_str().unwrap().to_owned();
        let delivered = self.deliver("interactive", payload).await;
        assert_eq!(delivered, Delivered::Acked(None), "{}", self.story());
        self.after(before, user, &trigger).await
    }

    fn interaction(&self, user: &str, message: &Posted) -> Value {
        let replied = !self.replies(&message.ts).is_empty();
        let mut state = self.inner.state();
        let (trigger, response) = (
            format!("{}.9.trigger", state.number()),
            state.number().to_string(),
        );
        state.triggers.insert(trigger.clone(), user.to_owned());
        state
            .responses
            .insert(response.clone(), (user.to_owned(), message.channel.clone()));
        let mut shown = json!({"ts": message.ts, "text": message.text, "blocks": message.blocks, "user": BOT,
            "bot_id": "B0BOT", "metadata": message.metadata, "type": "message"});
        let thread = message
            .thread
            .clone()
            .or_else(|| replied.then(|| message.ts.clone()));
        if let Some(thread) = thread {
            shown["thread_ts"] = json!(thread);
        }
        json!({"team": {"id": TEAM, "domain": "home"}, "user": {"id": user, "username": user.to_lowercase(),
            "team_id": TEAM}, "api_app_id": "A0", "token": "legacy", "trigger_id": trigger,
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel,
                "is_ephemeral": false},
            "channel": {"id": message.channel, "name": "care"}, "message": shown, "enterprise": null,
            "response_url": format!("{}/respond/{response}", self.inner.base)})
    }

    async fn after(&self, before: usize, user: &str, trigger: &str) -> After {
        let trigger = trigger.to_owned();
        self.until("an answer to a press", |slack| {
            let state = slack.inner.state();
            let whisper = state
                .whispers
                .iter()
                .skip(before)
                .find(|whisper| whisper.user == user);
            let view = state
                .views
                .iter()
                .find(|view| view.open && view.window.id.ends_with(&trigger));
            view.map(|view| After::Window(view.window.clone()))
                .or_else(|| whisper.cloned().map(After::Whisper))
        })
        .await
    }

    /// Somebody submits a window with these words.
    pub async fn submit(&self, window: &Window, words: &str) -> Submitted {
        let before = self.whispers().len();
        match self.deliver("interactive", self.submission(window, words)).await {
            Delivered::Acked(None) => {
                for view in &mut self.inner.state().views {
                    view.open &= view.window.id != window.id;
                }
                Submitted::Closed(self.next_whisper(before, &window.user).await)
            }
            Delivered::Acked(Some(answer)) => {
                assert_eq!(answer["response_action"], "errors", "{answer}");
                let block = window.view["blocks"][0]["block_id"].as_str().unwrap();
                Submitted::Errors(answer["errors"][block].as_str().unwrap().to_owned())
            }
            other => panic!("the window was not acknowledged: {other:?}; {}", self.story()),
        }
    }

    /// The payload of a submission.
    pub fn submission(&self, window: &Window, words: &str) -> Value {
        let field = &window.view["blocks"][0];
        let (block, action) = (
            field["block_id"].as_str().unwrap(),
            field["element"]["action_id"].as_str().unwrap(),
        );
        let mut view = window.view.clone();
        view["id"] = json!(window.id);
        view["hash"] = json!("1.a");
        view["state"] = json!({"values": {block: {action: {"type": "plain_text_input", "value": words}}}});
        json!({"type": "view_submission", "team": {"id": TEAM}, "user": {"id": window.user, "team_id": TEAM,
            "username": window.user.to_lowercase()}, "api_app_id": "A0", "trigger_id": "9.9.late", "view": view,
            "response_urls": [], "enterprise": null})
    }

    async fn next_whisper(&self, before: usize, user: &str) -> Whisper {
        self.until(&format!("words for {user}"), |slack| {
            let state = slack.inner.state();
            state
                .whispers
                .iter()
                .skip(before)
                .find(|whisper| whisper.user == user)
                .cloned()
        })
        .await
    }

    /// Sends a payload to the app, by one of its sockets or signed by HTTP.
    pub async fn deliver(&self, kind: &str, payload: Value) -> Delivered {
        let app = self.inner.state().app.clone();
        match app {
            Some(app) => self.send_signed(&app, kind, &payload).await,
            None => {
                let (id, acked) = self.send(kind, payload).await;
                self.acked(&id, acked).await
            }
        }
    }

    /// Sends an envelope by the next socket, and does not wait.
    pub async fn send(&self, kind: &str, payload: Value) -> (String, oneshot::Receiver<Option<Value>>) {
        let id = format!("env-{}", self.inner.state().number());
        (id.clone(), self.send_as(&id, kind, payload).await)
    }

    /// The same with this envelope id: a repetition.
    pub async fn send_as(&self, id: &str, kind: &str, payload: Value) -> oneshot::Receiver<Option<Value>> {
        self.connected(1).await;
        let envelope = json!({"envelope_id": id, "type": kind, "payload": payload,
            "accepts_response_payload": kind != "events_api"});
        self.send_frame(id, envelope.to_string())
    }

    /// Sends any text as a frame; the receiver gets the acknowledgement of this id.
    pub fn send_frame(&self, id: &str, text: String) -> oneshot::Receiver<Option<Value>> {
        let (tell, told) = oneshot::channel();
        let mut state = self.inner.state();
        state.turn += 1;
        let at = state.turn % state.plugs.len();
        let plug = state.plugs[at].id;
        state.pending.insert(id.to_owned(), (plug, tell));
        let _ = state.plugs[at].wire.send(Wire::Send(text));
        told
    }

    /// Waits for an acknowledgement, as long as Slack does.
    pub async fn acked(&self, id: &str, acked: oneshot::Receiver<Option<Value>>) -> Delivered {
        match tokio::time::timeout(ACK, acked).await {
            Ok(Ok(answer)) => Delivered::Acked(answer),
            Ok(Err(_)) | Err(_) => {
                self.inner.state().pending.remove(id);
                Delivered::TimedOut
            }
        }
    }

    /// The ids of acknowledged envelopes, in the order of acknowledging.
    pub fn acks(&self) -> Vec<String> {
        self.inner.state().acks.clone()
    }

    /// Announces the end of every socket, with this reason.
    pub fn disconnect(&self, reason: &str) {
        let text =
            json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "fake"}}).to_string();
        for plug in &self.inner.state().plugs {
            let _ = plug.wire.send(Wire::Send(text.clone()));
        }
    }

    /// Every socket goes silent, without being closed.
    pub fn go_silent(&self) {
        let mut state = self.inner.state();
        for plug in state.plugs.drain(..) {
            let _ = plug.wire.send(Wire::Silence);
        }
    }

    /// Closes every socket.
    pub fn cut(&self) {
        for plug in &self.inner.state().plugs {
            let _ = plug.wire.send(Wire::Close);
        }
    }

    async fn send_signed(&self, app: &str, kind: &str, payload: &Value) -> Delivered {
        let (path, body) = match kind {
            "events_api" => ("events", payload.to_string()),
            "slash_commands" => ("commands", form(payload)),
            _ => ("interactions", form(&json!({"payload": payload.to_string()}))),
        };
        let stamp = self.inner.clock.now().timestamp().to_string();
        let signature = sign(SECRET, &stamp, body.as_bytes());
        let request = self
            .inner
            .http
            .post(format!("{app}/slack/{path}"))
            .header("x-slack-request-timestamp", &stamp)
            .header("x-slack-signature", signature)
            .body(body);
        let Ok(Ok(answer)) = tokio::time::timeout(ACK, request.send()).await else {
            return Delivered::TimedOut;
        };
        let status = answer.status();
        let text = answer.text().await.unwrap();
        match (status.as_u16(), text.is_empty()) {
            (200, true) => Delivered::Acked(None),
            (200, false) => Delivered::Acked(Some(serde_json::from_str(&text).unwrap())),
            (status, _) => Delivered::Status(status),
        }
    }

    fn inspect(&self, what: &str, message: &Value) {
        let found = inspect(what, message);
        self.inner.state().problems.extend(found);
    }
}

/// Signs as Slack does.
pub fn sign(secret: &str, stamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{stamp}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// A form's body.
pub fn form(fields: &Value) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.as_object().unwrap() {
        out.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
    }
    out.finish()
}

fn escape(text: &str) -> String {
    let mentions = text.contains("<@") || text.contains("<http");
    if mentions {
        return text.to_owned();
    }
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

async fn link(Shared(inner): Shared<Arc<Inner>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| plug(inner, socket))
}

async fn plug(inner: Arc<Inner>, mut socket: WebSocket) {
    let (wire, mut orders) = mpsc::unbounded_channel();
    let hello = json!({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0"},
        "debug_info": {"host": "fake", "approximate_connection_time": 3600}});
    if socket.send(Frame::text(hello.to_string())).await.is_err() {
        return;
    }
    let id = {
        let mut state = inner.state();
        let id = state.number();
        state.plugs.push(Plug { id, wire });
        state.greeted += 1;
        id
    };
    inner.touch();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Wire::Send(text)) => {
                    if socket.send(Frame::text(text)).await.is_err() { break; }
                }
                Some(Wire::Silence) => std::future::pending().await,
                Some(Wire::Close) | None => break,
            },
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) => acknowledge(&inner, id, &text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    inner.state().plugs.retain(|plug| plug.id != id);
    inner.touch();
}

fn acknowledge(inner: &Inner, plug: u64, text: &str) {
    let ack: Value = serde_json::from_str(text).unwrap();
    let id = ack["envelope_id"].as_str().unwrap().to_owned();
    let mut state = inner.state();
    state.acks.push(id.clone());
    if let Some((sent_by, waiting)) = state.pending.remove(&id) {
        if sent_by != plug {
            state
                .problems
                .push(format!("{id} was acknowledged by another socket"));
        }
        let _ = waiting.send(ack.get("payload").cloned());
    }
    drop(state);
    inner.touch();
}

/// An answer that comes later, at the address given with a command or a press.
async fn respond(Shared(inner): Shared<Arc<Inner>>, Path(id): Path<String>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let problems = inspect("an answer at a response address", &body);
    let mut state = inner.state();
    state.problems.extend(problems);
    let Some((user, channel)) = state.responses.get(&id).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    state.whispers.push(Whisper {
        user,
        channel,
        thread: None,
        text: shown(&body["blocks"]),
    });
    drop(state);
    inner.touch();
    "ok".into_response()
}

async fn call(
    Shared(inner): Shared<Arc<Inner>>,
    Path(method): Path<String>,
    http: Method,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = if http == Method::GET {
        json!(query)
    } else {
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    };
    inner.state().calls.push(Call {
        method: method.clone(),
        body: body.clone(),
    });
    inner.touch();
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let expected = if method == "apps.connections.open" {
        APP_TOKEN
    } else {
        BOT_TOKEN
    };
    let work = || {
        if token != format!("Bearer {expected}") {
            return refuse("invalid_auth");
        }
        let answer = perform(&inner, &method, &http, &body);
        inner.touch();
        answer
    };
    let early = too_early(&inner, &method).map(Fault::RateLimited);
    match early.or_else(|| inner.faults.take(&method)) {
        None => {
            let answered = work();
            let held = inner.state().held.get(&method).cloned();
            if let Some(mut held) = held {
                // An error means that the guard was dropped.
                while held.changed().await.is_ok() {}
            }
            answer(&answered)
        }
        Some(Fault::RateLimited(wait)) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", wait)], "").into_response()
        }
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::StatusButDone(status)) => {
            work();
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Some(Fault::AcceptThenDrop) => {
            work();
            broken()
        }
        Some(Fault::Drop) => {
            inner.state().dropped.push((method, body));
            broken()
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Garbage) => {
            work();
            "<html>not JSON".into_response()
        }
    }
}

/// How long a reading must wait, in seconds.
fn too_early(inner: &Inner, method: &str) -> Option<String> {
    if !matches!(method, "conversations.history" | "conversations.replies") {
        return None;
    }
    let now = inner.clock.now().timestamp();
    let mut state = inner.state();
    let (every, last) = state.looks.as_mut()?;
    if now - *last < *every {
        return Some((*every - (now - *last)).to_string());
    }
    *last = now;
    None
}

fn answer(body: &Value) -> Response {
    let scopes = "app_mentions:read,channels:history,channels:read,chat:write,commands,files:write,groups:history,\
                  groups:read,usergroups:read,users:read";
    ([("x-oauth-scopes", scopes)], axum::Json(body.clone())).into_response()
}

/// The connection breaks before the answer is complete.
fn broken() -> Response {
    let cut = std::io::Error::other("cut");
    Body::from_stream(futures_util::stream::once(async { Err::<Bytes, _>(cut) })).into_response()
}

fn refuse(code: &str) -> Value {
    json!({"ok": false, "error": code})
}

fn perform(inner: &Inner, method: &str, http: &Method, body: &Value) -> Value {
    let mut state = inner.state();
    let reading = matches!(
        method,
        "conversations.info"
            | "conversations.history"
            | "conversations.replies"
            | "users.info"
            | "usergroups.users.list"
            | "files.getUploadURLExternal"
    );
    if reading && http != Method::GET {
        state.problems.push(format!("{method} does not take JSON"));
        return refuse("invalid_arguments");
    }
    if !reading {
        state.problems.extend(check_slack(method, body));
    }
    if state.without_scope.iter().any(|without| without == method) {
        return json!({"ok": false, "error": "missing_scope", "needed": "some:scope", "provided": "chat:write"});
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let channel = match method {
        "files.completeUploadExternal" => text("channel_id"),
        _ => text("channel"),
    };
    if method == "files.completeUploadExternal"
        || method.starts_with("chat.")
        || method.starts_with("conversations.")
    {
        if ![CHANNEL, ESCALATIONS].contains(&channel.as_str()) {
            return refuse("channel_not_found");
        }
        if state.archived.contains(&channel) && method != "conversations.info" {
            return refuse("is_archived");
        }
        if state.without_bot.contains(&channel) && method != "conversations.info" {
            return refuse("not_in_channel");
        }
    }
    match method {
        "auth.test" => {
            json!({"ok": true, "user_id": BOT, "user": "hearback", "bot_id": "B0BOT", "team_id": TEAM,
            "team": "Home", "url": "https://home.slack.com/"})
        }
        "apps.connections.open" => {
            state.asked += 1;
            let url = inner.base.replace("http://", "ws://");
            json!({"ok": true, "url": format!("{url}/link?ticket={}&app_id=A0", state.asked)})
        }
        "chat.postMessage" => post_message(inner, &mut state, body),
        "chat.update" => update(&mut state, body),
        "chat.delete" => delete(&mut state, body),
        "chat.postEphemeral" => {
            state.problems.extend(inspect("chat.postEphemeral", body));
            state.whispers.push(Whisper {
                user: text("user"),
                channel,
                thread: body["thread_ts"].as_str().map(str::to_owned),
                text: shown(&body["blocks"]),
            });
            json!({"ok": true, "message_ts": "1.1"})
        }
        "views.open" => open_view(&mut state, body),
        "conversations.info" => {
            let archived = state.archived.contains(&channel);
            json!({"ok": true, "channel": {"id": channel, "name": channel.to_lowercase(), "is_archived": archived,
                "is_member": !state.without_bot.contains(&channel)}})
        }
        "files.getUploadURLExternal" => upload_url(inner, &mut state, body),
        "files.completeUploadExternal" => complete_upload(inner, &mut state, body),
        "conversations.history" => history(&state, body, None),
        "conversations.replies" => history(&state, body, Some(&text("ts"))),
        "users.info" => {
            let user = text("user");
            json!({"ok": true, "user": {"id": user, "name": user.to_lowercase(), "team_id": TEAM,
                "profile": {"display_name": ""}, "real_name": format!("Real {user}")}})
        }
        "usergroups.users.list" => match state.groups.get(&text("usergroup")) {
            Some(users) => json!({"ok": true, "users": users}),
            None => refuse("no_such_subteam"),
        },
        _ => {
            state.problems.push(format!("unknown method {method}"));
            refuse("unknown_method")
        }
    }
}

fn post_message(inner: &Inner, state: &mut State, body: &Value) -> Value {
    if let Err(code) = lengths(body, 40_000) {
        state.problems.push(format!("chat.postMessage: {code}"));
        return refuse(code);
    }
    state.problems.extend(inspect("chat.postMessage", body));
    for (field, value) in [
        ("unfurl_links", json!(false)),
        ("unfurl_media", json!(false)),
        ("mrkdwn", json!(false)),
    ] {
        if body[field] != value {
            state
                .problems
                .push(format!("chat.postMessage: {field} is {}", body[field]));
        }
    }
    let thread = body["thread_ts"].as_str().map(str::to_owned);
    if let Some(thread) = &thread
        && !state
            .messages
            .iter()
            .any(|message| message.ts == *thread && message.thread.is_none())
    {
        return refuse("thread_not_found");
    }
    let ts = inner.next_ts(state);
    state.messages.push(Posted {
        channel: body["channel"].as_str().unwrap_or_default().to_owned(),
        ts: ts.clone(),
        thread,
        user: BOT.to_owned(),
        text: body["text"].as_str().unwrap_or_default().to_owned(),
        blocks: body["blocks"].clone(),
        metadata: body["metadata"].clone(),
        files: Vec::new(),
        edits: 0,
    });
    json!({"ok": true, "channel": body["channel"], "ts": ts, "message": {"ts": ts, "metadata": body["metadata"]}})
}

/// <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>
fn upload_url(inner: &Inner, state: &mut State, body: &Value) -> Value {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let length: usize = text("length").parse().unwrap_or_default();
    // Slack's own types call it `alt_text`, its documentation and its API `alt_txt`.
    let mut typed = json!({"filename": body["filename"], "length": length});
    if body["alt_txt"].is_string() {
        typed["alt_text"] = body["alt_txt"].clone();
    }
    let known = ["filename", "length", "alt_txt"];
    let unknown = body
        .as_object()
        .unwrap()
        .keys()
        .find(|key| !known.contains(&key.as_str()));
    state
        .problems
        .extend(unknown.map(|key| format!("files.getUploadURLExternal: {key}")));
    state
        .problems
        .extend(check_slack("files.getUploadURLExternal", &typed));
    if length == 0 || text("filename").is_empty() {
        return refuse("missing_argument");
    }
    if text("alt_txt").chars().count() > 1000 {
        return refuse("alt_txt_too_large");
    }
    let id = format!("F{}", state.number());
    let upload = Uploaded {
        name: text("filename"),
        length,
        alt: text("alt_txt"),
        ..Uploaded::default()
    };
    state.uploads.insert(id.clone(), upload);
    json!({"ok": true, "upload_url": format!("{}/upload/{id}", inner.base), "file_id": id})
}

/// Takes a file's bytes. It is no method of the API: no token, and no JSON.
async fn upload(Shared(inner): Shared<Arc<Inner>>, Path(id): Path<String>, body: Bytes) -> Response {
    match inner.faults.take("upload") {
        Some(Fault::Status(status)) => return StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::Drop) => return broken(),
        Some(other) => panic!("an upload knows no {other:?}"),
        None => {}
    }
    let mut state = inner.state();
    match state.uploads.get_mut(&id) {
        Some(upload) if upload.length == body.len() => {
            upload.bytes = body.to_vec();
            format!("OK - {}", body.len()).into_response()
        }
        Some(_) | None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// <https://docs.slack.dev/reference/methods/files.completeUploadExternal>. The answer tells the files, and not
/// the message.
fn complete_upload(inner: &Inner, state: &mut State, body: &Value) -> Value {
    if let Err(code) = lengths(&json!({"text": "x", "blocks": body["blocks"]}), 40_000) {
        state
            .problems
            .push(format!("files.completeUploadExternal: {code}"));
        return refuse(code);
    }
    let mut files = Vec::new();
    let mut told = Vec::new();
    for file in body["files"].as_array().into_iter().flatten() {
        let id = file["id"].as_str().unwrap_or_default();
        let Some(upload) = state.uploads.remove(id).filter(|upload| !upload.bytes.is_empty()) else {
            return refuse("file_not_found");
        };
        told.push(json!({"id": id, "title": file["title"], "name": upload.name}));
        files.push(Uploaded {
            title: file["title"].as_str().unwrap_or_default().to_owned(),
            ..upload
        });
    }
    let ts = inner.next_ts(state);
    state.messages.push(Posted {
        channel: body["channel_id"].as_str().unwrap_or_default().to_owned(),
        ts,
        thread: body["thread_ts"].as_str().map(str::to_owned),
        user: BOT.to_owned(),
        text: String::new(),
        blocks: body["blocks"].clone(),
        metadata: Value::Null,
        files,
        edits: 0,
    });
    json!({"ok": true, "files": told})
}

fn update(state: &mut State, body: &Value) -> Value {
    if let Err(code) = lengths(body, 4000) {
        state.problems.push(format!("chat.update: {code}"));
        return refuse(code);
    }
    state.problems.extend(inspect("chat.update", body));
    let ts = body["ts"].as_str().unwrap_or_default();
    let Some(message) = state
        .messages
        .iter_mut()
        .find(|message| message.ts == ts && message.user == BOT)
    else {
        return refuse("message_not_found");
    };
    let ids = |blocks: &Value| -> Vec<Value> {
        let blocks = blocks.as_array().into_iter().flatten();
        blocks.map(|block| block["block_id"].clone()).collect()
    };
    let kept = ids(&message.blocks)
        .iter()
        .any(|id| ids(&body["blocks"]).contains(id));
    message.text = body["text"].as_str().unwrap_or_default().to_owned();
    message.blocks = body["blocks"].clone();
    message.edits += 1;
    if kept {
        state
            .problems
            .push("chat.update: a block kept its block_id".to_owned());
    }
    json!({"ok": true, "channel": body["channel"], "ts": ts, "text": body["text"]})
}

/// Only one's own messages.
fn delete(state: &mut State, body: &Value) -> Value {
    let ts = body["ts"].as_str().unwrap_or_default().to_owned();
    match state.messages.iter().position(|message| message.ts == ts) {
        Some(at) if state.messages[at].user == BOT => {
            state.messages.remove(at);
            json!({"ok": true, "channel": body["channel"], "ts": ts})
        }
        Some(_) => refuse("cant_delete_message"),
        None => refuse("message_not_found"),
    }
}

fn open_view(state: &mut State, body: &Value) -> Value {
    let trigger = body["trigger_id"].as_str().unwrap_or_default();
    let Some(user) = state.triggers.remove(trigger) else {
        return refuse("expired_trigger_id");
    };
    let view = &body["view"];
    let title = view["title"]["text"].as_str().unwrap_or_default();
    let submit = view["submit"]["text"].as_str().unwrap_or_default();
    let memory = view["private_metadata"].as_str().unwrap_or_default();
    if title.is_empty() || units(title) > 24 || units(submit) > 24 || units(memory) > 3000 {
        state.problems.push(format!("views.open: lengths of {view}"));
        return refuse("invalid_arguments");
    }
    let window = Window {
        id: format!("V{trigger}"),
        user,
        view: view.clone(),
    };
    state.views.push(View {
        window: window.clone(),
        open: true,
    });
    json!({"ok": true, "view": {"id": window.id, "hash": "1.a"}})
}

fn history(state: &State, body: &Value, thread: Option<&str>) -> Value {
    let bound = |name: &str| body[name].as_str().map(|at| at.parse::<f64>().unwrap());
    let (oldest, latest) = (
        bound("oldest").unwrap_or(0.0),
        bound("latest").unwrap_or(f64::MAX),
    );
    let limit: usize = body["limit"].as_str().unwrap_or("100").parse().unwrap();
    let limit = limit.min(state.page.unwrap_or(limit));
    let from: usize = body["cursor"].as_str().unwrap_or("0").parse().unwrap();
    let channel = body["channel"].as_str().unwrap_or_default();
    let stands = |thread: &str| state.messages.iter().any(|message| message.ts == thread);
    if thread.is_some_and(|thread| !stands(thread)) {
        return refuse("thread_not_found");
    }
    let mut messages: Vec<_> = state
        .messages
        .iter()
        .filter(|message| message.channel == channel && !state.hidden.contains(&message.ts))
        .filter(|message| match thread {
            Some(thread) => message.thread.as_deref() == Some(thread) || message.ts == thread,
            None => message.thread.is_none(),
        })
        .filter(|message| {
            let at: f64 = message.ts.parse().unwrap();
            (at > oldest && at < latest) || thread == Some(&message.ts)
        })
        .map(|message| {
            let mut out = json!({"type": "message", "ts": message.ts, "user": message.user, "text": message.text,
                "blocks": message.blocks});
            if body["include_all_metadata"] == "true" {
                out["metadata"] = message.metadata.clone();
            }
            if message.user == BOT {
                out["bot_id"] = json!("B0BOT");
            }
            if !message.files.is_empty() {
                let files = message.files.iter();
                out["files"] = files.map(|file| json!({"name": file.name, "title": file.title})).collect();
                out["subtype"] = json!("file_share");
            }
            out
        })
        .collect();
    if thread.is_none() {
        messages.reverse();
    }
    let to = messages.len().min(from + limit);
    let more = to < messages.len();
    let cursor = if more { to.to_string() } else { String::new() };
    json!({"ok": true, "messages": messages[from..to], "has_more": more,
        "response_metadata": {"next_cursor": cursor}})
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Slack's lengths: <https://docs.slack.dev/reference/block-kit/blocks>.
fn lengths(body: &Value, most_text: usize) -> Result<(), &'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    if units(text) > most_text {
        return Err("msg_too_long");
    }
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    let mut ids: Vec<_> = blocks
        .iter()
        .filter_map(|block| block["block_id"].as_str())
        .collect();
    if blocks.len() > 50 || ids.iter().any(|id| id.len() > 255) {
        return Err("invalid_blocks");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    let mut sound = ids.len() == count;
    let (mut sum, mut actions) = (0, Vec::new());
    for block in &blocks {
        walk(
            block,
            &mut |object| match object["type"].as_str().unwrap_or_default() {
                "text" | "plain_text" | "mrkdwn" => {
                    let length = units(object["text"].as_str().unwrap_or_default());
                    sum += length;
                    sound &= (1..=3000).contains(&length);
                }
                "button" => {
                    sound &= units(object["text"]["text"].as_str().unwrap_or_default()) <= 75;
                    sound &= units(object["value"].as_str().unwrap_or_default()) <= 2000;
                    actions.push(object["action_id"].as_str().unwrap_or_default().to_owned());
                }
                "actions" => {
                    sound &= object["elements"]
                        .as_array()
                        .is_some_and(|all| (1..=25).contains(&all.len()))
                }
                _ => {}
            },
        );
    }
    let count = actions.len();
    actions.sort_unstable();
    actions.dedup();
    if !sound || actions.len() != count {
        return Err("invalid_blocks");
    }
    if sum > 13_200 {
        Err("msg_blocks_too_long")
    } else {
        Ok(())
    }
}

/// Whatever could call people, or become a link or a picture, without being meant to.
fn inspect(what: &str, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let raw = |text: &str| {
        let starts = text.match_indices('<');
        starts
            .map(|(at, _)| text[at..].chars().take(30).collect::<String>())
            .next()
    };
    if let Some(bait) = body["text"].as_str().and_then(raw) {
        found.push(format!("{what}: a raw control sequence in the text: {bait}"));
    }
    let direct = what.starts_with("chat.");
    if direct && (body["parse"] != "none" || body["link_names"] != false) {
        found.push(format!(
            "{what}: parse is {}, link_names is {}",
            body["parse"], body["link_names"]
        ));
    }
    walk(
        &body["blocks"],
        &mut |object| match object["type"].as_str().unwrap_or_default() {
            "mrkdwn" => found.push(format!("{what}: mrkdwn: {object}")),
            "broadcast" | "usergroup" | "image" | "video" | "emoji" => {
                found.push(format!("{what}: {object}"))
            }
            "link" => {
                let url = object["url"].as_str().unwrap_or_default();
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    found.push(format!("{what}: a link to {url}"));
                }
            }
            _ => {}
        },
    );
    found
}

fn pings(blocks: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk(
        blocks,
        &mut |object| match object["type"].as_str().unwrap_or_default() {
            "user" => out.push(object["user_id"].as_str().unwrap_or_default().to_owned()),
            "usergroup" => out.push(object["usergroup_id"].as_str().unwrap_or_default().to_owned()),
            "broadcast" => out.push(object["range"].as_str().unwrap_or_default().to_owned()),
            _ => {}
        },
    );
    out
}

/// Every object, from the outside in.
fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            see(value);
            for field in fields.values() {
                walk(field, see);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The words of blocks as people see them, a line for each block; buttons in brackets.
pub fn shown(blocks: &Value) -> String {
    let blocks = blocks.as_array().into_iter().flatten();
    blocks.map(line).collect::<Vec<_>>().join("\n")
}

fn line(block: &Value) -> String {
    let mut out = String::new();
    for element in block["elements"].as_array().into_iter().flatten() {
        match element["type"].as_str().unwrap_or_default() {
            "rich_text_section" => out += &inline(element),
            "rich_text_quote" => {
                let quoted: Vec<_> = inline(element).lines().map(|line| format!("> {line}")).collect();
                out += &quoted.join("\n");
            }
            "plain_text" => out += element["text"].as_str().unwrap_or_default(),
            "button" => {
                if !out.is_empty() {
                    out.push(' ');
                }
                out += &format!("[{}]", element["text"]["text"].as_str().unwrap_or_default());
            }
            other => out += &format!("({other})"),
        }
    }
    out
}

fn inline(element: &Value) -> String {
    let elements = element["elements"].as_array().into_iter().flatten();
    let words = elements.map(|element| match element["type"].as_str().unwrap_or_default() {
        "user" => format!("@{}", element["user_id"].as_str().unwrap_or_default()),
        _ => element["text"].as_str().unwrap_or_default().to_owned(),
    });
    words.collect()
}
