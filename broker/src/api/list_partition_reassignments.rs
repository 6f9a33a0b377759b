//! ListPartitionReassignments: which replicas the controller is moving.
//! Source: `KafkaApis.handleListPartitionReassignmentsRequest`; contract 2.7.

use std::collections::BTreeMap;

use coordinator::controller::effect::{Answer, MovingReplicas, Replicas};
use coordinator::controller::event::Request;
use wire::messages::list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment};
use wire::messages::{self, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use wire::{ErrorCode, text};
use zk_schema::{TopicName, TopicPartition};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use crate::broker::Broker;

/// Asks the controller.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let mut response = ListPartitionReassignmentsResponse::default();
    response.error_message = None;
    match list(broker, context, &request).await {
        Ok(moving) => response.topics = topics(moving),
        Err(refusal) => {
            response.error_code = refusal.code.code();
            response.error_message = refusal.message.as_deref().map(text);
        }
    }
    response
}

async fn list(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &ListPartitionReassignmentsRequest,
) -> Result<Vec<(TopicPartition, MovingReplicas)>, Refusal> {
    if !context.may(Operation::Describe, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let partitions = request.topics.as_ref().map(|topics| {
        let named = topics.iter().flat_map(|topic| {
            let name = TopicName::new(&topic.name);
            let indexes = topic.partition_indexes.iter();
            indexes.map(move |index| TopicPartition { topic: name.clone(), partition: *index })
        });
        named.collect()
    });
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(Request::ListPartitionReassignments { partitions }).await {
        Ok(Answer::ListPartitionReassignments(answer)) => {
            answer.map_err(|error| Refusal { code: error.error.code(), message: error.message })
        }
        Ok(_) | Err(_) => Err(ErrorCode::NotController.into()),
    }
}

fn topics(moving: Vec<(TopicPartition, MovingReplicas)>) -> Vec<OngoingTopicReassignment> {
    let ids = |replicas: &Replicas| replicas.iter().map(|id| messages::BrokerId(id.0)).collect();
    let mut topics: BTreeMap<TopicName, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
    for (partition, replicas) in moving {
        let mut told = OngoingPartitionReassignment::default();
        told.partition_index = partition.partition;
        told.replicas = ids(&replicas.replicas);
        told.adding_replicas = ids(&replicas.adding);
        told.removing_replicas = ids(&replicas.removing);
        topics.entry(partition.topic).or_default().push(told);
    }
    let of_topic = |(topic, partitions): (TopicName, Vec<OngoingPartitionReassignment>)| {
        let mut told = OngoingTopicReassignment::default();
        told.name = messages::TopicName(text(topic.as_str()));
        told.partitions = partitions;
        told
    };
    topics.into_iter().map(of_topic).collect()
}
