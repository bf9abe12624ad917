use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn now() -> DateTime<Utc> {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn validate(body: &[u8]) -> Result<Validated, Unusable> {
    let names = MovieNames::from([("m002".into(), MovieId::new(27_205).unwrap())]);
    Ok(SentEvents::parse(body)?.validate(&names, now()))
}

fn validated(body: Value) -> Validated {
    validate(body.to_string().as_bytes()).unwrap()
}

fn code_of(change: Value) -> String {
    let mut event = json!({"user_id": 1, "movie_id": 550, "event_type": "view"});
    for (field, value) in change.as_object().unwrap() {
        event[field] = value.clone();
    }
    validated(json!([event])).rejected.pop().map_or("accepted".into(), |rejected| rejected.code)
}

#[test]
fn one_event_or_many_with_what_is_absent_filled_in() {
    let one = validated(json!({"user_id": 1, "movie_id": 550, "event_type": "rating", "rating": 7.5})).accepted;
    assert_eq!((one[0].rating, one[0].occurred_at, one.len()), (Some(7.5), now(), 1));
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let many = validated(json!([{"event_id": id, "user_id": 1, "movie_id": 2, "event_type": "click",
        "occurred_at": "2026-03-10T13:00:00+02:00"}]));
    assert_eq!(many.accepted[0].event_id.to_string(), id);
    assert_eq!(many.accepted[0].occurred_at.to_rfc3339(), "2026-03-10T11:00:00+00:00");
}

#[test]
fn each_item_is_validated_by_itself() {
    let validated = validated(json!([
        {"user_id": 1, "movie_id": 550, "event_type": "view"},
        {"user_id": 1, "movie_id": true, "event_type": "view"},
        7,
        {"user_id": 1, "movie_id": 550, "event_type": "like"},
        {"user_id": 1, "movie_id": 550, "event_type": "dance"},
    ]));
    assert_eq!(validated.accepted.len(), 2);
    let rejected: Vec<_> = validated.rejected.iter().map(|r| (r.index, r.code.as_str())).collect();
    assert_eq!(rejected, [(1, "malformed_event"), (2, "malformed_event"), (4, "invalid_event_type")]);
}

#[test]
fn every_rule_has_its_code() {
    for (change, code) in [
        (json!({}), "accepted"),
        (json!({"user_id": ""}), "invalid_user_id"),
        (json!({"user_id": "a b"}), "invalid_user_id"),
        (json!({"user_id": -1}), "invalid_user_id"),
        (json!({"user_id": "user_123"}), "accepted"),
        (json!({"movie_id": "550"}), "accepted"),
        (json!({"movie_id": "m002"}), "accepted"),
        (json!({"movie_id": "m003"}), "unknown_alias"),
        (json!({"movie_id": "tt0133093"}), "unknown_movie"),
        (json!({"movie_id": "m 2"}), "invalid_movie_id"),
        (json!({"list_id": "x"}), "invalid_list_id"),
        (json!({"movie_id": -5}), "invalid_movie_id"),
        (json!({"event_id": "x"}), "invalid_event_id"),
        (json!({"rating": 5}), "rating_not_allowed"),
        (json!({"event_type": "rating"}), "rating_missing"),
        (json!({"event_type": "rating", "rating": 0.4}), "invalid_rating"),
        (json!({"event_type": "rating", "rating": 10.1}), "invalid_rating"),
        (json!({"event_type": "rating", "rating": 0.5}), "accepted"),
        (json!({"occurred_at": "yesterday"}), "invalid_occurred_at"),
        (json!({"occurred_at": "2026-03-10T12:05:00Z"}), "accepted"),
        (json!({"occurred_at": "2026-03-10T12:05:01Z"}), "occurred_in_future"),
        (json!({"occurred_at": "2026-02-08T12:00:00Z"}), "accepted"),
        (json!({"occurred_at": "2026-02-08T11:59:59Z"}), "occurred_too_long_ago"),
        // A misspelt name would silently make the event happen now.
        (json!({"occured_at": "2026-03-10T12:00:00Z"}), "malformed_event"),
    ] {
        assert_eq!(code_of(change.clone()), code, "{change}");
    }
}

#[test]
fn a_body_that_is_no_list_of_events_is_refused_as_a_whole() {
    assert!(matches!(validate(b"{"), Err(Unusable::NotJson(_))));
    assert_eq!(validate(b"7"), Err(Unusable::NotEvents));
    assert_eq!(validate(b"[]"), Err(Unusable::NotEvents));
    let event = json!({"user_id": 1, "movie_id": 550, "event_type": "view"});
    let many = |n| validate(Value::Array(vec![event.clone(); n]).to_string().as_bytes());
    assert_eq!(many(EVENTS_MAX).unwrap().accepted.len(), EVENTS_MAX);
    assert_eq!(many(EVENTS_MAX + 1), Err(Unusable::TooMany(EVENTS_MAX + 1)));
}

#[test]
fn reviews_are_counted_in_characters() {
    let of_movie = || ReviewRequest { movie_id: SentName::Whole(550), ..ReviewRequest::default() };
    let none = MovieNames::new();
    let review = |content: String| validate_review(ReviewRequest { content, ..of_movie() }, &none, now());
    assert!(review("é".repeat(REVIEW_CHARS_MAX)).is_ok());
    for bad in [String::new(), " \n".into(), "\0".into(), "é".repeat(REVIEW_CHARS_MAX + 1)] {
        assert_eq!(review(bad).unwrap_err().code, "invalid_content");
    }
    let rated = ReviewRequest { content: "Good.".into(), rating: Some(11.0), ..of_movie() };
    assert_eq!(validate_review(rated, &none, now()).unwrap_err().code, "invalid_rating");
}

#[test]
fn facts_keep_their_form_in_the_log() {
    let event =
        validated(json!({"user_id": 1, "movie_id": 550, "event_type": "rating", "rating": 7.3})).accepted.remove(0);
    let fact = Fact::Event(event);
    let text = serde_json::to_string(&fact).unwrap();
    assert!(text.contains(r#""kind":"event""#), "{text}");
    assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
    // Entries of earlier releases hold a number.
    let old = text.replace(r#""user_id":"1""#, r#""user_id":1"#);
    assert!(old != text && serde_json::from_str::<Fact>(&old).unwrap() == fact, "{old}");
}

proptest! {
    #[test]
    fn any_body_is_validated_without_a_panic(body in ".{0,200}") {
        let _ = validate(body.as_bytes());
    }

    #[test]
    fn counts_are_exact_in_any_order(ratings in prop::collection::vec(0.5f32..10.0, 1..300)) {
        let event = |rating: &f32| Event {
            event_id: EventId::new(),
            user_id: ViewerName::numbered(1),
            movie_id: MovieId::new(1).unwrap(),
            event_type: EventType::Rating,
            rating: Some(*rating),
            list_id: None,
            occurred_at: now(),
        };
        let (mut forth, mut back, mut halves) = (Counts::default(), Counts::default(), Counts::default());
        ratings.iter().for_each(|r| forth.add(&event(r)));
        ratings.iter().rev().for_each(|r| back.add(&event(r)));
        for half in ratings.chunks(7) {
            let mut part = Counts::default();
            half.iter().for_each(|r| part.add(&event(r)));
            halves += part;
        }
        prop_assert_eq!(forth, back);
        prop_assert_eq!(forth, halves);
        prop_assert_eq!(forth.total(), ratings.len() as i64);
    }
}
