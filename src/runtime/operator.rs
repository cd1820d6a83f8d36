//! `hearback replies`, `pause` and `resume`: what an operator sees and says, beside a running process or
//! without one.

use super::adapters::{Adapters, Surroundings};
use super::commands::load;
use super::{core, link, seal, vault};
use crate::app::{self, App, Outside, Response, Verdict, text};
use crate::cli::replies::{self, Attempt, Finding, Happened, History, List, Resolve, Show, What};
use crate::cli::switch::{self, Pause, Resume, Stop, Thrown};
use crate::cli::{Exit, Reported};
use crate::config::{self, Config, Source};
use crate::domain::{Clock, EventId, Reply, ReplyId, ReplyState, SourceName, SystemClock};
use crate::store::{self, Changes, OrderRow, PauseRow, Store};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use std::io::stdout;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the running process may take to carry out an order.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it did.
const LOOK: Duration = Duration::from_millis(100);
/// How often the switch is tried. Each time a database that is locked is waited for, five seconds long.
const TRIES: u32 = 12;
/// What a command says first when the database does not let it work.
pub(super) const DATABASE: &str = "Cannot use the database";

/// `hearback replies`
pub(super) async fn replies(what: What) -> anyhow::Result<Exit> {
    let config = match load(what.configured()) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    match what {
        What::List(args) => list(&config, &args).await,
        What::Show(args) => show(&config, &args).await,
        What::Resolve(args) => resolve(&config, args).await,
    }
}

async fn list(config: &Config, args: &List) -> anyhow::Result<Exit> {
    let List {
        state,
        limit,
        reported: Reported { json, .. },
    } = args;
    let store = join(config).await?;
    let found = newest(&store, *state, *limit).await.context(DATABASE)?;
    store.close().await;
    Ok(replies::list(&found, *state, *json, &mut stdout())?)
}

/// The newest replies in this state. Those without an end are few and have an index; of the others the
/// newest ones are near.
async fn newest(store: &Store, state: Option<ReplyState>, limit: i64) -> store::Result<Vec<Reply>> {
    let Some(state) = state.filter(|state| state.is_open()) else {
        return store.replies_in(state.map_or("", ReplyState::word), limit).await;
    };
    let mut found = store.open_replies().await?;
    found.retain(|reply| reply.state == state);
    found.reverse();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

async fn show(config: &Config, args: &Show) -> anyhow::Result<Exit> {
    let Show {
        id,
        reported: Reported { json, .. },
    } = args;
    let store = join(config).await?;
    let history = history(&store, *id).await.context(DATABASE)?;
    store.close().await;
    Ok(match history {
        Some(history) => replies::show(&history, *json, &mut stdout())?,
        None => replies::unknown(*id, *json, &mut stdout())?,
    })
}

async fn history(store: &Store, id: ReplyId) -> store::Result<Option<History>> {
    let Some(reply) = one(store, id).await? else {
        return Ok(None);
    };
    let attempts = store.attempts(id).await?.into_iter().map(|row| Attempt {
        fence: row.fence,
        at: row.at,
        what: row.what,
        detail: row.detail,
    });
    let log = store.events_of(reply.case, EventId(0), i64::MAX).await?;
    let about = log.into_iter().filter(|record| record.event.reply() == Some(id));
    let events = about.map(|record| Happened {
        words: text::brief(&record.event),
        record,
    });
    let waits = matches!(reply.state, ReplyState::Held | ReplyState::Queued);
    let pauses = if waits { store.pauses().await? } else { Vec::new() };
    let stops =
        |row: &&PauseRow| row.paused && row.source.as_ref().is_none_or(|source| *source == reply.source);
    let paused = pauses
        .iter()
        .find(stops)
        .map(|row| text::paused_line(&in_force(row)));
    Ok(Some(History {
        attempts: attempts.collect(),
        events: events.collect(),
        paused,
        reply,
    }))
}

fn in_force(row: &PauseRow) -> app::Pause {
    app::Pause {
        by: row.by.clone(),
        reason: row.reason.clone(),
        at: row.at,
    }
}

async fn one(store: &Store, id: ReplyId) -> store::Result<Option<Reply>> {
    Ok(store.replies(&[id]).await?.into_iter().next())
}

/// `hearback pause`
pub(super) async fn pause(args: Pause) -> anyhow::Result<Exit> {
    let Pause {
        source,
        reason,
        by,
        reported,
    } = args;
    throw(reported, source, Some(reason), by).await
}

/// `hearback resume`
pub(super) async fn resume(args: Resume) -> anyhow::Result<Exit> {
    let Resume { source, by, reported } = args;
    throw(reported, source, None, by).await
}

/// Pauses for a reason, or lets publishing go on. The row is what every claim of a reply looks at, so
/// nobody has to be running, or to be well, for it to count.
async fn throw(
    Reported { configured, json }: Reported,
    source: Option<String>,
    reason: Option<String>,
    by: Option<String>,
) -> anyhow::Result<Exit> {
    let config = match load(&configured) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(name) = &source
        && let Err(unknown) = source_of(&config, name)
    {
        eprintln!("{unknown}");
        return Ok(Exit::Usage);
    }
    // Nobody is kept from stopping things for want of a name.
    let by = name(by).unwrap_or_else(|| "somebody".to_owned());
    let store = join(&config).await?;
    let rows = store.pauses().await.context(DATABASE)?;
    let in_force = rows.into_iter().filter(|row| row.paused).map(stop);
    let (before, others): (Vec<_>, Vec<_>) = in_force.partition(|stop| stop.source == source);
    let before = before.into_iter().next();
    let thrown = Thrown {
        paused: reason.is_some(),
        already: reason.is_some() == before.is_some(),
        before,
        others,
        source,
    };
    if !thrown.already {
        let row = PauseRow {
            source: thrown.source.as_ref().map(SourceName::new),
            paused: thrown.paused,
            at: SystemClock.now(),
            by,
            reason: reason.unwrap_or_default().trim().to_owned(),
            logged: false,
        };
        let changes = Changes {
            pauses: vec![row],
            ..Changes::default()
        };
        insist(&store, changes).await?;
    }
    store.close().await;
    Ok(switch::report(&thrown, json, &mut stdout())?)
}

/// Writes it as soon as the database can be written to: a process that was stopped or hangs in the middle
/// of a commit holds up every other writer of SQLite's, until it goes on or ends.
async fn insist(store: &Store, changes: Changes) -> anyhow::Result<()> {
    const HELD: &str = "the database cannot be written to. If Hearback hangs, end it with kill -9: nothing is \
                        published while it does not run, and nothing that was accepted is lost";
    let mut tries = 1;
    loop {
        match store.commit(changes.clone()).await {
            Ok(()) => return Ok(()),
            Err(store::Error::Unavailable(_)) if tries < TRIES => {
                if tries == 1 {
                    eprintln!("hearback: waiting, as {HELD}.");
                }
                tries += 1;
                sleep(LOOK).await;
            }
            Err(error) => return Err(error).with_context(|| format!("Nothing changed: {HELD}")),
        }
    }
}

fn stop(row: PauseRow) -> Stop {
    Stop {
        source: row.source.map(|source| source.to_string()),
        by: row.by,
        at: row.at,
        reason: row.reason,
    }
}

/// Whether the configuration has a source of this name; why not, for people.
pub(super) fn source_of(config: &Config, name: &str) -> Result<(), String> {
    let known: Vec<_> = config.sources.iter().map(Source::name).collect();
    if known.contains(&name) {
        return Ok(());
    }
    let mend = config::suggestion(name, &known);
    Err(format!(
        "hearback: there is no [[source]] called {name:?} in the configuration; {mend}"
    ))
}

/// Who acts: as they say, or as this machine knows them.
pub(super) fn name(by: Option<String>) -> Option<String> {
    let name = by.or_else(|| whoami::username().ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

async fn resolve(config: &Config, args: Resolve) -> anyhow::Result<Exit> {
    let Resolve {
        id,
        finding,
        by,
        reported: Reported { json, .. },
    } = args;
    let Some(by) = name(by) else {
        eprintln!("hearback: this machine does not tell who you are; give your name with --by NAME");
        return Ok(Exit::Usage);
    };
    let guest = join(config).await?;
    let Some(reply) = one(&guest, id).await.context(DATABASE)? else {
        return Ok(replies::unknown(id, json, &mut stdout())?);
    };
    if reply.state != ReplyState::NeedsHuman {
        return Ok(replies::not_asked(&reply, json, &mut stdout())?);
    }
    let outside = Outside::Resolve {
        reply: id,
        verdict: verdict(finding),
    };
    let (answer, alone) = order(config, &guest, &outside, by).await?;
    let (answer, done) = match answer {
        Response::Done(message) => (message.plain(), true),
        Response::Refused(message) => (message.plain(), false),
        Response::Ask(_) => ("The answer was a question; nothing changed.".to_owned(), false),
    };
    let reply = one(&guest, id).await.context(DATABASE)?;
    guest.close().await;
    let later = alone && done;
    Ok(replies::resolved(
        &answer,
        done,
        reply.as_ref(),
        later,
        json,
        &mut stdout(),
    )?)
}

/// Has it carried out: by the running process, or here where none runs (then the second is true).
pub(super) async fn order(
    config: &Config,
    guest: &Store,
    outside: &Outside,
    by: String,
) -> anyhow::Result<(Response, bool)> {
    let key = [store::random_name(), store::random_name()].concat();
    let row = outside.row(key, by, SystemClock.now())?;
    match Store::claim(config.database.url.expose_secret()).await {
        Ok(store) => Ok((carry_out(config, store, row).await?, true)),
        Err(store::Error::Taken) => Ok((hand_over(guest, row).await?, false)),
        Err(error) => Err(error).context(DATABASE),
    }
}

fn verdict(finding: Finding) -> Verdict {
    // Exactly one is given; the command line saw to it.
    match finding {
        Finding {
            there: Some(address), ..
        } => Verdict::There { address },
        Finding { give_up: true, .. } => Verdict::GiveUp,
        Finding { .. } => Verdict::NotThere,
    }
}

/// Lets the running process carry it out. Without an answer in time the order is taken back.
async fn hand_over(guest: &Store, row: OrderRow) -> anyhow::Result<Response> {
    let key = row.key.clone();
    give(guest, row).await?;
    let answered = async {
        loop {
            if let Some(answer) = guest.answer_to(&key).await? {
                return Ok::<_, store::Error>(answer);
            }
            sleep(LOOK).await;
        }
    };
    let answer = match timeout(PATIENCE, answered).await {
        Ok(answer) => Some(answer.context(DATABASE)?),
        Err(_) => {
            // Where it is answered after all, that counts.
            guest.withdraw_order(&key).await.context(DATABASE)?;
            guest.answer_to(&key).await.context(DATABASE)?
        }
    };
    let answer = answer.with_context(|| {
        format!(
            "Hearback runs on this database, but did not answer within {} s, so the order was taken back and nothing \
             changed. See whether it hangs (/readyz), or whether the clocks of the two machines differ",
            PATIENCE.as_secs()
        )
    })?;
    read(&answer)
}

/// Carries it out here, as the one process on the database: the core and the networks, without chats'
/// connections and without deliveries.
async fn carry_out(config: &Config, store: Store, row: OrderRow) -> anyhow::Result<Response> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tracker = TaskTracker::new();
    let installation = store.installation().await.context(DATABASE)?;
    let seal = seal::compare(config, &store, &clock, false).await?;
    let adapters = Adapters::build(
        config,
        &Surroundings {
            installation: &installation,
            clock: &clock,
            vault: vault::of(config, &store, &tracker),
            demo: None,
            base: &link(config.server.listen),
        },
    )?;
    let parts = core(config, &store, &adapters, &clock, &seal, CancellationToken::new())?;
    let App {
        inbound,
        reader,
        worker,
        ledger: _,
    } = App::start(parts, &tracker).await.context(DATABASE)?;
    let key = row.key.clone();
    give(&store, row).await?;
    inbound.look_at_orders().await.context(DATABASE)?;
    let answer = store.answer_to(&key).await.context(DATABASE)?;
    if answer.is_none() {
        store.withdraw_order(&key).await.context(DATABASE)?;
    }
    // The ledger ends when nobody holds a way in.
    drop((inbound, reader, worker));
    tracker.close();
    tracker.wait().await;
    seal::close(&seal).await;
    store.close().await;
    read(&answer.context("The order could not be carried out; nothing changed")?)
}

async fn give(store: &Store, row: OrderRow) -> anyhow::Result<()> {
    let changes = Changes {
        orders: vec![row],
        ..Changes::default()
    };
    store.commit(changes).await.context(DATABASE)
}

fn read(answer: &str) -> anyhow::Result<Response> {
    serde_json::from_str(answer).context("The answer of the running Hearback is not understood")
}

/// The database as it is there: made by nobody here, and perhaps another process's.
pub(super) async fn join(config: &Config) -> anyhow::Result<Store> {
    Store::join(config.database.url.expose_secret())
        .await
        .context(DATABASE)
}
