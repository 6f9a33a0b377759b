//! Flushing, retention, closing: what happens to a log besides reads and writes.
//! Source: `UnifiedLog.flush`, `deleteOldSegments`, `close` in Kafka 3.9.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use zk_schema::types::Offset;

use super::view::floor_segment;
use super::{Log, Writer};
use crate::error::{Error, StorageError};
use crate::log_config::LogConfig;
use crate::names;
use crate::retention;

impl Log {
    /// Forces everything appended so far to the disk, and raises the recovery point.
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn flush(&self) -> Result<(), StorageError> {
        {
            let mut writer = self.writer();
            writer.unflushed_records = 0;
            writer.unflushed_since_ms = None;
            writer.rolled_to = None;
        }
        self.flush_to(self.log_end_offset())
    }

    /// Forces the segments to the disk that were rolled since the last time. For a disk thread, after an append that
    /// says it rolled.
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn flush_rolled(&self) -> Result<(), StorageError> {
        let rolled_to = self.writer().rolled_to.take();
        rolled_to.map_or(Ok(()), |rolled_to| self.flush_to(rolled_to))
    }

    /// Flushes if `flush.ms` has passed since the first record not flushed, or a segment was rolled.
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn flush_if_due(&self, now_ms: i64) -> Result<(), StorageError> {
        let flush_ms = self.config().flush_ms;
        let since_ms = self.writer().unflushed_since_ms;
        let is_due = since_ms.is_some_and(|since_ms| flush_ms <= now_ms.saturating_sub(since_ms));
        if is_due { self.flush() } else { self.flush_rolled() }
    }

    fn flush_to(&self, end_offset: Offset) -> Result<(), StorageError> {
        let _one_at_a_time = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let recovery_point = self.recovery_point();
        if end_offset <= recovery_point {
            return Ok(());
        }
        let (segments, generation) = {
            let view = self.view();
            (Arc::clone(&view.segments), view.generation)
        };
        // An epoch must be on disk before the recovery point passes its start.
        self.checkpoint_epochs()?;
        let unflushed = segments.get(floor_segment(&segments, recovery_point)..).unwrap_or_default();
        let below = unflushed.partition_point(|segment| segment.base_offset() < end_offset);
        let unflushed = unflushed.get(..below).unwrap_or_default();
        self.guard("flush", || {
            for segment in unflushed {
                segment.flush()?;
                let snapshot = names::file_name(segment.base_offset(), names::SNAPSHOT_SUFFIX);
                self.disk().sync_if_exists(&self.path.join(&snapshot))?;
            }
            if unflushed.iter().any(|segment| recovery_point <= segment.base_offset()) {
                self.disk().sync_dir(&self.path.get())?;
            }
            Ok(())
        })?;
        let _writer = self.writer();
        // A truncation meanwhile may have put other records below the offset.
        if self.view().generation == generation {
            self.recovery_point.fetch_max(end_offset, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Takes segments out of use that are below the log start, too many, or too old. Gives how many.
    ///
    /// # Errors
    /// What is wrong with disk or data.
    pub fn delete_old_segments(&self, now_ms: i64) -> Result<usize, Error> {
        let config = self.config();
        let mut deleted = self.delete_while(&config, now_ms, &retention::below_log_start)?;
        if config.delete {
            deleted += self.delete_while(&config, now_ms, &retention::beyond_size)?;
            deleted += self.delete_while(&config, now_ms, &retention::too_old)?;
        }
        Ok(deleted)
    }

    fn delete_while(&self, config: &LogConfig, now_ms: i64, rule: &retention::Rule) -> Result<usize, Error> {
        let mut writer = self.writer();
        if writer.is_closed {
            return Ok(0);
        }
        let count = self.deletable(config, now_ms, rule)?;
        if 0 < count {
            self.delete_first(&mut writer, config, count, now_ms)?;
        }
        Ok(count)
    }

    /// How many segments, counted from the first, the rule gives up.
    fn deletable(&self, config: &LogConfig, now_ms: i64, rule: &retention::Rule) -> Result<usize, StorageError> {
        let segments = self.segments();
        let (offsets, size) = (self.offsets(), self.size());
        let mut facts = retention::Facts { config, now_ms, log_start_offset: offsets.log_start_offset, size };
        for (index, segment) in segments.iter().enumerate() {
            let next_base = segments.get(index + 1).map(|next| next.base_offset());
            let is_empty_end = next_base.is_none() && segment.size() == 0;
            let is_replicated = next_base.unwrap_or(offsets.log_end_offset) <= offsets.high_watermark;
            if is_empty_end
                || !is_replicated
                || !self.guard("look at retention", || rule(&facts, segment, next_base))?
            {
                return Ok(index);
            }
            facts.size -= segment.size();
        }
        Ok(segments.len())
    }

    fn delete_first(&self, writer: &mut Writer, config: &LogConfig, count: usize, now_ms: i64) -> Result<(), Error> {
        if count == self.segment_count() {
            self.roll_locked(writer, config, self.log_end_offset(), Some(now_ms))?;
        }
        let segments = self.segments();
        let (dropped, kept) = segments.split_at(count);
        let log_start_offset = kept.first().expect("a segment was rolled behind the last").base_offset();
        self.increment_log_start_locked(writer, log_start_offset)?;
        {
            let mut view = self.view_mut();
            view.segments = Arc::new(kept.to_vec());
        }
        tracing::info!(partition = %self.partition, segments = count, log_start_offset, "deleting old segments");
        self.set_aside(dropped, writer)?;
        Ok(())
    }

    /// Closes the log for good: snapshot at the end, indexes trimmed, everything on disk. Later appends are refused,
    /// reads go on.
    ///
    /// # Errors
    /// The log directory has failed; the directory must then not be marked clean.
    pub fn close(&self) -> Result<(), StorageError> {
        self.flush()?;
        let config = self.config();
        let mut writer = self.writer();
        if writer.is_closed {
            return Ok(());
        }
        self.checkpoint_epochs()?;
        self.take_snapshot(&mut writer)?;
        let snapshot = names::file_name(writer.producers.snapshot_offset, names::SNAPSHOT_SUFFIX);
        self.guard("close", || {
            self.segments().iter().try_for_each(|segment| segment.close(&config))?;
            self.disk().sync_if_exists(&self.path.join(&snapshot))
        })?;
        writer.is_closed = true;
        Ok(())
    }

    /// Renames the directory so that a restart deletes it, and refuses appends from now on. Gives the new path.
    pub(crate) fn set_aside_whole(&self, new_path: PathBuf) -> Result<PathBuf, StorageError> {
        let mut writer = self.writer();
        self.is_gone.store(true, Ordering::Release);
        self.guard("set log aside", || self.disk().rename(&self.path.get(), &new_path))?;
        self.path.set(new_path.clone());
        self.log_dir.unregister(&self.partition);
        writer.is_closed = true;
        Ok(new_path)
    }
}
