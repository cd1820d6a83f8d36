//! `[[source]]`: one connected place we listen to.

mod app_store;
mod bluesky;
mod discourse;
mod email;
mod facebook;
mod github;
mod google_business;
mod google_play;
mod instagram;
mod lemmy;
mod linkedin;
mod mastodon;
mod meta;
mod reddit;
mod rss;
mod stack_exchange;
mod telegram;
mod terms;
mod threads;
mod tiktok;
mod trustpilot;
mod webhook;
mod x;
mod youtube;

pub use app_store::AppStore;
pub use bluesky::Bluesky;
pub use discourse::Discourse;
pub use email::{Email, SentCopy};
pub use facebook::Facebook;
pub use github::GitHub;
pub use google_business::GoogleBusiness;
pub use google_play::GooglePlay;
pub use instagram::Instagram;
pub use lemmy::Lemmy;
pub use linkedin::LinkedIn;
pub use mastodon::Mastodon;
pub use reddit::Reddit;
pub use rss::Rss;
pub use stack_exchange::StackExchange;
pub use telegram::Telegram;
pub use terms::Terms;
pub use threads::Threads;
pub use tiktok::TikTok;
pub use trustpilot::Trustpilot;
pub(super) use webhook::webhook_secret;
pub use webhook::{Idempotency, Webhook};
pub use x::X;
pub use youtube::YouTube;

use super::Approval;
use super::section::{Section, Wrong, nearest, shown};

/// What a source can be: the section of each platform, and the word for it.
macro_rules! platforms {
    ($($(#[$doc:meta])* $platform:ident = $word:literal;)+) => {
        /// The networks a source can be of; the playground belongs to the demo.
        pub(super) const PLATFORMS: &[&str] = &[$($word),+];

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
    /// An app on the App Store.
    AppStore = "app-store";
    /// A Bluesky account.
    Bluesky = "bluesky";
    /// An account on a Discourse forum.
    Discourse = "discourse";
    /// A mailbox.
    Email = "email";
    /// A Facebook Page.
    Facebook = "facebook";
    /// Repositories on GitHub.
    GitHub = "github";
    /// A place on Google.
    GoogleBusiness = "google-business";
    /// An app on Google Play.
    GooglePlay = "google-play";
    /// A professional Instagram account.
    Instagram = "instagram";
    /// An account on a Lemmy server.
    Lemmy = "lemmy";
    /// An organisation's page on LinkedIn.
    LinkedIn = "linkedin";
    /// A Mastodon account.
    Mastodon = "mastodon";
    /// A Reddit account.
    Reddit = "reddit";
    /// A feed: RSS, Atom or JSON Feed.
    Rss = "rss";
    /// A site of Stack Exchange.
    StackExchange = "stackexchange";
    /// A Telegram bot.
    Telegram = "telegram";
    /// A Threads profile.
    Threads = "threads";
    /// A business account on TikTok.
    TikTok = "tiktok";
    /// A business on Trustpilot.
    Trustpilot = "trustpilot";
    /// Any system that speaks the webhook contract.
    Webhook = "webhook";
    /// An account on X.
    X = "x";
    /// A channel on YouTube.
    YouTube = "youtube";
}

impl Source {
    /// Reads a source and what holds for it whatever its platform; the playground only where it is allowed.
    pub(super) fn read(section: &mut Section<'_>, playground: bool) -> Option<(Self, Terms)> {
        let platform: Option<String> = section.need("platform", "\"mastodon\"");
        let name: Option<String> = section.need("name", "\"fedi\"");
        if let Some(name) = &name {
            section.check("name", source_name(name));
        }
        let terms = Terms::read(section, name.as_deref(), platform.as_deref());
        let source = Self::of_platform(section, (platform, name), playground)?;
        Some((source, terms))
    }

    /// Reads what is the platform's.
    fn of_platform(
        section: &mut Section<'_>,
        (platform, name): (Option<String>, Option<String>),
        playground: bool,
    ) -> Option<Self> {
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

/// A secret that was copied without what stood around it.
fn whole(password: &str) -> Result<(), Wrong> {
    if password.trim() != password || password.contains(char::is_control) {
        return Err(Wrong::new("has a space or a line end around it", "copy it again"));
    }
    Ok(())
}

/// `platform = "playground"`
#[derive(Debug, Clone)]
pub struct Playground {
    /// The source's name.
    pub name: String,
}
