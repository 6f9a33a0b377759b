//! What the first broker makes and every broker finds: the persistent paths, the cluster's id, generated broker ids.
//! Source: contract 1.1 "Persistent paths", 1.3 `/cluster/id` and `/brokers/seqid`.

use zk_schema::nodes::cluster_id;
use zk_schema::{BrokerId, paths};

use super::{Error, Zk};

impl Zk {
    /// Makes sure of the paths every broker relies on.
    ///
    /// Differs from Kafka: `/latest_producer_id_block` is left to whoever writes the first block. Kafka creates it with
    /// null data, which a Kafka controller tells from empty data; this client can only write the latter.
    ///
    /// # Errors
    /// What the server said.
    pub async fn ensure_persistent_paths(&self) -> Result<(), Error> {
        for path in paths::PERSISTENT.into_iter().filter(|path| *path != paths::PRODUCER_ID_BLOCK) {
            self.ensure(path).await?;
        }
        Ok(())
    }

    /// The cluster's id, made of these random bytes if there is none yet.
    ///
    /// # Errors
    /// What the server said, or what is wrong with the node.
    pub async fn get_or_create_cluster_id(&self, random: [u8; 16]) -> Result<String, Error> {
        if let Some(node) = self.get(paths::CLUSTER_ID).await? {
            return Ok(cluster_id::decode(&node.data)?);
        }
        let id = cluster_id::from_random(random);
        match self.create_with_parents(paths::CLUSTER_ID, &cluster_id::encode(&id)).await {
            Ok(()) => Ok(id),
            Err(Error::NodeExists(_)) => {
                let node = self.get(paths::CLUSTER_ID).await?;
                let node = node.ok_or_else(|| Error::NoNode(paths::CLUSTER_ID.to_owned()))?;
                Ok(cluster_id::decode(&node.data)?)
            }
            Err(error) => Err(error),
        }
    }

    /// An id for a broker that has none: the next number above `reserved.broker.max.id`.
    ///
    /// # Errors
    /// What the server said.
    pub async fn generate_broker_id(&self, reserved_max: i32) -> Result<BrokerId, Error> {
        let written = match self.set(paths::BROKER_SEQUENCE, b"", None).await {
            Err(Error::NoNode(_)) => {
                self.ensure(paths::BROKER_SEQUENCE).await?;
                self.set(paths::BROKER_SEQUENCE, b"", None).await?
            }
            other => other?,
        };
        Ok(BrokerId(written.version.saturating_add(reserved_max)))
    }
}
