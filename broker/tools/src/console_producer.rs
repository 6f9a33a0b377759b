//! `kafka-console-producer`: sends each line of standard input as a record.
//! Ends with exit code 0 at the end of input, also when records could not be delivered: those are told on standard error.
//! Source: `ConsoleProducer` of Kafka 3.9. Differs from Kafka: `compression.type` among the producer's properties counts
//! unless `--compression-codec` is given; Kafka lets it go unheard.

mod line;

use std::io::{BufRead, IsTerminal as _};
use std::sync::Arc;

use client::producer::{Outcome as Sent, Outgoing, Producer};
use tokio::sync::{mpsc, oneshot};

use crate::command::{Command, Outcome, Stop, err, out, require};
use crate::options::{Options, Spec};
use crate::settings::Settings;
use line::LineReader;

/// Lines read ahead of the producer.
const LINES_AHEAD: usize = 1000;
/// Records whose delivery is watched at once; more wait for the oldest.
const WATCHED_MAX: usize = 10_000;
const LINE_READERS: [&str; 2] =
    ["kafka.tools.ConsoleProducer$LineMessageReader", "org.apache.kafka.tools.LineMessageReader"];

/// The command.
pub const COMMAND: Command = Command {
    name: "kafka-console-producer",
    about: "Sends lines of standard input to a topic.",
    options: &[
        Spec::text("topic", "topic", "REQUIRED: where to send."),
        Spec::text("broker-list", "host:port,...", "DEPRECATED: use --bootstrap-server, which goes before it."),
        Spec::text(
            "bootstrap-server",
            "host:port,...",
            "REQUIRED unless --broker-list is given: brokers to connect to first.",
        ),
        Spec::flag("sync", "Wait for each record to be stored before the next is read."),
        Spec::optional(
            "compression-codec",
            "codec",
            "Compress with none, gzip, snappy, lz4 or zstd; without a value with gzip.",
        ),
        Spec::integer("batch-size", "bytes", "Size of a batch (batch.size).").or("16384"),
        Spec::integer("message-send-max-retries", "", "How often a batch is tried again (retries).").or("3"),
        Spec::long("retry-backoff-ms", "", "Pause before that (retry.backoff.ms).").or("100"),
        Spec::long("timeout", "ms", "How long a batch waits for more records (linger.ms).").or("1000"),
        Spec::text("request-required-acks", "acks", "Who must have stored a record: 0, 1 or all (acks).").or("-1"),
        Spec::integer("request-timeout-ms", "ms", "How long to wait for an answer (request.timeout.ms).").or("1500"),
        Spec::long("metadata-expiry-ms", "ms", "After how long to ask who leads anew (metadata.max.age.ms).")
            .or("300000"),
        Spec::long("max-block-ms", "ms", "How long to wait for a topic or for room (max.block.ms).").or("60000"),
        Spec::long("max-memory-bytes", "bytes", "Most memory for records not yet sent (buffer.memory).").or("33554432"),
        Spec::integer("max-partition-memory-bytes", "bytes", "Size of a batch (batch.size); goes before --batch-size.")
            .or("16384"),
        Spec::text("line-reader", "class", "What makes records of lines; only Kafka's own is known here.")
            .or(LINE_READERS[0]),
        Spec::integer("socket-buffer-size", "bytes", "Size of the socket's buffer (send.buffer.bytes).").or("102400"),
        Spec::text(
            "property",
            "key=value",
            "How lines are read. May be repeated. Known are:\n parse.key=false\n parse.headers=false\n ignore.error=false\n \
             key.separator=\\t\n headers.delimiter=\\t\n headers.separator=,\n headers.key.separator=:\n null.marker= (key, \
             value or header value that stands for null)\nWith parse.headers and parse.key a line is\n \
             h1:v1,h2:v2<tab>key<tab>value",
        ),
        Spec::text("reader-config", "file", "Properties for how lines are read; --property goes before it."),
        Spec::text("producer-property", "key=value", "A property for the producer. May be repeated."),
        Spec::text("producer.config", "file", "Properties for the producer; --producer-property goes before it."),
    ],
    run: |options| Box::pin(run(options)),
};

async fn run(options: Options) -> Outcome {
    if !options.has("bootstrap-server") && !options.has("broker-list") {
        return Err(Stop::Usage("Missing required option(s) [bootstrap-server]".to_owned()));
    }
    require(&options, &["topic"])?;
    let bootstrap = match options.value("bootstrap-server")? {
        Some(servers) => servers,
        None => options.value("broker-list")?.unwrap_or_default(),
    };
    if client::cluster::Config::new(bootstrap).is_err() {
        return Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()));
    }
    let settings = producer_settings(&options)?;
    let reader_class = options.value("line-reader")?.unwrap_or_default();
    if !LINE_READERS.contains(&reader_class) {
        return Err(Stop::Failed(format!("{reader_class}: no such line reader; known is {}", LINE_READERS[0])));
    }
    let mut properties = Settings::from_file(options.value("reader-config")?)?;
    properties.add_words(options.values("property"));
    let mut reader = LineReader::new(&properties).map_err(Stop::Failed)?;
    let topic = options.value("topic")?.unwrap_or_default().to_owned();
    let cluster = settings.cluster(bootstrap, "console-producer")?;
    let producer = Producer::new(cluster, settings.producer()?);
    let done = send_lines(&producer, &topic, &mut reader, options.has("sync")).await;
    producer.flush().await;
    done.map(|()| 0).map_err(Stop::Failed)
}

/// The producer's properties: options given, then the words, then the file, then the options' defaults.
fn producer_settings(options: &Options) -> Result<Settings, Stop> {
    let mut settings = Settings::from_file(options.value("producer.config")?)?;
    settings.add_words(options.values("producer-property"));
    if options.has("compression-codec") {
        settings.set("compression.type", options.value("compression-codec")?.unwrap_or("gzip"));
    }
    let merged = [
        ("linger.ms", "timeout"),
        ("acks", "request-required-acks"),
        ("request.timeout.ms", "request-timeout-ms"),
        ("retries", "message-send-max-retries"),
        ("retry.backoff.ms", "retry-backoff-ms"),
        ("send.buffer.bytes", "socket-buffer-size"),
        ("buffer.memory", "max-memory-bytes"),
        ("batch.size", "batch-size"),
        ("batch.size", "max-partition-memory-bytes"),
        ("metadata.max.age.ms", "metadata-expiry-ms"),
        ("max.block.ms", "max-block-ms"),
    ];
    for (property, option) in merged {
        if options.has(option) || settings.get(property).is_none() {
            let is_text = option == "request-required-acks";
            // Numbers are checked here so that the mistake is told by the option's name.
            if !is_text {
                options.parsed::<i64>(option)?;
            }
            settings.set(property, options.value(option)?.unwrap_or_default());
        }
    }
    Ok(settings)
}

async fn send_lines(producer: &Producer, topic: &str, reader: &mut LineReader, sync: bool) -> Result<(), String> {
    let mut lines = lines_of_stdin();
    let (watch, watched) = mpsc::channel(WATCHED_MAX);
    let watcher = tokio::spawn(tell_failures(watched));
    let mut result = Ok(());
    while let Some(line) = lines.recv().await {
        let record = match reader.read(&line) {
            Ok(record) => Outgoing { topic: topic.to_owned(), ..record },
            Err(error) => {
                result = Err(error);
                break;
            }
        };
        let sizes = Sizes::of(&record);
        let outcome = producer.send(record).await;
        if sync {
            if let Ok(Err(error)) = outcome.await {
                result = Err(error.message());
                break;
            }
        } else if watch.send((sizes, outcome)).await.is_err() {
            break;
        }
    }
    drop(watch);
    producer.flush().await;
    // It ends with the last outcome, and all are known by now.
    let _ended = watcher.await;
    result
}

/// What is told of a record that was not delivered.
struct Sizes {
    topic: String,
    key: Option<usize>,
    value: Option<usize>,
}

impl Sizes {
    fn of(record: &Outgoing) -> Self {
        let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(bytes::Bytes::len);
        Self { topic: record.topic.clone(), key: len(&record.key), value: len(&record.value) }
    }
}

async fn tell_failures(mut watched: mpsc::Receiver<(Sizes, oneshot::Receiver<Sent>)>) {
    while let Some((sizes, outcome)) = watched.recv().await {
        let error: Arc<client::Error> = match outcome.await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => continue,
        };
        let size = |len: Option<usize>| len.map_or_else(|| "null".to_owned(), |len| format!("{len} bytes"));
        err(&format!(
            "ERROR Error when sending message to topic {} with key: {}, value: {} with error: {}\n",
            sizes.topic,
            size(sizes.key),
            size(sizes.value),
            crate::java::exception(&error)
        ));
    }
}

/// Reads standard input on a thread of its own: reading a terminal blocks.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(LINES_AHEAD);
    let with_prompt = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut chunk = Vec::new();
        loop {
            if with_prompt {
                out(">");
            }
            chunk.clear();
            match input.read_until(b'\n', &mut chunk) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    err(&format!("cannot read standard input: {error}\n"));
                    return;
                }
            }
            for line in line::split(&chunk) {
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        }
    });
    lines
}
