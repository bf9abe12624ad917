//! Fills the event log, to measure how fast it accepts facts and how fast the speed layer drains it:
//!
//!     REDIS_URL=.. REDIS_PREFIX=.. cargo run --release -p storage --example fill_log -- <events> <movies> [first movie] [hours ago]
//!
//! Events happened within the last ten minutes, or so many hours before, spread over four hours; that is how late facts
//! come. Appends a hundred facts at a time from eight senders and prints the rate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use chrono::{TimeDelta, Utc};
use domain::events::{Event, EventType, Fact};
use domain::viewers::ViewerName;
use domain::{EventId, MovieId};
use secrecy::SecretString;
use storage::event_log::{self, EventLogConfig};

const SENDERS: i64 = 8;
const BATCH: i64 = 100;
/// Hours over which late events are spread.
const LATE_HOURS: i64 = 4;

fn event(n: i64, movies: i64, first: i64, hours_ago: Option<i64>) -> Fact {
    let event_type = EventType::ALL[n as usize % EventType::ALL.len()];
    // Squared, so that some movies get far more events than others.
    let share = (n.wrapping_mul(2_654_435_761).rem_euclid(1_000_003)) as f64 / 1_000_003.0;
    Fact::Event(Event {
        event_id: EventId::new(),
        user_id: ViewerName::numbered(n as u64 % 100_000 + 1),
        movie_id: MovieId::new(first + (share * share * movies as f64) as i64).unwrap(),
        event_type,
        rating: (event_type == EventType::Rating).then_some(7.5),
        list_id: None,
        occurred_at: match hours_ago {
            None => Utc::now() - TimeDelta::seconds(n % 600),
            Some(hours) => Utc::now() - TimeDelta::hours(hours) - TimeDelta::seconds(n % (LATE_HOURS * 3_600)),
        },
    })
}

#[tokio::main]
async fn main() {
    let arguments: Vec<i64> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let (events, movies, first) = (arguments[0], arguments[1], arguments.get(2).copied().unwrap_or(1));
    let hours_ago = arguments.get(3).copied();
    let url = SecretString::from(std::env::var("REDIS_URL").unwrap());
    let prefix = std::env::var("REDIS_PREFIX").unwrap();
    let log = event_log::open(&EventLogConfig { url, prefix, capacity: 10_000_000 }).unwrap();
    let start = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let log = log.clone();
        tokio::spawn(async move {
            for at in (sender * BATCH..events).step_by((SENDERS * BATCH) as usize) {
                let facts: Vec<Fact> =
                    (at..(at + BATCH).min(events)).map(|n| event(n, movies, first, hours_ago)).collect();
                log.append(&facts).await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{events} events in {seconds:.1} s: {:.0}/s; {:?}", events as f64 / seconds, log.backlog().await.unwrap());
}
