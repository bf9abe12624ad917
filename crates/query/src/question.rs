//! Questions in general.

use domain::artifacts::CacheFamily;
use domain::{MovieId, UserId};
use serde::Serialize;

use crate::provenance::CacheState;
use crate::{QueryError, Reader};

/// A question with every default filled in.
///
/// Two questions that mean the same serialise to the same fields, so [`Question::NAME`] and the serialised fields identify
/// an answer. Fields that change no answer, such as `explain`, are skipped.
pub trait Question: Serialize + Send + Sync + 'static {
    /// The answer.
    type View: Serialize + Send;

    /// Unique among questions.
    const NAME: &'static str;

    /// The facts that the answer is read from: their next generation makes it obsolete.
    const FAMILY: CacheFamily;

    /// Live facts that the answer counts, beside those of [`Question::FAMILY`].
    fn live(&self) -> LiveFacts {
        LiveFacts::None
    }

    /// The viewer whose own answer it is, which nobody else may see. `None`: everybody gets the same.
    fn viewer(&self) -> Option<UserId> {
        None
    }

    /// Whether the view says what it is made of. Such an answer describes the moment in which it was read, so it is not to
    /// be kept.
    fn explain(&self) -> bool {
        false
    }

    /// Adds to the provenance of an explained view what a cache holds for the question without `explain`.
    fn note_cache(_view: &mut Self::View, _cache: CacheState) {}

    /// Reads the answer.
    ///
    /// # Errors
    /// See [`QueryError`].
    fn read(&self, reader: &Reader) -> impl Future<Output = Result<Self::View, QueryError>> + Send;
}

/// Live facts that an answer counts. When they change, the answer is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFacts {
    /// No live facts.
    None,
    /// Those of one movie.
    Movie(MovieId),
    /// Those of every movie.
    AllMovies,
}
