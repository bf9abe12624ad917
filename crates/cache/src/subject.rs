//! What the cache knows about an answer: its key, family, live facts and visibility, and how to compute it.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use domain::MovieId;
use domain::artifacts::CacheFamily;
use domain::viewers::ViewerName;
use futures::future::BoxFuture;

/// Part of every key, so that a new release never serves bodies of an old one.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Identifies an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Answers of one family share a TTL and become obsolete together.
    pub family: CacheFamily,
    pub(crate) key: String,
    pub live: Live,
    pub visibility: Visibility,
}

impl Subject {
    /// Creates a subject. `question` must be equal for two questions with the same meaning: a path with normalized
    /// parameters. A private question includes its viewer.
    pub fn new(family: CacheFamily, question: &str, live: Live, visibility: Visibility) -> Self {
        let mut key = String::with_capacity(96);
        // Writing to a String cannot fail.
        let _ = write!(key, "{RELEASE}:{}:{question}", family.as_str());
        Self { family, key, live, visibility }
    }
}

/// Returns the common prefix of a family's keys.
pub(crate) fn prefix(family: CacheFamily) -> String {
    format!("{RELEASE}:{}:", family.as_str())
}

/// Live facts that an answer counts. When they change, the answer is recomputed before its TTL ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    Nothing,
    Movie(MovieId),
    /// The facts of all movies.
    AllMovies,
    /// What a viewer's lists are made of: facts, profile, hidden movies.
    Viewer(ViewerKey),
}

/// A viewer's name as a number of this process, so that [`Live`] stays small. Two names with one number outdate each
/// other's answers, which costs a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ViewerKey(u64);

impl From<&ViewerName> for ViewerKey {
    fn from(name: &ViewerName) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Who may see an answer, which determines which HTTP caches may store it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody gets the same answer.
    #[default]
    Public,
    /// Only one viewer may see the answer.
    Private,
}

/// Computes an answer's bytes. It is stored with the entry, so that the cache can recompute the entry by itself: after
/// its TTL, and after a run was published.
pub trait Compute<E>: Send + Sync {
    /// Whether the computation could start at once. Where not, as shortly after a start, an older answer is given
    /// instead of waiting.
    fn is_ready(&self) -> bool {
        true
    }

    /// Computes the bytes.
    fn compute(&self) -> BoxFuture<'_, Result<Bytes, E>>;
}

/// An error of a computation.
pub trait Failure: std::fmt::Display + Send + Sync + 'static {
    /// Whether the failure is the server's, so that an earlier answer is better than none. `false` means that there is
    /// no answer, or that the client may not have it.
    fn is_ours(&self) -> bool;
}
