//! Record batches of every format: layout, checksums, compression, control records, and the rules a leader checks
//! before it stores them. Pure and synchronous: it sees bytes and answers with bytes, and knows no file, socket or clock.
//! Every byte may come from a stranger: nothing here panics on bad input, and nothing grows past a bound it was given.
//! Source: `org.apache.kafka.common.record`, `org.apache.kafka.common.compress` and `LogValidator` of Kafka 3.9.

pub mod batch;
pub mod builder;
pub mod codec;
pub mod control;
pub mod convert;
pub mod crc;
mod error;
pub mod frames;
pub mod header;
pub mod legacy;
pub mod record;
pub mod validate;
pub mod varint;

pub use batch::{Batch, Batches, batches};
pub use builder::{BatchBuilder, BatchOptions};
pub use codec::{Codec, Compression};
pub use error::{Error, ErrorKind};
pub use header::{Attributes, BatchHeader, TimestampType};
pub use record::{Record, RecordHeader};
pub use validate::{Origin, Validated, ValidationRules, validate};

/// Message format 0: no timestamps, one message per entry.
pub const MAGIC_V0: i8 = 0;
/// Message format 1: timestamps, relative inner offsets.
pub const MAGIC_V1: i8 = 1;
/// Record batches: what a 3.9 broker stores.
pub const MAGIC_V2: i8 = 2;

/// Offset and size, in front of every entry of every format.
pub const LOG_OVERHEAD: usize = 12;
/// "No timestamp": message format 0, or a producer that set none.
pub const NO_TIMESTAMP: i64 = -1;
/// "No producer id": not an idempotent producer.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// "No sequence": not an idempotent producer, or a control batch.
pub const NO_SEQUENCE: i32 = -1;
/// "No leader epoch": the batch has not been stored by a leader.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;
