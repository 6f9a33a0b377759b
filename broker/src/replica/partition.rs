//! One hosted partition: whether it leads or follows, under which epochs, and the log behind it.
//! Finds its own truth under one lock; knows nothing of requests, connections or other partitions. Times are handed in.
//! Source: `Partition` in Kafka 3.9.

mod leader;
mod read;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use config::TopicConfig;
use partition_log::Log;
use zk_schema::types::{BrokerId, ControllerEpoch, LeaderEpoch, Offset, PartitionEpoch, TopicId, TopicPartition};

pub use leader::{Acks, Appended, Deleted};
pub use read::{EpochEnd, OffsetQuery, PartitionRead, ReadRequest, Reader};

use super::Error;
use super::isr::{Isr, RemoteReplica};
use super::orders::PartitionOrder;
use super::waiters::Waiters;
use crate::metadata;

/// What all partitions of a broker have in common.
#[derive(Debug)]
pub struct Shared {
    /// `broker.id`.
    pub broker_id: BrokerId,
    /// `replica.lag.time.max.ms`.
    pub lag_max_ms: i64,
    /// Who is alive.
    pub metadata: Arc<metadata::Cache>,
}

/// A hosted partition. Safe to use from any number of threads.
#[derive(Debug)]
pub struct Partition {
    id: TopicPartition,
    shared: Arc<Shared>,
    state: RwLock<State>,
    /// Grows with every change of role, so that one who looked before can tell.
    generation: AtomicU64,
    /// Grows whenever leadership is lost: what was appended before may have been truncated since.
    tenure: AtomicU64,
    topic_config: RwLock<Arc<TopicConfig>>,
    waiters: Arc<Waiters>,
}

#[derive(Debug)]
struct State {
    role: Role,
    log: Option<Arc<Log>>,
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    controller_epoch: ControllerEpoch,
    replicas: Vec<BrokerId>,
    adding_replicas: Vec<BrokerId>,
    is_reassigning: bool,
}

#[derive(Debug)]
enum Role {
    /// Nobody has said yet, or the partition is being taken away.
    Idle,
    Leader(Leader),
    Follower,
}

#[derive(Debug)]
struct Leader {
    /// Log end offset when this leadership began.
    epoch_start_offset: Offset,
    isr: Isr,
    /// Every other replica.
    followers: Mutex<BTreeMap<BrokerId, RemoteReplica>>,
}

/// A partition seen from outside, for DescribeCluster-like questions and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who leads; [`BrokerId::NONE`] if unknown.
    pub leader: BrokerId,
    /// Epoch of that leadership.
    pub leader_epoch: LeaderEpoch,
    /// Version of the state znode.
    pub partition_epoch: PartitionEpoch,
    /// Whether this broker leads.
    pub is_leader: bool,
    /// The ISR, if this broker leads.
    pub isr: Vec<BrokerId>,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// Replicas that a reassignment adds: they count only once it is done.
    pub adding_replicas: Vec<BrokerId>,
    /// A reassignment is under way.
    pub is_reassigning: bool,
    /// `min.insync.replicas`, but no more than there are replicas.
    pub min_isr: usize,
}

impl Partition {
    /// A partition nobody has given a role.
    #[must_use]
    pub fn new(id: TopicPartition, shared: Arc<Shared>, topic_config: Arc<TopicConfig>) -> Self {
        let state = State {
            role: Role::Idle,
            log: None,
            leader: BrokerId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: PartitionEpoch(0),
            controller_epoch: ControllerEpoch(0),
            replicas: Vec::new(),
            adding_replicas: Vec::new(),
            is_reassigning: false,
        };
        let (state, topic_config) = (RwLock::new(state), RwLock::new(topic_config));
        Self {
            id,
            shared,
            state,
            generation: AtomicU64::new(0),
            tenure: AtomicU64::new(0),
            topic_config,
            waiters: Arc::default(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which partition this is.
    #[must_use]
    pub fn id(&self) -> &TopicPartition {
        &self.id
    }

    /// Who waits for it.
    #[must_use]
    pub fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// Its topic's configuration.
    #[must_use]
    pub fn topic_config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.topic_config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its topic's configuration changed. The log's own settings are the log manager's business.
    pub fn set_topic_config(&self, topic_config: Arc<TopicConfig>) {
        *self.topic_config.write().unwrap_or_else(PoisonError::into_inner) = topic_config;
    }

    /// Its log, if it has one here.
    #[must_use]
    pub fn log(&self) -> Option<Arc<Log>> {
        self.state().log.clone()
    }

    /// The id of its topic, if the log knows it.
    #[must_use]
    pub fn topic_id(&self) -> Option<TopicId> {
        self.log()?.topic_id()
    }

    /// The epoch it goes by.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state().leader_epoch
    }

    /// Whether this broker leads it.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.state().role, Role::Leader(_))
    }

    /// How things stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.state();
        let isr = match &state.role {
            Role::Leader(leader) => leader.isr.members().iter().copied().collect(),
            Role::Idle | Role::Follower => Vec::new(),
        };
        Standing {
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            is_leader: matches!(state.role, Role::Leader(_)),
            isr,
            min_isr: self.min_isr(state.replicas.len()),
            replicas: state.replicas.clone(),
            adding_replicas: state.adding_replicas.clone(),
            is_reassigning: state.is_reassigning,
        }
    }

    fn min_isr(&self, replica_count: usize) -> usize {
        let configured = usize::try_from(self.topic_config().min_insync_replicas).unwrap_or(1);
        super::high_watermark::effective_min_isr(configured, replica_count)
    }

    /// Whether an order is of the present, and not one that was overtaken on its way.
    #[must_use]
    pub fn is_current(&self, order: &PartitionOrder) -> bool {
        self.state().partition_epoch <= order.partition_epoch
    }

    /// Leads from now on, with `log` behind it; says whether it did not before.
    pub fn make_leader(&self, order: &PartitionOrder, log: Arc<Log>, now_ms: i64) -> bool {
        let was_leader = {
            let mut state = self.state_mut();
            let epoch_start_offset = log.log_end_offset();
            log.assign_epoch_start_offset(order.leader_epoch, epoch_start_offset);
            let before = match std::mem::replace(&mut state.role, Role::Idle) {
                Role::Leader(leader) => Some(leader),
                Role::Idle | Role::Follower => None,
            };
            let was_leader = before.is_some();
            let isr = Isr::committed(order.isr.iter().copied());
            let known = before.map(|leader| leader.followers.into_inner().unwrap_or_else(PoisonError::into_inner));
            let followers = self.followers(order, known.unwrap_or_default(), epoch_start_offset, now_ms);
            state.role = Role::Leader(Leader { epoch_start_offset, isr, followers: Mutex::new(followers) });
            self.adopt(&mut state, order, log);
            was_leader
        };
        self.advance_high_watermark(None, now_ms);
        self.waiters.wake_all();
        !was_leader
    }

    fn followers(
        &self,
        order: &PartitionOrder,
        mut known: BTreeMap<BrokerId, RemoteReplica>,
        leader_end_offset: Offset,
        now_ms: i64,
    ) -> BTreeMap<BrokerId, RemoteReplica> {
        let others = order.replicas.iter().filter(|broker| **broker != self.shared.broker_id);
        let follower = |broker: &BrokerId| {
            let is_in_sync = order.isr.contains(broker);
            let follower = match known.remove(broker) {
                Some(mut follower) => {
                    follower.on_reelected(is_in_sync, leader_end_offset, now_ms);
                    follower
                }
                None => RemoteReplica::unknown(is_in_sync, now_ms),
            };
            (*broker, follower)
        };
        others.map(follower).collect()
    }

    /// Follows from now on, with `log` behind it; says whether the leadership followed is a new one.
    pub fn make_follower(&self, order: &PartitionOrder, log: Arc<Log>) -> bool {
        let is_new_epoch = {
            let mut state = self.state_mut();
            let is_new_epoch = state.leader_epoch < order.leader_epoch;
            state.role = Role::Follower;
            self.tenure.fetch_add(1, Ordering::Release);
            self.adopt(&mut state, order, log);
            is_new_epoch
        };
        self.waiters.wake_all();
        is_new_epoch
    }

    fn adopt(&self, state: &mut State, order: &PartitionOrder, log: Arc<Log>) {
        self.generation.fetch_add(1, Ordering::Release);
        state.log = Some(log);
        state.leader = order.leader;
        state.leader_epoch = order.leader_epoch;
        state.partition_epoch = order.partition_epoch;
        state.controller_epoch = order.controller_epoch;
        state.replicas.clone_from(&order.replicas);
        state.adding_replicas.clone_from(&order.adding_replicas);
        state.is_reassigning = !order.adding_replicas.is_empty() || !order.removing_replicas.is_empty();
    }

    /// Gets a log without a role: the leader to follow is not known to be alive.
    pub fn set_log(&self, log: Arc<Log>) {
        self.state_mut().log.get_or_insert(log);
    }

    /// No longer hosted here. Whoever waits finds out.
    pub fn stop(&self) {
        {
            let mut state = self.state_mut();
            state.role = Role::Idle;
            state.log = None;
            state.leader = BrokerId::NONE;
            self.generation.fetch_add(1, Ordering::Release);
            self.tenure.fetch_add(1, Ordering::Release);
        }
        self.waiters.wake_all();
    }

    fn check_epoch(&self, state: &State, got: Option<LeaderEpoch>) -> Result<(), Error> {
        let (partition, current) = (|| self.id.clone(), state.leader_epoch);
        match got {
            Some(got) if got < current => Err(Error::FencedLeaderEpoch { partition: partition(), got, current }),
            Some(got) if current < got => Err(Error::UnknownLeaderEpoch { partition: partition(), got, current }),
            Some(_) | None => Ok(()),
        }
    }

    fn leading<'a>(&self, state: &'a State) -> Result<(&'a Leader, &'a Arc<Log>), Error> {
        match (&state.role, &state.log) {
            (Role::Leader(leader), Some(log)) => Ok((leader, log)),
            _ => Err(Error::NotLeaderOrFollower(self.id.clone())),
        }
    }

    fn readable<'a>(
        &self,
        state: &'a State,
        epoch: Option<LeaderEpoch>,
        only_leader: bool,
    ) -> Result<&'a Arc<Log>, Error> {
        self.check_epoch(state, epoch)?;
        match &state.log {
            Some(log) if !only_leader || matches!(state.role, Role::Leader(_)) => Ok(log),
            _ => Err(Error::NotLeaderOrFollower(self.id.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
