//! The traits of all questions.

use domain::MovieId;
use domain::artifacts::CacheFamily;
use domain::viewers::ViewerName;
use serde::Serialize;

use crate::provenance::CacheState;
use crate::{QueryError, Reader};

/// A question in which every default is filled in.
///
/// Two questions with the same meaning serialize to the same fields, so [`Question::NAME`] and the serialized fields
/// identify an answer. Fields that do not change the answer, such as `explain`, are not serialized.
pub trait Question: Serialize + Send + Sync + 'static {
    /// The type of the answer.
    type View: Serialize + Send;

    /// Unique name of the question.
    const NAME: &'static str;

    /// The cache family of the answer: a new generation of the family makes it obsolete.
    const FAMILY: CacheFamily;

    /// Returns the live facts that the answer counts, in addition to those of [`Question::FAMILY`].
    fn live(&self) -> LiveFacts {
        LiveFacts::None
    }

    /// Returns the viewer whose private answer this is. `None` means that everybody gets the same answer.
    fn viewer(&self) -> Option<&ViewerName> {
        None
    }

    /// Rewrites a body that the cache had; `None` leaves it unchanged. Only for answers that name the cache as their
    /// source.
    fn from_cache(_body: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Whether the view includes its provenance. Such an answer describes the moment of reading, so it must not be
    /// cached.
    fn explain(&self) -> bool {
        false
    }

    /// Adds the cache's state for the question without `explain` to the provenance of an explained view.
    fn note_cache(_view: &mut Self::View, _cache: CacheState) {}

    /// Whether the answer can be read at once. Where not, as shortly after a start, a caller with an older answer need
    /// not wait.
    fn is_ready(&self, _reader: &Reader) -> bool {
        true
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// See [`QueryError`].
    fn read(&self, reader: &Reader) -> impl Future<Output = Result<Self::View, QueryError>> + Send;
}

/// Live facts that an answer counts. A change of them makes the answer outdated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFacts {
    /// No live facts.
    None,
    /// The facts of one movie.
    Movie(MovieId),
    /// The facts of every movie.
    AllMovies,
}
