//! Adapts a question of the crate `query` to the cache: its key, and the computation of its bytes.

use std::sync::Arc;

use bytes::Bytes;
use cache::{Compute, Live, Peek, Subject, Visibility};
use futures::future::BoxFuture;
use query::{CacheState, LiveFacts, Question, Reader};

use crate::error::ApiError;

/// Returns the cache key of a question: its name and its fields. Two questions with the same meaning have the same key.
///
/// # Errors
/// The fields cannot be written as a query string, which is a defect of the question's type.
pub fn subject<Q: Question>(question: &Q) -> Result<Subject, ApiError> {
    let fields = serde_urlencoded::to_string(question).map_err(|error| ApiError::Internal(error.to_string().into()))?;
    let viewer = question.viewer();
    let live = match (viewer, question.live()) {
        // What a viewer does outdates the viewer's answers.
        (Some(viewer), _) => Live::Viewer(viewer.into()),
        (None, LiveFacts::None) => Live::Nothing,
        (None, LiveFacts::Movie(id)) => Live::Movie(id),
        (None, LiveFacts::AllMovies) => Live::AllMovies,
    };
    let visibility = if viewer.is_some() { Visibility::Private } else { Visibility::Public };
    Ok(Subject::new(Q::FAMILY, &format!("{}?{fields}", Q::NAME), live, visibility))
}

/// Describes a cache entry for the provenance part of an explained answer.
pub fn cache_state(peek: Peek) -> CacheState {
    let (state, age, generation) = match peek {
        Peek::Absent => return CacheState { state: "absent", age_seconds: None, generation: None },
        Peek::Fresh { age, generation } => ("fresh", age, generation),
        Peek::Stale { age, generation } => ("stale", age, generation),
    };
    CacheState { state, age_seconds: Some(age.as_secs()), generation: Some(generation) }
}

/// A question with its reader. The cache keeps both beside the answer, so that it can recompute the answer by itself.
pub struct Asked<Q> {
    question: Q,
    reader: Arc<Reader>,
    /// For an explained question: the state of the cache entry of the same question without `explain`.
    kept: Option<CacheState>,
}

impl<Q: Question> Asked<Q> {
    /// Creates the computation of an answer that may be cached.
    pub fn new(question: Q, reader: &Arc<Reader>) -> Self {
        Self { question, reader: reader.clone(), kept: None }
    }

    /// Creates the computation of an explained answer; `kept` describes the cached one.
    pub fn explained(question: Q, reader: &Arc<Reader>, kept: CacheState) -> Self {
        Self { kept: Some(kept), ..Self::new(question, reader) }
    }
}

impl<Q: Question> Compute<ApiError> for Asked<Q> {
    fn is_ready(&self) -> bool {
        self.question.is_ready(&self.reader)
    }

    // Boxed, because query futures take kilobytes and actix moves a handler's future several times.
    fn compute(&self) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        Box::pin(async move {
            let mut view = self.question.read(&self.reader).await?;
            if let Some(kept) = &self.kept {
                Q::note_cache(&mut view, kept.clone());
            }
            let bytes = serde_json::to_vec(&view).map_err(|error| ApiError::Internal(error.to_string().into()))?;
            Ok(Bytes::from(bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::MovieId;
    use domain::page::Page;
    use query::Paged;
    use query::movies::{MoviePage, Movies};

    use super::*;

    #[test]
    fn explaining_a_question_leaves_its_subject_and_other_fields_do_not() {
        let movie_id = MovieId::new(550).unwrap();
        let movie = |explain| subject(&MoviePage { movie_id, explain }).unwrap();
        assert_eq!(movie(true), movie(false));
        assert_eq!(movie(false).live, Live::Movie(movie_id));
        let list = |genre: Option<&str>| {
            subject(&Paged::new(Movies { genre: genre.map(str::to_owned) }, Page::default())).unwrap()
        };
        assert_ne!(list(Some("A?b&c=d")), list(None));
        assert_eq!(list(None).visibility, Visibility::Public);
    }
}
