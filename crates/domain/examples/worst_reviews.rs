//! Times the sentiment of the reviews that cost the most, for the benchmark. Prints the slowest in milliseconds: of
//! each text the fastest of five, since the machine does other things meanwhile.

use std::time::{Duration, Instant};

use domain::sentiment::Lexicon;

/// The longest review that the API accepts, in characters.
const CHARACTERS: usize = 10_000;

fn main() {
    let lexicon = Lexicon::new();
    let repeated = [
        "😍",
        "👨‍👩‍👧‍👦",
        "good ",
        "GOOD! ",
        "not ",
        "but ",
        "😍 least so bad ",
        "a",
        "!?",
        ":) ",
        "kind of ",
        "é",
        "\u{301}",
    ];
    let slowest = repeated.iter().map(|part| took(&lexicon, &part.repeat(CHARACTERS / part.chars().count()))).max();
    println!("{:.2}", slowest.unwrap_or_default().as_secs_f64() * 1_000.0);
}

fn took(lexicon: &Lexicon, text: &str) -> Duration {
    let attempts = (0..5).map(|_| {
        let started = Instant::now();
        std::hint::black_box(lexicon.assess(text));
        started.elapsed()
    });
    attempts.min().unwrap_or_default()
}
