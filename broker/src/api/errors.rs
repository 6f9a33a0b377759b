//! Which error code a failure is told as. The only place where the two meet.

use wire::ErrorCode;

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
