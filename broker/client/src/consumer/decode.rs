//! Takes the records out of what a leader sent for one partition. Pure.
//! Source: `CompletedFetch` of Kafka 3.9 for what is skipped.

use std::collections::BTreeSet;

use bytes::Bytes;
use record::{Record, TimestampType};

/// What a leader sent for one partition.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Batches; the last may be cut off.
    pub records: Bytes,
    /// `(first offset, producer id)` of aborted transactions, ascending.
    pub aborted: Vec<(i64, i64)>,
}

/// The records from a position on.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Each with whether the broker stamped it.
    pub records: Vec<(Record, bool)>,
    /// Where to go on.
    pub next: i64,
    /// What is wrong with the bytes behind the last record.
    pub broken: Option<record::Error>,
}

/// Takes out the records from `position` on, but for control records and, if so asked, those of aborted transactions.
/// A batch cut off at the end is for the next fetch; one that is broken ends the work, after what came before it.
#[must_use]
pub fn decode(fetched: &Fetched, position: i64, read_committed: bool) -> Decoded {
    let mut decoded = Decoded { next: position, ..Decoded::default() };
    decoded.broken = decode_into(fetched, position, read_committed, &mut decoded).err();
    decoded
}

fn decode_into(
    fetched: &Fetched,
    position: i64,
    read_committed: bool,
    decoded: &mut Decoded,
) -> Result<(), record::Error> {
    let mut aborted = fetched.aborted.iter().peekable();
    let mut aborting = BTreeSet::new();
    for batch in record::batches(fetched.records.clone()) {
        let batch = batch?;
        batch.verify_crc()?;
        while let Some((_, producer)) = aborted.next_if(|(first, _)| *first <= batch.last_offset()) {
            aborting.insert(*producer);
        }
        if batch.is_control() {
            // An abort marker ends its producer's aborted range; a commit marker has none open.
            aborting.remove(&batch.producer_id());
        } else if !(read_committed && batch.is_transactional() && aborting.contains(&batch.producer_id())) {
            let log_append_time = batch.timestamp_type() == TimestampType::LogAppendTime;
            for record in batch.records()? {
                let record = record?;
                if position <= record.offset {
                    decoded.next = decoded.next.max(record.offset + 1);
                    decoded.records.push((record, log_append_time));
                }
            }
        }
        decoded.next = decoded.next.max(batch.next_offset());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use record::{BatchBuilder, BatchOptions};

    use super::*;

    fn batch(base_offset: i64, producer_id: i64, values: &[&str]) -> Vec<u8> {
        let is_transactional = producer_id >= 0;
        let options = BatchOptions {
            base_offset,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            is_transactional,
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(options);
        for value in values {
            builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build().unwrap().to_vec()
    }

    fn values(decoded: &Decoded) -> Vec<(i64, String)> {
        let text = |record: &Record| String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
        decoded.records.iter().map(|(record, _)| (record.offset, text(record))).collect()
    }

    #[test]
    fn records_before_the_position_are_left_out() {
        let fetched = Fetched { records: batch(4, -1, &["a", "b", "c"]).into(), ..Fetched::default() };
        let decoded = decode(&fetched, 5, false);
        assert_eq!(values(&decoded), [(5, "b".to_owned()), (6, "c".to_owned())]);
        assert_eq!(decoded.next, 7);
    }

    #[test]
    fn a_batch_cut_off_is_for_the_next_fetch() {
        let mut bytes = batch(0, -1, &["a"]);
        bytes.extend(&batch(1, -1, &["b"])[..40]);
        let decoded = decode(&Fetched { records: bytes.into(), ..Fetched::default() }, 0, false);
        assert_eq!((decoded.next, decoded.records.len(), decoded.broken.is_none()), (1, 1, true));
    }

    #[test]
    fn a_broken_batch_ends_the_work_after_what_came_before() {
        let mut bytes = batch(0, -1, &["a"]);
        let mut broken = batch(1, -1, &["b"]);
        *broken.last_mut().unwrap() ^= 1;
        bytes.extend(broken);
        let decoded = decode(&Fetched { records: bytes.into(), ..Fetched::default() }, 0, false);
        assert_eq!((decoded.next, decoded.records.len()), (1, 1));
        assert!(matches!(decoded.broken, Some(record::Error::Crc { .. })), "{:?}", decoded.broken);
    }

    #[test]
    fn aborted_records_are_read_only_by_those_who_want_uncommitted_ones() {
        let mut bytes = batch(0, 7, &["aborted"]);
        bytes.extend(batch(1, 8, &["kept"]));
        let fetched = Fetched { records: bytes.into(), aborted: vec![(0, 7)] };
        assert_eq!(values(&decode(&fetched, 0, true)), [(1, "kept".to_owned())]);
        assert_eq!(decode(&fetched, 0, true).next, 2);
        assert_eq!(decode(&fetched, 0, false).records.len(), 2);
    }
}
