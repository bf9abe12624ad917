use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::ingest::{Quarantined, Record};
use domain::movies::Review;
use serde_json::Value;

use crate::lenient::{list, number, text};
use crate::movie::{self, Defect};

/// Longest review kept, in bytes: about 3,000 words. A longer one is cut, which bounds a row.
const MAX_REVIEW: usize = 20_000;
const MAX_AUTHOR: usize = 200;
const MAX_REVIEW_ID: usize = 64;

/// Reviews kept per movie; the page that comes with a movie holds 20.
const MAX_REVIEWS: usize = 100;

/// The records in a movie detail with `append_to_response=credits,keywords,reviews`: the movie, its numbers as of `day`,
/// its reviews. Whatever the body lacks or has wrong is unknown; a movie without id or title, and a review without
/// id, text or date, come out as `Quarantined`. `location` says where the body is from: `movie/550`.
pub fn movie_records(location: &str, body: &Value, day: NaiveDate) -> Vec<Record> {
    let movie = match movie::movie(body) {
        Ok(movie) => movie,
        Err(defect) => return vec![quarantined(location, defect, body)],
    };
    let mut records = vec![Record::Metrics(movie::metrics(&movie, day))];
    records.extend(list(&body["reviews"]["results"]).iter().take(MAX_REVIEWS).map(|entry| {
        match review(movie.id, entry) {
            Ok(review) => Record::Review(review),
            Err(defect) => quarantined(location, defect, entry),
        }
    }));
    records.insert(0, Record::Movie(Box::new(movie)));
    records
}

fn quarantined(location: &str, defect: Defect, body: &Value) -> Record {
    Record::Quarantined(Quarantined::new(location, Some(defect.field), defect.reason, &body.to_string()))
}

fn review(movie_id: MovieId, entry: &Value) -> Result<Review, Defect> {
    let missing = |field| Defect { field, reason: "must not be empty" };
    let details = &entry["author_details"];
    Ok(Review {
        review_id: text(&entry["id"], MAX_REVIEW_ID).ok_or(missing("reviews.id"))?,
        movie_id,
        author: text(&entry["author"], MAX_AUTHOR).or_else(|| text(&details["username"], MAX_AUTHOR)),
        rating: number(&details["rating"]).filter(|rating| (0.5..=10.0).contains(rating)).map(|rating| rating as f32),
        content: text(&entry["content"], MAX_REVIEW).ok_or(missing("reviews.content"))?,
        // No date of today in place of a missing one: ingesting tomorrow would move the review.
        written_at: instant(&entry["created_at"])
            .or_else(|| instant(&entry["updated_at"]))
            .ok_or(Defect { field: "reviews.created_at", reason: "must be a time" })?,
    })
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(value.as_str()?.trim()).ok()?.to_utc();
    // Before TMDB and beyond any clock error is a typing error.
    (0..=4_102_444_800).contains(&instant.timestamp()).then_some(instant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()
    }

    #[test]
    fn a_movie_brings_its_numbers_and_its_reviews() {
        let body = json!({
            "id": 7, "title": "Seven", "popularity": 4.5, "vote_average": 8.1, "vote_count": 12,
            "reviews": {"results": [
                {"id": "a1", "author": "Ann", "author_details": {"rating": 9.0}, "content": "Good.\0", "created_at": "2020-01-02T03:04:05.678Z"},
                {"id": "a2", "author": "", "author_details": {"rating": null, "username": "bob"}, "content": "Bad.", "created_at": "2020-01-02T03:04:05Z"},
                {"id": "a3", "content": "", "created_at": "2020-01-02T03:04:05Z"},
                {"id": "a4", "content": "No date."}
            ]}
        });
        let records = movie_records("movie/7", &body, day());
        let [
            Record::Movie(movie),
            Record::Metrics(numbers),
            Record::Review(first),
            Record::Review(second),
            Record::Quarantined(third),
            Record::Quarantined(fourth),
        ] = records.as_slice()
        else {
            panic!("{records:?}")
        };
        assert_eq!((movie.title.as_str(), numbers.vote_count, numbers.day), ("Seven", 12, day()));
        assert_eq!((first.content.as_str(), first.rating), ("Good.", Some(9.0)));
        assert_eq!((second.author.as_deref(), second.rating), (Some("bob"), None));
        assert_eq!(
            (third.field.as_deref(), fourth.field.as_deref()),
            (Some("reviews.content"), Some("reviews.created_at"))
        );
    }

    #[test]
    fn a_body_without_an_id_is_quarantined_with_its_text() {
        let records = movie_records("movie/7", &json!({"title": "Seven"}), day());
        let [Record::Quarantined(aside)] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((aside.location.as_str(), aside.field.as_deref()), ("movie/7", Some("id")));
        assert!(aside.record.contains("Seven"));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in movie::tests::any_json()) {
            prop_assert!(!movie_records("movie/1", &body, day()).is_empty());
        }
    }
}
