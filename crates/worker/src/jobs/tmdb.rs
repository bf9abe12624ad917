//! TMDB for jobs: one client per process, and the mapping of its errors to job errors.

use secrecy::ExposeSecret;
use settings::TmdbSettings;
use sources::SourceError;
use sources::tmdb::TmdbClient;

use crate::{JobError, Shared};

impl Shared {
    /// The client; `None` without a key, in which case the demo world is the source.
    pub(super) fn tmdb(&self) -> Result<Option<TmdbClient>, JobError> {
        let Some(settings) = &self.settings.tmdb else { return Ok(None) };
        if let Some(client) = self.tmdb.get() {
            return Ok(Some(client.clone()));
        }
        let client = client(settings)?;
        Ok(Some(self.tmdb.get_or_init(|| client).clone()))
    }
}

fn client(settings: &TmdbSettings) -> Result<TmdbClient, JobError> {
    let credential = settings
        .key
        .expose_secret()
        .parse()
        .map_err(|error| JobError::Permanent(format!("setting TMDB_API_KEY is malformed: {error}")))?;
    let (api, exports) = (settings.base_url.clone(), settings.exports_url.clone());
    let defaults = sources::tmdb::TmdbConfig::new(api, exports, credential);
    TmdbClient::new(sources::tmdb::TmdbConfig { requests_per_second: settings.requests_per_second, ..defaults })
        .map_err(failed)
}

pub(super) fn failed(error: SourceError) -> JobError {
    if error.is_permanent() { JobError::Permanent(error.to_string()) } else { JobError::Transient(error.to_string()) }
}
