//! The lexicon: VADER (Hutto and Gilbert, ICWSM 2014) in its Rust port.
//!
//! Rules and word list are VADER's own. One thing is added: a review is scored sentence by sentence, as VADER's authors
//! advise, since VADER's score of a long text approaches ±1 whatever the text is.
//!
//! `tests/sentiment_accuracy.rs` measures its accuracy on 10,662 sentences from movie reviews.

use vader_sentimental::SentimentIntensityAnalyzer;

use super::Score;

/// Scores reviews.
#[derive(Debug, Clone)]
pub struct Lexicon(SentimentIntensityAnalyzer<'static>);

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
        let (mut sum, mut sentences) = (0.0, 0u32);
        for sentence in sentences_of(text) {
            let compound = self.0.polarity_scores(sentence).compound;
            if compound != 0.0 {
                sum += compound;
                sentences += 1;
            }
        }
        Score::new(if sentences == 0 { 0.0 } else { sum / f64::from(sentences) })
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

    proptest! {
        #[test]
        fn any_text_has_a_score(text in "(\\PC|[ .!?\n:)(,]|but|not|least|so|very|kind of|GOOD|bad){0,60}") {
            let score = Lexicon::new().score(&text).get();
            prop_assert!((-1.0..=1.0).contains(&score));
        }
    }
}
