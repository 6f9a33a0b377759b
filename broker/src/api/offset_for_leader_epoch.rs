//! OffsetForLeaderEpoch: where an epoch ends in the leader's log, for those who must find out where theirs diverged.
//! Source: `KafkaApis.handleOffsetForLeaderEpochRequest`, `ReplicaManager.lastOffsetForLeaderEpoch` in Kafka 3.9.

use wire::ErrorCode;
use wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use zk_schema::types::LeaderEpoch;

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

const UNDEFINED: i32 = -1;

/// Answers every partition from the leader's log.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let is_broker = context.may(Operation::ClusterAction, Resource::Cluster);
    let topics = request.topics.iter().map(|topic| {
        let name = topic.topic.0.as_str();
        let is_allowed = is_broker || context.may(Operation::Describe, Resource::Topic(name));
        let partitions = topic.partitions.iter().map(|asked| match is_allowed {
            true => answer(broker, name, asked),
            false => undefined(asked, ErrorCode::TopicAuthorizationFailed),
        });
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn answer(broker: &Broker, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let current = (asked.current_leader_epoch != -1).then_some(LeaderEpoch(asked.current_leader_epoch));
    let found = broker
        .partition(topic, asked.partition)
        .and_then(|partition| partition.end_of_epoch(LeaderEpoch(asked.leader_epoch), current, true));
    match found {
        Ok(Some(end)) => {
            undefined(asked, ErrorCode::None).with_leader_epoch(end.leader_epoch.0).with_end_offset(end.end_offset)
        }
        Ok(None) => undefined(asked, ErrorCode::None),
        Err(error) => undefined(asked, error.code()),
    }
}

fn undefined(asked: &OffsetForLeaderPartition, error: ErrorCode) -> EpochEndOffset {
    EpochEndOffset::default()
        .with_partition(asked.partition)
        .with_error_code(error.code())
        .with_leader_epoch(UNDEFINED)
        .with_end_offset(i64::from(UNDEFINED))
}
