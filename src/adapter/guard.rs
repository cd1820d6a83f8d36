//! The guard before every address that came from outside: a customer's picture, a feed's link, what an agent
//! typed. Whoever wrote it chose where this machine connects to, so it must not lead to what only this machine
//! reaches: itself, its network, the metadata service of its cloud.
//!
//! Only `http` and `https`, on their ports, without a password in the address. A name is looked up once, what is
//! not public is left out of what was found, and the connection goes to what is left: nothing looks the name up
//! again between the check and the connection. Each redirect is followed by hand and checked as the first
//! address was. No proxy is used, as it would look the name up by itself. What `[server] allow_private_hosts`
//! names is exempt: that is for tests and for servers of the same house.
//!
//! What is configured (the `url` of a source, a chat's `api_url`) is the operator's word and needs no guard.

use super::http;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Client, StatusCode};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use url::{Host, Url};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 3;
/// The longest that one call may take, whatever was asked for.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest address that is looked at, in bytes.
const MOST_ADDRESS: usize = 8192;

/// Why an address from outside was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// It is none that is fetched; nothing was sent there. Trying again changes nothing.
    #[error("{0}")]
    Forbidden(String),
    /// What stands there is larger than was asked for, unpacked.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// The server was not reached. It may be another time.
    #[error("{0}")]
    Unreached(String),
    /// The answer broke off, took too long, or led round in circles.
    #[error("{0}")]
    Broken(String),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The address as it came.
    pub url: &'a str,
    /// What the request says beside it, for example `Accept` and `If-None-Match`. It goes to every server on
    /// the way: never a credential.
    pub headers: HeaderMap,
    /// The most bytes of the body, unpacked.
    pub most: usize,
    /// The time for all of it, redirects and body included; a minute at most.
    pub time: Duration,
}

/// What stands there.
#[derive(Debug)]
pub struct Fetched {
    /// The address after all redirects.
    pub url: Url,
    /// The status, whatever it is, except for a redirect that was followed.
    pub status: StatusCode,
    /// What the answer says about itself.
    pub headers: HeaderMap,
    /// The body, unpacked.
    pub body: Vec<u8>,
}

/// A host that is exempt although it is not public, and its port; all of them where none is said.
pub type Exempt = (Host, Option<u16>);

/// Fetches what stands at addresses from outside. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For what is public only.
    public: Lazy,
    /// For the hosts that the configuration exempts.
    private: Lazy,
    allowed: Vec<Exempt>,
    port: fn(u16) -> bool,
}

/// A client that is made when it is needed: it holds the roots of TLS, some megabytes.
#[derive(Debug)]
struct Lazy {
    made: OnceCell<Client>,
    lookup: Option<Checked>,
}

impl Lazy {
    fn new(lookup: Option<Checked>) -> Self {
        Self {
            made: OnceCell::new(),
            lookup,
        }
    }

    async fn client(&self) -> Result<&Client, Barred> {
        let make = async || {
            http::outside(LONGEST, self.lookup).map_err(|error| {
                Barred::Unreached(format!("no HTTP client can be made: {}", http::explain(&error)))
            })
        };
        self.made.get_or_try_init(make).await
    }
}

impl Guard {
    /// A guard that exempts these hosts.
    #[must_use]
    pub fn new(allowed: Vec<Exempt>) -> Self {
        Self::with(allowed, |port| matches!(port, 80 | 443), Checked::default())
    }

    fn with(allowed: Vec<Exempt>, port: fn(u16) -> bool, checked: Checked) -> Self {
        Self(Arc::new(Inner {
            public: Lazy::new(Some(checked)),
            private: Lazy::new(None),
            allowed,
            port,
        }))
    }

    /// Whether an address may be fetched as far as it says itself; where its name leads to is seen when it is
    /// fetched.
    ///
    /// # Errors
    /// [`Barred::Forbidden`], with the reason.
    pub fn check(&self, address: &str) -> Result<Url, Barred> {
        let forbidden = |why: &str| Err(Barred::Forbidden(why.to_owned()));
        if address.len() > MOST_ADDRESS {
            return forbidden("the address is too long");
        }
        let Ok(url) = Url::parse(address.trim()) else {
            return forbidden("that is no address");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return forbidden("only addresses that begin with https:// or http:// are fetched");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return forbidden("an address with a password in it is not fetched");
        }
        if self.is_exempt(&url) {
            return Ok(url);
        }
        if !url.port_or_known_default().is_some_and(self.0.port) {
            return forbidden("only the ports 80 and 443 are asked");
        }
        let literal = match url.host() {
            None => return forbidden("that is no address"),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        };
        match literal {
            Some(ip) if !is_public(ip) => Err(NotPublic.into()),
            Some(_) | None => Ok(url),
        }
    }

    /// Fetches what stands at an address, whatever its status. One attempt.
    ///
    /// # Errors
    /// It is not to be fetched, cannot be, or is too large.
    pub async fn get(&self, ask: &Ask<'_>) -> Result<Fetched, Barred> {
        let time = ask.time.min(LONGEST);
        match tokio::time::timeout(time, self.follow(ask)).await {
            Ok(done) => done,
            Err(_) => Err(Barred::Broken(format!("no answer within {} s", time.as_secs()))),
        }
    }

    async fn follow(&self, ask: &Ask<'_>) -> Result<Fetched, Barred> {
        let mut url = self.check(ask.url)?;
        for _ in 0..=MOST_REDIRECTS {
            let exempt = self.is_exempt(&url);
            let lazy = if exempt { &self.0.private } else { &self.0.public };
            let client = lazy.client().await?;
            let call = client.get(url.clone()).headers(ask.headers.clone());
            let answer = call.send().await.map_err(|error| barred(&error))?;
            match next(&url, &answer) {
                Some(next) => url = self.check(&next)?,
                None => return read(url, answer, ask.most).await,
            }
        }
        Err(Barred::Broken(format!(
            "it redirects more than {MOST_REDIRECTS} times"
        )))
    }

    fn is_exempt(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let host = url.host().map(|host| host.to_owned());
        self.0
            .allowed
            .iter()
            .any(|(exempt, its)| Some(exempt) == host.as_ref() && (its.is_none() || *its == port))
    }
}

/// Where a redirect leads to.
fn next(from: &Url, answer: &reqwest::Response) -> Option<String> {
    let redirects = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let to = answer.headers().get(LOCATION).filter(|_| redirects)?;
    Some(from.join(to.to_str().ok()?).ok()?.into())
}

async fn read(url: Url, mut answer: reqwest::Response, most: usize) -> Result<Fetched, Barred> {
    let told = answer.content_length().unwrap_or(0);
    if usize::try_from(told).is_ok_and(|told| told > most) {
        return Err(Barred::TooLarge(most));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| barred(&error))? {
        if body.len() + chunk.len() > most {
            return Err(Barred::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        url,
        status: answer.status(),
        headers: std::mem::take(answer.headers_mut()),
        body,
    })
}

/// A failed call in our words; the look-up of a name tells its own reason.
fn barred(error: &reqwest::Error) -> Barred {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<NotPublic>() {
            return (*refused).into();
        }
        cause = inner.source();
    }
    if http::never_sent(error) {
        Barred::Unreached(http::explain(error))
    } else {
        Barred::Broken(http::explain(error))
    }
}

/// An address leads to what is not public.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the address leads into a private network")]
struct NotPublic;

impl From<NotPublic> for Barred {
    fn from(refused: NotPublic) -> Self {
        Self::Forbidden(refused.to_string())
    }
}

/// Looks up a name.
type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// The look-up of names for connections: finds only what is public.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    lookup: Lookup,
    public: fn(IpAddr) -> bool,
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            lookup: |name| Box::pin(system(name)),
            public: is_public,
        }
    }
}

async fn system(name: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, public) = (self.lookup, self.public);
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let mut found = lookup(name).await?;
            found.retain(|address| public(address.ip()));
            if found.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet: none of the special purposes of
/// <https://www.iana.org/assignments/iana-ipv4-special-registry> and
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    // What answers at this one is Azure's own platform, to each of its machines:
    // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>
    const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let special = match ip.octets() {
        // This network, private, loopback; multicast and all above it.
        [0 | 10 | 127 | 224..=255, ..] => true,
        // Behind the address translation of a provider.
        [100, second, ..] => (64..=127).contains(&second),
        // Link-local, with the metadata services of the clouds.
        [169, 254, ..] | [192, 168, ..] => true,
        [172, second, ..] => (16..=31).contains(&second),
        // Protocols, documentation, relays of 6to4, measurements.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => true,
        [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    };
    !special && ip != AZURE
}

/// Only what is given out to the public (`2000::/3`), so none of: loopback, mapped, translated (NAT64), local,
/// link-local, multicast.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let given = (0x2000..=0x3fff).contains(&first);
    // Protocols with Teredo, documentation twice, 6to4.
    let special = match (first, second) {
        (0x2001, second) => second < 0x0200 || second == 0x0db8,
        (0x2002, _) => true,
        (0x3fff, second) => second < 0x1000,
        (_, _) => false,
    };
    given && !special
}

#[cfg(test)]
mod tests;
