//! `kafka-console-consumer`: writes the records of topics to standard output.
//! Ends when it has had enough, when nothing came for long enough, on SIGINT and SIGTERM, and when nobody reads its output
//! any more; each time it leaves its group and tells on standard error how many records there were.
//! Source: `ConsoleConsumer` and `ConsoleConsumerOptions` of Kafka 3.9.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{Consumer, Received, Subscription, TopicFilter};
use client::offsets;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::command::{Command, Outcome, Stop, err, out, out_bytes, require};
use crate::formatter::Formatter;
use crate::options::{Options, Spec};
use crate::pattern::TopicPattern;
use crate::settings::Settings;

const DEFAULT_FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
/// Longest single wait for records; signals are heard in between at any time.
const POLL: Duration = Duration::from_secs(1);

/// The command.
pub const COMMAND: Command = Command {
    name: "kafka-console-consumer",
    about: "Reads records of topics and writes them to standard output.",
    options: &[
        Spec::text("topic", "topic", "Which topic to read."),
        Spec::text("whitelist", "regular expression", "DEPRECATED: use --include, which goes before it."),
        Spec::text("include", "regular expression", "Which topics to read, by their names."),
        Spec::integer(
            "partition",
            "partition",
            "Which partition to read; from its end unless --offset says otherwise.",
        ),
        Spec::text("offset", "offset", "Where to begin: an offset, 'earliest' or 'latest'.").or("latest"),
        Spec::text("consumer-property", "key=value", "A property for the consumer. May be repeated."),
        Spec::text("consumer.config", "file", "Properties for the consumer; --consumer-property goes before it."),
        Spec::text("formatter", "class", "How records are written.").or(DEFAULT_FORMATTER),
        Spec::text(
            "property",
            "key=value",
            "How records are written. May be repeated. Known are:\n print.timestamp=true|false\n print.key=true|false\n \
             print.offset=true|false\n print.partition=true|false\n print.headers=true|false\n print.value=true|false\n \
             key.separator=<text>\n line.separator=<text>\n headers.separator=<text>\n null.literal=<text>\n \
             key.deserializer=<class>\n value.deserializer=<class>\n headers.deserializer=<class>",
        ),
        Spec::text("formatter-config", "file", "Properties for how records are written; --property goes before it."),
        Spec::flag("from-beginning", "Begin at the oldest record where the group has no committed offset."),
        Spec::integer("max-messages", "number", "End after so many records."),
        Spec::long("timeout-ms", "ms", "End when no record came for so long."),
        Spec::flag("skip-message-on-error", "Pass over a record that cannot be written instead of ending."),
        Spec::text("bootstrap-server", "host:port,...", "REQUIRED: brokers to connect to first."),
        Spec::text("key-deserializer", "class", "What makes text of keys."),
        Spec::text("value-deserializer", "class", "What makes text of values."),
        Spec::flag("enable-systest-events", "Also write when the consumer has shut down."),
        Spec::text(
            "isolation-level",
            "",
            "read_committed leaves out records of transactions that are open or aborted, read_uncommitted reads all.",
        )
        .or("read_uncommitted"),
        Spec::text("group", "group", "The group to read as a member of."),
    ],
    run: |options| Box::pin(run(options)),
};

async fn run(options: Options) -> Outcome {
    let subscription = check(&options)?;
    let mut settings = Settings::from_file(options.value("consumer.config")?)?;
    settings.add_words(options.values("consumer-property"));
    let has_group = settle_group(&options, &mut settings)?;
    settle_start(&options, &mut settings)?;
    if options.has("isolation-level") || settings.get("isolation.level").is_none() {
        settings.set("isolation.level", options.value("isolation-level")?.unwrap_or_default());
    }
    let formatter = formatter(&options)?;
    let max_messages = options.parsed::<i32>("max-messages")?.and_then(|max| u64::try_from(max).ok());
    let timeout = options.parsed::<i64>("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let cluster = settings.cluster(options.value("bootstrap-server")?.unwrap_or_default(), "console-consumer")?;
    let mut config = settings.consumer()?;
    if !has_group && matches!(subscription, Subscription::Partitions(_)) {
        // A group of its own making has nothing committed and commits nothing.
        config.group = None;
    }
    let consumer = Consumer::new(cluster, config, subscription);
    let limits = Limits { max_messages, timeout, skip_errors: options.has("skip-message-on-error") };
    let mut signals = Signals::new().map_err(|error| Stop::Failed(format!("cannot listen for signals: {error}")))?;
    let code = read(consumer, &formatter, &limits, &mut signals).await;
    if options.has("enable-systest-events") {
        out("shutdown_complete\n");
    }
    Ok(code)
}

/// Checks the command line; says what is to be read.
fn check(options: &Options) -> Result<Subscription, Stop> {
    let usage = |text: &str| Err(Stop::Usage(text.to_owned()));
    let include = match options.value("include")? {
        Some(include) => Some(include),
        None => options.value("whitelist")?,
    };
    let topic = options.value("topic")?;
    if topic.is_some() == include.is_some() {
        let hint = if options.has("whitelist") {
            "--whitelist is DEPRECATED use --include instead; ignored if --include specified."
        } else {
            ""
        };
        return usage(&format!("Exactly one of --include/--topic is required. {hint}"));
    }
    let partition = options.parsed::<i32>("partition")?;
    match (partition, topic) {
        (Some(_), None) => return usage("The topic is required when partition is specified."),
        (Some(_), Some(_)) if options.has("from-beginning") && options.has("offset") => {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
        (None, _) if options.has("offset") => return usage("The partition is required when offset is specified."),
        _ => {}
    }
    require(options, &["bootstrap-server"])?;
    let start = match options.value("offset")?.filter(|_| options.has("offset")) {
        Some(text) => parse_offset(text)?,
        None if options.has("from-beginning") => offsets::EARLIEST,
        None => offsets::LATEST,
    };
    Ok(match (topic, partition, include) {
        (Some(topic), Some(partition), _) => {
            Subscription::Partitions([((topic.to_owned(), partition), Some(start))].into())
        }
        (Some(topic), None, _) => Subscription::Topics(vec![topic.to_owned()]),
        (None, _, include) => {
            let pattern = TopicPattern::new(include.unwrap_or_default()).map_err(Stop::Failed)?;
            Subscription::Matching(TopicFilter::new(Arc::new(move |topic| pattern.contains(topic))))
        }
    })
}

fn parse_offset(text: &str) -> Result<i64, Stop> {
    match text.to_lowercase().as_str() {
        "earliest" => Ok(offsets::EARLIEST),
        "latest" => Ok(offsets::LATEST),
        _ => text.parse().ok().filter(|offset| 0 <= *offset).ok_or_else(|| {
            Stop::Usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))
        }),
    }
}

/// Settles the group's id. Without one, a made-up one is used, and nothing is committed. Says whether there was one.
fn settle_group(options: &Options, settings: &mut Settings) -> Result<bool, Stop> {
    let file = Settings::from_file(options.value("consumer.config")?)?;
    let mut words = Settings::default();
    words.add_words(options.values("consumer-property"));
    let given = [options.value("group")?, file.get("group.id"), words.get("group.id")];
    let groups: BTreeSet<&str> = given.into_iter().flatten().collect();
    if 1 < groups.len() {
        let groups: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Stop::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            groups.join(", ")
        )));
    }
    let Some(group) = groups.first() else {
        settings.set("group.id", format!("console-consumer-{}", rand::random_range(0..100_000)));
        settings.set_if_missing("enable.auto.commit", "false");
        return Ok(false);
    };
    if options.has("partition") {
        return Err(Stop::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    settings.set("group.id", *group);
    Ok(true)
}

fn settle_start(options: &Options, settings: &mut Settings) -> Result<(), Stop> {
    let from_beginning = options.has("from-beginning");
    match settings.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => Err(Stop::Failed(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
        ))),
        Some(_) => Ok(()),
        None => {
            settings.set("auto.offset.reset", if from_beginning { "earliest" } else { "latest" });
            Ok(())
        }
    }
}

fn formatter(options: &Options) -> Result<Formatter, Stop> {
    let mut properties = Settings::from_file(options.value("formatter-config")?)?;
    for (option, property) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) = options.value(option)?.filter(|class| !class.is_empty()) {
            properties.set(property, class);
        }
    }
    properties.add_words(options.values("property"));
    Formatter::of_class(options.value("formatter")?.unwrap_or(DEFAULT_FORMATTER), &properties).map_err(Stop::Usage)
}

struct Limits {
    max_messages: Option<u64>,
    timeout: Option<Duration>,
    skip_errors: bool,
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The exit code of a process that ends by the signal that came.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// Reads until one of the ends. Gives the exit code.
async fn read(mut consumer: Consumer, formatter: &Formatter, limits: &Limits, signals: &mut Signals) -> u8 {
    let mut count = 0;
    let code = tokio::select! {
        code = read_on(&mut consumer, formatter, limits, &mut count) => code,
        code = signals.next() => code,
    };
    let closed = tokio::select! {
        closed = consumer.close() => closed,
        _ = signals.next() => Ok(()),
    };
    if let Err(error) = closed {
        err(&format!("WARN Closing the consumer: {error}\n"));
    }
    err(&format!("Processed a total of {count} messages\n"));
    code
}

/// Dropping this between two records loses nothing: what was not written is not committed.
async fn read_on(consumer: &mut Consumer, formatter: &Formatter, limits: &Limits, count: &mut u64) -> u8 {
    let is_enough = |count: u64| limits.max_messages.is_some_and(|max| max <= count);
    while !is_enough(*count) {
        let records = match wait_for_records(consumer, limits.timeout).await {
            Ok(records) => records,
            Err(error) => {
                err(&format!("ERROR Error processing message, terminating consumer process: {error}\n"));
                return 0;
            }
        };
        let mut unread = records.into_iter();
        while let Some(record) = unread.next() {
            *count += 1;
            let written = write(formatter, &record, limits.skip_errors);
            if written.is_err() || is_enough(*count) {
                // What was fetched but not written is not to be committed.
                give_back(consumer, unread);
                match written {
                    Ok(()) => break,
                    Err(code) => return code,
                }
            }
        }
    }
    0
}

async fn wait_for_records(consumer: &mut Consumer, timeout: Option<Duration>) -> Result<Vec<Received>, String> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let wait = deadline.map_or(POLL, |deadline| POLL.min(deadline.saturating_duration_since(Instant::now())));
        let records = consumer.poll(wait).await.map_err(|error| error.to_string())?;
        if !records.is_empty() {
            return Ok(records);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err("org.apache.kafka.common.errors.TimeoutException".to_owned());
        }
    }
}

/// Writes one record; an exit code when that is the end.
fn write(formatter: &Formatter, record: &Received, skip_errors: bool) -> Result<(), u8> {
    let mut bytes = Vec::new();
    match formatter.write(record, &mut bytes) {
        Ok(()) => {}
        Err(error) if skip_errors => {
            err(&format!("ERROR Error processing message, skipping this message: {error}\n"));
            return Ok(());
        }
        Err(error) => {
            err(&format!("ERROR Unknown error when running consumer: {error}\n"));
            return Err(1);
        }
    }
    if out_bytes(&bytes) {
        return Ok(());
    }
    err("Unable to write to standard out, closing consumer.\n");
    Err(0)
}

fn give_back(consumer: &mut Consumer, unread: impl Iterator<Item = Received>) {
    let mut seen = BTreeSet::new();
    for record in unread {
        let home = (record.topic, record.partition);
        if seen.insert(home.clone()) {
            consumer.seek(home, record.record.offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::parse(COMMAND.options, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    fn refusal(line: &str) -> String {
        match check(&options(line)) {
            Err(Stop::Usage(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn command_lines_that_make_no_sense_are_refused_in_kafkas_words() {
        assert_eq!(refusal("--bootstrap-server a:1"), "Exactly one of --include/--topic is required. ");
        assert_eq!(refusal("--topic t --include u"), "Exactly one of --include/--topic is required. ");
        assert_eq!(refusal("--topic t --offset 3"), "The partition is required when offset is specified.");
        assert_eq!(refusal("--include t --partition 3"), "The topic is required when partition is specified.");
        assert_eq!(refusal("--topic t"), "Missing required argument \"[bootstrap-server]\"");
        let both = "Options from-beginning and offset cannot be specified together.";
        assert_eq!(refusal("--topic t --partition 0 --from-beginning --offset 3"), both);
        let offset = "The provided offset value '-3' is incorrect. Valid values are 'earliest', 'latest', or a non-negative \
                      long.";
        assert_eq!(refusal("--bootstrap-server a:1 --topic t --partition 0 --offset -3"), offset);
    }

    #[test]
    fn a_partition_is_read_from_where_the_options_say() {
        let start =
            |rest: &str| match check(&options(&format!("--bootstrap-server a:1 --topic t --partition 2 {rest}"))) {
                Ok(Subscription::Partitions(partitions)) => partitions[&("t".to_owned(), 2)],
                other => panic!("{rest}: {other:?}"),
            };
        assert_eq!(start(""), Some(offsets::LATEST));
        assert_eq!(start("--from-beginning"), Some(offsets::EARLIEST));
        assert_eq!(start("--offset EARLIEST"), Some(offsets::EARLIEST));
        assert_eq!(start("--offset 17"), Some(17));
    }

    #[test]
    fn without_a_group_one_is_made_up_that_commits_nothing() {
        let mut settings = Settings::default();
        assert!(!settle_group(&options("--topic t"), &mut settings).unwrap());
        assert!(settings.get("group.id").unwrap().starts_with("console-consumer-"));
        assert_eq!(settings.get("enable.auto.commit"), Some("false"));
    }

    #[test]
    fn groups_from_different_places_must_agree() {
        let line = "--topic t --group x --consumer-property group.id=y";
        let Err(Stop::Usage(text)) = settle_group(&options(line), &mut Settings::default()) else { panic!("{line}") };
        assert!(text.ends_with("Detected group ids: 'x', 'y'"), "{text}");
        let line = "--topic t --partition 0 --group x";
        let Err(Stop::Usage(text)) = settle_group(&options(line), &mut Settings::default()) else { panic!("{line}") };
        assert_eq!(text, "Options group and partition cannot be specified together.");
    }
}
