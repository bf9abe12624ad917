use super::*;
use crate::interactions::{Builder, Interactions, Preference};
use crate::random::Random;

fn world(viewers: u64, items: u64, seed: u64) -> Interactions {
    let mut random = Random::new(seed);
    let mut builder = Builder::new(viewers as usize, items as usize);
    for viewer in 0..viewers as u32 {
        for _ in 0..3 + random.next() % 12 {
            let item = (random.uniform() * random.uniform() * items as f64) as u32;
            builder.push(viewer, item, 1.0, Preference::Like).unwrap();
        }
    }
    builder.build().unwrap()
}

fn scores(model: &dyn Recommender, history: Row<'_>) -> Vec<f32> {
    let mut scores = vec![f32::NAN; model.items()];
    model.score(history, &mut scores);
    scores
}

#[test]
fn ease_gives_the_same_scores_in_both_forms() {
    for (viewers, items) in [(40, 90), (90, 40), (200, 170)] {
        let world = world(viewers, items, 1);
        let (primal, dual) = (Ease::primal(&world, 5.0).unwrap(), Ease::dual(&world, 5.0).unwrap());
        for viewer in 0..viewers as usize {
            let history = world.viewers().row(viewer);
            for (a, b) in scores(&primal, history).iter().zip(scores(&dual, history)) {
                assert!((a - b).abs() < 2e-4, "{a} {b}");
            }
        }
    }
}

#[test]
fn ease_on_paper() {
    // Two viewers like both items, one likes the first only: X'X + I = [[4, 2], [2, 3]], P = [[3, -2], [-2, 4]]/8
    // and B = [[0, 2/4], [2/3, 0]].
    let mut builder = Builder::default();
    for (viewer, item) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
        builder.push(viewer, item, 1.0, Preference::Like).unwrap();
    }
    let world = builder.build().unwrap();
    let ease = Ease::primal(&world, 1.0).unwrap();
    let first = scores(&ease, Row::new(&[0], None));
    let second = scores(&ease, Row::new(&[1], None));
    assert!(first[0].abs() < 1e-6 && (first[1] - 0.5).abs() < 1e-6, "{first:?}");
    assert!(second[1].abs() < 1e-6 && (second[0] - 2.0 / 3.0).abs() < 1e-6, "{second:?}");
    assert_eq!(Ease::new(&world, 0.0).unwrap_err(), EaseError::Regularisation(0.0));
}

#[test]
fn cosine_neighbours_on_paper() {
    let mut builder = Builder::new(3, 4);
    for (viewer, item) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 2)] {
        builder.push(viewer, item, 1.0, Preference::Like).unwrap();
    }
    let knn = Knn::new(&builder.build().unwrap(), Similarity::Cosine, 10);
    let scores = scores(&knn, Row::new(&[1], None));
    assert!((scores[0] - 2.0 / 6f32.sqrt()).abs() < 1e-6, "{scores:?}");
    assert_eq!((scores[2], scores[3]), (f32::NEG_INFINITY, f32::NEG_INFINITY));
}

#[test]
fn als_and_its_blend_with_itself_rank_alike() {
    let world = world(60, 80, 2);
    let parameters = als::Parameters { factors: 8, iterations: 5, ..als::Parameters::default() };
    let model = als::train(&world, &parameters, &()).unwrap();
    let fold_in = model.fold_in();
    let blend = Blend::new(vec![(0.3, &fold_in), (0.7, &fold_in)]);
    let alone = Recommender::recommend(&fold_in, world.viewers(), world.viewers(), 1);
    let blended = blend.recommend(world.viewers(), world.viewers(), 1);
    let items = |lists: &[Vec<Scored>]| lists.iter().map(|list| list[0].0).collect::<Vec<_>>();
    assert_eq!(items(&alone), items(&blended));
    let by_product = crate::top_n::top_n(&model.viewers, &model.items, world.viewers(), 1, &()).unwrap();
    assert_eq!(items(&alone), items(&by_product));
}

#[test]
fn with_equal_popularity_every_viewer_gets_the_smallest_unseen_items() {
    let mut builder = Builder::new(2, 6);
    for item in 0..6 {
        builder.push(item % 2, item, 1.0, Preference::Like).unwrap();
    }
    let world = builder.build().unwrap();
    let lists = Popularity::new(&world).recommend(world.viewers(), world.viewers(), 2);
    assert_eq!(lists, [[(1, 1.0), (3, 1.0)], [(0, 1.0), (2, 1.0)]]);
}
