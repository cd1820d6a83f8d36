//! Jetstream: the network's stream of all posts (<https://bsky.network/docs/jetstream/>,
//! <https://github.com/bluesky-social/jetstream>). What concerns us is known here a moment after it was written; it
//! is read then as the sweep reads it, from our own server, and the sweep stays the truth: what the stream misses,
//! or tells falsely, comes or goes with it.
//!
//! Of the stream are kept: posts that name us, answer us or quote us, posts with the words that are searched for,
//! and deletions of posts that are known. There are no edits on this network. A server may know a post later than
//! the stream does, so it is asked a few times.
//!
//! Two forms are spoken: the first (`/subscribe`) and the second (`network.bsky.jetstream.subscribeEvents`). Both take
//! a moment as their cursor, in microseconds since 1970, which holds at every instance. It is kept, and a stream
//! begins some seconds before it: what comes twice is known.

use super::event::{Event, concerns};
use super::session::lost;
use super::{Bluesky, POST, Shown};
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::adapter::supervise::Lost;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Sighting};
use chrono::{DateTime, TimeDelta};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant as Moment;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

/// The paths of the two forms.
const FIRST: &str = "/subscribe";
const SECOND: &str = "/xrpc/network.bsky.jetstream.subscribeEvents";
/// What the second form calls the framing of its messages.
const PROTOCOL: &str = "xrpc.v1.json";
/// The cursor's name.
const STREAM: &str = "jetstream";
/// How far before the last moment a stream begins anew, and how far back at most: what is older, the sweep reads.
const OVERLAP: TimeDelta = TimeDelta::seconds(5);
const FURTHEST: TimeDelta = TimeDelta::hours(1);
/// How often the moment is kept.
const KEEP: TimeDelta = TimeDelta::seconds(30);
/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(15);
/// How often a sign of life is asked for, and how long a silent socket counts as alive.
const PING: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(75);
/// The largest message that is read.
const MOST_MESSAGE: usize = 1024 * 1024;
/// How long news are gathered before they are read together.
const GATHER: Duration = Duration::from_millis(300);
/// How often the server is asked for what it does not know yet; the pauses double from the first.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The most news that wait. What is dropped comes with the sweep.
const MOST_WAITING: usize = 1000;

/// What the stream told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    /// A post that concerns us, and why.
    Written { uri: String, reason: Option<String> },
    /// A post is gone.
    Deleted { uri: String },
}

/// News that wait to be read.
struct Waiting {
    news: News,
    due: Moment,
    tries: u32,
}

/// The stream of one source.
pub(super) struct Jetstream {
    url: Url,
    /// Whether the first form is spoken, where the address does not say.
    first: AtomicBool,
    /// Whether the server took no cursor.
    without_cursor: AtomicBool,
    waiting: Mutex<VecDeque<Waiting>>,
    arrived: Notify,
    /// The moment of what was heard last, in microseconds since 1970.
    heard: AtomicI64,
}

impl Jetstream {
    pub(super) fn new(url: Url) -> Self {
        Self {
            url,
            first: AtomicBool::new(false),
            without_cursor: AtomicBool::new(false),
            waiting: Mutex::default(),
            arrived: Notify::new(),
            heard: AtomicI64::new(0),
        }
    }

    /// Whether it answers, for `doctor`. The second attempt speaks the other form where the first was refused for
    /// that.
    pub(super) async fn examine(&self) -> Finding {
        let mut reached = connect(self, None).await;
        if reached.is_err() {
            reached = connect(self, None).await;
        }
        match reached {
            Ok(_) => Finding::well("Jetstream answers"),
            Err(lost) => Finding::wrong(
                format!("Jetstream: {lost}"),
                "Check `jetstream`; without it posts come with the sweep.",
            ),
        }
    }

    fn is_first(&self) -> bool {
        match self.url.path() {
            "" | "/" => self.first.load(Ordering::Relaxed),
            path => path.ends_with(FIRST),
        }
    }

    /// The address of the posts from this moment on.
    fn address(&self, from: Option<Instant>) -> Url {
        let mut url = self.url.clone();
        let first = self.is_first();
        if matches!(url.path(), "" | "/") {
            url.set_path(if first { FIRST } else { SECOND });
        }
        let mut query = url.query_pairs_mut();
        query.clear();
        if first {
            query.append_pair("wantedCollections", POST);
        } else {
            query
                .append_pair("kinds", "commit")
                .append_pair("collections", POST);
        }
        if let Some(from) = from {
            query.append_pair("cursor", &from.timestamp_micros().to_string());
        }
        drop(query);
        url
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(&self, news: News) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            waiting.pop_front();
        }
        if !waiting.iter().any(|held| held.news == news) {
            waiting.push_back(Waiting {
                news,
                due: Moment::now() + GATHER,
                tries: 0,
            });
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// What is due.
    fn due(&self) -> Vec<Waiting> {
        let now = Moment::now();
        let mut waiting = self.waiting();
        let (due, rest): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|held| held.due <= now);
        waiting.extend(rest);
        due
    }

    /// Looks later for what could not be found now.
    fn again(&self, mut held: Waiting) {
        held.tries += 1;
        if held.tries < TRIES {
            held.due = Moment::now() + FIRST_PAUSE * 2_u32.pow(held.tries - 1);
            self.waiting().push_back(held);
        }
    }

    /// When something is due next.
    fn next(&self) -> Option<Moment> {
        self.waiting().iter().map(|held| held.due).min()
    }
}

impl Bluesky {
    /// Listens until the stream ends.
    pub(super) async fn listen(&self, jetstream: &Jetstream, inbound: &Inbound) -> Result<(), Lost> {
        let me = self.xrpc.session().await.map_err(lost)?;
        let broken = |error: crate::app::Unavailable| Lost::Broken(error.to_string());
        let watched = inbound
            .watched_posts(&self.source, WATCHED)
            .await
            .map_err(broken)?;
        self.stored
            .remember(watched.into_iter().map(|post| post.id.to_string()));
        let kept = inbound.cursor(&self.source, STREAM).await.map_err(broken)?;
        let from = begin(
            kept.as_deref(),
            jetstream.heard.load(Ordering::Relaxed),
            self.clock.now(),
        );
        let from = from.filter(|_| !jetstream.without_cursor.swap(false, Ordering::Relaxed));
        let mut socket = connect(jetstream, from).await?;
        self.stream_link.up();
        let hearing = self.hear_all(jetstream, &me.did, &mut socket);
        tokio::try_join!(hearing, self.take_in(jetstream, inbound))?;
        Ok(())
    }

    /// Hears until the stream ends, and says why it did.
    async fn hear_all(&self, jetstream: &Jetstream, me: &str, socket: &mut Socket) -> Result<(), Lost> {
        let mut heard = Moment::now();
        let mut pings = tokio::time::interval_at(heard + PING, PING);
        loop {
            tokio::select! {
                message = socket.next() => {
                    heard = Moment::now();
                    match message {
                        None | Some(Ok(Message::Close(_))) => {
                            return Err(Lost::Broken("the server closed the stream".to_owned()));
                        }
                        Some(Err(error)) => return Err(Lost::Broken(explain(&error))),
                        Some(Ok(Message::Text(text))) => self.hear(jetstream, me, text.as_str())?,
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Lost::Broken("the stream fell silent".to_owned()));
                    }
                    let ping = socket.send(Message::Ping(Vec::new().into()));
                    ping.await.map_err(|error| Lost::Broken(explain(&error)))?;
                }
            }
        }
    }

    /// Sorts out what the stream says.
    fn hear(&self, jetstream: &Jetstream, me: &str, text: &str) -> Result<(), Lost> {
        let event = match Event::parse(text) {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(told) => return Err(Lost::Broken(told)),
        };
        jetstream.heard.fetch_max(event.micros, Ordering::Relaxed);
        if event.did == me || event.collection != POST {
            return Ok(());
        }
        let uri = format!("at://{}/{POST}/{}", event.did, event.rkey);
        match (event.operation.as_str(), event.record) {
            ("create", Some(record)) => {
                if let Some(reason) = concerns(&record, me, &self.search)
                    && !self.stored.knows(&uri, reason.is_some())
                {
                    let reason = reason.map(str::to_owned);
                    jetstream.arrive(News::Written { uri, reason });
                }
            }
            ("delete", _) if self.stored.has(&uri) => jetstream.arrive(News::Deleted { uri }),
            _ => {}
        }
        Ok(())
    }

    /// Reads what the stream told of, and keeps how far it was heard.
    async fn take_in(&self, jetstream: &Jetstream, inbound: &Inbound) -> Result<(), Lost> {
        let mut kept = Instant::MIN_UTC;
        loop {
            let soon = Moment::now() + KEEP.to_std().unwrap_or(PING);
            let next = jetstream.next().map_or(soon, |next| next.min(soon));
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                // When it is due is seen in the next round.
                () = jetstream.arrived.notified() => continue,
            }
            let mut sightings = Vec::new();
            let (mut written, mut deleted) = (Vec::new(), Vec::new());
            for held in jetstream.due() {
                match held.news {
                    News::Written { .. } => written.push(held),
                    News::Deleted { .. } => deleted.push(held),
                }
            }
            let uris = self.found(jetstream, written, &mut sightings).await;
            for held in deleted {
                let gone = match &held.news {
                    News::Deleted { uri } if matches!(self.shown(uri, 0).await, Ok(Shown::Gone)) => {
                        uri.clone()
                    }
                    News::Deleted { .. } | News::Written { .. } => {
                        jetstream.again(held);
                        continue;
                    }
                };
                sightings.push(Sighting::Gone(NativeId::new(gone)));
            }
            let heard = DateTime::from_timestamp_micros(jetstream.heard.load(Ordering::Relaxed));
            let heard = heard.filter(|heard| heard.timestamp() > 0);
            // What waits still was heard before this moment.
            let caught_up = jetstream.waiting().is_empty();
            let cursor = heard.filter(|heard| caught_up && (*heard - kept >= KEEP || !sightings.is_empty()));
            if sightings.is_empty() && cursor.is_none() {
                continue;
            }
            let value = cursor.map(|at| Cursor {
                stream: STREAM.to_owned(),
                value: at.timestamp_micros().to_string(),
            });
            let seen = inbound.posts_seen(&self.source, sightings, value);
            seen.await.map_err(|error| Lost::Broken(error.to_string()))?;
            self.stored.remember_as(uris);
            kept = cursor.unwrap_or(kept);
        }
    }

    /// Reads posts that the stream told of, those that our server has; the others later. Gives their ids, and
    /// whether they are written to us.
    async fn found(
        &self,
        jetstream: &Jetstream,
        written: Vec<Waiting>,
        sightings: &mut Vec<Sighting>,
    ) -> Vec<(String, bool)> {
        let uris: Vec<_> = written.iter().filter_map(|held| held.news.written()).collect();
        if uris.is_empty() {
            return Vec::new();
        }
        let mut there = self.views(&uris).await.unwrap_or_else(|error| {
            tracing::debug!(source = %self.source, %error, "What the stream told of is read later.");
            HashMap::new()
        });
        let (mut views, mut read) = (Vec::new(), Vec::new());
        for held in written {
            let known = held.news.written().and_then(|uri| there.remove(uri));
            match (known, &held.news) {
                (Some(mut view), News::Written { reason, .. }) => {
                    view.reason.clone_from(reason);
                    views.push(view);
                    read.push(held);
                }
                (_, _) => jetstream.again(held),
            }
        }
        match self.posts(&views).await {
            Ok(posts) => sightings.extend(posts),
            Err(_) => {
                read.into_iter().for_each(|held| jetstream.again(held));
                return Vec::new();
            }
        }
        let told = views.into_iter().map(|view| (view.uri, view.reason.is_some()));
        told.collect()
    }
}

impl News {
    fn written(&self) -> Option<&str> {
        match self {
            Self::Written { uri, .. } => Some(uri),
            Self::Deleted { .. } => None,
        }
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(jetstream: &Jetstream, from: Option<Instant>) -> Result<Socket, Lost> {
    http::install_tls();
    let first = jetstream.is_first();
    let mut request = jetstream
        .address(from)
        .as_str()
        .into_client_request()
        .map_err(|error| Lost::Hopeless(explain(&error)))?;
    let headers = request.headers_mut();
    headers.insert("user-agent", HeaderValue::from_static(http::USER_AGENT));
    if !first {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MOST_MESSAGE))
        .max_frame_size(Some(MOST_MESSAGE));
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits), false);
    let connected = tokio::time::timeout(CONNECTING, connecting)
        .await
        .map_err(|_| Lost::Broken("the stream does not answer".to_owned()))?;
    match connected {
        Ok((socket, _)) => Ok(socket),
        Err(error) => {
            match status(&error) {
                // A server that speaks the other form.
                Some(404 | 405) => jetstream.first.store(!first, Ordering::Relaxed),
                Some(400) => jetstream.without_cursor.store(true, Ordering::Relaxed),
                Some(_) | None => {}
            }
            Err(Lost::Broken(explain(&error)))
        }
    }
}

/// From where on the stream is heard: `None`, from now on.
fn begin(kept: Option<&str>, heard: i64, now: Instant) -> Option<Instant> {
    let kept = kept.and_then(|kept| kept.parse::<i64>().ok());
    let last =
        DateTime::from_timestamp_micros(kept.unwrap_or(0).max(heard)).filter(|last| last.timestamp() > 0)?;
    Some((last - OVERLAP).max(now - FURTHEST))
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::Http(answer) => Some(answer.status().as_u16()),
        _ => None,
    }
}

/// An error in words, without the address.
fn explain(error: &Error) -> String {
    match error {
        Error::Http(answer) => format!("the stream answered {}", answer.status()),
        Error::Io(error) => format!("the stream broke ({error})"),
        other => format!("the stream failed ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "wss://jet.example",
        "wss://jet.example/xrpc/network.bsky.jetstream.subscribeEvents?kinds=commit&collections=app.bsky.feed.post&cursor=1800000000000000"
    )]
    #[case(
        "wss://jet.example/subscribe",
        "wss://jet.example/subscribe?wantedCollections=app.bsky.feed.post&cursor=1800000000000000"
    )]
    #[case(
        "ws://[::1]:6008/under/subscribe",
        "ws://[::1]:6008/under/subscribe?wantedCollections=app.bsky.feed.post&cursor=1800000000000000"
    )]
    fn each_form_is_asked_in_its_own_way(#[case] url: &str, #[case] asked: &str) {
        let jetstream = Jetstream::new(Url::parse(url).unwrap());
        let from = DateTime::from_timestamp(1_800_000_000, 0);
        assert_eq!(jetstream.address(from).as_str(), asked);
    }

    #[test]
    fn it_begins_a_little_before_and_not_too_far_back() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(begin(None, 0, now), None);
        assert_eq!(begin(Some("x"), 0, now), None);
        let just = now - TimeDelta::seconds(10);
        let kept = just.timestamp_micros().to_string();
        assert_eq!(begin(Some(&kept), 0, now), Some(just - OVERLAP));
        let later = (now - TimeDelta::seconds(1)).timestamp_micros();
        assert_eq!(begin(Some(&kept), later, now), Some(now - TimeDelta::seconds(6)));
        assert_eq!(begin(Some("1700000000000000"), 0, now), Some(now - FURTHEST));
    }
}
