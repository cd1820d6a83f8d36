//! What the server is: whose account we use, which software runs there, its limits, its stream.

use super::api::{Api, Failed};
use super::wire::{Account, Instance, NodeInfo, NodeInfoIndex};
use crate::domain::NativeId;
use crate::port::Class;
use reqwest::StatusCode;
use std::time::Duration;
use url::Url;

/// The most characters of a status where the server does not tell.
pub const DEFAULT_CHARACTERS: usize = 500;
/// How many characters an address counts as, where the server does not tell.
pub const DEFAULT_PER_URL: usize = 23;

/// How long a key is remembered, less a margin for clocks that differ
/// (<https://docs.joinmastodon.org/methods/statuses/#create>: an hour).
const KEY_WINDOW: Duration = Duration::from_secs(50 * 60);

/// The programs whose differences matter to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    /// Mastodon and its forks: honours `Idempotency-Key` for an hour
    /// (<https://docs.joinmastodon.org/methods/statuses/#create>).
    Mastodon,
    /// Pleroma, Akkoma and Rebased: honour it too, for all accounts of the server together.
    Pleroma,
    /// Ignores the key. Ids change when a post is edited, and `min_id` can leave a gap.
    Snac,
    /// Another, for example `GoToSocial`, which ignores the key.
    Other,
}

impl Software {
    fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "mastodon" | "glitchsoc" | "hometown" => Self::Mastodon,
            "pleroma" | "akkoma" | "rebased" => Self::Pleroma,
            "snac" | "snac2" => Self::Snac,
            _ => Self::Other,
        }
    }

    /// How an uncertain end is cleared up.
    pub fn class(self) -> Class {
        match self {
            Self::Mastodon | Self::Pleroma => Class::Key { window: KEY_WINDOW },
            Self::Snac | Self::Other => Class::Lookup,
        }
    }

    /// The id of a status that stays the same when it is edited, and that the API understands.
    ///
    /// snac's ids are ten digits of the time of the last change, then a hash; it reads only the
    /// hash (`MID_TO_MD5` in its `mastoapi.c`). So ten zeros stand for the digits.
    pub fn stable(self, id: &str) -> NativeId {
        match self {
            Self::Mastodon | Self::Pleroma | Self::Other => NativeId::new(id),
            Self::Snac => match id.get(10..) {
                Some(hash) if !hash.is_empty() => NativeId::new(format!("0000000000{hash}")),
                Some(_) | None => NativeId::new(id),
            },
        }
    }
}

/// What was learnt from the server.
#[derive(Debug, Clone)]
pub struct Known {
    /// The id of our account.
    pub me: String,
    /// What the server calls it.
    pub acct: String,
    /// What runs there.
    pub software: Software,
    /// The most characters of a status.
    pub characters: usize,
    /// How many characters an address counts as.
    pub per_url: usize,
    /// Where the stream is.
    pub streaming: Option<Url>,
}

/// Asks the server.
pub async fn learn(api: &Api) -> Result<Known, Failed> {
    let account: Account = api
        .get(&["api", "v1", "accounts", "verify_credentials"], &[])
        .await?;
    let instance = match api.get::<Instance>(&["api", "v2", "instance"], &[]).await {
        Ok(instance) => instance,
        Err(Failed::Status {
            status: StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED,
            ..
        }) => api.get(&["api", "v1", "instance"], &[]).await?,
        Err(error) => return Err(error),
    };
    let statuses = &instance.configuration.statuses;
    Ok(Known {
        me: account.id,
        acct: account.acct,
        software: software(api, &instance).await?,
        characters: statuses
            .max_characters
            .or(instance.max_toot_chars)
            .unwrap_or(DEFAULT_CHARACTERS),
        per_url: statuses.characters_reserved_per_url.unwrap_or(DEFAULT_PER_URL),
        streaming: streaming(api, &instance),
    })
}

/// What runs there, as the server tells all others; what cannot be learnt is [`Software::Other`],
/// of which the least is assumed.
async fn software(api: &Api, instance: &Instance) -> Result<Software, Failed> {
    let index = api.get_public::<NodeInfoIndex>(api.address(&[".well-known", "nodeinfo"]));
    let told = match index.await {
        Ok(index) => {
            let link = index.links.iter().rev().find_map(|link| own(api, &link.href));
            match link {
                Some(link) => api
                    .get_public::<NodeInfo>(link)
                    .await
                    .map(|info| info.software.name),
                None => Ok(String::new()),
            }
        }
        Err(error) => Err(error),
    };
    match told {
        Ok(name) if !name.is_empty() => Ok(Software::named(&name)),
        // Not there, or in another form: the version has the other programs' names in it.
        Ok(_) | Err(Failed::Status { .. } | Failed::Broken(_)) => Ok(by_version(&instance.version)),
        Err(error @ (Failed::Limited(_) | Failed::Unreached(_))) => Err(error),
    }
}

/// The path of a link of the index, at the address we are configured to use.
fn own(api: &Api, href: &str) -> Option<Url> {
    let link = api.base().join(href).ok()?;
    let mut url = api.base().clone();
    url.set_path(link.path());
    url.set_query(link.query());
    Some(url)
}

fn by_version(version: &str) -> Software {
    let version = version.to_ascii_lowercase();
    ["pleroma", "akkoma", "rebased", "snac"]
        .into_iter()
        .find(|name| version.contains(name))
        .map_or(Software::Other, Software::named)
}

/// `wss://…/api/v1/streaming`. The token goes there: never in the clear where the API is not.
fn streaming(api: &Api, instance: &Instance) -> Option<Url> {
    let told = instance
        .configuration
        .urls
        .streaming
        .as_deref()
        .or(instance.urls.streaming.as_deref())
        .filter(|url| !url.is_empty());
    let mut url = told
        .and_then(|url| Url::parse(url).ok())
        .unwrap_or_else(|| api.base().clone());
    let scheme = match (url.scheme(), api.base().scheme()) {
        ("ws" | "http", "http") => "ws",
        ("ws" | "http" | "wss" | "https", _) => "wss",
        _ => return None,
    };
    // `set_scheme` does not go from http to ws where a port is the default one of the other.
    let rest = url.as_str().split_once("://")?.1.to_owned();
    url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    if !url.path().ends_with("/api/v1/streaming") {
        url.set_path("/api/v1/streaming");
    }
    url.set_query(Some("stream=user:notification"));
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;
    use rstest::rstest;
    use secrecy::SecretString;
    use std::sync::Arc;
    use std::time::Duration;

    fn api(base: &str) -> Api {
        let base = Url::parse(base).unwrap();
        let clock = Arc::new(SystemClock);
        let source = crate::domain::SourceName::new("fedi");
        Api::new(
            base,
            &source,
            SecretString::from("t"),
            Duration::from_secs(1),
            clock,
        )
        .unwrap()
    }

    #[rstest]
    #[case(
        "https://a.example",
        Some("wss://s.example"),
        "wss://s.example/api/v1/streaming?stream=user:notification"
    )]
    #[case(
        "https://a.example",
        None,
        "wss://a.example/api/v1/streaming?stream=user:notification"
    )]
    #[case(
        "https://a.example",
        Some("ws://s.example"),
        "wss://s.example/api/v1/streaming?stream=user:notification"
    )]
    #[case(
        "http://127.0.0.1:4000",
        None,
        "ws://127.0.0.1:4000/api/v1/streaming?stream=user:notification"
    )]
    #[case(
        "http://127.0.0.1:4000",
        Some("ws://127.0.0.1:4001"),
        "ws://127.0.0.1:4001/api/v1/streaming?stream=user:notification"
    )]
    fn the_stream_is_where_the_server_says(
        #[case] base: &str,
        #[case] told: Option<&str>,
        #[case] expected: &str,
    ) {
        let mut instance = Instance::default();
        instance.configuration.urls.streaming = told.map(str::to_owned);
        assert_eq!(streaming(&api(base), &instance).unwrap().as_str(), expected);
    }

    #[rstest]
    #[case("2.7.2 (compatible; Pleroma 2.9.1)", Class::Key { window: KEY_WINDOW })]
    #[case("4.0.0 (not true; really snac/2.96)", Class::Lookup)]
    #[case("4.5.2", Class::Lookup)]
    fn without_nodeinfo_the_version_must_prove_it(#[case] version: &str, #[case] class: Class) {
        assert_eq!(by_version(version).class(), class);
    }

    #[test]
    fn an_edited_post_of_snac_keeps_its_id() {
        let hash = "8f14e45fceea167a5a36dedd4bea2543";
        let before = Software::Snac.stable(&format!("1763800000{hash}"));
        let after = Software::Snac.stable(&format!("1763800099{hash}"));
        assert_eq!(before, after);
        assert_eq!(before.as_str(), format!("0000000000{hash}"));
        assert_eq!(Software::Snac.stable("short").as_str(), "short");
        assert_eq!(
            Software::Mastodon.stable("1763800000123").as_str(),
            "1763800000123"
        );
    }
}
