//! What happens when a log directory fails while the broker runs: its partitions go offline here, the controller is told,
//! and with the last directory the broker ends.
//! Source: contract 2.13 and 3.14; `ReplicaManager.handleLogDirFailure`, `KafkaZkClient.propagateLogDirEvent`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use partition_log::FailureCallback;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zk_schema::nodes::log_dir_event;
use zk_schema::{BrokerId, paths};

use crate::replica::ReplicaManager;
use crate::zk::Zk;

/// Failed directories on their way from whoever met the failure to the task that deals with it. There are as many
/// failures as directories at most, so the channel needs no bound of its own.
pub(super) struct Failures {
    sender: mpsc::UnboundedSender<PathBuf>,
    failed: mpsc::UnboundedReceiver<PathBuf>,
}

impl Failures {
    /// None yet.
    pub(super) fn new() -> Self {
        let (sender, failed) = mpsc::unbounded_channel();
        Self { sender, failed }
    }

    /// What the logs call when a directory fails.
    pub(super) fn callback(&self) -> FailureCallback {
        let sender = self.sender.clone();
        Arc::new(move |dir: &Path| {
            // Nobody listens once the broker has stopped.
            let _stopped = sender.send(dir.to_owned());
        })
    }

    /// Deals with failures as they come. Cancels `all_failed` with the last directory.
    pub(super) async fn follow(
        mut self,
        broker: BrokerId,
        replicas: Arc<ReplicaManager>,
        zk: Zk,
        all_failed: CancellationToken,
    ) {
        let prefix = paths::sequential(paths::LOG_DIR_EVENTS, paths::LOG_DIR_EVENT_PREFIX);
        let content = log_dir_event::encode(broker);
        let mut is_told = true;
        loop {
            let dir = tokio::select! {
                biased;
                dir = self.failed.recv() => dir,
                // May wait for ZooKeeper for long. Given up for the next failure, it is told along with that.
                told = zk.create_sequential(&prefix, &content), if !is_told => {
                    if let Err(error) = told {
                        tracing::error!("the controller is not told of the failed log directory: {error}");
                    }
                    is_told = true;
                    continue;
                }
            };
            let Some(dir) = dir else { return };
            tracing::error!("Stopping serving replicas in dir {}", dir.display());
            let hosts = Arc::clone(&replicas);
            let failed = dir.clone();
            match tokio::task::spawn_blocking(move || hosts.on_log_dir_failure(&failed)).await {
                Ok(lost) => tracing::warn!("{} partitions are offline with {}", lost.len(), dir.display()),
                Err(error) => tracing::error!("taking partitions offline ended badly: {error}"),
            }
            if replicas.logs().live_log_dirs().is_empty() {
                tracing::error!("Shutdown broker because all log dirs have failed");
                all_failed.cancel();
                return;
            }
            is_told = false;
        }
    }
}
