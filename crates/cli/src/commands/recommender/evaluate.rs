use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use recommender::evaluation::{
    Candidate, Catalogue, Interval, Metric, Part, Ratings, Split, catalogue, interval, lists, paired, rank,
    rank_blends, sampled_ranks,
};

use super::protocol::{Protocols, chosen_by, metrics, validations};
use super::{bar, data, grids, shown, studies};

/// Depth of coverage, Gini and novelty.
const CATALOGUE_DEPTH: usize = 10;

/// Negatives drawn a viewer for the comparison with published tables.
const NEGATIVES: usize = 100;

#[derive(clap::Args)]
pub(super) struct Args {
    /// File of ratings with timestamps, or the directory of a MovieLens data set
    #[arg(long)]
    data: PathBuf,
    /// a: leave-last-out on all ratings; a4: on ratings from 4; b: strong generalisation on ratings from 4, all five folds;
    /// b0 to b4: one fold; dislikes: ALS with and without them; cold: items without viewers, by their content
    #[arg(long, value_delimiter = ',', default_values_t = ["a".to_owned(), "b0".to_owned()])]
    protocol: Vec<String>,
    /// Random starts of each ALS model; the table shows their mean
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    starts: u8,
    /// Passes of each ALS model
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
    iterations: u16,
    /// Also rank against 100 sampled items, to compare with published tables that did
    #[arg(long)]
    sampled: bool,
    /// Directory of a tmdb-5000 dump: keywords and people for `cold`
    #[arg(long)]
    tmdb: Option<PathBuf>,
}

/// What `--protocol` may name.
enum Study {
    Table(Protocols),
    Dislikes,
    Cold,
}

impl FromStr for Study {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "dislikes" => Ok(Self::Dislikes),
            "cold" => Ok(Self::Cold),
            name => name.parse().map(Self::Table).map_err(|error: String| format!("{error}, dislikes, cold")),
        }
    }
}

/// One algorithm under all splits of a table.
#[derive(Default)]
struct Row {
    name: &'static str,
    /// Mean over splits.
    validation: f64,
    /// The chosen setting of each split.
    chosen: Vec<String>,
    /// For each metric, each viewer's mean over the starts; viewers of all splits in turn.
    viewers: [Vec<f64>; 4],
    /// Ranks among sampled negatives, of the first start.
    ranks: Vec<f64>,
    catalogues: Vec<Catalogue>,
    seconds: f64,
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let studies: Vec<Study> = args.protocol.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let (ratings, items) = data::ratings(&args.data)?;
    for study in &studies {
        match study {
            Study::Table(protocols) => table(&ratings, protocols, args)?,
            Study::Dislikes => studies::dislikes(&ratings, args.starts)?,
            Study::Cold => studies::cold(&ratings, &items, &args.data, args.tmdb.as_deref(), args.starts)?,
        }
    }
    Ok(())
}

fn table(ratings: &Ratings, protocols: &Protocols, args: &Args) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}", protocols.title)?;
    let (mut rows, mut refusals): (Vec<Row>, Vec<String>) = (Vec::new(), Vec::new());
    for &protocol in &protocols.each {
        let validations = validations(ratings, protocol)?;
        let test = ratings.split(protocol, Part::Test);
        writeln!(
            out,
            "{} training pairs, {} viewers, {} items; {} test viewers, {} held-out items",
            test.train.len(),
            test.train.viewers().height(),
            test.train.items().height(),
            test.held.height(),
            test.held.len()
        )?;
        let mut chosen: Vec<(&'static str, Candidate)> = Vec::new();
        for (name, candidates) in families(usize::from(args.iterations)) {
            let started = Instant::now();
            let bar = bar(name)?;
            let ranked = match candidates {
                Some(candidates) => rank(&candidates, &validations, chosen_by(protocol), &shown(&bar)),
                None => {
                    let parts: Vec<Candidate> =
                        chosen.iter().filter(|part| BLENDED.contains(&part.0)).map(|part| part.1.clone()).collect();
                    rank_blends(&parts, &grids::blends(parts.len()), &validations, chosen_by(protocol), &shown(&bar))
                }
            };
            bar.finish_and_clear();
            let best = match ranked {
                Ok(ranked) => ranked.into_iter().next(),
                Err(error) => {
                    refusals.push(format!("{name}: {error}"));
                    None
                }
            };
            let Some(best) = best else { continue };
            if !rows.iter().any(|row| row.name == name) {
                rows.push(Row { name, ..Row::default() });
            }
            if let Some(row) = rows.iter_mut().find(|row| row.name == name) {
                row.validation += best.mean() / protocols.each.len() as f64;
                row.chosen.push(best.candidate.to_string());
                tested(row, &best.candidate, &test, &metrics(protocol), args)?;
                row.seconds += started.elapsed().as_secs_f64();
            }
            chosen.push((name, best.candidate));
        }
    }
    print(&mut out, &rows, protocols, args.sampled)?;
    refusals.iter().try_for_each(|refusal| writeln!(out, "{refusal}"))?;
    Ok(())
}

/// Adds the test of one split to the row.
fn tested(
    row: &mut Row,
    candidate: &Candidate,
    test: &Split,
    metrics: &[Metric],
    args: &Args,
) -> Result<(), Box<dyn Error>> {
    let starts = if candidate.is_random() { u64::from(args.starts) } else { 1 };
    let mut viewers = vec![vec![0.0; test.held.height()]; metrics.len()];
    for seed in 1..=starts {
        let model = candidate.with_seed(seed).fit(&test.train, &())?;
        let lists = lists(&*model, test);
        for (sums, metric) in viewers.iter_mut().zip(metrics) {
            sums.iter_mut().zip(metric.of(&lists, &test.held)).for_each(|(sum, value)| *sum += value / starts as f64);
        }
        if seed == 1 {
            row.catalogues.push(catalogue(&lists, CATALOGUE_DEPTH, &test.train));
            if args.sampled {
                row.ranks.extend(sampled_ranks(&*model, test, NEGATIVES, 1));
            }
        }
    }
    row.viewers.iter_mut().zip(viewers).for_each(|(all, more)| all.extend(more));
    Ok(())
}

fn print(out: &mut impl Write, rows: &[Row], protocols: &Protocols, sampled: bool) -> io::Result<()> {
    let Some(&first) = protocols.each.first() else { return Ok(()) };
    let (metrics, by) = (metrics(first), chosen_by(first));
    writeln!(out, "\nsettings by {by} on validation; mean [95 % bootstrap interval over viewers]")?;
    write!(out, "{:12} {:>10}", "", "validation")?;
    metrics.iter().try_for_each(|metric| write!(out, "  {:<24}", metric.to_string()))?;
    writeln!(out, " {:>7}", "seconds")?;
    for row in rows {
        write!(out, "{:12} {:>10.4}", row.name, row.validation)?;
        for Interval { mean, low, high } in row.viewers.iter().map(|values| interval(values)) {
            write!(out, "  {:<24}", format!("{mean:.4} [{low:.4}, {high:.4}]"))?;
        }
        writeln!(out, " {:>7.1}", row.seconds)?;
    }
    writeln!(out, "\n{:12} {:>11} {:>6} {:>13}  chosen", "first 10", "coverage", "Gini", "novelty, bits")?;
    for row in rows {
        let mean = |of: fn(&Catalogue) -> f64| row.catalogues.iter().map(of).sum::<f64>() / row.catalogues.len() as f64;
        let mut chosen = row.chosen.clone();
        chosen.dedup();
        let (coverage, gini, novelty) = (mean(|c| c.coverage), mean(|c| c.gini), mean(|c| c.novelty));
        writeln!(out, "{:12} {coverage:>11.4} {gini:>6.3} {novelty:>13.2}  {}", row.name, chosen.join(" | "))?;
    }
    if sampled {
        print_sampled(out, rows)?;
    }
    print_winner(out, rows, &metrics)
}

fn print_sampled(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    writeln!(out, "\namong {NEGATIVES} sampled items (to compare with published tables only)")?;
    for row in rows.iter().filter(|row| !row.ranks.is_empty()) {
        let mean = |of: fn(f64) -> f64| row.ranks.iter().map(|&rank| of(rank)).sum::<f64>() / row.ranks.len() as f64;
        let hits = mean(|rank| f64::from(u8::from(rank < 10.0)));
        let gain = mean(|rank| if rank < 10.0 { (rank + 2.0).log2().recip() } else { 0.0 });
        writeln!(out, "{:12} HR@10 {hits:.4}  NDCG@10 {gain:.4}", row.name)?;
    }
    Ok(())
}

/// The model that validation prefers, and its paired difference to each other one.
fn print_winner(out: &mut impl Write, rows: &[Row], metrics: &[Metric]) -> io::Result<()> {
    let Some(best) = rows.iter().max_by(|a, b| a.validation.total_cmp(&b.validation)) else { return Ok(()) };
    writeln!(out, "\nfirst on validation: {}; its paired difference to the others", best.name)?;
    for row in rows.iter().filter(|row| row.name != best.name) {
        write!(out, "{:12}", row.name)?;
        if row.viewers[0].len() != best.viewers[0].len() {
            writeln!(out, "  not fitted on every fold")?;
            continue;
        }
        for ((metric, ours), theirs) in metrics.iter().zip(&best.viewers).zip(&row.viewers) {
            let Interval { mean, low, high } = paired(ours, theirs);
            write!(out, "  {metric} {mean:+.4} [{low:+.4}, {high:+.4}]")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The parts of a blend: models that rank every item.
const BLENDED: [&str; 4] = ["kNN BM25", "EASE", "iALS 64", "iALS 128"];

/// Names and candidates; none for the blend, whose parts are the models chosen before it.
fn families(iterations: usize) -> Vec<(&'static str, Option<Vec<Candidate>>)> {
    let als = |factors| grids::als(&[factors], &grids::UNOBSERVED_WEIGHTS, &grids::REGULARISATIONS, iterations);
    vec![
        ("popularity", Some(vec![Candidate::Popularity])),
        ("kNN cosine", Some(grids::cosine())),
        ("kNN BM25", Some(grids::bm25())),
        ("EASE", Some(grids::ease())),
        ("iALS 64", Some(als(64))),
        ("iALS 128", Some(als(128))),
        ("blend", None),
    ]
}
