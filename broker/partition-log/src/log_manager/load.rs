//! Loading every log at start, several at a time per directory, and saying how far it has come.
//! Source: `LogManager.loadLogs` in Kafka 3.9.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use zk_schema::types::{Offset, TopicPartition};

use super::{ConfigSource, Dir, LogManager, LogManagerConfig};
use crate::checkpoints;
use crate::error::Error;
use crate::log::Log;
use crate::log_dir::LogDir;
use crate::names::{self, DirKind};
use crate::recovery::{self, LoadError, Start};

/// One directory's logs, and what its checkpoints say of them.
struct Job<'a> {
    manager: &'a LogManager,
    dir: &'a Dir,
    found: Vec<(TopicPartition, PathBuf)>,
    was_clean: bool,
    recovery_points: BTreeMap<TopicPartition, Offset>,
    log_starts: BTreeMap<TopicPartition, Offset>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
    next: AtomicUsize,
    done: AtomicUsize,
    /// What keeps the broker from starting.
    fatal: &'a Mutex<Option<Error>>,
    now_ms: i64,
}

pub(super) fn load_all(
    manager: &LogManager,
    config: &LogManagerConfig,
    topic_config: &ConfigSource<'_>,
) -> Result<(), Error> {
    let fatal = Mutex::new(None);
    let mut jobs = Vec::new();
    for dir in manager.live_dirs() {
        jobs.extend(prepare(manager, dir, config.now_ms, &fatal)?);
    }
    thread::scope(|scope| {
        for job in &jobs {
            for _ in 0..config.recovery_threads_per_dir.clamp(1, job.found.len().max(1)) {
                scope.spawn(|| job.run(topic_config));
            }
        }
    });
    for job in &jobs {
        job.dir.is_loaded.store(!job.dir.log_dir.is_failed(), Ordering::Release);
    }
    fatal.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Reads a directory's names and checkpoints; `None` if it cannot be read and is now out of use.
fn prepare<'a>(
    manager: &'a LogManager,
    dir: &'a Dir,
    now_ms: i64,
    fatal: &'a Mutex<Option<Error>>,
) -> Result<Option<Job<'a>>, Error> {
    let log_dir = &dir.log_dir;
    let (disk, path) = (log_dir.disk(), log_dir.path());
    let Ok(entries) = log_dir.guard("list log directory", || disk.list(path)) else { return Ok(None) };
    let mut found = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.is_dir && !entry.name.starts_with('.')) {
        let log_path = path.join(&entry.name);
        match names::parse_dir_name(&entry.name) {
            Some((partition, DirKind::Current)) => found.push((partition, log_path)),
            Some((_, DirKind::Delete)) => manager.deletions.directory(log_dir, log_path, 0),
            Some((partition, kind @ (DirKind::Future | DirKind::Stray))) => {
                tracing::warn!(%partition, ?kind, dir = %log_path.display(), "leaving a log alone that is not in use");
            }
            None => return Err(Error::UnknownDirectory(log_path)),
        }
    }
    let clean_marker = path.join(names::CLEAN_SHUTDOWN_FILE);
    let was_clean = log_dir.guard("look for clean shutdown", || {
        let was_clean = disk.remove_if_exists(&clean_marker)?;
        if was_clean {
            // A marker that came back after a power failure would vouch for what is written from now on.
            disk.sync_dir(path)?;
        }
        Ok(was_clean)
    });
    let high_watermarks = log_dir.guard("read high watermarks", || {
        checkpoints::read_offsets(disk, &path.join(names::HIGH_WATERMARK_CHECKPOINT))
    });
    let (Ok(was_clean), Ok(high_watermarks)) = (was_clean, high_watermarks) else { return Ok(None) };
    tracing::info!(dir = %path.display(), logs = found.len(), was_clean, "loading logs");
    Ok(Some(Job {
        manager,
        dir,
        found,
        was_clean,
        recovery_points: read_or_reset(log_dir, names::RECOVERY_POINT_CHECKPOINT),
        log_starts: read_or_reset(log_dir, names::LOG_START_CHECKPOINT),
        high_watermarks,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        fatal,
        now_ms,
    }))
}

/// Losing these checkpoints costs time, or brings deleted records back; neither is worth losing a directory for.
fn read_or_reset(log_dir: &LogDir, name: &str) -> BTreeMap<TopicPartition, Offset> {
    checkpoints::read_offsets(log_dir.disk(), &log_dir.path().join(name)).unwrap_or_else(|error| {
        tracing::warn!(dir = %log_dir.path().display(), name, %error, "checkpoint cannot be read, going on without it");
        BTreeMap::new()
    })
}

impl Job<'_> {
    /// What each thread does: takes the next log until there is none.
    fn run(&self, topic_config: &ConfigSource<'_>) {
        while let Some((partition, path)) = self.found.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.dir.log_dir.is_failed() || self.fatal().is_some() {
                return;
            }
            self.load_one(partition, path.clone(), topic_config);
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            if !self.was_clean || done.is_multiple_of(1000) || done == self.found.len() {
                tracing::info!(dir = %self.dir.log_dir.path().display(), done, of = self.found.len(), "loaded logs");
            }
        }
    }

    fn fatal(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_one(&self, partition: &TopicPartition, path: PathBuf, topic_config: &ConfigSource<'_>) {
        let log_dir = &self.dir.log_dir;
        let config = topic_config(partition.topic.as_str());
        let place = self.manager.place(partition, log_dir, path);
        let start = Start {
            was_clean: self.was_clean,
            recovery_point: self.recovery_points.get(partition).copied().unwrap_or(0),
            log_start_offset: self.log_starts.get(partition).copied().unwrap_or(0),
            now_ms: self.now_ms,
        };
        let loaded = match recovery::load(&place, &config, start) {
            Ok(loaded) => loaded,
            Err(error) => {
                log_dir.fail(&format!("load {partition}"), into_io(error));
                return;
            }
        };
        let log = Arc::new(Log::new(place, config, loaded));
        if let Some(high_watermark) = self.high_watermarks.get(partition) {
            log.restore_high_watermark(*high_watermark);
        }
        let path = log.path();
        if let Some(other) = self.manager.logs_mut().insert(partition.clone(), log) {
            let error = Error::DuplicateLog { partition: partition.clone(), first: other.path(), second: path };
            self.fatal().get_or_insert(error);
        }
    }
}

fn into_io(error: LoadError) -> io::Error {
    match error {
        LoadError::Io(error) => error,
        LoadError::Corrupt { segment, position, source } => io::Error::new(
            io::ErrorKind::InvalidData,
            format!("segment {segment} is corrupt at position {position} below the recovery point: {source}"),
        ),
    }
}
