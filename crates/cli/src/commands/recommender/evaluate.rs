use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use recommender::als::Parameters;
use recommender::evaluation::{
    Candidate, Interval, Metric, Part, Protocol, Ratings, Split, catalogue, interval, lists, paired, select,
};
use recommender::models::Similarity;

use super::{bar, data, shown};

/// Depth of coverage, Gini and novelty.
const CATALOGUE_DEPTH: usize = 10;

/// Random starts by which a setting is chosen: on 600 viewers one start moves NDCG@10 by a tenth.
const VALIDATION_STARTS: u64 = 2;

#[derive(clap::Args)]
pub(super) struct Args {
    /// File of ratings with timestamps, or the directory of a MovieLens data set
    #[arg(long)]
    data: PathBuf,
    /// a: leave-last-out on all ratings; a4: on ratings from 4; b0 to b4: strong generalisation on ratings from 4, by fold
    #[arg(long, value_delimiter = ',', default_values_t = ["a".to_owned(), "a4".to_owned(), "b0".to_owned()])]
    protocol: Vec<String>,
    /// Random starts of each ALS model; the table shows their mean
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    starts: u8,
    /// Passes of each ALS model
    #[arg(long, default_value_t = 15)]
    iterations: usize,
}

pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let protocols: Vec<Protocol> = args.protocol.iter().map(|name| protocol(name)).collect::<Result<_, _>>()?;
    let ratings = data::ratings(&args.data)?;
    for protocol in protocols {
        table(&ratings, protocol, args)?;
    }
    Ok(())
}

fn protocol(name: &str) -> Result<Protocol, String> {
    match name.to_ascii_lowercase().as_str() {
        "a" => Ok(Protocol::LeaveLastOut { like_min: 0.0, held_min: 0.0 }),
        "a4" => Ok(Protocol::LeaveLastOut { like_min: 4.0, held_min: 4.0 }),
        other => match other.strip_prefix('b').and_then(|fold| fold.parse().ok()) {
            Some(fold @ 0..5) => Ok(Protocol::StrongGeneralisation { like_min: 4.0, fold }),
            _ => Err(format!("protocol {name} is none of a, a4, b0, b1, b2, b3, b4")),
        },
    }
}

fn metrics(protocol: Protocol) -> ([Metric; 4], Metric) {
    match protocol {
        Protocol::LeaveLastOut { .. } => (
            [Metric::HitRate(10), Metric::Ndcg(10), Metric::HitRate(100), Metric::AveragePrecision(10)],
            Metric::Ndcg(10),
        ),
        Protocol::StrongGeneralisation { .. } => (
            [Metric::Recall(20), Metric::Recall(50), Metric::Ndcg(100), Metric::AveragePrecision(100)],
            Metric::Ndcg(100),
        ),
    }
}

/// One tested model: the mean over its starts of each viewer's metrics.
struct Tested {
    name: &'static str,
    candidate: Candidate,
    validation: f64,
    viewers: Vec<Vec<f64>>,
}

fn table(ratings: &Ratings, protocol: Protocol, args: &Args) -> Result<(), Box<dyn Error>> {
    let (metrics, chosen_by) = metrics(protocol);
    let (validation, test) = (ratings.split(protocol, Part::Validation), ratings.split(protocol, Part::Test));
    println!("\n{protocol}");
    println!(
        "{} training pairs, {} viewers, {} items; {} test viewers, {} held-out items; settings by validation {chosen_by}",
        test.train.len(),
        test.train.viewers().height(),
        test.train.items().height(),
        test.held.height(),
        test.held.len()
    );
    let mut rows: Vec<Tested> = Vec::new();
    for (name, candidates) in families(args.iterations) {
        let candidates = if name == "blend" { blends(&rows) } else { candidates };
        let bar = bar(name)?;
        let (candidate, mean) = match select(&candidates, &validation, chosen_by, VALIDATION_STARTS, &shown(&bar)) {
            Ok(selected) => selected,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        bar.finish_and_clear();
        let started = Instant::now();
        let row = tested(name, candidate, mean, &test, &metrics, args.starts)?;
        print_row(&row, &metrics, started.elapsed().as_secs_f64());
        rows.push(row);
    }
    print_winner(&rows, &metrics);
    Ok(())
}

fn tested(
    name: &'static str,
    candidate: Candidate,
    validation: f64,
    test: &Split,
    metrics: &[Metric],
    starts: u8,
) -> Result<Tested, Box<dyn Error>> {
    let starts = if candidate.is_random() { u64::from(starts) } else { 1 };
    let mut viewers = vec![vec![0.0; test.held.height()]; metrics.len()];
    for seed in 1..=starts {
        let model = candidate.with_seed(seed).fit(&test.train, &())?;
        let lists = lists(&*model, test);
        for (sums, metric) in viewers.iter_mut().zip(metrics) {
            sums.iter_mut().zip(metric.of(&lists, &test.held)).for_each(|(sum, value)| *sum += value / starts as f64);
        }
        if seed == 1 {
            let c = catalogue(&lists, CATALOGUE_DEPTH, &test.train);
            println!(
                "{name:14} coverage@{CATALOGUE_DEPTH} {:.4}, Gini {:.3}, novelty {:.2} bits; {candidate}",
                c.coverage, c.gini, c.novelty
            );
        }
    }
    Ok(Tested { name, candidate, validation, viewers })
}

fn print_row(row: &Tested, metrics: &[Metric], seconds: f64) {
    print!("{:14} validation {:.4}", row.name, row.validation);
    for (metric, values) in metrics.iter().zip(&row.viewers) {
        let Interval { mean, low, high } = interval(values);
        print!("  {metric} {mean:.4} [{low:.4}, {high:.4}]");
    }
    println!("  {seconds:.1} s");
}

/// The model that validation prefers, and its paired difference to each other one.
fn print_winner(rows: &[Tested], metrics: &[Metric]) {
    let Some(best) = rows.iter().max_by(|a, b| a.validation.total_cmp(&b.validation)) else { return };
    println!("first on validation: {}; paired differences to the others:", best.name);
    for row in rows.iter().filter(|row| row.name != best.name) {
        print!("{:14}", row.name);
        for ((metric, ours), theirs) in metrics.iter().zip(&best.viewers).zip(&row.viewers) {
            let Interval { mean, low, high } = paired(ours, theirs);
            print!("  {metric} {mean:+.4} [{low:+.4}, {high:+.4}]");
        }
        println!();
    }
}

fn families(iterations: usize) -> Vec<(&'static str, Vec<Candidate>)> {
    let knn = |similarity: &dyn Fn() -> Vec<Similarity>| -> Vec<Candidate> {
        let each = |similarity| [100, 150, 200].map(|neighbours| Candidate::Knn { similarity, neighbours });
        similarity().into_iter().flat_map(each).collect()
    };
    let bm25 = || {
        let each = |k1: f32| [0.25, 0.5, 0.75].map(|b| Similarity::Bm25 { k1, b });
        [0.5, 1.2, 2.0].into_iter().flat_map(each).collect()
    };
    vec![
        ("popularity", vec![Candidate::Popularity]),
        ("kNN cosine", knn(&|| vec![Similarity::Cosine])),
        ("kNN BM25", knn(&bm25)),
        (
            "EASE",
            [50.0, 100.0, 200.0, 300.0, 500.0, 700.0, 1000.0]
                .map(|regularisation| Candidate::Ease { regularisation })
                .to_vec(),
        ),
        ("iALS 64", als(64, iterations)),
        ("iALS 128", als(128, iterations)),
        ("blend", Vec::new()),
    ]
}

fn als(factors: usize, iterations: usize) -> Vec<Candidate> {
    let each = |unobserved_weight: f32| {
        [0.003, 0.01, 0.03, 0.1].map(|regularisation| {
            Candidate::Als(Parameters {
                factors,
                iterations,
                unobserved_weight,
                regularisation,
                ..Parameters::default()
            })
        })
    };
    [0.03, 0.1, 0.3, 1.0].into_iter().flat_map(each).collect()
}

/// EASE with each ALS model, and with BM25 a little, at the settings already chosen for them.
fn blends(rows: &[Tested]) -> Vec<Candidate> {
    let part = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.candidate.clone());
    let mut blends = Vec::new();
    for als in ["iALS 64", "iALS 128"] {
        for share in [0.3f32, 0.5, 0.7] {
            for bm25 in [0.0f32, 0.2] {
                let parts = [("EASE", (1.0 - share) * (1.0 - bm25)), (als, share * (1.0 - bm25)), ("kNN BM25", bm25)];
                let parts = parts.into_iter().filter(|(_, weight)| *weight > 0.0);
                blends.push(Candidate::Blend(parts.filter_map(|(name, weight)| Some((weight, part(name)?))).collect()));
            }
        }
    }
    blends
}
