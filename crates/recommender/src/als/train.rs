use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use pulp::Arch;
use rayon::prelude::*;

use super::side::Side;
use super::{Error, FoldIn, Parameters, Solver};
use crate::Factors;
use crate::interactions::{Interactions, Row, Rows};
use crate::progress::{Cancelled, Progress};
use crate::random::Random;

/// Rows solved between two looks at the progress: some milliseconds, and enough blocks to balance the threads.
const BLOCK: usize = 64;

/// The vectors of viewers and items; the score of a pair is their dot product.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The parameters of the run.
    pub parameters: Parameters,
    /// One vector a viewer: the exact solution for the final `items`, so a fold-in of the same history gives the same.
    pub viewers: Factors,
    /// One vector an item; zeros where nobody interacted with it.
    pub items: Factors,
}

impl Model {
    /// Prepares to compute vectors of viewers, known and new.
    pub fn fold_in(&self) -> FoldIn<'_> {
        FoldIn::new(Cow::Borrowed(&self.items), &self.parameters)
    }
}

/// Trains on all cores of the current rayon pool. The result depends on the interactions, the parameters and the kind of
/// processor, not on the number of threads.
///
/// # Errors
/// [`Error`] names a bad parameter, no interactions, a cancelled run or vectors that are not finite.
pub fn train(interactions: &Interactions, parameters: &Parameters, progress: &dyn Progress) -> Result<Model, Error> {
    parameters.check()?;
    if interactions.is_empty() {
        return Err(Error::Empty);
    }
    let (by_viewer, by_item) = (interactions.viewers(), interactions.items());
    let arch = Arch::new();
    let mut viewers = Factors::zeros(by_viewer.height(), parameters.factors);
    let mut items = first_vectors(by_item.height(), parameters);
    let rows = (by_viewer.height() + by_item.height()) as u64;
    let meter = Meter {
        progress,
        done: AtomicU64::new(0),
        total: rows * parameters.iterations as u64 + by_viewer.height() as u64,
    };
    for _ in 0..parameters.iterations {
        half_step(
            &Side::new(arch, Cow::Borrowed(&items), parameters),
            parameters.solver,
            by_viewer,
            &mut viewers,
            &meter,
        )?;
        half_step(
            &Side::new(arch, Cow::Borrowed(&viewers), parameters),
            parameters.solver,
            by_item,
            &mut items,
            &meter,
        )?;
    }
    half_step(&Side::new(arch, Cow::Borrowed(&items), parameters), Solver::Cholesky, by_viewer, &mut viewers, &meter)?;
    if !viewers.values().iter().chain(items.values()).all(|value| value.is_finite()) {
        return Err(Error::Diverged);
    }
    Ok(Model { parameters: parameters.clone(), viewers, items })
}

struct Meter<'a> {
    progress: &'a dyn Progress,
    done: AtomicU64,
    total: u64,
}

fn half_step(
    side: &Side<'_>,
    solver: Solver,
    rows: &Rows,
    x: &mut Factors,
    meter: &Meter<'_>,
) -> Result<(), Cancelled> {
    let stride = x.stride();
    x.values_mut().par_chunks_mut(BLOCK * stride).enumerate().try_for_each_init(
        || side.scratch(),
        |scratch, (block, vectors)| {
            if meter.progress.cancelled() {
                return Err(Cancelled);
            }
            let count = vectors.len() / stride;
            let block: Vec<Row<'_>> = (block * BLOCK..).take(count).map(|row| rows.row(row)).collect();
            side.solve_block(solver, &block, vectors, scratch);
            let count = count as u64;
            let done = meter.done.fetch_add(count, Ordering::Relaxed) + count;
            meter.progress.report(done, meter.total);
            Ok(())
        },
    )
}

/// Normal numbers with deviation `0.1/√f`, as Rendle et al. start.
fn first_vectors(rows: usize, parameters: &Parameters) -> Factors {
    let mut random = Random::new(parameters.seed);
    let scale = 0.1 / (parameters.factors as f64).sqrt();
    let mut factors = Factors::zeros(rows, parameters.factors);
    for row in 0..rows {
        factors.row_mut(row).iter_mut().for_each(|value| *value = (scale * random.normal()) as f32);
    }
    factors
}
