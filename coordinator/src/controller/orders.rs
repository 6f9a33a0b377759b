//! Gathers what brokers are to be told during one change, then says it in as few orders as possible: LeaderAndIsr to each
//! broker, one UpdateMetadata for all, StopReplica to each, in that order.
//! Never decides who is told what; drops what is meant for brokers that are not registered or not connected.
//! Source: contract 2.12; `AbstractControllerBrokerRequestBatch` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zk_schema::{BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch};

use super::cluster::{Cluster, Key, Topic};
use super::effect::{
    Effect, LEADER_DURING_DELETE, LeaderAndIsr, LiveBroker, MetadataBody, OfTopic, PartitionMetadata, PartitionOrder,
    ReplicaToStop, Replicas, StopReplica, UpdateMetadata,
};

/// Orders gathered since the last sending. The state they carry is looked up when they are sent.
#[derive(Debug, Default)]
pub(super) struct Orders {
    lead_or_follow: BTreeMap<BrokerId, Vec<(Key, bool)>>,
    stop: BTreeMap<BrokerId, Vec<(Key, LeaderEpoch, bool)>>,
    tell: BTreeSet<BrokerId>,
    tell_about: Vec<Key>,
}

impl Orders {
    /// Tells brokers to lead or follow, and everybody about the partition.
    pub(super) fn lead_or_follow(
        &mut self,
        cluster: &Cluster,
        brokers: impl IntoIterator<Item = BrokerId>,
        key: Key,
        is_new: bool,
    ) {
        for broker in brokers {
            if cluster.is_registered(broker) {
                self.lead_or_follow.entry(broker).or_default().push((key, is_new));
            }
        }
        self.tell_all_about(cluster, key);
    }

    /// Tells every registered broker about a partition.
    pub(super) fn tell_all_about(&mut self, cluster: &Cluster, key: Key) {
        self.tell_all(cluster);
        self.tell_about.push(key);
    }

    /// Tells every registered broker about the brokers, and the partitions gathered.
    pub(super) fn tell_all(&mut self, cluster: &Cluster) {
        if self.tell.len() < cluster.brokers().len() {
            self.tell.extend(cluster.brokers().keys());
        }
    }

    /// Tells these brokers about these partitions and the brokers.
    pub(super) fn tell(&mut self, brokers: impl IntoIterator<Item = BrokerId>, keys: impl IntoIterator<Item = Key>) {
        self.tell.extend(brokers);
        self.tell_about.extend(keys);
    }

    /// Tells a broker to stop a replica, under the leader epoch known now.
    pub(super) fn stop(&mut self, cluster: &Cluster, broker: BrokerId, key: Key, delete: bool) {
        let leader_epoch = if cluster.is_deleting(key) {
            LeaderEpoch::DURING_DELETE
        } else {
            cluster.leadership(key).map_or(LeaderEpoch::NONE, |leadership| leadership.leader_epoch)
        };
        if cluster.is_registered(broker) {
            self.stop.entry(broker).or_default().push((key, leader_epoch, delete));
        }
    }

    /// Adds the orders to `effects` and forgets them.
    pub(super) fn send(
        &mut self,
        cluster: &Cluster,
        controller_epoch: ControllerEpoch,
        nobody: &Replicas,
        effects: &mut Vec<Effect>,
    ) {
        for (broker, keys) in std::mem::take(&mut self.lead_or_follow) {
            effects.extend(leader_and_isr(cluster, controller_epoch, broker, keys).map(Effect::LeaderAndIsr));
        }
        let tell = std::mem::take(&mut self.tell);
        let about = std::mem::take(&mut self.tell_about);
        effects.extend(update_metadata(cluster, controller_epoch, &tell, about, nobody).map(Effect::UpdateMetadata));
        for (broker, keys) in std::mem::take(&mut self.stop) {
            effects.extend(stop_replica(cluster, controller_epoch, broker, keys).map(Effect::StopReplica));
        }
    }
}

fn leader_and_isr(
    cluster: &Cluster,
    controller_epoch: ControllerEpoch,
    broker: BrokerId,
    mut keys: Vec<(Key, bool)>,
) -> Option<LeaderAndIsr> {
    let broker_epoch = cluster.address(broker)?;
    // Once new, always new: true sorts last, and the last of equals is kept.
    keys.sort_unstable();
    keys.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        kept.1 |= same && later.1;
        same
    });
    let mut leaders = BTreeSet::new();
    let topics = by_topic(cluster, keys, |topic, (key, is_new)| {
        let partition = topic.partitions.get(&key.partition)?;
        let leadership = partition.leadership.as_ref()?;
        leaders.insert(leadership.leader);
        Some(PartitionOrder {
            partition: key.partition,
            controller_epoch: leadership.controller_epoch,
            leader: leadership.leader,
            leader_epoch: leadership.leader_epoch,
            isr: leadership.isr.clone(),
            partition_epoch: leadership.partition_epoch,
            replicas: partition.assignment.replicas.clone(),
            adding: partition.assignment.adding.clone(),
            removing: partition.assignment.removing.clone(),
            is_new,
            leader_recovery: leadership.recovery,
        })
    });
    if topics.is_empty() {
        return None;
    }
    let live_leaders = leaders.iter().filter_map(|leader| cluster.brokers().get(leader).cloned()).collect();
    Some(LeaderAndIsr { broker, broker_epoch, controller_epoch, topics, live_leaders })
}

fn update_metadata(
    cluster: &Cluster,
    controller_epoch: ControllerEpoch,
    tell: &BTreeSet<BrokerId>,
    mut about: Vec<Key>,
    nobody: &Replicas,
) -> Option<UpdateMetadata> {
    let brokers: Vec<_> = tell.iter().filter_map(|&id| Some((id, cluster.address(id)?))).collect();
    if brokers.is_empty() {
        return None;
    }
    about.sort_unstable();
    about.dedup();
    let topics = by_topic(cluster, about.into_iter().map(|key| (key, ())).collect(), |topic, (key, ())| {
        partition_metadata(cluster, topic, key, nobody)
    });
    let live_brokers: Vec<Arc<LiveBroker>> = cluster.brokers().values().cloned().collect();
    Some(UpdateMetadata { brokers, body: Arc::new(MetadataBody { controller_epoch, topics, live_brokers }) })
}

fn partition_metadata(cluster: &Cluster, topic: &Topic, key: Key, nobody: &Replicas) -> Option<PartitionMetadata> {
    let partition = topic.partitions.get(&key.partition)?;
    let leadership = partition.leadership.as_ref()?;
    let replicas = partition.assignment.replicas.clone();
    let offline = |&&replica: &&BrokerId| !cluster.is_online(replica, key);
    let offline_replicas = if replicas.iter().any(|replica| offline(&replica)) {
        replicas.iter().filter(offline).copied().collect()
    } else {
        nobody.clone()
    };
    let deleting = cluster.is_deleting(key);
    Some(PartitionMetadata {
        partition: key.partition,
        controller_epoch: leadership.controller_epoch,
        leader: if deleting { LEADER_DURING_DELETE } else { leadership.leader },
        leader_epoch: if deleting { LeaderEpoch(0) } else { leadership.leader_epoch },
        isr: leadership.isr.clone(),
        partition_epoch: if deleting { PartitionEpoch(0) } else { leadership.partition_epoch },
        replicas,
        offline_replicas,
    })
}

fn stop_replica(
    cluster: &Cluster,
    controller_epoch: ControllerEpoch,
    broker: BrokerId,
    mut keys: Vec<(Key, LeaderEpoch, bool)>,
) -> Option<StopReplica> {
    let broker_epoch = cluster.address(broker)?;
    keys.sort_by_key(|(key, ..)| *key);
    keys.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            *kept = (kept.0, later.1, kept.2 || later.2);
        }
        same
    });
    let keys = keys.into_iter().map(|(key, leader_epoch, delete)| (key, (leader_epoch, delete))).collect();
    let topics = by_topic(cluster, keys, |_, (key, (leader_epoch, delete))| {
        Some(ReplicaToStop { partition: key.partition, leader_epoch, delete })
    });
    (!topics.is_empty()).then_some(StopReplica { broker, broker_epoch, controller_epoch, topics })
}

/// Groups sorted keys by topic; what is gone or yields nothing is left out.
fn by_topic<A, T>(
    cluster: &Cluster,
    keys: Vec<(Key, A)>,
    mut item: impl FnMut(&Topic, (Key, A)) -> Option<T>,
) -> Vec<OfTopic<T>> {
    let mut topics: Vec<OfTopic<T>> = Vec::new();
    let mut current = None;
    for (key, argument) in keys {
        let Some(topic) = cluster.topic(key.topic) else { continue };
        let Some(item) = item(topic, (key, argument)) else { continue };
        match topics.last_mut().filter(|_| current == Some(key.topic)) {
            Some(of_topic) => of_topic.partitions.push(item),
            None => {
                topics.push(OfTopic { topic: topic.name.clone(), topic_id: topic.id, partitions: vec![item] });
                current = Some(key.topic);
            }
        }
    }
    topics
}
