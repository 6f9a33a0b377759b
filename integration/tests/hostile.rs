//! Bad input and bad days: whatever a client sends costs that client its connection, the process lives on within its
//! memory, and a full disk loses nothing that was acknowledged.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use client::connection::{Connection, Options};
use client::{ClusterClient, Config as ClientConfig, producer};
use integration::faults::SmallDisk;
use integration::{Cluster, wait_until};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use std::sync::Arc;
use wire::ErrorCode;
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::{MetadataRequest, ProduceRequest, TopicName};

const MIB: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the test")
}

fn connect(cluster: &Cluster) -> Result<TcpStream> {
    let stream = TcpStream::connect(cluster.bootstrap())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Whether the broker still serves: a fresh connection gets an answer.
fn still_serves(cluster: &mut Cluster) -> Result<()> {
    let address = cluster.bootstrap();
    runtime().block_on(async {
        let connection = Connection::negotiated(&address, &Options::default()).await?;
        connection.call(&MetadataRequest::default()).await
    })?;
    assert!(cluster.process(1).is_running());
    Ok(())
}

/// Waits for the peer to close; the bytes it sent before.
fn until_closed(mut stream: TcpStream) -> usize {
    let mut answer = Vec::new();
    // A reset is a close as well.
    let _closed = stream.read_to_end(&mut answer);
    answer.len()
}

#[test]
fn random_bytes_cost_one_connection() -> Result<()> {
    let mut cluster = Cluster::builder().start()?;
    let seed = 4711;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..200 {
        let mut stream = connect(&cluster)?;
        let size = random.random_range(0..2000_usize);
        let mut bytes = vec![0; size];
        random.fill_bytes(&mut bytes);
        if round % 2 == 0 && size >= 8 {
            // A frame of the right size with a known API key gets further in.
            bytes[0..4].copy_from_slice(&u32::try_from(size - 4)?.to_be_bytes());
            bytes[4..6].copy_from_slice(&random.random_range(0..70_i16).to_be_bytes());
            bytes[6..8].copy_from_slice(&random.random_range(0..12_i16).to_be_bytes());
        }
        let _may_be_refused_half_way = stream.write_all(&bytes);
        let _may_be_closed = stream.shutdown(std::net::Shutdown::Write);
        until_closed(stream);
    }
    still_serves(&mut cluster)
}

#[test]
fn frames_too_long_or_negative_are_refused_at_once() -> Result<()> {
    let mut cluster = Cluster::builder().start()?;
    for size in [i32::MAX, 104_857_601, -1, i32::MIN] {
        let mut stream = connect(&cluster)?;
        stream.write_all(&size.to_be_bytes())?;
        assert_eq!(until_closed(stream), 0, "size {size}");
    }
    still_serves(&mut cluster)
}

#[test]
fn fifty_promises_of_100_mb_take_no_memory() -> Result<()> {
    let mut cluster = Cluster::builder().start()?;
    let before = cluster.process(1).resident_bytes()?;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&cluster)?;
        stream.write_all(&100_000_000_i32.to_be_bytes())?;
        stream.write_all(&[0; 100])?;
        held.push(stream);
    }
    still_serves(&mut cluster)?;
    let grown = cluster.process(1).resident_bytes()?.saturating_sub(before);
    assert!(grown < 64 * MIB, "grew by {} MiB", grown / MIB);
    Ok(())
}

#[test]
fn clients_that_never_read_take_no_memory() -> Result<()> {
    let mut cluster = Cluster::builder().start()?;
    let before = cluster.process(1).resident_bytes()?;
    let request = wire::encode_request_body(1, 1, None, &MetadataRequest::default())?;
    let mut held = Vec::new();
    for _ in 0..20 {
        let stream = connect(&cluster)?;
        stream.set_nonblocking(true)?;
        held.push(stream);
    }
    // Each sends until the broker takes no more, for at most five seconds in all.
    let start = Instant::now();
    let mut sent = 0_u64;
    while start.elapsed() < Duration::from_secs(5) && sent < 2 << 30 {
        let mut refused = 0;
        for stream in &mut held {
            match stream.write(&request) {
                Ok(bytes) => sent += u64::try_from(bytes)?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => refused += 1,
                Err(_) => refused += 1,
            }
        }
        if refused == held.len() {
            break;
        }
    }
    still_serves(&mut cluster)?;
    let grown = cluster.process(1).resident_bytes()?.saturating_sub(before);
    assert!(grown < 64 * MIB, "grew by {} MiB after {} MiB of requests", grown / MIB, sent / MIB);
    Ok(())
}

#[test]
fn ten_thousand_idle_connections_are_carried() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let mut cluster = Cluster::builder().start()?;
    let mut held = Vec::new();
    for number in 0..10_000 {
        held.push(connect(&cluster).with_context(|| format!("connection {number}"))?);
    }
    still_serves(&mut cluster)?;
    let resident = cluster.process(1).resident_bytes()?;
    assert!(resident < 256 * MIB, "{} MiB with 10,000 idle connections", resident / MIB);
    Ok(())
}

fn produce_request(topic: &str, acks: i16, records: Bytes) -> ProduceRequest {
    let mut partition = PartitionProduceData::default();
    partition.records = Some(records);
    let mut data = TopicProduceData::default();
    data.name = TopicName(wire::text(topic));
    data.partition_data = vec![partition];
    let mut request = ProduceRequest::default();
    request.acks = acks;
    request.timeout_ms = 10_000;
    request.topic_data = vec![data];
    request
}

fn batch(value: &[u8]) -> Result<Vec<u8>> {
    let mut builder = record::BatchBuilder::default();
    builder.append(1_700_000_000_000, None, Some(value), &[])?;
    Ok(builder.build()?.to_vec())
}

#[test]
fn a_batch_with_a_wrong_crc_is_refused_and_not_stored() -> Result<()> {
    let mut cluster = Cluster::builder().start()?;
    let address = cluster.bootstrap();
    runtime().block_on(async {
        let connection = Connection::negotiated(&address, &Options::default()).await?;
        let mut metadata = MetadataRequest::default();
        metadata.allow_auto_topic_creation = true;
        let mut topic = wire::messages::metadata_request::MetadataRequestTopic::default();
        topic.name = Some(TopicName(wire::text("crc")));
        metadata.topics = Some(vec![topic]);
        let start = Instant::now();
        loop {
            let answer = connection.call(&metadata).await?;
            if answer.topics.iter().all(|topic| topic.error_code == 0) {
                break;
            }
            anyhow::ensure!(start.elapsed() < DEADLINE, "the topic is not created: {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let good = batch(b"good")?;
        let mut bad = good.clone();
        *bad.last_mut().context("a batch has bytes")? ^= 1;
        for (records, expected, offset) in
            [(bad, ErrorCode::CorruptMessage, -1), (good.clone(), ErrorCode::None, 0), (good, ErrorCode::None, 1)]
        {
            let answer = connection.call(&produce_request("crc", 1, Bytes::from(records))).await?;
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((ErrorCode::from_code(partition.error_code), partition.base_offset), (expected, offset));
        }
        anyhow::Ok(())
    })?;
    still_serves(&mut cluster)
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() -> Result<()> {
    let mut cluster = Cluster::builder().property("log.segment.bytes", "4194304").start()?;
    cluster.stop_broker(1)?;
    let disk_path = cluster.path().join("small");
    let disk = SmallDisk::mount(&disk_path, 48)?;
    let broker = cluster.broker(1);
    broker.log_dir = disk_path.join("data");
    broker.prefix = disk.prefix();
    cluster.start_broker(1, integration::BrokerKind::Ours)?;

    let address = cluster.bootstrap();
    let acknowledged = runtime().block_on(fill(&address))?;
    assert!(acknowledged > 100, "only {acknowledged} records fitted");
    wait_until("the broker stops, its only log directory having failed", DEADLINE, || !cluster.process(1).is_running());

    disk.grow(256)?;
    cluster.start_broker(1, integration::BrokerKind::Ours)?;
    let mut seen = 0;
    runtime().block_on(async {
        let cluster = Arc::new(ClusterClient::new(ClientConfig::new(&address)?));
        let config =
            client::consumer::Config { offset_reset: client::consumer::OffsetReset::Earliest, ..Default::default() };
        let partitions = [(("full".to_owned(), 0), Some(0))].into();
        let mut consumer =
            client::consumer::Consumer::new(cluster, config, client::consumer::Subscription::Partitions(partitions));
        let start = Instant::now();
        while seen < acknowledged {
            for received in consumer.poll(Duration::from_secs(1)).await? {
                let value = received.record.value.context("every record has a value")?;
                let number: i64 = std::str::from_utf8(&value[..20])?.trim().parse()?;
                assert_eq!(
                    (number, received.record.offset),
                    (seen, seen),
                    "each record once, in order, where it was acknowledged"
                );
                seen += 1;
            }
            anyhow::ensure!(start.elapsed() < DEADLINE, "only {seen} of {acknowledged} acknowledged records are there");
        }
        anyhow::Ok(())
    })
}

/// Produces numbered records of 64 KiB until the broker takes no more; how many it acknowledged.
async fn fill(address: &str) -> Result<i64> {
    let cluster = Arc::new(ClusterClient::new(ClientConfig::new(address)?));
    let config = producer::Config { delivery_timeout: Duration::from_secs(5), ..producer::Config::default() };
    let producer = producer::Producer::new(cluster, config);
    for number in 0..10_000_i64 {
        let mut value = format!("{number:<20}").into_bytes();
        value.resize(65_536, b'x');
        let record = producer::Outgoing {
            topic: "full".to_owned(),
            partition: Some(0),
            value: Some(value.into()),
            ..Default::default()
        };
        match producer.send(record).await.await? {
            Ok(delivered) => assert_eq!(delivered.offset, number),
            Err(_) => return Ok(number),
        }
    }
    anyhow::bail!("the small disk never filled up")
}
