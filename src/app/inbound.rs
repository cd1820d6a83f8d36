//! The way in: what adapters hand over. Everything is committed when these calls return.

use super::desk::Rules;
use super::directory::Known;
use super::hearing::Gate;
use super::read;
use super::request::{Answer, Ask, Order, Request};
use super::text;
use super::understand::{Understood, label, lacks_case, understand, verb_of};
use crate::command::{Command, Parsed};
use crate::domain::case::Wish;
use crate::domain::{
    Audience, Case, CaseNumber, ChannelId, ChatName, Clock, Form, Message, NO_CASE, NativeId, Notice, Person,
    Post, Role, Sighting, SourceName, ThreadId,
};
use crate::store::Store;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often, and after which pause each, a thread that is not known is looked for again. Together
/// they are well below the three seconds that chats give for an answer.
const LOOKS: u32 = 8;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Words that no platform minds, neither few nor many: what it refuses then it refuses whatever the words.
const ORDINARY: &str = "Thank you for telling us about this.";

/// Nothing was stored; the caller must not acknowledge.
#[derive(Debug, Clone, thiserror::Error)]
#[error("nothing was stored: {0}")]
pub struct Unavailable(pub String);

/// What became of a batch of sightings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Intake {
    /// Posts that were new, edits and deletions.
    pub accepted: usize,
    /// Posts that were known, and our own.
    pub duplicates: usize,
    /// Posts that could not be kept, and were put aside for people to look at.
    pub set_aside: usize,
    /// Posts that opened no case: no rule of the source caught them, or it showed too many at once and
    /// they wait to be let in.
    pub unheard: usize,
}

/// How far a source was read; moves in the transaction of what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What of the source, for example `notifications`.
    pub stream: String,
    /// The platform's cursor.
    pub value: String,
}

/// Where in the chat somebody acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The channel, if the chat tells it.
    pub channel: Option<ChannelId>,
    /// The thread, if they acted in one (or on its card).
    pub thread: Option<ThreadId>,
}

/// Something a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The chat's key of it: the same for a repeated envelope, never for another one.
    /// For example the name of the chat and its trigger id.
    pub key: String,
    /// Who asked.
    pub by: Person,
    /// Where.
    pub place: Place,
    /// What.
    pub input: Input,
}

/// In which form it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line: `claim 12`, `reply Thanks …`.
    Text(String),
    /// A verb with named options, as `command::schema` describes them.
    Options {
        /// The verb.
        verb: String,
        /// Names and values.
        options: Vec<(String, String)>,
    },
    /// A button: the text form of a [`crate::domain::Press`], as the chat brought it back.
    Press(String),
    /// A menu entry that asks for the words of a verb, at the thread it was chosen in.
    Ask {
        /// The verb.
        verb: String,
    },
    /// A form that was filled in.
    Form {
        /// The case it was about.
        case: CaseNumber,
        /// The verb its words are for.
        verb: String,
        /// The words.
        text: String,
        /// The reply it was about, as the form named it ([`Form::reply`]). Comes from outside: look
        /// whether it belongs to the case.
        reply: Option<i64>,
    },
}

/// What the person gets, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Done.
    Done(Message),
    /// Not done: why, and what to do.
    Refused(Message),
    /// A question first: show this form. Nothing was stored.
    Ask(Form),
}

/// The handle that adapters hold. Cheap to clone.
#[derive(Clone)]
pub struct Inbound {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) store: Store,
    pub(super) rules: Arc<Rules>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Inbound {
    /// Posts that a source saw. Committed, together with the cursor, when this returns.
    ///
    /// # Errors
    /// Nothing was stored: do not acknowledge, and try again.
    pub async fn posts_seen(
        &self,
        source: &SourceName,
        sightings: Vec<Sighting>,
        cursor: Option<Cursor>,
    ) -> Result<Intake, Unavailable> {
        crash_point!(K1);
        let intake = self.take_in(source, sightings, cursor, Gate::Rules).await;
        crash_point!(K2);
        intake
    }

    pub(super) async fn take_in(
        &self,
        source: &SourceName,
        sightings: Vec<Sighting>,
        cursor: Option<Cursor>,
        gate: Gate,
    ) -> Result<Intake, Unavailable> {
        let source = source.clone();
        self.ask(|answer| Request::Posts {
            source,
            sightings,
            cursor,
            gate,
            answer,
        })
        .await
    }

    /// How far a source was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cursor(&self, source: &SourceName, stream: &str) -> Result<Option<String>, Unavailable> {
        Ok(self.store.cursor(source, stream).await?)
    }

    /// The case of a thread of a chat. `None`: no case has it, or it is not stored yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn case_of(
        &self,
        chat: &ChatName,
        channel: &ChannelId,
        thread: &ThreadId,
    ) -> Result<Option<CaseNumber>, Unavailable> {
        Ok(self.store.case_of_thread(chat, Some(channel), thread).await?)
    }

    /// The posts of a source that open cases stand on, the newest first: what a sweep reads again to
    /// see edits and deletions that were not pushed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn watched_posts(&self, source: &SourceName, limit: usize) -> Result<Vec<Post>, Unavailable> {
        read::watched_posts(&self.store, source, limit).await
    }

    /// What is known of these posts, in no order: for sources that tell no more of an edit than its moment.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn known_posts(&self, source: &SourceName, ids: &[NativeId]) -> Result<Vec<Post>, Unavailable> {
        let keys: Vec<_> = ids.iter().map(|id| (source.clone(), id.clone())).collect();
        let stored = self.store.posts(&keys).await?;
        Ok(stored.into_iter().map(|stored| stored.post).collect())
    }

    /// Something a person asked for. Committed when this returns; the answer is for that person only.
    ///
    /// # Errors
    /// Nothing was stored; say so to the person and do not acknowledge where the chat redelivers.
    pub async fn given(&self, given: Given) -> Result<Response, Unavailable> {
        let Some(known) = self.rules.directory.recognise(&given.by) else {
            return Ok(text::stranger(&given.by.user));
        };
        let implied = match self.implied(&given).await? {
            None if given.place.thread.is_some() && lacks_case(&given.input) => {
                self.just_opened(&given).await?
            }
            known => known,
        };
        let understood = match understand(&given.input, implied) {
            Ok(understood) => understood,
            Err(response) => return Ok(response),
        };
        metrics::counter!("hearback_commands_total", "chat" => given.by.chat.to_string()).increment(1);
        match understood {
            Understood::Command(parsed) => self.command(given, known, implied, parsed).await,
            Understood::Ask { case, verb } => self.question(known, case.or(implied), &verb).await,
            Understood::Button { case, button, words } => {
                self.button(given, known, case, button, words).await
            }
            Understood::Feed { source, admit } => self.feed(&known, &source, admit).await,
        }
    }

    async fn command(
        &self,
        given: Given,
        known: Known,
        implied: Option<CaseNumber>,
        parsed: Parsed,
    ) -> Result<Response, Unavailable> {
        let case = parsed.case.or(implied);
        if let Some(response) = read::command(self, &known, &parsed.command, case).await? {
            return Ok(response);
        }
        if known.role < Role::Agent {
            return Ok(text::may_only_look());
        }
        let case = case.or((!parsed.command.needs_case()).then_some(NO_CASE));
        let Some(case) = case else {
            return Ok(text::which_case(verb_of(&parsed.command)));
        };
        if let Command::Answered { address } = &parsed.command {
            let address = address.clone();
            return self.answered_by_hand(given, known, case, &address).await;
        }
        match self.asked(&given, &known, parsed.command) {
            Ok(ask) => self.order(given, known, case, ask).await,
            Err(response) => Ok(response),
        }
    }

    pub(super) async fn order(
        &self,
        given: Given,
        known: Known,
        case: CaseNumber,
        ask: Ask,
    ) -> Result<Response, Unavailable> {
        if known.role < Role::Agent {
            return Ok(text::may_only_look());
        }
        let order = Order {
            retriable: matches!(given.input, Input::Form { .. }),
            key: given.key,
            by: known,
            chat: given.by.chat,
            case,
            ask,
            outside: None,
        };
        let order = Box::new(order);
        crash_point!(K1);
        let response = self.ask(|answer| Request::Command { order, answer }).await;
        crash_point!(K2);
        response
    }

    /// The form that asks for the words of a verb.
    async fn question(
        &self,
        known: Known,
        case: Option<CaseNumber>,
        verb: &str,
    ) -> Result<Response, Unavailable> {
        if known.role < Role::Agent {
            return Ok(text::may_only_look());
        }
        let Some(number) = case else {
            return Ok(text::which_case(verb));
        };
        let cases = self.store.cases(&[number]).await?;
        let Some(case) = cases.first() else {
            return Ok(text::no_such_case(number));
        };
        if let Some(refused) = self.cannot_be_answered(case, verb).await? {
            return Ok(refused);
        }
        let network = self.rules.network_label(&case.source);
        Ok(match text::form(number, verb, &network) {
            Some(form) => Response::Ask(form),
            None => text::refused(format!("`{verb}` needs no words: just type it.")),
        })
    }

    /// Why nothing can be answered there, whatever the words: told before anybody writes them, with the way
    /// to the customer.
    async fn cannot_be_answered(&self, case: &Case, verb: &str) -> Result<Option<Response>, Unavailable> {
        let audience = match verb {
            "reply" => Audience::Public,
            "dm" => Audience::Private,
            _ => return Ok(None),
        };
        let Some(network) = self.rules.networks.get(&case.source) else {
            return Ok(Some(text::source_gone(case.source.as_str())));
        };
        let posts = self
            .store
            .posts(&[(case.source.clone(), case.last_post.clone())])
            .await?;
        let last = posts.first().map(|stored| &stored.post);
        let handle = last.map_or("", |post| post.author.handle.as_str());
        let refusal = network.compose(ORDINARY, handle, audience).refusal;
        let closed = || network.closed(last?, audience);
        let Some(why) = refusal.or_else(closed) else {
            let abilities = network.abilities();
            let none = audience == Audience::Private && !abilities.private;
            return Ok(none.then(|| text::no_private(&abilities.label)));
        };
        let url = last.and_then(|post| post.url.as_deref());
        Ok(Some(text::cannot_answer(&why, url)))
    }

    #[expect(clippy::result_large_err, reason = "a refusal is an answer; it is moved once")]
    /// What a parsed command asks of its case. Verbs that only read were answered before.
    fn asked(&self, given: &Given, known: &Known, command: Command) -> Result<Ask, Response> {
        let now = self.clock.now();
        Ok(Ask::Wish(match command {
            Command::Claim => Wish::Claim,
            Command::Release => Wish::Release,
            Command::Assign { who } => match self.rules.directory.find(&given.by.chat, &who.0, known) {
                Some(found) if found.role < Role::Agent => {
                    return Err(text::cannot_act(&found.agent.name));
                }
                Some(found) => Wish::Assign(found.agent),
                None => return Err(text::nobody_called(&who.0, &self.rules.directory.names())),
            },
            Command::Reply { text } => {
                return Ok(Ask::Reply {
                    audience: Audience::Public,
                    text: text.join(" "),
                });
            }
            Command::Dm { text } => {
                return Ok(Ask::Reply {
                    audience: Audience::Private,
                    text: text.join(" "),
                });
            }
            Command::Note { text } => Wish::Note(text.join(" ")),
            Command::Escalate { team, text } => self.escalation(team.as_deref(), &text.join(" "))?,
            Command::Cancel => Wish::Cancel,
            Command::Approve => return Ok(Ask::Approve { words: None }),
            Command::Reject { reason } => {
                return Ok(Ask::Reject {
                    reason: reason.join(" "),
                });
            }
            Command::Pause { reason } => {
                return Ok(Ask::Pause {
                    paused: true,
                    reason: reason.join(" "),
                });
            }
            Command::Resume => {
                return Ok(Ask::Pause {
                    paused: false,
                    reason: String::new(),
                });
            }
            Command::Resolve { outcome } => Wish::Resolve {
                outcome: outcome.join(" "),
            },
            Command::Reopen => Wish::Reopen,
            Command::Snooze { duration } => {
                let until = TimeDelta::from_std(duration)
                    .ok()
                    .and_then(|by| now.checked_add_signed(by));
                Wish::Snooze {
                    until: until.unwrap_or(now),
                }
            }
            Command::Priority { level } => Wish::Priority(level),
            Command::Kind { kind } => Wish::Kind(kind),
            Command::Label { labels } => label(labels),
            // Looked at, or answered, before.
            Command::Answered { .. } | Command::Show | Command::History | Command::Queue | Command::Mine => {
                return Err(text::help(None));
            }
            Command::Search { .. } | Command::Help { .. } => return Err(text::help(None)),
        }))
    }

    #[expect(clippy::result_large_err, reason = "a refusal is an answer; it is moved once")]
    /// `[TEAM] [REASON]`: the text may begin with the name of a team; one given by itself must exist.
    fn escalation(&self, team: Option<&str>, words: &str) -> Result<Wish, Response> {
        let directory = &self.rules.directory;
        let (team, reason) = match team {
            Some(name) => match directory.team(name.trim()) {
                Some(team) => (team, words),
                None => return Err(text::no_such_team(name, &directory.team_names())),
            },
            None => match directory.begins_with_team(words) {
                Some(found) => found,
                None => (directory.teams.first().ok_or_else(text::no_team)?, words),
            },
        };
        Ok(Wish::Escalate {
            team: team.name.clone(),
            reason: reason.trim().to_owned(),
        })
    }

    /// The case of the thread that somebody acted in.
    async fn implied(&self, given: &Given) -> Result<Option<CaseNumber>, Unavailable> {
        let Some(thread) = &given.place.thread else {
            return Ok(None);
        };
        let channel = given.place.channel.as_ref();
        Ok(self.store.case_of_thread(&given.by.chat, channel, thread).await?)
    }

    /// The case of a thread that may just be opening: people see it, and can act in it, a moment before
    /// the chat's answer has come to us and is stored.
    async fn just_opened(&self, given: &Given) -> Result<Option<CaseNumber>, Unavailable> {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Some(case) = self.implied(given).await? {
                return Ok(Some(case));
            }
        }
        Ok(None)
    }

    /// Case numbers that begin with what was typed, with a line about each; at most 25.
    /// Empty for people without a role.
    pub async fn suggest(&self, by: &Person, typed: &str) -> Vec<(CaseNumber, String)> {
        if self.rules.directory.recognise(by).is_none() {
            return Vec::new();
        }
        read::suggest(self, typed).await.unwrap_or_default()
    }

    /// Sees whether somebody outside stopped publishing, or let it go on, and lets the log and the cards
    /// say so. To be called every second or so; a claim looks by itself.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn look_at_pauses(&self) -> Result<(), Unavailable> {
        if self.store.pauses().await?.iter().all(|row| row.logged) {
            return Ok(());
        }
        self.ask(|answer| Request::LookAtPauses { answer }).await
    }

    /// Tells the team about something that is no case. Committed when this returns.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn announce(&self, notice: Notice) -> Result<(), Unavailable> {
        self.ask(|answer| Request::Announce { notice, answer }).await
    }

    /// Keeps something that could not be understood, for people to look at.
    ///
    /// # Errors
    /// Nothing was stored: do not acknowledge.
    pub async fn set_aside(&self, origin: &str, reason: &str, raw: &str) -> Result<(), Unavailable> {
        let (origin, reason, raw) = (origin.to_owned(), reason.to_owned(), raw.to_owned());
        self.ask(|answer| Request::Aside {
            origin,
            reason,
            raw,
            answer,
        })
        .await
    }

    pub(super) async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Unavailable("Hearback is shutting down".to_owned());
        self.requests.send(request(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl From<crate::store::Error> for Unavailable {
    fn from(error: crate::store::Error) -> Self {
        Self(error.to_string())
    }
}
