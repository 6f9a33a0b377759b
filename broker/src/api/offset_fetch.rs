//! OffsetFetch: how far groups have come. Version 0 asks ZooKeeper, all others the groups; from version 8 several.
//! Source: `KafkaApis.handleOffsetFetchRequest`, `OffsetFetchResponse`.

use coordinator::group::{FetchOffsets, Reply, Request};
use wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use wire::{ErrorCode, text};
use zk_schema::types::{Offset, TopicPartition};

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// First version with an error for the whole answer.
const TOP_LEVEL_ERROR: i16 = 2;
/// First version that asks for several groups.
const SEVERAL: i16 = 8;
/// "No offset known", "no leader epoch known".
const UNKNOWN: i64 = -1;

/// Answers for one group, or from version 8 for several.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let version = context.version();
    if version >= SEVERAL {
        let mut answers = Vec::with_capacity(request.groups.len());
        for group in &request.groups {
            answers.push(fetch(broker, context, group, request.require_stable).await);
        }
        return OffsetFetchResponse::default().with_groups(answers);
    }
    let group = one_group(&request);
    let answer = match version {
        0 => from_zookeeper(broker, context, &group).await,
        _ => fetch(broker, context, &group, request.require_stable).await,
    };
    of_one_group(version, &group, answer)
}

/// The older form of a request in the newer one.
fn one_group(request: &OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.as_ref().map(|topics| {
        let topic = |topic: &wire::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name.clone())
                .with_partition_indexes(topic.partition_indexes.clone())
        };
        topics.iter().map(topic).collect()
    });
    OffsetFetchRequestGroup::default().with_group_id(request.group_id.clone()).with_topics(topics)
}

async fn fetch(
    broker: &Broker,
    context: &RequestContext<'_>,
    group: &OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
    if !context.may(Operation::Describe, Resource::Group(&group.group_id)) {
        return response.with_error_code(ErrorCode::GroupAuthorizationFailed.code());
    }
    let may = |topic: &str| context.may(Operation::Describe, Resource::Topic(topic));
    let asked = group.topics.as_ref().map(|topics| named(topics));
    let (partitions, denied) = match asked {
        Some(asked) => {
            let (granted, denied): (Vec<_>, Vec<_>) =
                asked.into_iter().partition(|partition| may(partition.topic.as_str()));
            (Some(granted), denied)
        }
        None => (None, Vec::new()),
    };
    let fetch = FetchOffsets { group: groups::group(&group.group_id), partitions, require_stable };
    let mut found: Vec<_> = match groups::ask(broker, Request::FetchOffsets(fetch)).await {
        Ok(Reply::FetchOffsets(Ok(offsets))) => offsets
            .into_iter()
            // Asked for everything, only what the client may see.
            .filter(|(partition, _)| group.topics.is_some() || may(partition.topic.as_str()))
            .map(|(partition, outcome)| {
                let answer = match outcome {
                    Ok(Some(found)) => answer(partition.partition, found.offset)
                        .with_committed_leader_epoch(found.leader_epoch.map_or(-1, |epoch| epoch.0))
                        .with_metadata(Some(text(&found.metadata))),
                    Ok(None) => answer(partition.partition, UNKNOWN),
                    Err(error) => refused(partition.partition, error.code()),
                };
                (partition, answer)
            })
            .collect(),
        Ok(Reply::FetchOffsets(Err(error))) => return response.with_error_code(error.code().code()),
        Ok(_) => return response.with_error_code(ErrorCode::UnknownServerError.code()),
        Err(error) => return response.with_error_code(error.code()),
    };
    found.extend(denied.into_iter().map(|partition| {
        let refused = refused(partition.partition, ErrorCode::TopicAuthorizationFailed);
        (partition, refused)
    }));
    response.with_topics(topics(found))
}

/// Version 0: one node per partition. What cannot be found is answered like an offset nobody committed, with an error.
async fn from_zookeeper(
    broker: &Broker,
    context: &RequestContext<'_>,
    group: &OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
    if !context.may(Operation::Describe, Resource::Group(&group.group_id)) {
        return response.with_error_code(ErrorCode::GroupAuthorizationFailed.code());
    }
    let snapshot = broker.metadata.snapshot();
    let mut found = Vec::new();
    for partition in named(group.topics.as_deref().unwrap_or_default()) {
        let index = partition.partition;
        let answered = if !context.may(Operation::Describe, Resource::Topic(partition.topic.as_str())) {
            refused(index, ErrorCode::TopicAuthorizationFailed)
        } else if snapshot.partition(&partition).is_none() {
            refused(index, ErrorCode::UnknownTopicOrPartition)
        } else {
            match stored_in_zookeeper(broker, &group.group_id, &partition).await {
                Ok(Some(offset)) => answer(index, offset),
                Ok(None) => refused(index, ErrorCode::UnknownTopicOrPartition),
                Err(error) => refused(index, error),
            }
        };
        found.push((partition, answered));
    }
    response.with_topics(topics(found))
}

async fn stored_in_zookeeper(
    broker: &Broker,
    group: &str,
    partition: &TopicPartition,
) -> Result<Option<Offset>, ErrorCode> {
    let Some(zk) = &broker.zk else { return Err(ErrorCode::CoordinatorNotAvailable) };
    zk.consumer_offset(group, partition).await.map_err(|error| error.code())
}

fn named(topics: &[OffsetFetchRequestTopics]) -> Vec<TopicPartition> {
    let of = |topic: &OffsetFetchRequestTopics| {
        let name = zk_schema::types::TopicName::new(&topic.name);
        topic.partition_indexes.iter().map(move |index| TopicPartition::new(name.clone(), *index)).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of).collect()
}

fn answer(partition: i32, offset: Offset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(text("")))
}

fn refused(partition: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    answer(partition, UNKNOWN).with_error_code(error.code())
}

fn topics(found: Vec<(TopicPartition, OffsetFetchResponsePartitions)>) -> Vec<OffsetFetchResponseTopics> {
    let topic = |(name, partitions): (_, Vec<(i32, OffsetFetchResponsePartitions)>)| {
        let partitions = partitions.into_iter().map(|(_, partition)| partition).collect();
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions)
    };
    groups::by_topic(found).into_iter().map(topic).collect()
}

/// The newer form of an answer in the older one. Before version 2 an error has no place but with each partition.
fn of_one_group(version: i16, asked: &OffsetFetchRequestGroup, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let error = group.error_code;
    let spread = version < TOP_LEVEL_ERROR && error != 0;
    let found = match spread {
        true => {
            let refused = |partition: TopicPartition| {
                let refused = answer(partition.partition, UNKNOWN).with_error_code(error);
                (partition, refused)
            };
            topics(named(asked.topics.as_deref().unwrap_or_default()).into_iter().map(refused).collect())
        }
        false => group.topics,
    };
    let partition = |partition: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopics| {
        let partitions = topic.partitions.into_iter().map(partition).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    };
    OffsetFetchResponse::default().with_error_code(error).with_topics(found.into_iter().map(topic).collect())
}
