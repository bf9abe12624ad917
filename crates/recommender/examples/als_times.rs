//! Times ALS on a file of (user, item) pairs, two little-endian `u32` each, and prints one line of numbers for bench.sh:
//! seconds an iteration (median), processor seconds an iteration, seconds for the top 100 of all viewers, peak MiB.
//!
//! `als_times PAIRS cg|cholesky FACTORS ITERATIONS`, or `als_times fold-in FACTORS` for the milliseconds (95 %) to fold in a
//! viewer with 200 interactions, among 50,000 items.

use std::borrow::Cow;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use recommender::als::{self, FoldIn, Parameters, Solver};
use recommender::interactions::{Builder, Preference, Row};
use recommender::{Factors, Interactions, top_n};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["fold-in", factors] => fold_in(factors.parse()?),
        [pairs, solver, factors, iterations] => train(pairs, solver, factors.parse()?, iterations.parse()?),
        _ => Err("als_times PAIRS cg|cholesky FACTORS ITERATIONS, or als_times fold-in FACTORS".into()),
    }
}

fn train(pairs: &str, solver: &str, factors: usize, iterations: usize) -> Result<(), Box<dyn Error>> {
    let interactions = read(pairs)?;
    let solver = match solver {
        "cg" => Solver::ConjugateGradient { steps: 3 },
        "cholesky" => Solver::Cholesky,
        _ => return Err(format!("{solver} is none of cg, cholesky").into()),
    };
    let parameters = Parameters { factors, iterations, solver, ..Parameters::default() };
    let rows = (interactions.viewers().height() + interactions.items().height()) as u64;
    let ends = Mutex::new(Vec::new());
    let (started, processor) = (Instant::now(), processor_seconds()?);
    let progress = |done: u64, _total: u64| {
        if done.is_multiple_of(rows)
            && let Ok(mut ends) = ends.lock()
        {
            ends.push(started.elapsed());
        }
    };
    let model = als::train(&interactions, &parameters, &progress)?;
    let processor = (processor_seconds()? - processor) / iterations as f64;
    let ends = ends.into_inner()?;
    let starts = std::iter::once(Duration::ZERO).chain(ends.iter().copied());
    let mut times: Vec<Duration> = starts.zip(&ends).map(|(start, end)| end.saturating_sub(start)).collect();
    times.sort_unstable();
    let iteration = times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    let started = Instant::now();
    top_n::for_each(&model.viewers, &model.items, interactions.viewers(), 100, &(), |_, list| {
        std::hint::black_box(list);
    })?;
    println!("{iteration:.5} {processor:.5} {:.4} {:.1}", started.elapsed().as_secs_f64(), peak_mib()?);
    Ok(())
}

fn read(path: &str) -> Result<Interactions, Box<dyn Error>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(|error| format!("{path}: {error}"))?);
    let mut builder = Builder::default();
    let mut pair = [0; 8];
    for _ in 0..fs::metadata(path)?.len() / 8 {
        file.read_exact(&mut pair)?;
        let number = |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        builder.push(number(0), number(4), 1.0, Preference::Like)?;
    }
    Ok(builder.build()?)
}

fn fold_in(factors: usize) -> Result<(), Box<dyn Error>> {
    const ITEMS: usize = 50_000;
    let parameters = Parameters { factors, ..Parameters::default() };
    let mut items = Factors::zeros(ITEMS, factors);
    for item in 0..ITEMS {
        // Any full-rank numbers do.
        items
            .row_mut(item)
            .iter_mut()
            .enumerate()
            .for_each(|(k, value)| *value = ((item * 31 + k * k * 7) as f32).sin());
    }
    let fold_in = FoldIn::new(Cow::Owned(items), &parameters);
    let mut times = Vec::new();
    for first in 0..1_000u32 {
        let columns: Vec<u32> = (0..200).map(|k| first + k * 240).collect();
        let started = Instant::now();
        std::hint::black_box(fold_in.vector(Row::new(&columns, None)));
        times.push(started.elapsed());
    }
    times.sort_unstable();
    println!("{:.4}", times[950].as_secs_f64() * 1e3);
    Ok(())
}

/// User and system time of this process; the kernel counts in hundredths.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/self/status has no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
