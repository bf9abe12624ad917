use std::io;
use std::path::PathBuf;

/// Why a source cannot go on. Each `Display` is one sentence for the operator, and none holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "TMDB refused the key: set TMDB_API_KEY to a valid v3 key or v4 read access token \
         (themoviedb.org, account settings, API) and start the job again"
    )]
    KeyRefused,
    #[error("TMDB_BASE_URL cannot be used: {0}")]
    BaseUrl(String),
    /// TMDB did not give a usable answer within the attempts a request has; later it may.
    #[error("TMDB gave no usable answer to {what}: {reason}")]
    Unavailable { what: String, reason: String },
    /// TMDB understood the request and will refuse it again.
    #[error("TMDB refused {what} with status {status}: {reason}")]
    Rejected { what: String, status: u16, reason: String },
    #[error("the stored TMDB cursor cannot be read ({0}); run the ingest once with mode \"full\" to start afresh")]
    Cursor(String),
    #[error("{} is missing; {holds}", file.display())]
    MissingFile { file: PathBuf, holds: &'static str },
    /// The header names other columns than the format has, so every row would be wrong.
    #[error("{} is not what it should be: {reason}", file.display())]
    WrongFile { file: PathBuf, reason: String },
    #[error("{} cannot be read: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
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
