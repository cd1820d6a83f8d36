//! A server whose handlers can cut their own connection: what a platform looks like that did what
//! it was asked and then vanished.

use super::fault::{Fault, Faults};
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// A running server; it ends with this value, and all its connections with it.
pub struct Server {
    /// Where it listens.
    pub url: Url,
    stop: CancellationToken,
}

impl Server {
    /// Serves on a free port of the loopback.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, router)
    }

    /// Serves on a port that was bound before.
    pub fn on(listener: TcpListener, router: Router) -> Self {
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let stop = CancellationToken::new();
        let cut_all = stop.clone();
        let lines = Lines {
            listener,
            stop: stop.clone(),
        };
        let service = router.into_make_service_with_connect_info::<Line>();
        TaskTracker::new().spawn(async move {
            tokio::select! {
                () = cut_all.cancelled() => {}
                served = axum::serve(lines, service).into_future() => served.unwrap(),
            }
        });
        Self { url, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A handler's hold on the connection it answers.
#[derive(Clone)]
pub struct Line(Arc<AtomicBool>);

impl Line {
    /// Closes the connection: no byte of an answer leaves.
    pub fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        Self(stream.io().cut.clone())
    }
}

struct Lines {
    listener: TcpListener,
    stop: CancellationToken,
}

impl Listener for Lines {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, from) = self.listener.accept().await.unwrap();
        let stopped = self.stop.clone();
        let io = Cuttable {
            stream,
            cut: Arc::default(),
            stopped: Box::pin(async move { stopped.cancelled().await }),
        };
        (io, from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

struct Cuttable {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Cuttable {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let stopped = self.stopped.as_mut().poll(context).is_ready();
        if stopped {
            // A future that is ready must not be polled again.
            self.stopped = Box::pin(std::future::ready(()));
        }
        if stopped || self.cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Does what was asked, or what the script says instead.
pub async fn scripted(faults: &Faults, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
    match faults.take(call) {
        None => act(),
        Some(Fault::RateLimited(after)) => {
            let told = [(header::RETRY_AFTER, after)];
            (StatusCode::TOO_MANY_REQUESTS, told, error("Too many requests")).into_response()
        }
        Some(Fault::Status(status)) => answer(status),
        Some(Fault::StatusButDone(status)) => {
            act();
            answer(status)
        }
        Some(Fault::AcceptThenDrop) => {
            act();
            line.cut();
            answer(500)
        }
        Some(Fault::Drop) => {
            line.cut();
            answer(500)
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Garbage) => {
            act();
            (StatusCode::OK, "<html>It works!</html>").into_response()
        }
    }
}

fn answer(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, error(status.canonical_reason().unwrap_or("scripted"))).into_response()
}

/// The body of a refusal.
pub fn error(text: &str) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "error": text }))
}
