//! OffsetDelete: forget offsets of topics a group no longer reads.
//! Source: `KafkaApis.handleOffsetDeleteRequest`.

use std::collections::BTreeMap;

use coordinator::group::{DeleteOffsets, Reply, Request};
use wire::ErrorCode;
use wire::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use zk_schema::types::TopicPartition;

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// Answers partition by partition, unless the group itself stands in the way.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    if !context.may(Operation::Delete, Resource::Group(&request.group_id)) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let mut codes = check(broker, context, &request);
    let partitions = codes.iter().filter(|(_, code)| **code == 0).map(|(partition, _)| partition.clone()).collect();
    let delete = DeleteOffsets { group: groups::group(&request.group_id), partitions };
    match groups::ask(broker, Request::DeleteOffsets(delete)).await {
        Ok(Reply::DeleteOffsets(Ok(outcomes))) => {
            codes.extend(outcomes.into_iter().map(|(partition, outcome)| (partition, groups::code(&outcome))));
            answered(codes)
        }
        Ok(Reply::DeleteOffsets(Err(error))) => refused(error.code()),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

/// Code 0 for every partition there is that the client may read.
fn check(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &OffsetDeleteRequest,
) -> BTreeMap<TopicPartition, i16> {
    let snapshot = broker.metadata.snapshot();
    let mut codes = BTreeMap::new();
    for topic in &request.topics {
        let may = context.may(Operation::Read, Resource::Topic(&topic.name));
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let code = match snapshot.partition_of(&topic.name, index) {
                _ if !may => ErrorCode::TopicAuthorizationFailed,
                None => ErrorCode::UnknownTopicOrPartition,
                Some(_) => ErrorCode::None,
            };
            codes.insert(TopicPartition::new(&**topic.name, index), code.code());
        }
    }
    codes
}

fn answered(codes: BTreeMap<TopicPartition, i16>) -> OffsetDeleteResponse {
    let partition = |(index, code): (i32, i16)| {
        OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
    };
    let topic = |(name, partitions): (_, Vec<(i32, i16)>)| {
        let partitions = partitions.into_iter().map(partition).collect();
        OffsetDeleteResponseTopic::default().with_name(name).with_partitions(partitions)
    };
    OffsetDeleteResponse::default().with_topics(groups::by_topic(codes).into_iter().map(topic).collect())
}

fn refused(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(error.code())
}
