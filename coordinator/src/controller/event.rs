//! Everything that can happen to the controller. A new variant will not compile until [`Controller::handle`] answers it.
//! Holds data only; what was read from ZooKeeper arrives as raw bytes and is decoded inside the decider.
//! Source: `ControllerEvent` and its handlers in Kafka 3.9, `KafkaController.scala`.
//!
//! # What the shell feeds in, and when
//!
//! * [`Event::Elected`] once its `multi[create /controller, set /controller_epoch]` succeeded; [`Event::Lost`] when the
//!   session expired, `/controller` names another broker, or a stop was asked for. Between the two it feeds everything else.
//! * [`Event::Changed`] when a watch fires. It is a signal without content: the decider asks for a read
//!   ([`Effect::ZkRead`]) when it gets round to it, so nothing stale is ever acted upon. Too many signals do no harm
//!   (equal ones that still wait are merged), a missing one does: after re-arming watches, send the signal as well.
//! * Exactly one [`Event::ZkRead`] or [`Event::ZkWritten`] per request effect, unless [`Event::Lost`] comes first.
//! * [`Event::OrderAnswered`] for each order a broker answered. Orders that cannot be delivered are retried by the shell for
//!   as long as the broker stays connected (between [`Effect::Connect`] and [`Effect::Disconnect`]), so failure to reach a
//!   broker is no event here: the loss of its znode is.
//! * [`Event::Request`]; each is answered by exactly one [`Effect::Answer`], also when we are not the controller.
//!
//! [`Controller::handle`]: super::Controller::handle
//! [`Effect::ZkRead`]: super::effect::Effect::ZkRead
//! [`Effect::Answer`]: super::effect::Effect::Answer
//! [`Effect::Connect`]: super::effect::Effect::Connect
//! [`Effect::Disconnect`]: super::effect::Effect::Disconnect

pub use zk_schema::nodes::partition_state::LeaderRecoveryState as LeaderRecovery;
use zk_schema::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition, ZkVersion,
};

use super::effect::{RequestToken, TimerKey, ZkRequestId};

/// Something that happened, handed to [`Controller::handle`](super::Controller::handle) together with the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This broker now owns `/controller`. The decider begins its failover (contract 2.3) and asks for all it needs.
    Elected(Elected),
    /// This broker is no longer the controller, or its session is gone. Everything is forgotten; waiting requests are
    /// answered with [`Error::NotController`](super::Error::NotController). Nothing is written.
    Lost,
    /// A watch fired.
    Changed(Watched),
    /// The answer to an [`Effect::ZkRead`](super::effect::Effect::ZkRead): one entry per read, in the order asked.
    ZkRead {
        /// Which request this answers.
        request: ZkRequestId,
        /// One per read, same order.
        results: Vec<Result<ZkFound, ZkError>>,
    },
    /// The answer to an [`Effect::ZkWrite`](super::effect::Effect::ZkWrite).
    ZkWritten {
        /// Which request this answers.
        request: ZkRequestId,
        /// What became of the writes.
        outcome: ZkOutcome,
    },
    /// A broker answered an order.
    OrderAnswered {
        /// Who answered.
        broker: BrokerId,
        /// The broker epoch the order was addressed to. Answers of an earlier registration are ignored.
        broker_epoch: BrokerEpoch,
        /// What it said.
        answer: OrderAnswer,
    },
    /// A request from a client or broker, to be answered by one effect with the same token.
    Request {
        /// Chosen by the shell; comes back in the answer.
        token: RequestToken,
        /// What is asked.
        request: Request,
    },
    /// A timer set by the decider rang.
    Timer(TimerKey),
    /// `unclean.leader.election.enable` was switched on: for one topic, or the cluster default (`None`).
    UncleanElectionEnabled(Option<TopicName>),
    /// The broker's own configuration changed at runtime.
    ConfigChanged(Box<super::ControllerConfig>),
}

/// What winning the election tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elected {
    /// The value just written to `/controller_epoch`; goes out with every order.
    pub controller_epoch: ControllerEpoch,
    /// The zkVersion of `/controller_epoch` after that write: the guard of every later write.
    pub epoch_version: ZkVersion,
    /// Fresh random bits, for topic ids made by this controller.
    pub seed: u128,
}

/// Which watched thing changed. The shell maps watch paths to these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Children of `/brokers/ids`.
    Brokers,
    /// Data of `/brokers/ids/N`.
    Broker(BrokerId),
    /// Children of `/brokers/topics`.
    Topics,
    /// Data of `/brokers/topics/T`.
    Topic(TopicName),
    /// Data of `/brokers/topics/T/partitions/P/state`. Only wanted when [`Protocol::alter_partition`] is false
    /// (leaders then write it themselves); with it true the shell should drop these.
    ///
    /// [`Protocol::alter_partition`]: super::Protocol::alter_partition
    PartitionState(TopicPartition),
    /// Children of `/admin/delete_topics`.
    DeleteTopics,
    /// `/admin/reassign_partitions` was created or changed.
    Reassignments,
    /// `/admin/preferred_replica_election` was created.
    PreferredElection,
    /// Children of `/isr_change_notification`.
    IsrChanges,
    /// Children of `/log_dir_event_notification`.
    LogDirEvents,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZkFound {
    /// Data of a node. Null data is empty.
    Data {
        /// The bytes.
        data: Vec<u8>,
        /// `Stat.version`.
        version: ZkVersion,
        /// `Stat.czxid`; for `/brokers/ids/N` this is the broker epoch.
        czxid: i64,
    },
    /// Names of the children, in any order.
    Children(Vec<String>),
}

/// Why one read or write did not happen. Connection loss is not among these: the shell re-sends until there is an answer, and
/// a write that meets its own earlier success is recognised by the decider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZkError {
    /// The node does not exist.
    #[error("no such node")]
    NoNode,
    /// The node exists already.
    #[error("node exists")]
    NodeExists,
    /// The node's version is not the expected one.
    #[error("bad version")]
    BadVersion,
    /// Anything else ZooKeeper said, such as an ACL refusal. Not retried.
    #[error("{0}")]
    Other(String),
}

/// What became of a write request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZkOutcome {
    /// One entry per write, in the order asked: the node's version after it (0 after a create or delete), or why it failed.
    /// One failed write does not hinder the others.
    Done(Vec<Result<ZkVersion, ZkError>>),
    /// The check of `/controller_epoch` failed: another controller was elected. Some writes may have happened before.
    Fenced,
}

/// A broker's answer to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAnswer {
    /// To [`Effect::LeaderAndIsr`](super::effect::Effect::LeaderAndIsr).
    LeaderAndIsr {
        /// The top-level error.
        result: Result<(), OrderError>,
        /// Per partition. From version 5 on the wire names topics by id; the shell turns them back into names.
        partitions: Vec<(TopicPartition, Result<(), OrderError>)>,
    },
    /// To [`Effect::UpdateMetadata`](super::effect::Effect::UpdateMetadata).
    UpdateMetadata {
        /// The top-level error.
        result: Result<(), OrderError>,
    },
    /// To [`Effect::StopReplica`](super::effect::Effect::StopReplica). Below version 3 one order becomes two requests; each is
    /// answered by an event of its own.
    StopReplica {
        /// The top-level error.
        result: Result<(), OrderError>,
        /// Every partition of the order (also when the top-level error left the response's list empty).
        partitions: Vec<StopReplicaAnswer>,
    },
}

/// What became of one replica of a StopReplica order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicaAnswer {
    /// The partition.
    pub partition: TopicPartition,
    /// Whether the order asked for deletion.
    pub delete: bool,
    /// Whether it was stopped (and deleted).
    pub result: Result<(), OrderError>,
}

/// An error code in a broker's answer, as far as the controller tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// KAFKA_STORAGE_ERROR: the replica's log directory is offline.
    KafkaStorage,
    /// STALE_CONTROLLER_EPOCH: for the request, a newer controller was seen; for a partition, its leader epoch is not new.
    StaleControllerEpoch,
    /// STALE_BROKER_EPOCH: the order was meant for an earlier registration.
    StaleBrokerEpoch,
    /// Any other code.
    Other(i16),
}

/// What a client or broker asks of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A leader proposes ISRs (contract 2.10). Answered by [`Answer::AlterPartition`](super::effect::Answer::AlterPartition).
    AlterPartition {
        /// The leader.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// One per partition.
        partitions: Vec<ProposedIsr>,
    },
    /// A broker wants to stop politely (2.11). Answered by
    /// [`Answer::ControlledShutdown`](super::effect::Answer::ControlledShutdown).
    ControlledShutdown {
        /// Who wants to stop.
        broker: BrokerId,
        /// Its registration; [`BrokerEpoch::NONE`] from requests too old to carry it.
        broker_epoch: BrokerEpoch,
    },
    /// Elect leaders now (2.9). Answered by [`Answer::ElectLeaders`](super::effect::Answer::ElectLeaders).
    ElectLeaders {
        /// Which partitions; `None` is all of them, and then those that need no election are left out of the answer.
        partitions: Option<Vec<TopicPartition>>,
        /// By which rule.
        election_type: ElectionType,
    },
    /// Start (`Some(target)`) or cancel (`None`) moves of replicas (2.7). Answered by
    /// [`Answer::AlterPartitionReassignments`](super::effect::Answer::AlterPartitionReassignments).
    AlterPartitionReassignments {
        /// Targets by partition.
        targets: Vec<(TopicPartition, Option<Vec<BrokerId>>)>,
    },
    /// Which moves are under way. Answered by
    /// [`Answer::ListPartitionReassignments`](super::effect::Answer::ListPartitionReassignments).
    ListPartitionReassignments {
        /// Which partitions; `None` is all that are moving.
        partitions: Option<Vec<TopicPartition>>,
    },
    /// A block of producer ids (2.14). Answered by
    /// [`Answer::AllocateProducerIds`](super::effect::Answer::AllocateProducerIds).
    AllocateProducerIds {
        /// For whom.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
    },
    /// Change finalised features (2.14). Answered by [`Answer::UpdateFeatures`](super::effect::Answer::UpdateFeatures).
    UpdateFeatures {
        /// The changes asked for, in the order given.
        updates: Vec<FeatureUpdate>,
    },
    /// Which of these topics are queued for deletion (CreatePartitions refuses them). Answered by
    /// [`Answer::QueuedForDeletion`](super::effect::Answer::QueuedForDeletion).
    QueuedForDeletion {
        /// The topics asked about.
        topics: Vec<TopicName>,
    },
}

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    /// By name (AlterPartition v0-1).
    Name(TopicName),
    /// By id (AlterPartition v2+).
    Id(TopicId),
}

/// One partition of an AlterPartition request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedIsr {
    /// The topic, as the request named it.
    pub topic: TopicRef,
    /// Partition index.
    pub partition: i32,
    /// The leader epoch the leader works under.
    pub leader_epoch: LeaderEpoch,
    /// The ISR it proposes.
    pub isr: Vec<BrokerId>,
    /// Whether it is still recovering from an unclean election. [`LeaderRecovery::Recovered`] from v0.
    pub leader_recovery: LeaderRecovery,
    /// The partition epoch the proposal is based on.
    pub partition_epoch: PartitionEpoch,
}

/// Rule of an ElectLeaders request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The head of the assignment.
    Preferred,
    /// Any live replica, if no in-sync one is alive.
    Unclean,
}

/// One item of an UpdateFeatures request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// Feature name.
    pub feature: String,
    /// Wanted level; below 1 together with [`UpgradeType::SafeDowngrade`] deletes the feature.
    pub max_version_level: i16,
    /// Which direction is allowed.
    pub upgrade_type: UpgradeType,
}

/// Direction of a feature update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeType {
    /// Code 1.
    Upgrade,
    /// Code 2.
    SafeDowngrade,
    /// Code 3.
    UnsafeDowngrade,
    /// Any other code.
    Unknown,
}
