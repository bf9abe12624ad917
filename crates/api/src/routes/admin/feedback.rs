//! What viewers did with the lists that were recommended to them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use storage::postgres::served_lists::{self, GroupBy, GroupFeedback};
use utoipa::{IntoParams, ToSchema};

use super::fresh;
use crate::State;
use crate::error::ApiError;
use crate::extract::{Params, Parsed};

/// Days that are read by default.
const DAYS: u32 = 7;

/// Most days that are read. Served lists are kept for 90.
const DAYS_MAX: u32 = 90;

/// What is read, and how it is grouped.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FeedbackParams {
    /// Days back from now.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 90, default = 7)]
    days: Option<Parsed<u32>>,
    /// `source`, `model_version`, `variant`, `position` or `exploration`.
    #[param(value_type = Option<String>, default = "source", example = "position")]
    by: Option<GroupBy>,
}

/// What viewers did with the places of the lists of a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackItem {
    #[schema(example = "hybrid")]
    group: String,
    /// Lists served, of those that are logged (`RECOMMENDATION_LOG_SHARE`).
    lists: i64,
    /// Their places, all together.
    places: i64,
    /// Places with at least one event that names the list.
    impressions: i64,
    /// Places that were clicked.
    clicks: i64,
    /// Clicks per impression; null without impressions.
    ctr: Option<f64>,
    /// Movies rated by an event that names the list.
    ratings: i64,
    rating_mean: Option<f64>,
    /// Mean of those ratings less what the same viewers gave to movies that no list showed them.
    rating_uplift: Option<f64>,
}

impl From<GroupFeedback> for FeedbackItem {
    fn from(row: GroupFeedback) -> Self {
        Self {
            ctr: (row.impressions > 0).then(|| row.clicks as f64 / row.impressions as f64),
            group: row.group,
            lists: row.lists,
            places: row.places,
            impressions: row.impressions,
            clicks: row.clicks,
            ratings: row.ratings,
            rating_mean: row.rating_mean,
            rating_uplift: row.rating_uplift,
        }
    }
}

/// Feedback on served lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackBody {
    items: Vec<FeedbackItem>,
    by: &'static str,
    from: DateTime<Utc>,
}

/// Show what viewers did with the lists that were recommended to them.
///
/// An event belongs to a list if it has the list's `list_id`, the viewer to whom the list was served, and a movie of it.
#[utoipa::path(
    get, path = "/api/v1/admin/feedback", operation_id = "feedback", tag = "admin", params(FeedbackParams),
    responses((status = 200, body = FeedbackBody)),
)]
pub async fn show(state: Data<State>, Params(params): Params<FeedbackParams>) -> Result<HttpResponse, ApiError> {
    let days = params.days.map_or(DAYS, |days| days.0);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(ApiError::invalid("days", format!("must be from 1 to {DAYS_MAX}")));
    }
    let from = Utc::now() - TimeDelta::days(i64::from(days));
    let by = params.by.unwrap_or(GroupBy::Source);
    let items = served_lists::feedback(&state.pool, from, by).await?;
    Ok(fresh(&FeedbackBody { items: items.into_iter().map(FeedbackItem::from).collect(), by: by.as_str(), from }))
}
