//! The time index of one segment: from a timestamp to the last offset before which nothing is that new.
//! Entry: largest timestamp so far (8 bytes), offset relative to the segment's base (4 bytes).
//! Source: `TimeIndex` in Kafka 3.9.

use std::io;
use std::path::{Path, PathBuf};

use zk_schema::types::Offset;

use crate::disk::{Disk, File};
use crate::index_file::{IndexFile, IndexView};
use crate::offset_index::relative;

/// Bytes of one entry.
pub const ENTRY_SIZE: usize = 12;

/// An entry: `timestamp` is the largest up to and including the batch that ends with `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Milliseconds since 1970; -1 if there is none.
    pub timestamp: i64,
    /// Last offset of the batch that holds the timestamp.
    pub offset: Offset,
}

#[derive(Debug, Default)]
pub(crate) struct TimeIndex {
    file: IndexFile<ENTRY_SIZE>,
}

/// A copy of the index to search in without the segment's lock.
#[derive(Debug)]
pub(crate) struct TimeIndexView {
    view: IndexView<ENTRY_SIZE>,
    base_offset: Offset,
}

impl TimeIndex {
    pub(crate) fn ensure_open(&mut self, disk: &Disk, path: impl FnOnce() -> PathBuf) -> io::Result<()> {
        self.file.ensure_open(disk, path, |entry| *entry != [0; ENTRY_SIZE])
    }

    /// One entry is kept free for the one that rolling adds.
    pub(crate) fn is_full(&mut self, max_bytes: usize) -> bool {
        (max_bytes / ENTRY_SIZE).saturating_sub(1) <= self.file.entries()
    }

    /// The last entry, or (-1, base) if there is none.
    pub(crate) fn last(&mut self, base_offset: Offset) -> TimestampOffset {
        let none = TimestampOffset { timestamp: -1, offset: base_offset };
        self.file.last().map_or(none, |entry| decode(base_offset, entry))
    }

    /// Adds an entry if its timestamp is above the last one's.
    pub(crate) fn append_if_newer(&mut self, base_offset: Offset, entry: TimestampOffset) -> io::Result<()> {
        let last = self.last(base_offset);
        let Some(relative) = relative(base_offset, entry.offset) else { return Ok(()) };
        if entry.timestamp <= last.timestamp || entry.offset < last.offset {
            return Ok(());
        }
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&entry.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&relative.to_be_bytes());
        self.file.append(bytes)
    }

    pub(crate) fn extend(&mut self, max_bytes: usize) -> io::Result<()> {
        self.file.extend(max_bytes)
    }

    pub(crate) fn create_extended(&mut self, disk: &Disk, path: &Path, max_bytes: usize) -> io::Result<()> {
        self.file.create_extended(disk, path, max_bytes)
    }

    pub(crate) fn create_empty(&mut self, disk: &Disk, path: &Path) -> io::Result<()> {
        self.file.create_empty(disk, path)
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.file.is_touched()
    }

    pub(crate) fn trim_and_close(&mut self) -> io::Result<Option<File>> {
        self.file.trim_and_close()
    }

    pub(crate) fn written_file(&mut self) -> io::Result<Option<File>> {
        self.file.written_file()
    }

    /// Drops entries at or above `offset`.
    pub(crate) fn truncate_to(&mut self, base_offset: Offset, offset: Offset) -> io::Result<()> {
        let kept = self.file.view().last_where(|entry| decode(base_offset, *entry).offset < offset)?;
        self.file.truncate(kept.map_or(0, |(index, _)| index + 1))
    }

    pub(crate) fn view(&mut self, base_offset: Offset) -> TimeIndexView {
        TimeIndexView { view: self.file.view(), base_offset }
    }
}

impl TimeIndexView {
    /// The greatest entry at or below `timestamp`, or (-1, base).
    pub(crate) fn lookup(&self, timestamp: i64) -> io::Result<TimestampOffset> {
        let found = self.view.last_where(|entry| decode(self.base_offset, *entry).timestamp <= timestamp)?;
        let none = TimestampOffset { timestamp: -1, offset: self.base_offset };
        Ok(found.map_or(none, |(_, entry)| decode(self.base_offset, entry)))
    }

    /// Entries, for tests and dumps.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> io::Result<Vec<TimestampOffset>> {
        (0..self.view.len()).map(|index| self.view.get(index).map(|entry| decode(self.base_offset, entry))).collect()
    }
}

fn decode(base_offset: Offset, entry: [u8; ENTRY_SIZE]) -> TimestampOffset {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = entry;
    let relative = i32::from_be_bytes([i, j, k, l]);
    TimestampOffset {
        timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        offset: base_offset.wrapping_add(i64::from(relative)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_timestamps_are_kept_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = TimeIndex::default();
        index.ensure_open(&Disk::real(), || dir.path().join("i")).unwrap();
        for (timestamp, offset) in [(1000, 12), (1000, 15), (900, 18), (2000, 20)] {
            index.append_if_newer(10, TimestampOffset { timestamp, offset }).unwrap();
        }
        let view = index.view(10);
        assert_eq!(view.entries().unwrap().len(), 2);
        assert_eq!(view.lookup(999).unwrap(), TimestampOffset { timestamp: -1, offset: 10 });
        assert_eq!(view.lookup(1999).unwrap().offset, 12);
        index.truncate_to(10, 20).unwrap();
        assert_eq!(index.last(10), TimestampOffset { timestamp: 1000, offset: 12 });
    }
}
