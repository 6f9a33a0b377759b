use super::*;
use crate::testing::{Broker, NOW, append, batch, batch_at, contents};

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
    broker.restart();
    let log = broker.log();
    assert_eq!(contents(&log, 0), before);
    assert_eq!((log.log_end_offset(), log.recovery_point()), (200, 200));
}

#[test]
fn a_killed_broker_recovers_everything() {
    let mut broker = Broker::new(LogConfig { segment_bytes: 500, ..LogConfig::for_tests() });
    let log = broker.log();
    for i in 0..50u32 {
        append(&log, batch_at(NOW + i64::from(i), &[&i.to_be_bytes()]));
    }
    let before = contents(&log, 0);
    assert!(3 < log.segment_count());
    drop(log);
    broker.kill();
    broker.start();
    assert_eq!(contents(&broker.log(), 0), before);
    assert_eq!(broker.log().recovery_point(), 0);
}
