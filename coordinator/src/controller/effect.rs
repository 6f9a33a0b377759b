//! Everything the controller can ask for. A new variant will not compile until the shell's match carries it out.
//! Holds data only: neutral structs without wire versions, and ZooKeeper paths and bytes ready to be sent.
//! Source: contract 2.12 and 4.4; `ControllerBrokerRequestBatch` in Kafka 3.9.
//!
//! # How the shell carries them out
//!
//! Effects of one call are carried out **in the order given**. Starting is enough: the decider never waits for an order to
//! arrive, and has at most one ZooKeeper request open.
//!
//! * **ZooKeeper.** [`Effect::ZkWrite`] with [`Guard::ControllerEpoch`]: send the writes in `multi`s, each led by
//!   `check(/controller_epoch, version)`. As many per multi as fit below the packet limit; a failed multi is taken apart, so that
//!   each write gets a result of its own. Answer once, with all results ([`Event::ZkWritten`]). [`Effect::ZkRead`] likewise.
//! * **Orders.** One queue per broker, one request in flight, retried until the broker is disconnected, versions by IBP
//!   (2.12). Each order carries the broker epoch it is meant for.
//!   Below StopReplica v3 the shell splits by the delete flag.
//! * **Timers.** Setting a key again replaces it.
//!
//! [`Event::ZkWritten`]: super::event::Event::ZkWritten

use std::collections::BTreeMap;
use std::sync::Arc;

use zk_schema::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition, ZkVersion,
};

pub use zk_schema::nodes::broker_id::{Endpoint, SecurityProtocol, VersionRange};

use super::Error;
use super::event::{LeaderRecovery, TopicRef};
use crate::time::Timestamp;

/// Names one [`Effect::ZkRead`] or [`Effect::ZkWrite`] and its answer. Never used twice by one [`Controller`].
///
/// [`Controller`]: super::Controller
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZkRequestId(pub u64);

/// Chosen by the shell for each request; comes back in its [`Effect::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Timers the controller sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKey {
    /// Look for leaders that should move back to their preferred replica.
    LeaderRebalance,
}

/// A list of replicas, shared between the controller's memory and its orders: cloning costs nothing.
pub type Replicas = Arc<[BrokerId]>;

/// Something to be done by the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Arm the controller's watches (all of [`Watched`](super::event::Watched)) **before** carrying out what follows. They stay
    /// until [`Event::Lost`](super::event::Event::Lost) or [`Effect::Resign`].
    StartWatching,
    /// Read from ZooKeeper.
    ZkRead {
        /// Comes back with the answer.
        request: ZkRequestId,
        /// What to read; at most a few hundred thousand.
        reads: Vec<ZkRead>,
    },
    /// Write to ZooKeeper.
    ZkWrite {
        /// Comes back with the answer.
        request: ZkRequestId,
        /// What must hold for anything to be written.
        guard: Guard,
        /// What to write. The order among them matters only for a node and its parent, which come parent first.
        writes: Vec<ZkWrite>,
    },
    /// Open a channel to this broker. Orders to it follow. If one is open already, the broker changed its addresses within the
    /// same registration: keep the queue, use the new addresses from the next connection on. (A new registration is preceded
    /// by [`Effect::Disconnect`].)
    Connect(Arc<LiveBroker>),
    /// Close the channel to this broker and drop its queue.
    Disconnect(BrokerId),
    /// Order one broker to lead or follow.
    LeaderAndIsr(LeaderAndIsr),
    /// Tell brokers what the cluster looks like.
    UpdateMetadata(UpdateMetadata),
    /// Order one broker to stop replicas.
    StopReplica(StopReplica),
    /// Answer a request.
    Answer {
        /// Of the request.
        token: RequestToken,
        /// What to say.
        answer: Answer,
    },
    /// Ring at `at`.
    SetTimer {
        /// Which timer.
        key: TimerKey,
        /// When.
        at: Timestamp,
    },
    /// Forget this timer.
    CancelTimer(TimerKey),
    /// Stop being the controller. The decider has forgotten everything already; no [`Event::Lost`] is needed (it does no harm).
    /// Stop watching, close all channels, drop open ZooKeeper requests; then, if `delete_controller`, delete `/controller` in a
    /// multi guarded by this epoch version (a failure means that somebody else is the controller already: fine); then take
    /// part in the election again.
    Resign {
        /// The guard to delete with.
        epoch_version: ZkVersion,
        /// Whether `/controller` may still be ours. False when a guarded write was refused.
        delete_controller: bool,
    },
    /// A line for the log.
    Log(LogLevel, String),
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For those looking closely.
    Debug,
    /// The state changed.
    Info,
    /// We carried on.
    Warn,
    /// A person must look.
    Error,
}

/// One read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZkRead {
    /// Data and stat of a node: answered by [`ZkFound::Data`](super::event::ZkFound::Data).
    Data(String),
    /// Children of a node: answered by [`ZkFound::Children`](super::event::ZkFound::Children).
    Children(String),
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// `/controller_epoch` still has this version.
    ControllerEpoch(ZkVersion),
    /// Nothing: `/feature` and `/latest_producer_id_block`, which old Kafkas write without a guard as well.
    None,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkWrite {
    /// The node.
    pub path: String,
    /// What to do to it.
    pub action: ZkAction,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZkAction {
    /// Create a persistent node with this data (`None`: null data).
    Create(Option<Vec<u8>>),
    /// Replace its data, if the version is the expected one (`None`: any).
    SetData {
        /// New data.
        data: Vec<u8>,
        /// Expected version.
        expected: Option<ZkVersion>,
    },
    /// Delete the node, any version.
    Delete,
    /// Delete the node and everything below, leaves first, each delete guarded. Nodes that are gone already are fine; so is the
    /// node itself missing (result: `Ok`).
    DeleteTree,
}

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveBroker {
    /// Its id.
    pub id: BrokerId,
    /// The czxid of its znode.
    pub epoch: BrokerEpoch,
    /// All its advertised endpoints.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Features it supports.
    pub features: BTreeMap<String, VersionRange>,
}

/// Items of one kind, of one topic, in order of partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfTopic<T> {
    /// The topic.
    pub topic: TopicName,
    /// Its id, [`TopicId::ZERO`] if it has none.
    pub topic_id: TopicId,
    /// At least one.
    pub partitions: Vec<T>,
}

/// A LeaderAndIsr order to one broker. Controller id, `isKRaftController` = false and `Type` = 0 are added by the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsr {
    /// To whom.
    pub broker: BrokerId,
    /// The registration it is meant for.
    pub broker_epoch: BrokerEpoch,
    /// Our epoch.
    pub controller_epoch: ControllerEpoch,
    /// What to do, by topic.
    pub topics: Vec<OfTopic<PartitionOrder>>,
    /// The brokers named as leaders in this order, as far as they live. The shell picks the inter-broker endpoint.
    pub live_leaders: Vec<Arc<LiveBroker>>,
}

/// One partition of a LeaderAndIsr order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOrder {
    /// Partition index.
    pub partition: i32,
    /// Epoch of the controller that decided this state.
    pub controller_epoch: ControllerEpoch,
    /// [`BrokerId::NONE`] when there is none.
    pub leader: BrokerId,
    /// Grows with each change a broker must act upon.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Replicas,
    /// zkVersion of the partition's state.
    pub partition_epoch: PartitionEpoch,
    /// Assigned replicas, those being added and removed included.
    pub replicas: Replicas,
    /// Being added by a reassignment.
    pub adding: Replicas,
    /// Being removed by a reassignment.
    pub removing: Replicas,
    /// Whether the replica is new here: an empty log may be made in any directory.
    pub is_new: bool,
    /// Sent from IBP 3.2 on.
    pub leader_recovery: LeaderRecovery,
}

/// What a set of brokers is told; the same for each of them but for the broker epoch, so the body can be encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMetadata {
    /// To whom, each with the registration it is meant for.
    pub brokers: Vec<(BrokerId, BrokerEpoch)>,
    /// What to say.
    pub body: Arc<MetadataBody>,
}

/// The part of UpdateMetadata that is the same for all brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataBody {
    /// Our epoch.
    pub controller_epoch: ControllerEpoch,
    /// Changed partitions, by topic; may be empty.
    pub topics: Vec<OfTopic<PartitionMetadata>>,
    /// All live (and shutting down) brokers, by id.
    pub live_brokers: Vec<Arc<LiveBroker>>,
}

/// One partition of an UpdateMetadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Partition index.
    pub partition: i32,
    /// Epoch of the controller that decided this state.
    pub controller_epoch: ControllerEpoch,
    /// `-1` for none, [`LEADER_DURING_DELETE`] while the topic is being deleted.
    pub leader: BrokerId,
    /// 0 while the topic is being deleted.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Replicas,
    /// The wire's `zkVersion`.
    pub partition_epoch: PartitionEpoch,
    /// Assigned replicas.
    pub replicas: Replicas,
    /// Those whose broker or log directory is offline.
    pub offline_replicas: Replicas,
}

/// Leader in UpdateMetadata of a partition whose topic is being deleted.
pub const LEADER_DURING_DELETE: BrokerId = BrokerId(-2);

/// A StopReplica order to one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplica {
    /// To whom.
    pub broker: BrokerId,
    /// The registration it is meant for.
    pub broker_epoch: BrokerEpoch,
    /// Our epoch.
    pub controller_epoch: ControllerEpoch,
    /// What to stop, by topic.
    pub topics: Vec<OfTopic<ReplicaToStop>>,
}

/// One partition of a StopReplica order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaToStop {
    /// Partition index.
    pub partition: i32,
    /// Current leader epoch; -1 if none is known, -2 when the topic is being deleted.
    pub leader_epoch: LeaderEpoch,
    /// Whether the log is to be deleted.
    pub delete: bool,
}

/// An answer to a [`Request`](super::event::Request); the variant of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Per partition, in the order of the request, topics named as the request named them.
    AlterPartition(Result<Vec<AlteredPartition>, Error>),
    /// Partitions (with more than one replica) the broker still leads. Empty: it may stop.
    ControlledShutdown(Result<Vec<TopicPartition>, Error>),
    /// The leader elected, or why not, in order of partition. When we are not the controller, each partition named says so
    /// (and a request for all partitions is answered by an empty list).
    ElectLeaders(Vec<(TopicPartition, Result<BrokerId, ApiError>)>),
    /// Whether the move was started, in the order of the request.
    AlterPartitionReassignments(Result<Vec<Started>, ApiError>),
    /// Partitions that are moving, in order.
    ListPartitionReassignments(Result<Vec<(TopicPartition, MovingReplicas)>, ApiError>),
    /// The block.
    AllocateProducerIds(Result<ProducerIdBlock, Error>),
    /// What became of the updates.
    UpdateFeatures(Result<UpdatedFeatures, ApiError>),
    /// One per topic asked about.
    QueuedForDeletion(Result<Vec<bool>, Error>),
}

/// Whether the move of a partition was started.
pub type Started = (TopicPartition, Result<(), ApiError>);

/// One partition of an AlterPartition answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredPartition {
    /// As the request named it.
    pub topic: TopicRef,
    /// Partition index.
    pub partition: i32,
    /// The state that now holds, or why the proposal was refused.
    /// [`Error::IneligibleReplica`] goes out as OPERATION_NOT_ATTEMPTED in answers below version 2.
    pub result: Result<PartitionLeadership, Error>,
}

/// Leader and ISR of a partition, as AlterPartition answers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLeadership {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Replicas,
    /// Recovery state.
    pub leader_recovery: LeaderRecovery,
    /// zkVersion of the state.
    pub partition_epoch: PartitionEpoch,
}

/// Replicas of a moving partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovingReplicas {
    /// All of them.
    pub replicas: Replicas,
    /// Those being added.
    pub adding: Replicas,
    /// Those being removed.
    pub removing: Replicas,
}

/// A block of producer ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// First id.
    pub start: i64,
    /// How many.
    pub len: i32,
}

/// What became of an UpdateFeatures request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedFeatures {
    /// By feature, in the order of the request.
    pub results: Vec<(String, Result<(), ApiError>)>,
    /// The version `/feature` now has, if it was written: the API waits until this broker's own cache has seen it.
    pub written: Option<ZkVersion>,
}

/// An error with a message for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
pub struct ApiError {
    /// Which.
    pub error: Error,
    /// More about it; `None` leaves the error's default text.
    pub message: Option<String>,
}

impl ApiError {
    /// An error with its default text.
    #[must_use]
    pub const fn new(error: Error) -> Self {
        Self { error, message: None }
    }

    /// An error with a text of its own.
    #[must_use]
    pub fn with_message(error: Error, message: impl Into<String>) -> Self {
        Self { error, message: Some(message.into()) }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}
