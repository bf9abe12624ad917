//! The API service: settings, logs, build, run.

use std::process::ExitCode;

use api::{Application, StartError};
use settings::{ApiSettings, load_or_exit, telemetry};

#[actix_web::main]
async fn main() -> ExitCode {
    let settings = load_or_exit(ApiSettings::load);
    telemetry::init_logs(&settings.log);
    match serve(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also print the reason to standard error, in case the log filter hides it.
            eprintln!("api: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: ApiSettings) -> Result<(), StartError> {
    Application::build(settings).await?.run_until_stopped().await
}
