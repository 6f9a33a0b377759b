//! The states of a replica and the moves between them, with the orders and ISR changes each move brings.
//! Leadership in memory changes only when ZooKeeper has answered; a replica is Offline only after it left the ISR there.
//! Source: contract 2.6; `ZkReplicaStateMachine` in Kafka 3.9.
//!
//! ```text
//!   NonExistent ──▶ New ──▶ Online ◀──▶ Offline ──▶ DeletionStarted ──▶ DeletionSuccessful ──▶ NonExistent
//!                                          ▲                │
//!                                          └─ Ineligible ◀──┘
//! ```
//!
//! Differs from Kafka: a replica that goes offline without being in the ISR does not make the others hear LeaderAndIsr again
//! under a leader epoch they know; they could only ignore it (G4). They hear UpdateMetadata.

use std::collections::BTreeMap;

use zk_schema::{BrokerId, LeaderEpoch};

use super::active::Active;
use super::cluster::{Assignment, Key, Leadership, without};
use super::effect::LogLevel;
use super::partition_state::{Fate, Proposal};

/// State of a replica. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ReplicaState {
    /// Just added; may only follow.
    New = 1,
    /// Leads or follows.
    Online = 2,
    /// Its broker or log directory is down, or it is being removed.
    Offline = 3,
    /// Told to delete its log.
    DeletionStarted = 4,
    /// Has deleted its log.
    DeletionSuccessful = 5,
    /// Could not delete its log now.
    DeletionIneligible = 6,
    /// Not there.
    NonExistent = 7,
}

impl ReplicaState {
    /// Whether the move is legal.
    pub(super) const fn may_become(self, to: Self) -> bool {
        use ReplicaState::{
            DeletionIneligible, DeletionStarted, DeletionSuccessful, New, NonExistent, Offline, Online,
        };
        matches!(
            (self, to),
            (NonExistent, New)
                | (New | Online | Offline | DeletionIneligible, Online | Offline)
                | (Offline, DeletionStarted | DeletionIneligible)
                | (DeletionStarted, DeletionSuccessful | DeletionIneligible)
                | (DeletionSuccessful, NonExistent)
        )
    }
}

/// A replica: which broker, of which partition.
pub(super) type Replica = (BrokerId, Key);

impl Active {
    /// Moves replicas to a state, does what the move brings, and tells brokers.
    pub(super) fn move_replicas(&mut self, replicas: Vec<Replica>, to: ReplicaState) {
        let replicas = self.legal_moves(replicas, to);
        if replicas.is_empty() {
            return;
        }
        match to {
            ReplicaState::New => self.replicas_new(&replicas),
            ReplicaState::Online => self.replicas_online(&replicas),
            ReplicaState::Offline => self.replicas_offline(replicas),
            ReplicaState::DeletionStarted => self.replicas_delete(&replicas),
            ReplicaState::DeletionSuccessful | ReplicaState::DeletionIneligible => self.mark_replicas(&replicas, to),
            ReplicaState::NonExistent => self.replicas_gone(&replicas),
        }
        self.then(Self::send_orders);
    }

    fn legal_moves(&mut self, replicas: Vec<Replica>, to: ReplicaState) -> Vec<Replica> {
        let (legal, illegal): (Vec<_>, Vec<_>) =
            replicas.into_iter().partition(|&(broker, key)| self.cluster.replica_state(broker, key).may_become(to));
        for (broker, key) in illegal {
            let (partition, from) = (self.cluster.name(key), self.cluster.replica_state(broker, key));
            // While a topic is being deleted, brokers come and go without regard to how far each replica got.
            let level = if self.cluster.is_deleting(key) { LogLevel::Debug } else { LogLevel::Error };
            self.log(level, format!("replica {broker} of {partition} cannot go from {from:?} to {to:?}"));
        }
        legal
    }

    pub(super) fn mark_replicas(&mut self, replicas: &[Replica], to: ReplicaState) {
        for &(broker, key) in replicas {
            self.cluster.set_replica_state(broker, key, to);
        }
    }

    fn replicas_new(&mut self, replicas: &[Replica]) {
        for &(broker, key) in replicas {
            match self.cluster.leadership(key) {
                Some(leadership) if leadership.leader == broker => {
                    let partition = self.cluster.name(key);
                    self.log(LogLevel::Error, format!("replica {broker} of {partition} is no new one, it leads"));
                    continue;
                }
                Some(_) => self.orders.lead_or_follow(&self.cluster, [broker], key, true),
                None => {}
            }
            self.cluster.set_replica_state(broker, key, ReplicaState::New);
        }
    }

    fn replicas_online(&mut self, replicas: &[Replica]) {
        for &(broker, key) in replicas {
            if self.cluster.replica_state(broker, key) == ReplicaState::New {
                self.assign_if_missing(broker, key);
            } else if self.cluster.leadership(key).is_some() {
                self.orders.lead_or_follow(&self.cluster, [broker], key, false);
            }
            self.cluster.set_replica_state(broker, key, ReplicaState::Online);
        }
    }

    fn assign_if_missing(&mut self, broker: BrokerId, key: Key) {
        let Some(partition) = self.cluster.partition(key) else { return };
        let assignment = &partition.assignment;
        if !assignment.replicas.contains(&broker) {
            let replicas = assignment.replicas.iter().copied().chain([broker]).collect();
            let assignment = Assignment { replicas, ..assignment.clone() };
            self.cluster.set_assignment(key, assignment);
        }
    }

    fn replicas_delete(&mut self, replicas: &[Replica]) {
        for &(broker, key) in replicas {
            self.cluster.set_replica_state(broker, key, ReplicaState::DeletionStarted);
            self.orders.stop(&self.cluster, broker, key, true);
        }
    }

    fn replicas_gone(&mut self, replicas: &[Replica]) {
        for &(broker, key) in replicas {
            if let Some(partition) = self.cluster.partition(key) {
                let assignment = partition.assignment.without_replica(broker);
                self.cluster.set_assignment(key, assignment);
            }
            self.cluster.set_replica_state(broker, key, ReplicaState::NonExistent);
        }
    }

    // Going offline.

    fn replicas_offline(&mut self, replicas: Vec<Replica>) {
        let mut leaving: BTreeMap<Key, Vec<BrokerId>> = BTreeMap::new();
        for (broker, key) in replicas {
            self.orders.stop(&self.cluster, broker, key, false);
            if self.cluster.leadership(key).is_some() {
                leaving.entry(key).or_default().push(broker);
            } else {
                self.orders.tell_all_about(&self.cluster, key);
                self.cluster.set_replica_state(broker, key, ReplicaState::Offline);
            }
        }
        if !self.config.protocol.alter_partition {
            let stale = leaving.keys().copied().collect();
            self.refresh(stale);
        }
        self.then(move |c| c.leave_isr(leaving));
    }

    fn leave_isr(&mut self, leaving: BTreeMap<Key, Vec<BrokerId>>) {
        let mut proposals = Vec::new();
        for (&key, brokers) in &leaving {
            match self.cluster.leadership(key).and_then(|current| self.isr_without(current, brokers)) {
                Some(leadership) => proposals.push(Proposal { key, leadership }),
                None => self.left_isr(key, brokers, false),
            }
        }
        self.propose(proposals, move |c, fates| {
            let mut again = BTreeMap::new();
            for (Proposal { key, .. }, fate) in fates {
                let Some(brokers) = leaving.get(&key) else { continue };
                match fate {
                    Fate::Settled => c.left_isr(key, brokers, true),
                    Fate::Outdated => drop(again.insert(key, brokers.clone())),
                    // Nothing to leave any more; a topic on its way out must not be held up by that.
                    Fate::Missing if c.cluster.is_deleting(key) => c.left_isr(key, brokers, false),
                    Fate::Missing | Fate::Failed => {
                        let partition = c.cluster.name(key);
                        c.log(LogLevel::Error, format!("replicas {brokers:?} could not leave the ISR of {partition}"));
                    }
                }
            }
            if !again.is_empty() {
                c.leave_isr(again);
            }
        });
    }

    /// The state without these replicas, or `None` if none of them is in the ISR. The last member stays in it, so that a clean
    /// election remains possible; the leader leaves its office all the same.
    fn isr_without(&self, current: &Leadership, brokers: &[BrokerId]) -> Option<Leadership> {
        let mut isr = current.isr.to_vec();
        let mut leader = current.leader;
        for broker in brokers.iter().filter(|broker| current.isr.contains(broker)) {
            if 1 < isr.len() {
                isr = without(&isr, &[*broker]);
            }
            if leader == *broker {
                leader = BrokerId::NONE;
            }
        }
        // Nothing changes when none of them is in the ISR, or when the last member has no office to leave.
        if leader == current.leader && isr.len() == current.isr.len() {
            return None;
        }
        Some(Leadership {
            leader,
            leader_epoch: LeaderEpoch(current.leader_epoch.0 + 1),
            isr: isr.into(),
            controller_epoch: self.controller_epoch,
            ..current.clone()
        })
    }

    fn left_isr(&mut self, key: Key, brokers: &[BrokerId], was_in_it: bool) {
        for &broker in brokers {
            self.cluster.set_replica_state(broker, key, ReplicaState::Offline);
        }
        let Some(partition) = self.cluster.partition(key) else { return };
        if was_in_it && !self.cluster.is_dying(key) {
            let others = without(&partition.assignment.replicas, brokers);
            self.orders.lead_or_follow(&self.cluster, others, key, false);
        } else {
            self.orders.tell_all_about(&self.cluster, key);
        }
    }
}
