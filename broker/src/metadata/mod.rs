//! This broker's copy of what the cluster looks like: brokers, controller, topics, leaders.
//! Written only by UpdateMetadata, swapped whole; readers take a snapshot once per operation and see one moment.
//! Source: `ZkMetadataCache`.

mod fencing;
mod snapshot;
mod topic_configs;
mod update;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wire::messages::UpdateMetadataRequest;
use zk_schema::types::TopicPartition;

pub use fencing::Fencing;
pub use snapshot::{Broker, Census, Endpoint, Partition, Snapshot, Topic};
pub use topic_configs::TopicConfigs;

/// The current [`Snapshot`], and a way to wait for a later one.
#[derive(Debug)]
pub struct Cache {
    current: watch::Sender<Arc<Snapshot>>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { current: watch::Sender::new(Arc::default()) }
    }
}

impl Cache {
    /// What is known now. Take it once per operation.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.borrow())
    }

    /// Applies an UpdateMetadata request whose epochs have been checked. Returns the partitions it deleted.
    pub fn update(&self, request: &UpdateMetadataRequest) -> Vec<TopicPartition> {
        let mut deleted = Vec::new();
        self.current.send_modify(|current| {
            let (next, gone) = update::apply(current, request);
            *current = Arc::new(next);
            deleted = gone;
        });
        deleted
    }

    /// Replaces everything known: for tests and tools that know the cluster by other means.
    pub fn replace(&self, snapshot: Snapshot) {
        self.current.send_replace(Arc::new(snapshot));
    }

    /// Wakes with every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.subscribe()
    }

    /// Waits until `condition` holds, at most for `timeout`. The snapshot for which it held, or `None`.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&Snapshot) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let mut changes = self.subscribe();
        let waiting = changes.wait_for(|snapshot| condition(snapshot));
        match tokio::time::timeout(timeout, waiting).await {
            Ok(Ok(snapshot)) => Some(Arc::clone(&snapshot)),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
