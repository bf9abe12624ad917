//! The vocabulary of the demo world.

use chrono::Datelike;
use domain::movies::Movie;

use super::dice::Dice;

/// TMDB's genres, the common ones first: synthetic movies and viewers' tastes are drawn from the front.
#[rustfmt::skip]
pub(super) const GENRES: [&str; 18] = [
    "Drama", "Comedy", "Thriller", "Action", "Romance", "Crime", "Adventure", "Science Fiction", "Horror", "Family",
    "Fantasy", "Mystery", "Animation", "History", "War", "Music", "Documentary", "Western",
];

/// Genres as bits, in that order; those that are not among them have none.
pub(super) fn genre_bits(genres: &[String]) -> u32 {
    let bit = |genre: &String| GENRES.iter().position(|known| known == genre).map_or(0, |at| 1 << at);
    genres.iter().map(bit).fold(0, |all, bit| all | bit)
}

#[rustfmt::skip]
const ADJECTIVES: [&str; 56] = [
    "Silent", "Crimson", "Last", "Hidden", "Broken", "Golden", "Endless", "Burning", "Frozen", "Lonely", "Savage",
    "Distant", "Electric", "Velvet", "Hollow", "Wild", "Secret", "Forgotten", "Midnight", "Paper", "Restless",
    "Iron", "Scarlet", "Pale", "Wicked", "Gentle", "Fallen", "Stolen", "Bitter", "Radiant", "Crooked", "Drowned",
    "Emerald", "Faithful", "Ghostly", "Humble", "Invisible", "Jagged", "Kindred", "Lost", "Marble", "Northern",
    "Obsidian", "Perfect", "Quiet", "Reckless", "Shattered", "Tender", "Unseen", "Vanishing", "Wandering", "Winter",
    "Summer", "Southern", "Honest", "Brave",
];

#[rustfmt::skip]
const NOUNS: [&str; 64] = [
    "Harbor", "Orchard", "Garden", "Empire", "River", "Mirror", "Kingdom", "Letter", "Promise", "Shadow", "Horizon",
    "Island", "Journey", "Lantern", "Machine", "Melody", "Mountain", "Ocean", "Palace", "Railway", "Season",
    "Signal", "Station", "Storm", "Street", "Summer", "Temple", "Theatre", "Thunder", "Tower", "Valley", "Voyage",
    "Winter", "Witness", "Wolf", "Window", "Bridge", "Castle", "Circus", "City", "Code", "Colony", "Crown",
    "Desert", "Diary", "Dream", "Engine", "Enemy", "Family", "Fire", "Forest", "Fortune", "Frontier", "Heart",
    "Hour", "House", "Hunter", "Verdict", "Lighthouse", "Stranger", "Passenger", "Painter", "Carnival", "Memory",
];

#[rustfmt::skip]
const FIRST_NAMES: [&str; 48] = [
    "Ada", "Amir", "Anna", "Bela", "Carla", "Chen", "Clara", "Dario", "Diana", "Elena", "Emil", "Farah", "Felix",
    "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "Julia", "Kenji", "Lara", "Leon", "Lucia", "Maja", "Marco",
    "Mina", "Nadia", "Nils", "Noor", "Olga", "Omar", "Paula", "Petra", "Quinn", "Rafael", "Rosa", "Samir", "Sofia",
    "Tara", "Theo", "Uma", "Viktor", "Wanda", "Xenia", "Yusuf", "Zara", "Zoltan",
];

#[rustfmt::skip]
const LAST_NAMES: [&str; 56] = [
    "Abbott", "Andrade", "Becker", "Bianchi", "Brandt", "Castillo", "Cohen", "Dahl", "Dubois", "Eriksen", "Farrow",
    "Fischer", "Garcia", "Gruber", "Haddad", "Hansen", "Horvat", "Ibrahim", "Ito", "Jansen", "Jovanovic", "Kaplan",
    "Keller", "Kim", "Kovacs", "Larsen", "Lindqvist", "Lopez", "Maier", "Marsh", "Mensah", "Moreau", "Nakamura",
    "Novak", "Okafor", "Oliveira", "Park", "Petrov", "Quist", "Rahman", "Reyes", "Rossi", "Sato", "Schmidt",
    "Silva", "Sorensen", "Tanaka", "Torres", "Ueda", "Varga", "Vogel", "Weber", "Wright", "Yilmaz", "Zhang",
    "Ziegler",
];

/// A person's name. Mixed radix, here and for keywords, so that every number has words of its own.
pub(super) fn name(number: u64) -> String {
    let (first, rest) = (number % FIRST_NAMES.len() as u64, number / FIRST_NAMES.len() as u64);
    let (last, round) = (rest % LAST_NAMES.len() as u64, rest / LAST_NAMES.len() as u64);
    let (first, last) = (FIRST_NAMES[first as usize], LAST_NAMES[(last as usize + first as usize) % LAST_NAMES.len()]);
    match round {
        0 => format!("{first} {last}"),
        1..=26 => format!("{first} {}. {last}", char::from(b'A' + (round - 1) as u8)),
        _ => format!("{first} {last} {}", round - 25),
    }
}

pub(super) fn keyword(number: u64) -> String {
    let noun = NOUNS[(number % NOUNS.len() as u64) as usize];
    let round = number / NOUNS.len() as u64;
    let word = match round.checked_sub(1) {
        None => noun.to_owned(),
        Some(round) => {
            let adjective = ADJECTIVES[(round % ADJECTIVES.len() as u64) as usize];
            match round / ADJECTIVES.len() as u64 {
                0 => format!("{adjective} {noun}"),
                more => format!("{adjective} {noun} {more}"),
            }
        }
    };
    word.to_lowercase()
}

pub(super) fn title(dice: &mut Dice) -> String {
    let (adjective, noun, other) = (dice.pick(&ADJECTIVES), dice.pick(&NOUNS), dice.pick(&NOUNS));
    match dice.below(10) {
        0 => format!("{adjective} {noun}"),
        1 => format!("The {adjective} {noun}"),
        2 => format!("{noun} of the {adjective} {other}"),
        3 => format!("A {noun} for {}", dice.pick(&FIRST_NAMES)),
        4 => format!("The {noun} and the {other}"),
        5 => format!("{adjective} {noun}: {other}"),
        6 => format!("{} and the {adjective} {noun}", dice.pick(&FIRST_NAMES)),
        7 => format!("{adjective} {noun} {}", 2 + dice.below(3)),
        8 => format!("Beyond the {adjective} {noun}"),
        _ => format!("{noun} at the {other}"),
    }
}

/// One sentence out of what is known about a movie.
pub(super) fn overview(movie: &Movie) -> Option<String> {
    let genres = list(movie.genres.iter().take(2).map(|genre| genre.to_lowercase()).collect())?;
    let article = if genres.starts_with(['a', 'e', 'i', 'o', 'u']) { "An" } else { "A" };
    let mut text = format!("{article} {genres} movie");
    if let Some(date) = movie.release_date {
        text += &format!(" from {}", date.year());
    }
    if let Some(directors) = list(movie.credits.directors.iter().map(|person| person.name.clone()).collect()) {
        text += &format!(", directed by {directors}");
    }
    if let Some(cast) = list(movie.credits.cast.iter().take(3).map(|member| member.person.name.clone()).collect()) {
        text += &format!(", with {cast}");
    }
    text.push('.');
    if !movie.keywords.is_empty() {
        text += &format!(" Themes: {}.", movie.keywords.iter().take(4).cloned().collect::<Vec<_>>().join(", "));
    }
    Some(text)
}

fn list(mut words: Vec<String>) -> Option<String> {
    let last = words.pop()?;
    Some(if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) })
}
#[rustfmt::skip]
const SUBJECTS: [&str; 10] = [
    "The story", "The acting", "The camera work", "The music", "The dialogue", "The pacing", "The ending",
    "The direction", "The lead performance", "The editing",
];

struct Phrases {
    openings: [&'static str; 8],
    verdicts: [&'static str; 8],
    closings: [&'static str; 8],
}

#[rustfmt::skip]
const PRAISE: Phrases = Phrases {
    openings: [
        "I loved {}.", "{} is a wonderful film.", "What a brilliant surprise {} was.",
        "{} deserves all the praise it gets.", "One of the best films I have seen this year: {}.",
        "{} moved me deeply.", "I enjoyed every minute of {}.", "{} is a masterpiece.",
    ],
    verdicts: [
        "is superb", "is beautiful and honest", "is gripping from the first scene", "is outstanding",
        "could hardly be better", "is full of charm", "is brilliant", "feels fresh and true",
    ],
    closings: [
        "Highly recommended.", "I will watch it again soon.", "A delight.", "Go and see it.",
        "An excellent evening.", "Perfect.", "It made me happy.", "A great film.",
    ],
};

#[rustfmt::skip]
const SHRUG: Phrases = Phrases {
    openings: [
        "{} is all right.", "I watched {} on a rainy evening.", "{} has its moments.",
        "I expected something else from {}.", "{} is neither good nor bad.", "People talk a lot about {}.",
        "I finally saw {}.", "{} passes the time.",
    ],
    verdicts: [
        "is decent", "does its job", "is what one would expect", "is uneven", "is fine for the most part",
        "is nothing special", "starts well and then settles down", "is better than the rest of it",
    ],
    closings: [
        "Fine for once.", "Watch it if nothing else is on.", "An average film.",
        "I have no strong feelings about it.", "It is long, though.", "Some will like it more.",
        "Not for everybody.", "That is about it.",
    ],
};

#[rustfmt::skip]
const BLAME: Phrases = Phrases {
    openings: [
        "I was bored by {}.", "{} is a disappointment.", "{} was a waste of my evening.",
        "I do not understand the fuss about {}.", "{} is a mess.", "I nearly walked out of {}.",
        "Sadly, {} does not work at all.", "{} is far too long and dull.",
    ],
    verdicts: [
        "is terrible", "is lifeless", "makes no sense", "is awful and predictable", "is painfully bad", "is weak",
        "falls flat", "is annoying from start to finish",
    ],
    closings: [
        "Avoid it.", "I want my time back.", "A bad film.", "The worst I have seen this year.", "Do not bother.",
        "What a pity.", "I cannot recommend it.", "It left me angry.",
    ],
};

/// A review in the tone that goes with its stars.
pub(super) fn review(stars: f32, title: &str, dice: &mut Dice) -> String {
    let phrases = match stars {
        7.0.. => &PRAISE,
        ..=4.0 => &BLAME,
        _ => &SHRUG,
    };
    let opening = dice.pick(&phrases.openings).replace("{}", title);
    let (subject, verdict) = (dice.pick(&SUBJECTS), dice.pick(&phrases.verdicts));
    format!("{opening} {subject} {verdict}. {}", dice.pick(&phrases.closings))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_has_a_name_and_a_keyword_of_its_own() {
        assert_eq!((0..200_000).map(name).collect::<HashSet<_>>().len(), 200_000);
        assert_eq!((0..20_000).map(keyword).collect::<HashSet<_>>().len(), 20_000);
    }
}
