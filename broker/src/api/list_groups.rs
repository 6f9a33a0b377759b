//! ListGroups: the groups this broker coordinates.
//! Source: `KafkaApis.handleListGroupsRequest`, `GroupCoordinator.handleListGroups`.

use std::collections::BTreeSet;

use coordinator::group::{Overview, StateName};
use wire::messages::list_groups_response::ListedGroup;
use wire::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use wire::{ErrorCode, StrBytes, text};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

const CLASSIC: &str = "classic";

/// Lists what the client may see. While a partition is loading, an error says that the list is not complete.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let response = ListGroupsResponse::default();
    let Some(groups) = &broker.groups else {
        return response.with_error_code(ErrorCode::CoordinatorNotAvailable.code());
    };
    let states = states(&request.states_filter);
    match groups.list(states.as_ref()).await {
        Ok((mut found, loading)) => {
            let sees_all = context.may(Operation::Describe, Resource::Cluster);
            found.retain(|one| sees_all || context.may(Operation::Describe, Resource::Group(one.group.as_str())));
            if !wants_classic(&request.types_filter) {
                found.clear();
            }
            let error = loading.map_or(ErrorCode::None, |error| error.code());
            response.with_error_code(error.code()).with_groups(found.into_iter().map(listed).collect())
        }
        Err(_) => response.with_error_code(ErrorCode::CoordinatorNotAvailable.code()),
    }
}

/// States asked for in any case of letters; `None` asks for all.
fn states(filter: &[StrBytes]) -> Option<BTreeSet<StateName>> {
    let asked = |state: &StateName| filter.iter().any(|name| name.eq_ignore_ascii_case(&state.to_string()));
    (!filter.is_empty()).then(|| StateName::ALL.into_iter().filter(asked).collect())
}

fn wants_classic(filter: &[StrBytes]) -> bool {
    filter.is_empty() || filter.iter().any(|name| name.eq_ignore_ascii_case(CLASSIC))
}

fn listed(group: Overview) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(group.group.as_str())))
        .with_protocol_type(text(&group.protocol_type))
        .with_group_state(text(&group.state.to_string()))
        .with_group_type(text(CLASSIC))
}
