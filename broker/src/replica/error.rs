//! Why a partition did not do what was asked of it, each variant named for the Kafka error it becomes.

use partition_log::{AppendError, ReadError, StorageError};
use wire::ErrorCode;
use zk_schema::types::{BrokerId, LeaderEpoch, Offset, TopicPartition};

/// Why a partition did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `NOT_LEADER_OR_FOLLOWER`.
    #[error("{0}: this broker does not lead the partition, or does not host it yet")]
    NotLeaderOrFollower(TopicPartition),
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    #[error("{0}: there is no such partition")]
    UnknownTopicOrPartition(TopicPartition),
    /// `KAFKA_STORAGE_ERROR`: the partition lies on a log directory that failed earlier.
    #[error("{0}: the partition's log directory is offline")]
    Offline(TopicPartition),
    /// `KAFKA_STORAGE_ERROR`.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// `FENCED_LEADER_EPOCH`.
    #[error("{partition}: leader epoch {got} is older than {current}")]
    FencedLeaderEpoch {
        /// Where.
        partition: TopicPartition,
        /// Epoch of the request.
        got: LeaderEpoch,
        /// Epoch here.
        current: LeaderEpoch,
    },
    /// `UNKNOWN_LEADER_EPOCH`.
    #[error("{partition}: leader epoch {got} is newer than {current}")]
    UnknownLeaderEpoch {
        /// Where.
        partition: TopicPartition,
        /// Epoch of the request.
        got: LeaderEpoch,
        /// Epoch here.
        current: LeaderEpoch,
    },
    /// A fetch of a broker that is no replica: `UNKNOWN_LEADER_EPOCH` if it named an epoch, else
    /// `NOT_LEADER_OR_FOLLOWER`. Both make it ask again once it, or we, know better.
    #[error("{partition}: broker {broker} is no replica")]
    NotAReplica {
        /// Where.
        partition: TopicPartition,
        /// Who fetched.
        broker: BrokerId,
        /// Whether its request had a leader epoch.
        named_epoch: bool,
    },
    /// `NOT_ENOUGH_REPLICAS`.
    #[error("{partition}: {in_sync} replicas are in sync, {needed} are needed")]
    NotEnoughReplicas {
        /// Where.
        partition: TopicPartition,
        /// Size of the ISR.
        in_sync: usize,
        /// What `min.insync.replicas` asks for.
        needed: usize,
    },
    /// `NOT_ENOUGH_REPLICAS_AFTER_APPEND`.
    #[error("{0}: fewer replicas are in sync than needed, but the records are appended")]
    NotEnoughReplicasAfterAppend(TopicPartition),
    /// `REQUEST_TIMED_OUT`.
    #[error("{0}: not done within the time given")]
    TimedOut(TopicPartition),
    /// `INCONSISTENT_TOPIC_ID`.
    #[error("{0}: the topic id is not that of the log")]
    InconsistentTopicId(TopicPartition),
    /// `OFFSET_OUT_OF_RANGE`.
    #[error("{partition}: offset {offset}: {why}")]
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// Offset asked for.
        offset: Offset,
        /// What it is beyond.
        why: &'static str,
    },
    /// `OFFSET_NOT_AVAILABLE`.
    #[error("{0}: the high watermark has not reached the beginning of this leader's epoch")]
    OffsetNotAvailable(TopicPartition),
    /// `POLICY_VIOLATION`.
    #[error("{0}: records cannot be deleted, for cleanup.policy does not contain delete")]
    PolicyViolation(TopicPartition),
    /// The log refused an append.
    #[error(transparent)]
    Append(AppendError),
    /// The log refused a read.
    #[error(transparent)]
    Read(ReadError),
    /// The log could not be created, changed or deleted.
    #[error(transparent)]
    Log(partition_log::Error),
    /// Whoever had to agree to the append did not: a transaction that could not be verified, a forbidden topic.
    #[error("{partition}: {why}")]
    Refused {
        /// Where.
        partition: TopicPartition,
        /// The code to be told.
        code: ErrorCode,
        /// Why.
        why: String,
    },
}

impl Error {
    /// Whether the log directory has failed.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::Offline(_)
                | Self::Storage(_)
                | Self::Append(AppendError::Storage(_))
                | Self::Read(ReadError::Storage(_))
                | Self::Log(
                    partition_log::Error::Storage(_)
                        | partition_log::Error::MayBeOffline(_)
                        | partition_log::Error::NoLogDir(_)
                )
        )
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Storage(storage) => Self::Storage(storage),
            AppendError::Closed(partition) => Self::NotLeaderOrFollower(partition),
            other => Self::Append(other),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(storage) => Self::Storage(storage),
            other => Self::Read(other),
        }
    }
}

impl From<partition_log::Error> for Error {
    fn from(error: partition_log::Error) -> Self {
        match error {
            partition_log::Error::Storage(storage) => Self::Storage(storage),
            partition_log::Error::Read(read) => Self::Read(read),
            other => Self::Log(other),
        }
    }
}
