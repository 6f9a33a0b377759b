//! `broker [-daemon] server.properties [--override property=value]*`: runs one broker until SIGTERM or SIGINT.
//! Also found as `kafka-server-start`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use broker::server::{Server, logging, process};
use config::BrokerConfig;
use tokio::signal::unix::{SignalKind, signal};

/// Array counts on the wire may ask for more memory than there is; this allocator only promises it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The release whose behaviour this broker has; scripts look for the line.
const KAFKA_VERSION: &str = "3.9.0";

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_daemon = arguments.first().is_some_and(|first| first == "-daemon");
    if is_daemon {
        arguments.remove(0);
    }
    match arguments.first().and_then(|first| first.to_str()) {
        None => return usage(),
        Some("--version") => {
            println!("{KAFKA_VERSION}");
            return ExitCode::SUCCESS;
        }
        Some("--help") => return usage(),
        Some(_) => {}
    }
    let result = if is_daemon { start_daemon(&arguments) } else { run(&arguments) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(&format!("Exiting Kafka due to fatal exception: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let name = std::env::args().next().unwrap_or_else(|| "broker".to_owned());
    println!("USAGE: {name} [-daemon] server.properties [--override property=value]*");
    ExitCode::FAILURE
}

fn start_daemon(arguments: &[OsString]) -> anyhow::Result<()> {
    // What is wrong with the file had better be said here than in a log nobody looks at yet.
    load(arguments)?;
    process::spawn_detached(arguments).context("start in the background")?;
    Ok(())
}

fn run(arguments: &[OsString]) -> anyhow::Result<()> {
    logging::start(logging::directory_from_environment().as_deref()).context("open the log files")?;
    let config = load(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(config))
}

async fn serve(config: BrokerConfig) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    for note in config.not_built_notes() {
        tracing::warn!(target: "kafka.server.KafkaConfig", "{note}");
    }
    for name in config.unknown_names() {
        tracing::warn!(target: "kafka.server.KafkaConfig", "{name} is not a known property");
    }
    tracing::info!(target: "org.apache.kafka.common.utils.AppInfoParser", "Kafka version: {KAFKA_VERSION}");
    if let Some(address) = std::env::var_os("METRICS_LISTEN") {
        let address = address.to_str().and_then(|address| address.parse().ok());
        broker::metrics::listen(address.context("METRICS_LISTEN must be an address such as 127.0.0.1:7071")?)?;
    }
    let server = tokio::select! {
        started = Server::start(config) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("Terminating process due to signal SIGTERM"),
        _ = interrupt.recv() => tracing::info!("Terminating process due to signal SIGINT"),
        () = server.failed() => {
            server.stop().await;
            anyhow::bail!("all log directories have failed");
        }
    }
    server.stop().await;
    Ok(())
}

/// Reads the properties file and the overrides behind it.
fn load(arguments: &[OsString]) -> anyhow::Result<BrokerConfig> {
    let (file, rest) = arguments.split_first().context("no properties file given")?;
    let rest: Vec<&str> =
        rest.iter().map(|word| word.to_str().context("arguments must be text")).collect::<Result<_, _>>()?;
    Ok(BrokerConfig::load(file, &overrides(&rest)?)?)
}

/// `--override key=value` or `--override=key=value`, any number of times.
fn overrides(words: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
    let mut words = words.iter();
    let mut overrides = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--override") {
            Some("") => words.next().copied().context("--override needs property=value behind it")?,
            Some(pair) => pair.strip_prefix('=').with_context(|| format!("{word} is not an option"))?,
            None => anyhow::bail!("Found non argument parameters: {word}"),
        };
        let (key, value) = pair.split_once('=').with_context(|| format!("--override {pair} is not property=value"))?;
        overrides.push((key.to_owned(), value.to_owned()));
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_come_in_both_spellings() {
        let pairs = overrides(&["--override", "broker.id=3", "--override=log.dirs=/a=b"]).unwrap();
        assert_eq!(pairs, [("broker.id".to_owned(), "3".to_owned()), ("log.dirs".to_owned(), "/a=b".to_owned())]);
    }

    #[test]
    fn anything_else_is_refused() {
        for words in [&["extra"][..], &["--override"], &["--override", "novalue"], &["--overrides=a=b"]] {
            assert!(overrides(words).is_err(), "{words:?}");
        }
    }
}
