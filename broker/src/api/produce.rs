//! Produce: append, and wait for as many replicas as the producer wants.
//! Everything up to the first wait happens when the request starts, so the requests of one connection append in order.
//! Source: `KafkaApis.handleProduceRequest`, `ReplicaManager.handleProduceAppend` in Kafka 3.9.

mod transactions;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use partition_log::{AppendError, Origin, VerificationGuard};
use record::validate::{Error as Invalid, RecordError, RecordErrorCause};
use wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use wire::messages::{ProduceRequest, ProduceResponse};
use wire::{ErrorCode, text};
use zk_schema::types::TopicPartition;

use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use super::{RequestContext, current_leader};
use crate::broker::Broker;
use crate::metrics;
use crate::purgatory::produce::{Pending, acknowledged};
use crate::replica::{Acks, AppendOptions, AppendOutcome, Appended, Error};

/// Client id of Kafka's own administration client, which alone may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// What is to be appended to one partition, or why it is not.
struct Entry {
    partition: TopicPartition,
    records: Bytes,
    refusal: Option<ErrorCode>,
}

/// Appends, waits and answers; with `acks=0` the answer is only looked at.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: ProduceRequest) -> ProduceResponse {
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let acks = Acks::from_wire(request.acks);
    let transactional_id = request.transactional_id.as_ref().map(|id| id.0.clone());
    let mut entries = entries(broker, context, request);
    if let Err(refusal) = transactions::check(&entries, transactional_id.as_deref()) {
        return refuse_whole(&entries, &refusal);
    }
    let Some(acks) = acks else {
        return refuse_all(&entries, ErrorCode::InvalidRequiredAcks);
    };
    let wall_ms = broker.clock.wall_ms();
    let guards =
        transactions::verify(broker, context.version(), transactional_id.as_deref(), &mut entries, wall_ms).await;
    let options = AppendOptions {
        acks,
        origin: Origin::Client,
        produce_version: Some(context.version()),
        internal_topics_allowed: context.client_id() == ADMIN_CLIENT_ID,
        now_ms: broker.clock.now_ms(),
        wall_ms,
    };
    let outcomes = append(broker, &entries, guards, &options);
    metrics::on_records_produced(record_count(&outcomes));
    let late = wait(&outcomes, timeout).await;
    answer(broker, context, &entries, &outcomes, &late)
}

fn entries(broker: &Broker, context: &RequestContext<'_>, request: ProduceRequest) -> Vec<Entry> {
    let snapshot = broker.metadata.snapshot();
    let mut entries = Vec::new();
    for topic in request.topic_data {
        let name = &topic.name.0;
        let is_allowed = context.may(Operation::Write, Resource::Topic(name));
        let known = snapshot.topics.get_key_value(name.as_str());
        for data in topic.partition_data {
            // The name known to metadata is shared; only one nobody knows is copied.
            let partition = match known {
                Some((name, _)) => TopicPartition::new(name.clone(), data.index),
                None => TopicPartition::new(name.as_str(), data.index),
            };
            let exists = known.is_some_and(|(_, topic)| topic.partitions.contains_key(&data.index));
            let refusal = match (is_allowed, exists) {
                (false, _) => Some(ErrorCode::TopicAuthorizationFailed),
                (true, false) => Some(ErrorCode::UnknownTopicOrPartition),
                (true, true) => None,
            };
            entries.push(Entry { partition, records: data.records.unwrap_or_default(), refusal });
        }
    }
    entries
}

fn append(
    broker: &Broker,
    entries: &[Entry],
    guards: BTreeMap<usize, VerificationGuard>,
    options: &AppendOptions,
) -> Vec<Option<AppendOutcome>> {
    let append = |(index, entry): (usize, &Entry)| {
        let replicas = broker.replicas.as_ref().filter(|_| entry.refusal.is_none())?;
        let guard = guards.get(&index).copied().unwrap_or(VerificationGuard::NONE);
        let one = [(entry.partition.clone(), entry.records.clone(), guard)];
        replicas.append(one, options).pop()
    };
    entries.iter().enumerate().map(append).collect()
}

/// Records appended; those of a batch sent again were counted the first time.
fn record_count(outcomes: &[Option<AppendOutcome>]) -> u64 {
    let appended = outcomes.iter().flatten().filter_map(|outcome| outcome.result.as_ref().ok());
    appended.map(|(_, appended)| u64::try_from(appended.info.record_count).unwrap_or(0)).sum()
}

/// What went wrong while waiting, by index.
async fn wait(outcomes: &[Option<AppendOutcome>], timeout: Duration) -> BTreeMap<usize, Error> {
    let mut indexes = Vec::new();
    let mut pending = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        if let Some(AppendOutcome { result: Ok((partition, appended)), .. }) = outcome
            && let Some(offset) = appended.awaits
        {
            indexes.push(index);
            pending.push(Pending { partition: partition.clone(), offset, tenure: appended.tenure });
        }
    }
    if pending.is_empty() {
        return BTreeMap::new();
    }
    let answers = acknowledged(&pending, timeout).await;
    indexes.into_iter().zip(answers).filter_map(|(index, answer)| Some((index, answer.err()?))).collect()
}

fn answer(
    broker: &Broker,
    context: &RequestContext<'_>,
    entries: &[Entry],
    outcomes: &[Option<AppendOutcome>],
    late: &BTreeMap<usize, Error>,
) -> ProduceResponse {
    let mut endpoints = BTreeMap::new();
    let mut told = Vec::with_capacity(entries.len());
    for (index, (entry, outcome)) in entries.iter().zip(outcomes).enumerate() {
        let mut response = match outcome.as_ref().map(|outcome| &outcome.result) {
            None => failed(entry, entry.refusal.unwrap_or(ErrorCode::NotLeaderOrFollower)),
            Some(Ok((_, appended))) => succeeded(entry, appended),
            Some(Err(error)) => refused(broker, entry, error),
        };
        if let Some(error) = late.get(&index) {
            response.error_code = error.code().code();
        }
        if response.error_code == ErrorCode::NotLeaderOrFollower.code() && context.version() >= 10 {
            let id = &entry.partition;
            let leader = current_leader::find(broker, context, id.topic.as_str(), id.partition);
            response.current_leader =
                LeaderIdAndEpoch::default().with_leader_id(leader.id.0.into()).with_leader_epoch(leader.epoch.0);
            if let Some(node) = leader.node {
                endpoints.insert(leader.id, node);
            }
        }
        told.push(response);
    }
    let endpoints = endpoints.into_iter().map(|(id, node)| {
        NodeEndpoint::default()
            .with_node_id(id.0.into())
            .with_host(text(&node.host))
            .with_port(node.port)
            .with_rack(node.rack.as_deref().map(text))
    });
    ProduceResponse::default().with_responses(by_topic(entries, told)).with_node_endpoints(endpoints.collect())
}

fn by_topic(entries: &[Entry], told: Vec<PartitionProduceResponse>) -> Vec<TopicProduceResponse> {
    let mut topics: Vec<TopicProduceResponse> = Vec::new();
    for (entry, response) in entries.iter().zip(told) {
        let name = entry.partition.topic.as_str();
        match topics.last_mut().filter(|topic| topic.name.0.as_str() == name) {
            Some(topic) => topic.partition_responses.push(response),
            None => topics.push(
                TopicProduceResponse::default()
                    .with_name(wire::messages::TopicName(text(name)))
                    .with_partition_responses(vec![response]),
            ),
        }
    }
    topics
}

fn refuse_all(entries: &[Entry], error: ErrorCode) -> ProduceResponse {
    let told = entries.iter().map(|entry| failed(entry, entry.refusal.unwrap_or(error))).collect();
    ProduceResponse::default().with_responses(by_topic(entries, told))
}

/// An error of the whole request; what else might be said of a partition no longer counts.
fn refuse_whole(entries: &[Entry], refusal: &Refusal) -> ProduceResponse {
    let message = refusal.message.as_deref().map(text);
    let told = entries.iter().map(|entry| failed(entry, refusal.code).with_error_message(message.clone())).collect();
    ProduceResponse::default().with_responses(by_topic(entries, told))
}

fn failed(entry: &Entry, error: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(entry.partition.partition)
        .with_error_code(error.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
}

fn succeeded(entry: &Entry, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(entry.partition.partition)
        .with_base_offset(appended.info.first_offset)
        .with_log_append_time_ms(appended.info.log_append_time.unwrap_or(-1))
        .with_log_start_offset(appended.info.log_start_offset)
}

fn refused(broker: &Broker, entry: &Entry, error: &Error) -> PartitionProduceResponse {
    let code = error.code();
    if code == ErrorCode::UnknownServerError {
        tracing::error!(%error, "append failed");
    } else {
        tracing::debug!(%error, "append refused");
    }
    let mut response = failed(entry, code);
    if tells_log_start(error)
        && let Ok(partition) = broker.partition(entry.partition.topic.as_str(), entry.partition.partition)
        && let Ok(log) = partition.leader_log()
    {
        response.log_start_offset = log.log_start_offset();
    }
    let Error::Append(AppendError::Invalid { source: source @ Invalid::Records(errors), .. }) = error else {
        return response;
    };
    let message = |error: &RecordError| match error.cause {
        RecordErrorCause::NoKey => format!("{} in topic partition {}", error.message, entry.partition),
        RecordErrorCause::Timestamp => error.message.clone(),
    };
    let told = errors.iter().map(|error| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(error.index)
            .with_batch_index_error_message(Some(text(&message(error))))
    });
    let summary = if code == ErrorCode::InvalidTimestamp {
        source.to_string()
    } else {
        let shown = errors.iter().take(3);
        let shown = shown.map(|it| format!("RecordError(batchIndex={}, message='{}')", it.index, message(it)));
        format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
            errors.len(),
            shown.collect::<Vec<_>>().join(", ")
        )
    };
    response.with_record_errors(told.collect()).with_error_message(Some(text(&summary)))
}

/// Whether Kafka also tells where the log starts: not for what may happen on any day, nor for what it sees before it
/// looks for the partition.
fn tells_log_start(error: &Error) -> bool {
    if let Error::Append(AppendError::Invalid { source, .. }) = error
        && matches!(
            source,
            Invalid::NoBatch | Invalid::MoreThanOneBatch | Invalid::OldFormat { .. } | Invalid::ZstdNotAllowed { .. }
        )
    {
        return false;
    }
    !matches!(
        error.code(),
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
            | ErrorCode::InvalidTopicException
    )
}
