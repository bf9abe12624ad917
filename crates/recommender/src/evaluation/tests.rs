use std::fs;
use std::path::Path;

use super::*;

/// MovieLens ml-latest-small, which may not be redistributed: found beside the repository or in `MOVIELENS_SMALL`.
fn movielens() -> Option<Ratings> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ml-latest-small");
    let directory = std::env::var_os("MOVIELENS_SMALL").map_or(beside, Into::into);
    let Ok(text) = fs::read_to_string(directory.join("ratings.csv")) else {
        eprintln!("skipped: {} has no ratings.csv; set MOVIELENS_SMALL", directory.display());
        return None;
    };
    let rows: Vec<(u32, u32, f32, i64)> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (
                fields[0].parse().unwrap(),
                fields[1].parse().unwrap(),
                fields[2].parse().unwrap(),
                fields[3].parse().unwrap(),
            )
        })
        .collect();
    let ordinals = |ids: Vec<u32>| -> Vec<u32> {
        let mut ids = ids;
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let viewers = ordinals(rows.iter().map(|row| row.0).collect());
    let items = ordinals(rows.iter().map(|row| row.1).collect());
    let place = |ids: &[u32], id| ids.binary_search(&id).unwrap() as u32;
    let ratings = rows
        .iter()
        .map(|row| Rating { viewer: place(&viewers, row.0), item: place(&items, row.1), value: row.2, time: row.3 })
        .collect();
    Some(Ratings { rows: ratings, viewers: viewers.len(), items: items.len() })
}

fn shown(candidate: &Candidate, split: &Split, metrics: &[Metric]) -> Vec<String> {
    let model = candidate.fit(&split.train, &()).unwrap();
    let lists = lists(&*model, split);
    metrics
        .iter()
        .map(|metric| {
            let Interval { mean, low, high } = interval(&metric.of(&lists, &split.held));
            format!("{metric} {mean:.4} [{low:.4}, {high:.4}]")
        })
        .collect()
}

const LATEST: [Metric; 3] = [Metric::HitRate(10), Metric::Ndcg(10), Metric::HitRate(100)];
const STRONG: [Metric; 3] = [Metric::Recall(20), Metric::Recall(50), Metric::Ndcg(100)];

#[test]
fn the_published_popularity_rows_are_reproduced_with_their_intervals() {
    let Some(ratings) = movielens() else { return };
    let all = ratings.split(Protocol::LeaveLastOut { like_min: 0.0, held_min: 0.0 }, Part::Test);
    assert_eq!((all.train.len(), all.held.len()), (100_226, 610));
    assert_eq!(
        shown(&Candidate::Popularity, &all, &LATEST),
        ["HR@10 0.0426 [0.0279, 0.0590]", "NDCG@10 0.0194 [0.0116, 0.0278]", "HR@100 0.1852 [0.1573, 0.2164]"]
    );
    let liked = ratings.split(Protocol::LeaveLastOut { like_min: 4.0, held_min: 4.0 }, Part::Test);
    assert_eq!((liked.train.len(), liked.held.len()), (47_972, 608));
    // Published HR@100: 0.2089 [0.1776, 0.2467]. One viewer's held-out item shares place 100 with others, where numpy's
    // argpartition takes any; a stable sort in numpy gives what stands here.
    assert_eq!(
        shown(&Candidate::Popularity, &liked, &LATEST),
        ["HR@10 0.0395 [0.0247, 0.0559]", "NDCG@10 0.0218 [0.0128, 0.0315]", "HR@100 0.2105 [0.1793, 0.2467]"]
    );
    let strong = ratings.split(Protocol::StrongGeneralisation { like_min: 4.0, fold: 0 }, Part::Test);
    assert_eq!(
        (strong.train.len(), strong.train.viewers().height(), strong.train.items().height()),
        (37_577, 482, 5_209)
    );
    assert_eq!((strong.held.height(), strong.held.len()), (121, 1_912));
    assert_eq!(
        shown(&Candidate::Popularity, &strong, &STRONG),
        ["Recall@20 0.1915 [0.1564, 0.2361]", "Recall@50 0.2711 [0.2270, 0.3190]", "NDCG@100 0.2210 [0.1911, 0.2521]"]
    );
    let validation = ratings.split(Protocol::StrongGeneralisation { like_min: 4.0, fold: 0 }, Part::Validation(1));
    assert_eq!(shown(&Candidate::Popularity, &validation, &STRONG)[2][..15], *"NDCG@100 0.2333");
}

#[test]
fn the_published_rows_of_the_other_deterministic_models_are_reproduced() {
    let Some(ratings) = movielens() else { return };
    let strong = ratings.split(Protocol::StrongGeneralisation { like_min: 4.0, fold: 0 }, Part::Test);
    let similarity = crate::models::Similarity::Bm25 { k1: 1.2, b: 0.25 };
    assert_eq!(
        shown(&Candidate::Knn { similarity, neighbours: 150 }, &strong, &STRONG),
        ["Recall@20 0.3369 [0.2942, 0.3863]", "Recall@50 0.4447 [0.3897, 0.5008]", "NDCG@100 0.3356 [0.3015, 0.3694]"]
    );
    assert_eq!(
        shown(&Candidate::Ease { regularisation: 200.0 }, &strong, &STRONG),
        ["Recall@20 0.3770 [0.3315, 0.4254]", "Recall@50 0.4858 [0.4328, 0.5395]", "NDCG@100 0.3771 [0.3408, 0.4118]"]
    );
}

#[test]
fn one_viewer_with_two_ratings_is_a_whole_evaluation() {
    let row = |item, time| Rating { viewer: 0, item, value: 4.0, time };
    let ratings = Ratings { rows: vec![row(0, 5), row(1, 5)], viewers: 1, items: 3 };
    let split = ratings.split(Protocol::LeaveLastOut { like_min: 0.0, held_min: 0.0 }, Part::Test);
    assert_eq!((split.histories.row(0).columns, split.held.row(0).columns), (&[0][..], &[1][..]));
    assert_eq!(shown(&Candidate::Popularity, &split, &[Metric::HitRate(10)]), ["HR@10 1.0000 [1.0000, 1.0000]"]);
    let nobody = ratings.split(Protocol::StrongGeneralisation { like_min: 4.0, fold: 0 }, Part::Test);
    assert_eq!(nobody.held.height(), 0);
}

#[test]
fn settings_are_ranked_in_two_rounds_and_blends_as_the_blend_that_is_fitted() {
    let row = |viewer, item| Rating { viewer, item, value: 4.0, time: i64::from((item * 7 + viewer) % 15) };
    let of = |viewer: u32| (0..15).map(move |item| (viewer, 20 * (viewer % 2) + item));
    let rows = (0..40).flat_map(of).filter(|(viewer, item)| (viewer + item) % 5 > 0).map(|(v, i)| row(v, i)).collect();
    let ratings = Ratings { rows, viewers: 40, items: 35 };
    let protocol = Protocol::StrongGeneralisation { like_min: 4.0, fold: 2 };
    let validations: Vec<Split> =
        (1..=VALIDATIONS).map(|step| ratings.split(protocol, Part::Validation(step))).collect();
    let candidates =
        [Candidate::Popularity, Candidate::Ease { regularisation: 5.0 }, Candidate::Ease { regularisation: f32::NAN }];
    let metric = Metric::Ndcg(10);
    let ranked = rank(&candidates, &validations, metric, &()).unwrap();
    assert_eq!(ranked.len(), 2, "the one that cannot be fitted is left out");
    assert_eq!((&ranked[0].candidate, ranked[0].finalist), (&candidates[1], true));
    let viewers: usize = validations.iter().map(|split| split.held.height()).sum();
    assert_eq!((ranked[0].values.len(), ranked[1].values.len()), (viewers, validations[0].held.height()));
    assert!(rank(&candidates[2..], &validations, metric, &()).is_err());

    let blends = rank_blends(&candidates[..2], &[vec![0.4, 0.6], vec![1.0, 0.0]], &validations, metric, &()).unwrap();
    for judged in blends {
        let fitted = validations.iter().flat_map(|split| {
            let model = judged.candidate.fit(&split.train, &()).unwrap();
            metric.of(&lists(&*model, split), &split.held)
        });
        assert_eq!(judged.values, fitted.collect::<Vec<_>>(), "{}", judged.candidate);
    }
}
