//! MovieLens titles: `Postman, The (Postino, Il) (1994)`.

/// A title taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Title {
    /// With its article in front.
    pub title: String,
    /// What stood in brackets behind it, usually the title in the movie's own language.
    pub original: Option<String>,
    pub year: Option<i32>,
}

/// Articles that MovieLens moves behind the title, in the languages it has them in.
const ARTICLES: [&str; 25] = [
    "The", "A", "An", "Le", "La", "Les", "L'", "Un", "Une", "Il", "Lo", "Gli", "I", "El", "Los", "Las", "Der", "Die",
    "Das", "Ein", "Eine", "De", "Het", "Den", "Det",
];

/// Takes a title apart; whatever does not look like a year or an article stays where it is.
pub(super) fn parse(raw: &str) -> Title {
    let raw = raw.trim();
    let (rest, year) = match bracketed(raw) {
        Some((rest, inner)) => year(inner).map_or((raw, None), |year| (rest, Some(year))),
        None => (raw, None),
    };
    let (mut name, mut original) = (rest, None);
    while let Some((before, inner)) = bracketed(name) {
        if !inner.starts_with("a.k.a.") {
            original = Some(article_first(inner));
        }
        name = before;
    }
    Title { title: article_first(name), original, year }
}

/// `Name (inner)` as (`Name`, `inner`), unless there is nothing in front of the brackets.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (before, inner) = text.strip_suffix(')')?.rsplit_once('(')?;
    let before = before.trim_end();
    (!before.is_empty()).then_some((before, inner.trim()))
}

/// `1994`, and the first year of `2006–2007`.
fn year(text: &str) -> Option<i32> {
    let year = text.get(..4)?.parse().ok().filter(|year| (1850..=2150).contains(year))?;
    let open_end = text.get(4..)?.chars().next().is_none_or(|next| !next.is_alphanumeric());
    open_end.then_some(year)
}

fn article_first(title: &str) -> String {
    match title.rsplit_once(", ") {
        Some((rest, "L'")) => format!("L'{rest}"),
        Some((rest, article)) if ARTICLES.contains(&article) => format!("{article} {rest}"),
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(raw: &str) -> (String, Option<String>, Option<i32>) {
        let Title { title, original, year } = parse(raw);
        (title, original, year)
    }

    #[test]
    fn titles_are_taken_apart() {
        let full = |title: &str, original: &str, year| (title.to_owned(), Some(original.to_owned()), Some(year));
        let plain = |title: &str, year| (title.to_owned(), None, year);
        assert_eq!(parts("Toy Story (1995)"), plain("Toy Story", Some(1995)));
        assert_eq!(parts("Matrix, The (1999) "), plain("The Matrix", Some(1999)));
        assert_eq!(parts("Postman, The (Postino, Il) (1994)"), full("The Postman", "Il Postino", 1994));
        assert_eq!(parts("Avventura, L' (Adventure, The) (1960)"), full("L'Avventura", "The Adventure", 1960));
        assert_eq!(parts("Seven (a.k.a. Se7en) (1995)"), plain("Seven", Some(1995)));
        assert_eq!(parts("(500) Days of Summer (2009)"), plain("(500) Days of Summer", Some(2009)));
        assert_eq!(parts("Death Note: Desu nôto (2006–2007)"), plain("Death Note: Desu nôto", Some(2006)));
        assert_eq!(parts("Wonderful, Horrible Life, The (1993)"), plain("The Wonderful, Horrible Life", Some(1993)));
        assert_eq!(parts("Babylon 5"), plain("Babylon 5", None));
        assert_eq!(parts("(1984)"), plain("(1984)", None));
    }

    proptest! {
        #[test]
        fn any_title_keeps_some_text(raw in "[(),A-z0-9é' ]{0,40}") {
            prop_assert_eq!(parse(&raw).title.trim().is_empty(), raw.trim().is_empty());
        }
    }
}
