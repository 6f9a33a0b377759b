//! Sends records: gathered into batches per partition, one request per leader at a time, retried in order until acknowledged.
//! One request at a time keeps the order of a partition through retries, which matters more here than the last bit of speed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use record::builder::{BatchBuilder, BatchOptions};
use record::codec::Compression;
use record::record::RecordHeader;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::{InitProducerIdRequest, ProduceRequest, ProducerId, TopicName, TransactionalId};
use wire::{ErrorCode, StrBytes};

use crate::cluster::ClusterClient;
use crate::error::{Error, check};
use crate::partitioner::Partitioner;

/// How a producer sends.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0, 1 or -1 (all).
    pub acks: i16,
    /// Codec and level of every batch.
    pub compression: Compression,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
    /// A batch is full at this many bytes, before compression.
    pub batch_bytes: usize,
    /// Records not yet acknowledged; further sends wait. At least 1.
    pub buffered_records_max: usize,
    /// How long the broker may wait for followers.
    pub request_timeout: Duration,
    /// How long a record is tried before it is given up.
    pub delivery_timeout: Duration,
    /// How often one batch is tried again.
    pub retries: u32,
    /// Pause before it is.
    pub retry_backoff: Duration,
    /// Ask for a producer id, so that a retry never doubles a record. Only with acks -1.
    pub idempotent: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            acks: -1,
            compression: Compression::default(),
            linger: Duration::ZERO,
            batch_bytes: 16384,
            buffered_records_max: 100_000,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            retry_backoff: Duration::from_millis(100),
            idempotent: true,
        }
    }
}

/// A record to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Topic.
    pub topic: String,
    /// Partition, or the partitioner's choice.
    pub partition: Option<i32>,
    /// Milliseconds since 1970, or now.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<RecordHeader>,
}

/// Where a record was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset, or -1 with acks 0.
    pub offset: i64,
    /// Timestamp stored with it.
    pub timestamp: i64,
}

/// What becomes of a record. Many records share one batch and so one error.
pub type Outcome = Result<Delivered, Arc<Error>>;

struct Queued {
    record: Outgoing,
    at: Instant,
    outcome: oneshot::Sender<Outcome>,
}

enum Order {
    Send(Queued),
    Flush(oneshot::Sender<()>),
}

/// A producer; its work is done by a task that ends with it.
#[derive(Debug)]
pub struct Producer {
    orders: mpsc::Sender<Order>,
}

impl Producer {
    /// A producer for a cluster; connects when first used.
    #[must_use]
    pub fn new(cluster: Arc<ClusterClient>, config: Config) -> Self {
        let (orders, received) = mpsc::channel(config.buffered_records_max.max(1));
        tokio::spawn(Sender::new(cluster, config).run(received));
        Self { orders }
    }

    /// Queues a record, waiting while too many are queued. The receiver gives what becomes of it.
    pub async fn send(&self, record: Outgoing) -> oneshot::Receiver<Outcome> {
        let (outcome, received) = oneshot::channel();
        // The task lives as long as this sender, so the channel is open.
        let _open = self.orders.send(Order::Send(Queued { record, at: Instant::now(), outcome })).await;
        received
    }

    /// Waits until every record queued before is acknowledged or given up.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.orders.send(Order::Flush(done)).await.is_ok() {
            let _ended = flushed.await;
        }
    }
}

/// Records of one partition on their way: the first batch may have been sent before.
struct Batch {
    records: Bytes,
    base_sequence: i32,
    count: i32,
    timestamps: Vec<i64>,
    outcomes: Vec<oneshot::Sender<Outcome>>,
    at: Instant,
    attempts: u32,
}

#[derive(Default)]
struct PartitionQueue {
    waiting: VecDeque<Queued>,
    waiting_bytes: usize,
    /// Built, and perhaps sent; kept as it is until settled so that a retry is the same batch.
    batch: Option<Batch>,
    next_sequence: i32,
}

struct Sender {
    cluster: Arc<ClusterClient>,
    config: Config,
    queues: BTreeMap<(String, i32), PartitionQueue>,
    partitioner: Partitioner,
    partition_counts: BTreeMap<String, i32>,
    leaders: BTreeMap<(String, i32), i32>,
    producer_id: Option<(i64, i16)>,
    /// Records whose topic is not known yet.
    homeless: VecDeque<Queued>,
}

impl Sender {
    fn new(cluster: Arc<ClusterClient>, config: Config) -> Self {
        Self {
            cluster,
            config,
            queues: BTreeMap::new(),
            partitioner: Partitioner::default(),
            partition_counts: BTreeMap::new(),
            leaders: BTreeMap::new(),
            producer_id: None,
            homeless: VecDeque::new(),
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut received = Vec::new();
        let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            if self.is_idle() {
                for flushed in flushes.drain(..) {
                    let _gone = flushed.send(());
                }
                if orders.recv_many(&mut received, 10_000).await == 0 {
                    return;
                }
            } else {
                while let Ok(order) = orders.try_recv() {
                    received.push(order);
                    if received.len() >= 10_000 {
                        break;
                    }
                }
            }
            for order in received.drain(..) {
                match order {
                    Order::Send(queued) => self.homeless.push_back(queued),
                    Order::Flush(done) => flushes.push(done),
                }
            }
            self.find_homes().await;
            let hurry = !flushes.is_empty() || orders.is_closed();
            if !self.send_due(hurry).await && !self.is_idle() {
                tokio::time::sleep(self.pause(hurry)).await;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.homeless.is_empty() && self.queues.values().all(|queue| queue.waiting.is_empty() && queue.batch.is_none())
    }

    fn pause(&self, hurry: bool) -> Duration {
        let retrying = self.queues.values().any(|queue| queue.batch.is_some()) || !self.homeless.is_empty();
        if retrying {
            self.config.retry_backoff
        } else if hurry {
            Duration::ZERO
        } else {
            // Short enough not to overrun a linger by much, long enough to gather.
            self.config.linger.clamp(Duration::from_micros(200), Duration::from_millis(5))
        }
    }

    /// Puts every record with a known topic into its partition's queue.
    async fn find_homes(&mut self) {
        let unknown: Vec<String> = self
            .homeless
            .iter()
            .map(|queued| queued.record.topic.clone())
            .filter(|topic| !self.partition_counts.contains_key(topic))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut failed: BTreeMap<String, Arc<Error>> = BTreeMap::new();
        for topic in unknown {
            if let Err(error) = self.learn(&topic).await
                && !error.is_retriable()
            {
                failed.insert(topic, Arc::new(error));
            }
        }
        for queued in std::mem::take(&mut self.homeless) {
            let topic = &queued.record.topic;
            if let Some(error) = failed.get(topic) {
                let _gone = queued.outcome.send(Err(Arc::clone(error)));
            } else if let Some(count) = self.partition_counts.get(topic) {
                let record = &queued.record;
                let partition = record
                    .partition
                    .unwrap_or_else(|| self.partitioner.partition(topic, record.key.as_deref(), *count));
                let queue = self.queues.entry((topic.clone(), partition)).or_default();
                queue.waiting_bytes += size_of_record(record);
                queue.waiting.push_back(queued);
            } else if queued.at.elapsed() > self.config.delivery_timeout {
                let error = Error::broker(format!("topic '{topic}'"), ErrorCode::UnknownTopicOrPartition, None);
                let _gone = queued.outcome.send(Err(Arc::new(error)));
            } else {
                self.homeless.push_back(queued);
            }
        }
    }

    /// Learns a topic's partitions and leaders; asks the broker to create it if it does so by itself.
    async fn learn(&mut self, topic: &str) -> Result<(), Error> {
        let mut request = wire::messages::MetadataRequest::default();
        request.allow_auto_topic_creation = true;
        let mut wanted = wire::messages::metadata_request::MetadataRequestTopic::default();
        wanted.name = Some(TopicName(wire::text(topic)));
        request.topics = Some(vec![wanted]);
        let response = self.cluster.metadata_as(&request).await?;
        for answer in &response.topics {
            check(answer.error_code, None, || format!("topic '{topic}'"))?;
            for partition in &answer.partitions {
                self.leaders.insert((topic.to_owned(), partition.partition_index), partition.leader_id.0);
            }
            let count = i32::try_from(answer.partitions.len()).unwrap_or(i32::MAX);
            self.partition_counts.insert(topic.to_owned(), count);
        }
        Ok(())
    }

    /// Builds batches that are due and sends one request to each leader. Says whether anything was settled.
    async fn send_due(&mut self, hurry: bool) -> bool {
        if self.config.idempotent && self.producer_id.is_none() && !self.queues.is_empty() {
            match self.ask_producer_id().await {
                Ok(id) => self.producer_id = Some(id),
                Err(error) if error.is_retriable() => return false,
                Err(error) => {
                    self.fail_all(&Arc::new(error));
                    return true;
                }
            }
        }
        let mut settled = self.build_due(hurry);
        let mut per_leader: BTreeMap<i32, Vec<(String, i32)>> = BTreeMap::new();
        let mut leaderless = Vec::new();
        for (home, queue) in &self.queues {
            if queue.batch.is_some() {
                match self.leaders.get(home).filter(|leader| **leader >= 0) {
                    Some(leader) => per_leader.entry(*leader).or_default().push(home.clone()),
                    None => leaderless.push(home.clone()),
                }
            }
        }
        for (topic, _) in &leaderless {
            let _tried_again_later = self.learn(topic).await;
        }
        let requests: Vec<_> = per_leader
            .into_iter()
            .map(|(leader, homes)| {
                let request = self.request(&homes);
                let cluster = Arc::clone(&self.cluster);
                let config = self.config.clone();
                async move { (homes, produce(&cluster, leader, request, &config).await) }
            })
            .collect();
        for (homes, answer) in futures::future::join_all(requests).await {
            settled |= self.take_answer(&homes, answer);
        }
        for home in leaderless {
            self.retry_or_fail(&home, Error::broker(home.0.clone(), ErrorCode::LeaderNotAvailable, None));
        }
        settled
    }

    fn build_due(&mut self, hurry: bool) -> bool {
        let mut settled = false;
        let config = &self.config;
        for (home, queue) in &mut self.queues {
            let Some(oldest) = queue.waiting.front().map(|queued| queued.at) else { continue };
            let due = hurry || queue.waiting_bytes >= config.batch_bytes || oldest.elapsed() >= config.linger;
            if queue.batch.is_none() && due {
                match build(queue, config, self.producer_id) {
                    Ok(batch) => queue.batch = Some(batch),
                    Err((outcome, error)) => {
                        let error = Error::broker(
                            format!("record for {}-{}", home.0, home.1),
                            ErrorCode::InvalidRecord,
                            Some(&error),
                        );
                        let _gone = outcome.send(Err(Arc::new(error)));
                        settled = true;
                    }
                }
                self.partitioner.batch_sent(&home.0);
            }
        }
        settled
    }

    fn request(&self, homes: &[(String, i32)]) -> ProduceRequest {
        let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
        for home in homes {
            if let Some(batch) = self.queues.get(home).and_then(|queue| queue.batch.as_ref()) {
                let mut data = PartitionProduceData::default();
                data.index = home.1;
                data.records = Some(batch.records.clone());
                topics.entry(&home.0).or_default().push(data);
            }
        }
        let mut request = ProduceRequest::default();
        request.transactional_id = None::<TransactionalId>;
        request.acks = self.config.acks;
        request.timeout_ms = i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX);
        request.topic_data = topics
            .into_iter()
            .map(|(name, partition_data)| {
                let mut topic = TopicProduceData::default();
                topic.name = TopicName(wire::text(name));
                topic.partition_data = partition_data;
                topic
            })
            .collect();
        request
    }

    fn take_answer(&mut self, homes: &[(String, i32)], answer: Result<Option<Answers>, Error>) -> bool {
        match answer {
            // acks 0: sent is all there is to know.
            Ok(None) => {
                for home in homes {
                    self.settle(home, -1, -1);
                }
                true
            }
            Ok(Some(stored)) => {
                let mut settled = false;
                for home in homes {
                    match stored.get(home) {
                        Some(stored)
                            if !stored.code.is_error() || stored.code == ErrorCode::DuplicateSequenceNumber =>
                        {
                            self.settle(home, stored.base_offset, stored.log_append_time);
                            settled = true;
                        }
                        Some(stored) => {
                            let error =
                                Error::broker(format!("{}-{}", home.0, home.1), stored.code, stored.message.as_deref());
                            settled |= self.retry_or_fail(home, error);
                        }
                        None => {
                            let error = Error::broker(
                                format!("{}-{}: not answered", home.0, home.1),
                                ErrorCode::UnknownServerError,
                                None,
                            );
                            settled |= self.retry_or_fail(home, error);
                        }
                    }
                }
                settled
            }
            Err(error) => {
                let mut settled = false;
                let text = error.to_string();
                let retriable = error.is_retriable();
                for home in homes {
                    let code = if retriable { ErrorCode::NetworkException } else { ErrorCode::UnknownServerError };
                    settled |=
                        self.retry_or_fail(home, Error::broker(format!("{}-{}", home.0, home.1), code, Some(&text)));
                }
                settled
            }
        }
    }

    fn settle(&mut self, home: &(String, i32), base_offset: i64, log_append_time: i64) {
        let Some(queue) = self.queues.get_mut(home) else { return };
        let Some(batch) = queue.batch.take() else { return };
        queue.next_sequence = next_sequence(batch.base_sequence, batch.count);
        for ((index, outcome), timestamp) in (0_i64..).zip(batch.outcomes).zip(batch.timestamps) {
            let offset = if base_offset < 0 { -1 } else { base_offset + index };
            let timestamp = if log_append_time >= 0 { log_append_time } else { timestamp };
            let _gone = outcome.send(Ok(Delivered { topic: home.0.clone(), partition: home.1, offset, timestamp }));
        }
    }

    /// Keeps the batch for another try unless that is of no use. Says whether it was given up.
    fn retry_or_fail(&mut self, home: &(String, i32), error: Error) -> bool {
        // Whoever led may lead no longer.
        self.leaders.remove(home);
        let Some(queue) = self.queues.get_mut(home) else { return false };
        let Some(batch) = queue.batch.as_mut() else { return false };
        batch.attempts += 1;
        let in_time = batch.at.elapsed() < self.config.delivery_timeout && batch.attempts <= self.config.retries;
        if in_time && error.is_retriable() {
            return false;
        }
        let error = Arc::new(error);
        if let Some(batch) = queue.batch.take() {
            for outcome in batch.outcomes {
                let _gone = outcome.send(Err(Arc::clone(&error)));
            }
        }
        // The sequence has a hole now: only a new producer id makes a fresh start.
        self.producer_id = None;
        for queue in self.queues.values_mut() {
            queue.next_sequence = 0;
        }
        true
    }

    fn fail_all(&mut self, error: &Arc<Error>) {
        for queue in self.queues.values_mut() {
            for queued in queue.waiting.drain(..) {
                let _gone = queued.outcome.send(Err(Arc::clone(error)));
            }
            queue.waiting_bytes = 0;
            for outcome in queue.batch.take().into_iter().flat_map(|batch| batch.outcomes) {
                let _gone = outcome.send(Err(Arc::clone(error)));
            }
        }
    }

    async fn ask_producer_id(&self) -> Result<(i64, i16), Error> {
        let connection = self.cluster.any().await?;
        let mut request = InitProducerIdRequest::default();
        request.transactional_id = None;
        request.transaction_timeout_ms = 60_000;
        request.producer_id = ProducerId(-1);
        request.producer_epoch = -1;
        let response = connection.call(&request).await?;
        check(response.error_code, None, || "producer id".to_owned())?;
        Ok((response.producer_id.0, response.producer_epoch))
    }
}

/// What a leader said of each partition.
type Answers = BTreeMap<(String, i32), Stored>;

struct Stored {
    code: ErrorCode,
    message: Option<StrBytes>,
    base_offset: i64,
    log_append_time: i64,
}

async fn produce(
    cluster: &ClusterClient,
    leader: i32,
    request: ProduceRequest,
    config: &Config,
) -> Result<Option<Answers>, Error> {
    let connection = cluster.broker(leader).await?;
    let version = connection.version_of::<ProduceRequest>(i16::MAX)?;
    if config.acks == 0 {
        connection.send_unanswered(version, &request).await?;
        return Ok(None);
    }
    let wait = config.request_timeout + Duration::from_secs(5);
    let response = connection.call_within(version, &request, wait).await?;
    let mut stored = BTreeMap::new();
    for topic in response.responses {
        for partition in topic.partition_responses {
            let answer = Stored {
                code: ErrorCode::from_code(partition.error_code),
                message: partition.error_message,
                base_offset: partition.base_offset,
                log_append_time: partition.log_append_time_ms,
            };
            stored.insert((topic.name.0.to_string(), partition.index), answer);
        }
    }
    Ok(Some(stored))
}

fn size_of_record(record: &Outgoing) -> usize {
    BatchBuilder::record_size_upper_bound(record.key.as_deref(), record.value.as_deref(), &record.headers)
}

/// Takes records off the queue until the batch is full. On an error the record at fault is taken out.
fn build(
    queue: &mut PartitionQueue,
    config: &Config,
    id: Option<(i64, i16)>,
) -> Result<Batch, (oneshot::Sender<Outcome>, String)> {
    let (producer_id, producer_epoch) = id.unwrap_or((-1, -1));
    let base_sequence = if id.is_some() { queue.next_sequence } else { -1 };
    let options = BatchOptions {
        compression: config.compression,
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    let (mut timestamps, mut outcomes) = (Vec::new(), Vec::new());
    let mut at = Instant::now();
    while let Some(queued) = queue.waiting.front() {
        let size = size_of_record(&queued.record);
        if !builder.is_empty() && builder.uncompressed_size_in_bytes() + size > config.batch_bytes {
            break;
        }
        let Some(queued) = queue.waiting.pop_front() else { break };
        queue.waiting_bytes = queue.waiting_bytes.saturating_sub(size);
        let timestamp = queued.record.timestamp.unwrap_or_else(now_ms);
        let record = &queued.record;
        if let Err(error) = builder.append(timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers) {
            if outcomes.is_empty() {
                return Err((queued.outcome, error.to_string()));
            }
            let error = Error::broker(record.topic.clone(), ErrorCode::InvalidRecord, Some(&error.to_string()));
            let _gone = queued.outcome.send(Err(Arc::new(error)));
            break;
        }
        at = at.min(queued.at);
        timestamps.push(timestamp);
        outcomes.push(queued.outcome);
    }
    let count = builder.count();
    match builder.build() {
        Ok(records) => Ok(Batch { records, base_sequence, count, timestamps, outcomes, at, attempts: 0 }),
        Err(error) => {
            let message = error.to_string();
            let mut outcomes = outcomes.into_iter();
            let first = outcomes.next().expect("an empty batch is not built");
            for outcome in outcomes {
                let _gone =
                    outcome.send(Err(Arc::new(Error::broker("batch", ErrorCode::InvalidRecord, Some(&message)))));
            }
            Err((first, message))
        }
    }
}

/// Sequences wrap from 2^31-1 to 0.
fn next_sequence(base: i32, count: i32) -> i32 {
    if base < 0 { 0 } else { base.wrapping_add(count) & i32::MAX }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
