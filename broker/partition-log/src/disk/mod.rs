//! The only door to the file system: every open, read, write, rename, sync and delete of a log goes through here.
//! Knows no format and takes no decision. A [`Disk`] is handed down from the manager to every file, so that one which
//! tears writes, fails or fills up can be put in its place without a log noticing.

mod file;
mod lock;

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;

pub use file::{File, FileSlice};
pub use lock::DirLock;

/// Handle to the file system a log directory lies on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk {}

/// One name in a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name, without its directory. Names that are not UTF-8 are not ours and are left out of listings.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

impl Disk {
    /// The file system of this machine.
    #[must_use]
    pub fn real() -> Self {
        Self {}
    }

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        fs::File::options().read(true).write(true).open(path).map(File::new)
    }

    /// Opens a file for reading and writing, creating it if it is not there. Keeps what it holds.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn open_or_create(&self, path: &Path) -> io::Result<File> {
        fs::File::options().read(true).write(true).create(true).truncate(false).open(path).map(File::new)
    }

    /// Opens a file for reading and writing, emptying it if it was there.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create_empty(&self, path: &Path) -> io::Result<File> {
        fs::File::options().read(true).write(true).create(true).truncate(true).open(path).map(File::new)
    }

    /// The whole file.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    /// The whole file, or `None` if there is none.
    ///
    /// # Errors
    /// Whatever the file system says, except that the file is missing.
    pub fn read_if_exists(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Writes a file whole or not at all: a `.tmp` beside it, synced, renamed over it, and the directory synced.
    ///
    /// # Errors
    /// Whatever the file system says; the old file is then still there.
    pub fn write_atomically(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        let mut file = fs::File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, path)?;
        match path.parent() {
            Some(dir) => self.sync_dir(dir),
            None => Ok(()),
        }
    }

    /// Writes a file in one go, without syncing it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    /// Forces a file's content and length to the disk. A file that is not there any more is fine.
    ///
    /// # Errors
    /// Whatever the file system says, except that the file is missing.
    pub fn sync_if_exists(&self, path: &Path) -> io::Result<()> {
        ignore_missing(fs::File::open(path).and_then(|file| file.sync_all())).map(drop)
    }

    /// Forces the names in a directory to the disk.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    /// Renames a file or directory.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Renames a file that may be missing; says whether it was there.
    ///
    /// # Errors
    /// Whatever the file system says, except that `from` is missing.
    pub fn rename_if_exists(&self, from: &Path, to: &Path) -> io::Result<bool> {
        ignore_missing(fs::rename(from, to)).map(|done| done.is_some())
    }

    /// Deletes a file that may be missing; says whether it was there.
    ///
    /// # Errors
    /// Whatever the file system says, except that the file is missing.
    pub fn remove_if_exists(&self, path: &Path) -> io::Result<bool> {
        ignore_missing(fs::remove_file(path)).map(|done| done.is_some())
    }

    /// Deletes a directory and everything in it; a missing one is fine.
    ///
    /// # Errors
    /// Whatever the file system says, except that the directory is missing.
    pub fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        ignore_missing(fs::remove_dir_all(path)).map(drop)
    }

    /// Creates a directory and those above it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Whether there is something of this name.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    /// Names in a directory, in order.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry { name, is_dir });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn len(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|metadata| metadata.len())
    }

    /// When a file was last written, in milliseconds since 1970.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        file::modified_ms(&fs::metadata(path)?)
    }

    /// Takes the exclusive lock of a log directory for the life of the returned value.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process, or another manager of this one, holds it.
    pub fn lock_dir(&self, dir: &Path) -> io::Result<DirLock> {
        DirLock::acquire(dir)
    }
}

fn ignore_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let disk = Disk::real();
        disk.write_atomically(&path, b"one").unwrap();
        disk.write_atomically(&path, b"two").unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"two");
        assert_eq!(disk.list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_directory_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let lock = disk.lock_dir(dir.path()).unwrap();
        assert_eq!(disk.lock_dir(dir.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        disk.lock_dir(dir.path()).unwrap();
    }
}
