//! Starts a broker in order and stops it in reverse. What runs, and what it is told, is put together here and nowhere else.
//! Source: contract 3.1 and 3.3; `KafkaServer.startup`, `KafkaServer.shutdown`.

mod auto_topics;
mod controlled_shutdown;
mod coordinator_log;
mod dynamic_config;
mod identity;
mod listeners;
pub mod logging;
mod membership;
mod previous_sessions;
pub mod process;
mod timers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::BrokerConfig;
use coordinator::controller::{ControllerConfig, Protocol};
use partition_log::{LogConfig, LogManager, LogManagerConfig};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use zk_schema::{BrokerId, TopicName};

use self::coordinator_log::ReplicatedLog;
use self::dynamic_config::DynamicConfig;
use self::membership::Membership;
use self::previous_sessions::PreviousSessions;
use crate::api::Table;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::metrics;
use crate::net::Network;
use crate::replica::{IsrUpdater, LeadershipListener, ReplicaManager};
use crate::shell::controller;
use crate::shell::controller_client::ControllerClient;
use crate::shell::group::GroupCoordinator;
use crate::shell::isr_updater::{self, Proposals};
use crate::shell::producer_ids::{self, ProducerIds};
use crate::shell::topics::Topics;
use crate::zk::{self, Zk};

/// How long requests that are being handled may take at the end.
const REQUEST_GRACE: Duration = Duration::from_secs(5);
/// How long ZooKeeper may take to confirm that the session is closed.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Kafka's name for what this file does; scripts look for its lines.
const LOGGER: &str = "kafka.server.KafkaServer";

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for what cannot be done.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// ZooKeeper.
    #[error(transparent)]
    Zk(#[from] zk::Error),
    /// The log directories or another broker say that we are somebody else.
    #[error("{0}")]
    Identity(String),
    /// The log directories cannot be used.
    #[error(transparent)]
    Log(#[from] partition_log::Error),
    /// A listener cannot be bound.
    #[error(transparent)]
    Net(#[from] crate::net::Error),
    /// A thread or task could not be started, or ended badly.
    #[error("{what}: {source}")]
    Task {
        /// Which.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// A running broker.
pub struct Server {
    broker: Arc<Broker>,
    zk: Zk,
    network: Network,
    bound: BTreeMap<String, u16>,
    logs: Arc<LogManager>,
    controller: Arc<controller::Handle>,
    stop: CancellationToken,
    timers: JoinSet<()>,
    membership: JoinHandle<()>,
    dynamic_config: JoinHandle<()>,
    _isr_updater: AbortOnDropHandle<()>,
}

impl Server {
    /// Starts a broker. Once this returns it serves.
    ///
    /// # Errors
    /// [`Error`]; whatever was started until then has ended.
    pub async fn start(config: BrokerConfig) -> Result<Self, Error> {
        config.check_startable()?;
        tracing::info!(target: LOGGER, "starting");
        let clock = Arc::new(Clock::new());
        let zk = Zk::connect(zk_settings(&config)).await?;
        let started = Self::start_with(config, clock, zk.clone()).await;
        if started.is_err() {
            zk.close(CLOSE_GRACE).await;
        }
        started
    }

    async fn start_with(config: BrokerConfig, clock: Arc<Clock>, zk: Zk) -> Result<Self, Error> {
        zk.ensure_persistent_paths().await?;
        let identity = identity::identify(&config, &zk).await?;
        let id = identity.broker_id;
        let config = dynamic_config::with_dynamic(&config, id, &zk).await?;
        let mut broker = Broker::new(id, identity.cluster_id, config.clone());
        broker.zk = Some(Arc::new(zk.clone()));
        broker.clock = Arc::clone(&clock);
        let logs = open_logs(&config, identity.log_dirs, &broker, &clock, &zk).await?;
        let replicas = Arc::new(replica_manager(&broker, &config, Arc::clone(&logs)));
        broker.replicas = Some(Arc::clone(&replicas));
        let topics = Arc::new(Topics::new(zk.clone(), Arc::clone(&broker.metadata), broker.config_source()));
        broker.auto_topics = Some(Arc::new(auto_topics::AutoTopics(Arc::clone(&topics))));
        broker.topics = Some(topics);
        let to_controller = Arc::new(controller_client(&broker, &config));
        let source = if config.ibp().has_allocate_producer_ids() {
            producer_ids::Source::Controller(Arc::clone(&to_controller))
        } else {
            producer_ids::Source::ZooKeeper(zk.clone())
        };
        broker.producer_ids = Some(Arc::new(ProducerIds::new(id, Arc::clone(&broker.fencing), source)));
        let groups = Arc::new(group_coordinator(&config, &replicas, &clock));
        replicas.add_listener(Arc::clone(&groups) as Arc<dyn LeadershipListener>);
        broker.groups = Some(groups);
        let sessions = PreviousSessions::load(&first_live_dir(&logs, &config));

        let mut network = Network::bind(&listeners::settings(&config)).inspect_err(|_| logs.shutdown_clean())?;
        let bound: BTreeMap<String, u16> =
            network.bound().into_iter().map(|(name, address)| (name, address.port())).collect();
        let endpoints = membership::endpoints(&config, &bound);
        membership::check_endpoints_are_free(&zk, id, &endpoints).await?;
        let registration = membership::registration(&config, endpoints);
        let fencing = Arc::clone(&broker.fencing);
        let mut membership = Membership::new(zk.clone(), Arc::clone(&clock), id, registration, sessions, fencing);
        membership.register().await?;

        let controller = controller::start(controller_settings(id, &config), zk.clone(), Arc::clone(&clock))
            .map_err(|source| Error::Task { what: "start the controller", source })?;
        let controller = Arc::new(controller);
        let (session, dead) = membership.session();
        controller.registered(session, dead).await;
        broker.controller = Some(Arc::clone(&controller));

        let proposals = Arc::new(Proposals::default());
        replicas.set_isr_updater(Arc::clone(&proposals) as Arc<dyn IsrUpdater>);
        let isr_sender = isr_updater::Sender {
            broker: id,
            proposals,
            controller: to_controller,
            fencing: Arc::clone(&broker.fencing),
            replicas: Arc::clone(&replicas),
            clock: Arc::clone(&clock),
        };
        let isr_updater = AbortOnDropHandle::new(tokio::spawn(isr_sender.run()));

        let stop = CancellationToken::new();
        let membership = tokio::spawn(membership.keep(Arc::clone(&controller), stop.clone()));
        let mut timers = timers::start(&config, &replicas, &clock, &stop);
        let broker = Arc::new(broker);
        if metrics::is_exported() {
            timers.spawn(timers::refresh_gauges(Arc::clone(&broker), network.counter(), stop.clone()));
        }
        let dynamic_config = DynamicConfig {
            zk: zk.clone(),
            clock,
            broker: Arc::clone(&broker),
            replicas,
            controller: Arc::clone(&controller),
        };
        let dynamic_config = tokio::spawn(dynamic_config.follow(stop.clone()));
        network.start(Arc::new(Table::new(Arc::clone(&broker))));
        tracing::info!(target: LOGGER, "[KafkaServer id={id}] started");
        Ok(Self {
            broker,
            zk,
            network,
            bound,
            logs,
            controller,
            stop,
            timers,
            membership,
            dynamic_config,
            _isr_updater: isr_updater,
        })
    }

    /// The broker's parts.
    #[must_use]
    pub const fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The port each listener is bound to.
    #[must_use]
    pub const fn bound(&self) -> &BTreeMap<String, u16> {
        &self.bound
    }

    /// Stops in order: leadership goes to others, what was accepted is finished, logs are flushed and marked clean, and
    /// the session is closed last.
    pub async fn stop(self) {
        let id = self.broker.broker_id;
        tracing::info!(target: LOGGER, "[KafkaServer id={id}] shutting down");
        controlled_shutdown::run(&self.broker, &self.zk).await;
        if let Some(groups) = &self.broker.groups {
            groups.stop().await;
        }
        self.network.stop(REQUEST_GRACE).await;
        self.stop.cancel();
        self.timers.join_all().await;
        ended("dynamic configs", self.dynamic_config).await;
        self.controller.stop().await;
        let logs = self.logs;
        if tokio::task::spawn_blocking(move || logs.shutdown_clean()).await.is_err() {
            tracing::error!("the logs were not closed in order");
        }
        ended("registration", self.membership).await;
        self.zk.close(CLOSE_GRACE).await;
        tracing::info!(target: LOGGER, "[KafkaServer id={id}] shut down completed");
    }
}

async fn ended(what: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!("{what} ended badly: {error}");
    }
}

fn zk_settings(config: &BrokerConfig) -> zk::Settings {
    let ms = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1));
    zk::Settings {
        session_timeout: ms(config.zookeeper_session_timeout_ms),
        connection_timeout: ms(config.zookeeper_connection_timeout_ms()),
        max_in_flight_requests: usize::try_from(config.zookeeper_max_in_flight_requests).unwrap_or(1),
        set_acl: config.zookeeper_set_acl,
        ..zk::Settings::new(config.zookeeper_connect())
    }
}

/// Opens all logs on a disk thread. Their topics' overrides are read first, all in a few requests.
async fn open_logs(
    config: &BrokerConfig,
    log_dirs: Vec<PathBuf>,
    broker: &Broker,
    clock: &Clock,
    zk: &Zk,
) -> Result<Arc<LogManager>, Error> {
    let topics = zk.topics().await?;
    broker.topic_configs.load_missing(zk, topics).await?;
    let topic_configs = Arc::clone(&broker.topic_configs);
    let config = config.clone();
    let mut settings = LogManagerConfig::from_broker(&config, clock.now_ms());
    settings.log_dirs = log_dirs;
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

fn first_live_dir(logs: &LogManager, config: &BrokerConfig) -> PathBuf {
    let live = logs.live_log_dirs();
    let first = live.first().map(|dir| dir.path().to_owned());
    first.unwrap_or_else(|| config.log_dirs().into_iter().next().unwrap_or_default())
}

/// What the controller's decider needs to know of this broker's configuration.
pub(crate) fn controller_config(broker: BrokerId, config: &BrokerConfig) -> ControllerConfig {
    let ibp = config.ibp();
    ControllerConfig {
        broker_id: broker,
        protocol: Protocol {
            feature_versioning: ibp.has_feature_versioning(),
            feature_node_v2: ibp.has_second_feature_node(),
            alter_partition: ibp.has_alter_partition(),
            topic_ids: ibp.has_topic_ids(),
            leader_recovery: ibp.has_leader_recovery_state(),
        },
        delete_topic_enable: config.delete_topic_enable,
        unclean_leader_election_enable: config.unclean_leader_election_enable,
        auto_leader_rebalance_enable: config.auto_leader_rebalance_enable,
        leader_imbalance_check_interval_ms: 1000 * config.leader_imbalance_check_interval_seconds,
        leader_imbalance_per_broker_percentage: config.leader_imbalance_per_broker_percentage,
    }
}

fn controller_settings(broker: BrokerId, config: &BrokerConfig) -> controller::Settings {
    controller::Settings {
        decider: controller_config(broker, config),
        ibp: config.ibp(),
        inter_broker_listener: config.inter_broker_listener_name(),
        control_plane_listener: config.control_plane_listener_name(),
        request_timeout: Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms).unwrap_or(30_000)),
    }
}
