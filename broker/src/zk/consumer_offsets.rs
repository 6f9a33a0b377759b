//! Offsets in `/consumers`, where version 0 of OffsetCommit keeps them.
//! Knows nothing of groups. Source: `KafkaZkClient.setOrCreateConsumerOffset`, `getConsumerOffset`.

use zk_schema::nodes::consumer_offset;
use zk_schema::paths;
use zk_schema::types::{Offset, TopicPartition};

use super::{Error, Zk};

impl Zk {
    /// A group's offset, if it has one there.
    ///
    /// # Errors
    /// What the server said, or what is wrong with the node.
    pub async fn consumer_offset(&self, group: &str, partition: &TopicPartition) -> Result<Option<Offset>, Error> {
        match self.get(&paths::consumer_offset(group, partition)).await? {
            Some(node) => Ok(Some(consumer_offset::decode(&node.data)?)),
            None => Ok(None),
        }
    }

    /// Sets a group's offset; whoever writes last wins.
    ///
    /// # Errors
    /// What the server said.
    pub async fn set_consumer_offset(
        &self,
        group: &str,
        partition: &TopicPartition,
        offset: Offset,
    ) -> Result<(), Error> {
        let path = paths::consumer_offset(group, partition);
        let content = consumer_offset::encode(offset);
        match self.set(&path, &content, None).await {
            Err(Error::NoNode(_)) => {}
            other => return other.map(drop),
        }
        match self.create_with_parents(&path, &content).await {
            Err(Error::NodeExists(_)) => self.set(&path, &content, None).await.map(drop),
            other => other,
        }
    }
}
