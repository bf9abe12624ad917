//! The scheduler service: enqueues the hourly, nightly and weekly jobs.

use std::process::ExitCode;

use chrono::Utc;
use scheduler::{Application, table};
use settings::{Env, Probes, SchedulerSettings, load_or_exit, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        let lines = load_or_exit(|env: &Env| table::load(&SchedulerSettings::load_overrides(env), env));
        print!("{}", table::list(&lines, Utc::now()));
        return ExitCode::SUCCESS;
    }
    let (settings, lines) = load_or_exit(|env| {
        let settings = SchedulerSettings::load(env)?;
        let lines = table::load(&settings.overrides, env)?;
        Ok((settings, lines))
    });
    telemetry::init_logs(&settings.log);
    let probes = match Probes::serve(settings.metrics).await {
        Ok(probes) => probes,
        Err(error) => {
            eprintln!(
                "cannot serve metrics and health on {}: {error}; set SCHEDULER_METRICS_PORT to a free port",
                settings.metrics
            );
            return ExitCode::FAILURE;
        }
    };
    let application = match Application::build(&settings, lines).await {
        Ok(application) => application,
        Err(error) => {
            eprintln!("the scheduler cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    probes.ready_when(application.readiness());
    match application.run_until(shutdown::requested()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the scheduler stopped");
            ExitCode::FAILURE
        }
    }
}
