//! The worker service: takes jobs from the queue and runs them.

use std::process::ExitCode;

use settings::{Probes, WorkerSettings, load_or_exit, shutdown, telemetry};
use worker::Application;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = load_or_exit(WorkerSettings::load);
    telemetry::init_logs(&settings.log);
    let probes = match Probes::serve(settings.metrics).await {
        Ok(probes) => probes,
        Err(error) => {
            eprintln!(
                "cannot serve metrics and health on {}: {error}; set WORKER_METRICS_PORT to a free port",
                settings.metrics
            );
            return ExitCode::FAILURE;
        }
    };
    let application = match Application::build(settings).await {
        Ok(application) => application,
        Err(error) => {
            eprintln!("the worker cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    probes.ready_when(application.readiness());
    match application.run_until(shutdown::requested()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the worker stopped");
            ExitCode::FAILURE
        }
    }
}
