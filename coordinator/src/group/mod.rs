//! The groups of one `__consumer_offsets` partition: members sharing out work, and the offsets they have reached.
//! Pure: it reads no clock and writes no log. [`GroupShard::handle`] takes an event and answers with effects;
//! [`GroupShard::replay`] is the only writer of what the log keeps. A partition is served like this:
//!
//! ```text
//! leader elected ─▶ replay every record ─▶ Loaded ─▶ requests, timers, AppendDone ... ─▶ Unload
//!                   (requests answered: loading)
//! ```
//! Source: `GroupCoordinator`, `GroupMetadata` and `GroupMetadataManager` of Kafka 3.9 (the classic protocol).

mod admin;
mod append;
mod effect;
mod error;
mod event;
mod expiry;
#[expect(clippy::module_inception, reason = "one group among the groups")]
mod group;
mod heartbeat;
mod id;
mod invariants;
mod join;
mod leave;
mod member;
mod offsets;
mod rebalance;
mod record;
mod saved;
mod static_member;
mod subscription;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::types::{Offset, ProducerId};

pub use effect::{
    Acks, Append, AppendToken, DescribedMember, Description, Effect, FetchedOffsets, JoinRefused, Joined, JoinedMember,
    LeftMember, Note, Overview, Reply, Synced, TimerKey,
};
pub use error::Error;
pub use event::{
    AppendError, CommitOffsets, CommitTransactionOffsets, DeleteOffsets, Event, FetchOffsets, Heartbeat, Join, Leave,
    LeavingMember, Protocol, Request, RequestId, Sync,
};
pub use group::StateName;
pub use id::{GroupId, InstanceId, MemberId};
pub use record::{CommittedOffset, GroupMetadata, MemberMetadata, Position, Record};

use crate::time::Timestamp;
use append::{Appends, Pending, Then};
use group::Group;

/// What an administrator sets.
#[derive(Clone, Debug)]
pub struct Config {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`: members per group.
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `offset.metadata.max.bytes`; counted in UTF-16 units, as Kafka does.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
}

impl Config {
    /// The groups' part of a broker's properties.
    #[must_use]
    pub fn of_broker(config: &config::BrokerConfig) -> Self {
        let count = |value: i32| usize::try_from(value).unwrap_or(0);
        Self {
            min_session_timeout_ms: config.group_min_session_timeout_ms,
            max_session_timeout_ms: config.group_max_session_timeout_ms,
            max_size: count(config.group_max_size),
            initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
            offset_metadata_max: count(config.offset_metadata_max_bytes),
            offsets_retention_ms: i64::from(config.offsets_retention_minutes) * 60_000,
        }
    }
}

/// The groups of one `__consumer_offsets` partition, from the moment this broker leads it until it no longer does.
#[derive(Debug)]
pub struct GroupShard {
    config: Config,
    phase: Phase,
    groups: Groups,
    appends: Appends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Active,
    Unloaded,
}

/// Every group by its id, and which of them take part in open transactions.
#[derive(Debug, Default)]
struct Groups {
    by_id: BTreeMap<GroupId, Group>,
    open_transactions: BTreeMap<ProducerId, BTreeSet<GroupId>>,
    last_incarnation: u64,
}

/// One event being handled: the time, the rules, and what is asked for so far.
struct Step<'a> {
    config: &'a Config,
    now: Timestamp,
    effects: &'a mut Vec<Effect>,
    appends: &'a mut Appends,
}

/// How many groups and offsets there are, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Groups by state.
    pub groups: BTreeMap<StateName, usize>,
    /// Committed offsets.
    pub offsets: usize,
}

impl GroupShard {
    /// A shard that has yet to be told what its log says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, phase: Phase::Loading, groups: Groups::default(), appends: Appends::default() }
    }

    /// Takes one event, and says what is to be done about it.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut step = Step { config: &self.config, now, effects: &mut effects, appends: &mut self.appends };
        match (self.phase, event) {
            (Phase::Loading, Event::Request { from, request }) => {
                step.refuse(from, request, Error::CoordinatorLoadInProgress)
            }
            (Phase::Unloaded, Event::Request { from, request }) => step.refuse(from, request, Error::NotCoordinator),
            (Phase::Loading, Event::Loaded) => {
                self.phase = Phase::Active;
                self.groups.loaded(&mut step);
            }
            (Phase::Loading | Phase::Active, Event::Unload) => {
                self.phase = Phase::Unloaded;
                self.groups.unload(&mut step);
            }
            (Phase::Active, event) => self.groups.handle(event, &mut step),
            (Phase::Loading | Phase::Unloaded, _) => {}
        }
        effects
    }

    /// Takes in one record of the log. While loading: all of them, in order. Afterwards only [`GroupShard::handle`]
    /// itself calls this, for the records whose append is done.
    pub fn replay(&mut self, record: &Record, at: Position) {
        self.groups.replay(record, at);
    }

    /// Counts groups and offsets.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for group in self.groups.by_id.values() {
            *census.groups.entry(group.state_name()).or_default() += 1;
            census.offsets += group.saved.offset_count();
        }
        census
    }

    /// Checks everything that must hold between two events.
    ///
    /// # Errors
    /// What does not hold, and where.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.groups.by_id.values().try_for_each(|group| invariants::check(group, self.phase == Phase::Active))
    }
}

impl Groups {
    fn handle(&mut self, event: Event, step: &mut Step<'_>) {
        match event {
            Event::Request { from, request } => match request.validate_group_id() {
                Ok(()) => self.request(from, request, step),
                Err(error) => step.refuse(from, request, error),
            },
            Event::AppendDone { token, outcome } => self.append_done(token, outcome, step),
            Event::TransactionEnded { producer_id, committed } => {
                step.appends.transaction_ended(producer_id, committed);
                let position = Position { batch_base_offset: 0, transaction: None };
                self.replay(&Record::TransactionEnd { producer_id, committed }, position);
            }
            Event::PartitionsDeleted(partitions) => self.partitions_deleted(&partitions, step),
            Event::ExpireOffsets => self.expire_offsets(step),
            Event::Timer(key) => self.timer(key, step),
            Event::Loaded | Event::Unload => {}
        }
    }

    fn request(&mut self, from: RequestId, request: Request, step: &mut Step<'_>) {
        match request {
            Request::Join(join) => self.join(from, join, step),
            Request::Sync(sync) => self.sync(from, sync, step),
            Request::Heartbeat(heartbeat) => self.heartbeat(from, &heartbeat, step),
            Request::Leave(leave) => self.leave(from, leave, step),
            Request::CommitOffsets(commit) => self.commit(from, commit, step),
            Request::CommitTransactionOffsets(commit) => self.commit_in_transaction(from, commit, step),
            Request::FetchOffsets(fetch) => self.fetch(from, fetch, step),
            Request::DeleteOffsets(delete) => self.delete_offsets(from, delete, step),
            Request::Describe(group) => self.describe(from, &group, step),
            Request::List { states } => self.list(from, states.as_ref(), step),
            Request::Delete(group) => self.delete(from, &group, step),
        }
    }

    fn replay(&mut self, record: &Record, at: Position) {
        match record {
            Record::Offset { group, partition, value } => {
                if let Some(producer_id) = at.transaction {
                    self.open_transactions.entry(producer_id).or_default().insert(group.clone());
                }
                self.get_or_create(group, Timestamp(0)).saved.replay_offset(partition, value.clone(), at);
            }
            Record::Group { group, value } => {
                self.get_or_create(group, Timestamp(0)).saved.replay_metadata(value.clone(), at);
            }
            Record::TransactionEnd { producer_id, committed } => {
                for id in self.open_transactions.remove(producer_id).unwrap_or_default() {
                    if let Some(group) = self.by_id.get_mut(&id) {
                        group.saved.replay_transaction_end(*producer_id, *committed);
                    }
                }
            }
        }
    }

    fn get_or_create(&mut self, id: &GroupId, now: Timestamp) -> &mut Group {
        if !self.by_id.contains_key(id) {
            self.last_incarnation += 1;
            self.by_id.insert(id.clone(), Group::new(id.clone(), self.last_incarnation, now));
        }
        self.by_id.get_mut(id).expect("the group was just made sure of")
    }

    fn loaded(&mut self, step: &mut Step<'_>) {
        self.by_id.retain(|_, group| !group.saved.is_nothing());
        for group in self.by_id.values_mut() {
            group.restore(step.now);
            if group.members.len() > step.config.max_size {
                group.prepare_rebalance("the group just loaded is over capacity", step);
            }
            group.renew_all_sessions(step);
        }
    }

    fn unload(&mut self, step: &mut Step<'_>) {
        for (_, mut group) in std::mem::take(&mut self.by_id) {
            for id in group.members.keys().cloned().collect::<Vec<_>>() {
                group.refuse_join(&id, id.clone(), Error::NotCoordinator, step);
                group.answer_sync(&id, Err(Error::NotCoordinator), step);
            }
        }
        self.open_transactions.clear();
        let waiting = step.appends.take_all();
        for pending in waiting {
            pending.refuse(Error::NotCoordinator, step);
        }
    }

    fn append_done(&mut self, token: AppendToken, outcome: Result<Offset, AppendError>, step: &mut Step<'_>) {
        let Some(pending) = step.appends.take(token) else { return };
        let same = |group: &&mut Group| group.incarnation == pending.incarnation;
        let alive = self.by_id.get_mut(&pending.group).filter(same).is_some();
        match &pending.then {
            Then::AnswerCommit { .. } => self.commit_done(token, pending, alive, outcome, step),
            _ if !alive => pending.refuse(Error::CoordinatorNotAvailable, step),
            _ => {
                if let Ok(batch_base_offset) = outcome {
                    self.replay_all(&pending.records, Position { batch_base_offset, transaction: None });
                }
                self.group_append_done(pending, outcome.map(drop), step);
            }
        }
    }

    fn replay_all(&mut self, records: &[Record], at: Position) {
        for record in records {
            self.replay(record, at);
        }
    }

    fn group_append_done(&mut self, pending: Pending, outcome: Result<(), AppendError>, step: &mut Step<'_>) {
        let Some(group) = self.by_id.get_mut(&pending.group) else { return };
        match pending.then {
            Then::SpreadAssignment { generation } => {
                group.assignment_stored(generation, &pending.records, outcome, step);
            }
            Then::NoteEmpty => {
                if let Err(error) = outcome {
                    group.note_not_stored(Error::of_group_append(error), step);
                }
            }
            Then::AnswerStaticMember(rejoin) => group.static_member_stored(rejoin, outcome, step),
            Then::AnswerDelete { to } => {
                let outcome = outcome.map_err(Error::of_offset_append);
                let dropped = self.tombstones_done(&pending.group, outcome.is_ok(), step.now);
                step.effects.push(Effect::Note(Note::OffsetsDeleted(if dropped { pending.records.len() } else { 0 })));
                step.reply(to, Reply::Delete(outcome));
            }
            Then::AnswerOffsetDelete { to, outcome: partitions } => {
                let outcome = outcome.map_err(Error::of_offset_append);
                self.tombstones_done(&pending.group, outcome.is_ok(), step.now);
                if outcome.is_ok() {
                    step.effects.push(Effect::Note(Note::OffsetsDeleted(pending.records.len())));
                }
                step.reply(to, Reply::DeleteOffsets(outcome.map(|()| partitions)));
            }
            Then::Forget { expired } => {
                self.tombstones_done(&pending.group, outcome.is_ok(), step.now);
                if expired && outcome.is_ok() {
                    step.effects.push(Effect::Note(Note::OffsetsExpired(pending.records.len())));
                }
            }
            Then::AnswerCommit { .. } => {}
        }
    }

    fn timer(&mut self, key: TimerKey, step: &mut Step<'_>) {
        match key {
            TimerKey::Heartbeat { group, member } => {
                if let Some(group) = self.by_id.get_mut(&group) {
                    group.session_timer(&member, step);
                }
            }
            TimerKey::PendingMember { group, member } => {
                if let Some(group) = self.by_id.get_mut(&group) {
                    group.pending_member_timer(&member, step);
                }
            }
            TimerKey::Join(group) => {
                if let Some(group) = self.by_id.get_mut(&group) {
                    group.join_timer(step);
                }
            }
            TimerKey::Sync(group) => {
                if let Some(group) = self.by_id.get_mut(&group) {
                    group.sync_timer(step);
                }
            }
        }
    }
}

impl Pending {
    /// Tells whoever waits that nothing came of it.
    fn refuse(self, error: Error, step: &mut Step<'_>) {
        match self.then {
            Then::AnswerCommit { to, too_large, .. } => {
                step.reply(to, Reply::CommitOffsets(offsets::outcomes(&self.records, too_large, Err(error))));
            }
            Then::AnswerDelete { to } => step.reply(to, Reply::Delete(Err(error))),
            Then::AnswerOffsetDelete { to, .. } => step.reply(to, Reply::DeleteOffsets(Err(error))),
            // A static member's JoinGroup is answered with its group.
            Then::SpreadAssignment { .. } | Then::NoteEmpty | Then::AnswerStaticMember(_) | Then::Forget { .. } => {}
        }
    }
}

impl Step<'_> {
    fn reply(&mut self, to: RequestId, reply: Reply) {
        self.effects.push(Effect::Reply { to, reply });
    }

    fn refuse(&mut self, to: RequestId, request: Request, error: Error) {
        self.reply(to, request.refuse(error));
    }
}

#[cfg(test)]
mod tests;
