//! Directories written by a real Kafka 3.9.1: ours must find in them what Java finds, and leave what Java leaves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{BrokerConfig, Texts, TopicConfig};
use partition_log::{AppendContext, Disk, Log, LogConfig, LogManager, LogManagerConfig};
use zk_schema::types::{LeaderEpoch, Offset, ProducerId, TopicPartition};

fn topic_config(topic: &str) -> LogConfig {
    let segment_bytes = if topic == "plain" { "4096" } else { "8192" };
    let texts = [("segment.bytes", segment_bytes), ("segment.index.bytes", "480"), ("index.interval.bytes", "200")];
    let overrides: Texts = texts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    LogConfig::from(&TopicConfig::resolve(&BrokerConfig::for_tests(), &overrides).unwrap())
}

fn open(dir: &Path) -> LogManager {
    let now_ms = 1_795_417_000_000;
    let mut settings = LogManagerConfig::from_broker(&BrokerConfig::for_tests(), now_ms);
    settings.log_dirs = vec![dir.to_owned()];
    settings.producer_id_expiration_ms = i64::MAX / 2;
    LogManager::open(settings, &topic_config).unwrap()
}

fn data(state: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(state)
}

fn copy_of(state: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&data(state), copy.path());
    copy
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn log(manager: &LogManager, topic: &str) -> Arc<Log> {
    manager.get(&TopicPartition::new(topic, 0)).unwrap()
}

fn values(log: &Log, from: Offset) -> Vec<String> {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < log.log_end_offset() {
        let read = log.read(offset, 1000, true, log.log_end_offset()).unwrap();
        for batch in record::batches(read.slice.read_to_bytes().unwrap()) {
            let batch = batch.unwrap();
            offset = batch.next_offset();
            if !batch.is_control() {
                let records = batch.records().unwrap().map(|record| record.unwrap().value.unwrap());
                found.extend(records.map(|value| String::from_utf8(value.to_vec()).unwrap()));
            }
        }
    }
    found
}

fn names(dir: &Path) -> Vec<String> {
    Disk::real().list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn assert_holds_what_java_wrote(manager: &LogManager) {
    let plain = log(manager, "plain");
    let expected: Vec<String> = (1..=400).map(|n| format!("message-{n}")).collect();
    assert_eq!(values(&plain, 0), expected);
    assert_eq!((plain.log_end_offset(), plain.latest_epoch()), (400, Some(LeaderEpoch(0))));
    let text = fs::read_to_string(data("clean/plain-0/partition.metadata")).unwrap();
    assert!(text.ends_with(&plain.topic_id().unwrap().to_string()));

    let txn = log(manager, "txn");
    assert_eq!(txn.log_end_offset(), 253);
    txn.update_high_watermark(253);
    assert_eq!(txn.last_stable_offset(), 252, "the third producer's transaction is open");
    let aborted = txn.aborted_transactions(0, 253).unwrap();
    assert_eq!(aborted.len(), 9);
    assert!(aborted.iter().all(|one| one.first_offset < one.last_offset));
    assert_eq!(txn.active_producers().len(), 3);
    let open = txn.active_producers().into_iter().find(|one| one.current_txn_start_offset.is_some()).unwrap();
    assert_eq!(open.current_txn_start_offset, Some(252));
    assert!(txn.has_ongoing_transaction(ProducerId(open.producer_id.0)));
}

#[test]
fn a_directory_java_closed_is_read_as_it_is() {
    let dir = copy_of("clean");
    let manager = open(dir.path());
    assert_holds_what_java_wrote(&manager);
    assert_eq!(log(&manager, "plain").recovery_point(), 400);
}

#[test]
fn a_directory_java_was_killed_on_is_recovered() {
    let dir = copy_of("killed");
    assert_holds_what_java_wrote(&open(dir.path()));
}

#[test]
fn after_recovery_and_shutdown_every_file_is_byte_for_byte_what_java_leaves() {
    let dir = copy_of("killed");
    open(dir.path()).shutdown_clean();
    for topic in ["plain-0", "txn-0"] {
        let (ours, javas) = (dir.path().join(topic), data("clean").join(topic));
        assert_eq!(names(&ours), names(&javas));
        for name in names(&javas) {
            assert_eq!(fs::read(ours.join(&name)).unwrap(), fs::read(javas.join(&name)).unwrap(), "{topic}/{name}");
        }
    }
    let marker = ".kafka_cleanshutdown";
    assert_eq!(fs::read(dir.path().join(marker)).unwrap(), fs::read(data("clean").join(marker)).unwrap());
    let recovery_points = fs::read_to_string(dir.path().join("recovery-point-offset-checkpoint")).unwrap();
    assert_eq!(recovery_points, "0\n2\nplain 0 400\ntxn 0 253\n");
}

#[test]
fn batches_appended_one_by_one_give_javas_segments_and_indexes() {
    let java = open_copy_and_keep("clean");
    let ours = tempfile::tempdir().unwrap();
    let manager = open(ours.path());
    for topic in ["plain", "txn"] {
        let from = log(&java.1, topic);
        let to =
            manager.get_or_create(&TopicPartition::new(topic, 0), from.topic_id(), topic_config(topic), true).unwrap();
        let mut offset = 0;
        while offset < from.log_end_offset() {
            let read = from.read(offset, 1, true, from.log_end_offset()).unwrap();
            let info = to.append_as_follower(read.slice.read_to_bytes().unwrap(), 0).unwrap();
            to.update_high_watermark(info.log_end_offset);
            offset = info.log_end_offset;
        }
    }
    manager.shutdown_clean();
    for topic in ["plain-0", "txn-0"] {
        let (ours, javas) = (ours.path().join(topic), data("clean").join(topic));
        assert_eq!(names(&ours), names(&javas));
        for name in names(&javas) {
            assert_eq!(fs::read(ours.join(&name)).unwrap(), fs::read(javas.join(&name)).unwrap(), "{topic}/{name}");
        }
    }
}

fn open_copy_and_keep(state: &str) -> (tempfile::TempDir, LogManager) {
    let dir = copy_of(state);
    let manager = open(dir.path());
    (dir, manager)
}

#[test]
fn appending_goes_on_behind_what_java_wrote() {
    let dir = copy_of("clean");
    let manager = open(dir.path());
    let plain = log(&manager, "plain");
    let mut builder = record::BatchBuilder::new(record::BatchOptions::default());
    builder.append(1_795_417_000_000, None, Some(b"ours"), &[]).unwrap();
    let context = AppendContext::client(1_795_417_000_000, 9);
    let info = plain.append_as_leader(builder.build().unwrap(), LeaderEpoch(1), &context).unwrap();
    assert_eq!(info.first_offset, 400);
    manager.shutdown_clean();
    drop((plain, manager));
    let manager = open(dir.path());
    assert!(values(&log(&manager, "plain"), 399).ends_with(&["message-400".to_owned(), "ours".to_owned()]));
    assert_eq!(log(&manager, "plain").end_offset_for_epoch(LeaderEpoch(0)), Some((LeaderEpoch(0), 400)));
}
