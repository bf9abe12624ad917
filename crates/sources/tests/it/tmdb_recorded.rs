//! The parser on what TMDB really answered, in 2016 and lately.

use std::fs;
use std::path::{Path, PathBuf};

use domain::ingest::Record;
use serde_json::Value;
use sources::tmdb::movie_records;

use crate::{day, shared_data};

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_recorded_body_is_read_and_every_movie_among_them_is_found() {
    let Some(data) = shared_data() else { return };
    let folders = [data.join("tmdb-api/jellyfin"), data.join("tmdb-api/ahmetabdi")];
    let (mut bodies, mut movies) = (0, 0);
    for path in folders.iter().flat_map(|folder| json_files(folder)) {
        let Ok(body) = serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()) else { continue };
        let records = movie_records(&path.display().to_string(), &body, day("2026-01-02"));
        bodies += 1;
        let is_detail = body["title"].is_string() && body["imdb_id"] != Value::Null && body["id"].is_number();
        if is_detail {
            assert!(matches!(records[0], Record::Movie(_)), "{}: {records:?}", path.display());
            movies += 1;
        }
    }
    assert!(bodies > 300 && movies >= 6, "{bodies} bodies, {movies} movies");
    let old = fs::read_to_string(data.join("tmdb-api/ahmetabdi/movie_detail_with_appended_response.json")).unwrap();
    let records = movie_records("movie/22855", &serde_json::from_str(&old).unwrap(), day("2026-01-02"));
    let Record::Movie(movie) = &records[0] else { panic!("{records:?}") };
    assert!((movie.popularity - 0.899_541).abs() < 1e-5, "written as text in 2016");
    assert_eq!((movie.budget, movie.runtime), (None, Some(67)));
}
