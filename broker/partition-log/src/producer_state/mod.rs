//! What one partition remembers of its idempotent and transactional producers: last batches, open transactions.
//! Decides whether a batch may be appended; changes only once it has been ([`ProducerState::apply`]). No clock, no disk.
//! Source: `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry` in Kafka 3.9; KIP-98, KIP-360, KIP-890.

mod entry;

use std::collections::{BTreeMap, BTreeSet};

use record::control::{ControlType, EndTransactionMarker};
use record::{Batch, BatchHeader};
use zk_schema::types::{Offset, ProducerEpoch, ProducerId, TopicPartition};

pub(crate) use entry::BatchMetadata;
use entry::ProducerEntry;

use crate::error::ProducerError;
use crate::producer_snapshot::SnapshotEntry;
use crate::transaction_index::AbortedTransaction;

const NO_SEQUENCE: i32 = record::NO_SEQUENCE;

/// Where records come from, which decides what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: everything is checked.
    Client,
    /// A group or transaction coordinator of this broker: no sequences.
    Coordinator,
    /// Another replica, or the log itself on recovery: nothing.
    Replication,
}

/// Proof that a transaction was verified with its coordinator (KIP-890). Zero when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationGuard(u64);

impl VerificationGuard {
    /// No proof: none needed, or none given.
    pub const NONE: Self = Self(0);

    /// Whether a verification must be asked for.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// What the state needs to know of a batch of an idempotent producer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducerBatch {
    producer_id: ProducerId,
    epoch: ProducerEpoch,
    base_sequence: i32,
    last_sequence: i32,
    base_offset: Offset,
    last_offset: Offset,
    max_timestamp: i64,
    is_transactional: bool,
    is_control: bool,
    marker: Option<EndTransactionMarker>,
}

impl ProducerBatch {
    /// `None` if the batch has no producer id. Records are looked at only in control batches.
    pub(crate) fn of(batch: &Batch) -> Result<Option<Self>, record::Error> {
        let Some(header) = batch.header().filter(|header| header.has_producer_id()) else { return Ok(None) };
        let marker = match header.is_control() {
            true => match batch.records()?.next() {
                Some(record) => EndTransactionMarker::parse(&record?)?,
                None => None,
            },
            false => None,
        };
        Ok(Some(Self::new(header, marker)))
    }

    pub(crate) fn new(header: &BatchHeader, marker: Option<EndTransactionMarker>) -> Self {
        Self {
            producer_id: ProducerId(header.producer_id),
            epoch: ProducerEpoch(header.producer_epoch),
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            is_transactional: header.is_transactional(),
            is_control: header.is_control(),
            marker,
        }
    }
}

/// A transaction that a marker in this append ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub is_aborted: bool,
}

/// Changes that take effect once the batches are written.
#[derive(Debug, Default)]
pub(crate) struct ProducerChanges {
    entries: BTreeMap<ProducerId, ProducerEntry>,
    started: Vec<(Offset, ProducerId)>,
    completed: Vec<CompletedTransaction>,
    verified: Vec<ProducerId>,
}

#[derive(Debug)]
struct Verification {
    guard: VerificationGuard,
    lowest_sequence: i32,
    epoch: ProducerEpoch,
    since_ms: i64,
}

/// State of all producers of one partition.
#[derive(Debug, Default)]
pub(crate) struct ProducerState {
    producers: BTreeMap<ProducerId, ProducerEntry>,
    /// Open transactions by first offset.
    ongoing: BTreeMap<Offset, ProducerId>,
    /// Ended transactions whose marker is not below the high watermark yet: first offset to marker's offset.
    unreplicated: BTreeMap<Offset, Offset>,
    verifications: BTreeMap<ProducerId, Verification>,
    last_guard: u64,
    /// First offset not covered by this state.
    pub end_offset: Offset,
    /// Offset of the latest snapshot, or where the state began.
    pub snapshot_offset: Offset,
    /// Offsets of the snapshot files there are.
    pub snapshots: BTreeSet<Offset>,
}

/// One producer as `DescribeProducers` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its latest epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of its last record, or -1.
    pub last_sequence: i32,
    /// When it last wrote, in milliseconds since 1970.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that last ended a transaction of it, or -1.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub current_txn_start_offset: Option<Offset>,
}

impl ProducerState {
    /// The earlier append of this very batch, if it is among the last five of its producer.
    pub(crate) fn duplicate_of(&self, batch: &ProducerBatch) -> Option<BatchMetadata> {
        let entry = self.producers.get(&batch.producer_id).filter(|entry| entry.epoch == batch.epoch)?;
        entry
            .batches()
            .find(|known| known.first_sequence() == batch.base_sequence && known.last_sequence == batch.last_sequence)
    }

    /// Whether the producer has an open transaction here.
    pub(crate) fn has_ongoing_transaction(&self, producer_id: ProducerId) -> bool {
        self.producers.get(&producer_id).is_some_and(|entry| entry.current_txn_first_offset.is_some())
    }

    /// Checks a batch and notes in `changes` what appending it will change.
    pub(crate) fn prepare(
        &self,
        changes: &mut ProducerChanges,
        partition: &TopicPartition,
        batch: &ProducerBatch,
        origin: Origin,
    ) -> Result<(), ProducerError> {
        let known = self.producers.get(&batch.producer_id);
        let entry = changes
            .entries
            .entry(batch.producer_id)
            .or_insert_with(|| known.cloned().unwrap_or_else(ProducerEntry::unknown));
        if batch.is_transactional {
            changes.verified.push(batch.producer_id);
        }
        if origin != Origin::Replication && batch.epoch < entry.epoch {
            return Err(ProducerError::InvalidProducerEpoch {
                partition: partition.clone(),
                producer_id: batch.producer_id,
                got: batch.epoch,
                current: entry.epoch,
            });
        }
        if batch.is_control {
            let Some(marker) = batch.marker else { return Ok(()) };
            let completed = end_transaction(entry, partition, batch, marker, origin)?;
            changes.completed.extend(completed);
            return Ok(());
        }
        if origin == Origin::Client {
            let lowest = self.verifications.get(&batch.producer_id).map(|verification| verification.lowest_sequence);
            check_sequence(entry, partition, batch, known.is_none(), lowest)?;
        }
        entry.add(batch.epoch, BatchMetadata::of(batch), batch.max_timestamp);
        match (entry.current_txn_first_offset, batch.is_transactional) {
            (Some(_), false) if origin != Origin::Replication => Err(ProducerError::InvalidTxnState {
                partition: partition.clone(),
                producer_id: batch.producer_id,
                why: "a batch outside the transaction it has open",
            }),
            (None, true) => {
                entry.current_txn_first_offset = Some(batch.base_offset);
                changes.started.push((batch.base_offset, batch.producer_id));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Notes what a batch changes that is in the log already.
    pub(crate) fn prepare_trusted(&self, changes: &mut ProducerChanges, batch: &ProducerBatch) {
        let nowhere = TopicPartition::new("", 0);
        self.prepare(changes, &nowhere, batch, Origin::Replication).expect("replication checks nothing");
    }

    /// Makes the changes of an append that succeeded. Gives the aborted transactions, for the transaction index.
    pub(crate) fn apply(&mut self, changes: ProducerChanges, end_offset: Offset) -> Vec<AbortedTransaction> {
        self.producers.extend(changes.entries);
        self.ongoing.extend(changes.started);
        for producer_id in changes.verified {
            self.verifications.remove(&producer_id);
        }
        let mut aborted = Vec::new();
        for completed in changes.completed {
            if completed.is_aborted {
                let last_stable_offset = self.last_stable_offset_after(&completed);
                aborted.push(AbortedTransaction {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset,
                });
            }
            self.ongoing.remove(&completed.first_offset);
            self.unreplicated.insert(completed.first_offset, completed.last_offset);
        }
        self.end_offset = end_offset;
        aborted
    }

    fn last_stable_offset_after(&self, completed: &CompletedTransaction) -> Offset {
        let other = self.ongoing.iter().find(|(_, producer_id)| **producer_id != completed.producer_id);
        other.map_or(completed.last_offset + 1, |(first_offset, _)| *first_offset)
    }

    /// First offset of the earliest transaction that is open, or ended by a marker not below the high watermark.
    pub(crate) fn first_unstable_offset(&self) -> Option<Offset> {
        let ongoing = self.ongoing.keys().next().copied();
        let unreplicated = self.unreplicated.keys().next().copied();
        [ongoing, unreplicated].into_iter().flatten().min()
    }

    /// Forgets ended transactions whose marker lies below `offset`.
    pub(crate) fn forget_replicated(&mut self, offset: Offset) {
        self.unreplicated.retain(|_, marker| offset <= *marker);
    }

    /// Follows the log start offset upwards.
    pub(crate) fn on_log_start_incremented(&mut self, log_start_offset: Offset) {
        self.forget_replicated(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
        self.snapshot_offset = self.snapshots.last().copied().unwrap_or(log_start_offset);
    }

    /// Forgets every producer and transaction; the state then begins at `offset`.
    pub(crate) fn restart_at(&mut self, offset: Offset) {
        self.producers.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        self.end_offset = offset;
        self.snapshot_offset = offset;
    }

    /// Takes the producers of a snapshot, leaving out those that have been silent too long.
    pub(crate) fn load(&mut self, entries: &[SnapshotEntry], offset: Offset, silent_since_ms: i64) {
        self.restart_at(offset);
        for entry in entries {
            let in_transaction = 0 <= entry.current_txn_first_offset;
            if !in_transaction && entry.timestamp <= silent_since_ms {
                continue;
            }
            if in_transaction {
                self.ongoing.insert(entry.current_txn_first_offset, entry.producer_id);
            }
            self.producers.insert(entry.producer_id, ProducerEntry::from_snapshot(entry));
        }
    }

    /// What a snapshot taken now holds.
    pub(crate) fn snapshot_entries(&self) -> impl ExactSizeIterator<Item = SnapshotEntry> {
        self.producers.iter().map(|(producer_id, entry)| entry.to_snapshot(*producer_id))
    }

    /// Forgets producers that wrote nothing since `silent_since_ms` and have no open transaction.
    pub(crate) fn expire(&mut self, silent_since_ms: i64) {
        self.producers
            .retain(|_, entry| entry.current_txn_first_offset.is_some() || silent_since_ms < entry.last_timestamp);
        self.verifications.retain(|_, verification| silent_since_ms < verification.since_ms);
    }

    /// Producers known.
    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.unreplicated.is_empty()
    }

    /// Producers known, as `DescribeProducers` shows them.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        self.producers.iter().map(|(producer_id, entry)| entry.to_active(*producer_id)).collect()
    }

    /// When the producer of the earliest open transaction last wrote.
    pub(crate) fn oldest_transaction_timestamp(&self) -> Option<i64> {
        let producer_id = self.ongoing.values().next()?;
        self.producers.get(producer_id).map(|entry| entry.last_timestamp)
    }

    /// A guard for the producer's transaction, which must be verified before its first batch is appended;
    /// [`VerificationGuard::NONE`] if the transaction is open already.
    pub(crate) fn start_verification(
        &mut self,
        producer_id: ProducerId,
        sequence: i32,
        epoch: ProducerEpoch,
        now_ms: i64,
    ) -> VerificationGuard {
        if self.has_ongoing_transaction(producer_id) {
            return VerificationGuard::NONE;
        }
        let last_guard = &mut self.last_guard;
        let verification = self.verifications.entry(producer_id).or_insert_with(|| {
            *last_guard += 1;
            Verification { guard: VerificationGuard(*last_guard), lowest_sequence: sequence, epoch, since_ms: now_ms }
        });
        if verification.epoch < epoch {
            verification.epoch = epoch;
            verification.lowest_sequence = sequence;
        } else if verification.epoch == epoch {
            verification.lowest_sequence = verification.lowest_sequence.min(sequence);
        }
        verification.guard
    }

    /// Whether `guard` is the one handed out for this producer.
    pub(crate) fn is_verified(&self, producer_id: ProducerId, guard: VerificationGuard) -> bool {
        guard.is_some() && self.verifications.get(&producer_id).is_some_and(|verification| verification.guard == guard)
    }
}

impl ProducerBatch {
    /// Whether the transaction must be open or verified for this batch to be appended.
    pub(crate) fn needs_transaction(&self) -> bool {
        self.is_transactional && !self.is_control
    }

    pub(crate) fn producer_id(&self) -> ProducerId {
        self.producer_id
    }

    /// The batch with its offsets counted from `base_offset`.
    pub(crate) fn at(self, base_offset: Offset) -> Self {
        let last_offset = base_offset + (self.last_offset - self.base_offset);
        Self { base_offset, last_offset, ..self }
    }
}

fn end_transaction(
    entry: &mut ProducerEntry,
    partition: &TopicPartition,
    batch: &ProducerBatch,
    marker: EndTransactionMarker,
    origin: Origin,
) -> Result<Option<CompletedTransaction>, ProducerError> {
    if origin != Origin::Replication && marker.coordinator_epoch < entry.coordinator_epoch {
        return Err(ProducerError::TransactionCoordinatorFenced {
            partition: partition.clone(),
            producer_id: batch.producer_id,
            got: marker.coordinator_epoch,
            current: entry.coordinator_epoch,
        });
    }
    let completed = entry.current_txn_first_offset.map(|first_offset| CompletedTransaction {
        producer_id: batch.producer_id,
        first_offset,
        last_offset: batch.base_offset,
        is_aborted: marker.control_type == ControlType::Abort,
    });
    entry.end_transaction(batch.epoch, marker.coordinator_epoch, batch.max_timestamp);
    Ok(completed)
}

fn check_sequence(
    entry: &ProducerEntry,
    partition: &TopicPartition,
    batch: &ProducerBatch,
    is_unknown: bool,
    lowest_verified: Option<i32>,
) -> Result<(), ProducerError> {
    let out_of_order = |expected: String| {
        Err(ProducerError::OutOfOrderSequence {
            partition: partition.clone(),
            producer_id: batch.producer_id,
            got: batch.base_sequence,
            expected,
        })
    };
    if let Some(lowest) = lowest_verified.filter(|lowest| *lowest < batch.base_sequence) {
        return out_of_order(format!("the transaction began with {lowest}"));
    }
    if is_unknown {
        return Ok(());
    }
    if batch.epoch != entry.epoch {
        return if batch.base_sequence == 0 { Ok(()) } else { out_of_order("a new epoch begins with 0".to_owned()) };
    }
    let last = entry.last_sequence();
    let follows = match last {
        i32::MAX => batch.base_sequence == 0,
        last => batch.base_sequence == last + 1,
    };
    if follows { Ok(()) } else { out_of_order(format!("the last one was {last}")) }
}

#[cfg(test)]
mod tests;
