//! One partition on disk, and the manager of all of them. Names and formats are byte for byte those of Kafka 3.9, so
//! that a Java broker can take over a log directory, and the other way round.
//!
//! Synchronous, and locked inside: a [`Log`] may be used from any thread. Knows nothing of sockets, of who leads, or of
//! whom to wake; asks no clock (times are handed in) and starts no threads but to load and close logs.
//!
//! ```text
//!   log_manager      all logs, all directories, checkpoints
//!        |
//!       log          one partition: append, read, truncate, retention
//!      /   \
//! segment  producer_state, leader_epochs      what follows from the batches
//!     |
//! offset_index, time_index, transaction_index, scan
//!     |
//!   disk             the only door to the file system
//! ```

mod checkpoints;
mod deletions;
pub mod disk;
mod error;
mod index_file;
mod leader_epochs;
mod log;
mod log_config;
mod log_dir;
mod log_manager;
pub mod meta_properties;
pub mod names;
mod offset_index;
mod producer_snapshot;
mod producer_state;
mod recovery;
mod retention;
mod scan;
mod segment;
#[cfg(test)]
mod testing;
mod time_index;
mod transaction_index;

pub use disk::{Disk, FileSlice};
pub use error::{AppendError, Error, ProducerError, ReadError, StorageError};
pub use log::{AppendContext, AppendInfo, Log, LogRead, Offsets, Settings, TimestampedOffset};
pub use log_config::LogConfig;
pub use log_dir::{FailureCallback, LogDir};
pub use log_manager::{ConfigSource, LogManager, LogManagerConfig};
pub use producer_state::{ActiveProducer, Origin, VerificationGuard};
pub use transaction_index::AbortedTransaction;
