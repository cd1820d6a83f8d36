//! `hearback connect`: finds the source, its platform's door, and a database to keep the tokens in.

use super::adapters::{Adapters, Surroundings};
use super::{link, vault};
use crate::adapter::connector::Connector;
use crate::cli::connect::{Connect, report, walk};
use crate::cli::{self, Exit};
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::store::Store;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::{Host, Url};

/// Lets a person open the door of a platform.
pub(super) async fn run(config: &Config, connect: &Connect) -> anyhow::Result<Exit> {
    let store = open(config).await?;
    let done = connected(config, &store, connect).await;
    store.close().await;
    done
}

/// The database, beside a process that serves or without one.
async fn open(config: &Config) -> anyhow::Result<Store> {
    let url = config.database.url.expose_secret();
    match Store::join(url).await {
        Ok(store) => Ok(store),
        // It is not there yet, or of an earlier version.
        Err(_) => Store::claim(url).await.context("Cannot use the database"),
    }
}

async fn connected(config: &Config, store: &Store, connect: &Connect) -> anyhow::Result<Exit> {
    let Connect {
        what,
        redirect,
        configured: _,
        json,
    } = connect;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let surroundings = Surroundings {
        installation: "connect",
        clock: &clock,
        vault: vault::of(config, store, &TaskTracker::new()),
        demo: None,
        base: &link(config.server.listen),
    };
    let adapters = Adapters::build(config, &surroundings)?;
    let source = match the_one(config, &adapters.networks, what) {
        Ok(source) => source,
        Err(why) => {
            cli::complain(why);
            return Ok(Exit::Usage);
        }
    };
    let name = source.source().to_string();
    let Some((door, grant)) = source.entrance() else {
        cli::complain(format!(
            "{name} needs no browser: what its platform wants stands in the configuration; config/default.toml \
             says where to get it."
        ));
        return Ok(Exit::Usage);
    };
    let listener = match on_this_machine(redirect) {
        Some(at) => Some(listen(at).await?),
        None => None,
    };
    let done = walk(
        (&door, grant),
        redirect,
        listener,
        a_line(),
        &mut std::io::stderr(),
    )
    .await;
    Ok(report(&name, &done, *json, &mut cli::output())?)
}

/// The source of this name, or the only one of this platform.
fn the_one<'a>(
    config: &Config,
    networks: &'a [Arc<dyn Connector>],
    what: &str,
) -> Result<&'a Arc<dyn Connector>, String> {
    let named = |name: &str| networks.iter().find(|network| network.source().as_str() == name);
    if let Some(source) = named(what) {
        return Ok(source);
    }
    let names: Vec<_> = config
        .sources
        .iter()
        .filter(|source| source.platform() == what)
        .map(|source| source.name())
        .collect();
    match names.as_slice() {
        [] => Err(format!(
            "No source has the platform or the name {what:?}: write a [[source]] with its client_id first."
        )),
        [name] => named(name).ok_or_else(|| format!("{name} has no connection.")),
        several => Err(format!(
            "Several sources have the platform {what}: name one of {}.",
            several.join(", ")
        )),
    }
}

/// Where the browser comes back to, if that is this machine; no other machine reaches such an address. A name
/// is not looked up: `localhost` is what every browser takes it for.
fn on_this_machine(redirect: &Url) -> Option<SocketAddr> {
    let ip: IpAddr = match redirect.host().filter(|_| redirect.scheme() == "http")? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
        Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
        Host::Domain(_) => return None,
    };
    let port = redirect.port_or_known_default()?;
    ip.is_loopback().then_some(SocketAddr::new(ip, port))
}

async fn listen(at: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| {
        format!("Cannot listen on {at}: another program has the port; name another --redirect, here and in the platform's settings")
    })
}

/// A line that somebody types. Read in a thread of its own, which no end of the command has to wait for.
async fn a_line() -> std::io::Result<String> {
    let (typed, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).map(|_| line);
        let _ = typed.send(read);
    });
    line.await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://127.0.0.1:8931/connected", Some("127.0.0.1:8931"))]
    #[case("http://localhost:8931/connected", Some("127.0.0.1:8931"))]
    #[case("http://[::1]/", Some("[::1]:80"))]
    #[case("http://127.0.0.1.evil.example/", None)]
    #[case("http://0.0.0.0:8931/", None)]
    #[case("http://192.168.1.4:8931/", None)]
    #[case("https://localhost:8931/", None)]
    #[case("https://care.example/connected", None)]
    fn only_this_machine_is_listened_on(#[case] redirect: &str, #[case] at: Option<&str>) {
        let at = at.map(|at| at.parse().unwrap());
        assert_eq!(on_this_machine(&Url::parse(redirect).unwrap()), at);
    }
}
