//! Cuts a stream of bytes into the entries of a log, whatever their format, without copying them.
//! Looks at headers only; records are read when asked for.
//! Source: `ByteBufferLogInputStream`, `RecordBatch` in Kafka 3.9.

use bytes::Bytes;

use crate::codec::{self, Codec, DECOMPRESSED_BYTES_MAX};
use crate::crc;
use crate::error::Error;
use crate::frames::Frames;
use crate::header::{self, BatchHeader, TimestampType};
use crate::legacy::{self, Message};
use crate::record::Records;
use crate::{LOG_OVERHEAD, MAGIC_V0, MAGIC_V1, MAGIC_V2};

/// What every format has at the front of an entry: enough to find the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPrefix {
    /// Base offset in magic 2; offset of the (last inner) message below.
    pub offset: i64,
    /// The entry's bytes, offset and size included.
    pub size_in_bytes: usize,
    /// 0, 1 or 2.
    pub magic: i8,
}

impl EntryPrefix {
    /// Bytes needed to read it.
    pub const LEN: usize = 17;

    /// Reads the prefix at the front of `bytes`; `None` if fewer than 17 are there.
    ///
    /// # Errors
    /// [`Error::SizeTooSmall`] or [`Error::Magic`]: no entry begins here.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Some(front) = bytes.first_chunk::<{ Self::LEN }>() else { return Ok(None) };
        let offset = i64::from_be_bytes(*front.first_chunk().expect("17 bytes hold 8"));
        let size = i32::from_be_bytes([front[8], front[9], front[10], front[11]]);
        let magic = front[16] as i8;
        let minimum = match magic {
            MAGIC_V0 => legacy::OVERHEAD_V0,
            MAGIC_V1 => legacy::OVERHEAD_V1,
            MAGIC_V2 => header::SIZE - LOG_OVERHEAD,
            _ if size < legacy::OVERHEAD_V0 as i32 => legacy::OVERHEAD_V0,
            _ => return Err(Error::Magic { magic }),
        };
        match usize::try_from(size) {
            Ok(len) if len >= minimum => Ok(Some(Self { offset, size_in_bytes: LOG_OVERHEAD + len, magic })),
            _ => Err(Error::SizeTooSmall { size, minimum }),
        }
    }
}

/// The entries of `bytes` in order: slices, not copies. An entry cut short at the end is not given; see
/// [`Batches::remaining`].
#[must_use]
pub fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes, failed: false }
}

/// Iterator of [`batches`]. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    failed: bool,
}

impl Batches {
    /// Bytes not yet given: after the end, those of an entry cut short.
    #[must_use]
    pub fn remaining(&self) -> &Bytes {
        &self.rest
    }

    fn take_next(&mut self) -> Result<Option<Batch>, Error> {
        let Some(prefix) = EntryPrefix::parse(&self.rest)? else { return Ok(None) };
        if self.rest.len() < prefix.size_in_bytes {
            return Ok(None);
        }
        Batch::parse(self.rest.split_to(prefix.size_in_bytes)).map(Some)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.take_next().transpose();
        self.failed = matches!(result, Some(Err(_)));
        result
    }
}

/// One entry of a log: a record batch (magic 2), or a message, possibly a wrapper (magic 0 and 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    layout: Layout,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    V2 { header: BatchHeader, bytes: Bytes },
    Legacy(Message),
}

impl Batch {
    /// Reads the header of an entry; `bytes` is exactly the entry.
    ///
    /// # Errors
    /// What is wrong with the header, or [`Error::Truncated`] if `bytes` is not the size the header says.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        let (what, needed) = ("record batch", EntryPrefix::LEN);
        let prefix = EntryPrefix::parse(&bytes)?.ok_or(Error::Truncated { what, needed, available: bytes.len() })?;
        if bytes.len() != prefix.size_in_bytes {
            return Err(Error::Truncated { what, needed: prefix.size_in_bytes, available: bytes.len() });
        }
        let layout = match prefix.magic {
            MAGIC_V2 => Layout::V2 { header: BatchHeader::parse(&bytes)?, bytes },
            _ => Layout::Legacy(Message::parse(bytes)?),
        };
        Ok(Self { layout })
    }

    /// The entry's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match &self.layout {
            Layout::V2 { bytes, .. } => bytes,
            Layout::Legacy(message) => message.bytes(),
        }
    }

    /// Bytes of the entry.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// The header, in magic 2.
    #[must_use]
    pub fn header(&self) -> Option<&BatchHeader> {
        match &self.layout {
            Layout::V2 { header, .. } => Some(header),
            Layout::Legacy(_) => None,
        }
    }

    /// The message, in magic 0 and 1.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        match &self.layout {
            Layout::V2 { .. } => None,
            Layout::Legacy(message) => Some(message),
        }
    }

    /// 0, 1 or 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        match &self.layout {
            Layout::V2 { .. } => MAGIC_V2,
            Layout::Legacy(message) => message.magic,
        }
    }

    /// Offset of the first record in magic 2. Below, the offset field: for a wrapper that is the *last* offset, and
    /// only [`Batch::first_offset`] knows the first.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        match &self.layout {
            Layout::V2 { header, .. } => header.base_offset,
            Layout::Legacy(message) => message.offset,
        }
    }

    /// Offset of the first record; decompresses a wrapper.
    ///
    /// # Errors
    /// What is wrong with the wrapped messages.
    pub fn first_offset(&self) -> Result<i64, Error> {
        match &self.layout {
            Layout::V2 { header, .. } => Ok(header.base_offset),
            Layout::Legacy(message) => {
                let inner = message.unwrapped(DECOMPRESSED_BYTES_MAX)?;
                Ok(inner.first().map_or(message.offset, |first| first.offset))
            }
        }
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        match &self.layout {
            Layout::V2 { header, .. } => header.last_offset(),
            Layout::Legacy(message) => message.offset,
        }
    }

    /// First offset behind this entry.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Largest timestamp of the records, or -1.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        match &self.layout {
            Layout::V2 { header, .. } => header.max_timestamp,
            Layout::Legacy(message) => message.timestamp,
        }
    }

    /// Who set the timestamps.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match &self.layout {
            Layout::V2 { header, .. } => header.timestamp_type(),
            Layout::Legacy(message) => message.timestamp_type(),
        }
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`Error::UnknownCodec`].
    pub fn codec(&self) -> Result<Codec, Error> {
        match &self.layout {
            Layout::V2 { header, .. } => header.codec(),
            Layout::Legacy(message) => message.codec(),
        }
    }

    /// Epoch of the leader that stored it; -1 if unknown.
    #[must_use]
    pub fn partition_leader_epoch(&self) -> i32 {
        self.header().map_or(crate::NO_PARTITION_LEADER_EPOCH, |header| header.partition_leader_epoch)
    }

    /// The idempotent producer, or -1.
    #[must_use]
    pub fn producer_id(&self) -> i64 {
        self.header().map_or(crate::NO_PRODUCER_ID, |header| header.producer_id)
    }

    /// Part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.header().is_some_and(BatchHeader::is_transactional)
    }

    /// Holds a control record, not data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.header().is_some_and(BatchHeader::is_control)
    }

    /// Records inside as the header says; `None` where the format does not say (a wrapper).
    #[must_use]
    pub fn record_count(&self) -> Option<i32> {
        match &self.layout {
            Layout::V2 { header, .. } => Some(header.record_count),
            Layout::Legacy(message) => (message.codec() == Ok(Codec::None)).then_some(1),
        }
    }

    /// Checks the checksum: one pass over the entry.
    ///
    /// # Errors
    /// [`Error::Crc`].
    pub fn verify_crc(&self) -> Result<(), Error> {
        match &self.layout {
            Layout::V2 { header, bytes } => {
                let computed = crc::crc32c(bytes.get(header::CRC_START..).unwrap_or_default());
                if computed == header.crc { Ok(()) } else { Err(Error::Crc { stored: header.crc, computed }) }
            }
            Layout::Legacy(message) => message.verify_crc(),
        }
    }

    /// What lies behind the header of magic 2: the records, perhaps compressed. Empty below.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.layout {
            Layout::V2 { bytes, .. } => bytes.slice(header::SIZE..),
            Layout::Legacy(_) => Bytes::new(),
        }
    }

    /// The records, decompressing at most [`DECOMPRESSED_BYTES_MAX`].
    ///
    /// # Errors
    /// Whatever keeps them from being read at all; what is wrong with a single one comes from the iterator.
    pub fn records(&self) -> Result<Records, Error> {
        self.records_within(DECOMPRESSED_BYTES_MAX)
    }

    /// The records, decompressing at most `limit` bytes. Uncompressed records are slices of the entry.
    ///
    /// # Errors
    /// As [`Batch::records`]; [`Error::TooLarge`] beyond the limit.
    pub fn records_within(&self, limit: usize) -> Result<Records, Error> {
        match &self.layout {
            Layout::V2 { header, .. } => {
                Records::framed(header, codec::decompress(header.codec()?, &self.body(), MAGIC_V2, limit)?)
            }
            Layout::Legacy(message) => {
                let records: Result<Vec<_>, _> = message.unwrapped(limit)?.iter().map(Message::to_record).collect();
                Ok(Records::listed(records?))
            }
        }
    }

    /// Offset, timestamp and sizes of every record, in memory bounded by one block of the codec.
    ///
    /// # Errors
    /// Whatever keeps them from being read at all.
    pub fn frames(&self) -> Result<Frames<'_>, Error> {
        self.frames_within(DECOMPRESSED_BYTES_MAX)
    }

    /// As [`Batch::frames`], reading at most `limit` decompressed bytes.
    ///
    /// # Errors
    /// Whatever keeps them from being read at all.
    pub fn frames_within(&self, limit: usize) -> Result<Frames<'_>, Error> {
        match &self.layout {
            Layout::V2 { header, bytes } => {
                Frames::of_batch(header, bytes.get(header::SIZE..).unwrap_or_default(), limit)
            }
            Layout::Legacy(message) => Frames::of_message(message, limit),
        }
    }
}
