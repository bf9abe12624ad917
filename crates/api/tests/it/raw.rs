//! HTTP by hand, for requests that no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest an answer may take: far above any answer, far below "hangs".
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes and reads until the server closes.
pub async fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("the server hangs")
}

/// The status of `GET` on a target of any bytes; `None` where the server closed without an answer.
pub async fn status(address: &str, target: &[u8]) -> Option<u16> {
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"].concat();
    let answer = exchange(address, &request).await;
    let line = String::from_utf8_lossy(&answer).lines().next()?.to_owned();
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// As [`exchange`], saying with the last byte that no more will come.
pub async fn exchange_and_close(address: &str, bytes: &[u8]) -> Vec<u8> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("the server hangs")
}
