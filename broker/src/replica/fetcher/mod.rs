//! The follower's side of replication, for the partitions one connection to one leader fetches: what to ask for next,
//! and what the answers make of it. Pure: it sees neither log nor connection; what happened to them is told to it.
//! Source: `AbstractFetcherThread` in Kafka 3.9; contract 3.6.

mod session;
mod truncation;
mod versions;

use std::collections::BTreeMap;

use wire::ErrorCode;
use zk_schema::types::{LeaderEpoch, Offset, TopicId, TopicPartition};

pub use session::{Asked, FetchPlan};
pub use truncation::{LeaderEnd, LogEnd, Truncation, truncation};
pub use versions::Versions;

use super::orders::FetchTarget;
use session::Session;

/// The partitions one connection fetches.
#[derive(Debug)]
pub struct Fetcher {
    versions: Versions,
    backoff_ms: i64,
    partitions: BTreeMap<TopicPartition, Followed>,
    session: Session,
}

/// How far one partition has got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    topic_id: Option<TopicId>,
    leader_epoch: LeaderEpoch,
    /// Always the log end offset, once truncated.
    fetch_offset: Offset,
    last_fetched_epoch: Option<LeaderEpoch>,
    phase: Phase,
    /// Nothing is asked for before this time.
    not_before_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The log may go on where the leader's does not: its end has to be found first.
    Truncating,
    Fetching,
    /// Nothing more is asked for until the controller orders anew.
    Failed,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until this time or until something is started.
    Wait {
        /// In milliseconds; `None` for as long as it takes.
        until_ms: Option<i64>,
    },
    /// Find out where these logs' ends have to be, and truncate them.
    Truncate(Vec<Pending>),
    /// Fetch.
    Fetch(FetchPlan),
}

/// A partition that waits for something other than records, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub partition: TopicPartition,
    /// Epoch of the leadership followed.
    pub leader_epoch: LeaderEpoch,
    /// Where it was about to fetch; its high watermark, if it has not been truncated yet.
    pub fetch_offset: Offset,
}

/// What an error of the leader calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: it has been taken care of.
    None,
    /// The leader does not have this offset: find out what it has.
    FindOffset,
}

impl Fetcher {
    /// Fetches nothing yet.
    #[must_use]
    pub fn new(versions: Versions, backoff_ms: i64) -> Self {
        Self { versions, backoff_ms, partitions: BTreeMap::new(), session: Session::default() }
    }

    /// Fetches a partition from now on, in place of whatever was fetched for it before.
    pub fn start(&mut self, target: &FetchTarget, last_fetched_epoch: Option<LeaderEpoch>) {
        let can_fetch = self.versions.truncates_on_fetch && target.has_epochs;
        let followed = Followed {
            topic_id: target.topic_id.filter(|id| id.is_known()),
            leader_epoch: target.leader_epoch,
            fetch_offset: target.fetch_offset,
            last_fetched_epoch,
            phase: if can_fetch { Phase::Fetching } else { Phase::Truncating },
            not_before_ms: i64::MIN,
        };
        self.partitions.insert(target.partition.clone(), followed);
    }

    /// Fetches a partition no more.
    pub fn stop(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// A partition's topic id came or went.
    pub fn set_topic_id(&mut self, partition: &TopicPartition, topic_id: Option<TopicId>) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.topic_id = topic_id.filter(|id| id.is_known());
        }
    }

    /// Whether there is nothing to fetch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// How many partitions it fetches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// What to do next. `log_start_offset` gives that of a log, `None` if it is out of service.
    pub fn next(&mut self, now_ms: i64, log_start_offset: impl Fn(&TopicPartition) -> Option<Offset>) -> Step {
        let ready = |followed: &Followed| followed.not_before_ms <= now_ms;
        let truncating = self.partitions.iter().filter(|(_, of)| of.phase == Phase::Truncating && ready(of));
        let truncating: Vec<_> = truncating.map(|(id, followed)| followed.pending(id)).collect();
        if !truncating.is_empty() {
            return Step::Truncate(truncating);
        }
        let mut wanted = BTreeMap::new();
        for (id, followed) in &mut self.partitions {
            if followed.phase != Phase::Fetching || !ready(followed) {
                continue;
            }
            match log_start_offset(id) {
                Some(log_start_offset) => {
                    wanted.insert(id.clone(), followed.asked(log_start_offset));
                }
                None => followed.not_before_ms = now_ms.saturating_add(self.backoff_ms),
            }
        }
        if wanted.is_empty() {
            let waiting = self.partitions.values().filter(|followed| followed.phase != Phase::Failed);
            return Step::Wait { until_ms: waiting.map(|followed| followed.not_before_ms).min() };
        }
        Step::Fetch(self.session.plan(wanted, self.versions))
    }

    /// What was asked of a partition in the last fetch, if an answer to that is still of use.
    #[must_use]
    pub fn asked(&self, partition: &TopicPartition) -> Option<&Asked> {
        let (asked, followed) = (self.session.asked(partition)?, self.partitions.get(partition)?);
        let is_same = followed.phase == Phase::Fetching
            && followed.leader_epoch == asked.leader_epoch
            && followed.fetch_offset == asked.fetch_offset;
        is_same.then_some(asked)
    }

    /// The name of a topic in the last fetch.
    #[must_use]
    pub fn topic_name(&self, id: TopicId) -> Option<&zk_schema::types::TopicName> {
        self.session.topic_name(id)
    }

    /// Whether a partition still stands where it did when `pending` was given.
    #[must_use]
    pub fn is_current(&self, pending: &Pending) -> bool {
        let followed = self.partitions.get(&pending.partition);
        followed.is_some_and(|followed| {
            followed.leader_epoch == pending.leader_epoch && followed.fetch_offset == pending.fetch_offset
        })
    }

    /// The whole fetch was answered: the leader keeps this session, 0 for none.
    pub fn on_answered(&mut self, session_id: i32) {
        self.session.on_answered(session_id);
    }

    /// The leader refused the whole fetch.
    pub fn on_refused(&mut self, error: ErrorCode, now_ms: i64) {
        self.session.on_refused(error);
        // A session the leader has lost is no fault: the next fetch names everything.
        if !matches!(error, ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch) {
            self.back_off_asked(now_ms);
        }
    }

    /// The fetch did not get through.
    pub fn on_connection_lost(&mut self, now_ms: i64) {
        self.session.on_connection_lost();
        self.back_off_asked(now_ms);
    }

    fn back_off_asked(&mut self, now_ms: i64) {
        let until = now_ms.saturating_add(self.backoff_ms);
        for (id, followed) in &mut self.partitions {
            if self.session.asked(id).is_some() {
                followed.not_before_ms = until;
            }
        }
    }

    /// Leaves a partition alone for a while.
    pub fn back_off(&mut self, partition: &TopicPartition, now_ms: i64) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.not_before_ms = now_ms.saturating_add(self.backoff_ms);
        }
    }

    /// Leaves a partition alone until the controller orders anew.
    pub fn fail(&mut self, partition: &TopicPartition) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.phase = Phase::Failed;
        }
    }

    /// The log of a partition now ends here, in this epoch: records were appended, or it was truncated.
    pub fn on_log_end(&mut self, partition: &TopicPartition, end: Offset, latest_epoch: Option<LeaderEpoch>) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.fetch_offset = end;
            followed.last_fetched_epoch = latest_epoch;
        }
    }

    /// A partition was truncated; unless that was the whole of it, the leader has to be asked once more.
    pub fn on_truncated(
        &mut self,
        partition: &TopicPartition,
        end: Offset,
        latest_epoch: Option<LeaderEpoch>,
        is_complete: bool,
    ) {
        self.on_log_end(partition, end, latest_epoch);
        if let Some(followed) = self.partitions.get_mut(partition) {
            // A fetch finds out by itself whether more has to go.
            let can_fetch = is_complete || self.versions.truncates_on_fetch;
            followed.phase = if can_fetch { Phase::Fetching } else { Phase::Truncating };
        }
    }

    /// The leader answered a partition with an error.
    pub fn on_error(&mut self, pending: &Pending, error: ErrorCode, now_ms: i64) -> Reaction {
        let partition = &pending.partition;
        match error {
            ErrorCode::OffsetOutOfRange => Reaction::FindOffset,
            ErrorCode::FencedLeaderEpoch => {
                let followed = self.partitions.get(partition);
                if followed.is_some_and(|followed| followed.leader_epoch == pending.leader_epoch) {
                    tracing::info!(%partition, epoch = %pending.leader_epoch, "fenced; waiting for the controller");
                    self.fail(partition);
                }
                Reaction::None
            }
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId => {
                tracing::debug!(%partition, error = error.name(), "the leader is not ready");
                self.back_off(partition, now_ms);
                Reaction::None
            }
            _ => {
                tracing::error!(%partition, error = error.name(), "the leader cannot give records");
                self.back_off(partition, now_ms);
                Reaction::None
            }
        }
    }
}

impl Followed {
    fn pending(&self, partition: &TopicPartition) -> Pending {
        Pending { partition: partition.clone(), leader_epoch: self.leader_epoch, fetch_offset: self.fetch_offset }
    }

    fn asked(&self, log_start_offset: Offset) -> Asked {
        Asked {
            topic_id: self.topic_id.unwrap_or(TopicId::ZERO),
            fetch_offset: self.fetch_offset,
            log_start_offset,
            leader_epoch: self.leader_epoch,
            last_fetched_epoch: self.last_fetched_epoch,
        }
    }
}

#[cfg(test)]
mod tests;
