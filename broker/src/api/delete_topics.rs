//! DeleteTopics: on the controller's broker, and answered once the topics are gone.
//! Source: `KafkaApis.handleDeleteTopicsRequest`, `ZkAdminManager.deleteTopics`; contract 2.8.

use std::time::Duration;

use uuid::Uuid;
use wire::messages::delete_topics_request::DeleteTopicState;
use wire::messages::delete_topics_response::DeletableTopicResult;
use wire::messages::{self, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::{ErrorCode, text};
use zk_schema::{TopicId, TopicName};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::leaders;
use crate::broker::Broker;
use crate::zk;

/// From this version on topics may be named by id.
const BY_ID: i16 = 6;

/// Asks for each deletion by itself, then waits for all of them.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let mut response = DeleteTopicsResponse::default();
    let mut awaited: Vec<TopicName> = Vec::new();
    for topic in topics(&request, context.version()) {
        let outcome = delete(broker, context, &topic).await;
        let mut result = DeletableTopicResult::default();
        result.name = topic.name.clone();
        result.topic_id = topic.topic_id;
        match outcome {
            Ok(name) => {
                result.name = Some(messages::TopicName(text(name.as_str())));
                awaited.push(name);
            }
            Err(code) => result.error_code = code.code(),
        }
        response.responses.push(result);
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let late = leaders::wait_until_gone(broker, &awaited, timeout).await;
    for result in response.responses.iter_mut().filter(|result| result.error_code == 0) {
        if result.name.as_ref().is_some_and(|name| late.contains(name.as_str())) {
            result.error_code = ErrorCode::RequestTimedOut.code();
        }
    }
    response
}

fn topics(request: &DeleteTopicsRequest, version: i16) -> Vec<DeleteTopicState> {
    if BY_ID <= version {
        return request.topics.clone();
    }
    let named = request.topic_names.iter().map(|name| {
        let mut topic = DeleteTopicState::default();
        topic.name = Some(name.clone());
        topic
    });
    named.collect()
}

async fn delete(
    broker: &Broker,
    context: &RequestContext<'_>,
    topic: &DeleteTopicState,
) -> Result<TopicName, ErrorCode> {
    if !broker.is_controller() {
        return Err(ErrorCode::NotController);
    }
    if !broker.config().delete_topic_enable {
        let old = context.version() < 3;
        return Err(if old { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled });
    }
    let name = resolve(broker, topic)?;
    if !context.may(Operation::Delete, Resource::Topic(name.as_str())) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    if broker.metadata.snapshot().topic(name.as_str()).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let zk = broker.zk.as_ref().ok_or(ErrorCode::NotController)?;
    match zk.request_topic_deletion(&name).await {
        // Asked for already: then wait for it together.
        Ok(()) | Err(zk::Error::NodeExists(_)) => Ok(name),
        Err(error) => {
            tracing::error!("topic {name} cannot be deleted: {error}");
            Err(error.code())
        }
    }
}

fn resolve(broker: &Broker, topic: &DeleteTopicState) -> Result<TopicName, ErrorCode> {
    match &topic.name {
        Some(_) if topic.topic_id != Uuid::nil() => Err(ErrorCode::InvalidRequest),
        Some(name) => Ok(TopicName::new(name)),
        None => {
            let snapshot = broker.metadata.snapshot();
            snapshot.topic_name(TopicId(topic.topic_id)).cloned().ok_or(ErrorCode::UnknownTopicId)
        }
    }
}
