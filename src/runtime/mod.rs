//! The composition root: the only module that knows all others. It builds the core, the chats and the
//! networks from the configuration, connects them, and stops them in order.

mod adapters;
mod commands;
mod connect;
mod hearing;
mod lifecycle;
mod operator;
mod people;
mod records;
mod rules;
mod seal;
mod signal;
mod vault;

pub use commands::run;
pub use lifecycle::Lifecycle;
pub use signal::Signals;

use crate::adapter::link::Link;
use crate::adapter::meters::Meters;
use crate::app::{App, Inbound, Parts, Reader, Worker};
use crate::config::Config;
use crate::domain::{Clock, ShiftedClock, SystemClock};
use crate::store::{self, Seal, Store};
use crate::web::{self, Hosts};
use adapters::{Adapters, Front, Surroundings};
use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long inbox keys are remembered: longer than any chat redelivers.
const REMEMBER: chrono::TimeDelta = chrono::TimeDelta::days(3);
/// How often old inbox keys are forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// Clocks that differ by less count as the same: asking takes time, too.
const SAME_TIME: chrono::TimeDelta = chrono::TimeDelta::milliseconds(500);
/// How often the lock on the database is looked after.
const KEEP_LOCK: Duration = Duration::from_secs(10);
/// How often the samples of histograms are put into their buckets; otherwise they pile up until
/// somebody asks for `/metrics`.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody paused publishing from outside.
const SWITCH: Duration = Duration::from_secs(1);
/// How often it is looked whether a command line ordered something.
const ORDERS: Duration = Duration::from_secs(1);
/// How often the meters of the sources are looked at: what was used since is forgotten by a crash.
const METERS: Duration = Duration::from_secs(10);
/// How long closing the database may take.
const CLOSE: Duration = Duration::from_secs(5);

/// How a process differs from `hearback serve`.
pub struct Options {
    /// Where the time comes from, if not from the machine and the database.
    pub clock: Option<Arc<dyn Clock>>,
    /// The demo: the console is served, and the playground lives in this folder.
    pub demo: Option<PathBuf>,
    /// Whether sample complaints arrive by themselves.
    pub samples: bool,
    /// Whether the worker is stepped by hand instead of running.
    pub stepped: bool,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// A running Hearback.
pub struct Running {
    /// Where its server listens.
    pub addr: SocketAddr,
    /// The way in.
    pub inbound: Inbound,
    /// Reads.
    pub reader: Reader,
    /// The worker, when it is stepped by hand.
    pub worker: Option<Worker>,
    /// Its connections.
    pub links: Vec<Link>,
    lifecycle: Lifecycle,
    store: Store,
    seal: Seal,
}

impl Running {
    /// Builds everything and connects it. It is ready when this returns, except for connections to
    /// other machines, which come up behind it.
    ///
    /// # Errors
    /// The database cannot be opened, is in use by another Hearback, or an adapter cannot be built.
    pub async fn start(config: &Config, listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        let Options {
            clock,
            demo,
            samples,
            stepped,
            metrics,
        } = options;
        let lifecycle = Lifecycle::default();
        let addr = listener
            .local_addr()
            .context("Cannot tell the address of the server")?;
        let store = Store::claim(config.database.url.expose_secret())
            .await
            .context("Cannot use the database")?;
        let clock = match clock {
            Some(clock) => clock,
            None => clock_of(&store).await.context("Cannot read the database")?,
        };
        let installation = store.installation().await.context("Cannot read the database")?;
        let seal = seal::compare(config, &store, &clock, demo.is_some()).await?;
        let surroundings = Surroundings {
            installation: &installation,
            clock: &clock,
            vault: vault::of(config, &store, &lifecycle.tasks),
            demo: demo.as_ref(),
            base: &link(addr),
        };
        let adapters = Adapters::build(config, &surroundings)?;
        let core = core(config, &store, &adapters, &clock, &seal, lifecycle.soft.clone())?;
        let App {
            inbound,
            reader,
            mut worker,
            ledger,
        } = App::start(core, &lifecycle.tasks)
            .await
            .context("Cannot read the database")?;
        lifecycle.watch("ledger", ledger);
        worker.recover().await.context("Cannot read the outbox")?;
        let links = adapters.links();
        let front = Front {
            links: links.clone(),
            metrics: metrics.clone(),
            hosts: hosts(config),
        };
        let router = adapters.router(&lifecycle.soft, &inbound, &reader, front);
        lifecycle.spawn(
            "server",
            web::serve(listener, router, web::PATIENCE, lifecycle.soft.clone()),
        );
        let meters = Meters::new(adapters.networks.clone());
        let watched = watch_meters(meters, inbound.clone(), Arc::clone(&clock));
        lifecycle.spawn_soft("watch on meters", watched);
        adapters.connect(&lifecycle, &inbound, samples && demo.is_some());
        keep_house(&lifecycle, &store, &seal, clock, (metrics, config.listen.keep));
        lifecycle.spawn_soft("watch on the switch", watch_switch(inbound.clone()));
        lifecycle.spawn_soft("watch on orders", watch_orders(inbound.clone()));
        let worker = if stepped {
            Some(worker)
        } else {
            lifecycle.spawn("worker", worker.run());
            None
        };
        tracing::info!(%addr, "Hearback is ready.");
        Ok(Self {
            addr,
            inbound,
            reader,
            worker,
            links,
            lifecycle,
            store,
            seal,
        })
    }

    /// Runs until a signal or a failure, then stops.
    ///
    /// # Errors
    /// Signals cannot be watched, not everything could be ended in order, or Hearback could not go on.
    pub async fn until_signal(self) -> anyhow::Result<()> {
        let mut signals = Signals::watch().context("Cannot watch for signals")?;
        self.lifecycle.signalled(&mut signals).await;
        tracing::info!(
            "Stopping: nothing new is taken in, what is under way ends. A second signal stops at once."
        );
        self.end(&mut signals).await
    }

    /// Stops: softly first, then closes the database.
    ///
    /// # Errors
    /// Something had to be dropped, or Hearback could not go on. What was committed is delivered
    /// after the next start.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.end(&mut Signals::none()).await
    }

    /// The same, and at once when a signal comes.
    async fn end(self, signals: &mut Signals) -> anyhow::Result<()> {
        let Self {
            inbound,
            reader,
            worker,
            lifecycle,
            store,
            seal,
            addr: _,
            links: _,
        } = self;
        lifecycle.soft.cancel();
        crash_point!(K22);
        // The ledger ends when nobody holds a way in.
        drop((inbound, reader, worker));
        let soft = lifecycle.stop(signals).await;
        if soft {
            seal::close(&seal).await;
        }
        crash_point!(K22);
        let limit = if soft { CLOSE } else { lifecycle::HARD_LIMIT };
        let closed = tokio::select! {
            closed = timeout(limit, store.close()) => closed.is_ok(),
            () = signals.next() => false,
        };
        if let Some(reason) = lifecycle.failure() {
            anyhow::bail!("Stopped because {reason}");
        }
        anyhow::ensure!(soft && closed, "Stopped before everything was ended in order");
        Ok(())
    }
}

/// What the core is made of: the configuration's rules, these adapters, this database.
fn core(
    config: &Config,
    store: &Store,
    adapters: &Adapters,
    clock: &Arc<dyn Clock>,
    seal: &Seal,
    stop: CancellationToken,
) -> anyhow::Result<Parts> {
    Ok(Parts {
        store: store.clone(),
        directory: people::directory(config, adapters.console.is_some()),
        chats: adapters.chats(),
        networks: adapters.networks(),
        clock: Arc::clone(clock),
        hold: config.reply.hold,
        timeout: config.reply.timeout,
        settle: config.reply.settle,
        attachments: adapters.attachments.clone(),
        approvals: people::approvals(config),
        approval_expires: config.reply.approval_expires,
        care: config.care.clone(),
        hearing: hearing::of(config)?,
        standing: seal.standing(),
        seal: Some(seal.clone()),
        stop,
    })
}

/// Where a browser on this machine finds a server that listens here. An address that stands for all
/// of the machine's is none that every browser can open.
fn link(listening: SocketAddr) -> String {
    let port = listening.port();
    let ip = match listening {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => listening.ip(),
    };
    format!("http://{}", SocketAddr::new(ip, port))
}

/// The clock by which everything here goes: the machine's, set to the database's where that is another
/// one's, so that leases and deadlines mean the same to whichever machine takes over.
async fn clock_of(store: &Store) -> Result<Arc<dyn Clock>, store::Error> {
    let machine = SystemClock.now();
    let ahead = store
        .now()
        .await?
        .map_or(chrono::TimeDelta::zero(), |now| now - machine);
    // In the kill rig the clock hurries on purpose.
    if cfg!(feature = "rig") || ahead.abs() < SAME_TIME {
        return Ok(Arc::new(SystemClock));
    }
    tracing::warn!(
        seconds = ahead.num_seconds(),
        "The database's clock is ahead of this machine's by so much (behind, if negative); its clock counts."
    );
    Ok(Arc::new(ShiftedClock::ahead(ahead)))
}

/// Looks after the lock on the database, and stops the process when another one has it.
async fn keep_lock(store: Store, lifecycle: Lifecycle) {
    loop {
        sleep(KEEP_LOCK).await;
        match store.keep_lock().await {
            Ok(()) => {}
            Err(store::Error::Taken) => lifecycle.fail("another Hearback took over the database".to_owned()),
            // Without a database nothing is written either: there is nothing to be afraid of.
            Err(error) => tracing::warn!(%error, "The lock on the database cannot be looked after."),
        }
    }
}

/// Shows what `hearback pause` and `hearback resume` said.
async fn watch_switch(inbound: Inbound) {
    loop {
        sleep(SWITCH).await;
        // Without a database nothing is published either.
        if let Err(error) = inbound.look_at_pauses().await {
            tracing::debug!(%error, "It cannot be seen whether publishing was paused.");
        }
    }
}

/// Carries out what command lines order.
async fn watch_orders(inbound: Inbound) {
    loop {
        sleep(ORDERS).await;
        if let Err(error) = inbound.look_at_orders().await {
            tracing::debug!(%error, "It cannot be seen whether something was ordered.");
        }
    }
}

/// Lets the team know before a quota or an allowance runs out.
async fn watch_meters(mut meters: Meters, inbound: Inbound, clock: Arc<dyn Clock>) {
    loop {
        if let Err(error) = meters.look(&inbound, clock.now()).await {
            tracing::debug!(%error, "What was used of quotas cannot be kept.");
        }
        sleep(METERS).await;
    }
}

async fn upkeep(metrics: PrometheusHandle) {
    loop {
        sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// The name under which the server is reached from outside.
fn hosts(config: &Config) -> Hosts {
    let public = config.server.public_url.as_ref();
    Hosts::also(public.and_then(|url| url.host_str().map(str::to_owned)))
}

/// Starts what has to be done again and again.
fn keep_house(
    lifecycle: &Lifecycle,
    store: &Store,
    seal: &Seal,
    clock: Arc<dyn Clock>,
    (metrics, keep): (PrometheusHandle, Duration),
) {
    lifecycle.spawn_soft("watch on the seal", seal::keep(seal.clone(), lifecycle.clone()));
    lifecycle.spawn_soft("sweep", forget(store.clone(), clock, keep));
    lifecycle.spawn_soft("watch on the lock", keep_lock(store.clone(), lifecycle.clone()));
    lifecycle.spawn_soft("upkeep of metrics", upkeep(metrics));
}

/// Forgets old inbox keys, and what rules passed over, now and then.
async fn forget(store: Store, clock: Arc<dyn Clock>, keep: Duration) {
    let keep = chrono::TimeDelta::from_std(keep).unwrap_or_default();
    loop {
        if let Err(error) = store.forget_unheard(clock.now() - keep).await {
            tracing::warn!(%error, "Cannot forget what rules passed over.");
        }
        if let Err(error) = store.forget_inbox(clock.now() - REMEMBER).await {
            tracing::warn!(%error, "Cannot forget old commands.");
        }
        sleep(FORGET).await;
    }
}

#[cfg(test)]
mod tests {
    use super::link;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1:8080", "http://127.0.0.1:8080")]
    #[case("192.168.1.4:80", "http://192.168.1.4:80")]
    #[case("0.0.0.0:8080", "http://127.0.0.1:8080")]
    #[case("[::]:8080", "http://[::1]:8080")]
    fn a_link_can_be_opened(#[case] listening: &str, #[case] opened: &str) {
        assert_eq!(link(listening.parse().unwrap()), opened);
    }
}
