//! Meilisearch as a search engine.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::MovieId;
use domain::search::{Engine, MAX_TOTAL, QueryKeys, SearchDocument, SearchHit, SearchQuery, SearchResults, SortBy};
use meilisearch_sdk::client::{Client, SwapIndexes};
use meilisearch_sdk::documents::DocumentsQuery;
use meilisearch_sdk::errors::{Error, ErrorCode, ErrorType};
use meilisearch_sdk::indexes::IndexesQuery;
use meilisearch_sdk::settings::{PaginationSetting, Settings};
use meilisearch_sdk::task_info::TaskInfo;
use meilisearch_sdk::tasks::Task;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{StorageError, Store};

/// Time limit of a search; after it the query goes to PostgreSQL. Meilisearch takes some milliseconds.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(500);
/// Time limit of every other request. A chunk of 5 MB is accepted within a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Poll interval of a task.
const TASK_POLL: Duration = Duration::from_millis(50);
/// Time limit of a task of a build. Indexing a chunk takes seconds, and a busy server queues it behind others.
const BUILD_TASK_TIMEOUT: Duration = Duration::from_secs(600);
/// Time limit of a task with changes; they are sent again later. Several of them fit into the writer's lease.
const CHANGE_TASK_TIMEOUT: Duration = Duration::from_secs(20);

/// A Meilisearch server and the index that holds movies.
#[derive(Clone)]
pub struct Meilisearch {
    client: Client,
    index: String,
}

/// Every request has a time limit, since the SDK sets none.
async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, StorageError> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(|_| timed_out(CALL_TIMEOUT))??)
}

fn timed_out(after: Duration) -> StorageError {
    StorageError::TimedOut { store: Store::Meilisearch, after }
}

/// Whether the server refused a query that it does not understand, as opposed to failing or having no index.
pub(super) fn refused(error: &Error) -> bool {
    matches!(error, Error::Meilisearch(error)
        if error.error_type == ErrorType::InvalidRequest && error.error_code != ErrorCode::IndexNotFound)
}

/// `None` for an index that does not exist.
fn found<T>(answer: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StorageError::Meilisearch(Error::Meilisearch(error))) if error.error_code == ErrorCode::IndexNotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
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

    /// The name of the live index.
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The server's version.
    pub async fn version(&self) -> Result<String, StorageError> {
        Ok(bounded(self.client.get_version()).await?.pkg_version)
    }

    /// Number of movies in the live index; `None` before the first build.
    pub async fn document_count(&self) -> Result<Option<usize>, StorageError> {
        self.count(&self.index).await
    }

    async fn count(&self, index: &str) -> Result<Option<usize>, StorageError> {
        let index = self.client.index(index);
        Ok(found(bounded(index.get_stats()).await)?.map(|stats| stats.number_of_documents))
    }

    pub(super) async fn search(&self, query: &SearchQuery) -> Result<SearchResults, StorageError> {
        let keys = QueryKeys::of(&query.text);
        // A text of stop words would match every movie, and its name must be the whole title.
        let by_name = !query.text.trim().is_empty() && keys.says_nothing;
        let text = if by_name { "" } else { keys.folded.as_str() };
        let filter = filter(query, by_name.then_some(keys.forms.as_slice()));
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
        request.with_query(text).with_sort(sort);
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

    /// Adds or replaces movies in the live index and removes others. `false`: there is no live index yet; nothing was
    /// changed, since Meilisearch would create one without settings.
    pub async fn apply(&self, documents: &[SearchDocument], gone: &[MovieId]) -> Result<bool, StorageError> {
        if self.document_count().await?.is_none() {
            return Ok(false);
        }
        self.write(&self.index, documents, gone, CHANGE_TASK_TIMEOUT).await?;
        Ok(true)
    }

    async fn write(
        &self,
        index: &str,
        documents: &[SearchDocument],
        gone: &[MovieId],
        limit: Duration,
    ) -> Result<(), StorageError> {
        let index = self.client.index(index);
        if !documents.is_empty() {
            let task = bounded(index.add_documents(documents, Some("movie_id"))).await?;
            self.wait(task, limit).await?;
        }
        if !gone.is_empty() {
            let ids: Vec<i64> = gone.iter().map(|id| id.get()).collect();
            let task = bounded(index.delete_documents(&ids)).await?;
            self.wait(task, limit).await?;
        }
        Ok(())
    }

    /// Creates a new index beside the live one, for the build that holds the lease `token`. The token in its name keeps
    /// builds apart: a build that lost its lease has nothing left to swap, once its successor has swept.
    pub async fn begin(&self, token: Uuid) -> Result<IndexBuild, StorageError> {
        let build = IndexBuild { name: build_name(&self.index, token), meilisearch: self.clone() };
        let task = bounded(self.client.create_index(&build.name, Some("movie_id"))).await?;
        self.wait(task, BUILD_TASK_TIMEOUT).await?;
        let task = bounded(self.client.index(&build.name).set_settings(&index_settings())).await?;
        self.wait(task, BUILD_TASK_TIMEOUT).await?;
        Ok(build)
    }

    /// Names of the live index and of the builds beside it.
    pub async fn indexes(&self) -> Result<Vec<String>, StorageError> {
        let mut query = IndexesQuery::new(&self.client);
        // More indexes than one installation creates; other installations may share the server.
        query.with_limit(1_000);
        let all = bounded(self.client.list_all_indexes_with(&query)).await?.results;
        let builds = format!("{}{BUILD}", self.index);
        Ok(all.into_iter().map(|i| i.uid).filter(|uid| *uid == self.index || uid.starts_with(&builds)).collect())
    }

    /// Deletes those of `indexes` that dead builds left; `building` is the lease of the build under way. Returns the
    /// number deleted.
    ///
    /// `building` must have been read after [`Meilisearch::indexes`]: a build takes its lease before it creates its index,
    /// so an index that was listed and has no lease afterwards is dead.
    pub async fn sweep(&self, indexes: &[String], building: Option<Uuid>) -> Result<usize, StorageError> {
        let keep = building.map(|token| build_name(&self.index, token));
        let dead: Vec<&String> =
            indexes.iter().filter(|name| **name != self.index && Some(*name) != keep.as_ref()).collect();
        for name in &dead {
            let task = bounded(self.client.delete_index(name.as_str())).await?;
            match self.wait(task, CHANGE_TASK_TIMEOUT).await {
                // The build has ended meanwhile and deleted it itself.
                Err(StorageError::MeilisearchTask { error, .. }) if error.error_code == ErrorCode::IndexNotFound => {}
                outcome => outcome?,
            }
        }
        Ok(dead.len())
    }

    /// Deletes the index with all its documents.
    pub async fn drop_index(&self) -> Result<(), StorageError> {
        let task = bounded(self.client.delete_index(&self.index)).await?;
        self.wait(task, CHANGE_TASK_TIMEOUT).await
    }

    /// Whether the live index has the settings that searches rely on; `None` where there is no live index.
    pub async fn has_settings(&self) -> Result<Option<bool>, StorageError> {
        self.settings_of(&self.index).await
    }

    async fn settings_of(&self, index: &str) -> Result<Option<bool>, StorageError> {
        let index = self.client.index(index);
        let Some(actual) = found(bounded(index.get_settings()).await)? else { return Ok(None) };
        Ok(Some(relevant(&actual)? == relevant(&index_settings())?))
    }

    /// Up to `limit` documents of the live index from an offset on, in the server's order; those that do not fit the
    /// present release's shape fail.
    pub async fn documents(&self, offset: usize, limit: usize) -> Result<Vec<SearchDocument>, StorageError> {
        let index = self.client.index(&self.index);
        let mut query = DocumentsQuery::new(&index);
        query.with_offset(offset).with_limit(limit);
        Ok(bounded(query.execute::<SearchDocument>()).await?.results)
    }

    async fn wait(&self, task: TaskInfo, limit: Duration) -> Result<(), StorageError> {
        let (id, start) = (task.task_uid, Instant::now());
        loop {
            match bounded(self.client.get_task(&task)).await? {
                // A failed task is returned as `Ok`.
                Task::Failed { content } => {
                    return Err(StorageError::MeilisearchTask { task: id, error: Box::new(content.error) });
                }
                Task::Succeeded { .. } => return Ok(()),
                Task::Enqueued { .. } | Task::Processing { .. } if start.elapsed() > limit => {
                    return Err(timed_out(limit));
                }
                Task::Enqueued { .. } | Task::Processing { .. } => tokio::time::sleep(TASK_POLL).await,
            }
        }
    }
}

/// An index that is being filled. Readers use the live one until [`IndexBuild::swap`].
pub struct IndexBuild {
    meilisearch: Meilisearch,
    name: String,
}

impl IndexBuild {
    /// Adds a chunk and waits until it is searchable, which bounds the server's task queue.
    pub async fn add(&self, documents: &[SearchDocument]) -> Result<(), StorageError> {
        self.meilisearch.write(&self.name, documents, &[], BUILD_TASK_TIMEOUT).await
    }

    /// Removes movies that were added and became tombstones since.
    pub async fn remove(&self, gone: &[MovieId]) -> Result<(), StorageError> {
        self.meilisearch.write(&self.name, &[], gone, BUILD_TASK_TIMEOUT).await
    }

    /// Checks that the index holds as many documents as were added, and has its settings: if somebody deleted it
    /// meanwhile, the server has created one without settings for the next chunk.
    ///
    /// # Errors
    /// [`StorageError::IndexIncomplete`]; the index must not go live.
    pub async fn verify(&self, added: usize) -> Result<(), StorageError> {
        let found = self.meilisearch.count(&self.name).await?.unwrap_or_default();
        let settings = self.meilisearch.settings_of(&self.name).await? == Some(true);
        if settings && found == added { Ok(()) } else { Err(StorageError::IndexIncomplete { added, found, settings }) }
    }

    /// Makes this index the live one atomically, and deletes the old one.
    pub async fn swap(self) -> Result<(), StorageError> {
        let Meilisearch { client, index } = &self.meilisearch;
        // Where there is no live index the build takes its name, so that searches never meet an empty one.
        let first = self.meilisearch.count(index).await?.is_none();
        let (from, to) = if first { (&self.name, index) } else { (index, &self.name) };
        let pair = SwapIndexes { indexes: (from.clone(), to.clone()), rename: first.then_some(true) };
        self.meilisearch.wait(bounded(client.swap_indexes([&pair])).await?, BUILD_TASK_TIMEOUT).await?;
        if first {
            return Ok(());
        }
        self.meilisearch.wait(bounded(client.delete_index(&self.name)).await?, BUILD_TASK_TIMEOUT).await
    }
}

/// Between the live index's name and a build's token.
const BUILD: &str = "-build-";

fn build_name(index: &str, token: Uuid) -> String {
    format!("{index}{BUILD}{}", token.simple())
}

/// The settings that we set, in a form that compares: attributes of which the server keeps a set are sorted.
fn relevant(settings: &Settings) -> Result<serde_json::Value, StorageError> {
    let mut filterable = serde_json::to_value(&settings.filterable_attributes)?;
    let mut sortable = serde_json::to_value(&settings.sortable_attributes)?;
    for set in [&mut filterable, &mut sortable] {
        if let Some(set) = set.as_array_mut() {
            set.sort_by_key(ToString::to_string);
        }
    }
    Ok(serde_json::json!([
        filterable,
        sortable,
        settings.searchable_attributes,
        settings.ranking_rules,
        settings.synonyms.as_ref().map(|synonyms| synonyms.iter().collect::<BTreeMap<_, _>>()),
        settings.pagination.as_ref().map(|pagination| pagination.max_total_hits),
    ]))
}

/// Fields that are searched, the best first.
const SEARCHED: [&str; 9] = [
    "name",
    "name_bare",
    "name_joined",
    "name_original",
    "names_other",
    "release_year",
    "people",
    "keywords",
    "overview",
];

/// Number words, so that a folded "7" finds the "seven" of a plot.
const NUMBERS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// Searched, filterable and sortable fields, and the ranking: the fewest typing errors, the best field (titles, then
/// people, then words), the whole of it, its beginning; a chosen order within these; then the shorter title, then
/// popularity.
fn index_settings() -> Settings {
    let synonyms: HashMap<String, Vec<String>> =
        (1..).zip(NUMBERS).map(|(number, word)| (number.to_string(), vec![word.to_owned()])).collect();
    Settings::new()
        .with_searchable_attributes(SEARCHED)
        .with_filterable_attributes(["genres", "vote_average", "release_year", "name", "name_original"])
        .with_sortable_attributes(["popularity", "vote_average", "release_date"])
        .with_ranking_rules([
            "words",
            "typo",
            "attributeRank",
            "exactness",
            "sort",
            "proximity",
            "wordPosition",
            "title_words:asc",
            "popularity:desc",
        ])
        .with_synonyms(synonyms)
        .with_pagination(PaginationSetting { max_total_hits: MAX_TOTAL as usize })
}

/// `names`: one of them must be the title.
fn filter(query: &SearchQuery, names: Option<&[String]>) -> String {
    let mut parts = Vec::new();
    if let Some(names) = names {
        // Folded: letters, digits and spaces only.
        let any: Vec<String> =
            names.iter().map(|name| format!("name = \"{name}\" OR name_original = \"{name}\"")).collect();
        parts.push(format!("({})", any.join(" OR ")));
    }
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
        assert_eq!(filter(&query, None), r#"genres = "x\" OR a = \"\\" AND vote_average >= 7.5"#);
    }
}
