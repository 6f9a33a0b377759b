//! Everything a group can answer instead of what was asked, by Kafka's names.
//! Knows no error codes: `broker` turns these into them.

use super::event::AppendError;

/// Why a request was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The group id is empty where it must not be, or too long to be stored.
    #[error("the group id is invalid")]
    InvalidGroupId,
    /// The coordinator is not ready, or its log has too few replicas.
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// The coordinator is still reading its log.
    #[error("the coordinator is loading")]
    CoordinatorLoadInProgress,
    /// Another broker coordinates this group.
    #[error("this is not the coordinator of the group")]
    NotCoordinator,
    /// The session timeout is outside the broker's bounds.
    #[error("the session timeout is outside the allowed range")]
    InvalidSessionTimeout,
    /// No such member, or no such group.
    #[error("the member is not part of the group")]
    UnknownMemberId,
    /// The group is full.
    #[error("the group has reached its maximum size")]
    GroupMaxSizeReached,
    /// The member's protocols do not fit those of the others.
    #[error("the member's protocols do not fit those of the group")]
    InconsistentGroupProtocol,
    /// The member must join again with the id it was just given.
    #[error("the member must join again with its new id")]
    MemberIdRequired,
    /// Another process took over this `group.instance.id`.
    #[error("another member took over this group instance id")]
    FencedInstanceId,
    /// The generation is not the current one.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// The group is between two generations: join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// A transaction that has not ended wrote this offset.
    #[error("the offset awaits the end of a transaction")]
    UnstableOffsetCommit,
    /// The note kept with an offset is too long.
    #[error("the offset's metadata is too large")]
    OffsetMetadataTooLarge,
    /// The whole commit is larger than one batch may be.
    #[error("the commit is too large")]
    InvalidCommitOffsetSize,
    /// The group still has members.
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// There is no such group.
    #[error("the group does not exist")]
    GroupIdNotFound,
    /// A member still reads this topic.
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// Writing took too long; it may still take effect.
    #[error("the request timed out")]
    RequestTimedOut,
    /// The producer's epoch is old.
    #[error("the producer's epoch is old")]
    InvalidProducerEpoch,
    /// The transaction is in the wrong state for this.
    #[error("the transaction is in the wrong state")]
    InvalidTxnState,
    /// The log's message format is too old for transactions.
    #[error("the message format does not support this")]
    UnsupportedForMessageFormat,
    /// Something no client can help.
    #[error("unexpected error")]
    UnknownServerError,
}

impl Error {
    /// What a client is told when its offsets could not be written.
    ///
    /// Source: `GroupMetadataManager.maybeConvertOffsetCommitError`.
    #[must_use]
    pub(super) const fn of_offset_append(error: AppendError) -> Self {
        match error {
            AppendError::UnknownTopicOrPartition
            | AppendError::NotEnoughReplicas
            | AppendError::NotEnoughReplicasAfterAppend => Self::CoordinatorNotAvailable,
            AppendError::NotLeaderOrFollower | AppendError::KafkaStorageError => Self::NotCoordinator,
            AppendError::TooLarge => Self::InvalidCommitOffsetSize,
            AppendError::RequestTimedOut => Self::RequestTimedOut,
            AppendError::InvalidProducerEpoch => Self::InvalidProducerEpoch,
            AppendError::InvalidTxnState => Self::InvalidTxnState,
            AppendError::Other => Self::UnknownServerError,
        }
    }

    /// What members are told when the group could not be written.
    ///
    /// Source: `GroupMetadataManager.storeGroup`.
    #[must_use]
    pub(super) const fn of_group_append(error: AppendError) -> Self {
        match error {
            AppendError::RequestTimedOut => Self::RebalanceInProgress,
            AppendError::TooLarge => Self::UnknownServerError,
            other => Self::of_offset_append(other),
        }
    }
}
