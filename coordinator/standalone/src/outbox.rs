//! What waits to be sent on one connection, in order, each piece until the transaction it depends on is synced.
//! Never sends. It is bounded: the connection reads no more while it is full, and ends if events overflow it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use zk_schema::model::Zxid;

use crate::disk::Durable;

/// Bytes after which no further request of the connection is answered.
const FULL_BYTES: usize = 4 << 20;
/// Pieces after which no further request of the connection is answered.
const FULL_PIECES: usize = 4096;
/// Bytes after which the connection ends: its client does not read its events.
const OVERFLOW_BYTES: usize = 64 << 20;
/// Pieces after which the connection ends.
const OVERFLOW_PIECES: usize = 1 << 18;
/// Bytes sent by one write, unless a single piece is larger.
const SEND_BYTES: usize = 256 << 10;

#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    ready: Notify,
    room: Notify,
}

#[derive(Default)]
struct Inner {
    pieces: VecDeque<Piece>,
    bytes: usize,
    finished: bool,
}

struct Piece {
    zxid: Zxid,
    bytes: Vec<u8>,
    packets: u64,
    received: Option<Instant>,
}

/// Bytes to be sent now.
#[derive(Default)]
pub struct Batch {
    pub bytes: Vec<u8>,
    /// Packets in them.
    pub packets: u64,
    /// For replies, when their requests came, and how many they are.
    pub replies: Vec<(Instant, u64)>,
}

impl Outbox {
    /// Adds one packet that may leave once `zxid` is synced. Packets with one condition share a piece.
    pub fn push(&self, zxid: Zxid, received: Option<Instant>, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let joins = |piece: &Piece| piece.zxid == zxid && piece.received == received && piece.bytes.len() < SEND_BYTES;
        if !inner.pieces.back().is_some_and(joins) {
            inner.pieces.push_back(Piece { zxid, bytes: Vec::new(), packets: 0, received });
        }
        if let Some(piece) = inner.pieces.back_mut() {
            let before = piece.bytes.len();
            encode(&mut piece.bytes);
            piece.packets += 1;
            inner.bytes += piece.bytes.len() - before;
        }
        drop(guard);
        self.ready.notify_one();
    }

    /// Whether another request may be answered.
    pub fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.bytes < FULL_BYTES && inner.pieces.len() < FULL_PIECES
    }

    /// Waits until another request may be answered.
    pub async fn room(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    /// Whether more waits than any client that reads would leave waiting.
    pub fn overflows(&self) -> bool {
        let inner = self.lock();
        OVERFLOW_BYTES < inner.bytes || OVERFLOW_PIECES < inner.pieces.len()
    }

    /// Packets that wait.
    pub fn waiting(&self) -> u64 {
        self.lock().pieces.iter().map(|piece| piece.packets).sum()
    }

    /// Nothing more will be added.
    pub fn finish(&self) {
        self.lock().finished = true;
        self.ready.notify_one();
    }

    /// The transaction the next piece depends on; `None` when all is sent and nothing more comes.
    pub async fn next(&self) -> Option<Zxid> {
        loop {
            {
                let inner = self.lock();
                if let Some(piece) = inner.pieces.front() {
                    return Some(piece.zxid);
                }
                if inner.finished {
                    return None;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Takes what may leave now.
    pub fn take(&self, durable: Durable) -> Batch {
        let mut inner = self.lock();
        let mut batch = Batch::default();
        while let Some(piece) = inner.pieces.pop_front_if(|piece| durable.covers(piece.zxid)) {
            inner.bytes -= piece.bytes.len();
            batch.packets += piece.packets;
            batch.replies.extend(piece.received.map(|received| (received, piece.packets)));
            if batch.bytes.is_empty() {
                batch.bytes = piece.bytes;
            } else {
                batch.bytes.extend_from_slice(&piece.bytes);
            }
            if SEND_BYTES <= batch.bytes.len() {
                break;
            }
        }
        drop(inner);
        self.room.notify_one();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_before_its_transaction_is_synced_nor_past_what_waits() {
        let outbox = Outbox::default();
        outbox.push(Zxid(5), None, |out| out.push(b'a'));
        outbox.push(Zxid(7), None, |out| out.push(b'b'));
        outbox.push(Zxid(5), None, |out| out.push(b'c'));
        assert_eq!(outbox.take(Durable::UpTo(Zxid(4))).bytes, b"");
        assert_eq!(outbox.take(Durable::UpTo(Zxid(6))).bytes, b"a");
        assert_eq!(outbox.take(Durable::Failed).bytes, b"");
        assert_eq!(outbox.take(Durable::UpTo(Zxid(7))).bytes, b"bc");
    }

    #[test]
    fn a_client_that_does_not_read_fills_it() {
        let outbox = Outbox::default();
        outbox.push(Zxid(0), None, |out| out.resize(FULL_BYTES, 0));
        assert!(!outbox.has_room() && !outbox.overflows());
        outbox.push(Zxid(0), None, |out| out.resize(OVERFLOW_BYTES, 0));
        assert!(outbox.overflows());
    }
}
