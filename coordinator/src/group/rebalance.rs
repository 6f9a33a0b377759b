//! From one generation to the next: calling the members together, waiting for them, and counting who came.
//! Source: `GroupCoordinator.prepareRebalance`, `onCompleteJoin`, `DelayedJoin`, `InitialDelayedJoin`.

use std::collections::BTreeSet;

use bytes::Bytes;
use zk_schema::types::GenerationId;

use super::Step;
use super::append::Then;
use super::effect::{Acks, Effect, Note, Reply, TimerKey};
use super::error::Error;
use super::group::{Group, InitialDelay, State, StateName};
use super::id::MemberId;
use super::record::Record;

impl Group {
    /// Calls the members together, unless that is already happening.
    pub(super) fn maybe_prepare_rebalance(&mut self, reason: &str, step: &mut Step<'_>) {
        match self.state_name() {
            StateName::Stable | StateName::CompletingRebalance | StateName::Empty => {
                self.prepare_rebalance(reason, step);
            }
            StateName::PreparingRebalance | StateName::Dead => {}
        }
    }

    pub(super) fn prepare_rebalance(&mut self, reason: &str, step: &mut Step<'_>) {
        if self.is(StateName::CompletingRebalance) {
            self.cancel_assignment(Error::RebalanceInProgress, step);
        }
        step.effects.push(Effect::CancelTimer(TimerKey::Sync(self.id.clone())));
        let generation = self.generation;
        step.effects.push(Effect::Note(Note::Rebalancing {
            group: self.id.clone(),
            generation,
            reason: reason.to_owned(),
        }));

        let timeout_ms = self.rebalance_timeout_ms();
        let delay_ms = i64::from(step.config.initial_rebalance_delay_ms);
        let initial = self.is(StateName::Empty).then(|| InitialDelay {
            step_ms: delay_ms,
            remaining_ms: (timeout_ms - delay_ms).max(0),
            newcomer: false,
        });
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.wait_for_members(initial.map_or(timeout_ms, |initial| initial.step_ms), initial, step);
        self.try_complete_join(step);
    }

    fn wait_for_members(&mut self, wait_ms: i64, initial: Option<InitialDelay>, step: &mut Step<'_>) {
        let until = step.now.plus_ms(wait_ms);
        let waiting = State::PreparingRebalance { until, initial };
        match &mut self.state {
            State::PreparingRebalance { .. } => self.state = waiting,
            _ => self.go(waiting, step.now),
        }
        step.effects.push(Effect::SetTimer { key: TimerKey::Join(self.id.clone()), at: until });
    }

    /// Ends the waiting early if everybody is there. A group that was empty always waits its initial delay.
    pub(super) fn try_complete_join(&mut self, step: &mut Step<'_>) {
        if matches!(self.state, State::PreparingRebalance { initial: None, .. }) && self.all_members_joined() {
            step.effects.push(Effect::CancelTimer(TimerKey::Join(self.id.clone())));
            self.complete_join(step);
        }
    }

    pub(super) fn join_timer(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::PreparingRebalance { until, .. } if step.now < until => {}
            State::PreparingRebalance { initial: Some(initial), .. }
                if initial.newcomer && initial.remaining_ms > 0 =>
            {
                let step_ms = i64::from(step.config.initial_rebalance_delay_ms).min(initial.remaining_ms);
                let remaining_ms = (initial.remaining_ms - initial.step_ms).max(0);
                self.wait_for_members(step_ms, Some(InitialDelay { step_ms, remaining_ms, newcomer: false }), step);
            }
            State::PreparingRebalance { .. } => self.complete_join(step),
            _ => {}
        }
    }

    fn complete_join(&mut self, step: &mut Step<'_>) {
        // Static members keep their place until their session ends.
        let missing = |member: &&super::member::Member| member.joining.is_none() && member.instance.is_none();
        let missing: Vec<_> = self.members.values().filter(missing).map(|member| member.id.clone()).collect();
        for id in missing {
            self.remove(&id, step);
        }
        if !self.elect_leader() {
            // Nobody is here, but static members are still expected.
            let timeout_ms = self.rebalance_timeout_ms();
            return self.wait_for_members(timeout_ms, None, step);
        }
        self.generation = GenerationId(self.generation.0.wrapping_add(1));
        let members = self.members.len();
        step.effects.push(Effect::Note(Note::NewGeneration {
            group: self.id.clone(),
            generation: self.generation,
            members,
        }));
        if members == 0 { self.become_empty(step) } else { self.await_assignment(step) }
    }

    /// Sees to it that the leader is somebody who joined; false if members are expected but none joined.
    fn elect_leader(&mut self) -> bool {
        let joined = |id: &MemberId| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.members.is_empty() || self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let first = self.members.values().find(|member| member.joining.is_some()).map(|member| member.id.clone());
        let found = first.is_some();
        if found {
            self.leader = first;
        }
        found
    }

    fn become_empty(&mut self, step: &mut Step<'_>) {
        self.protocol = None;
        self.subscribed_topics = self.read_subscriptions();
        self.go(State::Empty, step.now);
        let record = Record::Group { group: self.id.clone(), value: Some(self.metadata(|_| Bytes::new())) };
        step.append(self, vec![record], Acks::All, Then::NoteEmpty);
    }

    fn await_assignment(&mut self, step: &mut Step<'_>) {
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.read_subscriptions();
        let everybody: BTreeSet<_> = self.members.keys().cloned().collect();
        self.go(State::CompletingRebalance { unsynced: everybody.clone(), storing: false }, step.now);
        for id in &everybody {
            let joined = self.joined(id, self.is_leader(id));
            self.answer_join(id, || Reply::Join(Ok(joined)), step);
            if let Some(member) = self.members.get_mut(id) {
                member.is_new = false;
                member.renew_session(&self.id, step);
            }
        }
        let at = step.now.plus_ms(self.rebalance_timeout_ms());
        step.effects.push(Effect::SetTimer { key: TimerKey::Sync(self.id.clone()), at });
    }

    /// A member is gone: the others share out its work, or go on without waiting for it.
    pub(super) fn lose_member(&mut self, id: &MemberId, reason: &str, step: &mut Step<'_>) {
        // It may still wait for its JoinGroup: told that it is unknown, a living client starts over.
        self.refuse_join(id, MemberId::new(""), Error::UnknownMemberId, step);
        self.answer_sync(id, Err(Error::UnknownMemberId), step);
        self.remove(id, step);
        match self.state_name() {
            StateName::Stable | StateName::CompletingRebalance => self.prepare_rebalance(reason, step),
            StateName::PreparingRebalance => self.try_complete_join(step),
            StateName::Empty | StateName::Dead => {}
        }
    }

    pub(super) fn renew_all_sessions(&mut self, step: &mut Step<'_>) {
        for member in self.members.values_mut() {
            member.renew_session(&self.id, step);
        }
    }
}
