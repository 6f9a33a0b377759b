//! Broker processes: going to the background as `-daemon` asks, and finding the brokers that `kafka-server-stop` ends.
//! Never forks a running runtime: the program is started anew, detached, and its parent leaves.
//! Source: contract 5.4; `kafka-run-class.sh`, `kafka-server-stop.sh`.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal};

/// The program that is a broker, whatever name it was called by.
const PROGRAM: &str = "broker";

/// Starts this program again in the background with these arguments; its output goes to `kafkaServer.out`. Gives where
/// that is.
///
/// # Errors
/// If the output file or the process cannot be made.
pub fn spawn_detached(arguments: &[OsString]) -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = log_directory(&program);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("kafkaServer.out");
    let output = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
    Command::new(&program)
        .args(arguments)
        .env("LOG_DIR", &directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A group of its own: signals of the terminal do not reach it.
        .process_group(0)
        .spawn()?;
    Ok(path)
}

/// `LOG_DIR`, or `logs` beside the directory the program lies in, as Kafka's scripts have it.
fn log_directory(program: &Path) -> PathBuf {
    if let Some(directory) = std::env::var_os("LOG_DIR").filter(|directory| !directory.is_empty()) {
        return directory.into();
    }
    let base = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    base.join("logs")
}

/// Sends the signal to every broker process we may signal, and says how many there were.
///
/// # Errors
/// If processes cannot be listed.
pub fn signal_brokers(signal: Signal) -> io::Result<usize> {
    let beside_us = std::env::current_exe()?.with_file_name(PROGRAM);
    let mut signalled = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let is_other = u32::try_from(pid).is_ok_and(|pid| pid != std::process::id());
        if !is_other || !is_broker(&entry.path(), &beside_us) {
            continue;
        }
        let Some(pid) = Pid::from_raw(pid) else { continue };
        if rustix::process::kill_process(pid, signal).is_ok() {
            signalled += 1;
        }
    }
    Ok(signalled)
}

/// By the program file: the one beside us, or one of the same name that was given a properties file, so that another
/// copy of the broker is found and another program called `broker` is left alone.
fn is_broker(process: &Path, beside_us: &Path) -> bool {
    let Ok(program) = std::fs::read_link(process.join("exe")) else { return false };
    let program = without_deleted(&program);
    if program == beside_us {
        return true;
    }
    let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
    program.file_name() == Some(OsStr::new(PROGRAM)) && names_properties(&arguments)
}

/// Linux says ` (deleted)` after the name of a program that was replaced while it runs.
fn without_deleted(program: &Path) -> PathBuf {
    let name = program.to_string_lossy();
    PathBuf::from(name.strip_suffix(" (deleted)").unwrap_or(&name))
}

fn names_properties(arguments: &[u8]) -> bool {
    arguments.split(|byte| *byte == 0).skip(1).any(|argument| argument.ends_with(b".properties"))
}

/// The signal of a name such as `TERM`, `SIGKILL` or a number.
#[must_use]
pub fn signal_named(name: &str) -> Option<Signal> {
    let name = name.trim().to_uppercase();
    match name.strip_prefix("SIG").unwrap_or(&name) {
        "TERM" | "15" => Some(Signal::TERM),
        "INT" | "2" => Some(Signal::INT),
        "KILL" | "9" => Some(Signal::KILL),
        "HUP" | "1" => Some(Signal::HUP),
        "QUIT" | "3" => Some(Signal::QUIT),
        "STOP" | "19" => Some(Signal::STOP),
        "CONT" | "18" => Some(Signal::CONT),
        "ABRT" | "6" => Some(Signal::ABORT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(signal_named("TERM"), Some(Signal::TERM));
        assert_eq!(signal_named("sigkill"), Some(Signal::KILL));
        assert_eq!(signal_named("9"), Some(Signal::KILL));
        assert_eq!(signal_named("nonsense"), None);
    }

    #[test]
    fn a_broker_is_known_by_its_program_and_properties() {
        assert!(names_properties(b"broker\0config/server.properties\0"));
        assert!(!names_properties(b"broker\0--version\0"));
        assert_eq!(without_deleted(Path::new("/opt/bin/broker (deleted)")), Path::new("/opt/bin/broker"));
    }

    #[test]
    fn this_test_is_no_broker() {
        let own = PathBuf::from(format!("/proc/{}", std::process::id()));
        assert!(!is_broker(&own, Path::new("/nowhere/broker")));
    }
}
