//! The scripted platform: a receiver of signed replies whose answers are decided before they come, and
//! which can kill the sender while its request is on the wire.

use crate::chance::Chance;
use crate::http::{self, Incoming};
use crate::{Class, HURRY, Point, hurried};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The secret that both sides sign with.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// A request that is older, by the hurried clock, has no effect: the platform looks at the signed time,
/// as the contract has it. So a rig that stood still for a while does not break the promise (A1) that
/// nothing takes effect later than the settle time.
const OLDEST: TimeDelta = TimeDelta::seconds(30);
/// The latest that a request of which the platform said nothing takes effect after it was signed.
const LATEST: u32 = 60;

/// What the platform does with a request to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Success,
    /// It never arrives.
    Drop,
    ApplyAndDrop,
    Failed500,
    Applied500,
    /// A gateway's page, though the reply stands there.
    Applied400,
    /// 200, and nothing that could be read; without and with effect.
    Garbage,
    AppliedGarbage,
    /// No answer, and the effect comes when the caller has long gone.
    Late,
    /// The answer takes its time.
    Lag,
    /// The answer comes after the caller's time-out.
    Hang,
    WaitSeconds,
    WaitDate,
    WaitNonsense,
    WaitTenYears,
    /// Refused, as the contract has it.
    Refused,
}

impl Outcome {
    pub const ALL: [Self; 16] = [
        Self::Success,
        Self::Drop,
        Self::ApplyAndDrop,
        Self::Failed500,
        Self::Applied500,
        Self::Applied400,
        Self::Garbage,
        Self::AppliedGarbage,
        Self::Late,
        Self::Lag,
        Self::Hang,
        Self::WaitSeconds,
        Self::WaitDate,
        Self::WaitNonsense,
        Self::WaitTenYears,
        Self::Refused,
    ];

    fn by_chance(chance: &mut Chance) -> Self {
        match chance.below(1000) {
            0..560 => Self::Success,
            560..610 => Self::Drop,
            610..670 => Self::ApplyAndDrop,
            670..700 => Self::Failed500,
            700..740 => Self::Applied500,
            740..780 => Self::Applied400,
            780..810 => Self::Garbage,
            810..840 => Self::AppliedGarbage,
            840..890 => Self::Late,
            890..910 => Self::Lag,
            910..912 => Self::Hang,
            912..930 => Self::WaitSeconds,
            930..945 => Self::WaitDate,
            945..955 => Self::WaitNonsense,
            955..957 => Self::WaitTenYears,
            _ => Self::Refused,
        }
    }

    fn has_effect(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::ApplyAndDrop
                | Self::Applied500
                | Self::Applied400
                | Self::AppliedGarbage
                | Self::Lag
                | Self::Hang
        )
    }
}

/// A reply as it stands there.
struct Published {
    key: String,
    id: String,
    target: Value,
    text: String,
}

/// One that will stand there.
struct Coming {
    at: DateTime<Utc>,
    class: Class,
    reply: Published,
}

#[derive(Default)]
struct Books {
    published: Vec<Published>,
    coming: Vec<Coming>,
    count: u32,
    /// How often each key was asked to be published.
    asked: HashMap<String, u32>,
}

impl Books {
    fn put(&mut self, class: Class, reply: Published) {
        let known = self.published.iter().any(|other| other.key == reply.key);
        if !(known && class.dedupes()) {
            self.published.push(reply);
        }
    }

    fn until(&mut self, now: DateTime<Utc>) {
        let (due, coming) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|coming| coming.at <= now);
        self.coming = coming;
        let due: Vec<Coming> = due;
        due.into_iter()
            .for_each(|coming| self.put(coming.class, coming.reply));
    }
}

/// How the platform decides.
pub enum Script {
    /// By chance; once in so many requests the sender is killed.
    Chance(Mutex<Chance>, u32),
    /// This at the first attempt of a reply, success ever after; and where the sender is killed then.
    First(Outcome, Option<Point>),
}

/// The platform as one installation sees it, and the process that is the sender.
pub struct World {
    books: Mutex<Books>,
    script: Script,
    pub child: Mutex<Option<Child>>,
    /// The kills from outside, by where they struck.
    pub strikes: Mutex<BTreeMap<Point, u32>>,
}

impl World {
    pub fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            books: Mutex::default(),
            script,
            child: Mutex::new(None),
            strikes: Mutex::default(),
        })
    }

    /// kill -9, where the request is.
    fn strike(&self, at: Point) {
        let mut child = locked(&self.child);
        if let Some(child) = child.as_mut()
            && child.try_wait().unwrap().is_none()
        {
            child.kill().unwrap();
            *locked(&self.strikes).entry(at).or_default() += 1;
        }
    }

    /// How often a reply stands there in the end, by its key and by its text.
    pub fn counts(&self) -> (HashMap<String, u32>, HashMap<String, u32>) {
        let mut books = locked(&self.books);
        books.until(DateTime::<Utc>::MAX_UTC);
        let (mut keys, mut texts) = (HashMap::new(), HashMap::new());
        for reply in &books.published {
            *keys.entry(reply.key.clone()).or_default() += 1;
            *texts.entry(reply.text.clone()).or_default() += 1;
        }
        (keys, texts)
    }

    fn decide(&self, key: &str) -> (Outcome, Option<Point>) {
        let times = {
            let mut books = locked(&self.books);
            let times = books.asked.entry(key.to_owned()).or_default();
            *times += 1;
            *times
        };
        match &self.script {
            Script::Chance(chance, kills) => {
                let mut chance = locked(chance);
                let kill = chance.once_in(*kills).then(|| chance.of(&[Point::K7, Point::K8]));
                (Outcome::by_chance(&mut chance), kill)
            }
            Script::First(outcome, kill) if times == 1 => (*outcome, *kill),
            Script::First(..) => (Outcome::Success, None),
        }
    }

    /// A request to publish.
    fn publish(&self, class: Class, mut stream: TcpStream) {
        let Some(mut incoming) = Incoming::head(&mut stream) else {
            return;
        };
        let key = incoming.header("webhook-id").unwrap_or_default().to_owned();
        let (outcome, kill) = self.decide(&key);
        if kill == Some(Point::K7) {
            self.strike(Point::K7);
        }
        let Some(body) = incoming.body(&mut stream) else {
            return;
        };
        let Some(signed_at) = believed(&incoming, &body) else {
            http::answer(&mut stream, 401, &[], br#"{"error":"bad signature"}"#);
            return;
        };
        if kill == Some(Point::K8) {
            self.strike(Point::K8);
        }
        if hurried() - signed_at > OLDEST {
            return;
        }
        let sent: Value = serde_json::from_slice(&body).unwrap();
        let receipt = self.effect(class, outcome, &key, &sent, signed_at);
        respond(&mut stream, outcome, &receipt);
    }

    /// What it does to the books, and the receipt for it.
    fn effect(
        &self,
        class: Class,
        outcome: Outcome,
        key: &str,
        sent: &Value,
        signed_at: DateTime<Utc>,
    ) -> Value {
        let mut books = locked(&self.books);
        books.until(hurried());
        books.count += 1;
        let (count, target) = (books.count, sent["in_reply_to"].clone());
        let reply = Published {
            key: key.to_owned(),
            id: format!("r{count}"),
            target: target.clone(),
            text: sent["text"].as_str().unwrap().to_owned(),
        };
        if outcome == Outcome::Late {
            let after = TimeDelta::seconds(i64::from(1 + count.wrapping_mul(7) % LATEST));
            let at = signed_at + after;
            books.coming.push(Coming { at, class, reply });
        } else if outcome.has_effect() {
            books.put(class, reply);
        }
        let stands = books.published.iter().find(|reply| reply.key == key);
        stands.map_or(Value::Null, receipt)
    }

    /// A request whether a reply is there.
    fn look(&self, mut stream: TcpStream, incoming: &Incoming) {
        if believed(incoming, b"").is_none() {
            http::answer(&mut stream, 401, &[], b"{}");
            return;
        }
        if let Script::Chance(chance, _) = &self.script {
            match locked(chance).below(60) {
                0 => return,
                1 => return http::answer(&mut stream, 500, &[], b"{}"),
                2 => return http::answer(&mut stream, 429, &[("Retry-After", "1")], b"{}"),
                3 => return http::answer(&mut stream, 404, &[("Content-Type", "text/html")], b"<p>"),
                _ => {}
            }
        }
        let wanted = incoming.target.split("reply_id=").nth(1).unwrap_or_default();
        let mut books = locked(&self.books);
        books.until(hurried());
        match books.published.iter().find(|reply| reply.key == wanted) {
            Some(reply) => http::answer(&mut stream, 200, &[], receipt(reply).to_string().as_bytes()),
            None => http::answer(&mut stream, 404, &[], br#"{"error":"no such reply"}"#),
        }
    }
}

fn receipt(reply: &Published) -> Value {
    json!({"id": reply.id, "url": null, "in_reply_to": reply.target})
}

fn respond(stream: &mut TcpStream, outcome: Outcome, receipt: &Value) {
    let well = receipt.to_string();
    let wait = |stream: &mut TcpStream, told: &str| {
        http::answer(stream, 429, &[("Retry-After", told)], br#"{"error":"later"}"#);
    };
    match outcome {
        Outcome::Success => http::answer(stream, 201, &[], well.as_bytes()),
        Outcome::Drop | Outcome::ApplyAndDrop | Outcome::Late => {}
        Outcome::Failed500 | Outcome::Applied500 => {
            http::answer(stream, 500, &[], br#"{"error":"something broke"}"#);
        }
        Outcome::Applied400 => http::answer(stream, 400, &[("Content-Type", "text/html")], b"<h1>Bad"),
        Outcome::Garbage | Outcome::AppliedGarbage => http::answer(stream, 200, &[], b"{\"id\": 7, \"ur"),
        Outcome::Lag => {
            std::thread::sleep(Duration::from_millis(150));
            http::answer(stream, 201, &[], well.as_bytes());
        }
        Outcome::Hang => {
            std::thread::sleep(crate::TIMEOUT + Duration::from_millis(300));
            http::answer(stream, 201, &[], well.as_bytes());
        }
        Outcome::WaitSeconds => wait(stream, "2"),
        Outcome::WaitDate => wait(stream, &(hurried() + TimeDelta::seconds(3)).to_rfc2822()),
        Outcome::WaitNonsense => wait(stream, "soon"),
        Outcome::WaitTenYears => wait(stream, "315360000"),
        Outcome::Refused => http::answer(stream, 422, &[], br#"{"error":"not like that"}"#),
    }
    let _ = stream.flush();
}

/// The three headers of a signed message.
pub fn signed(id: &str, body: &[u8]) -> Vec<(String, String)> {
    let at = hurried().timestamp();
    vec![
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), at.to_string()),
        ("webhook-signature".to_owned(), signature(id, at, body)),
    ]
}

fn signature(id: &str, at: i64, body: &[u8]) -> String {
    let key = BASE64_STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// When a request was signed, if it was as it must be.
fn believed(incoming: &Incoming, body: &[u8]) -> Option<DateTime<Utc>> {
    let (id, at) = (
        incoming.header("webhook-id")?,
        incoming.header("webhook-timestamp")?,
    );
    let at: i64 = at.parse().ok()?;
    (incoming.header("webhook-signature")? == signature(id, at, body)).then_some(())?;
    DateTime::from_timestamp(at, 0)
}

/// Takes a lock whose last holder may have failed: the rig is to say what is wrong all the same.
pub fn locked<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server of all worlds.
pub struct Platform {
    pub port: u16,
    worlds: Arc<Mutex<HashMap<String, Arc<World>>>>,
}

impl Platform {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let worlds: Arc<Mutex<HashMap<String, Arc<World>>>> = Arc::default();
        let all = Arc::clone(&worlds);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(&all, stream));
            }
        });
        let _ = *HURRY;
        Self { port, worlds }
    }

    pub fn add(&self, name: &str, world: &Arc<World>) {
        locked(&self.worlds).insert(name.to_owned(), Arc::clone(world));
    }

    pub fn remove(&self, name: &str) {
        locked(&self.worlds).remove(name);
    }
}

/// One request: `POST /WORLD/CLASS/replies`, `GET /WORLD/CLASS/lookup?reply_id=…`.
fn serve(worlds: &Mutex<HashMap<String, Arc<World>>>, mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let Some(target) = http::peek_target(&stream) else {
        return;
    };
    let mut parts = target.trim_start_matches('/').split(['/', '?']);
    let world = parts.next().and_then(|name| locked(worlds).get(name).cloned());
    let class = parts.next().and_then(Class::of_word);
    let (Some(world), Some(class)) = (world, class) else {
        return;
    };
    match parts.next() {
        Some("replies") => world.publish(class, stream),
        Some("lookup") => {
            if let Some(incoming) = Incoming::head(&mut stream) {
                world.look(stream, &incoming);
            }
        }
        Some(_) | None => {}
    }
}
