//! Facts about what older consumers are given.

use super::*;
use crate::batch::batches;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::control::{ControlType, EndTransactionMarker};
use crate::record::RecordHeader;

const LIMIT: usize = 1 << 20;

fn batch(codec: Codec, base_offset: i64, log_append_time: Option<i64>) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        compression: codec.into(),
        log_append_time,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchOptions::default()
    });
    for index in 0..4 {
        let header = RecordHeader { key: Bytes::from_static(b"h"), value: None };
        builder.append(5000 + index, Some(b"key"), Some(&[index as u8; 40]), &[header]).unwrap();
    }
    builder.build().unwrap()
}

fn converted(bytes: Vec<Bytes>, to_magic: i8, first_offset: i64, size_max: usize) -> Vec<Batch> {
    let converted = down_convert(batches(bytes.concat().into()), to_magic, first_offset, size_max, LIMIT).unwrap();
    let entries: Vec<_> = batches(converted.bytes).collect::<Result<_, _>>().unwrap();
    for entry in &entries {
        entry.verify_crc().unwrap();
        assert!(entry.magic() <= to_magic);
    }
    entries
}

fn records(entries: &[Batch]) -> Vec<Record> {
    entries.iter().flat_map(|entry| entry.records().unwrap()).map(Result::unwrap).collect()
}

fn offsets(entries: &[Batch]) -> Vec<i64> {
    records(entries).iter().map(|record| record.offset).collect()
}

#[test]
fn offsets_keys_values_and_codec_survive() {
    for (to_magic, codec) in [0, 1].into_iter().flat_map(|magic| Codec::ALL.map(|codec| (magic, codec))) {
        if codec == Codec::Zstd {
            continue;
        }
        let entries = converted(vec![batch(codec, 10, None), batch(codec, 14, None)], to_magic, 10, LIMIT);
        assert_eq!(offsets(&entries), (10..18).collect::<Vec<_>>(), "magic {to_magic} {codec}");
        assert!(entries.iter().all(|entry| entry.codec() == Ok(codec)));
        for (index, record) in (0..).zip(records(&entries)) {
            assert_eq!(record.timestamp, if to_magic == 0 { NO_TIMESTAMP } else { 5000 + index % 4 });
            assert_eq!((record.key.as_deref(), record.value.unwrap()[0]), (Some(&b"key"[..]), (index % 4) as u8));
            assert!(record.headers.is_empty());
        }
    }
}

#[test]
fn log_append_time_survives_in_format_1() {
    for codec in [Codec::None, Codec::Snappy] {
        let entries = converted(vec![batch(codec, 0, Some(9000))], MAGIC_V1, 0, LIMIT);
        assert!(entries.iter().all(|entry| entry.timestamp_type() == TimestampType::LogAppendTime));
        assert!(records(&entries).iter().all(|record| record.timestamp == 9000), "{codec}");
    }
}

#[test]
fn uncompressed_records_before_the_fetch_offset_are_left_out() {
    assert_eq!(offsets(&converted(vec![batch(Codec::None, 10, None)], MAGIC_V1, 12, LIMIT)), [12, 13]);
    assert_eq!(offsets(&converted(vec![batch(Codec::Gzip, 10, None)], MAGIC_V1, 12, LIMIT)), [10, 11, 12, 13]);
}

#[test]
fn format_1_becomes_format_0_and_format_0_stays() {
    let v1 = converted(vec![batch(Codec::Gzip, 10, None)], MAGIC_V1, 10, LIMIT);
    let v0 = converted(vec![v1[0].bytes().clone()], MAGIC_V0, 10, LIMIT);
    assert_eq!(offsets(&v0), [10, 11, 12, 13]);
    assert_eq!(converted(vec![v0[0].bytes().clone()], MAGIC_V1, 10, LIMIT), v0);
}

#[test]
fn the_first_batch_is_given_whole_and_no_more_beyond_the_bound() {
    let bytes = vec![batch(Codec::None, 0, None), batch(Codec::None, 4, None)];
    assert_eq!(offsets(&converted(bytes, MAGIC_V1, 0, 1)), [0, 1, 2, 3]);
}

#[test]
fn markers_vanish_and_alone_they_look_like_a_message_too_large() {
    let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 0 };
    let marker = marker.to_batch(0, 1, 0).unwrap();
    let entries = converted(vec![marker.clone(), batch(Codec::None, 4, None)], MAGIC_V1, 0, LIMIT);
    assert_eq!(offsets(&entries), [4, 5, 6, 7]);
    let alone = down_convert(batches(marker), MAGIC_V1, 0, LIMIT, LIMIT).unwrap();
    assert_eq!(alone.bytes, &OVERLONG[..]);
    assert_eq!(batches(alone.bytes).count(), 0);
}

#[test]
fn no_batch_gives_nothing() {
    assert_eq!(down_convert(batches(Bytes::new()), MAGIC_V1, 0, LIMIT, LIMIT), Ok(Converted::default()));
}

#[test]
fn zstd_is_refused_when_it_comes_first_and_ends_the_answer_later() {
    let zstd = batch(Codec::Zstd, 4, None);
    let refused = down_convert(batches(zstd.clone()), MAGIC_V1, 4, LIMIT, LIMIT).unwrap_err();
    assert_eq!(refused.kind(), crate::ErrorKind::UnsupportedCompressionType);
    assert_eq!(offsets(&converted(vec![batch(Codec::None, 0, None), zstd], MAGIC_V1, 0, LIMIT)), [0, 1, 2, 3]);
}

#[test]
fn only_newer_formats_need_conversion() {
    let v2 = batch(Codec::None, 0, None);
    let v1 = converted(vec![v2.clone()], MAGIC_V1, 0, LIMIT);
    assert!(needs_down_conversion(batches(v2.clone()), MAGIC_V1));
    assert!(!needs_down_conversion(batches(v2), MAGIC_V2));
    assert!(!needs_down_conversion(batches(v1[0].bytes().clone()), MAGIC_V1));
    assert!(needs_down_conversion(batches(v1[0].bytes().clone()), MAGIC_V0));
}
