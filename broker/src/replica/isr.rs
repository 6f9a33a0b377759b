//! Who is in sync: what a leader knows of each follower, who falls out of the ISR and who may join it.
//! Pure: it sees offsets and times, and asks neither clock, disk nor cluster. At most one change is under way at a time;
//! until the controller answers, both the old and the new set count.
//! Source: `Partition`, `Replica`, `PartitionState` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::types::{BrokerId, Offset};

/// What a leader knows of one follower, all of it learned from the follower's own fetches.
///
/// ```text
///  fetch at t0: leader end 100          fetch at t1: asks for 100
///  ──────────┬───────────────────────────────────┬──────────────▶ time
///            └ at t1 it has all there was at t0: caught up as of t0
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReplica {
    /// Its log start offset; `None` until it has fetched.
    pub log_start_offset: Option<Offset>,
    /// Its log end offset; `None` until it has fetched.
    pub log_end_offset: Option<Offset>,
    /// The latest time at which it had everything the leader had then.
    pub last_caught_up_ms: i64,
    last_fetch_leader_end_offset: Offset,
    last_fetch_ms: i64,
}

/// One fetch of a follower, as the leader sees it.
#[derive(Clone, Copy, Debug)]
pub struct FollowerFetch {
    /// Offset asked for: the follower has everything below it.
    pub offset: Offset,
    /// The follower's log start offset.
    pub log_start_offset: Offset,
    /// The leader's log end offset at that moment.
    pub leader_end_offset: Offset,
    /// When.
    pub now_ms: i64,
}

impl RemoteReplica {
    /// A follower of which a new leader knows nothing but whether it was in the ISR.
    #[must_use]
    pub fn unknown(is_in_sync: bool, now_ms: i64) -> Self {
        Self {
            log_start_offset: None,
            log_end_offset: None,
            last_caught_up_ms: if is_in_sync { now_ms } else { 0 },
            last_fetch_leader_end_offset: -1,
            last_fetch_ms: 0,
        }
    }

    /// The same leader was elected again under a new epoch: what is known of the follower's log stays known.
    pub fn on_reelected(&mut self, is_in_sync: bool, leader_end_offset: Offset, now_ms: i64) {
        let seen_ms = if is_in_sync { now_ms } else { 0 };
        self.last_fetch_leader_end_offset = leader_end_offset;
        self.last_fetch_ms = seen_ms;
        self.last_caught_up_ms = seen_ms;
    }

    /// Takes in a fetch.
    pub fn on_fetch(&mut self, fetch: FollowerFetch) {
        let caught_up_ms = if fetch.leader_end_offset <= fetch.offset {
            fetch.now_ms
        } else if self.last_fetch_leader_end_offset <= fetch.offset {
            self.last_fetch_ms
        } else {
            self.last_caught_up_ms
        };
        self.last_caught_up_ms = self.last_caught_up_ms.max(caught_up_ms);
        self.last_fetch_leader_end_offset = self.last_fetch_leader_end_offset.max(fetch.leader_end_offset);
        self.last_fetch_ms = fetch.now_ms;
        self.log_end_offset = Some(fetch.offset);
        self.log_start_offset = Some(fetch.log_start_offset);
    }

    /// Whether it has all the leader has, or had it at some time within the allowed lag.
    #[must_use]
    pub fn is_caught_up(&self, leader_end_offset: Offset, now_ms: i64, lag_max_ms: i64) -> bool {
        self.log_end_offset == Some(leader_end_offset) || now_ms.saturating_sub(self.last_caught_up_ms) <= lag_max_ms
    }

    /// Whether it may join: it has everything committed, and everything written before this leader's epoch began.
    #[must_use]
    pub fn may_join(&self, high_watermark: Offset, epoch_start_offset: Offset) -> bool {
        self.log_end_offset.is_some_and(|end| high_watermark <= end && epoch_start_offset <= end)
    }
}

/// The ISR, and the change to it that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isr {
    committed: BTreeSet<BrokerId>,
    pending: Option<Change>,
}

/// A change to the ISR the controller has been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One follower joins.
    Expand(BrokerId),
    /// These fall out.
    Shrink(BTreeSet<BrokerId>),
}

impl Isr {
    /// What the controller has decided.
    #[must_use]
    pub fn committed(members: impl IntoIterator<Item = BrokerId>) -> Self {
        Self { committed: members.into_iter().collect(), pending: None }
    }

    /// The set the controller knows of.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<BrokerId> {
        &self.committed
    }

    /// Whether this follower's log counts for the high watermark: it is in the ISR, or may be before we know.
    #[must_use]
    pub fn may_contain(&self, broker: BrokerId) -> bool {
        self.committed.contains(&broker) || self.pending == Some(Change::Expand(broker))
    }

    /// How many followers may be in it, for the check after an append.
    #[must_use]
    pub fn maximal_len(&self) -> usize {
        self.committed.len() + usize::from(matches!(self.pending, Some(Change::Expand(_))))
    }

    /// Whether a change waits for the controller's answer.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        self.pending.is_some()
    }

    /// The change that waits for the controller's answer.
    #[must_use]
    pub fn pending(&self) -> Option<&Change> {
        self.pending.as_ref()
    }

    /// The set the pending change leads to; the present one if there is none.
    #[must_use]
    pub fn proposed(&self) -> BTreeSet<BrokerId> {
        let mut proposed = self.committed.clone();
        match &self.pending {
            None => {}
            Some(Change::Expand(broker)) => {
                proposed.insert(*broker);
            }
            Some(Change::Shrink(out)) => proposed.retain(|broker| !out.contains(broker)),
        }
        proposed
    }

    /// Begins a change.
    ///
    /// # Panics
    /// If one is under way: the answer to come could not be told from another.
    pub fn begin(&mut self, change: Change) {
        assert!(self.pending.is_none(), "one ISR change at a time: {:?} is under way, {change:?} came", self.pending);
        self.pending = Some(change);
    }

    /// The controller refused, and another attempt may be made later.
    pub fn revert(&mut self) {
        self.pending = None;
    }
}

/// Members of the ISR that have lagged for longer than allowed; empty while a change is under way.
#[must_use]
pub fn out_of_sync(
    isr: &Isr,
    followers: &BTreeMap<BrokerId, RemoteReplica>,
    local: BrokerId,
    leader_end_offset: Offset,
    now_ms: i64,
    lag_max_ms: i64,
) -> BTreeSet<BrokerId> {
    if isr.is_changing() {
        return BTreeSet::new();
    }
    let is_out = |broker: &BrokerId| {
        *broker != local
            && followers
                .get(broker)
                .is_none_or(|follower| !follower.is_caught_up(leader_end_offset, now_ms, lag_max_ms))
    };
    isr.members().iter().copied().filter(is_out).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: i64 = 30_000;

    fn fetch(offset: Offset, leader_end_offset: Offset, now_ms: i64) -> FollowerFetch {
        FollowerFetch { offset, log_start_offset: 0, leader_end_offset, now_ms }
    }

    fn follower(fetches: &[FollowerFetch]) -> RemoteReplica {
        let mut follower = RemoteReplica::unknown(false, 0);
        fetches.iter().for_each(|fetch| follower.on_fetch(*fetch));
        follower
    }

    #[test]
    fn a_fetch_at_the_end_is_caught_up_now() {
        assert_eq!(follower(&[fetch(10, 10, 500)]).last_caught_up_ms, 500);
    }

    #[test]
    fn a_fetch_at_the_previous_end_was_caught_up_then() {
        assert_eq!(follower(&[fetch(5, 10, 500), fetch(10, 20, 900)]).last_caught_up_ms, 500);
    }

    #[test]
    fn a_fetch_behind_the_previous_end_changes_nothing() {
        let slow = follower(&[fetch(10, 10, 500), fetch(10, 30, 900), fetch(20, 40, 1300)]);
        assert_eq!((slow.last_caught_up_ms, slow.log_end_offset), (500, Some(20)));
    }

    #[test]
    fn a_silent_follower_lags_and_one_at_the_end_never_does() {
        let silent = follower(&[fetch(10, 10, 1000)]);
        assert!(silent.is_caught_up(10, 1_000_000, LAG));
        assert!(silent.is_caught_up(11, 1000 + LAG, LAG));
        assert!(!silent.is_caught_up(11, 1001 + LAG, LAG));
    }

    #[test]
    fn a_new_leader_gives_isr_members_their_full_time() {
        assert!(RemoteReplica::unknown(true, 5000).is_caught_up(9, 5000 + LAG, LAG));
        assert!(!RemoteReplica::unknown(false, 50_000).is_caught_up(9, 50_000, LAG));
    }

    #[test]
    fn joining_needs_the_high_watermark_and_the_epochs_start() {
        let follower = follower(&[fetch(10, 20, 0)]);
        assert!(follower.may_join(10, 10));
        assert!(!follower.may_join(11, 0));
        assert!(!follower.may_join(0, 11));
        assert!(!RemoteReplica::unknown(true, 0).may_join(0, 0));
    }

    #[test]
    fn while_a_change_is_under_way_the_larger_set_counts() {
        let mut isr = Isr::committed([BrokerId(1), BrokerId(2)]);
        isr.begin(Change::Expand(BrokerId(3)));
        assert!(isr.may_contain(BrokerId(3)) && isr.members().len() == 2 && isr.maximal_len() == 3);
        assert_eq!(isr.proposed().len(), 3);
        isr.revert();
        isr.begin(Change::Shrink([BrokerId(2)].into()));
        assert!(isr.may_contain(BrokerId(2)) && isr.maximal_len() == 2);
        assert_eq!(isr.proposed(), [BrokerId(1)].into());
    }

    #[test]
    fn those_who_lag_fall_out_but_never_the_leader() {
        let isr = Isr::committed([BrokerId(1), BrokerId(2), BrokerId(3), BrokerId(4)]);
        let followers = BTreeMap::from([
            (BrokerId(2), follower(&[fetch(10, 10, 0)])),
            (BrokerId(3), follower(&[fetch(20, 20, 0)])),
        ]);
        let out = out_of_sync(&isr, &followers, BrokerId(1), 20, LAG + 1, LAG);
        assert_eq!(out, [BrokerId(2), BrokerId(4)].into(), "2 lags, 4 is not even assigned");
        let mut changing = isr;
        changing.begin(Change::Expand(BrokerId(5)));
        assert!(out_of_sync(&changing, &followers, BrokerId(1), 20, LAG + 1, LAG).is_empty());
    }
}
