//! Adding batches at the end: as the leader, who numbers them, or as a follower, who takes them as they are.
//! Everything that does not depend on the log end is done before the lock; under it there is one write and no sync.
//! Wakes nobody: whoever calls tells followers and consumers.
//! Source: `UnifiedLog.append` in Kafka 3.9.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use record::validate::{ValidationRules, validate};
use record::{Batch, MAGIC_V2, NO_TIMESTAMP};
use zk_schema::types::{LeaderEpoch, Offset};

use super::{Log, Writer};
use crate::error::{AppendError, ProducerError, StorageError};
use crate::log_config::LogConfig;
use crate::offset_index::relative;
use crate::producer_state::{Origin, ProducerBatch, ProducerChanges, VerificationGuard};
use crate::recovery;
use crate::segment::{AppendFacts, Segment};
use crate::transaction_index::AbortedTransaction;

/// Who appends as leader, when, and by which rules.
#[derive(Clone, Copy, Debug)]
pub struct AppendContext {
    /// Who appends.
    pub origin: Origin,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Version of the produce request; `None` where there was none.
    pub produce_version: Option<i16>,
    /// Proof that the transaction was verified, if it had to be.
    pub verification_guard: VerificationGuard,
}

impl AppendContext {
    /// A client's produce request.
    #[must_use]
    pub fn client(now_ms: i64, produce_version: i16) -> Self {
        let produce_version = Some(produce_version);
        Self { origin: Origin::Client, now_ms, produce_version, verification_guard: VerificationGuard::NONE }
    }

    /// A coordinator of this broker: group metadata, transaction state, markers.
    #[must_use]
    pub fn coordinator(now_ms: i64) -> Self {
        let verification_guard = VerificationGuard::NONE;
        Self { origin: Origin::Coordinator, now_ms, produce_version: None, verification_guard }
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record; -1 if nothing was given.
    pub first_offset: Offset,
    /// Offset of the last record; `first_offset - 1` if nothing was given.
    pub last_offset: Offset,
    /// Largest timestamp, or -1.
    pub max_timestamp: i64,
    /// The time stamped on the records, if the log stamps them.
    pub log_append_time: Option<i64>,
    /// Log start offset at that moment.
    pub log_start_offset: Offset,
    /// Log end offset afterwards.
    pub log_end_offset: Offset,
    /// The batch had been appended before: nothing was written, the offsets are those of then.
    pub duplicate: bool,
    /// Records appended.
    pub record_count: i64,
    /// Bytes written.
    pub bytes: usize,
    /// Whether the records were rewritten into another format or codec.
    pub was_converted: bool,
    /// A segment was rolled: [`Log::flush_rolled`] should be called soon, not on this thread.
    pub rolled: bool,
}

/// An append about to be written.
struct Write<'a> {
    facts: AppendFacts,
    /// Base offset for a new segment if one must be begun.
    roll_at: Offset,
    pieces: &'a mut [IoSlice<'a>],
    now_ms: i64,
    record_count: i64,
    /// Beginning of each batch, relative to the append: (base offset, position).
    batch_starts: &'a [(Offset, u64)],
}

impl Log {
    /// Appends what a client or coordinator sent, numbering it from the log end offset.
    ///
    /// # Errors
    /// Whatever is wrong with the records, the producer, or the disk. Nothing has been appended then.
    pub fn append_as_leader(
        &self,
        records: Bytes,
        leader_epoch: LeaderEpoch,
        context: &AppendContext,
    ) -> Result<AppendInfo, AppendError> {
        let config = self.config();
        let rules = self.rules(&config, context);
        let invalid = |source| AppendError::Invalid { partition: self.partition.clone(), source };
        let Some(validated) = validate(records.clone(), &rules).map_err(invalid)? else {
            return Ok(self.nothing_appended());
        };
        let producer_batch = match validated.header().filter(|header| header.has_producer_id()) {
            Some(header) if header.is_control() => self.control_batch(records)?,
            Some(header) => Some(ProducerBatch::new(header, None)),
            None => None,
        };

        let mut writer = self.open_writer()?;
        let base_offset = self.log_end_offset();
        let mut changes = ProducerChanges::default();
        if let Some(batch) = producer_batch.map(|batch| batch.at(base_offset)) {
            if context.origin == Origin::Client
                && let Some(known) = writer.producers.duplicate_of(&batch)
            {
                let log_append_time = Some(known.timestamp);
                let (first_offset, last_offset) = (known.first_offset(), known.last_offset);
                return Ok(AppendInfo {
                    first_offset,
                    last_offset,
                    log_append_time,
                    duplicate: true,
                    ..self.nothing_appended()
                });
            }
            self.check_verified(&writer, &batch, context)?;
            writer.producers.prepare(&mut changes, &self.partition, &batch, context.origin)?;
        }

        let record_count = i64::from(validated.record_count);
        let (log_append_time, was_converted) = (validated.log_append_time, validated.was_rebuilt);
        let assigned = validated
            .assign(base_offset, leader_epoch.0)
            .map_err(|source| AppendError::Record { partition: self.partition.clone(), source })?;
        let bytes = assigned.size_in_bytes();
        self.check_fits_segment(bytes, &config)?;
        let facts = AppendFacts {
            bytes: bytes as u64,
            last_offset: assigned.last_offset,
            largest_timestamp: assigned.max_timestamp,
            offset_of_largest_timestamp: assigned.last_offset,
        };
        let batch_starts = [(base_offset, 0)];
        let is_magic_2 = assigned.header.is_some();
        let mut pieces = [IoSlice::new(&assigned.head), IoSlice::new(&assigned.body)];
        let write = Write {
            facts,
            roll_at: base_offset,
            pieces: &mut pieces,
            now_ms: context.now_ms,
            record_count,
            batch_starts: if is_magic_2 { &batch_starts } else { &[] },
        };
        let epoch = is_magic_2.then_some((leader_epoch, base_offset));
        let rolled = self.write(&mut writer, &config, write, epoch.as_slice(), !is_magic_2, changes)?;
        drop(writer);
        self.flush_if_many(&config)?;
        Ok(AppendInfo {
            first_offset: base_offset,
            last_offset: facts.last_offset,
            max_timestamp: facts.largest_timestamp,
            log_append_time,
            log_start_offset: self.log_start_offset(),
            log_end_offset: facts.last_offset + 1,
            duplicate: false,
            record_count,
            bytes,
            was_converted,
            rolled,
        })
    }

    /// Appends what the leader sent, byte for byte. A batch cut short at the end is left away.
    ///
    /// # Errors
    /// [`AppendError::Record`] for bytes that are no batches, [`AppendError::OffsetsOutOfOrder`] and
    /// [`AppendError::UnexpectedAppendOffset`] if they do not continue the log, or the disk's.
    pub fn append_as_follower(&self, records: Bytes, now_ms: i64) -> Result<AppendInfo, AppendError> {
        let config = self.config();
        let batches = self.follower_batches(&records)?;
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
            return Ok(self.nothing_appended());
        };
        let (first_offset, last_offset, first_magic) = (first.base_offset(), last.last_offset(), first.magic());
        let bytes = batches.iter().map(Batch::size_in_bytes).sum();
        let facts = follower_facts(&batches, bytes);
        let record_count = batches.iter().map(|batch| batch.last_offset() - batch.base_offset() + 1).sum();
        let (epochs, batch_starts) = follower_starts(&batches);
        let has_old_format = batches.iter().any(|batch| batch.magic() < MAGIC_V2);

        let mut writer = self.open_writer()?;
        let log_end_offset = self.log_end_offset();
        if first_offset < log_end_offset {
            return Err(AppendError::UnexpectedAppendOffset {
                partition: self.partition.clone(),
                first_offset,
                last_offset,
                log_end_offset,
            });
        }
        self.check_fits_segment(bytes, &config)?;
        let mut changes = ProducerChanges::default();
        for batch in &batches {
            let producer_batch = ProducerBatch::of(batch).map_err(|source| self.invalid_record(source))?;
            if let Some(batch) = producer_batch {
                writer.producers.prepare(&mut changes, &self.partition, &batch, Origin::Replication)?;
            }
        }
        // Old formats do not say the first offset inside a wrapper; this is at or below it.
        let expected = if first_magic < MAGIC_V2 { last_offset - i64::from(i32::MAX) } else { first_offset };
        let valid = records.get(..bytes).unwrap_or_default();
        let mut pieces = [IoSlice::new(valid)];
        let roll_at = expected.max(log_end_offset);
        let write = Write { facts, roll_at, pieces: &mut pieces, now_ms, record_count, batch_starts: &batch_starts };
        let rolled = self.write(&mut writer, &config, write, &epochs, has_old_format, changes)?;
        drop(writer);
        self.flush_if_many(&config)?;
        Ok(AppendInfo {
            first_offset,
            last_offset,
            max_timestamp: facts.largest_timestamp,
            log_append_time: None,
            log_start_offset: self.log_start_offset(),
            log_end_offset: last_offset + 1,
            duplicate: false,
            record_count,
            bytes,
            was_converted: false,
            rolled,
        })
    }

    fn rules(&self, config: &LogConfig, context: &AppendContext) -> ValidationRules {
        ValidationRules {
            origin: match context.origin {
                Origin::Client => record::validate::Origin::Client,
                Origin::Coordinator | Origin::Replication => record::validate::Origin::Coordinator,
            },
            produce_version: context.produce_version,
            is_compacted: config.compact,
            timestamp_type: config.message_timestamp_type,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            now_ms: context.now_ms,
            compression: config.compression,
            target_magic: config.target_magic,
            is_zstd_allowed: self.settings.is_zstd_allowed,
            batch_bytes_max: config.max_message_bytes,
            ..ValidationRules::default()
        }
    }

    fn invalid_record(&self, source: record::Error) -> AppendError {
        AppendError::Record { partition: self.partition.clone(), source }
    }

    fn control_batch(&self, records: Bytes) -> Result<Option<ProducerBatch>, AppendError> {
        let first = record::batches(records).next().transpose().map_err(|source| self.invalid_record(source))?;
        match first {
            Some(batch) => ProducerBatch::of(&batch).map_err(|source| self.invalid_record(source)),
            None => Ok(None),
        }
    }

    /// The whole batches of what a leader sent, checked for damage and order.
    fn follower_batches(&self, records: &Bytes) -> Result<Vec<Batch>, AppendError> {
        let mut batches: Vec<Batch> = Vec::new();
        for batch in record::batches(records.clone()) {
            let batch = batch.map_err(|source| self.invalid_record(source))?;
            batch.verify_crc().map_err(|source| self.invalid_record(source))?;
            let previous = batches.last().map_or(-1, Batch::last_offset);
            let offset = batch.last_offset();
            // Beyond what one segment spans; a leader reads from one segment at a time.
            let first = batches.first().map_or(batch.base_offset(), Batch::base_offset);
            let fits = offset < Offset::MAX && relative(first, offset).is_some();
            if offset <= previous || offset < batch.base_offset() || !fits {
                return Err(AppendError::OffsetsOutOfOrder { partition: self.partition.clone(), offset, previous });
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    fn nothing_appended(&self) -> AppendInfo {
        let offsets = self.offsets();
        AppendInfo {
            first_offset: -1,
            last_offset: -1,
            max_timestamp: NO_TIMESTAMP,
            log_append_time: None,
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            duplicate: false,
            record_count: 0,
            bytes: 0,
            was_converted: false,
            rolled: false,
        }
    }

    pub(super) fn open_writer(&self) -> Result<std::sync::MutexGuard<'_, Writer>, AppendError> {
        let writer = self.writer();
        if writer.is_closed { Err(AppendError::Closed(self.partition.clone())) } else { Ok(writer) }
    }

    fn check_verified(
        &self,
        writer: &Writer,
        batch: &ProducerBatch,
        context: &AppendContext,
    ) -> Result<(), ProducerError> {
        let is_required = batch.needs_transaction()
            && self.settings.transaction_verification.load(std::sync::atomic::Ordering::Relaxed)
            && !writer.producers.has_ongoing_transaction(batch.producer_id());
        if is_required && !writer.producers.is_verified(batch.producer_id(), context.verification_guard) {
            return Err(ProducerError::InvalidTxnState {
                partition: self.partition.clone(),
                producer_id: batch.producer_id(),
                why: "a batch of a transaction that was not verified",
            });
        }
        Ok(())
    }

    fn check_fits_segment(&self, size: usize, config: &LogConfig) -> Result<(), AppendError> {
        if config.segment_bytes < size as u64 {
            let (partition, maximum) = (self.partition.clone(), config.segment_bytes);
            return Err(AppendError::RecordListTooLarge { partition, size, maximum });
        }
        Ok(())
    }

    /// The one place where the log grows: rolls if need be, writes, and publishes the new end.
    fn write(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        write: Write<'_>,
        epochs: &[(LeaderEpoch, Offset)],
        has_old_format: bool,
        changes: ProducerChanges,
    ) -> Result<bool, AppendError> {
        let Write { facts, roll_at, pieces, now_ms, record_count, batch_starts } = write;
        let mut active = self.active_segment();
        let must_roll = self.guard("look whether to roll", || active.should_roll(&facts, config, now_ms))?;
        if must_roll {
            active = self.roll_locked(writer, config, roll_at, Some(now_ms))?;
        }
        assert!(
            relative(active.base_offset(), facts.last_offset).is_some(),
            "{}: offset {} does not fit segment {}",
            self.partition,
            facts.last_offset,
            active.base_offset()
        );
        self.note_epochs(epochs, has_old_format)?;
        let position = active.size();
        let end_offset = facts.last_offset + 1;
        let aborted = self.guard("append", || {
            active.append(pieces, &facts, config)?;
            let aborted = writer.producers.apply(changes, end_offset);
            aborted.iter().try_for_each(|one: &AbortedTransaction| active.append_aborted(*one))
        });
        aborted?;
        writer.unflushed_records = writer.unflushed_records.saturating_add(record_count);
        writer.unflushed_since_ms.get_or_insert(now_ms);
        let mut view = self.view_mut();
        view.log_end_offset = end_offset;
        view.end_position = position + facts.bytes;
        for (base_offset, relative_position) in batch_starts {
            view.recent.push(*base_offset, position + relative_position);
        }
        view.set_first_unstable(writer.producers.first_unstable_offset());
        Ok(must_roll)
    }

    fn note_epochs(&self, starts: &[(LeaderEpoch, Offset)], has_old_format: bool) -> Result<(), StorageError> {
        if has_old_format {
            // Batches without epochs: nothing that is known of epochs can be relied on behind them.
            return self.change_epochs(|cache| cache.clear());
        }
        let mut epochs = self.epochs();
        for (epoch, start_offset) in starts {
            epochs.is_dirty |= epochs.cache.assign(*epoch, *start_offset);
        }
        Ok(())
    }

    pub(super) fn active_segment(&self) -> Arc<Segment> {
        let view = self.view();
        Arc::clone(view.segments.last().expect("a log always has a segment"))
    }

    /// Ends the active segment and begins one at `base_offset`, with a producer snapshot as of there.
    pub(super) fn roll_locked(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        base_offset: Offset,
        now_ms: Option<i64>,
    ) -> Result<Arc<Segment>, StorageError> {
        let active = self.active_segment();
        if active.base_offset() == base_offset && active.size() == 0 {
            return Ok(active);
        }
        assert!(
            active.base_offset() < base_offset,
            "{}: segment {base_offset} cannot follow {}",
            self.partition,
            active.base_offset()
        );
        let segment = self.guard("roll segment", || {
            active.seal(config)?;
            Segment::create(self.disk(), &self.path, base_offset, config, now_ms).map(Arc::new)
        })?;
        writer.producers.end_offset = base_offset;
        self.take_snapshot(writer)?;
        writer.rolled_to = Some(base_offset);
        let mut view = self.view_mut();
        let mut segments = Vec::clone(&view.segments);
        segments.push(Arc::clone(&segment));
        view.segments = Arc::new(segments);
        view.end_position = 0;
        view.recent = super::Recent::default();
        tracing::debug!(partition = %self.partition, base_offset, "rolled a segment");
        Ok(segment)
    }

    /// Writes a producer snapshot if the state went beyond the last one. Not synced: the next flush does that.
    pub(super) fn take_snapshot(&self, writer: &mut Writer) -> Result<(), StorageError> {
        self.guard("write producer snapshot", || {
            recovery::take_snapshot(self.disk(), &self.path, &mut writer.producers)
        })
    }

    fn flush_if_many(&self, config: &LogConfig) -> Result<(), AppendError> {
        let is_due = config.flush_messages != i64::MAX && config.flush_messages <= self.writer().unflushed_records;
        if is_due { self.flush().map_err(AppendError::Storage) } else { Ok(()) }
    }
}

fn follower_facts(batches: &[Batch], bytes: usize) -> AppendFacts {
    let mut facts = AppendFacts {
        bytes: bytes as u64,
        last_offset: batches.last().map_or(-1, Batch::last_offset),
        largest_timestamp: NO_TIMESTAMP,
        offset_of_largest_timestamp: -1,
    };
    for batch in batches {
        if facts.largest_timestamp < batch.max_timestamp() {
            facts.largest_timestamp = batch.max_timestamp();
            facts.offset_of_largest_timestamp = batch.last_offset();
        }
    }
    facts
}

type Starts<T> = Vec<(T, i64)>;

/// Where each leader epoch begins, and where each batch lies in the append.
fn follower_starts(batches: &[Batch]) -> (Starts<LeaderEpoch>, Vec<(Offset, u64)>) {
    let mut epochs: Starts<LeaderEpoch> = Vec::new();
    let mut starts = Vec::with_capacity(batches.len());
    let mut position = 0;
    for batch in batches.iter().filter(|batch| batch.magic() == MAGIC_V2) {
        let epoch = LeaderEpoch(batch.partition_leader_epoch());
        if epochs.last().is_none_or(|(last, _)| *last != epoch) {
            epochs.push((epoch, batch.base_offset()));
        }
    }
    for batch in batches {
        starts.push((batch.base_offset(), position));
        position += batch.size_in_bytes() as u64;
    }
    (epochs, starts)
}
