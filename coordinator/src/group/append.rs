//! What waits for records on their way to the log.
//! Never writes: it remembers, under the token of each append, what is to be said or done once its outcome is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use zk_schema::types::{GenerationId, ProducerEpoch, ProducerId, TopicPartition};

use super::Step;
use super::effect::{Acks, Append, AppendToken, Effect};
use super::error::Error;
use super::event::RequestId;
use super::group::Group;
use super::id::{GroupId, InstanceId, MemberId};
use super::member::Terms;
use super::record::Record;

#[derive(Debug, Default)]
pub(super) struct Appends {
    last_token: u64,
    pending: BTreeMap<AppendToken, Pending>,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) group: GroupId,
    /// See [`Group::incarnation`].
    pub(super) incarnation: u64,
    pub(super) records: Arc<[Record]>,
    pub(super) transaction: Option<ProducerId>,
    pub(super) then: Then,
}

/// What follows once the outcome is known.
#[derive(Debug)]
pub(super) enum Then {
    /// Answer a commit.
    AnswerCommit {
        to: RequestId,
        /// Partitions left out, since their notes are too long.
        too_large: Vec<TopicPartition>,
        /// The transaction ended before we heard that its offsets were written.
        transaction_ended: Option<bool>,
    },
    /// Hand out the assignments of this generation.
    SpreadAssignment { generation: GenerationId },
    /// Nobody waits: the group became empty.
    NoteEmpty,
    /// Answer a static member that came back without disturbing the others.
    AnswerStaticMember(StaticRejoin),
    /// Answer a deletion of the group.
    AnswerDelete { to: RequestId },
    /// Answer a deletion of offsets.
    AnswerOffsetDelete { to: RequestId, outcome: BTreeMap<TopicPartition, Result<(), Error>> },
    /// Nobody waits: offsets were too old, or their partitions deleted.
    Forget { expired: bool },
}

/// A static member came back under a new member id; what it takes to undo that.
#[derive(Debug)]
pub(super) struct StaticRejoin {
    pub(super) generation: GenerationId,
    pub(super) instance: InstanceId,
    pub(super) old_member: MemberId,
    pub(super) new_member: MemberId,
    pub(super) old_terms: Terms,
    pub(super) previous_leader: Option<MemberId>,
    pub(super) can_skip_assignment: bool,
}

impl Appends {
    pub(super) fn take(&mut self, token: AppendToken) -> Option<Pending> {
        self.pending.remove(&token)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Pending> + use<> {
        std::mem::take(&mut self.pending).into_values()
    }

    /// A transaction ended: what it still has on its way must not stay open for ever.
    pub(super) fn transaction_ended(&mut self, producer_id: ProducerId, committed: bool) {
        for pending in self.pending.values_mut() {
            if let Then::AnswerCommit { transaction_ended, .. } = &mut pending.then
                && pending.transaction == Some(producer_id)
            {
                *transaction_ended = Some(committed);
            }
        }
    }
}

impl Step<'_> {
    pub(super) fn append(&mut self, group: &Group, records: Vec<Record>, acks: Acks, then: Then) -> AppendToken {
        self.append_in(None, group, records, acks, then)
    }

    pub(super) fn append_in(
        &mut self,
        transaction: Option<(ProducerId, ProducerEpoch)>,
        group: &Group,
        records: Vec<Record>,
        acks: Acks,
        then: Then,
    ) -> AppendToken {
        self.appends.last_token += 1;
        let token = AppendToken(self.appends.last_token);
        let records = Arc::<[Record]>::from(records);
        let pending = Pending {
            group: group.id.clone(),
            incarnation: group.incarnation,
            records: records.clone(),
            transaction: transaction.map(|(producer_id, _)| producer_id),
            then,
        };
        self.appends.pending.insert(token, pending);
        self.effects.push(Effect::Append(Append { token, records, acks, transaction }));
        token
    }
}
