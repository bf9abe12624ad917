use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use recommender::als::FoldIn;
use recommender::{Recommender, Rows};

use super::data::{Meaning, Names, interactions};
use super::model;

/// Viewers answered at a time; bounds memory to this many lists.
const CHUNK: usize = 4_096;

/// Contributions shown with a recommendation.
const REASONS: usize = 3;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Directory of a trained model
    #[arg(long)]
    model: PathBuf,
    /// The viewers' interactions; viewers need not have been in the training data
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    meaning: Meaning,
    /// Only this viewer; may be repeated [default: all viewers of the data]
    #[arg(long)]
    viewer: Vec<String>,
    /// Items a viewer
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    n: u16,
    /// Add the interactions that speak most for each item, with their parts of the score
    #[arg(long)]
    explain: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let stored = model::read(&args.model)?;
    let known = stored.item_names.names.len();
    let (mut users, mut items) = (Names::default(), stored.item_names);
    let interactions = interactions(&args.data, &args.meaning, &mut users, &mut items)?;
    let wanted: Vec<u32> = if args.viewer.is_empty() {
        (0..users.names.len() as u32).collect()
    } else {
        let find = |name: &String| users.get(name).ok_or_else(|| format!("viewer {name} is not in the data"));
        args.viewer.iter().map(find).collect::<Result<_, _>>()?
    };
    let fold_in = FoldIn::new(Cow::Owned(stored.items), &stored.parameters);
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(out, "user,item,rank,score{}", if args.explain { ",because" } else { "" })?;
    for chunk in wanted.chunks(CHUNK) {
        let histories = histories(interactions.viewers(), chunk, known);
        let lists = fold_in.recommend(&histories, &histories, usize::from(args.n));
        for ((&viewer, list), row) in chunk.iter().zip(lists).zip(0..) {
            for (rank, (item, score)) in (1..).zip(list) {
                write!(out, "{},{},{rank},{score}", users.names[viewer as usize], items.names[item as usize])?;
                if args.explain {
                    let explanation = fold_in.explain(histories.row(row), item);
                    let parts = explanation.contributions.iter().take(REASONS);
                    let parts: Vec<String> =
                        parts.map(|part| format!("{} {:+.3}", items.names[part.item as usize], part.amount)).collect();
                    write!(out, ",{}", parts.join("; "))?;
                }
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// The rows of `viewers`, without items that the model does not know.
fn histories(rows: &Rows, viewers: &[u32], known: usize) -> Rows {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for &viewer in viewers {
        for (item, value) in rows.row(viewer as usize).iter().filter(|(item, _)| (*item as usize) < known) {
            columns.push(item);
            values.push(value);
        }
        offsets.push(columns.len());
    }
    Rows::from_parts(offsets, columns, Some(values), known)
}
