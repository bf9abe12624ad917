use proptest::prelude::*;

use super::*;

fn tally(scores: &[f64]) -> Tally {
    let mut tally = Tally::default();
    scores.iter().for_each(|score| tally.add(Score::new(*score)));
    tally
}

#[test]
fn labels_begin_beyond_the_threshold() {
    for (score, label) in [
        (0.3, Label::Neutral),
        (0.301, Label::Positive),
        (-0.3, Label::Neutral),
        (-0.301, Label::Negative),
        (0.0, Label::Neutral),
    ] {
        assert_eq!(Label::of(score), label, "{score}");
    }
}

#[test]
fn a_mean_of_means_weighs_by_review_count() {
    let mut all = tally(&[1.0; 9]);
    all += tally(&[0.0]);
    assert_eq!((all.mean(), all.count()), (Some(0.9), 10));
    assert_eq!(Tally::default().mean(), None);
}

#[test]
fn confidence_grows_with_the_count_and_shrinks_with_the_spread() {
    assert_eq!(Tally::default().confidence(), 0.0);
    assert_eq!(tally(&[0.5]).confidence(), 0.0);
    let agreed = tally(&[0.5; 100]).confidence();
    let split = tally(&[[1.0; 50], [-1.0; 50]].concat()).confidence();
    assert!((agreed - 0.98).abs() < 0.005 && (split - 0.80).abs() < 0.01, "{agreed} {split}");
    assert!(tally(&[0.5; 1_000]).confidence() > agreed);
}

#[test]
fn velocity_is_the_slope_of_the_hourly_means() {
    let noon = Hour::of("2026-03-10T12:00:00Z".parse().unwrap());
    let rising: Vec<_> = (0..5).map(|h| (noon.plus(h), tally(&[0.125 * h as f64; 3]))).collect();
    assert!((velocity(&rising) - 0.125).abs() < 1e-9);
    assert_eq!(velocity(&rising[..1]), 0.0);
    assert_eq!(velocity(&[]), 0.0);
    assert_eq!(velocity(&[(noon, Tally::default()), (noon.plus(1), Tally::default())]), 0.0);
}

proptest! {
    #[test]
    fn tallies_are_exact_in_any_order(scores in prop::collection::vec(-1.0f64..1.0, 1..300)) {
        let forth = tally(&scores);
        let back = tally(&scores.iter().rev().copied().collect::<Vec<_>>());
        let mut parts = Tally::default();
        scores.chunks(7).for_each(|part| parts += tally(part));
        prop_assert_eq!(forth, back);
        prop_assert_eq!(forth, parts);
        prop_assert!((0.0..=1.0).contains(&forth.confidence()));
    }
}
