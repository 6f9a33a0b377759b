//! Walks the batches of a segment file by their headers, without reading the records.
//! Trusts no byte: what is no header is an error that names the place.
//! Source: `FileLogInputStream` in Kafka 3.9.

use std::io;

use bytes::Bytes;
use record::batch::EntryPrefix;
use record::header::BatchHeader;
use record::{Batch, MAGIC_V1, MAGIC_V2, NO_TIMESTAMP};
use zk_schema::types::Offset;

use crate::disk::File;

/// Bytes read at once while batches are small.
const WINDOW: usize = 4096;
/// Enough for the header of any format.
const HEADER: usize = record::header::SIZE;

/// A batch in a file, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub position: u64,
    pub size: u64,
    pub magic: i8,
    /// Offset of the first record; below magic 2 that of the last.
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub max_timestamp: i64,
    pub leader_epoch: i32,
}

impl Located {
    pub(crate) fn end(&self) -> u64 {
        self.position + self.size
    }

    /// Reads the whole batch.
    pub(crate) fn read(&self, file: &File) -> Result<Batch, ScanError> {
        let len = usize::try_from(self.size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, self.position)?;
        Batch::parse(Bytes::from(bytes)).map_err(|source| ScanError::Corrupt { position: self.position, source })
    }
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The file cannot be read.
    Io(io::Error),
    /// No batch begins at this position.
    Corrupt { position: u64, source: record::Error },
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Walks from a position, which must be a batch's beginning, up to `end`.
pub(crate) struct Scan<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    window: [u8; WINDOW],
    window_start: u64,
    window_len: usize,
    want: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a File, position: u64, end: u64) -> Self {
        Self { file, position, end, window: [0; WINDOW], window_start: 0, window_len: 0, want: WINDOW }
    }

    /// For a single header.
    pub(crate) fn one(file: &'a File, position: u64, end: u64) -> Self {
        Self { want: HEADER, ..Self::new(file, position, end) }
    }

    /// The next batch; `None` at the end, or if the batch there is cut short.
    pub(crate) fn next(&mut self) -> Result<Option<Located>, ScanError> {
        let position = self.position;
        let mut copy = [0; HEADER];
        let header = self.header_bytes(&mut copy)?;
        let corrupt = |source| ScanError::Corrupt { position, source };
        let Some(prefix) = EntryPrefix::parse(header).map_err(corrupt)? else { return Ok(None) };
        let size = prefix.size_in_bytes as u64;
        if self.end - position < size {
            return Ok(None);
        }
        let located = match prefix.magic {
            MAGIC_V2 => {
                let header = BatchHeader::parse(header).map_err(corrupt)?;
                Located {
                    position,
                    size,
                    magic: prefix.magic,
                    base_offset: header.base_offset,
                    last_offset: header.last_offset(),
                    max_timestamp: header.max_timestamp,
                    leader_epoch: header.partition_leader_epoch,
                }
            }
            magic => Located {
                position,
                size,
                magic,
                base_offset: prefix.offset,
                last_offset: prefix.offset,
                max_timestamp: legacy_timestamp(magic, header),
                leader_epoch: record::NO_PARTITION_LEADER_EPOCH,
            },
        };
        self.position += size;
        // Headers of large batches lie in windows of their own: read no more than them.
        self.want = if size < WINDOW as u64 { self.want } else { HEADER };
        Ok(Some(located))
    }

    /// The first batch whose last offset is at or above `offset`.
    pub(crate) fn find_offset(&mut self, offset: Offset) -> Result<Option<Located>, ScanError> {
        while let Some(located) = self.next()? {
            if offset <= located.last_offset {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    /// As much of a header as there is before the end, in `copy`.
    fn header_bytes<'c>(&mut self, copy: &'c mut [u8; HEADER]) -> io::Result<&'c [u8]> {
        let available = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let needed = available.min(HEADER);
        let window_end = self.window_start + self.window_len as u64;
        let is_inside = self.window_start <= self.position && self.position + needed as u64 <= window_end;
        if !is_inside {
            let len = available.min(self.want);
            let window = self.window.get_mut(..len).unwrap_or_default();
            self.window_len = self.file.read_at(window, self.position)?;
            self.window_start = self.position;
        }
        let from = usize::try_from(self.position - self.window_start).unwrap_or(usize::MAX);
        let inside = self.window.get(from..self.window_len).unwrap_or_default();
        let len = inside.len().min(HEADER);
        copy[..len].copy_from_slice(&inside[..len]);
        Ok(&copy[..len])
    }
}

/// Magic 1 has its timestamp behind the attributes; magic 0 has none.
fn legacy_timestamp(magic: i8, header: &[u8]) -> i64 {
    let bytes = header.get(18..).and_then(<[u8]>::first_chunk::<8>);
    match (magic, bytes) {
        (MAGIC_V1, Some(bytes)) => i64::from_be_bytes(*bytes),
        _ => NO_TIMESTAMP,
    }
}
