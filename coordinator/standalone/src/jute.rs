//! Jute, ZooKeeper's encoding: big-endian numbers, and strings, buffers and lists with their length in front.
//! Never trusts a length: nothing is allocated for what the bytes cannot hold.
//! Source: `BinaryInputArchive` and `BinaryOutputArchive` of ZooKeeper 3.8.

use std::sync::Arc;

/// Bytes that do not say what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The value goes past the end.
    #[error("the bytes end too early")]
    Short,
    /// A length below -1, or of more than there is.
    #[error("impossible length {0}")]
    Length(i32),
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A number that stands for nothing.
    #[error("{what} cannot be {value}")]
    Value {
        /// What it should have been.
        what: &'static str,
        /// What it was.
        value: i64,
    },
}

/// Reads values from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes, as many as asked.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Error::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A 32-bit number.
    pub fn int(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit number.
    pub fn long(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_be_bytes)
    }

    /// One byte; anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, Error> {
        self.array().map(|[byte]| byte != 0)
    }

    /// Bytes with their length in front; -1 is none at all.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let len = self.int()?;
        if len == -1 {
            return Ok(None);
        }
        let size = usize::try_from(len).map_err(|_| Error::Length(len))?;
        self.bytes(size).map(Some).map_err(|_| Error::Length(len))
    }

    /// A string; none at all reads as empty.
    pub fn str(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.buffer()?.unwrap_or_default()).map_err(|_| Error::Utf8)
    }

    /// A string of its own.
    pub fn string(&mut self) -> Result<String, Error> {
        self.str().map(str::to_owned)
    }

    /// A node's data.
    pub fn data(&mut self) -> Result<Option<Arc<[u8]>>, Error> {
        Ok(self.buffer()?.map(Arc::from))
    }

    /// A list; none at all reads as empty. Every element takes at least four bytes, so a count cannot ask for much.
    pub fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let len = self.int()?;
        if len == -1 {
            return Ok(Vec::new());
        }
        let count = usize::try_from(len).map_err(|_| Error::Length(len))?;
        if self.rest.len() / 4 < count {
            return Err(Error::Length(len));
        }
        (0..count).map(|_| element(self)).collect()
    }
}

/// Writes values to the end of a buffer.
pub trait Write {
    /// A 32-bit number.
    fn int(&mut self, value: i32);
    /// A 64-bit number.
    fn long(&mut self, value: i64);
    /// One byte.
    fn bool(&mut self, value: bool);
    /// Bytes with their length in front.
    fn buffer(&mut self, value: Option<&[u8]>);
    /// A string.
    fn str(&mut self, value: &str) {
        self.buffer(Some(value.as_bytes()));
    }
    /// A count, before so many elements.
    fn count(&mut self, count: usize) {
        self.int(i32::try_from(count).unwrap_or(i32::MAX));
    }
}

impl Write for Vec<u8> {
    fn int(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.int(-1),
            Some(bytes) => {
                self.count(bytes.len());
                self.extend_from_slice(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let bytes = i32::MAX.to_be_bytes();
        assert_eq!(Reader::new(&bytes).list(|reader| reader.int()), Err(Error::Length(i32::MAX)));
        assert_eq!(Reader::new(&bytes).buffer(), Err(Error::Length(i32::MAX)));
        assert_eq!(Reader::new(&(-2i32).to_be_bytes()).buffer(), Err(Error::Length(-2)));
    }

    #[test]
    fn values_come_back_as_written() {
        let mut bytes = Vec::new();
        bytes.int(-7);
        bytes.long(1 << 40);
        bytes.bool(true);
        bytes.str("é");
        bytes.buffer(None);
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.int(), reader.long(), reader.bool()), (Ok(-7), Ok(1 << 40), Ok(true)));
        assert_eq!((reader.str(), reader.buffer()), (Ok("é"), Ok(None)));
        assert!(reader.is_empty());
    }
}
