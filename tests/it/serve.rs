//! What strangers may do to the server's connections.

use axum::Router;
use axum::routing::get;
use hearback::web;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a test waits before it fails.
const GUARD: Duration = Duration::from_secs(10);

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn served(router: Router, patience: Duration) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(web::serve(listener, router, patience, stop.clone()));
    tasks.close();
    Served { address, stop, tasks }
}

/// All that is said until the other side closes.
async fn rest(stream: &mut TcpStream, what: &str) -> String {
    let mut out = Vec::new();
    // A reset closes as well.
    let _ = within(what, stream.read_to_end(&mut out)).await;
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn who_sends_no_request_is_not_waited_for() {
    let server = served(Router::new(), Duration::from_millis(100)).await;
    for begun in [
        "",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let said = rest(&mut stream, begun).await;
        let answered = begun.ends_with("\r\n\r\n");
        assert_eq!(said.starts_with("HTTP/1.1 404"), answered, "{begun:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_ends() {
    static BEGUN: Notify = Notify::const_new();
    static GO_ON: Notify = Notify::const_new();
    let slow = get(async || {
        BEGUN.notify_one();
        GO_ON.notified().await;
        "the end"
    });
    let server = served(Router::new().route("/", slow), GUARD).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let idle = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within("the request begins", BEGUN.notified()).await;
    server.stop.cancel();
    GO_ON.notify_one();
    assert!(rest(&mut stream, "the answer").await.ends_with("the end"));
    within(
        "the server ends, however many only sit there",
        server.tasks.wait(),
    )
    .await;
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_not_waited_for() {
    // More than the kernel keeps for a connection on both of its ends.
    let much = get(async || vec![b'x'; 64 << 20]);
    let server = served(Router::new().route("/", much), Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    within("the answer begins", stream.read_exact(&mut first))
        .await
        .unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    server.stop.cancel();
    within("the server ends, though nobody reads", server.tasks.wait()).await;
}

#[tokio::test]
async fn who_reads_slowly_gets_the_whole_answer() {
    let much = get(async || vec![b'x'; 16 << 20]);
    let server = served(Router::new().route("/", much), GUARD).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut stream, "the answer").await.len() > 16 << 20);
}
