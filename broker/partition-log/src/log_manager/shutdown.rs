//! Closing every log at the end, and marking the directories in which that worked.
//! Source: `LogManager.shutdown`, `CleanShutdownFileHandler` in Kafka 3.9.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Dir, LogManager};
use crate::error::StorageError;
use crate::log::Log;
use crate::names;

/// What Java 3.9 writes in ZooKeeper mode; that the file is there is all that counts.
const MARKER: &[u8] = br#"{"version":0,"brokerEpoch":-1}"#;
/// Logs closed at the same time in one directory: their syncs overlap.
const CLOSING_THREADS: usize = 4;

impl LogManager {
    /// Closes every log, writes the checkpoints, and marks each directory in which all went well; then unlocks them.
    /// Logs refuse appends from here on. Whatever fails is logged; the directory is then recovered at the next start.
    pub fn shutdown_clean(&self) {
        for dir in self.live_dirs() {
            match self.close_dir(dir) {
                Ok(()) => tracing::info!(dir = %dir.log_dir.path().display(), "closed all logs"),
                Err(error) => tracing::warn!(%error, "log directory is not marked clean"),
            }
        }
        for dir in &self.dirs {
            Self::held_locks(dir).take();
        }
    }

    fn close_dir(&self, dir: &Dir) -> Result<(), StorageError> {
        let all_closed = close_logs(&self.logs_in(dir));
        dir.log_dir.checkpoint_recovery_points()?;
        self.checkpoint_log_start_offsets_of(dir)?;
        self.write_checkpoint(dir, names::HIGH_WATERMARK_CHECKPOINT, |log| Some(log.high_watermark()))?;
        if all_closed && dir.is_loaded.load(Ordering::Acquire) {
            let path = dir.log_dir.path().join(names::CLEAN_SHUTDOWN_FILE);
            dir.log_dir.guard("mark clean shutdown", || dir.log_dir.disk().write_atomically(&path, MARKER))?;
        }
        Ok(())
    }
}

fn close_logs(logs: &[Arc<Log>]) -> bool {
    let (next, all_closed) = (AtomicUsize::new(0), AtomicBool::new(true));
    thread::scope(|scope| {
        for _ in 0..CLOSING_THREADS.min(logs.len()) {
            scope.spawn(|| {
                while let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if log.close().is_err() {
                        all_closed.store(false, Ordering::Release);
                    }
                }
            });
        }
    });
    all_closed.into_inner()
}
