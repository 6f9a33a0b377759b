//! Reads and writes the fields these records are made of, in the plain and in the flexible (compact) encoding.
//! Never trusts a length: every one is checked against the bytes that are left.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Why a stored key or value could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the named field does.
    #[error("{record}: bytes end inside {field}")]
    Truncated {
        /// Which record.
        record: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A length that cannot be: negative where null is not allowed, or too large.
    #[error("{record}: length {length} of {field} is impossible")]
    Length {
        /// Which record.
        record: &'static str,
        /// Which field.
        field: &'static str,
        /// What was read.
        length: i64,
    },
    /// Text that is not UTF-8.
    #[error("{record}: {field} is not UTF-8")]
    Text {
        /// Which record.
        record: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A version this broker does not know.
    #[error("{record}: version {version} is unknown")]
    Version {
        /// Which record.
        record: &'static str,
        /// What was read.
        version: i16,
    },
}

/// Takes fields off the front of one record's bytes.
pub(super) struct Reader {
    record: &'static str,
    flexible: bool,
    bytes: Bytes,
}

impl Reader {
    /// Reads the version prefix; `flexible_from` is the first version with compact fields.
    pub(super) fn open(
        record: &'static str,
        bytes: &Bytes,
        versions: std::ops::RangeInclusive<i16>,
        flexible_from: i16,
    ) -> Result<(i16, Self), Error> {
        let mut reader = Self { record, flexible: false, bytes: bytes.clone() };
        let version = reader.i16("version")?;
        if !versions.contains(&version) {
            return Err(Error::Version { record, version });
        }
        reader.flexible = version >= flexible_from;
        Ok((version, reader))
    }

    fn take(&mut self, count: usize, field: &'static str) -> Result<Bytes, Error> {
        if self.bytes.len() < count {
            return Err(Error::Truncated { record: self.record, field });
        }
        Ok(self.bytes.split_to(count))
    }

    pub(super) fn i8(&mut self, field: &'static str) -> Result<i8, Error> {
        Ok(self.take(1, field)?.get_i8())
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, Error> {
        Ok(self.take(2, field)?.get_i16())
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, Error> {
        Ok(self.take(4, field)?.get_i32())
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, Error> {
        Ok(self.take(8, field)?.get_i64())
    }

    fn unsigned_varint(&mut self, field: &'static str) -> Result<u32, Error> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1, field)?.get_u8();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.impossible(field, i64::MAX));
            }
        }
        Err(self.impossible(field, i64::MAX))
    }

    fn impossible(&self, field: &'static str, length: i64) -> Error {
        Error::Length { record: self.record, field, length }
    }

    /// A length prefix; `None` is null. Plain strings have two bytes of it, everything else four.
    fn length(&mut self, field: &'static str, short: bool) -> Result<Option<usize>, Error> {
        let length = match (self.flexible, short) {
            (true, _) => i64::from(self.unsigned_varint(field)?) - 1,
            (false, true) => i64::from(self.i16(field)?),
            (false, false) => i64::from(self.i32(field)?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| self.impossible(field, length)),
        }
    }

    pub(super) fn nullable_string(&mut self, field: &'static str) -> Result<Option<Arc<str>>, Error> {
        let Some(length) = self.length(field, true)? else { return Ok(None) };
        let bytes = self.take(length, field)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Arc::from(text))),
            Err(_) => Err(Error::Text { record: self.record, field }),
        }
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<Arc<str>, Error> {
        self.nullable_string(field)?.ok_or_else(|| self.impossible(field, -1))
    }

    /// A copy, so that keeping it does not keep the whole batch it came in.
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Bytes, Error> {
        let length = self.length(field, false)?.ok_or_else(|| self.impossible(field, -1))?;
        Ok(Bytes::copy_from_slice(&self.take(length, field)?))
    }

    /// Elements read one by one; the count is never trusted with memory.
    pub(super) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(count) = self.length(field, false)? else { return Ok(None) };
        let mut elements = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    pub(super) fn array<T>(
        &mut self,
        field: &'static str,
        element: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.nullable_array(field, element)?.ok_or_else(|| self.impossible(field, -1))
    }

    /// Ends a struct: flexible ones carry tagged fields, none of which is known yet.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint("tagged fields")? {
            self.unsigned_varint("tag")?;
            let size = self.unsigned_varint("tagged field size")?;
            let size = usize::try_from(size).map_err(|_| self.impossible("tagged field", i64::from(size)))?;
            self.take(size, "tagged field")?;
        }
        Ok(())
    }
}

/// Appends fields to one record's bytes.
pub(super) struct Writer {
    flexible: bool,
    bytes: BytesMut,
}

impl Writer {
    /// Writes the version prefix.
    pub(super) fn open(version: i16, flexible_from: i16) -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_i16(version);
        Self { flexible: version >= flexible_from, bytes }
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.put_i8(value);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    fn length(&mut self, length: Option<usize>, short: bool) {
        match (self.flexible, short) {
            (true, _) => {
                let one_more = length.map_or(0, |length| u32::try_from(length).expect("lengths stay below 2 GiB") + 1);
                self.unsigned_varint(one_more);
            }
            (false, true) => {
                let length = length.map_or(-1, |length| i16::try_from(length).expect("strings were read as int16 too"));
                self.bytes.put_i16(length);
            }
            (false, false) => {
                let length = length.map_or(-1, |length| i32::try_from(length).expect("lengths stay below 2 GiB"));
                self.bytes.put_i32(length);
            }
        }
    }

    pub(super) fn nullable_string(&mut self, text: Option<&str>) {
        let text = text.map(fit);
        self.length(text.map(str::len), true);
        self.bytes.put_slice(text.unwrap_or_default().as_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(Some(bytes.len()), false);
        self.bytes.put_slice(bytes);
    }

    pub(super) fn nullable_array<T>(&mut self, elements: Option<&[T]>, mut element: impl FnMut(&mut Self, &T)) {
        self.length(elements.map(<[T]>::len), false);
        for one in elements.unwrap_or_default() {
            element(self, one);
        }
    }

    pub(super) fn array<T>(&mut self, elements: &[T], element: impl FnMut(&mut Self, &T)) {
        self.nullable_array(Some(elements), element);
    }

    /// Ends a struct, with no tagged fields.
    pub(super) fn end(&mut self) {
        if self.flexible {
            self.unsigned_varint(0);
        }
    }

    pub(super) fn finish(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// The longest head of `text` an int16 length can carry. Requests hold no longer strings in their plain versions;
/// compact ones could, and Kafka would fail to store them.
fn fit(text: &str) -> &str {
    const LONGEST: usize = i16::MAX as usize;
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
