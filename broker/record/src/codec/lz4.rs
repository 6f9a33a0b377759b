//! LZ4 frames: 64 KiB independent blocks, no checksums, as Java's clients write them.
//! Message format 0 has its own fault, kept for its readers: the header checksum also covers the frame's magic number.
//! Source: `Lz4BlockInputStream` and `Lz4BlockOutputStream` in Kafka 3.9; the LZ4 frame format.

use std::io;

use ::lz4::block::{CompressionMode, compress_bound, compress_to_buffer, decompress_to_buffer};

use super::xxhash::xxh32;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];
const BLOCK_BYTES: usize = 64 * 1024;
/// The level that means the fast compressor; all others are the slow one's.
const LEVEL_DEFAULT: i32 = 9;
/// Set in a block's size when the block is stored, not compressed.
const STORED: u32 = 1 << 31;

const VERSION_MASK: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const BLOCKS_INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const RESERVED: u8 = 0b0000_0011;

pub(super) fn compress(data: &[u8], level: Option<i32>, broken_header_checksum: bool) -> io::Result<Vec<u8>> {
    let mode = match level {
        None | Some(LEVEL_DEFAULT) => CompressionMode::DEFAULT,
        Some(level) => CompressionMode::HIGHCOMPRESSION(level),
    };
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    out.extend_from_slice(&MAGIC);
    // Version 1 with independent blocks; blocks of at most 64 KiB.
    out.extend_from_slice(&[VERSION_1 | BLOCKS_INDEPENDENT, 4 << 4]);
    let checksummed = if broken_header_checksum { &out[..] } else { &out[MAGIC.len()..] };
    out.push((xxh32(checksummed) >> 8) as u8);
    let mut compressed = vec![0; compress_bound(BLOCK_BYTES)?];
    for block in data.chunks(BLOCK_BYTES) {
        let len = compress_to_buffer(block, Some(mode), false, &mut compressed)?;
        if len < block.len() {
            out.extend_from_slice(&(len as u32).to_le_bytes());
            out.extend_from_slice(&compressed[..len]);
        } else {
            out.extend_from_slice(&(block.len() as u32 | STORED).to_le_bytes());
            out.extend_from_slice(block);
        }
    }
    out.extend_from_slice(&[0; 4]);
    Ok(out)
}

/// Reads one frame, block by block.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    block_checksum: bool,
    block_bytes_max: usize,
    /// The current block if it was compressed; allocated with the first one.
    buffer: Vec<u8>,
    block: Block<'a>,
    at: usize,
    finished: bool,
}

enum Block<'a> {
    Stored(&'a [u8]),
    /// So many bytes at the front of the buffer.
    Decompressed(usize),
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], ignore_header_checksum: bool) -> io::Result<Self> {
        let (magic, rest) = data.split_first_chunk::<4>().ok_or_else(cut_short)?;
        if *magic != MAGIC {
            return Err(bad("not an LZ4 frame"));
        }
        let &[flags, sizes, ..] = rest else { return Err(cut_short()) };
        if flags & VERSION_MASK != VERSION_1 || flags & RESERVED != 0 {
            return Err(bad("unsupported LZ4 frame version or flags"));
        }
        if flags & BLOCKS_INDEPENDENT == 0 {
            return Err(bad("dependent LZ4 blocks are not supported"));
        }
        let block_bytes_max = match (sizes, sizes >> 4) {
            (sizes, code @ 4..=7) if sizes & 0b1000_1111 == 0 => 1usize << (2 * code + 8),
            _ => return Err(bad("unsupported LZ4 block size")),
        };
        let descriptor_len = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
        let (descriptor, rest) = rest.split_at_checked(descriptor_len).ok_or_else(cut_short)?;
        let (&checksum, rest) = rest.split_first().ok_or_else(cut_short)?;
        if !ignore_header_checksum && checksum != (xxh32(descriptor) >> 8) as u8 {
            return Err(bad("LZ4 frame header checksum does not match"));
        }
        Ok(Self {
            rest,
            block_checksum: flags & BLOCK_CHECKSUM != 0,
            block_bytes_max,
            buffer: Vec::new(),
            block: Block::Decompressed(0),
            at: 0,
            finished: false,
        })
    }

    pub(super) fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while !self.finished && self.at >= self.block_len() {
            self.next_block()?;
        }
        Ok(&self.block()[self.at..])
    }

    pub(super) fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.block_len());
    }

    fn block(&self) -> &[u8] {
        match self.block {
            Block::Stored(bytes) => bytes,
            Block::Decompressed(len) => &self.buffer[..len],
        }
    }

    fn block_len(&self) -> usize {
        match self.block {
            Block::Stored(bytes) => bytes.len(),
            Block::Decompressed(len) => len,
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.block = Block::Decompressed(0);
        self.at = 0;
        let size = self.take_u32()?;
        let len = (size & !STORED) as usize;
        if len == 0 {
            // The end mark. A content checksum behind it is not verified, as in Kafka.
            self.finished = true;
            return Ok(());
        }
        if len > self.block_bytes_max {
            return Err(bad("LZ4 block is larger than its frame allows"));
        }
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(cut_short)?;
        self.rest = rest;
        if self.block_checksum && self.take_u32()? != xxh32(bytes) {
            return Err(bad("LZ4 block checksum does not match"));
        }
        self.block = if size & STORED != 0 { Block::Stored(bytes) } else { self.decompress(bytes)? };
        Ok(())
    }

    fn decompress(&mut self, bytes: &[u8]) -> io::Result<Block<'a>> {
        self.buffer.resize(self.block_bytes_max, 0);
        let len_max = i32::try_from(self.block_bytes_max).expect("blocks are at most 4 MiB");
        Ok(Block::Decompressed(decompress_to_buffer(bytes, Some(len_max), &mut self.buffer)?))
    }

    fn take_u32(&mut self) -> io::Result<u32> {
        let (word, rest) = self.rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*word))
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "LZ4 stream ended prematurely")
}
