use std::io;
use std::path::PathBuf;

/// Why a source cannot go on. Each `Display` is one sentence for the operator, and none holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// TMDB answered 401.
    #[error(
        "TMDB refused the key: set TMDB_API_KEY to a valid v3 key or v4 read access token \
         (themoviedb.org, account settings, API) and start the job again"
    )]
    KeyRefused,
    /// The setting is not a URL that requests can be sent to; holds the reason.
    #[error("TMDB_BASE_URL cannot be used: {0}")]
    BaseUrl(String),
    /// TMDB did not give a usable answer within the attempts a request has; later it may.
    #[error("TMDB gave no usable answer to {what}: {reason}")]
    Unavailable {
        /// What was asked for, such as `movie/550`.
        what: String,
        /// The last attempt's failure.
        reason: String,
    },
    /// TMDB understood the request and will refuse it again.
    #[error("TMDB refused {what} with status {status}: {reason}")]
    Rejected {
        /// What was asked for, such as `movie/550`.
        what: String,
        /// The HTTP status.
        status: u16,
        /// TMDB's own words.
        reason: String,
    },
    /// What was stored is not a cursor; holds the parser's reason.
    #[error("the stored TMDB cursor cannot be read ({0}); run the ingest once with mode \"full\" to start afresh")]
    Cursor(String),
    /// A file that the data set must have is not there.
    #[error("{} is missing; {holds}", file.display())]
    MissingFile {
        /// Where it was looked for.
        file: PathBuf,
        /// What it would hold.
        holds: &'static str,
    },
    /// The header names other columns than the format has, so every row would be wrong.
    #[error("{} is not what it should be: {reason}", file.display())]
    WrongFile {
        /// The file.
        file: PathBuf,
        /// What differs.
        reason: String,
    },
    /// The operating system refused a file, or its reading failed half way.
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl SourceError {
    /// Whether trying again without changing anything is bound to fail the same way.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unavailable { .. } => false,
            Self::Read { source, .. } => {
                matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory)
            }
            Self::KeyRefused
            | Self::BaseUrl(_)
            | Self::Rejected { .. }
            | Self::Cursor(_)
            | Self::MissingFile { .. }
            | Self::WrongFile { .. } => true,
        }
    }
}
