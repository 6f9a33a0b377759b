//! Three brokers, each partition on all of them: whoever dies, what was acknowledged is there, once, in order, and the
//! same bytes on every replica.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration::clients::{Client, endless_producer, python};
use integration::process::run;
use integration::{BrokerKind, Cluster, apache, wait_until};
use rustix::process::Signal;

const DEADLINE: Duration = Duration::from_secs(120);
const TOPIC: &str = "kept";
const PARTITIONS: i32 = 3;

/// A partition as `kafka-topics --describe` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    leader: i32,
    isr: Vec<i32>,
}

fn create_topic(cluster: &Cluster, min_isr: &str) -> Result<()> {
    let (bootstrap, partitions) = (cluster.bootstrap(), PARTITIONS.to_string());
    let min_isr = format!("min.insync.replicas={min_isr}");
    let mut create = vec!["--bootstrap-server", &bootstrap, "--create", "--topic", TOPIC, "--config", &min_isr];
    create.extend(["--partitions", &partitions, "--replication-factor", "3"]);
    apache::tool("kafka-topics", cluster.path(), &create, "")?.ok()?;
    Ok(())
}

fn describe(cluster: &Cluster) -> Result<BTreeMap<i32, Described>> {
    let bootstrap = cluster.bootstrap();
    let said =
        cluster.our_tool("kafka-topics", &["--bootstrap-server", &bootstrap, "--describe", "--topic", TOPIC], "")?;
    let mut partitions = BTreeMap::new();
    for line in said.ok()?.lines().filter(|line| line.contains("Partition: ")) {
        let field = |name: &str| {
            let (_, rest) = line.split_once(name).with_context(|| format!("no {name} in {line}"))?;
            anyhow::Ok(rest.split_whitespace().next().unwrap_or_default())
        };
        let mut isr: Vec<i32> = field("Isr: ")?.split(',').filter_map(|id| id.parse().ok()).collect();
        isr.sort_unstable();
        let leader = field("Leader: ")?.parse().unwrap_or(-1);
        partitions.insert(field("Partition: ")?.parse()?, Described { leader, isr });
    }
    Ok(partitions)
}

fn wait_for_isr(cluster: &Cluster, isr: &[i32]) {
    wait_until(&format!("the ISR of every partition is {isr:?}"), DEADLINE, || {
        describe(cluster).is_ok_and(|partitions| {
            partitions.len() == PARTITIONS as usize && partitions.values().all(|partition| partition.isr == isr)
        })
    });
}

/// All records of a partition as they lie on one broker's disk.
fn stored(log_dir: &Path, partition: i32) -> Result<Vec<u8>> {
    let mut segments: Vec<_> = std::fs::read_dir(log_dir.join(format!("{TOPIC}-{partition}")))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort();
    let mut all = Vec::new();
    for segment in segments {
        all.extend(std::fs::read(segment)?);
    }
    Ok(all)
}

fn wait_until_replicas_are_equal(cluster: &mut Cluster, brokers: &[i32]) {
    let dirs: Vec<_> = brokers.iter().map(|id| cluster.broker(*id).log_dir.clone()).collect();
    for partition in 0..PARTITIONS {
        wait_until(&format!("all replicas of partition {partition} hold the same bytes"), DEADLINE, || {
            let copies: Vec<_> = dirs.iter().filter_map(|dir| stored(dir, partition).ok()).collect();
            copies.len() == dirs.len() && !copies[0].is_empty() && copies.windows(2).all(|two| two[0] == two[1])
        });
    }
}

/// Reads everything, and finds each acknowledged record at its offset, none twice, none out of order.
fn check_acknowledged(cluster: &Cluster, acknowledged: &[String]) -> Result<()> {
    let bootstrap = cluster.bootstrap();
    let ends = ["--bootstrap-server", &bootstrap, "--topic", TOPIC];
    let ends = apache::tool("kafka-get-offsets", cluster.path(), &ends, "")?.ok()?;
    let total: i64 = ends.lines().filter_map(|line| line.rsplit(':').next()?.parse::<i64>().ok()).sum();
    let mut consumer = Client::Java.command()?;
    consumer.args(["consume", &bootstrap, TOPIC, "reader", &total.to_string()]);
    let mut read: BTreeMap<(i32, i64), i64> = BTreeMap::new();
    for line in run(&mut consumer, "", DEADLINE)?.ok()?.lines() {
        let (at, number) = parse(line)?;
        read.insert(at, number);
    }
    assert_eq!(i64::try_from(read.len())?, total, "every offset up to the end holds one record");
    for line in acknowledged {
        let (at, number) = parse(line)?;
        assert_eq!(read.get(&at), Some(&number), "what was acknowledged as {line}");
    }
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for ((partition, _), number) in &read {
        let before = last.insert(*partition, *number).unwrap_or(-1);
        assert!(before < *number, "partition {partition}: v{number} after v{before}: out of order or twice");
    }
    Ok(())
}

fn parse(line: &str) -> Result<((i32, i64), i64)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [partition, offset, _, value] = fields[..] else { anyhow::bail!("not a record: {line}") };
    Ok(((partition.parse()?, offset.parse()?), value.trim_start_matches('v').parse()?))
}

/// Kills each broker in turn while a producer writes, and brings it back.
fn every_broker_may_die(kinds: &[BrokerKind], properties: &[(&str, &str)]) -> Result<()> {
    python()?;
    let all = [1, 2, 3];
    let builder = Cluster::builder().brokers(kinds);
    let builder = properties.iter().fold(builder, |builder, (name, value)| builder.property(name, value));
    let mut cluster = builder.start()?;
    create_topic(&cluster, "2")?;
    wait_for_isr(&cluster, &all);
    let leaders: Vec<i32> = describe(&cluster)?.values().map(|partition| partition.leader).collect();
    assert_eq!(leaders.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "each leads one: {leaders:?}");

    let errors = cluster.path().join("producer.err");
    let mut producer = endless_producer(&cluster.bootstrap(), TOPIC, &errors)?;
    for (victim, kind) in all.into_iter().zip(kinds) {
        let before = producer.lines().len();
        producer.wait_for("records are acknowledged", DEADLINE, |said| said.len() > before + 1000);
        cluster.kill_broker(victim)?;
        let rest: Vec<i32> = all.into_iter().filter(|id| *id != victim).collect();
        wait_for_isr(&cluster, &rest);
        let partitions = describe(&cluster)?;
        assert!(partitions.values().all(|partition| rest.contains(&partition.leader)), "{partitions:?}");
        let before = producer.lines().len();
        producer.wait_for("it goes on without the dead broker", DEADLINE, |said| said.len() > before + 1000);
        cluster.start_broker(victim, *kind)?;
        wait_for_isr(&cluster, &all);
    }
    let acknowledged = producer.lines().to_vec();
    drop(producer);
    wait_until_replicas_are_equal(&mut cluster, &all);
    check_acknowledged(&cluster, &acknowledged)
}

#[test]
fn acknowledged_records_survive_the_death_of_any_broker() -> Result<()> {
    every_broker_may_die(&[BrokerKind::Ours; 3], &[])
}

#[test]
fn java_brokers_and_ours_replicate_to_each_other() -> Result<()> {
    every_broker_may_die(&[BrokerKind::Ours, BrokerKind::Ours, BrokerKind::Apache], &[])
}

#[test]
fn what_only_a_dead_leader_had_is_cut_off_when_it_comes_back() -> Result<()> {
    python()?;
    let kind = BrokerKind::Ours;
    let mut cluster = Cluster::builder().brokers(&[kind; 3]).start()?;
    create_topic(&cluster, "1")?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    assert_eq!(produce(&cluster, "all", 10)?, "None");
    let old_leader = describe(&cluster)?[&0].leader;
    let others: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != old_leader).collect();

    // Shorter than their sessions, so that both stay in the ISR.
    others.iter().try_for_each(|id| cluster.process(*id).signal(Signal::STOP))?;
    assert_eq!(produce(&cluster, "1", 20)?, "None");
    cluster.kill_broker(old_leader)?;
    others.iter().try_for_each(|id| cluster.process(*id).signal(Signal::CONT))?;
    wait_for_isr(&cluster, &others);
    assert_eq!(produce(&cluster, "all", 5)?, "None");

    let longer = stored(&cluster.broker(old_leader).log_dir, 0)?.len();
    let shorter = stored(&cluster.broker(others[0]).log_dir, 0)?.len();
    assert!(shorter < longer, "the dead leader has records nobody else has");
    cluster.start_broker(old_leader, kind)?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    let copies = [1, 2, 3].map(|id| stored(&cluster.broker(id).log_dir, 0));
    let copies = copies.into_iter().collect::<Result<Vec<_>>>()?;
    assert!(copies[0].len() == shorter && copies.iter().all(|copy| *copy == copies[0]));
    Ok(())
}

#[test]
fn a_follower_whose_offsets_the_leader_has_deleted_begins_anew() -> Result<()> {
    python()?;
    let kind = BrokerKind::Ours;
    let mut cluster = Cluster::builder().brokers(&[kind; 3]).start()?;
    create_topic(&cluster, "1")?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    assert_eq!(produce(&cluster, "all", 10)?, "None");
    let leader = describe(&cluster)?[&0].leader;
    let late = [1, 2, 3].into_iter().find(|id| *id != leader).context("three brokers")?;

    cluster.stop_broker(late)?;
    wait_for_isr(&cluster, &[1, 2, 3].into_iter().filter(|id| *id != late).collect::<Vec<_>>());
    assert_eq!(produce(&cluster, "all", 10)?, "None");
    let offsets = cluster.path().join("offsets.json");
    let up_to = format!(r#"{{"version":1,"partitions":[{{"topic":"{TOPIC}","partition":0,"offset":15}}]}}"#);
    std::fs::write(&offsets, up_to)?;
    let offsets = offsets.display().to_string();
    let delete = ["--bootstrap-server", &cluster.bootstrap(), "--offset-json-file", &offsets];
    apache::tool("kafka-delete-records", cluster.path(), &delete, "")?.ok()?;

    cluster.start_broker(late, kind)?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    let begun_anew = cluster.broker(late).log_dir.join(format!("{TOPIC}-0/{:020}.log", 15));
    assert!(begun_anew.exists(), "the log begins where the leader's does");
    Ok(())
}

#[test]
fn they_do_so_in_an_older_inter_broker_protocol_too() -> Result<()> {
    let properties = [("inter.broker.protocol.version", "2.8"), ("num.replica.fetchers", "2")];
    every_broker_may_die(&[BrokerKind::Ours, BrokerKind::Apache, BrokerKind::Ours], &properties)
}

#[test]
fn commits_survive_the_death_of_any_coordinator() -> Result<()> {
    let all = [1, 2, 3];
    let kind = BrokerKind::Ours;
    let builder = Cluster::builder().brokers(&[kind; 3]).property("offsets.topic.replication.factor", "3");
    let mut cluster = builder.start()?;
    create_topic(&cluster, "2")?;
    wait_for_isr(&cluster, &all);
    let (mut written, mut read) = (Vec::new(), Vec::new());
    let mut round = |cluster: &Cluster| {
        let from = written.len().to_string();
        written.extend(java(cluster, &["produce", TOPIC, &from, "50", "plain"])?);
        read.extend(java(cluster, &["consume", TOPIC, "reader", "50"])?);
        anyhow::Ok(())
    };
    for victim in all {
        round(&cluster)?;
        cluster.kill_broker(victim)?;
        round(&cluster)?;
        cluster.start_broker(victim, kind)?;
        wait_for_isr(&cluster, &all);
    }
    written.sort();
    read.sort();
    assert_eq!(read, written, "nothing is read twice, nothing is passed over");
    Ok(())
}

fn java(cluster: &Cluster, args: &[&str]) -> Result<Vec<String>> {
    let mut command = Client::Java.command()?;
    let said = run(command.arg(args[0]).arg(cluster.bootstrap()).args(&args[1..]), "", DEADLINE)?;
    Ok(said.ok()?.lines().map(str::to_owned).collect())
}

#[test]
fn fewer_in_sync_than_asked_for_refuse_writes_until_one_comes_back() -> Result<()> {
    let kind = BrokerKind::Ours;
    let mut cluster = Cluster::builder().brokers(&[kind; 3]).start()?;
    create_topic(&cluster, "3")?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    assert_eq!(produce(&cluster, "all", 1)?, "None");
    cluster.stop_broker(3)?;
    wait_for_isr(&cluster, &[1, 2]);
    assert_eq!(produce(&cluster, "all", 1)?, "NOT_ENOUGH_REPLICAS");
    cluster.start_broker(3, kind)?;
    wait_for_isr(&cluster, &[1, 2, 3]);
    assert_eq!(produce(&cluster, "all", 1)?, "None");
    Ok(())
}

/// Writes records to partition 0, one batch each, without trying again; gives the name of the first error.
fn produce(cluster: &Cluster, acks: &str, count: u32) -> Result<String> {
    let program = "import sys\n\
        from confluent_kafka import Producer\n\
        p = Producer({'bootstrap.servers': sys.argv[1], 'acks': sys.argv[3], 'retries': 0, 'message.timeout.ms': 30000})\n\
        said = []\n\
        for n in range(int(sys.argv[4])):\n\
        \x20   p.produce(sys.argv[2], 'v', partition=0, on_delivery=lambda error, m: said.append(error and error.name()))\n\
        \x20   p.flush()\n\
        print(next((error for error in said if error), None))\n";
    let mut command = Command::new(python()?);
    command.args(["-c", program, &cluster.bootstrap(), TOPIC, acks, &count.to_string()]);
    Ok(run(&mut command, "", DEADLINE)?.ok()?.trim().to_owned())
}
