//! Offsets by time, for ListOffsets: earliest, latest, largest timestamp, first at or after a timestamp.
//! Capping by high watermark or last stable offset is the caller's business.
//! Source: `UnifiedLog.fetchOffsetByTimestamp`, `legacyFetchOffsetsBefore` in Kafka 3.9.

use zk_schema::types::{LeaderEpoch, Offset};

use super::Log;
use crate::error::ReadError;
use crate::scan::{Located, Scan};
use crate::segment::Segment;

/// An offset, and what ListOffsets says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// Timestamp of the record, or -1 where none is meant.
    pub timestamp: i64,
    /// The offset.
    pub offset: Offset,
    /// Leader epoch it was written under, if known.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Log {
    /// The log start offset.
    #[must_use]
    pub fn earliest(&self) -> TimestampedOffset {
        let offset = self.log_start_offset();
        let earliest = self.epochs().cache.earliest();
        let leader_epoch = earliest.filter(|(_, start)| *start <= offset).map(|(epoch, _)| epoch);
        TimestampedOffset { timestamp: record::NO_TIMESTAMP, offset, leader_epoch }
    }

    /// The log end offset.
    #[must_use]
    pub fn latest(&self) -> TimestampedOffset {
        let leader_epoch = self.latest_epoch();
        TimestampedOffset { timestamp: record::NO_TIMESTAMP, offset: self.log_end_offset(), leader_epoch }
    }

    /// The first record with the largest timestamp; `None` if no record has one.
    ///
    /// # Errors
    /// What is wrong with disk or data.
    pub fn max_timestamp(&self) -> Result<Option<TimestampedOffset>, ReadError> {
        let segments = self.segments();
        let mut best = None;
        for segment in segments.iter() {
            let largest = self.reading("read time index", || segment.largest_timestamp())?;
            if 0 <= largest.timestamp && best.as_ref().is_none_or(|(_, timestamp)| *timestamp < largest.timestamp) {
                best = Some((segment, largest.timestamp));
            }
        }
        match best {
            Some((segment, timestamp)) => self.find_timestamp(segment, timestamp, self.log_start_offset()),
            None => Ok(None),
        }
    }

    /// The first record at or above the log start offset with a timestamp at or above `timestamp`.
    ///
    /// # Errors
    /// What is wrong with disk or data.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampedOffset>, ReadError> {
        let log_start_offset = self.log_start_offset();
        for segment in self.segments().iter() {
            let largest = self.reading("read time index", || segment.retention_timestamp_ms())?;
            // The first such segment may hold nothing at or above the log start.
            if timestamp <= largest
                && let Some(found) = self.find_timestamp(segment, timestamp, log_start_offset)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_timestamp(
        &self,
        segment: &Segment,
        timestamp: i64,
        from_offset: Offset,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let position = self.reading("read time index", || segment.position_for_timestamp(timestamp, from_offset))?;
        let file = self.reading("open segment", || segment.file().cloned())?;
        let mut scan = Scan::new(&file, position, segment.size());
        while let Some(located) = scan.next().map_err(|e| self.scan_failed(segment, e))? {
            if timestamp <= located.max_timestamp && from_offset <= located.last_offset {
                let batch = located.read(&file).map_err(|e| self.scan_failed(segment, e))?;
                let found = first_at(&batch, timestamp, from_offset).map_err(|source| ReadError::Corrupt {
                    partition: self.partition.clone(),
                    segment: segment.base_offset(),
                    position: located.position,
                    source,
                })?;
                if let Some((offset, timestamp)) = found {
                    return Ok(Some(TimestampedOffset { timestamp, offset, leader_epoch: epoch_of(&located) }));
                }
            }
        }
        Ok(None)
    }

    /// Segment beginnings last written at or before `timestamp_ms`, latest first, at most `max_count`: what ListOffsets
    /// version 0 answers. `None` asks for the latest, which includes the log end offset; -2 is [`Log::earliest`].
    ///
    /// # Errors
    /// The log directory has failed.
    pub fn legacy_offsets_before(
        &self,
        timestamp_ms: Option<i64>,
        max_count: usize,
        now_ms: i64,
    ) -> Result<Vec<Offset>, ReadError> {
        let (segments, offsets) = (self.segments(), self.offsets());
        let mut times = Vec::with_capacity(segments.len() + 1);
        for segment in segments.iter() {
            let modified_ms = self.reading("read segment's age", || segment.modified_ms())?;
            times.push((segment.base_offset().max(offsets.log_start_offset), modified_ms));
        }
        if segments.last().is_some_and(|active| 0 < active.size()) {
            times.push((offsets.log_end_offset, now_ms));
        }
        let newest = match timestamp_ms {
            None => times.len().checked_sub(1),
            Some(timestamp_ms) => times.iter().rposition(|(_, modified_ms)| *modified_ms <= timestamp_ms),
        };
        let candidates = newest.and_then(|newest| times.get(..=newest)).unwrap_or_default();
        Ok(candidates.iter().rev().take(max_count).map(|(offset, _)| *offset).collect())
    }
}

fn first_at(
    batch: &record::Batch,
    timestamp: i64,
    from_offset: Offset,
) -> Result<Option<(Offset, i64)>, record::Error> {
    for record in batch.records()? {
        let record = record?;
        if timestamp <= record.timestamp && from_offset <= record.offset {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}

fn epoch_of(located: &Located) -> Option<LeaderEpoch> {
    (0 <= located.leader_epoch).then_some(LeaderEpoch(located.leader_epoch))
}
