//! Accuracy of the lexicon on movie reviews: 5,331 positive and 5,331 negative sentences of Pang and Lee (ACL 2005).
//!
//! We may not redistribute the data set: `RT_POLARITY_DIR` names its directory, and without it the test prints that it
//! is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use domain::sentiment::{Label, Lexicon};

/// Accuracy of VADER itself (vaderSentiment in Python, score >= 0 read as positive) on the same sentences, where
/// guessing reaches 0.5; this crate reached 0.6125. A port more than one point below VADER has an error.
const VADER_ACCURACY: f64 = 0.613;

fn sentences(file: &str) -> Option<Vec<String>> {
    let dir = std::env::var_os("RT_POLARITY_DIR")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/rt-polarity").into(), PathBuf::from);
    // The encoding is Latin-1: every byte is a character.
    let bytes = std::fs::read(dir.join(file)).ok()?;
    Some(
        bytes
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| l.iter().map(|b| *b as char).collect())
            .collect(),
    )
}

#[derive(Default)]
struct Measured {
    total: usize,
    right_sign: usize,
    labelled: usize,
    right_label: usize,
    silent: usize,
}

#[test]
fn the_lexicon_is_as_good_on_movie_reviews_as_vader_is() {
    let (Some(positive), Some(negative)) = (sentences("rt-polarity.pos"), sentences("rt-polarity.neg")) else {
        return eprintln!("skipped: no rt-polarity data; set RT_POLARITY_DIR");
    };
    let lexicon = Lexicon::new();
    let mut m = Measured::default();
    for (texts, truth) in [(positive, Label::Positive), (negative, Label::Negative)] {
        for text in texts {
            let score = lexicon.score(&text);
            m.total += 1;
            m.silent += usize::from(score.get() == 0.0);
            m.right_sign += usize::from((score.get() >= 0.0) == (truth == Label::Positive));
            if score.label() != Label::Neutral {
                m.labelled += 1;
                m.right_label += usize::from(score.label() == truth);
            }
        }
    }
    let share = |part: usize, of: usize| part as f64 / of as f64;
    println!(
        "{} sentences; sign right: {:.4}; without any word of the list: {:.4}",
        m.total,
        share(m.right_sign, m.total),
        share(m.silent, m.total)
    );
    println!(
        "labelled at ±0.3: {:.4}, of these right: {:.4}",
        share(m.labelled, m.total),
        share(m.right_label, m.labelled)
    );
    assert!(share(m.right_sign, m.total) > VADER_ACCURACY - 0.01);
}
