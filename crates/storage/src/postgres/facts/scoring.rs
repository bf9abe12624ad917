//! Reviews that wait for their score. A review is stored unscored, by the speed layer or by an ingest, and queued here in
//! the same transaction. A scorer claims a batch, scores it outside any transaction, and [`finish`]es it in one: the
//! scores are written and folded into the view together. So a review is in no layer until it is scored, and from then on
//! in exactly one (domain/merge.rs).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::ingest::Source;
use domain::sentiment::{Assessment, Lexicon, Score, Tally};
use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::StorageError;
use crate::postgres::batch::hold_watermark;
use crate::postgres::catalogue::movie_id;
use crate::postgres::speed;

/// Attempts after which a review counts as unscorable: its text ended a process more than once.
const TRIES: i32 = 3;

/// A review claimed for scoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    position: i64,
    revision: i32,
    source: String,
    review_id: String,
    attempts: i32,
    content: String,
}

/// A claimed review and its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    review: Claimed,
    assessment: Assessment,
}

impl Claimed {
    /// Scores the review, which takes up to 20 ms of CPU time.
    pub fn score(self, lexicon: &Lexicon) -> Scored {
        let assessment = if self.attempts > TRIES { Assessment::UNSCORABLE } else { lexicon.assess(&self.content) };
        Scored { review: self, assessment }
    }
}

/// Queues reviews of a source whose texts are new or have changed. Call it in the transaction that writes them, after
/// the reviews: [`finish`] locks in that order too.
pub(in crate::postgres) async fn enqueue(
    conn: &mut PgConnection,
    source: Source,
    ids: &[String],
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO unscored_reviews AS u (source, review_id) SELECT $1, unnest($2::text[])
         ON CONFLICT (source, review_id) DO UPDATE SET revision = u.revision + 1, attempts = 0, claimed_until = NULL",
        source.as_str(),
        ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims up to `limit` reviews, the longest waiting first; no other scorer gets them for `lease`. A scorer that dies
/// leaves them to the next one after that.
pub async fn claim(pool: &PgPool, limit: i64, lease: Duration) -> Result<Vec<Claimed>, StorageError> {
    let lease = PgInterval { microseconds: i64::try_from(lease.as_micros()).unwrap_or(i64::MAX), ..Default::default() };
    let positions = sqlx::query_scalar!(
        "WITH due AS (
             SELECT position FROM unscored_reviews
             WHERE (claimed_until IS NULL OR claimed_until < now())
               -- Those that the views hold already come first: until they are scored, an hour cannot be recomputed from
               -- scores.
               AND (counted OR NOT EXISTS (SELECT FROM unscored_reviews WHERE counted))
             ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE unscored_reviews u SET claimed_until = now() + $2, attempts = attempts + 1
         FROM due WHERE u.position = due.position
         RETURNING u.position",
        limit,
        lease,
    )
    .fetch_all(pool)
    .await?;
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    // A second statement, so that text and revision are of one snapshot: the first may lock a row that changed after
    // its own.
    Ok(sqlx::query_as!(
        Claimed,
        r#"SELECT u.position, u.revision, u.source, u.review_id, u.attempts,
                  coalesce(CASE WHEN u.source = $2
                      THEN (SELECT v.content FROM viewer_reviews v WHERE v.review_id = u.review_id::uuid)
                      ELSE (SELECT r.content FROM reviews r WHERE r.source = u.source AND r.review_id = u.review_id)
                  END, '') AS "content!"
           FROM unscored_reviews u WHERE u.position = ANY($1)"#,
        &positions,
        Source::Viewers.as_str(),
    )
    .fetch_all(pool)
    .await?)
}

/// Writes scores and folds them into the speed layer's view, in one transaction; returns the number written. A review
/// whose text has changed since it was claimed, or that another scorer has finished, is left out.
pub async fn finish(pool: &PgPool, scored: &[Scored]) -> Result<u64, StorageError> {
    let mut tx = pool.begin().await?;
    let watermark = hold_watermark(&mut tx, Artifact::BatchSentimentHourly).await?;
    let locked = lock(&mut tx, scored).await?;
    let valid = dequeue(&mut tx, scored).await?;
    let written: Vec<&Scored> = scored.iter().filter(|s| valid.contains_key(&s.review.position)).collect();
    write(&mut tx, &written).await?;
    let mut hours: speed::ByHour<Tally> = BTreeMap::new();
    for Scored { review, assessment } in &written {
        let Some(facts) = locked.get(&review.position) else { continue };
        if valid[&review.position] {
            continue;
        }
        let tally = hours.entry((movie_id(facts.movie_id)?, Hour::of(facts.at))).or_default();
        tally.add(assessment.score);
        if let Some(old) = facts.sentiment {
            tally.remove(Score::new(f64::from(old)));
        }
    }
    speed::reviews_scored(&mut tx, hours, watermark).await?;
    tx.commit().await?;
    Ok(written.len() as u64)
}

/// What a review's row says before its score is written.
struct Locked {
    movie_id: i64,
    at: DateTime<Utc>,
    sentiment: Option<f32>,
}

/// Locks the reviews' rows, in the order in which an ingest writes them; by position.
async fn lock(conn: &mut PgConnection, scored: &[Scored]) -> Result<HashMap<i64, Locked>, StorageError> {
    let (viewers, sources) = by_table(scored.iter());
    let (position, id) = uuids(&viewers);
    let of_viewers = sqlx::query!(
        r#"SELECT k.position AS "position!", r.movie_id, r.occurred_at AS at, r.sentiment
           FROM unnest($1::bigint[], $2::uuid[]) AS k(position, review_id) JOIN viewer_reviews r USING (review_id)
           ORDER BY r.review_id FOR UPDATE OF r"#,
        &position,
        &id,
    )
    .fetch_all(&mut *conn)
    .await?;
    let (position, source, id) = keys(&sources);
    let of_sources = sqlx::query!(
        r#"SELECT k.position AS "position!", r.movie_id, r.written_at AS at, r.sentiment
           FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k(position, source, review_id)
                JOIN reviews r USING (source, review_id)
           ORDER BY r.source, r.review_id COLLATE "C" FOR UPDATE OF r"#,
        &position,
        &source,
        &id,
    )
    .fetch_all(&mut *conn)
    .await?;
    let of_viewers =
        of_viewers.into_iter().map(|r| (r.position, Locked { movie_id: r.movie_id, at: r.at, sentiment: r.sentiment }));
    let of_sources =
        of_sources.into_iter().map(|r| (r.position, Locked { movie_id: r.movie_id, at: r.at, sentiment: r.sentiment }));
    Ok(of_viewers.chain(of_sources).collect())
}

/// Takes the reviews off the queue whose text is still the claimed one: their positions, and whether the views hold
/// their scores already.
async fn dequeue(conn: &mut PgConnection, scored: &[Scored]) -> Result<HashMap<i64, bool>, StorageError> {
    let position: Vec<i64> = scored.iter().map(|s| s.review.position).collect();
    let revision: Vec<i32> = scored.iter().map(|s| s.review.revision).collect();
    let rows = sqlx::query!(
        "DELETE FROM unscored_reviews u USING unnest($1::bigint[], $2::integer[]) AS k(position, revision)
         WHERE u.position = k.position AND u.revision = k.revision
         RETURNING u.position, u.counted",
        &position,
        &revision,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.position, row.counted)).collect())
}

async fn write(conn: &mut PgConnection, scored: &[&Scored]) -> Result<(), StorageError> {
    let (viewers, sources) = by_table(scored.iter().copied());
    let (_, id) = uuids(&viewers);
    let label: Vec<String> = viewers.iter().map(|s| s.assessment.score.label().as_str().to_owned()).collect();
    sqlx::query!(
        "UPDATE viewer_reviews r SET sentiment = k.sentiment, label = k.label, sentiment_note = k.note
         FROM unnest($1::uuid[], $2::real[], $3::text[], $4::text[]) AS k(review_id, sentiment, label, note)
         WHERE r.review_id = k.review_id",
        &id,
        &scores(&viewers),
        &label,
        &notes(&viewers) as &[Option<String>],
    )
    .execute(&mut *conn)
    .await?;
    let (_, source, id) = keys(&sources);
    sqlx::query!(
        "UPDATE reviews r SET sentiment = k.sentiment, sentiment_note = k.note
         FROM unnest($1::text[], $2::text[], $3::real[], $4::text[]) AS k(source, review_id, sentiment, note)
         WHERE r.source = k.source AND r.review_id = k.review_id",
        &source,
        &id,
        &scores(&sources),
        &notes(&sources) as &[Option<String>],
    )
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// Splits reviews into those of viewers and those of sources.
fn by_table<'a>(scored: impl Iterator<Item = &'a Scored>) -> (Vec<&'a Scored>, Vec<&'a Scored>) {
    scored.partition(|s| s.review.source == Source::Viewers.as_str())
}

/// Positions and ids of viewers' reviews.
fn uuids(scored: &[&Scored]) -> (Vec<i64>, Vec<Uuid>) {
    // What the column holds was a UUID when it was queued.
    scored.iter().map(|s| (s.review.position, s.review.review_id.parse::<Uuid>().unwrap_or_default())).unzip()
}

/// Positions, sources and ids of sources' reviews.
fn keys(scored: &[&Scored]) -> (Vec<i64>, Vec<String>, Vec<String>) {
    let of = |f: fn(&Claimed) -> String| scored.iter().map(|s| f(&s.review)).collect();
    (
        scored.iter().map(|s| s.review.position).collect(),
        of(|review| review.source.clone()),
        of(|review| review.review_id.clone()),
    )
}

fn scores(scored: &[&Scored]) -> Vec<f32> {
    scored.iter().map(|s| s.assessment.score.real()).collect()
}

fn notes(scored: &[&Scored]) -> Vec<Option<String>> {
    scored.iter().map(|s| s.assessment.note.map(|note| note.as_str().to_owned())).collect()
}

/// The newest position of the queue; `None` where it is empty.
pub async fn newest(pool: &PgPool) -> Result<Option<i64>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT max(position) FROM unscored_reviews").fetch_one(pool).await?)
}

/// The number of reviews that wait for a score.
pub async fn waiting(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM unscored_reviews"#).fetch_one(pool).await?)
}

/// Whether a review up to position `until` waits for a score.
pub async fn is_waiting(pool: &PgPool, until: i64) -> Result<bool, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM unscored_reviews WHERE position <= $1) AS "waiting!""#, until)
        .fetch_one(pool)
        .await?)
}
