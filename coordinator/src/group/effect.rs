//! Everything a group can ask for.
//! A reply leaves at once. What may only be said when its records are committed is kept here under the token of
//! their append, and becomes a reply when [`super::Event::AppendDone`] comes back: a group can move on while its
//! records are on their way, and then the answer is another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{GenerationId, ProducerEpoch, ProducerId, TopicPartition};

use super::error::Error;
use super::event::{Request, RequestId};
use super::group::StateName;
use super::id::{GroupId, InstanceId, MemberId};
use super::record::{CommittedOffset, Record};
use crate::time::Timestamp;

/// Names one append until its outcome comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendToken(pub u64);

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write these records as one batch, in the order of the effects, and report with `AppendDone`.
    Append(Append),
    /// Answer a request.
    Reply {
        /// Which request.
        to: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Ring at that time; replaces an earlier order with the same key.
    SetTimer {
        /// What for.
        key: TimerKey,
        /// When.
        at: Timestamp,
    },
    /// Do not ring.
    CancelTimer(TimerKey),
    /// Something worth a log line or a number in the metrics.
    Note(Note),
}

/// Records to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// To be named in the outcome.
    pub token: AppendToken,
    /// One batch.
    pub records: Arc<[Record]>,
    /// Whose word is needed.
    pub acks: Acks,
    /// Producer of a transactional batch.
    pub transaction: Option<(ProducerId, ProducerEpoch)>,
}

/// When an append is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Once every in-sync replica has it.
    All,
    /// Once the leader's log has it. For tombstones: a lost one is written again at the next expiry.
    Leader,
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKey {
    /// A member must be heard of.
    Heartbeat {
        /// Its group.
        group: GroupId,
        /// Who.
        member: MemberId,
    },
    /// A member that was given an id must come back with it.
    PendingMember {
        /// Its group.
        group: GroupId,
        /// Who.
        member: MemberId,
    },
    /// The group has waited long enough for members to join.
    Join(GroupId),
    /// The group has waited long enough for members to fetch their assignments.
    Sync(GroupId),
}

/// Answer to the [`Request`] of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// JoinGroup.
    Join(Result<Joined, JoinRefused>),
    /// SyncGroup.
    Sync(Result<Synced, Error>),
    /// Heartbeat.
    Heartbeat(Result<(), Error>),
    /// LeaveGroup, member by member.
    Leave(Result<Vec<LeftMember>, Error>),
    /// OffsetCommit and TxnOffsetCommit, partition by partition.
    CommitOffsets(BTreeMap<TopicPartition, Result<(), Error>>),
    /// OffsetFetch; `Ok(None)` is a partition without a committed offset.
    FetchOffsets(Result<FetchedOffsets, Error>),
    /// OffsetDelete, partition by partition.
    DeleteOffsets(Result<BTreeMap<TopicPartition, Result<(), Error>>, Error>),
    /// DescribeGroups.
    Describe(Result<Description, Error>),
    /// ListGroups.
    List(Result<Vec<Overview>, Error>),
    /// DeleteGroups.
    Delete(Result<(), Error>),
}

/// Committed offsets by partition; `Ok(None)` means none is known.
pub type FetchedOffsets = BTreeMap<TopicPartition, Result<Option<CommittedOffset>, Error>>;

/// A member is part of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Which generation.
    pub generation: GenerationId,
    /// `consumer`, `connect`, ...
    pub protocol_type: Option<Arc<str>>,
    /// The protocol all members know and most prefer.
    pub protocol: Option<Arc<str>>,
    /// Who leads. Not always true: see `can_skip_assignment`.
    pub leader: Option<MemberId>,
    /// The member's own id.
    pub member: MemberId,
    /// The leader must not compute an assignment.
    pub skip_assignment: bool,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
}

/// One member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Id.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// What it said about itself under the chosen protocol.
    pub metadata: Bytes,
}

/// A member may not join (yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    /// Its id: the one it came with, the one it must come back with, or empty.
    pub member: MemberId,
    /// Why.
    pub error: Error,
}

/// A member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol: Option<Arc<str>>,
    /// What the leader gave this member.
    pub assignment: Bytes,
}

/// What became of one leaving member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As asked.
    pub member: MemberId,
    /// As asked.
    pub instance: Option<InstanceId>,
    /// Gone, or why not.
    pub outcome: Result<(), Error>,
}

/// One line of ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Which group.
    pub group: GroupId,
    /// Empty if it has none.
    pub protocol_type: Arc<str>,
    /// Its state.
    pub state: StateName,
}

/// All about one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its state; `Dead` for a group that does not exist.
    pub state: StateName,
    /// Empty if it has none.
    pub protocol_type: Arc<str>,
    /// Empty unless stable.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// All about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Id.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// From the header of its JoinGroup.
    pub client_id: Arc<str>,
    /// Such as `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Empty unless the group is stable.
    pub metadata: Bytes,
    /// Empty unless the group is stable.
    pub assignment: Bytes,
}

/// Something happened that a person or a metric may care about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Members must join again.
    Rebalancing {
        /// Group.
        group: GroupId,
        /// The generation that ends.
        generation: GenerationId,
        /// What set it off.
        reason: String,
    },
    /// All members are in: a new generation begins.
    NewGeneration {
        /// Group.
        group: GroupId,
        /// Which.
        generation: GenerationId,
        /// How many; 0 when the group is now empty.
        members: usize,
    },
    /// The leader brought the assignments.
    RebalanceCompleted,
    /// A member was not heard of in time.
    MemberFailed {
        /// Group.
        group: GroupId,
        /// Who.
        member: MemberId,
    },
    /// The group itself could not be written.
    GroupNotStored {
        /// Group.
        group: GroupId,
        /// Why.
        error: Error,
    },
    /// So many offsets were written.
    OffsetsCommitted(usize),
    /// So many offsets were too old.
    OffsetsExpired(usize),
    /// So many offsets were deleted on request.
    OffsetsDeleted(usize),
}

impl Request {
    /// The group it is about; `None` for listing.
    #[must_use]
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Join(join) => Some(&join.group),
            Self::Sync(sync) => Some(&sync.group),
            Self::Heartbeat(heartbeat) => Some(&heartbeat.group),
            Self::Leave(leave) => Some(&leave.group),
            Self::CommitOffsets(commit) => Some(&commit.group),
            Self::CommitTransactionOffsets(transaction) => Some(&transaction.commit.group),
            Self::FetchOffsets(fetch) => Some(&fetch.group),
            Self::DeleteOffsets(delete) => Some(&delete.group),
            Self::Describe(group) | Self::Delete(group) => Some(group),
            Self::List { .. } => None,
        }
    }

    /// Checks the group id. Reading and committing offsets, describing and deleting allow an empty one, since such
    /// groups exist from before it was forbidden. Longer ids than a stored string holds are refused everywhere.
    ///
    /// # Errors
    /// [`Error::InvalidGroupId`].
    ///
    /// Source: `GroupCoordinator.isValidGroupId`.
    pub fn validate_group_id(&self) -> Result<(), Error> {
        const LONGEST: usize = i16::MAX as usize;
        let may_be_empty = matches!(
            self,
            Self::CommitOffsets(_) | Self::FetchOffsets(_) | Self::Describe(_) | Self::Delete(_) | Self::List { .. }
        );
        match self.group() {
            Some(group) if group.is_empty() && !may_be_empty => Err(Error::InvalidGroupId),
            Some(group) if group.as_str().len() > LONGEST => Err(Error::InvalidGroupId),
            _ => Ok(()),
        }
    }

    /// The answer that grants nothing. Old clients do not know `CoordinatorLoadInProgress` in some answers, so
    /// while loading a heartbeat is taken blindly and a sync must start over at join.
    #[must_use]
    pub fn refuse(self, error: Error) -> Reply {
        let loading = error == Error::CoordinatorLoadInProgress;
        let commit_refused = |commit: CommitOffsetsOf| commit.into_keys().map(|key| (key, Err(error))).collect();
        match self {
            Self::Join(join) => Reply::Join(Err(JoinRefused { member: join.member, error })),
            Self::Sync(_) => Reply::Sync(Err(if loading { Error::RebalanceInProgress } else { error })),
            Self::Heartbeat(_) => Reply::Heartbeat(if loading { Ok(()) } else { Err(error) }),
            Self::Leave(_) => Reply::Leave(Err(error)),
            Self::CommitOffsets(commit) => Reply::CommitOffsets(commit_refused(commit.offsets)),
            Self::CommitTransactionOffsets(transaction) => {
                Reply::CommitOffsets(commit_refused(transaction.commit.offsets))
            }
            Self::FetchOffsets(_) => Reply::FetchOffsets(Err(error)),
            Self::DeleteOffsets(_) => Reply::DeleteOffsets(Err(error)),
            Self::Describe(_) => Reply::Describe(Err(error)),
            Self::List { .. } => Reply::List(Err(error)),
            Self::Delete(_) => Reply::Delete(Err(error)),
        }
    }
}

type CommitOffsetsOf = BTreeMap<TopicPartition, CommittedOffset>;
