//! Topics appearing, growing and vanishing, whoever wrote them into ZooKeeper.
//! Deletion on request has a file of its own; here a topic is dropped only because its znode is gone.
//! Source: contract 2.14; `processTopicChange` and `processPartitionModifications` in Kafka 3.9.

use std::collections::BTreeSet;

use zk_schema::nodes::topic::TopicAssignment;
use zk_schema::{TopicId, TopicName, ZkVersion, paths};

use super::active::Active;
use super::cluster::{Key, TopicIndex};
use super::effect::{LogLevel, ZkAction, ZkRead, ZkWrite};
use super::election::Strategy;
use super::event::ZkError;
use super::partition_state::PartitionState;
use super::replica_state::{Replica, ReplicaState};
use super::znodes;

impl Active {
    /// The children of `/brokers/topics` changed.
    pub(super) fn topics_changed(&mut self) {
        self.read_children(paths::TOPICS, |c, names| {
            let existing: BTreeSet<TopicName> = names.iter().map(|name| TopicName::new(name)).collect();
            let known = c.cluster.topic_names();
            let gone: Vec<TopicIndex> =
                known.iter().filter(|(name, _)| !existing.contains(*name)).map(|(_, &topic)| topic).collect();
            let new: Vec<TopicName> = existing.into_iter().filter(|name| !known.contains_key(name)).collect();
            for topic in gone {
                c.cluster.remove_topic(topic);
            }
            if !new.is_empty() {
                c.log(LogLevel::Info, format!("new topics: {new:?}"));
                c.add_topics(new, Self::create_partitions);
            }
        });
    }

    /// Reads topics and takes them into memory, giving ids to those without; then goes on with their partitions.
    pub(super) fn add_topics(
        &mut self,
        names: Vec<TopicName>,
        then: impl FnOnce(&mut Self, Vec<Key>) + Send + 'static,
    ) {
        let reads = names.iter().map(|name| ZkRead::Data(paths::topic(name))).collect();
        self.read(reads, move |c, found| {
            let mut keys = Vec::new();
            let mut without_id = Vec::new();
            for (name, found) in names.into_iter().zip(found) {
                match znodes::topic(found) {
                    Ok(Some((node, version))) => {
                        let topic = c.add_topic(name, &node, &mut keys);
                        if node.topic_id.is_none() && c.config.protocol.topic_ids {
                            without_id.push((topic, node, version));
                        }
                    }
                    Ok(None) => {}
                    Err(error) => {
                        c.log(LogLevel::Error, format!("cannot read topic {name}: {error}"));
                        // Known from now on, so that only a change of its data makes us look again.
                        c.cluster.add_topic(name, TopicId::ZERO);
                    }
                }
            }
            c.give_ids(without_id);
            c.then(move |c| then(c, keys));
        });
    }

    fn add_topic(&mut self, name: TopicName, node: &TopicAssignment, keys: &mut Vec<Key>) -> TopicIndex {
        let mut id = node.topic_id.unwrap_or(TopicId::ZERO);
        if id.is_known() && self.cluster.topic_with_id(id).is_some() {
            self.log(LogLevel::Error, format!("topic {name} claims the id {id}, which belongs to another topic"));
            id = TopicId::ZERO;
        }
        let topic = self.cluster.add_topic(name, id);
        for (&partition, assignment) in &node.partitions {
            let key = Key { topic, partition };
            self.cluster.set_assignment(key, znodes::assignment(assignment));
            keys.push(key);
        }
        topic
    }

    /// Writes fresh ids into topics that have none. If somebody else changed a topic meanwhile, reads it again.
    fn give_ids(&mut self, topics: Vec<(TopicIndex, TopicAssignment, ZkVersion)>) {
        if topics.is_empty() {
            return;
        }
        let mut drawn = Vec::with_capacity(topics.len());
        let mut writes = Vec::with_capacity(topics.len());
        for (topic, mut node, version) in topics {
            let id = self.topic_ids.draw();
            node.topic_id = Some(id);
            let path = paths::topic(&self.cluster.name_of(topic));
            writes.push(ZkWrite { path, action: ZkAction::SetData { data: node.encode(), expected: Some(version) } });
            drawn.push((topic, id));
        }
        self.write(writes, move |c, written| {
            let mut again = Vec::new();
            for ((topic, id), result) in drawn.into_iter().zip(written) {
                match result {
                    Ok(_) => c.cluster.set_topic_id(topic, id),
                    Err(ZkError::BadVersion) => again.push(topic),
                    Err(error) => {
                        let name = c.cluster.name_of(topic);
                        c.log(LogLevel::Error, format!("could not give topic {name} an id: {error}"));
                    }
                }
            }
            c.look_again_for_ids(again);
        });
    }

    fn look_again_for_ids(&mut self, topics: Vec<TopicIndex>) {
        let reads = topics.iter().map(|&topic| ZkRead::Data(paths::topic(&self.cluster.name_of(topic)))).collect();
        self.read(reads, move |c, found| {
            let mut without_id = Vec::new();
            for (topic, found) in topics.into_iter().zip(found) {
                match znodes::topic(found) {
                    Ok(Some((TopicAssignment { topic_id: Some(id), .. }, _))) => c.cluster.set_topic_id(topic, id),
                    Ok(Some((node, version))) => without_id.push((topic, node, version)),
                    Ok(None) | Err(_) => {}
                }
            }
            c.give_ids(without_id);
        });
    }

    /// The data of topics' znodes changed: more partitions, or our own writes.
    pub(super) fn topics_data_changed(&mut self, mut names: Vec<TopicName>) {
        names.retain(|name| self.cluster.topic_named(name.as_str()).is_some());
        let reads = names.iter().map(|name| ZkRead::Data(paths::topic(name))).collect();
        self.read(reads, move |c, found| {
            for (name, found) in names.into_iter().zip(found) {
                let Some(topic) = c.cluster.topic_named(name.as_str()) else { continue };
                match znodes::topic(found) {
                    Ok(Some((node, _))) => c.topic_read_again(topic, &node),
                    Ok(None) => {}
                    Err(error) => c.log(LogLevel::Error, format!("cannot read topic {name}: {error}")),
                }
            }
        });
    }

    fn topic_read_again(&mut self, topic: TopicIndex, node: &TopicAssignment) {
        let known = |partition: &i32| self.cluster.partition(Key { topic, partition: *partition }).is_some();
        let new: Vec<i32> = node.partitions.keys().copied().filter(|partition| !known(partition)).collect();
        if new.is_empty() {
            return;
        }
        let name = self.cluster.name_of(topic);
        if self.cluster.deleting.contains(&topic) {
            self.log(LogLevel::Warn, format!("not adding partitions {new:?} to {name}, which is being deleted"));
            self.restore_topic(topic);
            return;
        }
        self.log(LogLevel::Info, format!("new partitions of {name}: {new:?}"));
        let mut keys = Vec::with_capacity(new.len());
        for partition in new {
            let Some(assignment) = node.partitions.get(&partition) else { continue };
            let key = Key { topic, partition };
            self.cluster.set_assignment(key, znodes::assignment(assignment));
            keys.push(key);
        }
        self.create_partitions(keys);
    }

    /// Takes back an increase of partitions that came too late.
    fn restore_topic(&mut self, topic: TopicIndex) {
        let Some(known) = self.cluster.topic(topic) else { return };
        let data = znodes::topic_node(known).encode();
        let write = ZkWrite { path: paths::topic(&known.name), action: ZkAction::SetData { data, expected: None } };
        self.write(vec![write], |_, _| {});
    }

    /// New partitions, assigned already: from nothing to led.
    pub(super) fn create_partitions(&mut self, keys: Vec<Key>) {
        let replicas: Vec<Replica> = keys.iter().flat_map(|&key| self.replicas_of_partition(key)).collect();
        self.mark_partitions(&keys, PartitionState::New);
        let new = replicas.clone();
        self.then(move |c| c.move_replicas(new, ReplicaState::New));
        self.then(move |c| c.bring_online(keys, Strategy::Offline { allow_unclean: false }));
        self.then(move |c| c.move_replicas(replicas, ReplicaState::Online));
        self.then(|c| c.outcomes.clear());
    }

    pub(super) fn replicas_of_partition(&self, key: Key) -> Vec<Replica> {
        let Some(partition) = self.cluster.partition(key) else { return Vec::new() };
        partition.assignment.replicas.iter().map(|&broker| (broker, key)).collect()
    }
}
