//! What a shard wants to be woken for, and when.
//! Reads no clock: the shard asks what is due by now.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::group::TimerKey;
use coordinator::time::Timestamp;

/// Timers by key and by time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_key: BTreeMap<TimerKey, Timestamp>,
    by_time: BTreeSet<(Timestamp, TimerKey)>,
}

impl Timers {
    /// Rings at `at`; an earlier order under the same key no longer counts.
    pub(super) fn set(&mut self, key: TimerKey, at: Timestamp) {
        self.cancel(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, at);
    }

    /// Does not ring.
    pub(super) fn cancel(&mut self, key: &TimerKey) {
        if let Some((key, at)) = self.by_key.remove_entry(key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// One that rings at `now` or should have before.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<TimerKey> {
        if now < self.next()? {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use coordinator::group::GroupId;

    use super::*;

    fn key(group: &str) -> TimerKey {
        TimerKey::Join(GroupId::new(group))
    }

    #[test]
    fn timers_ring_in_order_and_the_last_order_counts() {
        let mut timers = Timers::default();
        timers.set(key("a"), Timestamp(10));
        timers.set(key("b"), Timestamp(20));
        timers.set(key("c"), Timestamp(5));
        timers.set(key("a"), Timestamp(30));
        timers.cancel(&key("c"));
        assert_eq!(timers.next(), Some(Timestamp(20)));
        assert_eq!(timers.pop_due(Timestamp(19)), None);
        assert_eq!(timers.pop_due(Timestamp(40)), Some(key("b")));
        assert_eq!(timers.pop_due(Timestamp(40)), Some(key("a")));
        assert_eq!(timers.pop_due(Timestamp(40)), None);
    }
}
