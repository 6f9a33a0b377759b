//! Ends of segments as a crash may leave them: cut at any byte, or with any byte damaged.

use std::fs;

use super::*;

const LOG: &str = "00000000000000000000.log";

struct Written {
    broker: Broker,
    contents: Vec<(Offset, Bytes)>,
    /// Where each batch ends.
    ends: Vec<u64>,
}

fn written() -> Written {
    let mut broker = Broker::new(LogConfig { index_interval_bytes: 100, ..LogConfig::for_tests() });
    let log = broker.log();
    let mut ends = Vec::new();
    for i in 0..6 {
        append(&log, idempotent(i, &[format!("value {i}").as_bytes()]));
        ends.push(log.size());
    }
    let contents = contents(&log, 0);
    drop(log);
    broker.kill();
    Written { broker, contents, ends }
}

impl Written {
    /// What is found after a restart with this as the segment's bytes.
    fn recovered(&mut self, bytes: &[u8]) -> Vec<(Offset, Bytes)> {
        fs::write(self.broker.log_dir().join(LOG), bytes).unwrap();
        self.broker.start();
        let log = self.broker.log();
        let found = contents(&log, 0);
        assert_eq!(log.log_end_offset(), found.len() as i64);
        let size = fs::metadata(self.broker.log_dir().join(LOG)).unwrap().len();
        assert_eq!(size, log.size());
        let last_sequence = log.active_producers().first().map_or(-1, |one| one.last_sequence);
        assert_eq!(i64::from(last_sequence), log.log_end_offset() - 1);
        let next = append(&log, idempotent(last_sequence + 1, &[b"next"]));
        assert_eq!(next.first_offset, found.len() as i64);
        drop(log);
        self.broker.kill();
        found
    }
}

#[test]
fn a_segment_cut_anywhere_keeps_its_whole_batches() {
    let mut written = written();
    let bytes = fs::read(written.broker.log_dir().join(LOG)).unwrap();
    for len in 0..=bytes.len() {
        let whole = written.ends.iter().filter(|end| **end <= len as u64).count();
        assert_eq!(written.recovered(&bytes[..len]), written.contents[..whole], "cut at {len}");
    }
}

#[test]
fn a_damaged_batch_is_cut_off_with_all_behind_it() {
    let mut written = written();
    let bytes = fs::read(written.broker.log_dir().join(LOG)).unwrap();
    let (start, end) = (written.ends[2] as usize, written.ends[3] as usize);
    // The checksum covers what lies behind it; in front of it, a wrong length or magic is noticed as well.
    for at in (start + 8..start + 12).chain(start + 16..end) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        assert_eq!(written.recovered(&damaged), written.contents[..3], "damaged at {at}");
    }
}

#[test]
fn zeros_and_noise_behind_the_last_batch_go() {
    let mut written = written();
    let bytes = fs::read(written.broker.log_dir().join(LOG)).unwrap();
    for tail in [vec![0; 1], vec![0; 5000], vec![0xff; 300], vec![2; 100]] {
        let all = [&bytes[..], &tail].concat();
        assert_eq!(written.recovered(&all), written.contents);
    }
}

#[test]
fn segments_behind_a_damaged_one_are_dropped() {
    let mut broker = Broker::new(small_segments());
    let log = broker.log();
    for i in 0..30u8 {
        append(&log, batch(&[&[i; 10]]));
    }
    let second = log.segments()[1].base_offset();
    let before = contents(&log, 0);
    drop(log);
    broker.kill();
    let path = broker.log_dir().join(names::file_name(second, names::LOG_SUFFIX));
    let len = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    broker.start();
    let log = broker.log();
    assert_eq!(log.segment_count(), 2);
    assert_eq!(contents(&log, 0), before[..log.log_end_offset() as usize]);
}

#[test]
fn below_the_recovery_point_nothing_is_read_again() {
    let mut broker = Broker::new(small_segments());
    let log = broker.log();
    for i in 0..30u8 {
        append(&log, batch(&[&[i; 10]]));
    }
    log.flush().unwrap();
    broker.manager().checkpoint_recovery_points().unwrap();
    drop(log);
    broker.kill();
    let path = broker.log_dir().join(LOG);
    let mut bytes = fs::read(&path).unwrap();
    bytes[70] ^= 1;
    fs::write(&path, &bytes).unwrap();
    broker.start();
    assert_eq!(broker.log().log_end_offset(), 30);
}

#[test]
fn a_lost_index_is_made_again_and_a_damaged_snapshot_is_done_without() {
    let mut broker = Broker::new(small_segments());
    let log = broker.log();
    for i in 0..30 {
        append(&log, idempotent(i, &[b"0123456789"]));
    }
    let before = contents(&log, 0);
    drop(log);
    broker.manager().shutdown_clean();
    broker.kill();
    fs::remove_file(broker.log_dir().join("00000000000000000000.index")).unwrap();
    fs::write(broker.log_dir().join("00000000000000000030.snapshot"), b"rubbish").unwrap();
    broker.start();
    let log = broker.log();
    assert_eq!(contents(&log, 0), before);
    assert!(append(&log, idempotent(29, &[b"0123456789"])).duplicate);
}

#[test]
fn a_log_that_ends_below_its_start_begins_anew_there() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, batch(&[b"a", b"b", b"c"]));
    log.update_high_watermark(3);
    log.increment_log_start_offset(2).unwrap();
    broker.manager().checkpoint_log_start_offsets().unwrap();
    drop(log);
    broker.kill();
    fs::write(broker.log_dir().join(LOG), b"").unwrap();
    broker.start();
    let log = broker.log();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (2, 2));
    assert_eq!(append(&log, batch(&[b"d"])).first_offset, 2);
}
