//! AlterPartitionReassignments: the controller moves replicas, or stops moving them.
//! Source: `KafkaApis.handleAlterPartitionReassignmentsRequest`; contract 2.7.

use std::collections::BTreeMap;

use coordinator::controller::effect::{Answer, ApiError};
use coordinator::controller::event::Request;
use wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use wire::messages::{self, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, TopicName, TopicPartition};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use crate::broker::Broker;

type Outcomes = Vec<(TopicPartition, Result<(), ApiError>)>;

/// Asks the controller.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut response = AlterPartitionReassignmentsResponse::default();
    response.error_message = None;
    match alter(broker, context, &request).await {
        Ok(outcomes) => response.responses = topics(outcomes),
        Err(refusal) => {
            response.error_code = refusal.code.code();
            response.error_message = refusal.message.as_deref().map(text);
        }
    }
    response
}

async fn alter(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &AlterPartitionReassignmentsRequest,
) -> Result<Outcomes, Refusal> {
    if !context.may(Operation::Alter, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let targets = request.topics.iter().flat_map(|topic| {
        let name = TopicName::new(&topic.name);
        topic.partitions.iter().map(move |partition| {
            let replicas = partition.replicas.as_ref();
            let target = replicas.map(|ids| ids.iter().map(|id| BrokerId(**id)).collect());
            (TopicPartition { topic: name.clone(), partition: partition.partition_index }, target)
        })
    });
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(Request::AlterPartitionReassignments { targets: targets.collect() }).await {
        Ok(Answer::AlterPartitionReassignments(answer)) => {
            answer.map_err(|error| Refusal { code: error.error.code(), message: error.message })
        }
        Ok(_) | Err(_) => Err(ErrorCode::NotController.into()),
    }
}

fn topics(outcomes: Outcomes) -> Vec<ReassignableTopicResponse> {
    let mut topics: BTreeMap<TopicName, Vec<ReassignablePartitionResponse>> = BTreeMap::new();
    for (partition, result) in outcomes {
        let mut told = ReassignablePartitionResponse::default();
        told.partition_index = partition.partition;
        told.error_message = None;
        if let Err(error) = result {
            told.error_code = error.error.code().code();
            told.error_message = error.message.as_deref().map(text);
        }
        topics.entry(partition.topic).or_default().push(told);
    }
    let of_topic = |(topic, partitions): (TopicName, Vec<ReassignablePartitionResponse>)| {
        let mut told = ReassignableTopicResponse::default();
        told.name = messages::TopicName(text(topic.as_str()));
        told.partitions = partitions;
        told
    };
    topics.into_iter().map(of_topic).collect()
}
