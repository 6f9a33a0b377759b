//! DescribeGroups: state and members of groups. One that does not exist is described as dead.
//! Source: `KafkaApis.handleDescribeGroupsRequest`.

use coordinator::group::{DescribedMember, Description, Reply, Request};
use wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use wire::{ErrorCode, text};

use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use super::{RequestContext, groups};
use crate::broker::Broker;

/// Answers group by group.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut described = Vec::with_capacity(request.groups.len());
    for id in request.groups {
        let mut group = describe(broker, context, &id).await;
        if context.version() >= 3 && request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations = context.authorized_operations(Resource::Group(&id));
        }
        described.push(group.with_group_id(id));
    }
    DescribeGroupsResponse::default().with_groups(described)
}

async fn describe(broker: &Broker, context: &RequestContext<'_>, id: &GroupId) -> DescribedGroup {
    if !context.may(Operation::Describe, Resource::Group(id)) {
        return refused(ErrorCode::GroupAuthorizationFailed);
    }
    match groups::ask(broker, Request::Describe(groups::group(id))).await {
        Ok(Reply::Describe(Ok(description))) => granted(description),
        Ok(Reply::Describe(Err(error))) => refused(error.code()),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(error),
    }
}

fn granted(description: Description) -> DescribedGroup {
    let member = |member: DescribedMember| {
        DescribedGroupMember::default()
            .with_member_id(text(member.member.as_str()))
            .with_group_instance_id(member.instance.as_ref().map(|instance| text(instance.as_str())))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    DescribedGroup::default()
        .with_group_state(text(&description.state.to_string()))
        .with_protocol_type(text(&description.protocol_type))
        .with_protocol_data(text(&description.protocol))
        .with_members(description.members.into_iter().map(member).collect())
}

fn refused(error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_error_code(error.code())
}
