//! ListOffsets: offsets by time.
//! Source: `KafkaApis.handleListOffsetRequest` in Kafka 3.9; contract 4.7.

use std::collections::BTreeSet;

use wire::ErrorCode;
use wire::messages::list_offsets_request::ListOffsetsPartition;
use wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use zk_schema::types::LeaderEpoch;

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;
use crate::replica::{Error, OffsetQuery, Reader};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const CONSUMER: i32 = -1;
const DEBUG: i32 = -2;

/// Answers every partition from the leader's log.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let duplicates = duplicates(&request);
    let reader = reader(&request);
    let topics = request.topics.iter().map(|topic| {
        let name = topic.name.0.as_str();
        let is_allowed = context.may(Operation::Describe, Resource::Topic(name));
        let partitions = topic.partitions.iter().map(|asked| {
            if !is_allowed {
                failed(asked, ErrorCode::TopicAuthorizationFailed)
            } else if context.version() == 0 {
                answer_legacy(broker, name, asked, reader)
            } else if duplicates.contains(&(name, asked.partition_index)) {
                failed(asked, ErrorCode::InvalidRequest)
            } else {
                answer(broker, context.version(), name, asked, reader)
            }
        });
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn reader(request: &ListOffsetsRequest) -> Reader {
    match *request.replica_id {
        CONSUMER => Reader::Consumer { read_committed: request.isolation_level == 1, only_leader: true },
        DEBUG => Reader::Debug,
        id => Reader::Follower(zk_schema::types::BrokerId(id)),
    }
}

fn duplicates(request: &ListOffsetsRequest) -> BTreeSet<(&str, i32)> {
    let mut seen = BTreeSet::new();
    let all = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (topic.name.0.as_str(), partition.partition_index))
    });
    all.filter(|partition| !seen.insert(*partition)).collect()
}

fn failed(asked: &ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(error.code())
        .with_timestamp(-1)
        .with_offset(-1)
}

/// What a timestamp means in a version; `None` for numbers that mean nothing in it.
fn query(timestamp: i64, version: i16) -> Option<OffsetQuery> {
    match timestamp {
        LATEST => Some(OffsetQuery::Latest),
        EARLIEST => Some(OffsetQuery::Earliest),
        MAX_TIMESTAMP if version >= 7 => Some(OffsetQuery::MaxTimestamp),
        EARLIEST_LOCAL if version >= 8 => Some(OffsetQuery::Earliest),
        timestamp if timestamp >= 0 => Some(OffsetQuery::Timestamp(timestamp)),
        _ => None,
    }
}

fn answer(
    broker: &Broker,
    version: i16,
    topic: &str,
    asked: &ListOffsetsPartition,
    reader: Reader,
) -> ListOffsetsPartitionResponse {
    // Nothing is tiered.
    if asked.timestamp == LATEST_TIERED && version >= 9 {
        return match broker.partition(topic, asked.partition_index) {
            Ok(_) => failed(asked, ErrorCode::None),
            Err(error) => failed(asked, error.code()),
        };
    }
    let Some(query) = query(asked.timestamp, version) else { return failed(asked, ErrorCode::UnsupportedVersion) };
    let epoch = (asked.current_leader_epoch != -1).then_some(LeaderEpoch(asked.current_leader_epoch));
    let found = broker
        .partition(topic, asked.partition_index)
        .and_then(|partition| partition.find_offset(query, reader, epoch));
    match found {
        Ok(Some(found)) => {
            let leader_epoch = found.leader_epoch.filter(|_| version >= 4).map_or(-1, |epoch| epoch.0);
            failed(asked, ErrorCode::None)
                .with_timestamp(found.timestamp)
                .with_offset(found.offset)
                .with_leader_epoch(leader_epoch)
        }
        Ok(None) => failed(asked, ErrorCode::None),
        Err(Error::OffsetNotAvailable(_)) if version < 5 => failed(asked, ErrorCode::LeaderNotAvailable),
        Err(error) => failed(asked, error.code()),
    }
}

fn answer_legacy(
    broker: &Broker,
    topic: &str,
    asked: &ListOffsetsPartition,
    reader: Reader,
) -> ListOffsetsPartitionResponse {
    let Some(query) = query(asked.timestamp, 0) else { return failed(asked, ErrorCode::UnsupportedVersion) };
    let max_count = usize::try_from(asked.max_num_offsets).unwrap_or(0);
    let found = broker
        .partition(topic, asked.partition_index)
        .and_then(|partition| partition.legacy_offsets(query, max_count, reader, broker.clock.wall_ms()));
    match found {
        Ok(offsets) => failed(asked, ErrorCode::None).with_old_style_offsets(offsets),
        Err(error) => failed(asked, error.code()),
    }
}
