//! Why a leader refuses what was sent, and which Kafka error and metric that is.

use super::ValidationRules;
use crate::error::{Error as FormatError, ErrorKind as FormatErrorKind};

/// Why a batch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what their format says.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A produce request since version 3 without a batch.
    #[error("produce requests since version 3 must have at least one record batch per partition")]
    NoBatch,
    /// More than one batch where one is allowed.
    #[error("compressed outer record has more than one batch")]
    MoreThanOneBatch,
    /// Messages of magic 0 or 1 in a produce request since version 3.
    #[error(
        "produce requests with version {version} are only allowed to contain record batches with magic version 2, not {magic}"
    )]
    OldFormat {
        /// The request's version.
        version: i16,
        /// The format found.
        magic: i8,
    },
    /// Zstandard from or for someone who must not know it.
    #[error("{what} are not allowed to use ZStandard compression")]
    ZstdNotAllowed {
        /// Who.
        what: &'static str,
    },
    /// A producer numbers from zero.
    #[error("the baseOffset of the record batch should be 0, but it is {base_offset}")]
    BaseOffset {
        /// The base offset found.
        base_offset: i64,
    },
    /// Beyond `max.message.bytes`.
    #[error("the record batch size is {size} bytes which exceeds the maximum configured value of {maximum}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// `max.message.bytes`.
        maximum: usize,
    },
    /// Messages of different formats in one set.
    #[error("batch magic {magic} is not the same as the first batch's magic byte {first}")]
    MixedMagic {
        /// The format found.
        magic: i8,
        /// The format of the first.
        first: i8,
    },
    /// Count and offset range of the header disagree.
    #[error("inconsistent last offset delta {last_offset_delta} and count of records {record_count}")]
    CountMismatch {
        /// Count in the header.
        record_count: i32,
        /// Last offset delta in the header.
        last_offset_delta: i32,
    },
    /// The offsets of an uncompressed batch are not 0, 1, 2 ...
    #[error("the offsets of the records in the batch are not consecutive")]
    OffsetsNotConsecutive,
    /// A control batch from a client.
    #[error("clients are not allowed to write control records")]
    ControlFromClient,
    /// A producer id without a sequence.
    #[error("invalid sequence number {base_sequence} in record batch with producerId {producer_id}")]
    Sequence {
        /// The producer.
        producer_id: i64,
        /// The sequence found.
        base_sequence: i32,
    },
    /// Transactional or idempotent records for a log of an old format.
    #[error("transactional or idempotent records cannot be used with magic version {magic}")]
    UnsupportedForMessageFormat {
        /// The log's format.
        magic: i8,
    },
    /// Single records are refused, and the batch with them.
    #[error("{}", summary(.0))]
    Records(Vec<RecordError>),
}

fn summary(errors: &[RecordError]) -> String {
    if errors.iter().any(RecordError::is_about_time) {
        return "One or more records have been rejected due to invalid timestamp".to_owned();
    }
    let shown: Vec<_> = errors.iter().take(3).map(|error| format!("{}: {}", error.index, error.message)).collect();
    format!(
        "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
        errors.len(),
        shown.join(", ")
    )
}

/// One refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Its index in the batch, from 0.
    pub index: i32,
    /// What is wrong with it.
    pub message: String,
    /// What kind of thing that is.
    pub cause: RecordErrorCause,
}

/// What a record is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordErrorCause {
    /// It has no key, and the topic is compacted.
    NoKey,
    /// Its timestamp or who set it.
    Timestamp,
}

impl RecordError {
    fn is_about_time(&self) -> bool {
        self.cause == RecordErrorCause::Timestamp
    }

    #[cold]
    pub(super) fn no_key(index: i32) -> Self {
        let message = "Compacted topic cannot accept message without key".to_owned();
        Self { index, message, cause: RecordErrorCause::NoKey }
    }

    /// Differs from Kafka: a bound beyond all time is told as the last of all times; Kafka's addition overflows.
    #[cold]
    pub(super) fn timestamp(index: i32, offset: i64, timestamp: i64, rules: &ValidationRules) -> Self {
        let earliest = rules.now_ms.saturating_sub(rules.timestamp_before_max_ms);
        let latest = rules.now_ms.saturating_add(rules.timestamp_after_max_ms);
        let message = format!(
            "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within [{earliest}, {latest}]"
        );
        Self { index, message, cause: RecordErrorCause::Timestamp }
    }

    #[cold]
    pub(super) fn timestamp_type(index: i32) -> Self {
        let message = "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.";
        Self { index, message: message.to_owned(), cause: RecordErrorCause::Timestamp }
    }
}

/// Which Kafka error an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `CORRUPT_MESSAGE` (2).
    CorruptMessage,
    /// `MESSAGE_TOO_LARGE` (10).
    MessageTooLarge,
    /// `INVALID_TIMESTAMP` (32).
    InvalidTimestamp,
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT` (43).
    UnsupportedForMessageFormat,
    /// `UNSUPPORTED_COMPRESSION_TYPE` (76).
    UnsupportedCompressionType,
    /// `INVALID_RECORD` (87).
    InvalidRecord,
    /// `UNKNOWN_SERVER_ERROR` (-1): our own failure.
    UnknownServerError,
}

/// Which of the rejection metrics an [`Error`] counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `NoKeyCompactedTopicRecordsPerSec`.
    NoKeyCompactedTopic,
    /// `InvalidMagicNumberRecordsPerSec`.
    InvalidMagicNumber,
    /// `InvalidMessageCrcRecordsPerSec`.
    InvalidMessageCrc,
    /// `InvalidOffsetOrSequenceRecordsPerSec`.
    InvalidOffsetOrSequence,
}

impl Error {
    /// Which Kafka error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Format(error) => match error.kind() {
                FormatErrorKind::CorruptMessage => ErrorKind::CorruptMessage,
                FormatErrorKind::InvalidRecord => ErrorKind::InvalidRecord,
                FormatErrorKind::UnsupportedCompressionType => ErrorKind::UnsupportedCompressionType,
                FormatErrorKind::UnknownServerError => ErrorKind::UnknownServerError,
            },
            Self::TooLarge { .. } => ErrorKind::MessageTooLarge,
            Self::ZstdNotAllowed { .. } => ErrorKind::UnsupportedCompressionType,
            Self::UnsupportedForMessageFormat { .. } => ErrorKind::UnsupportedForMessageFormat,
            Self::Records(errors) if errors.iter().any(RecordError::is_about_time) => ErrorKind::InvalidTimestamp,
            Self::Records(_)
            | Self::NoBatch
            | Self::MoreThanOneBatch
            | Self::OldFormat { .. }
            | Self::BaseOffset { .. }
            | Self::MixedMagic { .. }
            | Self::CountMismatch { .. }
            | Self::OffsetsNotConsecutive
            | Self::ControlFromClient
            | Self::Sequence { .. } => ErrorKind::InvalidRecord,
        }
    }

    /// Which rejection metric it counts in, if any.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Format(FormatError::Crc { .. }) => Some(Cause::InvalidMessageCrc),
            Self::Format(FormatError::Magic { .. }) | Self::MixedMagic { .. } => Some(Cause::InvalidMagicNumber),
            Self::CountMismatch { .. }
            | Self::OffsetsNotConsecutive
            | Self::ControlFromClient
            | Self::Sequence { .. } => Some(Cause::InvalidOffsetOrSequence),
            Self::Records(errors) if errors.iter().any(|error| !error.is_about_time()) => {
                Some(Cause::NoKeyCompactedTopic)
            }
            _ => None,
        }
    }
}
