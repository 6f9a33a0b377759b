//! Puts a broker's parts together: logs, partitions, coordinators, and what hands out topics and producer ids. Nothing
//! here serves anybody yet. Source: contract 3.1 steps 5 to 9.

use std::path::PathBuf;
use std::sync::Arc;

use config::BrokerConfig;
use partition_log::{LogConfig, LogManager, LogManagerConfig};
use zk_schema::{CONSUMER_OFFSETS, TopicName};

use super::Error;
use super::auto_topics::AutoTopics;
use super::coordinator_log::ReplicatedLog;
use super::identity::Identity;
use super::log_dir_failures::Failures;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::replica::{Fetchers, IsrUpdater, LeadershipListener, ReplicaManager};
use crate::shell::controller_client::ControllerClient;
use crate::shell::fetchers::ReplicaFetchers;
use crate::shell::group::GroupCoordinator;
use crate::shell::isr_updater::{self, Proposals};
use crate::shell::producer_ids::{ProducerIds, Source};
use crate::shell::topics::Topics;
use crate::zk::Zk;

/// A broker that is not in the cluster yet.
pub(super) struct Assembly {
    pub broker: Broker,
    pub logs: Arc<LogManager>,
    pub replicas: Arc<ReplicaManager>,
    pub failures: Failures,
    pub isr_sender: isr_updater::Sender,
    pub fetchers: Arc<ReplicaFetchers>,
}

/// Loads the logs and builds what stands on them.
pub(super) async fn assemble(
    config: &BrokerConfig,
    identity: Identity,
    clock: &Arc<Clock>,
    zk: &Zk,
) -> Result<Assembly, Error> {
    let mut broker = Broker::new(identity.broker_id, identity.cluster_id, config.clone());
    broker.zk = Some(Arc::new(zk.clone()));
    broker.clock = Arc::clone(clock);
    let failures = Failures::new();
    let logs = open_logs(config, identity.log_dirs, &broker, &failures, zk).await?;
    let replicas = Arc::new(replica_manager(&broker, config, Arc::clone(&logs)));
    broker.replicas = Some(Arc::clone(&replicas));

    let topics = Arc::new(Topics::new(zk.clone(), Arc::clone(&broker.metadata), broker.config_source()));
    broker.auto_topics = Some(Arc::new(AutoTopics(Arc::clone(&topics))));
    broker.topics = Some(topics);

    let to_controller = Arc::new(controller_client(&broker, config));
    let source = if config.ibp().has_allocate_producer_ids() {
        Source::Controller(Arc::clone(&to_controller))
    } else {
        Source::ZooKeeper(zk.clone())
    };
    broker.producer_ids = Some(Arc::new(ProducerIds::new(broker.broker_id, Arc::clone(&broker.fencing), source)));

    let groups = Arc::new(group_coordinator(config, &replicas, clock));
    if let Some((offsets, _)) = zk.topic(&TopicName::new(CONSUMER_OFFSETS)).await? {
        groups.set_partition_count(i32::try_from(offsets.partitions.len()).unwrap_or(i32::MAX));
    }
    replicas.add_listener(Arc::clone(&groups) as Arc<dyn LeadershipListener>);
    broker.groups = Some(groups);

    let proposals = Arc::new(Proposals::default());
    replicas.set_isr_updater(Arc::clone(&proposals) as Arc<dyn IsrUpdater>);
    let isr_sender = isr_updater::Sender {
        broker: broker.broker_id,
        proposals,
        controller: to_controller,
        fencing: Arc::clone(&broker.fencing),
        replicas: Arc::clone(&replicas),
        clock: Arc::clone(clock),
    };
    let fetchers = Arc::new(replica_fetchers(&broker, &replicas, clock));
    replicas.set_fetchers(Arc::clone(&fetchers) as Arc<dyn Fetchers>);
    Ok(Assembly { broker, logs, replicas, failures, isr_sender, fetchers })
}

/// Opens all logs on a disk thread. Their topics' overrides are read first, all in a few requests.
async fn open_logs(
    config: &BrokerConfig,
    log_dirs: Vec<PathBuf>,
    broker: &Broker,
    failures: &Failures,
    zk: &Zk,
) -> Result<Arc<LogManager>, Error> {
    let topics = zk.topics().await?;
    broker.topic_configs.load_missing(zk, topics).await?;
    let topic_configs = Arc::clone(&broker.topic_configs);
    let config = config.clone();
    let mut settings = LogManagerConfig::from_broker(&config, broker.clock.wall_ms());
    settings.log_dirs = log_dirs;
    settings.on_dir_failure = Some(failures.callback());
    let opened = tokio::task::spawn_blocking(move || {
        let of_topic = |topic: &str| LogConfig::from(&topic_configs.resolve(&config, &TopicName::new(topic)));
        LogManager::open(settings, &of_topic)
    });
    let opened = opened.await.map_err(|error| Error::Task { what: "load logs", source: error.into() })?;
    Ok(Arc::new(opened?))
}

fn replica_manager(broker: &Broker, config: &BrokerConfig, logs: Arc<LogManager>) -> ReplicaManager {
    let (configs, broker_config) = (Arc::clone(&broker.topic_configs), broker.config_source());
    let of_topic = move |topic: &str| configs.resolve(&broker_config(), &TopicName::new(topic));
    ReplicaManager::new(broker.broker_id, config, logs, Arc::clone(&broker.metadata), Arc::new(of_topic))
}

fn replica_fetchers(broker: &Broker, replicas: &Arc<ReplicaManager>, clock: &Arc<Clock>) -> ReplicaFetchers {
    let config = Arc::new(broker.config_source());
    ReplicaFetchers::new(broker.broker_id, config, Arc::clone(&broker.metadata), replicas, Arc::clone(clock))
}

fn controller_client(broker: &Broker, config: &BrokerConfig) -> ControllerClient {
    let options = client::connection::Options {
        client_id: broker.broker_id.to_string(),
        ..client::connection::Options::default()
    };
    let listener = config.control_plane_listener_name().unwrap_or_else(|| config.inter_broker_listener_name());
    ControllerClient::new(Arc::clone(&broker.metadata), listener, options)
}

fn group_coordinator(config: &BrokerConfig, replicas: &Arc<ReplicaManager>, clock: &Arc<Clock>) -> GroupCoordinator {
    let log = ReplicatedLog { replicas: Arc::clone(replicas), clock: Arc::clone(clock) };
    GroupCoordinator::new(config, Arc::clone(clock), Arc::new(log))
}
