//! Applies config changes while the broker runs: each notification says whose config changed, and that config is read
//! again. Source: contract 1.3 `/config/changes`, 3.1 steps 3 and 13; `ZkConfigManager`, `DynamicBrokerConfig`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use config::BrokerConfig;
use config::dynamic::{Scope, usable};
use coordinator::controller::Event;
use tokio_util::sync::CancellationToken;
use zk_schema::nodes::config::{Config, ConfigEntity};
use zk_schema::nodes::config_change;
use zk_schema::{BrokerId, TopicName, paths};

use super::{listeners, settings};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::net::ConnectionLimits;
use crate::replica::ReplicaManager;
use crate::shell::controller;
use crate::zk::{self, Interest, Notifications, Zk};

const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

/// The configuration with what ZooKeeper says of this broker and of all brokers. Values that make no sense are left out
/// and logged: a broker must start in spite of them.
pub(super) async fn with_dynamic(config: &BrokerConfig, broker: BrokerId, zk: &Zk) -> Result<BrokerConfig, zk::Error> {
    let cluster = read_usable(zk, ConfigEntity::Broker(None), Scope::Cluster).await?;
    let own = read_usable(zk, ConfigEntity::Broker(Some(broker)), Scope::Broker).await?;
    Ok(config.with_dynamic(&cluster, &own).unwrap_or_else(|error| {
        tracing::error!("dynamic broker configs are ignored: {error}");
        config.clone()
    }))
}

async fn read_usable(zk: &Zk, entity: ConfigEntity, scope: Scope) -> Result<Config, zk::Error> {
    let texts = match zk.config(&entity).await {
        Err(zk::Error::Content(error)) => {
            tracing::error!("config of {entity} cannot be read: {error}");
            Config::new()
        }
        read => read?,
    };
    let (texts, refused) = usable(&texts, scope);
    for error in refused {
        tracing::error!("config of {entity}: {error}");
    }
    Ok(texts)
}

/// Follows `/config/changes`.
pub(super) struct DynamicConfig {
    pub zk: Zk,
    pub clock: Arc<Clock>,
    pub broker: Arc<Broker>,
    pub replicas: Arc<ReplicaManager>,
    pub controller: Arc<controller::Handle>,
    /// Replaces the bounds on connections.
    pub set_limits: Box<dyn Fn(ConnectionLimits) + Send + Sync>,
}

impl DynamicConfig {
    /// Applies what there is, then what comes, until told to stop; also amid a request that waits for ZooKeeper.
    pub(super) async fn follow(self, stop: CancellationToken) {
        let _stopped = stop.run_until_cancelled(self.follow_on()).await;
    }

    async fn follow_on(self) {
        let mut watching = self.zk.watch(vec![Interest::Children(paths::CONFIG_CHANGES.to_owned())]);
        let mut notifications = Notifications::new(paths::CONFIG_CHANGES, paths::CONFIG_CHANGE_PREFIX);
        while watching.next().await.is_some() {
            match notifications.take_new(&self.zk, self.clock.wall_ms()).await {
                Ok(changes) => {
                    for change in changes {
                        self.apply(&change).await;
                    }
                }
                Err(zk::Error::Closed) => return,
                Err(error) => tracing::error!("config changes cannot be read: {error}"),
            }
        }
    }

    async fn apply(&self, change: &[u8]) {
        let entity = match config_change::decode(change) {
            Ok(entity) => entity,
            Err(error) => return tracing::error!("config change ignored: {error}"),
        };
        let applied = match &entity {
            ConfigEntity::Topic(topic) => self.apply_topic(topic).await,
            ConfigEntity::Broker(id) if id.is_none_or(|id| id == self.broker.broker_id) => self.apply_broker().await,
            ConfigEntity::Broker(_) => Ok(()),
            ConfigEntity::Client(_) | ConfigEntity::User(_) | ConfigEntity::UserClient { .. } | ConfigEntity::Ip(_) => {
                Ok(())
            }
        };
        match applied {
            Ok(()) => tracing::info!("Processed notification of a config change of {entity}"),
            Err(error) => tracing::error!("config of {entity} cannot be applied: {error}"),
        }
    }

    async fn apply_topic(&self, topic: &TopicName) -> Result<(), zk::Error> {
        self.broker.topic_configs.load(&self.zk, vec![topic.clone()]).await?;
        self.replicas.update_topic_config(topic.as_str());
        let overrides = self.broker.topic_configs.overrides(topic);
        if overrides.get(UNCLEAN_ELECTION).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            self.controller.tell(Event::UncleanElectionEnabled(Some(topic.clone()))).await;
        }
        Ok(())
    }

    async fn apply_broker(&self) -> Result<(), zk::Error> {
        let before = self.broker.config();
        let after = with_dynamic(&before, self.broker.broker_id, &self.zk).await?;
        if let Err(error) = before.check_step_to(&after) {
            tracing::error!("dynamic broker configs are not applied: {error}");
            return Ok(());
        }
        let of_all = |config: &BrokerConfig| partition_log::LogConfig::from(&config::TopicConfig::of_broker(config));
        let topics_change = of_all(&before) != of_all(&after);
        let unclean = after.unclean_leader_election_enable && !before.unclean_leader_election_enable;
        let decider = settings::decider(self.broker.broker_id, &after);
        self.limit_connections(&after).await;
        let of_logs = self.replicas.logs().settings();
        of_logs.producer_id_expiration_ms.store(i64::from(after.producer_id_expiration_ms), Ordering::Relaxed);
        of_logs.transaction_verification.store(after.transaction_partition_verification_enable, Ordering::Relaxed);
        self.broker.set_config(after);
        if topics_change {
            self.refresh_logs();
        }
        self.controller.tell(Event::ConfigChanged(Box::new(decider))).await;
        if unclean {
            self.controller.tell(Event::UncleanElectionEnabled(None)).await;
        }
        Ok(())
    }

    /// Bounds may name hosts, whose addresses are asked for on a thread that may wait.
    async fn limit_connections(&self, config: &BrokerConfig) {
        let config = config.clone();
        match tokio::task::spawn_blocking(move || listeners::limits(&config)).await {
            Ok(limits) => (self.set_limits)(limits),
            Err(error) => tracing::error!("bounds on connections stay as they were: {error}"),
        }
    }

    /// Topics fall back to this broker's own values.
    fn refresh_logs(&self) {
        let logs = self.replicas.logs().all();
        let mut topics: Vec<&TopicName> = logs.iter().map(|log| &log.partition().topic).collect();
        topics.dedup();
        for topic in topics {
            self.replicas.update_topic_config(topic.as_str());
        }
    }
}
