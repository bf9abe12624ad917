use std::io::Write;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn of(text: &str) -> History {
    read(text.as_bytes(), now()).unwrap()
}

fn titled(title: &str, year: i32) -> NamedMovie {
    NamedMovie::Title { title: title.to_owned(), year: Some(year) }
}

fn id(text: &str) -> NamedMovie {
    NamedMovie::Ref(text.parse().unwrap())
}

fn said(history: &History) -> Vec<(NamedMovie, Did, String)> {
    history.entries.iter().map(|e| (e.movie.clone(), e.did, e.at.date_naive().to_string())).collect()
}

const DIARY: &str = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n\
    2020-05-02,\"Good, the Bad\",1966,https://boxd.it/1,4.5,,,2020-05-01\n\
    2020-05-02,Heat,1995,https://boxd.it/2,,,,2020-05-02\n\
    2020-05-02,,1995,https://boxd.it/3,4,,,2020-05-02\n\
    2020-05-02,Heat,1995,https://boxd.it/2,9,,,2020-05-03\n";

#[test]
fn letterboxds_diary_has_titles_years_and_half_stars() {
    let history = of(DIARY);
    let day = |day: &str| day.to_owned();
    assert_eq!(
        said(&history),
        [
            (titled("Good, the Bad", 1966), Did::Watched, day("2020-05-01")),
            (titled("Good, the Bad", 1966), Did::Rated(9.0), day("2020-05-01")),
            (titled("Heat", 1995), Did::Watched, day("2020-05-02")),
            (titled("Heat", 1995), Did::Watched, day("2020-05-03")),
        ]
    );
    let places: Vec<&str> = history.unreadable.iter().map(|bad| bad.place.as_str()).collect();
    assert_eq!(places, [":4", ":5"]);
}

#[test]
fn letterboxds_zip_is_read_file_by_file() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut file = |name: &str, text: &str| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    };
    file("profile.csv", "Date Joined,Username\n2019-01-01,someone\n");
    file("diary.csv", DIARY);
    file("likes/films.csv", "Date,Name,Year,Letterboxd URI\n2021-01-01,Heat,1995,x\n");
    file("deleted/diary.csv", DIARY);
    let history = read(&zip.finish().unwrap().into_inner(), now()).unwrap();
    assert_eq!(history.entries.len(), 5);
    assert_eq!(history.entries[4].did, Did::Liked);
    assert!(matches!(read(b"PK\x03\x04garbage", now()), Err(HistoryError::Zip(_))));
}

#[test]
fn imdbs_ratings_have_ids() {
    let history = of("Const,Your Rating,Date Rated,Title,URL,Title Type,IMDb Rating,Year\n\
        tt0133093,9,2019-03-04,The Matrix,https://x,Movie,8.7,1999\n");
    assert_eq!(said(&history), [(id("tt0133093"), Did::Rated(9.0), "2019-03-04".to_owned())]);
}

#[test]
fn trakts_json_has_ids_or_titles() {
    let history = of(r#"[
        {"rated_at": "2018-02-03T10:00:00.000Z", "rating": 8, "type": "movie",
         "movie": {"title": "Heat", "year": 1995, "ids": {"trakt": 1, "slug": "heat", "imdb": "tt0113277", "tmdb": 949}}},
        {"plays": 2, "last_watched_at": "2018-02-04T10:00:00.000Z", "movie": {"title": "Ran", "year": 1985, "ids": {}}},
        {"rated_at": "2018-02-03T10:00:00.000Z", "rating": 8, "type": "show", "show": {"title": "Lost"}}
    ]"#);
    let day = |day: &str| day.to_owned();
    assert_eq!(
        said(&history),
        [(id("949"), Did::Rated(8.0), day("2018-02-03")), (titled("Ran", 1985), Did::Watched, day("2018-02-04"))]
    );
    assert_eq!(history.unreadable.len(), 1);
}

#[test]
fn movielens_like_files_have_seconds_and_half_stars() {
    let history = of("userId,movieId,rating,timestamp\n1,603,4.5,964982703\n");
    assert_eq!(said(&history), [(id("603"), Did::Rated(9.0), "2000-07-30".to_owned())]);
}

#[test]
fn strangers_and_the_future_are_refused() {
    assert!(matches!(read(b"a,b\n1,2\n", now()), Err(HistoryError::Columns(_))));
    assert!(matches!(read(b"{}", now()), Err(HistoryError::Json(_))));
    assert!(matches!(read(b"", now()), Err(HistoryError::Columns(_))));
    let ahead = of("movieId,rating,timestamp\n603,4,2026-03-12\n");
    assert_eq!((ahead.entries.len(), ahead.unreadable.len()), (0, 1));
}
