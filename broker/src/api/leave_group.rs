//! LeaveGroup: members go, or an administrator removes static ones.
//! Source: `KafkaApis.handleLeaveGroupRequest`, `LeaveGroupResponse`.

use coordinator::group::{LeavingMember, LeftMember, Reply, Request};
use wire::messages::leave_group_response::MemberResponse;
use wire::messages::{LeaveGroupRequest, LeaveGroupResponse};
use wire::{ErrorCode, text};

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// First version in which several members can go at once.
const SEVERAL: i16 = 3;

/// Answers member by member; before version 3 for the one there is.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if !context.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    let leave = coordinator::group::Leave {
        group: groups::group(&request.group_id),
        members: leaving(context.version(), &request),
    };
    match groups::ask(broker, Request::Leave(leave)).await {
        Ok(Reply::Leave(Ok(left))) => granted(context.version(), left),
        Ok(Reply::Leave(Err(error))) => refused(error.code()),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

fn leaving(version: i16, request: &LeaveGroupRequest) -> Vec<LeavingMember> {
    if version < SEVERAL {
        return vec![LeavingMember { member: groups::member(&request.member_id), instance: None, reason: None }];
    }
    let one = |one: &wire::messages::leave_group_request::MemberIdentity| LeavingMember {
        member: groups::member(&one.member_id),
        instance: groups::instance(one.group_instance_id.as_ref()),
        reason: groups::copied(one.reason.as_ref()),
    };
    request.members.iter().map(one).collect()
}

fn granted(version: i16, left: Vec<LeftMember>) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    if version < SEVERAL {
        return response.with_error_code(left.first().map_or(0, |left| groups::code(&left.outcome)));
    }
    let one = |left: LeftMember| {
        MemberResponse::default()
            .with_member_id(text(left.member.as_str()))
            .with_group_instance_id(left.instance.as_ref().map(|instance| text(instance.as_str())))
            .with_error_code(groups::code(&left.outcome))
    };
    response.with_members(left.into_iter().map(one).collect())
}

fn refused(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(error.code())
}
