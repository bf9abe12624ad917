//! The importers on the real files, where they are.

use std::collections::{BTreeMap, HashSet};

use domain::ingest::Record;
use sources::dumps::DumpFormat;

use crate::dumps::{aside, kinds, movies, ratings, read};
use crate::shared_data;

#[test]
fn the_real_tmdb_5000_comes_in_whole() {
    let Some(data) = shared_data() else { return };
    let records = read(DumpFormat::Tmdb5000, &data.join("tmdb_5000"));
    let expected = [("credits", 4_803), ("metrics", 4_803), ("movie", 4_803)];
    assert_eq!(kinds(&records), BTreeMap::from(expected), "{:?}", aside(&records));
    let Record::Movie(avatar) = &records[0] else { panic!() };
    assert_eq!((avatar.id.get(), avatar.title.as_str(), avatar.runtime), (19_995, "Avatar", Some(162)));
    let directed = |record: &&Record| matches!(record, Record::Credits(_, people) if !people.directors.is_empty());
    assert!(records.iter().filter(directed).count() > 4_700);
}

#[test]
fn the_real_ml_latest_small_comes_in_whole() {
    let Some(data) = shared_data() else { return };
    let records = read(DumpFormat::Movielens, &data.join("ml-latest-small"));
    let kinds = kinds(&records);
    assert_eq!((kinds["stub"], kinds["rating"], kinds["quarantined"]), (9_741, 100_836, 1), "{:?}", aside(&records));
    let ids: HashSet<_> = movies(&records).iter().map(|movie| movie.id).collect();
    assert_eq!(ids.len(), 9_741);
    assert!(ratings(&records).iter().all(|rating| ids.contains(&rating.movie_id)));
    let dated = movies(&records).iter().filter(|movie| movie.release_date.is_some()).count();
    assert!(dated > 9_700, "{dated}");
    assert!(movies(&records).iter().any(|movie| movie.title == "The Matrix"));
}
