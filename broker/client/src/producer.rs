//! Sends records: gathered into batches per partition, one request per leader at a time, retried in order until acknowledged.
//! One request at a time keeps the order of a partition through retries, which matters more here than the last bit of speed.
//! All work is done by one task, which ends with the [`Producer`] once everything queued is settled.

mod batch;
mod request;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use record::codec::Compression;
use record::record::RecordHeader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use wire::ErrorCode;

use crate::cluster::ClusterClient;
use crate::error::{Error, check};
use crate::partitioner::Partitioner;
use batch::PartitionQueue;
use request::{Answers, ask_producer_id, produce};

/// `(topic, partition)`.
type Home = (String, i32);

/// Orders taken in at a time before batches are looked at.
const ORDERS_AT_ONCE: usize = 10_000;
/// Orders that wait to be taken in; what they hold is bounded by [`Config::buffer_bytes`].
const ORDERS_WAITING: usize = 1000;

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
    /// Most bytes of records not yet acknowledged; further sends wait.
    pub buffer_bytes: usize,
    /// How long a send waits for room or for its topic to be known.
    pub max_block: Duration,
    /// After how long to look anew how many partitions a topic has.
    pub metadata_max_age: Duration,
    /// How long the broker may wait for followers.
    pub request_timeout: Duration,
    /// How long a record is tried before it is given up.
    pub delivery_timeout: Duration,
    /// How often one batch is tried again.
    pub retries: u32,
    /// Pause before it is.
    pub retry_backoff: Duration,
    /// Ask for a producer id, so that a retry never doubles a record. Of no effect unless acks is -1.
    pub idempotent: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            acks: -1,
            compression: Compression::default(),
            linger: Duration::ZERO,
            batch_bytes: 16384,
            buffer_bytes: 32 << 20,
            max_block: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(300),
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
    /// Gives its bytes back when the record is settled.
    room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    fn fail(self, error: &Arc<Error>) {
        let _nobody_waits = self.outcome.send(Err(Arc::clone(error)));
    }
}

enum Order {
    Send(Queued),
    Flush(oneshot::Sender<()>),
}

/// A producer; its work is done by a task that ends with it.
#[derive(Debug)]
pub struct Producer {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    buffer_bytes: u32,
    max_block: Duration,
}

impl Producer {
    /// A producer for a cluster; connects when first used.
    #[must_use]
    pub fn new(cluster: Arc<ClusterClient>, config: Config) -> Self {
        let (orders, received) = mpsc::channel(ORDERS_WAITING);
        let buffer_bytes = u32::try_from(config.buffer_bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(usize::try_from(buffer_bytes).unwrap_or(usize::MAX)));
        let max_block = config.max_block;
        tokio::spawn(Sender::new(cluster, config).run(received));
        Self { orders, room, buffer_bytes, max_block }
    }

    /// Queues a record, waiting while there is no room. The receiver gives what becomes of it.
    pub async fn send(&self, record: Outgoing) -> oneshot::Receiver<Outcome> {
        let (outcome, received) = oneshot::channel();
        // A record larger than the whole buffer goes when it is alone.
        let bytes = u32::try_from(batch::size_of_record(&record)).unwrap_or(u32::MAX).min(self.buffer_bytes);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let queued = |room| Queued { record, at: Instant::now(), outcome, room };
        match tokio::time::timeout(self.max_block, room).await {
            // The task lives as long as this sender, so the channel is open.
            Ok(room) => drop(self.orders.send(Order::Send(queued(room.ok()))).await),
            Err(_) => {
                let text = format!("no room for {bytes} bytes within {:?}", self.max_block);
                queued(None).fail(&Arc::new(Error::broker("send", ErrorCode::RequestTimedOut, Some(&text))));
            }
        }
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

/// What is known of a topic.
struct Topic {
    partition_count: i32,
    learned: Instant,
}

/// A request that came back: whom it was sent to, with whose batches, and what was said.
type Landed = (i32, Vec<Home>, Result<Option<Answers>, Error>);

struct Sender {
    cluster: Arc<ClusterClient>,
    config: Config,
    queues: BTreeMap<Home, PartitionQueue>,
    partitioner: Partitioner,
    topics: BTreeMap<String, Topic>,
    leaders: BTreeMap<Home, i32>,
    /// When a topic may be asked for again.
    learn_due: BTreeMap<String, Instant>,
    producer_id: Option<(i64, i16)>,
    producer_id_due: Instant,
    /// Records whose topic is not known yet.
    homeless: VecDeque<Queued>,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// Leaders a request is under way to.
    busy: BTreeSet<i32>,
}

impl Sender {
    fn new(cluster: Arc<ClusterClient>, mut config: Config) -> Self {
        config.idempotent &= config.acks == -1;
        Self {
            cluster,
            config,
            queues: BTreeMap::new(),
            partitioner: Partitioner::default(),
            topics: BTreeMap::new(),
            leaders: BTreeMap::new(),
            learn_due: BTreeMap::new(),
            producer_id: None,
            producer_id_due: Instant::now(),
            homeless: VecDeque::new(),
            flights: FuturesUnordered::new(),
            busy: BTreeSet::new(),
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut received = Vec::new();
        let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
        let mut is_open = true;
        while is_open || !self.is_idle() {
            if self.is_idle() {
                for flushed in flushes.drain(..) {
                    let _nobody_waits = flushed.send(());
                }
            }
            let wake = self.next_wake(!flushes.is_empty() || !is_open);
            tokio::select! {
                count = orders.recv_many(&mut received, ORDERS_AT_ONCE), if is_open => is_open = count > 0,
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.take_answer(landed),
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
            for order in received.drain(..) {
                match order {
                    Order::Send(queued) => self.homeless.push_back(queued),
                    Order::Flush(done) => flushes.push(done),
                }
            }
            self.find_homes().await;
            self.send_due(!flushes.is_empty() || !is_open).await;
        }
    }

    fn is_idle(&self) -> bool {
        self.homeless.is_empty() && self.queues.values().all(PartitionQueue::is_empty)
    }

    /// When something is to be done that no answer and no order announces.
    fn next_wake(&self, hurry: bool) -> Option<Instant> {
        let of_queue = |(home, queue): (&Home, &PartitionQueue)| {
            let due = queue.due(&self.config, hurry)?;
            // Whoever waits for an answer, a leader or a producer id wakes with that.
            let leader = self.leaders.get(home);
            if leader.is_some_and(|leader| self.busy.contains(leader)) {
                return None;
            }
            let leader_due = if leader.is_some() { None } else { self.learn_due.get(&home.0).copied() };
            let needs_id = self.config.idempotent && self.producer_id.is_none();
            let id_due = needs_id.then_some(self.producer_id_due);
            Some([Some(due), leader_due, id_due].into_iter().flatten().fold(due, Instant::max))
        };
        let of_homeless = |queued: &Queued| self.learn_due.get(&queued.record.topic).copied();
        let queues = self.queues.iter().filter_map(of_queue);
        queues.chain(self.homeless.iter().filter_map(of_homeless)).min()
    }

    /// Puts every record with a known topic into its partition's queue.
    async fn find_homes(&mut self) {
        let stale = |topic: &str| {
            self.topics.get(topic).is_none_or(|known| self.config.metadata_max_age < known.learned.elapsed())
        };
        let reaches = |queued: &Queued| {
            let count = self.topics.get(&queued.record.topic).map_or(0, |known| known.partition_count);
            queued.record.partition.is_none_or(|partition| partition < count)
        };
        let unknown: BTreeSet<String> = self
            .homeless
            .iter()
            .filter(|queued| stale(&queued.record.topic) || !reaches(queued))
            .map(|queued| queued.record.topic.clone())
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
            let count = self.topics.get(topic).map(|known| known.partition_count);
            match (failed.get(topic), count) {
                (Some(error), _) => queued.fail(error),
                (None, Some(count)) if queued.record.partition.is_none_or(|partition| partition < count) => {
                    let key = queued.record.key.as_deref();
                    let partition =
                        queued.record.partition.unwrap_or_else(|| self.partitioner.partition(topic, key, count));
                    self.queues.entry((topic.clone(), partition)).or_default().push(queued);
                }
                _ if self.config.max_block < queued.at.elapsed() => {
                    let millis = self.config.max_block.as_millis();
                    let text = match (queued.record.partition, count) {
                        (Some(partition), Some(count)) => format!(
                            "Partition {partition} of topic {topic} with partition count {count} is not present in \
                             metadata after {millis} ms."
                        ),
                        _ => format!("Topic {topic} not present in metadata after {millis} ms."),
                    };
                    let error = Error::broker(format!("topic '{topic}'"), ErrorCode::RequestTimedOut, Some(&text));
                    queued.fail(&Arc::new(error));
                }
                _ => self.homeless.push_back(queued),
            }
        }
    }

    /// Learns a topic's partitions and leaders, not too often; asks the broker to create it if it does so by itself.
    async fn learn(&mut self, topic: &str) -> Result<(), Error> {
        let now = Instant::now();
        if self.learn_due.get(topic).is_some_and(|due| now < *due) {
            return Ok(());
        }
        let response = self.cluster.topic_metadata(topic, true).await;
        self.learn_due.insert(topic.to_owned(), Instant::now() + self.config.retry_backoff);
        for answer in &response?.topics {
            check(answer.error_code, None, || format!("topic '{topic}'"))?;
            for partition in &answer.partitions {
                let home = (topic.to_owned(), partition.partition_index);
                match partition.leader_id.0 {
                    leader if leader >= 0 => self.leaders.insert(home, leader),
                    _ => self.leaders.remove(&home),
                };
            }
            let partition_count = i32::try_from(answer.partitions.len()).unwrap_or(i32::MAX);
            self.topics.insert(topic.to_owned(), Topic { partition_count, learned: Instant::now() });
        }
        Ok(())
    }

    /// Builds batches that are due and sends one request to each leader that is not busy.
    async fn send_due(&mut self, hurry: bool) {
        let now = Instant::now();
        let due: Vec<Home> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.due(&self.config, hurry).is_some_and(|due| due <= now))
            .map(|(home, _)| home.clone())
            .collect();
        if due.is_empty() || !self.has_producer_id().await {
            return;
        }
        let mut per_leader: BTreeMap<i32, Vec<Home>> = BTreeMap::new();
        for home in due {
            if !self.leaders.contains_key(&home) {
                let _looked_for_again = self.learn(&home.0).await;
            }
            match self.leaders.get(&home) {
                Some(leader) if self.busy.contains(leader) => {}
                Some(leader) => per_leader.entry(*leader).or_default().push(home),
                None => {
                    let error = Error::broker(format!("{}-{}", home.0, home.1), ErrorCode::LeaderNotAvailable, None);
                    self.give_up_if_late(&home, error);
                }
            }
        }
        for (leader, homes) in per_leader {
            let mut batches = Vec::new();
            for home in homes {
                let Some(queue) = self.queues.get_mut(&home) else { continue };
                if let Some(records) = queue.take_off(&home, &self.config, self.producer_id) {
                    self.partitioner.batch_sent(&home.0);
                    batches.push((home, records));
                }
            }
            if batches.is_empty() {
                continue;
            }
            self.busy.insert(leader);
            let (cluster, config) = (Arc::clone(&self.cluster), self.config.clone());
            self.flights.push(Box::pin(async move {
                let answer = produce(&cluster, leader, &batches, &config).await;
                (leader, batches.into_iter().map(|(home, _)| home).collect(), answer)
            }));
        }
    }

    /// Whether batches can be built: with a producer id, where one is wanted.
    async fn has_producer_id(&mut self) -> bool {
        if !self.config.idempotent || self.producer_id.is_some() {
            return true;
        }
        if Instant::now() < self.producer_id_due {
            return false;
        }
        match ask_producer_id(&self.cluster).await {
            Ok(id) => self.producer_id = Some(id),
            Err(error) => {
                self.producer_id_due = Instant::now() + self.config.retry_backoff;
                let is_fatal = !error.is_retriable();
                let error = Arc::new(error);
                for queue in self.queues.values_mut() {
                    queue.fail_waiting(&error, if is_fatal { Duration::ZERO } else { self.config.delivery_timeout });
                }
            }
        }
        self.producer_id.is_some()
    }

    fn take_answer(&mut self, (leader, homes, answer): Landed) {
        self.busy.remove(&leader);
        match answer {
            // acks 0: sent is all there is to know.
            Ok(None) => {
                for home in &homes {
                    self.settle(home, -1, -1);
                }
            }
            Ok(Some(answers)) => {
                for home in &homes {
                    self.take_stored(home, &answers);
                }
            }
            Err(error) => {
                let code =
                    if error.is_retriable() { ErrorCode::NetworkException } else { ErrorCode::UnknownServerError };
                for home in &homes {
                    let error = Error::broker(format!("{}-{}", home.0, home.1), code, Some(&error.to_string()));
                    self.retry_or_fail(home, error);
                }
            }
        }
    }

    fn take_stored(&mut self, home: &Home, answers: &Answers) {
        let what = || format!("{}-{}", home.0, home.1);
        let Some(stored) = answers.get(home) else {
            return self
                .retry_or_fail(home, Error::broker(what(), ErrorCode::UnknownServerError, Some("not answered")));
        };
        match stored.code {
            // A duplicate is a retry of what was stored all the same.
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                self.settle(home, stored.base_offset, stored.log_append_time);
            }
            ErrorCode::MessageTooLarge if self.queues.get_mut(home).is_some_and(PartitionQueue::split) => {}
            code => self.retry_or_fail(home, Error::broker(what(), code, stored.message.as_deref())),
        }
    }

    fn settle(&mut self, home: &Home, base_offset: i64, log_append_time: i64) {
        if let Some(queue) = self.queues.get_mut(home) {
            queue.settle(home, base_offset, log_append_time);
        }
    }

    /// Keeps the batch for another try unless that is of no use.
    fn retry_or_fail(&mut self, home: &Home, error: Error) {
        // Whoever led may lead no longer.
        self.leaders.remove(home);
        let Some(queue) = self.queues.get_mut(home) else { return };
        if !queue.keep_for_retry(&self.config, &error) {
            self.fail(home, error);
        }
    }

    fn give_up_if_late(&mut self, home: &Home, error: Error) {
        let Some(queue) = self.queues.get_mut(home) else { return };
        let error = Arc::new(error);
        if queue.fail_waiting(&error, self.config.delivery_timeout) {
            self.producer_id = None;
        }
    }

    fn fail(&mut self, home: &Home, error: Error) {
        if let Some(queue) = self.queues.get_mut(home) {
            queue.fail_first(&Arc::new(error));
        }
        // The sequence has a hole now: only a new producer id makes a fresh start.
        self.producer_id = None;
    }
}

#[cfg(test)]
mod tests;
