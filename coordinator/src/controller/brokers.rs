//! Brokers coming, going, changing address, losing a log directory, and shutting down politely.
//! A broker is known by its epoch: a new registration under an old id is a failure followed by a start.
//! Source: contract 2.4, 2.11 and 2.13; `processBrokerChange` and `doControlledShutdown` in Kafka 3.9.

use std::collections::BTreeSet;
use std::sync::Arc;

use zk_schema::{BrokerEpoch, BrokerId, TopicPartition, paths};

use super::Error;
use super::active::Active;
use super::cluster::Key;
use super::effect::{Answer, Effect, LiveBroker, LogLevel, RequestToken, ZkRead};
use super::election::Strategy;
use super::event::{OrderError, ZkFound};
use super::partition_state::{ElectionOutcome, PartitionState};
use super::replica_state::{Replica, ReplicaState};
use super::znodes;

impl Active {
    /// Reads all registered brokers, leaving out those that cannot be read or lack a finalised feature.
    pub(super) fn read_brokers(&mut self, then: impl FnOnce(&mut Self, Vec<Arc<LiveBroker>>) + Send + 'static) {
        self.read_children(paths::BROKER_IDS, move |c, names| {
            let mut ids: Vec<BrokerId> = names.iter().filter_map(|name| name.parse().ok().map(BrokerId)).collect();
            ids.sort_unstable();
            let reads = ids.iter().map(|&id| ZkRead::Data(paths::broker(id))).collect();
            c.read(reads, move |c, found| {
                let mut brokers = Vec::with_capacity(ids.len());
                for (id, found) in ids.into_iter().zip(found) {
                    match znodes::broker(id, found) {
                        Ok(Some(broker)) if c.is_compatible(&broker) => brokers.push(Arc::new(broker)),
                        Ok(Some(_)) => {
                            c.log(LogLevel::Warn, format!("broker {id} lacks a finalised feature and is ignored"));
                        }
                        Ok(None) => {}
                        Err(error) => {
                            c.log(LogLevel::Error, format!("cannot read the registration of broker {id}: {error}"))
                        }
                    }
                }
                then(c, brokers);
            });
        });
    }

    /// The children of `/brokers/ids` changed.
    pub(super) fn brokers_changed(&mut self) {
        self.read_brokers(|c, current| {
            let known_epoch = |broker: &LiveBroker| c.cluster.broker_epoch(broker.id);
            let ids: BTreeSet<BrokerId> = current.iter().map(|broker| broker.id).collect();
            let dead: Vec<BrokerId> = c.cluster.broker_ids().difference(&ids).copied().collect();
            let bounced: Vec<Arc<LiveBroker>> = current
                .iter()
                .filter(|broker| known_epoch(broker).is_some_and(|known| known < broker.epoch))
                .cloned()
                .collect();
            let new: Vec<Arc<LiveBroker>> =
                current.into_iter().filter(|broker| known_epoch(broker).is_none()).collect();
            c.broker_set_changed(new, bounced, dead);
        });
    }

    fn broker_set_changed(&mut self, new: Vec<Arc<LiveBroker>>, bounced: Vec<Arc<LiveBroker>>, dead: Vec<BrokerId>) {
        let ids = |brokers: &[Arc<LiveBroker>]| brokers.iter().map(|broker| broker.id).collect::<Vec<_>>();
        if new.is_empty() && bounced.is_empty() && dead.is_empty() {
            return;
        }
        let text = format!("brokers: new {:?}, restarted {:?}, gone {dead:?}", ids(&new), ids(&bounced));
        self.log(LogLevel::Info, text);
        for broker in &new {
            self.connect(broker.clone());
        }
        for broker in &bounced {
            self.disconnect(broker.id);
            self.connect(broker.clone());
        }
        for &broker in &dead {
            self.disconnect(broker);
        }
        self.then(move |c| c.brokers_started(new));
        if !bounced.is_empty() {
            let failed = ids(&bounced);
            self.then(move |c| c.brokers_failed(&failed));
            self.then(move |c| c.brokers_started(bounced));
        }
        self.then(move |c| c.brokers_failed(&dead));
    }

    pub(super) fn connect(&mut self, broker: Arc<LiveBroker>) {
        self.cluster.set_connected(broker.id, true);
        self.ask(Effect::Connect(broker));
    }

    fn disconnect(&mut self, broker: BrokerId) {
        self.cluster.set_connected(broker, false);
        self.ask(Effect::Disconnect(broker));
    }

    fn brokers_started(&mut self, brokers: Vec<Arc<LiveBroker>>) {
        if brokers.is_empty() {
            return;
        }
        let existing: Vec<BrokerId> = self.cluster.brokers().keys().copied().collect();
        let new: Vec<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
        for broker in brokers {
            self.cluster.forget_offline_dirs(broker.id);
            self.cluster.put_broker(broker);
        }
        self.orders.tell(existing, []);
        self.send_orders();
        let led = |key: &Key| self.cluster.leadership(*key).is_some() && !self.cluster.is_deleting(*key);
        let all: Vec<Key> = self.cluster.all_keys().into_iter().filter(led).collect();
        self.orders.tell(new.iter().copied(), all);
        self.send_orders();
        let replicas = self.replicas_on(&new);
        let deleting = self.deleting_among(replicas.iter().map(|(_, key)| *key));
        self.then(move |c| c.move_replicas(replicas, ReplicaState::Online));
        self.then(Self::bring_all_online);
        self.then(|c| c.outcomes.clear());
        self.then(move |c| c.resume_reassignments(move |target| target.iter().any(|replica| new.contains(replica))));
        self.then(move |c| c.resume_deletions_of(&deleting));
    }

    fn brokers_failed(&mut self, brokers: &[BrokerId]) {
        if brokers.is_empty() {
            return;
        }
        for &broker in brokers {
            self.cluster.remove_broker(broker);
            self.cluster.forget_offline_dirs(broker);
            self.cluster.set_shutting_down(broker, false);
        }
        let replicas = self.replicas_on(brokers);
        self.replicas_became_offline(replicas);
    }

    fn replicas_on(&self, brokers: &[BrokerId]) -> Vec<Replica> {
        brokers.iter().flat_map(|&broker| self.cluster.hosted_by(broker).map(move |key| (broker, key))).collect()
    }

    /// Replicas are out of reach: find other leaders, then take the replicas out of ISRs.
    fn replicas_became_offline(&mut self, replicas: Vec<Replica>) {
        let (deleting, others): (Vec<_>, Vec<_>) =
            replicas.into_iter().partition(|(_, key)| self.cluster.is_dying(*key));
        let leaderless = self.partitions_with_offline_leader();
        self.mark_partitions(&leaderless, PartitionState::Offline);
        self.bring_all_online();
        let nothing_to_tell = others.is_empty();
        self.then(move |c| {
            let told = c.take_outcomes().iter().any(|(_, outcome)| matches!(outcome, ElectionOutcome::Elected(_)));
            c.move_replicas(others, ReplicaState::Offline);
            c.then(move |c| c.fail_deletion(deleting));
            if nothing_to_tell && !told {
                c.then(Self::tell_all_about_brokers);
            }
        });
    }

    fn partitions_with_offline_leader(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for leader in self.cluster.leaders() {
            if !self.cluster.is_live(leader) {
                keys.extend(self.cluster.led_by(leader));
            } else if self.cluster.offline_dirs(leader).is_some_and(|dirs| !dirs.is_empty()) {
                keys.extend(self.cluster.led_by(leader).filter(|&key| !self.cluster.is_online(leader, key)));
            }
        }
        keys.retain(|&key| !self.cluster.is_dying(key));
        keys.sort_unstable();
        keys
    }

    pub(super) fn tell_all_about_brokers(&mut self) {
        self.orders.tell_all(&self.cluster);
        self.send_orders();
    }

    /// The data of `/brokers/ids/N` changed.
    pub(super) fn broker_changed(&mut self, id: BrokerId) {
        self.read(vec![ZkRead::Data(paths::broker(id))], move |c, found| {
            let Some(found) = found.into_iter().next() else { return };
            match znodes::broker(id, found) {
                Ok(Some(broker)) => c.broker_read_again(broker),
                Ok(None) => {}
                Err(error) => c.log(LogLevel::Error, format!("cannot read the registration of broker {id}: {error}")),
            }
        });
    }

    fn broker_read_again(&mut self, broker: LiveBroker) {
        let Some(known) = self.cluster.brokers().get(&broker.id) else { return };
        // Another epoch is another registration; the change of the children tells of that.
        if known.epoch != broker.epoch || **known == broker {
            return;
        }
        let broker = Arc::new(broker);
        self.log(LogLevel::Info, format!("broker {} changed its registration", broker.id));
        self.connect(broker.clone());
        self.cluster.put_broker(broker);
        self.tell_all_about_brokers();
    }

    // Log directories.

    /// The children of `/log_dir_event_notification` changed: ask the brokers concerned about all their replicas. Those on a
    /// failed directory answer with a storage error.
    pub(super) fn log_dir_events_notified(&mut self) {
        self.read_children(paths::LOG_DIR_EVENTS, |c, names| {
            let paths: Vec<String> = names.iter().map(|name| format!("{}/{name}", paths::LOG_DIR_EVENTS)).collect();
            let reads = paths.iter().cloned().map(ZkRead::Data).collect();
            c.read(reads, move |c, found| {
                let mut brokers = BTreeSet::new();
                for result in found {
                    match result.map(|found| znodes::log_dir_event(&found)) {
                        Ok(Ok(broker)) => drop(brokers.insert(broker)),
                        Ok(Err(error)) => c.log(LogLevel::Error, format!("cannot read a log directory event: {error}")),
                        Err(_) => {}
                    }
                }
                let brokers: Vec<BrokerId> = brokers.into_iter().collect();
                c.log(LogLevel::Info, format!("log directories failed on brokers {brokers:?}"));
                let replicas = c.replicas_on(&brokers);
                c.then(move |c| c.move_replicas(replicas, ReplicaState::Online));
                c.delete(paths);
            });
        });
    }

    /// A broker says what became of the replicas it was told about.
    pub(super) fn leader_and_isr_answered(
        &mut self,
        broker: BrokerId,
        result: Result<(), OrderError>,
        partitions: &[(TopicPartition, Result<(), OrderError>)],
    ) {
        if let Err(error) = result {
            self.log(LogLevel::Warn, format!("broker {broker} answered LeaderAndIsr with {error:?}"));
            return;
        }
        let mut newly_offline = Vec::new();
        for (partition, result) in partitions {
            let known = self.cluster.offline_dirs(broker);
            let (offline, online) = (*result == Err(OrderError::KafkaStorage), result.is_ok());
            if !offline && (!online || known.is_none_or(BTreeSet::is_empty)) {
                continue;
            }
            let Some(key) = self.cluster.key(partition) else { continue };
            if offline && !known.is_some_and(|keys| keys.contains(&key)) {
                newly_offline.push((broker, key));
            }
            self.cluster.set_offline_dir(broker, key, offline);
        }
        if !newly_offline.is_empty() {
            let count = newly_offline.len();
            self.log(LogLevel::Warn, format!("{count} replicas of broker {broker} are on an offline log directory"));
            self.replicas_became_offline(newly_offline);
        }
    }

    // Politely.

    /// A broker wants to stop: hand on what it leads, take it out of the other ISRs.
    pub(super) fn controlled_shutdown(&mut self, token: RequestToken, broker: BrokerId, broker_epoch: BrokerEpoch) {
        let Some(known) = self.cluster.broker_epoch(broker) else {
            self.answer(token, Answer::ControlledShutdown(Err(Error::BrokerNotAvailable)));
            return;
        };
        if broker_epoch != BrokerEpoch::NONE && broker_epoch < known {
            self.answer(token, Answer::ControlledShutdown(Err(Error::StaleBrokerEpoch)));
            return;
        }
        self.log(LogLevel::Info, format!("broker {broker} is shutting down"));
        self.cluster.set_shutting_down(broker, true);
        let keys = self.cluster.hosted_by(broker).filter(|&key| self.can_hand_on(key));
        let (led, followed): (Vec<Key>, Vec<Key>) =
            keys.partition(|&key| self.cluster.leadership(key).is_some_and(|l| l.leader == broker));
        self.then(move |c| c.bring_online(led, Strategy::ControlledShutdown));
        self.then(move |c| {
            c.outcomes.clear();
            for &key in &followed {
                c.orders.stop(&c.cluster, broker, key, false);
            }
            c.send_orders();
            c.move_replicas(followed.into_iter().map(|key| (broker, key)).collect(), ReplicaState::Offline);
        });
        self.then(move |c| {
            let still_led = c.cluster.led_by(broker).filter(|&key| c.can_hand_on(key));
            let still_led: Vec<TopicPartition> = still_led.map(|key| c.cluster.name(key)).collect();
            c.answer(token, Answer::ControlledShutdown(Ok(still_led)));
        });
    }

    /// Whether somebody else could lead it at all.
    fn can_hand_on(&self, key: Key) -> bool {
        let replicas = self.cluster.partition(key).map_or(0, |partition| partition.assignment.replicas.len());
        1 < replicas && self.cluster.leadership(key).is_some() && !self.cluster.is_dying(key)
    }

    /// Used when reading single nodes: the data found, if any.
    pub(super) fn data_of(
        found: Option<Result<ZkFound, super::event::ZkError>>,
    ) -> Option<(Vec<u8>, zk_schema::ZkVersion)> {
        match found {
            Some(Ok(ZkFound::Data { data, version, .. })) => Some((data, version)),
            _ => None,
        }
    }
}
