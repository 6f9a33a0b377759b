//! What a reader sees of a log: segments and offsets at one moment, and where recent batches lie.
//! Plain data; the log publishes it.

use std::sync::Arc;

use zk_schema::types::Offset;

use crate::segment::Segment;

/// Published by a writer, copied by readers.
#[derive(Debug)]
pub(crate) struct View {
    /// In order of base offset; never empty. The last is the active one.
    pub segments: Arc<Vec<Arc<Segment>>>,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    /// Where the log end offset lies in the active segment.
    pub end_position: u64,
    pub high_watermark: Offset,
    /// First offset of the earliest transaction without a replicated marker.
    pub first_unstable_offset: Option<Offset>,
    /// Changes when positions remembered before are no longer good.
    pub generation: u64,
    /// Batches appended last, in the active segment.
    pub recent: Recent,
}

impl View {
    pub(crate) fn last_stable_offset(&self) -> Offset {
        self.first_unstable_offset.map_or(self.high_watermark, |first| first.min(self.high_watermark))
    }

    pub(crate) fn set_first_unstable(&mut self, first: Option<Offset>) {
        self.first_unstable_offset = first.map(|first| first.max(self.log_start_offset));
    }

    /// Positions remembered so far become void.
    pub(crate) fn forget_positions(&mut self) {
        self.generation += 1;
        self.recent = Recent::default();
    }
}

/// The segment that may hold `offset`: the last one that begins at or below it, or the first.
pub(crate) fn floor_segment(segments: &[Arc<Segment>], offset: Offset) -> usize {
    segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
}

const RECENT: usize = 8;

/// Where the last few appends begin: followers and tailing consumers ask for just these.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    entries: [(Offset, u64); RECENT],
    next: usize,
    len: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, base_offset: Offset, position: u64) {
        self.entries[self.next] = (base_offset, position);
        self.next = (self.next + 1) % RECENT;
        self.len = (self.len + 1).min(RECENT);
    }

    pub(crate) fn position_of(&self, offset: Offset) -> Option<u64> {
        let known = self.entries.get(..self.len).unwrap_or_default();
        known.iter().find(|(base_offset, _)| *base_offset == offset).map(|(_, position)| *position)
    }
}

const HINTS: usize = 4;

/// Where reads ended, for the reader that comes back for the next offset.
#[derive(Debug, Default)]
pub(crate) struct ReadHints {
    entries: [Option<ReadHint>; HINTS],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadHint {
    pub generation: u64,
    pub segment: Offset,
    pub offset: Offset,
    pub position: u64,
}

impl ReadHints {
    pub(crate) fn push(&mut self, hint: ReadHint) {
        self.entries[self.next] = Some(hint);
        self.next = (self.next + 1) % HINTS;
    }

    pub(crate) fn position_of(&self, generation: u64, segment: Offset, offset: Offset) -> Option<u64> {
        let mut known = self.entries.iter().flatten();
        known
            .find(|hint| hint.generation == generation && hint.segment == segment && hint.offset == offset)
            .map(|hint| hint.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_appends_are_remembered() {
        let mut recent = Recent::default();
        assert_eq!(recent.position_of(0), None);
        for i in 0..10 {
            recent.push(i, i as u64 * 100);
        }
        assert_eq!((recent.position_of(1), recent.position_of(2), recent.position_of(9)), (None, Some(200), Some(900)));
    }
}
