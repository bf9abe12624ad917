use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use recommender::als::{self, Parameters, Solver};

use super::data::{Meaning, Names, interactions};
use super::{bar, model, shown};

#[derive(clap::Args)]
pub(super) struct Args {
    /// File of interactions, or the directory of a MovieLens data set
    #[arg(long)]
    data: PathBuf,
    /// Directory for the model
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
struct Settings {
    /// Numbers a vector
    #[arg(long, default_value_t = Parameters::default().factors)]
    factors: usize,
    /// Passes over viewers and items
    #[arg(long, default_value_t = Parameters::default().iterations)]
    iterations: usize,
    /// Weight of an unobserved pair against 1 of an observed one
    #[arg(long, default_value_t = Parameters::default().unobserved_weight)]
    unobserved_weight: f32,
    /// Regularisation before frequency scaling
    #[arg(long, default_value_t = Parameters::default().regularisation)]
    regularisation: f32,
    /// 1: regularisation scales with a row's frequency, 0: constant
    #[arg(long, default_value_t = Parameters::default().frequency_exponent)]
    frequency_exponent: f32,
    /// What the score of a dislike is drawn to, -1 to 1
    #[arg(long, default_value_t = Parameters::default().dislike_target, allow_negative_numbers = true)]
    dislike_target: f32,
    /// How the rows' equations are solved
    #[arg(long, value_enum, default_value_t = Algorithm::Cholesky)]
    solver: Algorithm,
    /// Seed of the first vectors
    #[arg(long, default_value_t = Parameters::default().seed)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    /// Exact
    Cholesky,
    /// Three steps of conjugate gradient from the last vector
    ConjugateGradient,
    /// iALS++ in blocks of 32 factors
    Subspace,
}

impl Settings {
    fn parameters(&self) -> Parameters {
        Parameters {
            factors: self.factors,
            iterations: self.iterations,
            unobserved_weight: self.unobserved_weight,
            regularisation: self.regularisation,
            frequency_exponent: self.frequency_exponent,
            dislike_target: self.dislike_target,
            solver: match self.solver {
                Algorithm::Cholesky => Solver::Cholesky,
                Algorithm::ConjugateGradient => Solver::ConjugateGradient { steps: 3 },
                Algorithm::Subspace => Solver::Subspace { block: 32 },
            },
            seed: self.seed,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let parameters = args.settings.parameters();
    parameters.check()?;
    let (mut users, mut items) = (Names::default(), Names::default());
    let interactions = interactions(&args.data, &args.meaning, &mut users, &mut items)?;
    let bar = bar("training")?;
    let show = shown(&bar);
    let rows = (users.names.len() + items.names.len()) as u64;
    let ends = Mutex::new(Vec::new());
    let started = Instant::now();
    let progress = |done: u64, total: u64| {
        if done.is_multiple_of(rows)
            && let Ok(mut ends) = ends.lock()
        {
            ends.push(started.elapsed());
        }
        show(done, total);
    };
    let trained = als::train(&interactions, &parameters, &progress)?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    model::write(&args.out, &trained, &users, &items)?;
    let mut out = io::stdout().lock();
    writeln!(out, "interactions      {}", interactions.len())?;
    writeln!(out, "viewers           {}", users.names.len())?;
    writeln!(out, "items             {}", items.names.len())?;
    writeln!(out, "factors           {}", parameters.factors)?;
    writeln!(out, "iterations        {}", parameters.iterations)?;
    writeln!(out, "training, s       {seconds:.3}")?;
    writeln!(out, "s/iteration       {:.4} (median)", median(ends.into_inner().unwrap_or_default()))?;
    writeln!(out, "model             {}", args.out.display())?;
    Ok(())
}

/// Of the differences between the ends of iterations, in seconds.
fn median(ends: Vec<Duration>) -> f64 {
    let starts = std::iter::once(Duration::ZERO).chain(ends.iter().copied());
    let mut times: Vec<Duration> = starts.zip(&ends).map(|(start, end)| end.saturating_sub(start)).collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
}
