use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use recommender::npy;

use super::model;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Directory of a trained model
    #[arg(long)]
    model: PathBuf,
    /// Whose vectors
    #[arg(long, value_enum, default_value_t = Table::Items)]
    table: Table,
    /// File to write; its ending says the format: .npy (vectors in the order of the names) or .csv (name, then the vector)
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Table {
    Items,
    Viewers,
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let name = match args.table {
        Table::Items => "items",
        Table::Viewers => "viewers",
    };
    let ending = args.out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["npy", "csv"].contains(&ending) {
        return Err(format!("{}: name a file that ends in .npy or .csv", args.out.display()).into());
    }
    let (factors, names) = model::table(&args.model, name)?;
    let mut out = BufWriter::new(File::create(&args.out)?);
    if ending == "npy" {
        npy::write(&factors, &mut out)?;
    } else {
        for (row, name) in names.names.iter().enumerate() {
            write!(out, "{name}")?;
            factors.row(row).iter().try_for_each(|value| write!(out, ",{value}"))?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    writeln!(io::stdout(), "{}: {} vectors of {} numbers", args.out.display(), factors.rows(), factors.factors())?;
    Ok(())
}
