//! The rows that an operator's action is about.

use serde::Deserialize;
use storage::postgres::Which;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Most ids in one request.
const IDS_MAX: usize = 1_000;

/// Most rows that one request with `all` handles; it can be repeated. Ten thousand letters are handled within seconds.
pub(super) const ROWS_MAX: i64 = 10_000;

/// Either `ids` or `all`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WhichRows {
    /// These rows, at most 1,000.
    #[schema(max_items = 1_000, example = json!([1, 2]))]
    ids: Vec<i64>,
    /// All rows, at most 10,000 a request.
    all: bool,
}

impl TryFrom<WhichRows> for Which {
    type Error = ApiError;

    fn try_from(WhichRows { ids, all }: WhichRows) -> Result<Self, ApiError> {
        let refused = |reason: &str| ApiError::InvalidBody { field: Some("ids".to_owned()), reason: reason.to_owned() };
        match (ids.len(), all) {
            (0, true) => Ok(Self::All),
            (1..=IDS_MAX, false) => Ok(Self::Ids(ids)),
            (0, false) => Err(refused("name rows by ids, or send all: true")),
            (_, true) => Err(refused("cannot be combined with all")),
            (_, false) => Err(refused("must not be more than 1000")),
        }
    }
}
