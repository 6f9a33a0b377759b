//! A file of equally long entries in ascending order, the shape the offset index and the time index share.
//!
//! Entries are gathered in memory and written a batch at a time; a lookup sees both. Losing the gathered ones in a crash
//! is harmless: a segment that was not synced has its indexes rebuilt (`recovery`), and a sync writes them first.
//! While a segment is active its file is extended to the largest size with a hole behind the entries, and cut to the
//! entries when it is rolled or closed, as Java does: either broker can then take over the directory.
//!
//! Differs from Kafka: the file is read and written at positions instead of being mapped, so that a full disk is an
//! error and not a dead process, and so that ten thousand idle partitions map nothing.
//! Source: `AbstractIndex` in Kafka 3.9.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, File};

/// Entries gathered before they are written: one write for a quarter MiB of records at the default interval.
const PENDING_MAX: usize = 64;
/// Entries read at once at the end of a binary search.
const SEARCH_WINDOW: usize = 64;

/// The entries of one index, whatever they mean. `N` is the length of an entry in bytes.
#[derive(Debug, Default)]
pub(crate) struct IndexFile<const N: usize> {
    open: Option<Open<N>>,
    /// The file was created with a hole and nothing in it, and closed again: ten thousand new partitions need no
    /// open files, and the hole need not be read to find it empty.
    is_hole: bool,
}

#[derive(Debug)]
struct Open<const N: usize> {
    file: File,
    written: usize,
    pending: Vec<[u8; N]>,
    last: Option<[u8; N]>,
    /// Whether the file has been extended to its largest size.
    extended: bool,
}

/// What a search reads: entries in the file, and a copy of those not yet written. Lets go of the segment's lock.
#[derive(Debug)]
pub(crate) struct IndexView<const N: usize> {
    file: File,
    written: usize,
    pending: Vec<[u8; N]>,
}

impl<const N: usize> IndexFile<N> {
    /// Opens the file if it is not open yet. `is_valid` says whether an entry may be the last one; after a crash of
    /// the writer a hole of zeros may follow the entries, and is not counted.
    pub(crate) fn ensure_open(
        &mut self,
        disk: &Disk,
        path: impl FnOnce() -> PathBuf,
        is_valid_last: impl Fn(&[u8; N]) -> bool,
    ) -> io::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let file = disk.open_or_create(&path())?;
        if self.is_hole {
            self.is_hole = false;
            self.open = Some(Open { file, written: 0, pending: Vec::new(), last: None, extended: true });
            return Ok(());
        }
        let in_file = usize::try_from(file.len()?).unwrap_or(usize::MAX) / N;
        let mut written = in_file;
        let mut last = None;
        if 0 < in_file {
            let mut entry = [0; N];
            file.read_exact_at(&mut entry, position::<N>(in_file - 1))?;
            if is_valid_last(&entry) {
                last = Some(entry);
            } else {
                (written, last) = count_before_hole(&file, in_file, &is_valid_last)?;
            }
        }
        self.open = Some(Open { file, written, pending: Vec::new(), last, extended: false });
        Ok(())
    }

    /// Creates the file of a new active segment, with a hole of `max_bytes`, and closes it.
    pub(crate) fn create_extended(&mut self, disk: &Disk, path: &Path, max_bytes: usize) -> io::Result<()> {
        let file = disk.create_empty(path)?;
        file.set_len((max_bytes / N * N) as u64)?;
        *self = Self { open: None, is_hole: true };
        Ok(())
    }

    /// Creates the file, or empties it, and keeps it open.
    pub(crate) fn create_empty(&mut self, disk: &Disk, path: &Path) -> io::Result<()> {
        let file = disk.create_empty(path)?;
        self.open = Some(Open { file, written: 0, pending: Vec::new(), last: None, extended: false });
        self.is_hole = false;
        Ok(())
    }

    /// Whether the file may differ from a trimmed one.
    pub(crate) fn is_touched(&self) -> bool {
        self.is_hole || self.open.is_some()
    }

    fn open_mut(&mut self) -> &mut Open<N> {
        self.open.as_mut().expect("every caller opens the index first")
    }

    /// Entries, written or not. The index must be open.
    pub(crate) fn entries(&mut self) -> usize {
        let open = self.open_mut();
        open.written + open.pending.len()
    }

    /// The last entry. The index must be open.
    pub(crate) fn last(&mut self) -> Option<[u8; N]> {
        self.open_mut().last
    }

    /// Adds an entry behind the others. The index must be open.
    pub(crate) fn append(&mut self, entry: [u8; N]) -> io::Result<()> {
        let open = self.open_mut();
        open.pending.push(entry);
        open.last = Some(entry);
        if PENDING_MAX <= open.pending.len() { open.write_pending() } else { Ok(()) }
    }

    /// Extends the file to `max_bytes`, rounded down to whole entries, before the first append to an active segment.
    pub(crate) fn extend(&mut self, max_bytes: usize) -> io::Result<()> {
        let open = self.open_mut();
        if !open.extended {
            let bytes = (max_bytes / N * N).max(open.written * N);
            open.file.set_len(bytes as u64)?;
            open.extended = true;
        }
        Ok(())
    }

    /// Cuts the file to its entries and closes it; gives it, for whoever wants it synced.
    /// Does nothing to an index that was never opened.
    pub(crate) fn trim_and_close(&mut self) -> io::Result<Option<File>> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        open.write_pending()?;
        open.file.set_len(position::<N>(open.written))?;
        Ok(Some(open.file))
    }

    /// Writes what was gathered and hands out the file, to be synced without the segment's lock.
    pub(crate) fn written_file(&mut self) -> io::Result<Option<File>> {
        match &mut self.open {
            Some(open) => open.write_pending().map(|()| Some(open.file.clone())),
            None => Ok(None),
        }
    }

    /// Keeps the first `entries` entries. The index must be open.
    pub(crate) fn truncate(&mut self, entries: usize) -> io::Result<()> {
        let open = self.open_mut();
        open.write_pending()?;
        open.written = open.written.min(entries);
        // Cutting first makes what follows read as zeros when the file is extended again.
        open.file.set_len(position::<N>(open.written))?;
        open.extended = false;
        open.last = match open.written.checked_sub(1) {
            None => None,
            Some(last) => {
                let mut entry = [0; N];
                open.file.read_exact_at(&mut entry, position::<N>(last))?;
                Some(entry)
            }
        };
        Ok(())
    }

    /// A copy to search in. The index must be open.
    pub(crate) fn view(&mut self) -> IndexView<N> {
        let open = self.open_mut();
        IndexView { file: open.file.clone(), written: open.written, pending: open.pending.clone() }
    }
}

impl<const N: usize> Open<N> {
    fn write_pending(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(self.pending.as_flattened(), position::<N>(self.written))?;
        self.written += self.pending.len();
        self.pending.clear();
        Ok(())
    }
}

impl<const N: usize> IndexView<N> {
    /// Entries in the view.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.written + self.pending.len()
    }

    /// The entry at `index`.
    pub(crate) fn get(&self, index: usize) -> io::Result<[u8; N]> {
        if let Some(in_memory) = index.checked_sub(self.written) {
            return self.pending.get(in_memory).copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        let mut entry = [0; N];
        self.file.read_exact_at(&mut entry, position::<N>(index))?;
        Ok(entry)
    }

    /// Index and value of the last entry for which `holds` is true; it must be true for a prefix of the entries.
    pub(crate) fn last_where(&self, holds: impl Fn(&[u8; N]) -> bool) -> io::Result<Option<(usize, [u8; N])>> {
        if self.pending.first().is_some_and(&holds) {
            let count = self.pending.partition_point(&holds);
            return Ok(self.pending.get(count - 1).map(|entry| (self.written + count - 1, *entry)));
        }
        let (mut low, mut high) = (0, self.written);
        while SEARCH_WINDOW < high - low {
            let middle = low + (high - low) / 2;
            if holds(&self.get(middle)?) { low = middle } else { high = middle }
        }
        let mut window = [[0; N]; SEARCH_WINDOW];
        let window = window.get_mut(..high - low).unwrap_or_default();
        self.file.read_exact_at(window.as_flattened_mut(), position::<N>(low))?;
        let count = window.partition_point(holds);
        Ok(count.checked_sub(1).and_then(|last| window.get(last).map(|entry| (low + last, *entry))))
    }
}

fn position<const N: usize>(index: usize) -> u64 {
    (index * N) as u64
}

/// Counts the entries in front of a hole, looking backwards for the first that may be a last one.
fn count_before_hole<const N: usize>(
    file: &File,
    in_file: usize,
    is_valid_last: impl Fn(&[u8; N]) -> bool,
) -> io::Result<(usize, Option<[u8; N]>)> {
    let mut bytes = vec![[0; N]; in_file];
    file.read_exact_at(bytes.as_flattened_mut(), 0)?;
    let last = bytes.iter().rposition(is_valid_last);
    Ok(last.map_or((0, None), |last| (last + 1, bytes.get(last).copied())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u32) -> [u8; 4] {
        n.to_be_bytes()
    }

    fn open(dir: &Path) -> IndexFile<4> {
        let mut index = IndexFile::default();
        index.ensure_open(&Disk::real(), || dir.join("i"), |entry| *entry != [0; 4]).unwrap();
        index
    }

    #[test]
    fn the_last_entry_at_or_below_is_found_in_file_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path());
        for n in 1..=500u32 {
            index.append(number(n * 10)).unwrap();
        }
        let view = index.view();
        assert!(!view.pending.is_empty() && 0 < view.written);
        for target in 0..5200u32 {
            let found = view.last_where(|entry| u32::from_be_bytes(*entry) <= target).unwrap();
            let expected = (10 <= target).then(|| (target / 10).min(500));
            assert_eq!(found.map(|(at, _)| at as u32 + 1), expected, "{target}");
        }
    }

    #[test]
    fn an_active_index_has_a_hole_and_a_closed_one_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path());
        index.extend(103).unwrap();
        index.append(number(7)).unwrap();
        index.written_file().unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("i")).unwrap().len(), 100);
        // A crash here leaves the hole; opening again does not take it for entries.
        let mut crashed = open(dir.path());
        assert_eq!((crashed.entries(), crashed.last()), (1, Some(number(7))));
        index.trim_and_close().unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("i")).unwrap().len(), 4);
    }

    #[test]
    fn truncation_drops_entries_in_file_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path());
        for n in 1..=70u32 {
            index.append(number(n)).unwrap();
        }
        index.truncate(66).unwrap();
        assert_eq!((index.entries(), index.last()), (66, Some(number(66))));
        index.truncate(0).unwrap();
        assert_eq!((index.entries(), index.last()), (0, None));
    }
}
