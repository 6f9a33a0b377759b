//! Leadership going where it belongs: on request, by the znode of old tools, and by itself every few minutes.
//! Chooses which partitions to elect for; the elections themselves are in `partition_state.rs`.
//! Source: contract 2.9; `processReplicaLeaderElection` and `checkAndTriggerAutoLeaderRebalance` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::{BrokerId, TopicPartition, paths};

use super::Error;
use super::active::Active;
use super::cluster::Key;
use super::effect::{Answer, ApiError, Effect, LogLevel, RequestToken, TimerKey, ZkRead};
use super::election::{self, Strategy};
use super::event::{ElectionType, Watched};
use super::partition_state::ElectionOutcome;
use super::znodes;

impl Active {
    /// A client asks for elections.
    pub(super) fn elect_leaders(
        &mut self,
        token: RequestToken,
        partitions: Option<Vec<TopicPartition>>,
        election_type: ElectionType,
    ) {
        let all = partitions.is_none();
        let partitions = partitions
            .unwrap_or_else(|| self.cluster.all_keys().into_iter().map(|key| self.cluster.name(key)).collect());
        let mut results: BTreeMap<TopicPartition, Result<BrokerId, ApiError>> = BTreeMap::new();
        let mut keys = Vec::new();
        for partition in partitions {
            match self.electable(&partition, election_type) {
                Ok(key) => keys.push(key),
                Err(error) => drop(results.insert(partition, Err(error))),
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let strategy = match election_type {
            ElectionType::Preferred => Strategy::Preferred,
            ElectionType::Unclean => Strategy::Offline { allow_unclean: true },
        };
        self.bring_online(keys, strategy);
        self.then(move |c| {
            for (key, outcome) in c.take_outcomes() {
                let partition = c.cluster.name(key);
                let result = result_of(&partition, outcome, election_type);
                results.insert(partition, result);
            }
            let not_needed = |result: &Result<_, ApiError>| {
                result.as_ref().is_err_and(|error| error.error == Error::ElectionNotNeeded)
            };
            let answer = results.into_iter().filter(|(_, result)| !(all && not_needed(result))).collect();
            c.answer(token, Answer::ElectLeaders(answer));
        });
    }

    fn electable(&self, partition: &TopicPartition, election_type: ElectionType) -> Result<Key, ApiError> {
        let Some(key) = self.cluster.key(partition) else {
            return Err(ApiError::with_message(Error::UnknownTopicOrPartition, "The partition does not exist."));
        };
        if self.cluster.is_deleting(key) {
            return Err(ApiError::with_message(Error::InvalidTopic, "The topic is being deleted"));
        }
        let leader = self.cluster.leadership(key).map(|leadership| leadership.leader);
        let is_needed = match election_type {
            ElectionType::Preferred => leader != self.preferred(key),
            ElectionType::Unclean => !leader.is_some_and(|leader| self.cluster.is_live(leader)),
        };
        is_needed.then_some(key).ok_or_else(|| ApiError::new(Error::ElectionNotNeeded))
    }

    fn preferred(&self, key: Key) -> Option<BrokerId> {
        self.cluster.partition(key)?.assignment.replicas.first().copied()
    }

    // The znode of old tools.

    /// `/admin/preferred_replica_election` was created.
    pub(super) fn preferred_election_changed(&mut self) {
        self.start_preferred_election();
    }

    /// Elects preferred leaders for the partitions in the znode, if there is one, then deletes it.
    pub(super) fn start_preferred_election(&mut self) {
        let path = paths::PREFERRED_REPLICA_ELECTION;
        self.read(vec![ZkRead::Data(path.to_owned())], move |c, found| {
            let Some((data, _)) = Self::data_of(found.into_iter().next()) else { return };
            let partitions = znodes::preferred_election(&data).unwrap_or_else(|error| {
                c.log(LogLevel::Warn, format!("ignoring an unreadable preferred leader election: {error}"));
                BTreeSet::new()
            });
            let electable = partitions.iter().filter_map(|p| c.electable(p, ElectionType::Preferred).ok());
            let keys: Vec<Key> = electable.collect();
            c.bring_online(keys, Strategy::Preferred);
            c.then(Self::log_failed_elections);
            c.delete(vec![path.to_owned()]);
            // Somebody may have been waiting to write the next one.
            c.then(|c| c.signal(Watched::PreferredElection));
        });
    }

    fn log_failed_elections(&mut self) {
        for (key, outcome) in self.take_outcomes() {
            if !matches!(outcome, ElectionOutcome::Elected(_)) {
                let partition = self.cluster.name(key);
                self.log(LogLevel::Warn, format!("the preferred replica of {partition} could not become leader"));
            }
        }
    }

    // By itself.

    /// The timer rang: see whether too many leaders are away from home.
    pub(super) fn rebalance_leaders(&mut self) {
        let mut homes: BTreeMap<BrokerId, (usize, Vec<Key>)> = BTreeMap::new();
        for key in self.cluster.all_keys() {
            if self.cluster.is_deleting(key) {
                continue;
            }
            let Some(home) = self.preferred(key) else { continue };
            let (count, away) = homes.entry(home).or_default();
            *count += 1;
            if self.cluster.leadership(key).is_some_and(|leadership| leadership.leader != home) {
                away.push(key);
            }
        }
        let percentage = usize::try_from(self.config.leader_imbalance_per_broker_percentage).unwrap_or(0);
        let too_many = |(count, away): &(usize, Vec<Key>)| count * percentage < away.len() * 100;
        let away = homes.into_values().filter(too_many).flat_map(|(_, away)| away);
        let keys: Vec<Key> = away.filter(|&key| self.can_go_home(key)).collect();
        if !keys.is_empty() {
            self.log(LogLevel::Info, format!("moving {} leaders to their preferred replicas", keys.len()));
        }
        self.bring_online(keys, Strategy::Preferred);
        self.then(Self::log_failed_elections);
        self.then(|c| {
            let at = c.now.plus_ms(c.config.leader_imbalance_check_interval_ms);
            c.ask(Effect::SetTimer { key: TimerKey::LeaderRebalance, at });
        });
    }

    fn can_go_home(&self, key: Key) -> bool {
        let Some(partition) = self.cluster.partition(key) else { return false };
        let Some(leadership) = &partition.leadership else { return false };
        let is_live = |replica| self.cluster.is_online(replica, key);
        election::preferred(&partition.assignment.replicas, &leadership.isr, is_live).is_some()
    }
}

fn result_of(
    partition: &TopicPartition,
    outcome: ElectionOutcome,
    election_type: ElectionType,
) -> Result<BrokerId, ApiError> {
    let (error, strategy) = match election_type {
        ElectionType::Preferred => {
            (Error::PreferredLeaderNotAvailable, "PreferredReplicaPartitionLeaderElectionStrategy")
        }
        ElectionType::Unclean => (Error::EligibleLeadersNotAvailable, "OfflinePartitionLeaderElectionStrategy(true)"),
    };
    match outcome {
        ElectionOutcome::Elected(leader) => Ok(leader),
        ElectionOutcome::NoCandidate | ElectionOutcome::Failed => Err(ApiError::with_message(
            error,
            format!("Failed to elect leader for partition {partition} under strategy {strategy}"),
        )),
    }
}
