use bytes::Bytes;
use record::BatchOptions;
use record::control::{ControlType, EndTransactionMarker};
use zk_schema::types::{ProducerEpoch, ProducerId};

use super::*;
use crate::error::{AppendError, ProducerError};
use crate::producer_state::VerificationGuard;
use crate::testing::{Broker, NOW, append, batch, batch_at, batch_with, contents};

mod crash;
mod model;

fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 500, index_interval_bytes: 100, segment_index_bytes: 480, ..LogConfig::for_tests() }
}

fn offsets_of(found: &[(Offset, Bytes)]) -> Vec<Offset> {
    found.iter().map(|(offset, _)| *offset).collect()
}

#[test]
fn what_is_appended_is_read_back_also_after_a_restart() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    for i in 0..100u32 {
        let value = i.to_be_bytes();
        let info = append(&log, batch(&[&value, &value]));
        assert_eq!((info.first_offset, info.last_offset), (i64::from(i) * 2, i64::from(i) * 2 + 1));
    }
    let before = contents(&log, 0);
    assert_eq!(before.len(), 200);
    drop(log);
    broker.restart();
    let log = broker.log();
    assert_eq!(contents(&log, 0), before);
    assert_eq!((log.log_end_offset(), log.recovery_point()), (200, 200));
}

#[test]
fn a_new_log_has_the_files_java_makes() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    log.set_topic_id("Yo3Nyt7LQn6QBlkFqkTDLQ".parse().unwrap()).unwrap();
    let names = [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "partition.metadata",
    ];
    assert_eq!(broker.files(), names);
    let len = |name: &str| Disk::real().len(&broker.log_dir().join(name)).unwrap();
    assert_eq!((len(names[0]), len(names[1]), len(names[2])), (10_485_760, 0, 10_485_756));
}

#[test]
fn rolling_trims_the_indexes_and_takes_a_snapshot() {
    let broker = Broker::new(small_segments());
    let log = broker.log();
    while log.segment_count() == 1 {
        append(&log, batch_at(NOW + log.log_end_offset(), &[b"0123456789"]));
    }
    let len = |name: &str| Disk::real().len(&broker.log_dir().join(name)).unwrap();
    let base = log.log_end_offset() - 1;
    assert!(len("00000000000000000000.index") < 480 && len("00000000000000000000.index").is_multiple_of(8));
    assert_eq!(len(&names::file_name(base, names::INDEX_SUFFIX)), 480);
    assert!(broker.files().contains(&names::file_name(base, names::SNAPSHOT_SUFFIX)));
}

#[test]
fn a_segment_is_rolled_by_the_age_of_its_records() {
    let broker = Broker::new(LogConfig { segment_ms: 1000, ..LogConfig::for_tests() });
    let log = broker.log();
    append(&log, batch_at(NOW, &[b"a"]));
    append(&log, batch_at(NOW + 1000, &[b"b"]));
    assert_eq!(log.segment_count(), 1);
    append(&log, batch_at(NOW + 1001, &[b"c"]));
    assert_eq!(log.segment_count(), 2);
}

#[test]
fn a_segment_is_rolled_when_an_offset_does_not_fit_its_indexes() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    let at = |base_offset| batch_with(BatchOptions { base_offset, ..BatchOptions::default() }, NOW, &[b"x"]);
    log.append_as_follower(at(5), NOW).unwrap();
    log.append_as_follower(at(i64::from(i32::MAX)), NOW).unwrap();
    assert_eq!(log.segment_count(), 1);
    let info = log.append_as_follower(at(i64::from(i32::MAX) + 1), NOW).unwrap();
    assert!(info.rolled);
    assert_eq!(offsets_of(&contents(&log, 0)), [5, i64::from(i32::MAX), i64::from(i32::MAX) + 1]);
}

#[test]
fn batches_that_no_segment_could_hold_together_are_refused() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    let at = |base_offset| batch_with(BatchOptions { base_offset, ..BatchOptions::default() }, NOW, &[b"x"]);
    let far_apart = [at(0), at(1 << 40)].concat().into();
    for hostile in [far_apart, at(i64::MAX)] {
        assert!(matches!(log.append_as_follower(hostile, NOW), Err(AppendError::OffsetsOutOfOrder { .. })));
    }
    assert_eq!(log.append_as_follower(at(1 << 40), NOW).unwrap().log_end_offset, (1 << 40) + 1);
}

#[test]
fn reads_give_whole_batches_within_the_bounds() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    let size = append(&log, batch(&[b"one"])).bytes;
    append(&log, batch(&[b"two"]));
    append(&log, batch(&[b"six"]));
    let len = |offset, max_bytes, min_one_batch, upper_bound| {
        log.read(offset, max_bytes, min_one_batch, upper_bound).unwrap().slice.len
    };
    assert_eq!(len(0, size * 3, false, 3), size * 3);
    assert_eq!(len(0, size * 3 - 1, false, 3), size * 2);
    assert_eq!(len(1, size, false, 3), size);
    assert_eq!(len(0, size - 1, false, 3), 0);
    assert_eq!(len(0, 0, true, 3), size);
    assert_eq!(len(0, 0, false, 3), 0);
    assert_eq!(len(0, size * 3, true, 2), size * 2);
    assert_eq!(len(2, size * 3, true, 2), 0);
    assert_eq!(len(3, size * 3, true, 3), 0);
    assert!(log.read(0, size - 1, false, 3).unwrap().first_batch_too_large);
    for outside in [-1, 4] {
        assert!(matches!(log.read(outside, 100, true, 3), Err(ReadError::OffsetOutOfRange { .. })));
    }
}

#[test]
fn the_high_watermark_stays_between_log_start_and_log_end() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, batch(&[b"a", b"b", b"c"]));
    assert_eq!(log.update_high_watermark(99), 3);
    assert_eq!(log.maybe_increment_high_watermark(2), None);
    assert_eq!(log.update_high_watermark(1), 1);
    assert_eq!(log.maybe_increment_high_watermark(2), Some(1));
    assert!(matches!(log.increment_log_start_offset(3), Err(Error::LogStartAboveHighWatermark { .. })));
    assert!(log.increment_log_start_offset(2).unwrap());
    assert!(!log.increment_log_start_offset(1).unwrap());
    assert_eq!((log.log_start_offset(), log.update_high_watermark(0)), (2, 2));
}

#[test]
fn an_empty_read_at_the_log_end_touches_no_file() {
    let mut broker = Broker::new(LogConfig::for_tests());
    append(&broker.log(), batch(&[b"a"]));
    broker.restart();
    let log = broker.log();
    std::fs::remove_file(broker.log_dir().join("00000000000000000000.log")).unwrap();
    assert!(log.read(1, 100, true, 1).unwrap().slice.is_empty());
}

fn idempotent(sequence: i32, values: &[&[u8]]) -> Bytes {
    let options =
        BatchOptions { producer_id: 7, producer_epoch: 0, base_sequence: sequence, ..BatchOptions::default() };
    batch_with(options, NOW, values)
}

#[test]
fn a_batch_sent_twice_is_stored_once() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, idempotent(0, &[b"a", b"b"]));
    append(&log, idempotent(2, &[b"c"]));
    let again = append(&log, idempotent(0, &[b"a", b"b"]));
    assert!(again.duplicate);
    assert_eq!((again.first_offset, again.last_offset, log.log_end_offset()), (0, 1, 3));
    drop(log);
    broker.restart();
    let log = broker.log();
    assert!(append(&log, idempotent(2, &[b"c"])).duplicate);
    let gap = log.append_as_leader(idempotent(4, &[b"e"]), LeaderEpoch(0), &AppendContext::client(NOW, 9));
    assert!(matches!(gap, Err(AppendError::Producer(ProducerError::OutOfOrderSequence { .. }))));
}

fn transactional(sequence: i32, value: &[u8]) -> Bytes {
    let options = BatchOptions {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        is_transactional: true,
        ..BatchOptions::default()
    };
    batch_with(options, NOW, &[value])
}

fn end_transaction(log: &Log, control_type: ControlType) {
    let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 }.to_batch(NOW, 7, 0).unwrap();
    log.append_as_leader(marker, LeaderEpoch(0), &AppendContext::coordinator(NOW)).unwrap();
}

#[test]
fn the_last_stable_offset_waits_for_a_replicated_marker() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, batch(&[b"plain"]));
    append(&log, transactional(0, b"t"));
    log.update_high_watermark(2);
    assert_eq!(log.last_stable_offset(), 1);
    end_transaction(&log, ControlType::Abort);
    assert_eq!(log.last_stable_offset(), 1);
    log.update_high_watermark(3);
    assert_eq!(log.last_stable_offset(), 3);
    let aborted = log.aborted_transactions(0, 3).unwrap();
    assert_eq!((aborted[0].first_offset, aborted[0].last_offset, aborted[0].last_stable_offset), (1, 2, 3));
    assert!(log.aborted_transactions(0, 1).unwrap().is_empty());

    append(&log, transactional(1, b"open"));
    drop(log);
    broker.kill();
    broker.start();
    let log = broker.log();
    log.update_high_watermark(4);
    assert_eq!(log.last_stable_offset(), 3);
    assert_eq!(log.aborted_transactions(0, 4).unwrap(), aborted);
}

#[test]
fn a_transaction_must_be_verified_if_that_is_asked_for() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    broker.manager().settings().transaction_verification.store(true, Ordering::Relaxed);
    let guard = log.start_transaction_verification(ProducerId(7), 0, ProducerEpoch(0), NOW);
    let context = |verification_guard| AppendContext { verification_guard, ..AppendContext::client(NOW, 9) };
    let without = log.append_as_leader(transactional(0, b"t"), LeaderEpoch(0), &context(VerificationGuard::NONE));
    assert!(matches!(without, Err(AppendError::Producer(ProducerError::InvalidTxnState { .. }))));
    log.append_as_leader(transactional(0, b"t"), LeaderEpoch(0), &context(guard)).unwrap();
    log.append_as_leader(transactional(1, b"u"), LeaderEpoch(0), &context(VerificationGuard::NONE)).unwrap();
}

#[test]
fn truncation_takes_records_epochs_and_producers_back() {
    let mut broker = Broker::new(small_segments());
    let log = broker.log();
    for i in 0..30 {
        let leader_epoch = LeaderEpoch(i / 10);
        log.append_as_leader(idempotent(i, &[b"0123456789"]), leader_epoch, &AppendContext::client(NOW, 9)).unwrap();
    }
    log.update_high_watermark(30);
    assert!(3 < log.segment_count());
    assert!(log.truncate_to(12).unwrap());
    assert_eq!((log.log_end_offset(), log.high_watermark()), (12, 12));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(1)));
    assert_eq!(log.active_producers()[0].last_sequence, 11);
    assert!(!log.truncate_to(12).unwrap());
    append(&log, idempotent(12, &[b"again"]));
    let before = contents(&log, 0);
    drop(log);
    broker.kill();
    broker.start();
    assert_eq!(contents(&broker.log(), 0), before);
}

#[test]
fn dropping_the_whole_log_starts_it_anew_at_the_offset() {
    let broker = Broker::new(small_segments());
    let log = broker.log();
    for _ in 0..20 {
        append(&log, batch(&[b"0123456789"]));
    }
    log.truncate_fully_and_start_at(1000).unwrap();
    let offsets = log.offsets();
    assert_eq!((offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset), (1000, 1000, 1000));
    assert_eq!(append(&log, batch(&[b"x"])).first_offset, 1000);
    assert_eq!(offsets_of(&contents(&log, 1000)), [1000]);
    assert_eq!(log.first_segment_base_offset(), 1000);
}

#[test]
fn retention_keeps_what_is_not_replicated_and_deletes_the_rest_by_size() {
    let broker = Broker::new(LogConfig { retention_bytes: 600, ..small_segments() });
    let log = broker.log();
    for _ in 0..40 {
        append(&log, batch(&[b"0123456789"]));
    }
    assert_eq!(log.delete_old_segments(NOW).unwrap(), 0);
    log.update_high_watermark(40);
    let read = log.read(0, 10_000, true, 40).unwrap();
    assert!(0 < log.delete_old_segments(NOW).unwrap());
    assert!(600 <= log.size() && log.size() < 1100);
    assert_eq!(log.log_start_offset(), log.first_segment_base_offset());
    assert_eq!(contents(&log, log.log_start_offset()).len() as i64, 40 - log.log_start_offset());
    assert!(broker.files().iter().any(|name| name.ends_with(".log.deleted")));
    broker.manager().delete_scheduled(NOW).unwrap();
    broker.manager().delete_scheduled(NOW + 59_999).unwrap();
    assert!(broker.files().iter().any(|name| name.ends_with(".log.deleted")));
    broker.manager().delete_scheduled(NOW + 60_000).unwrap();
    assert!(!broker.files().iter().any(|name| name.ends_with(".deleted")));
    assert_eq!(read.slice.read_to_bytes().unwrap().len(), read.slice.len, "a slice in flight is not disturbed");
}

#[test]
fn retention_by_time_may_empty_the_log() {
    let broker = Broker::new(LogConfig { retention_ms: 1000, ..small_segments() });
    let log = broker.log();
    append(&log, batch_at(NOW, &[b"old"]));
    log.update_high_watermark(1);
    assert_eq!(log.delete_old_segments(NOW + 1000).unwrap(), 0);
    assert_eq!(log.delete_old_segments(NOW + 1001).unwrap(), 1);
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.size()), (1, 1, 0));
    assert_eq!(append(&log, batch(&[b"new"])).first_offset, 1);
}

#[test]
fn offsets_are_found_by_time() {
    let broker = Broker::new(small_segments());
    let log = broker.log();
    for i in 0..60i64 {
        append(&log, batch_at(NOW + i * 10, &[b"a", b"b"]));
    }
    let find = |timestamp| log.offset_for_timestamp(timestamp).unwrap().map(|found| (found.offset, found.timestamp));
    assert_eq!(find(0), Some((0, NOW)));
    assert_eq!(find(NOW + 101), Some((22, NOW + 110)));
    assert_eq!(find(NOW + 590), Some((118, NOW + 590)));
    assert_eq!(find(NOW + 591), None);
    assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 118);
    log.update_high_watermark(50);
    log.increment_log_start_offset(31).unwrap();
    assert_eq!(find(0), Some((31, NOW + 150)));
    assert_eq!((log.earliest().offset, log.latest().offset), (31, 120));
    assert_eq!(log.latest().leader_epoch, Some(LeaderEpoch(0)));
    let legacy = log.legacy_offsets_before(None, 3, NOW).unwrap();
    assert_eq!((legacy.len(), legacy[0]), (3, 120));
    assert!(legacy[1] < 120 && legacy[2] < legacy[1]);
}

#[test]
fn a_batch_larger_than_a_segment_and_one_that_goes_back_are_refused() {
    let broker = Broker::new(LogConfig { segment_bytes: 200, ..LogConfig::for_tests() });
    let log = broker.log();
    let large = log.append_as_leader(batch(&[&[0; 300]]), LeaderEpoch(0), &AppendContext::client(NOW, 9));
    assert!(matches!(large, Err(AppendError::RecordListTooLarge { maximum: 200, .. })));
    append(&log, batch(&[b"a"]));
    let back = log.append_as_follower(batch(&[b"a"]), NOW);
    assert!(matches!(back, Err(AppendError::UnexpectedAppendOffset { first_offset: 0, log_end_offset: 1, .. })));
}

#[test]
fn the_recovery_point_follows_flushes_only() {
    let broker = Broker::new(small_segments());
    let log = broker.log();
    let rolled = loop {
        let info = append(&log, batch(&[b"0123456789"]));
        if info.rolled {
            break info;
        }
    };
    assert_eq!(log.recovery_point(), 0);
    log.flush_rolled().unwrap();
    assert_eq!(log.recovery_point(), rolled.first_offset);
    log.flush().unwrap();
    assert_eq!(log.recovery_point(), log.log_end_offset());
}
