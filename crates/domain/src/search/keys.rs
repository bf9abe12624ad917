//! The names under which a movie is found as a whole, and a query in the same form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold::{compact, fold, without_article};

/// Changes whenever [`title_keys`] or [`fold`] does: rows of another version are written anew.
pub const KEYS_VERSION: i16 = 1;

/// How a key names its movie, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// The title or the original title, with or without article and spaces.
    Title = 0,
    /// A part before or after a colon or dash: "The Lord of the Rings", "The Fellowship of the Ring".
    Part = 1,
    /// First letters: "LOTR", and with numbers: "T2".
    Initials = 2,
}

/// The shortest initials that name a movie; those with a number may have one letter.
const INITIALS_MIN: usize = 3;

/// The keys of a movie, each with its best kind.
pub fn title_keys(title: &str, original_title: Option<&str>) -> BTreeMap<String, KeyKind> {
    let mut keys = BTreeMap::new();
    let mut add = |key: &str, kind: KeyKind| {
        for key in [key.to_owned(), compact(key)] {
            if !key.is_empty() {
                let known = keys.entry(key).or_insert(kind);
                *known = kind.min(*known);
            }
        }
    };
    for name in [Some(title), original_title].into_iter().flatten() {
        let whole = fold(name);
        let parts: Vec<String> = parts(name).map(fold).collect();
        for form in [&whole, without_article(&whole)] {
            add(form, KeyKind::Title);
        }
        for part in parts.iter().filter(|part| **part != whole) {
            add(part, KeyKind::Part);
            add(without_article(part), KeyKind::Part);
        }
        for name in std::iter::once(&whole).chain(&parts) {
            for form in [name, without_article(name)] {
                add(&initials(form), KeyKind::Initials);
            }
        }
    }
    keys
}

fn parts(title: &str) -> impl Iterator<Item = &str> {
    title.split(": ").flat_map(|part| part.split(" - ")).flat_map(|part| part.split(" – "))
}

/// First letters of a folded name's words; numbers whole. Empty where they would be too short to name anything.
fn initials(folded: &str) -> String {
    let words: Vec<&str> = folded.split(' ').collect();
    let initials: String = words
        .iter()
        .map(|word| if word.starts_with(|c: char| c.is_ascii_digit()) { *word } else { first_letter(word) })
        .collect();
    let numbered =
        initials.ends_with(|c: char| c.is_ascii_digit()) && !initials.starts_with(|c: char| c.is_ascii_digit());
    if words.len() >= INITIALS_MIN || (words.len() > 1 && numbered) { initials } else { String::new() }
}

fn first_letter(word: &str) -> &str {
    word.char_indices().nth(1).map_or(word, |(end, _)| &word[..end])
}

/// A movie's names for an engine that ranks by field: each field holds names of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameFields {
    /// The folded title.
    pub name: String,
    /// Without article.
    pub name_bare: String,
    /// Without article and spaces.
    pub name_joined: String,
    /// The folded original title; empty if it is the title.
    pub name_original: String,
    /// Parts of the title, and initials.
    pub names_other: Vec<String>,
}

impl NameFields {
    /// The fields of a movie with these titles.
    pub fn of(title: &str, original_title: Option<&str>) -> Self {
        let (name, original) = (fold(title), original_title.map(fold).unwrap_or_default());
        let bare = without_article(&name).to_owned();
        let keys = title_keys(title, original_title).into_iter();
        Self {
            name_joined: compact(&bare),
            name_original: if original == name { String::new() } else { original },
            names_other: keys.filter(|(_, kind)| *kind != KeyKind::Title).map(|(key, _)| key).collect(),
            name_bare: bare,
            name,
        }
    }
}

/// English words that say nothing of a movie: alone they are a title or nothing.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "for", "from", "he", "her", "him", "his", "how", "i",
    "in", "is", "it", "me", "my", "of", "on", "or", "our", "she", "so", "that", "the", "their", "them", "they", "this",
    "to", "up", "us", "was", "we", "what", "when", "where", "who", "why", "will", "with", "you", "your",
];

/// A query in the form of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryKeys {
    /// The folded text.
    pub folded: String,
    /// The folded text with and without article and spaces: what equals a key.
    pub forms: Vec<String>,
    /// Whether the text is nothing but stop words, or nothing at all.
    pub says_nothing: bool,
    /// For "alien 2": "alien" and 2, the second movie of a series whose titles carry no numbers.
    pub numbered: Option<(String, i64)>,
}

/// The highest number that is looked for in a series.
const SERIES_MAX: i64 = 20;

impl QueryKeys {
    /// Folds a query.
    pub fn of(text: &str) -> Self {
        let folded = fold(text);
        let bare = without_article(&folded);
        let mut forms = vec![folded.clone(), bare.to_owned(), compact(&folded), compact(bare)];
        forms.sort();
        forms.dedup();
        let numbered = bare.rsplit_once(' ').and_then(|(series, number)| {
            let number = number.parse().ok().filter(|number| (1..=SERIES_MAX).contains(number))?;
            Some((series.to_owned(), number))
        });
        let says_nothing = folded.split(' ').all(|word| word.is_empty() || STOP_WORDS.contains(&word));
        Self { forms, numbered, says_nothing, folded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movie_is_named_by_titles_parts_and_initials() {
        let keys = title_keys("The Lord of the Rings: The Fellowship of the Ring", None);
        for (key, kind) in [
            ("lord of the rings the fellowship of the ring", KeyKind::Title),
            ("fellowship of the ring", KeyKind::Part),
            ("lotr", KeyKind::Initials),
            ("fotr", KeyKind::Initials),
        ] {
            assert_eq!(keys.get(key), Some(&kind), "{key}: {keys:?}");
        }
        assert_eq!(title_keys("Terminator 2: Judgment Day", None)["t2"], KeyKind::Initials);
        assert_eq!(title_keys("Mission: Impossible III", None)["mi3"], KeyKind::Initials);
        let samurai = title_keys("Seven Samurai", Some("七人の侍"));
        assert_eq!((samurai["7 samurai"], samurai["七人の侍"]), (KeyKind::Title, KeyKind::Title));
        assert!(!title_keys("Pulp Fiction", None).contains_key("pf"), "two letters name too much");
        assert!(title_keys("…", None).is_empty());
    }

    #[test]
    fn a_query_knows_its_series_and_number() {
        let keys = QueryKeys::of("The Matrix Two");
        assert_eq!(keys.forms, ["matrix 2", "matrix2", "the matrix 2", "thematrix2"]);
        assert_eq!(keys.numbered, Some(("matrix".to_owned(), 2)));
        assert!(QueryKeys::of("Of The").says_nothing && !keys.says_nothing);
        assert_eq!(QueryKeys::of("1994").numbered, None);
        assert_eq!(QueryKeys::of("blade runner 2049").numbered, None);
    }
}
