//! Committing and fetching offsets, inside transactions and outside.
//! An offset is told only once it is stored on every in-sync replica.
//! Source: `GroupCoordinator.doCommitOffsets`, `GroupMetadataManager.storeOffsets`, `getOffsets`.

use std::collections::BTreeMap;

use zk_schema::types::{Offset, ProducerEpoch, ProducerId, TopicPartition};

use super::append::{Pending, Then};
use super::effect::{Acks, AppendToken, Effect, FetchedOffsets, Note, Reply};
use super::error::Error;
use super::event::{AppendError, CommitOffsets, CommitTransactionOffsets, FetchOffsets, RequestId};
use super::group::{Group, StateName};
use super::record::{CommittedOffset, Position, Record};
use super::{Groups, Step};

type Outcomes = BTreeMap<TopicPartition, Result<(), Error>>;

impl Groups {
    pub(super) fn commit(&mut self, from: RequestId, commit: CommitOffsets, step: &mut Step<'_>) {
        let group = match self.by_id.get_mut(&commit.group) {
            Some(group) => group,
            // A consumer that manages its partitions by itself needs no group to exist.
            None if commit.generation.0 < 0 => self.get_or_create(&commit.group, step.now),
            None => return step.refuse_commit(from, &commit, Error::IllegalGeneration),
        };
        match group.validate_commit(&commit, false) {
            Ok(()) => {
                if !group.is(StateName::Empty) {
                    group.keep_alive(&commit.member, step);
                }
                group.store_offsets(from, commit, None, step);
            }
            Err(error) => step.refuse_commit(from, &commit, error),
        }
    }

    pub(super) fn commit_in_transaction(
        &mut self,
        from: RequestId,
        transaction: CommitTransactionOffsets,
        step: &mut Step<'_>,
    ) {
        let CommitTransactionOffsets { commit, producer_id, producer_epoch } = transaction;
        let group = self.get_or_create(&commit.group, step.now);
        match group.validate_commit(&commit, true) {
            Ok(()) => group.store_offsets(from, commit, Some((producer_id, producer_epoch)), step),
            Err(error) => step.refuse_commit(from, &commit, error),
        }
    }

    /// The offsets are stored, or could not be. `alive` is false if their group was deleted meanwhile.
    pub(super) fn commit_done(
        &mut self,
        token: AppendToken,
        pending: Pending,
        alive: bool,
        outcome: Result<Offset, AppendError>,
        step: &mut Step<'_>,
    ) {
        let Then::AnswerCommit { to, too_large, transaction_ended } = pending.then else { return };
        let mut wanted = Vec::new();
        if let Some(group) = self.by_id.get_mut(&pending.group).filter(|_| alive) {
            wanted = group.landed(token, &pending.records);
        }
        if let Ok(batch_base_offset) = outcome {
            let position = Position { batch_base_offset, transaction: pending.transaction };
            for record in wanted {
                self.replay(record, position);
            }
            if let (Some(producer_id), Some(committed)) = (pending.transaction, transaction_ended) {
                self.replay(&Record::TransactionEnd { producer_id, committed }, position);
            }
            step.effects.push(Effect::Note(Note::OffsetsCommitted(pending.records.len())));
        }
        let outcome = outcome.map(drop).map_err(Error::of_offset_append);
        step.reply(to, Reply::CommitOffsets(outcomes(&pending.records, too_large, outcome)));
    }

    pub(super) fn fetch(&self, from: RequestId, fetch: FetchOffsets, step: &mut Step<'_>) {
        let group = self.by_id.get(&fetch.group).filter(|group| !group.is(StateName::Dead));
        let offsets = match group {
            Some(group) => group.fetch(fetch),
            None => fetch.partitions.unwrap_or_default().into_iter().map(|partition| (partition, Ok(None))).collect(),
        };
        step.reply(from, Reply::FetchOffsets(Ok(offsets)));
    }
}

impl Group {
    /// Source: `GroupCoordinator.validateOffsetCommit`.
    fn validate_commit(&self, commit: &CommitOffsets, in_transaction: bool) -> Result<(), Error> {
        let claims_membership = commit.generation.0 >= 0 || !commit.member.is_empty() || commit.instance.is_some();
        match self.state_name() {
            StateName::Dead => Err(Error::CoordinatorNotAvailable),
            StateName::Empty if commit.generation.0 < 0 => Ok(()),
            state if claims_membership => {
                self.validate_member(&commit.member, commit.instance.as_ref())?;
                if commit.generation != self.generation {
                    return Err(Error::IllegalGeneration);
                }
                // Its partitions may belong to another already. In a transaction the producer answers for that.
                if state == StateName::CompletingRebalance && !in_transaction {
                    return Err(Error::RebalanceInProgress);
                }
                Ok(())
            }
            // Producers older than KIP-447 do not say which member they commit for.
            _ if in_transaction => Ok(()),
            _ => Err(Error::UnknownMemberId),
        }
    }

    fn store_offsets(
        &mut self,
        from: RequestId,
        commit: CommitOffsets,
        transaction: Option<(ProducerId, ProducerEpoch)>,
        step: &mut Step<'_>,
    ) {
        let mut records = Vec::with_capacity(commit.offsets.len());
        let mut too_large = Vec::new();
        for (partition, value) in commit.offsets {
            if fits(&value, step.config.offset_metadata_max) {
                records.push(Record::Offset { group: self.id.clone(), partition, value: Some(value) });
            } else {
                too_large.push(partition);
            }
        }
        if records.is_empty() {
            return step.reply(from, Reply::CommitOffsets(outcomes(&[], too_large, Ok(()))));
        }
        let partitions: Vec<_> = partitions_of(&records).cloned().collect();
        let then = Then::AnswerCommit { to: from, too_large, transaction_ended: None };
        let token = step.append_in(transaction, self, records, Acks::All, then);
        for partition in partitions {
            self.in_flight.entry(partition).or_default().insert(token);
        }
    }

    /// A commit came out of the log's end: which of its records still count. Not those of partitions deleted since.
    fn landed<'a>(&mut self, token: AppendToken, records: &'a [Record]) -> Vec<&'a Record> {
        let mut wanted = Vec::with_capacity(records.len());
        for record in records {
            let Record::Offset { partition, .. } = record else { continue };
            let Some(tokens) = self.in_flight.get_mut(partition) else { continue };
            if tokens.remove(&token) {
                wanted.push(record);
            }
            if tokens.is_empty() {
                self.in_flight.remove(partition);
            }
        }
        wanted
    }

    fn fetch(&self, fetch: FetchOffsets) -> FetchedOffsets {
        let all = || self.saved.offsets().map(|(partition, _)| partition.clone()).collect();
        let partitions: Vec<_> = fetch.partitions.unwrap_or_else(all);
        let one = |partition: TopicPartition| {
            let unstable = self.in_flight.contains_key(&partition) || self.saved.is_pending(&partition);
            let offset = match fetch.require_stable && unstable {
                true => Err(Error::UnstableOffsetCommit),
                false => Ok(self.saved.offset(&partition).cloned()),
            };
            (partition, offset)
        };
        partitions.into_iter().map(one).collect()
    }
}

fn fits(value: &CommittedOffset, longest: usize) -> bool {
    let metadata = &value.metadata;
    // Text has at most as many UTF-16 units as bytes.
    metadata.len() <= longest || metadata.encode_utf16().count() <= longest
}

pub(super) fn partitions_of(records: &[Record]) -> impl Iterator<Item = &TopicPartition> {
    records.iter().filter_map(|record| match record {
        Record::Offset { partition, .. } => Some(partition),
        Record::Group { .. } | Record::TransactionEnd { .. } => None,
    })
}

/// What became of each partition of a commit.
pub(super) fn outcomes(records: &[Record], too_large: Vec<TopicPartition>, outcome: Result<(), Error>) -> Outcomes {
    let refused = too_large.into_iter().map(|partition| (partition, Err(Error::OffsetMetadataTooLarge)));
    partitions_of(records).map(|partition| (partition.clone(), outcome)).chain(refused).collect()
}

impl Step<'_> {
    fn refuse_commit(&mut self, to: RequestId, commit: &CommitOffsets, error: Error) {
        let refused = commit.offsets.keys().map(|partition| (partition.clone(), Err(error))).collect();
        self.reply(to, Reply::CommitOffsets(refused));
    }
}
