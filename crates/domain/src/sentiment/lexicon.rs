//! The lexicon: VADER (Hutto and Gilbert, ICWSM 2014) in its Rust port.
//!
//! Rules and word list are VADER's own. One thing is added: a review is scored sentence by sentence, as VADER's authors
//! advise, since VADER's score of a long text approaches ±1 whatever the text is.
//!
//! `tests/sentiment_accuracy.rs` measures its accuracy on 10,662 sentences from movie reviews.

use std::panic::{AssertUnwindSafe, catch_unwind};

use vader_sentimental::SentimentIntensityAnalyzer;

use super::Score;

/// Most words of a review that are scored, counted after emoji have become the words of their names. A text of 10,000
/// characters has at most half as many words, so that only texts full of emoji, and longer texts of sources, are cut.
const WORDS_MAX: usize = 5_000;

/// Most words that VADER gets at once. It compares every sentiment word with every word of the same sentence, so its cost
/// is quadratic in the sentence; ordinary sentences are shorter than this.
const SENTENCE_WORDS_MAX: usize = 256;

/// Scores reviews, at a cost that is linear in the text and bounded.
#[derive(Debug, Clone)]
pub struct Lexicon(SentimentIntensityAnalyzer<'static>);

/// A review's score, and what a reader of the score should know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    pub score: Score,
    pub note: Option<Note>,
}

impl Assessment {
    /// The assessment of a text that cannot be scored.
    pub const UNSCORABLE: Self = Self { score: Score(0.0), note: Some(Note::Unscorable) };
}

/// Why a score is not that of the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Only the beginning was scored, up to the limit on words.
    Cut,
    /// Scoring the text fails; the score is 0.
    Unscorable,
}

impl Note {
    /// The note's name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Unscorable => "unscorable",
        }
    }
}

impl Default for Lexicon {
    fn default() -> Self {
        Self::new()
    }
}

impl Lexicon {
    /// Parses the word list on first use, which takes some milliseconds; later calls share it.
    pub fn new() -> Self {
        Self(SentimentIntensityAnalyzer::new())
    }

    /// The mean score of the sentences that carry any sentiment; 0 where none does.
    pub fn score(&self, text: &str) -> Score {
        self.assess(text).score
    }

    /// As [`Self::score`], with a note where the score is not that of the whole text. Never panics.
    pub fn assess(&self, text: &str) -> Assessment {
        // The library indexes slices; a text at which it panics must not fail the reviews beside it.
        catch_unwind(AssertUnwindSafe(|| self.mean(text))).unwrap_or(Assessment::UNSCORABLE)
    }

    fn mean(&self, text: &str) -> Assessment {
        let (mut sum, mut sentences, mut left) = (0.0, 0u32, WORDS_MAX);
        'text: for sentence in sentences_of(text) {
            let expanded = self.0.append_emoji_descriptions(sentence);
            for piece in pieces_of(&expanded) {
                if left == 0 {
                    break 'text;
                }
                let (piece, words) = first_words(piece, left);
                left -= words;
                let compound = self.0.polarity_scores(piece).compound;
                if compound != 0.0 {
                    sum += compound;
                    sentences += 1;
                }
            }
        }
        let score = Score::new(if sentences == 0 { 0.0 } else { sum / f64::from(sentences) });
        Assessment { score, note: (left == 0).then_some(Note::Cut) }
    }
}

/// Cuts after a run of `.`, `!` and `?` that is followed by white space, and at line ends. "Dr. No" is cut too, which
/// does no harm: neither half has a word of the list that would have modified the other.
fn sentences_of(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let mut ended = false;
        line.split_inclusive(move |c: char| {
            let cut = ended && c.is_whitespace();
            ended = matches!(c, '.' | '!' | '?');
            cut
        })
    })
}

/// Cuts a sentence into pieces of at most [`SENTENCE_WORDS_MAX`] words.
fn pieces_of(sentence: &str) -> impl Iterator<Item = &str> {
    let mut rest = sentence;
    std::iter::from_fn(move || {
        let (piece, _) = first_words(rest, SENTENCE_WORDS_MAX);
        rest = &rest[piece.len()..];
        (!piece.is_empty()).then_some(piece)
    })
}

/// The beginning of `text` up to its first `max` words, with the blanks around them, and its number of words.
fn first_words(text: &str, max: usize) -> (&str, usize) {
    let (mut words, mut within) = (0, false);
    for (at, c) in text.char_indices() {
        let begins = !within && !c.is_whitespace();
        if begins && words == max {
            return (&text[..at], words);
        }
        words += usize::from(begins);
        within = !c.is_whitespace();
    }
    (text, words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn texts_are_cut_into_sentences() {
        let cut: Vec<&str> = sentences_of("Good. Really?! 3.5 stars\nBad...").map(str::trim).collect();
        assert_eq!(cut, ["Good.", "Really?!", "3.5 stars", "Bad..."]);
    }

    #[test]
    fn plain_words_are_understood() {
        let lexicon = Lexicon::new();
        let label = |text: &str| lexicon.score(text).label();
        assert_eq!(label("A wonderful film. I loved every minute!"), Label::Positive);
        assert_eq!(label("Terrible. The worst film I have ever seen."), Label::Negative);
        assert_eq!(label("It is not good."), Label::Negative);
        assert_eq!(label("The film runs for two hours."), Label::Neutral);
        assert_eq!(label(""), Label::Neutral);
        let mixed = lexicon.score("I love the music. I hate the plot. ").get();
        assert!(mixed.abs() < 0.3, "praise and blame cancel out: {mixed}");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let lexicon = Lexicon::new();
        let notes = |text: &str| lexicon.assess(text).note;
        assert_eq!(notes(&"good film ".repeat(1_000)), None, "10,000 characters of words");
        assert_eq!(notes(&"é ".repeat(WORDS_MAX - 1)), None);
        assert_eq!(notes(&"😍".repeat(10_000)), Some(Note::Cut), "an emoji is the words of its name");
        assert_eq!(lexicon.assess(&"😍".repeat(10_000)).score.label(), Label::Positive);
    }

    #[test]
    fn a_sentence_without_an_end_is_scored_piece_by_piece() {
        let text = format!("{}good {}bad", "the ".repeat(10), "the ".repeat(SENTENCE_WORDS_MAX));
        let pieces: Vec<&str> = pieces_of(&text).collect();
        assert_eq!(pieces.concat(), text);
        assert_eq!(
            pieces.iter().map(|piece| piece.split_whitespace().count()).collect::<Vec<_>>(),
            [SENTENCE_WORDS_MAX, 12]
        );
    }

    #[test]
    fn ordinary_sentences_reach_vader_unchanged() {
        let lexicon = Lexicon::new();
        let text = "I didn't LOVE it , but :) the 😍 cast was very good!!";
        assert_eq!(lexicon.score(text), Score::new(lexicon.0.polarity_scores(text).compound));
    }

    proptest! {
        #[test]
        fn any_text_has_a_score(text in "(\\PC|[ .!?\n:)(,]|but|not|least|so|very|kind of|GOOD|bad){0,60}") {
            let score = Lexicon::new().score(&text).get();
            prop_assert!((-1.0..=1.0).contains(&score));
        }
    }
}
