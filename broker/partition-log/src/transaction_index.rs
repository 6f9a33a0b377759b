//! The transaction index of one segment: its aborted transactions, in the order of their markers.
//! The file is there only once a transaction has been aborted. Read whole: aborted transactions are few.
//! Source: `TransactionIndex`, `AbortedTxn` in Kafka 3.9.

use std::io;
use std::path::Path;

use zk_schema::types::{Offset, ProducerId};

use crate::disk::{Disk, File};

/// Bytes of one entry.
pub const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Its first record in this partition.
    pub first_offset: Offset,
    /// Its abort marker.
    pub last_offset: Offset,
    /// The last stable offset when the marker was written.
    pub last_stable_offset: Offset,
}

/// Open file and entries of one segment's index; loaded when first needed.
#[derive(Debug, Default)]
pub(crate) struct TransactionIndex {
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// `None` until there is something to write.
    file: Option<File>,
    entries: Vec<AbortedTransaction>,
}

impl TransactionIndex {
    fn load(&mut self, disk: &Disk, path: &Path) -> io::Result<&mut Loaded> {
        if self.loaded.is_none() {
            let loaded = match disk.read_if_exists(path)? {
                None => Loaded { file: None, entries: Vec::new() },
                Some(bytes) => Loaded { file: Some(disk.open(path)?), entries: decode_all(&bytes)? },
            };
            self.loaded = Some(loaded);
        }
        Ok(self.loaded.as_mut().expect("set above"))
    }

    /// Entries in order of their markers.
    pub(crate) fn entries(&mut self, disk: &Disk, path: &Path) -> io::Result<&[AbortedTransaction]> {
        self.load(disk, path).map(|loaded| &loaded.entries[..])
    }

    /// Adds one, creating the file if need be.
    pub(crate) fn append(&mut self, disk: &Disk, path: &Path, aborted: AbortedTransaction) -> io::Result<()> {
        let loaded = self.load(disk, path)?;
        if loaded.entries.last().is_some_and(|last| aborted.last_offset <= last.last_offset) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "aborted transactions out of order"));
        }
        let file = match &loaded.file {
            Some(file) => file.clone(),
            None => loaded.file.insert(disk.open_or_create(path)?).clone(),
        };
        file.write_all_at(&encode(&aborted), (loaded.entries.len() * ENTRY_SIZE) as u64)?;
        loaded.entries.push(aborted);
        Ok(())
    }

    /// Drops entries whose marker lies at or above `offset`.
    pub(crate) fn truncate_to(&mut self, disk: &Disk, path: &Path, offset: Offset) -> io::Result<()> {
        let loaded = self.load(disk, path)?;
        let kept = loaded.entries.partition_point(|entry| entry.last_offset < offset);
        loaded.entries.truncate(kept);
        match &loaded.file {
            Some(file) => file.set_len((kept * ENTRY_SIZE) as u64),
            None => Ok(()),
        }
    }

    /// The file, to be synced; `None` if nothing was ever written through this index.
    pub(crate) fn file(&self) -> Option<File> {
        self.loaded.as_ref().and_then(|loaded| loaded.file.clone())
    }

    /// Lets go of file and memory.
    pub(crate) fn close(&mut self) {
        self.loaded = None;
    }
}

fn encode(aborted: &AbortedTransaction) -> [u8; ENTRY_SIZE] {
    let mut bytes = [0; ENTRY_SIZE];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes[2..10].copy_from_slice(&aborted.producer_id.0.to_be_bytes());
    bytes[10..18].copy_from_slice(&aborted.first_offset.to_be_bytes());
    bytes[18..26].copy_from_slice(&aborted.last_offset.to_be_bytes());
    bytes[26..].copy_from_slice(&aborted.last_stable_offset.to_be_bytes());
    bytes
}

fn decode_all(bytes: &[u8]) -> io::Result<Vec<AbortedTransaction>> {
    let (entries, _torn) = bytes.as_chunks::<ENTRY_SIZE>();
    entries.iter().map(decode).collect()
}

fn decode(entry: &[u8; ENTRY_SIZE]) -> io::Result<AbortedTransaction> {
    let number = |at: usize| i64::from_be_bytes(*entry[at..].first_chunk().expect("fields lie inside the entry"));
    let version = i16::from_be_bytes([entry[0], entry[1]]);
    if version != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("aborted transaction of version {version}")));
    }
    Ok(AbortedTransaction {
        producer_id: ProducerId(number(2)),
        first_offset: number(10),
        last_offset: number(18),
        last_stable_offset: number(26),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(producer: i64, first: Offset, last: Offset) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(producer),
            first_offset: first,
            last_offset: last,
            last_stable_offset: last + 1,
        }
    }

    #[test]
    fn there_is_no_file_before_the_first_abort() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let disk = Disk::real();
        let mut index = TransactionIndex::default();
        assert!(index.entries(&disk, &path).unwrap().is_empty());
        index.truncate_to(&disk, &path, 5).unwrap();
        assert!(!path.exists());
        index.append(&disk, &path, aborted(1, 3, 9)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 34);
    }

    #[test]
    fn entries_come_back_after_reopening_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let disk = Disk::real();
        let mut index = TransactionIndex::default();
        for entry in [aborted(1, 0, 5), aborted(2, 3, 9), aborted(1, 6, 12)] {
            index.append(&disk, &path, entry).unwrap();
        }
        index.close();
        index.truncate_to(&disk, &path, 12).unwrap();
        index.close();
        assert_eq!(index.entries(&disk, &path).unwrap(), [aborted(1, 0, 5), aborted(2, 3, 9)]);
    }
}
