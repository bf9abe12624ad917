//! A server that answers no request properly: a fault injector for clients of HTTP servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Accepts it and never answers.
    Hang,
    /// Answers 500 after a while.
    Error(Duration),
}

/// The server; it ends when dropped.
pub struct FaultyServer {
    /// Where it listens.
    pub url: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FaultyServer {
    /// Starts on a free port.
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(client, fault));
            }
        });
        Self { url, connections, task }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut client: TcpStream, fault: Fault) {
    let mut request = [0; 16 * 1024];
    while let Ok(1..) = client.read(&mut request).await {
        let Fault::Error(after) = fault else { continue };
        tokio::time::sleep(after).await;
        let answer = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
        if client.write_all(answer).await.is_err() {
            return;
        }
    }
}
