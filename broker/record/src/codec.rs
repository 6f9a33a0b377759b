//! Compression as Kafka frames it: which codecs there are, and how to run bytes through them under a bound.
//! Decompression is a stream: a caller that only skips holds one block at a time, and a bomb is noticed at the bound,
//! not after memory is gone.
//! Source: `CompressionType` and `org.apache.kafka.common.compress` in Kafka 3.9.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write as _};

use bytes::Bytes;

use crate::MAGIC_V0;
use crate::error::Error;

mod lz4;
mod snappy;
mod xxhash;

/// Most bytes one batch may decompress to where the caller names no bound of its own.
/// Records are at most 2 GiB by their length fields; no broker setting lets a batch of that size in.
pub const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// Decompressed bytes gathered at a time for codecs that have no blocks of their own.
const CHUNK_BYTES: usize = 64 * 1024;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not compressed.
    #[default]
    None,
    /// gzip (RFC 1952), one or more members.
    Gzip,
    /// Snappy blocks in a xerial stream.
    Snappy,
    /// LZ4 frame, 64 KiB independent blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl Codec {
    /// Every codec, in the order of their ids.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this id.
    ///
    /// # Errors
    /// [`Error::UnknownCodec`].
    pub fn from_id(id: u8) -> Result<Self, Error> {
        Self::ALL.get(usize::from(id)).copied().ok_or(Error::UnknownCodec { id })
    }

    /// The three bits that stand for it in the attributes.
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its name in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec with this name; `uncompressed` is the broker's word for `none`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "uncompressed" {
            return Some(Self::None);
        }
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and how hard it tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// The level, or the codec's default: gzip -1 or 1-9, lz4 1-17 (9 is the default and means the fast compressor),
    /// zstd -131072-22 (3). Ignored by the others.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

impl Compression {
    /// Compresses `data` as the records of a batch of this magic.
    ///
    /// # Errors
    /// [`Error::Compress`] if the compressor fails, [`Error::CodecNotAllowed`] for zstd below magic 2.
    pub fn compress(self, data: &[u8], magic: i8) -> Result<Vec<u8>, Error> {
        let codec = self.codec;
        let failed = |error: io::Error| Error::Compress { codec, reason: error.to_string() };
        match codec {
            Codec::None => Ok(data.to_vec()),
            Codec::Gzip => self.gzip(data).map_err(failed),
            Codec::Snappy => snappy::compress(data).map_err(failed),
            Codec::Lz4 => lz4::compress(data, self.level, magic == MAGIC_V0).map_err(failed),
            Codec::Zstd if magic < crate::MAGIC_V2 => Err(ZSTD_BELOW_V2),
            Codec::Zstd => zstd::bulk::compress(data, self.level.unwrap_or(3)).map_err(failed),
        }
    }

    fn gzip(self, data: &[u8]) -> io::Result<Vec<u8>> {
        let level = match self.level.and_then(|level| u32::try_from(level).ok()) {
            Some(level) => flate2::Compression::new(level.min(9)),
            None => flate2::Compression::default(),
        };
        let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(data.len() / 2), level);
        encoder.write_all(data)?;
        encoder.finish()
    }
}

/// Why zstd never appears in old formats.
pub(crate) const ZSTD_BELOW_V2: Error =
    Error::CodecNotAllowed { codec: Codec::Zstd, why: "does not exist below magic 2" };

/// Decompresses all of `data`; uncompressed data is handed back as it is, without a copy.
///
/// # Errors
/// [`Error::TooLarge`] as soon as more than `limit` bytes come out, [`Error::Decompress`] for bad data.
pub fn decompress(codec: Codec, data: &Bytes, magic: i8, limit: usize) -> Result<Bytes, Error> {
    if codec == Codec::None {
        return Ok(data.clone());
    }
    let mut stream = Decompressor::new(codec, data, magic, limit)?;
    let mut out = Vec::with_capacity(data.len().saturating_mul(4).min(limit).min(1 << 20));
    stream.read_to_end(&mut out).map_err(|error| stream.explain(&error))?;
    Ok(Bytes::from(out))
}

/// The decompressed records as a stream, at most `limit` bytes long.
/// Reads fail with an [`io::Error`]; [`Decompressor::explain`] says what it was.
pub struct Decompressor<'a> {
    codec: Codec,
    limit: usize,
    left: usize,
    inner: Inner<'a>,
}

enum Inner<'a> {
    None(&'a [u8]),
    Gzip(Box<BufReader<flate2::bufread::MultiGzDecoder<&'a [u8]>>>),
    Snappy(snappy::Reader<'a>),
    Lz4(lz4::Reader<'a>),
    Zstd(Box<BufReader<zstd::Decoder<'static, &'a [u8]>>>),
}

impl<'a> Decompressor<'a> {
    /// Starts on `data`, the records of a batch of this magic.
    ///
    /// # Errors
    /// [`Error::Decompress`] if the stream's own header is bad.
    pub fn new(codec: Codec, data: &'a [u8], magic: i8, limit: usize) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Decompress { codec, reason: error.to_string() };
        let inner = match codec {
            Codec::None => Inner::None(data),
            Codec::Gzip => {
                let decoder = flate2::bufread::MultiGzDecoder::new(data);
                Inner::Gzip(Box::new(BufReader::with_capacity(CHUNK_BYTES, decoder)))
            }
            Codec::Snappy => Inner::Snappy(snappy::Reader::new(data, limit)),
            Codec::Lz4 => Inner::Lz4(lz4::Reader::new(data, magic == MAGIC_V0).map_err(failed)?),
            Codec::Zstd if magic < crate::MAGIC_V2 => return Err(ZSTD_BELOW_V2),
            Codec::Zstd => {
                let decoder = zstd::Decoder::with_buffer(data).map_err(failed)?;
                Inner::Zstd(Box::new(BufReader::with_capacity(CHUNK_BYTES, decoder)))
            }
        };
        Ok(Self { codec, limit, left: limit, inner })
    }

    /// What a failed read means.
    #[must_use]
    pub fn explain(&self, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::FileTooLarge {
            Error::TooLarge { codec: self.codec, limit: self.limit }
        } else {
            Error::Decompress { codec: self.codec, reason: error.to_string() }
        }
    }
}

/// What a read past the bound fails with; [`Decompressor::explain`] knows it again.
fn too_large() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

impl BufRead for Decompressor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let chunk = match &mut self.inner {
            Inner::None(data) => Ok(*data),
            Inner::Gzip(reader) => reader.fill_buf(),
            Inner::Snappy(reader) => reader.fill_buf(),
            Inner::Lz4(reader) => reader.fill_buf(),
            Inner::Zstd(reader) => reader.fill_buf(),
        }?;
        if self.left == 0 && !chunk.is_empty() {
            return Err(too_large());
        }
        Ok(&chunk[..chunk.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount.min(self.left);
        match &mut self.inner {
            Inner::None(data) => *data = data.get(amount..).unwrap_or_default(),
            Inner::Gzip(reader) => reader.consume(amount),
            Inner::Snappy(reader) => reader.consume(amount),
            Inner::Lz4(reader) => reader.consume(amount),
            Inner::Zstd(reader) => reader.consume(amount),
        }
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let chunk = self.fill_buf()?;
        let amount = chunk.len().min(out.len());
        out[..amount].copy_from_slice(&chunk[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

#[cfg(test)]
mod tests;
