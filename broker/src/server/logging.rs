//! Log lines in Kafka's layout: to standard output, and into `server.log`, `controller.log` and `state-change.log` when a
//! directory for them is named. Files are rolled each hour, the old one named after the hour it ends.
//! Source: `config/log4j.properties` of Kafka 3.9; contract 5.4.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, Local};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, filter};

/// Sets up logging for the whole process: what `RUST_LOG` says, or everything from `info` on.
///
/// # Errors
/// If a log file cannot be opened.
pub fn start(directory: Option<&Path>) -> io::Result<()> {
    let filter = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let stdout = tracing_subscriber::fmt::layer().event_format(KafkaLayout).with_writer(io::stdout);
    let mut layers = vec![stdout.with_filter(filter()).boxed()];
    if let Some(directory) = directory {
        std::fs::create_dir_all(directory)?;
        for (name, wanted) in FILES {
            let file = Mutex::new(HourlyFile::open(directory.join(name))?);
            let layer = tracing_subscriber::fmt::layer().event_format(KafkaLayout).with_ansi(false).with_writer(file);
            layers.push(layer.with_filter(filter()).with_filter(filter::filter_fn(wanted)).boxed());
        }
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(())
}

/// The ZooKeeper client tells every step of a connection; ours says what matters of it.
const DEFAULT_FILTER: &str = "info,zookeeper_client=error";

type Wanted = fn(&Metadata<'_>) -> bool;

/// Which lines go where. As in Kafka, the controller's and the state changes' are not in `server.log`.
const FILES: [(&str, Wanted); 3] = [
    ("server.log", |line| !is_controller(line) && !is_state_change(line)),
    ("controller.log", is_controller),
    ("state-change.log", is_state_change),
];

fn is_controller(line: &Metadata<'_>) -> bool {
    line.target().contains("::controller") || line.target().starts_with("kafka.controller")
}

fn is_state_change(line: &Metadata<'_>) -> bool {
    line.target() == "state.change.logger"
}

/// `[2024-01-01 00:00:00,000] INFO message (kafka.server.KafkaServer)`.
struct KafkaLayout;

impl<S, N> FormatEvent<S, N> for KafkaLayout
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = Text::default();
        event.record(&mut text);
        writeln!(out, "{}", line(Local::now(), *event.metadata().level(), &text.line, event.metadata().target()))
    }
}

fn line(time: DateTime<Local>, level: Level, text: &str, logger: &str) -> String {
    format!("[{}] {level} {text} ({logger})", time.format("%Y-%m-%d %H:%M:%S,%3f"))
}

/// The message, and after it whatever fields come with it.
#[derive(Default)]
struct Text {
    line: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            let fields = std::mem::take(&mut self.line);
            write!(self.line, "{value:?}{fields}")
        } else {
            write!(self.line, " {}={value:?}", field.name())
        };
    }
}

/// A file that is set aside each hour.
struct HourlyFile {
    path: PathBuf,
    file: File,
    hour: String,
}

impl HourlyFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { file, path, hour: hour_of(Local::now()) })
    }

    fn roll(&mut self, hour: String) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(format!(".{}", self.hour));
        std::fs::rename(&self.path, old)?;
        *self = Self { hour, ..Self::open(self.path.clone())? };
        Ok(())
    }
}

fn hour_of(time: DateTime<Local>) -> String {
    time.format("%Y-%m-%d-%H").to_string()
}

impl io::Write for HourlyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let hour = hour_of(Local::now());
        if hour != self.hour {
            // A file that cannot be set aside is written on; losing lines would be worse.
            let _ = self.roll(hour);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Where the log files go: `kafka.logs.dir` among `KAFKA_LOG4J_OPTS` or `KAFKA_OPTS` as `-Dkafka.logs.dir=...`, else
/// `LOG_DIR`. `None` if neither is set.
#[must_use]
pub fn directory_from_environment() -> Option<PathBuf> {
    let named = ["KAFKA_LOG4J_OPTS", "KAFKA_OPTS"].into_iter().filter_map(|name| std::env::var(name).ok()).find_map(
        |options| {
            let option = options.split_whitespace().find_map(|option| option.strip_prefix("-Dkafka.logs.dir="));
            option.map(PathBuf::from)
        },
    );
    named.or_else(|| std::env::var_os("LOG_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from))
}

/// Writes one line to standard error in the same layout, before or after logging is set up.
pub fn fatal(text: &str) {
    let line = line(Local::now(), Level::ERROR, text, super::LOGGER);
    // Nobody is left to tell if even this fails.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn lines_look_like_kafkas() {
        let time = Local.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
        let text = line(time, Level::INFO, "[KafkaServer id=0] started", "kafka.server.KafkaServer");
        assert_eq!(text, "[2024-01-01 00:00:00,000] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)");
    }

    #[test]
    fn a_full_hour_sets_the_file_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = HourlyFile::open(dir.path().join("server.log")).unwrap();
        file.hour = "2024-01-01-00".to_owned();
        file.write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read(dir.path().join("server.log")).unwrap(), b"new\n");
        assert!(dir.path().join("server.log.2024-01-01-00").exists());
    }
}
