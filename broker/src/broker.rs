//! What one broker is made of, for those who answer requests.
//! A struct of shared parts and nothing else: `server` puts it together, handlers in `api` take what they need.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use config::BrokerConfig;
use wire::ErrorCode;
use zk_schema::types::{BrokerId, TopicName};

use crate::metadata;
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
    /// Creates topics a client asked for that do not exist; `None` until ZooKeeper is connected.
    pub auto_topics: Option<Arc<dyn CreateMissingTopic>>,
    config: RwLock<Arc<BrokerConfig>>,
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

impl Broker {
    /// A broker with an empty metadata cache.
    #[must_use]
    pub fn new(broker_id: BrokerId, cluster_id: String, config: BrokerConfig) -> Self {
        Self {
            broker_id,
            cluster_id,
            zk: None,
            metadata: Arc::default(),
            auto_topics: None,
            config: RwLock::new(Arc::new(config)),
        }
    }

    /// The configuration as it is now, dynamic values included. Take it once per operation.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration: a dynamic value changed.
    pub fn set_config(&self, config: BrokerConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
