//! A TCP proxy in front of a server, which a test can cut off and let through again.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// A proxy in front of one server. It ends, with all its connections, when dropped.
pub struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Proxy {
    /// Starts a proxy on a free port in front of the server that a URL names.
    pub async fn before(url: &str) -> Self {
        let url: Url = url.parse().unwrap();
        let port = url.port_or_known_default().unwrap_or(5432);
        let server = format!("{}:{port}", url.host_str().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, line) = watch::channel(true);
        tokio::spawn(accept(listener, server, line));
        Self { address, whole }
    }

    /// The same URL with the proxy's address.
    pub fn url(&self, url: &str) -> String {
        let mut url: Url = url.parse().unwrap();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.to_string()
    }

    /// Closes every connection, and new ones as soon as they come, as a dead server's host does.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn accept(listener: TcpListener, server: String, line: watch::Receiver<bool>) {
    let mut dropped = line.clone();
    loop {
        tokio::select! {
            // Only when the proxy itself is gone.
            _ = dropped.wait_for(|_| false) => return,
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                if *line.borrow() {
                    tokio::spawn(connect(client, server.clone(), line.clone()));
                }
            }
        }
    }
}

async fn connect(mut client: TcpStream, server: String, mut line: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = line.wait_for(|whole| !whole) => {}
    }
}
