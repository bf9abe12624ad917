//! Meilisearch as a search engine.

use std::time::Duration;

use domain::MovieId;
use domain::search::{Engine, MAX_TOTAL, SearchDocument, SearchHit, SearchQuery, SearchResults, SortBy};
use meilisearch_sdk::client::{Client, SwapIndexes};
use meilisearch_sdk::errors::Error;
use meilisearch_sdk::indexes::IndexesQuery;
use meilisearch_sdk::settings::{PaginationSetting, Settings};
use meilisearch_sdk::task_info::TaskInfo;
use secrecy::{ExposeSecret, SecretString};

use crate::{StorageError, Store};

/// Time limit of a search; after it the query goes to PostgreSQL.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Poll interval of a task.
const TASK_POLL: Duration = Duration::from_millis(50);
/// Time limit of a task. Indexing a chunk of 10,000 movies takes seconds, and a busy server queues it behind others.
const TASK_TIMEOUT: Duration = Duration::from_secs(600);

/// A Meilisearch server and the index that holds movies.
#[derive(Clone)]
pub struct Meilisearch {
    client: Client,
    index: String,
}

impl Meilisearch {
    pub(super) fn new(url: &str, key: Option<&SecretString>, index: &str) -> Result<Self, StorageError> {
        let wrong = |reason: String| StorageError::configuration(Store::Meilisearch, reason);
        let url = url.trim_end_matches('/');
        url::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let client = Client::new(url, key.map(|key| key.expose_secret().to_owned()))
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { client, index: index.to_owned() })
    }

    /// The server's version.
    pub async fn version(&self) -> Result<String, StorageError> {
        Ok(self.client.get_version().await?.pkg_version)
    }

    /// Number of movies in the live index; `None` before the first build.
    pub async fn document_count(&self) -> Result<Option<usize>, StorageError> {
        let stats = self.client.get_stats().await?;
        Ok(stats.indexes.get(&self.index).map(|index| index.number_of_documents))
    }

    pub(super) async fn search(&self, query: &SearchQuery) -> Result<SearchResults, StorageError> {
        let filter = filter(query);
        let sort: &[&str] = match query.sort_by {
            // Without words there is no relevance.
            SortBy::Relevance if query.text.trim().is_empty() => &["popularity:desc"],
            SortBy::Relevance => &[],
            SortBy::Popularity => &["popularity:desc"],
            SortBy::Rating => &["vote_average:desc"],
            SortBy::ReleaseDate => &["release_date:desc"],
        };
        let index = self.client.index(&self.index);
        let mut request = index.search();
        request.with_query(&query.text).with_sort(sort);
        request.with_offset(query.page.offset.get() as usize).with_limit(query.page.limit.get() as usize);
        if !filter.is_empty() {
            request.with_filter(&filter);
        }
        let answer = tokio::time::timeout(SEARCH_TIMEOUT, request.execute::<SearchHit>())
            .await
            .map_err(|_| timed_out(SEARCH_TIMEOUT))??;
        let total = answer.estimated_total_hits.unwrap_or(answer.hits.len()) as i64;
        Ok(SearchResults {
            hits: answer.hits.into_iter().map(|hit| hit.result).collect(),
            total: total.min(MAX_TOTAL),
            engine: Engine::Meilisearch,
        })
    }

    pub(super) async fn remove(&self, ids: &[MovieId]) -> Result<(), StorageError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let task = self.client.index(&self.index).delete_documents(&ids).await?;
        self.wait(task).await
    }

    pub(super) async fn put(&self, documents: &[SearchDocument]) -> Result<(), StorageError> {
        let task = self.client.index(&self.index).add_or_update(documents, Some("movie_id")).await?;
        self.wait(task).await
    }

    /// Creates a new index beside the live one. `build_id` distinguishes concurrent builds.
    pub async fn begin(&self, build_id: &str) -> Result<IndexBuild, StorageError> {
        // A swap requires both indexes; the error of creating an existing one is ignored.
        for name in [&self.index, &build_name(&self.index, build_id)] {
            if self.client.get_raw_index(name).await.is_err() {
                let task = self.client.create_index(name, Some("movie_id")).await?;
                self.wait(task).await?;
            }
        }
        let build = IndexBuild { name: build_name(&self.index, build_id), meilisearch: self.clone() };
        let task = self.client.index(&build.name).set_settings(&index_settings()).await?;
        self.wait(task).await?;
        Ok(build)
    }

    /// Names of the live index and of the builds beside it.
    pub async fn indexes(&self) -> Result<Vec<String>, StorageError> {
        let mut query = IndexesQuery::new(&self.client);
        // More indexes than one installation creates; other installations may share the server.
        query.with_limit(1_000);
        let all = self.client.list_all_indexes_with(&query).await?.results;
        let builds = build_name(&self.index, "");
        Ok(all.into_iter().map(|i| i.uid).filter(|uid| *uid == self.index || uid.starts_with(&builds)).collect())
    }

    /// Deletes the indexes of unfinished builds.
    pub async fn sweep(&self) -> Result<(), StorageError> {
        for name in self.indexes().await?.into_iter().filter(|name| *name != self.index) {
            let task = self.client.delete_index(&name).await?;
            self.wait(task).await?;
        }
        Ok(())
    }

    /// Deletes the index with all its documents.
    pub async fn drop_index(&self) -> Result<(), StorageError> {
        let task = self.client.delete_index(&self.index).await?;
        self.wait(task).await
    }

    async fn wait(&self, task: TaskInfo) -> Result<(), StorageError> {
        let id = task.task_uid;
        match task.wait_for_completion(&self.client, Some(TASK_POLL), Some(TASK_TIMEOUT)).await {
            // A failed task is returned as `Ok`.
            Ok(task) if task.is_failure() => {
                Err(StorageError::MeilisearchTask { task: id, error: Box::new(task.unwrap_failure()) })
            }
            Ok(_) => Ok(()),
            Err(Error::Timeout) => Err(timed_out(TASK_TIMEOUT)),
            Err(error) => Err(error.into()),
        }
    }
}

fn timed_out(after: Duration) -> StorageError {
    StorageError::TimedOut { store: Store::Meilisearch, after }
}

/// An index that is being filled. Readers use the live one until [`IndexBuild::swap`].
pub struct IndexBuild {
    meilisearch: Meilisearch,
    name: String,
}

impl IndexBuild {
    /// Adds a chunk and waits until it is searchable, which bounds the server's task queue.
    pub async fn add(&self, documents: &[SearchDocument]) -> Result<(), StorageError> {
        let task = self.meilisearch.client.index(&self.name).add_documents(documents, Some("movie_id")).await?;
        self.meilisearch.wait(task).await
    }

    /// Makes this index the live one atomically, and deletes the old one.
    pub async fn swap(self) -> Result<(), StorageError> {
        let Meilisearch { client, index } = &self.meilisearch;
        let pair = SwapIndexes { indexes: (index.clone(), self.name.clone()), rename: None };
        self.meilisearch.wait(client.swap_indexes([&pair]).await?).await?;
        self.meilisearch.wait(client.delete_index(&self.name).await?).await
    }
}

fn build_name(index: &str, build_id: &str) -> String {
    format!("{index}-build-{build_id}")
}

/// Searchable, filterable and sortable attributes, and the ranking: Meilisearch's own rules, then the shorter title,
/// then popularity.
fn index_settings() -> Settings {
    Settings::new()
        .with_searchable_attributes(["title", "original_title", "people", "keywords", "overview"])
        .with_filterable_attributes(["genres", "vote_average", "release_year"])
        .with_sortable_attributes(["popularity", "vote_average", "release_date"])
        .with_ranking_rules([
            "words",
            "typo",
            "proximity",
            "attribute",
            "sort",
            "exactness",
            "title_words:asc",
            "popularity:desc",
        ])
        .with_pagination(PaginationSetting { max_total_hits: MAX_TOTAL as usize })
}

fn filter(query: &SearchQuery) -> String {
    let mut parts = Vec::new();
    if let Some(genre) = &query.genre {
        // String comparison in Meilisearch is case-insensitive; quotes are escaped, so a genre cannot change the
        // filter.
        parts.push(format!("genres = \"{}\"", genre.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    let mut bound = |field: &str, operator: &str, value: Option<f64>| {
        parts.extend(value.map(|value| format!("{field} {operator} {value}")));
    };
    bound("vote_average", ">=", query.rating_min);
    bound("vote_average", "<=", query.rating_max);
    bound("release_year", ">=", query.year_from.map(f64::from));
    bound("release_year", "<=", query.year_to.map(f64::from));
    parts.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genre_cannot_break_out_of_its_quotes() {
        let query = SearchQuery { genre: Some("x\" OR a = \"\\".into()), rating_min: Some(7.5), ..Default::default() };
        assert_eq!(filter(&query), r#"genres = "x\" OR a = \"\\" AND vote_average >= 7.5"#);
    }
}
