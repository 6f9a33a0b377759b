//! The log of an internal topic as the coordinator that keeps its state there sees it.
//! Knows nothing of groups or transactions. The replica manager stands behind it; tests put a log of their own there.

use bytes::Bytes;
use futures::future::BoxFuture;
use wire::ErrorCode;
use zk_schema::types::{Offset, TopicPartition};

/// Appends to, and reads from, partitions this broker leads.
pub trait CoordinatorLog: Send + Sync + 'static {
    /// Appends one batch, with the rights of a coordinator: internal topics allowed, sequences unchecked.
    /// Returns once the leader's own log has it, without waiting for others; appends take effect in the order of calls.
    ///
    /// `required_acks` is as in a produce request: with -1 the in-sync replicas must be enough beforehand.
    ///
    /// # Errors
    /// The code a producer would be told. Nothing was written then.
    fn append(&self, partition: &TopicPartition, batch: Bytes, required_acks: i16) -> Result<Appended, ErrorCode>;

    /// Log start offset and log end offset; `None` if this broker does not lead the partition.
    fn offsets(&self, partition: &TopicPartition) -> Option<(Offset, Offset)>;

    /// Whole batches from `offset` on, at least one if there is any, up to the log end. Reads the disk: may block.
    ///
    /// # Errors
    /// The code a consumer would be told.
    fn read(&self, partition: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Bytes, ErrorCode>;
}

/// A batch in the leader's log.
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Ends when every in-sync replica has it, or when that can no longer happen. Without a time limit.
    pub committed: BoxFuture<'static, Result<(), ErrorCode>>,
}
