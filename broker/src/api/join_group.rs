//! JoinGroup: take part in a group's next generation. Answered when that generation begins.
//! Source: `KafkaApis.handleJoinGroupRequest`, `GroupCoordinatorAdapter.joinGroup`.

use std::sync::Arc;

use bytes::Bytes;
use coordinator::group::{Join, JoinRefused, Joined, Protocol, Reply, Request};
use uuid::Uuid;
use wire::messages::join_group_response::JoinGroupResponseMember;
use wire::messages::{JoinGroupRequest, JoinGroupResponse};
use wire::{ErrorCode, text};

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// First version whose dynamic members can be told their id before they join.
const KNOWN_MEMBER_IDS: i16 = 4;
/// First version in which no protocol is null rather than empty.
const NULLABLE_PROTOCOL: i16 = 7;
/// First version in which a leader can be told to keep the assignment.
const SKIP_ASSIGNMENT: i16 = 9;

/// Joins, and waits for the generation.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = context.version();
    if request.group_instance_id.is_some() && !groups::knows_static_members(broker) {
        return refused(version, "", ErrorCode::UnsupportedVersion);
    }
    if !context.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(version, "", ErrorCode::GroupAuthorizationFailed);
    }
    match groups::ask(broker, Request::Join(join(context, &request))).await {
        Ok(Reply::Join(Ok(joined))) => granted(version, joined),
        Ok(Reply::Join(Err(JoinRefused { member, error }))) => refused(version, member.as_str(), error.code()),
        Ok(_) => refused(version, "", ErrorCode::UnknownServerError),
        Err(error) => refused(version, &request.member_id, error),
    }
}

fn join(context: &RequestContext<'_>, request: &JoinGroupRequest) -> Join {
    let version = context.version();
    let protocol = |protocol: &wire::messages::join_group_request::JoinGroupRequestProtocol| Protocol {
        name: Arc::from(&*protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    Join {
        group: groups::group(&request.group_id),
        member: groups::member(&request.member_id),
        instance: groups::instance(request.group_instance_id.as_ref()),
        require_known_member_id: version >= KNOWN_MEMBER_IDS && request.group_instance_id.is_none(),
        can_skip_assignment: version >= SKIP_ASSIGNMENT,
        client_id: Arc::from(context.client_id()),
        client_host: groups::client_host(context),
        // Version 0 knows one timeout for both.
        rebalance_timeout_ms: if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms },
        session_timeout_ms: request.session_timeout_ms,
        protocol_type: Arc::from(&*request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        reason: groups::copied(request.reason.as_ref()),
        uuid: Uuid::new_v4(),
    }
}

fn granted(version: i16, joined: Joined) -> JoinGroupResponse {
    let member = |member: coordinator::group::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member.as_str()))
            .with_group_instance_id(member.instance.map(|instance| text(instance.as_str())))
            .with_metadata(member.metadata)
    };
    JoinGroupResponse::default()
        .with_generation_id(joined.generation.0)
        .with_protocol_type(groups::told(joined.protocol_type.as_ref()))
        .with_protocol_name(protocol_name(version, groups::told(joined.protocol.as_ref())))
        .with_leader(text(joined.leader.as_ref().map_or("", |leader| leader.as_str())))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(text(joined.member.as_str()))
        .with_members(joined.members.into_iter().map(member).collect())
}

fn refused(version: i16, member: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_protocol_name(protocol_name(version, None))
        .with_member_id(text(member))
}

fn protocol_name(version: i16, name: Option<wire::StrBytes>) -> Option<wire::StrBytes> {
    let known = name.filter(|name| !name.is_empty());
    if version < NULLABLE_PROTOCOL { Some(known.unwrap_or_default()) } else { known }
}
