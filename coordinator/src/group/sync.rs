//! SyncGroup: the leader brings everybody's assignment, the others fetch theirs.
//! Nobody is told an assignment before it is stored.
//! Source: `GroupCoordinator.doSyncGroup`, `DelayedSync`.

use bytes::Bytes;
use zk_schema::types::GenerationId;

use super::append::Then;
use super::effect::{Acks, Effect, Note, Reply, TimerKey};
use super::error::Error;
use super::event::{AppendError, RequestId, Sync};
use super::group::{Group, State, StateName};
use super::id::MemberId;
use super::record::Record;
use super::{Groups, Step};

impl Groups {
    pub(super) fn sync(&mut self, from: RequestId, sync: Sync, step: &mut Step<'_>) {
        let group = self.by_id.get_mut(&sync.group).ok_or(Error::UnknownMemberId);
        let checked = group.and_then(|group| group.validate_sync(&sync).map(|()| group));
        match checked {
            Ok(group) => group.sync(from, sync, step),
            Err(error) => step.reply(from, Reply::Sync(Err(error))),
        }
    }
}

impl Group {
    fn validate_sync(&self, sync: &Sync) -> Result<(), Error> {
        if self.is(StateName::Dead) {
            return Err(Error::CoordinatorNotAvailable);
        }
        self.validate_member(&sync.member, sync.instance.as_ref())?;
        if sync.generation != self.generation {
            return Err(Error::IllegalGeneration);
        }
        let other_type = sync.protocol_type.is_some() && sync.protocol_type != self.protocol_type;
        let other_protocol = sync.protocol.is_some() && sync.protocol != self.protocol;
        if other_type || other_protocol {
            return Err(Error::InconsistentGroupProtocol);
        }
        match self.state_name() {
            StateName::Empty | StateName::Dead => Err(Error::UnknownMemberId),
            StateName::PreparingRebalance => Err(Error::RebalanceInProgress),
            StateName::CompletingRebalance | StateName::Stable => Ok(()),
        }
    }

    fn sync(&mut self, from: RequestId, sync: Sync, step: &mut Step<'_>) {
        self.has_synced(&sync.member, step);
        let Some(member) = self.members.get_mut(&sync.member) else { return };
        if matches!(self.state, State::Stable { .. }) {
            let assignment = member.assignment.clone();
            member.renew_session(&self.id, step);
            step.reply(from, Reply::Sync(Ok(self.synced(assignment))));
            return;
        }
        // A second SyncGroup of the same member: its first has no one to read the answer any more.
        if let Some(older) = member.syncing.replace(from) {
            step.reply(older, Reply::Sync(Err(Error::RebalanceInProgress)));
        }
        if self.is_leader(&sync.member) {
            self.store_assignment(&sync, step);
        }
    }

    fn has_synced(&mut self, member: &MemberId, step: &mut Step<'_>) {
        let Some(unsynced) = self.unsynced() else { return };
        if unsynced.remove(member) && unsynced.is_empty() {
            step.effects.push(Effect::CancelTimer(TimerKey::Sync(self.id.clone())));
        }
    }

    /// Whoever the leader left out gets nothing.
    ///
    /// Differs from Kafka: if the leader asks again while its assignments are being stored, the first ones count.
    /// Kafka stores both and hands out the first, so that its successor would know others than the members have.
    fn store_assignment(&mut self, sync: &Sync, step: &mut Step<'_>) {
        match &mut self.state {
            State::CompletingRebalance { storing, .. } if !*storing => *storing = true,
            _ => return,
        }
        let value = self.metadata(|member| sync.assignments.get(&member.id).cloned().unwrap_or_default());
        let record = Record::Group { group: self.id.clone(), value: Some(value) };
        let generation = self.generation;
        step.append(self, vec![record], Acks::All, Then::SpreadAssignment { generation });
        step.effects.push(Effect::Note(Note::RebalanceCompleted));
    }

    /// The assignments are stored, or could not be. If the group has moved on meanwhile, nobody waits for them.
    pub(super) fn assignment_stored(
        &mut self,
        generation: GenerationId,
        records: &[Record],
        outcome: Result<(), AppendError>,
        step: &mut Step<'_>,
    ) {
        if !self.is(StateName::CompletingRebalance) || generation != self.generation {
            return;
        }
        match outcome {
            Ok(()) => self.spread_assignment(records, step),
            Err(error) => {
                let error = Error::of_group_append(error);
                self.note_not_stored(error, step);
                self.cancel_assignment(error, step);
                self.prepare_rebalance("the assignment could not be stored", step);
            }
        }
    }

    fn spread_assignment(&mut self, records: &[Record], step: &mut Step<'_>) {
        let stored = records.iter().filter_map(|record| match record {
            Record::Group { value, .. } => value.as_ref(),
            Record::Offset { .. } | Record::TransactionEnd { .. } => None,
        });
        for one in stored.flat_map(|value| &value.members) {
            if let Some(member) = self.members.get_mut(&one.member) {
                member.assignment = one.assignment.clone();
            }
        }
        let unsynced = self.unsynced().cloned().unwrap_or_default();
        self.go(State::Stable { unsynced, storing: 0 }, step.now);
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            self.tell_assignment(&id, Ok(()), step);
        }
    }

    /// Those who wait for an assignment of this generation will not get one.
    pub(super) fn cancel_assignment(&mut self, error: Error, step: &mut Step<'_>) {
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = Bytes::new();
            }
            self.tell_assignment(&id, Err(error), step);
        }
    }

    /// While a member waited for us its silence was excused: its session starts again with the answer.
    fn tell_assignment(&mut self, id: &MemberId, outcome: Result<(), Error>, step: &mut Step<'_>) {
        if self.answer_sync(id, outcome, step)
            && let Some(member) = self.members.get_mut(id)
        {
            member.renew_session(&self.id, step);
        }
    }

    /// Members that joined but never fetched their assignment are let go.
    pub(super) fn sync_timer(&mut self, step: &mut Step<'_>) {
        let late = self.unsynced().map(std::mem::take).unwrap_or_default();
        if late.is_empty() {
            return;
        }
        for id in &late {
            self.refuse_join(id, MemberId::new(""), Error::UnknownMemberId, step);
            self.remove(id, step);
        }
        self.prepare_rebalance(&format!("{} members did not sync in time", late.len()), step);
    }

    pub(super) fn note_not_stored(&self, error: Error, step: &mut Step<'_>) {
        step.effects.push(Effect::Note(Note::GroupNotStored { group: self.id.clone(), error }));
    }
}
