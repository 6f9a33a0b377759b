//! The cluster at one moment, and the questions handlers ask of it.
//! Never changes; a later moment is another snapshot that shares what stayed the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zk_schema::types::{BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition};

/// What UpdateMetadata has told so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The controller, if there is one.
    pub controller_id: Option<BrokerId>,
    /// Live brokers.
    pub brokers: BTreeMap<BrokerId, Arc<Broker>>,
    /// Topics with at least one partition.
    pub topics: HashMap<TopicName, Arc<Topic>>,
    pub(super) topic_names: HashMap<TopicId, TopicName>,
}

/// A live broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// Its rack.
    pub rack: Option<String>,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
}

/// One listener of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name.
    pub listener: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: i32,
    /// Security protocol by its number on the wire.
    pub security_protocol: i16,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id; zero if it has none.
    pub id: TopicId,
    /// Its partitions by index.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition as the controller described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Epoch of the controller that decided this.
    pub controller_epoch: ControllerEpoch,
    /// The state znode's version.
    pub partition_epoch: PartitionEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Replicas on failed log directories or dead brokers.
    pub offline_replicas: Vec<BrokerId>,
}

/// How much there is, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Live brokers.
    pub brokers: usize,
    /// Topics.
    pub topics: usize,
    /// Partitions.
    pub partitions: usize,
    /// Partitions whose leader is none or not alive.
    pub leaderless: usize,
}

impl Broker {
    /// Where it listens under this name, if it does.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }
}

impl Snapshot {
    /// Whether the broker is alive.
    #[must_use]
    pub fn is_alive(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker)
    }

    /// Where a live broker listens under this name.
    #[must_use]
    pub fn endpoint(&self, broker: BrokerId, listener: &str) -> Option<&Endpoint> {
        self.brokers.get(&broker)?.endpoint(listener)
    }

    /// A topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The id of a topic; zero when the topic or its id is unknown.
    #[must_use]
    pub fn topic_id(&self, name: &str) -> TopicId {
        self.topic(name).map_or(TopicId::ZERO, |topic| topic.id)
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.topic_names.get(&id)
    }

    /// A partition.
    #[must_use]
    pub fn partition(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.partition_of(partition.topic.as_str(), partition.partition)
    }

    /// A partition.
    #[must_use]
    pub fn partition_of(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topic(topic)?.partitions.get(&partition)
    }

    /// Partitions of a topic; 0 when it is unknown.
    #[must_use]
    pub fn partition_count(&self, topic: &str) -> usize {
        self.topic(topic).map_or(0, |topic| topic.partitions.len())
    }

    /// Counts everything.
    #[must_use]
    pub fn census(&self) -> Census {
        let partitions = || self.topics.values().flat_map(|topic| topic.partitions.values());
        Census {
            brokers: self.brokers.len(),
            topics: self.topics.len(),
            partitions: partitions().count(),
            leaderless: partitions().filter(|partition| !self.is_alive(partition.leader)).count(),
        }
    }

    /// All partitions there are.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &Partition)> {
        self.topics.iter().flat_map(|(name, topic)| {
            topic
                .partitions
                .iter()
                .map(move |(index, partition)| (TopicPartition::new(name.clone(), *index), partition))
        })
    }
}
