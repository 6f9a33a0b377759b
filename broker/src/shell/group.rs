//! The group coordinator of this broker: which `__consumer_offsets` partitions it serves, and the way to them.
//! Decides nothing about groups: each partition's task asks its [`coordinator::group::GroupShard`].
//!
//! ```text
//! handler ──ask──▶ GroupCoordinator ──queue──▶ task of the group's partition ──append──▶ log
//! replica manager ──elected, resigned──▶        (shard, timers, appends on their way)
//! ```
//! Source: `GroupCoordinator`, `GroupMetadataManager.scheduleLoadGroupAndOffsets`, `removeGroupsForPartition`.

mod load;
mod shard;
mod stored;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::BrokerConfig;
use coordinator::group::{Census, Error, Event, Overview, Reply, Request, StateName};
use record::Codec;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zk_schema::types::{CONSUMER_OFFSETS, LeaderEpoch, ProducerId, TopicPartition, coordinator_partition};

use crate::clock::Clock;
use crate::replica::LeadershipListener;
use crate::shell::coordinator_log::CoordinatorLog;
use shard::{Command, Shared, Start};

/// How many requests may wait for one partition's task; beyond that their connections wait.
const QUEUE_LENGTH: usize = 1024;

/// How many partitions load at once.
const LOADING_AT_ONCE: usize = 2;

/// Coordinates the groups of the partitions this broker leads.
pub struct GroupCoordinator {
    shared: Arc<Shared>,
    /// Orders may come on a thread that is not the runtime's.
    runtime: Handle,
    partition_count: AtomicI32,
    stopped: AtomicBool,
    partitions: Mutex<BTreeMap<i32, Partition>>,
}

/// What is known of one partition: it stays known after it was given up, so that orders that come late are seen to be
/// late.
struct Partition {
    leader_epoch: Option<LeaderEpoch>,
    serving: Option<Serving>,
    task: Option<JoinHandle<()>>,
}

struct Serving {
    commands: mpsc::Sender<Command>,
    give_up: CancellationToken,
}

/// The coordinator was stopped before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the group coordinator was stopped")]
pub struct Stopped;

impl GroupCoordinator {
    /// A coordinator that serves no partition yet. Until [`GroupCoordinator::set_partition_count`] is called,
    /// `__consumer_offsets` is taken to have as many partitions as it would be created with. Must be called within a
    /// runtime, where its tasks will run.
    #[must_use]
    pub fn new(config: &BrokerConfig, clock: Arc<Clock>, log: Arc<dyn CoordinatorLog>) -> Self {
        let ms = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(1).max(1));
        let codec = u8::try_from(config.offsets_topic_compression_codec).ok().and_then(|id| Codec::from_id(id).ok());
        let shared = Shared {
            log,
            clock,
            config: coordinator::group::Config::of_broker(config),
            format: stored::Format { ibp: config.ibp(), compression: codec.unwrap_or(Codec::None).into() },
            commit_timeout: ms(i64::from(config.offsets_commit_timeout_ms)),
            commit_required_acks: config.offsets_commit_required_acks,
            expiry_interval: ms(config.offsets_retention_check_interval_ms),
            load_buffer_size: usize::try_from(config.offsets_load_buffer_size).unwrap_or(1),
            loading: Semaphore::new(LOADING_AT_ONCE),
        };
        Self {
            shared: Arc::new(shared),
            runtime: Handle::current(),
            partition_count: AtomicI32::new(config.offsets_topic_num_partitions),
            stopped: AtomicBool::new(false),
            partitions: Mutex::default(),
        }
    }

    /// `__consumer_offsets` exists, with so many partitions. Should the count ever change, groups lie elsewhere from
    /// then on, and what they committed stays behind.
    pub fn set_partition_count(&self, count: i32) {
        self.partition_count.store(count, Ordering::Relaxed);
    }

    /// The partition of `__consumer_offsets` that keeps this group.
    #[must_use]
    pub fn partition_for(&self, group: &str) -> i32 {
        coordinator_partition(group, self.partition_count.load(Ordering::Relaxed))
    }

    /// This broker leads a partition of `__consumer_offsets`: its groups are loaded in the background. An order older
    /// than one already carried out has no effect.
    pub fn elected(&self, partition: i32, leader_epoch: LeaderEpoch) {
        let mut partitions = self.partitions();
        let known = partitions.entry(partition).or_insert_with(Partition::unknown);
        if self.stopped.load(Ordering::Relaxed) || known.leader_epoch.is_some_and(|newest| leader_epoch < newest) {
            return;
        }
        known.leader_epoch = Some(leader_epoch);
        if known.serving.is_some() {
            return;
        }
        tracing::info!(partition, %leader_epoch, "elected as group coordinator");
        let (commands, queue) = mpsc::channel(QUEUE_LENGTH);
        let give_up = CancellationToken::new();
        let start = Start {
            shared: Arc::clone(&self.shared),
            partition: TopicPartition::new(CONSUMER_OFFSETS, partition),
            leader_epoch,
            commands: queue,
            given_up: give_up.clone(),
            previous: known.task.take(),
        };
        known.task = Some(self.runtime.spawn(start.run()));
        known.serving = Some(Serving { commands, give_up });
    }

    /// This broker no longer leads the partition, or no longer hosts it (no epoch then).
    pub fn resigned(&self, partition: i32, leader_epoch: Option<LeaderEpoch>) {
        let mut partitions = self.partitions();
        let known = partitions.entry(partition).or_insert_with(Partition::unknown);
        if leader_epoch < known.leader_epoch && leader_epoch.is_some() {
            return;
        }
        known.leader_epoch = leader_epoch.or(known.leader_epoch);
        if let Some(serving) = known.serving.take() {
            tracing::info!(partition, ?leader_epoch, "resigned as group coordinator");
            serving.give_up.cancel();
        }
    }

    /// Asks the groups of one partition.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ask(&self, request: Request) -> Result<Reply, Stopped> {
        if let Err(error) = request.validate_group_id() {
            return Ok(request.refuse(error));
        }
        let partition = self.partition_for(request.group().map_or("", |group| group.as_str()));
        let Some(commands) = self.queue_of(partition) else { return Ok(request.refuse(Error::NotCoordinator)) };
        ask(&commands, request).await
    }

    /// Lists the groups of every partition served here; the error says that some could not be asked, since they are
    /// still loading.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn list(&self, states: Option<&BTreeSet<StateName>>) -> Result<(Vec<Overview>, Option<Error>), Stopped> {
        let queues = self.queues();
        let asked = queues.iter().map(|(_, commands)| ask(commands, Request::List { states: states.cloned() }));
        let (mut groups, mut loading) = (Vec::new(), None);
        for reply in futures::future::try_join_all(asked).await? {
            match reply {
                Reply::List(Ok(found)) => groups.extend(found),
                Reply::List(Err(error)) if error == Error::CoordinatorLoadInProgress => loading = Some(error),
                // It was given up a moment ago, and with it its groups.
                _ => {}
            }
        }
        Ok((groups, loading))
    }

    /// A transaction's marker was written to a partition of `__consumer_offsets`.
    pub async fn transaction_ended(&self, partition: i32, producer_id: ProducerId, committed: bool) {
        if let Some(commands) = self.queue_of(partition) {
            let _given_up = commands.send(Command::Tell(Event::TransactionEnded { producer_id, committed })).await;
        }
    }

    /// These partitions were deleted: offsets committed for them mean nothing any more.
    pub async fn partitions_deleted(&self, deleted: &BTreeSet<TopicPartition>) {
        for (_, commands) in self.queues() {
            let _given_up = commands.send(Command::Tell(Event::PartitionsDeleted(deleted.clone()))).await;
        }
    }

    /// How many groups in which state, and how many offsets, for metrics.
    pub async fn census(&self) -> Census {
        let mut total = Census::default();
        for (_, commands) in self.queues() {
            let (answer, answered) = oneshot::channel();
            if commands.send(Command::Count(answer)).await.is_err() {
                continue;
            }
            let one = answered.await.unwrap_or_default();
            total.offsets += one.offsets;
            for (state, count) in one.groups {
                *total.groups.entry(state).or_default() += count;
            }
        }
        total
    }

    /// Gives up every partition and waits until that is done. Elections no longer have an effect.
    pub async fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let mut tasks = Vec::new();
        for known in self.partitions().values_mut() {
            if let Some(serving) = known.serving.take() {
                serving.give_up.cancel();
            }
            tasks.extend(known.task.take());
        }
        for ended in futures::future::join_all(tasks).await {
            if let Err(error) = ended {
                tracing::error!(%error, "a group coordinator's task ended badly");
            }
        }
    }

    fn partitions(&self) -> MutexGuard<'_, BTreeMap<i32, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue_of(&self, partition: i32) -> Option<mpsc::Sender<Command>> {
        Some(self.partitions().get(&partition)?.serving.as_ref()?.commands.clone())
    }

    fn queues(&self) -> Vec<(i32, mpsc::Sender<Command>)> {
        let served =
            |(&partition, known): (&i32, &Partition)| Some((partition, known.serving.as_ref()?.commands.clone()));
        self.partitions().iter().filter_map(served).collect()
    }
}

impl LeadershipListener for GroupCoordinator {
    fn became_leader(&self, partition: &TopicPartition, leader_epoch: LeaderEpoch) {
        if partition.topic.as_str() == CONSUMER_OFFSETS {
            self.elected(partition.partition, leader_epoch);
        }
    }

    fn became_follower(&self, partition: &TopicPartition, leader_epoch: Option<LeaderEpoch>) {
        if partition.topic.as_str() == CONSUMER_OFFSETS {
            self.resigned(partition.partition, leader_epoch);
        }
    }

    fn deleted(&self, partition: &TopicPartition) {
        self.became_follower(partition, None);
    }
}

impl Partition {
    const fn unknown() -> Self {
        Self { leader_epoch: None, serving: None, task: None }
    }
}

async fn ask(commands: &mpsc::Sender<Command>, request: Request) -> Result<Reply, Stopped> {
    let (answer, answered) = oneshot::channel();
    match commands.send(Command::Ask(request, answer)).await {
        Ok(()) => answered.await.map_err(|_| Stopped),
        Err(mpsc::error::SendError(Command::Ask(request, _))) => Ok(request.refuse(Error::NotCoordinator)),
        Err(_) => Err(Stopped),
    }
}

#[cfg(test)]
mod tests;
