//! Config overrides of topics, as far as this broker has needed them. Kept fresh by change notifications; a topic that is
//! new here is read from ZooKeeper first, because its creation is announced to nobody.
//! Source: contract 1.3 `/config`; `ZkConfigRepository`, `TopicConfigHandler`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use config::{BrokerConfig, TopicConfig};
use zk_schema::TopicName;
use zk_schema::nodes::config::{self as node, Config, ConfigEntity};

use crate::zk::{self, Found, Read, Zk};

/// Overrides by topic.
#[derive(Debug, Default)]
pub struct TopicConfigs {
    overrides: RwLock<HashMap<TopicName, Arc<Config>>>,
}

impl TopicConfigs {
    /// A topic's overrides; none if it has none, or if they were never read.
    #[must_use]
    pub fn overrides(&self, topic: &TopicName) -> Arc<Config> {
        self.overrides.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned().unwrap_or_default()
    }

    /// A topic's configuration: its overrides over this broker's own. An override that makes no sense is left out and
    /// logged, as the broker must run with what ZooKeeper holds.
    #[must_use]
    pub fn resolve(&self, broker: &BrokerConfig, topic: &TopicName) -> TopicConfig {
        let overrides = self.overrides(topic);
        TopicConfig::resolve_known(broker, &overrides).unwrap_or_else(|error| {
            tracing::error!("config overrides of topic {topic} are ignored: {error}");
            TopicConfig::of_broker(broker)
        })
    }

    /// Reads the overrides of those topics that have not been read yet.
    ///
    /// # Errors
    /// What ZooKeeper said.
    pub async fn load_missing(&self, zk: &Zk, topics: impl IntoIterator<Item = TopicName>) -> Result<(), zk::Error> {
        let missing: Vec<TopicName> = {
            let known = self.overrides.read().unwrap_or_else(PoisonError::into_inner);
            topics.into_iter().filter(|topic| !known.contains_key(topic)).collect()
        };
        self.load(zk, missing).await
    }

    /// Reads the overrides of these topics again.
    ///
    /// # Errors
    /// What ZooKeeper said.
    pub async fn load(&self, zk: &Zk, topics: Vec<TopicName>) -> Result<(), zk::Error> {
        let reads: Vec<Read> =
            topics.iter().map(|topic| Read::Data(ConfigEntity::Topic(topic.clone()).path())).collect();
        let found = zk.read_all(&reads).await?;
        let mut overrides = self.overrides.write().unwrap_or_else(PoisonError::into_inner);
        for (topic, found) in topics.into_iter().zip(found) {
            let read = match found {
                Found::Data(node) => node::decode(&node.data).unwrap_or_else(|error| {
                    tracing::error!("config overrides of topic {topic} cannot be read: {error}");
                    Config::new()
                }),
                Found::Nothing | Found::Children(_) => Config::new(),
            };
            overrides.insert(topic, Arc::new(read));
        }
        Ok(())
    }

    /// Forgets a topic that was deleted.
    pub fn forget(&self, topic: &TopicName) {
        self.overrides.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}
