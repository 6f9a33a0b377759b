//! What the log says about one group: its last stored generation and its committed offsets.
//! Changed by [`super::GroupShard::replay`] alone, while loading and again after each append.
//! Source: `GroupMetadataManager.doLoadGroupsAndOffsets`, `GroupMetadata.completePendingTxnOffsetCommit`.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::types::{Offset, ProducerId, TopicPartition};

use super::record::{CommittedOffset, GroupMetadata, Position};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    metadata: Option<GroupMetadata>,
    /// Where the newest record about the group itself lies, tombstones included.
    metadata_at: Option<Offset>,
    offsets: BTreeMap<TopicPartition, Stored>,
    /// Offsets of transactions that have not ended.
    pending: BTreeMap<ProducerId, BTreeMap<TopicPartition, Stored>>,
}

/// A committed offset and where it lies in the log. Commits can end out of order (a transaction's counts when its
/// marker comes), but the one further on in the log must win, as it will after compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    at: Offset,
    value: CommittedOffset,
}

impl Saved {
    pub(super) fn metadata(&self) -> Option<&GroupMetadata> {
        self.metadata.as_ref()
    }

    pub(super) fn offset(&self, partition: &TopicPartition) -> Option<&CommittedOffset> {
        self.offsets.get(partition).map(|stored| &stored.value)
    }

    pub(super) fn offsets(&self) -> impl Iterator<Item = (&TopicPartition, &CommittedOffset)> {
        self.offsets.iter().map(|(partition, stored)| (partition, &stored.value))
    }

    pub(super) fn offset_count(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn is_pending(&self, partition: &TopicPartition) -> bool {
        self.pending.values().any(|offsets| offsets.contains_key(partition))
    }

    pub(super) fn has_offsets(&self) -> bool {
        !self.offsets.is_empty() || !self.pending.is_empty()
    }

    /// Whether there is no offset besides these.
    pub(super) fn has_nothing_but(&self, partitions: &BTreeSet<TopicPartition>) -> bool {
        self.pending.is_empty() && self.offsets.keys().all(|partition| partitions.contains(partition))
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.metadata.is_none() && !self.has_offsets()
    }

    pub(super) fn replay_metadata(&mut self, value: Option<GroupMetadata>, at: Position) {
        if self.metadata_at.is_some_and(|newest| at.batch_base_offset < newest) {
            return;
        }
        self.metadata = value;
        self.metadata_at = Some(at.batch_base_offset);
    }

    pub(super) fn replay_offset(&mut self, partition: &TopicPartition, value: Option<CommittedOffset>, at: Position) {
        let offsets = match at.transaction {
            Some(producer_id) => self.pending.entry(producer_id).or_default(),
            None => &mut self.offsets,
        };
        match value {
            Some(value) => keep_newer(offsets, partition.clone(), Stored { at: at.batch_base_offset, value }),
            None => drop(offsets.remove(partition)),
        }
    }

    pub(super) fn replay_transaction_end(&mut self, producer_id: ProducerId, committed: bool) {
        let ended = self.pending.remove(&producer_id).unwrap_or_default();
        if committed {
            for (partition, stored) in ended {
                keep_newer(&mut self.offsets, partition, stored);
            }
        }
    }

    /// Forgets what open transactions wrote for a partition that was deleted. Not saved state in the strict sense:
    /// nothing in the log says so, and a restart brings it back until the transaction ends. Kafka does the same.
    pub(super) fn drop_pending(&mut self, partition: &TopicPartition) {
        self.pending.retain(|_, offsets| {
            offsets.remove(partition);
            !offsets.is_empty()
        });
    }
}

fn keep_newer(offsets: &mut BTreeMap<TopicPartition, Stored>, partition: TopicPartition, stored: Stored) {
    match offsets.get_mut(&partition) {
        Some(older) if older.at <= stored.at => *older = stored,
        Some(_) => {}
        None => drop(offsets.insert(partition, stored)),
    }
}
