//! Starts a server and stops it: recovery first, then the log, then the door; in reverse on the way out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zk_schema::model::Snapshot;

use crate::config::Config;
use crate::core::Core;
use crate::disk::{self, Durable, Log, Recovered, Store};
use crate::{admin, connection};

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be used as it is.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The client port cannot be had.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Recovery did not end.
    #[error("recovery stopped: {0}")]
    Recovery(#[from] tokio::task::JoinError),
}

/// How long connections may take to end on shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// How late the ticker may be before we take it that the process itself was stopped.
const DEAF_AFTER: Duration = Duration::from_secs(1);

/// A running server. Dropping it is like a crash: what was acknowledged is on disk, and no more is done.
pub struct Server {
    core: Arc<Core>,
    store: Arc<Store>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Recovers the data directory and begins to serve.
    ///
    /// # Errors
    /// If the directory is in use, not ours or damaged, or the port is taken.
    pub async fn start(config: Config) -> Result<Server, Error> {
        let opened = config.clone();
        let (store, recovered, log) = tokio::task::spawn_blocking(move || open(&opened)).await??;
        let Recovered { model, replayed, cut_bytes } = recovered;
        let (nodes, sessions, zxid) = (model.node_count(), model.session_count(), model.last_zxid());
        tracing::info!(nodes, sessions, %zxid, replayed, cut_bytes, "recovered");
        let listening = config.client_address;
        let listener =
            TcpListener::bind(listening).await.map_err(|source| Error::Listen { address: listening, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: listening, source })?;
        let (snapshot_sender, snapshots) = mpsc::channel(1);
        let core = Arc::new(Core::new(config, model, replayed, log, snapshot_sender));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let store = Arc::new(store);
        tasks.spawn(accept(Arc::clone(&core), listener, stop.clone(), tasks.clone()));
        tasks.spawn(tick(Arc::clone(&core), stop.clone()));
        tasks.spawn(keep_snapshots(Arc::clone(&core), Arc::clone(&store), snapshots, stop.clone()));
        let admin_address = admin::start(&core, &tasks, &stop).await;
        tracing::info!(%address, "serving ZooKeeper's client protocol");
        Ok(Server { core, store, address, admin_address, stop, tasks })
    }

    /// Where clients connect.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin server answers, if it does.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Returns once the log has failed: nothing more will be acknowledged, and the process had better end.
    pub async fn failed(&self) {
        let mut durable = self.core.log.durable();
        // The channel closes when the log's thread ends, which is a failure too unless we are stopping.
        drop(durable.wait_for(|durable| *durable == Durable::Failed).await);
    }

    /// Closes all connections, not their sessions, and marks the log as cleanly ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("connections did not end in time");
        }
        let core = Arc::clone(&self.core);
        if tokio::task::spawn_blocking(move || core.log.close()).await.is_ok() {
            tracing::info!(directory = %self.store.directory().display(), "stopped");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn open(config: &Config) -> Result<(Store, Recovered, Log), disk::Error> {
    let store = Store::open(&config.data_dir, config.snap_retain_count)?;
    let now_ms = crate::clock::Clock::new().now_ms();
    let recovered = store.recover(tick_ms(config), now_ms)?;
    let log = Log::start(store.directory().to_owned(), recovered.model.last_zxid().next())?;
    Ok((store, recovered, log))
}

/// Sessions expire by half ticks: ZooKeeper's whole ticks, but never later than a client would think.
fn tick_ms(config: &Config) -> i64 {
    i64::from(config.tick_time_ms / 2).clamp(1, 500)
}

async fn accept(core: Arc<Core>, listener: TcpListener, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => match core.admit(peer) {
                Some(connection) => {
                    tasks.spawn(connection::serve(Arc::clone(&core), stream, connection, stop.clone()));
                }
                None => tracing::warn!(%peer, "too many connections: closed"),
            },
            Err(error) => {
                // Out of file descriptors, most likely; others must close theirs first.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn tick(core: Arc<Core>, stop: CancellationToken) {
    let period = Duration::from_millis(tick_ms(&core.config).unsigned_abs().div_ceil(2).max(1));
    let sweep_every = Duration::from_millis(core.config.container_check_interval_ms);
    let (mut last_tick, mut last_sweep) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = stop.cancelled() => return,
        }
        let was_late = period + DEAF_AFTER < last_tick.elapsed();
        last_tick = Instant::now();
        core.tick(core.clock.follow_the_wall() || was_late);
        if sweep_every <= last_sweep.elapsed() {
            last_sweep = Instant::now();
            core.sweep();
        }
    }
}

async fn keep_snapshots(
    core: Arc<Core>,
    store: Arc<Store>,
    mut snapshots: mpsc::Receiver<Snapshot>,
    stop: CancellationToken,
) {
    let mut durable = core.log.durable();
    loop {
        let snapshot = tokio::select! {
            Some(snapshot) = snapshots.recv() => snapshot,
            () = stop.cancelled() => return,
        };
        // A snapshot must not hold what the log might still lose.
        let zxid = snapshot.zxid;
        tokio::select! {
            reached = durable.wait_for(|durable| durable.covers(zxid)) => if reached.is_err() { return },
            () = stop.cancelled() => return,
        }
        let store = Arc::clone(&store);
        match tokio::task::spawn_blocking(move || store.keep(&snapshot)).await {
            Ok(Ok(())) => tracing::info!(%zxid, "snapshot kept"),
            Ok(Err(error)) => tracing::warn!(%error, "no snapshot could be kept; the logs stay"),
            Err(error) => tracing::error!(%error, "the snapshot writer stopped"),
        }
    }
}
