//! A door between a client and its server, that can be shut: the client's connections break, and the
//! server does not hear of it, as when a network breaks in between.

use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The door; it is gone with this value.
pub struct Door {
    /// Where the client knocks.
    pub address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Door {
    /// An open door before this server.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, seen) = watch::channel(true);
        let tasks = TaskTracker::new();
        let inner = tasks.clone();
        tasks.spawn(async move {
            let mut gone = seen.clone();
            let serving = async {
                while let Ok((client, _)) = listener.accept().await {
                    inner.spawn(lead(client, server, seen.clone()));
                }
            };
            tokio::select! {
                () = serving => {}
                _ = gone.wait_for(|_| false) => {}
            }
        });
        Self { address, open }
    }

    /// Breaks all connections, and takes no new ones.
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn lead(mut client: TcpStream, server: SocketAddr, mut open: watch::Receiver<bool>) {
    if !*open.borrow() {
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    let cut = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        shut = open.wait_for(|open| !open) => shut.is_ok(),
    };
    drop(client);
    if cut {
        // The server's side stays until the door is gone.
        let _ = open.wait_for(|_| false).await;
    }
}
