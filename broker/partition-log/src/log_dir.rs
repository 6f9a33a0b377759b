//! One entry of `log.dirs` while the broker runs: its path, its disk, whether it has failed.
//! The first failed operation takes the whole directory out of use, for nobody knows what else is wrong there.
//! Source: `LogDirFailureChannel`, `LocalLog.maybeHandleIOException` in Kafka 3.9.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use zk_schema::types::TopicPartition;

use crate::checkpoints;
use crate::disk::Disk;
use crate::error::StorageError;
use crate::names;

/// Called once for each log directory that fails, with its path. Must not call back into logs of that directory.
pub type FailureCallback = Arc<dyn Fn(&Path) + Send + Sync>;

/// A log directory. Logs hold it to say that it failed; the manager, to ask.
pub struct LogDir {
    path: PathBuf,
    disk: Disk,
    failed: AtomicBool,
    on_failure: Option<FailureCallback>,
    /// Recovery points of the logs in it, shared with them.
    recovery_points: Mutex<RecoveryPoints>,
}

type RecoveryPoints = BTreeMap<TopicPartition, Arc<AtomicI64>>;

impl LogDir {
    /// A directory in use.
    #[must_use]
    pub fn new(path: PathBuf, disk: Disk, on_failure: Option<FailureCallback>) -> Self {
        Self { path, disk, failed: AtomicBool::new(false), on_failure, recovery_points: Mutex::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How to reach it.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Whether an operation on it has failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Runs a disk operation unless the directory has failed already; its failure takes the directory out of use.
    pub(crate) fn guard<T>(&self, doing: &str, operation: impl FnOnce() -> io::Result<T>) -> Result<T, StorageError> {
        self.check(doing)?;
        operation().map_err(|source| self.fail(doing, source))
    }

    /// Refuses if the directory has failed.
    pub(crate) fn check(&self, doing: &str) -> Result<(), StorageError> {
        if self.is_failed() {
            let source = io::Error::other("the log directory is already offline");
            return Err(StorageError { dir: self.path.clone(), doing: doing.to_owned(), source });
        }
        Ok(())
    }

    fn recovery_points(&self) -> MutexGuard<'_, RecoveryPoints> {
        self.recovery_points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log lies here now, and is known to be on disk up to the recovery point given.
    pub(crate) fn register(&self, partition: &TopicPartition, recovery_point: &Arc<AtomicI64>) {
        self.recovery_points().insert(partition.clone(), Arc::clone(recovery_point));
    }

    /// The log no longer lies here.
    pub(crate) fn unregister(&self, partition: &TopicPartition) {
        self.recovery_points().remove(partition);
    }

    /// How many logs lie here.
    pub(crate) fn log_count(&self) -> usize {
        self.recovery_points().len()
    }

    /// Writes down how far each log here is known to be on disk. Besides every minute this must be done when a
    /// recovery point goes back: what a truncated log is given next would otherwise be trusted after a crash.
    pub(crate) fn checkpoint_recovery_points(&self) -> Result<(), StorageError> {
        let recovery_points = self.recovery_points();
        let offsets = recovery_points.iter().map(|(partition, offset)| (partition, offset.load(Ordering::Acquire)));
        let path = self.path.join(names::RECOVERY_POINT_CHECKPOINT);
        self.guard("write recovery point checkpoint", || checkpoints::write_offsets(&self.disk, &path, offsets))
    }

    /// Takes the directory out of use.
    pub(crate) fn fail(&self, doing: &str, source: io::Error) -> StorageError {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(dir = %self.path.display(), doing, error = %source, "log directory failed and is out of use");
            if let Some(callback) = &self.on_failure {
                callback(&self.path);
            }
        }
        StorageError { dir: self.path.clone(), doing: doing.to_owned(), source }
    }
}

impl std::fmt::Debug for LogDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogDir").field("path", &self.path).field("failed", &self.is_failed()).finish_non_exhaustive()
    }
}

/// Path of one log's directory, which changes when the log is set aside for deletion. Shared by all its segments.
#[derive(Clone, Debug)]
pub(crate) struct LogPath {
    path: Arc<RwLock<PathBuf>>,
}

impl LogPath {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(RwLock::new(path)) }
    }

    pub(crate) fn get(&self) -> PathBuf {
        self.path.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.read().unwrap_or_else(PoisonError::into_inner).join(name)
    }

    pub(crate) fn set(&self, path: PathBuf) {
        *self.path.write().unwrap_or_else(PoisonError::into_inner) = path;
    }
}
