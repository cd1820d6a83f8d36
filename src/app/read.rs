//! What people look at: lists, one case, its history; and the threads that a page of ours shows.

use super::desk::Rules;
use super::directory::Known;
use super::inbound::{Inbound, Response, Unavailable};
use super::text::{self, CardFacts, ReplyFacts, Telling};
use super::work::speaks_of;
use crate::command::Command;
use crate::domain::{
    By, Card, Case, CaseNumber, ChannelId, ChatName, Clock, Event, EventId, EventRecord, Instant, Media,
    Message, NativeId, Notice, Post, ReplyId, ReplyState, SourceName,
};
use crate::store::{CaseFilter, Store, StoredPost};
use std::collections::HashMap;
use std::sync::Arc;

/// The most lines of a list.
const LIST: i64 = 15;
/// The most entries of a history.
const HISTORY: i64 = 40;
/// The most events a page shows of a thread.
const THREAD: i64 = 500;

/// Answers the verbs that only look. `None`: the verb is not one of them.
pub(super) async fn command(
    inbound: &Inbound,
    known: &Known,
    command: &Command,
    case: Option<CaseNumber>,
) -> Result<Option<Response>, Unavailable> {
    let Inbound {
        store,
        rules,
        clock,
        requests: _,
    } = inbound;
    let list = |cases: Vec<Case>, headline: &'static str, none: &'static str| async move {
        let lines = lines(store, rules, clock.as_ref(), &cases).await?;
        Ok::<_, Unavailable>(Some(text::case_list(headline, lines, none)))
    };
    match command {
        Command::Queue => {
            let open = CaseFilter {
                open: true,
                owner: None,
            };
            list(
                store.list_cases(&open, LIST).await?,
                "Open cases, the oldest first",
                "No open cases. Well done.",
            )
            .await
        }
        Command::Mine => {
            let mine = CaseFilter {
                open: true,
                owner: Some(known.agent.key.clone()),
            };
            list(
                store.list_cases(&mine, LIST).await?,
                "Your open cases",
                "You have no open cases. `queue` lists all.",
            )
            .await
        }
        Command::Search { text } => {
            let found = store.search_cases(&text.join(" "), LIST).await?;
            list(found, "Found, the newest first", "No post contains that.").await
        }
        Command::Help { verb } => Ok(Some(text::help(verb.as_deref()))),
        Command::Show => match case {
            None => Ok(Some(text::which_case("show"))),
            Some(number) => Ok(Some(show(store, rules, number).await?)),
        },
        Command::History => match case {
            None => Ok(Some(text::which_case("history"))),
            Some(number) => Ok(Some(history(store, number).await?)),
        },
        Command::Claim
        | Command::Release
        | Command::Assign { .. }
        | Command::Reply { .. }
        | Command::Dm { .. }
        | Command::Answered { .. }
        | Command::Note { .. }
        | Command::Escalate { .. }
        | Command::Cancel
        | Command::Approve
        | Command::Reject { .. }
        | Command::Pause { .. }
        | Command::Resume
        | Command::Resolve { .. }
        | Command::Reopen
        | Command::Snooze { .. }
        | Command::Priority { .. }
        | Command::Kind { .. }
        | Command::Label { .. } => Ok(None),
    }
}

async fn show(store: &Store, rules: &Rules, number: CaseNumber) -> Result<Response, Unavailable> {
    let cases = store.cases(&[number]).await?;
    let Some(case) = cases.first() else {
        return Ok(text::no_such_case(number));
    };
    let posts = first_posts(store, &cases).await?;
    Ok(Response::Done(card(rules, case, posts.get(&number)).message))
}

async fn history(store: &Store, number: CaseNumber) -> Result<Response, Unavailable> {
    let cases = store.cases(&[number]).await?;
    let Some(case) = cases.first() else {
        return Ok(text::no_such_case(number));
    };
    Ok(text::history(case, &store.last_events(number, HISTORY).await?))
}

async fn lines(
    store: &Store,
    rules: &Rules,
    clock: &dyn Clock,
    cases: &[Case],
) -> Result<Vec<Vec<crate::domain::Span>>, Unavailable> {
    let posts = first_posts(store, cases).await?;
    let now = clock.now();
    let line = |case: &Case| {
        text::case_line(
            case,
            posts.get(&case.number),
            &rules.network_label(&case.source),
            now,
        )
    };
    Ok(cases.iter().map(line).collect())
}

/// The posts that cases began with.
pub(super) async fn first_posts(
    store: &Store,
    cases: &[Case],
) -> Result<HashMap<CaseNumber, Post>, Unavailable> {
    let keys: Vec<_> = cases
        .iter()
        .map(|case| (case.source.clone(), case.first_post.clone()))
        .collect();
    let posts = if keys.is_empty() {
        Vec::new()
    } else {
        store.posts(&keys).await?
    };
    Ok(posts
        .into_iter()
        .map(|stored| (stored.case, stored.post))
        .collect())
}

/// The card of a case, as it stands.
pub(super) fn card(rules: &Rules, case: &Case, first: Option<&Post>) -> Card {
    let network = rules.network_label(&case.source);
    let private = rules
        .networks
        .get(&case.source)
        .is_some_and(|network| network.abilities().private);
    text::card(CardFacts {
        case,
        first,
        network: &network,
        private,
        pause: rules.pauses.of(&case.source).as_ref(),
    })
}

pub(super) async fn suggest(
    inbound: &Inbound,
    typed: &str,
) -> Result<Vec<(CaseNumber, String)>, Unavailable> {
    let digits: String = typed
        .trim()
        .trim_start_matches('#')
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let cases = inbound.store.suggest_cases(&digits, 25).await?;
    let spans = lines(&inbound.store, &inbound.rules, inbound.clock.as_ref(), &cases).await?;
    let plain = |line: Vec<_>| {
        let message = Message {
            parts: vec![crate::domain::Part::Line(line)],
        };
        crate::domain::message::one_line(&message.plain(), 95)
    };
    Ok(cases
        .iter()
        .map(|case| case.number)
        .zip(spans.into_iter().map(plain))
        .collect())
}

pub(super) async fn watched_posts(
    store: &Store,
    source: &SourceName,
    limit: usize,
) -> Result<Vec<Post>, Unavailable> {
    let cases = store
        .open_cases_of(source, i64::try_from(limit).unwrap_or(i64::MAX))
        .await?;
    let numbers: Vec<_> = cases.iter().map(|case| case.number).collect();
    let stored = store.posts_of_cases(&numbers).await?;
    let mut posts: Vec<_> = stored.into_iter().map(|stored| stored.post).collect();
    posts.retain(|post| !post.deleted);
    posts.sort_by_key(|post| std::cmp::Reverse(post.created_at));
    posts.truncate(limit);
    Ok(posts)
}

/// The reply that must be known to tell of this event.
fn about_reply(event: &Event) -> Option<ReplyId> {
    match event {
        Event::ReplyNeedsHuman { reply, .. } | Event::ReplyToldAbsent { reply } => Some(*reply),
        event => speaks_of(event),
    }
}

/// What is needed beside an event to tell it.
#[derive(Default)]
pub(super) struct Told {
    posts: HashMap<(SourceName, NativeId), StoredPost>,
    replies: HashMap<ReplyId, crate::domain::Reply>,
}

impl Told {
    /// Loads what these events of these cases are about.
    pub async fn load<'a>(
        store: &Store,
        records: impl Iterator<Item = (&'a EventRecord, &'a SourceName)>,
    ) -> Result<Self, Unavailable> {
        let (mut posts, mut replies) = (Vec::new(), Vec::new());
        for (record, source) in records {
            match &record.event {
                Event::PostAdded { post, .. } | Event::PostDeleted { post } => {
                    posts.push((source.clone(), post.clone()));
                }
                Event::PostEdited { post, added, .. } if !added.is_empty() => {
                    posts.push((source.clone(), post.clone()));
                }
                event => replies.extend(about_reply(event)),
            }
        }
        let posts = if posts.is_empty() {
            Vec::new()
        } else {
            store.posts(&posts).await?
        };
        let replies = if replies.is_empty() {
            Vec::new()
        } else {
            store.replies(&replies).await?
        };
        Ok(Self {
            posts: posts
                .into_iter()
                .map(|stored| ((stored.post.source.clone(), stored.post.id.clone()), stored))
                .collect(),
            replies: replies.into_iter().map(|reply| (reply.id, reply)).collect(),
        })
    }

    /// A post that one of the events is about.
    pub fn post(&self, source: &SourceName, id: &NativeId) -> Option<&Post> {
        let stored = self.posts.get(&(source.clone(), id.clone()));
        stored.map(|stored| &stored.post)
    }

    /// What is attached to the post that an event brought.
    fn attached(&self, source: &SourceName, record: &EventRecord) -> &[Media] {
        match &record.event {
            Event::PostAdded { post, .. } => self.post(source, post).map_or(&[], attached),
            _ => &[],
        }
    }

    /// The step of a reply as it is told here.
    pub fn step_of(&self, reply: ReplyId) -> i64 {
        self.replies.get(&reply).map_or(0, |reply| reply.step)
    }

    /// The message of an event for a channel of a chat.
    pub fn message(
        &self,
        rules: &Rules,
        (chat, channel): (&ChatName, &ChannelId),
        source: &SourceName,
        record: &EventRecord,
    ) -> Option<Message> {
        let post = match &record.event {
            Event::PostAdded { post, .. } | Event::PostDeleted { post } => self.post(source, post),
            _ => None,
        };
        let network = rules.network_label(source);
        let pause = rules.pauses.of(source);
        let reply = about_reply(&record.event).and_then(|id| self.replies.get(&id));
        let reply = reply.map(|reply| ReplyFacts {
            reply,
            network: &network,
            key: &rules.button_key,
            pause: pause.as_ref(),
        });
        text::told(Telling {
            directory: &rules.directory,
            chat,
            channel,
            record,
            post,
            reply,
        })
    }
}

/// What is shown of what is attached to a post: nothing once its author took it back.
fn attached(post: &Post) -> &[Media] {
    if post.deleted { &[] } else { &post.media }
}

/// Something that the team is told and that is about no case.
#[derive(Debug, Clone)]
pub struct NoticeEntry {
    /// What.
    pub notice: Notice,
    /// How it is told.
    pub card: Card,
}

/// A case in a list of cards.
#[derive(Debug, Clone)]
pub struct BoardEntry {
    /// The case.
    pub number: CaseNumber,
    /// Its card.
    pub card: Card,
    /// When something last happened to it.
    pub updated_at: Instant,
}

/// An entry of a thread.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event it tells.
    pub id: EventId,
    /// When it happened.
    pub at: Instant,
    /// Who made it happen.
    pub by: By,
    /// What it says.
    pub message: Message,
    /// What is attached to the post it tells of.
    pub attached: Vec<Media>,
}

/// A case's thread.
#[derive(Debug, Clone)]
pub struct ThreadView {
    /// The card.
    pub card: Card,
    /// What is attached to the post the case began with.
    pub attached: Vec<Media>,
    /// What followed.
    pub entries: Vec<Entry>,
    /// When the waiting reply is published, while it can be taken back.
    pub held_until: Option<Instant>,
}

/// Reads for pages of our own. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(super) store: Store,
    pub(super) rules: Arc<Rules>,
}

impl Reader {
    /// The cases that changed last, the newest change first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn board(&self, limit: i64) -> Result<Vec<BoardEntry>, Unavailable> {
        let cases = self.store.latest_cases(limit).await?;
        let posts = first_posts(&self.store, &cases).await?;
        let entry = |case: &Case| BoardEntry {
            number: case.number,
            card: card(&self.rules, case, posts.get(&case.number)),
            updated_at: case.updated_at,
        };
        Ok(cases.iter().map(entry).collect())
    }

    /// What the team is told that is about no case, as it stands now: the feeds that wait to be let in, and
    /// these others.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn notices(&self, others: Vec<Notice>) -> Result<Vec<NoticeEntry>, Unavailable> {
        let waiting = self.store.all_waiting().await?.into_iter();
        let floods = waiting.map(|(source, posts)| (Notice::Flood { source }, posts));
        let all = floods.chain(others.into_iter().map(|notice| (notice, 0)));
        Ok(all
            .map(|(notice, posts)| NoticeEntry {
                card: text::notice(&notice, posts),
                notice,
            })
            .collect())
    }

    /// What a chat's thread of the case shows. `None`: there is no such case.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn thread(
        &self,
        chat: &ChatName,
        number: CaseNumber,
    ) -> Result<Option<ThreadView>, Unavailable> {
        let cases = self.store.cases(&[number]).await?;
        let Some(case) = cases.first() else {
            return Ok(None);
        };
        let posts = first_posts(&self.store, &cases).await?;
        let log = self.store.last_events(number, THREAD).await?;
        let told = Told::load(&self.store, log.iter().map(|record| (record, &case.source))).await?;
        let channel = ChannelId::new(chat.as_str());
        let entry = |record: &EventRecord| {
            let message = told.message(&self.rules, (chat, &channel), &case.source, record)?;
            Some(Entry {
                id: record.id,
                at: record.at,
                by: record.by.clone(),
                message,
                attached: told.attached(&case.source, record).to_vec(),
            })
        };
        let entries = log.iter().filter_map(entry).collect();
        let pending: Vec<_> = case.pending.iter().map(|pending| pending.id).collect();
        let pending = self.store.replies(&pending).await?;
        let held = pending.iter().find(|reply| reply.state == ReplyState::Held);
        Ok(Some(ThreadView {
            card: card(&self.rules, case, posts.get(&number)),
            attached: posts
                .get(&number)
                .map_or_else(Vec::new, |post| attached(post).to_vec()),
            entries,
            held_until: held.map(|reply| reply.hold_until),
        }))
    }

    /// An attachment of the post that an event of a case tells of, or of the one that the case began with.
    /// `None`: there is no such thing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn attachment(
        &self,
        number: CaseNumber,
        event: Option<EventId>,
        nth: usize,
    ) -> Result<Option<Media>, Unavailable> {
        let cases = self.store.cases(&[number]).await?;
        let Some(case) = cases.first() else {
            return Ok(None);
        };
        let Some(event) = event else {
            let posts = first_posts(&self.store, &cases).await?;
            return Ok(posts
                .get(&number)
                .and_then(|post| attached(post).get(nth).cloned()));
        };
        let log = self.store.events(&[event]).await?;
        let log: Vec<_> = log.iter().filter(|record| record.case == number).collect();
        let told = Told::load(&self.store, log.iter().map(|record| (*record, &case.source))).await?;
        let media = log
            .first()
            .and_then(|record| told.attached(&case.source, record).get(nth));
        Ok(media.cloned())
    }

    /// Whether replies may be published as far as the database and its seal are concerned.
    ///
    /// # Errors
    /// They may not: why, and what to do.
    pub fn sender(&self) -> Result<(), String> {
        let Some(seal) = &self.rules.seal else {
            return Ok(());
        };
        let standing = seal.standing();
        match standing.trouble() {
            Some(trouble) => Err(format!("{trouble}; {}", standing.mend())),
            None => seal.trouble().map_or(Ok(()), Err),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn health(&self) -> Result<(), Unavailable> {
        Ok(self.store.ping().await?)
    }
}
