//! The offset index of one segment: from an offset to a place in the file from which to look for it.
//! Entry: offset relative to the segment's base (4 bytes), position (4 bytes). Holds no rule about when to add one.
//! Source: `OffsetIndex` in Kafka 3.9.

use std::io;
use std::path::{Path, PathBuf};

use zk_schema::types::Offset;

use crate::disk::{Disk, File};
use crate::index_file::{IndexFile, IndexView};

/// Bytes of one entry.
pub const ENTRY_SIZE: usize = 8;

/// An entry: a batch holding `offset`, or the first behind it, begins at or behind `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    /// The offset.
    pub offset: Offset,
    /// Position in the segment's file.
    pub position: u32,
}

#[derive(Debug, Default)]
pub(crate) struct OffsetIndex {
    file: IndexFile<ENTRY_SIZE>,
}

/// A copy of the index to search in without the segment's lock.
#[derive(Debug)]
pub(crate) struct OffsetIndexView {
    view: IndexView<ENTRY_SIZE>,
    base_offset: Offset,
}

impl OffsetIndex {
    pub(crate) fn ensure_open(&mut self, disk: &Disk, path: impl FnOnce() -> PathBuf) -> io::Result<()> {
        // Of a real entry at least the position is above zero, unless it is the only one of a tiny segment.
        self.file.ensure_open(disk, path, |entry| *entry != [0; ENTRY_SIZE])
    }

    pub(crate) fn is_full(&mut self, max_bytes: usize) -> bool {
        max_bytes / ENTRY_SIZE <= self.file.entries()
    }

    pub(crate) fn last(&mut self, base_offset: Offset) -> Option<OffsetPosition> {
        self.file.last().map(|entry| decode(base_offset, entry))
    }

    /// Adds an entry, unless its offset is not above the last one's (which a damaged segment can have).
    pub(crate) fn append(&mut self, base_offset: Offset, entry: OffsetPosition) -> io::Result<()> {
        let Some(relative) = relative(base_offset, entry.offset) else { return Ok(()) };
        if self.last(base_offset).is_some_and(|last| entry.offset <= last.offset) {
            return Ok(());
        }
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..4].copy_from_slice(&relative.to_be_bytes());
        bytes[4..].copy_from_slice(&entry.position.to_be_bytes());
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

    pub(crate) fn view(&mut self, base_offset: Offset) -> OffsetIndexView {
        OffsetIndexView { view: self.file.view(), base_offset }
    }
}

impl OffsetIndexView {
    /// Where to begin looking for `offset`: the greatest entry at or below it, or the segment's beginning.
    pub(crate) fn lookup(&self, offset: Offset) -> io::Result<OffsetPosition> {
        let found = self.view.last_where(|entry| decode(self.base_offset, *entry).offset <= offset)?;
        let start = OffsetPosition { offset: self.base_offset, position: 0 };
        Ok(found.map_or(start, |(_, entry)| decode(self.base_offset, entry)))
    }

    /// The greatest entry whose position is at or below `position`.
    pub(crate) fn lookup_position(&self, position: u64) -> io::Result<Option<OffsetPosition>> {
        let found = self.view.last_where(|entry| u64::from(decode(self.base_offset, *entry).position) <= position)?;
        Ok(found.map(|(_, entry)| decode(self.base_offset, entry)))
    }
}

/// `offset - base` if it fits an index entry.
pub(crate) fn relative(base_offset: Offset, offset: Offset) -> Option<i32> {
    offset.checked_sub(base_offset).and_then(|relative| i32::try_from(relative).ok()).filter(|relative| 0 <= *relative)
}

fn decode(base_offset: Offset, entry: [u8; ENTRY_SIZE]) -> OffsetPosition {
    let [a, b, c, d, e, f, g, h] = entry;
    let relative = i32::from_be_bytes([a, b, c, d]);
    OffsetPosition { offset: base_offset.wrapping_add(i64::from(relative)), position: u32::from_be_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(dir: &Path, entries: &[(Offset, u32)]) -> OffsetIndex {
        let mut index = OffsetIndex::default();
        index.ensure_open(&Disk::real(), || dir.join("i")).unwrap();
        for (offset, position) in entries {
            index.append(100, OffsetPosition { offset: *offset, position: *position }).unwrap();
        }
        index
    }

    #[test]
    fn an_offset_below_every_entry_starts_at_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let view = index_of(dir.path(), &[(110, 400), (120, 900)]).view(100);
        assert_eq!(view.lookup(105).unwrap(), OffsetPosition { offset: 100, position: 0 });
        assert_eq!(view.lookup(119).unwrap(), OffsetPosition { offset: 110, position: 400 });
        assert_eq!(view.lookup(500).unwrap(), OffsetPosition { offset: 120, position: 900 });
        assert_eq!(view.lookup_position(899).unwrap().unwrap().offset, 110);
        assert_eq!(view.lookup_position(399).unwrap(), None);
    }

    #[test]
    fn truncation_drops_the_entry_at_the_offset_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = index_of(dir.path(), &[(110, 400), (120, 900)]);
        index.truncate_to(100, 120).unwrap();
        assert_eq!(index.last(100), Some(OffsetPosition { offset: 110, position: 400 }));
    }

    #[test]
    fn an_entry_holds_at_most_31_bits() {
        assert_eq!(relative(5, 5 + i64::from(i32::MAX)), Some(i32::MAX));
        assert_eq!(relative(5, 6 + i64::from(i32::MAX)), None);
        assert_eq!(relative(5, 4), None);
    }
}
