//! One partition's log: its segments in order, and the offsets that say what may be read, kept and forgotten.
//!
//! ```text
//!   log start        last stable      high watermark          log end
//!      |  committed       |    open txns    |   not replicated    |
//!   ---[------------------)-----------------)---------------------)
//!      ^ first batch kept                     next append goes here ^
//! ```
//!
//! One writer at a time holds `writer`; readers look at `view`, which a writer locks only to publish what it did. So a
//! read waits for no disk but its own. Lock order: `writer`, `epochs`, `view`, a segment's state.
//! Source: `UnifiedLog`, `LocalLog` in Kafka 3.9.

mod append;
mod lifecycle;
mod lookup;
mod producers;
mod read;
mod truncate;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use zk_schema::types::{LeaderEpoch, Offset, TopicId, TopicPartition};

pub use append::{AppendContext, AppendInfo};
pub use lookup::TimestampedOffset;
pub use read::LogRead;
pub(crate) use view::{ReadHints, Recent, View};

use crate::checkpoints;
use crate::deletions::Deletions;
use crate::disk::Disk;
use crate::error::{Error, ReadError, StorageError};
use crate::leader_epochs::LeaderEpochs;
use crate::log_config::LogConfig;
use crate::log_dir::{LogDir, LogPath};
use crate::names;
use crate::producer_state::ProducerState;
use crate::scan::ScanError;
use crate::segment::Segment;

/// What all logs of a broker have in common.
#[derive(Debug)]
pub struct Settings {
    /// Milliseconds after which a silent producer is forgotten.
    pub producer_id_expiration_ms: AtomicI64,
    /// Longest transaction, in milliseconds; one that is open longer (and a little) is late.
    pub transaction_max_timeout_ms: AtomicI64,
    /// Whether transactions must be verified before their first batch.
    pub transaction_verification: AtomicBool,
    /// Whether topic ids are kept in `partition.metadata`.
    pub keeps_topic_ids: bool,
    /// Whether zstd may be stored.
    pub is_zstd_allowed: bool,
}

/// A partition's log. Safe to use from any number of threads.
#[derive(Debug)]
pub struct Log {
    partition: TopicPartition,
    log_dir: Arc<LogDir>,
    path: LogPath,
    settings: Arc<Settings>,
    deletions: Arc<Deletions>,
    config: RwLock<Arc<LogConfig>>,
    topic_id: Mutex<Option<TopicId>>,
    writer: Mutex<Writer>,
    epochs: Mutex<Epochs>,
    view: RwLock<View>,
    hints: Mutex<ReadHints>,
    /// What lies below it survives a crash of the machine.
    recovery_point: Arc<AtomicI64>,
    /// One flush at a time.
    flushing: Mutex<()>,
    /// Its directory has been renamed to be deleted.
    is_gone: AtomicBool,
}

/// What only the one who appends, truncates or rolls touches.
#[derive(Debug)]
struct Writer {
    producers: ProducerState,
    /// Set when the log was closed or set aside for deletion.
    is_closed: bool,
    unflushed_records: i64,
    /// When the first record not yet flushed was appended.
    unflushed_since_ms: Option<i64>,
    /// Segments below this offset have been rolled and wait to be flushed.
    rolled_to: Option<Offset>,
}

#[derive(Debug)]
struct Epochs {
    cache: LeaderEpochs,
    /// Whether the checkpoint lacks an epoch the cache has.
    is_dirty: bool,
}

/// All that recovery found out, from which a log is made.
pub(crate) struct Loaded {
    pub segments: Vec<Arc<Segment>>,
    pub producers: ProducerState,
    pub epochs: LeaderEpochs,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    pub recovery_point: Offset,
    pub topic_id: Option<TopicId>,
}

/// Where a log lies and what it shares with others.
#[derive(Clone)]
pub(crate) struct Place {
    pub partition: TopicPartition,
    pub log_dir: Arc<LogDir>,
    pub path: LogPath,
    pub settings: Arc<Settings>,
    pub deletions: Arc<Deletions>,
}

impl Log {
    pub(crate) fn new(place: Place, config: LogConfig, loaded: Loaded) -> Self {
        let end_position = loaded.segments.last().map_or(0, |segment| segment.size());
        let view = View {
            segments: Arc::new(loaded.segments),
            log_start_offset: loaded.log_start_offset,
            log_end_offset: loaded.log_end_offset,
            end_position,
            high_watermark: loaded.log_start_offset,
            first_unstable_offset: loaded.producers.first_unstable_offset(),
            generation: 0,
            recent: Recent::default(),
        };
        let recovery_point = Arc::new(AtomicI64::new(loaded.recovery_point));
        place.log_dir.register(&place.partition, &recovery_point);
        Self {
            partition: place.partition,
            log_dir: place.log_dir,
            path: place.path,
            settings: place.settings,
            deletions: place.deletions,
            config: RwLock::new(Arc::new(config)),
            topic_id: Mutex::new(loaded.topic_id),
            writer: Mutex::new(Writer {
                producers: loaded.producers,
                is_closed: false,
                unflushed_records: 0,
                unflushed_since_ms: None,
                rolled_to: None,
            }),
            epochs: Mutex::new(Epochs { cache: loaded.epochs, is_dirty: false }),
            view: RwLock::new(view),
            hints: Mutex::default(),
            recovery_point,
            flushing: Mutex::new(()),
            is_gone: AtomicBool::new(false),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self) -> &Disk {
        self.log_dir.disk()
    }

    /// Runs a disk operation; its failure takes the log directory out of use.
    fn guard<T>(&self, doing: &str, operation: impl FnOnce() -> io::Result<T>) -> Result<T, StorageError> {
        self.log_dir.check(doing)?;
        operation().map_err(|source| self.failed(doing, source))
    }

    fn failed(&self, doing: &str, source: io::Error) -> StorageError {
        self.log_dir.fail(&format!("{}: {doing}", self.partition), source)
    }

    /// Runs a disk operation of a reader. Readers hold no lock against truncation and deletion, so a file that ends
    /// early or is gone is their bad luck; anything else takes the log directory out of use.
    fn reading<T>(&self, doing: &str, operation: impl FnOnce() -> io::Result<T>) -> Result<T, ReadError> {
        self.log_dir.check(doing)?;
        operation().map_err(|source| self.read_failed(doing, source))
    }

    fn read_failed(&self, doing: &str, source: io::Error) -> ReadError {
        let is_gone = source.kind() == io::ErrorKind::NotFound && self.is_gone.load(Ordering::Acquire);
        if is_gone || source.kind() == io::ErrorKind::UnexpectedEof {
            return ReadError::Changed(self.partition.clone());
        }
        ReadError::Storage(self.failed(doing, source))
    }

    fn scan_failed(&self, segment: &Segment, error: ScanError) -> ReadError {
        match error {
            ScanError::Io(source) => self.read_failed("read segment", source),
            ScanError::Corrupt { position, source } => ReadError::Corrupt {
                partition: self.partition.clone(),
                segment: segment.base_offset(),
                position,
                source,
            },
        }
    }

    /// Which partition this is.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The entry of `log.dirs` it lies in.
    #[must_use]
    pub fn log_dir(&self) -> &Arc<LogDir> {
        &self.log_dir
    }

    /// Path of its own directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.get()
    }

    /// Path of the log directory it lies in.
    #[must_use]
    pub fn parent_dir(&self) -> &Path {
        self.log_dir.path()
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces its settings. The next append goes by them.
    pub fn update_config(&self, config: LogConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Topic id, if known.
    #[must_use]
    pub fn topic_id(&self) -> Option<TopicId> {
        *self.topic_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the log a topic id, once, and writes it down.
    ///
    /// # Errors
    /// [`Error::InconsistentTopicId`] if it has another one; [`Error::Storage`].
    pub fn set_topic_id(&self, id: TopicId) -> Result<(), Error> {
        let mut topic_id = self.topic_id.lock().unwrap_or_else(PoisonError::into_inner);
        match *topic_id {
            Some(on_disk) if on_disk == id => Ok(()),
            Some(on_disk) => Err(Error::InconsistentTopicId { partition: self.partition.clone(), got: id, on_disk }),
            None if !self.settings.keeps_topic_ids => Ok(()),
            None => {
                let path = self.path.join(names::PARTITION_METADATA);
                self.guard("write partition metadata", || checkpoints::write_topic_id(self.disk(), &path, id))?;
                *topic_id = Some(id);
                Ok(())
            }
        }
    }

    /// First offset that may be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.view().log_start_offset
    }

    /// Offset of the next record to be appended.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.view().log_end_offset
    }

    /// First offset that may be lost with this broker.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.view().high_watermark
    }

    /// First offset a `read_committed` consumer may not read yet.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        self.view().last_stable_offset()
    }

    /// Log start, last stable offset, high watermark and log end at one moment.
    #[must_use]
    pub fn offsets(&self) -> Offsets {
        let view = self.view();
        Offsets {
            log_start_offset: view.log_start_offset,
            last_stable_offset: view.last_stable_offset(),
            high_watermark: view.high_watermark,
            log_end_offset: view.log_end_offset,
        }
    }

    /// What lies below it survives a crash of the machine.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Bytes of batches in all segments.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    /// How many segments there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.view().segments.len()
    }

    /// Base offset of the first segment: below the log start offset if records were deleted inside it.
    #[must_use]
    pub fn first_segment_base_offset(&self) -> Offset {
        self.segments().first().map_or(0, |segment| segment.base_offset())
    }

    fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.view().segments)
    }

    /// Sets the high watermark to `offset`, or to what of it lies between log start and log end. Gives the new one.
    pub fn update_high_watermark(&self, offset: Offset) -> Offset {
        let (updated, has_unstable) = {
            let mut view = self.view_mut();
            let updated = offset.clamp(view.log_start_offset, view.log_end_offset);
            if updated < view.high_watermark {
                tracing::warn!(partition = %self.partition, from = view.high_watermark, to = updated, "high watermark moved backwards");
            }
            view.high_watermark = updated;
            (updated, view.first_unstable_offset.is_some())
        };
        if has_unstable {
            self.on_high_watermark();
        }
        updated
    }

    /// Sets the high watermark of a log just loaded to what its checkpoint says.
    pub(crate) fn restore_high_watermark(&self, offset: Offset) {
        let mut view = self.view_mut();
        view.high_watermark = offset.clamp(view.log_start_offset, view.log_end_offset);
    }

    /// Raises the high watermark to `offset`; gives the old one, or `None` if it was there already.
    ///
    /// # Panics
    /// If `offset` lies beyond the log end: consumers would read what does not exist.
    pub fn maybe_increment_high_watermark(&self, offset: Offset) -> Option<Offset> {
        let (old, has_unstable) = {
            let mut view = self.view_mut();
            let log_end_offset = view.log_end_offset;
            assert!(offset <= log_end_offset, "{}: hw {offset} > leo {log_end_offset}", self.partition);
            if offset <= view.high_watermark {
                return None;
            }
            (std::mem::replace(&mut view.high_watermark, offset), view.first_unstable_offset.is_some())
        };
        if has_unstable {
            self.on_high_watermark();
        }
        Some(old)
    }

    /// Transactions whose marker is now replicated no longer hold back the last stable offset.
    fn on_high_watermark(&self) {
        let mut writer = self.writer();
        let mut view = self.view_mut();
        writer.producers.forget_replicated(view.high_watermark);
        view.set_first_unstable(writer.producers.first_unstable_offset());
    }

    /// The latest leader epoch known.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs().cache.latest()
    }

    /// The leader epoch under which `offset` was written.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs().cache.epoch_for_offset(offset)
    }

    /// The largest epoch at or below `epoch`, and where it ends; `None` if this log cannot tell.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let epochs = self.epochs();
        epochs.cache.end_offset_for(epoch, self.log_end_offset())
    }

    /// Notes that a leader epoch begins at `start_offset`: called by a new leader with its log end offset.
    ///
    /// Differs from Kafka: written down with the next flush or checkpoint, not at once. A crash before that loses
    /// either an epoch without records, which nobody asks for, or one that recovery finds again in the batches.
    pub fn assign_epoch_start_offset(&self, epoch: LeaderEpoch, start_offset: Offset) {
        let mut epochs = self.epochs();
        epochs.is_dirty |= epochs.cache.assign(epoch, start_offset);
    }

    /// Writes the leader epochs down if they have changed.
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn checkpoint_epochs(&self) -> Result<(), StorageError> {
        let mut epochs = self.epochs();
        if epochs.is_dirty { self.write_epochs(&mut epochs) } else { Ok(()) }
    }

    fn write_epochs(&self, epochs: &mut Epochs) -> Result<(), StorageError> {
        let path = self.path.join(names::LEADER_EPOCH_CHECKPOINT);
        self.guard("write leader epoch checkpoint", || {
            checkpoints::write_leader_epochs(self.disk(), &path, epochs.cache.entries())
        })?;
        epochs.is_dirty = false;
        Ok(())
    }

    /// Removals at the end are written at once: an entry that came back after a crash would contradict the log.
    fn change_epochs(&self, change: impl FnOnce(&mut LeaderEpochs) -> bool) -> Result<(), StorageError> {
        let mut epochs = self.epochs();
        if change(&mut epochs.cache) { self.write_epochs(&mut epochs) } else { Ok(()) }
    }
}

/// The four offsets of a log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// First offset that may be read.
    pub log_start_offset: Offset,
    /// First offset a `read_committed` consumer may not read yet.
    pub last_stable_offset: Offset,
    /// First offset that may be lost with this broker.
    pub high_watermark: Offset,
    /// Offset of the next record to be appended.
    pub log_end_offset: Offset,
}

#[cfg(test)]
mod tests;
