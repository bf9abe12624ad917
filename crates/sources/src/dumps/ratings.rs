use std::path::PathBuf;

use chrono::DateTime;
use domain::MovieId;
use domain::ingest::Record;
use domain::movies::Rating;

use super::DumpProgress;
use super::lines::{Line, Lines, decode};
use crate::SourceError;

/// Range of MovieLens' stars; our scale has twice as many points.
const STARS: std::ops::RangeInclusive<f32> = 0.5..=5.0;

/// 2150-01-01 in seconds since 1970; a later time stamp is not one.
const MAX_TIMESTAMP: i64 = 5_680_281_600;

/// A file of `user, movie, stars, seconds`, split at a separator without any quoting: these files have tens of
/// millions of rows and four numbers in each.
pub(super) struct RatingsFile {
    lines: Lines,
    line: Line,
    separator: &'static str,
}

impl RatingsFile {
    /// `ratings.csv`, whose header is checked.
    pub(super) fn csv(path: PathBuf, holds: &'static str, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let mut file = Self { lines: Lines::open(path, holds, progress)?, line: Line::default(), separator: "," };
        file.lines.next(&mut file.line)?;
        let header = decode(&file.line.bytes).replace('"', "");
        if header.trim() != "userId,movieId,rating,timestamp" {
            let reason = "its header is not userId,movieId,rating,timestamp".to_owned();
            return Err(SourceError::WrongFile { file: file.lines.path().to_owned(), reason });
        }
        Ok(file)
    }

    /// `ratings.dat`, which has no header and `::` between its fields.
    pub(super) fn dat(path: PathBuf, holds: &'static str, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        Ok(Self { lines: Lines::open(path, holds, progress)?, line: Line::default(), separator: "::" })
    }

    /// The next row, for movies that `movie` finds by MovieLens' number; `None` at the end.
    pub(super) fn next(&mut self, movie: impl Fn(i64) -> Option<MovieId>) -> Result<Option<Record>, SourceError> {
        loop {
            if !self.lines.next(&mut self.line)? {
                return Ok(None);
            }
            if self.line.bytes.is_empty() {
                continue;
            }
            return Ok(Some(match rating(&decode(&self.line.bytes), self.separator, movie) {
                Ok(rating) => Record::Rating(rating),
                Err((field, reason)) => self.lines.aside(&self.line, field, reason),
            }));
        }
    }
}

type Defect = (Option<&'static str>, &'static str);

fn rating(row: &str, separator: &str, movie_of: impl Fn(i64) -> Option<MovieId>) -> Result<Rating, Defect> {
    let mut fields = row.split(separator).map(|field| field.trim().trim_matches('"'));
    let mut next = || fields.next();
    let (Some(user), Some(movie), Some(stars), Some(seconds), None) = (next(), next(), next(), next(), next()) else {
        return Err((None, "does not have 4 columns"));
    };
    let positive = |text: &str| text.parse().ok().filter(|id: &i64| *id > 0);
    let not_positive = "must be a whole number from 1 up";
    let user_id = positive(user).ok_or((Some("userId"), not_positive))?;
    let movie = positive(movie).ok_or((Some("movieId"), not_positive))?;
    let stars: f32 = stars
        .parse()
        .ok()
        .filter(|stars| STARS.contains(stars))
        .ok_or((Some("rating"), "must be a number from 0.5 to 5"))?;
    let rated_at = seconds
        .parse()
        .ok()
        .filter(|seconds| (0..=MAX_TIMESTAMP).contains(seconds))
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or((Some("timestamp"), "must be seconds since 1970"))?;
    let movie_id = movie_of(movie).ok_or((Some("movieId"), "is no movie of this dump"))?;
    Ok(Rating { user_id, movie_id, rating: stars * 2.0, rated_at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(row: &str) -> Result<Rating, Defect> {
        rating(row, ",", |id| (id < 100).then(|| MovieId::new(id).unwrap()))
    }

    #[test]
    fn stars_are_doubled_and_odd_rows_name_their_field() {
        let rating = read("1,31,2.5,1260759144").unwrap();
        assert_eq!((rating.user_id, rating.movie_id.get(), rating.rating), (1, 31, 5.0));
        let field = |row: &str| read(row).unwrap_err().0;
        assert_eq!(field("1,31,2.5"), None);
        assert_eq!(field("1,31,2.5,1,1"), None);
        assert_eq!(field("0,31,2.5,1"), Some("userId"));
        assert_eq!(field("1,x,2.5,1"), Some("movieId"));
        assert_eq!(field("1,100,2.5,1"), Some("movieId"));
        for stars in ["0", "5.5", "NaN", "inf", ""] {
            assert_eq!(field(&format!("1,31,{stars},1")), Some("rating"), "{stars}");
        }
        assert_eq!(field("1,31,5,99999999999999"), Some("timestamp"));
    }

    proptest! {
        #[test]
        fn any_row_is_a_rating_or_a_defect(row in "[0-9.,:eNaIinf\" -]{0,40}") {
            if let Ok(rating) = read(&row) {
                prop_assert!((1.0..=10.0).contains(&rating.rating));
            }
        }
    }
}
