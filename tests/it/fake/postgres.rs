//! A throw-away PostgreSQL: a real server, started once for the test process, that ends with it.
//!
//! `HEARBACK_TEST_POSTGRES` names another server instead (a URL whose user may create databases).
//! With neither, the PostgreSQL tests are skipped, unless `HEARBACK_TEST_REQUIRE` says `postgres`.

use sqlx::{Connection as _, Executor as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes the server, waits until our end of its input closes (we ended, however), and clears it away.
const WATCHDOG: &str = r#"
set -e
home=$(mktemp -d "${TMPDIR:-/tmp}/hearback-postgres.XXXXXX")
cd "$home"
trap '"$1/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1; rm -rf "$home"' EXIT
trap 'exit 1' INT TERM HUP
"$1/initdb" -D "$home/data" -U hearback -A trust -E UTF8 --locale=C --no-sync >"$home/log" 2>&1 \
    || { cat "$home/log" >&2; exit 1; }
"$1/pg_ctl" -D "$home/data" -w -l "$home/log" -o "-p $2 -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c max_connections=200 -c shared_buffers=32MB" start >/dev/null 2>&1 \
    || { cat "$home/log" >&2; exit 1; }
echo ready
read -r _ || true
"#;

/// The address of a fresh, empty database, or `None` where there is no PostgreSQL.
pub async fn database() -> Option<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = tokio::task::spawn_blocking(server).await.unwrap()?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        "hearback_{}_{count}_{:08x}",
        std::process::id(),
        rand::random::<u32>()
    );
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    connection
        .execute(sqlx::AssertSqlSafe(create))
        .await
        .expect("the test server lets us make databases");
    connection.close().await.unwrap();
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&name);
    Some(url.into())
}

/// The server's address.
fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(find_or_start).as_deref()
}

fn find_or_start() -> Option<String> {
    if let Some(url) = environment("HEARBACK_TEST_POSTGRES") {
        return Some(url);
    }
    if let Some(bin) = programs() {
        return Some(start(&bin));
    }
    let required = environment("HEARBACK_TEST_REQUIRE").is_some_and(|names| names.contains("postgres"));
    assert!(
        !required,
        "PostgreSQL is required, and neither initdb nor HEARBACK_TEST_POSTGRES is there"
    );
    // Past the capture of the test harness: a skipped test should be seen.
    let _ = writeln!(
        std::io::stderr(),
        "PostgreSQL tests are skipped: no initdb was found and HEARBACK_TEST_POSTGRES is not set"
    );
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run is steered by the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder of `initdb`, `pg_ctl` and `postgres`.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    let path = environment("PATH").unwrap_or_default();
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    installed.sort();
    std::env::split_paths(&path)
        .chain(installed.into_iter().rev())
        .find(complete)
}

fn start(bin: &Path) -> String {
    /// Its input stays open as long as this process lives.
    static WATCHED: OnceLock<Child> = OnceLock::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut child = as_nobody_in_particular()
        .args(["sh", "-c", WATCHDOG, "watchdog"])
        .arg(bin)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(
        line.trim(),
        "ready",
        "PostgreSQL of {} does not start; see above",
        bin.display()
    );
    WATCHED.set(child).unwrap();
    format!("postgres://hearback@127.0.0.1:{port}/postgres")
}

/// PostgreSQL refuses to be run by root.
fn as_nobody_in_particular() -> Command {
    let id = |args: &[&str]| {
        let out = Command::new("id")
            .args(args)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return Command::new("env");
    }
    let user = if id(&["-u", "postgres"]).is_some() {
        "postgres"
    } else {
        "nobody"
    };
    let (uid, gid) = (id(&["-u", user]).unwrap(), id(&["-g", user]).unwrap());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
    command
}
