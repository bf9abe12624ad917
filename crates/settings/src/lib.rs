//! Reads the environment into typed settings; sets up logs, metrics, probes and shutdown in the same way in every
//! binary.
//!
//! A missing or malformed variable ends the start with one line that names it, and exit code 78 (`EX_CONFIG` of
//! sysexits.h): a service that starts on a guess fails later with worse consequences.

mod env;
mod groups;
mod live;
mod probes;
mod recommender;
pub mod shutdown;
pub mod telemetry;

pub use env::{Env, SettingsError};
pub use groups::{
    ApiSettings, CacheSettings, DatabaseSettings, DemoSettings, LogSettings, MeiliSettings, RecommendationSettings,
    RedisSettings, SchedulerSettings, TmdbSettings, WorkerSettings,
};
pub use live::{EventLogSettings, Role, SpeedSettings, WaitingSettings};
pub use probes::Probes;
pub use recommender::{ObjectStoreSettings, RecommenderSettings};

/// Exit code for a configuration error.
pub const EX_CONFIG: u8 = 78;

/// Loads settings, or prints one line for the operator and exits.
pub fn load_or_exit<T>(load: impl FnOnce(&Env) -> Result<T, SettingsError>) -> T {
    match load(&Env::process()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(i32::from(EX_CONFIG))
        }
    }
}
