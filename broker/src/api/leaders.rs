//! Waits until this broker's metadata shows what a request has set going. Holds no state.
//! Source: `DelayedCreatePartitions`, `DelayedDeleteTopics`.

use std::collections::BTreeSet;
use std::time::Duration;

use zk_schema::{BrokerId, TopicName};

use crate::broker::Broker;
use crate::metadata::Snapshot;

/// Waits until these partitions all have leaders. Gives the topics for which that took too long.
pub(super) async fn wait(broker: &Broker, topics: &[(TopicName, Vec<i32>)], timeout: Duration) -> BTreeSet<TopicName> {
    let has_leader = |snapshot: &Snapshot, topic: &TopicName, partition: i32| {
        snapshot.partition_of(topic.as_str(), partition).is_some_and(|found| found.leader != BrokerId::NONE)
    };
    let is_ready = |snapshot: &Snapshot, (topic, partitions): &(TopicName, Vec<i32>)| {
        partitions.iter().all(|partition| has_leader(snapshot, topic, *partition))
    };
    wait_for_all(broker, topics, timeout, is_ready).await
}

/// Waits until these topics are gone. Gives those for which that took too long.
pub(super) async fn wait_until_gone(broker: &Broker, topics: &[TopicName], timeout: Duration) -> BTreeSet<TopicName> {
    let topics: Vec<_> = topics.iter().map(|topic| (topic.clone(), Vec::new())).collect();
    wait_for_all(broker, &topics, timeout, |snapshot, (topic, _)| snapshot.topic(topic.as_str()).is_none()).await
}

async fn wait_for_all(
    broker: &Broker,
    topics: &[(TopicName, Vec<i32>)],
    timeout: Duration,
    is_ready: impl Fn(&Snapshot, &(TopicName, Vec<i32>)) -> bool,
) -> BTreeSet<TopicName> {
    let all = |snapshot: &Snapshot| topics.iter().all(|topic| is_ready(snapshot, topic));
    // Kafka does not even look when there is no time to wait.
    let in_time = !timeout.is_zero() && broker.metadata.wait_until(timeout, all).await.is_some();
    if in_time || topics.is_empty() {
        return BTreeSet::new();
    }
    let snapshot = broker.metadata.snapshot();
    let is_late = |topic: &&(TopicName, Vec<i32>)| timeout.is_zero() || !is_ready(&snapshot, topic);
    topics.iter().filter(is_late).map(|(topic, _)| topic.clone()).collect()
}
