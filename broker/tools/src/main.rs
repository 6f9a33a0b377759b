//! `kafka-tools`: runs the command it is called by (`kafka-topics`, a link to it) or the one its first word names
//! (`kafka-tools kafka-topics`).

use std::process::ExitCode;

use tools::command::{Command, err};

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().collect();
    if words.is_empty() {
        return unknown();
    }
    let called = words.remove(0);
    let command = match tools::command_named(&called) {
        Some(command) => command,
        None if words.is_empty() => return unknown(),
        None => match tools::command_named(&words.remove(0)) {
            Some(command) => command,
            None => return unknown(),
        },
    };
    run(command, &words)
}

fn run(command: &Command, words: &[String]) -> ExitCode {
    let level = tracing_subscriber::EnvFilter::try_from_env("KAFKA_TOOLS_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).without_time().init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            err(&format!("cannot start: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(command.main(words));
    // A thread may still wait for a line on standard input.
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn unknown() -> ExitCode {
    let names: Vec<&str> = tools::COMMANDS.iter().map(|command| command.name).collect();
    err(&format!(
        "Usage: kafka-tools COMMAND [options], or call it by a command's name.\nCommands: {}\n",
        names.join(", ")
    ));
    ExitCode::FAILURE
}
