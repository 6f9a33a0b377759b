//! The 61-byte header of a record batch (magic 2): read it, change it, write it back.
//! Never touches the records behind it; a stored batch is patched by writing a new header in front of the old body.
//! Source: `DefaultRecordBatch` in Kafka 3.9.
//!
//! ```text
//!  0 baseOffset(8) | 8 batchLength(4) | 12 partitionLeaderEpoch(4) | 16 magic(1) | 17 crc(4)
//! 21 attributes(2) | 23 lastOffsetDelta(4) | 27 baseTimestamp(8) | 35 maxTimestamp(8)
//! 43 producerId(8) | 51 producerEpoch(2) | 53 baseSequence(4) | 57 recordCount(4) | 61 records
//!                  the crc covers 21 .. end; offset and leader epoch are outside it
//! ```

use crate::codec::Codec;
use crate::crc;
use crate::error::Error;
use crate::{LOG_OVERHEAD, MAGIC_V2, NO_SEQUENCE};

/// Bytes in front of the records of a batch.
pub const SIZE: usize = 61;
/// Where the checksummed part begins.
pub const CRC_START: usize = 21;

const CODEC_BITS: i16 = 0b0000_0111;
const LOG_APPEND_TIME: i16 = 0b0000_1000;
const TRANSACTIONAL: i16 = 0b0001_0000;
const CONTROL: i16 = 0b0010_0000;
const DELETE_HORIZON: i16 = 0b0100_0000;

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Message format 0 has none.
    None,
    /// The producer.
    #[default]
    CreateTime,
    /// The leader, when it appended: every record has the batch's max timestamp.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec of the records.
    ///
    /// # Errors
    /// [`Error::UnknownCodec`] for the numbers 5 to 7.
    pub fn codec(self) -> Result<Codec, Error> {
        Codec::from_id((self.0 & CODEC_BITS) as u8)
    }

    /// Who set the timestamps.
    #[must_use]
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Part of a transaction.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Holds a control record, not data.
    #[must_use]
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// The base timestamp field holds a delete horizon.
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// These attributes with another codec.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !CODEC_BITS | i16::from(codec.id()))
    }

    /// These attributes with another timestamp type; `None` counts as create time, which is what zero means here.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with_bit(LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// These attributes with the transactional bit set or cleared.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with_bit(TRANSACTIONAL, on)
    }

    /// These attributes with the control bit set or cleared.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with_bit(CONTROL, on)
    }

    /// These attributes with the delete-horizon bit set or cleared.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with_bit(DELETE_HORIZON, on)
    }

    fn with_bit(self, bit: i16, on: bool) -> Self {
        if on { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}

/// The header of a record batch, field by field as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (also when compaction has removed it).
    pub base_offset: i64,
    /// Bytes behind this field: the batch's size is this plus [`LOG_OVERHEAD`].
    pub batch_length: i32,
    /// Epoch of the leader that stored the batch; -1 before that.
    pub partition_leader_epoch: i32,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control, delete horizon.
    pub attributes: Attributes,
    /// Last offset minus base offset (also when compaction has removed records).
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from, or the delete horizon.
    pub base_timestamp: i64,
    /// Largest timestamp; with log append time, every record's.
    pub max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// [`Error::Truncated`] below 61 bytes, [`Error::Magic`] if it is not magic 2, [`Error::SizeTooSmall`] if the
    /// length field leaves no room for a header. The records need not be there, and are not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some(bytes) = bytes.first_chunk::<SIZE>() else {
            return Err(Error::Truncated { what: "record batch header", needed: SIZE, available: bytes.len() });
        };
        let header = Self::read(bytes);
        let magic = bytes[16] as i8;
        if magic != MAGIC_V2 {
            return Err(Error::Magic { magic });
        }
        if header.batch_length < (SIZE - LOG_OVERHEAD) as i32 {
            return Err(Error::SizeTooSmall { size: header.batch_length, minimum: SIZE - LOG_OVERHEAD });
        }
        Ok(header)
    }

    fn read(bytes: &[u8; SIZE]) -> Self {
        Self {
            base_offset: i64::from_be_bytes(part(bytes, 0)),
            batch_length: i32::from_be_bytes(part(bytes, 8)),
            partition_leader_epoch: i32::from_be_bytes(part(bytes, 12)),
            crc: u32::from_be_bytes(part(bytes, 17)),
            attributes: Attributes(i16::from_be_bytes(part(bytes, 21))),
            last_offset_delta: i32::from_be_bytes(part(bytes, 23)),
            base_timestamp: i64::from_be_bytes(part(bytes, 27)),
            max_timestamp: i64::from_be_bytes(part(bytes, 35)),
            producer_id: i64::from_be_bytes(part(bytes, 43)),
            producer_epoch: i16::from_be_bytes(part(bytes, 51)),
            base_sequence: i32::from_be_bytes(part(bytes, 53)),
            record_count: i32::from_be_bytes(part(bytes, 57)),
        }
    }

    /// The header as it lies in the file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut out = [0; SIZE];
        put(&mut out, 0, self.base_offset.to_be_bytes());
        put(&mut out, 8, self.batch_length.to_be_bytes());
        put(&mut out, 12, self.partition_leader_epoch.to_be_bytes());
        put(&mut out, 16, MAGIC_V2.to_be_bytes());
        put(&mut out, 17, self.crc.to_be_bytes());
        put(&mut out, 21, self.attributes.0.to_be_bytes());
        put(&mut out, 23, self.last_offset_delta.to_be_bytes());
        put(&mut out, 27, self.base_timestamp.to_be_bytes());
        put(&mut out, 35, self.max_timestamp.to_be_bytes());
        put(&mut out, 43, self.producer_id.to_be_bytes());
        put(&mut out, 51, self.producer_epoch.to_be_bytes());
        put(&mut out, 53, self.base_sequence.to_be_bytes());
        put(&mut out, 57, self.record_count.to_be_bytes());
        out
    }

    /// Always 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        MAGIC_V2
    }

    /// Offset of the last record (also when compaction has removed it).
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// First offset behind this batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence of the last record, wrapping from 2^31-1 to 0; -1 if the batch has no sequence.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// The whole batch, header included.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        LOG_OVERHEAD + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`Error::UnknownCodec`].
    pub fn codec(&self) -> Result<Codec, Error> {
        self.attributes.codec()
    }

    /// Who set the timestamps.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// Part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// Holds a control record, not data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// Written by an idempotent producer.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > crate::NO_PRODUCER_ID
    }

    /// When tombstones and markers in this batch may go, if compaction has set that.
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Gives the batch its place in the log. Both fields lie outside the checksum.
    pub fn assign(&mut self, base_offset: i64, partition_leader_epoch: i32) {
        self.base_offset = base_offset;
        self.partition_leader_epoch = partition_leader_epoch;
    }

    /// Makes the checksum right again after fields were changed in a header whose checksum was right `before`.
    /// Costs nothing per record: the body is not read.
    pub fn reseal(&mut self, before: &Self) {
        let front = |header: &Self| crc::crc32c(&header.to_bytes()[CRC_START..]);
        let body_len = before.size_in_bytes().saturating_sub(SIZE);
        self.crc = crc::crc32c_with_front_changed(before.crc, front(before), front(self), body_len);
    }
}

/// Adds to a sequence number, wrapping from 2^31-1 to 0. Source: `DefaultRecordBatch.incrementSequence`.
#[must_use]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(increment);
    let modulus = i64::from(i32::MAX) + 1;
    if sum >= modulus { (sum - modulus) as i32 } else { sum as i32 }
}

/// Subtracts from a sequence number, wrapping from 0 to 2^31-1.
#[must_use]
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    let difference = i64::from(sequence) - i64::from(decrement);
    let modulus = i64::from(i32::MAX) + 1;
    if difference < 0 { (difference + modulus) as i32 } else { difference as i32 }
}

fn part<const N: usize>(bytes: &[u8; SIZE], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("every field lies inside the header")
}

fn put<const N: usize>(out: &mut [u8; SIZE], at: usize, field: [u8; N]) {
    out[at..at + N].copy_from_slice(&field);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_comes_back(mut bytes in proptest::array::uniform32(any::<u8>()), tail in proptest::array::uniform32(any::<u8>())) {
            bytes[16] = 2;
            bytes[8] = 0;
            bytes[9] = 1;
            let whole = [bytes.as_slice(), tail.as_slice()].concat();
            let header = BatchHeader::parse(&whole).unwrap();
            prop_assert_eq!(&header.to_bytes()[..], &whole[..SIZE]);
        }

        #[test]
        fn sequences_wrap_both_ways(sequence in 0..=i32::MAX, step in 0..=i32::MAX) {
            let there = increment_sequence(sequence, step);
            prop_assert!(there >= 0);
            prop_assert_eq!(decrement_sequence(there, step), sequence);
        }
    }

    #[test]
    fn the_sequence_after_the_largest_is_zero() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
    }

    #[test]
    fn a_header_of_another_magic_is_refused() {
        let mut bytes = [0; SIZE];
        bytes[11] = 49;
        bytes[16] = 1;
        assert_eq!(BatchHeader::parse(&bytes), Err(Error::Magic { magic: 1 }));
    }

    #[test]
    fn a_length_without_room_for_a_header_is_refused() {
        let mut bytes = [0; SIZE];
        bytes[11] = 48;
        bytes[16] = 2;
        assert_eq!(BatchHeader::parse(&bytes), Err(Error::SizeTooSmall { size: 48, minimum: 49 }));
    }
}
