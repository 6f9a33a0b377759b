//! The `.lock` file of a log directory: one broker at a time, Java or ours, may use the directory.
//! A POSIX record lock as Java's `FileChannel.lock` takes it. Such locks do not exclude their own process, so a list of
//! the directories this process holds does.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, fcntl_lock};

static HELD_HERE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Exclusive use of a log directory; given up when dropped.
#[derive(Debug)]
pub struct DirLock {
    dir: PathBuf,
    file: fs::File,
}

impl DirLock {
    pub(super) fn acquire(dir: &Path) -> io::Result<Self> {
        let dir = dir.canonicalize()?;
        let mut held = HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(&dir) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let path = dir.join(crate::names::LOCK_FILE);
        let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN => io::ErrorKind::WouldBlock.into(),
            other => io::Error::from(other),
        })?;
        held.insert(dir.clone());
        Ok(Self { dir, file })
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        let mut held = HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = fcntl_lock(&self.file, FlockOperation::NonBlockingUnlock);
        held.remove(&self.dir);
    }
}
