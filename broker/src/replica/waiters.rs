//! Who waits for a partition to move: producers for the high watermark, fetchers for bytes, deleters for the low
//! watermark. Each is woken when its own condition may hold, and no other with it.
//! Holds signals, not requests: what a woken request does is its own business ([`crate::purgatory`]).
//!
//! Register, look once more, then wait: what happens between looking and registering is seen by the second look, and
//! what happens after it leaves a permit in the signal.
//! Source: in the place of `DelayedOperationPurgatory`'s watch lists in Kafka 3.9.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zk_schema::types::Offset;

/// What wakes one request, however many partitions it waits for.
#[derive(Debug, Default)]
pub struct Signal {
    notify: Notify,
    /// Bytes a fetch still lacks over all its partitions.
    missing_bytes: AtomicI64,
}

impl Signal {
    /// A signal for a request that lacks so many bytes (0 for those that do not count bytes).
    #[must_use]
    pub fn new(missing_bytes: i64) -> Arc<Self> {
        Arc::new(Self { notify: Notify::new(), missing_bytes: AtomicI64::new(missing_bytes) })
    }

    /// Lacks so many bytes from now on.
    pub fn set_missing_bytes(&self, bytes: i64) {
        self.missing_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Waits until it was woken; at once if that has happened since the last wait.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }

    fn wake(&self) {
        self.notify.notify_one();
    }

    /// Counts bytes that became readable; says whether that is enough.
    fn count(&self, bytes: i64) -> bool {
        self.missing_bytes.fetch_sub(bytes, Ordering::Relaxed) <= bytes
    }
}

/// Up to where a fetcher may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A follower: to the log end.
    LogEnd,
    /// A consumer: to the high watermark.
    HighWatermark,
    /// A consumer of committed transactions: to the last stable offset.
    LastStable,
}

#[derive(Debug)]
struct Fetcher {
    bound: Bound,
    /// Nothing below this offset is news to it.
    offset: Offset,
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
struct Lists {
    producers: BTreeMap<(Offset, u64), Arc<Signal>>,
    deleters: BTreeMap<(Offset, u64), Arc<Signal>>,
    fetchers: BTreeMap<u64, Fetcher>,
}

/// The waiters of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    /// How many there are: so that an append nobody waits for takes no lock.
    count: AtomicUsize,
    next_id: AtomicU64,
    lists: Mutex<Lists>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Producer(Offset, u64),
    Deleter(Offset, u64),
    Fetcher(u64),
}

/// A place in a list, given up when dropped.
#[derive(Debug)]
pub struct Registration {
    waiters: Arc<Waiters>,
    place: Place,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.waiters.remove(self.place);
    }
}

impl Waiters {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, add: impl FnOnce(&mut Lists, u64) -> Place) -> Registration {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let place = {
            let mut lists = self.lists();
            self.count.fetch_add(1, Ordering::Relaxed);
            add(&mut lists, id)
        };
        // Pairs with the fence in `is_anyone_waiting`: either the mover sees us, or our next look sees its move.
        fence(Ordering::SeqCst);
        Registration { waiters: Arc::clone(self), place }
    }

    fn remove(&self, place: Place) {
        let mut lists = self.lists();
        let was_there = match place {
            Place::Producer(offset, id) => lists.producers.remove(&(offset, id)).is_some(),
            Place::Deleter(offset, id) => lists.deleters.remove(&(offset, id)).is_some(),
            Place::Fetcher(id) => lists.fetchers.remove(&id).is_some(),
        };
        if was_there {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for the high watermark to reach `offset`.
    #[must_use]
    pub fn add_producer(self: &Arc<Self>, offset: Offset, signal: &Arc<Signal>) -> Registration {
        self.add(|lists, id| {
            lists.producers.insert((offset, id), Arc::clone(signal));
            Place::Producer(offset, id)
        })
    }

    /// Waits for the low watermark to reach `offset`.
    #[must_use]
    pub fn add_deleter(self: &Arc<Self>, offset: Offset, signal: &Arc<Signal>) -> Registration {
        self.add(|lists, id| {
            lists.deleters.insert((offset, id), Arc::clone(signal));
            Place::Deleter(offset, id)
        })
    }

    /// Waits for what the signal lacks in bytes to appear between `offset` and `bound`.
    #[must_use]
    pub fn add_fetcher(self: &Arc<Self>, offset: Offset, bound: Bound, signal: &Arc<Signal>) -> Registration {
        self.add(|lists, id| {
            lists.fetchers.insert(id, Fetcher { bound, offset, signal: Arc::clone(signal) });
            Place::Fetcher(id)
        })
    }

    /// Whether nobody waits, seen after everything this thread did before: what it moved is seen by those who come
    /// later.
    #[must_use]
    pub fn is_empty_now(&self) -> bool {
        fence(Ordering::SeqCst);
        self.count.load(Ordering::Relaxed) == 0
    }

    fn is_anyone_waiting(&self) -> bool {
        !self.is_empty_now()
    }

    /// The log end moved to `end`, by so many bytes.
    pub fn on_log_end(&self, end: Offset, bytes: usize) {
        self.on_bound(Bound::LogEnd, end, Some(bytes));
    }

    /// A bound moved to `end`, by so many bytes if that is known. A fetcher that cannot be told how much there is
    /// looks for itself.
    pub fn on_bound(&self, bound: Bound, end: Offset, bytes: Option<usize>) {
        if !self.is_anyone_waiting() {
            return;
        }
        let mut lists = self.lists();
        let before = lists.fetchers.len();
        lists.fetchers.retain(|_, fetcher| {
            if fetcher.bound != bound || end <= fetcher.offset {
                return true;
            }
            let is_enough = bytes.is_none_or(|bytes| fetcher.signal.count(i64::try_from(bytes).unwrap_or(i64::MAX)));
            if is_enough {
                fetcher.signal.wake();
            }
            !is_enough
        });
        self.count.fetch_sub(before - lists.fetchers.len(), Ordering::Relaxed);
    }

    /// The high watermark moved to `high_watermark`.
    pub fn on_high_watermark(&self, high_watermark: Offset) {
        if self.is_anyone_waiting() {
            let woken = wake_up_to(&mut self.lists().producers, high_watermark);
            self.count.fetch_sub(woken, Ordering::Relaxed);
        }
    }

    /// The low watermark moved to `low_watermark`.
    pub fn on_low_watermark(&self, low_watermark: Offset) {
        if self.is_anyone_waiting() {
            let woken = wake_up_to(&mut self.lists().deleters, low_watermark);
            self.count.fetch_sub(woken, Ordering::Relaxed);
        }
    }

    /// Whether anyone waits for the low watermark, which is costly to know.
    #[must_use]
    pub fn has_deleters(&self) -> bool {
        self.is_anyone_waiting() && !self.lists().deleters.is_empty()
    }

    /// Leadership, ISR or existence changed: everyone looks again, and keeps his place if that was not all.
    pub fn wake_all(&self) {
        if !self.is_anyone_waiting() {
            return;
        }
        let lists = self.lists();
        let fetchers = lists.fetchers.values().map(|fetcher| &fetcher.signal);
        lists.producers.values().chain(lists.deleters.values()).chain(fetchers).for_each(|signal| signal.wake());
    }

    /// How many wait, for metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn wake_up_to(waiting: &mut BTreeMap<(Offset, u64), Arc<Signal>>, reached: Offset) -> usize {
    let later = waiting.split_off(&(reached.saturating_add(1), 0));
    let woken = std::mem::replace(waiting, later);
    woken.values().for_each(|signal| signal.wake());
    woken.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_woken(signal: &Signal) -> bool {
        tokio::time::timeout(Duration::ZERO, signal.woken()).await.is_ok()
    }

    #[tokio::test]
    async fn a_producer_is_woken_at_its_own_offset() {
        let waiters = Arc::new(Waiters::default());
        let (early, late) = (Signal::new(0), Signal::new(0));
        let _places = (waiters.add_producer(5, &early), waiters.add_producer(6, &late));
        waiters.on_high_watermark(4);
        assert!(!is_woken(&early).await);
        waiters.on_high_watermark(5);
        assert!(is_woken(&early).await && !is_woken(&late).await);
        assert_eq!(waiters.len(), 1);
    }

    #[tokio::test]
    async fn a_fetcher_is_woken_when_its_bytes_are_there() {
        let waiters = Arc::new(Waiters::default());
        let signal = Signal::new(100);
        let _place = waiters.add_fetcher(10, Bound::HighWatermark, &signal);
        waiters.on_bound(Bound::LogEnd, 20, Some(500));
        waiters.on_bound(Bound::HighWatermark, 10, Some(500));
        waiters.on_bound(Bound::HighWatermark, 12, Some(99));
        assert!(!is_woken(&signal).await);
        waiters.on_bound(Bound::HighWatermark, 13, Some(1));
        assert!(is_woken(&signal).await);
        assert!(waiters.is_empty());
    }

    #[tokio::test]
    async fn bytes_of_all_partitions_count_together() {
        let (one, other) = (Arc::new(Waiters::default()), Arc::new(Waiters::default()));
        let signal = Signal::new(100);
        let _places = (one.add_fetcher(0, Bound::LogEnd, &signal), other.add_fetcher(0, Bound::LogEnd, &signal));
        one.on_log_end(1, 60);
        assert!(!is_woken(&signal).await);
        other.on_log_end(1, 60);
        assert!(is_woken(&signal).await);
    }

    #[tokio::test]
    async fn unknown_progress_makes_a_fetcher_look() {
        let waiters = Arc::new(Waiters::default());
        let signal = Signal::new(1 << 40);
        let _place = waiters.add_fetcher(10, Bound::LastStable, &signal);
        waiters.on_bound(Bound::LastStable, 11, None);
        assert!(is_woken(&signal).await);
    }

    #[tokio::test]
    async fn everyone_hears_of_a_new_leader() {
        let waiters = Arc::new(Waiters::default());
        let signals = [Signal::new(0), Signal::new(0), Signal::new(9)];
        let _places = (
            waiters.add_producer(1, &signals[0]),
            waiters.add_deleter(1, &signals[1]),
            waiters.add_fetcher(1, Bound::LogEnd, &signals[2]),
        );
        waiters.wake_all();
        for signal in &signals {
            assert!(is_woken(signal).await);
        }
        assert_eq!(waiters.len(), 3, "they may have to wait on");
    }

    #[test]
    fn a_place_is_given_up_when_dropped() {
        let waiters = Arc::new(Waiters::default());
        let signal = Signal::new(0);
        let places = (waiters.add_producer(1, &signal), waiters.add_deleter(1, &signal));
        assert!(waiters.has_deleters() && waiters.len() == 2);
        drop(places);
        assert!(!waiters.has_deleters() && waiters.is_empty());
    }
}
