//! Static members coming back: a restarted process takes over its instance's place, if it can without a rebalance.
//! The place is held under a new member id, so that the old process, should it still live, is fenced.
//! Source: `GroupCoordinator.updateStaticMemberAndRebalance`, `GroupMetadata.replaceStaticMember`.

use super::Step;
use super::append::{StaticRejoin, Then};
use super::effect::{Acks, Reply};
use super::error::Error;
use super::event::{AppendError, Join, RequestId};
use super::group::{Group, State, StateName};
use super::id::{InstanceId, MemberId};
use super::join::reason;
use super::member::Terms;
use super::record::Record;

impl Group {
    pub(super) fn replace_static_member(
        &mut self,
        from: RequestId,
        join: &Join,
        old_member: &MemberId,
        new_member: MemberId,
        step: &mut Step<'_>,
    ) {
        let Some(instance) = &join.instance else { return };
        let Some(old_terms) = self.members.get(old_member).map(|member| member.terms.clone()) else { return };
        let previous_leader = self.leader.clone();
        self.rename_static_member(instance, old_member, &new_member, step);
        self.keep_alive(&new_member, step);
        self.update(&new_member, Terms::of(join), Some(from), step);
        match self.state_name() {
            StateName::Stable if self.select_protocol() == self.protocol => {
                let rejoin = StaticRejoin {
                    generation: self.generation,
                    instance: instance.clone(),
                    old_member: old_member.clone(),
                    new_member,
                    old_terms,
                    previous_leader,
                    can_skip_assignment: join.can_skip_assignment,
                };
                self.store_static_member(rejoin, step);
            }
            // Its old id may be on its way into an assignment that the new one would not find itself in.
            StateName::Stable | StateName::CompletingRebalance => {
                self.prepare_rebalance(&reason("a static member came back", &new_member, join), step);
            }
            // It waits with the others; an empty or dead group has no members to come back.
            StateName::PreparingRebalance | StateName::Empty | StateName::Dead => {}
        }
    }

    /// The same member under another id. Whatever the old process still waits for is answered: it is fenced.
    fn rename_static_member(&mut self, instance: &InstanceId, from: &MemberId, to: &MemberId, step: &mut Step<'_>) {
        self.refuse_join(from, from.clone(), Error::FencedInstanceId, step);
        self.answer_sync(from, Err(Error::FencedInstanceId), step);
        let Some(mut member) = self.members.remove(from) else { return };
        member.end_session(&self.id, step);
        member.id = to.clone();
        self.members.insert(to.clone(), member);
        self.static_members.insert(instance.clone(), to.clone());
        if self.is_leader(from) {
            self.leader = Some(to.clone());
        }
        if let Some(unsynced) = self.unsynced()
            && unsynced.remove(from)
        {
            unsynced.insert(to.clone());
        }
    }

    fn store_static_member(&mut self, rejoin: StaticRejoin, step: &mut Step<'_>) {
        if let State::Stable { storing, .. } = &mut self.state {
            *storing += 1;
        }
        let value = self.metadata(|member| member.assignment.clone());
        let record = Record::Group { group: self.id.clone(), value: Some(value) };
        step.append(self, vec![record], Acks::All, Then::AnswerStaticMember(rejoin));
    }

    /// The new member id is stored, or could not be. If a rebalance has begun meanwhile, the member waits in it with
    /// the others, and is answered when they are.
    pub(super) fn static_member_stored(
        &mut self,
        rejoin: StaticRejoin,
        outcome: Result<(), AppendError>,
        step: &mut Step<'_>,
    ) {
        let State::Stable { storing, .. } = &mut self.state else { return };
        if self.generation != rejoin.generation {
            return;
        }
        *storing -= 1;
        let others_on_their_way = *storing > 0;
        match outcome {
            Ok(()) => self.tell_static_member(&rejoin, step),
            Err(error) => {
                self.undo_static_member(rejoin, Error::of_group_append(error), step);
                if others_on_their_way {
                    // Their records name the id that was just taken back: only a new generation sets that right.
                    self.prepare_rebalance("a static member could not be stored", step);
                }
            }
        }
    }

    fn tell_static_member(&mut self, rejoin: &StaticRejoin, step: &mut Step<'_>) {
        let leads = self.is_leader(&rejoin.new_member);
        let mut joined = self.joined(&rejoin.new_member, leads && rejoin.can_skip_assignment);
        if rejoin.can_skip_assignment {
            joined.skip_assignment = leads;
        } else {
            // Older clients cannot be told to lead without assigning. Under the id its leader no longer has, the
            // member takes itself for a follower.
            joined.leader.clone_from(&rejoin.previous_leader);
        }
        self.answer_join(&rejoin.new_member, || Reply::Join(Ok(joined)), step);
        if let Some(member) = self.members.get_mut(&rejoin.new_member) {
            member.is_new = false;
        }
        self.keep_alive(&rejoin.new_member, step);
    }

    /// Differs from Kafka: the member's old protocols come back too. Kafka means to do that, but keeps the new ones.
    fn undo_static_member(&mut self, rejoin: StaticRejoin, error: Error, step: &mut Step<'_>) {
        self.note_not_stored(error, step);
        let StaticRejoin { instance, old_member, new_member, old_terms, .. } = rejoin;
        if self.static_members.get(&instance) != Some(&new_member) {
            return;
        }
        self.refuse_join(&new_member, MemberId::new(""), error, step);
        self.update(&new_member, old_terms, None, step);
        self.rename_static_member(&instance, &new_member, &old_member, step);
        self.keep_alive(&old_member, step);
    }
}
