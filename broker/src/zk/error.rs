//! What can go wrong between this broker and ZooKeeper, in words of its own: the client's errors stay in this module.
//! Connection loss is not here: the gateway re-sends until there is an answer.

use std::time::Duration;

use zk_schema::BrokerId;

/// Why ZooKeeper did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The node does not exist.
    #[error("{0}: no such node")]
    NoNode(String),
    /// The node exists already.
    #[error("{0}: node exists")]
    NodeExists(String),
    /// The node's version is not the expected one.
    #[error("{0}: version mismatch")]
    BadVersion(String),
    /// The node has children.
    #[error("{0}: node has children")]
    NotEmpty(String),
    /// What the write was guarded by no longer holds.
    #[error("the guard {0} has changed")]
    Fenced(String),
    /// The request is too large for any server.
    #[error("{path}: {size_bytes} bytes do not fit into a ZooKeeper request")]
    TooLarge {
        /// The node.
        path: String,
        /// Size of the request.
        size_bytes: usize,
    },
    /// No server was reached in time.
    #[error("no connection to ZooKeeper at {connect} within {} ms", timeout.as_millis())]
    ConnectTimeout {
        /// `zookeeper.connect`.
        connect: String,
        /// `zookeeper.connection.timeout.ms`.
        timeout: Duration,
    },
    /// The gateway was closed.
    #[error("the ZooKeeper session was closed")]
    Closed,
    /// A node's content makes no sense.
    #[error(transparent)]
    Content(#[from] zk_schema::json::Error),
    /// The id is taken by another live broker.
    #[error(
        "broker id {broker} is registered by another live broker (session {owner:#x}): give this broker an id of its own"
    )]
    DuplicateBrokerId {
        /// The id.
        broker: BrokerId,
        /// Session that owns the registration.
        owner: i64,
    },
    /// A KRaft controller took over, or there is no controller: configs must not be written.
    #[error("{0}")]
    ControllerMoved(String),
    /// Anything else the server or the client said.
    #[error("{path}: {reason}")]
    Other {
        /// The node, or what was being done.
        path: String,
        /// What was said.
        reason: String,
    },
}

impl Error {
    pub(super) fn of(path: &str, error: &zookeeper_client::Error) -> Self {
        use zookeeper_client::Error as Client;
        match error {
            Client::NoNode => Self::NoNode(path.to_owned()),
            Client::NodeExists => Self::NodeExists(path.to_owned()),
            Client::BadVersion => Self::BadVersion(path.to_owned()),
            Client::NotEmpty => Self::NotEmpty(path.to_owned()),
            other => Self::Other { path: path.to_owned(), reason: other.to_string() },
        }
    }
}
