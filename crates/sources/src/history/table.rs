//! CSV exports. The columns tell whose they are.

use csv::{ReaderBuilder, StringRecord};
use domain::history::{Did, NamedMovie};

use super::{HistoryError, Reading, moment};

/// Columns of an export, by position; `None` where it has no such column.
struct Columns {
    id: Option<usize>,
    title: Option<usize>,
    year: Option<usize>,
    rating: Option<usize>,
    watched: Option<usize>,
    date: Option<usize>,
    /// Rows are movies that were watched on the day in `watched`, or in `date`.
    is_watched: bool,
    /// Rows are movies that were liked.
    is_liked: bool,
    /// What a rating is multiplied by to be one of 0.5 to 10.
    scale: f32,
}

impl Columns {
    fn of(name: &str, header: &StringRecord) -> Option<Self> {
        let at = |names: &[&str]| {
            header.iter().position(|column| names.iter().any(|n| column.trim().eq_ignore_ascii_case(n)))
        };
        let imdb = at(&["Const"]);
        let (id, title) = (imdb.or_else(|| at(&["tmdbId", "movieId", "movie_id"])), at(&["Name", "Title"]));
        let rating = at(&["Your Rating"]).or_else(|| at(&["Rating"]));
        let letterboxd = imdb.is_none() && title.is_some() && at(&["Year"]).is_some();
        if !letterboxd && (id.is_none() || rating.is_none()) {
            return None;
        }
        let file = name.rsplit('/').next().unwrap_or(name);
        Some(Self {
            id: id.filter(|_| !letterboxd),
            title,
            year: at(&["Year"]),
            rating,
            watched: at(&["Watched Date", "WatchedDate"]),
            date: at(&["Date Rated", "Date", "timestamp", "rated_at"]),
            is_watched: letterboxd && (at(&["Watched Date", "WatchedDate"]).is_some() || file == "watched.csv"),
            is_liked: name == "likes/films.csv",
            scale: if imdb.is_some() { 1.0 } else { 2.0 },
        })
    }
}

pub(super) fn read(name: &str, bytes: &[u8], reading: &mut Reading) -> Result<(), HistoryError> {
    let mut rows = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let unknown = |header: &StringRecord| HistoryError::Columns(header.iter().take(20).collect::<Vec<_>>().join(", "));
    let header = rows.headers().cloned().unwrap_or_default();
    let columns = Columns::of(name, &header).ok_or_else(|| unknown(&header))?;
    for (index, row) in rows.records().enumerate() {
        // The header is row 1.
        let place = format!("{name}:{}", index + 2);
        match row {
            Ok(row) => self::row(&columns, &row, &place, reading)?,
            Err(_) => reading.skip(&place, "the row is not UTF-8")?,
        }
    }
    Ok(())
}

fn row(columns: &Columns, row: &StringRecord, place: &str, reading: &mut Reading) -> Result<(), HistoryError> {
    let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).map(str::trim).filter(|cell| !cell.is_empty());
    let movie = match (cell(columns.id), cell(columns.title)) {
        (Some(id), _) => id.parse().ok().map(NamedMovie::Ref),
        (None, Some(title)) => Some(NamedMovie::Title {
            title: title.to_owned(),
            year: cell(columns.year).and_then(|year| year.parse().ok()),
        }),
        (None, None) => None,
    };
    let Some(movie) = movie else { return reading.skip(place, "it names no movie") };
    let Some(at) = cell(columns.watched).or_else(|| cell(columns.date)).and_then(moment) else {
        return reading.skip(place, "it has no date");
    };
    let rating = cell(columns.rating).map(|text| text.parse::<f32>().map(|value| value * columns.scale));
    if columns.is_watched {
        reading.add(place, movie.clone(), Did::Watched, at)?;
    }
    if columns.is_liked {
        return reading.add(place, movie, Did::Liked, at);
    }
    match rating {
        Some(Ok(value)) if (0.5..=10.0).contains(&value) => reading.add(place, movie, Did::Rated(value), at),
        Some(_) => reading.skip(place, "the rating is not one of the service's"),
        None if columns.is_watched => Ok(()),
        None => reading.skip(place, "it has no rating"),
    }
}
