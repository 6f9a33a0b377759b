//! Turns writes into resolved changes, or says why not. It changes nothing.
//! The writes of a multi see those before them, through what is pending.
//! Source: `PrepRequestProcessor.pRequest2Txn` of ZooKeeper 3.8, order of checks included.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::Tree;
use super::{ANY_VERSION, Acl, CreateMode, Data, Error, Identity, Lifetime, NodeChange, Permissions, SessionId, Write};
use super::{acl, path};

/// Decides the writes of one request.
pub(super) struct Decider<'a> {
    tree: &'a Tree,
    session: SessionId,
    identities: &'a [Identity],
    open: &'a Arc<[Acl]>,
    /// Nodes as they will be after the writes decided so far; `None` is a node that will be gone.
    pending: BTreeMap<Arc<str>, Option<Shadow>>,
}

/// What of a node matters to later writes.
#[derive(Clone)]
struct Shadow {
    acl: Arc<[Acl]>,
    lifetime: Lifetime,
    version: i32,
    acl_version: i32,
    creates: i32,
    children: usize,
}

impl<'a> Decider<'a> {
    pub fn new(tree: &'a Tree, session: SessionId, identities: &'a [Identity], open: &'a Arc<[Acl]>) -> Decider<'a> {
        Decider { tree, session, identities, open, pending: BTreeMap::new() }
    }

    pub fn decide(&mut self, write: Write) -> Result<NodeChange, Error> {
        match write {
            Write::Create { path, data, acl, mode } => self.create(path, data, &acl, mode),
            Write::Delete { path, version } => self.delete(path, version),
            Write::SetData { path, data, version } => self.set_data(path, data, version),
            Write::SetAcl { path, acl, version } => self.set_acl(path, &acl, version),
            Write::Check { path, version } => self.check(path, version),
        }
    }

    fn create(&mut self, path: String, data: Data, acl: &[Acl], mode: CreateMode) -> Result<NodeChange, Error> {
        let lifetime = mode.lifetime(self.session)?;
        if !path.starts_with('/') {
            return Err(Error::BadArguments);
        }
        let parent_path = path::parent(&path);
        let acl = self.resolve_acl(acl)?;
        let mut parent = self.node(parent_path)?;
        self.allow(&parent, Permissions::CREATE)?;
        let parent_path = Arc::from(parent_path);
        let path = if mode.is_sequential() { format!("{path}{:010}", parent.creates) } else { path };
        path::validate(&path)?;
        if self.node(&path).is_ok() {
            return Err(Error::NodeExists);
        }
        if matches!(parent.lifetime, Lifetime::Ephemeral(_)) {
            return Err(Error::NoChildrenForEphemerals);
        }
        parent.creates = parent.creates.wrapping_add(1);
        parent.children += 1;
        let parent_creates = parent.creates;
        let path: Arc<str> = path.into();
        let made = Shadow { acl: Arc::clone(&acl), lifetime, version: 0, acl_version: 0, creates: 0, children: 0 };
        self.pending.insert(parent_path, Some(parent));
        self.pending.insert(Arc::clone(&path), Some(made));
        Ok(NodeChange::Create { path, data, acl, lifetime, parent_creates })
    }

    fn delete(&mut self, path: String, version: i32) -> Result<NodeChange, Error> {
        if !path.starts_with('/') || path::is_reserved(&path) {
            return Err(Error::BadArguments);
        }
        let mut parent = self.node(path::parent(&path))?;
        let node = self.node(&path)?;
        self.allow(&parent, Permissions::DELETE)?;
        expect_version(version, node.version)?;
        if node.children > 0 {
            return Err(Error::NotEmpty);
        }
        parent.children -= 1;
        self.pending.insert(path::parent(&path).into(), Some(parent));
        let path: Arc<str> = path.into();
        self.pending.insert(Arc::clone(&path), None);
        Ok(NodeChange::Delete { path })
    }

    fn set_data(&mut self, path: String, data: Data, version: i32) -> Result<NodeChange, Error> {
        path::validate(&path)?;
        let mut node = self.node(&path)?;
        self.allow(&node, Permissions::WRITE)?;
        expect_version(version, node.version)?;
        node.version = next_version(node.version);
        let version = node.version;
        let path: Arc<str> = path.into();
        self.pending.insert(Arc::clone(&path), Some(node));
        Ok(NodeChange::SetData { path, data, version })
    }

    fn set_acl(&mut self, path: String, acl: &[Acl], version: i32) -> Result<NodeChange, Error> {
        path::validate(&path)?;
        let acl = self.resolve_acl(acl)?;
        let mut node = self.node(&path)?;
        self.allow(&node, Permissions::ADMIN)?;
        expect_version(version, node.acl_version)?;
        node.acl_version = next_version(node.acl_version);
        node.acl = Arc::clone(&acl);
        let version = node.acl_version;
        let path: Arc<str> = path.into();
        self.pending.insert(Arc::clone(&path), Some(node));
        Ok(NodeChange::SetAcl { path, acl, version })
    }

    fn check(&self, path: String, version: i32) -> Result<NodeChange, Error> {
        path::validate(&path)?;
        let node = self.node(&path)?;
        self.allow(&node, Permissions::READ)?;
        expect_version(version, node.version)?;
        Ok(NodeChange::Check { path: path.into() })
    }

    fn node(&self, path: &str) -> Result<Shadow, Error> {
        if let Some(pending) = self.pending.get(path) {
            return pending.clone().ok_or(Error::NoNode);
        }
        let entry = self.tree.get(path).ok_or(Error::NoNode)?;
        Ok(Shadow {
            acl: Arc::clone(&entry.node.acl),
            lifetime: entry.node.lifetime,
            version: entry.node.version,
            acl_version: entry.node.acl_version,
            creates: entry.node.creates,
            children: entry.children.len(),
        })
    }

    fn allow(&self, node: &Shadow, wanted: Permissions) -> Result<(), Error> {
        acl::check(&node.acl, wanted, self.identities)
    }

    /// Almost every node is open to all; those share one ACL in memory.
    fn resolve_acl(&self, acl: &[Acl]) -> Result<Arc<[Acl]>, Error> {
        let resolved = acl::resolve(acl, self.identities)?;
        if resolved == **self.open { Ok(Arc::clone(self.open)) } else { Ok(resolved.into()) }
    }
}

fn expect_version(expected: i32, actual: i32) -> Result<(), Error> {
    if expected == ANY_VERSION || expected == actual { Ok(()) } else { Err(Error::BadVersion) }
}

/// The version after this one, stepping over the number that means any version.
fn next_version(version: i32) -> i32 {
    match version.wrapping_add(1) {
        ANY_VERSION => 0,
        next => next,
    }
}
