//! Writes one chunk of records, sorted by table.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::clock::observed;
use domain::ingest::{Quarantined, Record, Source};
use domain::movies::{Credits, DailyMetrics, Movie, Rating, Review};
use sqlx::PgConnection;

use super::{IngestCounts, upsert, viewers};
use crate::StorageError;
use crate::postgres::catalogue::quarantine;
use crate::postgres::clock;

/// Records of one chunk by kind; a later record of the same movie replaces an earlier one.
#[derive(Default)]
struct Sorted {
    movies: Vec<Movie>,
    stubs: Vec<Movie>,
    credits: Vec<(MovieId, Credits)>,
    keywords: Vec<(MovieId, Vec<String>)>,
    metrics: Vec<DailyMetrics>,
    ratings: Vec<Rating>,
    reviews: Vec<Review>,
    bad: Vec<Quarantined>,
}

impl Sorted {
    fn of(records: Vec<Record>) -> Self {
        let mut sorted = Self::default();
        for record in records {
            match record {
                Record::Movie(movie) => sorted.movies.push(*movie),
                Record::Stub(movie) => sorted.stubs.push(*movie),
                Record::Credits(id, credits) => sorted.credits.push((id, credits)),
                Record::Keywords(id, keywords) => sorted.keywords.push((id, keywords)),
                Record::Metrics(metrics) => sorted.metrics.push(metrics),
                Record::Rating(rating) => sorted.ratings.push(rating),
                Record::Review(review) => sorted.reviews.push(review),
                Record::Quarantined(bad) => sorted.bad.push(bad),
            }
        }
        keep_last(&mut sorted.movies, |m| m.id);
        keep_last(&mut sorted.stubs, |m| m.id);
        keep_last(&mut sorted.credits, |c| c.0);
        keep_last(&mut sorted.keywords, |k| k.0);
        keep_last(&mut sorted.metrics, |m| (m.movie_id, m.day));
        keep_last(&mut sorted.ratings, |r| (r.user_id, r.movie_id));
        keep_last(&mut sorted.reviews, |r| r.review_id.clone());
        sorted
    }
}

/// Keeps the last item of each key, since one INSERT may not touch a row twice. The result is sorted by key, so that
/// concurrent writers take row locks in the same order and cannot deadlock.
fn keep_last<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    items.reverse();
    items.sort_by_key(&key);
    items.dedup_by_key(|item| key(item));
}

/// [`write_as_of`] for a source that does not say when its numbers were valid, such as a dump: they replace no
/// observation.
pub async fn write(
    conn: &mut PgConnection,
    source: Source,
    records: Vec<Record>,
) -> Result<IngestCounts, StorageError> {
    write_as_of(conn, source, None, records).await
}

/// Writes a chunk; call it within a transaction. It is idempotent. Facts about movies that the catalogue does not know
/// are quarantined. `observed_at` is when the movies' popularity and votes were valid.
pub async fn write_as_of(
    conn: &mut PgConnection,
    source: Source,
    observed_at: Option<DateTime<Utc>>,
    records: Vec<Record>,
) -> Result<IngestCounts, StorageError> {
    let Sorted { movies, stubs, mut credits, keywords, metrics, mut ratings, mut reviews, mut bad } =
        Sorted::of(records);
    let now = clock::now(conn).await?;
    ratings.iter_mut().for_each(|rating| rating.rated_at = observed(rating.rated_at, now));
    reviews.iter_mut().for_each(|review| review.written_at = observed(review.written_at, now));
    let mut tally = IngestCounts::default();

    // Before the chunk's own defects: a movie can come twice in it, the second time malformed.
    quarantine::delivered(conn, source, &movies.iter().map(|m| m.id.get()).collect::<Vec<_>>()).await?;
    let mut touched = upsert::upsert(conn, source, &movies, observed_at, &mut tally).await?;
    touched.extend(upsert::insert_stubs(conn, source, &stubs, &mut tally).await?);
    // Credits inside a movie's record and credits from a separate file are stored alike.
    credits.extend(
        movies
            .into_iter()
            .filter(|m| !(m.credits.cast.is_empty() && m.credits.directors.is_empty()))
            .map(|m| (m.id, m.credits)),
    );
    touched.extend(upsert::write_credits(conn, credits, &mut bad).await?);
    touched.extend(upsert::write_keywords(conn, keywords, &mut bad).await?);
    super::refresh_search(conn, &touched).await?;

    viewers::write_metrics(conn, &metrics, &mut tally).await?;
    viewers::write_ratings(conn, source, &ratings, &mut bad, &mut tally).await?;
    viewers::write_reviews(conn, source, &reviews, &mut bad, &mut tally).await?;
    tally.quarantined = bad.len() as u64;
    quarantine::add(conn, source, &bad).await?;
    Ok(tally)
}
