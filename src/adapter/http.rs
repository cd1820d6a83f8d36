//! The one place that builds HTTP clients, and the habits all calls share: time-outs, no redirects,
//! no retries, capped bodies, `Retry-After` in all its forms.

use super::guard::Checked;
use crate::domain::Instant;
use crate::port::Permit;
use chrono::DateTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The shortest wait: a `Retry-After` of nothing, or of a moment that is past, must not make us hammer.
pub const LEAST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait a `Retry-After` is believed.
pub const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// The wait when a platform limits us without saying for how long.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
pub const MOST_BODY: usize = 4 * 1024 * 1024;

/// Makes ring the process's TLS provider. Called by every client builder; the first call counts.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What we call ourselves, in requests and when a WebSocket is opened: some servers turn away who
/// does not say it.
pub const USER_AGENT: &str = concat!("Hearback/", env!("CARGO_PKG_VERSION"));

/// Which client: its time-out, and whether it publishes.
type Kind = (Duration, bool);

thread_local! {
    /// The clients that were built while [`sharing`].
    static SHARED: RefCell<Option<HashMap<Kind, reqwest::Client>>> = const { RefCell::new(None) };
}

/// Lets all that is built meanwhile use the same clients: one pool of connections for reading, and one set
/// of TLS roots, which take most of a client's memory, for hundreds of sources.
pub fn sharing<T>(build: impl FnOnce() -> T) -> T {
    let before = SHARED.replace(Some(HashMap::new()));
    let built = build();
    SHARED.set(before);
    built
}

/// The client of this kind: a new one, but where clients are shared.
fn shared(
    kind: Kind,
    build: impl FnOnce() -> reqwest::Result<reqwest::Client>,
) -> reqwest::Result<reqwest::Client> {
    let known =
        SHARED.with_borrow(|clients| clients.as_ref().and_then(|clients| clients.get(&kind).cloned()));
    if let Some(client) = known {
        return Ok(client);
    }
    let client = build()?;
    SHARED.with_borrow_mut(|clients| {
        if let Some(clients) = clients {
            clients.insert(kind, client.clone());
        }
    });
    Ok(client)
}

/// A client: `timeout` for a whole call, no redirects, no retries.
///
/// # Errors
/// The TLS roots of the system cannot be read.
pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    shared((timeout, false), || builder(timeout).build())
}

/// A client for publishing: as [`client`], and each call on a connection of its own, so that a
/// failure to connect proves that nothing was sent. Calls made with [`permitted`] ask their permit when
/// the connection stands, before the first byte.
///
/// # Errors
/// The TLS roots of the system cannot be read.
pub fn writer(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    shared((timeout, true), || {
        let asks = tower::util::AndThenLayer::new(with_permit);
        builder(timeout)
            .pool_max_idle_per_host(0)
            .connector_layer(asks)
            .build()
    })
}

tokio::task_local! {
    /// The permit of the call that this task makes.
    static PERMIT: Permit;
}

/// Makes a call of a [`writer`] under a permit.
pub async fn permitted<T>(permit: &Permit, call: impl Future<Output = T>) -> T {
    PERMIT.scope(permit.clone(), call).await
}

/// The connection stands; the request is not written yet. A refusal counts as one to connect.
async fn with_permit<C>(connection: C) -> Result<C, tower::BoxError> {
    match PERMIT.try_with(Permit::check) {
        Ok(Err(over)) => Err(over.into()),
        Ok(Ok(())) => {
            crash_point!(K6);
            Ok(connection)
        }
        Err(_) => Ok(connection),
    }
}

/// A client for addresses that came from outside, made for the guard alone: as [`client`], without any proxy,
/// and with the guard's own look-up of names.
///
/// # Errors
/// The TLS roots of the system cannot be read.
pub(super) fn outside(timeout: Duration, lookup: Option<Checked>) -> reqwest::Result<reqwest::Client> {
    let builder = builder(timeout).no_proxy();
    match lookup {
        Some(lookup) => builder.dns_resolver(lookup).build(),
        None => builder.build(),
    }
}

fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    install_tls();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// Reads an answer's body, at most [`MOST_BODY`] bytes of it.
///
/// # Errors
/// The connection broke, or the body is too large.
pub async fn body(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| explain(&error))? {
        if out.len() + chunk.len() > MOST_BODY {
            return Err(format!("the answer is larger than {MOST_BODY} bytes"));
        }
        out.extend_from_slice(&chunk);
    }
    Ok(out)
}

/// How long to wait by `Retry-After`: seconds, or a date; nonsense counts as [`DEFAULT_WAIT`], less
/// than [`LEAST_WAIT`] and more than [`LONGEST_WAIT`] as these.
#[must_use]
pub fn retry_after(value: Option<&str>, now: Instant) -> Duration {
    let told = value.map(str::trim).and_then(|text| {
        if let Ok(seconds) = text.parse::<f64>() {
            return (seconds.is_finite() && seconds >= 0.0)
                .then(|| Duration::from_secs_f64(seconds.min(1e6)));
        }
        let date = DateTime::parse_from_rfc2822(text)
            .or_else(|_| DateTime::parse_from_rfc3339(text))
            .ok()?;
        Some((date.to_utc() - now).to_std().unwrap_or_default())
    });
    told.unwrap_or(DEFAULT_WAIT).clamp(LEAST_WAIT, LONGEST_WAIT)
}

/// An error in words, with its causes and without the address (which may carry a secret).
#[must_use]
pub fn explain(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request failed"
    };
    let mut cause = error.source();
    let mut deepest = None;
    while let Some(inner) = cause {
        deepest = Some(inner.to_string());
        cause = inner.source();
    }
    match deepest {
        Some(deepest) => format!("{what} ({deepest})"),
        None => what.to_owned(),
    }
}

/// Whether a failed call is certain not to have reached the platform: the connection never stood.
#[must_use]
pub fn never_sent(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_neither_nothing_nor_endless() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let past = (now - chrono::TimeDelta::hours(1)).to_rfc2822();
        for nothing in ["0", "0.0", past.as_str()] {
            assert_eq!(retry_after(Some(nothing), now), LEAST_WAIT, "{nothing}");
        }
        assert_eq!(retry_after(Some("7"), now), Duration::from_secs(7));
        assert_eq!(retry_after(Some("-1"), now), DEFAULT_WAIT);
        assert_eq!(retry_after(None, now), DEFAULT_WAIT);
        assert_eq!(retry_after(Some("1e9"), now), LONGEST_WAIT);
    }
}
