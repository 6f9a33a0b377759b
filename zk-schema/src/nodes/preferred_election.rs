//! `/admin/preferred_replica_election`: partitions whose preferred replica shall lead, asked for by old tools.
//! Source: `kafka.zk.PreferredReplicaElectionZNode`.

use std::collections::BTreeSet;

use super::isr_change::{partitions_from, partitions_json};
use crate::TopicPartition;
use crate::json::Error;

/// The bytes to write.
#[must_use]
pub fn encode(partitions: &BTreeSet<TopicPartition>) -> Vec<u8> {
    partitions_json(partitions).encode()
}

/// Reads the partitions.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<BTreeSet<TopicPartition>, Error> {
    partitions_from("/admin/preferred_replica_election", bytes)
}
