//! DeleteRecords: moves log start offsets up, and waits until all live replicas have followed.
//! Source: `KafkaApis.handleDeleteRecordsRequest`, `ReplicaManager.deleteRecords` in Kafka 3.9.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::ErrorCode;
use wire::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;
use crate::purgatory::delete_records::{Pending, deleted_everywhere};
use crate::replica::Error;

/// Stands for "everything that is committed".
const HIGH_WATERMARK: i64 = -1;
const NO_LOW_WATERMARK: i64 = -1;

/// Deletes, waits and answers.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let (mut pending, mut places) = (Vec::new(), Vec::new());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.0.as_str();
        let refusal = refusal(broker, context, name);
        let mut results = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let deleted = match refusal {
                Some(error) => Err(error),
                None => delete(broker, name, asked.partition_index, asked.offset).map_err(|error| error.code()),
            };
            results.push(match deleted {
                Ok((low_watermark, None)) => result(asked.partition_index, Ok(low_watermark)),
                Ok((low_watermark, Some(waiting))) => {
                    places.push((topics.len(), results.len()));
                    pending.push(waiting);
                    result(asked.partition_index, Ok(low_watermark))
                }
                Err(error) => result(asked.partition_index, Err(error)),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(results));
    }
    if !pending.is_empty() {
        let answers = deleted_everywhere(&pending, timeout).await;
        let late: BTreeMap<_, _> = places.into_iter().zip(answers).collect();
        for ((topic, partition), answer) in late {
            let told = topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition));
            if let Some(told) = told {
                *told = result(told.partition_index, answer.map_err(|error| error.code()));
            }
        }
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

fn refusal(broker: &Broker, context: &RequestContext<'_>, topic: &str) -> Option<ErrorCode> {
    if !context.may(Operation::Delete, Resource::Topic(topic)) {
        return Some(ErrorCode::TopicAuthorizationFailed);
    }
    let snapshot = broker.metadata.snapshot();
    match snapshot.topics.get_key_value(topic) {
        None => Some(ErrorCode::UnknownTopicOrPartition),
        Some((name, _)) if name.is_internal() => Some(ErrorCode::InvalidTopicException),
        Some(_) => None,
    }
}

/// Deletes on the leader; what is still to be waited for, if followers have not followed yet.
fn delete(broker: &Broker, topic: &str, partition: i32, offset: i64) -> Result<(i64, Option<Pending>), Error> {
    let partition = broker.partition(topic, partition)?;
    let deleted = partition.delete_records((offset != HIGH_WATERMARK).then_some(offset))?;
    let is_done = deleted.offset <= deleted.low_watermark;
    let waiting = Pending { partition, offset: deleted.offset };
    Ok((deleted.low_watermark, (!is_done).then_some(waiting)))
}

fn result(partition: i32, answer: Result<i64, ErrorCode>) -> DeleteRecordsPartitionResult {
    let (low_watermark, error) = match answer {
        Ok(low_watermark) => (low_watermark, ErrorCode::None),
        Err(error) => (NO_LOW_WATERMARK, error),
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(partition)
        .with_low_watermark(low_watermark)
        .with_error_code(error.code())
}
