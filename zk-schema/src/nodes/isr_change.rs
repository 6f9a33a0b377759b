//! `/isr_change_notification/isr_change_<seq>`: partitions whose leader changed the ISR by itself (inter-broker
//! versions before 2.7-IV2). Source: `kafka.zk.IsrChangeNotificationSequenceZNode`.

use std::collections::BTreeSet;

use crate::TopicPartition;
use crate::json::{Document, Error, Json};

/// The bytes to write.
#[must_use]
pub fn encode(partitions: &BTreeSet<TopicPartition>) -> Vec<u8> {
    partitions_json(partitions).encode()
}

/// Reads the partitions.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<BTreeSet<TopicPartition>, Error> {
    partitions_from("/isr_change_notification/isr_change_N", bytes)
}

/// The form this node shares with preferred leader elections.
pub(super) fn partitions_json(partitions: &BTreeSet<TopicPartition>) -> Json {
    let entries = partitions.iter().map(|partition| {
        Json::object([("topic", partition.topic.as_str().into()), ("partition", partition.partition.into())])
    });
    Json::object([("version", 1.into()), ("partitions", Json::List(entries.collect()))])
}

pub(super) fn partitions_from(node: &'static str, bytes: &[u8]) -> Result<BTreeSet<TopicPartition>, Error> {
    let document = Document::parse(node, bytes)?;
    let entries = document.object()?.require("partitions")?.list_of(|field| {
        let entry = field.object()?;
        Ok(TopicPartition::new(entry.require("topic")?.text()?, entry.require("partition")?.int()?))
    })?;
    Ok(entries.into_iter().collect())
}
