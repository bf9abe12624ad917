//! Importers on small files of every shape.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use domain::MovieId;
use domain::ingest::{Quarantined, Record};
use domain::movies::{Movie, Rating};
use proptest::prelude::*;
use sources::SourceError;
use sources::dumps::{DumpFormat, open};
use tempfile::TempDir;

use crate::day;

fn dir_of(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

pub fn read(format: DumpFormat, dir: &Path) -> Vec<Record> {
    let dump = open(format, dir, day("2026-01-02")).unwrap();
    let progress = dump.progress();
    // In another thread, as its users do.
    let records = std::thread::spawn(move || dump.map(|record| record.unwrap()).collect()).join().unwrap();
    assert_eq!(progress.read(), progress.total(), "every byte was read");
    records
}

pub fn kinds(records: &[Record]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for record in records {
        *kinds.entry(kind(record)).or_default() += 1;
    }
    kinds
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Movie(_) => "movie",
        Record::Stub(_) => "stub",
        Record::Credits(..) => "credits",
        Record::Keywords(..) => "keywords",
        Record::Metrics(_) => "metrics",
        Record::Rating(_) => "rating",
        Record::Review(_) => "review",
        Record::Quarantined(_) => "quarantined",
    }
}

pub fn movies(records: &[Record]) -> Vec<&Movie> {
    records
        .iter()
        .filter_map(
            |record| if let Record::Movie(movie) | Record::Stub(movie) = record { Some(&**movie) } else { None },
        )
        .collect()
}

pub fn ratings(records: &[Record]) -> Vec<&Rating> {
    records.iter().filter_map(|record| if let Record::Rating(rating) = record { Some(rating) } else { None }).collect()
}

pub fn aside(records: &[Record]) -> Vec<&Quarantined> {
    records
        .iter()
        .filter_map(|record| if let Record::Quarantined(aside) = record { Some(aside) } else { None })
        .collect()
}

fn places(records: &[Record]) -> Vec<(&str, &str)> {
    aside(records).into_iter().map(|aside| (aside.location.as_str(), aside.field.as_deref().unwrap_or(""))).collect()
}

const TMDB_MOVIES: &str = "budget,genres,homepage,id,keywords,original_language,original_title,overview,popularity,\
    production_companies,production_countries,release_date,revenue,runtime,spoken_languages,status,tagline,title,\
    vote_average,vote_count\n";

#[test]
fn tmdb_5000_brings_movies_numbers_and_credits_and_keeps_bad_rows_aside() {
    let movies = format!(
        "{TMDB_MOVIES}\
        0,\"[{{\"\"id\"\": 28, \"\"name\"\": \"\"Action\"\"}}]\",,7,\"[{{\"\"name\"\": \"\"space\"\"}}]\",en,Seven,\"Two\nlines\",1.5,[],[],1995-09-22,0,,[],Released,,Seven,8.1,12\n\
        5,[],,8,[{{broken,en,Eight,,x,[],[],,,,[],,,Eight,,\n\
        5,[],,zero,[],en,Nine,,x,[],[],,,,[],,,Nine,,\n\
        only,three,columns\n\
        5,[],,7,[],en,Seven again,,x,[],[],,,,[],,,Seven again,,\n"
    );
    let credits = "movie_id,title,cast,crew\n\
        7,Seven,\"[{\"\"id\"\": 2, \"\"name\"\": \"\"Second\"\", \"\"order\"\": 1}, {\"\"id\"\": 1, \"\"name\"\": \"\"First\"\", \"\"order\"\": 0}]\",\"[{\"\"id\"\": 3, \"\"name\"\": \"\"Boss\"\", \"\"job\"\": \"\"Director\"\"}]\"\n\
        8,Eight,nonsense,[]\n99,Unknown,[],[]\n";
    let dir = dir_of(&[("tmdb_5000_movies.csv", movies.as_bytes()), ("tmdb_5000_credits.csv", credits.as_bytes())]);
    let records = read(DumpFormat::Tmdb5000, dir.path());
    let [Record::Movie(seven), Record::Metrics(numbers), Record::Movie(eight), ..] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!((seven.overview.as_deref(), seven.budget, seven.runtime), (Some("Two\nlines"), None, None));
    assert_eq!((seven.genres[0].as_str(), seven.keywords[0].as_str()), ("Action", "space"));
    assert_eq!((numbers.day, numbers.vote_count), (day("2026-01-02"), 12));
    assert_eq!((eight.popularity, eight.keywords.len(), eight.budget), (0.0, 0, Some(5)));
    let Some(Record::Credits(id, people)) = records.iter().find(|record| kind(record) == "credits") else { panic!() };
    assert_eq!(
        (id.get(), people.cast[0].person.name.as_str(), people.directors[0].name.as_str()),
        (7, "First", "Boss")
    );
    let movies = "tmdb_5000_movies.csv";
    assert_eq!(
        places(&records),
        [
            (format!("{movies}:4").as_str(), "keywords"),
            (&format!("{movies}:5"), "id"),
            (&format!("{movies}:6"), ""),
            (&format!("{movies}:7"), "id"),
            ("tmdb_5000_credits.csv:3", "cast"),
            ("tmdb_5000_credits.csv:4", "movie_id"),
        ]
    );
}

const METADATA: &str = "adult,belongs_to_collection,budget,genres,homepage,id,imdb_id,original_language,original_title,overview,\
    popularity,poster_path,production_companies,production_countries,release_date,revenue,runtime,spoken_languages,status,\
    tagline,title,video,vote_average,vote_count\n";

fn metadata_row(id: &str, title: &str, genres: &str) -> String {
    format!(
        "False,,30000000,\"{genres}\",,{id},tt0114709,en,{title},Plot,21.9,/p.jpg,[],[],1995-10-30,373554033.0,81.0,[],Released,,{title},False,7.7,5415\n"
    )
}

fn movies_dataset() -> TempDir {
    let genres = "[{'id': 16, 'name': 'Animation'}, {'id': 10751, 'name': \"\"Children's\"\"}]";
    let metadata = [
        METADATA.to_owned(),
        metadata_row("862", "Toy Story", genres),
        metadata_row("862", "Toy Story", "[]"),
        metadata_row("1997-08-20", "0", "[]"),
        "False,,0,[],,82663,tt0113002,en,Midnight Man,cut off here\n".to_owned(),
        metadata_row("15602", "Grumpier Old Men", "[{'id': 35, 'name': os.system()}]"),
    ];
    let credits = "cast,crew,id\n\"[{'id': 31, 'name': 'Tom Hanks', 'order': 0, 'character': 'Woody (voice)', 'profile_path': None}]\",\
        \"[{'job': 'Director', 'id': 7879, 'name': 'John Lasseter'}]\",862\n[],[],862\n[],[],abc\n";
    let keywords = "id,keywords\n862,\"[{'id': 931, 'name': 'jealousy'}, {'id': 4290, 'name': \"\"boy's toy\"\"}]\"\n";
    let links = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113228,15602.0\n3,0113041,\n4,0113041,99\nx,0,5\n";
    let ratings = "userId,movieId,rating,timestamp\n1,1,4.5,1260759144\n1,2,0.5,1260759179\n1,3,3.0,1260759182\n1,4,3.0,1260759182\n1,1,9.0,1\n";
    dir_of(&[
        ("movies_metadata.csv", metadata.concat().as_bytes()),
        ("credits.csv", credits.as_bytes()),
        ("keywords.csv", keywords.as_bytes()),
        ("links_small.csv", links.as_bytes()),
        ("ratings_small.csv", ratings.as_bytes()),
    ])
}

#[test]
fn the_movies_dataset_is_read_with_its_python_lists_doubles_and_shifted_rows() {
    let dir = movies_dataset();
    let records = read(DumpFormat::MoviesDataset, dir.path());
    let found = movies(&records);
    assert_eq!(found.iter().map(|movie| movie.id.get()).collect::<Vec<_>>(), [862, 15602]);
    assert_eq!((found[0].genres.as_slice(), found[0].runtime), (&["Animation".into(), "Family".into()][..], Some(81)));
    assert_eq!((found[0].revenue, found[0].imdb_id.as_deref()), (Some(373_554_033), Some("tt0114709")));
    let expected = [("credits", 1), ("keywords", 1), ("metrics", 2), ("movie", 2), ("quarantined", 10), ("rating", 2)];
    assert_eq!(kinds(&records), BTreeMap::from(expected));
    let stars: Vec<_> = ratings(&records).iter().map(|rating| (rating.movie_id.get(), rating.rating)).collect();
    assert_eq!(stars, [(862, 9.0), (15602, 1.0)]);
    assert_eq!(
        places(&records),
        [
            ("movies_metadata.csv:3", "id"),
            ("movies_metadata.csv:4", "id"),
            ("movies_metadata.csv:5", ""),
            ("movies_metadata.csv:6", "genres"),
            ("credits.csv:3", "id"),
            ("credits.csv:4", "id"),
            ("links_small.csv:6", "movieId"),
            ("ratings_small.csv:4", "movieId"),
            ("ratings_small.csv:5", "movieId"),
            ("ratings_small.csv:6", "rating"),
        ]
    );
    let Some(Record::Keywords(_, words)) = records.iter().find(|record| kind(record) == "keywords") else { panic!() };
    assert_eq!(words.as_slice(), ["jealousy", "boy's toy"]);
}

#[test]
fn full_ratings_are_preferred_and_need_links() {
    let dir = movies_dataset();
    let one = "userId,movieId,rating,timestamp\n7,1,5.0,1260759144\n";
    fs::write(dir.path().join("ratings.csv"), one).unwrap();
    assert_eq!(ratings(&read(DumpFormat::MoviesDataset, dir.path())).len(), 1);
    fs::remove_file(dir.path().join("links_small.csv")).unwrap();
    let error = open(DumpFormat::MoviesDataset, dir.path(), day("2026-01-02")).unwrap_err();
    assert!(error.to_string().contains("links.csv"), "{error}");
}

#[test]
fn ml_latest_movies_are_stubs_under_their_tmdb_id() {
    let movies_csv = "movieId,title,genres\n1,Toy Story (1995),Adventure|Children|Sci-Fi\n2,\"Matrix, The (1999)\",IMAX|Action\n\
        3,No Link (2001),(no genres listed)\n4,Toy Story again (1995),Adventure\n4,Same number,\n5,,Drama\n0,Zero,Drama\n";
    let links = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0133093,603\n3,0000003,\n4,0000004,862\n6,1,-5\n";
    let ratings_csv =
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,0.5,964982703\n2,4,5.0,964982703\n2,9,5.0,964982703\n";
    let dir = dir_of(&[
        ("movies.csv", movies_csv.as_bytes()),
        ("links.csv", links.as_bytes()),
        ("ratings.csv", ratings_csv.as_bytes()),
    ]);
    let records = read(DumpFormat::Movielens, dir.path());
    let found = movies(&records);
    assert_eq!(found.iter().map(|movie| movie.id.get()).collect::<Vec<_>>(), [862, 603, MovieId::MOVIELENS_BASE + 3]);
    assert_eq!((found[0].imdb_id.as_deref(), found[0].release_date), (Some("tt0114709"), Some(day("1995-01-01"))));
    assert_eq!(found[0].genres, ["Adventure", "Family", "Science Fiction"]);
    assert_eq!((found[1].title.as_str(), found[1].genres.as_slice()), ("The Matrix", &["Action".to_owned()][..]));
    assert!(found[2].genres.is_empty());
    let stars: Vec<_> = ratings(&records).iter().map(|rating| (rating.movie_id.get(), rating.rating)).collect();
    assert_eq!(stars, [(862, 8.0), (MovieId::MOVIELENS_BASE + 3, 1.0), (862, 10.0)]);
    assert_eq!(
        places(&records),
        [
            ("links.csv:6", "tmdbId"),
            ("movies.csv:5", "tmdbId"),
            ("movies.csv:6", "movieId"),
            ("movies.csv:7", "title"),
            ("movies.csv:8", "movieId"),
            ("ratings.csv:5", "movieId"),
        ]
    );
}

#[test]
fn ml_1m_is_read_in_latin1_without_links() {
    let movies_dat =
        b"1::Toy Story (1995)::Animation|Children's|Comedy\n73::Mis\xe9rables, Les (1995)::Drama|Musical\nbroken\n";
    let ratings_dat = b"1::1::5::978300760\n1::73::3::978302109\n1::2::3::978302109\n1::73::0::978302109\n";
    let dir = dir_of(&[("movies.dat", movies_dat), ("ratings.dat", ratings_dat)]);
    let records = read(DumpFormat::Movielens, dir.path());
    let found = movies(&records);
    assert_eq!((found[1].title.as_str(), found[1].id.get()), ("Les Misérables", MovieId::MOVIELENS_BASE + 73));
    assert_eq!(ratings(&records).iter().map(|rating| rating.rating).collect::<Vec<_>>(), [10.0, 6.0]);
    assert_eq!(
        places(&records),
        [("movies.dat:3", "movieId"), ("ratings.dat:3", "movieId"), ("ratings.dat:4", "rating")]
    );
}

#[test]
fn a_missing_file_is_named_with_what_belongs_there() {
    let empty = tempfile::tempdir().unwrap();
    for (format, file, others) in [
        (DumpFormat::Tmdb5000, "tmdb_5000_movies.csv", "tmdb_5000_credits.csv"),
        (DumpFormat::MoviesDataset, "movies_metadata.csv", "keywords.csv"),
        (DumpFormat::Movielens, "movies.csv", "ratings.dat"),
    ] {
        let error = open(format, empty.path(), day("2026-01-02")).unwrap_err();
        assert!(matches!(&error, SourceError::MissingFile { file: path, .. } if path.ends_with(file)), "{error}");
        assert!(error.is_permanent() && error.to_string().contains(others), "{error}");
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert!("imdb".parse::<DumpFormat>().unwrap_err().to_string().contains("tmdb-5000, movies-dataset, movielens"));
}

#[test]
fn another_file_under_the_name_is_refused() {
    let dir = dir_of(&[("tmdb_5000_movies.csv", b"a,b\n1,2\n"), ("tmdb_5000_credits.csv", b"")]);
    let error = open(DumpFormat::Tmdb5000, dir.path(), day("2026-01-02")).unwrap_err();
    assert!(matches!(&error, SourceError::WrongFile { .. }) && error.to_string().contains("\"id\""), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_content_stops_or_panics_an_import(rows in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let mut metadata = [METADATA, &metadata_row("862", "Toy Story", "[]"), &metadata_row("5", "Four", "[{'a': 1}]")].concat().into_bytes();
        let at = METADATA.len() + cut.index(metadata.len() - METADATA.len());
        metadata.splice(at..at, rows.iter().copied());
        let ratings = [b"userId,movieId,rating,timestamp\n".as_slice(), &rows].concat();
        let links = [b"movieId,imdbId,tmdbId\n".as_slice(), &rows].concat();
        let dir = dir_of(&[("movies_metadata.csv", &metadata), ("links.csv", &links), ("ratings.csv", &ratings), ("movies.dat", &rows), ("ratings.dat", &rows)]);
        read(DumpFormat::MoviesDataset, dir.path());
        read(DumpFormat::Movielens, dir.path());
        let movies = [b"movieId,title,genres\n862,Toy Story (1995),Drama\n".as_slice(), &rows].concat();
        let credits = [b"movie_id,title,cast,crew\n".as_slice(), &rows].concat();
        let tmdb = [TMDB_MOVIES.as_bytes(), &rows].concat();
        let files = [("movies.csv", &movies), ("tmdb_5000_movies.csv", &tmdb), ("tmdb_5000_credits.csv", &credits)];
        files.iter().for_each(|(name, content)| fs::write(dir.path().join(name), content).unwrap());
        read(DumpFormat::Movielens, dir.path());
        read(DumpFormat::Tmdb5000, dir.path());
    }
}
