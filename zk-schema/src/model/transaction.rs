//! What is written when a request goes through: the changes with every name, number and time resolved.
//! Replaying the same transactions gives the same tree, whatever the clock says then.

use std::sync::Arc;

use super::{Acl, Data, Lifetime, SessionId, Zxid};

/// One step of the tree's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Its number, one more than that before it.
    pub zxid: Zxid,
    /// The session that asked.
    pub session: SessionId,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// What changed.
    pub change: Change,
}

/// What a transaction changes.
#[expect(missing_docs, reason = "the fields are named for what they hold")]
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The session begins.
    OpenSession { timeout_ms: i32, password: Password },
    /// The session ends, and these nodes with it.
    CloseSession { ephemerals: Vec<Arc<str>> },
    /// Nodes change, one after the other.
    Nodes(Vec<NodeChange>),
}

/// What lets a client take its session to another connection.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Password(pub [u8; 16]);

impl std::fmt::Debug for Password {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Password(..)")
    }
}

/// How one node changes.
#[expect(missing_docs, reason = "the fields are named for what they hold")]
#[derive(Clone, Debug, PartialEq)]
pub enum NodeChange {
    /// It is made. `parent_creates` is how many children its parent has had, this one included.
    Create { path: Arc<str>, data: Data, acl: Arc<[Acl]>, lifetime: Lifetime, parent_creates: i32 },
    /// It is taken away.
    Delete { path: Arc<str> },
    /// Its data becomes this, under this version.
    SetData { path: Arc<str>, data: Data, version: i32 },
    /// Its ACL becomes this, under this ACL version.
    SetAcl { path: Arc<str>, acl: Arc<[Acl]>, version: i32 },
    /// Nothing; a check in a multi that held.
    Check { path: Arc<str> },
}

/// A transaction that does not fit the tree it is replayed on.
#[expect(missing_docs, reason = "the fields are named for what they hold")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The number is not the next one.
    #[error("transaction {got} follows {last}")]
    Gap { last: Zxid, got: Zxid },
    /// A node, or its parent, is not there.
    #[error("transaction {zxid} changes {path}, which does not exist")]
    NoNode { zxid: Zxid, path: Arc<str> },
    /// The session is not there.
    #[error("transaction {zxid} belongs to session {session}, which is not open")]
    NoSession { zxid: Zxid, session: SessionId },
}
