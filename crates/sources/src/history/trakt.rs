//! Trakt's JSON exports: arrays of watched, rated or listed movies with ids of other services. Entries about shows are
//! left out.

use domain::events::MovieRef;
use domain::history::{Did, NamedMovie};
use serde::Deserialize;

use super::{HistoryError, Reading, moment};

#[derive(Deserialize)]
struct Item {
    movie: Option<Movie>,
    rating: Option<f32>,
    rated_at: Option<String>,
    watched_at: Option<String>,
    last_watched_at: Option<String>,
}

#[derive(Deserialize)]
struct Movie {
    title: Option<String>,
    year: Option<i32>,
    #[serde(default)]
    ids: Ids,
}

#[derive(Default, Deserialize)]
struct Ids {
    tmdb: Option<i64>,
    imdb: Option<String>,
}

pub(super) fn read(name: &str, bytes: &[u8], reading: &mut Reading) -> Result<(), HistoryError> {
    for (index, item) in serde_json::from_slice::<Vec<Item>>(bytes)?.into_iter().enumerate() {
        let place = format!("{name}[{index}]");
        let Some(movie) = item.movie.and_then(named) else {
            reading.skip(&place, "it has no movie")?;
            continue;
        };
        let watched = item.watched_at.or(item.last_watched_at);
        let mut did = false;
        for (what, at) in [(item.rating.map(Did::Rated), item.rated_at), (Some(Did::Watched), watched)] {
            let (Some(what), Some(at)) = (what, at.as_deref().and_then(moment)) else { continue };
            did = true;
            match what {
                Did::Rated(value) if !(0.5..=10.0).contains(&value) => {
                    reading.skip(&place, "the rating is not from 0.5 to 10")?;
                }
                what => reading.add(&place, movie.clone(), what, at)?,
            }
        }
        if !did {
            reading.skip(&place, "it says neither when the movie was watched nor when it was rated")?;
        }
    }
    Ok(())
}

fn named(Movie { title, year, ids }: Movie) -> Option<NamedMovie> {
    let tmdb = ids.tmdb.and_then(|id| id.to_string().parse::<MovieRef>().ok());
    let imdb = || ids.imdb.as_deref().and_then(|id| id.parse().ok());
    match tmdb.or_else(imdb) {
        Some(id) => Some(NamedMovie::Ref(id)),
        None => Some(NamedMovie::Title { title: title?, year }),
    }
}
