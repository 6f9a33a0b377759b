//! Message sets of magic 0 and 1: one message per entry, compression by a wrapper message whose value is a set of
//! inner messages. Reads and writes single entries; whole conversions are [`crate::convert`]'s.
//! Source: `LegacyRecord` and `AbstractLegacyRecordBatch` in Kafka 3.9.
//!
//! ```text
//! offset(8) | size(4) | crc32(4) magic(1) attributes(1) [timestamp(8) if magic 1] keyLen(4) key valueLen(4) value
//!                       the crc covers magic .. end; offset and size are outside it
//! ```
//!
//! Inner offsets: absolute in magic 0. In magic 1 they count from 0 and the wrapper has the offset of the last one.

use bytes::Bytes;

use crate::codec::{self, Codec};
use crate::crc;
use crate::error::Error;
use crate::header::TimestampType;
use crate::record::Record;
use crate::{LOG_OVERHEAD, MAGIC_V0, MAGIC_V1, NO_TIMESTAMP};

/// Least size field of a message of magic 0.
pub const OVERHEAD_V0: usize = 14;
/// Least size field of a message of magic 1.
pub const OVERHEAD_V1: usize = 22;

const CODEC_BITS: u8 = 0b0000_0111;
const LOG_APPEND_TIME: u8 = 0b0000_1000;

/// One message of magic 0 or 1 with the offset in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Offset field: for a wrapper that of its last inner message.
    pub offset: i64,
    /// 0 or 1.
    pub magic: i8,
    /// Codec and timestamp type.
    pub attributes: u8,
    /// Milliseconds since the epoch; -1 in magic 0.
    pub timestamp: i64,
    /// CRC-32 from the magic to the end.
    pub crc: u32,
    /// The entry's bytes, offset and size included.
    entry: Bytes,
}

impl Message {
    /// Reads an entry; `entry` is exactly its bytes, as the size field says.
    ///
    /// # Errors
    /// [`Error::SizeTooSmall`] or [`Error::Magic`]. Key and value are not looked at.
    pub fn parse(entry: Bytes) -> Result<Self, Error> {
        let minimum = LOG_OVERHEAD + OVERHEAD_V0;
        let Some(fixed) = entry.first_chunk::<{ LOG_OVERHEAD + OVERHEAD_V0 }>() else {
            return Err(Error::Truncated { what: "message", needed: minimum, available: entry.len() });
        };
        let (offset, magic, attributes) = (int64(fixed, 0), fixed[16] as i8, fixed[17]);
        let crc = u32::from_be_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]);
        let timestamp = match magic {
            MAGIC_V0 => NO_TIMESTAMP,
            MAGIC_V1 if entry.len() < LOG_OVERHEAD + OVERHEAD_V1 => {
                return Err(Error::SizeTooSmall {
                    size: i32::try_from(entry.len() - LOG_OVERHEAD).unwrap_or(i32::MAX),
                    minimum: OVERHEAD_V1,
                });
            }
            MAGIC_V1 => int64(&entry, 18),
            _ => return Err(Error::Magic { magic }),
        };
        Ok(Self { offset, magic, attributes, timestamp, crc, entry })
    }

    /// The entry's bytes, offset and size included.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.entry
    }

    /// The codec of the inner messages; `None` means there are no inner ones.
    ///
    /// # Errors
    /// [`Error::UnknownCodec`].
    pub fn codec(&self) -> Result<Codec, Error> {
        Codec::from_id(self.attributes & CODEC_BITS)
    }

    /// Who set the timestamp; magic 0 has none.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic == MAGIC_V0 {
            TimestampType::None
        } else if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// [`Error::Crc`].
    pub fn verify_crc(&self) -> Result<(), Error> {
        let computed = crc::crc32(self.entry.get(16..).unwrap_or_default());
        if computed == self.crc { Ok(()) } else { Err(Error::Crc { stored: self.crc, computed }) }
    }

    /// Key and value.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if they do not fill the entry.
    pub fn key_and_value(&self) -> Result<(Option<Bytes>, Option<Bytes>), Error> {
        let mut at = if self.magic == MAGIC_V0 { 18 } else { 26 };
        let key = self.field(&mut at)?;
        let value = self.field(&mut at)?;
        Ok((key, value))
    }

    fn field(&self, at: &mut usize) -> Result<Option<Bytes>, Error> {
        let broken = || Error::InvalidRecord("key or value of a message passes its end".to_owned());
        let len = self.entry.get(*at..).and_then(<[u8]>::first_chunk::<4>).ok_or_else(broken)?;
        *at += 4;
        let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else { return Ok(None) };
        let end = at.checked_add(len).filter(|&end| end <= self.entry.len()).ok_or_else(broken)?;
        let field = self.entry.slice(*at..end);
        *at = end;
        Ok(Some(field))
    }

    /// This message as a record, if it is not a wrapper.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`].
    pub fn to_record(&self) -> Result<Record, Error> {
        let (key, value) = self.key_and_value()?;
        Ok(Record { offset: self.offset, timestamp: self.timestamp, key, value, headers: Vec::new() })
    }

    /// The messages inside: itself if it is not compressed, or what its value decompresses to, with absolute offsets
    /// and with the wrapper's timestamp where the leader set it.
    ///
    /// # Errors
    /// Whatever is wrong with the compressed data or the inner messages; [`Error::TooLarge`] beyond `limit` bytes.
    pub fn unwrapped(&self, limit: usize) -> Result<Vec<Self>, Error> {
        let codec = self.codec()?;
        if codec == Codec::None {
            return Ok(vec![self.clone()]);
        }
        let (_, value) = self.key_and_value()?;
        let value = value.ok_or_else(|| Error::InvalidBatch("compressed message set with null value".to_owned()))?;
        let data = codec::decompress(codec, &value, self.magic, limit)?;
        let mut inner = inner_messages(&data)?;
        let base_offset = self.inner_base_offset(&inner)?;
        for message in &mut inner {
            if message.codec()? != Codec::None {
                return Err(Error::InvalidBatch("inner messages must not be compressed".to_owned()));
            }
            message.offset = message.offset.wrapping_add(base_offset);
            if message.magic == MAGIC_V1 && self.timestamp_type() == TimestampType::LogAppendTime {
                message.timestamp = self.timestamp;
            }
        }
        Ok(inner)
    }

    fn inner_base_offset(&self, inner: &[Self]) -> Result<i64, Error> {
        let last = inner
            .last()
            .ok_or_else(|| Error::InvalidBatch("compressed message set with no inner records".to_owned()))?;
        // A wrapper offset of 0 is what some librdkafka versions produce: the inner offsets stand as they are.
        if self.magic == MAGIC_V0 || self.offset == 0 {
            return Ok(0);
        }
        if self.offset < last.offset {
            return Err(Error::InvalidBatch(format!(
                "wrapper offset {} is less than the last inner message offset {} and it is not zero",
                self.offset, last.offset
            )));
        }
        Ok(self.offset.wrapping_sub(last.offset))
    }
}

fn inner_messages(data: &Bytes) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    let mut at = 0;
    while let Some(front) = data.get(at..).and_then(<[u8]>::first_chunk::<LOG_OVERHEAD>) {
        let size = i32::from_be_bytes([front[8], front[9], front[10], front[11]]);
        let len = usize::try_from(size).ok().filter(|&size| size >= OVERHEAD_V0);
        let len = LOG_OVERHEAD + len.ok_or(Error::SizeTooSmall { size, minimum: OVERHEAD_V0 })?;
        // A message cut short at the end is left out, as Kafka leaves it out.
        if data.len() - at < len {
            break;
        }
        messages.push(Message::parse(data.slice(at..at + len))?);
        at += len;
    }
    Ok(messages)
}

fn int64(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

/// What goes into one message that is written.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Offset field.
    pub offset: i64,
    /// 0 or 1.
    pub magic: i8,
    /// Codec of the value, if it is a wrapper.
    pub codec: Codec,
    /// Who set the timestamp; ignored in magic 0.
    pub timestamp_type: TimestampType,
    /// Ignored in magic 0.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

impl NewMessage<'_> {
    /// Bytes the entry takes.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        let overhead = if self.magic == MAGIC_V0 { OVERHEAD_V0 } else { OVERHEAD_V1 };
        LOG_OVERHEAD + overhead + self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)
    }

    /// Appends the entry.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if key or value is longer than the format can say.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let size = i32::try_from(self.size_in_bytes() - LOG_OVERHEAD)
            .map_err(|_| Error::InvalidRecord("message is larger than 2 GiB".to_owned()))?;
        let mut attributes = self.codec.id();
        if self.magic != MAGIC_V0 && self.timestamp_type == TimestampType::LogAppendTime {
            attributes |= LOG_APPEND_TIME;
        }
        let start = out.len();
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0, self.magic as u8, attributes]);
        if self.magic != MAGIC_V0 {
            out.extend_from_slice(&self.timestamp.to_be_bytes());
        }
        write_field(out, self.key);
        write_field(out, self.value);
        let crc = crc::crc32(&out[start + 16..]);
        out[start + 12..start + 16].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }
}

fn write_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    let len = field.map_or(-1, |bytes| bytes.len() as i32);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(field.unwrap_or_default());
}
