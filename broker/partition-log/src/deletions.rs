//! Files and directories taken out of use, until their time has come to be deleted.
//! Readers that still hold them are not disturbed. Knows no clock: the delay counts from the first time the manager
//! looks, and what is left when the broker stops is found again by its suffix.
//! Source: `LocalLog.deleteSegmentFiles`, `LogManager.deleteLogs` in Kafka 3.9.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StorageError;
use crate::log_dir::{LogDir, LogPath};

#[derive(Debug)]
enum Target {
    /// Files of a log, by name, for the log's directory may be renamed meanwhile.
    Files(LogPath, Vec<String>),
    /// A log's whole directory.
    Directory(PathBuf),
}

#[derive(Debug)]
struct Scheduled {
    log_dir: Arc<LogDir>,
    target: Target,
    delay_ms: i64,
    due_ms: Option<i64>,
}

/// What waits for deletion, of all logs.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    scheduled: Mutex<Vec<Scheduled>>,
}

impl Deletions {
    pub(crate) fn files(&self, log_dir: &Arc<LogDir>, path: &LogPath, names: Vec<String>, delay_ms: i64) {
        if !names.is_empty() {
            self.push(log_dir, Target::Files(path.clone(), names), delay_ms);
        }
    }

    pub(crate) fn directory(&self, log_dir: &Arc<LogDir>, path: PathBuf, delay_ms: i64) {
        self.push(log_dir, Target::Directory(path), delay_ms);
    }

    fn push(&self, log_dir: &Arc<LogDir>, target: Target, delay_ms: i64) {
        let scheduled = Scheduled { log_dir: Arc::clone(log_dir), target, delay_ms, due_ms: None };
        self.scheduled.lock().unwrap_or_else(PoisonError::into_inner).push(scheduled);
    }

    /// Deletes what is due. A failure takes the log directory out of use and is returned last.
    pub(crate) fn run(&self, now_ms: i64) -> Result<(), StorageError> {
        let due = self.take_due(now_ms);
        let mut result = Ok(());
        for scheduled in due {
            result = result.and(scheduled.delete());
        }
        result
    }

    fn take_due(&self, now_ms: i64) -> Vec<Scheduled> {
        let mut scheduled = self.scheduled.lock().unwrap_or_else(PoisonError::into_inner);
        scheduled.retain(|one| !one.log_dir.is_failed());
        let is_due =
            |one: &mut Scheduled| *one.due_ms.get_or_insert_with(|| now_ms.saturating_add(one.delay_ms)) <= now_ms;
        scheduled.extract_if(.., is_due).collect()
    }
}

impl Scheduled {
    fn delete(&self) -> Result<(), StorageError> {
        self.log_dir.guard("delete files taken out of use", || match &self.target {
            Target::Files(path, names) => names.iter().try_for_each(|name| self.remove(path.join(name))),
            Target::Directory(path) => {
                tracing::info!(dir = %path.display(), "deleting a log");
                self.log_dir.disk().remove_dir_all(path)
            }
        })
    }

    fn remove(&self, path: PathBuf) -> io::Result<()> {
        self.log_dir.disk().remove_if_exists(&path).map(drop)
    }
}
