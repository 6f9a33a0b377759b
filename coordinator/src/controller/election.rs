//! Which replica leads: four pure functions, one per reason for electing.
//! They see lists of replicas and say who leads and which ISR goes with it; epochs, ZooKeeper and orders are for the caller.
//! Source: contract 2.5, election strategies; `Election` and `PartitionLeaderElectionAlgorithms` in Kafka 3.9.

use zk_schema::BrokerId;

/// Why a leader is elected, which decides the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// The leader is gone, or never was.
    Offline {
        /// Elect a replica outside the ISR if need be, whatever the topic's configuration says: an operator asked for it.
        allow_unclean: bool,
    },
    /// The leader is not among the target replicas of a finished reassignment.
    Reassign,
    /// Leadership goes home to the head of the assignment.
    Preferred,
    /// The leader wants to stop.
    ControlledShutdown,
}

/// Who was elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elected {
    pub leader: BrokerId,
    /// The new ISR; `None` keeps the old one.
    pub isr: Option<Vec<BrokerId>>,
    /// Whether the leader was outside the old ISR: records may be lost.
    pub unclean: bool,
}

/// The first assigned replica that is live and in the ISR, with the live part of the ISR. Failing that, and if
/// `unclean_allowed`, the first live assigned replica alone.
pub(super) fn offline(
    assigned: &[BrokerId],
    isr: &[BrokerId],
    is_live: impl Fn(BrokerId) -> bool,
    unclean_allowed: bool,
) -> Option<Elected> {
    let live_in_sync = assigned.iter().copied().find(|&replica| is_live(replica) && isr.contains(&replica));
    if let Some(leader) = live_in_sync {
        let isr = isr.iter().copied().filter(|&replica| is_live(replica)).collect();
        return Some(Elected { leader, isr: Some(isr), unclean: false });
    }
    let leader = assigned.iter().copied().find(|&replica| unclean_allowed && is_live(replica))?;
    Some(Elected { leader, isr: Some(vec![leader]), unclean: true })
}

/// The first target replica that is live and in the ISR; the ISR stays.
pub(super) fn reassign(target: &[BrokerId], isr: &[BrokerId], is_live: impl Fn(BrokerId) -> bool) -> Option<Elected> {
    let leader = target.iter().copied().find(|&replica| is_live(replica) && isr.contains(&replica))?;
    Some(Elected { leader, isr: None, unclean: false })
}

/// The head of the assignment, if live and in the ISR; the ISR stays.
pub(super) fn preferred(
    assigned: &[BrokerId],
    isr: &[BrokerId],
    is_live: impl Fn(BrokerId) -> bool,
) -> Option<Elected> {
    let head = assigned.first().copied().filter(|&replica| is_live(replica) && isr.contains(&replica))?;
    Some(Elected { leader: head, isr: None, unclean: false })
}

/// The first assigned replica in the ISR whose broker is up (stopping brokers count as up) and not itself stopping; the ISR
/// loses all stopping brokers.
pub(super) fn controlled_shutdown(
    assigned: &[BrokerId],
    isr: &[BrokerId],
    is_up: impl Fn(BrokerId) -> bool,
    is_stopping: impl Fn(BrokerId) -> bool,
) -> Option<Elected> {
    let may_lead = |replica: BrokerId| is_up(replica) && isr.contains(&replica) && !is_stopping(replica);
    let leader = assigned.iter().copied().find(|&replica| may_lead(replica))?;
    let isr = isr.iter().copied().filter(|&replica| !is_stopping(replica)).collect();
    Some(Elected { leader, isr: Some(isr), unclean: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[i32]) -> Vec<BrokerId> {
        numbers.iter().copied().map(BrokerId).collect()
    }

    fn among(live: &[i32]) -> impl Fn(BrokerId) -> bool + '_ {
        move |broker| live.contains(&broker.0)
    }

    fn leader_and_isr(elected: Option<Elected>) -> Option<(i32, Option<Vec<i32>>)> {
        elected.map(|e| (e.leader.0, e.isr.map(|isr| isr.into_iter().map(|b| b.0).collect())))
    }

    #[test]
    fn the_first_live_in_sync_replica_in_assignment_order_leads() {
        let elected = offline(&ids(&[1, 2, 3]), &ids(&[3, 2, 1]), among(&[2, 3]), false);
        assert_eq!(leader_and_isr(elected), Some((2, Some(vec![3, 2]))));
    }

    #[test]
    fn without_a_live_in_sync_replica_nobody_leads() {
        assert_eq!(offline(&ids(&[1, 2]), &ids(&[1]), among(&[2]), false), None);
    }

    #[test]
    fn an_unclean_leader_is_alone_in_the_isr() {
        let elected = offline(&ids(&[1, 2, 3]), &ids(&[1]), among(&[2, 3]), true);
        assert!(elected.as_ref().is_some_and(|e| e.unclean));
        assert_eq!(leader_and_isr(elected), Some((2, Some(vec![2]))));
    }

    #[test]
    fn an_election_stays_clean_while_it_can() {
        let elected = offline(&ids(&[1, 2, 3]), &ids(&[3]), among(&[2, 3]), true);
        assert!(elected.as_ref().is_some_and(|e| !e.unclean));
        assert_eq!(leader_and_isr(elected), Some((3, Some(vec![3]))));
    }

    #[test]
    fn a_reassignment_elects_among_its_targets() {
        let elected = reassign(&ids(&[4, 5]), &ids(&[1, 2, 5]), among(&[1, 2, 4, 5]));
        assert_eq!(leader_and_isr(elected), Some((5, None)));
    }

    #[test]
    fn only_the_head_of_the_assignment_is_preferred() {
        let all = [1, 2, 3];
        assert_eq!(leader_and_isr(preferred(&ids(&all), &ids(&all), among(&all))), Some((1, None)));
        assert_eq!(preferred(&ids(&all), &ids(&[2, 3]), among(&all)), None);
        assert_eq!(preferred(&ids(&all), &ids(&all), among(&[2, 3])), None);
    }

    #[test]
    fn stopping_brokers_neither_lead_nor_stay_in_sync() {
        let all = [1, 2, 3];
        let elected = controlled_shutdown(&ids(&all), &ids(&all), among(&all), among(&[1, 3]));
        assert_eq!(leader_and_isr(elected), Some((2, Some(vec![2]))));
    }

    #[test]
    fn the_last_in_sync_broker_cannot_hand_over() {
        assert_eq!(controlled_shutdown(&ids(&[1, 2]), &ids(&[1]), among(&[1, 2]), among(&[1])), None);
    }
}
