//! Writes record batches of magic 2. Appending keeps the records uncompressed; [`BatchBuilder::build`] compresses them
//! at once and seals the header.
//! Source: `MemoryRecordsBuilder`, `DefaultRecordBatch.writeHeader` in Kafka 3.9.

use bytes::Bytes;

use crate::codec::{Codec, Compression};
use crate::crc;
use crate::error::Error;
use crate::header::{self, Attributes, BatchHeader, TimestampType};
use crate::record::{Record, RecordHeader};
use crate::varint;
use crate::{
    LOG_OVERHEAD, MAGIC_V2, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
};

/// What the header of a new batch says besides what its records decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Offset of the first record; 0 in what a producer sends.
    pub base_offset: i64,
    /// Codec and level.
    pub compression: Compression,
    /// If set, every record has this timestamp and the batch says log append time.
    pub log_append_time: Option<i64>,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// Holds a control record.
    pub is_control: bool,
    /// Epoch of the leader that stores it, or -1.
    pub partition_leader_epoch: i32,
    /// Compaction's note when tombstones in it may go; takes the place of the base timestamp.
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            compression: Compression::default(),
            log_append_time: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            is_transactional: false,
            is_control: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            delete_horizon_ms: None,
        }
    }
}

/// A batch being written.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    records: Vec<u8>,
    count: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    offset_of_max_timestamp: i64,
    last_offset: i64,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new(BatchOptions::default())
    }
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        let last_offset = options.base_offset.wrapping_sub(1);
        Self {
            base_timestamp: options.delete_horizon_ms,
            options,
            records: Vec::new(),
            count: 0,
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: -1,
            last_offset,
        }
    }

    /// An empty batch with this codec and nothing else special: what a plain producer sends.
    #[must_use]
    pub fn with_codec(codec: Codec) -> Self {
        Self::new(BatchOptions { compression: codec.into(), ..BatchOptions::default() })
    }

    /// Appends a record at the next offset.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if it does not fit the format (2 GiB, 2^31 offsets).
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> Result<(), Error> {
        self.append_at(self.last_offset.wrapping_add(1), timestamp, key, value, headers)
    }

    /// Appends a record at its own offset.
    ///
    /// # Errors
    /// As [`BatchBuilder::append_at`].
    pub fn append_record(&mut self, record: &Record) -> Result<(), Error> {
        self.append_at(record.offset, record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
    }

    /// Appends a record at the given offset.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if the offset does not grow or is too far from the base, or the record is too large.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> Result<(), Error> {
        let refused = |why: String| Error::InvalidRecord(why);
        if self.count > 0 && offset <= self.last_offset {
            return Err(refused(format!("offset {offset} follows {}: offsets must grow", self.last_offset)));
        }
        let offset_delta = offset.checked_sub(self.options.base_offset).and_then(|delta| i32::try_from(delta).ok());
        let offset_delta = offset_delta.filter(|&delta| delta >= 0).ok_or_else(|| {
            refused(format!("offset {offset} does not fit a batch that starts at {}", self.options.base_offset))
        })?;
        let timestamp = self.options.log_append_time.unwrap_or(timestamp);
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        write_record(&mut self.records, timestamp.wrapping_sub(base_timestamp), offset_delta, key, value, headers)?;
        self.count = self.count.checked_add(1).ok_or_else(|| refused("too many records in one batch".to_owned()))?;
        self.last_offset = offset;
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.offset_of_max_timestamp = offset;
        }
        Ok(())
    }

    /// Records so far.
    #[must_use]
    pub fn count(&self) -> i32 {
        self.count
    }

    /// No record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the batch if it were not compressed.
    #[must_use]
    pub fn uncompressed_size_in_bytes(&self) -> usize {
        header::SIZE + self.records.len()
    }

    /// Upper bound of what one more record adds before compression.
    #[must_use]
    pub fn record_size_upper_bound(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[RecordHeader]) -> usize {
        const OVERHEAD: usize = 36;
        let headers: usize =
            headers.iter().map(|header| 10 + header.key.len() + header.value.as_ref().map_or(0, Bytes::len)).sum();
        OVERHEAD + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers
    }

    /// Largest timestamp so far, or -1, and the offset of the first record that has it, or -1.
    #[must_use]
    pub fn max_timestamp(&self) -> (i64, i64) {
        (self.max_timestamp, self.offset_of_max_timestamp)
    }

    /// Says the batch reaches to this offset though its last records are gone: compaction's case.
    pub fn set_last_offset(&mut self, last_offset: i64) {
        self.last_offset = self.last_offset.max(last_offset);
    }

    /// Seals the batch: compresses the records and writes header and checksum in front.
    ///
    /// # Errors
    /// [`Error::Compress`], or [`Error::InvalidBatch`] if the batch passes 2 GiB.
    pub fn build(self) -> Result<Bytes, Error> {
        let options = self.options;
        let body = match options.compression.codec {
            Codec::None => self.records,
            _ => options.compression.compress(&self.records, MAGIC_V2)?,
        };
        let too_large = |_| Error::InvalidBatch("the batch passes 2 GiB".to_owned());
        let timestamp_type = match options.log_append_time {
            Some(_) => TimestampType::LogAppendTime,
            None => TimestampType::CreateTime,
        };
        let mut header = BatchHeader {
            base_offset: options.base_offset,
            batch_length: i32::try_from(header::SIZE - LOG_OVERHEAD + body.len()).map_err(too_large)?,
            partition_leader_epoch: options.partition_leader_epoch,
            crc: 0,
            attributes: Attributes::default()
                .with_codec(options.compression.codec)
                .with_timestamp_type(timestamp_type)
                .with_transactional(options.is_transactional)
                .with_control(options.is_control)
                .with_delete_horizon(options.delete_horizon_ms.is_some()),
            last_offset_delta: i32::try_from(self.last_offset.wrapping_sub(options.base_offset)).map_err(too_large)?,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: options.log_append_time.unwrap_or(self.max_timestamp),
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            record_count: self.count,
        };
        let mut out = Vec::with_capacity(header::SIZE + body.len());
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(&body);
        header.crc = crc::crc32c(&out[header::CRC_START..]);
        out[..header::SIZE].copy_from_slice(&header.to_bytes());
        Ok(Bytes::from(out))
    }
}

fn write_record(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[RecordHeader],
) -> Result<(), Error> {
    let header_len = |header: &RecordHeader| field_len(Some(&header.key)) + field_len(header.value.as_deref());
    let body_len = 1
        + varint::len_i64(timestamp_delta)
        + varint::len_i32(offset_delta)
        + field_len(key)
        + field_len(value)
        + varint::len_i32(headers.len() as i32)
        + headers.iter().map(header_len).sum::<usize>();
    let too_large = |_| Error::InvalidRecord("the record passes 2 GiB".to_owned());
    let body_len = i32::try_from(body_len).map_err(too_large)?;
    out.reserve(5 + body_len as usize);
    varint::write_i32(out, body_len);
    out.push(0);
    varint::write_i64(out, timestamp_delta);
    varint::write_i32(out, offset_delta);
    write_field(out, key);
    write_field(out, value);
    varint::write_i32(out, headers.len() as i32);
    for header in headers {
        write_field(out, Some(&header.key));
        write_field(out, header.value.as_deref());
    }
    Ok(())
}

fn field_len(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint::len_i32(bytes.len() as i32) + bytes.len())
}

fn write_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    varint::write_i32(out, field.map_or(-1, |bytes| bytes.len() as i32));
    out.extend_from_slice(field.unwrap_or_default());
}
