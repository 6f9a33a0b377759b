//! Taking office: reads the whole cluster from ZooKeeper, tells the brokers, and takes up whatever was left unfinished.
//! Decides nothing that the other files decide; it is the order of things. Anything unreadable that concerns one topic or
//! broker costs that topic or broker; only ZooKeeper itself failing ends the attempt.
//! Source: contract 2.3; `KafkaController.onControllerFailover` in Kafka 3.9.

use zk_schema::{BrokerId, TopicName, paths};

use super::ControllerState;
use super::active::Active;
use super::cluster::{Key, TopicIndex};
use super::effect::{Effect, LogLevel, TimerKey, ZkAction, ZkRead, ZkWrite};
use super::event::ZkFound;
use super::partition_state::PartitionState;
use super::replica_state::ReplicaState;
use super::znodes;

/// When the first look at the balance of leaders is taken.
const FIRST_REBALANCE_MS: i64 = 5_000;

impl Active {
    /// Everything from the won election to normal service.
    pub(super) fn fail_over(&mut self) {
        self.state = ControllerState::ControllerChange;
        self.log(LogLevel::Info, format!("elected as controller, epoch {}", self.controller_epoch));
        self.then(Self::set_up_features);
        self.then(|c| c.ask(Effect::StartWatching));
        self.then(|c| c.clear_notifications(paths::LOG_DIR_EVENTS));
        self.then(|c| c.clear_notifications(paths::ISR_CHANGES));
        self.then(Self::load_brokers);
        self.then(Self::load_topics);
        self.then(Self::load_states);
        self.then(Self::load_deletions);
        self.then(Self::introduce_brokers);
        self.then(Self::start_replicas);
        self.then(Self::start_partitions);
        self.then(Self::start_reassignments);
        self.then(Self::resume_deletions);
        self.then(Self::start_preferred_election);
        self.then(Self::ready);
    }

    /// What was notified before is read below anyway.
    fn clear_notifications(&mut self, parent: &'static str) {
        self.read_children(parent, move |c, names| {
            c.delete(names.iter().map(|name| format!("{parent}/{name}")).collect());
        });
    }

    fn load_brokers(&mut self) {
        self.read_brokers(|c, brokers| {
            for broker in brokers {
                c.connect(broker.clone());
                c.cluster.put_broker(broker);
            }
        });
    }

    fn load_topics(&mut self) {
        self.read_children(paths::TOPICS, |c, names| {
            let topics: Vec<TopicName> = names.iter().map(|name| TopicName::new(name)).collect();
            c.add_topics(topics, |c, keys| {
                for key in keys {
                    if c.cluster.partition(key).is_some_and(|partition| partition.assignment.is_moving()) {
                        c.cluster.reassigning.insert(key);
                    }
                }
            });
        });
    }

    fn load_states(&mut self) {
        let keys = self.cluster.all_keys();
        let reads: Vec<ZkRead> = keys.iter().map(|&key| znodes::read_state(&self.cluster.name(key))).collect();
        self.read(reads, move |c, found| {
            for (key, found) in keys.into_iter().zip(found) {
                c.load_state(key, found);
            }
        });
    }

    fn load_state(&mut self, key: Key, found: Result<ZkFound, super::event::ZkError>) {
        match znodes::leadership(found) {
            Ok(Some(leadership)) => {
                self.cluster.set_leadership(key, leadership);
                if let Some(topic) = self.cluster.topic_mut(key.topic) {
                    topic.has_partitions_node = true;
                }
            }
            Ok(None) => {}
            Err(error) => {
                let partition = self.cluster.name(key);
                self.log(LogLevel::Error, format!("cannot read the state of {partition}: {error}"));
            }
        }
    }

    fn load_deletions(&mut self) {
        self.read_children(paths::DELETE_TOPICS, |c, names| {
            if !c.config.delete_topic_enable {
                c.refuse_deletions(&names);
                return;
            }
            let mut gone = Vec::new();
            for name in names {
                match c.cluster.topic_named(&name) {
                    Some(topic) => c.queue_loaded_deletion(topic),
                    None => gone.push(TopicName::from(name)),
                }
            }
            // A deletion whose controller stopped half-way: the rest of it.
            for topic in gone {
                let remains = vec![
                    ZkWrite { path: paths::topic(&topic), action: ZkAction::DeleteTree },
                    ZkWrite { path: paths::topic_config(&topic), action: ZkAction::Delete },
                    ZkWrite { path: paths::delete_topic(&topic), action: ZkAction::Delete },
                ];
                c.write(remains, |_, _| {});
            }
        });
    }

    fn queue_loaded_deletion(&mut self, topic: TopicIndex) {
        self.cluster.queue_deletion(topic);
        let offline = |(broker, key): &(BrokerId, Key)| !self.cluster.is_online(*broker, *key);
        let unreachable = self.cluster.replicas_of(topic).iter().any(offline);
        if unreachable || self.cluster.is_topic_moving(topic) {
            self.cluster.deletion_halted.insert(topic);
        }
    }

    /// Brokers must know each other's addresses before they can follow anybody.
    fn introduce_brokers(&mut self) {
        self.orders.tell_all(&self.cluster);
        self.send_orders();
    }

    fn start_replicas(&mut self) {
        let mut online = Vec::new();
        let mut offline = Vec::new();
        for key in self.cluster.all_keys() {
            let Some(partition) = self.cluster.partition(key) else { continue };
            let replicas = partition.assignment.replicas.clone();
            for &broker in replicas.iter() {
                if self.cluster.is_online(broker, key) {
                    self.cluster.set_replica_state(broker, key, ReplicaState::Online);
                    online.push((broker, key));
                } else {
                    // Should it belong to a topic being deleted, it cannot be deleted now.
                    self.cluster.set_replica_state(broker, key, ReplicaState::DeletionIneligible);
                    offline.push((broker, key));
                }
            }
        }
        self.then(move |c| c.move_replicas(online, ReplicaState::Online));
        self.then(move |c| c.move_replicas(offline, ReplicaState::Offline));
    }

    fn start_partitions(&mut self) {
        for key in self.cluster.all_keys() {
            let state = match self.cluster.leadership(key).map(|leadership| leadership.leader) {
                Some(leader) if self.cluster.is_online(leader, key) => PartitionState::Online,
                Some(_) => PartitionState::Offline,
                None => PartitionState::New,
            };
            self.cluster.set_state(key, state);
        }
        self.bring_all_online();
    }

    fn ready(&mut self) {
        let (brokers, topics) = (self.cluster.brokers().len(), self.cluster.topic_count());
        let partitions = self.cluster.partition_count();
        self.outcomes.clear();
        self.log(LogLevel::Info, format!("in office: {brokers} brokers, {topics} topics, {partitions} partitions"));
        if self.config.auto_leader_rebalance_enable {
            let at = self.now.plus_ms(FIRST_REBALANCE_MS);
            self.ask(Effect::SetTimer { key: TimerKey::LeaderRebalance, at });
        }
    }
}
