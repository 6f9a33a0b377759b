//! What can go wrong with a log, each variant named for the Kafka error it becomes.
//! Says nothing about wire codes: `broker::api::errors` turns these into them.

use std::io;
use std::path::PathBuf;

use zk_schema::types::{Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition};

/// A disk operation failed, and with it the whole log directory: `KAFKA_STORAGE_ERROR`.
#[derive(Debug, thiserror::Error)]
#[error("log directory {}: {doing}: {source}", dir.display())]
pub struct StorageError {
    /// The log directory that is now out of use.
    pub dir: PathBuf,
    /// What was being done.
    pub doing: String,
    /// What the file system said; "already offline" for operations after the first failure.
    pub source: io::Error,
}

/// What an idempotent or transactional producer did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    #[error("{partition}: producer {producer_id}: sequence {got} is out of order, {expected}")]
    OutOfOrderSequence {
        /// Where.
        partition: TopicPartition,
        /// Whose batch.
        producer_id: ProducerId,
        /// First sequence of the batch.
        got: i32,
        /// What would have been right.
        expected: String,
    },
    /// `INVALID_PRODUCER_EPOCH`.
    #[error("{partition}: producer {producer_id}: epoch {got} is older than {current}")]
    InvalidProducerEpoch {
        /// Where.
        partition: TopicPartition,
        /// Whose batch.
        producer_id: ProducerId,
        /// Epoch of the batch.
        got: ProducerEpoch,
        /// Latest epoch seen.
        current: ProducerEpoch,
    },
    /// `INVALID_TXN_STATE`.
    #[error("{partition}: producer {producer_id}: {why}")]
    InvalidTxnState {
        /// Where.
        partition: TopicPartition,
        /// Whose batch.
        producer_id: ProducerId,
        /// What does not fit.
        why: &'static str,
    },
    /// `TRANSACTION_COORDINATOR_FENCED`.
    #[error("{partition}: producer {producer_id}: marker of coordinator epoch {got}, {current} has been seen")]
    TransactionCoordinatorFenced {
        /// Where.
        partition: TopicPartition,
        /// Whose transaction.
        producer_id: ProducerId,
        /// Coordinator epoch of the marker.
        got: i32,
        /// Latest coordinator epoch seen.
        current: i32,
    },
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// `KAFKA_STORAGE_ERROR`.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log was closed or deleted meanwhile: `NOT_LEADER_OR_FOLLOWER`.
    #[error("{0}: the log is closed")]
    Closed(TopicPartition),
    /// Bytes that are no batch, or with a wrong checksum: `CORRUPT_MESSAGE`, or as `record` says.
    #[error("{partition}: {source}")]
    Record {
        /// Where.
        partition: TopicPartition,
        /// What is wrong.
        source: record::Error,
    },
    /// Refused by the leader's checks: `MESSAGE_TOO_LARGE`, `INVALID_RECORD`, `INVALID_TIMESTAMP` and so on, as
    /// [`record::validate::Error::kind`] says.
    #[error("{partition}: {source}")]
    Invalid {
        /// Where.
        partition: TopicPartition,
        /// What is wrong.
        source: record::validate::Error,
    },
    /// `RECORD_LIST_TOO_LARGE`.
    #[error("{partition}: {size} bytes do not fit in a segment of {maximum}")]
    RecordListTooLarge {
        /// Where.
        partition: TopicPartition,
        /// Bytes to append.
        size: usize,
        /// `segment.bytes`.
        maximum: u64,
    },
    /// One of the producer's errors.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// A follower was given batches whose offsets do not grow: `UNKNOWN_SERVER_ERROR` towards nobody; the fetcher
    /// stops the partition.
    #[error("{partition}: offset {offset} does not follow {previous}")]
    OffsetsOutOfOrder {
        /// Where.
        partition: TopicPartition,
        /// Last offset of the offending batch.
        offset: Offset,
        /// Last offset of the batch before.
        previous: Offset,
    },
    /// A follower was given batches below its log end.
    #[error("{partition}: first offset {first_offset} is below the log end offset {log_end_offset}")]
    UnexpectedAppendOffset {
        /// Where.
        partition: TopicPartition,
        /// First offset given.
        first_offset: Offset,
        /// Last offset given.
        last_offset: Offset,
        /// Where the log ends.
        log_end_offset: Offset,
    },
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// `KAFKA_STORAGE_ERROR`.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log was truncated, closed or deleted while it was being read: ask again, or `NOT_LEADER_OR_FOLLOWER`.
    #[error("{0}: the log changed while it was being read")]
    Changed(TopicPartition),
    /// `OFFSET_OUT_OF_RANGE`.
    #[error("{partition}: offset {offset} is not within {log_start_offset} to {log_end_offset}")]
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// Offset asked for.
        offset: Offset,
        /// Log start offset.
        log_start_offset: Offset,
        /// Log end offset.
        log_end_offset: Offset,
    },
    /// What is stored is no batch: `CORRUPT_MESSAGE`.
    #[error("{partition}: segment {segment} is corrupt at position {position}: {source}")]
    Corrupt {
        /// Where.
        partition: TopicPartition,
        /// Base offset of the segment.
        segment: Offset,
        /// Position in the segment's file.
        position: u64,
        /// What is wrong.
        source: record::Error,
    },
}

/// Why a log could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `KAFKA_STORAGE_ERROR`.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the log holds cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// The partition may lie on a log directory that is offline: `KAFKA_STORAGE_ERROR`.
    #[error("{0}: not created while a log directory is offline, for it may lie there")]
    MayBeOffline(TopicPartition),
    /// No log directory is left: `KAFKA_STORAGE_ERROR`.
    #[error("{0}: no log directory is online")]
    NoLogDir(TopicPartition),
    /// `INCONSISTENT_TOPIC_ID`.
    #[error("{partition}: topic id {got} does not match {on_disk}, which the log has")]
    InconsistentTopicId {
        /// Where.
        partition: TopicPartition,
        /// Id given.
        got: TopicId,
        /// Id of the log.
        on_disk: TopicId,
    },
    /// `OFFSET_OUT_OF_RANGE`: the log start offset cannot pass the high watermark.
    #[error("{partition}: log start offset {offset} would be above the high watermark {high_watermark}")]
    LogStartAboveHighWatermark {
        /// Where.
        partition: TopicPartition,
        /// Offset asked for.
        offset: Offset,
        /// High watermark.
        high_watermark: Offset,
    },
    /// Another process uses the directory. The broker must not start.
    #[error("log directory {} is in use by another broker", .0.display())]
    Locked(PathBuf),
    /// A directory that is no log lies in a log directory. The broker must not start.
    #[error("{} is not in the form of topic-partition; log directories must hold nothing but Kafka's data", .0.display())]
    UnknownDirectory(PathBuf),
    /// One log lies in two directories. The broker must not start.
    #[error("{partition} lies in both {} and {}", first.display(), second.display())]
    DuplicateLog {
        /// Which.
        partition: TopicPartition,
        /// Here.
        first: PathBuf,
        /// And here.
        second: PathBuf,
    },
    /// Every log directory failed. The broker must stop.
    #[error("no log directory is usable")]
    AllLogDirsFailed,
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(storage) => Self::Storage(storage),
            other => Self::Read(other),
        }
    }
}
