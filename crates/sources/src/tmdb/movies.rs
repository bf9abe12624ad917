use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::{Quarantined, Record};
use futures::{StreamExt, stream};
use serde_json::Value;

use super::client::TmdbClient;
use super::movie::movie_records;
use super::response::Failure;
use crate::SourceError;
use crate::lenient::integer;

/// Everything that we know of a movie, in one request.
const APPEND: &str = "credits,keywords,reviews";

/// What asking for some movies brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Movies {
    /// In the order asked: the movie, its numbers, its reviews; or why it is quarantined.
    pub records: Vec<Record>,
    /// Movies that TMDB answered 404 for, or has since marked as adult. One such answer may be an error of theirs:
    /// tombstone at the second in a row.
    pub missing: Vec<MovieId>,
}

impl TmdbClient {
    /// Asks for these movies, `concurrency` at a time, each with one request; `day` dates their numbers. Everything is
    /// held in memory, so hand over a few hundred ids at a time. Also how a 404 is confirmed, and movies are refreshed.
    ///
    /// A movie that TMDB cannot deliver is quarantined. When that hits most of them, TMDB as a whole may be ill: then
    /// one more request tells, and if it fails too, that is the error and no movie is blamed.
    ///
    /// # Errors
    /// The key is refused, TMDB throttles without end, or it is down.
    pub async fn movies(&self, ids: &[MovieId], day: NaiveDate) -> Result<Movies, SourceError> {
        let mut found = Movies::default();
        let mut failed = 0;
        let mut answers = stream::iter(ids.iter().copied())
            .map(|id| async move { (id, self.movie(id).await) })
            .buffered(self.concurrency());
        while let Some((id, answer)) = answers.next().await {
            let location = format!("movie/{id}");
            match answer {
                // Adult movies are no part of the catalogue: the full listing leaves them out as well.
                Ok(body) if body["adult"] == true => found.missing.push(id),
                Ok(body) if integer(&body["id"]).is_some_and(|told| told != id.get()) => {
                    let aside = Quarantined::new(location, Some("id"), "is another movie's", &body.to_string());
                    found.records.push(Record::Quarantined(aside.retried(id)));
                }
                Ok(body) => found.records.extend(retried(id, movie_records(&location, &body, day))),
                Err(Failure::NotFound) => found.missing.push(id),
                Err(failure @ (Failure::KeyRefused | Failure::Throttled)) => return Err(failure.into_error(&location)),
                Err(Failure::Transient(reason) | Failure::Rejected { reason, .. }) => {
                    failed += 1;
                    let aside = Quarantined::new(location, None, reason, "").retried(id);
                    found.records.push(Record::Quarantined(aside));
                }
            }
        }
        if failed * 2 > ids.len() {
            self.check().await?;
        }
        Ok(found)
    }

    /// Asks for something that is always there: whether TMDB answers, and takes our key.
    pub async fn check(&self) -> Result<(), SourceError> {
        let what = "configuration";
        match self.get(what, &[], Ok).await {
            // Any answer from TMDB will do, also that of a stand-in without such a page.
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(failure) => Err(failure.into_error(what)),
        }
    }

    async fn movie(&self, id: MovieId) -> Result<Value, Failure> {
        let query = [("append_to_response", APPEND.to_owned())];
        self.get(
            &format!("movie/{id}"),
            &query,
            |body| if body.is_object() { Ok(body) } else { Err("the body is no object") },
        )
        .await
    }
}

/// Has the movie asked for again if its body was unusable. A malformed review alone is not worth another request.
fn retried(id: MovieId, records: Vec<Record>) -> Vec<Record> {
    if records.iter().any(|record| matches!(record, Record::Movie(_))) {
        return records;
    }
    let again =
        |record| if let Record::Quarantined(bad) = record { Record::Quarantined(bad.retried(id)) } else { record };
    records.into_iter().map(again).collect()
}
