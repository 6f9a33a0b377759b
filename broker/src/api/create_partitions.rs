//! CreatePartitions: on the controller's broker, and answered once the new partitions have leaders.
//! Source: `KafkaApis.handleCreatePartitionsRequest`, `ZkAdminManager.createPartitions`.

use std::collections::BTreeSet;
use std::time::Duration;

use coordinator::controller::effect::Answer;
use coordinator::controller::event::Request;
use wire::messages::create_partitions_request::CreatePartitionsTopic;
use wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, TopicName};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use super::leaders;
use crate::broker::Broker;

/// Grows each topic by itself, then waits for all of them.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut response = CreatePartitionsResponse::default();
    let mut names = BTreeSet::new();
    let repeated: BTreeSet<String> =
        request.topics.iter().map(|topic| topic.name.to_string()).filter(|name| !names.insert(name.clone())).collect();
    let mut awaited: Vec<(TopicName, Vec<i32>)> = Vec::new();
    for topic in &request.topics {
        let grown = if repeated.contains(topic.name.as_str()) {
            if response.results.iter().any(|result| result.name == topic.name) {
                continue;
            }
            Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic in request."))
        } else {
            grow(broker, context, topic, request.validate_only).await
        };
        let mut result = CreatePartitionsTopicResult::default();
        result.name = topic.name.clone();
        match grown {
            Ok(partitions) => awaited.push((TopicName::new(&topic.name), partitions)),
            Err(refusal) => {
                result.error_code = refusal.code.code();
                result.error_message = refusal.message.as_deref().map(text);
            }
        }
        response.results.push(result);
    }
    if !request.validate_only {
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let late = leaders::wait(broker, &awaited, timeout).await;
        for result in response.results.iter_mut().filter(|result| result.error_code == 0) {
            if late.contains(result.name.as_str()) {
                result.error_code = ErrorCode::RequestTimedOut.code();
            }
        }
    }
    response
}

async fn grow(
    broker: &Broker,
    context: &RequestContext<'_>,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<Vec<i32>, Refusal> {
    if !broker.is_controller() {
        return Err(ErrorCode::NotController.into());
    }
    if !context.may(Operation::Alter, Resource::Topic(&topic.name)) {
        let why = "The topic authorization is failed.";
        return Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, why));
    }
    let name = TopicName::new(&topic.name);
    if is_queued_for_deletion(broker, &name).await? {
        return Err(Refusal::new(ErrorCode::InvalidTopicException, "The topic is queued for deletion."));
    }
    let topics = broker.topics.as_ref().ok_or(ErrorCode::NotController)?;
    let chosen: Option<Vec<Vec<BrokerId>>> = topic.assignments.as_ref().map(|assignments| {
        assignments.iter().map(|assignment| assignment.broker_ids.iter().map(|id| BrokerId(**id)).collect()).collect()
    });
    let grown = topics.grow(&name, topic.count, chosen.as_deref(), validate_only).await;
    grown.map_err(|error| Refusal::new(error.code(), error.to_string()))
}

async fn is_queued_for_deletion(broker: &Broker, topic: &TopicName) -> Result<bool, Refusal> {
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(Request::QueuedForDeletion { topics: vec![topic.clone()] }).await {
        Ok(Answer::QueuedForDeletion(Ok(queued))) => Ok(queued.first().copied().unwrap_or(false)),
        Ok(Answer::QueuedForDeletion(Err(error))) => Err(error.code().into()),
        Ok(_) | Err(_) => Err(ErrorCode::NotController.into()),
    }
}
