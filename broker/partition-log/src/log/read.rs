//! Reading by offset: finds whole batches in one segment and hands out the piece of the file they lie in.
//! Reads headers, never records, and often not even those: where the last appends and the last reads lie is remembered.
//! Waits for no writer.
//! Source: `LocalLog.read`, `LogSegment.read` in Kafka 3.9.

use std::sync::{Arc, PoisonError};

use zk_schema::types::Offset;

use super::view::{ReadHint, floor_segment};
use super::{Log, Recent};
use crate::disk::FileSlice;
use crate::error::ReadError;
use crate::segment::Segment;
use crate::transaction_index::AbortedTransaction;

/// Batches found.
#[derive(Clone, Debug)]
pub struct LogRead {
    /// Whole batches; the first holds the offset asked for, or is the next one there is. Empty if there is nothing to
    /// read, or not enough room for the first batch.
    pub slice: FileSlice,
    /// An offset that all records in the slice lie below, and not far behind its last: what to ask
    /// [`Log::aborted_transactions`] with.
    pub end_offset: Offset,
    /// Nothing was given because the first batch is larger than allowed.
    pub first_batch_too_large: bool,
    /// Log start offset at that moment.
    pub log_start_offset: Offset,
    /// High watermark at that moment.
    pub high_watermark: Offset,
    /// Last stable offset at that moment.
    pub last_stable_offset: Offset,
    /// Log end offset at that moment.
    pub log_end_offset: Offset,
}

/// A copy of the view, so that its lock is held for nothing but the copying.
struct Snapshot {
    segments: Arc<Vec<Arc<Segment>>>,
    end_position: u64,
    generation: u64,
    recent: Recent,
    answer: LogRead,
}

/// Where the first batch to be given lies.
struct Start {
    index: usize,
    position: u64,
}

impl Log {
    /// Finds batches from the one that holds `offset` on: at most `max_bytes`, but at least one batch if
    /// `min_one_batch`; none of them at or above `upper_bound`, which is the high watermark, the last stable offset
    /// or, for a follower, the log end offset.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] outside of log start and log end, or what is wrong with disk or data.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        min_one_batch: bool,
        upper_bound: Offset,
    ) -> Result<LogRead, ReadError> {
        let Snapshot { segments, end_position, generation, recent, mut answer } = self.snapshot(offset);
        if offset < answer.log_start_offset || answer.log_end_offset < offset {
            return Err(ReadError::OffsetOutOfRange {
                partition: self.partition.clone(),
                offset,
                log_start_offset: answer.log_start_offset,
                log_end_offset: answer.log_end_offset,
            });
        }
        let upper_bound = upper_bound.min(answer.log_end_offset);
        if upper_bound <= offset || (max_bytes == 0 && !min_one_batch) {
            return Ok(answer);
        }
        let limit_of = |index: usize, segment: &Segment| {
            if index + 1 == segments.len() { end_position } else { segment.size() }
        };

        let position_known = |index: usize, segment: &Segment, offset: Offset| {
            let is_active = index + 1 == segments.len();
            let appended = if is_active { recent.position_of(offset) } else { None };
            appended.or_else(|| {
                let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
                hints.position_of(generation, segment.base_offset(), offset)
            })
        };

        // Compaction may have left nothing at or above the offset in its own segment.
        let mut index = floor_segment(&segments, offset);
        let (start, segment, limit) = loop {
            let Some(segment) = segments.get(index) else { return Ok(answer) };
            let limit = limit_of(index, segment);
            let found = match position_known(index, segment, offset) {
                Some(position) => Some(position),
                None => {
                    let located = segment.locate(offset, limit).map_err(|e| self.scan_failed(segment, e))?;
                    located.map(|located| located.position)
                }
            };
            match found.filter(|position| *position < limit) {
                Some(position) => break (Start { index, position }, segment, limit),
                None => index += 1,
            }
        };

        // Where the upper bound lies, if it lies in this segment.
        let next_base = segments.get(start.index + 1).map(|next| next.base_offset());
        let bound = if upper_bound == answer.log_end_offset || next_base.is_some_and(|next| next <= upper_bound) {
            limit
        } else if let Some(position) = position_known(start.index, segment, upper_bound) {
            position.min(limit)
        } else {
            let located = segment.locate(upper_bound, limit).map_err(|e| self.scan_failed(segment, e))?;
            located.map_or(limit, |located| located.position)
        };
        let bound_offset = next_base.map_or(upper_bound, |next| next.min(upper_bound));
        if bound <= start.position {
            return Ok(answer);
        }

        let (end, end_offset) = if bound - start.position <= max_bytes as u64 {
            (bound, bound_offset)
        } else {
            let first = segment.batch_at(start.position, limit).map_err(|e| self.scan_failed(segment, e))?;
            let Some(first) = first else { return Ok(answer) };
            let allowed = start.position.saturating_add(max_bytes as u64);
            if allowed < first.end() && !min_one_batch {
                answer.first_batch_too_large = true;
                return Ok(answer);
            }
            if allowed <= first.end() {
                (first.end(), first.last_offset + 1)
            } else {
                segment.boundary_below(&first, allowed, bound).map_err(|e| self.scan_failed(segment, e))?
            }
        };
        answer.slice = self.reading("open segment", || segment.slice(start.position, end))?;
        answer.end_offset = end_offset;
        let hint = ReadHint { generation, segment: segment.base_offset(), offset: end_offset, position: end };
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).push(hint);
        Ok(answer)
    }

    fn snapshot(&self, offset: Offset) -> Snapshot {
        let view = self.view();
        Snapshot {
            segments: Arc::clone(&view.segments),
            end_position: view.end_position,
            generation: view.generation,
            recent: view.recent,
            answer: LogRead {
                slice: FileSlice::empty(),
                end_offset: offset,
                first_batch_too_large: false,
                log_start_offset: view.log_start_offset,
                high_watermark: view.high_watermark,
                last_stable_offset: view.last_stable_offset(),
                log_end_offset: view.log_end_offset,
            },
        }
    }

    /// Aborted transactions with records in `[start, end)`, for a `read_committed` consumer to leave out.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] if retention has meanwhile taken what was read: the list would not be complete.
    pub fn aborted_transactions(&self, start: Offset, end: Offset) -> Result<Vec<AbortedTransaction>, ReadError> {
        let (segments, log_start_offset, log_end_offset) = {
            let view = self.view();
            (Arc::clone(&view.segments), view.log_start_offset, view.log_end_offset)
        };
        if start < log_start_offset {
            let (partition, offset) = (self.partition.clone(), start);
            return Err(ReadError::OffsetOutOfRange { partition, offset, log_start_offset, log_end_offset });
        }
        let mut found = Vec::new();
        for segment in segments.iter().skip(floor_segment(&segments, start)) {
            let is_complete =
                self.reading("read transaction index", || segment.collect_aborted(start, end, &mut found))?;
            if is_complete {
                break;
            }
        }
        Ok(found)
    }
}
