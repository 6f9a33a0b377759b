//! Snappy in the stream of the xerial library, which Java's clients write; bare snappy blocks, which some other
//! clients write, are read as well.
//!
//! ```text
//! 82 53 4E 41 50 50 59 00 | int32 version 1 | int32 compatible 1 | (int32 length | snappy block)*
//! ```
//! Source: `SnappyInputStream` and `SnappyOutputStream` of snappy-java 1.1.10, as Kafka 3.9 uses them.

use std::io;

use super::too_large;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_LEN: usize = 16;
/// What Java's writer puts in a block.
const BLOCK_BYTES: usize = 32 * 1024;
/// A copy of 64 bytes takes three: no honest block grows more than this.
const GROWTH_MAX: usize = 24;

pub(super) fn compress(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut compressed = vec![0; snap::raw::max_compress_len(BLOCK_BYTES)];
    for block in data.chunks(BLOCK_BYTES) {
        let len = encoder.compress(block, &mut compressed)?;
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.extend_from_slice(&compressed[..len]);
    }
    Ok(out)
}

/// Reads a xerial stream, or one bare block, block by block.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    framing: Framing,
    /// Bytes that may still be decompressed before the caller's bound is certainly passed.
    left: usize,
    buffer: Vec<u8>,
    len: usize,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Unknown,
    Xerial,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], limit: usize) -> Self {
        Self { rest: data, framing: Framing::Unknown, left: limit, buffer: Vec::new(), len: 0, at: 0 }
    }

    pub(super) fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.len && !self.rest.is_empty() {
            self.next_block()?;
        }
        Ok(&self.buffer[self.at..self.len])
    }

    pub(super) fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.len);
    }

    fn next_block(&mut self) -> io::Result<()> {
        // A header may also follow blocks: streams written one after the other read as one.
        if self.rest.starts_with(&MAGIC) {
            self.rest = self.rest.get(HEADER_LEN..).ok_or_else(cut_short)?;
            self.framing = Framing::Xerial;
            return Ok(());
        }
        match self.framing {
            Framing::Unknown => {
                let block = std::mem::take(&mut self.rest);
                self.decompress(block)
            }
            Framing::Xerial => {
                let (len, rest) = self.rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
                let len = u32::from_be_bytes(*len) as usize;
                let (block, rest) = rest.split_at_checked(len).ok_or_else(cut_short)?;
                self.rest = rest;
                self.decompress(block)
            }
        }
    }

    fn decompress(&mut self, block: &[u8]) -> io::Result<()> {
        // The block announces its size; it is believed only as far as its own length can carry it.
        let len = snap::raw::decompress_len(block)?;
        if len > block.len().saturating_mul(GROWTH_MAX) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "snappy block announces more than it can hold"));
        }
        if len > self.left {
            return Err(too_large());
        }
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        self.len = snap::raw::Decoder::new().decompress(block, &mut self.buffer)?;
        self.left -= self.len;
        self.at = 0;
        Ok(())
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "snappy stream ended prematurely")
}
