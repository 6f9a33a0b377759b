//! The records Kafka keeps in `__consumer_offsets` and `__transaction_state`, every version, byte for byte.
//! Never sees a record batch: it turns one record's key or value into a struct and back.
//! Source: `GroupMetadataKey`, `GroupMetadataValue`, `OffsetCommitKey`, `OffsetCommitValue`, `TransactionLogKey` and
//! `TransactionLogValue` of Kafka 3.9. Each key and value begins with its version as an int16.

mod field;
mod group_metadata;
mod offset_commit;
mod offsets_key;
mod transaction_log;

pub use field::Error;
pub use group_metadata::{GroupMetadataValue, StoredMember};
pub use offset_commit::OffsetCommitValue;
pub use offsets_key::OffsetsKey;
pub use transaction_log::{TransactionLogKey, TransactionLogValue};

#[cfg(test)]
mod tests;
