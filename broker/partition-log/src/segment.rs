//! One segment: a file of batches and its three indexes, named for the first offset they may hold.
//! Knows when it is full, where an offset lies and what its largest timestamp is; not which segment comes next.
//! Files are opened when first needed, so that an idle segment is a name and a size.
//! Source: `LogSegment` in Kafka 3.9.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use zk_schema::types::Offset;

use crate::disk::{Disk, File, FileSlice};
use crate::log_config::LogConfig;
use crate::log_dir::LogPath;
use crate::names;
use crate::offset_index::{OffsetIndex, OffsetPosition, relative};
use crate::scan::{Located, Scan, ScanError};
use crate::time_index::{TimeIndex, TimestampOffset};
use crate::transaction_index::{AbortedTransaction, TransactionIndex};

/// A segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: Offset,
    disk: Disk,
    path: LogPath,
    file: OnceLock<File>,
    /// Bytes of whole batches; what the file holds behind them is not ours.
    size: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offset_index: OffsetIndex,
    time_index: TimeIndex,
    transaction_index: TransactionIndex,
    /// Largest timestamp so far and the last offset of its batch; unknown until asked for.
    largest_timestamp: Option<TimestampOffset>,
    /// Largest timestamp of the first append: what the segment's age is counted from.
    first_timestamp: Option<i64>,
    /// When it was created or opened: its age if its records have no timestamps.
    created_ms: Option<i64>,
    bytes_since_index_entry: u64,
    roll_jitter_ms: i64,
}

/// What an append needs to say about its batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppendFacts {
    pub bytes: u64,
    pub last_offset: Offset,
    pub largest_timestamp: i64,
    /// Last offset of the batch that holds the largest timestamp.
    pub offset_of_largest_timestamp: Offset,
}

impl Segment {
    /// Creates the files of an active segment: indexes extended to their full size with a hole.
    pub(crate) fn create(
        disk: &Disk,
        path: &LogPath,
        base_offset: Offset,
        config: &LogConfig,
        now_ms: Option<i64>,
    ) -> io::Result<Self> {
        for suffix in names::SEGMENT_SUFFIXES {
            if disk.remove_if_exists(&path.join(&names::file_name(base_offset, suffix)))? {
                tracing::warn!(dir = %path.get().display(), base_offset, suffix, "a new segment's file existed already and was deleted");
            }
        }
        let file = disk.open_or_create(&path.join(&names::file_name(base_offset, names::LOG_SUFFIX)))?;
        if 0 < config.initial_file_bytes() {
            file.set_len(config.initial_file_bytes())?;
        }
        let segment = Self::with_size(disk, path, base_offset, 0, now_ms);
        {
            let mut state = segment.state();
            state.roll_jitter_ms = random_jitter_ms(config);
            let index = segment.path_of(names::INDEX_SUFFIX);
            state.offset_index.create_extended(disk, &index, config.segment_index_bytes)?;
            let time_index = segment.path_of(names::TIME_INDEX_SUFFIX);
            state.time_index.create_extended(disk, &time_index, config.segment_index_bytes)?;
        }
        Ok(segment)
    }

    /// A segment whose file holds `size` bytes. Opens nothing.
    pub(crate) fn with_size(disk: &Disk, path: &LogPath, base_offset: Offset, size: u64, now_ms: Option<i64>) -> Self {
        Self {
            base_offset,
            disk: disk.clone(),
            path: path.clone(),
            file: OnceLock::new(),
            size: AtomicU64::new(size),
            state: Mutex::new(State { created_ms: now_ms, ..State::default() }),
        }
    }

    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Bytes of batches.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Path of one of its files.
    pub(crate) fn path_of(&self, suffix: &str) -> PathBuf {
        self.path.join(&names::file_name(self.base_offset, suffix))
    }

    /// The file of batches, opened if need be.
    pub(crate) fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        match self.disk.open(&self.path_of(names::LOG_SUFFIX)) {
            Ok(opened) => Ok(self.file.get_or_init(|| opened)),
            // Opened and renamed by another thread meanwhile: see `open_all`.
            Err(error) => self.file.get().ok_or(error),
        }
    }

    /// Opened indexes, locked.
    fn indexes(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.offset_index.ensure_open(&self.disk, || self.path_of(names::INDEX_SUFFIX))?;
        state.time_index.ensure_open(&self.disk, || self.path_of(names::TIME_INDEX_SUFFIX))?;
        Ok(state)
    }

    /// Whether these batches must go to a new segment.
    ///
    /// Size does not count for an empty segment; age is counted in record time where records have timestamps.
    pub(crate) fn should_roll(&self, facts: &AppendFacts, config: &LogConfig, now_ms: i64) -> io::Result<bool> {
        let size = self.size();
        if config.segment_bytes < size + facts.bytes || relative(self.base_offset, facts.last_offset).is_none() {
            return Ok(0 < size || relative(self.base_offset, facts.last_offset).is_none());
        }
        let age_ms = self.age_ms(facts.largest_timestamp, now_ms)?;
        let mut state = self.indexes()?;
        let is_old = 0 < size && config.segment_ms.saturating_sub(state.roll_jitter_ms) < age_ms;
        Ok(is_old
            || state.offset_index.is_full(config.segment_index_bytes)
            || state.time_index.is_full(config.segment_index_bytes))
    }

    fn age_ms(&self, largest_timestamp: i64, now_ms: i64) -> io::Result<i64> {
        let mut state = self.state();
        if state.first_timestamp.is_none() && 0 < self.size() {
            let first = Scan::one(self.file()?, 0, self.size()).next().ok().flatten();
            state.first_timestamp = first.map(|first| first.max_timestamp);
        }
        Ok(match state.first_timestamp {
            Some(first) if 0 <= first => largest_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(*state.created_ms.get_or_insert(now_ms)),
        })
    }

    /// Writes batches behind the others and notes them in the indexes. Syncs nothing.
    pub(crate) fn append(&self, pieces: &mut [IoSlice<'_>], facts: &AppendFacts, config: &LogConfig) -> io::Result<()> {
        let position = self.size();
        self.file()?.write_vectored_at(pieces, position)?;
        let mut state = self.indexes()?;
        if position == 0 {
            state.first_timestamp = Some(facts.largest_timestamp);
        }
        state.note_timestamp(self.base_offset, facts.largest_timestamp, facts.offset_of_largest_timestamp);
        if config.index_interval_bytes < state.bytes_since_index_entry {
            state.offset_index.extend(config.segment_index_bytes)?;
            state.time_index.extend(config.segment_index_bytes)?;
            state.add_index_entries(self.base_offset, facts.last_offset, position)?;
            state.bytes_since_index_entry = 0;
        }
        state.bytes_since_index_entry += facts.bytes;
        drop(state);
        self.size.store(position + facts.bytes, Ordering::Release);
        Ok(())
    }

    /// Notes an aborted transaction.
    pub(crate) fn append_aborted(&self, aborted: AbortedTransaction) -> io::Result<()> {
        let path = self.path_of(names::TRANSACTION_INDEX_SUFFIX);
        self.state().transaction_index.append(&self.disk, &path, aborted)
    }

    /// Aborted transactions that overlap `[start, end)`, added to `found`; true if later segments need not be asked.
    pub(crate) fn collect_aborted(
        &self,
        start: Offset,
        end: Offset,
        found: &mut Vec<AbortedTransaction>,
    ) -> io::Result<bool> {
        let path = self.path_of(names::TRANSACTION_INDEX_SUFFIX);
        let mut state = self.state();
        for aborted in state.transaction_index.entries(&self.disk, &path)? {
            if start <= aborted.last_offset && aborted.first_offset < end {
                found.push(*aborted);
            }
            if end <= aborted.last_stable_offset {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first batch whose last offset is at or above `offset`, looking at the first `limit` bytes.
    pub(crate) fn locate(&self, offset: Offset, limit: u64) -> Result<Option<Located>, ScanError> {
        let start = if offset <= self.base_offset { 0 } else { self.index_position(offset)? };
        Scan::new(self.file()?, start, limit).find_offset(offset)
    }

    fn index_position(&self, offset: Offset) -> io::Result<u64> {
        let view = self.indexes()?.offset_index.view(self.base_offset);
        Ok(u64::from(view.lookup(offset)?.position))
    }

    /// The header of the batch that begins at `position`.
    pub(crate) fn batch_at(&self, position: u64, limit: u64) -> Result<Option<Located>, ScanError> {
        Scan::one(self.file()?, position, limit).next()
    }

    /// The last beginning of a batch, or end of the last one, at or below `target`, looking from batch beginning
    /// `from` on. Also gives the offset to read on from there.
    pub(crate) fn boundary_below(&self, from: &Located, target: u64, limit: u64) -> Result<(u64, Offset), ScanError> {
        let mut boundary = (from.end(), from.last_offset + 1);
        let entry = self.indexes()?.offset_index.view(self.base_offset).lookup_position(target)?;
        let start = entry.map_or(0, |entry| u64::from(entry.position)).max(boundary.0);
        let mut scan = Scan::new(self.file()?, start, limit);
        while let Some(located) = scan.next()? {
            boundary = (located.position, boundary.1.max(located.base_offset));
            if target < located.end() {
                break;
            }
            boundary = (located.end(), located.last_offset + 1);
        }
        Ok(boundary)
    }

    /// First offset behind the segment's last batch: from the last index entry on, by headers.
    pub(crate) fn next_offset(&self) -> Result<Offset, ScanError> {
        if self.size() == 0 {
            return Ok(self.base_offset);
        }
        let start = match self.indexes()?.offset_index.last(self.base_offset) {
            Some(OffsetPosition { position, .. }) if u64::from(position) < self.size() => u64::from(position),
            _ => 0,
        };
        let mut scan = Scan::new(self.file()?, start, self.size());
        let mut next = self.base_offset;
        while let Some(located) = scan.next()? {
            next = located.last_offset + 1;
        }
        Ok(next)
    }

    /// Largest timestamp of its records and the last offset of the batch that has it; (-1, base) if none has one.
    /// Leaves no index open that was not: retention asks this of every log.
    pub(crate) fn largest_timestamp(&self) -> io::Result<TimestampOffset> {
        let mut state = self.state();
        if let Some(largest) = state.largest_timestamp {
            return Ok(largest);
        }
        let was_open = state.time_index.is_touched();
        state.time_index.ensure_open(&self.disk, || self.path_of(names::TIME_INDEX_SUFFIX))?;
        let largest = state.largest_timestamp(self.base_offset);
        if !was_open {
            state.time_index = TimeIndex::default();
        }
        Ok(largest)
    }

    /// Largest timestamp of its records, or when its file was last written if they have none.
    pub(crate) fn retention_timestamp_ms(&self) -> io::Result<i64> {
        match self.largest_timestamp()?.timestamp {
            timestamp if 0 <= timestamp => Ok(timestamp),
            _ => self.modified_ms(),
        }
    }

    /// When its file was last written.
    pub(crate) fn modified_ms(&self) -> io::Result<i64> {
        match self.disk.modified_ms(&self.path_of(names::LOG_SUFFIX)) {
            // Taken out of use meanwhile: see `open_all`.
            Err(error) => self.file.get().ok_or(error)?.modified_ms(),
            found => found,
        }
    }

    /// Position from which to look for a timestamp at or above `timestamp` in records at or above `offset`.
    pub(crate) fn position_for_timestamp(&self, timestamp: i64, offset: Offset) -> io::Result<u64> {
        let mut state = self.indexes()?;
        let times = state.time_index.view(self.base_offset);
        let offsets = state.offset_index.view(self.base_offset);
        drop(state);
        // An entry's timestamp is the largest so far: what comes up to its offset is not newer. With an equal one the
        // batch itself may be the answer, so look from in front of it.
        let before = times.lookup(timestamp.saturating_sub(1))?;
        Ok(u64::from(offsets.lookup(before.offset.max(offset))?.position))
    }

    /// Cuts off every batch from the one that holds `offset` on. Gives the bytes cut.
    pub(crate) fn truncate_to(&self, offset: Offset) -> Result<u64, ScanError> {
        let size = self.size();
        let cut_at = self.locate(offset, size)?.map_or(size, |located| located.position);
        let file = self.file()?;
        {
            let mut state = self.indexes()?;
            state.offset_index.truncate_to(self.base_offset, offset)?;
            state.time_index.truncate_to(self.base_offset, offset)?;
            let path = self.path_of(names::TRANSACTION_INDEX_SUFFIX);
            state.transaction_index.truncate_to(&self.disk, &path, offset)?;
            state.bytes_since_index_entry = 0;
            if cut_at == 0 {
                state.created_ms = None;
                state.first_timestamp = None;
            }
        }
        self.size.store(cut_at, Ordering::Release);
        file.set_len(cut_at)?;
        self.reload_largest_timestamp()?;
        Ok(size - cut_at)
    }

    /// Finds the largest timestamp again after records were cut off: the time index up to its last entry, headers from
    /// there on.
    fn reload_largest_timestamp(&self) -> Result<(), ScanError> {
        let mut state = self.indexes()?;
        let mut largest = state.time_index.last(self.base_offset);
        let offsets = state.offset_index.view(self.base_offset);
        drop(state);
        let start = u64::from(offsets.lookup(largest.offset)?.position);
        let mut scan = Scan::new(self.file()?, start, self.size());
        while let Some(located) = scan.next()? {
            if largest.timestamp < located.max_timestamp {
                largest = TimestampOffset { timestamp: located.max_timestamp, offset: located.last_offset };
            }
        }
        self.state().largest_timestamp = Some(largest);
        Ok(())
    }

    /// Ends the segment's life as the active one: last time index entry, files cut to their content.
    /// Gives the index files, for whoever wants them synced.
    pub(crate) fn seal(&self, config: &LogConfig) -> io::Result<[Option<File>; 2]> {
        let mut state = self.indexes()?;
        let largest = state.largest_timestamp(self.base_offset);
        state.time_index.append_if_newer(self.base_offset, largest)?;
        let trimmed = [state.offset_index.trim_and_close()?, state.time_index.trim_and_close()?];
        drop(state);
        if config.preallocate {
            self.file()?.set_len(self.size())?;
        }
        Ok(trimmed)
    }

    /// Seals and syncs, but leaves alone what was never touched since the start: it is in order already.
    pub(crate) fn close(&self, config: &LogConfig) -> io::Result<()> {
        let is_touched = {
            let state = self.state();
            state.offset_index.is_touched() || state.time_index.is_touched()
        };
        if is_touched {
            self.seal(config)?.into_iter().flatten().try_for_each(|file| file.sync())?;
        }
        Ok(())
    }

    /// Forces batches and indexes to the disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let files = {
            let mut state = self.state();
            [
                Some(self.file()?.clone()),
                state.offset_index.written_file()?,
                state.time_index.written_file()?,
                state.transaction_index.file(),
            ]
        };
        files.into_iter().flatten().try_for_each(|file| file.sync())
    }

    /// A piece of the file of batches.
    pub(crate) fn slice(&self, position: u64, end: u64) -> io::Result<FileSlice> {
        let len = usize::try_from(end - position).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        if len == 0 { Ok(FileSlice::empty()) } else { Ok(self.file()?.slice(position, len)) }
    }

    /// Starts the indexes anew and sizes the file, on recovery.
    pub(crate) fn begin_rebuild(&self) -> io::Result<()> {
        let mut state = self.state();
        let (index, time_index) = (self.path_of(names::INDEX_SUFFIX), self.path_of(names::TIME_INDEX_SUFFIX));
        state.offset_index.create_empty(&self.disk, &index)?;
        state.time_index.create_empty(&self.disk, &time_index)?;
        state.transaction_index.close();
        self.disk.remove_if_exists(&self.path_of(names::TRANSACTION_INDEX_SUFFIX))?;
        state.largest_timestamp = Some(TimestampOffset { timestamp: -1, offset: self.base_offset });
        state.first_timestamp = None;
        state.bytes_since_index_entry = 0;
        Ok(())
    }

    /// Notes one batch found on recovery.
    pub(crate) fn rebuild_entry(&self, batch: &Located, config: &LogConfig) -> io::Result<()> {
        let mut state = self.state();
        state.note_timestamp(self.base_offset, batch.max_timestamp, batch.last_offset);
        if config.index_interval_bytes < state.bytes_since_index_entry {
            state.add_index_entries(self.base_offset, batch.last_offset, batch.position)?;
            state.bytes_since_index_entry = 0;
        }
        state.bytes_since_index_entry += batch.size;
        Ok(())
    }

    /// Ends a rebuild: `valid` bytes are batches, the rest is cut off.
    pub(crate) fn finish_rebuild(&self, valid: u64) -> io::Result<()> {
        let file = self.file()?;
        if file.len()? != valid {
            file.set_len(valid)?;
        }
        self.size.store(valid, Ordering::Release);
        let mut state = self.state();
        let largest = state.largest_timestamp(self.base_offset);
        state.time_index.append_if_newer(self.base_offset, largest)?;
        state.offset_index.trim_and_close()?;
        state.time_index.trim_and_close()?;
        state.bytes_since_index_entry = 0;
        Ok(())
    }

    /// Opens every file, so that readers in flight can go on after they are renamed or deleted.
    pub(crate) fn open_all(&self) -> io::Result<()> {
        self.file()?;
        let mut state = self.indexes()?;
        let path = self.path_of(names::TRANSACTION_INDEX_SUFFIX);
        state.transaction_index.entries(&self.disk, &path).map(drop)
    }
}

impl State {
    fn largest_timestamp(&mut self, base_offset: Offset) -> TimestampOffset {
        match self.largest_timestamp {
            Some(largest) => largest,
            None => *self.largest_timestamp.insert(self.time_index.last(base_offset)),
        }
    }

    fn note_timestamp(&mut self, base_offset: Offset, timestamp: i64, offset: Offset) {
        if self.largest_timestamp(base_offset).timestamp < timestamp {
            self.largest_timestamp = Some(TimestampOffset { timestamp, offset });
        }
    }

    fn add_index_entries(&mut self, base_offset: Offset, last_offset: Offset, position: u64) -> io::Result<()> {
        let position = u32::try_from(position).map_err(|_| io::Error::other("segment beyond 4 GiB"))?;
        self.offset_index.append(base_offset, OffsetPosition { offset: last_offset, position })?;
        let largest = self.largest_timestamp(base_offset);
        self.time_index.append_if_newer(base_offset, largest)
    }
}

fn random_jitter_ms(config: &LogConfig) -> i64 {
    let most = config.segment_jitter_ms.min(config.segment_ms);
    if most <= 0 { 0 } else { rand::random_range(0..most) }
}
