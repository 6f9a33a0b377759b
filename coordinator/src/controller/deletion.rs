//! Deleting topics: stop serving, stop and delete every replica, then forget; waiting for brokers that are away.
//! A topic leaves memory and ZooKeeper only when every replica has said that its log is gone.
//! Source: contract 2.8; `TopicDeletionManager` in Kafka 3.9.
//!
//! Differs from Kafka: while a deletion waits for a reassignment, the topic's partitions go on getting leaders, or the
//! reassignment might never end. Nor does a broker that comes back make it go on before the reassignment has ended.

use std::collections::BTreeSet;

use zk_schema::{BrokerId, TopicName, paths};

use super::active::Active;
use super::cluster::{Key, TopicIndex};
use super::effect::{LogLevel, ZkAction, ZkWrite};
use super::event::{OrderError, StopReplicaAnswer};
use super::partition_state::PartitionState;
use super::replica_state::{Replica, ReplicaState};

impl Active {
    /// The children of `/admin/delete_topics` changed.
    pub(super) fn deletions_changed(&mut self) {
        self.read_children(paths::DELETE_TOPICS, |c, names| {
            let (known, unknown): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|name| c.cluster.topic_named(name).is_some());
            if !unknown.is_empty() {
                c.log(LogLevel::Warn, format!("asked to delete topics that do not exist: {unknown:?}"));
                c.delete(unknown.into_iter().map(|name| paths::delete_topic(&TopicName::from(name))).collect());
            }
            if !c.config.delete_topic_enable {
                c.refuse_deletions(&known);
                return;
            }
            for topic in known.iter().filter_map(|name| c.cluster.topic_named(name)).collect::<Vec<_>>() {
                c.cluster.queue_deletion(topic);
                if c.cluster.is_topic_moving(topic) {
                    c.cluster.deletion_halted.insert(topic);
                }
            }
            c.then(Self::resume_deletions);
        });
    }

    /// `delete.topic.enable` is off.
    pub(super) fn refuse_deletions(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.log(LogLevel::Info, format!("deletion of topics is disabled, not deleting {names:?}"));
        }
        self.delete(names.iter().map(|name| paths::delete_topic(&TopicName::new(name))).collect());
    }

    /// These topics wait until whatever keeps them is over.
    pub(super) fn halt_deletion(&mut self, topics: impl IntoIterator<Item = TopicIndex>) {
        for topic in topics {
            if self.cluster.deleting.contains(&topic) {
                self.cluster.deletion_halted.insert(topic);
            }
        }
    }

    /// What kept these topics may be over. Topics on the move go on waiting.
    pub(super) fn resume_deletions_of(&mut self, topics: &BTreeSet<TopicIndex>) {
        let resumed = topics.intersection(&self.cluster.deleting).copied();
        let resumed: Vec<TopicIndex> = resumed.filter(|&topic| !self.cluster.is_topic_moving(topic)).collect();
        if !resumed.is_empty() {
            for topic in resumed {
                self.cluster.deletion_halted.remove(&topic);
            }
            self.resume_deletions();
        }
    }

    /// Takes each deletion as far as it can go now.
    pub(super) fn resume_deletions(&mut self) {
        let mut to_retry: Vec<Replica> = Vec::new();
        let mut to_delete = Vec::new();
        for topic in self.cluster.deleting.iter().copied().collect::<Vec<_>>() {
            let replicas = self.cluster.replicas_of(topic);
            let cluster = &self.cluster;
            let in_state = |state: ReplicaState| -> Vec<Replica> {
                let is = |&(broker, key): &Replica| cluster.replica_state(broker, key) == state;
                replicas.iter().copied().filter(is).collect()
            };
            if in_state(ReplicaState::DeletionSuccessful).len() == replicas.len() {
                self.then(move |c| c.complete_deletion(topic));
                continue;
            }
            if in_state(ReplicaState::DeletionStarted).is_empty() {
                to_retry.extend(in_state(ReplicaState::DeletionIneligible));
                if !self.cluster.deletion_halted.contains(&topic) {
                    to_delete.push(topic);
                }
            }
        }
        self.then(move |c| c.move_replicas(to_retry, ReplicaState::Offline));
        if !to_delete.is_empty() {
            self.then(move |c| c.start_deletion(&to_delete));
        }
    }

    fn start_deletion(&mut self, topics: &[TopicIndex]) {
        for &topic in topics {
            let name = self.cluster.name_of(topic);
            self.log(LogLevel::Info, format!("deleting topic {name}"));
            let keys = self.cluster.keys_of(topic);
            if !self.cluster.deletion_started.contains(&topic) {
                self.mark_partitions(&keys, PartitionState::Offline);
                self.mark_partitions(&keys, PartitionState::NonExistent);
                self.cluster.deletion_started.insert(topic);
                for key in &keys {
                    self.cluster.reassigning.remove(key);
                }
            }
            self.orders.tell_all(&self.cluster);
            for key in keys {
                self.orders.tell_all_about(&self.cluster, key);
            }
        }
        self.send_orders();
        self.delete_replicas(topics);
    }

    fn delete_replicas(&mut self, topics: &[TopicIndex]) {
        let mut dead = Vec::new();
        let mut alive = Vec::new();
        for &topic in topics {
            for (broker, key) in self.cluster.replicas_of(topic) {
                if !self.cluster.is_online(broker, key) {
                    dead.push((broker, key));
                } else if self.cluster.replica_state(broker, key) != ReplicaState::DeletionSuccessful {
                    alive.push((broker, key));
                }
            }
        }
        let halted: BTreeSet<TopicIndex> = dead.iter().map(|(_, key)| key.topic).collect();
        let stopping = alive.clone();
        self.then(move |c| c.move_replicas(dead, ReplicaState::DeletionIneligible));
        self.then(move |c| c.move_replicas(stopping, ReplicaState::Offline));
        self.then(move |c| c.move_replicas(alive, ReplicaState::DeletionStarted));
        self.then(move |c| c.halt_deletion(halted));
    }

    fn complete_deletion(&mut self, topic: TopicIndex) {
        let name = self.cluster.name_of(topic);
        let replicas = self.cluster.replicas_of(topic);
        self.then(move |c| c.move_replicas(replicas, ReplicaState::NonExistent));
        let writes = vec![
            ZkWrite { path: paths::topic(&name), action: ZkAction::DeleteTree },
            ZkWrite { path: paths::topic_config(&name), action: ZkAction::Delete },
            ZkWrite { path: paths::delete_topic(&name), action: ZkAction::Delete },
        ];
        self.write(writes, move |c, written| match written.into_iter().next() {
            Some(Ok(_)) => {
                c.log(LogLevel::Info, format!("topic {name} is deleted"));
                c.cluster.remove_topic(topic);
            }
            failed => c.log(LogLevel::Error, format!("could not delete the znodes of {name}: {failed:?}")),
        });
    }

    /// A broker says what became of replicas it was told to stop.
    pub(super) fn stop_replica_answered(
        &mut self,
        broker: BrokerId,
        result: Result<(), OrderError>,
        partitions: &[StopReplicaAnswer],
    ) {
        let mut failed = Vec::new();
        let mut deleted = Vec::new();
        for answer in partitions.iter().filter(|answer| answer.delete) {
            let Some(key) = self.cluster.key(&answer.partition) else { continue };
            let awaited = self.cluster.replica_state(broker, key) == ReplicaState::DeletionStarted;
            if !self.cluster.deletion_started.contains(&key.topic) || !awaited {
                continue;
            }
            match result.and(answer.result) {
                Ok(()) => deleted.push((broker, key)),
                Err(error) => {
                    let partition = &answer.partition;
                    self.log(LogLevel::Warn, format!("broker {broker} did not delete {partition}: {error:?}"));
                    failed.push((broker, key));
                }
            }
        }
        self.then(move |c| c.fail_deletion(failed));
        if !deleted.is_empty() {
            self.then(move |c| c.move_replicas(deleted, ReplicaState::DeletionSuccessful));
            self.then(Self::resume_deletions);
        }
    }

    /// Replicas that cannot be deleted now halt their topics.
    pub(super) fn fail_deletion(&mut self, replicas: Vec<Replica>) {
        if replicas.is_empty() || !self.config.delete_topic_enable {
            return;
        }
        let topics: BTreeSet<TopicIndex> = replicas.iter().map(|(_, key)| key.topic).collect();
        self.then(move |c| c.move_replicas(replicas, ReplicaState::DeletionIneligible));
        self.then(move |c| c.halt_deletion(topics));
        self.then(Self::resume_deletions);
    }

    /// Topics queued for deletion among those of these partitions.
    pub(super) fn deleting_among(&self, keys: impl IntoIterator<Item = Key>) -> BTreeSet<TopicIndex> {
        keys.into_iter().map(|key| key.topic).filter(|topic| self.cluster.deleting.contains(topic)).collect()
    }
}
