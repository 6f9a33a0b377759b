//! Single records of magic 2: borrowed from the bytes they lie in, or owned slices that keep those bytes alive.
//! Reads only; [`crate::builder`] writes them.
//! Source: `DefaultRecord` in Kafka 3.9.
//!
//! ```text
//! length | attributes(1) | timestampDelta | offsetDelta | keyLen key | valueLen value | headerCount (keyLen key valLen val)*
//!   all numbers zig-zag varints; length -1 stands for null in key, value and header value
//! ```

use std::vec;

use bytes::Bytes;

use crate::error::Error;
use crate::header::{BatchHeader, TimestampType};
use crate::varint;

/// One record, whatever format it was stored in. Key, value and headers are slices of the batch (or of what it
/// decompressed to) and keep that alive: copy what must outlive it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Its offset in the partition (in a batch not yet stored: counted from the batch's base offset).
    pub offset: i64,
    /// Milliseconds since the epoch, or -1.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<Bytes>,
    /// The value, or null: a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order; keys may repeat.
    pub headers: Vec<RecordHeader>,
}

/// One header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// UTF-8 by agreement; not checked, as Kafka does not check it.
    pub key: Bytes,
    /// The value, or null.
    pub value: Option<Bytes>,
}

/// One record of magic 2, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Added to the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Added to the batch's base offset.
    pub offset_delta: i32,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
    header_count: u32,
    headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Reads the record at the front of `bytes`; answers it and the bytes it takes, length field included.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if the structure is not exactly that of a record.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), Error> {
        let (len, len_bytes) = varint::read_i32(bytes).ok_or_else(structure)?;
        let rest = &bytes[len_bytes..];
        let body = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or_else(|| {
            Error::InvalidRecord(format!(
                "expected {len} bytes in record payload, but the buffer has only {} remaining bytes",
                rest.len()
            ))
        })?;
        Ok((Self::parse_body(body)?, len_bytes + body.len()))
    }

    fn parse_body(body: &'a [u8]) -> Result<Self, Error> {
        // The attributes of a record are unused.
        let mut cursor = Cursor { rest: body.get(1..).ok_or_else(structure)? };
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        let key = cursor.nullable()?;
        let value = cursor.nullable()?;
        let header_count = cursor.varint()?;
        let header_count = u32::try_from(header_count)
            .map_err(|_| Error::InvalidRecord(format!("found invalid number of record headers {header_count}")))?;
        let headers = cursor.rest;
        for _ in 0..header_count {
            cursor.header()?;
        }
        if !cursor.rest.is_empty() {
            return Err(Error::InvalidRecord(format!("{} bytes of the payload were not read", cursor.rest.len())));
        }
        Ok(Self { timestamp_delta, offset_delta, key, value, header_count, headers })
    }

    /// How many headers it has.
    #[must_use]
    pub fn header_count(&self) -> u32 {
        self.header_count
    }

    /// Its headers: key, and value or null.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut cursor = Cursor { rest: self.headers };
        (0..self.header_count).map_while(move |_| cursor.header().ok())
    }
}

fn structure() -> Error {
    Error::InvalidRecord("found invalid record structure".to_owned())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn varint(&mut self) -> Result<i32, Error> {
        let (value, used) = varint::read_i32(self.rest).ok_or_else(structure)?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    fn varlong(&mut self) -> Result<i64, Error> {
        let (value, used) = varint::read_i64(self.rest).ok_or_else(structure)?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    /// Any negative length is null, as in Kafka.
    fn nullable(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let Ok(len) = usize::try_from(self.varint()?) else { return Ok(None) };
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(structure)?;
        self.rest = rest;
        Ok(Some(bytes))
    }

    fn header(&mut self) -> Result<(&'a [u8], Option<&'a [u8]>), Error> {
        let key = self.nullable()?.ok_or_else(|| Error::InvalidRecord("negative header key size".to_owned()))?;
        Ok((key, self.nullable()?))
    }
}

/// The records of one batch in order. Ends after the first error.
#[derive(Debug)]
pub struct Records {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Framed { data: Bytes, at: usize, left: u32, times: Times },
    Listed(vec::IntoIter<Record>),
}

/// How offsets and timestamps of a batch's records are made from their deltas.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    base_offset: i64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
}

impl Times {
    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self {
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            log_append_time: (header.timestamp_type() == TimestampType::LogAppendTime).then_some(header.max_timestamp),
        }
    }

    pub(crate) fn offset(self, delta: i32) -> i64 {
        self.base_offset.wrapping_add(i64::from(delta))
    }

    pub(crate) fn timestamp(self, delta: i64) -> i64 {
        self.log_append_time.unwrap_or_else(|| self.base_timestamp.wrapping_add(delta))
    }
}

impl Records {
    /// Records framed as magic 2 in `data`, already decompressed.
    pub(crate) fn framed(header: &BatchHeader, data: Bytes) -> Result<Self, Error> {
        let left = u32::try_from(header.record_count)
            .map_err(|_| Error::InvalidBatch(format!("found invalid record count {}", header.record_count)))?;
        Ok(Self { inner: Inner::Framed { data, at: 0, left, times: Times::of(header) } })
    }

    /// Records already taken apart.
    pub(crate) fn listed(records: Vec<Record>) -> Self {
        Self { inner: Inner::Listed(records.into_iter()) }
    }
}

impl Iterator for Records {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.inner {
            Inner::Listed(records) => records.next().map(Ok),
            Inner::Framed { left: 0, .. } => None,
            Inner::Framed { data, at, left, times } => {
                let result = next_framed(data, at, *left == 1, *times);
                *left = if result.is_ok() { *left - 1 } else { 0 };
                Some(result)
            }
        }
    }
}

fn next_framed(data: &Bytes, at: &mut usize, is_last: bool, times: Times) -> Result<Record, Error> {
    let (record, used) = RecordRef::parse(&data[*at..])?;
    *at += used;
    if is_last && *at != data.len() {
        return Err(Error::InvalidBatch("incorrect declared batch size, records still remaining".to_owned()));
    }
    Ok(Record {
        offset: times.offset(record.offset_delta),
        timestamp: times.timestamp(record.timestamp_delta),
        key: record.key.map(|key| data.slice_ref(key)),
        value: record.value.map(|value| data.slice_ref(value)),
        headers: record
            .headers()
            .map(|(key, value)| RecordHeader { key: data.slice_ref(key), value: value.map(|v| data.slice_ref(v)) })
            .collect(),
    })
}
