//! A list as a stream of rows, for exports. Memory use is bounded by one chunk, whatever the length of the list.

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use crate::QueryError;

/// The rows of a list, in chunks.
pub struct Rows<R>(BoxStream<'static, Result<Vec<R>, QueryError>>);

/// The rows after a cursor, and the next cursor; `None` after the last row.
pub type Step<R, C> = Result<(Vec<R>, Option<C>), QueryError>;

impl<R: Send + 'static> Rows<R> {
    /// Creates a stream from rows in memory.
    pub fn at_once(rows: Vec<R>) -> Self {
        Self(stream::once(async { Ok(rows) }).boxed())
    }

    /// Creates a stream of rows that are read in steps. Each step is a query of its own, so a slow client holds no
    /// connection. `read` returns the rows after a cursor and the next cursor. The first step is read immediately, so
    /// that a failure is reported before the first row is written.
    pub async fn in_steps<C, F>(first: C, read: F) -> Result<Self, QueryError>
    where
        C: Send + 'static,
        F: Fn(C) -> BoxFuture<'static, Step<R, C>> + Send + Sync + 'static,
    {
        let (rows, next) = read(first).await?;
        let rest = stream::try_unfold((next, read), async |(cursor, read)| {
            let Some(cursor) = cursor else { return Ok(None) };
            let (rows, next) = read(cursor).await?;
            Ok(Some((rows, (next, read))))
        });
        Ok(Self(stream::once(async { Ok(rows) }).chain(rest).boxed()))
    }

    /// Returns the chunks in the order of reading.
    pub fn into_stream(self) -> BoxStream<'static, Result<Vec<R>, QueryError>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn steps_go_on_until_there_is_no_cursor() {
        let read = |after: i32| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok((vec![after, after + 1], (after < 4).then_some(after + 2))) })
        };
        let rows: Vec<Vec<i32>> = Rows::in_steps(0, read).await.unwrap().into_stream().try_collect().await.unwrap();
        assert_eq!(rows.concat(), [0, 1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_failure_of_the_first_step_comes_before_any_row() {
        let read = |_: i32| -> BoxFuture<'static, Step<i32, i32>> { Box::pin(async { Err(QueryError::NotReady) }) };
        assert!(Rows::in_steps(0, read).await.is_err());
    }
}
