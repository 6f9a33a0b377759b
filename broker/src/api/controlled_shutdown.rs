//! ControlledShutdown: a broker wants to stop, and the controller moves its leaderships away first.
//! Source: `KafkaApis.handleControlledShutdownRequest`; contract 2.11.

use coordinator::controller::effect::Answer;
use coordinator::controller::event::Request;
use wire::messages::controlled_shutdown_response::RemainingPartition;
use wire::messages::{self, ControlledShutdownRequest, ControlledShutdownResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerEpoch, BrokerId, TopicPartition};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

/// Asks the controller.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: ControlledShutdownRequest,
) -> ControlledShutdownResponse {
    let mut response = ControlledShutdownResponse::default();
    match shut_down(broker, context, &request).await {
        Ok(remaining) => response.remaining_partitions = remaining.iter().map(named).collect(),
        Err(code) => response.error_code = code.code(),
    }
    response
}

async fn shut_down(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &ControlledShutdownRequest,
) -> Result<Vec<TopicPartition>, ErrorCode> {
    if !context.may(Operation::ClusterAction, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    let asked = Request::ControlledShutdown {
        broker: BrokerId(*request.broker_id),
        broker_epoch: BrokerEpoch(request.broker_epoch),
    };
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(asked).await {
        Ok(Answer::ControlledShutdown(answer)) => answer.map_err(|error| error.code()),
        Ok(_) | Err(_) => Err(ErrorCode::NotController),
    }
}

fn named(partition: &TopicPartition) -> RemainingPartition {
    let mut remaining = RemainingPartition::default();
    remaining.topic_name = messages::TopicName(text(partition.topic.as_str()));
    remaining.partition_index = partition.partition;
    remaining
}
