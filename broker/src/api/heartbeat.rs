//! Heartbeat: a member is alive, and hears whether it must join again.
//! Source: `KafkaApis.handleHeartbeatRequest`.

use coordinator::group::{Heartbeat, Reply, Request};
use wire::ErrorCode;
use wire::messages::{HeartbeatRequest, HeartbeatResponse};
use zk_schema::types::GenerationId;

use super::access::{Operation, Resource};
use super::{RequestContext, groups};
use crate::broker::Broker;

/// Answers with an error code alone.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(answer(broker, context, &request).await)
}

async fn answer(broker: &Broker, context: &RequestContext<'_>, request: &HeartbeatRequest) -> i16 {
    if request.group_instance_id.is_some() && !groups::knows_static_members(broker) {
        return ErrorCode::UnsupportedVersion.code();
    }
    if !context.may(Operation::Read, Resource::Group(&request.group_id)) {
        return ErrorCode::GroupAuthorizationFailed.code();
    }
    let heartbeat = Heartbeat {
        group: groups::group(&request.group_id),
        member: groups::member(&request.member_id),
        instance: groups::instance(request.group_instance_id.as_ref()),
        generation: GenerationId(request.generation_id),
    };
    match groups::ask(broker, Request::Heartbeat(heartbeat)).await {
        Ok(Reply::Heartbeat(outcome)) => groups::code(&outcome),
        Ok(_) => ErrorCode::UnknownServerError.code(),
        Err(error) => error.code(),
    }
}
