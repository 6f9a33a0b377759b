//! All logs of this broker, in all its log directories: finding, creating, deleting them, and their checkpoints.
//! Periodic work is a plain method each; the broker's timers call them. Starts no threads of its own but those that
//! load logs at start, and close them at the end.
//! Source: `LogManager` in Kafka 3.9.

mod load;
mod shutdown;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use config::BrokerConfig;
use uuid::Uuid;
use zk_schema::types::{Offset, TopicId, TopicPartition};

use crate::checkpoints;
use crate::deletions::Deletions;
use crate::disk::{DirLock, Disk};
use crate::error::{Error, StorageError};
use crate::log::{Log, Place, Settings};
use crate::log_config::LogConfig;
use crate::log_dir::{FailureCallback, LogDir, LogPath};
use crate::names;
use crate::recovery;

/// What a manager is started with.
pub struct LogManagerConfig {
    /// `log.dirs`, less those already known to be unusable.
    pub log_dirs: Vec<PathBuf>,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout_ms: i64,
    /// `transaction.partition.verification.enable`.
    pub transaction_verification: bool,
    /// Whether topic ids are kept (inter-broker protocol 2.8 and later).
    pub keeps_topic_ids: bool,
    /// Whether zstd may be stored (inter-broker protocol 2.1 and later).
    pub is_zstd_allowed: bool,
    /// The file system.
    pub disk: Disk,
    /// Told once of each log directory that fails.
    pub on_dir_failure: Option<FailureCallback>,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

impl LogManagerConfig {
    /// What a broker's configuration says.
    #[must_use]
    pub fn from_broker(broker: &BrokerConfig, now_ms: i64) -> Self {
        let ibp = broker.ibp();
        Self {
            log_dirs: broker.log_dirs(),
            recovery_threads_per_dir: usize::try_from(broker.num_recovery_threads_per_data_dir).unwrap_or(1),
            producer_id_expiration_ms: i64::from(broker.producer_id_expiration_ms),
            transaction_max_timeout_ms: i64::from(broker.transaction_max_timeout_ms),
            transaction_verification: broker.transaction_partition_verification_enable,
            keeps_topic_ids: ibp.has_topic_ids(),
            is_zstd_allowed: ibp.at_least(config::MetadataVersion::IBP_2_1_IV0),
            disk: Disk::real(),
            on_dir_failure: None,
            now_ms,
        }
    }
}

/// Gives the settings of a topic's logs, by topic name. Asked while loading.
pub type ConfigSource<'a> = dyn Fn(&str) -> LogConfig + Sync + 'a;

/// All logs of this broker.
pub struct LogManager {
    dirs: Vec<Dir>,
    settings: Arc<Settings>,
    deletions: Arc<Deletions>,
    logs: RwLock<HashMap<TopicPartition, Arc<Log>>>,
    /// High watermarks found on disk, for logs the broker has not been told of yet.
    creating: Mutex<()>,
}

/// One entry of `log.dirs`.
struct Dir {
    log_dir: Arc<LogDir>,
    checkpoint: Mutex<()>,
    /// Held for the life of the manager.
    lock: Mutex<Option<DirLock>>,
    /// Every log in it was loaded: only then may it be marked clean.
    is_loaded: AtomicBool,
}

impl LogManager {
    /// Locks the directories, loads every log in them, deletes what was being deleted.
    ///
    /// A directory that cannot be read is out of use from the start; see [`LogManager::failed_dirs`].
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::UnknownDirectory`], [`Error::DuplicateLog`] and [`Error::AllLogDirsFailed`]: the
    /// broker must not start.
    pub fn open(config: LogManagerConfig, topic_config: &ConfigSource<'_>) -> Result<Self, Error> {
        let manager = Self {
            dirs: lock_dirs(&config)?,
            settings: Arc::new(Settings {
                producer_id_expiration_ms: AtomicI64::new(config.producer_id_expiration_ms),
                transaction_max_timeout_ms: AtomicI64::new(config.transaction_max_timeout_ms),
                transaction_verification: AtomicBool::new(config.transaction_verification),
                keeps_topic_ids: config.keeps_topic_ids,
                is_zstd_allowed: config.is_zstd_allowed,
            }),
            deletions: Arc::default(),
            logs: RwLock::default(),
            creating: Mutex::default(),
        };
        load::load_all(&manager, &config, topic_config)?;
        if manager.live_dirs().next().is_none() {
            return Err(Error::AllLogDirsFailed);
        }
        Ok(manager)
    }

    /// What all logs have in common; some of it may be changed while they are in use.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The log of a partition, if it lies here.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(partition).cloned()
    }

    /// All logs, in order of topic and partition, except those on failed directories.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = logs.values().filter(|log| !log.log_dir().is_failed()).cloned().collect();
        all.sort_by(|a, b| a.partition().cmp(b.partition()));
        all
    }

    fn live_dirs(&self) -> impl Iterator<Item = &Dir> {
        self.dirs.iter().filter(|dir| !dir.log_dir.is_failed())
    }

    /// Log directories in use.
    #[must_use]
    pub fn live_log_dirs(&self) -> Vec<Arc<LogDir>> {
        self.live_dirs().map(|dir| Arc::clone(&dir.log_dir)).collect()
    }

    /// Log directories out of use since a failed operation.
    #[must_use]
    pub fn failed_dirs(&self) -> Vec<PathBuf> {
        let failed = self.dirs.iter().filter(|dir| dir.log_dir.is_failed());
        failed.map(|dir| dir.log_dir.path().to_owned()).collect()
    }

    /// The log of a partition, created on the log directory with the fewest logs if there is none.
    /// `is_new` says that the controller knows the partition cannot lie on a directory that is offline.
    ///
    /// # Errors
    /// [`Error::MayBeOffline`], [`Error::NoLogDir`], [`Error::InconsistentTopicId`] or the disk's.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        topic_id: Option<TopicId>,
        config: impl Into<LogConfig>,
        is_new: bool,
    ) -> Result<Arc<Log>, Error> {
        let log = match self.get(partition) {
            Some(log) => log,
            None => {
                let _creating = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
                match self.get(partition) {
                    Some(log) => log,
                    None => self.create(partition, config.into(), is_new)?,
                }
            }
        };
        log.log_dir().check("use log")?;
        if let Some(id) = topic_id.filter(|id| id.is_known()) {
            log.set_topic_id(id)?;
        }
        Ok(log)
    }

    fn create(&self, partition: &TopicPartition, config: LogConfig, is_new: bool) -> Result<Arc<Log>, Error> {
        if !is_new && self.dirs.iter().any(|dir| dir.log_dir.is_failed()) {
            return Err(Error::MayBeOffline(partition.clone()));
        }
        let mut last_error = Error::NoLogDir(partition.clone());
        for log_dir in self.emptiest_first() {
            match self.create_in(&log_dir, partition, &config) {
                Ok(log) => return Ok(log),
                Err(error) => last_error = error.into(),
            }
        }
        Err(last_error)
    }

    fn emptiest_first(&self) -> Vec<Arc<LogDir>> {
        let mut dirs = self.live_log_dirs();
        dirs.sort_by_key(|dir| dir.log_count());
        dirs
    }

    fn create_in(
        &self,
        log_dir: &Arc<LogDir>,
        partition: &TopicPartition,
        config: &LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let path = log_dir.path().join(names::dir_name(partition));
        log_dir.guard("create log", || log_dir.disk().create_dir_all(&path))?;
        let place = self.place(partition, log_dir, path.clone());
        let start = recovery::Start { was_clean: true, recovery_point: 0, log_start_offset: 0, now_ms: 0 };
        let loaded = recovery::load(&place, config, start).map_err(|error| {
            let source = match error {
                recovery::LoadError::Io(error) => error,
                recovery::LoadError::Corrupt { source, .. } => io::Error::new(io::ErrorKind::InvalidData, source),
            };
            log_dir.fail("create log", source)
        })?;
        let log = Arc::new(Log::new(place, config.clone(), loaded));
        self.logs_mut().insert(partition.clone(), Arc::clone(&log));
        tracing::info!(%partition, dir = %log_dir.path().display(), "created a log");
        Ok(log)
    }

    fn logs_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<TopicPartition, Arc<Log>>> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, partition: &TopicPartition, log_dir: &Arc<LogDir>, path: PathBuf) -> Place {
        Place {
            partition: partition.clone(),
            log_dir: Arc::clone(log_dir),
            path: LogPath::new(path),
            settings: Arc::clone(&self.settings),
            deletions: Arc::clone(&self.deletions),
        }
    }

    /// Takes a log out of use; its files go `file.delete.delay.ms` later. Says whether there was one.
    ///
    /// # Errors
    /// The log directory has failed; the log is out of use all the same.
    pub fn delete(&self, partition: &TopicPartition) -> Result<bool, StorageError> {
        let _creating = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = self.logs_mut().remove(partition) else { return Ok(false) };
        let name = names::delete_dir_name(partition, Uuid::new_v4());
        let path = log.set_aside_whole(log.parent_dir().join(name))?;
        self.deletions.directory(log.log_dir(), path, log.config().file_delete_delay_ms);
        if let Some(dir) = self.dirs.iter().find(|dir| Arc::ptr_eq(&dir.log_dir, log.log_dir())) {
            dir.log_dir.checkpoint_recovery_points()?;
            self.checkpoint_log_start_offsets_of(dir)?;
        }
        tracing::info!(%partition, "log is out of use and waits to be deleted");
        Ok(true)
    }

    /// Gives all logs of a topic new settings.
    pub fn update_config(&self, topic: &str, config: impl Into<LogConfig>) {
        let config = config.into();
        let logs = self.all();
        for log in logs.iter().filter(|log| log.partition().topic.as_str() == topic) {
            log.update_config(config.clone());
        }
    }

    /// Forgets the logs of a directory that has failed, and gives their partitions. The broker calls this once it has
    /// taken them out of service.
    pub fn remove_failed(&self, dir: &Path) -> Vec<TopicPartition> {
        let mut logs = self.logs_mut();
        let failed: Vec<_> =
            logs.values().filter(|log| log.parent_dir() == dir).map(|log| log.partition().clone()).collect();
        for partition in &failed {
            logs.remove(partition);
        }
        failed
    }

    /// Writes down how far each log is known to be on disk. Every minute.
    ///
    /// # Errors
    /// The last directory's that failed.
    pub fn checkpoint_recovery_points(&self) -> Result<(), StorageError> {
        self.each_live_dir(|dir| {
            self.logs_in(dir).iter().try_for_each(|log| log.checkpoint_epochs())?;
            dir.log_dir.checkpoint_recovery_points()
        })
    }

    /// Writes down every high watermark. Every five seconds.
    ///
    /// # Errors
    /// The last directory's that failed.
    pub fn checkpoint_high_watermarks(&self) -> Result<(), StorageError> {
        self.each_live_dir(|dir| {
            self.write_checkpoint(dir, names::HIGH_WATERMARK_CHECKPOINT, |log| Some(log.high_watermark()))
        })
    }

    /// Writes down the log start offsets that lie inside a segment. Every minute.
    ///
    /// # Errors
    /// The last directory's that failed.
    pub fn checkpoint_log_start_offsets(&self) -> Result<(), StorageError> {
        self.each_live_dir(|dir| self.checkpoint_log_start_offsets_of(dir))
    }

    fn checkpoint_log_start_offsets_of(&self, dir: &Dir) -> Result<(), StorageError> {
        self.write_checkpoint(dir, names::LOG_START_CHECKPOINT, |log| {
            let log_start_offset = log.log_start_offset();
            (log.first_segment_base_offset() < log_start_offset).then_some(log_start_offset)
        })
    }

    fn write_checkpoint(
        &self,
        dir: &Dir,
        name: &str,
        offset_of: impl Fn(&Log) -> Option<Offset>,
    ) -> Result<(), StorageError> {
        let _one_at_a_time = dir.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = self.logs_in(dir);
        let offsets: Vec<_> =
            logs.iter().filter_map(|log| offset_of(log).map(|offset| (log.partition(), offset))).collect();
        let path = dir.log_dir.path().join(name);
        dir.log_dir
            .guard("write checkpoint", || checkpoints::write_offsets(dir.log_dir.disk(), &path, offsets.into_iter()))
    }

    fn logs_in(&self, dir: &Dir) -> Vec<Arc<Log>> {
        self.all().into_iter().filter(|log| Arc::ptr_eq(log.log_dir(), &dir.log_dir)).collect()
    }

    fn each_live_dir(&self, work: impl Fn(&Dir) -> Result<(), StorageError>) -> Result<(), StorageError> {
        let mut result = Ok(());
        for dir in self.live_dirs() {
            result = result.and(work(dir));
        }
        result
    }

    /// Takes old segments of all logs out of use. Every five minutes. Gives how many; a log that cannot be looked at is
    /// left for the next time.
    pub fn run_retention(&self, now_ms: i64) -> usize {
        let mut deleted = 0;
        for log in self.all() {
            match log.delete_old_segments(now_ms) {
                Ok(count) => deleted += count,
                Err(error) => tracing::warn!(partition = %log.partition(), %error, "retention"),
            }
        }
        deleted
    }

    /// Deletes the files whose delay has passed. Every few seconds, on a disk thread.
    ///
    /// # Errors
    /// The log directory's that failed.
    pub fn delete_scheduled(&self, now_ms: i64) -> Result<(), StorageError> {
        self.deletions.run(now_ms)
    }

    /// Flushes logs whose `flush.ms` has passed, and segments that were rolled. Every few seconds, on a disk thread.
    pub fn flush_due(&self, now_ms: i64) {
        for log in self.all() {
            // A failure has taken the log directory out of use and was logged there.
            let _ = log.flush_if_due(now_ms);
        }
    }

    /// Forgets producers that have been silent too long. Every ten minutes.
    pub fn remove_expired_producers(&self, now_ms: i64) {
        for log in self.all() {
            log.remove_expired_producers(now_ms);
        }
    }

    fn held_locks(dir: &Dir) -> MutexGuard<'_, Option<DirLock>> {
        dir.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock_dirs(config: &LogManagerConfig) -> Result<Vec<Dir>, Error> {
    let mut dirs = Vec::new();
    for path in &config.log_dirs {
        let log_dir = Arc::new(LogDir::new(path.clone(), config.disk.clone(), config.on_dir_failure.clone()));
        let locked = log_dir.disk().create_dir_all(path).and_then(|()| log_dir.disk().lock_dir(path));
        let lock = match locked {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Error::Locked(path.clone())),
            Err(error) => {
                log_dir.fail("lock log directory", error);
                None
            }
        };
        dirs.push(Dir {
            log_dir,
            checkpoint: Mutex::default(),
            lock: Mutex::new(lock),
            is_loaded: AtomicBool::new(false),
        });
    }
    Ok(dirs)
}

impl std::fmt::Debug for LogManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogManager").field("failed_dirs", &self.failed_dirs()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
