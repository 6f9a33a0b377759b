//! The real clients we promise to work with: each a small program under `integration/clients/`, fetched with its library by name
//! and run by the suite. All speak the same three commands (see `clients/README.md`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Conversation, run};
use crate::{apache, cache};

/// A client library under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The Java client of Apache Kafka 3.9.
    Java,
    /// Go: franz-go.
    FranzGo,
    /// Go: sarama.
    Sarama,
    /// Go: segmentio/kafka-go.
    KafkaGo,
    /// Python: confluent-kafka, that is librdkafka.
    Confluent,
    /// Python: kafka-python.
    KafkaPython,
    /// Python: aiokafka.
    Aiokafka,
}

const INSTALL_DEADLINE: Duration = Duration::from_secs(900);

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Names a cache folder after what is installed in it, so that an edited program or pinned version installs anew.
fn named(prefix: &str, files: &[PathBuf]) -> Result<String> {
    let mut sum = fingerprint(prefix.as_bytes());
    for file in files {
        sum =
            sum.rotate_left(5) ^ fingerprint(&std::fs::read(file).with_context(|| format!("read {}", file.display()))?);
    }
    Ok(format!("{prefix}-{sum:08x}"))
}

fn fingerprint(bytes: &[u8]) -> u32 {
    // FNV-1a: good enough to tell one text from another.
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn go_program(name: &str) -> Result<PathBuf> {
    let go = sources().join("go");
    let main = go.join(name).join("main.go");
    let folder =
        cache::installed(&named(&format!("go-{name}"), &[main, go.join("go.mod"), go.join("go.sum")])?, |folder| {
            let mut build = Command::new("go");
            build.args(["build", "-o"]).arg(folder.join(name)).arg(format!("./{name}")).current_dir(&go);
            run(&mut build, "", INSTALL_DEADLINE)?.ok().with_context(|| format!("build the Go client {name}"))?;
            Ok(())
        })?;
    Ok(folder.join(name))
}

/// The Python with every client library in it.
///
/// # Errors
/// When pip cannot install them.
pub fn python() -> Result<PathBuf> {
    let requirements = sources().join("python/requirements.txt");
    let folder = cache::installed(&named("python", std::slice::from_ref(&requirements))?, |folder| {
        let venv = folder.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "", INSTALL_DEADLINE)?
            .ok()
            .context("make a venv")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "-q", "-r"]).arg(&requirements);
        run(&mut pip, "", INSTALL_DEADLINE)?.ok().context("install the Python clients")?;
        Ok(())
    })?;
    Ok(folder.join("venv/bin/python"))
}

fn java_program() -> Result<Command> {
    let jars = apache::jars(apache::KAFKA)?;
    let source = sources().join("java/Client.java");
    let folder = cache::installed(&named("java", std::slice::from_ref(&source))?, |folder| {
        let mut javac = Command::new("javac");
        javac.arg("-cp").arg(format!("{}/*", jars.display())).arg("-d").arg(folder).arg(&source);
        run(&mut javac, "", INSTALL_DEADLINE)?.ok().context("compile the Java client")?;
        std::fs::write(
            folder.join("log4j.properties"),
            "log4j.rootLogger=WARN, E\nlog4j.appender.E=org.apache.log4j.ConsoleAppender\nlog4j.appender.E.target=System.err\n\
             log4j.appender.E.layout=org.apache.log4j.SimpleLayout\n",
        )?;
        Ok(())
    })?;
    let mut java = Command::new("java");
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp"]);
    java.arg(format!("{}:{}/*", folder.display(), jars.display())).arg("Client");
    Ok(java)
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Java, Self::FranzGo, Self::Sarama, Self::KafkaGo, Self::Confluent, Self::KafkaPython, Self::Aiokafka];

    /// The program, ready for its command and arguments; fetched and built on first use.
    ///
    /// # Errors
    /// When the library cannot be had: a client that cannot be had fails its test.
    pub fn command(self) -> Result<Command> {
        let python_program = |file: &str| -> Result<Command> {
            let mut command = Command::new(python()?);
            command.arg("-u").arg(sources().join("python").join(file));
            Ok(command)
        };
        match self {
            Self::Java => java_program(),
            Self::FranzGo => Ok(Command::new(go_program("franz")?)),
            Self::Sarama => Ok(Command::new(go_program("sarama")?)),
            Self::KafkaGo => Ok(Command::new(go_program("kafkago")?)),
            Self::Confluent => python_program("confluent.py"),
            Self::KafkaPython => python_program("kafkapython.py"),
            Self::Aiokafka => python_program("aio.py"),
        }
    }
}

/// Starts a producer that writes `v0`, `v1`, ... to three partitions in turn, in order and acknowledged by all, and
/// prints a line of each acknowledged record, until stopped.
///
/// # Errors
/// When librdkafka cannot be had or started.
pub fn endless_producer(bootstrap: &str, topic: &str, errors: &Path) -> Result<Conversation> {
    let program = "import sys\n\
        from confluent_kafka import Producer\n\
        p = Producer({'bootstrap.servers': sys.argv[1], 'enable.idempotence': True, 'linger.ms': 1, 'message.timeout.ms': 60000})\n\
        def done(error, m):\n\
        \x20   if error is None: print(f'{m.partition()}\\t{m.offset()}\\t-\\t{m.value().decode()}', flush=True)\n\
        n = 0\n\
        while True:\n\
        \x20   try: p.produce(sys.argv[2], f'v{n}', partition=n % 3, on_delivery=done); n += 1\n\
        \x20   except BufferError: p.poll(0.01)\n\
        \x20   if n % 100 == 0: p.poll(0.002)\n";
    let mut command = Command::new(python()?);
    command.args(["-u", "-c", program, bootstrap, topic]);
    Conversation::start(&mut command, errors)
}
