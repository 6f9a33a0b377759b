//! What a client may ask, and what it is answered.
//! Knows no byte of the wire: whoever speaks to the client translates.

use std::sync::Arc;

use super::{Acl, Error, Identity, Lifetime, SessionId, Stat, Transaction};

/// A node's data. ZooKeeper tells no data from empty data, so we keep the difference too.
pub type Data = Option<Arc<[u8]>>;

/// One request of a session.
#[expect(missing_docs, reason = "the fields are ZooKeeper's own words, and each variant says what it does with them")]
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// One write.
    Write(Write),
    /// Several writes, all or none.
    Multi(Vec<Write>),
    /// One read; leaves a one-shot data watch if asked.
    GetData { path: String, watch: bool },
    /// The node's Stat; leaves a one-shot data watch if asked, also on a node that does not exist.
    Exists { path: String, watch: bool },
    /// The names of the children; leaves a one-shot child watch if asked.
    GetChildren { path: String, watch: bool },
    /// The node's ACL.
    GetAcl { path: String },
    /// Several reads, each with its own result.
    MultiRead(Vec<Read>),
    /// How many nodes there are below this one.
    GetAllChildrenNumber { path: String },
    /// The session's own ephemeral nodes below a prefix.
    GetEphemerals { prefix: String },
    /// A reply that comes after everything written before.
    Sync { path: String },
    /// The identities of the session.
    WhoAmI,
    /// A watch that stays.
    AddWatch { path: String, mode: WatchMode },
    /// Whether the session has such a watch.
    CheckWatches { path: String, kind: WatchKind },
    /// Takes watches away.
    RemoveWatches { path: String, kind: WatchKind },
    /// Sets watches again after a reconnect.
    SetWatches(SetWatches),
    /// Ends the session and its ephemeral nodes.
    CloseSession,
}

/// One write.
#[expect(missing_docs, reason = "the fields are ZooKeeper's own words, and each variant says what it does with them")]
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Makes a node.
    Create { path: String, data: Data, acl: Vec<Acl>, mode: CreateMode },
    /// Takes a childless node away.
    Delete { path: String, version: i32 },
    /// Sets a node's data.
    SetData { path: String, data: Data, version: i32 },
    /// Sets a node's ACL.
    SetAcl { path: String, acl: Vec<Acl>, version: i32 },
    /// Writes nothing, but fails unless the node has that version.
    Check { path: String, version: i32 },
}

/// The version that matches every version.
pub const ANY_VERSION: i32 = -1;

/// One read of a multi-read.
#[expect(missing_docs, reason = "the fields are ZooKeeper's own words, and each variant says what it does with them")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The node's data.
    GetData { path: String },
    /// The names of its children.
    GetChildren { path: String },
}

/// What kind of node to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateMode {
    /// Stays.
    Persistent,
    /// Stays; its name gets a number.
    PersistentSequential,
    /// Goes with the session.
    Ephemeral,
    /// Goes with the session; its name gets a number.
    EphemeralSequential,
    /// Goes after its last child.
    Container,
    /// Goes when left alone for so many milliseconds.
    PersistentTtl(i64),
    /// Goes when left alone for so many milliseconds; its name gets a number.
    PersistentSequentialTtl(i64),
}

impl CreateMode {
    /// Whether the name gets a number.
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential | CreateMode::PersistentSequentialTtl(_)
        )
    }

    pub(super) fn lifetime(self, session: SessionId) -> Result<Lifetime, Error> {
        match self {
            CreateMode::Persistent | CreateMode::PersistentSequential => Ok(Lifetime::Persistent),
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => Ok(Lifetime::Ephemeral(session)),
            CreateMode::Container => Ok(Lifetime::Container),
            CreateMode::PersistentTtl(ttl_ms) | CreateMode::PersistentSequentialTtl(ttl_ms) => {
                let in_range = 0 < ttl_ms && ttl_ms <= Lifetime::TTL_MS_MAX;
                if in_range { Ok(Lifetime::Ttl(ttl_ms)) } else { Err(Error::BadArguments) }
            }
        }
    }
}

/// How a watch that stays looks at the nodes below its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// This node's data and children.
    Persistent,
    /// This node and all below, without child events.
    PersistentRecursive,
}

/// Which watches on a path are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// One-shot child watches.
    Children,
    /// One-shot data watches.
    Data,
    /// All of them.
    Any,
    /// Persistent watches.
    Persistent,
    /// Persistent recursive watches.
    PersistentRecursive,
}

/// The watches a client had before its connection broke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetWatches {
    /// The last transaction the client knows; what changed since is told at once.
    pub relative_zxid: i64,
    /// Data watches on nodes that existed.
    pub data: Vec<String>,
    /// Data watches on nodes that did not exist.
    pub exist: Vec<String>,
    /// Child watches.
    pub child: Vec<String>,
    /// Persistent watches.
    pub persistent: Vec<String>,
    /// Persistent recursive watches.
    pub persistent_recursive: Vec<String>,
}

/// What the model did with a request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub reply: Result<Reply, Error>,
    /// Watch events in the order they arose. They go out before the reply.
    pub events: Vec<(SessionId, Event)>,
    /// What was written, if anything: whoever keeps a log writes it there before the reply goes out.
    pub transaction: Option<Transaction>,
}

/// An answer.
#[expect(missing_docs, reason = "the fields are ZooKeeper's own words, and each variant says what it does with them")]
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// One write went through.
    Written(Written),
    /// All writes of a multi went through.
    Multi(Vec<Written>),
    /// The write at `index` of a multi of `count` failed, and nothing was written.
    MultiFailed { index: usize, error: Error, count: usize },
    /// A node's data.
    Data { data: Data, stat: Stat },
    /// A node's Stat.
    Stat(Stat),
    /// A node's children, in alphabetical order.
    Children { names: Vec<Arc<str>>, stat: Stat },
    /// A node's ACL; digests are hidden from those who may not administer it.
    Acl { acl: Vec<Acl>, stat: Stat },
    /// One result per read.
    MultiRead(Vec<Result<Reply, Error>>),
    /// How many nodes.
    Count(i32),
    /// Paths.
    Paths(Vec<Arc<str>>),
    /// The path given to sync.
    Synced(String),
    /// Who the session is.
    Identities(Vec<Identity>),
    /// Done, and nothing to add.
    Done,
}

/// What one write did.
#[expect(missing_docs, reason = "the fields are ZooKeeper's own words, and each variant says what it does with them")]
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// Made a node; the path has its number if sequential.
    Created { path: Arc<str>, stat: Stat },
    /// Took a node away.
    Deleted,
    /// Set data or ACL.
    Set(Stat),
    /// Found the version as expected.
    Checked,
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which node.
    pub path: Arc<str>,
}

/// What happened to a watched node; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was made.
    Created = 1,
    /// It was taken away.
    Deleted = 2,
    /// Its data was set.
    DataChanged = 3,
    /// A child was made or taken away.
    ChildrenChanged = 4,
}

/// Short forms for what tests and simulations ask most.
impl Request {
    /// Creates an open node.
    pub fn create(path: &str, data: &[u8], mode: CreateMode) -> Request {
        Request::Write(Write::create(path, data, mode))
    }

    /// Deletes a node of any version.
    pub fn delete(path: &str) -> Request {
        Request::Write(Write::Delete { path: path.to_owned(), version: ANY_VERSION })
    }

    /// Sets data, if the version matches.
    pub fn set_data(path: &str, data: &[u8], version: i32) -> Request {
        Request::Write(Write::set_data(path, data, version))
    }

    /// Reads data without a watch.
    pub fn get_data(path: &str) -> Request {
        Request::GetData { path: path.to_owned(), watch: false }
    }

    /// Lists children without a watch.
    pub fn get_children(path: &str) -> Request {
        Request::GetChildren { path: path.to_owned(), watch: false }
    }
}

impl Write {
    /// Creates an open node.
    pub fn create(path: &str, data: &[u8], mode: CreateMode) -> Write {
        Write::Create { path: path.to_owned(), data: Some(data.into()), acl: Acl::open(), mode }
    }

    /// Sets data, if the version matches.
    pub fn set_data(path: &str, data: &[u8], version: i32) -> Write {
        Write::SetData { path: path.to_owned(), data: Some(data.into()), version }
    }

    /// Requires a version.
    pub fn check(path: &str, version: i32) -> Write {
        Write::Check { path: path.to_owned(), version }
    }
}
