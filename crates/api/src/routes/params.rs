//! Query parameters that several endpoints share. A handler takes each struct as a `Params` beside its own filters.

use chrono::NaiveDate;
use domain::page::{Limit, Offset, Page};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::Day;

/// A page of a list.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

impl From<Paging> for Page {
    fn from(Paging { limit, offset }: Paging) -> Self {
        Self { limit, offset }
    }
}

/// The number of first items, for lists without pages.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Top {
    /// Number of items.
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    pub limit: Limit,
}

/// The run that answers.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// Answer as of this day: from the newest run that contains no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

impl AsOf {
    /// The requested day, if any.
    pub fn day(self) -> Option<NaiveDate> {
        self.as_of.map(Day::get)
    }
}

/// Whether the answer includes its provenance.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Explain {
    /// Add which layer answered for which hours, and what is cached. Such an answer is always computed.
    pub explain: bool,
}
