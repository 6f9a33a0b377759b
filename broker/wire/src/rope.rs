//! A frame in pieces: encoded bytes, and payloads that are sent from where they lie.
//! Holds pieces in order and knows their length; sends nothing.

use bytes::Bytes;

/// Something sent without being encoded: records in memory, or a slice of a segment file.
pub trait Payload {
    /// Length in bytes. Must not change once the payload is in a rope: the frame's size counts it.
    fn len(&self) -> usize;

    /// Whether there is nothing to send.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Payload for Bytes {
    fn len(&self) -> usize {
        Self::len(self)
    }
}

/// One piece of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<R> {
    /// Encoded bytes.
    Bytes(Bytes),
    /// A payload, sent from where it lies.
    Payload(R),
}

impl<R: Payload> Piece<R> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Payload(payload) => payload.len(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A whole frame in pieces, its size first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rope<R> {
    /// In the order they are sent.
    pub pieces: Vec<Piece<R>>,
}

impl<R: Payload> Rope<R> {
    /// Length in bytes, size prefix included.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R> From<Bytes> for Rope<R> {
    fn from(frame: Bytes) -> Self {
        Self { pieces: vec![Piece::Bytes(frame)] }
    }
}
