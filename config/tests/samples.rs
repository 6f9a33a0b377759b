//! The files a first user copies, and the page a user reads, are what this crate says they are.

use std::path::{Path, PathBuf};

use config::{BrokerConfig, Texts, broker_row, properties_file};

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What the sample that comes with Kafka 3.9 sets.
const KAFKAS_SAMPLE: &str = "\
broker.id=0
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
";

fn kafkas_sample() -> Texts {
    properties_file::parse(KAFKAS_SAMPLE.as_bytes()).expect("written above")
}

#[test]
fn the_sample_sets_what_kafkas_sample_sets() {
    assert_eq!(properties_file::read(&beside("server.properties")).unwrap(), kafkas_sample());
}

#[test]
fn every_line_of_the_sample_is_a_property_we_know_commented_out_or_not() {
    let text = std::fs::read_to_string(beside("server.properties")).unwrap();
    for line in text.lines().filter(|line| line.contains('=')) {
        let (name, value) = line.trim_start_matches('#').split_once('=').unwrap();
        let row = broker_row(name).unwrap_or_else(|| panic!("{line}"));
        assert!(row.canonical(value).is_ok(), "{line}");
    }
}

#[test]
fn the_sample_starts_a_broker() {
    let config = BrokerConfig::load(beside("server.properties"), &[]).unwrap();
    assert!(config.check_startable().is_ok());
    assert!(config.unknown_names().is_empty());
    assert_eq!((config.broker_id, config.offsets_topic_replication_factor), (0, 1));
    assert_eq!(config.zookeeper_connection_timeout_ms(), 18_000);
    assert_eq!(config.group_initial_rebalance_delay_ms, 0);
}

#[test]
fn kafkas_sample_starts_a_broker() {
    let config = BrokerConfig::from_map(kafkas_sample()).unwrap();
    assert!(config.check_startable().is_ok());
    assert_eq!(config.log_dirs(), [PathBuf::from("/tmp/kafka-logs")]);
}

#[test]
fn the_zookeeper_sample_sets_what_kafkas_does() {
    let texts = properties_file::read(&beside("zookeeper.properties")).unwrap();
    let pairs: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("admin.enableServer", "false"),
            ("clientPort", "2181"),
            ("dataDir", "/tmp/zookeeper"),
            ("maxClientCnxns", "0")
        ]
    );
}

#[test]
fn the_documentation_page_is_current() {
    let page = std::fs::read_to_string(beside("../docs/configuration.md")).unwrap();
    assert_eq!(page, config::docs::page(), "run: make docs");
}
