//! What is cached, as the cache sees it.

use std::fmt::Write;

use bytes::Bytes;
use domain::MovieId;
use domain::artifacts::CacheFamily;
use futures::future::BoxFuture;

/// Part of every key, so that a new release never returns bodies that an old one made.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What makes answers obsolete together; also the group of their time to live.
    pub family: CacheFamily,
    pub(crate) key: String,
    pub live: Live,
    pub visibility: Visibility,
}

impl Subject {
    /// `question` is equal for two questions that mean the same: a canonical path with normalised parameters. A private one
    /// names its viewer.
    pub fn new(family: CacheFamily, question: &str, live: Live, visibility: Visibility) -> Self {
        let mut key = String::with_capacity(96);
        // Writing to a String cannot fail.
        let _ = write!(key, "{RELEASE}:{}:{question}", family.as_str());
        Self { family, key, live, visibility }
    }
}

/// What every key of a family begins with.
pub(crate) fn prefix(family: CacheFamily) -> String {
    format!("{RELEASE}:{}:", family.as_str())
}

/// Live facts that an answer counts. When they change it is computed anew, whatever is left of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    Nothing,
    Movie(MovieId),
    /// Those of all movies.
    AllMovies,
}

/// Who may see an answer, and so which caches on the way may keep it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody gets the same.
    #[default]
    Public,
    /// One viewer's alone.
    Private,
}

/// Computes an answer's bytes: kept with the entry, so that the cache can have it computed again by itself, before its time is
/// over and after a run was published.
pub trait Compute<E>: Send + Sync {
    fn compute(&self) -> BoxFuture<'_, Result<Bytes, E>>;
}

/// Why a computation failed.
pub trait Failure: std::fmt::Display + Send + Sync + 'static {
    /// Whether we failed, so that an earlier answer is better than none. `false`: there is no answer, or nobody may have it.
    fn is_ours(&self) -> bool;
}
