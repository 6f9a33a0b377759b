//! Reading a partition: records for followers and consumers, offsets by time, ends of epochs.
//! Gives slices of files, never records.
//! Source: `Partition.fetchRecords`, `readRecords`, `fetchOffsetForTimestamp`, `lastOffsetForLeaderEpoch` in Kafka 3.9.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use partition_log::disk::FileSlice;
use partition_log::{AppendInfo, Log, TimestampedOffset};
use zk_schema::types::{BrokerId, LeaderEpoch, Offset};

use super::{Partition, Role, State};
use crate::replica::Error;
use crate::replica::isr::FollowerFetch;
use crate::replica::orders::IsrProposal;
use crate::replica::waiters::Bound;

/// Who reads, and so how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A follower: to the log end, from the leader only; what it asks for says what it has.
    Follower(BrokerId),
    /// A consumer.
    Consumer {
        /// Only what no open transaction may still undo.
        read_committed: bool,
        /// Reads from the leader only, for it does not know that followers can be read.
        only_leader: bool,
    },
    /// A tool that wants to see everything (replica id -2).
    Debug,
}

impl Reader {
    /// Up to where it reads.
    #[must_use]
    pub fn bound(self) -> Bound {
        match self {
            Self::Follower(_) | Self::Debug => Bound::LogEnd,
            Self::Consumer { read_committed: false, .. } => Bound::HighWatermark,
            Self::Consumer { read_committed: true, .. } => Bound::LastStable,
        }
    }

    fn only_leader(self) -> bool {
        match self {
            Self::Follower(_) => true,
            Self::Consumer { only_leader, .. } => only_leader,
            Self::Debug => false,
        }
    }
}

/// What is asked of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// Who reads.
    pub reader: Reader,
    /// From where.
    pub fetch_offset: Offset,
    /// Most bytes.
    pub max_bytes: usize,
    /// One batch at least, however large.
    pub min_one_batch: bool,
    /// The epoch the reader believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Epoch of the reader's last record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// The follower's log start offset.
    pub log_start_offset: Offset,
    /// Now, in milliseconds.
    pub now_ms: i64,
    /// The same request has read before: what it says of its follower is known already.
    pub is_again: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct PartitionRead {
    /// Whole batches.
    pub slice: FileSlice,
    /// The reader's log left ours here: it must truncate, and gets no records.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// All records given lie below.
    pub end_offset: Offset,
    /// High watermark before the read.
    pub high_watermark: Offset,
    /// Last stable offset before the read.
    pub last_stable_offset: Offset,
    /// Log start offset before the read.
    pub log_start_offset: Offset,
    /// Log end offset before the read.
    pub log_end_offset: Offset,
    /// The log read, for aborted transactions.
    pub log: Arc<Log>,
    generation: u64,
}

impl PartitionRead {
    /// Which leadership it was read under.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Up to where the reader could have read.
    #[must_use]
    pub fn bound(&self, bound: Bound) -> Offset {
        match bound {
            Bound::LogEnd => self.log_end_offset,
            Bound::HighWatermark => self.high_watermark,
            Bound::LastStable => self.last_stable_offset,
        }
    }
}

/// Where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch at or below the one asked for.
    pub leader_epoch: LeaderEpoch,
    /// First offset not in it.
    pub end_offset: Offset,
}

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// Up to where the reader may read.
    Latest,
    /// The log start offset.
    Earliest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record at or after this time.
    Timestamp(i64),
}

impl Partition {
    /// Reads records. A follower's request also says how far it has got; the answer may be an ISR to be proposed.
    ///
    /// # Errors
    /// Epochs that do not fit, [`Error::NotLeaderOrFollower`], [`Error::NotAReplica`], [`Error::OffsetOutOfRange`] or
    /// what the log has against it.
    pub fn read(&self, request: &ReadRequest) -> Result<(PartitionRead, Option<IsrProposal>), Error> {
        let read = {
            let state = self.state();
            let log = self.readable(&state, request.current_leader_epoch, request.reader.only_leader())?;
            if let Reader::Follower(broker) = request.reader {
                self.check_replica(&state, broker, request)?;
            }
            self.read_log(log, request)?
        };
        let proposal = match request.reader {
            Reader::Follower(broker) if read.diverging.is_none() && !request.is_again => {
                let fetch = FollowerFetch {
                    offset: request.fetch_offset,
                    log_start_offset: request.log_start_offset,
                    leader_end_offset: read.log_end_offset,
                    now_ms: request.now_ms,
                };
                self.on_follower_fetch(broker, fetch, read.generation())
            }
            _ => None,
        };
        Ok((read, proposal))
    }

    fn check_replica(&self, state: &State, broker: BrokerId, request: &ReadRequest) -> Result<(), Error> {
        let is_follower = match &state.role {
            Role::Leader(leader) => leader.followers().contains_key(&broker),
            Role::Idle | Role::Follower => false,
        };
        if is_follower {
            return Ok(());
        }
        let named_epoch = request.current_leader_epoch.is_some();
        Err(Error::NotAReplica { partition: self.id.clone(), broker, named_epoch })
    }

    fn read_log(&self, log: &Arc<Log>, request: &ReadRequest) -> Result<PartitionRead, Error> {
        let offsets = log.offsets();
        let mut answer = PartitionRead {
            slice: FileSlice::empty(),
            diverging: None,
            end_offset: request.fetch_offset,
            high_watermark: offsets.high_watermark,
            last_stable_offset: offsets.last_stable_offset,
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            log: Arc::clone(log),
            generation: self.generation.load(Ordering::Acquire),
        };
        if let Some(last_fetched_epoch) = request.last_fetched_epoch {
            answer.diverging =
                self.divergence(log, request.fetch_offset, last_fetched_epoch, answer.log_start_offset)?;
            if answer.diverging.is_some() {
                return Ok(answer);
            }
        }
        let upper_bound = answer.bound(request.reader.bound());
        let read = log.read(request.fetch_offset, request.max_bytes, request.min_one_batch, upper_bound)?;
        answer.slice = read.slice;
        answer.end_offset = read.end_offset;
        Ok(answer)
    }

    /// Whether something has happened since `read` that its reader, who goes up to `bound`, waits for.
    #[must_use]
    pub fn has_news(&self, read: &PartitionRead, bound: Bound) -> bool {
        let offsets = read.log.offsets();
        let end = match bound {
            Bound::LogEnd => offsets.log_end_offset,
            Bound::HighWatermark => offsets.high_watermark,
            Bound::LastStable => offsets.last_stable_offset,
        };
        read.bound(bound) < end || self.generation.load(Ordering::Acquire) != read.generation
    }

    fn divergence(
        &self,
        log: &Log,
        offset: Offset,
        last_fetched_epoch: LeaderEpoch,
        log_start_offset: Offset,
    ) -> Result<Option<(LeaderEpoch, Offset)>, Error> {
        let out_of_range = |why| Error::OffsetOutOfRange { partition: self.id.clone(), offset, why };
        let (epoch, end_offset) = log
            .end_offset_for_epoch(last_fetched_epoch)
            .ok_or_else(|| out_of_range("the end offset of the last fetched epoch is not known"))?;
        if offset < log_start_offset {
            return Err(out_of_range("below the log start offset"));
        }
        Ok((epoch < last_fetched_epoch || end_offset < offset).then_some((epoch, end_offset)))
    }

    /// Finds an offset by time. `None` if no record is as late.
    ///
    /// # Errors
    /// Epochs that do not fit, [`Error::NotLeaderOrFollower`], [`Error::OffsetNotAvailable`] or the log's.
    pub fn find_offset(
        &self,
        query: OffsetQuery,
        reader: Reader,
        current_leader_epoch: Option<LeaderEpoch>,
    ) -> Result<Option<TimestampedOffset>, Error> {
        let (log, leader_epoch, epoch_start_offset) = {
            let state = self.state();
            let log = self.readable(&state, current_leader_epoch, reader.only_leader())?;
            let start = match &state.role {
                Role::Leader(leader) => Some(leader.epoch_start_offset),
                Role::Idle | Role::Follower => None,
            };
            (Arc::clone(log), state.leader_epoch, start)
        };
        let offsets = log.offsets();
        let end = match reader.bound() {
            Bound::LogEnd => offsets.log_end_offset,
            Bound::HighWatermark => offsets.high_watermark,
            Bound::LastStable => offsets.last_stable_offset,
        };
        // A new leader may not know yet how much of its log is committed: saying less than before would look like loss.
        let is_consumer = matches!(reader, Reader::Consumer { .. });
        let lags = is_consumer && epoch_start_offset.is_some_and(|start| offsets.high_watermark < start);
        let unavailable = || if lags { Err(Error::OffsetNotAvailable(self.id.clone())) } else { Ok(None) };
        let found = match query {
            OffsetQuery::Earliest => return Ok(Some(log.earliest())),
            OffsetQuery::Latest if lags => return unavailable(),
            OffsetQuery::Latest => {
                let (timestamp, leader_epoch) = (record::NO_TIMESTAMP, Some(leader_epoch));
                return Ok(Some(TimestampedOffset { timestamp, offset: end, leader_epoch }));
            }
            OffsetQuery::MaxTimestamp => log.max_timestamp()?,
            OffsetQuery::Timestamp(timestamp) => log.offset_for_timestamp(timestamp)?,
        };
        match found.filter(|found| found.offset < end) {
            Some(found) => Ok(Some(found)),
            None => unavailable(),
        }
    }

    /// Segment beginnings before a time, for ListOffsets version 0; consumers see nothing above the high watermark.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`] or the log's.
    pub fn legacy_offsets(
        &self,
        query: OffsetQuery,
        max_count: usize,
        reader: Reader,
        now_ms: i64,
    ) -> Result<Vec<Offset>, Error> {
        let log = Arc::clone(self.readable(&self.state(), None, reader.only_leader())?);
        let offsets = match query {
            OffsetQuery::Earliest => [log.earliest().offset].into_iter().take(max_count).collect(),
            OffsetQuery::Latest => log.legacy_offsets_before(None, max_count, now_ms)?,
            OffsetQuery::Timestamp(timestamp) => log.legacy_offsets_before(Some(timestamp), max_count, now_ms)?,
            OffsetQuery::MaxTimestamp => Vec::new(),
        };
        let high_watermark = log.high_watermark();
        let is_consumer = matches!(reader, Reader::Consumer { .. });
        if is_consumer && offsets.iter().any(|offset| high_watermark < *offset) {
            let below = offsets.into_iter().skip_while(|offset| high_watermark < *offset);
            return Ok([high_watermark].into_iter().chain(below).collect());
        }
        Ok(offsets)
    }

    /// Where an epoch ends in this log; `None` if it cannot tell.
    ///
    /// # Errors
    /// Epochs that do not fit, [`Error::NotLeaderOrFollower`].
    pub fn end_of_epoch(
        &self,
        leader_epoch: LeaderEpoch,
        current_leader_epoch: Option<LeaderEpoch>,
        only_leader: bool,
    ) -> Result<Option<EpochEnd>, Error> {
        let state = self.state();
        let log = self.readable(&state, current_leader_epoch, only_leader)?;
        let end = log.end_offset_for_epoch(leader_epoch);
        Ok(end.map(|(leader_epoch, end_offset)| EpochEnd { leader_epoch, end_offset }))
    }

    /// Appends what the leader sent to this follower and takes over its high watermark and log start offset.
    ///
    /// # Errors
    /// [`Error::NotLeaderOrFollower`] if it does not follow in this epoch any more, or the log's.
    pub fn append_as_follower(
        &self,
        records: Bytes,
        leader_epoch: LeaderEpoch,
        leader_high_watermark: Offset,
        leader_log_start_offset: Offset,
        now_ms: i64,
    ) -> Result<AppendInfo, Error> {
        let state = self.state();
        self.check_epoch(&state, Some(leader_epoch))?;
        let (Role::Follower, Some(log)) = (&state.role, &state.log) else {
            return Err(Error::NotLeaderOrFollower(self.id.clone()));
        };
        let info = log.append_as_follower(records, now_ms)?;
        let before = log.high_watermark();
        let high_watermark = log.update_high_watermark(leader_high_watermark.min(log.log_end_offset()));
        if leader_log_start_offset <= high_watermark {
            log.increment_log_start_offset(leader_log_start_offset)?;
        }
        if before < high_watermark {
            self.tell_high_watermark(log, None);
        }
        Ok(info)
    }
}
