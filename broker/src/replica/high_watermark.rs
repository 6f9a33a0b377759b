//! Decides how far the high watermark may advance, and how low the low watermark is.
//! Pure: it sees each replica's offsets and the ISR, and reads neither clock nor disk.
//! Source: `Partition.maybeIncrementLeaderHW`, `Partition.lowWatermarkIfLeader` in Kafka 3.9.

use std::collections::BTreeMap;

use zk_schema::types::{BrokerId, Offset};

use super::isr::{Isr, RemoteReplica};

/// What the decision is made from, besides the followers.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `min.insync.replicas` of the topic.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_max_ms: i64,
    /// When.
    pub now_ms: i64,
}

/// Fewest ISR members with which records count as committed: no more than there are replicas.
#[must_use]
pub fn effective_min_isr(min_insync_replicas: usize, replica_count: usize) -> usize {
    min_insync_replicas.min(replica_count)
}

/// The high watermark the replicas allow; `None` while too few are in sync for it to advance at all.
///
/// Counts besides the ISR those followers that are caught up and could join at any moment (`is_eligible`), so that
/// one which joins is not behind the high watermark from its first moment.
#[must_use]
pub fn allowed(
    isr: &Isr,
    followers: &BTreeMap<BrokerId, RemoteReplica>,
    leader_end_offset: Offset,
    rules: Rules,
    is_eligible: impl Fn(BrokerId) -> bool,
) -> Option<Offset> {
    if isr.members().len() < effective_min_isr(rules.min_insync_replicas, followers.len() + 1) {
        return None;
    }
    let counts = |broker: BrokerId, follower: &RemoteReplica| {
        isr.may_contain(broker)
            || follower.is_caught_up(leader_end_offset, rules.now_ms, rules.lag_max_ms) && is_eligible(broker)
    };
    let ends = followers.iter().filter(|(broker, follower)| counts(**broker, follower));
    // A follower that has not fetched yet holds the high watermark where it is.
    ends.map(|(_, follower)| follower.log_end_offset.unwrap_or(-1)).chain([leader_end_offset]).min()
}

/// The lowest log start offset among the leader and its live followers: below it no replica can give a record any more.
/// A live follower that has not fetched yet may still have everything: -1.
#[must_use]
pub fn low_watermark(
    leader_start_offset: Offset,
    followers: &BTreeMap<BrokerId, RemoteReplica>,
    is_alive: impl Fn(BrokerId) -> bool,
) -> Offset {
    let live = followers.iter().filter(|(broker, _)| is_alive(**broker));
    let starts = live.map(|(_, follower)| follower.log_start_offset.unwrap_or(-1));
    starts.fold(leader_start_offset, Offset::min)
}

#[cfg(test)]
mod tests {
    use super::super::isr::{Change, FollowerFetch};
    use super::*;

    const RULES: Rules = Rules { min_insync_replicas: 1, lag_max_ms: 100, now_ms: 1000 };

    fn at(offset: Offset, now_ms: i64) -> RemoteReplica {
        let mut follower = RemoteReplica::unknown(false, 0);
        follower.on_fetch(FollowerFetch { offset, log_start_offset: offset / 2, leader_end_offset: offset, now_ms });
        follower
    }

    fn followers(of: &[(i32, RemoteReplica)]) -> BTreeMap<BrokerId, RemoteReplica> {
        of.iter().map(|(broker, follower)| (BrokerId(*broker), follower.clone())).collect()
    }

    fn isr(of: &[i32]) -> Isr {
        Isr::committed(of.iter().copied().map(BrokerId))
    }

    fn anyone(_: BrokerId) -> bool {
        true
    }

    #[test]
    fn alone_the_leader_commits_what_it_has() {
        assert_eq!(allowed(&isr(&[1]), &BTreeMap::new(), 7, RULES, anyone), Some(7));
    }

    #[test]
    fn the_slowest_member_sets_it() {
        let followers = followers(&[(2, at(5, 0)), (3, at(3, 0))]);
        assert_eq!(allowed(&isr(&[1, 2, 3]), &followers, 7, RULES, anyone), Some(3));
        assert_eq!(allowed(&isr(&[1, 2]), &followers, 7, RULES, anyone), Some(5));
    }

    #[test]
    fn a_member_not_heard_of_holds_it() {
        let followers = followers(&[(2, RemoteReplica::unknown(true, 1000))]);
        assert_eq!(allowed(&isr(&[1, 2]), &followers, 7, RULES, anyone), Some(-1));
    }

    #[test]
    fn one_about_to_join_counts_already() {
        let followers = followers(&[(2, at(5, 950))]);
        assert_eq!(allowed(&isr(&[1]), &followers, 7, RULES, anyone), Some(5), "caught up lately");
        assert_eq!(allowed(&isr(&[1]), &followers, 7, RULES, |_| false), Some(7), "but it is dead");
        let mut joining = isr(&[1]);
        joining.begin(Change::Expand(BrokerId(2)));
        let late = Rules { now_ms: 100_000, ..RULES };
        assert_eq!(allowed(&joining, &followers, 7, late, anyone), Some(5), "the controller may have let it in");
    }

    #[test]
    fn one_about_to_leave_counts_still() {
        let followers = followers(&[(2, at(5, 0))]);
        let mut leaving = isr(&[1, 2]);
        leaving.begin(Change::Shrink([BrokerId(2)].into()));
        assert_eq!(allowed(&leaving, &followers, 7, RULES, anyone), Some(5));
    }

    #[test]
    fn under_min_isr_nothing_is_committed() {
        let followers = followers(&[(2, at(7, 0)), (3, at(7, 0))]);
        let rules = Rules { min_insync_replicas: 2, ..RULES };
        assert_eq!(allowed(&isr(&[1]), &followers, 7, rules, anyone), None);
        assert_eq!(allowed(&isr(&[1, 2]), &followers, 7, rules, anyone), Some(7));
    }

    #[test]
    fn min_isr_is_no_more_than_there_are_replicas() {
        let rules = Rules { min_insync_replicas: 3, ..RULES };
        assert_eq!(allowed(&isr(&[1]), &BTreeMap::new(), 7, rules, anyone), Some(7));
    }

    #[test]
    fn the_low_watermark_waits_for_the_living() {
        let followers = followers(&[(2, at(8, 0)), (3, RemoteReplica::unknown(true, 0))]);
        assert_eq!(low_watermark(6, &followers, |broker| broker == BrokerId(2)), 4);
        assert_eq!(low_watermark(6, &followers, anyone), -1);
        assert_eq!(low_watermark(6, &followers, |_| false), 6);
    }
}
