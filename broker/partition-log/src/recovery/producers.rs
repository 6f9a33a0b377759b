//! Producer state as of an offset: the latest usable snapshot below it, and the batches from there on.
//! Source: `UnifiedLog.rebuildProducerState`, `ProducerStateManager.truncateAndReload` in Kafka 3.9.

use std::io;
use std::sync::Arc;

use zk_schema::types::Offset;

use crate::disk::Disk;
use crate::log_dir::LogPath;
use crate::names;
use crate::producer_snapshot;
use crate::producer_state::{ProducerBatch, ProducerChanges, ProducerState};
use crate::scan::{Scan, ScanError};
use crate::segment::Segment;

/// From what, and up to where, to rebuild.
pub(crate) struct ProducerRange<'a> {
    /// Segments below the end.
    pub segments: &'a [Arc<Segment>],
    pub log_start_offset: Offset,
    pub end_offset: Offset,
    /// Producers that wrote nothing since are left out.
    pub silent_since_ms: i64,
    /// After a clean shutdown a log without snapshots has no producers: no need to read it.
    pub is_clean: bool,
}

/// What failed, and in which segment if it was one.
pub(crate) type RebuildError = (Option<Arc<Segment>>, ScanError);

fn io_error(error: io::Error) -> RebuildError {
    (None, ScanError::Io(error))
}

/// Makes `state` what it was when the log ended at `range.end_offset`.
pub(crate) fn rebuild_producers(
    disk: &Disk,
    path: &LogPath,
    state: &mut ProducerState,
    range: &ProducerRange<'_>,
) -> Result<(), RebuildError> {
    let mut bases = range.segments.iter().rev().take(2).map(|segment| segment.base_offset());
    let (last_base, previous_base) = (bases.next(), bases.next());
    if state.snapshots.is_empty() && range.is_clean {
        for offset in [previous_base, last_base, Some(range.end_offset)].into_iter().flatten() {
            state.end_offset = offset;
            take_snapshot(disk, path, state).map_err(io_error)?;
        }
        return Ok(());
    }
    let was_empty = state.is_empty() && range.end_offset <= state.end_offset;
    reload(disk, path, state, range).map_err(io_error)?;
    if state.end_offset < range.end_offset && !was_empty {
        for segment in range.segments {
            let next =
                range.segments.iter().map(|other| other.base_offset()).find(|base| segment.base_offset() < *base);
            if next.is_some_and(|next| next <= state.end_offset) || range.end_offset <= segment.base_offset() {
                continue;
            }
            let from = segment.base_offset().max(state.end_offset).max(range.log_start_offset);
            state.end_offset = from;
            if [previous_base, last_base].contains(&Some(segment.base_offset())) {
                take_snapshot(disk, path, state).map_err(io_error)?;
            }
            replay(segment, state, from, range.end_offset).map_err(|error| (Some(Arc::clone(segment)), error))?;
        }
    }
    state.end_offset = range.end_offset;
    take_snapshot(disk, path, state).map_err(io_error)
}

/// Goes back to the latest snapshot that can be used.
fn reload(disk: &Disk, path: &LogPath, state: &mut ProducerState, range: &ProducerRange<'_>) -> io::Result<()> {
    let is_useless = |offset: &Offset| range.end_offset < *offset || *offset <= range.log_start_offset;
    for offset in state.snapshots.iter().copied().filter(is_useless).collect::<Vec<_>>() {
        remove_snapshot(disk, path, state, offset)?;
    }
    if range.end_offset == state.end_offset {
        state.on_log_start_incremented(range.log_start_offset);
        return Ok(());
    }
    while let Some(offset) = state.snapshots.last().copied() {
        let bytes = disk.read(&path.join(&names::file_name(offset, names::SNAPSHOT_SUFFIX)))?;
        match producer_snapshot::decode(&bytes) {
            Ok(entries) => {
                state.load(&entries, offset, range.silent_since_ms);
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(dir = %path.get().display(), offset, %error, "dropping a producer snapshot");
                remove_snapshot(disk, path, state, offset)?;
            }
        }
    }
    state.restart_at(range.log_start_offset);
    Ok(())
}

fn replay(segment: &Segment, state: &mut ProducerState, from: Offset, end_offset: Offset) -> Result<(), ScanError> {
    let file = segment.file()?;
    let Some(first) = segment.locate(from, segment.size())? else { return Ok(()) };
    let mut scan = Scan::new(file, first.position, segment.size());
    while let Some(located) = scan.next()? {
        if end_offset <= located.base_offset {
            break;
        }
        if located.magic < record::MAGIC_V2 {
            continue;
        }
        // A header says enough of a data batch; of a marker the record is needed.
        let corrupt = |source| ScanError::Corrupt { position: located.position, source };
        let mut header = [0; record::header::SIZE];
        file.read_exact_at(&mut header, located.position)?;
        let header = record::BatchHeader::parse(&header).map_err(corrupt)?;
        if !header.has_producer_id() {
            continue;
        }
        let batch = match header.is_control() {
            true => ProducerBatch::of(&located.read(file)?).map_err(corrupt)?,
            false => Some(ProducerBatch::new(&header, None)),
        };
        let mut changes = ProducerChanges::default();
        if let Some(batch) = batch {
            state.prepare_trusted(&mut changes, &batch);
        }
        state.apply(changes, located.last_offset + 1);
    }
    Ok(())
}

/// Writes a snapshot if the state went beyond the last one.
pub(crate) fn take_snapshot(disk: &Disk, path: &LogPath, state: &mut ProducerState) -> io::Result<()> {
    if state.end_offset <= state.snapshot_offset {
        return Ok(());
    }
    let offset = state.end_offset;
    let bytes = producer_snapshot::encode(state.snapshot_entries());
    disk.write(&path.join(&names::file_name(offset, names::SNAPSHOT_SUFFIX)), &bytes)?;
    state.snapshots.insert(offset);
    state.snapshot_offset = offset;
    Ok(())
}

fn remove_snapshot(disk: &Disk, path: &LogPath, state: &mut ProducerState, offset: Offset) -> io::Result<()> {
    state.snapshots.remove(&offset);
    disk.remove_if_exists(&path.join(&names::file_name(offset, names::SNAPSHOT_SUFFIX))).map(drop)
}
