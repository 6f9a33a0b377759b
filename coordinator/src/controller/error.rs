//! Why the controller refuses a request. Named as Kafka names its error codes; the numbers are known to `broker::api` alone.

/// A refusal, in Kafka's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Error {
    /// NOT_CONTROLLER
    #[error("this broker is not the controller")]
    NotController,
    /// STALE_BROKER_EPOCH
    #[error("the broker epoch is not the registered one")]
    StaleBrokerEpoch,
    /// BROKER_ID_NOT_REGISTERED
    #[error("the broker is not registered")]
    BrokerIdNotRegistered,
    /// BROKER_NOT_AVAILABLE
    #[error("the broker is not available")]
    BrokerNotAvailable,
    /// UNKNOWN_TOPIC_OR_PARTITION
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// UNKNOWN_TOPIC_ID
    #[error("unknown topic id")]
    UnknownTopicId,
    /// FENCED_LEADER_EPOCH
    #[error("the leader epoch is older than the controller's")]
    FencedLeaderEpoch,
    /// INVALID_UPDATE_VERSION
    #[error("the partition epoch is older than the controller's")]
    InvalidUpdateVersion,
    /// INVALID_REQUEST
    #[error("invalid request")]
    InvalidRequest,
    /// INELIGIBLE_REPLICA (OPERATION_NOT_ATTEMPTED below AlterPartition version 2)
    #[error("a proposed ISR member is not live")]
    IneligibleReplica,
    /// INVALID_REPLICA_ASSIGNMENT
    #[error("invalid replica assignment")]
    InvalidReplicaAssignment,
    /// NO_REASSIGNMENT_IN_PROGRESS
    #[error("no reassignment in progress")]
    NoReassignmentInProgress,
    /// PREFERRED_LEADER_NOT_AVAILABLE
    #[error("the preferred leader is not available")]
    PreferredLeaderNotAvailable,
    /// ELIGIBLE_LEADERS_NOT_AVAILABLE
    #[error("no eligible leader is available")]
    EligibleLeadersNotAvailable,
    /// ELECTION_NOT_NEEDED
    #[error("no election is needed")]
    ElectionNotNeeded,
    /// INVALID_TOPIC_EXCEPTION
    #[error("invalid topic")]
    InvalidTopic,
    /// FEATURE_UPDATE_FAILED
    #[error("the features could not be updated")]
    FeatureUpdateFailed,
    /// UNKNOWN_SERVER_ERROR
    #[error("unexpected error on the controller")]
    UnknownServer,
}
