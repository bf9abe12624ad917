use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::interactions::{Builder, Interactions, Preference, Row};
use crate::progress::Progress;
use crate::random::Random;

/// `viewers` x `items` with `pairs` draws, popular items first, some dislikes.
fn world(viewers: u64, items: u64, pairs: usize, seed: u64) -> Interactions {
    let mut random = Random::new(seed);
    let mut builder = Builder::new(viewers as usize, items as usize);
    for _ in 0..pairs {
        let viewer = (random.next() % viewers) as u32;
        let item = ((random.uniform() * random.uniform()) * items as f64) as u32;
        let preference = if random.uniform() < 0.1 { Preference::Dislike } else { Preference::Like };
        builder.push(viewer, item, 0.5 + random.uniform() as f32, preference).unwrap();
    }
    builder.build().unwrap()
}

fn parameters(solver: Solver) -> Parameters {
    Parameters { factors: 40, iterations: 4, dislike_target: -0.5, solver, ..Parameters::default() }
}

/// The row's normal equations, built and eliminated in `f64` from their definition.
fn by_definition(model: &Model, row: Row<'_>) -> Vec<f64> {
    let p = &model.parameters;
    let f = p.factors;
    let h = |item: usize, k: usize| f64::from(model.items.row(item)[k]);
    let weight: f64 = row.iter().map(|(_, value)| f64::from(value.abs())).sum();
    let frequency = weight + f64::from(p.unobserved_weight) * model.items.rows() as f64;
    let ridge = f64::from(p.regularisation) * frequency.powf(f64::from(p.frequency_exponent));
    let mut a = vec![vec![0.0; f + 1]; f];
    for (i, equation) in a.iter_mut().enumerate() {
        for (j, cell) in equation.iter_mut().enumerate().take(f) {
            let all: f64 = (0..model.items.rows()).map(|item| h(item, i) * h(item, j)).sum();
            let seen: f64 = row
                .iter()
                .map(|(item, value)| f64::from(value.abs()) * h(item as usize, i) * h(item as usize, j))
                .sum();
            *cell = f64::from(p.unobserved_weight) * all + seen + if i == j { ridge } else { 0.0 };
        }
        equation[f] = row
            .iter()
            .map(|(item, value)| {
                let target = if value > 0.0 { 1.0 } else { f64::from(p.dislike_target) };
                f64::from(value.abs()) * target * h(item as usize, i)
            })
            .sum();
    }
    for k in 0..f {
        for i in 0..f {
            if i != k {
                let factor = a[i][k] / a[k][k];
                (k..=f).for_each(|j| a[i][j] -= factor * a[k][j]);
            }
        }
    }
    (0..f).map(|k| a[k][f] / a[k][k]).collect()
}

fn distance(a: &[f32], b: &[f64]) -> f64 {
    let difference: f64 = a.iter().zip(b).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

#[test]
fn viewers_solve_the_normal_equations_of_the_definition() {
    let world = world(30, 50, 600, 1);
    let model = train(&world, &parameters(Solver::Cholesky), &()).unwrap();
    for viewer in 0..30 {
        let row = world.viewers().row(viewer);
        let apart = distance(model.viewers.row(viewer), &by_definition(&model, row));
        assert!(apart < 1e-4, "viewer {viewer}: {apart}");
    }
}

#[test]
fn a_fold_in_equals_training_to_the_bit() {
    let world = world(80, 120, 3_000, 2);
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 3 }, Solver::Subspace { block: 32 }] {
        let model = train(&world, &parameters(solver), &()).unwrap();
        let fold_in = model.fold_in();
        for viewer in 0..80 {
            assert_eq!(fold_in.vector(world.viewers().row(viewer)), model.viewers.row(viewer));
        }
    }
}

#[test]
fn the_solvers_agree_when_the_iterative_ones_run_long() {
    let world = world(60, 90, 2_000, 3);
    let loss = |solver, iterations| {
        let model = train(&world, &Parameters { iterations, ..parameters(solver) }, &()).unwrap();
        objective(&world, &model)
    };
    let exact = loss(Solver::Cholesky, 30);
    for solver in [Solver::ConjugateGradient { steps: 40 }, Solver::Subspace { block: 64 }] {
        assert!((loss(solver, 30) / exact - 1.0).abs() < 1e-3, "{solver:?}: {} {exact}", loss(solver, 30));
    }
    for solver in [Solver::ConjugateGradient { steps: 3 }, Solver::Subspace { block: 32 }] {
        assert!((loss(solver, 60) / exact - 1.0).abs() < 2e-2, "{solver:?}: {} {exact}", loss(solver, 60));
    }
}

fn objective(world: &Interactions, model: &Model) -> f64 {
    let p = &model.parameters;
    let score = |viewer: usize, item: usize| -> f64 {
        model.viewers.row(viewer).iter().zip(model.items.row(item)).map(|(a, b)| f64::from(a * b)).sum()
    };
    let ridge = |rows: &crate::Rows, factors: &crate::Factors| -> f64 {
        (0..rows.height())
            .map(|row| {
                let weight: f64 = rows.row(row).iter().map(|(_, value)| f64::from(value.abs())).sum();
                let norm: f64 = factors.row(row).iter().map(|&x| f64::from(x * x)).sum();
                f64::from(p.regularisation) * (weight + f64::from(p.unobserved_weight) * rows.width() as f64) * norm
            })
            .sum()
    };
    let mut sum = ridge(world.viewers(), &model.viewers) + ridge(world.items(), &model.items);
    for viewer in 0..world.viewers().height() {
        for item in 0..world.viewers().width() {
            sum += f64::from(p.unobserved_weight) * score(viewer, item).powi(2);
        }
        for (item, value) in world.viewers().row(viewer).iter() {
            let target = if value > 0.0 { 1.0 } else { f64::from(p.dislike_target) };
            sum += f64::from(value.abs()) * (score(viewer, item as usize) - target).powi(2);
        }
    }
    sum
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let world = world(5_000, 300, 30_000, 4);
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 3 }, Solver::Subspace { block: 32 }] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| train(&world, &Parameters { iterations: 2, ..parameters(solver) }, &()).unwrap())
        };
        let one = run(1);
        assert_eq!(one, run(3));
        assert_ne!(one, train(&world, &Parameters { iterations: 2, seed: 2, ..parameters(solver) }, &()).unwrap());
    }
}

#[test]
fn contributions_sum_to_the_score() {
    let world = world(40, 60, 1_500, 5);
    let model = train(&world, &parameters(Solver::Cholesky), &()).unwrap();
    let fold_in = model.fold_in();
    let row = world.viewers().row(7);
    for item in 0..60 {
        let explanation = fold_in.explain(row, item);
        let sum: f32 = explanation.contributions.iter().map(|part| part.amount).sum();
        let score = fold_in.score(model.viewers.row(7), item as usize);
        assert!((sum - score).abs() < 1e-4 && (explanation.score - score).abs() < 1e-4, "{sum} {score}");
        assert_eq!(explanation.contributions.len(), row.len());
        assert!(explanation.contributions.is_sorted_by(|a, b| a.amount >= b.amount));
    }
}

#[test]
fn a_dislike_lowers_the_score_below_what_silence_gives() {
    let world = world(60, 60, 1_500, 6);
    let model = train(&world, &parameters(Solver::Cholesky), &()).unwrap();
    let fold_in = model.fold_in();
    let score = |columns: &[u32], values: &[f32]| fold_in.score(&fold_in.vector(Row::new(columns, Some(values))), 9);
    assert!(score(&[3, 5, 9], &[1.0, 1.0, -1.0]) < score(&[3, 5], &[1.0, 1.0]));
    assert!(score(&[3, 5], &[1.0, 1.0]) < score(&[3, 5, 9], &[1.0, 1.0, 1.0]));
}

#[test]
fn one_viewer_an_item_without_viewers_and_a_viewer_without_items_get_vectors() {
    let mut builder = Builder::new(2, 4);
    builder.push(0, 1, 1.0, Preference::Like).unwrap();
    let world = builder.build().unwrap();
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 3 }, Solver::Subspace { block: 32 }] {
        let model = train(&world, &parameters(solver), &()).unwrap();
        assert!(model.items.row(0).iter().chain(model.viewers.row(1)).all(|&value| value == 0.0));
        let score: f32 = model.viewers.row(0).iter().zip(model.items.row(1)).map(|(a, b)| a * b).sum();
        assert!(score > 0.5 && score < 1.0, "{score}");
    }
}

#[test]
fn a_viewer_with_fifty_thousand_events_is_trained_and_folded_in() {
    let mut builder = Builder::default();
    for item in 0..50_000u32 {
        builder.push(0, item, 1.0, Preference::Like).unwrap();
        builder.push(1 + item % 7, item / 2, 1.0, Preference::Like).unwrap();
    }
    let world = builder.build().unwrap();
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 3 }, Solver::Subspace { block: 32 }] {
        let model = train(&world, &Parameters { iterations: 2, ..parameters(solver) }, &()).unwrap();
        assert_eq!(model.fold_in().vector(world.viewers().row(0)), model.viewers.row(0));
    }
}

#[test]
fn a_matrix_too_close_to_singular_for_f32_is_solved_in_f64() {
    let mut builder = Builder::default();
    for viewer in 0..40 {
        builder.push(viewer, viewer % 3, 1e12, Preference::Like).unwrap();
    }
    let world = builder.build().unwrap();
    let model = train(&world, &Parameters { regularisation: 1e-20, ..parameters(Solver::Cholesky) }, &()).unwrap();
    let score: f32 = model.viewers.row(0).iter().zip(model.items.row(0)).map(|(a, b)| a * b).sum();
    assert!((score - 1.0).abs() < 0.01, "{score}");
}

#[test]
fn a_run_reports_its_progress_and_stops_when_told() {
    struct StopAfter(u64, AtomicU64);
    impl Progress for StopAfter {
        fn report(&self, done: u64, total: u64) {
            assert!(done <= total);
            self.1.fetch_max(done, Ordering::Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.1.load(Ordering::Relaxed) >= self.0
        }
    }
    let world = world(500, 300, 5_000, 7);
    let stop = StopAfter(1_000, AtomicU64::new(0));
    assert_eq!(train(&world, &parameters(Solver::Cholesky), &stop).unwrap_err(), Error::Cancelled);
    let free = StopAfter(u64::MAX, AtomicU64::new(0));
    train(&world, &parameters(Solver::Cholesky), &free).unwrap();
    assert_eq!(free.1.into_inner(), 4 * 800 + 500);
}

#[test]
fn bad_parameters_and_nothing_to_learn_are_refused() {
    let world = world(5, 5, 10, 8);
    let refused = |change: fn(&mut Parameters)| {
        let mut parameters = Parameters::default();
        change(&mut parameters);
        train(&world, &parameters, &()).unwrap_err().to_string()
    };
    assert_eq!(refused(|p| p.factors = 0), "parameter factors is 0; it must be between 1 and 1024");
    assert!(refused(|p| p.regularisation = f32::NAN).starts_with("parameter regularisation is NaN"));
    assert!(refused(|p| p.unobserved_weight = -1.0).starts_with("parameter unobserved_weight"));
    assert!(refused(|p| p.solver = Solver::ConjugateGradient { steps: 0 }).starts_with("parameter steps"));
    let empty = Builder::new(3, 3).build().unwrap();
    assert_eq!(train(&empty, &Parameters::default(), &()).unwrap_err(), Error::Empty);
}
