//! What a connection has still to send, and the one function that sends slices of files.
//! Bytes in memory go out gathered; records of a file are read into a buffer shared by the thread, behind the header
//! bytes before them, and go out in one write. Nothing read is kept: a slow peer costs a second read, not memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use wire::{Piece, Rope};

use super::{FileRange, Records, SendPiece};

/// Bytes read from a file at once: fits the second-level cache, and most socket buffers.
const CHUNK: usize = 128 << 10;
/// Header bytes up to here are copied in front of the records they announce.
const GATHER_MAX: usize = 16 << 10;
/// Slices per gathering write.
const SLICES_MAX: usize = 64;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Frames on their way out, in order.
#[derive(Default)]
pub(super) struct Output {
    pieces: VecDeque<SendPiece>,
    memory: usize,
}

impl Output {
    /// Bytes held in memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    pub fn push_frame(&mut self, frame: Bytes) {
        self.push(Piece::Bytes(frame));
    }

    pub fn push_rope(&mut self, rope: Rope<Records>) {
        for piece in rope.pieces {
            match piece {
                Piece::Payload(Records::Memory(bytes)) => self.push(Piece::Bytes(bytes)),
                piece => self.push(piece),
            }
        }
    }

    fn push(&mut self, piece: SendPiece) {
        if !piece.is_empty() {
            self.memory += if let Piece::Bytes(bytes) = &piece { bytes.len() } else { 0 };
            self.pieces.push_back(piece);
        }
    }

    /// Sends until nothing is left or the socket takes no more.
    pub fn poll_send(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let sent = match self.leading_memory() {
                Some(len) if len <= GATHER_MAX => ready!(self.poll_send_with_file(stream, cx))?,
                _ => ready!(self.poll_send_memory(stream, cx))?,
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes in memory before the first file; `None` if there is no file.
    fn leading_memory(&self) -> Option<usize> {
        let mut len = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => len += bytes.len(),
                Piece::Payload(_) => return Some(len),
            }
        }
        None
    }

    fn poll_send_memory(&self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            let Piece::Bytes(bytes) = piece else { break };
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        match slices.get(..count) {
            Some([one]) => Pin::new(stream).poll_write(cx, one),
            Some(several) => Pin::new(stream).poll_write_vectored(cx, several),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn poll_send_with_file(&self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Asked first, so that nothing is read for a socket that takes nothing.
        ready!(stream.poll_write_ready(cx))?;
        BUFFER.with_borrow_mut(|buffer| {
            let filled = self.fill(buffer)?;
            let chunk = buffer.get(..filled).unwrap_or_default();
            Pin::new(stream).poll_write(cx, chunk)
        })
    }

    /// Copies the next bytes to send into `buffer`, as many as fit.
    fn fill(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        for piece in &self.pieces {
            let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else { break };
            filled += match piece {
                Piece::Bytes(bytes) | Piece::Payload(Records::Memory(bytes)) => copy(bytes, room),
                Piece::Payload(Records::File(range)) => read(range, room)?,
            };
        }
        Ok(filled)
    }

    fn consume(&mut self, mut sent: usize) {
        while sent > 0 {
            let Some(piece) = self.pieces.front_mut() else { return };
            let taken = sent.min(piece.len());
            sent -= taken;
            match piece {
                Piece::Bytes(bytes) | Piece::Payload(Records::Memory(bytes)) => {
                    bytes.advance(taken);
                    self.memory = self.memory.saturating_sub(taken);
                }
                Piece::Payload(Records::File(range)) => {
                    range.position += taken as u64;
                    range.len -= taken;
                }
            }
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

fn copy(bytes: &Bytes, room: &mut [u8]) -> usize {
    let len = bytes.len().min(room.len());
    let (to, _) = room.split_at_mut(len);
    let (from, _) = bytes.split_at(len);
    to.copy_from_slice(from);
    len
}

/// Reads as much of `range` as there is room for.
fn read(range: &FileRange, room: &mut [u8]) -> io::Result<usize> {
    let len = range.len.min(room.len());
    let room = room.get_mut(..len).unwrap_or_default();
    match range.file.read_exact_at(room, range.position) {
        Ok(()) => Ok(len),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::new(error.kind(), "the log was truncated while its records were being sent"))
        }
        Err(error) => Err(error),
    }
}
