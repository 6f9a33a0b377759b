//! DescribeGroups and ListGroups.
//! Changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::effect::{Description, Reply};
use super::event::RequestId;
use super::group::StateName;
use super::id::GroupId;
use super::{Groups, Step};

impl Groups {
    /// A group that does not exist is described as a dead one, without an error.
    pub(super) fn describe(&self, from: RequestId, id: &GroupId, step: &mut Step<'_>) {
        let nobody = || Description {
            state: StateName::Dead,
            protocol_type: Arc::from(""),
            protocol: Arc::from(""),
            members: Vec::new(),
        };
        let description = self.by_id.get(id).map_or_else(nobody, super::group::Group::describe);
        step.reply(from, Reply::Describe(Ok(description)));
    }

    pub(super) fn list(&self, from: RequestId, states: Option<&BTreeSet<StateName>>, step: &mut Step<'_>) {
        let wanted = |state: StateName| states.is_none_or(|states| states.contains(&state));
        let groups = self.by_id.values().filter(|group| wanted(group.state_name()));
        step.reply(from, Reply::List(Ok(groups.map(super::group::Group::overview).collect())));
    }
}
