//! Server-sent events, as a client reads them.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::app::{ADMIN_KEY, TestApp};

/// A stream, read event by event.
pub struct Reader {
    pub response: Response,
    text: String,
}

impl Reader {
    pub async fn open(app: &TestApp, path: &str) -> Self {
        // With the admin key, for streams that ask for it.
        let request = app.request(Method::GET, path).header("X-API-Key", ADMIN_KEY);
        let response = request.header("Accept-Encoding", "br, gzip").send().await.unwrap();
        Self { response, text: String::new() }
    }

    /// The next event's name, id and data; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(String, u64, Value)> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = field("event: ").map(|name| {
                    (
                        name,
                        field("id: ").unwrap().parse().unwrap(),
                        serde_json::from_str(&field("data: ").unwrap()).unwrap(),
                    )
                });
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.expect("an event");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}
