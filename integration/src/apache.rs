//! Apache Kafka and Apache ZooKeeper, fetched from Maven Central by name: the peers, clients and judges of our tests.
//! Needs `java` and `mvn`, which `make test` installs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::process::{Process, Said, free_port, run};

/// The release most tests compare with.
pub const KAFKA: &str = "3.9.1";

/// Generous, since a JVM on a busy machine may take its time.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// The jars of one release, fetched on first use. ZooKeeper and the command line come with them.
///
/// # Errors
/// When Maven cannot fetch them.
pub fn jars(version: &str) -> Result<PathBuf> {
    cache::installed(&format!("apache-kafka-{version}"), |folder| {
        // The tools became an artifact of their own in 3.0; before, everything sits in the core jar.
        let tools = if version.starts_with("2.") { "kafka-clients" } else { "kafka-tools" };
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("apache/pom.xml");
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(pom).arg(format!("-Dkafka.version={version}"));
        maven.arg(format!("-Dkafka.tools={tools}")).arg("dependency:copy-dependencies");
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        run(&mut maven, "", Duration::from_secs(900))?.ok().with_context(|| format!("fetch Apache Kafka {version}"))?;
        Ok(())
    })
}

fn java(version: &str, dir: &Path, log_level: &str) -> Result<Command> {
    let log4j = dir.join(format!("log4j-{log_level}.properties"));
    let pattern = "log4j.appender.E.layout.ConversionPattern=%d %p %m (%c)%n";
    std::fs::write(
        &log4j,
        format!(
            "log4j.rootLogger={log_level}, E\nlog4j.appender.E=org.apache.log4j.ConsoleAppender\nlog4j.appender.E.target=System.err\n\
             log4j.appender.E.layout=org.apache.log4j.PatternLayout\n{pattern}\n"
        ),
    )?;
    let mut java = Command::new("java");
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.4lw.commands.whitelist=*"]);
    java.args(["-Dzookeeper.admin.enableServer=false", "-Dzookeeper.extendedTypesEnabled=true"]);
    java.arg("-Dznode.container.checkIntervalMs=500");
    java.arg(format!("-Dlog4j.configuration=file:{}", log4j.display()));
    java.arg("-cp").arg(format!("{}/*", jars(version)?.display()));
    Ok(java)
}

/// An Apache server on loopback.
#[derive(Debug)]
pub struct Server {
    /// The process itself.
    pub process: Process,
    /// `127.0.0.1:port`.
    pub address: String,
}

/// Starts one Apache ZooKeeper (the one `version` of Kafka ships with); its files lie in `dir`.
///
/// # Errors
/// When it does not start; its log is in the message.
pub fn zookeeper(version: &str, dir: &Path) -> Result<Server> {
    zookeeper_at(version, dir, free_port()?)
}

/// [`zookeeper`] on a given port: a restart of the same server.
///
/// # Errors
/// When it does not start; its log is in the message.
pub fn zookeeper_at(version: &str, dir: &Path, port: u16) -> Result<Server> {
    let data = dir.join("zookeeper");
    std::fs::create_dir_all(&data)?;
    let properties = dir.join("zookeeper.properties");
    let text = format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\ntickTime=500\n\
         minSessionTimeout=1000\nmaxSessionTimeout=60000\nadmin.enableServer=false\n",
        data.display()
    );
    std::fs::write(&properties, text)?;
    let mut command = java(version, dir, "INFO")?;
    command.args(["-Xmx256m", "org.apache.zookeeper.server.quorum.QuorumPeerMain"]).arg(&properties);
    let mut process = Process::start("Apache ZooKeeper", &mut command, &dir.join("zookeeper.log"))?;
    process.wait_for_port(port, START_DEADLINE)?;
    Ok(Server { process, address: format!("127.0.0.1:{port}") })
}

/// Starts one Apache Kafka broker in ZooKeeper mode from a properties file that names `port` among its listeners.
///
/// # Errors
/// When it does not start; its log is in the message.
pub fn broker(version: &str, dir: &Path, name: &str, properties: &Path, port: u16) -> Result<Server> {
    let mut command = java(version, dir, "INFO")?;
    command.args(["-Xmx512m", "kafka.Kafka"]).arg(properties);
    let mut process = Process::start(name, &mut command, &dir.join(format!("{name}.log")))?;
    process.wait_for_port(port, START_DEADLINE)?;
    Ok(Server { process, address: format!("127.0.0.1:{port}") })
}

/// The main class behind a `kafka-*` command of 3.x.
fn class_of(tool: &str) -> Result<&'static str> {
    Ok(match tool {
        "kafka-topics" => "org.apache.kafka.tools.TopicCommand",
        "kafka-configs" => "kafka.admin.ConfigCommand",
        "kafka-consumer-groups" => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "kafka-console-consumer" => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "kafka-console-producer" => "kafka.tools.ConsoleProducer",
        "kafka-delete-records" => "org.apache.kafka.tools.DeleteRecordsCommand",
        "kafka-get-offsets" => "org.apache.kafka.tools.GetOffsetShell",
        "kafka-dump-log" => "kafka.tools.DumpLogSegments",
        "kafka-broker-api-versions" => "kafka.admin.BrokerApiVersionsCommand",
        "kafka-verifiable-producer" => "org.apache.kafka.tools.VerifiableProducer",
        "zookeeper-shell" => "org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka",
        _ => bail!("no main class is known for {tool}"),
    })
}

/// A command of Apache Kafka 3.9, ready for more arguments. `dir` holds its logging configuration.
///
/// # Errors
/// When the tool is unknown or its jars cannot be fetched.
pub fn tool_command(tool: &str, dir: &Path) -> Result<Command> {
    let mut command = java(KAFKA, dir, "WARN")?;
    command.args(["-Xmx256m", class_of(tool)?]);
    Ok(command)
}

/// Runs a command of Apache Kafka 3.9 to its end.
///
/// # Errors
/// When it cannot be run or does not end within two minutes.
pub fn tool(tool: &str, dir: &Path, args: &[&str], input: &str) -> Result<Said> {
    run(tool_command(tool, dir)?.args(args), input, Duration::from_secs(120))
}
