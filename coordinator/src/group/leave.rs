//! LeaveGroup: members go by themselves, or an administrator removes static ones by their instance id.
//! Source: `GroupCoordinator.handleLeaveGroup`.

use super::effect::{LeftMember, Reply};
use super::error::Error;
use super::event::{Leave, LeavingMember, RequestId};
use super::group::{Group, StateName};
use super::{Groups, Step};

impl Groups {
    pub(super) fn leave(&mut self, from: RequestId, leave: Leave, step: &mut Step<'_>) {
        let reply = match self.by_id.get_mut(&leave.group) {
            Some(group) if group.is(StateName::Dead) => Err(Error::CoordinatorNotAvailable),
            Some(group) => Ok(left(leave.members, |member| group.leave(member, step))),
            None => Ok(left(leave.members, |_| Err(Error::UnknownMemberId))),
        };
        step.reply(from, Reply::Leave(reply));
    }
}

fn left(members: Vec<LeavingMember>, mut one: impl FnMut(&LeavingMember) -> Result<(), Error>) -> Vec<LeftMember> {
    members
        .into_iter()
        .map(|member| {
            let outcome = one(&member);
            LeftMember { member: member.member, instance: member.instance, outcome }
        })
        .collect()
}

impl Group {
    fn leave(&mut self, leaving: &LeavingMember, step: &mut Step<'_>) -> Result<(), Error> {
        let id = if leaving.member.is_empty() {
            let named = leaving.instance.as_ref().and_then(|instance| self.static_members.get(instance));
            named.cloned().ok_or(Error::UnknownMemberId)?
        } else if self.pending_members.contains(&leaving.member) {
            self.remove(&leaving.member, step);
            self.try_complete_join(step);
            return Ok(());
        } else {
            self.validate_member(&leaving.member, leaving.instance.as_ref())?;
            leaving.member.clone()
        };
        let client_reason = leaving.reason.as_deref().unwrap_or("not provided");
        self.lose_member(&id, &format!("{id} left; client reason: {client_reason}"), step);
        Ok(())
    }
}
