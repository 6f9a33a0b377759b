//! What was acknowledged survives `kill -9`, and the files can change hands between our broker and a Java one.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration::clients::{Client, endless_producer};
use integration::process::run;
use integration::{BrokerKind, Cluster, apache};

const DEADLINE: Duration = Duration::from_secs(120);
const TOPIC: &str = "kept";

fn create_topic(cluster: &Cluster) -> Result<()> {
    let bootstrap = cluster.bootstrap();
    let create = [
        "--bootstrap-server",
        &bootstrap,
        "--create",
        "--topic",
        TOPIC,
        "--partitions",
        "3",
        "--replication-factor",
        "1",
    ];
    apache::tool("kafka-topics", cluster.path(), &create, "")?.ok()?;
    Ok(())
}

fn java(cluster: &Cluster, args: &[&str]) -> Result<Vec<String>> {
    let mut command = Client::Java.command()?;
    let said = run(command.arg(args[0]).arg(cluster.bootstrap()).args(&args[1..]), "", DEADLINE)?;
    let mut lines: Vec<String> = said.ok()?.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn acknowledged_records_and_commits_survive_kill_9_under_load() -> Result<()> {
    integration::clients::python()?;
    let mut cluster = Cluster::builder().start()?;
    create_topic(&cluster)?;
    java(&cluster, &["produce", TOPIC, "1000000", "30", "plain"])?;
    java(&cluster, &["consume", TOPIC, "before", "30"])?;

    let errors = cluster.path().join("producer.err");
    let mut producer = endless_producer(&cluster.bootstrap(), TOPIC, &errors)?;
    let kind = if std::env::var_os("MILENA_TEST_PEER").is_some() { BrokerKind::Apache } else { BrokerKind::Ours };
    for round in 1..=3_usize {
        producer.wait_for("records are acknowledged", DEADLINE, |said| said.len() > 3000 * round);
        cluster.kill_broker(1)?;
        if kind == BrokerKind::Apache {
            // Apache Kafka refuses to start while its dead session's node is there.
            std::thread::sleep(Duration::from_secs(8));
        }
        cluster.start_broker(1, kind)?;
        let acknowledged_before = producer.lines().len();
        producer.wait_for("it goes on after the restart", DEADLINE, |said| said.len() > acknowledged_before);
    }
    let acknowledged = producer.lines().to_vec();
    drop(producer);

    let mut read: BTreeMap<(i32, i64), String> = BTreeMap::new();
    let ends = apache::tool(
        "kafka-get-offsets",
        cluster.path(),
        &["--bootstrap-server", &cluster.bootstrap(), "--topic", TOPIC],
        "",
    )?
    .ok()?;
    let total: i64 = ends.lines().filter_map(|line| line.rsplit(':').next()?.parse::<i64>().ok()).sum();
    for line in java(&cluster, &["consume", TOPIC, "after", &total.to_string()])? {
        let fields: Vec<&str> = line.split('\t').collect();
        let [partition, offset, _, value] = fields[..] else { anyhow::bail!("not a record: {line}") };
        read.insert((partition.parse()?, offset.parse()?), value.to_owned());
    }
    assert_eq!(i64::try_from(read.len())?, total, "every offset up to the end holds one record");
    for line in &acknowledged {
        let fields: Vec<&str> = line.split('\t').collect();
        let [partition, offset, _, value] = fields[..] else { anyhow::bail!("not a record: {line}") };
        let found = read.get(&(partition.parse()?, offset.parse()?)).with_context(|| format!("{line} is lost"))?;
        assert_eq!(found, value, "what stands at partition {partition} offset {offset}");
    }
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for ((partition, _), value) in &read {
        let number: i64 = value.trim_start_matches('v').parse()?;
        if number < 1_000_000 {
            let before = last.insert(*partition, number).unwrap_or(-1);
            assert!(before < number, "partition {partition}: v{number} after v{before}: out of order or twice");
        }
    }

    java(&cluster, &["produce", TOPIC, "2000000", "3", "plain"])?;
    let fresh = java(&cluster, &["consume", TOPIC, "before", &(total + 3 - 30).to_string()])?;
    let committed_before = |line: &String| line.rsplit('v').next().is_some_and(|n| n.len() == 7 && n.starts_with('1'));
    assert!(!fresh.iter().any(committed_before), "the commit made before the kills is kept");
    Ok(())
}

/// Lines `topic:partition:end` of a topic.
fn read_as(cluster: &Cluster, group: &str, count: usize) -> Result<Vec<String>> {
    java(cluster, &["consume", TOPIC, group, &count.to_string()])
}

fn change_hands(first: BrokerKind, second: BrokerKind, clean: bool) -> Result<()> {
    let mut cluster = Cluster::builder().brokers(&[first]).start()?;
    create_topic(&cluster)?;
    let mut written = java(&cluster, &["produce", TOPIC, "0", "500", "keyed"])?;
    assert_eq!(read_as(&cluster, "g", 500)?, written);
    written.extend(java(&cluster, &["produce", TOPIC, "500", "100", "plain"])?);
    if clean {
        cluster.stop_broker(1)?;
    } else {
        cluster.kill_broker(1)?;
        // Let the dead broker's session end: only our own broker knows how to end it itself.
        std::thread::sleep(Duration::from_secs(8));
    }
    cluster.start_broker(1, second)?;
    let fresh = read_as(&cluster, "g", 100)?;
    assert!(fresh.iter().all(|line| written.contains(line)), "the group goes on from its commit");
    written.extend(java(&cluster, &["produce", TOPIC, "600", "50", "keyed"])?);
    written.sort();
    assert_eq!(read_as(&cluster, "other", 650)?, written, "the same records at the same offsets");
    Ok(())
}

#[test]
fn a_java_broker_takes_over_our_files_after_a_clean_stop() -> Result<()> {
    change_hands(BrokerKind::Ours, BrokerKind::Apache, true)
}

#[test]
fn a_java_broker_takes_over_our_files_after_kill_9() -> Result<()> {
    change_hands(BrokerKind::Ours, BrokerKind::Apache, false)
}

#[test]
fn we_take_over_a_java_brokers_files_after_a_clean_stop() -> Result<()> {
    change_hands(BrokerKind::Apache, BrokerKind::Ours, true)
}

#[test]
fn we_take_over_a_java_brokers_files_after_kill_9() -> Result<()> {
    change_hands(BrokerKind::Apache, BrokerKind::Ours, false)
}
