//! JoinGroup: who may join, under which id, and whether the others must join again.
//! Source: `GroupCoordinator.handleJoinGroup` and what it calls.

use super::effect::{Effect, JoinRefused, Joined, Reply};
use super::error::Error;
use super::event::{Join, RequestId};
use super::group::{Group, State, StateName};
use super::id::MemberId;
use super::member::{Member, Terms};
use super::{Groups, Step};

/// How long a member that was never told its id may wait for its JoinGroup to be answered. Its client may have gone
/// and come back as another; without a bound such ghosts would pile up in a long rebalance.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1000;

impl Groups {
    pub(super) fn join(&mut self, from: RequestId, join: Join, step: &mut Step<'_>) {
        let allowed = step.config.min_session_timeout_ms..=step.config.max_session_timeout_ms;
        if !allowed.contains(&join.session_timeout_ms) {
            return step.refuse_join(from, join.member, Error::InvalidSessionTimeout);
        }
        if join.member.is_empty() {
            self.get_or_create(&join.group, step.now).join(from, join, step);
        } else if let Some(group) = self.by_id.get_mut(&join.group) {
            group.join(from, join, step);
        } else {
            step.refuse_join(from, join.member, Error::UnknownMemberId);
        }
    }
}

impl Group {
    fn join(&mut self, from: RequestId, join: Join, step: &mut Step<'_>) {
        if !self.has_room_for(&join.member, step) {
            self.remove(&join.member, step);
            step.refuse_join(from, MemberId::new(""), Error::GroupMaxSizeReached);
        } else if join.member.is_empty() {
            self.join_newcomer(from, join, step);
        } else {
            self.join_known(from, join, step);
        }
        self.try_complete_join(step);
    }

    /// While members gather, those who already wait count rather than all there are: the size may be over the bound
    /// already if the bound was lowered, and then the last to join again are the ones to go.
    fn has_room_for(&self, member: &MemberId, step: &Step<'_>) -> bool {
        let known = self.members.get(member);
        match self.state_name() {
            StateName::Empty | StateName::Dead => true,
            StateName::PreparingRebalance => {
                known.is_some_and(|member| member.joining.is_some()) || self.joining_count < step.config.max_size
            }
            StateName::CompletingRebalance | StateName::Stable => {
                known.is_some() || self.members.len() < step.config.max_size
            }
        }
    }

    fn join_newcomer(&mut self, from: RequestId, join: Join, step: &mut Step<'_>) {
        if self.is(StateName::Dead) {
            return step.refuse_join(from, MemberId::new(""), Error::CoordinatorNotAvailable);
        }
        if !self.supports(&join.protocol_type, &Terms::of(&join)) {
            return step.refuse_join(from, MemberId::new(""), Error::InconsistentGroupProtocol);
        }
        let prefix = join.instance.as_ref().map_or(&*join.client_id, |instance| instance.as_str());
        let new_member = MemberId::new(&format!("{prefix}-{}", join.uuid));
        let old_member = join.instance.as_ref().and_then(|instance| self.static_members.get(instance)).cloned();
        match old_member {
            Some(old_member) => self.replace_static_member(from, &join, &old_member, new_member, step),
            None if join.instance.is_none() && join.require_known_member_id => {
                self.expect_back(new_member, join.session_timeout_ms, from, step);
            }
            None => self.add_and_rebalance(from, &join, new_member, step),
        }
    }

    /// A dynamic member is first only told its id, so that a client that gave up leaves no ghost behind.
    fn expect_back(&mut self, member: MemberId, session_timeout_ms: i32, from: RequestId, step: &mut Step<'_>) {
        let at = step.now.plus_ms(i64::from(session_timeout_ms));
        step.effects.push(Effect::SetTimer { key: self.pending_key(&member), at });
        self.pending_members.insert(member.clone());
        step.refuse_join(from, member, Error::MemberIdRequired);
    }

    fn join_known(&mut self, from: RequestId, join: Join, step: &mut Step<'_>) {
        if self.is(StateName::Dead) {
            return step.refuse_join(from, join.member, Error::CoordinatorNotAvailable);
        }
        let terms = Terms::of(&join);
        if !self.supports(&join.protocol_type, &terms) {
            return step.refuse_join(from, join.member, Error::InconsistentGroupProtocol);
        }
        if self.pending_members.contains(&join.member) {
            // Only dynamic members are told their id first: an instance id here is a client's mistake.
            if join.instance.is_some() {
                return step.refuse_join(from, join.member, Error::UnknownServerError);
            }
            let member = join.member.clone();
            return self.add_and_rebalance(from, &join, member, step);
        }
        if let Err(error) = self.validate_member(&join.member, join.instance.as_ref()) {
            return step.refuse_join(from, join.member, error);
        }
        let same_terms = self.members.get(&join.member).is_some_and(|known| known.terms.protocols == terms.protocols);
        let leads = self.is_leader(&join.member);
        match self.state_name() {
            StateName::PreparingRebalance => self.update_and_rebalance(from, &join, terms, step),
            // The answer to its JoinGroup may have been lost: tell it again.
            StateName::CompletingRebalance if same_terms => self.tell_generation(from, &join.member, leads, step),
            // Nothing changed for a follower: it may sync. A leader that joins again asks for a rebalance, for
            // instance because topics have more partitions now.
            StateName::Stable if same_terms && !leads => self.tell_generation(from, &join.member, false, step),
            StateName::CompletingRebalance | StateName::Stable => self.update_and_rebalance(from, &join, terms, step),
            StateName::Empty | StateName::Dead => step.refuse_join(from, join.member, Error::UnknownMemberId),
        }
    }

    fn add_and_rebalance(&mut self, from: RequestId, join: &Join, id: MemberId, step: &mut Step<'_>) {
        if self.pending_members.contains(&id) {
            step.effects.push(Effect::CancelTimer(self.pending_key(&id)));
        }
        if let State::PreparingRebalance { initial: Some(initial), .. } = &mut self.state {
            // Only a group without any generation yet is worth waiting longer for.
            initial.newcomer |= self.generation.0 == 0;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        let mut member = Member::new(id.clone(), join);
        member.expect_within(NEW_MEMBER_JOIN_TIMEOUT_MS, &self.id, step);
        self.add(member, Some(from));
        self.maybe_prepare_rebalance(&reason("a member joined", &id, join), step);
    }

    fn update_and_rebalance(&mut self, from: RequestId, join: &Join, terms: Terms, step: &mut Step<'_>) {
        self.update(&join.member, terms, Some(from), step);
        self.maybe_prepare_rebalance(&reason("a member joined again", &join.member, join), step);
    }

    fn tell_generation(&self, from: RequestId, member: &MemberId, leads: bool, step: &mut Step<'_>) {
        step.reply(from, Reply::Join(Ok(self.joined(member, leads))));
    }

    /// The current generation as told to `member`; leaders are told who is in it.
    pub(super) fn joined(&self, member: &MemberId, leads: bool) -> Joined {
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: member.clone(),
            skip_assignment: false,
            members: if leads { self.joined_members() } else { Vec::new() },
        }
    }

    /// A member that was told its id did not come back with it.
    pub(super) fn pending_member_timer(&mut self, member: &MemberId, step: &mut Step<'_>) {
        if self.pending_members.remove(member) {
            self.try_complete_join(step);
        }
    }
}

pub(super) fn reason(what: &str, member: &MemberId, join: &Join) -> String {
    let client_reason = join.reason.as_deref().unwrap_or("not provided");
    format!("{what}: {member}; client reason: {client_reason}")
}

impl Step<'_> {
    pub(super) fn refuse_join(&mut self, to: RequestId, member: MemberId, error: Error) {
        self.reply(to, Reply::Join(Err(JoinRefused { member, error })));
    }
}
