//! What all commands share: how one is found by name, how it ends, and how it writes.
//! Usage errors and failures go to standard error with exit code 1; writing to a closed pipe is no failure.
//! Source: `CommandLineUtils` in Kafka 3.9.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;

use crate::options::{self, Options, Spec};
use crate::usage::usage;

/// The release these commands match.
pub const VERSION: &str = "3.9.0";

/// Why a command ends before its work is done.
#[derive(Debug)]
pub enum Stop {
    /// The command line makes no sense: a message and the usage on standard error, exit code 1.
    Usage(String),
    /// A message on standard error, exit code 1.
    Failed(String),
}

impl From<options::Error> for Stop {
    fn from(error: options::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// What a command's work comes to: its exit code.
pub type Outcome = Result<u8, Stop>;

/// A command in its own words.
pub struct Command {
    /// What it is called, without `.sh`.
    pub name: &'static str,
    /// What it does, in a sentence; also printed when it is called without options.
    pub about: &'static str,
    /// Its options, but for those all have.
    pub options: &'static [Spec],
    /// Does the work.
    pub run: fn(Options) -> Pin<Box<dyn Future<Output = Outcome>>>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Command {
    /// Runs the command with the words after its name and gives its exit code.
    pub async fn main(&self, words: &[String]) -> u8 {
        let stop = match Options::parse(self.options, words) {
            Ok(options) if options.is_empty() || options.has("help") => Stop::Usage(self.about.to_owned()),
            Ok(options) if options.has("version") => {
                out(&format!("{VERSION}\n"));
                return 0;
            }
            Ok(options) => match (self.run)(options).await {
                Ok(code) => return code,
                Err(stop) => stop,
            },
            Err(error) => error.into(),
        };
        match stop {
            Stop::Usage(message) => err(&format!("{message}\n{}", usage(self.options))),
            Stop::Failed(message) => err(&format!("{message}\n")),
        }
        1
    }
}

/// Fails unless every one of these options was given.
///
/// # Errors
/// [`Stop::Usage`].
pub fn require(options: &Options, names: &[&str]) -> Result<(), Stop> {
    match names.iter().find(|name| !options.has(name)) {
        Some(name) => Err(Stop::Usage(format!("Missing required argument \"[{name}]\""))),
        None => Ok(()),
    }
}

/// Fails if an option was given together with one of these others.
///
/// # Errors
/// [`Stop::Usage`].
pub fn forbid(options: &Options, used: &str, others: &[&str]) -> Result<(), Stop> {
    match others.iter().find(|other| options.has(used) && options.has(other)) {
        Some(other) => Err(Stop::Usage(format!("Option \"[{used}]\" can't be used with option \"[{other}]\""))),
        None => Ok(()),
    }
}

/// Writes to standard output. `false` when nobody reads it any more.
pub fn out(text: &str) -> bool {
    out_bytes(text.as_bytes())
}

/// Writes to standard output. `false` when nobody reads it any more.
pub fn out_bytes(bytes: &[u8]) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).is_ok()
}

/// Writes to standard error; that nobody reads it is no reason to stop.
pub fn err(text: &str) {
    let _nobody_reads = std::io::stderr().lock().write_all(text.as_bytes());
}
