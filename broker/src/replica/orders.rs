//! What the controller orders and what leaders propose to it, free of wire versions.
//! Plain data.

use std::collections::BTreeSet;

use zk_schema::types::{BrokerId, ControllerEpoch, LeaderEpoch, Offset, PartitionEpoch, TopicId, TopicPartition};

/// "Lead this partition", or "follow that leader".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOrder {
    /// Which.
    pub partition: TopicPartition,
    /// Its topic's id, if the controller knows ids.
    pub topic_id: Option<TopicId>,
    /// Epoch of the controller that decided.
    pub controller_epoch: ControllerEpoch,
    /// Who leads; [`BrokerId::NONE`] if nobody can.
    pub leader: BrokerId,
    /// Epoch of that leadership.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Version of the state znode.
    pub partition_epoch: PartitionEpoch,
    /// All replicas.
    pub replicas: Vec<BrokerId>,
    /// Those being added by a reassignment.
    pub adding_replicas: Vec<BrokerId>,
    /// Those being removed by it.
    pub removing_replicas: Vec<BrokerId>,
    /// The partition has never had a log: one may be created even while a log directory is offline.
    pub is_new: bool,
    /// 1 if the leader was elected uncleanly and has not recovered yet.
    pub leader_recovery_state: i8,
}

/// "Stop hosting this partition."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopOrder {
    /// Which.
    pub partition: TopicPartition,
    /// Epoch the controller goes by; -1 unknown, -2 the topic is being deleted.
    pub leader_epoch: LeaderEpoch,
    /// Whether to delete the log as well.
    pub delete: bool,
}

/// An ISR a leader proposes to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrProposal {
    /// Which partition.
    pub partition: TopicPartition,
    /// Its topic's id, if known.
    pub topic_id: Option<TopicId>,
    /// Epoch of our leadership.
    pub leader_epoch: LeaderEpoch,
    /// Version of the state znode the proposal builds on.
    pub partition_epoch: PartitionEpoch,
    /// Epoch of the controller that made us leader.
    pub controller_epoch: ControllerEpoch,
    /// The proposed ISR.
    pub isr: BTreeSet<BrokerId>,
    /// Always 0: a leader that proposes has recovered.
    pub leader_recovery_state: i8,
}

/// What the controller made of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrDecision {
    /// Who leads.
    pub leader: BrokerId,
    /// Epoch of that leadership.
    pub leader_epoch: LeaderEpoch,
    /// The ISR as it is now.
    pub isr: Vec<BrokerId>,
    /// Version of the state znode.
    pub partition_epoch: PartitionEpoch,
}

/// A partition to be fetched from its leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchTarget {
    /// Which.
    pub partition: TopicPartition,
    /// Its topic's id, if known.
    pub topic_id: Option<TopicId>,
    /// From whom.
    pub leader: BrokerId,
    /// Epoch of that leadership.
    pub leader_epoch: LeaderEpoch,
    /// Where to begin. If the log has no leader epochs it must first be truncated to this, its high watermark.
    pub fetch_offset: Offset,
    /// Whether the log has leader epochs to find a divergence with.
    pub has_epochs: bool,
}

/// Carries proposals to the controller, one in flight per partition; the answer comes back through
/// [`super::ReplicaManager::on_isr_answer`].
pub trait IsrUpdater: Send + Sync {
    /// Sends a proposal, sooner or later.
    fn propose(&self, proposal: IsrProposal);
}

/// The follower's side: fetches partitions from their leaders.
pub trait Fetchers: Send + Sync {
    /// Fetches these from now on, in place of whatever was fetched for them before.
    fn start(&self, targets: Vec<FetchTarget>);

    /// Stops fetching these. No append of a stopped fetch happens after this returns.
    fn stop(&self, partitions: &[TopicPartition]);

    /// The topic id of these changed, the leader did not.
    fn set_topic_ids(&self, ids: &[(TopicPartition, Option<TopicId>)]);

    /// Gives up connections nothing is fetched by any more.
    fn stop_idle(&self);
}

/// Told which partitions this broker leads and follows now: the coordinators of internal topics.
/// Called under the lock that orders the controller's requests: must not block, and must not call back.
pub trait LeadershipListener: Send + Sync {
    /// This broker leads the partition from now on.
    fn became_leader(&self, partition: &TopicPartition, leader_epoch: LeaderEpoch);

    /// This broker no longer leads the partition; the epoch is `None` if it does not host it any more.
    fn became_follower(&self, partition: &TopicPartition, leader_epoch: Option<LeaderEpoch>);

    /// The partition was deleted with its topic.
    fn deleted(&self, partition: &TopicPartition);
}
