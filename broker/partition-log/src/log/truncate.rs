//! Cutting the log: at its end, where it contradicts the leader, and at its start, when records are deleted.
//! Slices in flight of what is cut off at the end come up short; see [`crate::disk::FileSlice`].
//! Source: `UnifiedLog.truncateTo`, `truncateFullyAndStartAt`, `maybeIncrementLogStartOffset` in Kafka 3.9.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zk_schema::types::Offset;

use super::{Log, Writer};
use crate::error::{Error, ReadError, StorageError};
use crate::names;
use crate::recovery;
use crate::segment::Segment;

impl Log {
    /// Drops every record at or above `offset`; says whether there were any.
    ///
    /// # Errors
    /// What is wrong with disk or data.
    pub fn truncate_to(&self, offset: Offset) -> Result<bool, Error> {
        let mut writer = self.writer();
        let before = self.offsets();
        if before.log_end_offset <= offset {
            self.change_epochs(|cache| cache.truncate_from_end(before.log_end_offset))?;
            return Ok(false);
        }
        tracing::info!(partition = %self.partition, from = before.log_end_offset, to = offset, "truncating the log");
        let segments = self.segments();
        if segments.first().is_some_and(|first| offset < first.base_offset()) {
            self.truncate_fully_locked(&mut writer, offset, offset)?;
            return Ok(true);
        }
        let kept = segments.partition_point(|segment| segment.base_offset() <= offset);
        let (kept, dropped) = segments.split_at(kept);
        let active = kept.last().expect("the first segment begins at or below the offset");
        // Readers must not find the end any more before it is gone.
        {
            let mut view = self.view_mut();
            view.segments = Arc::new(kept.to_vec());
            view.end_position = 0;
            view.forget_positions();
        }
        self.set_aside(dropped, &mut writer)?;
        active.truncate_to(offset).map_err(|e| Error::from(self.scan_failed(active, e)))?;
        self.lower_recovery_point(offset)?;
        self.change_epochs(|cache| cache.truncate_from_end(offset))?;
        let log_start_offset = before.log_start_offset.min(offset);
        self.rebuild_producers(&mut writer, kept, log_start_offset, offset)?;
        let mut view = self.view_mut();
        view.log_start_offset = log_start_offset;
        view.log_end_offset = offset;
        view.end_position = active.size();
        view.high_watermark = view.high_watermark.min(offset);
        view.set_first_unstable(writer.producers.first_unstable_offset());
        Ok(true)
    }

    /// Drops every record; the log then begins and ends at `offset`.
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), Error> {
        tracing::info!(partition = %self.partition, offset, "dropping the whole log");
        let mut writer = self.writer();
        self.truncate_fully_locked(&mut writer, offset, offset).map_err(Error::from)
    }

    fn truncate_fully_locked(
        &self,
        writer: &mut Writer,
        offset: Offset,
        log_start_offset: Offset,
    ) -> Result<(), StorageError> {
        let config = self.config();
        let old = self.segments();
        self.set_aside(&old, writer)?;
        let segment = self.guard("create segment", || {
            Segment::create(self.disk(), &self.path, offset, &config, None).map(Arc::new)
        })?;
        self.change_epochs(|cache| cache.clear())?;
        writer.producers.restart_at(offset);
        self.delete_snapshots(writer, |_| true)?;
        self.lower_recovery_point(offset)?;
        let mut view = self.view_mut();
        view.segments = Arc::new(vec![segment]);
        view.log_start_offset = log_start_offset;
        view.log_end_offset = offset;
        view.end_position = 0;
        view.high_watermark = offset;
        view.first_unstable_offset = None;
        view.forget_positions();
        Ok(())
    }

    /// Nothing from `offset` on is known to be on disk any more. Must be written down before records are put there.
    fn lower_recovery_point(&self, offset: Offset) -> Result<(), StorageError> {
        if offset < self.recovery_point.fetch_min(offset, Ordering::AcqRel) {
            self.log_dir.checkpoint_recovery_points()?;
        }
        Ok(())
    }

    /// Raises the log start offset; says whether it was below. Whole segments below it go with the next retention.
    ///
    /// # Errors
    /// [`Error::LogStartAboveHighWatermark`], or the disk's.
    pub fn increment_log_start_offset(&self, offset: Offset) -> Result<bool, Error> {
        let mut writer = self.writer();
        self.increment_log_start_locked(&mut writer, offset)
    }

    pub(super) fn increment_log_start_locked(&self, writer: &mut Writer, offset: Offset) -> Result<bool, Error> {
        let offsets = self.offsets();
        if offsets.high_watermark < offset {
            let (partition, high_watermark) = (self.partition.clone(), offsets.high_watermark);
            return Err(Error::LogStartAboveHighWatermark { partition, offset, high_watermark });
        }
        if offset <= offsets.log_start_offset {
            return Ok(false);
        }
        {
            // Need not be on disk at once: loading cuts the epochs at the log start again.
            let mut epochs = self.epochs();
            epochs.is_dirty |= epochs.cache.truncate_from_start(offset);
        }
        writer.producers.on_log_start_incremented(offset);
        self.recovery_point.fetch_max(offset, Ordering::AcqRel);
        let mut view = self.view_mut();
        view.log_start_offset = offset;
        view.set_first_unstable(writer.producers.first_unstable_offset());
        tracing::debug!(partition = %self.partition, offset, "raised the log start offset");
        Ok(true)
    }

    /// Renames the files of segments so that they are deleted later, and their producer snapshots with them.
    pub(super) fn set_aside(&self, segments: &[Arc<Segment>], writer: &mut Writer) -> Result<(), StorageError> {
        let mut renamed = Vec::new();
        self.guard("set segments aside", || {
            for segment in segments {
                segment.open_all()?;
                let offset = segment.base_offset();
                let had_snapshot = writer.producers.snapshots.remove(&offset);
                let suffixes = names::SEGMENT_SUFFIXES.into_iter();
                for suffix in suffixes.chain(had_snapshot.then_some(names::SNAPSHOT_SUFFIX)) {
                    let from = names::file_name(offset, suffix);
                    let to = format!("{from}{}", names::DELETED_SUFFIX);
                    if self.disk().rename_if_exists(&self.path.join(&from), &self.path.join(&to))? {
                        renamed.push(to);
                    }
                }
            }
            Ok(())
        })?;
        let delay_ms = self.config().file_delete_delay_ms;
        self.deletions.files(&self.log_dir, &self.path, renamed, delay_ms);
        Ok(())
    }

    /// Loads the producer state as of `end_offset` again, from a snapshot and the batches behind it.
    fn rebuild_producers(
        &self,
        writer: &mut Writer,
        segments: &[Arc<Segment>],
        log_start_offset: Offset,
        end_offset: Offset,
    ) -> Result<(), Error> {
        let range = recovery::ProducerRange {
            segments,
            log_start_offset,
            end_offset,
            silent_since_ms: i64::MIN,
            is_clean: false,
        };
        let rebuilt = recovery::rebuild_producers(self.disk(), &self.path, &mut writer.producers, &range);
        rebuilt.map_err(|(segment, error)| match segment {
            Some(segment) => Error::from(self.scan_failed(&segment, error)),
            None => match error {
                crate::scan::ScanError::Io(source) => Error::Storage(self.failed("load producer state", source)),
                crate::scan::ScanError::Corrupt { position, source } => Error::Read(ReadError::Corrupt {
                    partition: self.partition.clone(),
                    segment: end_offset,
                    position,
                    source,
                }),
            },
        })
    }

    /// Deletes snapshots that are of no more use.
    pub(super) fn delete_snapshots(
        &self,
        writer: &mut Writer,
        is_useless: impl Fn(Offset) -> bool,
    ) -> Result<(), StorageError> {
        let useless: Vec<Offset> = writer.producers.snapshots.iter().copied().filter(|o| is_useless(*o)).collect();
        self.guard("delete producer snapshots", || {
            for offset in useless {
                let path = self.path.join(&names::file_name(offset, names::SNAPSHOT_SUFFIX));
                self.disk().remove_if_exists(&path)?;
                writer.producers.snapshots.remove(&offset);
            }
            Ok(())
        })
    }
}
