//! ZooKeeper in memory: what a server answers, and the watch events it sends, request by request.
//! Pure: it sees requests and the time, and reads neither clock nor disk nor socket; the same calls give the same answers.
//! Source: ZooKeeper 3.8 (`PrepRequestProcessor` decides, `DataTree` applies, `FinalRequestProcessor` reads).
//!
//! ```
//! use zk_schema::model::{CreateMode, Model, Request};
//! let mut model = Model::new(1);
//! let session = model.connect(6_000, 0);
//! let outcome = model.apply(session, Request::create("/a", b"x", CreateMode::Ephemeral), 5);
//! assert!(outcome.reply.is_ok());
//! model.tick(7_000);
//! assert_eq!(model.data("/a"), None);
//! ```
//!
//! Every write is decided first, which may fail, and then replayed as a [`Transaction`], which may not. A server that keeps
//! the transactions comes to the same tree by replaying them.

mod acl;
mod decide;
mod error;
mod path;
mod request;
mod session;
mod stat;
mod transaction;
mod tree;
mod watch;

use std::sync::Arc;

pub use acl::{Acl, Identity, Permissions};
pub use error::Error;
pub use path::validate as validate_path;
pub use request::{
    ANY_VERSION, CreateMode, Data, Event, EventKind, Outcome, Read, Reply, Request, SetWatches, WatchKind, WatchMode,
    Write, Written,
};
pub use session::SessionImage;
pub use stat::{Lifetime, SessionId, Stat, Zxid};
pub use transaction::{Change, NodeChange, Password, ReplayError, Transaction};
pub use tree::Node;

use decide::Decider;
use session::Sessions;
use tree::{Entry, Tree};
use watch::{Kinds, Watches};

/// Watch events and whom they go to, in the order they arose.
pub type Events = Vec<(SessionId, Event)>;

/// A ZooKeeper server without its sockets and disks.
#[derive(Debug)]
pub struct Model {
    tree: Tree,
    sessions: Sessions,
    watches: Watches,
    last_zxid: Zxid,
    open: Arc<[Acl]>,
}

/// Everything a restart needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The last transaction it includes.
    pub zxid: Zxid,
    /// The id the next session gets.
    pub next_session: SessionId,
    /// Open sessions.
    pub sessions: Vec<SessionImage>,
    /// All nodes by path.
    pub nodes: Vec<(Arc<str>, Node)>,
}

impl Model {
    /// An empty server. Session deadlines are rounded up to multiples of `tick_ms`; 1 is exact.
    pub fn new(tick_ms: i64) -> Model {
        let open: Arc<[Acl]> = Acl::open().into();
        Model {
            tree: Tree::new(&open),
            sessions: Sessions::new(tick_ms),
            watches: Watches::default(),
            last_zxid: Zxid(0),
            open,
        }
    }

    /// A server as it was when the snapshot was taken; every session has its whole timeout before it from `now_ms`.
    ///
    /// # Errors
    /// The path of a node whose parent is missing.
    pub fn restore(snapshot: Snapshot, tick_ms: i64, now_ms: i64) -> Result<Model, Arc<str>> {
        let mut model = Model::new(tick_ms);
        model.tree = Tree::restore(snapshot.nodes)?;
        snapshot.sessions.into_iter().for_each(|image| model.sessions.insert(image, now_ms));
        model.sessions.set_next_id(snapshot.next_session);
        model.last_zxid = snapshot.zxid;
        Ok(model)
    }

    /// Everything a restart needs. Node data is shared, not copied: a million nodes take a fraction of a second.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            zxid: self.last_zxid,
            next_session: self.sessions.next_id(),
            sessions: self.sessions.images().collect(),
            nodes: self.tree.nodes().map(|(path, node)| (Arc::clone(path), node.clone())).collect(),
        }
    }

    /// The last transaction.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    // Sessions.

    /// Opens a session with no password to speak of, for tests and simulations.
    pub fn connect(&mut self, timeout_ms: i32, now_ms: i64) -> SessionId {
        self.open_session(timeout_ms, Password::default(), now_ms).session
    }

    /// Opens a session. Its client must show the password to come back to it.
    pub fn open_session(&mut self, timeout_ms: i32, password: Password, now_ms: i64) -> Transaction {
        let session = self.sessions.allocate(now_ms);
        let transaction = Transaction {
            zxid: self.last_zxid.next(),
            session,
            time_ms: now_ms,
            change: Change::OpenSession { timeout_ms, password },
        };
        self.replay(&transaction).expect("opening a session depends on nothing");
        transaction
    }

    /// Brings a client back to its session, under a timeout agreed anew.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] if there is no such session, or it has another password.
    pub fn reattach(
        &mut self,
        session: SessionId,
        password: Password,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Result<(), Error> {
        if !self.sessions.has_password(session, password) {
            return Err(Error::SessionExpired);
        }
        self.detach(session);
        self.sessions.set_timeout(session, timeout_ms);
        self.sessions.touch(session, now_ms);
        Ok(())
    }

    /// Forgets what belonged to the session's connection: watches and identities. The session lives on.
    pub fn detach(&mut self, session: SessionId) {
        self.watches.forget(session);
        if let Some(identities) = self.sessions.identities_mut(session) {
            identities.clear();
        }
    }

    /// Adds an identity its client has proven.
    pub fn authenticate(&mut self, session: SessionId, identity: Identity) {
        if let Some(identities) = self.sessions.identities_mut(session)
            && !identities.contains(&identity)
        {
            identities.push(identity);
        }
    }

    /// The session was heard of.
    pub fn touch(&mut self, session: SessionId, now_ms: i64) {
        self.sessions.touch(session, now_ms);
    }

    /// Gives every session its whole timeout again: the server itself was deaf.
    pub fn touch_all(&mut self, now_ms: i64) {
        self.sessions.touch_all(now_ms);
    }

    /// Whether the session is open.
    pub fn is_open(&self, session: SessionId) -> bool {
        self.sessions.contains(session)
    }

    /// Sessions that were silent for too long, the longest first.
    pub fn expired(&self, now_ms: i64) -> Vec<SessionId> {
        self.sessions.expired(now_ms)
    }

    /// Lets time pass: closes expired sessions, and deletes containers and TTL nodes whose time has come.
    /// One outcome for each of them.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Outcome> {
        let expired = self.expired(now_ms);
        let mut outcomes: Vec<Outcome> =
            expired.into_iter().map(|session| self.close_session(session, now_ms)).collect();
        outcomes.extend(self.sweep(now_ms, usize::MAX));
        outcomes
    }

    /// Deletes at most `max` containers and TTL nodes whose time has come.
    pub fn sweep(&mut self, now_ms: i64, max: usize) -> Vec<Outcome> {
        let due = self.tree.past_their_time(now_ms);
        due.into_iter().take(max).map(|path| self.delete_past_its_time(path, now_ms)).collect()
    }

    // Requests.

    /// Does what a session asks.
    pub fn apply(&mut self, session: SessionId, request: Request, now_ms: i64) -> Outcome {
        if !self.sessions.contains(session) {
            return Outcome::refused(Error::SessionExpired);
        }
        self.sessions.touch(session, now_ms);
        match request {
            Request::Write(write) => self.write(session, write, now_ms),
            Request::Multi(writes) => self.multi(session, writes, now_ms),
            Request::CloseSession => self.close_session(session, now_ms),
            Request::SetWatches(watches) => self.set_watches(session, &watches),
            read => Outcome::read(self.read(session, read)),
        }
    }

    /// Repeats a transaction decided earlier, on a server that has all those before it.
    ///
    /// # Errors
    /// If it does not follow from the tree as it is; the server is of no use afterwards.
    pub fn replay(&mut self, transaction: &Transaction) -> Result<(Vec<Written>, Events), ReplayError> {
        let &Transaction { zxid, session, time_ms, ref change } = transaction;
        if zxid != self.last_zxid.next() {
            return Err(ReplayError::Gap { last: self.last_zxid, got: zxid });
        }
        self.last_zxid = zxid;
        let mut events = Events::new();
        let mut written = Vec::new();
        match change {
            Change::OpenSession { timeout_ms, password } => {
                let image = SessionImage { id: session, timeout_ms: *timeout_ms, password: *password };
                self.sessions.insert(image, time_ms);
            }
            Change::CloseSession { ephemerals } => {
                for path in ephemerals {
                    self.change(&NodeChange::Delete { path: Arc::clone(path) }, zxid, time_ms, &mut events)?;
                }
                self.watches.forget(session);
                if !self.sessions.remove(session) {
                    return Err(ReplayError::NoSession { zxid, session });
                }
            }
            Change::Nodes(changes) => {
                for change in changes {
                    written.push(self.change(change, zxid, time_ms, &mut events)?);
                }
            }
        }
        Ok((written, events))
    }

    fn write(&mut self, session: SessionId, write: Write, now_ms: i64) -> Outcome {
        match self.decider(session).decide(write) {
            Err(error) => Outcome::refused(error),
            // A check by itself changes nothing, and takes no number.
            Ok(NodeChange::Check { .. }) => Outcome::read(Ok(Reply::Written(Written::Checked))),
            Ok(change) => self.commit(session, Change::Nodes(vec![change]), now_ms, |mut written| {
                written.pop().map_or(Reply::Done, Reply::Written)
            }),
        }
    }

    fn multi(&mut self, session: SessionId, writes: Vec<Write>, now_ms: i64) -> Outcome {
        let count = writes.len();
        let mut decider = self.decider(session);
        let mut changes = Vec::with_capacity(count);
        for (index, write) in writes.into_iter().enumerate() {
            match decider.decide(write) {
                Ok(change) => changes.push(change),
                Err(error) => return Outcome::read(Ok(Reply::MultiFailed { index, error, count })),
            }
        }
        if changes.iter().all(|change| matches!(change, NodeChange::Check { .. })) {
            return Outcome::read(Ok(Reply::Multi(vec![Written::Checked; count])));
        }
        self.commit(session, Change::Nodes(changes), now_ms, Reply::Multi)
    }

    fn close_session(&mut self, session: SessionId, now_ms: i64) -> Outcome {
        let ephemerals = self.tree.ephemerals_of(session).cloned().collect();
        self.commit(session, Change::CloseSession { ephemerals }, now_ms, |_| Reply::Done)
    }

    fn delete_past_its_time(&mut self, path: Arc<str>, now_ms: i64) -> Outcome {
        self.commit(SessionId(0), Change::Nodes(vec![NodeChange::Delete { path }]), now_ms, |_| Reply::Done)
    }

    fn commit(
        &mut self,
        session: SessionId,
        change: Change,
        now_ms: i64,
        reply: impl FnOnce(Vec<Written>) -> Reply,
    ) -> Outcome {
        let transaction = Transaction { zxid: self.last_zxid.next(), session, time_ms: now_ms, change };
        let (written, events) = self.replay(&transaction).expect("decided on this very tree");
        Outcome { reply: Ok(reply(written)), events, transaction: Some(transaction) }
    }

    fn decider(&self, session: SessionId) -> Decider<'_> {
        Decider::new(&self.tree, session, self.sessions.identities(session), &self.open)
    }

    /// Makes one change and says whom it concerns. The ACL that matters is the one before a deletion and after a creation.
    fn change(
        &mut self,
        change: &NodeChange,
        zxid: Zxid,
        now_ms: i64,
        events: &mut Events,
    ) -> Result<Written, ReplayError> {
        let missing = |path| ReplayError::NoNode { zxid, path };
        match change {
            NodeChange::Create { path, acl, .. } => {
                let written = self.tree.apply(change, zxid, now_ms).map_err(missing)?;
                let concerned = self.watches.on_data(path);
                self.tell(concerned, EventKind::Created, path, acl, events);
                self.tell_parent(path, events);
                Ok(written)
            }
            NodeChange::Delete { path } => {
                let entry = self.tree.get(path).ok_or_else(|| missing(Arc::clone(path)))?;
                let acl = Arc::clone(&entry.node.acl);
                let written = self.tree.apply(change, zxid, now_ms).map_err(missing)?;
                let concerned = self.watches.on_delete(path);
                self.tell(concerned, EventKind::Deleted, path, &acl, events);
                self.tell_parent(path, events);
                Ok(written)
            }
            NodeChange::SetData { path, .. } => {
                let written = self.tree.apply(change, zxid, now_ms).map_err(missing)?;
                let concerned = self.watches.on_data(path);
                if let Some(acl) = self.tree.get(path).map(|entry| Arc::clone(&entry.node.acl)) {
                    self.tell(concerned, EventKind::DataChanged, path, &acl, events);
                }
                Ok(written)
            }
            NodeChange::SetAcl { .. } | NodeChange::Check { .. } => {
                self.tree.apply(change, zxid, now_ms).map_err(missing)
            }
        }
    }

    fn tell_parent(&mut self, path: &str, events: &mut Events) {
        let parent = path::parent(path);
        let concerned = self.watches.on_children(parent);
        if concerned.is_empty() {
            return;
        }
        if let Some(acl) = self.tree.get(parent).map(|entry| Arc::clone(&entry.node.acl)) {
            self.tell(concerned, EventKind::ChildrenChanged, parent, &acl, events);
        }
    }

    /// A watch does not tell what its session may not read. Source: CVE-2024-23944.
    fn tell(&self, concerned: Vec<SessionId>, kind: EventKind, path: &str, acl: &[Acl], events: &mut Events) {
        if concerned.is_empty() {
            return;
        }
        let path: Arc<str> = path.into();
        let may_read =
            |&session: &SessionId| acl::check(acl, Permissions::READ, self.sessions.identities(session)).is_ok();
        let told = concerned.into_iter().filter(may_read);
        events.extend(told.map(|session| (session, Event { kind, path: Arc::clone(&path) })));
    }

    // Reads.

    fn read(&mut self, session: SessionId, request: Request) -> Result<Reply, Error> {
        match request {
            Request::GetData { path, watch } => self.get_data(session, &path, watch),
            Request::Exists { path, watch } => self.exists(session, &path, watch),
            Request::GetChildren { path, watch } => self.get_children(session, &path, watch),
            Request::GetAcl { path } => self.get_acl(session, &path),
            Request::MultiRead(reads) => {
                Ok(Reply::MultiRead(reads.into_iter().map(|read| self.read_one(session, read)).collect()))
            }
            Request::GetAllChildrenNumber { path } => {
                self.readable(session, &path)?;
                Ok(Reply::Count(i32::try_from(self.tree.descendants(&path)).unwrap_or(i32::MAX)))
            }
            Request::GetEphemerals { prefix } => Ok(Reply::Paths(self.ephemerals_below(session, prefix.trim()))),
            Request::Sync { path } => Ok(Reply::Synced(path)),
            Request::WhoAmI => Ok(Reply::Identities(self.sessions.identities(session).to_vec())),
            Request::AddWatch { path, mode } => {
                path::validate(&path)?;
                self.watches.add(session, &path, mode.into());
                Ok(Reply::Done)
            }
            Request::CheckWatches { path, kind } => {
                if self.watches.has(session, &path, kind.into()) {
                    Ok(Reply::Done)
                } else {
                    Err(Error::NoWatcher)
                }
            }
            Request::RemoveWatches { path, kind } => {
                if self.watches.remove(session, &path, kind.into()) {
                    Ok(Reply::Done)
                } else {
                    Err(Error::NoWatcher)
                }
            }
            Request::Write(_) | Request::Multi(_) | Request::SetWatches(_) | Request::CloseSession => {
                Err(Error::Unimplemented)
            }
        }
    }

    fn read_one(&mut self, session: SessionId, read: Read) -> Result<Reply, Error> {
        match read {
            Read::GetData { path } => self.get_data(session, &path, false),
            Read::GetChildren { path } => self.get_children(session, &path, false),
        }
    }

    fn get_data(&mut self, session: SessionId, path: &str, watch: bool) -> Result<Reply, Error> {
        let entry = self.readable(session, path)?;
        let reply = Reply::Data { data: entry.node.data.clone(), stat: entry.stat() };
        if watch {
            self.watches.add(session, path, Kinds::DATA);
        }
        Ok(reply)
    }

    fn exists(&mut self, session: SessionId, path: &str, watch: bool) -> Result<Reply, Error> {
        path::validate(path)?;
        if watch {
            self.watches.add(session, path, Kinds::DATA);
        }
        self.tree.get(path).map(|entry| Reply::Stat(entry.stat())).ok_or(Error::NoNode)
    }

    fn get_children(&mut self, session: SessionId, path: &str, watch: bool) -> Result<Reply, Error> {
        let entry = self.readable(session, path)?;
        let reply = Reply::Children { names: entry.children.iter().cloned().collect(), stat: entry.stat() };
        if watch {
            self.watches.add(session, path, Kinds::CHILD);
        }
        Ok(reply)
    }

    fn get_acl(&self, session: SessionId, path: &str) -> Result<Reply, Error> {
        let entry = self.tree.get(path).ok_or(Error::NoNode)?;
        let identities = self.sessions.identities(session);
        let stat = entry.stat();
        if acl::check(&entry.node.acl, Permissions::ADMIN, identities).is_ok() {
            return Ok(Reply::Acl { acl: entry.node.acl.to_vec(), stat });
        }
        acl::check(&entry.node.acl, Permissions::READ, identities)?;
        Ok(Reply::Acl { acl: acl::masked(&entry.node.acl), stat })
    }

    fn readable(&self, session: SessionId, path: &str) -> Result<&Entry, Error> {
        let entry = self.tree.get(path).ok_or(Error::NoNode)?;
        acl::check(&entry.node.acl, Permissions::READ, self.sessions.identities(session))?;
        Ok(entry)
    }

    fn ephemerals_below(&self, session: SessionId, prefix: &str) -> Vec<Arc<str>> {
        self.tree.ephemerals_of(session).filter(|path| path.starts_with(prefix)).cloned().collect()
    }

    /// Sets watches again; those whose nodes changed since are told at once instead.
    fn set_watches(&mut self, session: SessionId, watches: &SetWatches) -> Outcome {
        let mut events = Events::new();
        let mut tell = |kind, path: &str| events.push((session, Event { kind, path: path.into() }));
        for path in &watches.data {
            match self.tree.get(path) {
                None => tell(EventKind::Deleted, path),
                Some(entry) if entry.node.mzxid.0 > watches.relative_zxid => tell(EventKind::DataChanged, path),
                Some(_) => self.watches.add(session, path, Kinds::DATA),
            }
        }
        for path in &watches.exist {
            match self.tree.get(path) {
                Some(_) => tell(EventKind::Created, path),
                None => self.watches.add(session, path, Kinds::DATA),
            }
        }
        for path in &watches.child {
            match self.tree.get(path) {
                None => tell(EventKind::Deleted, path),
                Some(entry) if entry.node.pzxid.0 > watches.relative_zxid => tell(EventKind::ChildrenChanged, path),
                Some(_) => self.watches.add(session, path, Kinds::CHILD),
            }
        }
        watches.persistent.iter().for_each(|path| self.watches.add(session, path, Kinds::PERSISTENT));
        watches.persistent_recursive.iter().for_each(|path| self.watches.add(session, path, Kinds::RECURSIVE));
        Outcome { reply: Ok(Reply::Done), events, transaction: None }
    }

    // What an operator or a test looks at.

    /// A node's data, past all ACLs; `None` if there is no such node.
    pub fn data(&self, path: &str) -> Option<&[u8]> {
        self.tree.get(path).map(|entry| entry.node.data.as_deref().unwrap_or_default())
    }

    /// A node's Stat, past all ACLs.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.tree.get(path).map(Entry::stat)
    }

    /// A node's children, past all ACLs; none if there is no such node.
    pub fn children(&self, path: &str) -> Vec<Arc<str>> {
        self.tree.get(path).map(|entry| entry.children.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.tree.len()
    }

    /// How many bytes paths and data take.
    pub fn data_bytes(&self) -> u64 {
        self.tree.data_bytes()
    }

    /// How many sessions are open.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Open sessions by the time, in milliseconds since 1970, at which they expire if not heard of.
    pub fn sessions_by_deadline(&self) -> impl Iterator<Item = (i64, SessionId)> {
        self.sessions.by_deadline()
    }

    /// Ephemeral nodes by session.
    pub fn ephemerals(&self) -> impl Iterator<Item = (SessionId, impl Iterator<Item = &Arc<str>>)> {
        self.tree.ephemerals().iter().map(|(&session, paths)| (session, paths.iter()))
    }

    /// Watched paths by session.
    pub fn watches(&self) -> impl Iterator<Item = (SessionId, impl Iterator<Item = &Arc<str>>)> {
        self.watches.sessions().iter().map(|(&session, paths)| (session, paths.iter()))
    }

    /// How many paths are watched.
    pub fn watched_path_count(&self) -> usize {
        self.watches.path_count()
    }
}

impl Outcome {
    fn refused(error: Error) -> Outcome {
        Outcome { reply: Err(error), events: Vec::new(), transaction: None }
    }

    fn read(reply: Result<Reply, Error>) -> Outcome {
        Outcome { reply, events: Vec::new(), transaction: None }
    }
}

#[cfg(test)]
mod tests;
