//! The nodes, and the only code that changes them: [`Tree::apply`].
//! Never refuses a change for being unwise; `decide.rs` did that before.
//! Source: `DataTree` of ZooKeeper 3.8.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::{Acl, Data, Lifetime, NodeChange, SessionId, Stat, Written, Zxid, path};

/// A node without its children: what a snapshot keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Data.
    pub data: Data,
    /// Who may do what.
    pub acl: Arc<[Acl]>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Transaction that created it.
    pub czxid: Zxid,
    /// Transaction that last set its data.
    pub mzxid: Zxid,
    /// Transaction that last changed its children.
    pub pzxid: Zxid,
    /// When it was created, in milliseconds since 1970.
    pub ctime_ms: i64,
    /// When its data was last set, in milliseconds since 1970.
    pub mtime_ms: i64,
    /// How often its data was set.
    pub version: i32,
    /// How often its ACL was set.
    pub acl_version: i32,
    /// How many children it has had; the next sequential name has this number.
    pub creates: i32,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub node: Node,
    pub children: BTreeSet<Arc<str>>,
}

impl Entry {
    pub fn stat(&self) -> Stat {
        let node = &self.node;
        let num_children = count(self.children.len());
        Stat {
            czxid: node.czxid.0,
            mzxid: node.mzxid.0,
            ctime: node.ctime_ms,
            mtime: node.mtime_ms,
            version: node.version,
            // Creates and deletes together: every child ever made, less those still here, was deleted.
            cversion: node.creates.wrapping_mul(2).wrapping_sub(num_children),
            aversion: node.acl_version,
            ephemeral_owner: node.lifetime.shown_owner(),
            data_length: node.data.as_ref().map_or(0, |data| count(data.len())),
            num_children,
            pzxid: node.pzxid.0,
        }
    }
}

/// All nodes by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: BTreeMap<Arc<str>, Entry>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
    /// Containers and TTL nodes: those that may have to go by themselves.
    passing: BTreeSet<Arc<str>>,
    data_bytes: u64,
}

impl Tree {
    /// The root and ZooKeeper's own nodes.
    pub fn new(open: &Arc<[Acl]>) -> Tree {
        let node = Node {
            data: None,
            acl: Arc::clone(open),
            lifetime: Lifetime::Persistent,
            czxid: Zxid(0),
            mzxid: Zxid(0),
            pzxid: Zxid(0),
            ctime_ms: 0,
            mtime_ms: 0,
            version: 0,
            acl_version: 0,
            creates: 0,
        };
        let nodes =
            ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].map(|path| (path.into(), node.clone()));
        Tree::restore(nodes.into()).expect("every one of these has its parent among them")
    }

    /// A tree of these nodes, in any order. Returns the path of one without a parent.
    pub fn restore(nodes: Vec<(Arc<str>, Node)>) -> Result<Tree, Arc<str>> {
        let mut tree = Tree::default();
        for (path, node) in nodes {
            tree.insert(path, node);
        }
        let paths: Vec<Arc<str>> = tree.entries.keys().cloned().collect();
        for path in paths.iter().filter(|path| &***path != "/") {
            let parent = tree.entries.get_mut(path::parent(path)).ok_or_else(|| Arc::clone(path))?;
            parent.children.insert(path::name(path).into());
        }
        if tree.entries.contains_key("/") { Ok(tree) } else { Err("/".into()) }
    }

    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub fn nodes(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.entries.iter().map(|(path, entry)| (path, &entry.node))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    pub fn ephemerals(&self) -> &BTreeMap<SessionId, BTreeSet<Arc<str>>> {
        &self.ephemerals
    }

    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &Arc<str>> {
        self.ephemerals.get(&session).into_iter().flatten()
    }

    /// How many nodes lie below a path.
    pub fn descendants(&self, path: &str) -> usize {
        if path == "/" {
            return self.entries.len().saturating_sub(1);
        }
        let prefix = format!("{path}/");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        self.entries.range::<str, _>(from).take_while(|(below, _)| below.starts_with(&prefix)).count()
    }

    /// Containers that lost their last child and TTL nodes left alone too long.
    pub fn past_their_time(&self, now_ms: i64) -> Vec<Arc<str>> {
        self.passing.iter().filter(|path| self.is_past_its_time(path, now_ms)).cloned().collect()
    }

    /// Whether a container or TTL node must go.
    pub fn is_past_its_time(&self, path: &str, now_ms: i64) -> bool {
        let Some(entry) = self.entries.get(path) else { return false };
        let is_due = match entry.node.lifetime {
            Lifetime::Container => entry.node.creates > 0,
            Lifetime::Ttl(ttl_ms) => now_ms.saturating_sub(entry.node.mtime_ms) > ttl_ms,
            Lifetime::Persistent | Lifetime::Ephemeral(_) => false,
        };
        is_due && entry.children.is_empty()
    }

    /// Makes one change. The error is the path that was missing.
    pub fn apply(&mut self, change: &NodeChange, zxid: Zxid, now_ms: i64) -> Result<Written, Arc<str>> {
        match change {
            NodeChange::Create { path, data, acl, lifetime, parent_creates } => {
                let node = Node {
                    data: data.clone(),
                    acl: Arc::clone(acl),
                    lifetime: *lifetime,
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime_ms: now_ms,
                    mtime_ms: now_ms,
                    version: 0,
                    acl_version: 0,
                    creates: 0,
                };
                self.create(path, node, *parent_creates)
            }
            NodeChange::Delete { path } => self.delete(path, zxid),
            NodeChange::SetData { path, data, version } => self.set_data(path, data, *version, zxid, now_ms),
            NodeChange::SetAcl { path, acl, version } => {
                let entry = self.entries.get_mut(path).ok_or_else(|| Arc::clone(path))?;
                entry.node.acl = Arc::clone(acl);
                entry.node.acl_version = *version;
                Ok(Written::Set(entry.stat()))
            }
            NodeChange::Check { .. } => Ok(Written::Checked),
        }
    }

    fn create(&mut self, path: &Arc<str>, node: Node, parent_creates: i32) -> Result<Written, Arc<str>> {
        let parent = self.entries.get_mut(path::parent(path)).ok_or_else(|| Arc::from(path::parent(path)))?;
        parent.children.insert(path::name(path).into());
        parent.node.creates = parent_creates;
        parent.node.pzxid = node.czxid;
        self.insert(Arc::clone(path), node);
        let stat = self.entries.get(path).map(Entry::stat).unwrap_or_default();
        Ok(Written::Created { path: Arc::clone(path), stat })
    }

    fn insert(&mut self, path: Arc<str>, node: Node) {
        match node.lifetime {
            Lifetime::Persistent => {}
            Lifetime::Ephemeral(session) => {
                self.ephemerals.entry(session).or_default().insert(Arc::clone(&path));
            }
            Lifetime::Container | Lifetime::Ttl(_) => {
                self.passing.insert(Arc::clone(&path));
            }
        }
        self.data_bytes += size(&path, &node.data);
        self.entries.insert(path, Entry { node, children: BTreeSet::new() });
    }

    fn delete(&mut self, path: &Arc<str>, zxid: Zxid) -> Result<Written, Arc<str>> {
        let entry = self.entries.remove(path).ok_or_else(|| Arc::clone(path))?;
        self.data_bytes -= size(path, &entry.node.data);
        match entry.node.lifetime {
            Lifetime::Persistent => {}
            Lifetime::Ephemeral(session) => self.forget_ephemeral(session, path),
            Lifetime::Container | Lifetime::Ttl(_) => {
                self.passing.remove(path);
            }
        }
        let parent = self.entries.get_mut(path::parent(path)).ok_or_else(|| Arc::from(path::parent(path)))?;
        parent.children.remove(path::name(path));
        parent.node.pzxid = zxid;
        Ok(Written::Deleted)
    }

    fn forget_ephemeral(&mut self, session: SessionId, path: &str) {
        let Some(paths) = self.ephemerals.get_mut(&session) else { return };
        paths.remove(path);
        if paths.is_empty() {
            self.ephemerals.remove(&session);
        }
    }

    fn set_data(
        &mut self,
        path: &Arc<str>,
        data: &Data,
        version: i32,
        zxid: Zxid,
        now_ms: i64,
    ) -> Result<Written, Arc<str>> {
        let entry = self.entries.get_mut(path).ok_or_else(|| Arc::clone(path))?;
        self.data_bytes -= size(path, &entry.node.data);
        self.data_bytes += size(path, data);
        entry.node.data = data.clone();
        entry.node.version = version;
        entry.node.mzxid = zxid;
        entry.node.mtime_ms = now_ms;
        Ok(Written::Set(entry.stat()))
    }
}

fn size(path: &str, data: &Data) -> u64 {
    let data = data.as_ref().map_or(0, |data| data.len());
    u64::try_from(path.len() + data).unwrap_or(u64::MAX)
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
