//! Where a follower's log has to end, so that it holds nothing its leader does not.
//! Pure: compares what the leader says of an epoch with what the log knows of it.
//! Source: `AbstractFetcherThread.getOffsetTruncationState` in Kafka 3.9; KIP-101, KIP-279.

use zk_schema::types::{LeaderEpoch, Offset};

/// What the leader said: the largest epoch it has, not above the one asked for, and where that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderEnd {
    /// `None` from leaders too old to say.
    pub leader_epoch: Option<LeaderEpoch>,
    /// First offset not in it; `None` if the leader cannot tell.
    pub end_offset: Option<Offset>,
}

/// What our log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Log end offset.
    pub end_offset: Offset,
    /// Where to go back to when the leader cannot tell: what was known to be committed when we began to follow.
    pub high_watermark: Offset,
    /// Our largest epoch not above the leader's answer, and where it ends.
    pub of_leaders_epoch: Option<(LeaderEpoch, Offset)>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The log must end here.
    pub offset: Offset,
    /// Nothing more has to be found out.
    pub is_complete: bool,
}

/// Where the log has to end.
#[must_use]
pub fn truncation(leader: LeaderEnd, log: LogEnd) -> Truncation {
    let complete = |offset: Offset| Truncation { offset: offset.min(log.end_offset), is_complete: true };
    let Some(leader_end) = leader.end_offset else { return complete(log.high_watermark) };
    match (leader.leader_epoch, log.of_leaders_epoch) {
        // Our epoch is smaller than the leader's answer, which we have never seen: what comes after ours has to go,
        // and then the leader is asked about ours.
        (Some(leader_epoch), Some((epoch, end))) if epoch != leader_epoch => {
            Truncation { offset: end.min(log.end_offset), is_complete: false }
        }
        (Some(_), Some((_, end))) => complete(leader_end.min(end)),
        (Some(_), None) | (None, _) => complete(leader_end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(epoch: i32, end_offset: Offset) -> LeaderEnd {
        LeaderEnd { leader_epoch: Some(LeaderEpoch(epoch)), end_offset: Some(end_offset) }
    }

    fn log(epoch: i32, end_of_epoch: Offset, end_offset: Offset) -> LogEnd {
        LogEnd { end_offset, high_watermark: 3, of_leaders_epoch: Some((LeaderEpoch(epoch), end_of_epoch)) }
    }

    #[test]
    fn what_the_leader_does_not_have_in_a_shared_epoch_goes() {
        let cut = Truncation { offset: 10, is_complete: true };
        assert_eq!(truncation(leader(4, 10), log(4, 15, 15)), cut);
        assert_eq!(truncation(leader(4, 20), log(4, 10, 25)), cut, "ours ended earlier, and something else followed");
    }

    #[test]
    fn an_epoch_we_never_saw_takes_us_back_to_the_one_before() {
        let cut = truncation(leader(4, 20), log(2, 8, 15));
        assert_eq!(cut, Truncation { offset: 8, is_complete: false });
    }

    #[test]
    fn a_leader_that_cannot_tell_leaves_what_was_committed() {
        let unknown = LeaderEnd { leader_epoch: None, end_offset: None };
        assert_eq!(truncation(unknown, log(4, 15, 15)), Truncation { offset: 3, is_complete: true });
    }

    #[test]
    fn without_epochs_of_our_own_the_leaders_end_counts() {
        let log = LogEnd { of_leaders_epoch: None, ..log(0, 0, 15) };
        assert_eq!(truncation(leader(4, 10), log).offset, 10);
        assert_eq!(truncation(leader(4, 90), log).offset, 15);
        let old = LeaderEnd { leader_epoch: None, end_offset: Some(12) };
        assert_eq!(truncation(old, log), Truncation { offset: 12, is_complete: true });
    }
}
