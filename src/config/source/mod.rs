//! `[[source]]`: one connected place we listen to.

mod bluesky;
mod mastodon;
mod webhook;

pub use bluesky::Bluesky;
pub use mastodon::Mastodon;
pub use webhook::{Idempotency, Webhook};

use super::Approval;
use super::section::{Section, Wrong, nearest, shown};

/// What a source can be: the section of each platform, and the word for it.
macro_rules! platforms {
    ($($(#[$doc:meta])* $platform:ident = $word:literal;)+) => {
        /// The networks a source can be of; the playground belongs to the demo.
        const PLATFORMS: &[&str] = &[$($word),+];

        /// `[[source]]`, by `platform`.
        #[derive(Debug, Clone)]
        pub enum Source {
            $($(#[$doc])* $platform($platform),)+
            /// The demo's own network.
            Playground(Playground),
        }

        impl Source {
            /// The configured name.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$platform($platform { name, .. }))|+ | Self::Playground(Playground { name }) => name,
                }
            }

            /// The word for its platform.
            #[must_use]
            pub fn platform(&self) -> &'static str {
                match self {
                    $(Self::$platform(_) => $word,)+
                    Self::Playground(_) => "playground",
                }
            }

            /// Who has to approve its replies, where that differs.
            #[must_use]
            pub fn approval(&self) -> Option<Approval> {
                match self {
                    $(Self::$platform($platform { approval, .. }))|+ => *approval,
                    Self::Playground(Playground { .. }) => None,
                }
            }

            /// Reads the section of a platform; `None` where there is none of this name.
            fn of(platform: &str, section: &mut Section<'_>, name: Option<String>) -> Option<Option<Self>> {
                Some(match platform {
                    $($word => $platform::read(section, name).map(Self::$platform),)+
                    _ => return None,
                })
            }
        }
    };
}

platforms! {
    /// A Bluesky account.
    Bluesky = "bluesky";
    /// A Mastodon account.
    Mastodon = "mastodon";
    /// Any system that speaks the webhook contract.
    Webhook = "webhook";
}

impl Source {
    /// Reads a source; the playground only where it is allowed.
    pub(super) fn read(section: &mut Section<'_>, playground: bool) -> Option<Self> {
        let platform: Option<String> = section.need("platform", "\"mastodon\"");
        let name: Option<String> = section.need("name", "\"fedi\"");
        if let Some(name) = &name {
            section.check("name", source_name(name));
        }
        let Some(platform) = platform else {
            section.forgive();
            return None;
        };
        section.variant(&platform);
        if platform == "playground" && playground {
            return Some(Self::Playground(Playground { name: name? }));
        }
        Self::of(&platform, section, name).unwrap_or_else(|| {
            section.forgive();
            section.wrong("platform", unknown(&platform));
            None
        })
    }
}

fn unknown(platform: &str) -> Wrong {
    let known = PLATFORMS.join(", ");
    if platform == "playground" {
        return Wrong::new(
            "\"playground\" is only for `hearback demo`",
            format!("known are {known}"),
        );
    }
    let mend = match nearest(platform, PLATFORMS.iter().copied()) {
        Some(near) => format!("did you mean {near:?}? Known are {known}"),
        None => format!("known are {known}; any other system can come in by \"webhook\""),
    };
    Wrong::new(format!("{} is not a known platform", shown(platform)), mend)
}

/// A source's name stands in addresses.
fn source_name(name: &str) -> Result<(), Wrong> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || byte == b'_' || byte == b'-');
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{} cannot stand in an address", shown(name)),
        "use lower-case letters, digits, - and _, beginning with a letter or digit",
    ))
}

/// `platform = "playground"`
#[derive(Debug, Clone)]
pub struct Playground {
    /// The source's name.
    pub name: String,
}
