//! `/admin/reassign_partitions`: replicas to move, asked for by old tools; the controller removes what is done.
//! Source: `kafka.zk.ReassignPartitionsZNode`.

use std::collections::BTreeMap;

use crate::json::{Document, Error, Json};
use crate::{BrokerId, TopicPartition};

/// Target replicas of each partition.
pub type Reassignment = BTreeMap<TopicPartition, Vec<BrokerId>>;

/// The bytes to write.
#[must_use]
pub fn encode(reassignment: &Reassignment) -> Vec<u8> {
    let entries = reassignment.iter().map(|(partition, replicas)| {
        Json::object([
            ("topic", partition.topic.as_str().into()),
            ("partition", partition.partition.into()),
            ("replicas", Json::list(replicas.iter().copied())),
        ])
    });
    Json::object([("version", 1.into()), ("partitions", Json::List(entries.collect()))]).encode()
}

/// Reads the targets.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<Reassignment, Error> {
    let document = Document::parse("/admin/reassign_partitions", bytes)?;
    let entries = document.object()?.require("partitions")?.list_of(|field| {
        let entry = field.object()?;
        let topic = entry.require("topic")?.text()?;
        let partition = entry.require("partition")?.int()?;
        let replicas = entry.require("replicas")?.list_of(|field| field.int().map(BrokerId))?;
        Ok((TopicPartition::new(topic, partition), replicas))
    })?;
    Ok(entries.into_iter().collect())
}
