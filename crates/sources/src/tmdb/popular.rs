use chrono::Utc;
use domain::events::Observation;
use domain::ingest::Quarantined;
use serde_json::Value;

use super::client::TmdbClient;
use crate::SourceError;
use crate::lenient::integer;
use crate::movie::observation;

/// Movies on a page of TMDB's lists.
pub const POPULAR_PAGE: u32 = 20;

/// One page of the most popular movies, as they stood when TMDB answered.
#[derive(Debug, Default)]
pub struct Popular {
    /// Numbers of the movies, as of now.
    pub seen: Vec<Observation>,
    /// Entries without an id or without numbers.
    pub odd: Vec<Quarantined>,
    /// Whether this was the last page that there is.
    pub last: bool,
}

impl TmdbClient {
    /// Page `page` (from 1) of the most popular movies. One request; the numbers are in the list itself.
    ///
    /// # Errors
    /// The key is refused, TMDB throttles without end, or it is down.
    pub async fn popular(&self, page: u32) -> Result<Popular, SourceError> {
        let location = format!("movie/popular page {page}");
        let read = |body: Value| read(page, &body);
        self.get("movie/popular", &[("page", page.to_string())], read)
            .await
            .map_err(|failure| failure.into_error(&location))
    }
}

fn read(page: u32, body: &Value) -> Result<Popular, &'static str> {
    let now = Utc::now();
    let pages = integer(&body["total_pages"]).ok_or("the page does not say how many there are")?;
    let mut popular = Popular { last: i64::from(page) >= pages, ..Popular::default() };
    for entry in body["results"].as_array().ok_or("the page has no list of results")? {
        match observation(entry, now) {
            Ok(seen) => popular.seen.push(seen),
            Err(defect) => {
                // Not by page: the same movie is on another one an hour later.
                let location = format!("movie/popular {}", entry["id"]);
                popular.odd.push(Quarantined::new(location, Some(defect.field), defect.reason, &entry.to_string()));
            }
        }
    }
    Ok(popular)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_from_the_list_and_entries_without_them_go_aside() {
        let page = json!({"page": 2, "total_pages": 2, "total_results": 24, "results": [
            {"id": 109_414, "title": "This Is the End", "popularity": 101.13, "vote_average": 6.6, "vote_count": 285},
            {"id": 7, "popularity": "9.5", "vote_average": 99, "vote_count": "3"},
            {"id": 8, "popularity": null, "vote_average": 5, "vote_count": 3},
            {"id": "?", "popularity": 1, "vote_average": 5, "vote_count": 3}, 5
        ]});
        let popular = read(2, &page).unwrap();
        let numbers: Vec<_> =
            popular.seen.iter().map(|o| (o.movie_id.get(), o.popularity, o.vote_average, o.vote_count)).collect();
        assert_eq!(numbers, [(109_414, 101.13, 6.6, 285), (7, 9.5, 10.0, 3)]);
        assert!(popular.last);
        assert_eq!(
            popular.odd.iter().map(|odd| odd.field.as_deref()).collect::<Vec<_>>(),
            [Some("popularity"), Some("id"), Some("id")]
        );
        assert!(read(1, &json!({"results": []})).is_err());
        assert!(read(1, &json!({"total_pages": 1})).is_err());
    }
}
