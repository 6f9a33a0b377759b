//! Facts about what a leader accepts, what it stores and what it answers.

use super::*;
use crate::batch::batches;
use crate::convert::write_message_set;
use crate::record::RecordHeader;

const NOW: i64 = 1_700_000_000_000;

fn rules() -> ValidationRules {
    ValidationRules { produce_version: Some(9), now_ms: NOW, ..ValidationRules::default() }
}

fn builder(codec: Codec) -> BatchBuilder {
    let mut builder = BatchBuilder::with_codec(codec);
    for index in 0..3 {
        let header = RecordHeader { key: Bytes::from_static(b"h"), value: None };
        builder.append(NOW + [0, 5, 3][index], Some(b"key"), Some(&[7; 100]), &[header]).unwrap();
    }
    builder
}

fn sent(codec: Codec) -> Bytes {
    builder(codec).build().unwrap()
}

fn with_options(options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    builder.append(NOW, Some(b"key"), Some(b"value"), &[]).unwrap();
    builder.build().unwrap()
}

/// Changes the header and makes the checksum right again, as a client with its own ideas would.
fn altered(bytes: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let before = BatchHeader::parse(bytes).unwrap();
    let mut after = before.clone();
    change(&mut after);
    after.reseal(&before);
    [&after.to_bytes()[..], &bytes[header::SIZE..]].concat().into()
}

fn accepted(bytes: Bytes, rules: &ValidationRules) -> Validated {
    validate(bytes, rules).unwrap().unwrap()
}

fn refused(bytes: Bytes, rules: &ValidationRules) -> Error {
    validate(bytes, rules).unwrap_err()
}

/// What is on disk after the batch got offset 1000 and leader epoch 4.
fn stored(validated: Validated) -> Vec<Batch> {
    let assigned = validated.assign(1000, 4).unwrap();
    let bytes = [&assigned.head[..], &assigned.body[..]].concat();
    let entries: Vec<_> = batches(bytes.into()).collect::<Result<_, _>>().unwrap();
    for entry in &entries {
        entry.verify_crc().unwrap();
    }
    assert_eq!(entries.last().unwrap().last_offset(), assigned.last_offset);
    entries
}

fn records(entries: &[Batch]) -> Vec<Record> {
    entries.iter().flat_map(|entry| entry.records().unwrap()).map(Result::unwrap).collect()
}

#[test]
fn a_good_batch_is_stored_as_it_is() {
    for codec in Codec::ALL {
        let bytes = sent(codec);
        let validated = accepted(bytes.clone(), &rules());
        assert!(!validated.was_rebuilt);
        assert_eq!((validated.record_count, validated.max_timestamp, validated.source_codec), (3, NOW + 5, codec));
        let assigned = validated.clone().assign(1000, 4).unwrap();
        assert_eq!(assigned.body.as_ptr(), bytes[header::SIZE..].as_ptr(), "{codec}: the records were copied");
        let entries = stored(validated);
        let header = entries[0].header().unwrap();
        assert_eq!((header.base_offset, header.last_offset(), header.partition_leader_epoch), (1000, 1002, 4));
        assert_eq!(header.crc, BatchHeader::parse(&bytes).unwrap().crc, "{codec}: nothing under the checksum changed");
    }
}

#[test]
fn log_append_time_changes_the_header_alone() {
    for codec in Codec::ALL {
        let rules = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
        let bytes = sent(codec);
        let validated = accepted(bytes.clone(), &rules);
        assert_eq!((validated.log_append_time, validated.max_timestamp), (Some(NOW), NOW));
        let entries = stored(validated);
        assert_eq!(&entries[0].bytes()[header::SIZE..], &bytes[header::SIZE..]);
        assert_eq!(entries[0].timestamp_type(), TimestampType::LogAppendTime);
        assert!(records(&entries).iter().all(|record| record.timestamp == NOW), "{codec}");
    }
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    let bytes = altered(&sent(Codec::None), |header| header.max_timestamp = 17);
    let entries = stored(accepted(bytes, &rules()));
    assert_eq!(entries[0].max_timestamp(), NOW + 5);
}

#[test]
fn another_codec_is_the_topics_business() {
    for source in Codec::ALL {
        for target in Codec::ALL.into_iter().filter(|&target| target != source) {
            let rules = ValidationRules { compression: Some(target.into()), ..rules() };
            let validated = accepted(sent(source), &rules);
            assert!(validated.was_rebuilt, "{source} to {target}");
            let entries = stored(validated);
            assert_eq!(entries[0].codec(), Ok(target));
            let records = records(&entries);
            assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [1000, 1001, 1002]);
            assert!(records.iter().all(|record| record.headers.len() == 1));
        }
    }
}

#[test]
fn a_rebuilt_batch_keeps_its_producer() {
    let options = BatchOptions {
        producer_id: 9,
        producer_epoch: 2,
        base_sequence: 40,
        is_transactional: true,
        ..BatchOptions::default()
    };
    let rules = ValidationRules { compression: Some(Codec::Lz4.into()), ..rules() };
    let entries = stored(accepted(with_options(options), &rules));
    let header = entries[0].header().unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (9, 2, 40));
    assert!(header.is_transactional());
}

#[test]
fn a_flipped_bit_is_a_corrupt_message() {
    let mut bytes = sent(Codec::None).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = refused(bytes.into(), &rules());
    assert_eq!((error.kind(), error.cause()), (ErrorKind::CorruptMessage, Some(Cause::InvalidMessageCrc)));
}

#[test]
fn two_batches_in_one_partition_are_refused() {
    let two = [sent(Codec::None), sent(Codec::None)].concat();
    assert_eq!(refused(two.into(), &rules()), Error::MoreThanOneBatch);
}

#[test]
fn a_cut_batch_behind_the_first_is_left_away() {
    let bytes = [&sent(Codec::None)[..], &sent(Codec::None)[..80]].concat();
    assert_eq!(stored(accepted(bytes.into(), &rules())).len(), 1);
}

#[test]
fn nothing_at_all_is_fine_only_in_old_requests() {
    assert_eq!(refused(Bytes::new(), &rules()), Error::NoBatch);
    let old = ValidationRules { produce_version: Some(2), ..rules() };
    assert_eq!(validate(Bytes::new(), &old), Ok(None));
}

#[test]
fn zstd_needs_version_7_and_a_protocol_that_knows_it() {
    let before_7 = ValidationRules { produce_version: Some(6), ..rules() };
    assert_eq!(refused(sent(Codec::Zstd), &before_7).kind(), ErrorKind::UnsupportedCompressionType);
    let old_protocol = ValidationRules { is_zstd_allowed: false, ..rules() };
    assert_eq!(refused(sent(Codec::Zstd), &old_protocol).kind(), ErrorKind::UnsupportedCompressionType);
    assert!(validate(sent(Codec::Gzip), &before_7).is_ok());
}

#[test]
fn a_batch_at_the_bound_passes_and_one_byte_more_does_not() {
    let bytes = sent(Codec::None);
    let rules = |batch_bytes_max| ValidationRules { batch_bytes_max, ..rules() };
    assert!(validate(bytes.clone(), &rules(bytes.len())).is_ok());
    assert_eq!(refused(bytes.clone(), &rules(bytes.len() - 1)).kind(), ErrorKind::MessageTooLarge);
}

#[test]
fn a_batch_that_grows_past_the_bound_is_refused() {
    let bytes = sent(Codec::Gzip);
    let rules = ValidationRules { batch_bytes_max: bytes.len(), compression: Some(Codec::None.into()), ..rules() };
    assert_eq!(refused(bytes, &rules).kind(), ErrorKind::MessageTooLarge);
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let bytes = sent(Codec::None);
    type Change = fn(&mut BatchHeader);
    let cases: [(&str, Change); 6] = [
        ("a base offset", |header| header.base_offset = 5),
        ("more records than offsets", |header| header.record_count = 4),
        ("more offsets than records", |header| header.last_offset_delta = 3),
        ("no records", |header| (header.record_count, header.last_offset_delta) = (0, -1)),
        ("control", |header| header.attributes = header.attributes.with_control(true)),
        ("a producer without a sequence", |header| header.producer_id = 1),
    ];
    for (what, change) in cases {
        assert_eq!(refused(altered(&bytes, change), &rules()).kind(), ErrorKind::InvalidRecord, "{what}");
    }
}

#[test]
fn a_count_other_than_the_records_there_is_refused() {
    for codec in Codec::ALL {
        for count in [2, 4] {
            let bytes = altered(&sent(codec), |header| {
                (header.record_count, header.last_offset_delta) = (count, count - 1);
            });
            assert_eq!(refused(bytes, &rules()).kind(), ErrorKind::InvalidRecord, "{codec} {count}");
        }
    }
}

#[test]
fn a_coordinator_may_write_control_batches_and_they_stay_uncompressed() {
    let options = BatchOptions { is_control: true, is_transactional: true, producer_id: 3, ..BatchOptions::default() };
    let rules = ValidationRules {
        origin: Origin::Coordinator,
        produce_version: None,
        compression: Some(Codec::Gzip.into()),
        ..rules()
    };
    let validated = accepted(with_options(options), &rules);
    assert!(!validated.was_rebuilt);
    assert_eq!(stored(validated)[0].codec(), Ok(Codec::None));
}

#[test]
fn compacted_topics_need_keys_and_the_producer_hears_which_are_missing() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::with_codec(codec);
        for index in 0..5 {
            builder.append(NOW, (index % 2 == 0).then_some(b"key"), None, &[]).unwrap();
        }
        let rules = ValidationRules { is_compacted: true, ..rules() };
        let error = refused(builder.build().unwrap(), &rules);
        assert_eq!((error.kind(), error.cause()), (ErrorKind::InvalidRecord, Some(Cause::NoKeyCompactedTopic)));
        let Error::Records(errors) = error else { panic!("record errors") };
        assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1, 3]);
    }
}

#[test]
fn timestamps_too_far_from_now_are_refused() {
    let at = |timestamp: i64, rules: &ValidationRules| {
        let mut builder = BatchBuilder::default();
        builder.append(timestamp, None, Some(b"v"), &[]).unwrap();
        validate(builder.build().unwrap(), rules)
    };
    let rules = ValidationRules { timestamp_before_max_ms: 100, timestamp_after_max_ms: 10, ..rules() };
    for timestamp in [NOW - 100, NOW, NOW + 10, NO_TIMESTAMP] {
        assert!(at(timestamp, &rules).is_ok(), "{timestamp}");
    }
    for timestamp in [NOW - 101, NOW + 11, i64::MAX, i64::MIN] {
        assert_eq!(at(timestamp, &rules).unwrap_err().kind(), ErrorKind::InvalidTimestamp, "{timestamp}");
    }
    let stamped = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..rules };
    assert!(at(NOW - 101, &stamped).is_ok(), "the leader stamps the records itself");
}

#[test]
fn a_producer_does_not_set_log_append_time() {
    let options = BatchOptions { log_append_time: Some(NO_TIMESTAMP), ..BatchOptions::default() };
    assert_eq!(refused(with_options(options), &rules()).kind(), ErrorKind::InvalidTimestamp);
}

#[test]
fn misnumbered_records_are_renumbered_if_compressed_and_refused_if_not() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::with_codec(codec);
        for offset in [0, 2] {
            builder.append_at(offset, NOW, None, Some(b"v"), &[]).unwrap();
        }
        let bytes = altered(&builder.build().unwrap(), |header| header.last_offset_delta = 1);
        match codec {
            Codec::None => assert_eq!(refused(bytes, &rules()), Error::OffsetsNotConsecutive),
            _ => {
                let offsets: Vec<_> = records(&stored(accepted(bytes, &rules()))).iter().map(|r| r.offset).collect();
                assert_eq!(offsets, [1000, 1001], "{codec}");
            }
        }
    }
}

fn message_set(magic: i8, codec: Codec, base_offset: i64) -> Bytes {
    let records: Vec<_> = (0..3)
        .map(|index| Record {
            offset: base_offset + index,
            timestamp: NOW + index,
            key: Some(Bytes::from_static(b"key")),
            value: Some(Bytes::from(vec![index as u8; 50])),
            headers: Vec::new(),
        })
        .collect();
    let mut out = Vec::new();
    write_message_set(&mut out, &records, magic, codec.into(), None).unwrap();
    out.into()
}

#[test]
fn old_formats_become_one_batch_of_the_new() {
    for (magic, codec) in [0, 1].into_iter().flat_map(|magic| Codec::ALL.map(|codec| (magic, codec))) {
        if codec == Codec::Zstd {
            continue;
        }
        let rules = ValidationRules { produce_version: Some(2), ..rules() };
        let validated = accepted(message_set(magic, codec, 0), &rules);
        assert!(validated.was_rebuilt);
        let entries = stored(validated);
        assert_eq!((entries.len(), entries[0].magic(), entries[0].codec()), (1, 2, Ok(codec)));
        for (index, record) in (0..).zip(records(&entries)) {
            let timestamp = if magic == 0 { NO_TIMESTAMP } else { NOW + index };
            assert_eq!((record.offset, record.timestamp), (1000 + index, timestamp), "magic {magic} {codec}");
        }
    }
}

#[test]
fn old_formats_have_no_place_in_newer_requests() {
    let error = refused(message_set(1, Codec::None, 0), &rules());
    assert_eq!(error, Error::OldFormat { version: 9, magic: 1 });
}

#[test]
fn two_wrappers_are_refused() {
    let rules = ValidationRules { produce_version: Some(2), ..rules() };
    let two = [message_set(1, Codec::Gzip, 0), message_set(1, Codec::Gzip, 0)].concat();
    assert_eq!(refused(two.into(), &rules), Error::MoreThanOneBatch);
    let mixed = [message_set(1, Codec::None, 0), message_set(1, Codec::Gzip, 0)].concat();
    assert_eq!(refused(mixed.into(), &rules), Error::MoreThanOneBatch);
}

#[test]
fn messages_of_two_formats_are_refused() {
    let rules = ValidationRules { produce_version: Some(2), ..rules() };
    let mixed = [message_set(1, Codec::None, 0), message_set(0, Codec::None, 0)].concat();
    assert_eq!(refused(mixed.into(), &rules), Error::MixedMagic { magic: 0, first: 1 });
}

#[test]
fn a_log_of_an_old_format_keeps_it() {
    for (target_magic, codec) in [(0, Codec::None), (0, Codec::Gzip), (1, Codec::None), (1, Codec::Lz4)] {
        let rules = ValidationRules { target_magic, ..rules() };
        let entries = stored(accepted(sent(codec), &rules));
        assert!(entries.iter().all(|entry| entry.magic() == target_magic));
        let offsets: Vec<_> = records(&entries).iter().map(|record| record.offset).collect();
        assert_eq!(offsets, [1000, 1001, 1002], "magic {target_magic} {codec}");
    }
}

#[test]
fn idempotence_needs_the_new_format() {
    let rules = ValidationRules { target_magic: 1, ..rules() };
    let idempotent = BatchOptions { producer_id: 5, producer_epoch: 0, base_sequence: 0, ..BatchOptions::default() };
    let transactional = BatchOptions { is_transactional: true, ..BatchOptions::default() };
    for options in [idempotent, transactional] {
        let error = refused(with_options(options), &rules);
        assert_eq!(error.kind(), ErrorKind::UnsupportedForMessageFormat);
    }
}

#[test]
fn a_bomb_stops_at_the_bound() {
    let mut builder = BatchBuilder::with_codec(Codec::Gzip);
    builder.append(NOW, None, Some(&vec![0; 1 << 20]), &[]).unwrap();
    let rules = ValidationRules { decompressed_bytes_max: 1 << 16, ..rules() };
    assert_eq!(refused(builder.build().unwrap(), &rules).kind(), ErrorKind::InvalidRecord);
}
