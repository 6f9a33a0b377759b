//! What can be wrong with record bytes, and which Kafka error a client hears for it.
//! Carries no partition: the caller knows which one it was reading.

use crate::codec::Codec;

/// Something wrong with a batch, a message or a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the layout needs.
    #[error("{what}: needs {needed} bytes, only {available} are there")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The size field of an entry is below the least its format can have.
    #[error("record size {size} is less than the minimum record overhead ({minimum})")]
    SizeTooSmall {
        /// The size field.
        size: i32,
        /// The least it could be.
        minimum: usize,
    },
    /// Not 0, 1 or 2, or not the format asked for.
    #[error("invalid magic {magic} found in record")]
    Magic {
        /// The magic byte found.
        magic: i8,
    },
    /// The checksum stored is not the checksum of the bytes.
    #[error("record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc {
        /// The checksum field.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A codec number Kafka does not know.
    #[error("unknown compression type id: {id}")]
    UnknownCodec {
        /// The three codec bits.
        id: u8,
    },
    /// The codec is not allowed in this format or API version.
    #[error("{codec} compression {why}")]
    CodecNotAllowed {
        /// The codec.
        codec: Codec,
        /// Why not here.
        why: &'static str,
    },
    /// Compressed bytes that do not decompress.
    #[error("cannot decompress {codec} data: {reason}")]
    Decompress {
        /// The codec.
        codec: Codec,
        /// What the decompressor said.
        reason: String,
    },
    /// Decompressing would pass the bound that was given.
    #[error("{codec} data decompresses to more than {limit} bytes")]
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The compressor failed.
    #[error("cannot compress with {codec}: {reason}")]
    Compress {
        /// The codec.
        codec: Codec,
        /// What the compressor said.
        reason: String,
    },
    /// A record's own structure is wrong.
    #[error("invalid record: {0}")]
    InvalidRecord(String),
    /// A format rule above single records is broken (nesting, offsets, counts).
    #[error("invalid record batch: {0}")]
    InvalidBatch(String),
}

/// Which Kafka error an [`Error`] is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `CORRUPT_MESSAGE` (2).
    CorruptMessage,
    /// `INVALID_RECORD` (87).
    InvalidRecord,
    /// `UNSUPPORTED_COMPRESSION_TYPE` (76).
    UnsupportedCompressionType,
    /// `UNKNOWN_SERVER_ERROR` (-1): our own failure.
    UnknownServerError,
}

impl Error {
    /// Which Kafka error this is to a client.
    ///
    /// Differs from Kafka: data that does not decompress under a correct checksum is `INVALID_RECORD` here and
    /// `UNKNOWN_SERVER_ERROR` there. Both stop the producer from retrying; ours says whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated { .. } | Self::SizeTooSmall { .. } | Self::Magic { .. } | Self::Crc { .. } => {
                ErrorKind::CorruptMessage
            }
            Self::CodecNotAllowed { .. } => ErrorKind::UnsupportedCompressionType,
            Self::UnknownCodec { .. }
            | Self::Decompress { .. }
            | Self::TooLarge { .. }
            | Self::InvalidRecord(_)
            | Self::InvalidBatch(_) => ErrorKind::InvalidRecord,
            Self::Compress { .. } => ErrorKind::UnknownServerError,
        }
    }
}
