//! What a leader does: append, follow its followers' progress, move the high watermark, propose ISRs, delete records.
//! The append itself and everything that can be checked without the log end happens in `partition_log`; this decides
//! whether it may, and who is told.
//! Source: `Partition.appendRecordsToLeader`, `updateFollowerFetchState`, `maybeExpandIsr`, `maybeShrinkIsr`,
//! `checkEnoughReplicasReachOffset`, `deleteRecordsOnLeader` in Kafka 3.9.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use partition_log::{AppendContext, AppendInfo, Log};
use wire::ErrorCode;
use zk_schema::types::{BrokerId, Offset};

use super::{Leader, Partition, Role, State};
use crate::replica::Error;
use crate::replica::high_watermark::{self, Rules};
use crate::replica::isr::{self, Change, FollowerFetch, Isr, RemoteReplica};
use crate::replica::orders::{IsrDecision, IsrProposal};
use crate::replica::waiters::Bound;

/// How sure a producer wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Does not want to hear.
    None,
    /// Appended by the leader.
    Leader,
    /// Appended by all in-sync replicas, of which there are enough.
    All,
}

impl Acks {
    /// What the wire's number means; `None` for numbers that mean nothing.
    #[must_use]
    pub fn from_wire(acks: i16) -> Option<Self> {
        match acks {
            0 => Some(Self::None),
            1 => Some(Self::Leader),
            -1 => Some(Self::All),
            _ => None,
        }
    }
}

/// An append that was made.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// What the log says of it.
    pub info: AppendInfo,
    /// With `Acks::All`: the offset the high watermark must reach, unless it has already.
    pub awaits: Option<Offset>,
    /// Which time of leading this was: once that is over, the records may be gone, whatever the high watermark says.
    pub tenure: u64,
}

/// Records that were deleted by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Below this, records are deleted.
    pub offset: Offset,
    /// Lowest log start offset among live replicas.
    pub low_watermark: Offset,
}

impl Leader {
    pub(super) fn followers(&self) -> MutexGuard<'_, std::collections::BTreeMap<BrokerId, RemoteReplica>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    /// Appends records of a client or coordinator, moves the high watermark if this replica is all there is, and wakes
    /// whoever waited for these records. The context tells wall time; `now_ms` is the steady time of fetches.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`], [`Error::NotEnoughReplicas`] with `Acks::All`, or what the log has against it.
    pub fn append_as_leader(
        &self,
        records: Bytes,
        acks: Acks,
        context: &AppendContext,
        now_ms: i64,
    ) -> Result<Appended, Error> {
        let state = self.state();
        let (leader, log) = self.leading(&state)?;
        if acks == Acks::All {
            let (in_sync, needed) = (leader.isr.members().len(), self.min_isr(state.replicas.len()));
            if in_sync < needed {
                return Err(Error::NotEnoughReplicas { partition: self.id.clone(), in_sync, needed });
            }
        }
        let info = log.append_as_leader(records, state.leader_epoch, context)?;
        if info.bytes > 0 {
            self.waiters.on_log_end(info.log_end_offset, info.bytes);
            self.advance(&state, leader, log, Some(&info), now_ms);
        }
        let needed = info.last_offset + 1;
        let awaits = (acks == Acks::All && log.high_watermark() < needed).then_some(needed);
        Ok(Appended { info, awaits, tenure: self.tenure.load(Ordering::Acquire) })
    }

    /// Whether everything below `offset`, as it was appended in `tenure`, is on enough replicas.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`] if leadership was lost meanwhile, [`Error::NotEnoughReplicasAfterAppend`].
    pub fn is_acknowledged(&self, offset: Offset, tenure: u64) -> Result<bool, Error> {
        let state = self.state();
        if self.tenure.load(Ordering::Acquire) != tenure {
            return Err(Error::NotLeaderOrFollower(self.id.clone()));
        }
        let (leader, log) = self.leading(&state)?;
        if log.high_watermark() < offset {
            return Ok(false);
        }
        if leader.isr.maximal_len() < self.min_isr(state.replicas.len()) {
            return Err(Error::NotEnoughReplicasAfterAppend(self.id.clone()));
        }
        Ok(true)
    }

    /// Moves the high watermark as far as the followers allow. `append` is what has just been appended.
    pub(super) fn advance_high_watermark(&self, append: Option<&AppendInfo>, now_ms: i64) {
        let state = self.state();
        if let Ok((leader, log)) = self.leading(&state) {
            self.advance(&state, leader, log, append, now_ms);
        }
    }

    fn advance(&self, state: &State, leader: &Leader, log: &Log, append: Option<&AppendInfo>, now_ms: i64) {
        let rules = Rules {
            min_insync_replicas: self.min_isr(state.replicas.len()),
            lag_max_ms: self.shared.lag_max_ms,
            now_ms,
        };
        let allowed = {
            let followers = leader.followers();
            let is_alive = |broker| self.shared.metadata.snapshot().is_alive(broker);
            high_watermark::allowed(&leader.isr, &followers, log.log_end_offset(), rules, is_alive)
        };
        let Some(allowed) = allowed else { return };
        let Some(before) = log.maybe_increment_high_watermark(allowed) else { return };
        // If it moved over just this append, fetchers need not look to know how many bytes that was.
        let is_whole_append = append.filter(|info| before == info.first_offset && allowed == info.log_end_offset);
        self.tell_high_watermark(log, is_whole_append.map(|info| info.bytes));
    }

    pub(super) fn tell_high_watermark(&self, log: &Log, bytes: Option<usize>) {
        if self.waiters.is_empty_now() {
            return;
        }
        let offsets = log.offsets();
        self.waiters.on_high_watermark(offsets.high_watermark);
        self.waiters.on_bound(Bound::HighWatermark, offsets.high_watermark, bytes);
        // A marker may have released more than it holds itself.
        self.waiters.on_bound(Bound::LastStable, offsets.last_stable_offset, None);
    }

    /// Takes in what a follower's fetch says of it. The answer is an ISR to be proposed, if it may join now.
    /// A fetch read in an earlier `generation` says nothing: the follower may have truncated since.
    pub(super) fn on_follower_fetch(
        &self,
        broker: BrokerId,
        fetch: FollowerFetch,
        generation: u64,
    ) -> Option<IsrProposal> {
        let has_moved = {
            let state = self.state();
            if self.generation.load(Ordering::Acquire) != generation {
                return None;
            }
            let (leader, log) = self.leading(&state).ok()?;
            let watches_low = self.waiters.has_deleters();
            let has_moved = {
                let mut followers = leader.followers();
                let follower = followers.get_mut(&broker)?;
                let before = follower.log_end_offset;
                follower.on_fetch(fetch);
                before != follower.log_end_offset
            };
            if watches_low {
                self.waiters.on_low_watermark(self.low_watermark(leader, log));
            }
            has_moved
        };
        let proposal = self.maybe_expand_isr(broker);
        if has_moved {
            self.advance_high_watermark(None, fetch.now_ms);
        }
        proposal
    }

    fn may_join(&self, leader: &Leader, log: &Log, broker: BrokerId) -> bool {
        !leader.isr.is_changing()
            && !leader.isr.members().contains(&broker)
            && self.shared.metadata.snapshot().is_alive(broker)
            && leader
                .followers()
                .get(&broker)
                .is_some_and(|follower| follower.may_join(log.high_watermark(), leader.epoch_start_offset))
    }

    fn maybe_expand_isr(&self, broker: BrokerId) -> Option<IsrProposal> {
        {
            let state = self.state();
            let (leader, log) = self.leading(&state).ok()?;
            if leader.isr.members().contains(&broker) || !self.may_join(leader, log, broker) {
                return None;
            }
        }
        let mut state = self.state_mut();
        let (leader, log) = self.leading(&state).ok()?;
        // Between the two locks another may have begun a change.
        if !self.may_join(leader, log, broker) {
            return None;
        }
        tracing::info!(partition = %self.id, %broker, "expanding ISR");
        self.begin(&mut state, Change::Expand(broker))
    }

    /// Drops members that have lagged too long from the ISR; the answer is the ISR to be proposed.
    pub fn maybe_shrink_isr(&self, now_ms: i64) -> Option<IsrProposal> {
        let find = |state: &State| {
            let (leader, log) = self.leading(state).ok()?;
            let end = log.log_end_offset();
            let (local, lag_max_ms) = (self.shared.broker_id, self.shared.lag_max_ms);
            let out = isr::out_of_sync(&leader.isr, &leader.followers(), local, end, now_ms, lag_max_ms);
            (!out.is_empty()).then_some(out)
        };
        find(&self.state())?;
        let mut state = self.state_mut();
        let out = find(&state)?;
        tracing::info!(partition = %self.id, ?out, "shrinking ISR");
        self.begin(&mut state, Change::Shrink(out))
    }

    fn begin(&self, state: &mut State, change: Change) -> Option<IsrProposal> {
        let Role::Leader(leader) = &mut state.role else { return None };
        leader.isr.begin(change);
        let proposed = leader.isr.proposed();
        Some(self.proposal(state, proposed))
    }

    fn proposal(&self, state: &State, isr: std::collections::BTreeSet<BrokerId>) -> IsrProposal {
        IsrProposal {
            partition: self.id.clone(),
            topic_id: state.log.as_ref().and_then(|log| log.topic_id()),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            controller_epoch: state.controller_epoch,
            isr,
            leader_recovery_state: 0,
        }
    }

    /// The controller answered a proposal. Gives the proposal to be sent again, if it should.
    pub fn on_isr_answer(
        &self,
        proposal: &IsrProposal,
        answer: Result<IsrDecision, ErrorCode>,
        now_ms: i64,
    ) -> Option<IsrProposal> {
        let again = {
            let mut state = self.state_mut();
            let is_ours = state.leader_epoch == proposal.leader_epoch
                && state.partition_epoch == proposal.partition_epoch
                && matches!(&state.role, Role::Leader(leader)
                    if leader.isr.is_changing() && leader.isr.proposed() == proposal.isr);
            if !is_ours {
                return None;
            }
            match answer {
                Ok(decision) => {
                    self.adopt_decision(&mut state, decision);
                    None
                }
                Err(error) => self.on_isr_refused(&mut state, proposal, error),
            }
        };
        self.advance_high_watermark(None, now_ms);
        again
    }

    fn adopt_decision(&self, state: &mut State, decision: IsrDecision) {
        if decision.leader_epoch != state.leader_epoch || decision.partition_epoch < state.partition_epoch {
            tracing::debug!(partition = %self.id, ?decision, "ignoring an ISR of another epoch");
            return;
        }
        state.partition_epoch = decision.partition_epoch;
        if let Role::Leader(leader) = &mut state.role {
            tracing::info!(partition = %self.id, isr = ?decision.isr, epoch = %decision.partition_epoch, "ISR updated");
            leader.isr = Isr::committed(decision.isr);
        }
    }

    fn on_isr_refused(&self, state: &mut State, proposal: &IsrProposal, error: ErrorCode) -> Option<IsrProposal> {
        match error {
            ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica => {
                tracing::info!(partition = %self.id, ?error, "the controller refused the ISR; keeping the old one");
                if let Role::Leader(leader) = &mut state.role {
                    leader.isr.revert();
                }
                None
            }
            // What we know is out of date: the next LeaderAndIsr ends this.
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::InvalidRequest
            | ErrorCode::NewLeaderElected => {
                tracing::debug!(partition = %self.id, ?error, "the controller refused the ISR; waiting for its word");
                None
            }
            _ => {
                tracing::warn!(partition = %self.id, ?error, "the ISR was not updated; trying again");
                Some(proposal.clone())
            }
        }
    }

    fn low_watermark(&self, leader: &Leader, log: &Log) -> Offset {
        let snapshot = self.shared.metadata.snapshot();
        high_watermark::low_watermark(log.log_start_offset(), &leader.followers(), |broker| snapshot.is_alive(broker))
    }

    /// Deletes records below `offset`; `None` deletes all that are committed.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`], [`Error::PolicyViolation`], [`Error::OffsetOutOfRange`], or the log's.
    pub fn delete_records(&self, offset: Option<Offset>) -> Result<Deleted, Error> {
        let state = self.state();
        let (leader, log) = self.leading(&state)?;
        if !self.topic_config().cleanup_policy.delete {
            return Err(Error::PolicyViolation(self.id.clone()));
        }
        let offset = offset.unwrap_or_else(|| log.high_watermark());
        if offset < 0 {
            let why = "an offset to delete before cannot be negative";
            return Err(Error::OffsetOutOfRange { partition: self.id.clone(), offset, why });
        }
        log.increment_log_start_offset(offset)?;
        Ok(Deleted { offset, low_watermark: self.low_watermark(leader, log) })
    }

    /// The lowest log start offset among live replicas.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`].
    pub fn low_watermark_as_leader(&self) -> Result<Offset, Error> {
        let state = self.state();
        let (leader, log) = self.leading(&state)?;
        Ok(self.low_watermark(leader, log))
    }

    /// The log this broker leads.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`].
    pub fn leader_log(&self) -> Result<Arc<Log>, Error> {
        let state = self.state();
        self.leading(&state).map(|(_, log)| Arc::clone(log))
    }
}
