//! `zookeeper-server-start [-daemon] zookeeper.properties`: runs the one-node server until SIGTERM or SIGINT.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use standalone::{Config, Server, daemon};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "USAGE: zookeeper-server-start [-daemon] zookeeper.properties";

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_daemon = arguments.first().is_some_and(|first| first == "-daemon");
    if is_daemon {
        arguments.remove(0);
    }
    let [file] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let result = if is_daemon { start_daemon(Path::new(file)) } else { run(Path::new(file)) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zookeeper-server-start: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_daemon(file: &Path) -> anyhow::Result<()> {
    // What is wrong with the file had better be said here than in a log nobody looks at yet.
    Config::load(file)?;
    daemon::spawn_detached(&[file.into()]).context("start in the background")?;
    Ok(())
}

fn run(file: &Path) -> anyhow::Result<()> {
    daemon::detach_if_asked().context("leave the terminal")?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    let config = Config::load(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let server = Server::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = server.failed() => anyhow::bail!("the log cannot be written"),
    }
    server.shutdown().await;
    Ok(())
}
