//! The watches of every session, and whom a change concerns.
//! Never knows what the nodes look like: it is told what happened to which path.
//! Source: `WatchManager` and `DataTree` of ZooKeeper 3.8. As there, a session with several watches on one change hears of
//! it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{SessionId, WatchKind, WatchMode, path};

/// A set of kinds of watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub const DATA: Kinds = Kinds(1);
    pub const CHILD: Kinds = Kinds(2);
    pub const PERSISTENT: Kinds = Kinds(4);
    pub const RECURSIVE: Kinds = Kinds(8);
    const ALL: Kinds = Kinds(15);

    fn meet(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }
}

impl From<WatchKind> for Kinds {
    fn from(kind: WatchKind) -> Kinds {
        match kind {
            WatchKind::Children => Kinds::CHILD,
            WatchKind::Data => Kinds::DATA,
            WatchKind::Any => Kinds::ALL,
            WatchKind::Persistent => Kinds::PERSISTENT,
            WatchKind::PersistentRecursive => Kinds::RECURSIVE,
        }
    }
}

impl From<WatchMode> for Kinds {
    fn from(mode: WatchMode) -> Kinds {
        match mode {
            WatchMode::Persistent => Kinds::PERSISTENT,
            WatchMode::PersistentRecursive => Kinds::RECURSIVE,
        }
    }
}

/// All watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_path: BTreeMap<Arc<str>, BTreeMap<SessionId, Kinds>>,
    by_session: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
    recursive: usize,
}

impl Watches {
    pub fn add(&mut self, session: SessionId, path: &str, kinds: Kinds) {
        let path = match self.by_path.get_key_value(path) {
            Some((path, _)) => Arc::clone(path),
            None => Arc::from(path),
        };
        let held = self.by_path.entry(Arc::clone(&path)).or_default().entry(session).or_default();
        if kinds.meet(Kinds::RECURSIVE) && !held.meet(Kinds::RECURSIVE) {
            self.recursive += 1;
        }
        *held = held.with(kinds);
        self.by_session.entry(session).or_default().insert(path);
    }

    pub fn has(&self, session: SessionId, path: &str, kinds: Kinds) -> bool {
        self.by_path.get(path).and_then(|watchers| watchers.get(&session)).is_some_and(|held| held.meet(kinds))
    }

    /// Takes watches away, and says whether there were any.
    pub fn remove(&mut self, session: SessionId, path: &str, kinds: Kinds) -> bool {
        let Some(watchers) = self.by_path.get_mut(path) else { return false };
        let Some(held) = watchers.get_mut(&session) else { return false };
        let had = held.meet(kinds);
        if held.meet(Kinds::RECURSIVE) && kinds.meet(Kinds::RECURSIVE) {
            self.recursive -= 1;
        }
        *held = held.without(kinds);
        if *held != Kinds::default() {
            return had;
        }
        watchers.remove(&session);
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
        if let Some(paths) = self.by_session.get_mut(&session) {
            paths.remove(path);
            if paths.is_empty() {
                self.by_session.remove(&session);
            }
        }
        had
    }

    pub fn forget(&mut self, session: SessionId) {
        for path in self.by_session.get(&session).cloned().unwrap_or_default() {
            self.remove(session, &path, Kinds::ALL);
        }
    }

    /// Whom it concerns that a node was created or its data set.
    pub fn on_data(&mut self, path: &str) -> Vec<SessionId> {
        self.fire(path, Kinds::DATA, true)
    }

    /// Whom it concerns that a node was deleted: watchers of its data and of its children.
    pub fn on_delete(&mut self, path: &str) -> Vec<SessionId> {
        self.fire(path, Kinds::DATA.with(Kinds::CHILD), true)
    }

    /// Whom it concerns that a node has other children.
    pub fn on_children(&mut self, path: &str) -> Vec<SessionId> {
        self.fire(path, Kinds::CHILD, false)
    }

    /// Sessions with watches, and what they watch.
    pub fn sessions(&self) -> &BTreeMap<SessionId, BTreeSet<Arc<str>>> {
        &self.by_session
    }

    /// How many paths are watched.
    pub fn path_count(&self) -> usize {
        self.by_path.len()
    }

    fn fire(&mut self, path: &str, once: Kinds, recursive: bool) -> Vec<SessionId> {
        let mut wanted = once.with(Kinds::PERSISTENT);
        if recursive {
            wanted = wanted.with(Kinds::RECURSIVE);
        }
        let mut concerned: BTreeSet<SessionId> = self.watchers(path, wanted).collect();
        for &session in &concerned {
            self.remove(session, path, once);
        }
        if recursive && self.recursive > 0 {
            for ancestor in path::ancestors(path).skip(1) {
                concerned.extend(self.watchers(ancestor, Kinds::RECURSIVE));
            }
        }
        concerned.into_iter().collect()
    }

    fn watchers(&self, path: &str, kinds: Kinds) -> impl Iterator<Item = SessionId> {
        let watchers = self.by_path.get(path).into_iter().flatten();
        watchers.filter(move |(_, held)| held.meet(kinds)).map(|(&session, _)| session)
    }
}
