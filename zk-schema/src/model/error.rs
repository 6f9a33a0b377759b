//! The errors ZooKeeper answers with, and their numbers on the wire.
//! Never carries text for people: a client is told the number, and knows which request it sent.
//! Source: `KeeperException.Code` of ZooKeeper 3.8.

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[repr(i32)]
pub enum Error {
    /// An operation of a multi that comes after the one that failed.
    #[error("not tried: an earlier operation of the same multi failed")]
    RuntimeInconsistency = -2,
    /// The request's bytes do not say what its operation needs.
    #[error("the request cannot be decoded")]
    MarshallingError = -5,
    /// The server has no such operation.
    #[error("the operation is not implemented")]
    Unimplemented = -6,
    /// A path, flag or time to live outside what is allowed.
    #[error("bad arguments")]
    BadArguments = -8,
    /// The node, or the parent it needs, does not exist.
    #[error("no node")]
    NoNode = -101,
    /// None of the session's identities may do this here.
    #[error("not authorised")]
    NoAuth = -102,
    /// The version given is not the node's.
    #[error("bad version")]
    BadVersion = -103,
    /// The parent is an ephemeral node.
    #[error("an ephemeral node cannot have children")]
    NoChildrenForEphemerals = -108,
    /// There is a node of that path already.
    #[error("the node exists")]
    NodeExists = -110,
    /// A node with children cannot be deleted.
    #[error("the node has children")]
    NotEmpty = -111,
    /// The session is closed or was never opened.
    #[error("the session has expired")]
    SessionExpired = -112,
    /// An ACL that is empty, or names an unknown scheme or a malformed id.
    #[error("invalid ACL")]
    InvalidAcl = -114,
    /// The scheme is unknown, or its proof does not hold.
    #[error("authentication failed")]
    AuthFailed = -115,
    /// The session has no such watch.
    #[error("no watcher")]
    NoWatcher = -121,
}

impl Error {
    /// The number of this error in a reply.
    pub fn code(self) -> i32 {
        self as i32
    }
}
