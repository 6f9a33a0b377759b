//! Walks a request's bytes before the codec sees them, and refuses array counts its bytes cannot back.
//! The codec reserves memory for any count it reads: three bytes could ask for 510 GiB. The walk allocates nothing and
//! makes no sense of what it passes over; a body it accepts may still be refused by the codec.
//! Source of the bound: Kafka's generated readers refuse a count above the bytes that remain.

use crate::shapes;
use crate::versions::ApiKey;

/// Most array elements and unknown tagged fields one request may hold. Far above what a cluster of a million
/// partitions sends; it bounds what a frame of tiny elements costs once decoded.
const ELEMENT_COUNT_MAX: usize = 2 << 20;

/// A count the codec would have reserved memory for in vain.
const MORE_THAN_BYTES: &str = "more array elements than bytes";
/// A count the codec would have reserved too much memory for.
const TOO_MANY: &str = "too many array elements";

/// What a field looks like on the wire.
#[derive(Debug)]
pub(crate) enum Shape {
    /// So many bytes.
    Fixed(usize),
    /// A string, nullable or not.
    Text,
    /// Bytes or records, nullable or not.
    Bytes,
    /// An array of something that is no struct.
    List(&'static Self),
    /// An array of structs.
    Array(&'static [Field]),
    /// One struct.
    Struct(&'static [Field]),
}

/// A field and the versions that have it.
#[derive(Debug)]
pub(crate) enum Field {
    /// In every version.
    All(Shape),
    /// From this version on.
    From(i16, Shape),
    /// From the first to the last of these versions.
    Between(i16, i16, Shape),
    /// With this tag, from this version on.
    Tagged(u32, i16, Shape),
}

/// Checks that `body` is a whole request of this API and version as far as lengths and counts go.
/// Bytes behind the request are let pass, as Kafka does.
pub(crate) fn check(api: ApiKey, version: i16, body: &[u8]) -> Result<(), &'static str> {
    let flexible = api.is_flexible(version);
    let mut walk = Walk { rest: body, version, flexible, element_count: 0 };
    walk.fields(shapes::request(api))
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    element_count: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), &'static str> {
        for field in fields {
            if let Some(shape) = field.untagged(self.version) {
                self.shape(shape)?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn shape(&mut self, shape: &'static Shape) -> Result<(), &'static str> {
        match shape {
            Shape::Fixed(len) => self.skip(*len),
            Shape::Text if !self.flexible => {
                let len = i16::from_be_bytes(self.take()?);
                self.skip(usize::try_from(len).unwrap_or(0))
            }
            Shape::Text | Shape::Bytes => {
                let len = self.count()?;
                self.skip(len)
            }
            Shape::List(element) => self.list(element),
            Shape::Array(fields) => self.array(fields),
            Shape::Struct(fields) => self.fields(fields),
        }
    }

    fn list(&mut self, element: &'static Shape) -> Result<(), &'static str> {
        let count = self.count()?;
        if let Shape::Fixed(len) = element {
            return self.skip(count.saturating_mul(*len)).map_err(|_| MORE_THAN_BYTES);
        }
        self.admit(count)?;
        (0..count).try_for_each(|_| self.shape(element))
    }

    fn array(&mut self, fields: &'static [Field]) -> Result<(), &'static str> {
        let count = self.count()?;
        self.admit(count)?;
        (0..count).try_for_each(|_| self.fields(fields))
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), &'static str> {
        let count = self.unsigned_varint()?;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let len = self.unsigned_varint()? as usize;
            match fields.iter().find_map(|field| field.tagged(tag, self.version)) {
                Some(shape) => self.known_tagged_field(shape, len)?,
                None => {
                    self.admit(1)?;
                    self.skip(len)?;
                }
            }
        }
        Ok(())
    }

    /// The codec reads a field it knows by its shape and never looks at the length: the two must agree, or what
    /// follows would be read from different places.
    fn known_tagged_field(&mut self, shape: &'static Shape, len: usize) -> Result<(), &'static str> {
        let before = self.rest.len();
        self.shape(shape)?;
        if before - self.rest.len() == len { Ok(()) } else { Err("tagged field of wrong length") }
    }

    /// Counts `count` more elements, each of which takes memory once decoded.
    fn admit(&mut self, count: usize) -> Result<(), &'static str> {
        self.element_count = self.element_count.saturating_add(count);
        if count > self.rest.len() {
            Err(MORE_THAN_BYTES)
        } else if self.element_count > ELEMENT_COUNT_MAX {
            Err(TOO_MANY)
        } else {
            Ok(())
        }
    }

    /// Length of an array, of bytes, or of a compact string; null counts as none.
    fn count(&mut self) -> Result<usize, &'static str> {
        if self.flexible {
            Ok((self.unsigned_varint()? as usize).saturating_sub(1))
        } else {
            let count = i32::from_be_bytes(self.take()?);
            Ok(usize::try_from(count).unwrap_or(0))
        }
    }

    fn unsigned_varint(&mut self) -> Result<u32, &'static str> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("varint of more than five bytes")
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or("request ends early")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn skip(&mut self, len: usize) -> Result<(), &'static str> {
        self.rest = self.rest.get(len..).ok_or("request ends early")?;
        Ok(())
    }
}

impl Field {
    /// The shape, if it is an untagged field of this version.
    const fn untagged(&self, version: i16) -> Option<&Shape> {
        match self {
            Self::All(shape) => Some(shape),
            Self::From(first, shape) if *first <= version => Some(shape),
            Self::Between(first, last, shape) if *first <= version && version <= *last => Some(shape),
            _ => None,
        }
    }

    /// The shape, if it has this tag in this version.
    const fn tagged(&self, tag: u32, version: i16) -> Option<&Shape> {
        match self {
            Self::Tagged(own, first, shape) if *own == tag && *first <= version => Some(shape),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
