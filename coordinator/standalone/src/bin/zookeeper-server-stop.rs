//! `zookeeper-server-stop`: sends SIGTERM to the servers running on this machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    match standalone::daemon::stop_servers() {
        Ok(0) => {
            println!("No zookeeper server to stop");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zookeeper-server-stop: {error}");
            ExitCode::FAILURE
        }
    }
}
