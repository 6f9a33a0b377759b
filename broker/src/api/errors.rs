//! Which error code a failure is told as. The only place where the two meet.

use wire::ErrorCode;

/// A code for the client, with a text where the code alone does not say enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The text.
    pub message: Option<String>,
}

impl Refusal {
    /// A code with a text.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

/// A failure that has a Kafka error code.
pub trait KafkaError {
    /// The code a client is told.
    fn code(&self) -> ErrorCode;
}

impl KafkaError for ErrorCode {
    fn code(&self) -> ErrorCode {
        *self
    }
}

impl KafkaError for crate::zk::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoNode(_) => ErrorCode::UnknownTopicOrPartition,
            Self::NodeExists(_) => ErrorCode::TopicAlreadyExists,
            Self::ControllerMoved(_) | Self::Fenced(_) => ErrorCode::NotController,
            Self::ConnectTimeout { .. } | Self::Closed => ErrorCode::RequestTimedOut,
            Self::TooLarge { .. } => ErrorCode::InvalidRequest,
            Self::BadVersion(_)
            | Self::NotEmpty(_)
            | Self::Content(_)
            | Self::DuplicateBrokerId { .. }
            | Self::Other { .. } => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for coordinator::group::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
            Self::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            Self::NotCoordinator => ErrorCode::NotCoordinator,
            Self::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            Self::UnknownMemberId => ErrorCode::UnknownMemberId,
            Self::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            Self::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            Self::MemberIdRequired => ErrorCode::MemberIdRequired,
            Self::FencedInstanceId => ErrorCode::FencedInstanceId,
            Self::IllegalGeneration => ErrorCode::IllegalGeneration,
            Self::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Self::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
            Self::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            Self::InvalidCommitOffsetSize => ErrorCode::InvalidCommitOffsetSize,
            Self::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            Self::GroupIdNotFound => ErrorCode::GroupIdNotFound,
            Self::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            Self::RequestTimedOut => ErrorCode::RequestTimedOut,
            Self::InvalidProducerEpoch => ErrorCode::InvalidProducerEpoch,
            Self::InvalidTxnState => ErrorCode::InvalidTxnState,
            Self::UnsupportedForMessageFormat => ErrorCode::UnsupportedForMessageFormat,
            Self::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for crate::replica::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotLeaderOrFollower(_) | Self::NotAReplica { named_epoch: false, .. } => {
                ErrorCode::NotLeaderOrFollower
            }
            Self::UnknownTopicOrPartition(_) => ErrorCode::UnknownTopicOrPartition,
            Self::Offline(_) | Self::Storage(_) => ErrorCode::KafkaStorageError,
            Self::FencedLeaderEpoch { .. } => ErrorCode::FencedLeaderEpoch,
            Self::UnknownLeaderEpoch { .. } | Self::NotAReplica { named_epoch: true, .. } => {
                ErrorCode::UnknownLeaderEpoch
            }
            Self::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
            Self::NotEnoughReplicasAfterAppend(_) => ErrorCode::NotEnoughReplicasAfterAppend,
            Self::TimedOut(_) => ErrorCode::RequestTimedOut,
            Self::InconsistentTopicId(_) => ErrorCode::InconsistentTopicId,
            Self::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            Self::OffsetNotAvailable(_) => ErrorCode::OffsetNotAvailable,
            Self::PolicyViolation(_) => ErrorCode::PolicyViolation,
            Self::Append(error) => error.code(),
            Self::Read(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::Refused { code, .. } => *code,
        }
    }
}

impl KafkaError for partition_log::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(_) | Self::MayBeOffline(_) | Self::NoLogDir(_) | Self::AllLogDirsFailed => {
                ErrorCode::KafkaStorageError
            }
            Self::Read(error) => error.code(),
            Self::InconsistentTopicId { .. } => ErrorCode::InconsistentTopicId,
            Self::LogStartAboveHighWatermark { .. } => ErrorCode::OffsetOutOfRange,
            Self::Locked(_) | Self::UnknownDirectory(_) | Self::DuplicateLog { .. } => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for partition_log::ReadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(_) => ErrorCode::KafkaStorageError,
            Self::Changed(_) => ErrorCode::NotLeaderOrFollower,
            Self::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            Self::Corrupt { .. } => ErrorCode::CorruptMessage,
        }
    }
}

impl KafkaError for partition_log::AppendError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(_) => ErrorCode::KafkaStorageError,
            Self::Closed(_) => ErrorCode::NotLeaderOrFollower,
            Self::Record { source, .. } => source.code(),
            Self::Invalid { source, .. } => source.code(),
            Self::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
            Self::Producer(error) => error.code(),
            Self::OffsetsOutOfOrder { .. } | Self::UnexpectedAppendOffset { .. } => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for partition_log::ProducerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            Self::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            Self::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
            Self::TransactionCoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

impl KafkaError for record::Error {
    fn code(&self) -> ErrorCode {
        match self.kind() {
            record::ErrorKind::CorruptMessage => ErrorCode::CorruptMessage,
            record::ErrorKind::InvalidRecord => ErrorCode::InvalidRecord,
            record::ErrorKind::UnsupportedCompressionType => ErrorCode::UnsupportedCompressionType,
            record::ErrorKind::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for record::validate::Error {
    fn code(&self) -> ErrorCode {
        use record::validate::ErrorKind;
        match self.kind() {
            ErrorKind::CorruptMessage => ErrorCode::CorruptMessage,
            ErrorKind::MessageTooLarge => ErrorCode::MessageTooLarge,
            ErrorKind::InvalidTimestamp => ErrorCode::InvalidTimestamp,
            ErrorKind::UnsupportedForMessageFormat => ErrorCode::UnsupportedForMessageFormat,
            ErrorKind::UnsupportedCompressionType => ErrorCode::UnsupportedCompressionType,
            ErrorKind::InvalidRecord => ErrorCode::InvalidRecord,
            ErrorKind::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for crate::shell::topics::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Assignment(error) => error.code(),
            Self::Config(_) => ErrorCode::InvalidConfig,
            Self::UnknownTopic(_) => ErrorCode::UnknownTopicOrPartition,
            Self::ReassignmentInProgress(_) => ErrorCode::ReassignmentInProgress,
            Self::Zk(error) => error.code(),
        }
    }
}

impl KafkaError for coordinator::controller::assignment::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
            Self::InvalidReplicationFactor(_) => ErrorCode::InvalidReplicationFactor,
            Self::InvalidReplicaAssignment(_) => ErrorCode::InvalidReplicaAssignment,
            Self::BrokerNotAvailable(_) => ErrorCode::BrokerNotAvailable,
            Self::RacksIncomplete | Self::NoFirstPartition(_) => ErrorCode::UnknownServerError,
            Self::InvalidTopic(_) => ErrorCode::InvalidTopicException,
            Self::TopicExists(_) => ErrorCode::TopicAlreadyExists,
        }
    }
}

impl KafkaError for coordinator::controller::Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotController => ErrorCode::NotController,
            Self::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
            Self::BrokerIdNotRegistered => ErrorCode::BrokerIdNotRegistered,
            Self::BrokerNotAvailable => ErrorCode::BrokerNotAvailable,
            Self::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
            Self::UnknownTopicId => ErrorCode::UnknownTopicId,
            Self::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            Self::InvalidUpdateVersion => ErrorCode::InvalidUpdateVersion,
            Self::InvalidRequest => ErrorCode::InvalidRequest,
            Self::IneligibleReplica => ErrorCode::IneligibleReplica,
            Self::InvalidReplicaAssignment => ErrorCode::InvalidReplicaAssignment,
            Self::NoReassignmentInProgress => ErrorCode::NoReassignmentInProgress,
            Self::PreferredLeaderNotAvailable => ErrorCode::PreferredLeaderNotAvailable,
            Self::EligibleLeadersNotAvailable => ErrorCode::EligibleLeadersNotAvailable,
            Self::ElectionNotNeeded => ErrorCode::ElectionNotNeeded,
            Self::InvalidTopic => ErrorCode::InvalidTopicException,
            Self::FeatureUpdateFailed => ErrorCode::FeatureUpdateFailed,
            Self::UnknownServer => ErrorCode::UnknownServerError,
        }
    }
}
