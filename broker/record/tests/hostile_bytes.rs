//! Bytes from strangers never panic, never allocate past their bound, and never pass for something they are not.

#![expect(clippy::unwrap_used, reason = "what a test builds itself")]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use record::convert::{down_convert, write_message_set};
use record::validate::ValidationRules;
use record::{BatchBuilder, BatchHeader, BatchOptions, Codec, Record, RecordHeader, batches, validate};

/// Timestamp, key, value and headers of a record.
type Parts = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<RecordHeader>);

const LIMIT: usize = 1 << 18;

fn any_record() -> impl Strategy<Value = Parts> {
    let field = || proptest::option::of(vec(any::<u8>(), 0..200));
    let header = (vec(any::<u8>(), 0..10), field())
        .prop_map(|(key, value)| RecordHeader { key: key.into(), value: value.map(Into::into) });
    (-1..(1i64 << 50), field(), field(), vec(header, 0..4))
}

fn any_codec() -> impl Strategy<Value = Codec> {
    select(&Codec::ALL[..])
}

fn built(codec: Codec, records: &[Parts]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { compression: codec.into(), ..BatchOptions::default() });
    for (timestamp, key, value, headers) in records {
        builder.append(*timestamp, key.as_deref(), value.as_deref(), headers).unwrap();
    }
    builder.build().unwrap()
}

/// Everything that reads, on the same bytes.
fn read_every_way(bytes: &Bytes) {
    for batch in batches(bytes.clone()).flatten() {
        let _ = (batch.verify_crc(), batch.first_offset(), batch.next_offset(), batch.record_count());
        if let Some(header) = batch.header() {
            let _ = (header.last_sequence(), header.next_offset());
        }
        let records: Option<Vec<_>> = batch.records_within(LIMIT).ok().map(Iterator::collect);
        let frames: Option<Vec<_>> = batch.frames_within(LIMIT).ok().map(Iterator::collect);
        if let (Some(records), Some(frames)) = (records, frames) {
            for (record, frame) in records.iter().zip(&frames) {
                if let (Ok(record), Ok(frame)) = (record, frame) {
                    assert_eq!((record.offset, record.timestamp), (frame.offset, frame.timestamp));
                }
            }
        }
    }
    for to_magic in [0, 1] {
        let _ = down_convert(batches(bytes.clone()), to_magic, 0, LIMIT, LIMIT);
    }
    for produce_version in [Some(2), Some(9), None] {
        for target_magic in 0..=2 {
            let compression = (target_magic == 1).then(|| Codec::Gzip.into());
            let rules = ValidationRules {
                produce_version,
                target_magic,
                compression,
                decompressed_bytes_max: LIMIT,
                ..ValidationRules::default()
            };
            if let Ok(Some(validated)) = validate(bytes.clone(), &rules) {
                let _ = validated.assign(i64::MAX / 2, 1);
            }
        }
    }
}

/// Puts a right checksum on a batch, so that what lies behind the check is reached.
fn resealed(mut bytes: Vec<u8>) -> Bytes {
    if bytes.len() > 61 {
        let crc = record::crc::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..400), magic in 0..4u8) {
        let mut bytes = bytes;
        read_every_way(&bytes.clone().into());
        if bytes.len() > 17 {
            let len = bytes.len() as u32 - 12;
            bytes[8..12].copy_from_slice(&len.to_be_bytes());
            bytes[16] = magic;
            read_every_way(&resealed(bytes));
        }
    }

    #[test]
    fn mutated_batches_never_panic(
        codec in any_codec(),
        records in vec(any_record(), 1..6),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
    ) {
        let mut bytes = built(codec, &records).to_vec();
        for (at, with) in &changes {
            // Offset, length and magic stay, or nothing behind them is reached.
            let at = 17 + at.index(bytes.len() - 17);
            bytes[at] = *with;
        }
        let cut = cut.index(bytes.len());
        read_every_way(&bytes.clone().into());
        read_every_way(&Bytes::from(bytes[..cut].to_vec()));
        read_every_way(&resealed(bytes));
    }

    #[test]
    fn mutated_message_sets_never_panic(
        magic in 0..2i8,
        codec in select(&Codec::ALL[..4]),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let records: Vec<_> = (0..4).map(|offset| Record { offset, value: Some(Bytes::from_static(&[1; 30])), ..Record::default() }).collect();
        let mut bytes = Vec::new();
        write_message_set(&mut bytes, &records, magic, codec.into(), None).unwrap();
        for (at, with) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *with;
        }
        if bytes.len() > 16 {
            let size = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
            if let Some(entry) = bytes.get(16..12usize.saturating_add(size)) {
                let crc = record::crc::crc32(entry);
                bytes[12..16].copy_from_slice(&crc.to_be_bytes());
            }
        }
        read_every_way(&bytes.into());
    }

    #[test]
    fn what_is_built_is_read_back(codec in any_codec(), records in vec(any_record(), 0..20)) {
        let bytes = built(codec, &records);
        let mut entries = batches(bytes.clone());
        let batch = entries.next().unwrap().unwrap();
        prop_assert!(entries.next().is_none());
        batch.verify_crc().unwrap();
        prop_assert_eq!(BatchHeader::parse(&bytes).unwrap().size_in_bytes(), bytes.len());
        let read: Vec<_> = batch.records().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        for ((offset, read), (timestamp, key, value, headers)) in (0..).zip(&read).zip(&records) {
            prop_assert_eq!((read.offset, read.timestamp), (offset, *timestamp));
            prop_assert_eq!(read.key.as_deref(), key.as_deref());
            prop_assert_eq!(read.value.as_deref(), value.as_deref());
            prop_assert_eq!(&read.headers, headers);
        }
    }

    #[test]
    fn what_is_built_is_accepted_as_it_is(codec in any_codec(), records in vec(any_record(), 1..20)) {
        let bytes = built(codec, &records);
        let validated = validate(bytes.clone(), &ValidationRules { produce_version: Some(9), ..ValidationRules::default() });
        let validated = validated.unwrap().unwrap();
        prop_assert!(!validated.was_rebuilt);
        let assigned = validated.assign(0, -1).unwrap();
        prop_assert_eq!([&assigned.head[..], &assigned.body[..]].concat(), bytes);
    }
}
