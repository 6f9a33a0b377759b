//! Starts a broker in order and stops it in reverse. What runs, and what it is told, is put together here and nowhere else.
//! Source: contract 3.1 and 3.3; `KafkaServer.startup`, `KafkaServer.shutdown`.

mod assembly;
mod auto_topics;
mod controlled_shutdown;
mod coordinator_log;
mod dynamic_config;
mod identity;
mod listeners;
mod log_dir_failures;
pub mod logging;
mod membership;
mod previous_sessions;
pub mod process;
mod settings;
mod timers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::BrokerConfig;
use partition_log::LogManager;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::assembly::Assembly;
use self::dynamic_config::DynamicConfig;
use self::membership::Membership;
use self::previous_sessions::PreviousSessions;
use crate::api::Table;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::metrics::{self, names};
use crate::net::Network;
use crate::shell::controller;
use crate::shell::fetchers::ReplicaFetchers;
use crate::zk::{self, Zk};

/// How long requests that are being handled may take at the end.
const REQUEST_GRACE: Duration = Duration::from_secs(5);
/// How long ZooKeeper may take to confirm that the session is closed.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Where a broker is in its life, by the numbers of `BrokerState`.
const STARTING: u32 = 1;
const RUNNING: u32 = 3;
const HANDING_OVER: u32 = 6;
const STOPPING: u32 = 7;
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
    fetchers: Arc<ReplicaFetchers>,
    controller: Arc<controller::Handle>,
    stop: CancellationToken,
    all_failed: CancellationToken,
    timers: JoinSet<()>,
    membership: JoinHandle<()>,
    dynamic_config: JoinHandle<()>,
    /// Ended when dropped: what they do is of no use once the broker has left the cluster.
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl Server {
    /// Starts a broker. Once this returns it serves.
    ///
    /// # Errors
    /// [`Error`]; whatever was started until then has ended.
    pub async fn start(config: BrokerConfig) -> Result<Self, Error> {
        config.check_startable()?;
        tracing::info!(target: LOGGER, "starting");
        names::BROKER_STATE.set(STARTING);
        let clock = Arc::new(Clock::new());
        let zk = Zk::connect(settings::zookeeper(&config)).await?;
        let started = Self::start_with(config, clock, zk.clone()).await;
        if started.is_err() {
            zk.close(CLOSE_GRACE).await;
        }
        started
    }

    async fn start_with(config: BrokerConfig, clock: Arc<Clock>, zk: Zk) -> Result<Self, Error> {
        zk.ensure_persistent_paths().await?;
        let identity = identity::identify(&config, &zk).await?;
        let config = dynamic_config::with_dynamic(&config, identity.broker_id, &zk).await?;
        let assembly = assembly::assemble(&config, identity, &clock, &zk).await?;
        let logs = Arc::clone(&assembly.logs);
        let started = Self::join(config, clock, zk, assembly).await;
        if started.is_err() {
            close(logs).await;
        }
        started
    }

    /// Takes the broker's place in the cluster, and begins to serve.
    async fn join(config: BrokerConfig, clock: Arc<Clock>, zk: Zk, assembly: Assembly) -> Result<Self, Error> {
        let Assembly { mut broker, logs, replicas, failures, isr_sender, fetchers } = assembly;
        let id = broker.broker_id;
        let mut network = Network::bind(&listeners::settings(&config))?;
        let bound: BTreeMap<String, u16> =
            network.bound().into_iter().map(|(name, address)| (name, address.port())).collect();
        let endpoints = membership::endpoints(&config, &bound);
        membership::check_endpoints_are_free(&zk, id, &endpoints).await?;
        let registration = membership::registration(&config, endpoints);
        let sessions = PreviousSessions::load(&first_live_dir(&logs, &config));
        let fencing = Arc::clone(&broker.fencing);
        let mut membership = Membership::new(zk.clone(), Arc::clone(&clock), id, registration, sessions, fencing);
        membership.register().await?;

        let controller = controller::start(settings::controller(id, &config), zk.clone(), Arc::clone(&clock))
            .map_err(|source| Error::Task { what: "start the controller", source })?;
        let controller = Arc::new(controller);
        let (session, dead) = membership.session();
        controller.registered(session, dead).await;
        broker.controller = Some(Arc::clone(&controller));

        let broker = Arc::new(broker);
        let (stop, all_failed) = (CancellationToken::new(), CancellationToken::new());
        let mut timers = timers::start(&config, &replicas, &clock, &stop);
        if metrics::is_exported() {
            timers.spawn(timers::refresh_gauges(Arc::clone(&broker), network.counter(), stop.clone()));
        }
        let dynamic_config = DynamicConfig {
            zk: zk.clone(),
            clock,
            broker: Arc::clone(&broker),
            replicas: Arc::clone(&replicas),
            controller: Arc::clone(&controller),
            set_limits: Box::new(network.limiter()),
        };
        let failures = failures.follow(id, replicas, zk.clone(), all_failed.clone());
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(isr_sender.run())),
            AbortOnDropHandle::new(tokio::spawn(failures)),
        ];
        let membership = tokio::spawn(membership.keep(Arc::clone(&controller), stop.clone()));
        let dynamic_config = tokio::spawn(dynamic_config.follow(stop.clone()));
        network.start(Arc::new(Table::new(Arc::clone(&broker))));
        tracing::info!(target: LOGGER, "[KafkaServer id={id}] started");
        names::BROKER_STATE.set(RUNNING);
        Ok(Self {
            broker,
            zk,
            network,
            bound,
            logs,
            fetchers,
            controller,
            stop,
            all_failed,
            timers,
            membership,
            dynamic_config,
            tasks,
        })
    }

    /// Returns once no log directory is left to work with: the process had better end.
    pub async fn failed(&self) {
        self.all_failed.cancelled().await;
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
        names::BROKER_STATE.set(HANDING_OVER);
        controlled_shutdown::run(&self.broker, &self.zk).await;
        names::BROKER_STATE.set(STOPPING);
        if let Some(groups) = &self.broker.groups {
            groups.stop().await;
        }
        self.network.stop(REQUEST_GRACE).await;
        self.stop.cancel();
        self.timers.join_all().await;
        ended("dynamic configs", self.dynamic_config).await;
        self.controller.stop().await;
        self.fetchers.shut_down().await;
        drop(self.tasks);
        close(self.logs).await;
        ended("registration", self.membership).await;
        self.zk.close(CLOSE_GRACE).await;
        tracing::info!(target: LOGGER, "[KafkaServer id={id}] shut down completed");
    }
}

/// Flushes and closes all logs, and marks their directories clean.
async fn close(logs: Arc<LogManager>) {
    if tokio::task::spawn_blocking(move || logs.shutdown_clean()).await.is_err() {
        tracing::error!("the logs were not closed in order");
    }
}

async fn ended(what: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!("{what} ended badly: {error}");
    }
}

fn first_live_dir(logs: &LogManager, config: &BrokerConfig) -> PathBuf {
    let live = logs.live_log_dirs();
    let first = live.first().map(|dir| dir.path().to_owned());
    first.unwrap_or_else(|| config.log_dirs().into_iter().next().unwrap_or_default())
}
