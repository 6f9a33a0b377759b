use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::log_dir::FailureCallback;
use crate::testing::{Broker, NOW, append, batch, open, partition};

fn two_dirs() -> [tempfile::TempDir; 2] {
    [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]
}

fn open_two(dirs: &[tempfile::TempDir; 2]) -> LogManager {
    open(&[dirs[0].path(), dirs[1].path()], &LogConfig::for_tests()).unwrap()
}

fn create(manager: &LogManager, partition: i32) -> Arc<Log> {
    manager.get_or_create(&TopicPartition::new("t", partition), None, LogConfig::for_tests(), true).unwrap()
}

#[test]
fn a_new_log_goes_to_the_emptiest_directory() {
    let dirs = two_dirs();
    let manager = open_two(&dirs);
    for partition in 0..6 {
        create(&manager, partition);
    }
    for dir in &dirs {
        let logs = Disk::real().list(dir.path()).unwrap().into_iter().filter(|entry| entry.is_dir).count();
        assert_eq!(logs, 3);
    }
}

#[test]
fn a_directory_in_use_by_another_broker_keeps_ours_from_starting() {
    let broker = Broker::new(LogConfig::for_tests());
    assert!(matches!(open(&[broker.dir.path()], &broker.config), Err(Error::Locked(_))));
}

#[test]
fn a_stranger_in_a_log_directory_keeps_the_broker_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("holiday photos")).unwrap();
    fs::create_dir(dir.path().join(".hidden")).unwrap();
    fs::write(dir.path().join("plain-file"), b"").unwrap();
    assert!(matches!(open(&[dir.path()], &LogConfig::for_tests()), Err(Error::UnknownDirectory(_))));
    fs::remove_dir(dir.path().join("holiday photos")).unwrap();
    open(&[dir.path()], &LogConfig::for_tests()).unwrap();
}

#[test]
fn a_log_in_two_directories_keeps_the_broker_from_starting() {
    let dirs = two_dirs();
    for dir in &dirs {
        fs::create_dir(dir.path().join("t-0")).unwrap();
    }
    let opened = open(&[dirs[0].path(), dirs[1].path()], &LogConfig::for_tests());
    assert!(matches!(opened, Err(Error::DuplicateLog { .. })));
}

#[test]
fn a_deleted_log_waits_under_another_name_and_may_be_created_anew() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let old = broker.log();
    append(&old, batch(&[b"old"]));
    let read = old.read(0, 100, true, 1).unwrap();
    assert!(broker.manager().delete(&partition()).unwrap());
    assert!(!broker.manager().delete(&partition()).unwrap());
    assert!(old.path().to_str().unwrap().ends_with("-delete"));
    assert!(old.append_as_follower(batch(&[b"late"]), NOW).is_err());
    assert_eq!(append(&broker.log(), batch(&[b"new"])).first_offset, 0);
    let dirs = |broker: &Broker| Disk::real().list(broker.dir.path()).unwrap().iter().filter(|one| one.is_dir).count();
    assert_eq!(dirs(&broker), 2);
    assert_eq!(read.slice.read_to_bytes().unwrap().len(), read.slice.len);
    drop(old);

    broker.restart();
    broker.manager().delete_scheduled(NOW).unwrap();
    assert_eq!(dirs(&broker), 1, "what was being deleted goes with the next start");
    assert_eq!(broker.log().log_end_offset(), 1);
}

#[test]
fn checkpoints_and_the_clean_marker_are_written_and_the_marker_is_used_up() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, batch(&[b"a", b"b", b"c"]));
    log.update_high_watermark(2);
    log.increment_log_start_offset(1).unwrap();
    drop(log);
    broker.manager().shutdown_clean();
    let text = |name: &str| fs::read_to_string(broker.dir.path().join(name)).unwrap();
    assert_eq!(text(names::RECOVERY_POINT_CHECKPOINT), "0\n1\nt 0 3\n");
    assert_eq!(text(names::HIGH_WATERMARK_CHECKPOINT), "0\n1\nt 0 2\n");
    assert_eq!(text(names::LOG_START_CHECKPOINT), "0\n1\nt 0 1\n");
    assert_eq!(text(names::CLEAN_SHUTDOWN_FILE), r#"{"version":0,"brokerEpoch":-1}"#);
    broker.kill();
    broker.start();
    assert!(!broker.dir.path().join(names::CLEAN_SHUTDOWN_FILE).exists());
    let offsets = broker.log().offsets();
    assert_eq!((offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset), (1, 2, 3));
}

#[test]
fn a_clean_start_reads_no_segment_but_the_end_of_the_last() {
    let mut broker = Broker::new(LogConfig { segment_bytes: 300, ..LogConfig::for_tests() });
    let log = broker.log();
    for _ in 0..30 {
        append(&log, batch(&[b"0123456789"]));
    }
    drop(log);
    broker.manager().shutdown_clean();
    broker.kill();
    let first = broker.log_dir().join("00000000000000000000.log");
    let len = fs::metadata(&first).unwrap().len();
    fs::write(&first, vec![0xee; len as usize]).unwrap();
    broker.start();
    assert_eq!(broker.log().log_end_offset(), 30);
    assert!(matches!(broker.log().read(0, 100, true, 30), Err(crate::ReadError::Corrupt { .. })));
    assert!(broker.manager().failed_dirs().is_empty(), "damage in a segment is not the directory's failure");
}

#[test]
fn a_failed_operation_takes_the_whole_directory_out_of_use() {
    let dirs = two_dirs();
    let told = Arc::new(Mutex::new(Vec::new()));
    let callback: FailureCallback = {
        let told = Arc::clone(&told);
        Arc::new(move |dir: &Path| told.lock().unwrap().push(dir.to_owned()))
    };
    let settings = LogManagerConfig {
        log_dirs: dirs.iter().map(|dir| dir.path().to_owned()).collect(),
        on_dir_failure: Some(callback),
        ..LogManagerConfig::from_broker(&BrokerConfig::for_tests(), NOW)
    };
    let manager = LogManager::open(settings, &|_| LogConfig::for_tests()).unwrap();
    let (broken, sound) = (create(&manager, 0), create(&manager, 1));
    append(&broken, batch(&[b"a"]));
    fs::remove_dir_all(broken.path()).unwrap();
    assert!(broken.set_topic_id("Yo3Nyt7LQn6QBlkFqkTDLQ".parse().unwrap()).is_err());
    assert_eq!(manager.failed_dirs(), [broken.parent_dir()]);
    assert_eq!(*told.lock().unwrap(), [broken.parent_dir()]);
    assert!(broken.append_as_follower(batch(&[b"late"]), NOW).is_err());
    append(&sound, batch(&[b"b"]));
    assert_eq!(manager.all().len(), 1);

    let other = TopicPartition::new("t", 2);
    let refused = manager.get_or_create(&other, None, LogConfig::for_tests(), false);
    assert!(matches!(refused, Err(Error::MayBeOffline(_))));
    let log = manager.get_or_create(&other, None, LogConfig::for_tests(), true).unwrap();
    assert_eq!(log.parent_dir(), sound.parent_dir());
    assert_eq!(manager.remove_failed(broken.parent_dir()), [TopicPartition::new("t", 0)]);
    manager.shutdown_clean();
    assert!(!broken.parent_dir().join(names::CLEAN_SHUTDOWN_FILE).exists());
    assert!(sound.parent_dir().join(names::CLEAN_SHUTDOWN_FILE).exists());
}

#[test]
fn a_damaged_high_watermark_checkpoint_takes_its_directory_out_of_use() {
    let dirs = two_dirs();
    fs::write(dirs[0].path().join(names::HIGH_WATERMARK_CHECKPOINT), b"rubbish").unwrap();
    fs::write(dirs[1].path().join(names::RECOVERY_POINT_CHECKPOINT), b"rubbish").unwrap();
    let manager = open_two(&dirs);
    assert_eq!(manager.failed_dirs(), [dirs[0].path()]);
}

#[test]
fn without_any_directory_the_broker_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(names::HIGH_WATERMARK_CHECKPOINT), b"rubbish").unwrap();
    assert!(matches!(open(&[dir.path()], &LogConfig::for_tests()), Err(Error::AllLogDirsFailed)));
}

#[test]
fn a_topic_id_is_given_once() {
    let mut broker = Broker::new(LogConfig::for_tests());
    let id: TopicId = "Yo3Nyt7LQn6QBlkFqkTDLQ".parse().unwrap();
    let config = broker.config.clone();
    broker.manager().get_or_create(&partition(), Some(id), config.clone(), true).unwrap();
    broker.restart();
    assert_eq!(broker.log().topic_id(), Some(id));
    let other: TopicId = "vPeOCWypqUOSepEvx0cbog".parse().unwrap();
    let refused = broker.manager().get_or_create(&partition(), Some(other), config, false);
    assert!(matches!(refused, Err(Error::InconsistentTopicId { .. })));
}

#[test]
fn a_new_configuration_counts_from_the_next_append() {
    let broker = Broker::new(LogConfig::for_tests());
    let log = broker.log();
    append(&log, batch(&[b"a"]));
    broker.manager().update_config("t", LogConfig { segment_bytes: 100, ..LogConfig::for_tests() });
    append(&log, batch(&[b"b"]));
    assert_eq!(log.segment_count(), 2);
}

#[test]
fn a_log_directory_that_cannot_be_written_is_out_of_use_from_the_start() {
    let dirs = two_dirs();
    let file = dirs[0].path().join("file");
    fs::write(&file, b"").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let manager = open(&[&file.join("below"), dirs[1].path()], &LogConfig::for_tests()).unwrap();
    assert_eq!(manager.failed_dirs(), [file.join("below")]);
}
