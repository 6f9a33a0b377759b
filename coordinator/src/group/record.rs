//! What is kept in the log, in the groups' own words.
//! Knows no versions and no bytes: `broker` translates to and from the stored records.

use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{GenerationId, LeaderEpoch, Offset, ProducerId, TopicPartition};

use super::id::{GroupId, InstanceId, MemberId};
use crate::time::Timestamp;

/// One stored fact. A later one about the same thing replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Where a group is in a partition; `None` forgets it.
    Offset {
        /// Whose.
        group: GroupId,
        /// Where.
        partition: TopicPartition,
        /// How far.
        value: Option<CommittedOffset>,
    },
    /// A generation of a group; `None` forgets the group.
    Group {
        /// Which.
        group: GroupId,
        /// Its members.
        value: Option<GroupMetadata>,
    },
    /// The end of a producer's transaction (a control record).
    TransactionEnd {
        /// Whose.
        producer_id: ProducerId,
        /// Commit, or abort.
        committed: bool,
    },
}

/// Where in the log a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Base offset of its batch. Of two commits of one partition the one further on counts.
    pub batch_base_offset: Offset,
    /// Set for records of a transactional batch: they count once that producer's transaction commits.
    pub transaction: Option<ProducerId>,
}

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Next offset to read.
    pub offset: Offset,
    /// Leader epoch of the last record read, if the client knew.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's note.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it may be forgotten, if the client said so (OffsetCommit v2 to v4).
    pub expire_timestamp: Option<Timestamp>,
}

/// A generation, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `consumer`, `connect`, ...
    pub protocol_type: Option<Arc<str>>,
    /// Which generation.
    pub generation: GenerationId,
    /// The chosen protocol; `None` when empty.
    pub protocol: Option<Arc<str>>,
    /// Who leads; `None` when empty.
    pub leader: Option<MemberId>,
    /// When the group entered its state; `None` in old records.
    pub state_since: Option<Timestamp>,
    /// Everybody in it.
    pub members: Vec<MemberMetadata>,
}

/// A member, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Id.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// From the header of its JoinGroup.
    pub client_id: Arc<str>,
    /// Such as `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// In milliseconds.
    pub rebalance_timeout_ms: i32,
    /// In milliseconds.
    pub session_timeout_ms: i32,
    /// What it said about itself under the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}
