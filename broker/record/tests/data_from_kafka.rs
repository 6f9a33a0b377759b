//! Bytes a real Kafka 3.9.1 wrote are read to the last field; what they hold is in `data/README.md`.

#![expect(clippy::unwrap_used, reason = "a test's own data")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use record::control::{ControlType, EndTransactionMarker};
use record::{Batch, BatchHeader, Codec, Record, TimestampType, batches};

fn data(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn all_batches(bytes: Bytes) -> Vec<Batch> {
    let all: Vec<_> = batches(bytes).collect::<Result<_, _>>().unwrap();
    for batch in &all {
        batch.verify_crc().unwrap();
    }
    all
}

fn all_records(batches: &[Batch]) -> Vec<Record> {
    batches.iter().flat_map(|batch| batch.records().unwrap()).map(Result::unwrap).collect()
}

fn java_files(magic: i8) -> Vec<(String, Codec, TimestampType)> {
    let codecs = Codec::ALL.into_iter().filter(|&codec| magic == 2 || codec != Codec::Zstd);
    let types: &[_] = match magic {
        0 => &[(TimestampType::None, "")],
        _ => &[(TimestampType::CreateTime, ""), (TimestampType::LogAppendTime, "-append-time")],
    };
    codecs
        .flat_map(|codec| {
            types.iter().map(move |&(kind, suffix)| (format!("java/v{magic}-{codec}{suffix}.bin"), codec, kind))
        })
        .collect()
}

#[test]
fn every_format_codec_and_timestamp_type_reads_the_same() {
    for magic in 0..=2 {
        for (name, codec, timestamp_type) in java_files(magic) {
            let entries = all_batches(data(&name));
            assert!(entries.iter().all(|entry| entry.magic() == magic && entry.codec() == Ok(codec)), "{name}");
            assert!(entries.iter().all(|entry| entry.timestamp_type() == timestamp_type), "{name}");
            assert_eq!((entries[0].first_offset(), entries.last().unwrap().last_offset()), (Ok(100), 104), "{name}");
            let records = all_records(&entries);
            assert_eq!(records.len(), 5, "{name}");
            for (index, record) in (0..).zip(&records) {
                let timestamp = match timestamp_type {
                    TimestampType::None => -1,
                    TimestampType::CreateTime => 1000 + (index * 37) % 100,
                    TimestampType::LogAppendTime => 5000,
                };
                assert_eq!((record.offset, record.timestamp), (100 + index, timestamp), "{name}");
                let key = (index != 1).then(|| format!("key-{index}"));
                let value = (index != 2).then(|| format!("value-{index}-{}", "x".repeat(index as usize * 40)));
                assert_eq!(record.key.as_deref(), key.as_deref().map(str::as_bytes), "{name}");
                assert_eq!(record.value.as_deref(), value.as_deref().map(str::as_bytes), "{name}");
                let headers: Vec<_> = record.headers.iter().map(|h| (&h.key[..], h.value.as_deref())).collect();
                let number = [index as u8];
                let expected = [(&b"h"[..], Some(&number[..])), (b"h", None)];
                assert_eq!(headers, if magic == 2 && index > 2 { &expected[..] } else { &[] }, "{name}");
            }
        }
    }
}

#[test]
fn a_walk_sees_what_the_records_are() {
    for (name, ..) in (0..=2).flat_map(java_files) {
        for batch in all_batches(data(&name)) {
            let frames: Vec<_> = batch.frames().unwrap().map(Result::unwrap).collect();
            let records = all_records(std::slice::from_ref(&batch));
            assert_eq!(frames.len(), records.len(), "{name}");
            for (frame, record) in frames.iter().zip(&records) {
                assert_eq!((frame.offset, frame.timestamp), (record.offset, record.timestamp), "{name}");
                assert_eq!(frame.key_len, record.key.as_ref().map(|key| key.len() as u32), "{name}");
                assert_eq!(frame.value_len, record.value.as_ref().map(|value| value.len() as u32), "{name}");
            }
        }
    }
}

#[test]
fn the_header_of_a_batch_is_read_to_the_last_field() {
    let bytes = data("java/v2-gzip.bin");
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(header.size_in_bytes(), bytes.len());
    assert_eq!((header.base_offset, header.last_offset(), header.record_count), (100, 104, 5));
    assert_eq!((header.partition_leader_epoch, header.base_timestamp, header.max_timestamp), (3, 1000, 1074));
    assert_eq!(
        (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence()),
        (7, 1, 10, 14)
    );
    assert!(!header.is_control() && !header.is_transactional() && header.delete_horizon_ms().is_none());
}

#[test]
fn markers_are_read_and_written_the_same() {
    let bytes = data("java/v2-abort-marker.bin");
    let [batch] = &all_batches(bytes.clone())[..] else { panic!("one batch") };
    let record = &all_records(std::slice::from_ref(batch))[0];
    let marker = EndTransactionMarker::parse(record).unwrap().unwrap();
    assert_eq!(marker, EndTransactionMarker { control_type: ControlType::Abort, coordinator_epoch: 6 });

    let ours = marker.to_batch(9000, 77, 2).unwrap();
    let mut header = BatchHeader::parse(&ours).unwrap();
    header.assign(200, 4);
    assert_eq!([&header.to_bytes()[..], &ours[61..]].concat(), bytes);
}

#[test]
fn logs_of_a_broker_are_read() {
    for codec in Codec::ALL {
        let entries = all_batches(data(&format!("broker/codec-{codec}.log")));
        assert!(entries.iter().all(|entry| entry.codec() == Ok(codec) && entry.partition_leader_epoch() == 0));
        let records = all_records(&entries);
        assert_eq!(records.len(), 20, "{codec}");
        for (index, record) in records.iter().enumerate() {
            let value = format!("payload number {index} {}", "abcdefgh".repeat(index));
            assert_eq!((record.offset, record.value.as_deref()), (index as i64, Some(value.as_bytes())), "{codec}");
            assert_eq!(record.key.is_none(), index % 4 == 0, "{codec}");
            assert_eq!(record.headers.len(), if index % 5 == 0 { 2 } else { 0 }, "{codec}");
        }
    }
}

#[test]
fn a_partition_with_transactions_is_read() {
    let entries = all_batches(data("broker/transactions.log"));
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.is_transactional(), entry.is_control())).collect();
    assert_eq!(kinds, [(true, false), (true, true), (true, false), (true, true)]);
    let markers: Vec<_> = all_records(&entries)
        .iter()
        .filter(|record| record.offset == 3 || record.offset == 7)
        .map(|record| EndTransactionMarker::parse(record).unwrap().unwrap().control_type)
        .collect();
    assert_eq!(markers, [ControlType::Commit, ControlType::Abort]);
}
