//! FindCoordinator: which broker coordinates a group or a transactional id.
//! The leader of the id's partition of the internal topic does; the topic is created when it is missing.
//! Source: `KafkaApis.getCoordinator`.

use wire::messages::find_coordinator_response::Coordinator;
use wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::{ErrorCode, text};
use zk_schema::types::{BrokerId, CONSUMER_OFFSETS, TRANSACTION_STATE, coordinator_partition};

use super::access::{Operation, Resource};
use super::{RequestContext, missing_topics};
use crate::broker::Broker;
use crate::metadata::Endpoint;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// First version that asks for several ids at once.
const BATCHED: i16 = 4;
/// First version that may ask for share groups.
const WITH_SHARE: i16 = 6;

/// Answers for one id, or from version 4 for several.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version() < BATCHED {
        return one(find(broker, context, request.key_type, &request.key).await);
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(broker, context, request.key_type, &key).await;
        let coordinator = Coordinator::default().with_key(key);
        coordinators.push(match found {
            Ok((id, endpoint)) => {
                coordinator.with_node_id(id.0.into()).with_host(text(&endpoint.host)).with_port(endpoint.port)
            }
            Err(error) => {
                // Only who asks for what does not exist is told in words.
                let message = if error == ErrorCode::InvalidRequest { error.message() } else { "" };
                coordinator
                    .with_error_code(error.code())
                    .with_error_message(Some(text(message)))
                    .with_node_id((-1).into())
                    .with_port(-1)
            }
        });
    }
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

fn one(found: Result<(BrokerId, Endpoint), ErrorCode>) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    match found {
        Ok((id, endpoint)) => response
            .with_error_message(Some(text(ErrorCode::None.message())))
            .with_node_id(id.0.into())
            .with_host(text(&endpoint.host))
            .with_port(endpoint.port),
        Err(error) => response
            .with_error_code(error.code())
            .with_error_message(Some(text(error.message())))
            .with_node_id((-1).into())
            .with_port(-1),
    }
}

async fn find(
    broker: &Broker,
    context: &RequestContext<'_>,
    key_type: i8,
    key: &str,
) -> Result<(BrokerId, Endpoint), ErrorCode> {
    let topic = match key_type {
        GROUP if !context.may(Operation::Describe, Resource::Group(key)) => {
            return Err(ErrorCode::GroupAuthorizationFailed);
        }
        TRANSACTION if !context.may(Operation::Describe, Resource::TransactionalId(key)) => {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        GROUP => CONSUMER_OFFSETS,
        TRANSACTION => TRANSACTION_STATE,
        SHARE if context.version() >= WITH_SHARE => return Err(ErrorCode::CoordinatorNotAvailable),
        _ => return Err(ErrorCode::InvalidRequest),
    };
    let snapshot = broker.metadata.snapshot();
    let partition_count = i32::try_from(snapshot.partition_count(topic)).unwrap_or(i32::MAX);
    if partition_count == 0 {
        missing_topics::create(broker, topic).await;
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let partition = coordinator_partition(key, partition_count);
    let leader = snapshot.partition_of(topic, partition).map(|partition| partition.leader);
    let endpoint = leader.and_then(|leader| Some((leader, snapshot.endpoint(leader, context.listener())?.clone())));
    endpoint.ok_or(ErrorCode::CoordinatorNotAvailable)
}
