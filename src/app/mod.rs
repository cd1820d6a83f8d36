//! The use cases. Knows the store and the ports; names no platform.

mod act;
mod answers;
mod approvals;
mod buttons;
mod by_hand;
mod claims;
mod deliver;
mod desk;
mod directory;
mod erase;
mod feeds;
mod hearing;
mod inbound;
mod intake;
mod load;
mod needs;
mod orders;
mod part;
mod pauses;
mod poison;
mod read;
mod replies;
mod request;
pub mod text;
mod understand;
mod work;

pub use approvals::{Approval, Approvals};
pub use deliver::Worker;
pub use desk::Rules;
pub use directory::{Directory, Group, Home, Identity, Known, Member, TeamEntry};
pub use erase::{CannotErase, Erased, erase};
pub use hearing::Hearing;
pub use inbound::{Cursor, Given, Inbound, Input, Intake, Place, Response, Unavailable};
pub use orders::{Outside, Verdict};
pub use pauses::{Pause, Pauses};
pub use read::{BoardEntry, Entry, NoticeEntry, Reader, ThreadView};

use crate::domain::care::Care;
use crate::domain::{ButtonKey, ChatName, Clock, SourceName, Standing};
use crate::port::{Attachments, ChatPlatform, SocialPlatform};
use crate::store::{Seal, Store};
use chrono::TimeDelta;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many replies that are done with, and whose id nobody read, are known again when they come back.
const MOST_UNREAD: i64 = 1_000;

/// Everything the core is made of.
pub struct Parts {
    /// Where cases are kept, open and locked.
    pub store: Store,
    /// Who works here, and where.
    pub directory: Directory,
    /// The chats.
    pub chats: Vec<Arc<dyn ChatPlatform>>,
    /// The networks, one per source.
    pub networks: Vec<Arc<dyn SocialPlatform>>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The undo window of replies.
    pub hold: Duration,
    /// The most time one publishing call takes.
    pub timeout: Duration,
    /// How long a platform may still act after an uncertain end.
    pub settle: Duration,
    /// What becomes of what is attached to posts.
    pub attachments: Attachments,
    /// Which replies somebody else has to agree to.
    pub approvals: Approvals,
    /// For how long somebody can.
    pub approval_expires: Duration,
    /// What is minded in replies before they leave.
    pub care: Care,
    /// What is heard of the sources.
    pub hearing: Hearing,
    /// How the database stood to its seal at the start.
    pub standing: Standing,
    /// The seal: raised before the first byte of each public reply. None where nothing is published.
    pub seal: Option<Seal>,
    /// Cancelled when no new delivery may begin.
    pub stop: CancellationToken,
}

impl Parts {
    /// The rules that hold where nothing else is said, around a store and a clock; without people, chats
    /// and networks.
    #[must_use]
    pub fn around(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            directory: Directory::default(),
            chats: Vec::new(),
            networks: Vec::new(),
            clock,
            hold: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            settle: Duration::from_secs(120),
            attachments: Attachments::default(),
            approvals: Approvals::default(),
            approval_expires: Duration::from_secs(24 * 3600),
            care: Care::default(),
            hearing: Hearing::default(),
            standing: Standing::New,
            seal: None,
            stop: CancellationToken::new(),
        }
    }
}

/// The core, ready to be used.
pub struct App {
    /// The way in, for adapters.
    pub inbound: Inbound,
    /// Reads, for pages.
    pub reader: Reader,
    /// Delivers the outbox; to be run, or stepped.
    pub worker: Worker,
    /// The ledger's task: nothing is taken in once it has ended.
    pub ledger: JoinHandle<()>,
}

impl App {
    /// Builds the core and starts its ledger on `tracker`. The ledger ends when every handle is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn start(parts: Parts, tracker: &TaskTracker) -> Result<Self, Unavailable> {
        let Parts {
            store,
            directory,
            chats,
            networks,
            clock,
            hold,
            timeout,
            settle,
            attachments,
            approvals,
            approval_expires,
            care,
            hearing,
            standing,
            seal,
            stop,
        } = parts;
        let installation = store.installation().await?;
        let counters = store.counters().await?;
        let networks: HashMap<SourceName, _> = networks
            .into_iter()
            .map(|network| (network.source().clone(), network))
            .collect();
        let chats: HashMap<ChatName, _> = chats
            .into_iter()
            .map(|chat| (chat.name().clone(), chat))
            .collect();
        let rules = Arc::new(Rules {
            directory,
            networks,
            hold,
            timeout,
            settle,
            approvals,
            care,
            hearing,
            approval_expires: TimeDelta::from_std(approval_expires).unwrap_or(TimeDelta::days(1)),
            installation,
            button_key: ButtonKey::new(&store.button_key().await?),
            pauses: Pauses::default(),
            standing,
            seal,
        });
        // What nobody read the id of may come back at any time, also when the question was ended.
        let mut in_flight = store.unread_replies(MOST_UNREAD).await?;
        in_flight.extend(store.open_replies().await?);
        let flights = in_flight.iter().filter_map(work::Flight::of).collect();
        let (requests, waiting) = mpsc::channel(desk::QUEUE);
        let (outbox, effects) = mpsc::unbounded_channel();
        let idle = deliver::Idle::default();
        let mut ledger = desk::Desk {
            idle: idle.clone(),
            store: store.clone(),
            rules: Arc::clone(&rules),
            clock: Arc::clone(&clock),
            requests: waiting,
            outbox,
            state: desk::State {
                counters,
                flights,
                ..desk::State::default()
            },
            doubtful: false,
            stuck: false,
        };
        ledger.read_pauses().await?;
        let ledger = tracker.spawn(ledger.run());
        let inbound = Inbound {
            requests,
            store: store.clone(),
            rules: Arc::clone(&rules),
            clock: Arc::clone(&clock),
        };
        let reader = Reader {
            store: store.clone(),
            rules: Arc::clone(&rules),
        };
        let delivery = deliver::Delivery {
            store,
            rules,
            chats,
            attachments,
            clock,
            inbound: inbound.clone(),
            stop,
        };
        Ok(Self {
            inbound,
            reader,
            worker: Worker::new(delivery, effects, idle),
            ledger,
        })
    }
}

impl Rules {
    /// What people call the network of a source; with the source's name where several look alike.
    fn network_label(&self, source: &SourceName) -> String {
        let Some(network) = self.networks.get(source) else {
            return source.to_string();
        };
        let label = network.abilities().label;
        let alike = |other: &Arc<dyn SocialPlatform>| other.abilities().label == label;
        if self.networks.values().filter(|other| alike(other)).count() > 1 {
            format!("{label} ({source})")
        } else {
            label
        }
    }
}
