//! One producer in one partition: its epoch, its last five batches, its open transaction.
//! Source: `ProducerStateEntry`, `BatchMetadata` in Kafka 3.9.

use record::header::decrement_sequence;
use zk_schema::types::{Offset, ProducerEpoch, ProducerId};

use super::{ActiveProducer, NO_SEQUENCE, ProducerBatch};
use crate::producer_snapshot::SnapshotEntry;

const BATCHES_KEPT: usize = 5;
const NO_EPOCH: ProducerEpoch = ProducerEpoch(record::NO_PRODUCER_EPOCH);

/// A batch that was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl BatchMetadata {
    pub(crate) fn of(batch: &ProducerBatch) -> Self {
        Self {
            last_sequence: batch.last_sequence,
            last_offset: batch.last_offset,
            offset_delta: i32::try_from(batch.last_offset - batch.base_offset).unwrap_or(i32::MAX),
            timestamp: batch.max_timestamp,
        }
    }

    pub(crate) fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset - i64::from(self.offset_delta)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub epoch: ProducerEpoch,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    pub current_txn_first_offset: Option<Offset>,
    recent: [BatchMetadata; BATCHES_KEPT],
    recent_len: u8,
}

impl ProducerEntry {
    pub(crate) fn unknown() -> Self {
        Self {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: record::NO_TIMESTAMP,
            current_txn_first_offset: None,
            recent: [BatchMetadata::default(); BATCHES_KEPT],
            recent_len: 0,
        }
    }

    /// Oldest first.
    pub(crate) fn batches(&self) -> impl Iterator<Item = BatchMetadata> {
        self.recent.iter().take(usize::from(self.recent_len)).copied()
    }

    fn last_batch(&self) -> Option<BatchMetadata> {
        self.batches().last()
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(crate) fn add(&mut self, epoch: ProducerEpoch, batch: BatchMetadata, timestamp: i64) {
        self.move_to(epoch);
        if usize::from(self.recent_len) == BATCHES_KEPT {
            self.recent.rotate_left(1);
        } else {
            self.recent_len += 1;
        }
        let newest = usize::from(self.recent_len) - 1;
        self.recent[newest] = batch;
        self.last_timestamp = timestamp;
    }

    pub(crate) fn end_transaction(&mut self, epoch: ProducerEpoch, coordinator_epoch: i32, timestamp: i64) {
        self.move_to(epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.current_txn_first_offset = None;
        self.last_timestamp = timestamp;
    }

    /// A new epoch starts its sequences anew.
    fn move_to(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.recent_len = 0;
        }
    }

    pub(crate) fn from_snapshot(entry: &SnapshotEntry) -> Self {
        let mut loaded = Self {
            epoch: entry.producer_epoch,
            coordinator_epoch: entry.coordinator_epoch,
            last_timestamp: entry.timestamp,
            current_txn_first_offset: (0 <= entry.current_txn_first_offset).then_some(entry.current_txn_first_offset),
            ..Self::unknown()
        };
        if 0 <= entry.last_offset {
            let batch = BatchMetadata {
                last_sequence: entry.last_sequence,
                last_offset: entry.last_offset,
                offset_delta: entry.offset_delta,
                timestamp: entry.timestamp,
            };
            loaded.add(entry.producer_epoch, batch, entry.timestamp);
        }
        loaded
    }

    pub(crate) fn to_snapshot(&self, producer_id: ProducerId) -> SnapshotEntry {
        let last = self.last_batch();
        SnapshotEntry {
            producer_id,
            producer_epoch: self.epoch,
            last_sequence: self.last_sequence(),
            last_offset: last.map_or(-1, |batch| batch.last_offset),
            offset_delta: last.map_or(0, |batch| batch.offset_delta),
            timestamp: self.last_timestamp,
            coordinator_epoch: self.coordinator_epoch,
            current_txn_first_offset: self.current_txn_first_offset.unwrap_or(-1),
        }
    }

    pub(crate) fn to_active(&self, producer_id: ProducerId) -> ActiveProducer {
        ActiveProducer {
            producer_id,
            producer_epoch: self.epoch,
            last_sequence: self.last_sequence(),
            last_timestamp: self.last_timestamp,
            coordinator_epoch: self.coordinator_epoch,
            current_txn_start_offset: self.current_txn_first_offset,
        }
    }
}
