//! Rows "because you liked …".

use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Page};
use domain::viewers::ViewerName;
use serde::Serialize;
use storage::postgres::batch::similar;
use storage::postgres::recommendations::candidates::{self, Filter};
use storage::postgres::recommendations::{history, viewer};
use utoipa::ToSchema;

use super::list::preferences;
use crate::similar::SimilarItem;
use crate::{QueryError, Question, Reader};

/// Rows of one answer.
const ROWS_MAX: usize = 5;

/// Asks for titles similar to the movies that a viewer liked last.
#[derive(Debug, Clone, Serialize)]
pub struct Because {
    pub user_id: ViewerName,
    /// Titles a row.
    pub limit: Limit,
}

/// A liked movie and the titles similar to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BecauseRow {
    /// The movie that the viewer liked.
    pub movie_id: i64,
    pub title: String,
    /// Titles that the viewer has neither seen nor hidden, most similar first.
    pub items: Vec<SimilarItem>,
}

/// The rows, most recently liked movie first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BecauseView {
    #[schema(value_type = String, example = "user_123")]
    pub user_id: ViewerName,
    pub because: Vec<BecauseRow>,
}

impl Question for Because {
    type View = BecauseView;
    const NAME: &'static str = "because";
    const FAMILY: CacheFamily = CacheFamily::Recommendations;

    fn viewer(&self) -> Option<&ViewerName> {
        Some(&self.user_id)
    }

    /// A viewer of whom nothing is known has no rows.
    async fn read(&self, reader: &Reader) -> Result<BecauseView, QueryError> {
        let mut view = BecauseView { user_id: self.user_id.clone(), because: Vec::new() };
        let Some(viewer) = viewer::find(&reader.pool, &self.user_id).await? else { return Ok(view) };
        let run = reader.run(Artifact::SimilarMovies, None).await?;
        let mut left_out = history::seen(&reader.pool, viewer.viewer_id).await?;
        left_out.extend(viewer.hidden);
        let mut histories = history::of(&reader.pool, &[viewer.viewer_id]).await?;
        let mut liked = preferences(&mut histories, viewer.viewer_id, &reader.rules.weights);
        liked.retain(|preference| preference.1.liked);
        liked.sort_by(|a, b| b.1.newest_at.cmp(&a.1.newest_at).then(a.0.cmp(&b.0)));
        liked.truncate(ROWS_MAX);
        let ids: Vec<i64> = liked.iter().map(|preference| preference.0.get()).collect();
        let titles = candidates::fitting(&reader.pool, &ids, &Filter::default()).await?;
        for (movie, _) in liked {
            let Some(row) = titles.iter().find(|row| row.movie_id == movie.get()) else { continue };
            let found = similar::page(&reader.pool, run.run_id, movie, Page::first(Limit::WHOLE)).await?;
            let similar = found.map(|found| found.0).unwrap_or_default().into_iter();
            let items: Vec<SimilarItem> = similar
                .filter(|similar| !left_out.contains(&similar.movie_id))
                .take(self.limit.get() as usize)
                .map(SimilarItem::from)
                .collect();
            if !items.is_empty() {
                view.because.push(BecauseRow { movie_id: row.movie_id, title: row.title.clone(), items });
            }
        }
        Ok(view)
    }
}
