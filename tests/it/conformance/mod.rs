//! What every connector keeps, whatever its network: one list of rows, each played on a scripted stage of
//! each platform, with the real core behind it, real sockets and a clock that is moved by hand.
//!
//! A platform joins by a [`Stage`] and a line at the end of this file. What it cannot have it names with the
//! reason; the matrix of all is printed by `cargo test --test it conformance::matrix -- --nocapture`.

use crate::fake::fault::Fault;
use crate::fake::house::Core;
use hearback::adapter::connector::Connector;
use hearback::adapter::supervise::Lost;
use hearback::app::Inbound;
use hearback::domain::{ManualClock, Post};
use hearback::port::SocialPlatform;
use std::sync::Arc;
use std::time::Duration;

/// How long one publishing call of a connector may take here.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// What the requests say that [`Stage::knocks`] sends.
pub const KNOCK: &str = "grüß 👍";

/// A word that no customer says but in the rows about searching.
pub const SOUGHT: &str = "zebra";

/// The calls of a connector that a stage can be told to spoil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Reads what was written to us.
    Listen,
    /// Reads something beside that: a search, a tag.
    Beside,
    /// Publishes.
    Publish,
}

/// Where a platform puts what is published, if not where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// On its own.
    Orphan,
    /// Under another post.
    Elsewhere,
}

/// What a platform does not tell of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// How many follow its author.
    Followers,
    /// Its language.
    Language,
    /// Its author's page.
    AuthorPage,
    /// Its own address: it has none that people can open.
    Page,
    /// Which post of its conversation it answers: it answers the first.
    Parent,
}

/// How a request of the platform's is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knock {
    /// Rightly.
    Good,
    /// Rightly, with letters written as escapes in the body.
    Escaped,
    /// With another secret.
    Bad,
    /// Long ago.
    Stale,
    /// Twice, in two headers.
    Doubled,
}

/// A text, its length as its platform counts, the most, and what is counted.
pub struct Counted {
    pub text: String,
    pub length: usize,
    pub limit: usize,
    pub unit: &'static str,
}

/// Something of ours as it stands on the platform.
#[derive(Debug, Clone)]
pub struct Standing {
    pub id: String,
    pub parent: Option<String>,
    pub text: String,
    pub url: String,
}

/// A platform that is played: its server, made here from its documentation, and our account there.
pub trait Stage: Sized {
    /// What people call it.
    const PLATFORM: &'static str;
    /// Where it can put what is published, if not where it belongs.
    const MISPLACES: &'static [Misplaced];
    /// Whether anything can be answered there.
    const ANSWERS: bool = true;
    /// The rows that it cannot have, with the reason.
    const CANNOT: &'static [(Row, &'static str)];
    /// What it does not tell of a post.
    const UNTOLD: &'static [Untold] = &[];
    /// What the addresses of what is written there begin with.
    const HOME: &'static str = "https://";
    /// Whether something beside what is written to us can be read.
    const BESIDE: bool = true;

    /// Whether what it sends us says when it was signed: without it, an old request is known only by what is
    /// in it.
    const DATED: bool = true;
    /// How much later than it was written something can come to its place in the list, in seconds.
    const LATE: &'static [u64] = &[60, 3 * 3600];

    /// How the platform addresses a customer.
    fn handle(who: &str) -> String;

    /// Below what an answer to a post stands: a platform may have one level of answers.
    fn under(&self, post: &str) -> String {
        post.to_owned()
    }

    /// An empty platform; `misplaced`: what it does with what is published.
    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self;

    /// A connector to it that knows nothing yet, as after a start. It searches for [`SOUGHT`].
    fn connector(&self) -> Arc<dyn Connector>;

    /// Why the platform cannot have a row.
    fn cannot(row: Row) -> Option<&'static str> {
        let (_, why) = Self::CANNOT.iter().find(|(other, _)| *other == row)?;
        Some(why)
    }

    /// A customer with 120 followers writes to us, in English. Gives the id.
    fn writes(&self, who: &str, text: &str) -> String;

    /// As [`Self::writes`], and it comes to its place in the list so long before now.
    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let _ = (who, text, by);
        panic!("{} has no row about the order", Self::PLATFORM)
    }

    /// A customer says something that is not written to us.
    fn mutters(&self, who: &str, text: &str) -> String {
        panic!("nobody hears {who} say {text}")
    }

    /// A customer answers a post, and so tells us.
    fn answers(&self, who: &str, post: &str, text: &str) -> String;

    /// The author changes a post.
    fn edits(&self, post: &str, text: &str) {
        panic!("{post} cannot become {text}")
    }

    /// The author takes a post back.
    fn deletes(&self, post: &str);

    /// We answer a post by the platform's own means, or write one of our own.
    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        panic!("nobody shows us that we say {text} to {post:?}")
    }

    /// A picture is shown with this description. Gives the id.
    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        let _ = (who, text, alt);
        None
    }

    /// Something comes to us that is not what the platform's documentation describes.
    fn garbles(&self) {
        panic!("{} has nothing to garble", Self::PLATFORM)
    }

    /// The next call of this kind meets this.
    fn next(&self, call: Call, fault: Fault);

    /// How often a call came.
    fn asked(&self, call: Call) -> usize;

    /// The credentials have to be renewed; they can be.
    fn expires(&self) {
        panic!("{} has nothing to renew", Self::PLATFORM)
    }

    /// The credentials are not accepted any more.
    fn locks_out(&self) {
        panic!("{} lets nobody in", Self::PLATFORM)
    }

    /// So often we signed in or renewed.
    fn signed_in(&self) -> usize {
        0
    }

    /// Nothing is allowed any more for this time.
    fn exhausts(&self, time: Duration) {
        panic!("{} has no quota to use up for {time:?}", Self::PLATFORM)
    }

    /// Texts and how they count: at the limit, one beyond, and what is special here.
    fn counted() -> Vec<Counted>;

    /// What our account published, the oldest first.
    fn published(&self) -> Vec<Standing>;

    /// The platform sends us what it has not sent yet, if it sends anything.
    async fn delivers(&self, inbound: &Inbound) {
        let _ = inbound;
    }

    /// A post of a customer is sent to us, sent before or not.
    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let _ = (inbound, post);
        panic!("{} sends nothing", Self::PLATFORM)
    }

    /// Sends us a request; gives the status.
    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let _ = (inbound, how);
        panic!("{} sends nothing", Self::PLATFORM)
    }
}

/// The rows, and what is done with them: `rows!(macro!(arguments))`.
macro_rules! rows {
    ($then:ident!($($arguments:tt)*)) => {
        $then! {
            [$($arguments)*]
            Signature listening::signature "signatures: good, bad, stale, doubled, escaped";
            Paging listening::paging "first page and paging without gaps";
            Twice listening::twice "the same by push and by poll is one";
            Reorder listening::reorder "what comes late or out of order is heard";
            Edit listening::edit "an edit is seen";
            Deletion listening::deletion "a deletion is seen";
            Own listening::own "our own posts are no cases";
            FollowUp listening::follow_up "a follow-up goes into its case";
            Mapped listening::mapped "reach, language, pictures and address are mapped";
            Drift listening::drift "what is not as described is set aside";
            Runs listening::runs "it goes on until it is told to stop, and not longer";
            Told listening::told "that it cannot read is told, and over by itself";
            Refresh listening::refresh "credentials that end are renewed, once";
            LockedOut listening::locked_out "credentials that are refused are told";
            Forbidden listening::forbidden "403 is told, and what is beside stops nothing";
            Limited listening::limited "429 is waited for in each of its forms";
            Quota listening::quota "a quota that is used up is told, and it goes on after";
            Place publishing::place "a reply stands under the right post";
            Misplacement publishing::misplacement "a reply in the wrong place is noticed";
            Length publishing::length "length counts as the platform counts";
            Answered publishing::answered "what was answered by other means is not answered again";
            Refused publishing::refused "a refusal is told, and not tried again";
            PublishLimited publishing::publishing_limited "429 on publishing: waited for, published once";
            Ambiguous publishing::ambiguous "an uncertain end never becomes two replies";
            Finds publishing::finds "a look finds what was published";
            FindsNot publishing::finds_not "a look finds nothing, and it is published then";
        }
    };
}

macro_rules! define {
    ([] $($row:ident $module:ident::$name:ident $words:literal;)+) => {
        /// What is kept.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Row {
            $(#[doc = $words] $row,)+
        }

        impl Row {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$row, $words),)+];
        }
    };
}
rows!(define!());

/// The tests of a platform: a row each. In its stage's file: `rows!(tests!(Stage));`.
macro_rules! tests {
    ([$stage:ty] $($row:ident $module:ident::$name:ident $words:literal;)+) => {
        mod rows {
            use super::*;
            use crate::conformance::{Row, listening, publishing};
            $(
                #[tokio::test]
                async fn $name() {
                    match <$stage>::cannot(Row::$row) {
                        Some(why) => eprintln!("{} cannot have: {}: {why}", <$stage>::PLATFORM, $words),
                        None => $module::$name::<$stage>().await,
                    }
                }
            )+
        }
    };
}

mod app_store;
mod bluesky;
mod discourse;
mod email;
mod facebook;
mod github;
pub mod google_business;
mod google_play;
mod instagram;
mod lemmy;
pub mod linkedin;
mod listening;
mod mastodon;
mod publishing;
mod reddit;
mod reviews;
mod rss;
pub mod stack_exchange;
mod telegram;
mod threads;
pub mod tiktok;
pub mod trustpilot;
mod webhook;
pub mod x;
pub mod youtube;

/// A stage with the core behind it.
struct Play<S> {
    stage: S,
    clock: ManualClock,
    connector: Arc<dyn Connector>,
    core: Core,
}

impl<S: Stage> Play<S> {
    async fn new() -> Self {
        Self::with(None).await
    }

    async fn with(misplaced: Option<Misplaced>) -> Self {
        let clock = ManualClock::default();
        let stage = S::set(&clock, misplaced).await;
        let connector = stage.connector();
        let core = Core::start(&clock, vec![connector.clone() as Arc<dyn SocialPlatform>]).await;
        Self {
            stage,
            clock,
            connector,
            core,
        }
    }

    /// Killed, and up again.
    async fn restart(self) -> Self {
        let connector = self.stage.connector();
        let networks = vec![connector.clone() as Arc<dyn SocialPlatform>];
        Self {
            core: self.core.restart(networks).await,
            connector,
            ..self
        }
    }

    /// A round of reading, and what comes of it.
    #[track_caller]
    fn sweep(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            if let Err(lost) = self.swept().await {
                panic!("{caller}: {lost:?}");
            }
        }
    }

    /// A round of reading, as it ends.
    async fn swept(&mut self) -> Result<(), Lost> {
        self.stage.delivers(&self.core.inbound).await;
        let read = self.connector.sweep(&self.core.inbound).await;
        self.core.deliver().await;
        read
    }

    /// A customer writes, and it is heard.
    async fn heard(&mut self, who: &str, text: &str) -> String {
        let post = self.stage.writes(who, text);
        self.sweep().await;
        post
    }

    /// All that is known, by case.
    async fn posts(&self) -> Vec<Post> {
        let mut posts = Vec::new();
        for case in self.core.cases().await {
            posts.extend(self.core.posts(&case).await);
        }
        posts
    }

    /// Whether exactly these were heard, each text once, in whichever order.
    async fn heard_are(&self, texts: &[String]) {
        let mut heard: Vec<_> = self.posts().await.into_iter().map(|post| post.text).collect();
        let mut wanted = texts.to_vec();
        heard.sort();
        wanted.sort();
        let same =
            heard.len() == wanted.len() && heard.iter().zip(&wanted).all(|(text, end)| text.contains(end));
        let shown = |texts: &[String]| texts.iter().take(20).cloned().collect::<Vec<_>>();
        assert!(
            same,
            "{} heard: {:?}; {} wanted",
            heard.len(),
            shown(&heard),
            wanted.len()
        );
    }
}

/// What each platform keeps, and what it cannot have and why, as a table.
#[test]
fn matrix() {
    use std::fmt::Write as _;
    type Cannot = fn(Row) -> Option<&'static str>;
    let platforms: &[(&str, Cannot)] = &[
        (app_store::OnAppStore::PLATFORM, app_store::OnAppStore::cannot),
        (bluesky::OnBluesky::PLATFORM, bluesky::OnBluesky::cannot),
        (discourse::OnDiscourse::PLATFORM, discourse::OnDiscourse::cannot),
        (email::Forgetful::PLATFORM, email::Forgetful::cannot),
        (email::Keeping::PLATFORM, email::Keeping::cannot),
        (facebook::OnFacebook::PLATFORM, facebook::OnFacebook::cannot),
        (github::OnGitHub::PLATFORM, github::OnGitHub::cannot),
        (
            google_business::OnGoogleBusiness::PLATFORM,
            google_business::OnGoogleBusiness::cannot,
        ),
        (
            google_play::OnGooglePlay::PLATFORM,
            google_play::OnGooglePlay::cannot,
        ),
        (instagram::OnInstagram::PLATFORM, instagram::OnInstagram::cannot),
        (lemmy::OnLemmy::PLATFORM, lemmy::OnLemmy::cannot),
        (linkedin::OnLinkedIn::PLATFORM, linkedin::OnLinkedIn::cannot),
        (mastodon::OnMastodon::PLATFORM, mastodon::OnMastodon::cannot),
        (reddit::OnReddit::PLATFORM, reddit::OnReddit::cannot),
        (rss::OnFeed::PLATFORM, rss::OnFeed::cannot),
        (
            stack_exchange::OnStackExchange::PLATFORM,
            stack_exchange::OnStackExchange::cannot,
        ),
        (telegram::Asking::PLATFORM, telegram::Asking::cannot),
        (telegram::Pushed::PLATFORM, telegram::Pushed::cannot),
        (threads::OnThreads::PLATFORM, threads::OnThreads::cannot),
        (tiktok::OnTikTok::PLATFORM, tiktok::OnTikTok::cannot),
        (
            trustpilot::OnTrustpilot::PLATFORM,
            trustpilot::OnTrustpilot::cannot,
        ),
        (webhook::Forgetful::PLATFORM, webhook::Forgetful::cannot),
        (webhook::Keeping::PLATFORM, webhook::Keeping::cannot),
        (x::OnX::PLATFORM, x::OnX::cannot),
        (youtube::OnYouTube::PLATFORM, youtube::OnYouTube::cannot),
    ];
    let mut table = format!("\n{:<64}", "");
    for (platform, _) in platforms {
        let _ = write!(table, "{platform:<15}");
    }
    let mut reasons = String::new();
    for (row, words) in Row::ALL {
        let _ = write!(table, "\n{words:<64}");
        for (platform, cannot) in platforms {
            let why = cannot(*row);
            let _ = write!(table, "{:<15}", if why.is_some() { "-" } else { "kept" });
            if let Some(why) = why {
                assert!(!why.is_empty(), "{platform} gives no reason for {row:?}");
                let _ = write!(reasons, "\n{platform}, {words}: {why}");
            }
        }
    }
    eprintln!("{table}\n{reasons}\n");
}
