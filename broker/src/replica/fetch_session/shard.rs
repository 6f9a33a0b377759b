//! Slots for sessions, and who loses his when there are none left: the one longest unused, if that is long enough, or
//! one that saves less than the newcomer. Followers keep theirs against consumers.
//! Source: `FetchSessionCacheShard` in Kafka 3.9.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::{EVICTION_MS, NO_SESSION, Session};

/// Who is evicted first: consumers before followers, the smaller before the larger.
type EvictableKey = (bool, usize, i32);

#[derive(Debug)]
struct Slot {
    session: Arc<Mutex<Session>>,
    is_privileged: bool,
    created_ms: i64,
    last_used_ms: i64,
    size: usize,
}

/// Some of the slots; a session's id says in which shard it is.
#[derive(Debug)]
pub(super) struct Shard {
    slot_count: usize,
    ids: std::ops::Range<i32>,
    slots: HashMap<i32, Slot>,
    last_used: BTreeSet<(i64, i32)>,
    evictable_by_all: BTreeSet<EvictableKey>,
    evictable_by_privileged: BTreeSet<EvictableKey>,
    partition_count: usize,
    eviction_count: u64,
}

fn ids_per_shard(shard_count: usize) -> i32 {
    i32::MAX / i32::try_from(shard_count).unwrap_or(i32::MAX).max(1)
}

/// The shard that gave out this id. Ids nobody gave out belong to any.
pub(super) fn index_of(session_id: i32, shard_count: usize) -> usize {
    usize::try_from(session_id / ids_per_shard(shard_count)).unwrap_or(0).min(shard_count - 1)
}

impl Shard {
    pub(super) fn new(slot_count: usize, index: usize, shard_count: usize) -> Self {
        let width = ids_per_shard(shard_count);
        let start = i32::try_from(index).unwrap_or(0) * width;
        Self {
            slot_count,
            ids: start.max(1)..start + width,
            slots: HashMap::new(),
            last_used: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_privileged: BTreeSet::new(),
            partition_count: 0,
            eviction_count: 0,
        }
    }

    pub(super) fn get(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        self.slots.get(&id).map(|slot| Arc::clone(&slot.session))
    }

    pub(super) fn session_count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub(super) fn eviction_count(&self) -> u64 {
        self.eviction_count
    }

    /// A free id for a session of `size` partitions, if there is a slot or one can be emptied.
    pub(super) fn claim(&mut self, size: usize, is_privileged: bool, now_ms: i64) -> Option<i32> {
        if self.slots.len() >= self.slot_count && !self.evict_for((is_privileged, size, NO_SESSION), now_ms) {
            return None;
        }
        loop {
            let id = rand::random_range(self.ids.clone());
            if !self.slots.contains_key(&id) {
                return Some(id);
            }
        }
    }

    pub(super) fn insert(&mut self, session: Session, is_privileged: bool, size: usize, now_ms: i64) {
        let id = session.id;
        let session = Arc::new(Mutex::new(session));
        self.slots.insert(id, Slot { session, is_privileged, created_ms: now_ms, last_used_ms: now_ms, size: 0 });
        self.touch(id, size, now_ms);
    }

    pub(super) fn touch(&mut self, id: i32, size: usize, now_ms: i64) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        self.last_used.remove(&(slot.last_used_ms, id));
        let old = (slot.is_privileged, slot.size, id);
        self.evictable_by_all.remove(&old);
        self.evictable_by_privileged.remove(&old);
        self.partition_count = self.partition_count - slot.size + size;
        (slot.last_used_ms, slot.size) = (now_ms, size);
        self.last_used.insert((now_ms, id));
        let new = (slot.is_privileged, size, id);
        let has_lived_long = now_ms - slot.created_ms > EVICTION_MS;
        if !slot.is_privileged || has_lived_long {
            self.evictable_by_privileged.insert(new);
        }
        if has_lived_long {
            self.evictable_by_all.insert(new);
        }
    }

    pub(super) fn remove(&mut self, id: i32) {
        let Some(slot) = self.slots.remove(&id) else { return };
        let key = (slot.is_privileged, slot.size, id);
        self.last_used.remove(&(slot.last_used_ms, id));
        self.evictable_by_all.remove(&key);
        self.evictable_by_privileged.remove(&key);
        self.partition_count -= slot.size;
    }

    fn evict_for(&mut self, newcomer: EvictableKey, now_ms: i64) -> bool {
        let Some(&(last_used_ms, longest_unused)) = self.last_used.first() else { return false };
        let victim = if now_ms - last_used_ms > EVICTION_MS {
            longest_unused
        } else {
            let (is_privileged, ..) = newcomer;
            let evictable = if is_privileged { &self.evictable_by_privileged } else { &self.evictable_by_all };
            match evictable.first() {
                Some(&key) if key <= newcomer => key.2,
                _ => return false,
            }
        };
        self.remove(victim);
        self.eviction_count += 1;
        true
    }
}
