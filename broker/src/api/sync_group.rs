//! SyncGroup: the leader brings everybody's assignment, the others fetch theirs.
//! Source: `KafkaApis.handleSyncGroupRequest`, `GroupCoordinatorAdapter.syncGroup`.

use bytes::Bytes;
use coordinator::group::{Reply, Request, Sync};
use wire::ErrorCode;
use wire::messages::{SyncGroupRequest, SyncGroupResponse};
use zk_schema::types::GenerationId;

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// First version that must name the protocol.
const NAMES_PROTOCOL: i16 = 5;

/// Syncs, and waits for the assignment.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    if request.group_instance_id.is_some() && !groups::knows_static_members(broker) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.version() >= NAMES_PROTOCOL && !names_protocol {
        return refused(ErrorCode::InconsistentGroupProtocol);
    }
    if !context.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    match groups::ask(broker, Request::Sync(sync(&request))).await {
        Ok(Reply::Sync(Ok(synced))) => SyncGroupResponse::default()
            .with_protocol_type(groups::told(synced.protocol_type.as_ref()))
            .with_protocol_name(groups::told(synced.protocol.as_ref()))
            .with_assignment(synced.assignment),
        Ok(Reply::Sync(Err(error))) => refused(error.code()),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

fn sync(request: &SyncGroupRequest) -> Sync {
    let assignment = |one: &wire::messages::sync_group_request::SyncGroupRequestAssignment| {
        (groups::member(&one.member_id), Bytes::copy_from_slice(&one.assignment))
    };
    Sync {
        group: groups::group(&request.group_id),
        generation: GenerationId(request.generation_id),
        member: groups::member(&request.member_id),
        instance: groups::instance(request.group_instance_id.as_ref()),
        protocol_type: groups::copied(request.protocol_type.as_ref()),
        protocol: groups::copied(request.protocol_name.as_ref()),
        assignments: request.assignments.iter().map(assignment).collect(),
    }
}

fn refused(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}
