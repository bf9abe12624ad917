//! TMDB's daily export of ids: the only list that also has the movies without a release date.
//!
//! `discover` can be walked by date of release alone, since it shows at most 500 pages of anything; a movie without a
//! date is in no such window. The export is a gzipped file a day, one JSON object a line, on a host that takes no key.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::time::Duration;

use chrono::{Days, NaiveDate};
use domain::MovieId;
use flate2::bufread::MultiGzDecoder;
use reqwest::StatusCode;
use serde::Deserialize;

use super::client::TmdbClient;
use super::response::{read_up_to, transport};
use crate::SourceError;

/// Time limit of the download, about 30 MB.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Longest file read, compressed and unpacked: four times what TMDB exports today. The second bounds what a small file
/// may unpack to.
const PACKED_MAX: usize = 128 << 20;
const UNPACKED_MAX: u64 = 1 << 30;

/// Days to go back for a file. One is there at eight in the morning UTC, after the nightly ingest.
const DAYS_BACK: u64 = 3;

/// The first two bytes of a gzip file. A server that declares the compression as the transfer's has it undone already.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    id: i64,
    #[serde(default)]
    adult: bool,
    #[serde(default)]
    video: bool,
}

impl TmdbClient {
    /// Ids of every movie that TMDB had at the end of `day` or of one of the days before it, in ascending order.
    /// Without adult titles and videos, which the full listing leaves out too.
    ///
    /// # Errors
    /// There is no export of these days, or it cannot be read.
    pub async fn exported_ids(&self, day: NaiveDate) -> Result<Vec<MovieId>, SourceError> {
        let mut reason = String::new();
        for back in 0..=DAYS_BACK {
            let name = format!("movie_ids_{}.json.gz", (day - Days::new(back)).format("%m_%d_%Y"));
            match self.download(&name).await? {
                Ok(file) => {
                    let read = tokio::task::spawn_blocking(move || ids(&file)).await;
                    return read.unwrap_or_else(|error| Err(error.to_string())).map_err(|e| unavailable(&name, e));
                }
                Err(status) => reason = format!("status {status}"),
            }
        }
        Err(unavailable("movie_ids", reason))
    }

    /// The file, or the status under which the server refuses it.
    async fn download(&self, name: &str) -> Result<Result<Vec<u8>, StatusCode>, SourceError> {
        let url = self.exports_url().join(name).map_err(|e| unavailable(name, e.to_string()))?;
        let file = async {
            let response = self.http().get(url).timeout(TIMEOUT).send().await.map_err(transport)?;
            let status = response.status();
            if status.is_success() { Ok(Ok(read_up_to(response, PACKED_MAX).await?)) } else { Ok(Err(status)) }
        };
        file.await.map_err(|failure: super::response::Failure| failure.into_error(name))
    }
}

fn unavailable(name: &str, reason: String) -> SourceError {
    SourceError::Unavailable { what: format!("the export {name}"), reason }
}

/// A line that cannot be read costs its movie only, but a file without a single movie is no export.
fn ids(file: &[u8]) -> Result<Vec<MovieId>, String> {
    let lines: Box<dyn BufRead> = if file.starts_with(&GZIP) {
        Box::new(BufReader::new(MultiGzDecoder::new(Cursor::new(file)).take(UNPACKED_MAX)))
    } else {
        Box::new(Cursor::new(file))
    };
    let mut ids = Vec::new();
    for line in lines.split(b'\n') {
        let line = line.map_err(|error| format!("the file is damaged: {error}"))?;
        let movie = serde_json::from_slice::<Line>(&line).ok().filter(|line| !line.adult && !line.video);
        ids.extend(movie.and_then(|line| MovieId::new(line.id).ok()));
    }
    if ids.is_empty() {
        return Err("the file names no movie".to_owned());
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const FILE: &str = r#"{"adult":false,"id":603,"original_title":"The Matrix","popularity":25.7,"video":false}
{"adult":true,"id":7,"original_title":"-","popularity":0.0,"video":false}
{"adult":false,"id":8,"original_title":"-","popularity":0.0,"video":true}
not JSON
{"adult":false,"id":-1}
{"adult":false,"id":550,"original_title":"Fight Club","popularity":26.1,"video":false}
"#;

    #[test]
    fn the_export_is_read_packed_and_unpacked() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(FILE.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let expected = [550, 603].map(|id| MovieId::new(id).unwrap());
        assert_eq!(ids(&packed).unwrap(), expected);
        assert_eq!(ids(FILE.as_bytes()).unwrap(), expected);
        assert!(ids(&packed[..packed.len() / 2]).is_err());
        assert!(ids(b"<html>").is_err());
    }
}
