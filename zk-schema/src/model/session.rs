//! The sessions: who they are, and when each has been silent for too long.
//! Never closes a session; it only says which are due.
//! Source: `SessionTrackerImpl` of ZooKeeper 3.8.

use std::collections::{BTreeMap, BTreeSet};

use super::{Identity, Password, SessionId};

/// What is kept of a session across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionImage {
    /// Which.
    pub id: SessionId,
    /// Longest silence, in milliseconds.
    pub timeout_ms: i32,
    /// What its client must show to come back.
    pub password: Password,
}

#[derive(Debug)]
struct Session {
    timeout_ms: i32,
    password: Password,
    deadline_ms: i64,
    identities: Vec<Identity>,
}

/// All open sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    deadlines: BTreeSet<(i64, SessionId)>,
    /// Deadlines are rounded up to a multiple of this, so that a busy session seldom moves its own.
    tick_ms: i64,
    next_id: SessionId,
}

impl Sessions {
    pub fn new(tick_ms: i64) -> Sessions {
        Sessions { open: BTreeMap::new(), deadlines: BTreeSet::new(), tick_ms: tick_ms.max(1), next_id: SessionId(0) }
    }

    /// The id for a session opened now. Ids begin with the clock, so that those of a wiped directory do not come again.
    pub fn allocate(&mut self, now_ms: i64) -> SessionId {
        if self.next_id.0 == 0 {
            let clock = now_ms.cast_unsigned().wrapping_shl(24) >> 8;
            self.next_id = SessionId(clock.cast_signed().max(1));
        }
        self.next_id
    }

    pub fn next_id(&self) -> SessionId {
        self.next_id
    }

    pub fn set_next_id(&mut self, id: SessionId) {
        self.next_id = self.next_id.max(id);
    }

    pub fn insert(&mut self, image: SessionImage, now_ms: i64) {
        self.set_next_id(SessionId(image.id.0.wrapping_add(1)));
        let SessionImage { id, timeout_ms, password } = image;
        let deadline_ms = self.deadline(timeout_ms, now_ms);
        self.deadlines.insert((deadline_ms, id));
        self.open.insert(id, Session { timeout_ms, password, deadline_ms, identities: Vec::new() });
    }

    pub fn remove(&mut self, id: SessionId) -> bool {
        let Some(session) = self.open.remove(&id) else { return false };
        self.deadlines.remove(&(session.deadline_ms, id));
        true
    }

    pub fn contains(&self, id: SessionId) -> bool {
        self.open.contains_key(&id)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn images(&self) -> impl Iterator<Item = SessionImage> {
        self.open.iter().map(|(&id, session)| SessionImage {
            id,
            timeout_ms: session.timeout_ms,
            password: session.password,
        })
    }

    /// Ids by the time at which each is due.
    pub fn by_deadline(&self) -> impl Iterator<Item = (i64, SessionId)> {
        self.deadlines.iter().copied()
    }

    pub fn has_password(&self, id: SessionId, password: Password) -> bool {
        self.open.get(&id).is_some_and(|session| session.password == password)
    }

    pub fn set_timeout(&mut self, id: SessionId, timeout_ms: i32) {
        if let Some(session) = self.open.get_mut(&id) {
            session.timeout_ms = timeout_ms;
        }
    }

    pub fn touch(&mut self, id: SessionId, now_ms: i64) {
        let Some(timeout_ms) = self.open.get(&id).map(|session| session.timeout_ms) else { return };
        let deadline_ms = self.deadline(timeout_ms, now_ms);
        let Some(session) = self.open.get_mut(&id) else { return };
        if session.deadline_ms < deadline_ms {
            self.deadlines.remove(&(session.deadline_ms, id));
            self.deadlines.insert((deadline_ms, id));
            session.deadline_ms = deadline_ms;
        }
    }

    pub fn touch_all(&mut self, now_ms: i64) {
        let ids: Vec<SessionId> = self.open.keys().copied().collect();
        ids.into_iter().for_each(|id| self.touch(id, now_ms));
    }

    pub fn expired(&self, now_ms: i64) -> Vec<SessionId> {
        self.deadlines.iter().take_while(|(deadline_ms, _)| *deadline_ms <= now_ms).map(|&(_, id)| id).collect()
    }

    pub fn identities(&self, id: SessionId) -> &[Identity] {
        self.open.get(&id).map_or(&[], |session| &session.identities)
    }

    pub fn identities_mut(&mut self, id: SessionId) -> Option<&mut Vec<Identity>> {
        self.open.get_mut(&id).map(|session| &mut session.identities)
    }

    fn deadline(&self, timeout_ms: i32, now_ms: i64) -> i64 {
        let due = now_ms.saturating_add(i64::from(timeout_ms));
        due.saturating_add(self.tick_ms - 1) / self.tick_ms * self.tick_ms
    }
}
