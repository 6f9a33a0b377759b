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
