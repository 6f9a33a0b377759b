//! Rewrites records from one format into another: up for producers older than magic 2, down for consumers older than
//! it. Works batch by batch under a bound; decides nothing about who needs it.
//! Source: `RecordsUtil.downConvert`, `LazyDownConversionRecords`, `MemoryRecordsBuilder` in Kafka 3.9.

use bytes::Bytes;

use crate::batch::Batch;
use crate::codec::{Codec, Compression};
use crate::error::Error;
use crate::header::TimestampType;
use crate::legacy::NewMessage;
use crate::record::Record;
use crate::{MAGIC_V0, MAGIC_V1, MAGIC_V2, NO_TIMESTAMP};

/// What a down-conversion made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Entries of the old format.
    pub bytes: Bytes,
    /// Records that were rewritten.
    pub record_count: usize,
}

/// Rewrites stored batches for a consumer that knows formats up to `to_magic` (0 or 1).
///
/// Control batches vanish, headers and producer ids are lost, compressed batches stay compressed with their codec.
/// Records of an uncompressed batch below `first_offset` are left out: old formats have no batches, and some clients
/// rely on it. Conversion stops once `size_max` bytes are reached, but the first batch is always given whole.
/// If there were batches and none has an equivalent, the answer is an entry that announces more than it holds, so that
/// the consumer sees a message beyond its fetch size rather than the end of the log.
///
/// # Errors
/// [`Error::CodecNotAllowed`] if the first batch to convert is zstd; a later one only ends the conversion.
/// Broken stored batches come back as they are found.
pub fn down_convert(
    batches: impl Iterator<Item = Result<Batch, Error>>,
    to_magic: i8,
    first_offset: i64,
    size_max: usize,
    limit: usize,
) -> Result<Converted, Error> {
    let mut out = Vec::new();
    let (mut record_count, mut seen_any) = (0, false);
    for batch in batches {
        let batch = batch?;
        seen_any = true;
        if batch.is_control() {
            continue;
        }
        if batch.codec()? == Codec::Zstd {
            if out.is_empty() {
                return Err(Error::CodecNotAllowed { codec: Codec::Zstd, why: "cannot be down-converted" });
            }
            break;
        }
        let start = out.len();
        let converted = convert_batch(&batch, to_magic, first_offset, limit, &mut out)?;
        if start > 0 && out.len() > size_max {
            out.truncate(start);
            break;
        }
        record_count += converted;
    }
    if out.is_empty() && seen_any {
        return Ok(Converted { bytes: Bytes::from_static(&OVERLONG), record_count });
    }
    Ok(Converted { bytes: Bytes::from(out), record_count })
}

/// Offset -1 and a size of 61 with nothing behind: an entry no fetch can have held whole.
const OVERLONG: [u8; 12] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 61];

fn convert_batch(
    batch: &Batch,
    to_magic: i8,
    first_offset: i64,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<usize, Error> {
    if batch.magic() <= to_magic {
        out.extend_from_slice(batch.bytes());
        return Ok(0);
    }
    let codec = batch.codec()?;
    let mut records = Vec::new();
    for record in batch.records_within(limit)? {
        let record = record?;
        if codec != Codec::None || record.offset >= first_offset {
            records.push(record);
        }
    }
    let log_append_time = match batch.timestamp_type() {
        TimestampType::LogAppendTime => Some(batch.max_timestamp()),
        TimestampType::CreateTime | TimestampType::None => None,
    };
    write_message_set(out, &records, to_magic, codec.into(), log_append_time)?;
    Ok(records.len())
}

/// Appends `records` as a message set of magic 0 or 1, offsets as they are; compressed, they become one wrapper.
///
/// # Errors
/// [`Error::Magic`] for another magic, [`Error::CodecNotAllowed`] for zstd, [`Error::InvalidRecord`] for a message
/// beyond 2 GiB.
pub fn write_message_set(
    out: &mut Vec<u8>,
    records: &[Record],
    magic: i8,
    compression: Compression,
    log_append_time: Option<i64>,
) -> Result<(), Error> {
    if magic != MAGIC_V0 && magic != MAGIC_V1 {
        return Err(Error::Magic { magic });
    }
    let Some((first, last)) = records.first().zip(records.last()) else { return Ok(()) };
    let timestamp_type =
        if log_append_time.is_some() { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
    let message = |record: &Record, offset: i64, out: &mut Vec<u8>| {
        let timestamp = log_append_time.unwrap_or(record.timestamp);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        NewMessage { offset, magic, codec: Codec::None, timestamp_type, timestamp, key, value }.write(out)
    };
    if compression.codec == Codec::None {
        return records.iter().try_for_each(|record| message(record, record.offset, out));
    }
    let base_offset = if magic == MAGIC_V0 { 0 } else { first.offset };
    let mut inner = Vec::new();
    for record in records {
        message(record, record.offset.wrapping_sub(base_offset), &mut inner)?;
    }
    let value = compression.compress(&inner, magic)?;
    let max_timestamp = records.iter().map(|record| record.timestamp).max().unwrap_or(NO_TIMESTAMP);
    let timestamp = log_append_time.unwrap_or(max_timestamp);
    let (offset, codec, value) = (last.offset, compression.codec, Some(&value[..]));
    NewMessage { offset, magic, codec, timestamp_type, timestamp, key: None, value }.write(out)
}

/// Whether any of these batches is newer than `magic`: whether a consumer that knows only `magic` needs conversion.
/// Bytes that are no batch count as not newer; reading them will say so.
#[must_use]
pub fn needs_down_conversion(batches: impl Iterator<Item = Result<Batch, Error>>, magic: i8) -> bool {
    magic < MAGIC_V2 && batches.map_while(Result::ok).any(|batch| batch.magic() > magic)
}

#[cfg(test)]
mod tests;
