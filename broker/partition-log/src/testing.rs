//! The vocabulary of this crate's tests: a directory, a manager over it, batches to append.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use record::{BatchBuilder, BatchOptions};
use tempfile::TempDir;
use zk_schema::types::{LeaderEpoch, Offset, TopicPartition};

use crate::{AppendContext, AppendInfo, Disk, Log, LogConfig, LogManager, LogManagerConfig};

pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) struct Broker {
    pub dir: TempDir,
    pub config: LogConfig,
    pub manager: Option<LogManager>,
}

impl Broker {
    pub fn new(config: LogConfig) -> Self {
        let mut broker = Self { dir: temporary_dir(), config, manager: None };
        broker.start();
        broker
    }

    pub fn start(&mut self) {
        self.manager = Some(open(&[self.dir.path()], &self.config).unwrap());
    }

    pub fn manager(&self) -> &LogManager {
        self.manager.as_ref().unwrap()
    }

    pub fn log(&self) -> Arc<Log> {
        self.manager().get_or_create(&partition(), None, self.config.clone(), true).unwrap()
    }

    /// Stops politely and starts again.
    pub fn restart(&mut self) {
        self.manager().shutdown_clean();
        self.manager = None;
        self.start();
    }

    /// Ends as `kill -9` would: nothing more is written.
    pub fn kill(&mut self) {
        self.manager = None;
    }

    pub fn log_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("t-0")
    }

    pub fn files(&self) -> Vec<String> {
        Disk::real().list(&self.log_dir()).unwrap().into_iter().map(|entry| entry.name).collect()
    }
}

/// In memory where there is such a place: a sync costs nothing there.
fn temporary_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn open(dirs: &[&Path], config: &LogConfig) -> Result<LogManager, crate::Error> {
    let settings = LogManagerConfig {
        log_dirs: dirs.iter().map(|dir| (*dir).to_owned()).collect(),
        recovery_threads_per_dir: 2,
        producer_id_expiration_ms: 86_400_000,
        transaction_max_timeout_ms: 900_000,
        transaction_verification: false,
        keeps_topic_ids: true,
        is_zstd_allowed: true,
        disk: Disk::real(),
        on_dir_failure: None,
        now_ms: NOW,
    };
    LogManager::open(settings, &|_| config.clone())
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// A batch of `values`, all with one timestamp.
pub(crate) fn batch_at(timestamp: i64, values: &[&[u8]]) -> Bytes {
    batch_with(BatchOptions::default(), timestamp, values)
}

pub(crate) fn batch(values: &[&[u8]]) -> Bytes {
    batch_at(NOW, values)
}

pub(crate) fn batch_with(options: BatchOptions, timestamp: i64, values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(timestamp, None, Some(value), &[]).unwrap();
    }
    builder.build().unwrap()
}

pub(crate) fn append(log: &Log, records: Bytes) -> AppendInfo {
    log.append_as_leader(records, LeaderEpoch(0), &AppendContext::client(NOW, 9)).unwrap()
}

/// Offsets and values of everything from `from` to the log end.
pub(crate) fn contents(log: &Log, from: Offset) -> Vec<(Offset, Bytes)> {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < log.log_end_offset() {
        let read = log.read(offset, 700, true, log.log_end_offset()).unwrap();
        if read.slice.is_empty() {
            break;
        }
        for batch in record::batches(read.slice.read_to_bytes().unwrap()) {
            let batch = batch.unwrap();
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                if from <= record.offset {
                    found.push((record.offset, record.value.unwrap_or_default()));
                }
            }
            offset = batch.next_offset();
        }
    }
    found
}
