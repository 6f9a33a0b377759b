//! What a restart trusts and what it rebuilds, for one log's directory.
//!
//! After a clean shutdown everything is trusted: sizes, indexes, the snapshot at the end. Otherwise every segment from
//! the recovery point on is read through: batches up to the first damaged one are kept, the rest is cut off, and
//! indexes, producer state and leader epochs are made anew from the batches. What an interrupted compaction or
//! deletion left behind is finished or undone first.
//! Source: `LogLoader`, `LogSegment.recover`, `UnifiedLog.rebuildProducerState` in Kafka 3.9.

mod leftovers;
mod producers;
mod rebuild;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use zk_schema::types::Offset;

pub(crate) use producers::{ProducerRange, rebuild_producers, take_snapshot};

use crate::checkpoints;
use crate::disk::Disk;
use crate::leader_epochs::LeaderEpochs;
use crate::log::{Loaded, Place};
use crate::log_config::LogConfig;
use crate::log_dir::LogPath;
use crate::names;
use crate::producer_state::ProducerState;
use crate::scan::ScanError;
use crate::segment::Segment;

/// What the checkpoints say of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The broker closed every log of the directory before it stopped.
    pub was_clean: bool,
    pub recovery_point: Offset,
    pub log_start_offset: Offset,
    pub now_ms: i64,
}

/// Why a log cannot be loaded. Damage at its end is not among them: that is cut off.
#[derive(Debug)]
pub(crate) enum LoadError {
    Io(io::Error),
    /// A segment below the recovery point is damaged.
    Corrupt {
        segment: Offset,
        position: u64,
        source: record::Error,
    },
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) fn at(segment: &Segment) -> impl FnOnce(ScanError) -> LoadError {
    let segment = segment.base_offset();
    move |error| match error {
        ScanError::Io(error) => LoadError::Io(error),
        ScanError::Corrupt { position, source } => LoadError::Corrupt { segment, position, source },
    }
}

/// Loads the log in `place`, creating its first segment if there is none.
pub(crate) fn load(place: &Place, config: &LogConfig, start: Start) -> Result<Loaded, LoadError> {
    let mut loader = Loader::new(place, config, start)?;
    loader.find_segments()?;
    if !start.was_clean {
        loader.recover_unflushed()?;
    }
    loader.finish()
}

struct Loader<'a> {
    place: &'a Place,
    config: &'a LogConfig,
    start: Start,
    segments: Vec<Arc<Segment>>,
    epochs: LeaderEpochs,
    epochs_on_disk: LeaderEpochs,
    producers: ProducerState,
}

impl<'a> Loader<'a> {
    fn new(place: &'a Place, config: &'a LogConfig, start: Start) -> io::Result<Self> {
        let disk = place.log_dir.disk();
        let entries = checkpoints::read_leader_epochs(disk, &place.path.join(names::LEADER_EPOCH_CHECKPOINT))?;
        let epochs_on_disk = LeaderEpochs::from_entries(entries);
        let epochs = epochs_on_disk.clone();
        let (segments, producers) = (Vec::new(), ProducerState::default());
        Ok(Self { place, config, start, segments, epochs, epochs_on_disk, producers })
    }

    fn disk(&self) -> &'a Disk {
        self.place.log_dir.disk()
    }

    fn path(&self) -> &'a LogPath {
        &self.place.path
    }

    /// Sizes of all segments; a segment without offset index gets its indexes back at once.
    fn find_segments(&mut self) -> Result<(), LoadError> {
        let files = leftovers::clear(self.disk(), self.path())?;
        self.producers.snapshots = files.snapshots;
        for base_offset in files.logs {
            let path = self.path().join(&names::file_name(base_offset, names::LOG_SUFFIX));
            let size = self.disk().len(&path)?;
            let segment = Segment::with_size(self.disk(), self.path(), base_offset, size, Some(self.start.now_ms));
            self.segments.push(Arc::new(segment));
            if !files.indexes.contains(&base_offset) {
                tracing::warn!(partition = %self.place.partition, base_offset, "segment has no offset index, rebuilding it");
                self.recover_segments(self.segments.len() - 1)?;
            }
        }
        Ok(())
    }

    fn recover_unflushed(&mut self) -> Result<(), LoadError> {
        let above = self.segments.partition_point(|segment| segment.base_offset() <= self.start.recovery_point);
        self.recover_segments(above.saturating_sub(1))
    }

    /// Reads segments from `first` on through, until one is damaged: those behind it are set aside.
    fn recover_segments(&mut self, first: usize) -> Result<(), LoadError> {
        let Some(first_segment) = self.segments.get(first).cloned() else { return Ok(()) };
        self.load_producers(first_segment.base_offset(), first, false)?;
        let count = self.segments.len();
        for index in first..count {
            let Some(segment) = self.segments.get(index).cloned() else { break };
            tracing::info!(
                partition = %self.place.partition,
                segment = segment.base_offset(),
                left = count - index,
                "recovering a segment that was not flushed"
            );
            let cut = rebuild::rebuild(&segment, self.config, &mut self.producers, &mut self.epochs)?;
            take_snapshot(self.disk(), self.path(), &mut self.producers)?;
            if 0 < cut {
                tracing::warn!(
                    partition = %self.place.partition,
                    segment = segment.base_offset(),
                    bytes = cut,
                    log_end_offset = self.producers.end_offset,
                    "cut a damaged tail off"
                );
                self.drop_segments_from(index + 1)?;
                break;
            }
        }
        Ok(())
    }

    fn drop_segments_from(&mut self, index: usize) -> io::Result<()> {
        let mut renamed = Vec::new();
        for segment in self.segments.split_off(index) {
            tracing::warn!(partition = %self.place.partition, segment = segment.base_offset(), "dropping a segment behind a damaged one");
            self.producers.snapshots.remove(&segment.base_offset());
            for suffix in names::SEGMENT_SUFFIXES.into_iter().chain([names::SNAPSHOT_SUFFIX]) {
                let from = names::file_name(segment.base_offset(), suffix);
                let to = format!("{from}{}", names::DELETED_SUFFIX);
                if self.disk().rename_if_exists(&self.path().join(&from), &self.path().join(&to))? {
                    renamed.push(to);
                }
            }
        }
        let delay_ms = self.config.file_delete_delay_ms;
        self.place.deletions.files(&self.place.log_dir, self.path(), renamed, delay_ms);
        Ok(())
    }

    /// Producer state as of `end_offset`, from the first `count` segments.
    fn load_producers(&mut self, end_offset: Offset, count: usize, is_clean: bool) -> Result<(), LoadError> {
        let range = ProducerRange {
            segments: self.segments.get(..count).unwrap_or_default(),
            log_start_offset: self.start.log_start_offset.min(end_offset),
            end_offset,
            silent_since_ms: self.silent_since_ms(),
            is_clean,
        };
        let loaded = rebuild_producers(self.disk(), self.path(), &mut self.producers, &range);
        loaded.map_err(|(segment, error)| match (segment, error) {
            (_, ScanError::Io(error)) => LoadError::Io(error),
            (segment, ScanError::Corrupt { position, source }) => {
                let segment = segment.map_or(end_offset, |segment| segment.base_offset());
                LoadError::Corrupt { segment, position, source }
            }
        })
    }

    fn silent_since_ms(&self) -> i64 {
        let expiration_ms = &self.place.settings.producer_id_expiration_ms;
        self.start.now_ms.saturating_sub(expiration_ms.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn finish(mut self) -> Result<Loaded, LoadError> {
        let checkpoint = self.start.log_start_offset;
        let mut end_offset = None;
        if let Some(active) = self.segments.last() {
            end_offset = Some(active.next_offset().map_err(at(active))?);
        }
        if end_offset.is_some_and(|end_offset| end_offset < checkpoint) {
            tracing::warn!(partition = %self.place.partition, log_start_offset = checkpoint, ?end_offset, "the log ends before its start; dropping it whole");
            self.drop_segments_from(0)?;
            self.epochs.clear();
            self.producers.restart_at(checkpoint);
            end_offset = None;
        }
        let is_created = self.segments.is_empty();
        if is_created {
            // Its age, which counts where records have no timestamps, begins with its first append.
            let segment = Segment::create(self.disk(), self.path(), checkpoint, self.config, None)?;
            self.segments.push(Arc::new(segment));
        }
        let log_end_offset = end_offset.unwrap_or(checkpoint);
        let first_base = self.segments.first().map_or(checkpoint, |segment| segment.base_offset());
        let log_start_offset = checkpoint.max(first_base);
        let recovery_point = match (self.start.was_clean, end_offset) {
            (true, Some(end_offset)) => end_offset,
            _ => self.start.recovery_point.min(log_end_offset),
        };
        self.epochs.truncate_from_end(log_end_offset);
        self.epochs.truncate_from_start(log_start_offset);
        if self.epochs != self.epochs_on_disk {
            let path = self.path().join(names::LEADER_EPOCH_CHECKPOINT);
            checkpoints::write_leader_epochs(self.disk(), &path, self.epochs.entries())?;
        }
        self.remove_stray_snapshots()?;
        self.start.log_start_offset = log_start_offset;
        self.load_producers(log_end_offset, self.segments.len(), self.start.was_clean)?;
        let topic_id = self.topic_id_of()?;
        if !is_created {
            self.close_files();
        }
        Ok(Loaded {
            segments: self.segments,
            producers: self.producers,
            epochs: self.epochs,
            log_start_offset,
            log_end_offset,
            recovery_point,
            topic_id,
        })
    }

    /// What loading opened is closed again: most logs stay idle, and open files are scarce.
    fn close_files(&mut self) {
        let (disk, path, now_ms) = (self.disk(), self.path(), Some(self.start.now_ms));
        for segment in &mut self.segments {
            *segment = Arc::new(Segment::with_size(disk, path, segment.base_offset(), segment.size(), now_ms));
        }
    }

    fn topic_id_of(&self) -> io::Result<Option<zk_schema::types::TopicId>> {
        let path = self.place.path.join(names::PARTITION_METADATA);
        if self.place.settings.keeps_topic_ids {
            return checkpoints::read_topic_id(self.place.log_dir.disk(), &path);
        }
        self.place.log_dir.disk().remove_if_exists(&path).map(|_| None)
    }

    /// Keeps the snapshots at segment beginnings, and the latest of the others if it lies behind them all.
    fn remove_stray_snapshots(&mut self) -> io::Result<()> {
        let bases: BTreeSet<Offset> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let strays: Vec<Offset> = self.producers.snapshots.difference(&bases).copied().collect();
        let last_base = bases.last().copied().unwrap_or(0);
        let kept = strays.last().copied().filter(|stray| last_base < *stray);
        for stray in strays.into_iter().filter(|stray| Some(*stray) != kept) {
            self.producers.snapshots.remove(&stray);
            self.disk().remove_if_exists(&self.path().join(&names::file_name(stray, names::SNAPSHOT_SUFFIX)))?;
        }
        Ok(())
    }
}
