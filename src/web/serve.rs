//! Serving connections, with a limit on how long one may sit there without a request, or without
//! reading its answer.
//!
//! `axum::serve` has no such limit: a stranger who opens connections and sends a byte now and then
//! (or none) would keep them for ever, until there are no more file descriptors for anybody.

use super::patient::Patient;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a request's head may take, how long a connection may wait for its next request, and how
/// long it may read nothing of an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be taken, for example for want of file descriptors.
const RESPITE: Duration = Duration::from_secs(1);

/// Serves until `stop`; then takes no new connection, and ends when the requests under way are
/// answered.
pub async fn serve(listener: TcpListener, router: Router, patience: Duration, stop: CancellationToken) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience);
    let open = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The stranger went away before we took them in.
            Err(error) if is_theirs(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "No connection can be taken.");
                stop.run_until_cancelled(tokio::time::sleep(RESPITE)).await;
                continue;
            }
        };
        // Small answers must not wait for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A connection was gone at once.");
        }
        let (server, router, stop) = (server.clone(), router.clone(), stop.clone());
        let watcher = open.watcher();
        tasks.spawn(async move {
            // The limit on a request's head begins with its first byte.
            let mut first = [0];
            let begun = tokio::time::timeout(patience, stream.peek(&mut first));
            let Some(Ok(Ok(1))) = stop.run_until_cancelled(begun).await else {
                return;
            };
            let service = TowerToHyperService::new(router);
            let connection =
                server.serve_connection_with_upgrades(TokioIo::new(Patient::new(stream, patience)), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::trace!(error, "A connection ended early.");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
    tasks.close();
    tasks.wait().await;
}

fn is_theirs(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
