use domain::MovieId;
use domain::ingest::{Quarantined, Record};
use serde_json::Value;

use super::client::TmdbClient;
use super::plan::Plan;
use super::window::DateWindow;
use crate::SourceError;
use crate::lenient::integer;
use crate::movie::movie_id;

/// One page of movie ids.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub ids: Vec<MovieId>,
    /// Entries without a usable id.
    pub odd: Vec<Record>,
    /// As TMDB counts, which can be more than it will show.
    pub total_pages: u64,
    pub total_results: u64,
}

impl TmdbClient {
    /// Page `page` (from 1) of the movies that `plan` looks for in `window`.
    pub(super) async fn listing(&self, plan: Plan, window: DateWindow, page: u32) -> Result<Listing, SourceError> {
        let (first, last) = (window.first.to_string(), window.last.to_string());
        let (path, mut query) = match plan {
            Plan::Full => (
                "discover/movie",
                vec![
                    ("primary_release_date.gte", first),
                    ("primary_release_date.lte", last),
                    ("sort_by", "primary_release_date.asc".to_owned()),
                    ("include_adult", "false".to_owned()),
                ],
            ),
            Plan::Changes { .. } => ("movie/changes", vec![("start_date", first), ("end_date", last)]),
        };
        query.push(("page", page.to_string()));
        let location = format!("{path} {window} page {page}");
        self.get(path, &query, |body| read(&location, &body)).await.map_err(|failure| failure.into_error(&location))
    }
}

/// Totals are required: without them a listing could end early without a trace.
fn read(location: &str, body: &Value) -> Result<Listing, &'static str> {
    let count = |field: &str| integer(&body[field]).and_then(|count| u64::try_from(count).ok());
    let mut listing = Listing {
        total_pages: count("total_pages").ok_or("the page does not say how many there are")?,
        total_results: count("total_results").ok_or("the page does not say how many movies there are")?,
        ..Listing::default()
    };
    for entry in body["results"].as_array().ok_or("the page has no list of results")? {
        match movie_id(&entry["id"]) {
            Ok(id) => listing.ids.push(id),
            Err(defect) => {
                let aside = Quarantined::new(location, Some(defect.field), defect.reason, &entry.to_string());
                listing.odd.push(Record::Quarantined(aside));
            }
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_without_totals_or_results_is_no_page() {
        assert!(read("p", &json!({"results": []})).is_err());
        assert!(read("p", &json!({"total_pages": 1, "total_results": 1})).is_err());
        assert!(read("p", &json!([])).is_err());
        let page = json!({"results": [{"id": 5}, {"id": null}, 7], "total_pages": 1, "total_results": "3"});
        let listing = read("p", &page).unwrap();
        assert_eq!((listing.ids.len(), listing.odd.len(), listing.total_results), (1, 2, 3));
    }
}
