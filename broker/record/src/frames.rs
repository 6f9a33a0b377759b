//! Walks over the records of a batch without keeping any: offset, timestamp, sizes, nothing more.
//! Allocates nothing per record; compressed data passes through one block at a time.
//! Source: `DefaultRecordBatch.skipKeyValueIterator`, `DefaultRecord.readPartiallyFrom` in Kafka 3.9.

use std::io::BufRead as _;
use std::vec;

use crate::MAGIC_V2;
use crate::codec::{Codec, Decompressor};
use crate::error::Error;
use crate::header::BatchHeader;
use crate::legacy::Message;
use crate::record::Times;
use crate::varint;

/// What a walk tells of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch, or -1.
    pub timestamp: i64,
    /// Bytes of the key; `None` if it is null.
    pub key_len: Option<u32>,
    /// Bytes of the value; `None` if it is null.
    pub value_len: Option<u32>,
    /// Bytes the record takes uncompressed, length field included.
    pub size_in_bytes: usize,
}

/// The walk. Ends after the first error.
pub struct Frames<'a> {
    left: u32,
    times: Times,
    source: Source<'a>,
}

enum Source<'a> {
    Slice(SliceReader<'a>),
    Stream(Box<StreamReader<'a>>),
    Listed(vec::IntoIter<Message>),
}

impl<'a> Frames<'a> {
    pub(crate) fn of_batch(header: &BatchHeader, body: &'a [u8], limit: usize) -> Result<Self, Error> {
        let left = u32::try_from(header.record_count)
            .map_err(|_| Error::InvalidBatch(format!("found invalid record count {}", header.record_count)))?;
        let source = match header.codec()? {
            Codec::None => Source::Slice(SliceReader { rest: body }),
            codec => {
                let stream = Decompressor::new(codec, body, MAGIC_V2, limit)?;
                Source::Stream(Box::new(StreamReader { stream }))
            }
        };
        Ok(Self { left, times: Times::of(header), source })
    }

    pub(crate) fn of_message(message: &'a Message, limit: usize) -> Result<Self, Error> {
        let messages = message.unwrapped(limit)?;
        let left = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        Ok(Self { left, times: Times::default(), source: Source::Listed(messages.into_iter()) })
    }

    fn read(&mut self) -> Result<Frame, Error> {
        let (times, is_last) = (self.times, self.left == 1);
        match &mut self.source {
            Source::Slice(reader) => read_frame(reader, times, is_last),
            Source::Stream(reader) => read_frame(reader.as_mut(), times, is_last),
            Source::Listed(messages) => {
                let message = messages.next().ok_or_else(|| Error::InvalidBatch("no message left".to_owned()))?;
                let (key, value) = message.key_and_value()?;
                let len = |field: Option<bytes::Bytes>| field.map(|field| field.len() as u32);
                Ok(Frame {
                    offset: message.offset,
                    timestamp: message.timestamp,
                    key_len: len(key),
                    value_len: len(value),
                    size_in_bytes: message.bytes().len(),
                })
            }
        }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let result = self.read();
        self.left = if result.is_ok() { self.left - 1 } else { 0 };
        Some(result)
    }
}

fn read_frame<R: Reader>(reader: &mut R, times: Times, is_last: bool) -> Result<Frame, Error> {
    let (body_len, len_bytes) = reader.int()?;
    let body_len =
        u32::try_from(body_len).map_err(|_| Error::InvalidRecord(format!("negative record size {body_len}")))?;
    let mut body = Body { reader, left: body_len as usize };
    // The attributes of a record are unused.
    body.skip(1)?;
    let timestamp_delta = body.long()?;
    let offset_delta = body.int()?;
    let key_len = body.skip_nullable()?;
    let value_len = body.skip_nullable()?;
    let header_count = body.int()?;
    if header_count < 0 {
        return Err(Error::InvalidRecord(format!("found invalid number of record headers {header_count}")));
    }
    for _ in 0..header_count {
        if body.skip_nullable()?.is_none() {
            return Err(Error::InvalidRecord("negative header key size".to_owned()));
        }
        body.skip_nullable()?;
    }
    if body.left != 0 {
        return Err(Error::InvalidRecord(format!("{} bytes of the payload were not read", body.left)));
    }
    if is_last && !reader.is_at_end()? {
        return Err(Error::InvalidBatch("incorrect declared batch size, records still remaining".to_owned()));
    }
    Ok(Frame {
        offset: times.offset(offset_delta),
        timestamp: times.timestamp(timestamp_delta),
        key_len,
        value_len,
        size_in_bytes: len_bytes + body_len as usize,
    })
}

/// The body of one record: nothing inside may reach past its announced length.
struct Body<'r, R> {
    reader: &'r mut R,
    left: usize,
}

impl<R: Reader> Body<'_, R> {
    fn int(&mut self) -> Result<i32, Error> {
        let (value, used) = self.reader.int()?;
        self.spend(used)?;
        Ok(value)
    }

    fn long(&mut self) -> Result<i64, Error> {
        let (value, used) = self.reader.long()?;
        self.spend(used)?;
        Ok(value)
    }

    fn skip(&mut self, len: usize) -> Result<(), Error> {
        self.spend(len)?;
        self.reader.skip(len)
    }

    fn skip_nullable(&mut self) -> Result<Option<u32>, Error> {
        let Ok(len) = u32::try_from(self.int()?) else { return Ok(None) };
        self.skip(len as usize)?;
        Ok(Some(len))
    }

    fn spend(&mut self, len: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(len).ok_or_else(structure)?;
        Ok(())
    }
}

fn structure() -> Error {
    Error::InvalidRecord("found invalid record structure".to_owned())
}

fn cut_short() -> Error {
    Error::InvalidRecord("incorrect declared batch size, premature end of records".to_owned())
}

trait Reader {
    fn int(&mut self) -> Result<(i32, usize), Error>;
    fn long(&mut self) -> Result<(i64, usize), Error>;
    fn skip(&mut self, len: usize) -> Result<(), Error>;
    fn is_at_end(&mut self) -> Result<bool, Error>;
}

struct SliceReader<'a> {
    rest: &'a [u8],
}

impl Reader for SliceReader<'_> {
    #[inline]
    fn int(&mut self) -> Result<(i32, usize), Error> {
        let (value, used) = varint::read_i32(self.rest).ok_or_else(cut_short)?;
        self.rest = &self.rest[used..];
        Ok((value, used))
    }

    #[inline]
    fn long(&mut self) -> Result<(i64, usize), Error> {
        let (value, used) = varint::read_i64(self.rest).ok_or_else(cut_short)?;
        self.rest = &self.rest[used..];
        Ok((value, used))
    }

    #[inline]
    fn skip(&mut self, len: usize) -> Result<(), Error> {
        self.rest = self.rest.get(len..).ok_or_else(cut_short)?;
        Ok(())
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(self.rest.is_empty())
    }
}

struct StreamReader<'a> {
    stream: Decompressor<'a>,
}

impl StreamReader<'_> {
    /// The longest front of the stream that holds a varint: straight from the block, or gathered across its end.
    fn number<T>(&mut self, parse: impl Fn(&[u8]) -> Option<(T, usize)>) -> Result<(T, usize), Error> {
        let chunk = match self.stream.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) => return Err(self.stream.explain(&error)),
        };
        if let Some((value, used)) = parse(chunk) {
            self.advance(used);
            return Ok((value, used));
        }
        let mut gathered = [0; 10];
        for len in 1..=gathered.len() {
            gathered[len - 1] = self.byte()?;
            if let Some(found) = parse(&gathered[..len]) {
                return Ok(found);
            }
        }
        Err(structure())
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = match self.stream.fill_buf() {
            Ok(chunk) => *chunk.first().ok_or_else(cut_short)?,
            Err(error) => return Err(self.stream.explain(&error)),
        };
        self.advance(1);
        Ok(byte)
    }

    fn advance(&mut self, len: usize) {
        self.stream.consume(len);
    }
}

impl Reader for StreamReader<'_> {
    fn int(&mut self) -> Result<(i32, usize), Error> {
        self.number(varint::read_i32)
    }

    fn long(&mut self) -> Result<(i64, usize), Error> {
        self.number(varint::read_i64)
    }

    fn skip(&mut self, mut len: usize) -> Result<(), Error> {
        while len > 0 {
            let available = match self.stream.fill_buf() {
                Ok(chunk) => chunk.len(),
                Err(error) => return Err(self.stream.explain(&error)),
            };
            if available == 0 {
                return Err(cut_short());
            }
            let step = available.min(len);
            self.advance(step);
            len -= step;
        }
        Ok(())
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        match self.stream.fill_buf() {
            Ok(chunk) => Ok(chunk.is_empty()),
            Err(error) => Err(self.stream.explain(&error)),
        }
    }
}
