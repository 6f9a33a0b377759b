//! Everything that can happen to the groups of one partition.
//! No API versions here: a handler turns any version of a request into one of these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;
use zk_schema::types::{GenerationId, Offset, ProducerEpoch, ProducerId, TopicPartition};

use super::effect::{AppendToken, TimerKey};
use super::group::StateName;
use super::id::{GroupId, InstanceId, MemberId};
use super::record::CommittedOffset;

/// Names one request until it is answered; the shell makes them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client asks.
    Request {
        /// To be named in the answer.
        from: RequestId,
        /// What it asks.
        request: Request,
    },
    /// An [`super::Effect::Append`] came to its end: the base offset of its batch, or why it failed.
    AppendDone {
        /// Which append.
        token: AppendToken,
        /// Its base offset in the log, or what went wrong.
        outcome: Result<Offset, AppendError>,
    },
    /// A transaction's marker was written to this partition.
    TransactionEnded {
        /// Whose transaction.
        producer_id: ProducerId,
        /// Commit, or abort.
        committed: bool,
    },
    /// These partitions are gone, and with them every offset committed for them.
    PartitionsDeleted(BTreeSet<TopicPartition>),
    /// Time to look for offsets nobody needs any more.
    ExpireOffsets,
    /// Every record of the log was replayed: groups may be served.
    Loaded,
    /// This broker no longer leads the partition.
    Unload,
    /// A timer rang.
    Timer(TimerKey),
}

/// What a client can ask of one group, or of all groups of this partition.
#[derive(Clone, Debug)]
pub enum Request {
    /// JoinGroup.
    Join(Join),
    /// SyncGroup.
    Sync(Sync),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(Leave),
    /// OffsetCommit.
    CommitOffsets(CommitOffsets),
    /// TxnOffsetCommit, already verified with the transaction coordinator.
    CommitTransactionOffsets(CommitTransactionOffsets),
    /// OffsetFetch for one group.
    FetchOffsets(FetchOffsets),
    /// OffsetDelete.
    DeleteOffsets(DeleteOffsets),
    /// DescribeGroups for one group.
    Describe(GroupId),
    /// ListGroups for this partition.
    List {
        /// Only groups in these states; `None` lists all.
        states: Option<BTreeSet<StateName>>,
    },
    /// DeleteGroups for one group.
    Delete(GroupId),
}

/// One way to share out work, and what the member says about itself under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Such as `range`.
    pub name: Arc<str>,
    /// For consumers their subscription; the group's leader reads it.
    pub metadata: Bytes,
}

/// A member wants to take part in the next generation.
#[derive(Clone, Debug)]
pub struct Join {
    /// Group to join.
    pub group: GroupId,
    /// Empty for a member without an id yet.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Whether a dynamic member without an id is only given one, to join again with (JoinGroup v4 and later).
    pub require_known_member_id: bool,
    /// Whether the member understands "you lead, but keep the assignment" (JoinGroup v9 and later).
    pub can_skip_assignment: bool,
    /// From the request's header.
    pub client_id: Arc<str>,
    /// Such as `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// How long the group waits for this member to join again, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// Longest silence, in milliseconds.
    pub session_timeout_ms: i32,
    /// `consumer`, `connect`, ...
    pub protocol_type: Arc<str>,
    /// By preference.
    pub protocols: Vec<Protocol>,
    /// The client's own words.
    pub reason: Option<Arc<str>>,
    /// Randomness for a new member id.
    pub uuid: Uuid,
}

/// A member wants its assignment; the leader brings everybody's.
#[derive(Clone, Debug)]
pub struct Sync {
    /// Group.
    pub group: GroupId,
    /// Generation the member learned when joining.
    pub generation: GenerationId,
    /// Who asks.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Must be the group's when given (v5 and later).
    pub protocol_type: Option<Arc<str>>,
    /// Must be the chosen one when given (v5 and later).
    pub protocol: Option<Arc<str>>,
    /// From the leader only.
    pub assignments: BTreeMap<MemberId, Bytes>,
}

/// A member is alive.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Group.
    pub group: GroupId,
    /// Who.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Generation it believes in.
    pub generation: GenerationId,
}

/// Members go, or an administrator removes them.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Group.
    pub group: GroupId,
    /// Who goes.
    pub members: Vec<LeavingMember>,
}

/// One who goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Empty when an administrator names only the instance.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// The client's own words.
    pub reason: Option<Arc<str>>,
}

/// Offsets to remember.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    /// Group.
    pub group: GroupId,
    /// Empty for a consumer that manages its partitions by itself.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Negative for a consumer that manages its partitions by itself.
    pub generation: GenerationId,
    /// What to remember.
    pub offsets: BTreeMap<TopicPartition, CommittedOffset>,
}

/// Offsets to remember if a transaction commits.
#[derive(Clone, Debug)]
pub struct CommitTransactionOffsets {
    /// The same as outside a transaction.
    pub commit: CommitOffsets,
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// Offsets to tell.
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    /// Group.
    pub group: GroupId,
    /// Which; `None` is all there are.
    pub partitions: Option<Vec<TopicPartition>>,
    /// Whether offsets of open transactions are answered with an error instead of the older offset.
    pub require_stable: bool,
}

/// Offsets to forget.
#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    /// Group.
    pub group: GroupId,
    /// Which.
    pub partitions: BTreeSet<TopicPartition>,
}

/// Why records could not be written to the partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("the partition is unknown")]
    UnknownTopicOrPartition,
    /// NOT_ENOUGH_REPLICAS.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    #[error("too few replicas were in sync after the append")]
    NotEnoughReplicasAfterAppend,
    /// NOT_LEADER_OR_FOLLOWER.
    #[error("this broker does not lead the partition")]
    NotLeaderOrFollower,
    /// KAFKA_STORAGE_ERROR.
    #[error("the log's directory failed")]
    KafkaStorageError,
    /// REQUEST_TIMED_OUT.
    #[error("replication took too long")]
    RequestTimedOut,
    /// MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE or INVALID_FETCH_SIZE.
    #[error("the batch is too large")]
    TooLarge,
    /// INVALID_PRODUCER_EPOCH.
    #[error("the producer's epoch is old")]
    InvalidProducerEpoch,
    /// INVALID_TXN_STATE.
    #[error("the transaction is in the wrong state")]
    InvalidTxnState,
    /// Anything else.
    #[error("unexpected error")]
    Other,
}
