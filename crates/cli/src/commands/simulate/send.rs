//! Sends posts when they are due, with retries.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use domain::events::{Event, Fact, ViewerReview};
use futures::StreamExt;
use futures::stream::poll_fn;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::api::{Api, Failure};
use super::report::Report;

/// Number of retries of a post. With their waits they span about 20 s, enough for an API that restarts.
const RETRIES: usize = 6;
/// First wait before a retry; it doubles each time, with jitter.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// Longest wait before a retry.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A request and its due time. Its facts have ids, so sending it twice has no further effect.
pub(super) struct Post {
    due: Instant,
    body: Body,
}

enum Body {
    Events(Vec<Event>),
    Review(Box<ViewerReview>),
}

impl Post {
    /// Returns the number of facts in the post.
    pub(super) fn len(&self) -> u64 {
        match &self.body {
            Body::Events(events) => events.len() as u64,
            Body::Review(_) => 1,
        }
    }

    fn request(&self) -> serde_json::Result<(&'static str, Vec<u8>)> {
        Ok(match &self.body {
            Body::Events(events) => ("/api/v1/events", serde_json::to_vec(events)?),
            Body::Review(review) => ("/api/v1/reviews", serde_json::to_vec(review)?),
        })
    }
}

/// Groups facts into posts as the API accepts them: all events in one, each review in one of its own.
pub(super) fn posts(due: Instant, facts: impl Iterator<Item = Fact>) -> Vec<Post> {
    let (mut events, mut posts) = (Vec::new(), Vec::new());
    for fact in facts {
        match fact {
            Fact::Event(event) => events.push(event),
            Fact::Review(review) => posts.push(Post { due, body: Body::Review(Box::new(review)) }),
        }
    }
    if !events.is_empty() {
        posts.push(Post { due, body: Body::Events(events) });
    }
    posts
}

/// Sends due posts over `connections` concurrent connections, until the queue is closed and empty.
pub(super) async fn run(api: Arc<Api>, report: Arc<Report>, mut due: mpsc::Receiver<Post>, connections: usize) {
    let posts = poll_fn(move |context| due.poll_recv(context));
    posts.for_each_concurrent(connections, |post| send(&api, &report, post)).await;
}

async fn send(api: &Api, report: &Report, post: Post) {
    let Ok((path, body)) = post.request() else { return report.given_up(post.len()) };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .with_max_times(RETRIES)
        .with_jitter();
    let answer = (|| api.post(path, body.clone()))
        .retry(backoff)
        .sleep(tokio::time::sleep)
        .when(|failure| matches!(failure, Failure::Transient))
        .notify(|_, _| report.retried())
        .await;
    match (answer, &post.body) {
        (Ok(said), Body::Events(events)) => {
            let rejected = codes(&said);
            report.accepted(events.len() as u64 - rejected.len() as u64, 0, post.due.elapsed());
            rejected.iter().for_each(|code| report.rejected(code, 1));
        }
        (Ok(_), Body::Review(_)) => report.accepted(0, 1, post.due.elapsed()),
        (Err(Failure::Refused(code)), _) => report.rejected(&code, post.len()),
        (Err(Failure::Transient), _) => report.given_up(post.len()),
    }
}

/// Returns the problem codes of the rejected items of an array.
fn codes(said: &Value) -> Vec<&str> {
    let rejected = said["rejected"].as_array().map(Vec::as_slice).unwrap_or_default();
    rejected.iter().map(|item| item["code"].as_str().unwrap_or("unknown")).collect()
}
