//! Spreads the partitions this broker follows over fetchers: for every leader `num.replica.fetchers` of them, each with
//! a connection and a task of its own. Source: `AbstractFetcherManager`, `ReplicaFetcherManager` in Kafka 3.9.

mod requests;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use client::connection::Options;
use config::BrokerConfig;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use zk_schema::{BrokerId, TopicId, TopicPartition};

use crate::clock::Clock;
use crate::metadata;
use crate::replica::fetcher::Versions;
use crate::replica::{FetchTarget, Fetchers, ReplicaManager};

use worker::Worker;

/// Tells the broker's configuration as it is now.
pub type ConfigSource = Arc<dyn Fn() -> Arc<BrokerConfig> + Send + Sync>;

/// What all fetchers of a broker have in common.
struct Settings {
    broker: BrokerId,
    versions: Versions,
    /// Listener of leaders.
    listener: String,
    options: Options,
    backoff: Duration,
    wait_max_ms: i32,
    min_bytes: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
}

impl Settings {
    fn new(broker: BrokerId, config: &BrokerConfig) -> Self {
        let ms = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let request_timeout = ms(config.replica_socket_timeout_ms);
        Self {
            broker,
            versions: Versions::of(config.ibp()),
            listener: config.inter_broker_listener_name(),
            options: Options {
                request_timeout,
                connect_timeout: request_timeout,
                receive_buffer_bytes: usize::try_from(config.replica_socket_receive_buffer_bytes).ok(),
                ..Options::default()
            },
            backoff: ms(config.replica_fetch_backoff_ms),
            wait_max_ms: config.replica_fetch_wait_max_ms,
            min_bytes: config.replica_fetch_min_bytes,
            max_bytes: config.replica_fetch_response_max_bytes,
            partition_max_bytes: config.replica_fetch_max_bytes,
        }
    }
}

/// Which fetcher of which leader.
type Seat = (BrokerId, u32);

struct Running {
    worker: Arc<Worker>,
    /// Ends the task when dropped.
    task: AbortOnDropHandle<()>,
}

/// All fetchers of a broker.
pub struct ReplicaFetchers {
    settings: Arc<Settings>,
    config: ConfigSource,
    metadata: Arc<metadata::Cache>,
    /// Owns us in turn.
    replicas: Weak<ReplicaManager>,
    clock: Arc<Clock>,
    runtime: Handle,
    /// `None` once stopped for good.
    running: Mutex<Option<BTreeMap<Seat, Running>>>,
}

impl ReplicaFetchers {
    /// No fetchers yet. Their tasks run where this is called.
    #[must_use]
    pub fn new(
        broker: BrokerId,
        config: ConfigSource,
        metadata: Arc<metadata::Cache>,
        replicas: &Arc<ReplicaManager>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            settings: Arc::new(Settings::new(broker, &config())),
            config,
            metadata,
            replicas: Arc::downgrade(replicas),
            clock,
            runtime: Handle::current(),
            running: Mutex::new(Some(BTreeMap::new())),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<BTreeMap<Seat, Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all fetching for good.
    pub async fn shut_down(&self) {
        let ended = self.running().take().unwrap_or_default();
        for running in ended.into_values() {
            running.task.abort();
            // Cancelled, which is what was asked for.
            let _cancelled = running.task.await;
        }
    }

    fn spawn(&self, (leader, index): Seat) -> Running {
        let mut options = self.settings.options.clone();
        options.client_id = format!("broker-{}-fetcher-{index}", self.settings.broker);
        let worker = Arc::new(Worker::new(
            leader,
            options,
            Arc::clone(&self.settings),
            Arc::clone(&self.metadata),
            Weak::clone(&self.replicas),
            Arc::clone(&self.clock),
        ));
        let task = AbortOnDropHandle::new(self.runtime.spawn(Arc::clone(&worker).run()));
        tracing::info!(%leader, index, "fetcher started");
        Running { worker, task }
    }
}

impl Fetchers for ReplicaFetchers {
    fn start(&self, targets: Vec<FetchTarget>) {
        let count = u32::try_from((self.config)().num_replica_fetchers).unwrap_or(1).max(1);
        let mut by_seat: BTreeMap<Seat, Vec<FetchTarget>> = BTreeMap::new();
        for target in targets {
            by_seat.entry((target.leader, index(&target.partition, count))).or_default().push(target);
        }
        let mut running = self.running();
        let Some(running) = &mut *running else { return };
        for (seat, targets) in by_seat {
            running.entry(seat).or_insert_with(|| self.spawn(seat)).worker.start(&targets);
        }
    }

    fn stop(&self, partitions: &[TopicPartition]) {
        if let Some(running) = &*self.running() {
            running.values().for_each(|running| running.worker.stop(partitions));
        }
    }

    fn set_topic_ids(&self, ids: &[(TopicPartition, Option<TopicId>)]) {
        if let Some(running) = &*self.running() {
            running.values().for_each(|running| running.worker.set_topic_ids(ids));
        }
    }

    fn stop_idle(&self) {
        if let Some(running) = &mut *self.running() {
            running.retain(|(leader, index), running| {
                let is_idle = running.worker.is_idle();
                if is_idle {
                    tracing::info!(%leader, index, "fetcher ended: nothing is fetched by it any more");
                }
                !is_idle
            });
        }
    }
}

/// Which of `count` fetchers of its leader a partition belongs to: those of one topic are spread evenly.
fn index(partition: &TopicPartition, count: u32) -> u32 {
    let name = partition.topic.as_str().bytes();
    let hash = name.fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    hash.wrapping_mul(31).wrapping_add(partition.partition.cast_unsigned()) % count
}

#[cfg(test)]
mod tests;
