//! Heartbeat, and what happens when none comes.
//! Source: `GroupCoordinator.handleHeartbeat`, `onExpireHeartbeat`.

use super::effect::{Effect, Note, Reply};
use super::error::Error;
use super::event::{Heartbeat, RequestId};
use super::group::{Group, StateName};
use super::id::MemberId;
use super::{Groups, Step};

impl Groups {
    pub(super) fn heartbeat(&mut self, from: RequestId, heartbeat: &Heartbeat, step: &mut Step<'_>) {
        let group = self.by_id.get_mut(&heartbeat.group).ok_or(Error::UnknownMemberId);
        let outcome = group.and_then(|group| group.heartbeat(heartbeat, step));
        step.reply(from, Reply::Heartbeat(outcome));
    }
}

impl Group {
    fn heartbeat(&mut self, heartbeat: &Heartbeat, step: &mut Step<'_>) -> Result<(), Error> {
        if self.is(StateName::Dead) {
            return Err(Error::CoordinatorNotAvailable);
        }
        self.validate_member(&heartbeat.member, heartbeat.instance.as_ref())?;
        if heartbeat.generation != self.generation {
            return Err(Error::IllegalGeneration);
        }
        self.keep_alive(&heartbeat.member, step);
        match self.state_name() {
            StateName::PreparingRebalance => Err(Error::RebalanceInProgress),
            StateName::CompletingRebalance | StateName::Stable => Ok(()),
            StateName::Empty | StateName::Dead => Err(Error::UnknownMemberId),
        }
    }

    pub(super) fn keep_alive(&mut self, member: &MemberId, step: &mut Step<'_>) {
        if let Some(member) = self.members.get_mut(member) {
            member.renew_session(&self.id, step);
        }
    }

    pub(super) fn session_timer(&mut self, id: &MemberId, step: &mut Step<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        if member.is_overdue(&self.id, step) {
            step.effects.push(Effect::Note(Note::MemberFailed { group: self.id.clone(), member: id.clone() }));
            self.lose_member(id, &format!("{id} was not heard of in time"), step);
        }
    }
}
