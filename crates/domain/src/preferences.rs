//! What a viewer's facts say about a movie: liked or disliked, and how surely. The recommender trains on it, and the
//! real-time layer folds it in.
//!
//! Confidence as in Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback datasets", section 4:
//! each fact adds its weight; a word of the viewer's own (like, dislike, rating, review with a rating) decides the sign.

use chrono::{DateTime, Utc};

use crate::MovieId;
use crate::events::EventType;

/// A rating from here on says "liked", of 0.5 to 10.
pub const LIKED_FROM: f32 = 6.0;

/// A rating below this says "disliked"; one between the two says that it was watched.
pub const DISLIKED_BELOW: f32 = 5.0;

/// Events after which the movie counts as seen, so that it is not recommended again.
const SEEN_BY: [EventType; 4] = [EventType::Like, EventType::Dislike, EventType::Watch, EventType::Rating];

/// Names of the events from which a taste is read, for statements.
pub fn telling_events() -> Vec<String> {
    EventType::ALL.into_iter().filter(|kind| kind.tells_taste()).map(|kind| kind.as_str().to_owned()).collect()
}

/// Names of the events after which a movie counts as seen, for statements.
pub fn seen_events() -> Vec<String> {
    SEEN_BY.map(|kind| kind.as_str().to_owned()).to_vec()
}

/// Most that facts without an opinion add together: a hundred views are no stronger than one like.
const IMPLICIT_MAX: f32 = 1.0;

/// One fact of a viewer about a movie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    pub kind: SignalKind,
    pub at: DateTime<Utc>,
}

/// What the fact was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SignalKind {
    /// An event. The rating is present exactly for [`EventType::Rating`].
    Event(EventType, Option<f32>),
    /// A rating that a source brought, 0.5 to 10.
    Rating(f32),
    /// A review, with its rating where it has one.
    Review(Option<f32>),
}

/// The weights of facts by kind, and how fast they fade.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceWeights {
    /// Weight of an event by [`EventType::slot`]; 0 for types without [`EventType::tells_taste`].
    pub by_type: [f32; EventType::COUNT],
    /// Weight of a review.
    pub review: f32,
    /// After this many days a fact weighs half; `None`: facts do not fade.
    pub half_life_days: Option<f32>,
}

impl Default for PreferenceWeights {
    fn default() -> Self {
        let mut by_type = [0.0; EventType::COUNT];
        for (kind, weight) in [
            (EventType::View, 0.2),
            (EventType::Click, 0.1),
            (EventType::Like, 1.0),
            (EventType::Dislike, 1.0),
            (EventType::Watch, 0.7),
            (EventType::Rating, 1.0),
        ] {
            by_type[kind.slot()] = weight;
        }
        Self { by_type, review: 1.0, half_life_days: None }
    }
}

/// What all facts of one viewer about one movie say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preference {
    /// The confidence, above 0.
    pub weight: f32,
    /// Whether the viewer likes the movie; otherwise the viewer dislikes it.
    pub liked: bool,
    /// The time of the newest fact.
    pub newest_at: DateTime<Utc>,
}

impl PreferenceWeights {
    /// The preference that these facts express; `None` if they say nothing. The order of the facts is irrelevant.
    pub fn preference(&self, signals: &[Signal], now: DateTime<Utc>) -> Option<Preference> {
        let newest_at = signals.iter().map(|signal| signal.at).max()?;
        let implicit: f32 =
            signals.iter().filter(|s| s.kind.opinion().is_none()).map(|s| self.weight(*s, now)).sum::<f32>();
        let implicit = implicit.min(IMPLICIT_MAX);
        // The viewer's last word counts; of words of one moment the stronger one.
        let explicit = signals
            .iter()
            .filter_map(|s| Some((s.at, self.weight(*s, now), s.kind.opinion()?)))
            .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let (weight, liked) = match explicit {
            Some((_, weight, false)) => (weight, false),
            Some((_, weight, true)) => (weight + implicit, true),
            None => (implicit, true),
        };
        (weight > 0.0).then_some(Preference { weight, liked, newest_at })
    }

    /// What each movie's facts say, in their order; movies without a preference are left out.
    pub fn preferences(
        &self,
        history: impl IntoIterator<Item = (MovieId, Vec<Signal>)>,
        now: DateTime<Utc>,
    ) -> Vec<(MovieId, Preference)> {
        history.into_iter().filter_map(|(movie, signals)| Some((movie, self.preference(&signals, now)?))).collect()
    }

    fn weight(&self, signal: Signal, now: DateTime<Utc>) -> f32 {
        let weight = match signal.kind {
            SignalKind::Event(kind, _) => self.by_type[kind.slot()],
            SignalKind::Rating(_) => self.by_type[EventType::Rating.slot()],
            SignalKind::Review(_) => self.review,
        };
        let days = (now - signal.at).as_seconds_f32().max(0.0) / 86_400.0;
        weight * self.half_life_days.map_or(1.0, |half_life| (-days / half_life).exp2())
    }
}

impl SignalKind {
    /// Whether the viewer said "liked" or "disliked"; `None`: neither.
    fn opinion(self) -> Option<bool> {
        match self {
            Self::Event(EventType::Like, _) => Some(true),
            Self::Event(EventType::Dislike, _) => Some(false),
            Self::Event(_, rating) | Self::Review(rating) => rating.and_then(rated),
            Self::Rating(rating) => rated(rating),
        }
    }

    /// Whether the movie counts as seen from then on.
    pub fn marks_seen(self) -> bool {
        match self {
            Self::Event(kind, _) => SEEN_BY.contains(&kind),
            Self::Rating(_) | Self::Review(_) => true,
        }
    }
}

fn rated(rating: f32) -> Option<bool> {
    match rating {
        r if r >= LIKED_FROM => Some(true),
        r if r < DISLIKED_BELOW => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> DateTime<Utc> {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn event(kind: EventType, day: u32) -> Signal {
        Signal { kind: SignalKind::Event(kind, None), at: at(day) }
    }

    fn weight_and_sign(signals: &[Signal]) -> Option<(f32, bool)> {
        PreferenceWeights::default().preference(signals, at(20)).map(|p| (p.weight, p.liked))
    }

    #[test]
    fn the_last_word_decides_and_the_rest_adds() {
        let rated = |stars, day| Signal { kind: SignalKind::Rating(stars), at: at(day) };
        assert_eq!(weight_and_sign(&[]), None);
        assert_eq!(weight_and_sign(&[event(EventType::Impression, 1)]), None);
        assert_eq!(weight_and_sign(&[event(EventType::Watch, 1)]), Some((0.7, true)));
        assert_eq!(weight_and_sign(&[event(EventType::Like, 1), event(EventType::Watch, 2)]), Some((1.7, true)));
        assert_eq!(weight_and_sign(&[event(EventType::Dislike, 3), event(EventType::Like, 1)]), Some((1.0, false)));
        assert_eq!(weight_and_sign(&[event(EventType::Dislike, 3), rated(8.0, 4)]), Some((1.0, true)));
        assert_eq!(weight_and_sign(&[rated(2.0, 4)]), Some((1.0, false)));
        assert_eq!(weight_and_sign(&[rated(5.5, 4)]), Some((1.0, true)), "watched, without an opinion");
        let views = [event(EventType::View, 1); 100];
        assert_eq!(weight_and_sign(&views), Some((1.0, true)));
    }

    #[test]
    fn whatever_marks_a_movie_as_seen_tells_of_the_taste() {
        assert_eq!(telling_events(), ["view", "click", "like", "dislike", "watch", "rating"]);
        assert!(seen_events().iter().all(|kind| telling_events().contains(kind)));
        let default = PreferenceWeights::default();
        for kind in EventType::ALL {
            assert_eq!(default.by_type[kind.slot()] > 0.0, kind.tells_taste(), "{kind:?}");
            let seen = SignalKind::Event(kind, None).marks_seen();
            assert_eq!(seen, seen_events().contains(&kind.as_str().to_owned()), "{kind:?}");
        }
    }

    #[test]
    fn facts_fade_by_half_each_half_life() {
        let fading = PreferenceWeights { half_life_days: Some(5.0), ..PreferenceWeights::default() };
        let preference = fading.preference(&[event(EventType::Like, 10)], at(20)).unwrap();
        assert!((preference.weight - 0.25).abs() < 1e-6, "{preference:?}");
        assert_eq!(preference.newest_at, at(10));
    }
}
