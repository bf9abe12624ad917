//! The shape of every list.

use domain::page::{Limit, Offset};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Items on all pages.
    pub total: i64,
    #[schema(value_type = u16, example = 20)]
    pub limit: Limit,
    #[schema(value_type = u32, example = 0)]
    pub offset: Offset,
}
