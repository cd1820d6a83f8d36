//! What people do in the fake, and what they see.

use super::{APP, BOT, FakeDiscord, GUILD, Pending};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

/// What a person got for what they did.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Text only they see.
    Text(String),
    /// A form: its custom id and what it says.
    Form { id: String, title: String },
    /// Suggestions: what is shown, and what is filled in.
    Choices(Vec<(String, String)>),
}

impl Answer {
    /// The text; anything else fails the test.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The form's id; anything else fails the test.
    pub fn form(&self) -> &str {
        match self {
            Self::Form { id, .. } => id,
            other => panic!("not a form: {other:?}"),
        }
    }
}

/// An option as it is typed: by value, or a person.
#[derive(Debug, Clone, Copy)]
pub enum Typed<'a> {
    Text(&'a str),
    Person(u64),
}

impl<'a> From<&'a str> for Typed<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The key with which interactions over HTTP are signed.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[11; 32])
}

impl FakeDiscord {
    /// `/claim`, `/reply` …: anywhere, in a channel or a thread.
    pub async fn command(&self, user: u64, place: u64, name: &str, options: &[(&str, Typed<'_>)]) -> Answer {
        let data = json!({"id": "77", "name": name, "type": 1, "options": typed(options)});
        self.interact(2, user, place, data, None).await
    }

    /// `/case VERB …`
    pub async fn case(&self, user: u64, place: u64, verb: &str, options: &[(&str, Typed<'_>)]) -> Answer {
        let sub = json!({"name": verb, "type": 1, "options": typed(options)});
        let data = json!({"id": "78", "name": "case", "type": 1, "options": [sub]});
        self.interact(2, user, place, data, None).await
    }

    /// What is suggested for a case number that is being typed after `/claim`.
    pub async fn suggestions(&self, user: u64, place: u64, so_far: &str) -> Vec<(String, String)> {
        let option = json!({"name": "case", "type": 3, "value": so_far, "focused": true});
        let data = json!({"id": "77", "name": "claim", "type": 1, "options": [option]});
        match self.interact(4, user, place, data, None).await {
            Answer::Choices(choices) => choices,
            other => panic!("no suggestions: {other:?}"),
        }
    }

    /// Presses the button of this label on a message.
    pub async fn press(&self, user: u64, message: u64, label: &str) -> Answer {
        let (channel, body) = {
            let world = self.world();
            let post = &world.posts[&message];
            (post.channel, post.body.clone())
        };
        let buttons = buttons(&body);
        let (_, id) = buttons
            .iter()
            .find(|(shown, _)| shown == label)
            .unwrap_or_else(|| panic!("no button {label:?} among {buttons:?}"));
        let data = json!({"custom_id": id, "component_type": 2});
        self.interact(3, user, channel, data, Some(message)).await
    }

    /// Chooses an entry of a message's menu.
    pub async fn menu(&self, user: u64, message: u64, entry: &str) -> Answer {
        let channel = self.world().posts[&message].channel;
        let data = json!({"id": "79", "name": entry, "type": 3, "target_id": message.to_string()});
        self.interact(2, user, channel, data, None).await
    }

    /// Sends a form off with this text.
    pub async fn submit(&self, user: u64, place: u64, form: &str, text: &str) -> Answer {
        let field = json!({"type": 4, "id": 2, "custom_id": "text", "value": text});
        let data = json!({"custom_id": form, "components": [{"type": 1, "id": 1, "components": [field]}]});
        self.interact(5, user, place, data, None).await
    }

    /// From now on interactions go to this address, signed, and not to the gateway.
    pub fn use_endpoint(&self, url: &str) {
        *self.endpoint.lock().unwrap() = Some(url.to_owned());
    }

    /// The application's public key.
    pub fn public_key(&self) -> String {
        hex::encode(key().verifying_key().to_bytes())
    }

    /// The headers that make a body Discord's.
    pub fn sign(&self, body: &str, timestamp: &str) -> [(&'static str, String); 2] {
        let signature = key().sign(format!("{timestamp}{body}").as_bytes());
        [
            ("x-signature-ed25519", hex::encode(signature.to_bytes())),
            ("x-signature-timestamp", timestamp.to_owned()),
        ]
    }

    /// An interaction, with everything around it that Discord sends.
    pub fn interaction(
        &self,
        kind: u64,
        user: u64,
        place: u64,
        data: &Value,
        message: Option<u64>,
    ) -> (u64, Value) {
        let id = self.shared.new_id();
        let mut world = self.world();
        let token = format!("aW50ZXJhY3Rpb24.{id}");
        world.pending.insert(
            id,
            Pending {
                token: token.clone(),
                ..Pending::default()
            },
        );
        let channel = world.channels[&place].clone();
        let (name, roles) = world.people.get(&user).cloned().unwrap_or_default();
        let roles: Vec<_> = roles.iter().map(u64::to_string).collect();
        let mut told = json!({
            "id": id.to_string(), "application_id": APP.to_string(), "type": kind, "token": token, "version": 1,
            "guild_id": GUILD.to_string(), "channel_id": place.to_string(), "data": data, "locale": "en-GB",
            "channel": {"id": place.to_string(), "type": channel.kind, "name": channel.name,
                "parent_id": channel.parent.map(|id| id.to_string())},
            "member": {"user": {"id": user.to_string(), "username": name.to_lowercase(), "global_name": name},
                "nick": null, "roles": roles, "permissions": "0"},
            "entitlements": [], "authorizing_integration_owners": {}, "context": 0,
        });
        if let Some(message) = message {
            let post = &world.posts[&message];
            told["message"] = super::rest::shown(post);
        }
        (id, told)
    }

    async fn interact(&self, kind: u64, user: u64, place: u64, data: Value, message: Option<u64>) -> Answer {
        let (id, told) = self.interaction(kind, user, place, &data, message);
        let endpoint = self.endpoint.lock().unwrap().clone();
        match endpoint {
            Some(url) => {
                let body = told.to_string();
                let timestamp = self.shared.clock.now().timestamp().to_string();
                let client = hearback::adapter::http::client(super::PATIENCE).unwrap();
                let mut request = client.post(url).header("content-type", "application/json");
                for (name, value) in self.sign(&body, &timestamp) {
                    request = request.header(name, value);
                }
                let answer = request.body(body).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 200);
                let callback: Value = answer.json().await.unwrap();
                let problems = super::rest::check_callback(&callback);
                let mut world = self.world();
                world.problems.extend(problems);
                world.pending.get_mut(&id).unwrap().callback = Some(callback);
            }
            None => self.dispatch("INTERACTION_CREATE", &told),
        }
        self.answer(id).await
    }

    /// Waits for the answer to an interaction: the late one where the first says "thinking".
    pub async fn answer(&self, id: u64) -> Answer {
        self.until("an answer to an interaction", |world| {
            let pending = &world.pending[&id];
            let first = pending.callback.as_ref()?;
            match first["type"].as_u64().unwrap() {
                4 => {
                    assert_eq!(
                        first["data"]["flags"].as_u64().unwrap() & 64,
                        64,
                        "everybody sees it"
                    );
                    Some(Answer::Text(seen(&first["data"])))
                }
                5 => pending.edit.as_ref().map(|edit| Answer::Text(seen(edit))),
                8 => Some(Answer::Choices(choices(&first["data"]))),
                9 => Some(Answer::Form {
                    id: first["data"]["custom_id"].as_str().unwrap().to_owned(),
                    title: first["data"]["title"].as_str().unwrap().to_owned(),
                }),
                other => panic!("an answer of type {other}"),
            }
        })
        .await
    }

    /// Somebody else writes in a channel.
    pub fn write(&self, user: u64, channel: u64, text: &str) -> u64 {
        let id = self.shared.new_id();
        let body = json!({"content": text});
        let post = super::Post {
            id,
            channel,
            author: user,
            nonce: None,
            body,
            files: Vec::new(),
            edits: 0,
        };
        self.world().posts.insert(id, post);
        id
    }

    /// The newest message of ours in a channel.
    pub fn newest(&self, channel: u64) -> u64 {
        let world = self.world();
        let ours = world
            .posts
            .values()
            .filter(|post| post.channel == channel && post.author == BOT);
        ours.map(|post| post.id).max().unwrap()
    }
}

fn typed(options: &[(&str, Typed<'_>)]) -> Value {
    let option = |(name, value): &(&str, Typed<'_>)| match value {
        Typed::Text(text) => json!({"name": name, "type": 3, "value": text}),
        Typed::Person(id) => json!({"name": name, "type": 6, "value": id.to_string()}),
    };
    options.iter().map(option).collect()
}

fn choices(data: &Value) -> Vec<(String, String)> {
    let choice = |choice: &Value| {
        let text = |key: &str| choice[key].as_str().unwrap().to_owned();
        (text("name"), text("value"))
    };
    data["choices"].as_array().unwrap().iter().map(choice).collect()
}

/// Labels and ids of a message's buttons.
pub fn buttons(body: &Value) -> Vec<(String, String)> {
    let rows = body["components"].as_array().into_iter().flatten();
    let buttons = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    buttons
        .map(|button| (text(&button["label"]), text(&button["custom_id"])))
        .collect()
}

/// A message as people read it: without escapes, marks of delivery and empty parts.
pub fn seen(body: &Value) -> String {
    let mut out = Vec::new();
    let mut say = |text: &Value| {
        if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
            out.push(unescape(text));
        }
    };
    say(&body["content"]);
    // The flag hides embeds, ours too.
    let hidden = body["flags"].as_u64().unwrap_or_default() & 4 != 0;
    for embed in body["embeds"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|_| !hidden)
    {
        say(&embed["title"]);
        say(&embed["description"]);
        for field in embed["fields"].as_array().into_iter().flatten() {
            let (name, value) = (field["name"].as_str().unwrap(), field["value"].as_str().unwrap());
            say(&json!(format!("{name}: {value}")));
        }
    }
    let lines: Vec<_> = out.iter().flat_map(|text| text.lines()).collect();
    let kept = lines.into_iter().filter_map(without_mark);
    kept.collect::<Vec<_>>().join("\n")
}

/// A line without the mark of its delivery, which is small and at the end.
fn without_mark(line: &str) -> Option<&str> {
    let is_mark = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match line.strip_prefix("-# ") {
        Some(mark) if is_mark(mark) => None,
        Some(small) => match small.rsplit_once(" · ") {
            Some((own, mark)) if is_mark(mark) => Some(&line[..own.len() + 3]),
            Some(_) | None => Some(line),
        },
        None => Some(line),
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            other => out.push(other),
        }
    }
    out
}
