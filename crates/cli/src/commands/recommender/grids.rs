//! The settings among which validation chooses.

use recommender::als::{Parameters, Solver};
use recommender::evaluation::Candidate;
use recommender::models::Similarity;

pub(super) fn cosine() -> Vec<Candidate> {
    knn(&[Similarity::Cosine])
}

pub(super) fn bm25() -> Vec<Candidate> {
    let each = |k1: f32| [0.25, 0.5, 0.75].map(|b| Similarity::Bm25 { k1, b });
    knn(&[0.5, 1.2, 2.0].into_iter().flat_map(each).collect::<Vec<_>>())
}

fn knn(similarities: &[Similarity]) -> Vec<Candidate> {
    let each = |&similarity| [100, 150, 200].map(|neighbours| Candidate::Knn { similarity, neighbours });
    similarities.iter().flat_map(each).collect()
}

pub(super) fn ease() -> Vec<Candidate> {
    let each = |regularisation| Candidate::Ease { regularisation };
    [50.0, 100.0, 200.0, 300.0, 500.0, 700.0, 1000.0].map(each).to_vec()
}

pub(super) const UNOBSERVED_WEIGHTS: [f32; 4] = [0.03, 0.1, 0.3, 1.0];
pub(super) const REGULARISATIONS: [f32; 4] = [0.003, 0.01, 0.03, 0.1];

/// Every combination. By conjugate gradient, a fifth of the time: the scores differ by less than two random starts do.
pub(super) fn als(
    factors: &[usize],
    unobserved_weights: &[f32],
    regularisations: &[f32],
    iterations: usize,
) -> Vec<Candidate> {
    let mut grid = Vec::new();
    for &factors in factors {
        for &unobserved_weight in unobserved_weights {
            for &regularisation in regularisations {
                let parameters = Parameters {
                    factors,
                    iterations,
                    unobserved_weight,
                    regularisation,
                    solver: Solver::ConjugateGradient { steps: 3 },
                    ..Parameters::default()
                };
                grid.push(Candidate::Als(parameters));
            }
        }
    }
    grid
}

/// Weights of a blend are multiples of a fifth: finer ones would follow the noise of the validation.
const STEPS: u8 = 5;

/// All weights of `parts` models that sum to 1.
pub(super) fn blends(parts: usize) -> Vec<Vec<f32>> {
    let mut all: Vec<Vec<u8>> = vec![Vec::new()];
    for part in 1..=parts {
        let longer = |weights: &Vec<u8>| -> Vec<Vec<u8>> {
            let rest = STEPS - weights.iter().sum::<u8>();
            let range = if part == parts { rest..=rest } else { 0..=rest };
            range.map(|weight| weights.iter().copied().chain([weight]).collect()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.into_iter()
        .map(|weights| weights.into_iter().map(|weight| f32::from(weight) / f32::from(STEPS)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_none_is_missing() {
        let all = blends(3);
        assert_eq!(all.len(), 21, "seven over two");
        assert!(all.iter().all(|weights| (weights.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        assert!(all.contains(&vec![0.0, 0.0, 1.0]) && all.contains(&vec![0.4, 0.2, 0.4]));
    }
}
