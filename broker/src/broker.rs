//! What one broker is made of, for those who answer requests.
//! A struct of shared parts and nothing else: `server` puts it together, handlers in `api` take what they need.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use config::BrokerConfig;
use wire::ErrorCode;
use zk_schema::types::{BrokerId, ProducerEpoch, ProducerId, TopicName, TopicPartition};

use crate::clock::Clock;
use crate::metadata;
use crate::metrics::{Metric, names};
use crate::replica::{self, FetchSessions, Partition, ReplicaManager};
use crate::shell::controller;
use crate::shell::group::GroupCoordinator;
use crate::shell::producer_ids::ProducerIds;
use crate::shell::topics::Topics;
use crate::zk::Zk;

/// The parts of a running broker.
pub struct Broker {
    /// `broker.id`.
    pub broker_id: BrokerId,
    /// What `/cluster/id` says.
    pub cluster_id: String,
    /// The ZooKeeper gateway; `None` only in tests that need none.
    pub zk: Option<Arc<Zk>>,
    /// What the controller has told of the cluster.
    pub metadata: Arc<metadata::Cache>,
    /// The partitions hosted here; `None` only in tests that need none.
    pub replicas: Option<Arc<ReplicaManager>>,
    /// Fetch sessions of clients and followers.
    pub fetch_sessions: FetchSessions,
    /// Asks coordinators whether a transaction is open; without one, transactions are taken at their word.
    pub transaction_verifier: Option<Arc<dyn VerifyTransaction>>,
    /// The one clock.
    pub clock: Arc<Clock>,
    /// Creates topics a client asked for that do not exist; `None` until ZooKeeper is connected.
    pub auto_topics: Option<Arc<dyn CreateMissingTopic>>,
    /// Refuses orders of replaced controllers and for earlier registrations.
    pub fencing: Arc<metadata::Fencing>,
    /// Config overrides of topics.
    pub topic_configs: Arc<metadata::TopicConfigs>,
    /// Creates topics and partitions; `None` only in tests that need none.
    pub topics: Option<Arc<Topics>>,
    /// Ids for idempotent producers; `None` only in tests that need none.
    pub producer_ids: Option<Arc<ProducerIds>>,
    /// The controller's shell; `None` only in tests that need none.
    pub controller: Option<Arc<controller::Handle>>,
    /// Coordinates consumer groups; `None` only in tests that need none.
    pub groups: Option<Arc<GroupCoordinator>>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
}

/// A future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A topic to be created without anyone having asked for it by CreateTopics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partition_count: i32,
    /// How many replicas each.
    pub replication_factor: i16,
    /// Its config overrides.
    pub overrides: BTreeMap<String, String>,
}

/// Creates topics that a Metadata request named, or that a coordinator needs.
pub trait CreateMissingTopic: Send + Sync {
    /// Places and creates `topic`. Returns once ZooKeeper has it, before it has leaders.
    ///
    /// # Errors
    /// The code the client is told. `TOPIC_ALREADY_EXISTS` if another broker was faster.
    fn create(&self, topic: MissingTopic) -> BoxFuture<'_, Result<(), ErrorCode>>;
}

/// A transaction whose first records have come to some partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionToVerify {
    /// Its id.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// Where the records are to go.
    pub partitions: Vec<TopicPartition>,
}

/// Asks a transaction's coordinator whether partitions belong to it (KIP-890).
pub trait VerifyTransaction: Send + Sync {
    /// One code for each partition, in their order. A coordinator too old to be asked verifies everything.
    fn verify(&self, transaction: TransactionToVerify) -> BoxFuture<'_, Vec<ErrorCode>>;
}

impl Broker {
    /// A broker with an empty metadata cache.
    #[must_use]
    pub fn new(broker_id: BrokerId, cluster_id: String, config: BrokerConfig) -> Self {
        let session_slots = usize::try_from(config.max_incremental_fetch_session_cache_slots).unwrap_or(0);
        Self {
            broker_id,
            cluster_id,
            zk: None,
            metadata: Arc::default(),
            replicas: None,
            fetch_sessions: FetchSessions::new(session_slots),
            transaction_verifier: None,
            clock: Arc::default(),
            auto_topics: None,
            fencing: Arc::default(),
            topic_configs: Arc::default(),
            topics: None,
            producer_ids: None,
            controller: None,
            groups: None,
            config: Arc::new(RwLock::new(Arc::new(config))),
        }
    }

    /// A partition hosted here.
    ///
    /// # Errors
    /// As [`ReplicaManager::partition`].
    pub fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, replica::Error> {
        match &self.replicas {
            Some(replicas) => replicas.partition(topic, partition),
            None => Err(replica::Error::NotLeaderOrFollower(TopicPartition::new(topic, partition))),
        }
    }

    /// Whether this broker is the controller.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.is_active())
    }

    /// The configuration as it is now, dynamic values included. Take it once per operation.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the configuration as it is when asked, to parts that cannot hold on to the broker.
    pub fn config_source(&self) -> impl Fn() -> Arc<BrokerConfig> + Send + Sync + use<> {
        let config = Arc::clone(&self.config);
        move || Arc::clone(&config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Brings the gauges of partitions and fetch sessions up to date; called every few seconds while exported.
    pub fn refresh_gauges(&self) {
        let gauge = |metric: &Metric, count: usize| metric.set(u32::try_from(count).unwrap_or(u32::MAX));
        gauge(&names::FETCH_SESSIONS, self.fetch_sessions.session_count());
        gauge(&names::FETCH_SESSION_PARTITIONS, self.fetch_sessions.partition_count());
        let is_controller = self.is_controller();
        gauge(&names::ACTIVE_CONTROLLER_COUNT, usize::from(is_controller));
        // What the controller tells all brokers is what it knows itself.
        let cluster = if is_controller { self.metadata.snapshot().census() } else { metadata::Census::default() };
        gauge(&names::OFFLINE_PARTITIONS_COUNT, cluster.leaderless);
        gauge(&names::ACTIVE_BROKER_COUNT, cluster.brokers);
        gauge(&names::GLOBAL_TOPIC_COUNT, cluster.topics);
        gauge(&names::GLOBAL_PARTITION_COUNT, cluster.partitions);
        if let Some(replicas) = &self.replicas {
            let counts = replicas.counts();
            gauge(&names::PARTITION_COUNT, counts.partitions);
            gauge(&names::LEADER_COUNT, counts.leaders);
            gauge(&names::OFFLINE_REPLICA_COUNT, counts.offline);
            gauge(&names::UNDER_REPLICATED_PARTITIONS, counts.under_replicated);
            gauge(&names::UNDER_MIN_ISR_PARTITION_COUNT, counts.under_min_isr);
            gauge(&names::AT_MIN_ISR_PARTITION_COUNT, counts.at_min_isr);
            gauge(&names::REASSIGNING_PARTITIONS, counts.reassigning);
        }
    }

    /// Replaces the configuration: a dynamic value changed.
    pub fn set_config(&self, config: BrokerConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
