//! OffsetCommit: remember how far a group has come. Version 0 keeps offsets in ZooKeeper, all others in the group.
//! Source: `KafkaApis.handleOffsetCommitRequest`, `GroupCoordinatorAdapter.commitOffsets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::group::{CommitOffsets, CommittedOffset, Reply, Request};
use coordinator::time::Timestamp;
use wire::ErrorCode;
use wire::messages::offset_commit_request::OffsetCommitRequestPartition;
use wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use zk_schema::types::{GenerationId, LeaderEpoch, TopicPartition};

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// "Not given": retention, commit timestamp.
const NOT_GIVEN: i64 = -1;

type Codes = BTreeMap<TopicPartition, i16>;

/// Answers partition by partition.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    if !context.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refuse_all(&request, ErrorCode::GroupAuthorizationFailed);
    }
    if request.group_instance_id.is_some() && !groups::knows_static_members(broker) {
        return refuse_all(&request, ErrorCode::UnsupportedVersion);
    }
    let (mut codes, offsets) = check(broker, context, &request);
    if !offsets.is_empty() {
        let committed = match context.version() {
            0 => in_zookeeper(broker, &request, &offsets).await,
            _ => in_group(broker, &request, offsets).await,
        };
        codes.extend(committed);
    }
    answered(codes)
}

/// Splits what there is, and what the client may read, from the rest.
fn check(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &OffsetCommitRequest,
) -> (Codes, BTreeMap<TopicPartition, CommittedOffset>) {
    let snapshot = broker.metadata.snapshot();
    let now = broker.clock.wall();
    let (mut codes, mut offsets) = (BTreeMap::new(), BTreeMap::new());
    for topic in &request.topics {
        let may = context.may(Operation::Read, Resource::Topic(&topic.name));
        let known = snapshot.topics.get_key_value(topic.name.as_str());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            // The name known to metadata is shared; only one nobody knows is copied.
            let key = match known {
                Some((name, _)) => TopicPartition::new(name.clone(), index),
                None => TopicPartition::new(topic.name.as_str(), index),
            };
            let exists = known.is_some_and(|(_, topic)| topic.partitions.contains_key(&index));
            match (may, exists) {
                (false, _) => drop(codes.insert(key, ErrorCode::TopicAuthorizationFailed.code())),
                (true, false) => drop(codes.insert(key, ErrorCode::UnknownTopicOrPartition.code())),
                (true, true) => drop(offsets.insert(key, offset(partition, request.retention_time_ms, now))),
            }
        }
    }
    (codes, offsets)
}

/// Version 1 brings a commit time, versions 2 to 4 a retention; otherwise both are the broker's.
fn offset(partition: &OffsetCommitRequestPartition, retention_ms: i64, now: Timestamp) -> CommittedOffset {
    let epoch = LeaderEpoch(partition.committed_leader_epoch);
    let given = Some(partition.commit_timestamp).filter(|timestamp| *timestamp != NOT_GIVEN);
    CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: Some(epoch).filter(|epoch| *epoch != LeaderEpoch::NONE),
        metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or("")),
        commit_timestamp: given.map_or(now, Timestamp),
        expire_timestamp: (retention_ms != NOT_GIVEN).then(|| now.plus_ms(retention_ms)),
    }
}

async fn in_group(
    broker: &Broker,
    request: &OffsetCommitRequest,
    offsets: BTreeMap<TopicPartition, CommittedOffset>,
) -> Codes {
    let refused = |error: ErrorCode, offsets: Vec<TopicPartition>| {
        offsets.into_iter().map(|partition| (partition, error.code())).collect()
    };
    let partitions: Vec<_> = offsets.keys().cloned().collect();
    let commit = CommitOffsets {
        group: groups::group(&request.group_id),
        member: groups::member(&request.member_id),
        instance: groups::instance(request.group_instance_id.as_ref()),
        generation: GenerationId(request.generation_id_or_member_epoch),
        offsets,
    };
    match groups::ask(broker, Request::CommitOffsets(commit)).await {
        Ok(Reply::CommitOffsets(outcomes)) => {
            outcomes.into_iter().map(|(partition, outcome)| (partition, groups::code(&outcome))).collect()
        }
        Ok(_) => refused(ErrorCode::UnknownServerError, partitions),
        Err(error) => refused(error, partitions),
    }
}

async fn in_zookeeper(
    broker: &Broker,
    request: &OffsetCommitRequest,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Codes {
    let longest = usize::try_from(broker.config().offset_metadata_max_bytes).unwrap_or(0);
    let mut codes = BTreeMap::new();
    for (partition, value) in offsets {
        let code = match &broker.zk {
            _ if longest < value.metadata.encode_utf16().count() => ErrorCode::OffsetMetadataTooLarge,
            None => ErrorCode::CoordinatorNotAvailable,
            Some(zk) => match zk.set_consumer_offset(&request.group_id, partition, value.offset).await {
                Ok(()) => ErrorCode::None,
                Err(error) => error.code(),
            },
        };
        codes.insert(partition.clone(), code.code());
    }
    codes
}

fn refuse_all(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let named = request.topics.iter().flat_map(|topic| {
        let name = topic.name.as_str();
        topic.partitions.iter().map(move |partition| TopicPartition::new(name, partition.partition_index))
    });
    answered(named.map(|partition| (partition, error.code())).collect())
}

fn answered(codes: Codes) -> OffsetCommitResponse {
    let partition = |(index, code): (i32, i16)| {
        OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
    };
    let topic = |(name, partitions): (_, Vec<(i32, i16)>)| {
        let partitions = partitions.into_iter().map(partition).collect();
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions)
    };
    OffsetCommitResponse::default().with_topics(groups::by_topic(codes).into_iter().map(topic).collect())
}
