//! `kafka-server-stop`: sends `$SIGNAL` (SIGTERM unless set) to the brokers running on this machine.

use std::process::ExitCode;

use broker::server::process;

fn main() -> ExitCode {
    let name = std::env::var("SIGNAL").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "TERM".to_owned());
    let Some(signal) = process::signal_named(&name) else {
        eprintln!("kafka-server-stop: no signal is called {name}");
        return ExitCode::FAILURE;
    };
    match process::signal_brokers(signal) {
        Ok(0) => {
            println!("No kafka server to stop");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka-server-stop: {error}");
            ExitCode::FAILURE
        }
    }
}
