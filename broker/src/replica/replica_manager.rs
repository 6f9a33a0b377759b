//! All partitions this broker hosts: finds them, applies the controller's orders to them, spreads requests over them.
//! Orders are applied one request at a time; everything else goes on meanwhile.
//! Source: `ReplicaManager` in Kafka 3.9.

mod control;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use config::{MetadataVersion, TopicConfig};
use partition_log::{AppendContext, LogManager, Origin, VerificationGuard};
use wire::ErrorCode;
use zk_schema::types::{BrokerId, ControllerEpoch, TopicName, TopicPartition};

pub use control::StaleControllerEpoch;

use super::orders::{Fetchers, IsrDecision, IsrProposal, IsrUpdater, LeadershipListener};
use super::partition::{Acks, Appended, Partition, Shared};
use super::{Error, PartitionRead, ReadRequest};
use crate::metadata;

/// Tells a topic's configuration as it is now.
pub type TopicConfigs = Arc<dyn Fn(&str) -> TopicConfig + Send + Sync>;

/// The partitions of this broker. Safe to use from any number of threads.
pub struct ReplicaManager {
    shared: Arc<Shared>,
    hosted: RwLock<HashMap<TopicName, BTreeMap<i32, Hosted>>>,
    logs: Arc<LogManager>,
    topic_configs: TopicConfigs,
    ibp: MetadataVersion,
    /// Orders are applied one request at a time; remembers the latest controller epoch.
    control: Mutex<ControllerEpoch>,
    isr_updater: OnceLock<Arc<dyn IsrUpdater>>,
    fetchers: OnceLock<Arc<dyn Fetchers>>,
    listeners: RwLock<Vec<Arc<dyn LeadershipListener>>>,
}

#[derive(Clone, Debug)]
enum Hosted {
    Online(Arc<Partition>),
    /// Its log directory has failed.
    Offline,
}

/// How to append.
#[derive(Clone, Copy, Debug)]
pub struct AppendOptions {
    /// How sure the producer wants to be.
    pub acks: Acks,
    /// Who appends.
    pub origin: Origin,
    /// Version of the produce request, if there was one.
    pub produce_version: Option<i16>,
    /// May write to internal topics.
    pub internal_topics_allowed: bool,
    /// Now, in milliseconds of steady time.
    pub now_ms: i64,
    /// Now, in milliseconds of wall time: what records are stamped with.
    pub wall_ms: i64,
}

impl AppendOptions {
    /// A coordinator's own records.
    #[must_use]
    pub fn coordinator(acks: Acks, now_ms: i64, wall_ms: i64) -> Self {
        Self {
            acks,
            origin: Origin::Coordinator,
            produce_version: None,
            internal_topics_allowed: true,
            now_ms,
            wall_ms,
        }
    }
}

/// What became of one partition's records.
#[derive(Debug)]
pub struct AppendOutcome {
    /// Where.
    pub partition: TopicPartition,
    /// The partition, and what was appended to it.
    pub result: Result<(Arc<Partition>, Appended), Error>,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Partitions hosted.
    pub partitions: usize,
    /// Partitions led.
    pub leaders: usize,
    /// Partitions on failed log directories.
    pub offline: usize,
    /// Partitions led with a replica out of the ISR.
    pub under_replicated: usize,
    /// Partitions led with fewer in sync than `min.insync.replicas`.
    pub under_min_isr: usize,
    /// Partitions led with just as many in sync.
    pub at_min_isr: usize,
    /// Partitions led that are being reassigned.
    pub reassigning: usize,
}

impl ReplicaManager {
    /// A manager that hosts nothing yet.
    #[must_use]
    pub fn new(
        broker_id: BrokerId,
        config: &config::BrokerConfig,
        logs: Arc<LogManager>,
        metadata: Arc<metadata::Cache>,
        topic_configs: TopicConfigs,
    ) -> Self {
        Self {
            shared: Arc::new(Shared { broker_id, lag_max_ms: config.replica_lag_time_max_ms, metadata }),
            hosted: RwLock::default(),
            logs,
            topic_configs,
            ibp: config.ibp(),
            control: Mutex::new(ControllerEpoch(0)),
            isr_updater: OnceLock::new(),
            fetchers: OnceLock::new(),
            listeners: RwLock::default(),
        }
    }

    /// Who carries ISR proposals to the controller. Without one, the ISR never changes by itself.
    pub fn set_isr_updater(&self, updater: Arc<dyn IsrUpdater>) {
        let _ = self.isr_updater.set(updater);
    }

    /// Who fetches for followers. Without one, followers stand still.
    pub fn set_fetchers(&self, fetchers: Arc<dyn Fetchers>) {
        let _ = self.fetchers.set(fetchers);
    }

    /// Tells a coordinator of every leadership gained and lost from now on.
    pub fn add_listener(&self, listener: Arc<dyn LeadershipListener>) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The logs behind the partitions.
    #[must_use]
    pub fn logs(&self) -> &Arc<LogManager> {
        &self.logs
    }

    /// A topic's configuration as it is now.
    #[must_use]
    pub fn topic_config(&self, topic: &str) -> TopicConfig {
        (self.topic_configs)(topic)
    }

    fn hosted(&self) -> RwLockReadGuard<'_, HashMap<TopicName, BTreeMap<i32, Hosted>>> {
        self.hosted.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn hosted_mut(&self) -> RwLockWriteGuard<'_, HashMap<TopicName, BTreeMap<i32, Hosted>>> {
        self.hosted.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, topic: &str, partition: i32) -> Option<Hosted> {
        self.hosted().get(topic)?.get(&partition).cloned()
    }

    /// A hosted partition.
    ///
    /// # Errors
    /// [`Error::Offline`]; [`Error::NotLeaderOrFollower`] if it exists elsewhere, else
    /// [`Error::UnknownTopicOrPartition`].
    pub fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, Error> {
        let id = || TopicPartition::new(topic, partition);
        match self.find(topic, partition) {
            Some(Hosted::Online(partition)) => Ok(partition),
            Some(Hosted::Offline) => Err(Error::Offline(id())),
            None if self.shared.metadata.snapshot().partition_of(topic, partition).is_some() => {
                Err(Error::NotLeaderOrFollower(id()))
            }
            None => Err(Error::UnknownTopicOrPartition(id())),
        }
    }

    /// All partitions on working log directories.
    #[must_use]
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        let hosted = self.hosted();
        let all = hosted.values().flat_map(BTreeMap::values);
        all.filter_map(|hosted| match hosted {
            Hosted::Online(partition) => Some(Arc::clone(partition)),
            Hosted::Offline => None,
        })
        .collect()
    }

    /// Appends to many partitions, one after the other; each succeeds or fails by itself.
    pub fn append(
        &self,
        entries: impl IntoIterator<Item = (TopicPartition, Bytes, VerificationGuard)>,
        options: &AppendOptions,
    ) -> Vec<AppendOutcome> {
        let append = |(partition, records, guard): (TopicPartition, Bytes, VerificationGuard)| {
            let result = self.append_to(&partition, records, guard, options);
            AppendOutcome { partition, result }
        };
        entries.into_iter().map(append).collect()
    }

    fn append_to(
        &self,
        id: &TopicPartition,
        records: Bytes,
        verification_guard: VerificationGuard,
        options: &AppendOptions,
    ) -> Result<(Arc<Partition>, Appended), Error> {
        if !options.internal_topics_allowed && id.topic.is_internal() {
            let why = format!("cannot append to internal topic {}", id.topic.as_str());
            return Err(Error::Refused { partition: id.clone(), code: ErrorCode::InvalidTopicException, why });
        }
        let partition = self.partition(id.topic.as_str(), id.partition)?;
        let context = AppendContext {
            origin: options.origin,
            now_ms: options.wall_ms,
            produce_version: options.produce_version,
            verification_guard,
        };
        let appended = partition.append_as_leader(records, options.acks, &context, options.now_ms)?;
        Ok((partition, appended))
    }

    /// Reads one partition, and proposes the ISR its reader may now be in.
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub fn read(&self, partition: &Partition, request: &ReadRequest) -> Result<PartitionRead, Error> {
        let (read, proposal) = partition.read(request)?;
        self.propose(proposal);
        Ok(read)
    }

    fn propose(&self, proposal: Option<IsrProposal>) {
        if let (Some(proposal), Some(updater)) = (proposal, self.isr_updater.get()) {
            updater.propose(proposal);
        }
    }

    /// Looks for ISR members that lag. Every half of `replica.lag.time.max.ms`.
    pub fn shrink_isrs(&self, now_ms: i64) {
        if self.isr_updater.get().is_some() {
            for partition in self.partitions() {
                self.propose(partition.maybe_shrink_isr(now_ms));
            }
        }
    }

    /// The controller's answer to a proposal.
    pub fn on_isr_answer(&self, proposal: &IsrProposal, answer: Result<IsrDecision, ErrorCode>, now_ms: i64) {
        let id = &proposal.partition;
        if let Some(Hosted::Online(partition)) = self.find(id.topic.as_str(), id.partition) {
            self.propose(partition.on_isr_answer(proposal, answer, now_ms));
        }
    }

    /// A topic's configuration changed: its logs and partitions go by the new one from now on.
    pub fn update_topic_config(&self, topic: &str) {
        let config = Arc::new(self.topic_config(topic));
        self.logs.update_config(topic, &*config);
        let hosted = self.hosted();
        for partition in hosted.get(topic).into_iter().flat_map(BTreeMap::values) {
            if let Hosted::Online(partition) = partition {
                partition.set_topic_config(Arc::clone(&config));
            }
        }
    }

    /// A log directory failed: takes its partitions out of service, and gives them. Called from outside of logs.
    pub fn on_log_dir_failure(&self, dir: &Path) -> Vec<TopicPartition> {
        let _ordered = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = self.logs.remove_failed(dir);
        if let Some(fetchers) = self.fetchers.get() {
            fetchers.stop(&lost);
        }
        for id in &lost {
            self.mark_offline(id);
        }
        lost
    }

    fn mark_offline(&self, id: &TopicPartition) {
        let before = {
            let mut hosted = self.hosted_mut();
            hosted.entry(id.topic.clone()).or_default().insert(id.partition, Hosted::Offline)
        };
        if let Some(Hosted::Online(partition)) = before {
            partition.stop();
        }
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let hosted: Vec<_> = self.hosted().values().flat_map(BTreeMap::values).cloned().collect();
        for partition in hosted {
            counts.partitions += 1;
            let Hosted::Online(partition) = partition else {
                counts.offline += 1;
                continue;
            };
            let standing = partition.standing();
            if standing.is_leader {
                counts.add_leader(&standing);
            }
        }
        counts
    }
}

impl Counts {
    fn add_leader(&mut self, standing: &super::Standing) {
        // A reassignment adds only what it has made a replica, but the order is a stranger's.
        let settled = standing.replicas.len().saturating_sub(standing.adding_replicas.len());
        let in_sync = standing.isr.len();
        self.leaders += 1;
        self.under_replicated += usize::from(in_sync < settled);
        self.under_min_isr += usize::from(in_sync < standing.min_isr);
        self.at_min_isr += usize::from(in_sync == standing.min_isr);
        self.reassigning += usize::from(standing.is_reassigning);
    }
}

#[cfg(test)]
mod tests;
