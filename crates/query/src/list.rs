//! Lists, read page by page or exported as a whole.
//!
//! A new list defines its columns and how a page is read ([`PagedList`]); [`Paged`] derives the question, its cache
//! key, the whole list and its table.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::CacheFamily;
use domain::page::{Limit, Offset, Page};
use serde::Serialize;
use storage::postgres::artifacts::Head;
use utoipa::ToSchema;

use crate::{LiveFacts, QueryError, Question, Reader, Rows};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Number of items on all pages.
    pub total: i64,
    #[schema(value_type = u16, example = 20)]
    pub limit: Limit,
    #[schema(value_type = u32, example = 0)]
    pub offset: Offset,
}

impl<T> List<T> {
    /// Creates a page from its items and the number of items on all pages.
    pub fn new<R: Into<T>>(page: Page, items: Vec<R>, total: i64) -> Self {
        let items = items.into_iter().map(R::into).collect();
        Self { items, total, limit: page.limit, offset: page.offset }
    }
}

/// One page of a list that a run of a compute job produced. Pages with equal `run_id` are consistent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList<T> {
    #[serde(flatten)]
    pub list: List<T>,
    /// The last day whose facts the run contains.
    pub as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
}

impl<T> ArtifactList<T> {
    pub(crate) fn new<R: Into<T>>(run: Head, page: Page, (items, total): (Vec<R>, i64)) -> Self {
        Self { list: List::new(page, items, total), as_of: run.as_of, run_id: run.run_id }
    }
}

/// A view that consists of rows.
pub trait IntoRows {
    /// One row; its fields are the table's columns.
    type Row: Serialize + Send + 'static;

    /// Returns the rows in the view's order.
    fn into_rows(self) -> Vec<Self::Row>;
}

impl<T: Serialize + Send + 'static> IntoRows for List<T> {
    type Row = T;

    fn into_rows(self) -> Vec<T> {
        self.items
    }
}

impl<T: Serialize + Send + 'static> IntoRows for ArtifactList<T> {
    type Row = T;

    fn into_rows(self) -> Vec<T> {
        self.list.items
    }
}

/// The row type of a listing.
pub type RowOf<L> = <<L as Question>::View as IntoRows>::Row;

/// A question whose answer is a list that can be exported as a table.
pub trait Listing: Question<View: IntoRows> + Sized {
    /// Name of the exported file, without extension.
    const TABLE: &'static str;

    /// Fields of a row, in the order of the table's columns.
    const COLUMNS: &'static [&'static str];

    /// Returns the rows: the whole list if `whole`, otherwise the page that the question asks for. A list without pages
    /// is always whole.
    fn export(
        self,
        reader: Arc<Reader>,
        _whole: bool,
    ) -> impl Future<Output = Result<Rows<RowOf<Self>>, QueryError>> + Send {
        async move { Ok(Rows::at_once(self.read(&reader).await?.into_rows())) }
    }
}

/// A list that is read page by page.
pub trait PagedList: Serialize + Send + Sync + 'static {
    /// The type of one page.
    type View: IntoRows + Serialize + Send;

    /// See [`Question::NAME`].
    const NAME: &'static str;
    /// See [`Question::FAMILY`].
    const FAMILY: CacheFamily;
    /// See [`Listing::TABLE`].
    const TABLE: &'static str = Self::NAME;
    /// See [`Listing::COLUMNS`].
    const COLUMNS: &'static [&'static str];

    /// See [`Question::live`].
    const LIVE: LiveFacts = LiveFacts::None;

    /// Reads one page.
    fn page(&self, reader: &Reader, page: Page) -> impl Future<Output = Result<Self::View, QueryError>> + Send;

    /// Reads the list from an offset on, up to [`Limit::WHOLE`] rows in one query. Lists that can be longer read in
    /// steps.
    fn whole(
        self,
        reader: Arc<Reader>,
        offset: Offset,
    ) -> impl Future<Output = Result<Rows<<Self::View as IntoRows>::Row>, QueryError>> + Send
    where
        Self: Sized,
    {
        async move {
            let view = self.page(&reader, Page { limit: Limit::WHOLE, offset }).await?;
            Ok(Rows::at_once(view.into_rows()))
        }
    }
}

/// The question for one page of a list.
#[derive(Debug, Serialize)]
pub struct Paged<L> {
    #[serde(flatten)]
    pub list: L,
    #[serde(flatten)]
    pub page: Page,
}

impl<L> Paged<L> {
    /// Creates the question for one page of a list.
    pub fn new(list: L, page: impl Into<Page>) -> Self {
        Self { list, page: page.into() }
    }
}

impl<L: PagedList> Question for Paged<L> {
    type View = L::View;
    const NAME: &'static str = L::NAME;
    const FAMILY: CacheFamily = L::FAMILY;

    fn live(&self) -> LiveFacts {
        L::LIVE
    }

    async fn read(&self, reader: &Reader) -> Result<L::View, QueryError> {
        self.list.page(reader, self.page).await
    }
}

impl<L: PagedList> Listing for Paged<L> {
    const TABLE: &'static str = L::TABLE;
    const COLUMNS: &'static [&'static str] = L::COLUMNS;

    async fn export(self, reader: Arc<Reader>, whole: bool) -> Result<Rows<RowOf<Self>>, QueryError> {
        if whole {
            return self.list.whole(reader, self.page.offset).await;
        }
        Ok(Rows::at_once(self.read(&reader).await?.into_rows()))
    }
}
