use serde::{Deserialize, Serialize};

use crate::progress::Cancelled;

/// How the least-squares problem of one row is solved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Solver {
    /// Exact: `n·f²` to build the normal equations of a row with `n` pairs, `f³/3` to factor them.
    #[default]
    Cholesky,
    /// This many steps of conjugate gradient from the last iteration's vector: `4·n·f` a step (Takács, Pilászy and Tikk
    /// 2011, "Applications of the conjugate gradient method for implicit feedback collaborative filtering").
    ConjugateGradient {
        /// Steps a row and iteration; 3 is usual.
        steps: usize,
    },
    /// iALS++ (Rendle et al. 2021, arXiv 2110.14044): exact in blocks of this many factors in turn, the rest held; between
    /// the two above for many factors. The block is rounded up to a multiple of 32.
    Subspace {
        /// Factors a block.
        block: usize,
    },
}

/// Settings of a training run. The defaults are good on MovieLens-like data; README.md has the measurements. Stored ones lack
/// the solver: what is done with a trained model, folding in, is exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Numbers a vector, 1 to 1024.
    pub factors: usize,
    /// Passes over viewers and items.
    pub iterations: usize,
    /// Weight of each unobserved (viewer, item) pair against 1 of an observed one: α₀ of Rendle et al.
    pub unobserved_weight: f32,
    /// λ, before frequency scaling.
    pub regularisation: f32,
    /// ν: a row's regularisation is `λ·(w + α₀·m)^ν`, with `w` the sum of its weights and `m` the number of rows on the
    /// other side. 1 scales fully with frequency, 0 gives Hu, Koren and Volinsky's constant.
    pub frequency_exponent: f32,
    /// What a disliked pair's score is drawn to, with the pair's weight; likes are drawn to 1, unobserved pairs to 0.
    pub dislike_target: f32,
    /// How rows are solved.
    #[serde(skip)]
    pub solver: Solver,
    /// Seed of the items' first vectors.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            factors: 64,
            iterations: 15,
            unobserved_weight: 0.1,
            regularisation: 0.01,
            frequency_exponent: 1.0,
            dislike_target: 0.0,
            solver: Solver::Cholesky,
            seed: 1,
        }
    }
}

/// Why a training run gave no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A parameter is out of its range.
    #[error("parameter {name} is {value}; it must be {range}")]
    Parameter {
        /// Field of [`Parameters`].
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// There is nothing to learn from.
    #[error("no interactions to train on; import ratings or wait for events")]
    Empty,
    /// The run was stopped.
    #[error("training was cancelled")]
    Cancelled,
    /// The vectors left the range of `f32`.
    #[error("training diverged: a vector is not finite; raise the regularisation or scale the weights down")]
    Diverged,
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Parameters {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first one out of range.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name, value: f64, range| Err(Error::Parameter { name, value, range });
        if !(1..=1024).contains(&self.factors) {
            return refuse("factors", self.factors as f64, "between 1 and 1024");
        }
        if !(1..=1000).contains(&self.iterations) {
            return refuse("iterations", self.iterations as f64, "between 1 and 1000");
        }
        for (name, value) in [("unobserved_weight", self.unobserved_weight), ("regularisation", self.regularisation)] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(name, f64::from(value), "greater than 0 and finite");
            }
        }
        if !(0.0..=2.0).contains(&self.frequency_exponent) {
            return refuse("frequency_exponent", f64::from(self.frequency_exponent), "between 0 and 2");
        }
        if !(-1.0..=1.0).contains(&self.dislike_target) {
            return refuse("dislike_target", f64::from(self.dislike_target), "between -1 and 1");
        }
        match self.solver {
            Solver::ConjugateGradient { steps: 0 } => refuse("steps", 0.0, "at least 1"),
            Solver::Subspace { block: 0 } => refuse("block", 0.0, "at least 1"),
            _ => Ok(()),
        }
    }
}
