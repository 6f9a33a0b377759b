//! The records of one partition on their way: waiting, built into batches, perhaps sent; settled in order. Does no IO.
//!
//! ```text
//! batches: first ── may be under way, stays until settled ── parts of a batch that was too large ──▶ waiting records
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use record::{BatchBuilder, BatchOptions};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use wire::ErrorCode;

use super::{Config, Delivered, Home, Outcome, Outgoing, Queued};
use crate::error::Error;

/// A record in a batch: whom to tell, and what is told.
struct Rider {
    timestamp: i64,
    outcome: oneshot::Sender<Outcome>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Built once and kept as it is until settled, so that a retry is the same batch.
struct Batch {
    records: Bytes,
    options: BatchOptions,
    riders: Vec<Rider>,
    /// When its oldest record came.
    at: Instant,
    attempts: u32,
    not_before: Instant,
    is_under_way: bool,
}

impl Batch {
    fn fail(self, error: &Arc<Error>) {
        for rider in self.riders {
            let _nobody_waits = rider.outcome.send(Err(Arc::clone(error)));
        }
    }
}

/// What is queued for one partition.
#[derive(Default)]
pub struct PartitionQueue {
    waiting: VecDeque<Queued>,
    waiting_bytes: usize,
    batches: VecDeque<Batch>,
    /// The producer id sequences are counted under, and the next of them.
    sequence: Option<((i64, i16), i32)>,
}

impl PartitionQueue {
    /// Adds a record.
    pub fn push(&mut self, queued: Queued) {
        self.waiting_bytes += size_of_record(&queued.record);
        self.waiting.push_back(queued);
    }

    /// Whether everything is settled.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.batches.is_empty()
    }

    /// When the next batch may go; `None` while one is under way or there is nothing to send.
    pub fn due(&self, config: &Config, hurry: bool) -> Option<Instant> {
        match self.batches.front() {
            Some(first) => (!first.is_under_way).then_some(first.not_before),
            None => {
                let oldest = self.waiting.front()?;
                let is_full = config.batch_bytes <= self.waiting_bytes;
                Some(if hurry || is_full { oldest.at } else { oldest.at + config.linger })
            }
        }
    }

    /// Gives the bytes of the next batch and notes that it is under way. `None` if there is none, also because no record
    /// could be written.
    pub fn take_off(&mut self, home: &Home, config: &Config, id: Option<(i64, i16)>) -> Option<Bytes> {
        if self.batches.is_empty() {
            self.build(home, config, id);
        }
        let first = self.batches.front_mut()?;
        first.is_under_way = true;
        Some(first.records.clone())
    }

    fn build(&mut self, home: &Home, config: &Config, id: Option<(i64, i16)>) {
        let base_sequence = match (id, self.sequence) {
            (None, _) => record::NO_SEQUENCE,
            (Some(id), Some((counted_under, next))) if id == counted_under => next,
            (Some(_), _) => 0,
        };
        self.sequence = id.map(|id| (id, base_sequence));
        let (producer_id, producer_epoch) = id.unwrap_or((record::NO_PRODUCER_ID, record::NO_PRODUCER_EPOCH));
        let options = BatchOptions {
            compression: config.compression,
            producer_id,
            producer_epoch,
            base_sequence,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options.clone());
        let (mut riders, mut at) = (Vec::new(), Instant::now());
        while let Some(queued) = self.waiting.front() {
            let size = size_of_record(&queued.record);
            if !builder.is_empty() && config.batch_bytes < builder.uncompressed_size_in_bytes() + size {
                break;
            }
            let Some(queued) = self.waiting.pop_front() else { break };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(size);
            let record = &queued.record;
            let timestamp = record.timestamp.unwrap_or_else(now_ms);
            let added = builder.append(timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
            match added {
                Ok(()) => {
                    at = at.min(queued.at);
                    riders.push(Rider { timestamp, outcome: queued.outcome, _room: queued.room });
                }
                Err(error) => queued.fail(&Arc::new(invalid(home, &error))),
            }
        }
        if riders.is_empty() {
            return;
        }
        match builder.build() {
            Ok(records) => {
                let not_before = Instant::now();
                let batch = Batch { records, options, riders, at, attempts: 0, not_before, is_under_way: false };
                self.batches.push_back(batch);
            }
            Err(error) => {
                let error = Arc::new(invalid(home, &error));
                for rider in riders {
                    let _nobody_waits = rider.outcome.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// The first batch is stored.
    pub fn settle(&mut self, home: &Home, base_offset: i64, log_append_time: i64) {
        let Some(batch) = self.batches.pop_front() else { return };
        self.count_on(&batch);
        for (index, rider) in (0_i64..).zip(batch.riders) {
            let offset = if base_offset < 0 { -1 } else { base_offset + index };
            let timestamp = if log_append_time >= 0 { log_append_time } else { rider.timestamp };
            let delivered = Delivered { topic: home.0.clone(), partition: home.1, offset, timestamp };
            let _nobody_waits = rider.outcome.send(Ok(delivered));
        }
    }

    /// Sequences go on behind a batch, if they are still counted under its producer id.
    fn count_on(&mut self, batch: &Batch) {
        let id = (batch.options.producer_id, batch.options.producer_epoch);
        if let Some((counted_under, next)) = &mut self.sequence
            && *counted_under == id
        {
            *next = sequence_after(batch.options.base_sequence, batch.riders.len());
        }
    }

    /// Keeps the first batch for another try; `false` if that is of no use.
    pub fn keep_for_retry(&mut self, config: &Config, error: &Error) -> bool {
        let Some(first) = self.batches.front_mut() else { return true };
        first.attempts += 1;
        first.is_under_way = false;
        first.not_before = Instant::now() + config.retry_backoff;
        error.is_retriable() && first.attempts <= config.retries && first.at.elapsed() < config.delivery_timeout
    }

    /// Gives up the first batch, and with it what was cut off it: their sequences would follow a hole.
    pub fn fail_first(&mut self, error: &Arc<Error>) {
        for batch in self.batches.drain(..) {
            batch.fail(error);
        }
    }

    /// Gives up what has waited too long, unless it is under way; says whether a batch was among it.
    pub fn fail_waiting(&mut self, error: &Arc<Error>, timeout: Duration) -> bool {
        let is_late = |at: Instant| timeout <= at.elapsed();
        let gives_up = self.batches.front().is_some_and(|first| !first.is_under_way && is_late(first.at));
        if gives_up {
            self.fail_first(error);
        }
        while let Some(queued) = self.waiting.pop_front_if(|queued| is_late(queued.at)) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(size_of_record(&queued.record));
            queued.fail(error);
        }
        gives_up
    }

    /// Cuts the first batch, too large for the broker, into two; `false` if it has only one record.
    pub fn split(&mut self) -> bool {
        let Some(first) = self.batches.front() else { return false };
        if first.riders.len() < 2 {
            return false;
        }
        let half = first.riders.len() / 2;
        let parts = rebuild(&first.records, &first.options, half);
        let Some((head, tail)) = parts else { return false };
        let Some(mut first) = self.batches.pop_front() else { return false };
        let tail_riders = first.riders.split_off(half);
        let now = Instant::now();
        let part = |(records, options), riders| Batch {
            records,
            options,
            riders,
            at: first.at,
            attempts: first.attempts,
            not_before: now,
            is_under_way: false,
        };
        self.batches.push_front(part(tail, tail_riders));
        let riders = std::mem::take(&mut first.riders);
        self.batches.push_front(part(head, riders));
        true
    }
}

type Part = (Bytes, BatchOptions);

/// The same records in two batches, the first `half` of them in one.
fn rebuild(records: &Bytes, options: &BatchOptions, half: usize) -> Option<(Part, Part)> {
    let tail_sequence = match options.base_sequence {
        record::NO_SEQUENCE => record::NO_SEQUENCE,
        base => sequence_after(base, half),
    };
    let tail_options = BatchOptions { base_sequence: tail_sequence, ..options.clone() };
    let mut head = BatchBuilder::new(options.clone());
    let mut tail = BatchBuilder::new(tail_options.clone());
    let batch = record::batches(records.clone()).next()?.ok()?;
    for (index, record) in batch.records().ok()?.enumerate() {
        let record = record.ok()?;
        let builder = if index < half { &mut head } else { &mut tail };
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers).ok()?;
    }
    Some(((head.build().ok()?, options.clone()), (tail.build().ok()?, tail_options)))
}

/// An upper bound of what a record takes in a batch.
pub fn size_of_record(record: &Outgoing) -> usize {
    BatchBuilder::record_size_upper_bound(record.key.as_deref(), record.value.as_deref(), &record.headers)
}

fn invalid(home: &Home, error: &record::Error) -> Error {
    let what = format!("record for {}-{}", home.0, home.1);
    Error::broker(what, ErrorCode::InvalidRecord, Some(&error.to_string()))
}

/// Sequences wrap from 2^31-1 to 0.
fn sequence_after(base: i32, count: usize) -> i32 {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    base.wrapping_add(count) & i32::MAX
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
