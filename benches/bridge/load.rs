//! What customers write, and the signed requests that carry it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::domain::{
    Author, Clock as _, Metrics, Post, PostKind, Sighting, SourceName, SystemClock, Visibility,
};
use hmac::{Hmac, Mac as _};
use rand::Rng as _;
use sha2::Sha256;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// The secret of the webhook source, as configured.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Slack's signing secret, as configured.
pub const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// How many accounts there are to write: they come back now and then, in no order.
const ACCOUNTS: u64 = 2_000_000;

/// What every customer writes.
pub const WORDS: &str = "I ordered the blue one three weeks ago and was told twice that it is on its way. Today the \
    parcel came, it is open, the box inside is wet and the lamp does not work at all. Your phone line plays \
    music for forty minutes and then hangs up. This is the second time this year. I want my money back, \
    and somebody who reads what I write. Order 4711, paid by card.";

/// A post as a network would show it: about a kilobyte of JSON, with an id that rises with time.
pub fn post(source: &SourceName, number: u64) -> Post {
    let id = (112_000_000_000_000_000 + number * 65_536).to_string();
    let account = rand::rng().random_range(0..ACCOUNTS);
    let now = SystemClock.now();
    Post {
        source: source.clone(),
        id: id.as_str().into(),
        conversation: id.as_str().into(),
        in_reply_to: None,
        kind: PostKind::Mention,
        visibility: Visibility::Public,
        url: Some(format!("https://social.example/@customer{account}/{id}")),
        author: Author {
            id: (account * 7_919 + 100_000_000_000_000_000).to_string().into(),
            handle: format!("customer{account}@social.example"),
            name: format!("Customer No. {account}"),
            followers: Some(120),
            url: Some(format!("https://social.example/@customer{account}")),
        },
        text: WORDS.to_owned(),
        created_at: now,
        edited_at: None,
        deleted: false,
        lang: Some("en".to_owned()),
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// So many posts in a row.
pub fn posts(source: &SourceName, from: u64, count: u64) -> Vec<Post> {
    (from..from + count).map(|number| post(source, number)).collect()
}

/// As a source hands them over.
pub fn sightings(posts: &[Post]) -> Vec<Sighting> {
    posts
        .iter()
        .map(|post| Sighting::Post(Box::new(post.clone())))
        .collect()
}

/// A signed request with one post.
pub struct Webhook {
    client: reqwest::Client,
    url: String,
}

impl Webhook {
    pub fn new(address: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: hearback::adapter::http::client(Duration::from_secs(30))?,
            url: format!("http://{address}/webhooks/shop"),
        })
    }

    /// Sends a post that says `text`; returns once it is acknowledged.
    pub async fn send(&self, number: usize, text: &str) -> anyhow::Result<()> {
        let (id, account) = (112_000_000_000_000_000 + number * 65_536, number * 31 % 1_999_993);
        let body = format!(
            r#"{{"id":"{id}","url":"https://shop.example/p/{id}","author":{{"id":"{account}","handle":"customer{account}","name":"Customer No. {account}","followers":120}},"text":"{text}","kind":"mention","lang":"en"}}"#
        );
        let stamp = SystemClock.now().timestamp().to_string();
        let key = BASE64_STANDARD.decode(SECRET.trim_start_matches("whsec_"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
        mac.update(format!("{id}.{stamp}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let request = self
            .client
            .post(&self.url)
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", stamp)
            .header("webhook-signature", signature);
        let answer = request.body(body).send().await?;
        anyhow::ensure!(
            answer.status() == 202,
            "the webhook was answered by {}",
            answer.status()
        );
        answer.bytes().await?;
        Ok(())
    }
}

/// Sends posts over so many connections, each as soon as its last one was acknowledged, until `count`
/// are sent or `stop` says so. Returns how many, and in what time.
pub async fn flood(
    webhook: &Arc<Webhook>,
    connections: usize,
    from: usize,
    count: usize,
    stop: impl Fn() -> bool + Clone + Send + 'static,
) -> anyhow::Result<(usize, Duration)> {
    let next = Arc::new(AtomicUsize::new(0));
    let failure: Arc<Mutex<Option<anyhow::Error>>> = Arc::default();
    let tasks = TaskTracker::new();
    let began = Instant::now();
    for _ in 0..connections {
        let (webhook, next, stop, failure) = (
            Arc::clone(webhook),
            Arc::clone(&next),
            stop.clone(),
            Arc::clone(&failure),
        );
        tasks.spawn(async move {
            while !stop() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    next.fetch_sub(1, Ordering::Relaxed);
                    return;
                }
                if let Err(error) = webhook.send(from + number, WORDS).await {
                    *failure.lock().unwrap() = Some(error);
                    return;
                }
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    let took = began.elapsed();
    match failure.lock().unwrap().take() {
        Some(error) => Err(error),
        None => Ok((next.load(Ordering::Relaxed), took)),
    }
}

/// Slash commands, signed as Slack signs them.
pub struct Commands {
    client: reqwest::Client,
    url: String,
}

impl Commands {
    pub fn new(address: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: hearback::adapter::http::client(Duration::from_secs(30))?,
            url: format!("http://{address}/slack/commands"),
        })
    }

    /// Gives a command; returns what the person reads.
    pub async fn give(&self, trigger: &str, command: &str, text: &str) -> anyhow::Result<String> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("command", command)
            .append_pair("text", text)
            .append_pair("user_id", "U0ADA")
            .append_pair("user_name", "ada")
            .append_pair("team_id", "T0HOME")
            .append_pair("channel_id", "C0CARE")
            .append_pair("trigger_id", trigger)
            .finish();
        let stamp = SystemClock.now().timestamp();
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING.as_bytes())?;
        mac.update(format!("v0:{stamp}:{body}").as_bytes());
        let request = self
            .client
            .post(&self.url)
            .header("x-slack-request-timestamp", stamp)
            .header(
                "x-slack-signature",
                format!("v0={}", hex::encode(mac.finalize().into_bytes())),
            );
        let answer = request.body(body).send().await?;
        anyhow::ensure!(
            answer.status() == 200,
            "the command was answered by {}",
            answer.status()
        );
        Ok(answer.text().await?)
    }
}
