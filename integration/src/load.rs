//! A load whose cost is small beside the broker's: batches made beforehand, sent again and again, answers barely read.
//! What is measured is the broker: throughput, latency, processor time per gigabyte, memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use rand::{RngCore as _, SeedableRng as _};
use wire::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::{BrokerId, FetchRequest, ProduceRequest, TopicName};

/// Versions every broker of 2.4 and later serves.
const PRODUCE_VERSION: i16 = 8;
const FETCH_VERSION: i16 = 11;

/// One row of a bench.
#[derive(Clone, Debug)]
pub struct Load {
    /// Name of the row.
    pub label: &'static str,
    /// What is done.
    pub kind: Kind,
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Bytes of each batch, about; at least one record.
    pub batch_bytes: usize,
    /// Connections, each with a thread of its own here.
    pub connections: usize,
    /// Requests under way on each.
    pub in_flight: usize,
    /// How long.
    pub duration: Duration,
}

/// Which way the records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Into the broker, with these acks.
    Produce(i16),
    /// Out of it, at most this many bytes a response.
    Fetch(i32),
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Bytes of record batches moved.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Milliseconds from request to answer, ascending.
    pub latencies_ms: Vec<f64>,
    /// Processor seconds the broker spent.
    pub broker_cpu_seconds: f64,
    /// The broker's resident memory afterwards.
    pub broker_resident_bytes: u64,
}

impl Measured {
    /// Megabytes (10^6) a second.
    #[must_use]
    pub fn megabytes_per_second(&self) -> f64 {
        as_f64(self.bytes) / 1e6 / self.seconds
    }

    /// Processor seconds of the broker per gigabyte (10^9).
    #[must_use]
    pub fn cpu_seconds_per_gigabyte(&self) -> f64 {
        self.broker_cpu_seconds / (as_f64(self.bytes) / 1e9)
    }

    /// The latency that `share` (0 to 1) of the requests stayed within.
    #[must_use]
    pub fn latency_ms(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a bench"
        )]
        let index = (self.latencies_ms.len() as f64 * share) as usize;
        self.latencies_ms.get(index.min(self.latencies_ms.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a bench's byte counts are far below 2^52")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

/// Puts `load` on the broker at `address`, whose process is `pid`, in partitions 0.. of `topic`.
///
/// # Errors
/// When a connection breaks or the broker answers with an error.
pub fn run(load: &Load, address: &str, pid: u32, topic: &str, partitions: i32) -> Result<Measured> {
    let stop = AtomicBool::new(false);
    let cpu_before = cpu_seconds(pid)?;
    let start = Instant::now();
    let results = std::thread::scope(|scope| -> Result<Vec<(u64, Vec<f64>)>> {
        let threads: Vec<_> = (0..load.connections)
            .map(|index| {
                let stop = &stop;
                scope.spawn(move || {
                    let partition = i32::try_from(index)? % partitions;
                    let outcome = match load.kind {
                        Kind::Produce(acks) => produce(load, acks, address, topic, partition, stop),
                        Kind::Fetch(bytes_max) => fetch(load, bytes_max, address, topic, partition, stop),
                    };
                    // One that fails ends the others too.
                    stop.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    outcome
                })
            })
            .collect();
        while start.elapsed() < load.duration && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a load thread panicked"))?)
            .collect()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut measured = Measured {
        seconds,
        broker_cpu_seconds: cpu_seconds(pid)? - cpu_before,
        broker_resident_bytes: resident_bytes(pid)?,
        ..Measured::default()
    };
    for (bytes, latencies) in results {
        measured.bytes += bytes;
        measured.latencies_ms.extend(latencies);
    }
    measured.latencies_ms.sort_by(f64::total_cmp);
    Ok(measured)
}

fn batch(load: &Load) -> Result<Bytes> {
    let mut random = rand::rngs::StdRng::seed_from_u64(4711);
    let mut builder = record::BatchBuilder::default();
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let mut value = vec![0; load.record_bytes];
    while builder.is_empty() || builder.uncompressed_size_in_bytes() + load.record_bytes + 16 < load.batch_bytes {
        random.fill_bytes(&mut value);
        builder.append(now, None, Some(&value), &[])?;
    }
    Ok(builder.build()?)
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

fn read_frame(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    buffer.resize(usize::try_from(i32::from_be_bytes(head))?, 0);
    stream.read_exact(buffer)?;
    Ok(())
}

fn produce(
    load: &Load,
    acks: i16,
    address: &str,
    topic: &str,
    index: i32,
    stop: &AtomicBool,
) -> Result<(u64, Vec<f64>)> {
    let records = batch(load)?;
    let size = u64::try_from(records.len())?;
    let mut partition = PartitionProduceData::default();
    partition.index = index;
    partition.records = Some(records);
    let mut data = TopicProduceData::default();
    data.name = TopicName(wire::text(topic));
    data.partition_data = vec![partition];
    let mut request = ProduceRequest::default();
    request.acks = acks;
    request.timeout_ms = 30_000;
    request.topic_data = vec![data];
    let frame = wire::encode_request_body(PRODUCE_VERSION, 1, None, &request)?;
    let mut stream = connect(address)?;
    let mut sent = std::collections::VecDeque::new();
    let mut buffer = Vec::new();
    let (mut bytes, mut latencies) = (0, Vec::new());
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        while !stopping && sent.len() < load.in_flight {
            sent.push_back(Instant::now());
            stream.write_all(&frame)?;
        }
        let Some(at) = sent.pop_front() else { return Ok((bytes, latencies)) };
        read_frame(&mut stream, &mut buffer)?;
        latencies.push(at.elapsed().as_secs_f64() * 1000.0);
        bytes += size;
        let (_, answer) =
            wire::decode_response_body::<ProduceRequest>(Bytes::copy_from_slice(&buffer), PRODUCE_VERSION)?;
        let error = answer.responses[0].partition_responses[0].error_code;
        ensure!(error == 0, "the broker answers error {error}");
    }
}

fn fetch(
    load: &Load,
    bytes_max: i32,
    address: &str,
    topic: &str,
    index: i32,
    stop: &AtomicBool,
) -> Result<(u64, Vec<f64>)> {
    let mut stream = connect(address)?;
    let mut offset = 0;
    let (mut bytes, mut latencies) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let mut partition = FetchPartition::default();
        partition.partition = index;
        partition.current_leader_epoch = -1;
        partition.fetch_offset = offset;
        partition.log_start_offset = -1;
        partition.partition_max_bytes = bytes_max;
        let mut wanted = FetchTopic::default();
        wanted.topic = TopicName(wire::text(topic));
        wanted.partitions = vec![partition];
        let mut request = FetchRequest::default();
        request.replica_id = BrokerId(-1);
        request.max_wait_ms = 100;
        request.min_bytes = 1;
        request.max_bytes = bytes_max;
        request.session_epoch = -1;
        request.topics = vec![wanted];
        let at = Instant::now();
        stream.write_all(&wire::encode_request_body(FETCH_VERSION, 1, None, &request)?)?;
        let mut buffer = Vec::new();
        read_frame(&mut stream, &mut buffer)?;
        latencies.push(at.elapsed().as_secs_f64() * 1000.0);
        let (_, answer) = wire::decode_response_body::<FetchRequest>(Bytes::from(buffer), FETCH_VERSION)?;
        let partition = &answer.responses[0].partitions[0];
        let retention_took_it = partition.error_code == wire::ErrorCode::OffsetOutOfRange.code();
        ensure!(partition.error_code == 0 || retention_took_it, "the broker answers error {}", partition.error_code);
        let records = partition.records.clone().unwrap_or_default();
        bytes += u64::try_from(records.len())?;
        for batch in record::batches(records) {
            offset = batch?.next_offset();
        }
        if offset >= partition.high_watermark || retention_took_it {
            offset = partition.log_start_offset.max(0);
        }
    }
    ensure!(load.in_flight > 0, "nothing to do");
    Ok((bytes, latencies))
}

/// Processor seconds a process has spent, in user and kernel mode.
///
/// # Errors
/// When the process is gone.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second()))
}

fn resident_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS line")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? * 1024)
}
