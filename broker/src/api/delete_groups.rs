//! DeleteGroups: forget groups without members, and their offsets.
//! Source: `KafkaApis.handleDeleteGroupsRequest`.

use std::collections::BTreeSet;

use coordinator::group::{Reply, Request};
use wire::ErrorCode;
use wire::messages::delete_groups_response::DeletableGroupResult;
use wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use super::access::{Operation, Resource};
use super::{RequestContext, groups};
use crate::broker::Broker;

/// Answers group by group; one named twice is deleted once.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = BTreeSet::new();
    let mut results = Vec::with_capacity(request.groups_names.len());
    for id in request.groups_names {
        if seen.insert(id.0.clone()) {
            let code = delete(broker, context, &id).await;
            results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code));
        }
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete(broker: &Broker, context: &RequestContext<'_>, id: &GroupId) -> i16 {
    if !context.may(Operation::Delete, Resource::Group(id)) {
        return ErrorCode::GroupAuthorizationFailed.code();
    }
    match groups::ask(broker, Request::Delete(groups::group(id))).await {
        Ok(Reply::Delete(outcome)) => groups::code(&outcome),
        Ok(_) => ErrorCode::UnknownServerError.code(),
        Err(error) => error.code(),
    }
}
