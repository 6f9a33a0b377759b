//! The states of a partition and the moves between them; above all, getting a leader.
//! Leadership in memory follows ZooKeeper: it changes when the write of the `state` znode was answered, never before.
//! Source: contract 2.5; `ZkPartitionStateMachine` in Kafka 3.9.
//!
//! ```text
//!   NonExistent ──▶ New ──▶ Online ◀──▶ Offline ──▶ NonExistent
//! ```
//!
//! Differs from Kafka: an election starts from the state in memory instead of reading every znode first. The write expects
//! the partition epoch in memory, so a stale memory shows as BADVERSION; only then is the znode read and the election
//! repeated. While leaders may write states themselves (before 2.7-IV2), states are read first, as Kafka does.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::{BrokerId, LeaderEpoch, PartitionEpoch, TopicName, ZkVersion};

use super::active::Active;
use super::cluster::{Key, Leadership, TopicIndex};
use super::effect::{LogLevel, ZkRead, ZkWrite};
use super::election::{self, Elected, Strategy};
use super::event::{LeaderRecovery, ZkError, ZkFound};
use super::znodes;

/// State of a partition. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum PartitionState {
    /// Has replicas, never had a leader.
    New = 0,
    /// Has a leader.
    Online = 1,
    /// Had a leader and lost it.
    Offline = 2,
    /// Not there, or being deleted.
    NonExistent = 3,
}

impl PartitionState {
    /// Whether the move is legal.
    pub(super) const fn may_become(self, to: Self) -> bool {
        use PartitionState::{New, NonExistent, Offline, Online};
        matches!((self, to), (NonExistent, New) | (New | Online | Offline, Online | Offline) | (Offline, NonExistent))
    }
}

/// What an election came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElectionOutcome {
    /// This replica leads now.
    Elected(BrokerId),
    /// No replica may lead under the strategy.
    NoCandidate,
    /// ZooKeeper or the partition's state did not allow it.
    Failed,
}

/// An election under way, possibly for many partitions.
#[derive(Clone, Debug)]
struct Election {
    strategy: Strategy,
    /// Topics whose configuration was asked: whether they allow unclean elections.
    unclean_allowed: BTreeMap<TopicIndex, bool>,
    /// Partitions whose candidate is outside the ISR.
    unclean: BTreeSet<Key>,
}

/// A decision on its way to ZooKeeper.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub key: Key,
    pub leadership: Leadership,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// ZooKeeper and memory have it.
    Settled,
    /// Somebody else wrote the node meanwhile; memory has what it says now. Think again.
    Outdated,
    /// The node does not exist.
    Missing,
    /// ZooKeeper refused, or the state is a later controller's.
    Failed,
}

impl Active {
    /// Moves partitions to New, Offline or NonExistent: memory only.
    pub(super) fn mark_partitions(&mut self, keys: &[Key], to: PartitionState) {
        for &key in keys {
            let from = self.cluster.state(key);
            if from.may_become(to) {
                self.cluster.set_state(key, to);
            } else {
                let partition = self.cluster.name(key);
                self.log(LogLevel::Error, format!("{partition} cannot go from {from:?} to {to:?}"));
            }
        }
    }

    /// Tries to get a leader for every partition without one.
    pub(super) fn bring_all_online(&mut self) {
        let keys = self.cluster.unled().iter().copied().filter(|&key| !self.cluster.is_dying(key)).collect();
        self.bring_online(keys, Strategy::Offline { allow_unclean: false });
    }

    /// Tries to get a leader for every partition of a topic without one.
    pub(super) fn bring_topic_online(&mut self, topic: &TopicName) {
        let Some(topic) = self.cluster.topic_named(topic.as_str()) else { return };
        let waits = |key: &Key| self.cluster.unled().contains(key) && !self.cluster.is_dying(*key);
        let keys = self.cluster.keys_of(topic).into_iter().filter(waits).collect();
        self.bring_online(keys, Strategy::Offline { allow_unclean: false });
    }

    /// Gets a leader for partitions: the first one for those that are New, an elected one for the others. What came of it is
    /// in [`Active::take_outcomes`] afterwards; brokers have been told.
    pub(super) fn bring_online(&mut self, keys: Vec<Key>, strategy: Strategy) {
        if keys.is_empty() {
            return;
        }
        let mut new = Vec::new();
        let mut to_elect = Vec::new();
        for key in keys {
            match self.cluster.state(key) {
                PartitionState::New => new.push(key),
                PartitionState::Online | PartitionState::Offline => to_elect.push(key),
                PartitionState::NonExistent => self.outcomes.push((key, ElectionOutcome::Failed)),
            }
        }
        let created = new.clone();
        if !new.is_empty() {
            self.then(move |c| c.initialise(new));
        }
        if !to_elect.is_empty() {
            let election = Election { strategy, unclean_allowed: BTreeMap::new(), unclean: BTreeSet::new() };
            if !self.config.protocol.alter_partition {
                let stale = to_elect.clone();
                self.then(move |c| c.refresh(stale));
            }
            self.then(move |c| c.elect(election, to_elect));
        }
        self.then(Self::send_orders);
        // A first ISR may be all that a reassignment waits for.
        self.then(move |c| c.look_at_moves_later(created));
    }

    // The first leader.

    fn initialise(&mut self, keys: Vec<Key>) {
        let mut proposals = Vec::with_capacity(keys.len());
        let mut homeless = 0;
        for key in keys {
            let Some(partition) = self.cluster.partition(key) else { continue };
            let assigned = partition.assignment.replicas.iter().copied();
            let live: Vec<BrokerId> = assigned.filter(|&replica| self.cluster.is_online(replica, key)).collect();
            let Some(&leader) = live.first() else {
                homeless += 1;
                self.outcomes.push((key, ElectionOutcome::NoCandidate));
                continue;
            };
            let leadership = Leadership {
                leader,
                leader_epoch: LeaderEpoch(0),
                isr: live.into(),
                recovery: LeaderRecovery::Recovered,
                controller_epoch: self.controller_epoch,
                partition_epoch: PartitionEpoch(0),
            };
            proposals.push(Proposal { key, leadership });
        }
        if 0 < homeless {
            self.log(
                LogLevel::Error,
                format!("{homeless} new partitions have no live replica and stay without a leader"),
            );
        }
        self.create_states(proposals);
    }

    /// Creates the three levels of nodes in one request. Where a state found no parent (a shell that reorders, or a parent that
    /// was deleted), creates level by level.
    fn create_states(&mut self, proposals: Vec<Proposal>) {
        let parents = self.parents_of(&proposals);
        let skip = parents.len();
        let writes = parents.into_iter().chain(self.states_of(&proposals)).collect();
        self.write(writes, move |c, written| {
            let results = written.into_iter().skip(skip).collect::<Vec<_>>();
            let orphan = |result: &Result<ZkVersion, ZkError>| *result == Err(ZkError::NoNode);
            let (orphans, rest): (Vec<_>, Vec<_>) =
                proposals.into_iter().zip(results).partition(|(_, result)| orphan(result));
            c.states_created(rest);
            let orphans: Vec<Proposal> = orphans.into_iter().map(|(proposal, _)| proposal).collect();
            c.create_states_level_by_level(orphans);
        });
    }

    fn parents_of(&self, proposals: &[Proposal]) -> Vec<ZkWrite> {
        let mut topics = BTreeSet::new();
        let mut parents = Vec::with_capacity(proposals.len());
        for Proposal { key, .. } in proposals {
            let Some(topic) = self.cluster.topic(key.topic) else { continue };
            if !topic.has_partitions_node && topics.insert(key.topic) {
                parents.push(znodes::create_partitions_node(&topic.name));
            }
            parents.push(znodes::create_partition_node(&self.cluster.name(*key)));
        }
        parents
    }

    fn states_of(&self, proposals: &[Proposal]) -> Vec<ZkWrite> {
        let create = |p: &Proposal| znodes::create_state(&self.cluster.name(p.key), &p.leadership);
        proposals.iter().map(create).collect()
    }

    fn create_states_level_by_level(&mut self, proposals: Vec<Proposal>) {
        if proposals.is_empty() {
            return;
        }
        let topics: BTreeSet<TopicIndex> = proposals.iter().map(|proposal| proposal.key.topic).collect();
        let first = topics.iter().map(|&topic| znodes::create_partitions_node(&self.cluster.name_of(topic))).collect();
        let second = proposals.iter().map(|p| znodes::create_partition_node(&self.cluster.name(p.key))).collect();
        let third = self.states_of(&proposals);
        self.write(first, |_, _| {});
        self.write(second, |_, _| {});
        self.write(third, move |c, written| c.states_created(proposals.into_iter().zip(written).collect()));
    }

    fn states_created(&mut self, results: Vec<(Proposal, Result<ZkVersion, ZkError>)>) {
        let mut existing = Vec::new();
        for (proposal, result) in results {
            match result {
                Ok(_) => self.initialised(proposal),
                Err(ZkError::NodeExists) => existing.push(proposal),
                Err(error) => {
                    let partition = self.cluster.name(proposal.key);
                    self.log(LogLevel::Error, format!("could not create the state of {partition}: {error}"));
                    self.outcomes.push((proposal.key, ElectionOutcome::Failed));
                }
            }
        }
        let reads = existing.iter().map(|p| znodes::read_state(&self.cluster.name(p.key))).collect();
        self.read(reads, move |c, found| {
            for (proposal, found) in existing.into_iter().zip(found) {
                c.state_existed(proposal, found);
            }
        });
    }

    /// The state was there already: our own write whose answer was lost, or somebody else's.
    fn state_existed(&mut self, proposal: Proposal, found: Result<ZkFound, ZkError>) {
        match znodes::leadership(found) {
            Ok(Some(existing)) if existing.says_the_same_as(&proposal.leadership) => {
                self.initialised(Proposal { leadership: existing, ..proposal });
            }
            other => {
                let partition = self.cluster.name(proposal.key);
                self.log(LogLevel::Error, format!("the state of new partition {partition} exists already: {other:?}"));
                self.outcomes.push((proposal.key, ElectionOutcome::Failed));
            }
        }
    }

    fn initialised(&mut self, proposal: Proposal) {
        let Proposal { key, leadership } = proposal;
        let isr = leadership.isr.clone();
        let leader = leadership.leader;
        self.cluster.set_leadership(key, leadership);
        self.cluster.set_state(key, PartitionState::Online);
        if let Some(topic) = self.cluster.topic_mut(key.topic) {
            topic.has_partitions_node = true;
        }
        self.orders.lead_or_follow(&self.cluster, isr.iter().copied(), key, true);
        self.outcomes.push((key, ElectionOutcome::Elected(leader)));
    }

    // Another leader.

    fn elect(&mut self, election: Election, keys: Vec<Key>) {
        let unasked = self.topics_to_ask(&election, &keys);
        if unasked.is_empty() {
            self.elect_knowing_configs(election, keys);
            return;
        }
        let reads = unasked.iter().map(|&topic| znodes::read_topic_config(&self.cluster.name_of(topic))).collect();
        self.read(reads, move |c, found| {
            let mut election = election;
            for (topic, found) in unasked.into_iter().zip(found) {
                let allowed = c.is_unclean_allowed(topic, found);
                election.unclean_allowed.insert(topic, allowed);
            }
            c.elect_knowing_configs(election, keys);
        });
    }

    /// Topics with a partition whose ISR is dead while another replica lives: their configuration decides.
    fn topics_to_ask(&self, election: &Election, keys: &[Key]) -> Vec<TopicIndex> {
        if election.strategy != (Strategy::Offline { allow_unclean: false }) {
            return Vec::new();
        }
        let depends_on_config = |key: &&Key| {
            let Some(partition) = self.cluster.partition(**key) else { return false };
            let online = |&replica: &BrokerId| self.cluster.is_online(replica, **key);
            partition.leadership.as_ref().is_some_and(|l| !l.isr.iter().any(online))
                && partition.assignment.replicas.iter().any(online)
        };
        let topics: BTreeSet<TopicIndex> = keys.iter().filter(depends_on_config).map(|key| key.topic).collect();
        topics.into_iter().filter(|topic| !election.unclean_allowed.contains_key(topic)).collect()
    }

    fn is_unclean_allowed(&mut self, topic: TopicIndex, found: Result<ZkFound, ZkError>) -> bool {
        match znodes::unclean_override(found) {
            Ok(Some(allowed)) => allowed,
            Ok(None) => self.config.unclean_leader_election_enable,
            Err(error) => {
                let topic = self.cluster.name_of(topic);
                self.log(
                    LogLevel::Error,
                    format!("cannot read the configuration of {topic}, electing cleanly: {error}"),
                );
                false
            }
        }
    }

    fn elect_knowing_configs(&mut self, mut election: Election, keys: Vec<Key>) {
        let mut proposals = Vec::with_capacity(keys.len());
        for key in keys {
            match self.candidate(&mut election, key) {
                Ok(leadership) => proposals.push(Proposal { key, leadership }),
                Err(outcome) => self.outcomes.push((key, outcome)),
            }
        }
        self.propose(proposals, move |c, fates| {
            let mut again = Vec::new();
            for (proposal, fate) in fates {
                match fate {
                    Fate::Settled => c.elected(&election, proposal.key),
                    Fate::Outdated => again.push(proposal.key),
                    Fate::Missing | Fate::Failed => c.outcomes.push((proposal.key, ElectionOutcome::Failed)),
                }
            }
            if !again.is_empty() {
                c.elect(election, again);
            }
        });
    }

    fn candidate(&self, election: &mut Election, key: Key) -> Result<Leadership, ElectionOutcome> {
        let current = self.cluster.leadership(key).ok_or(ElectionOutcome::Failed)?;
        if self.controller_epoch < current.controller_epoch {
            return Err(ElectionOutcome::Failed);
        }
        let elected = self.choose(election, key, current).ok_or(ElectionOutcome::NoCandidate)?;
        if elected.unclean {
            election.unclean.insert(key);
        } else {
            election.unclean.remove(&key);
        }
        let recovery = if elected.unclean && self.config.protocol.leader_recovery {
            LeaderRecovery::Recovering
        } else {
            current.recovery
        };
        Ok(Leadership {
            leader: elected.leader,
            leader_epoch: LeaderEpoch(current.leader_epoch.0 + 1),
            isr: elected.isr.map_or_else(|| current.isr.clone(), Into::into),
            recovery,
            controller_epoch: self.controller_epoch,
            partition_epoch: current.partition_epoch,
        })
    }

    fn choose(&self, election: &Election, key: Key, current: &Leadership) -> Option<Elected> {
        let partition = self.cluster.partition(key)?;
        let assigned = &partition.assignment.replicas;
        let is_live = |replica| self.cluster.is_online(replica, key);
        match election.strategy {
            Strategy::Offline { allow_unclean } => {
                let unclean = allow_unclean || election.unclean_allowed.get(&key.topic).copied().unwrap_or(false);
                election::offline(assigned, &current.isr, is_live, unclean)
            }
            Strategy::Reassign => election::reassign(&partition.assignment.target(), &current.isr, is_live),
            Strategy::Preferred => election::preferred(assigned, &current.isr, is_live),
            Strategy::ControlledShutdown => election::controlled_shutdown(
                assigned,
                &current.isr,
                |replica| self.cluster.is_online_or_stopping(replica, key),
                |replica| self.cluster.is_shutting_down(replica),
            ),
        }
    }

    fn elected(&mut self, election: &Election, key: Key) {
        self.cluster.set_state(key, PartitionState::Online);
        let Some(partition) = self.cluster.partition(key) else { return };
        let Some(leadership) = &partition.leadership else { return };
        let leader = leadership.leader;
        self.unclean_elections += u64::from(election.unclean.contains(&key));
        let replicas = partition.assignment.replicas.iter().copied();
        let told: Vec<BrokerId> = match election.strategy {
            Strategy::Offline { .. } => replicas.filter(|&replica| self.cluster.is_online(replica, key)).collect(),
            Strategy::Reassign => partition.assignment.target(),
            Strategy::Preferred => replicas.collect(),
            Strategy::ControlledShutdown => {
                replicas.filter(|&replica| self.cluster.is_online_or_stopping(replica, key)).collect()
            }
        };
        self.orders.lead_or_follow(&self.cluster, told, key, false);
        self.outcomes.push((key, ElectionOutcome::Elected(leader)));
    }

    // Writing and reading states; used by elections, ISR changes and reassignments alike.

    /// Writes states, each expected to be at the partition epoch its proposal was based on, then goes on with their fates.
    pub(super) fn propose(
        &mut self,
        proposals: Vec<Proposal>,
        then: impl FnOnce(&mut Self, Vec<(Proposal, Fate)>) + Send + 'static,
    ) {
        let set = |p: &Proposal| znodes::set_state(&self.cluster.name(p.key), &p.leadership);
        let writes = proposals.iter().map(set).collect();
        self.write(writes, move |c, written| {
            let mut fates = Vec::with_capacity(proposals.len());
            let mut outdated = Vec::new();
            for (mut proposal, result) in proposals.into_iter().zip(written) {
                match result {
                    Ok(version) => {
                        proposal.leadership.partition_epoch = PartitionEpoch(version.0);
                        c.cluster.set_leadership(proposal.key, proposal.leadership.clone());
                        fates.push((proposal, Fate::Settled));
                    }
                    Err(ZkError::BadVersion) => outdated.push(proposal),
                    Err(ZkError::NoNode) => fates.push((proposal, Fate::Missing)),
                    Err(error) => {
                        let partition = c.cluster.name(proposal.key);
                        c.log(LogLevel::Error, format!("could not write the state of {partition}: {error}"));
                        fates.push((proposal, Fate::Failed));
                    }
                }
            }
            c.look_again(outdated, fates, then);
        });
    }

    /// Reads the states of proposals that met another version, then hands on all fates.
    fn look_again(
        &mut self,
        outdated: Vec<Proposal>,
        mut fates: Vec<(Proposal, Fate)>,
        then: impl FnOnce(&mut Self, Vec<(Proposal, Fate)>) + Send + 'static,
    ) {
        let reads = outdated.iter().map(|p| znodes::read_state(&self.cluster.name(p.key))).collect();
        self.read(reads, move |c, found| {
            for (mut proposal, found) in outdated.into_iter().zip(found) {
                let fate = match c.take_over_state(proposal.key, found) {
                    Some(existing) if existing.says_the_same_as(&proposal.leadership) => {
                        proposal.leadership = existing;
                        Fate::Settled
                    }
                    Some(_) => Fate::Outdated,
                    None => Fate::Failed,
                };
                fates.push((proposal, fate));
            }
            then(c, fates);
        });
    }

    /// Brings memory up to date with the states in ZooKeeper.
    pub(super) fn refresh(&mut self, keys: Vec<Key>) {
        let reads: Vec<ZkRead> = keys.iter().map(|&key| znodes::read_state(&self.cluster.name(key))).collect();
        self.read(reads, move |c, found| {
            for (key, found) in keys.into_iter().zip(found) {
                c.take_over_state(key, found);
            }
        });
    }

    /// Takes over a state that was read, unless it is missing, unreadable, or written by a later controller.
    pub(super) fn take_over_state(&mut self, key: Key, found: Result<ZkFound, ZkError>) -> Option<Leadership> {
        match znodes::leadership(found) {
            Ok(Some(leadership)) if leadership.controller_epoch <= self.controller_epoch => {
                self.cluster.set_leadership(key, leadership.clone());
                Some(leadership)
            }
            Ok(Some(leadership)) => {
                let (partition, theirs) = (self.cluster.name(key), leadership.controller_epoch);
                self.log(LogLevel::Error, format!("the state of {partition} was written by controller epoch {theirs}"));
                None
            }
            Ok(None) => None,
            Err(error) => {
                let partition = self.cluster.name(key);
                self.log(LogLevel::Error, format!("cannot read the state of {partition}: {error}"));
                None
            }
        }
    }
}
