//! Forgetting: offsets too old or of deleted partitions, on request, and whole groups.
//! A tombstone counts once the leader has it: one that is lost is written again at the next expiry.
//! Source: `GroupMetadata.removeExpiredOffsets`, `GroupMetadataManager.cleanupGroupMetadata`,
//! `GroupCoordinator.handleDeleteOffsets`, `handleDeleteGroups`.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::types::TopicPartition;

use super::append::Then;
use super::effect::{Acks, Reply};
use super::error::Error;
use super::event::{DeleteOffsets, RequestId};
use super::group::{CONSUMER, Group, State, StateName};
use super::id::GroupId;
use super::record::{CommittedOffset, Record};
use super::{Groups, Step};
use crate::time::Timestamp;

impl Groups {
    pub(super) fn expire_offsets(&mut self, step: &mut Step<'_>) {
        self.forget(|group, step| group.expired(step), true, step);
    }

    pub(super) fn partitions_deleted(&mut self, partitions: &BTreeSet<TopicPartition>, step: &mut Step<'_>) {
        let gone = |group: &mut Group, _: &mut Step<'_>| group.drop_unstored(partitions);
        self.forget(gone, false, step);
    }

    /// Writes tombstones for what `select` names, and lets go of groups with nothing left.
    fn forget(
        &mut self,
        select: impl Fn(&mut Group, &mut Step<'_>) -> BTreeSet<TopicPartition>,
        expired: bool,
        step: &mut Step<'_>,
    ) {
        self.by_id.retain(|_, group| {
            if group.is(StateName::Dead) {
                return true;
            }
            let partitions = select(group, step);
            group.write_tombstones(partitions, || Then::Forget { expired }, step) != Tombstones::Gone
        });
    }

    pub(super) fn delete_offsets(&mut self, from: RequestId, delete: DeleteOffsets, step: &mut Step<'_>) {
        let Some(group) = self.by_id.get_mut(&delete.group).filter(|group| !group.is(StateName::Dead)) else {
            return step.reply(from, Reply::DeleteOffsets(Err(Error::GroupIdNotFound)));
        };
        if !group.is(StateName::Empty) && group.protocol_type.as_deref() != Some(CONSUMER) {
            return step.reply(from, Reply::DeleteOffsets(Err(Error::NonEmptyGroup)));
        }
        let kept = |partition: &TopicPartition| !group.is(StateName::Empty) && group.is_subscribed_to(partition);
        let (kept, granted): (Vec<_>, Vec<_>) = delete.partitions.into_iter().partition(kept);
        let partitions = group.drop_unstored(&granted);
        let kept = kept.into_iter().map(|partition| (partition, Err(Error::GroupSubscribedToTopic)));
        let outcome: BTreeMap<_, _> = granted.into_iter().map(|partition| (partition, Ok(()))).chain(kept).collect();

        let then = || Then::AnswerOffsetDelete { to: from, outcome: outcome.clone() };
        let tombstones = group.write_tombstones(partitions, then, step);
        if tombstones == Tombstones::Gone {
            self.by_id.remove(&delete.group);
        }
        if tombstones != Tombstones::OnTheirWay {
            step.reply(from, Reply::DeleteOffsets(Ok(outcome)));
        }
    }

    pub(super) fn delete(&mut self, from: RequestId, id: &GroupId, step: &mut Step<'_>) {
        let Some(group) = self.by_id.get_mut(id).filter(|group| !group.is(StateName::Dead)) else {
            return step.reply(from, Reply::Delete(Err(Error::GroupIdNotFound)));
        };
        if !group.is(StateName::Empty) {
            return step.reply(from, Reply::Delete(Err(Error::NonEmptyGroup)));
        }
        let stored = group.saved.offsets().map(|(partition, _)| partition);
        let partitions: Vec<_> = stored.chain(group.in_flight.keys()).cloned().collect();
        let partitions = group.drop_unstored(&partitions);
        group.go(State::Dead, step.now);
        if group.write_tombstones(partitions, || Then::AnswerDelete { to: from }, step) == Tombstones::Gone {
            self.by_id.remove(id);
            step.reply(from, Reply::Delete(Ok(())));
        }
    }

    /// Tombstones are written, or could not be; says whether their group is gone.
    pub(super) fn tombstones_done(&mut self, id: &GroupId, written: bool, now: Timestamp) -> bool {
        let Some(group) = self.by_id.get_mut(id).filter(|group| group.is(StateName::Dead)) else { return false };
        if written {
            self.by_id.remove(id);
        } else {
            group.go(State::Empty, now);
        }
        written
    }
}

impl Group {
    /// Offsets too old to keep. As long as a group has members its own age does not count, and consumers keep the
    /// offsets of every topic they read.
    fn expired(&self, step: &Step<'_>) -> BTreeSet<TopicPartition> {
        let since_commit = |value: &CommittedOffset| value.commit_timestamp;
        let since_empty = |value: &CommittedOffset| self.state_since.unwrap_or(value.commit_timestamp);
        match (self.protocol_type.as_deref(), self.state_name(), &self.subscribed_topics) {
            (Some(_), StateName::Empty, _) => self.older_than_retention(since_empty, None, step),
            (Some(CONSUMER), StateName::Stable, Some(topics)) => {
                let subscribed = |partition: &TopicPartition| topics.contains(&partition.topic);
                self.older_than_retention(since_commit, Some(&subscribed), step)
            }
            (None, ..) => self.older_than_retention(since_commit, None, step),
            _ => BTreeSet::new(),
        }
    }

    fn older_than_retention(
        &self,
        since: impl Fn(&CommittedOffset) -> Timestamp,
        kept: Option<&dyn Fn(&TopicPartition) -> bool>,
        step: &Step<'_>,
    ) -> BTreeSet<TopicPartition> {
        let too_old = |value: &CommittedOffset| match value.expire_timestamp {
            Some(expires) => expires <= step.now,
            None => step.config.offsets_retention_ms <= step.now.since(since(value)),
        };
        let kept = |partition: &TopicPartition| {
            self.in_flight.contains_key(partition) || kept.is_some_and(|kept| kept(partition))
        };
        let offsets = self.saved.offsets().filter(|(partition, value)| !kept(partition) && too_old(value));
        offsets.map(|(partition, _)| partition.clone()).collect()
    }

    /// Topics nobody can read off the members' subscriptions count as subscribed, to be safe.
    fn is_subscribed_to(&self, partition: &TopicPartition) -> bool {
        self.subscribed_topics.as_ref().is_none_or(|topics| topics.contains(&partition.topic))
    }

    /// Forgets what is on its way to the log for these partitions, and says which the log knows, or soon will.
    fn drop_unstored<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> BTreeSet<TopicPartition> {
        let mut logged = BTreeSet::new();
        for partition in partitions {
            self.saved.drop_pending(partition);
            if self.in_flight.remove(partition).is_some() || self.saved.offset(partition).is_some() {
                logged.insert(partition.clone());
            }
        }
        logged
    }

    /// Writes tombstones for these offsets, and for the group itself if nothing else is left of it. A group without
    /// a generation was never stored, and needs none.
    fn write_tombstones(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
        then: impl FnOnce() -> Then,
        step: &mut Step<'_>,
    ) -> Tombstones {
        if self.is(StateName::Empty) && self.in_flight.is_empty() && self.saved.has_nothing_but(&partitions) {
            self.go(State::Dead, step.now);
        }
        let group = || self.id.clone();
        let offset = |partition| Record::Offset { group: group(), partition, value: None };
        let mut records: Vec<_> = partitions.into_iter().map(offset).collect();
        if self.is(StateName::Dead) && self.generation.0 > 0 {
            records.push(Record::Group { group: group(), value: None });
        }
        if records.is_empty() {
            return if self.is(StateName::Dead) { Tombstones::Gone } else { Tombstones::None };
        }
        step.append(self, records, Acks::Leader, then());
        Tombstones::OnTheirWay
    }
}

/// What forgetting comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tombstones {
    /// There was nothing to forget.
    None,
    /// There was nothing to write, and nothing is left of the group.
    Gone,
    /// The rest follows when they are written.
    OnTheirWay,
}
