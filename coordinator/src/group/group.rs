//! One group: its state, its members, and the moves between states.
//! Never talks to a client: the files named after the conversations do.
//! Source: `GroupMetadata` of Kafka 3.9.
//!
//! ```text
//!            join                 all joined              leader's sync stored
//!   Empty ─────────▶ PreparingRebalance ─────────▶ CompletingRebalance ─────────▶ Stable
//!     ▲                  │    ▲   ▲                        │                        │
//!     └── nobody left ───┘    │   └─ join, leave, silence ─┘                        │
//!                             └──────────────── join, leave, silence ───────────────┘
//!   any ──▶ Dead: deleted, expired or unloaded
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{GenerationId, TopicName, TopicPartition};

use super::Step;
use super::effect::{AppendToken, Description, Effect, JoinRefused, JoinedMember, Overview, Reply, Synced, TimerKey};
use super::error::Error;
use super::event::RequestId;
use super::id::{GroupId, InstanceId, MemberId};
use super::member::{Member, Terms};
use super::record::GroupMetadata;
use super::saved::Saved;
use super::subscription;
use crate::time::Timestamp;

/// Protocol type of ordinary consumers: the only one whose subscriptions the coordinator can read.
pub(super) const CONSUMER: &str = "consumer";

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// Tells this group from an earlier one of the same name whose records are still on their way.
    pub(super) incarnation: u64,
    pub(super) state: State,
    pub(super) state_since: Option<Timestamp>,
    pub(super) generation: GenerationId,
    pub(super) protocol_type: Option<Arc<str>>,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) static_members: BTreeMap<InstanceId, MemberId>,
    /// Given an id, not yet back with it.
    pub(super) pending_members: BTreeSet<MemberId>,
    /// How many members have an unanswered JoinGroup.
    pub(super) joining_count: usize,
    /// How many members know each protocol.
    pub(super) protocol_support: BTreeMap<Arc<str>, usize>,
    /// `None` when unknown: not consumers, or subscriptions that cannot be read.
    pub(super) subscribed_topics: Option<BTreeSet<TopicName>>,
    /// Commits on their way to the log.
    pub(super) in_flight: BTreeMap<TopicPartition, BTreeSet<AppendToken>>,
    /// What the log says.
    pub(super) saved: Saved,
}

/// State of a group, and what only that state has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No members; maybe offsets.
    Empty,
    /// Waiting for everybody to join.
    PreparingRebalance {
        /// When the waiting ends.
        until: Timestamp,
        /// Set for a group that was empty: it waits a little even when all it knows of have joined.
        initial: Option<InitialDelay>,
    },
    /// Waiting for the leader's assignments.
    CompletingRebalance {
        /// Members not heard of since they joined.
        unsynced: BTreeSet<MemberId>,
        /// The leader brought the assignments, and they are on their way to the log.
        storing: bool,
    },
    /// Everybody has an assignment.
    Stable {
        /// Members that have not fetched theirs.
        unsynced: BTreeSet<MemberId>,
        /// How many static members came back whose new ids are on their way to the log.
        storing: usize,
    },
    /// Being deleted.
    Dead,
}

/// A group that was empty waits in steps for more members, each step extended by newcomers.
///
/// Source: `InitialDelayedJoin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// Length of the current step, in milliseconds.
    pub(super) step_ms: i64,
    /// What may still be added, in milliseconds.
    pub(super) remaining_ms: i64,
    /// Somebody came during this step.
    pub(super) newcomer: bool,
}

/// A state's name, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// Waiting for everybody to join.
    PreparingRebalance,
    /// Waiting for the leader's assignments.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
    /// Deleted, or never there.
    Dead,
    /// No members.
    Empty,
}

impl StateName {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::PreparingRebalance, Self::CompletingRebalance, Self::Stable, Self::Dead, Self::Empty];
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
        })
    }
}

/// Whether a group may go from one state to the other.
///
/// Differs from Kafka: Dead may become Empty again, when the tombstones of a deletion could not be written. Kafka
/// forgets such a group until its log is read again, and tells the client it was deleted.
pub(super) fn may_become(from: StateName, to: StateName) -> bool {
    use StateName::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
    match to {
        PreparingRebalance => matches!(from, Stable | CompletingRebalance | Empty),
        CompletingRebalance | Empty if from == PreparingRebalance => true,
        Stable => from == CompletingRebalance,
        Empty => from == Dead,
        CompletingRebalance => false,
        Dead => true,
    }
}

impl Group {
    /// A group nobody has joined yet.
    pub(super) fn new(id: GroupId, incarnation: u64, now: Timestamp) -> Self {
        Self {
            id,
            incarnation,
            state: State::Empty,
            state_since: Some(now),
            generation: GenerationId(0),
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            joining_count: 0,
            protocol_support: BTreeMap::new(),
            subscribed_topics: None,
            in_flight: BTreeMap::new(),
            saved: Saved::default(),
        }
    }

    /// Takes up the generation the log tells of.
    pub(super) fn restore(&mut self, now: Timestamp) {
        let Some(stored) = self.saved.metadata().cloned() else {
            self.state_since = Some(now);
            return;
        };
        self.state = match stored.members.is_empty() {
            true => State::Empty,
            false => State::Stable { unsynced: BTreeSet::new(), storing: 0 },
        };
        self.state_since = stored.state_since;
        self.generation = stored.generation;
        self.protocol_type = stored.protocol_type.clone().filter(|protocol_type| !protocol_type.is_empty());
        self.protocol.clone_from(&stored.protocol);
        let protocol = stored.protocol.clone().unwrap_or_else(|| Arc::from(""));
        for member in &stored.members {
            self.add(Member::restore(member, &protocol), None);
        }
        let leads = |leader: &MemberId| self.members.contains_key(leader);
        self.leader = stored.leader.filter(leads).or_else(|| self.members.keys().next().cloned());
        self.subscribed_topics = self.read_subscriptions();
    }

    pub(super) fn state_name(&self) -> StateName {
        match self.state {
            State::Empty => StateName::Empty,
            State::PreparingRebalance { .. } => StateName::PreparingRebalance,
            State::CompletingRebalance { .. } => StateName::CompletingRebalance,
            State::Stable { .. } => StateName::Stable,
            State::Dead => StateName::Dead,
        }
    }

    pub(super) fn is(&self, state: StateName) -> bool {
        self.state_name() == state
    }

    /// Changes the state; a move [`may_become`] does not know is a bug.
    pub(super) fn go(&mut self, to: State, now: Timestamp) {
        let from = self.state_name();
        self.state = to;
        let to = self.state_name();
        assert!(may_become(from, to), "group {}: {from} cannot become {to}", self.id);
        self.state_since = Some(now);
    }

    pub(super) fn is_leader(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }

    /// The group waits as long as its most patient member allows, in milliseconds.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        let longest = self.members.values().map(|member| member.terms.rebalance_timeout_ms).max();
        i64::from(longest.unwrap_or(0).max(0))
    }

    pub(super) fn all_members_joined(&self) -> bool {
        self.members.len() == self.joining_count && self.pending_members.is_empty()
    }

    /// Members not heard of since they joined this generation.
    pub(super) fn unsynced(&mut self) -> Option<&mut BTreeSet<MemberId>> {
        match &mut self.state {
            State::CompletingRebalance { unsynced, .. } | State::Stable { unsynced, .. } => Some(unsynced),
            State::Empty | State::PreparingRebalance { .. } | State::Dead => None,
        }
    }

    /// Whether somebody with these protocols fits in.
    pub(super) fn supports(&self, protocol_type: &str, terms: &Terms) -> bool {
        if self.is(StateName::Empty) {
            return !protocol_type.is_empty() && !terms.protocols.is_empty();
        }
        let shared = |name: &Arc<str>| self.protocol_support.get(name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type)
            && terms.protocols.iter().any(|protocol| shared(&protocol.name))
    }

    /// Takes in a member, with its JoinGroup if it has one open. The first one becomes leader.
    pub(super) fn add(&mut self, mut member: Member, joining: Option<RequestId>) {
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_members.remove(&member.id);
        self.count_protocols(&member.terms, true);
        member.joining = joining;
        self.joining_count += usize::from(joining.is_some());
        self.members.insert(member.id.clone(), member);
    }

    /// Lets a member go, whatever it was. If it led, somebody else does. What it waited for must be answered before.
    pub(super) fn remove(&mut self, id: &MemberId, step: &mut Step<'_>) {
        if let Some(mut member) = self.members.remove(id) {
            self.count_protocols(&member.terms, false);
            self.joining_count -= usize::from(member.joining.is_some());
            if let Some(instance) = &member.instance {
                self.static_members.remove(instance);
            }
            member.end_session(&self.id, step);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        if self.pending_members.remove(id) {
            step.effects.push(Effect::CancelTimer(self.pending_key(id)));
        }
        if let Some(unsynced) = self.unsynced() {
            unsynced.remove(id);
        }
    }

    pub(super) fn pending_key(&self, member: &MemberId) -> TimerKey {
        TimerKey::PendingMember { group: self.id.clone(), member: member.clone() }
    }

    fn count_protocols(&mut self, terms: &Terms, add: bool) {
        for protocol in &terms.protocols {
            let count = self.protocol_support.entry(protocol.name.clone()).or_default();
            *count = if add { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.protocol_support.remove(&protocol.name);
            }
        }
    }

    /// A member joins again with new terms. A JoinGroup it still had open is answered, lest it wait for ever.
    pub(super) fn update(&mut self, id: &MemberId, terms: Terms, joining: Option<RequestId>, step: &mut Step<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        let old_terms = std::mem::replace(&mut member.terms, terms.clone());
        let old_joining = std::mem::replace(&mut member.joining, joining);
        self.count_protocols(&old_terms, false);
        self.count_protocols(&terms, true);
        self.joining_count -= usize::from(old_joining.is_some());
        self.joining_count += usize::from(joining.is_some());
        if let Some(to) = old_joining {
            let refused = JoinRefused { member: id.clone(), error: Error::RebalanceInProgress };
            step.reply(to, Reply::Join(Err(refused)));
        }
    }

    /// Answers a member's open JoinGroup, if it has one.
    pub(super) fn answer_join(&mut self, id: &MemberId, reply: impl FnOnce() -> Reply, step: &mut Step<'_>) -> bool {
        let Some(to) = self.members.get_mut(id).and_then(|member| member.joining.take()) else { return false };
        self.joining_count -= 1;
        step.reply(to, reply());
        true
    }

    pub(super) fn refuse_join(&mut self, id: &MemberId, told: MemberId, error: Error, step: &mut Step<'_>) {
        self.answer_join(id, || Reply::Join(Err(JoinRefused { member: told, error })), step);
    }

    /// Answers a member's open SyncGroup, if it has one.
    pub(super) fn answer_sync(&mut self, id: &MemberId, outcome: Result<(), Error>, step: &mut Step<'_>) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let Some(to) = member.syncing.take() else { return false };
        let assignment = member.assignment.clone();
        let reply = outcome.map(|()| self.synced(assignment));
        step.reply(to, Reply::Sync(reply));
        true
    }

    pub(super) fn synced(&self, assignment: Bytes) -> Synced {
        Synced { protocol_type: self.protocol_type.clone(), protocol: self.protocol.clone(), assignment }
    }

    /// Who is in the current generation, for its leader.
    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        self.members.values().map(|member| member.as_joined(self.protocol.as_ref())).collect()
    }

    /// The protocol all members know that most of them prefer; of equals the first by name.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let known_to_all = |name: &Arc<str>| self.protocol_support.get(name) == Some(&self.members.len());
        let mut votes = BTreeMap::<&Arc<str>, usize>::new();
        for member in self.members.values() {
            let favourite =
                member.terms.protocols.iter().map(|protocol| &protocol.name).find(|name| known_to_all(name));
            if let Some(favourite) = favourite {
                *votes.entry(favourite).or_default() += 1;
            }
        }
        let most = votes.values().max().copied();
        votes.into_iter().find(|(_, count)| Some(*count) == most).map(|(name, _)| name.clone())
    }

    pub(super) fn read_subscriptions(&self) -> Option<BTreeSet<TopicName>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = Some(self.protocol.as_ref()?);
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription::topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }

    /// The current generation as a record; who is not in `assignments` gets nothing.
    pub(super) fn metadata(&self, assignments: impl Fn(&Member) -> Bytes) -> GroupMetadata {
        GroupMetadata {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.state_since,
            members: self
                .members
                .values()
                .map(|member| member.stored(self.protocol.as_ref(), assignments(member)))
                .collect(),
        }
    }

    pub(super) fn describe(&self) -> Description {
        let stable_protocol = self.protocol.as_ref().filter(|_| self.is(StateName::Stable));
        Description {
            state: self.state_name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: stable_protocol.cloned().unwrap_or_default(),
            members: self.members.values().map(|member| member.describe(stable_protocol)).collect(),
        }
    }

    pub(super) fn overview(&self) -> Overview {
        Overview {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state_name(),
        }
    }

    /// Checks that a request comes from a member, and not from one whose instance id another has taken over.
    ///
    /// Source: `GroupCoordinator.validateCurrentMember`.
    pub(super) fn validate_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), Error> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                Some(current) if current != member => return Err(Error::FencedInstanceId),
                Some(_) => {}
                None => return Err(Error::UnknownMemberId),
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(Error::UnknownMemberId) }
    }
}
