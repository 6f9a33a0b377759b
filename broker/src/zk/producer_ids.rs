//! Takes blocks of producer ids by compare-and-set. Source: contract 1.3 `/latest_producer_id_block`; `ZkProducerIdManager`.

use zk_schema::nodes::producer_id_block::ProducerIdBlock;
use zk_schema::{BrokerId, paths};

use super::{Error, Zk};

impl Zk {
    /// Takes the next block for this broker.
    ///
    /// # Errors
    /// What the server said, what is wrong with the node, or that ids have run out.
    pub async fn allocate_producer_ids(&self, broker: BrokerId) -> Result<ProducerIdBlock, Error> {
        let path = paths::PRODUCER_ID_BLOCK;
        loop {
            let found = self.get(path).await?;
            let last = match &found {
                Some(node) => ProducerIdBlock::decode(&node.data)?,
                None => None,
            };
            let next = ProducerIdBlock::next(last, broker).ok_or_else(|| Error::Other {
                path: path.to_owned(),
                reason: "all producer ids have been given out".to_owned(),
            })?;
            let written = match found {
                Some(node) => self.set(path, &next.encode(), Some(node.stat.version)).await.map(drop),
                None => self.create(path, &next.encode()).await,
            };
            match written {
                Ok(()) => return Ok(next),
                // Another broker was faster.
                Err(Error::BadVersion(_) | Error::NodeExists(_) | Error::NoNode(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
