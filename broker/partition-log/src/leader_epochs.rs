//! Which leader epoch began at which offset of one log: what followers truncate by.
//! Pure: the log writes the entries down. An entry must be on disk before the recovery point passes its start offset;
//! until then a restart finds it again in the batches. A removal must be on disk at once, for nothing would undo it.
//! Source: `LeaderEpochFileCache` in Kafka 3.9; KIP-101, KIP-279.

use zk_schema::types::{LeaderEpoch, Offset};

/// Epochs in ascending order, start offsets too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochs {
    /// Takes the entries of a checkpoint, dropping those that contradict later ones.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = (LeaderEpoch, Offset)>) -> Self {
        let mut epochs = Self::default();
        for (epoch, start_offset) in entries {
            epochs.assign(epoch, start_offset);
        }
        epochs
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The latest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The earliest epoch and its start offset.
    #[must_use]
    pub fn earliest(&self) -> Option<(LeaderEpoch, Offset)> {
        self.entries.first().copied()
    }

    /// Notes that `epoch` begins at `start_offset`; says whether that was news. Entries it contradicts are dropped.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch.0 < 0 || start_offset < 0 {
            return false;
        }
        let is_news = self.entries.last().is_none_or(|(latest, start)| epoch != *latest || start_offset < *start);
        if is_news {
            while self.entries.last().is_some_and(|(last, start)| epoch <= *last || start_offset <= *start) {
                self.entries.pop();
            }
            self.entries.push((epoch, start_offset));
        }
        is_news
    }

    /// Where the latest epoch at or below `requested` ends, given the log end offset; `None` if that is not known.
    #[must_use]
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end_offset: Offset) -> Option<(LeaderEpoch, Offset)> {
        if requested == LeaderEpoch::NONE {
            return None;
        }
        if self.latest() == Some(requested) {
            return Some((requested, log_end_offset));
        }
        let higher = self.entries.partition_point(|(epoch, _)| *epoch <= requested);
        let (_, end_offset) = *self.entries.get(higher)?;
        let floor = higher.checked_sub(1).and_then(|index| self.entries.get(index));
        Some((floor.map_or(requested, |(epoch, _)| *epoch), end_offset))
    }

    /// The epoch of the leader that wrote `offset`.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let above = self.entries.partition_point(|(_, start)| *start <= offset);
        above.checked_sub(1).and_then(|index| self.entries.get(index)).map(|(epoch, _)| *epoch)
    }

    /// Drops epochs that begin at or behind `end_offset`; says whether there were any.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> bool {
        let before = self.entries.len();
        if 0 <= end_offset {
            self.entries.retain(|(_, start)| *start < end_offset);
        }
        self.entries.len() != before
    }

    /// Drops epochs that end at or before `start_offset`, and lets the first remaining one begin there;
    /// says whether anything changed.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let covered = self.entries.partition_point(|(_, start)| *start <= start_offset);
        let Some(first) = covered.checked_sub(1) else { return false };
        let changed = 0 < first || self.entries.first().is_some_and(|(_, start)| *start != start_offset);
        self.entries.drain(..first);
        if let Some(entry) = self.entries.first_mut() {
            entry.1 = start_offset;
        }
        changed
    }

    /// Drops everything; says whether there was anything.
    pub fn clear(&mut self) -> bool {
        let had_any = !self.entries.is_empty();
        self.entries.clear();
        had_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, Offset)]) -> LeaderEpochs {
        LeaderEpochs::from_entries(entries.iter().map(|(epoch, start)| (LeaderEpoch(*epoch), *start)))
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs(&[(2, 0), (4, 10), (7, 20)]);
        let ask = |epoch| epochs.end_offset_for(LeaderEpoch(epoch), 33).map(|(epoch, end)| (epoch.0, end));
        assert_eq!(ask(-1), None);
        assert_eq!(ask(1), Some((1, 0)));
        assert_eq!(ask(2), Some((2, 10)));
        assert_eq!(ask(3), Some((2, 10)));
        assert_eq!(ask(5), Some((4, 20)));
        assert_eq!(ask(7), Some((7, 33)));
        assert_eq!(ask(8), None);
    }

    #[test]
    fn a_new_epoch_drops_what_it_contradicts() {
        let mut epochs = epochs(&[(2, 0), (4, 10), (7, 20)]);
        assert!(!epochs.assign(LeaderEpoch(7), 25));
        assert!(epochs.assign(LeaderEpoch(8), 10));
        assert_eq!(epochs.entries(), [(LeaderEpoch(2), 0), (LeaderEpoch(8), 10)]);
        assert!(epochs.assign(LeaderEpoch(1), 5));
        assert_eq!(epochs.entries(), [(LeaderEpoch(1), 5)]);
    }

    #[test]
    fn an_epoch_without_records_gives_way_to_the_next() {
        let mut epochs = epochs(&[(2, 10)]);
        assert!(epochs.assign(LeaderEpoch(3), 10));
        assert_eq!(epochs.entries(), [(LeaderEpoch(3), 10)]);
    }

    #[test]
    fn truncation_keeps_the_epoch_that_covers_the_start() {
        let mut start = epochs(&[(2, 0), (4, 10), (7, 20)]);
        assert!(start.truncate_from_start(15));
        assert_eq!(start.entries(), [(LeaderEpoch(4), 15), (LeaderEpoch(7), 20)]);
        assert!(!start.truncate_from_start(15));
        assert!(!start.truncate_from_start(3));
        let mut end = epochs(&[(2, 0), (4, 10), (7, 20)]);
        assert!(end.truncate_from_end(10));
        assert_eq!(end.entries(), [(LeaderEpoch(2), 0)]);
    }

    #[test]
    fn an_offset_belongs_to_the_last_epoch_begun_before_it() {
        let epochs = epochs(&[(2, 5), (4, 10)]);
        assert_eq!(epochs.epoch_for_offset(4), None);
        assert_eq!(epochs.epoch_for_offset(9), Some(LeaderEpoch(2)));
        assert_eq!(epochs.epoch_for_offset(10), Some(LeaderEpoch(4)));
    }
}
