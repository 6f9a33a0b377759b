//! One member of a group: what it said about itself, what it waits for, and when it must be heard of again.
//! Never decides what follows from its silence: its group does.
//! Source: `MemberMetadata` and `DelayedHeartbeat` of Kafka 3.9.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::Step;
use super::effect::{DescribedMember, Effect, JoinedMember, TimerKey};
use super::event::{Join, Protocol, RequestId};
use super::id::{GroupId, InstanceId, MemberId};
use super::record::MemberMetadata;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) instance: Option<InstanceId>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) terms: Terms,
    pub(super) assignment: Bytes,
    /// Its JoinGroup, unanswered.
    pub(super) joining: Option<RequestId>,
    /// Its SyncGroup, unanswered.
    pub(super) syncing: Option<RequestId>,
    /// It has never been told its id: it cannot send heartbeats, and is dropped if its JoinGroup waits too long.
    pub(super) is_new: bool,
    pub(super) session: Session,
}

/// What a member states anew with each JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) protocols: Vec<Protocol>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
}

impl Terms {
    /// Of protocols named twice the first counts.
    pub(super) fn of(join: &Join) -> Self {
        let mut seen = BTreeSet::new();
        let protocols = join.protocols.iter().filter(|protocol| seen.insert(&protocol.name)).cloned().collect();
        Self { protocols, rebalance_timeout_ms: join.rebalance_timeout_ms, session_timeout_ms: join.session_timeout_ms }
    }
}

/// When a member must be heard of. The timer is left alone while it rings no later than needed: it then finds the
/// deadline has moved and is set again, which costs one ring per session instead of one order per heartbeat.
#[derive(Debug, Default)]
pub(super) struct Session {
    deadline: Option<Timestamp>,
    timer: Option<Timestamp>,
}

impl Member {
    pub(super) fn new(id: MemberId, join: &Join) -> Self {
        Self {
            id,
            instance: join.instance.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            terms: Terms::of(join),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            session: Session::default(),
        }
    }

    pub(super) fn restore(stored: &MemberMetadata, protocol: &Arc<str>) -> Self {
        Self {
            id: stored.member.clone(),
            instance: stored.instance.clone(),
            client_id: stored.client_id.clone(),
            client_host: stored.client_host.clone(),
            terms: Terms {
                protocols: vec![Protocol { name: protocol.clone(), metadata: stored.subscription.clone() }],
                rebalance_timeout_ms: stored.rebalance_timeout_ms,
                session_timeout_ms: stored.session_timeout_ms,
            },
            assignment: stored.assignment.clone(),
            joining: None,
            syncing: None,
            is_new: false,
            session: Session::default(),
        }
    }

    /// What it said about itself under `protocol`; nothing if it does not know it.
    pub(super) fn metadata(&self, protocol: Option<&Arc<str>>) -> Bytes {
        let known = |offered: &&Protocol| Some(&offered.name) == protocol;
        self.terms.protocols.iter().find(known).map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn as_joined(&self, protocol: Option<&Arc<str>>) -> JoinedMember {
        JoinedMember { member: self.id.clone(), instance: self.instance.clone(), metadata: self.metadata(protocol) }
    }

    /// Only a stable group tells what its members said and got.
    pub(super) fn describe(&self, stable_protocol: Option<&Arc<str>>) -> DescribedMember {
        let assignment = stable_protocol.map(|_| self.assignment.clone()).unwrap_or_default();
        DescribedMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: self.metadata(stable_protocol),
            assignment,
        }
    }

    pub(super) fn stored(&self, protocol: Option<&Arc<str>>, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.terms.rebalance_timeout_ms,
            session_timeout_ms: self.terms.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// It was heard of, or told something it must react to: the session starts again.
    pub(super) fn renew_session(&mut self, group: &GroupId, step: &mut Step<'_>) {
        let session_timeout_ms = i64::from(self.terms.session_timeout_ms);
        self.expect_within(session_timeout_ms, group, step);
    }

    pub(super) fn expect_within(&mut self, timeout_ms: i64, group: &GroupId, step: &mut Step<'_>) {
        let deadline = step.now.plus_ms(timeout_ms);
        self.session.deadline = Some(deadline);
        if self.session.timer.is_none_or(|at| deadline < at) {
            self.set_timer(deadline, group, step);
        }
    }

    fn set_timer(&mut self, at: Timestamp, group: &GroupId, step: &mut Step<'_>) {
        self.session.timer = Some(at);
        step.effects.push(Effect::SetTimer { key: self.timer_key(group), at });
    }

    fn timer_key(&self, group: &GroupId) -> TimerKey {
        TimerKey::Heartbeat { group: group.clone(), member: self.id.clone() }
    }

    /// The timer rang: whether the member is overdue. One that waits for us is excused, unless it never had an id.
    pub(super) fn is_overdue(&mut self, group: &GroupId, step: &mut Step<'_>) -> bool {
        self.session.timer = None;
        let Some(deadline) = self.session.deadline else { return false };
        if step.now < deadline {
            self.set_timer(deadline, group, step);
            return false;
        }
        self.session.deadline = None;
        self.is_new || (self.joining.is_none() && self.syncing.is_none())
    }

    pub(super) fn end_session(&mut self, group: &GroupId, step: &mut Step<'_>) {
        self.session.deadline = None;
        if self.session.timer.take().is_some() {
            step.effects.push(Effect::CancelTimer(self.timer_key(group)));
        }
    }
}
