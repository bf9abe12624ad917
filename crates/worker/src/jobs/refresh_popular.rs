//! Runs refresh-popular: fetches the current numbers of the most popular movies from the source, which are the speed
//! layer's observations between two nightly ingests.

use chrono::Utc;
use domain::artifacts::CacheFamily;
use domain::events::Observation;
use domain::ingest::{Quarantined, Source};
use domain::jobs;
use serde_json::{Value, json};
use sources::demo;
use sources::tmdb::{POPULAR_PAGE, Popular, TmdbClient};
use storage::StorageError;
use storage::postgres::catalogue::quarantine;
use storage::postgres::{self, changes, speed};

use super::Run;
use super::ingest::demo::loaded;
use super::tmdb::failed;
use crate::{JobContext, JobError, Shared};

/// Movies of the demo world per transaction.
const DEMO_PAGE: u32 = 500;

/// The source of the pages of most popular movies.
enum Pages {
    Tmdb(TmdbClient),
    Demo(Vec<Observation>),
}

impl Pages {
    /// Number of movies on a page.
    fn size(&self) -> u32 {
        match self {
            Self::Tmdb(_) => POPULAR_PAGE,
            Self::Demo(_) => DEMO_PAGE,
        }
    }

    /// Fetches page `page`, counted from 1.
    async fn get(&self, page: u32) -> Result<Popular, JobError> {
        match self {
            Self::Tmdb(client) => client.popular(page).await.map_err(failed),
            Self::Demo(movies) => {
                let (first, last) = (((page - 1) * DEMO_PAGE) as usize, (page * DEMO_PAGE) as usize);
                let seen = movies.get(first..last.min(movies.len())).unwrap_or_default().to_vec();
                Ok(Popular { seen, last: last >= movies.len(), ..Popular::default() })
            }
        }
    }
}

impl Run for jobs::RefreshPopular {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(shared, context).await
    }
}

/// Commits each page in one transaction with the number of pages done, so that a killed job resumes after the last one.
async fn run(shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
    let movies = shared.settings.refresh_popular_movies;
    let (source, pages) = match shared.tmdb()? {
        Some(client) => (Source::Tmdb, Pages::Tmdb(client)),
        None => {
            let now = Utc::now();
            let Some(world) = loaded(context, now.date_naive()).await? else {
                let note = "TMDB_API_KEY is not set and no demo world was loaded, so there is no source";
                return Ok(json!({ "source": Source::Demo.as_str(), "observed": 0, "quarantined": 0, "note": note }));
            };
            // Made-up numbers must not be written to movies that another source has described since.
            let mut seen = demo::popular(&world, movies.into(), now);
            let ids: Vec<i64> = seen.iter().map(|o| o.movie_id.get()).collect();
            let own = postgres::catalogue::demo::own(context.pool(), &ids).await?;
            seen.retain(|o| own.contains(&o.movie_id.get()));
            (Source::Demo, Pages::Demo(seen))
        }
    };
    let total = movies.div_ceil(pages.size());
    let (mut observed, mut quarantined) = (0, 0);
    for page in speed::refreshed(context.pool(), context.job_id).await? + 1..=total {
        let Popular { mut seen, odd, last } = pages.get(page).await?;
        // The last page may contain more movies than required.
        seen.truncate((movies - (page - 1) * pages.size()) as usize);
        observed += seen.len();
        quarantined += odd.len();
        commit(context, source, page, &seen, &odd).await?;
        let done = i64::from(movies.min(page * pages.size()));
        // A source with fewer movies than required is complete all the same.
        context.progress(done, Some(if last { done } else { movies.into() }), "fetching popular movies");
        if last {
            break;
        }
    }
    // Cached lists, searches and forecasts show these numbers too; movies' own pages were notified one by one.
    let mut tx = shared.pool.begin().await.map_err(StorageError::from)?;
    changes::bump(&mut tx, &[CacheFamily::Movies, CacheFamily::Search, CacheFamily::Predictions]).await?;
    tx.commit().await.map_err(StorageError::from)?;
    Ok(json!({ "source": source.as_str(), "observed": observed, "quarantined": quarantined }))
}

async fn commit(
    context: &JobContext,
    source: Source,
    page: u32,
    seen: &[Observation],
    odd: &[Quarantined],
) -> Result<(), JobError> {
    let mut tx = context.begin().await?;
    speed::record(&mut tx, seen).await?;
    quarantine::add(&mut tx, source, odd).await?;
    speed::save_refreshed(&mut tx, context.job_id, page).await?;
    Ok(tx.commit_progress().await?)
}
