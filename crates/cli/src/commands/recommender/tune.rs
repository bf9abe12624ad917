use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use recommender::defaults;
use recommender::evaluation::{Candidate, Interval, Judged, Protocol, interval, paired, rank};

use super::protocol::{Protocols, chosen_by, validations};
use super::{bar, data, grids, shown};

/// Settings shown at the end.
const SHOWN: usize = 10;

#[derive(clap::Args)]
pub(super) struct Args {
    /// File of ratings, or the directory of a MovieLens data set
    #[arg(long)]
    data: PathBuf,
    /// a: leave-last-out on all ratings; a4: on ratings from 4 (both need timestamps); b0 to b4: strong generalisation on
    /// ratings from 4. What the protocol's test holds out is not looked at
    #[arg(long, default_value = "b0")]
    protocol: Protocols,
    /// Numbers a vector, to try
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128])]
    factors: Vec<usize>,
    /// Weights of an unobserved pair, to try
    #[arg(long, value_delimiter = ',', default_values_t = grids::UNOBSERVED_WEIGHTS)]
    unobserved_weight: Vec<f32>,
    /// Regularisations before frequency scaling, to try
    #[arg(long, value_delimiter = ',', default_values_t = grids::REGULARISATIONS)]
    regularisation: Vec<f32>,
    /// Passes over viewers and items
    #[arg(long, default_value_t = defaults::als().iterations)]
    iterations: usize,
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let &[protocol] = args.protocol.each.as_slice() else {
        return Err("settings are chosen for one test: name one fold, b0 to b4".into());
    };
    let grid = grids::als(&args.factors, &args.unobserved_weight, &args.regularisation, args.iterations);
    for candidate in &grid {
        if let Candidate::Als(parameters) = candidate {
            parameters.check()?;
        }
    }
    let (ratings, _) = data::ratings(&args.data)?;
    let validations = validations(&ratings, protocol)?;
    let bar = bar("tuning")?;
    let ranked = rank(&grid, &validations, chosen_by(protocol), &shown(&bar))?;
    bar.finish_and_clear();
    let mut out = io::stdout().lock();
    writeln!(out, "{}, {} validation splits, {} settings", args.protocol.title, validations.len(), grid.len())?;
    print(&mut out, &ranked, protocol)?;
    if let Some(Judged { candidate: Candidate::Als(best), .. }) = ranked.first() {
        write!(out, "\nmoviemetric recommender train --data {} --out model", args.data.display())?;
        match protocol {
            Protocol::LeaveLastOut { like_min, .. } if like_min <= 0.0 => {}
            Protocol::LeaveLastOut { like_min, .. } | Protocol::StrongGeneralisation { like_min, .. } => {
                write!(out, " --like-min {like_min}")?;
            }
        }
        writeln!(
            out,
            " --factors {} --iterations {} --unobserved-weight {} --regularisation {}",
            best.factors, best.iterations, best.unobserved_weight, best.regularisation
        )?;
    }
    Ok(())
}

/// The best settings, and how far each is behind the first over the same viewers.
fn print(out: &mut impl Write, ranked: &[Judged], protocol: Protocol) -> io::Result<()> {
    let metric = chosen_by(protocol).to_string();
    writeln!(out, "{:<28} {metric:<24} to the first [95 % paired bootstrap]", "")?;
    for judged in ranked.iter().take(SHOWN) {
        let Interval { mean, low, high } = interval(&judged.values);
        let value = format!("{mean:.4} [{low:.4}, {high:.4}]");
        write!(out, "{:<28} {value:<24}", judged.candidate.to_string())?;
        match ranked.first() {
            Some(first) if judged.finalist && first != judged => {
                let Interval { mean, low, high } = paired(&judged.values, &first.values);
                writeln!(out, " {mean:+.4} [{low:+.4}, {high:+.4}]")?;
            }
            Some(first) if first == judged => writeln!(out)?,
            _ => writeln!(out, " first round only")?,
        }
    }
    Ok(())
}
