//! The controller's picture of the cluster: brokers, topics, partitions, and the indexes that make events cheap.
//! Holds facts and keeps its indexes consistent; decides nothing and asks for nothing.
//! What is saved in ZooKeeper changes here only when ZooKeeper's answer has come back.
//! Source: `ControllerContext` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zk_schema::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition,
};

use super::effect::{LiveBroker, Replicas};
use super::event::LeaderRecovery;
use super::partition_state::PartitionState;
use super::replica_state::ReplicaState;

/// Stands for a topic's name inside the decider. Never used again once its topic is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicIndex(u32);

/// Stands for a topic partition inside the decider: small, copied and compared without touching text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub topic: TopicIndex,
    pub partition: i32,
}

/// Replicas of a partition. While a reassignment runs, `replicas` is target followed by what is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub replicas: Replicas,
    pub adding: Replicas,
    pub removing: Replicas,
}

impl Assignment {
    pub(super) fn of(replicas: Replicas) -> Self {
        let none: Replicas = Arc::from([]);
        Self { replicas, adding: none.clone(), removing: none }
    }

    pub(super) fn is_moving(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// What the reassignment started from.
    pub(super) fn origin(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.adding)
    }

    /// Where the reassignment leads.
    pub(super) fn target(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.removing)
    }

    /// The assignment while moving to `target`: target first, then the rest of the origin.
    pub(super) fn moving_to(&self, target: &[BrokerId]) -> Self {
        let origin = self.origin();
        let mut all: Vec<BrokerId> = Vec::with_capacity(target.len() + origin.len());
        for &replica in target.iter().chain(&origin) {
            if !all.contains(&replica) {
                all.push(replica);
            }
        }
        Self { adding: without(&all, &origin).into(), removing: without(&all, target).into(), replicas: all.into() }
    }

    pub(super) fn without_replica(&self, replica: BrokerId) -> Self {
        let keep = |list: &Replicas| -> Replicas {
            if list.contains(&replica) { without(list, &[replica]).into() } else { list.clone() }
        };
        Self { replicas: keep(&self.replicas), adding: keep(&self.adding), removing: keep(&self.removing) }
    }
}

/// `list` without the members of `unwanted`, order kept.
pub(super) fn without(list: &[BrokerId], unwanted: &[BrokerId]) -> Vec<BrokerId> {
    list.iter().copied().filter(|replica| !unwanted.contains(replica)).collect()
}

/// What the `state` znode of a partition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leadership {
    /// [`BrokerId::NONE`] when there is no leader.
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    pub isr: Replicas,
    pub recovery: LeaderRecovery,
    /// The controller that wrote it.
    pub controller_epoch: ControllerEpoch,
    /// The znode's version.
    pub partition_epoch: PartitionEpoch,
}

impl Leadership {
    /// Whether a node that was read is the one we meant to write: our own success, whose answer was lost.
    pub(super) fn says_the_same_as(&self, wanted: &Self) -> bool {
        self.leader == wanted.leader
            && self.leader_epoch == wanted.leader_epoch
            && self.isr == wanted.isr
            && self.recovery == wanted.recovery
            && self.controller_epoch == wanted.controller_epoch
    }
}

/// One partition.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub assignment: Assignment,
    pub state: PartitionState,
    pub leadership: Option<Leadership>,
    /// Replicas not listed are NonExistent. A handful, so a list.
    replicas: Vec<(BrokerId, ReplicaState)>,
}

impl Partition {
    pub(super) fn replica_state(&self, broker: BrokerId) -> ReplicaState {
        self.replicas.iter().find(|(id, _)| *id == broker).map_or(ReplicaState::NonExistent, |(_, state)| *state)
    }

    /// Whether leadership is where the assignment prefers it. A replica still being added counts once it is in the ISR.
    fn has_preferred_leader(&self) -> bool {
        let (Some(&preferred), Some(leadership)) = (self.assignment.replicas.first(), &self.leadership) else {
            return true;
        };
        if self.assignment.is_moving() && self.assignment.adding.contains(&preferred) {
            !leadership.isr.contains(&preferred)
        } else {
            leadership.leader == preferred
        }
    }
}

/// One topic.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub name: TopicName,
    /// [`TopicId::ZERO`] when it has none.
    pub id: TopicId,
    pub partitions: BTreeMap<i32, Partition>,
    /// Whether `/brokers/topics/T/partitions` is known to exist.
    pub has_partitions_node: bool,
}

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Live brokers, those shutting down included.
    brokers: BTreeMap<BrokerId, Arc<LiveBroker>>,
    /// Brokers the shell has a channel to. While a change of brokers is worked on, a dead one may still count as registered.
    connected: BTreeSet<BrokerId>,
    shutting_down: BTreeSet<BrokerId>,
    offline_dirs: BTreeMap<BrokerId, BTreeSet<Key>>,
    topics: Vec<Option<Box<Topic>>>,
    names: BTreeMap<TopicName, TopicIndex>,
    ids: BTreeMap<TopicId, TopicIndex>,
    /// Partitions with a replica on each broker.
    hosted: BTreeMap<BrokerId, BTreeSet<Key>>,
    /// Partitions whose leader each broker is, by ZooKeeper. [`BrokerId::NONE`] has those without one.
    led: BTreeMap<BrokerId, BTreeSet<Key>>,
    /// Partitions in state New or Offline.
    unled: BTreeSet<Key>,
    /// Partitions not led by their preferred replica, of topics not queued for deletion.
    imbalanced: BTreeSet<Key>,
    partition_count: usize,
    led_count: usize,
    /// Partitions with a reassignment under way.
    pub reassigning: BTreeSet<Key>,
    /// Topics queued for deletion.
    pub deleting: BTreeSet<TopicIndex>,
    /// Those of them whose partitions are NonExistent already.
    pub deletion_started: BTreeSet<TopicIndex>,
    /// Those of them that must wait: a replica is unreachable, or a reassignment runs.
    pub deletion_halted: BTreeSet<TopicIndex>,
}

impl Cluster {
    // Brokers.

    pub(super) fn brokers(&self) -> &BTreeMap<BrokerId, Arc<LiveBroker>> {
        &self.brokers
    }

    pub(super) fn broker_ids(&self) -> BTreeSet<BrokerId> {
        self.brokers.keys().copied().collect()
    }

    pub(super) fn broker_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        self.brokers.get(&broker).map(|live| live.epoch)
    }

    pub(super) fn put_broker(&mut self, broker: Arc<LiveBroker>) {
        self.brokers.insert(broker.id, broker);
    }

    pub(super) fn remove_broker(&mut self, broker: BrokerId) {
        self.brokers.remove(&broker);
    }

    /// Notes whether there is a channel to a broker.
    pub(super) fn set_connected(&mut self, broker: BrokerId, yes: bool) {
        if yes {
            self.connected.insert(broker);
        } else {
            self.connected.remove(&broker);
        }
    }

    /// Whether orders can be sent to a broker, and under which epoch.
    pub(super) fn address(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        self.broker_epoch(broker).filter(|_| self.connected.contains(&broker))
    }

    /// Alive, politely stopping or not.
    pub(super) fn is_registered(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker)
    }

    /// Alive and not stopping.
    pub(super) fn is_live(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker) && !self.shutting_down.contains(&broker)
    }

    pub(super) fn is_shutting_down(&self, broker: BrokerId) -> bool {
        self.shutting_down.contains(&broker)
    }

    pub(super) fn set_shutting_down(&mut self, broker: BrokerId, yes: bool) {
        if yes {
            self.shutting_down.insert(broker);
        } else {
            self.shutting_down.remove(&broker);
        }
    }

    pub(super) fn offline_dirs(&self, broker: BrokerId) -> Option<&BTreeSet<Key>> {
        self.offline_dirs.get(&broker)
    }

    pub(super) fn set_offline_dir(&mut self, broker: BrokerId, key: Key, offline: bool) {
        if offline {
            self.offline_dirs.entry(broker).or_default().insert(key);
        } else if let Some(keys) = self.offline_dirs.get_mut(&broker) {
            keys.remove(&key);
        }
    }

    pub(super) fn forget_offline_dirs(&mut self, broker: BrokerId) {
        self.offline_dirs.remove(&broker);
    }

    /// Whether a replica can serve: broker live, not stopping, log directory not known to be offline.
    pub(super) fn is_online(&self, broker: BrokerId, key: Key) -> bool {
        self.is_live(broker) && !self.is_dir_offline(broker, key)
    }

    /// The same, brokers that are stopping included.
    pub(super) fn is_online_or_stopping(&self, broker: BrokerId, key: Key) -> bool {
        self.is_registered(broker) && !self.is_dir_offline(broker, key)
    }

    fn is_dir_offline(&self, broker: BrokerId, key: Key) -> bool {
        self.offline_dirs.get(&broker).is_some_and(|keys| keys.contains(&key))
    }

    // Topics.

    pub(super) fn add_topic(&mut self, name: TopicName, id: TopicId) -> TopicIndex {
        let index = TopicIndex(u32::try_from(self.topics.len()).expect("fewer topics than u32 counts"));
        self.names.insert(name.clone(), index);
        if id.is_known() {
            self.ids.insert(id, index);
        }
        self.topics.push(Some(Box::new(Topic { name, id, partitions: BTreeMap::new(), has_partitions_node: false })));
        index
    }

    pub(super) fn remove_topic(&mut self, index: TopicIndex) {
        let keys = self.keys_of(index);
        for key in keys {
            self.remove_partition(key);
        }
        let Some(topic) = self.topics.get_mut(index.0 as usize).and_then(Option::take) else { return };
        self.names.remove(&topic.name);
        self.ids.remove(&topic.id);
        self.deleting.remove(&index);
        self.deletion_started.remove(&index);
        self.deletion_halted.remove(&index);
    }

    fn remove_partition(&mut self, key: Key) {
        self.set_assignment(key, Assignment::of(Arc::from([])));
        self.unled.remove(&key);
        self.imbalanced.remove(&key);
        self.reassigning.remove(&key);
        for keys in self.offline_dirs.values_mut() {
            keys.remove(&key);
        }
        let Some(partition) = self.topic_mut(key.topic).and_then(|topic| topic.partitions.remove(&key.partition))
        else {
            return;
        };
        self.partition_count -= 1;
        if let Some(leadership) = partition.leadership {
            self.led_count -= 1;
            remove_from(&mut self.led, leadership.leader, key);
        }
    }

    pub(super) fn set_topic_id(&mut self, index: TopicIndex, id: TopicId) {
        if let Some(topic) = self.topic_mut(index) {
            topic.id = id;
            self.ids.insert(id, index);
        }
    }

    pub(super) fn topic_named(&self, name: &str) -> Option<TopicIndex> {
        self.names.get(name).copied()
    }

    pub(super) fn topic_with_id(&self, id: TopicId) -> Option<TopicIndex> {
        self.ids.get(&id).copied()
    }

    pub(super) fn topic(&self, index: TopicIndex) -> Option<&Topic> {
        self.topics.get(index.0 as usize)?.as_deref()
    }

    pub(super) fn topic_mut(&mut self, index: TopicIndex) -> Option<&mut Topic> {
        self.topics.get_mut(index.0 as usize)?.as_deref_mut()
    }

    pub(super) fn name_of(&self, index: TopicIndex) -> TopicName {
        self.topic(index).map_or_else(|| TopicName::new(""), |topic| topic.name.clone())
    }

    /// All topics, in order of name.
    pub(super) fn topic_names(&self) -> &BTreeMap<TopicName, TopicIndex> {
        &self.names
    }

    pub(super) fn topic_count(&self) -> usize {
        self.names.len()
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub(super) fn led_count(&self) -> usize {
        self.led_count
    }

    /// Whether the deletion of its topic has begun: nobody leads it any more.
    pub(super) fn is_dying(&self, key: Key) -> bool {
        self.deletion_started.contains(&key.topic)
    }

    /// Whether its topic is queued for deletion, which may still wait.
    pub(super) fn is_deleting(&self, key: Key) -> bool {
        self.deleting.contains(&key.topic)
    }

    /// Whether a reassignment of one of its partitions is under way.
    pub(super) fn is_topic_moving(&self, topic: TopicIndex) -> bool {
        let all = Key { topic, partition: i32::MIN }..=Key { topic, partition: i32::MAX };
        self.reassigning.range(all).next().is_some()
    }

    /// Queues a topic for deletion.
    pub(super) fn queue_deletion(&mut self, index: TopicIndex) {
        self.deleting.insert(index);
        for key in self.keys_of(index) {
            self.imbalanced.remove(&key);
        }
    }

    // Partitions.

    pub(super) fn key(&self, partition: &TopicPartition) -> Option<Key> {
        let topic = self.topic_named(partition.topic.as_str())?;
        let key = Key { topic, partition: partition.partition };
        self.partition(key).is_some().then_some(key)
    }

    pub(super) fn name(&self, key: Key) -> TopicPartition {
        TopicPartition { topic: self.name_of(key.topic), partition: key.partition }
    }

    pub(super) fn partition(&self, key: Key) -> Option<&Partition> {
        self.topic(key.topic)?.partitions.get(&key.partition)
    }

    fn partition_mut(&mut self, key: Key) -> Option<&mut Partition> {
        self.topic_mut(key.topic)?.partitions.get_mut(&key.partition)
    }

    pub(super) fn leadership(&self, key: Key) -> Option<&Leadership> {
        self.partition(key)?.leadership.as_ref()
    }

    pub(super) fn keys_of(&self, index: TopicIndex) -> Vec<Key> {
        self.topic(index).map_or_else(Vec::new, |topic| {
            topic.partitions.keys().map(|&partition| Key { topic: index, partition }).collect()
        })
    }

    /// All partitions, in order of topic name.
    pub(super) fn all_keys(&self) -> Vec<Key> {
        let mut keys = Vec::with_capacity(self.partition_count);
        for &topic in self.names.values() {
            keys.extend(self.keys_of(topic));
        }
        keys
    }

    /// All replicas of a topic.
    pub(super) fn replicas_of(&self, index: TopicIndex) -> Vec<(BrokerId, Key)> {
        let Some(topic) = self.topic(index) else { return Vec::new() };
        let of_partition = |(&partition, p): (&i32, &Partition)| {
            let key = Key { topic: index, partition };
            p.assignment.replicas.iter().map(move |&broker| (broker, key)).collect::<Vec<_>>()
        };
        topic.partitions.iter().flat_map(of_partition).collect()
    }

    pub(super) fn hosted_by(&self, broker: BrokerId) -> impl Iterator<Item = Key> + '_ {
        self.hosted.get(&broker).into_iter().flatten().copied()
    }

    pub(super) fn led_by(&self, broker: BrokerId) -> impl Iterator<Item = Key> + '_ {
        self.led.get(&broker).into_iter().flatten().copied()
    }

    /// Every broker that leads something, [`BrokerId::NONE`] included.
    pub(super) fn leaders(&self) -> Vec<BrokerId> {
        self.led.keys().copied().collect()
    }

    /// Partitions in state New or Offline.
    pub(super) fn unled(&self) -> &BTreeSet<Key> {
        &self.unled
    }

    pub(super) fn imbalanced_count(&self) -> usize {
        self.imbalanced.len()
    }

    /// Adds a partition or replaces its replicas.
    pub(super) fn set_assignment(&mut self, key: Key, assignment: Assignment) {
        let Some(topic) = self.topics.get_mut(key.topic.0 as usize).and_then(Option::as_deref_mut) else { return };
        let replicas = assignment.replicas.clone();
        let old = match topic.partitions.get_mut(&key.partition) {
            Some(partition) => std::mem::replace(&mut partition.assignment, assignment).replicas,
            None => {
                let state = PartitionState::NonExistent;
                let partition = Partition { assignment, state, leadership: None, replicas: Vec::new() };
                topic.partitions.insert(key.partition, partition);
                self.partition_count += 1;
                Arc::from([])
            }
        };
        for &broker in old.iter().filter(|broker| !replicas.contains(broker)) {
            remove_from(&mut self.hosted, broker, key);
        }
        for &broker in replicas.iter().filter(|broker| !old.contains(broker)) {
            self.hosted.entry(broker).or_default().insert(key);
        }
        self.note_balance(key);
    }

    /// Takes over what ZooKeeper says about a partition.
    pub(super) fn set_leadership(&mut self, key: Key, leadership: Leadership) {
        let Some(partition) = self.partition_mut(key) else { return };
        let new_leader = leadership.leader;
        let old_leader = partition.leadership.replace(leadership).map(|old| old.leader);
        if old_leader != Some(new_leader) {
            match old_leader {
                Some(leader) => remove_from(&mut self.led, leader, key),
                None => self.led_count += 1,
            }
            self.led.entry(new_leader).or_default().insert(key);
        }
        self.note_balance(key);
    }

    fn note_balance(&mut self, key: Key) {
        let balanced = self.partition(key).is_none_or(Partition::has_preferred_leader) || self.is_deleting(key);
        if balanced {
            self.imbalanced.remove(&key);
        } else {
            self.imbalanced.insert(key);
        }
    }

    pub(super) fn state(&self, key: Key) -> PartitionState {
        self.partition(key).map_or(PartitionState::NonExistent, |partition| partition.state)
    }

    pub(super) fn set_state(&mut self, key: Key, state: PartitionState) {
        let Some(partition) = self.partition_mut(key) else { return };
        partition.state = state;
        if matches!(state, PartitionState::New | PartitionState::Offline) {
            self.unled.insert(key);
        } else {
            self.unled.remove(&key);
        }
    }

    // Replicas.

    pub(super) fn replica_state(&self, broker: BrokerId, key: Key) -> ReplicaState {
        self.partition(key).map_or(ReplicaState::NonExistent, |partition| partition.replica_state(broker))
    }

    pub(super) fn set_replica_state(&mut self, broker: BrokerId, key: Key, state: ReplicaState) {
        let Some(partition) = self.partition_mut(key) else { return };
        let known = partition.replicas.iter().position(|(id, _)| *id == broker);
        match (known, state) {
            (Some(at), ReplicaState::NonExistent) => drop(partition.replicas.remove(at)),
            (None, ReplicaState::NonExistent) => {}
            (Some(at), _) => partition.replicas[at].1 = state,
            (None, _) => partition.replicas.push((broker, state)),
        }
    }

    /// Whether the indexes agree with the partitions they index; says what does not.
    pub(super) fn check_indexes(&self) -> Result<(), String> {
        let mut partitions = 0;
        for (&topic, name) in self.names.iter().map(|(name, topic)| (topic, name)) {
            let found = self.topic(topic).ok_or_else(|| format!("{name} is indexed but gone"))?;
            for (&partition, p) in &found.partitions {
                partitions += 1;
                let key = Key { topic, partition };
                let hosted = |broker: &BrokerId| self.hosted.get(broker).is_some_and(|keys| keys.contains(&key));
                if !p.assignment.replicas.iter().all(hosted) {
                    return Err(format!("{name}-{partition} is not indexed on all its brokers"));
                }
                let led = |leader: BrokerId| self.led.get(&leader).is_some_and(|keys| keys.contains(&key));
                if p.leadership.as_ref().is_some_and(|leadership| !led(leadership.leader)) {
                    return Err(format!("{name}-{partition} is not indexed under its leader"));
                }
                let unled = matches!(p.state, PartitionState::New | PartitionState::Offline);
                if unled != self.unled.contains(&key) {
                    return Err(format!("{name}-{partition} is {:?} but the index of unled ones disagrees", p.state));
                }
                let imbalanced = !p.has_preferred_leader() && !self.deleting.contains(&topic);
                if imbalanced != self.imbalanced.contains(&key) {
                    return Err(format!("{name}-{partition}: the index of imbalanced ones disagrees"));
                }
            }
        }
        let hosted: usize = self.hosted.values().map(BTreeSet::len).sum();
        let replicas: usize = self.names.values().map(|&topic| self.replicas_of(topic).len()).sum();
        if (partitions, replicas) == (self.partition_count, hosted) {
            Ok(())
        } else {
            Err(format!(
                "{partitions} partitions and {replicas} replicas, indexed {} and {hosted}",
                self.partition_count
            ))
        }
    }
}

fn remove_from(index: &mut BTreeMap<BrokerId, BTreeSet<Key>>, broker: BrokerId, key: Key) {
    if let Some(keys) = index.get_mut(&broker) {
        keys.remove(&key);
        if keys.is_empty() {
            index.remove(&broker);
        }
    }
}
