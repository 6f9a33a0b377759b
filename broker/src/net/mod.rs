//! Listeners and connections: bytes in, bytes out, in order, within bounds.
//! Knows frames but no request: whom to call with a frame is handed in as a [`RequestHandler`].
//!
//! ```text
//! socket ─▶ Input ─ frame ─▶ RequestHandler ─ Reply ─▶ Output ─▶ socket
//!           grows with       started in order,        never holds records:
//!           what arrives     answered in order        sent from their file
//! ```
//! One task per connection reads, starts requests and writes. While a peer does not take its answers nothing more of
//! it is read, so what a connection may hold is bounded on both sides.
//! Source: `SocketServer`, `Selector` and KIP-219 for the behaviour.

mod connection;
mod context;
mod input;
mod limits;
mod listener;
mod memory_pool;
mod registry;
mod send;
mod server;

use std::fmt;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::rope::Payload;
use wire::{Piece, Rope};

pub use context::{ClientSoftware, ConnectionContext};
pub use limits::ConnectionLimits;
pub use listener::ListenerSettings;
pub use server::{Network, NetworkSettings};

/// What is called with every frame.
pub trait RequestHandler: Send + Sync + 'static {
    /// Starts a request. Called in the order of the frames of a connection; `frame` comes without its size.
    fn handle<'a>(&'a self, connection: &'a ConnectionContext, frame: Bytes) -> Handling<'a>;

    /// The connection is gone and all its requests have ended.
    fn closed(&self, connection: &ConnectionContext) {
        let _ = connection;
    }
}

/// A request that has started.
pub enum Handling<'a> {
    /// And is answered.
    Done(Reply),
    /// No further request of the connection starts before this one is answered.
    Alone(ReplyFuture<'a>),
    /// Further requests may start while this one waits; answers leave in the order of the requests all the same.
    /// Whatever must happen in order has to happen before the future first waits.
    Overlapping(ReplyFuture<'a>),
}

/// A reply to come. It runs to its end even if the connection closes meanwhile, so that no change is left half made.
pub type ReplyFuture<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What becomes of the connection now that a request has been handled.
#[derive(Debug)]
pub struct Reply {
    /// What to send.
    pub body: ReplyBody,
    /// For how long nothing more is read after it is sent: a client over its quota.
    pub mute_for: Duration,
}

/// What to send.
#[derive(Debug)]
pub enum ReplyBody {
    /// A whole frame, size first.
    Frame(Bytes),
    /// A whole frame in pieces, size first.
    Rope(Rope<Records>),
    /// Nothing: the request wants no answer (Produce with acks=0).
    Nothing,
    /// Nothing: close the connection, for this reason.
    Close(String),
}

impl Reply {
    /// Sends a frame.
    #[must_use]
    pub const fn frame(frame: Bytes) -> Self {
        Self { body: ReplyBody::Frame(frame), mute_for: Duration::ZERO }
    }

    /// Closes the connection.
    #[must_use]
    pub fn close(reason: impl Into<String>) -> Self {
        Self { body: ReplyBody::Close(reason.into()), mute_for: Duration::ZERO }
    }

    /// Sends nothing and goes on.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { body: ReplyBody::Nothing, mute_for: Duration::ZERO }
    }
}

impl From<Rope<Records>> for Reply {
    fn from(rope: Rope<Records>) -> Self {
        Self { body: ReplyBody::Rope(rope), mute_for: Duration::ZERO }
    }
}

/// Records on their way to a client.
#[derive(Clone)]
pub enum Records {
    /// In memory: converted for an old client.
    Memory(Bytes),
    /// In a file, sent from there.
    File(FileRange),
}

/// Bytes of a file that stay where they are until they are sent. The file may be truncated meanwhile; then the
/// connection closes, for the promised length has been sent already.
#[derive(Clone)]
pub struct FileRange {
    /// The file.
    pub file: Arc<File>,
    /// First byte.
    pub position: u64,
    /// How many.
    pub len: usize,
}

impl Payload for Records {
    fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(range) => range.len,
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} bytes in memory", bytes.len()),
            Self::File(range) => write!(f, "{} bytes at {} of a file", range.len, range.position),
        }
    }
}

type SendPiece = Piece<Records>;

/// What went wrong with a listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host of a listener has no address.
    #[error("listener {listener}: host '{host}' cannot be resolved")]
    Resolve {
        /// Listener name.
        listener: String,
        /// Its host.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The socket cannot be bound.
    #[error("listener {listener}: socket server failed to bind to {address}")]
    Bind {
        /// Listener name.
        listener: String,
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
