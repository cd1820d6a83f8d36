//! The only SQL. One set of statements, two engines.

mod model;

pub use model::{
    Aside, CaseFilter, Changes, Counters, CursorRow, InboxRow, ReplyMessage, StoredPost, Thread,
};

use crate::domain::{
    Case, CaseNumber, ChannelId, ChatName, EffectId, EffectRow, EventId, EventRecord, Instant, Lane,
    NativeId, Reply, ReplyId, SourceName, ThreadId,
};

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not take the work now (disk full, connection lost, locked). Nothing was written.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused this content (for example a text it cannot hold). Nothing was written.
    #[error("the database refused the content: {0}")]
    Refused(String),
    /// What is stored does not make sense.
    #[error("{table}.{column} of {row} makes no sense: {why}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        row: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Short for the store's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Where cases are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store;

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    reason = "the interface, before the statements"
)]
impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self> {
        todo!()
    }
    /// Ends: checkpoints and closes the connections.
    pub async fn close(&self) {
        todo!()
    }
    /// Whether the database answers and can be written to.
    pub async fn ping(&self) -> Result<()> {
        todo!()
    }
    /// Writes everything or nothing, durably. Runs in a task of its own: a caller that goes away
    /// cancels nothing.
    pub async fn commit(&self, changes: Changes) -> Result<()> {
        todo!()
    }
    /// A random name of this installation, made with the database. Eight characters of `[a-z0-9]`.
    pub async fn installation(&self) -> Result<String> {
        todo!()
    }
    /// The numbers handed out so far.
    pub async fn counters(&self) -> Result<Counters> {
        todo!()
    }

    /// Cases by number, in no order; those that do not exist are missing.
    pub async fn cases(&self, numbers: &[CaseNumber]) -> Result<Vec<Case>> {
        todo!()
    }
    /// Cases by (source, conversation, author).
    pub async fn cases_of(&self, keys: &[(SourceName, NativeId, NativeId)]) -> Result<Vec<Case>> {
        todo!()
    }
    /// Cases, the oldest first.
    pub async fn list_cases(&self, filter: &CaseFilter, limit: i64) -> Result<Vec<Case>> {
        todo!()
    }
    /// The cases that changed last, the newest change first.
    pub async fn latest_cases(&self, limit: i64) -> Result<Vec<Case>> {
        todo!()
    }
    /// Cases whose number begins with these digits (all open ones when empty), open ones and new ones first.
    pub async fn suggest_cases(&self, digits: &str, limit: i64) -> Result<Vec<Case>> {
        todo!()
    }
    /// Cases with a post that contains the text, without regard to case; the newest first.
    pub async fn search_cases(&self, text: &str, limit: i64) -> Result<Vec<Case>> {
        todo!()
    }

    /// Posts by (source, id), with their cases.
    pub async fn posts(&self, keys: &[(SourceName, NativeId)]) -> Result<Vec<StoredPost>> {
        todo!()
    }
    /// The last posts of a case, the oldest of them first.
    pub async fn posts_of(&self, case: CaseNumber, limit: i64) -> Result<Vec<StoredPost>> {
        todo!()
    }

    /// Events by id.
    pub async fn events(&self, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        todo!()
    }
    /// A case's events in order, from the one after `after`.
    pub async fn events_of(&self, case: CaseNumber, after: EventId, limit: i64) -> Result<Vec<EventRecord>> {
        todo!()
    }

    /// Replies by id.
    pub async fn replies(&self, ids: &[ReplyId]) -> Result<Vec<Reply>> {
        todo!()
    }
    /// The replies of a case, in order.
    pub async fn replies_of(&self, case: CaseNumber) -> Result<Vec<Reply>> {
        todo!()
    }
    /// Whether the source has one of these as a published reply of ours: which of them.
    pub async fn own_posts(&self, keys: &[(SourceName, NativeId)]) -> Result<Vec<(SourceName, NativeId)>> {
        todo!()
    }
    /// Replies that were being sent when the process ended.
    pub async fn replies_in_sending(&self) -> Result<Vec<Reply>> {
        todo!()
    }
    /// The messages about a reply.
    pub async fn reply_messages(&self, reply: ReplyId) -> Result<Vec<ReplyMessage>> {
        todo!()
    }

    /// The threads of these cases.
    pub async fn threads(&self, cases: &[CaseNumber]) -> Result<Vec<Thread>> {
        todo!()
    }
    /// The case that a thread mirrors. `channel` may be unknown to the caller.
    pub async fn case_of_thread(
        &self,
        chat: &ChatName,
        channel: Option<&ChannelId>,
        thread: &ThreadId,
    ) -> Result<Option<CaseNumber>> {
        todo!()
    }

    /// The answers given to these keys before.
    pub async fn inbox(&self, keys: &[String]) -> Result<Vec<InboxRow>> {
        todo!()
    }
    /// Forgets inbox rows older than this.
    pub async fn forget_inbox(&self, before: Instant) -> Result<()> {
        todo!()
    }
    /// How far a source was read.
    pub async fn cursor(&self, source: &SourceName, stream: &str) -> Result<Option<String>> {
        todo!()
    }

    /// All lanes with something pending.
    pub async fn lanes(&self) -> Result<Vec<Lane>> {
        todo!()
    }
    /// Pending effects of a lane after this one, by id.
    pub async fn effects_of(&self, lane: &Lane, after: EffectId, limit: i64) -> Result<Vec<EffectRow>> {
        todo!()
    }
    /// How many effects were given up.
    pub async fn dead_effects(&self) -> Result<i64> {
        todo!()
    }
}
