//! Query parameters that many endpoints share. A handler takes each as a `Params` of its own, beside its filters.

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

/// The beginning of a list that has no pages.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Top {
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    pub limit: Limit,
}

/// The run that answers.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

impl AsOf {
    pub fn day(self) -> Option<NaiveDate> {
        self.as_of.map(Day::get)
    }
}

/// Whether the answer says where its numbers come from.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Explain {
    /// Adds which layer answered for which hours, and what is cached. Such an answer is always computed.
    pub explain: bool,
}
