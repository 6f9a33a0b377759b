//! Each client library we promise to work with: produces with and without keys, consumes as two groups and as two members
//! of one group, rebalances when one leaves, commits, and goes on from the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration::clients::Client;
use integration::process::{Conversation, run};
use integration::{Cluster, apache};

const DEADLINE: Duration = Duration::from_secs(90);
const TOPIC: &str = "three";

/// One record as the programs print it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    partition: i32,
    offset: i64,
    key: Option<String>,
    value: String,
}

fn parse(text: &str) -> Result<Line> {
    let fields: Vec<&str> = text.split('\t').collect();
    let [partition, offset, key, value] = fields[..] else { anyhow::bail!("not a record: {text}") };
    let key = (key != "-").then(|| key.to_owned());
    Ok(Line { partition: partition.parse()?, offset: offset.parse()?, key, value: value.to_owned() })
}

/// Kafka's default partitioner for keyed records: murmur2, sign bit dropped.
fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).expect("test keys are short");
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("chunks of four")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from(hash & 0x7fff_ffff).expect("31 bits") % partitions
}

struct Story {
    cluster: Cluster,
    client: Client,
}

impl Story {
    fn new(client: Client) -> Result<Self> {
        // Fetch first: an installation must not eat into the deadlines below.
        client.command()?;
        let cluster = Cluster::builder().start()?;
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
        Ok(Self { cluster, client })
    }

    fn run(&self, args: &[&str]) -> Result<Vec<Line>> {
        let mut command = self.client.command()?;
        let said = run(command.arg(args[0]).arg(self.cluster.bootstrap()).args(&args[1..]), "", DEADLINE)?;
        said.ok().with_context(|| format!("{:?} {args:?}", self.client))?.lines().map(parse).collect()
    }

    fn member(&self, group: &str, name: &str) -> Result<Conversation> {
        let mut command = self.client.command()?;
        let errors = self.cluster.path().join(format!("{name}.err"));
        Conversation::start(command.args(["member", &self.cluster.bootstrap(), TOPIC, group]), &errors)
    }
}

fn values(lines: &[Line]) -> BTreeSet<String> {
    lines.iter().map(|line| line.value.clone()).collect()
}

fn last_assignment(lines: &[String]) -> Option<BTreeSet<i32>> {
    let line = lines.iter().rev().find_map(|line| line.strip_prefix("assigned\t"))?;
    Some(line.split(',').filter_map(|partition| partition.parse().ok()).collect())
}

fn the_story_of(client: Client, places_by_murmur2: bool) -> Result<()> {
    let story = Story::new(client)?;

    let keyed = story.run(&["produce", TOPIC, "0", "60", "keyed"])?;
    let plain = story.run(&["produce", TOPIC, "60", "60", "plain"])?;
    assert_eq!((keyed.len(), plain.len()), (60, 60), "every record is acknowledged");
    if places_by_murmur2 {
        for line in &keyed {
            let key = line.key.as_deref().context("keyed records have keys")?;
            assert_eq!(line.partition, murmur2_partition(key.as_bytes(), 3), "partition of {key}");
        }
    }
    let mut acknowledged = keyed;
    acknowledged.extend(plain);
    acknowledged.sort();
    let mut per_partition: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for line in &acknowledged {
        per_partition.entry(line.partition).or_default().push(line.offset);
    }
    for (partition, offsets) in per_partition {
        let dense: Vec<i64> = (0..).take(offsets.len()).collect();
        assert_eq!(offsets, dense, "offsets of partition {partition} are dense from 0");
    }

    for group in ["group1", "group2"] {
        let mut read = story.run(&["consume", TOPIC, group, "120"])?;
        read.sort();
        assert_eq!(read, acknowledged, "{group} reads each acknowledged record where it was acknowledged");
    }
    story.run(&["produce", TOPIC, "120", "9", "keyed"])?;
    let fresh = story.run(&["consume", TOPIC, "group1", "9"])?;
    let expected: BTreeSet<String> = (120..129).map(|n| format!("v{n}")).collect();
    assert_eq!(values(&fresh), expected, "group1 goes on from its commit");

    let all: BTreeSet<i32> = [0, 1, 2].into();
    let mut first = story.member("pair", "first")?;
    first
        .wait_for("the only member has every partition", DEADLINE, |said| last_assignment(said).as_ref() == Some(&all));
    let mut second = story.member("pair", "second")?;
    second.wait_for("the second member has a share", DEADLINE, |said| {
        last_assignment(said).is_some_and(|mine| !mine.is_empty() && mine.len() < 3)
    });
    let shared = last_assignment(second.lines()).context("just seen")?;
    let rest: BTreeSet<i32> = all.difference(&shared).copied().collect();
    first.wait_for("the first keeps the rest", DEADLINE, |said| last_assignment(said).as_ref() == Some(&rest));
    let mut read = values(&records_of(&second.finish(DEADLINE)?));
    first.wait_for("it takes over what the leaver had", DEADLINE, |said| last_assignment(said).as_ref() == Some(&all));
    first.wait_for("the two have read everything", DEADLINE, |said| {
        read.extend(values(&records_of(said)));
        read.len() == 129
    });
    first.finish(DEADLINE)?;
    Ok(())
}

fn records_of(said: &[String]) -> Vec<Line> {
    said.iter().filter_map(|line| parse(line).ok()).collect()
}

#[test]
fn java_client() -> Result<()> {
    the_story_of(Client::Java, true)
}

#[test]
fn franz_go() -> Result<()> {
    the_story_of(Client::FranzGo, true)
}

#[test]
fn sarama() -> Result<()> {
    // Its own default is FNV-1a, not murmur2.
    the_story_of(Client::Sarama, false)
}

#[test]
fn segmentio_kafka_go() -> Result<()> {
    the_story_of(Client::KafkaGo, true)
}

#[test]
fn confluent_kafka_python() -> Result<()> {
    the_story_of(Client::Confluent, true)
}

#[test]
fn kafka_python() -> Result<()> {
    the_story_of(Client::KafkaPython, true)
}

#[test]
fn aiokafka() -> Result<()> {
    the_story_of(Client::Aiokafka, true)
}
