//! The partitions this broker hosts: who leads, who follows, what is committed, who waits.
//! Decides nothing about the cluster; it carries out the controller's orders and tells the controller who is in sync.

mod error;
pub mod fetch_session;
pub mod fetcher;
pub mod high_watermark;
pub mod isr;
mod orders;
pub mod partition;
mod replica_manager;
#[cfg(test)]
pub(crate) mod testing;
pub mod waiters;

pub use error::Error;
pub use fetch_session::FetchSessions;
pub use orders::{
    FetchTarget, Fetchers, IsrDecision, IsrProposal, IsrUpdater, LeadershipListener, PartitionOrder, StopOrder,
};
pub use partition::{Acks, Appended, EpochEnd, OffsetQuery, Partition, PartitionRead, ReadRequest, Reader, Standing};
pub use replica_manager::{AppendOptions, AppendOutcome, Counts, ReplicaManager, StaleControllerEpoch, TopicConfigs};
