//! What a leader checks before it stores what a producer sent, and what becomes of it: stored as it is behind a
//! patched header, or rebuilt. Knows no offset and no epoch, so it runs outside every lock; [`Validated::assign`]
//! gives the batch its place afterwards.
//! One pass for the checksum and one walk over the records, which allocates nothing per record unless the batch has to
//! be rebuilt.
//! Source: `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`, `LogValidator` in Kafka 3.9.

use bytes::Bytes;

use crate::batch::{Batch, batches};
use crate::builder::{BatchBuilder, BatchOptions};
use crate::codec::{Codec, Compression, DECOMPRESSED_BYTES_MAX};
use crate::convert;
use crate::error::Error as FormatError;
use crate::frames::Frame;
use crate::header::{self, BatchHeader, TimestampType};
use crate::record::Record;
use crate::{MAGIC_V0, MAGIC_V2, NO_TIMESTAMP};

mod error;
pub use error::{Cause, Error, ErrorKind, RecordError, RecordErrorCause};

/// Who appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A produce request.
    #[default]
    Client,
    /// One of our own coordinators, markers included.
    Coordinator,
}

/// What a log accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidationRules {
    /// Who appends.
    pub origin: Origin,
    /// Version of the produce request; `None` where there was none.
    pub produce_version: Option<i16>,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub is_compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// `compression.type` with its level; `None` is `producer`: keep what comes.
    pub compression: Option<Compression>,
    /// Format of the log: 2, unless `inter.broker.protocol.version` is below 3.0 and `message.format.version` older.
    pub target_magic: i8,
    /// `inter.broker.protocol.version` is at least 2.1.
    pub is_zstd_allowed: bool,
    /// `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// Most bytes a batch may decompress to.
    pub decompressed_bytes_max: usize,
}

impl Default for ValidationRules {
    fn default() -> Self {
        Self {
            origin: Origin::Client,
            produce_version: None,
            is_compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            now_ms: 0,
            compression: None,
            target_magic: MAGIC_V2,
            is_zstd_allowed: true,
            batch_bytes_max: 1_048_588,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        }
    }
}

/// A batch that may be stored, waiting for its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    content: Content,
    /// Records in it.
    pub record_count: i32,
    /// Largest timestamp stored, or -1.
    pub max_timestamp: i64,
    /// The time stamped on every record, if the log stamps them.
    pub log_append_time: Option<i64>,
    /// The codec the producer used.
    pub source_codec: Codec,
    /// Whether the records were rewritten: another format, codec or numbering.
    pub was_rebuilt: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    V2 { header: BatchHeader, body: Bytes },
    Legacy { records: Vec<Record>, magic: i8, compression: Compression },
}

/// A batch with its place in the log: `head` and `body`, one after the other, are what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The header as stored; `None` in a log of magic 0 or 1.
    pub header: Option<BatchHeader>,
    /// The encoded header (in magic 0 and 1: everything).
    pub head: Bytes,
    /// The records, a slice of what the producer sent if they were not rebuilt.
    pub body: Bytes,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Largest timestamp, or -1.
    pub max_timestamp: i64,
}

impl Assigned {
    /// Bytes to be written.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

impl Validated {
    /// The header as it will be stored, but for offset and leader epoch; `None` in a log of magic 0 or 1.
    #[must_use]
    pub fn header(&self) -> Option<&BatchHeader> {
        match &self.content {
            Content::V2 { header, .. } => Some(header),
            Content::Legacy { .. } => None,
        }
    }

    /// Gives the batch its base offset and leader epoch. In magic 2 neither touches records nor checksum.
    ///
    /// # Errors
    /// Only in a log of magic 0 or 1, whose entries are written here: a message too large for its format.
    pub fn assign(self, base_offset: i64, partition_leader_epoch: i32) -> Result<Assigned, FormatError> {
        let max_timestamp = self.max_timestamp;
        match self.content {
            Content::V2 { mut header, body } => {
                header.assign(base_offset, partition_leader_epoch);
                let (head, last_offset) = (Bytes::copy_from_slice(&header.to_bytes()), header.last_offset());
                Ok(Assigned { header: Some(header), head, body, last_offset, max_timestamp })
            }
            Content::Legacy { mut records, magic, compression } => {
                for (offset, record) in (base_offset..).zip(&mut records) {
                    record.offset = offset;
                }
                let mut out = Vec::new();
                convert::write_message_set(&mut out, &records, magic, compression, self.log_append_time)?;
                let last_offset = base_offset + i64::from(self.record_count) - 1;
                Ok(Assigned { header: None, head: out.into(), body: Bytes::new(), last_offset, max_timestamp })
            }
        }
    }
}

/// Checks what a producer (or a coordinator) wants appended to one partition.
/// `None` means there is nothing in it, which only produce requests before version 3 may send.
///
/// # Errors
/// The first thing wrong with it, in the order Kafka looks; record errors all together.
pub fn validate(records: Bytes, rules: &ValidationRules) -> Result<Option<Validated>, Error> {
    let mut entries = batches(records);
    let Some(first) = entries.next().transpose()? else {
        return if rules.produce_version >= Some(3) { Err(Error::NoBatch) } else { Ok(None) };
    };
    check_produce_version(&first, rules)?;
    check_entry(&first, rules)?;
    let source_codec = first.codec()?;
    if first.magic() == MAGIC_V2 || source_codec != Codec::None {
        // Bytes behind the one batch that are no whole batch are left away, as Kafka leaves them away.
        if entries.next().transpose()?.is_some() {
            return Err(Error::MoreThanOneBatch);
        }
        return Validator { rules, source_codec, codec: target_codec(source_codec, rules)? }.one_batch(first).map(Some);
    }
    let mut messages = vec![first];
    let mut source_codec = source_codec;
    for entry in entries {
        let entry = entry?;
        check_entry(&entry, rules)?;
        if entry.codec()? != Codec::None {
            source_codec = entry.codec()?;
        }
        messages.push(entry);
    }
    if source_codec != Codec::None {
        return Err(Error::MoreThanOneBatch);
    }
    Validator { rules, source_codec, codec: target_codec(source_codec, rules)? }.messages(&messages).map(Some)
}

fn check_produce_version(first: &Batch, rules: &ValidationRules) -> Result<(), Error> {
    let Some(version) = rules.produce_version.filter(|&version| version >= 3) else { return Ok(()) };
    if first.magic() != MAGIC_V2 {
        return Err(Error::OldFormat { version, magic: first.magic() });
    }
    if version < 7 && first.codec() == Ok(Codec::Zstd) {
        return Err(Error::ZstdNotAllowed { what: "produce requests before version 7" });
    }
    Ok(())
}

fn check_entry(entry: &Batch, rules: &ValidationRules) -> Result<(), Error> {
    if entry.magic() == MAGIC_V2 && rules.origin == Origin::Client && entry.base_offset() != 0 {
        return Err(Error::BaseOffset { base_offset: entry.base_offset() });
    }
    check_size(entry.size_in_bytes(), rules)?;
    Ok(entry.verify_crc()?)
}

fn check_size(size: usize, rules: &ValidationRules) -> Result<(), Error> {
    if size > rules.batch_bytes_max {
        return Err(Error::TooLarge { size, maximum: rules.batch_bytes_max });
    }
    Ok(())
}

fn target_codec(source: Codec, rules: &ValidationRules) -> Result<Compression, Error> {
    let target = rules.compression.unwrap_or_else(|| source.into());
    if target.codec == Codec::Zstd && !rules.is_zstd_allowed {
        return Err(Error::ZstdNotAllowed { what: "brokers whose inter.broker.protocol.version is below 2.1" });
    }
    Ok(target)
}

struct Validator<'a> {
    rules: &'a ValidationRules,
    source_codec: Codec,
    codec: Compression,
}

impl Validator<'_> {
    /// One batch of magic 2, or one wrapper.
    fn one_batch(&self, batch: Batch) -> Result<Validated, Error> {
        self.check_batch(&batch)?;
        let is_same_codec = self.source_codec == self.codec.codec;
        // Markers stay uncompressed, whatever the topic says.
        let is_plain_control = batch.is_control() && self.source_codec == Codec::None;
        if self.rules.target_magic == MAGIC_V2
            && let Some(header) = batch.header()
            && (is_same_codec || is_plain_control)
        {
            match self.walk(&batch, header)? {
                Walked { are_offsets_consecutive: true, max_timestamp } => {
                    return Ok(self.store_as_is(&batch, header, max_timestamp));
                }
                Walked { .. } if self.source_codec == Codec::None => return Err(Error::OffsetsNotConsecutive),
                // Some old clients number compressed records wrongly; Kafka has always renumbered them.
                Walked { .. } => {}
            }
        }
        let records = self.read(&batch, 0)?;
        self.rebuild(records, batch.header())
    }

    /// Uncompressed messages of magic 0 or 1, each an entry of its own.
    fn messages(&self, messages: &[Batch]) -> Result<Validated, Error> {
        let magic = messages.first().map_or(MAGIC_V0, Batch::magic);
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            if message.magic() != magic {
                return Err(Error::MixedMagic { magic: message.magic(), first: magic });
            }
            self.check_batch(message)?;
            records.extend(self.read(message, records.len())?);
        }
        self.rebuild(records, None)
    }

    fn check_batch(&self, batch: &Batch) -> Result<(), Error> {
        let Some(header) = batch.header() else { return Ok(()) };
        if self.rules.origin == Origin::Client {
            let range = i64::from(header.last_offset_delta) + 1;
            if range <= 0 || i64::from(header.record_count) != range {
                return Err(Error::CountMismatch {
                    record_count: header.record_count,
                    last_offset_delta: header.last_offset_delta,
                });
            }
            if header.is_control() {
                return Err(Error::ControlFromClient);
            }
            if header.has_producer_id() && header.base_sequence < 0 {
                return Err(Error::Sequence { producer_id: header.producer_id, base_sequence: header.base_sequence });
            }
        }
        if self.rules.target_magic < MAGIC_V2 && (header.is_transactional() || header.has_producer_id()) {
            return Err(Error::UnsupportedForMessageFormat { magic: self.rules.target_magic });
        }
        Ok(())
    }

    /// Reads every record's frame and checks it; keeps nothing.
    fn walk(&self, batch: &Batch, header: &BatchHeader) -> Result<Walked, Error> {
        let mut walked = Walked { are_offsets_consecutive: true, max_timestamp: NO_TIMESTAMP };
        let mut errors = RecordErrors::default();
        let mut expected = header.base_offset;
        for (index, frame) in (0..).zip(batch.frames_within(self.rules.decompressed_bytes_max)?) {
            let frame: Frame = frame?;
            errors.add(self.check_record(
                index,
                frame.offset,
                frame.timestamp,
                frame.key_len.is_some(),
                header.timestamp_type(),
            ));
            walked.max_timestamp = walked.max_timestamp.max(frame.timestamp);
            walked.are_offsets_consecutive &= frame.offset == expected;
            expected = expected.wrapping_add(1);
        }
        errors.into_result()?;
        Ok(walked)
    }

    /// Reads the records for a rebuild, checking each.
    fn read(&self, batch: &Batch, first_index: usize) -> Result<Vec<Record>, Error> {
        let mut errors = RecordErrors::default();
        let mut records = Vec::new();
        let timestamp_type = batch.timestamp_type();
        self.check_inner_messages(batch)?;
        for (index, record) in (first_index..).zip(batch.records_within(self.rules.decompressed_bytes_max)?) {
            let record = record?;
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            errors.add(self.check_record(index, record.offset, record.timestamp, record.key.is_some(), timestamp_type));
            records.push(record);
        }
        errors.into_result()?;
        Ok(records)
    }

    /// Messages inside a wrapper have magic and checksum of their own.
    fn check_inner_messages(&self, batch: &Batch) -> Result<(), Error> {
        let Some(message) = batch.message().filter(|_| self.source_codec != Codec::None) else { return Ok(()) };
        for inner in message.unwrapped(self.rules.decompressed_bytes_max)? {
            if inner.magic != message.magic {
                return Err(Error::MixedMagic { magic: inner.magic, first: message.magic });
            }
            inner.verify_crc()?;
        }
        Ok(())
    }

    #[inline]
    fn check_record(
        &self,
        index: i32,
        offset: i64,
        timestamp: i64,
        has_key: bool,
        batch_timestamp_type: TimestampType,
    ) -> Option<RecordError> {
        if self.rules.is_compacted && !has_key {
            return Some(RecordError::no_key(index));
        }
        if self.rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            let age = self.rules.now_ms.saturating_sub(timestamp);
            if age > self.rules.timestamp_before_max_ms || age.saturating_neg() > self.rules.timestamp_after_max_ms {
                return Some(RecordError::timestamp(index, offset, timestamp, self.rules));
            }
            return None;
        }
        (batch_timestamp_type == TimestampType::LogAppendTime).then(|| RecordError::timestamp_type(index))
    }

    fn store_as_is(&self, batch: &Batch, sent: &BatchHeader, max_timestamp: i64) -> Validated {
        let log_append_time = self.log_append_time();
        let max_timestamp = log_append_time.unwrap_or(max_timestamp);
        let mut header = sent.clone();
        header.attributes = sent.attributes.with_timestamp_type(self.rules.timestamp_type);
        header.max_timestamp = max_timestamp;
        if header != *sent {
            header.reseal(sent);
        }
        Validated {
            record_count: header.record_count,
            content: Content::V2 { header, body: batch.body() },
            max_timestamp,
            log_append_time,
            source_codec: self.source_codec,
            was_rebuilt: false,
        }
    }

    fn rebuild(&self, records: Vec<Record>, sent: Option<&BatchHeader>) -> Result<Validated, Error> {
        let log_append_time = self.log_append_time();
        let record_count = i32::try_from(records.len()).unwrap_or(i32::MAX);
        let is_v0 = self.rules.target_magic == MAGIC_V0;
        let latest = records.iter().map(|record| record.timestamp).max().filter(|_| !is_v0).unwrap_or(NO_TIMESTAMP);
        let max_timestamp = log_append_time.filter(|_| !is_v0).unwrap_or(latest);
        let content = if self.rules.target_magic == MAGIC_V2 {
            self.rebuild_v2(&records, sent, log_append_time)?
        } else {
            self.rebuild_legacy(records, log_append_time)?
        };
        let source_codec = self.source_codec;
        Ok(Validated { content, record_count, max_timestamp, log_append_time, source_codec, was_rebuilt: true })
    }

    fn rebuild_v2(
        &self,
        records: &[Record],
        sent: Option<&BatchHeader>,
        log_append_time: Option<i64>,
    ) -> Result<Content, Error> {
        let plain = BatchOptions { compression: self.codec, log_append_time, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(match sent {
            None => plain,
            Some(sent) => BatchOptions {
                producer_id: sent.producer_id,
                producer_epoch: sent.producer_epoch,
                base_sequence: sent.base_sequence,
                is_transactional: sent.is_transactional(),
                is_control: sent.is_control(),
                ..plain
            },
        });
        for record in records {
            builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)?;
        }
        let bytes = builder.build()?;
        check_size(bytes.len(), self.rules)?;
        let header = BatchHeader::parse(&bytes)?;
        Ok(Content::V2 { header, body: bytes.slice(header::SIZE..) })
    }

    fn rebuild_legacy(&self, records: Vec<Record>, log_append_time: Option<i64>) -> Result<Content, Error> {
        let (magic, compression) = (self.rules.target_magic, self.codec);
        // Offsets are not known yet, and only in compressed magic 0 do they change the size, by a few bytes.
        let mut written = Vec::new();
        convert::write_message_set(&mut written, &records, magic, compression, log_append_time)?;
        for entry in batches(written.into()) {
            check_size(entry?.size_in_bytes(), self.rules)?;
        }
        Ok(Content::Legacy { records, magic, compression })
    }

    fn log_append_time(&self) -> Option<i64> {
        (self.rules.timestamp_type == TimestampType::LogAppendTime).then_some(self.rules.now_ms)
    }
}

struct Walked {
    are_offsets_consecutive: bool,
    max_timestamp: i64,
}

/// Errors of single records, gathered so that the producer hears of all of them.
///
/// Differs from Kafka: at most [`RecordErrors::MAX`] are reported, so that a hostile batch cannot make a response
/// larger than itself.
#[derive(Default)]
struct RecordErrors {
    errors: Vec<RecordError>,
}

impl RecordErrors {
    const MAX: usize = 1000;

    #[inline]
    fn add(&mut self, error: Option<RecordError>) {
        if let Some(error) = error
            && self.errors.len() < Self::MAX
        {
            self.errors.push(error);
        }
    }

    fn into_result(self) -> Result<(), Error> {
        if self.errors.is_empty() { Ok(()) } else { Err(Error::Records(self.errors)) }
    }
}

#[cfg(test)]
mod tests;
