//! Remembers across `kill -9` which ZooKeeper sessions were this broker's, so that what they left behind can be told
//! from what another broker with the same id owns.
//!
//! The file lies in a log directory: whoever can read it there holds the directory's lock, so no process that owned one
//! of these sessions is still at work. Knows session ids only, never a password.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "zookeeper-session";

/// Sessions that were this broker's.
#[derive(Debug)]
pub(super) struct PreviousSessions {
    path: PathBuf,
    dead: Vec<i64>,
}

impl PreviousSessions {
    /// Reads what the last process left in this log directory, which must be locked. A file that cannot be read means
    /// that nothing is known.
    pub(super) fn load(log_dir: &Path) -> Self {
        let path = log_dir.join(FILE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let id = |line: &str| i64::from_str_radix(line.trim().strip_prefix("0x")?, 16).ok();
        Self { path, dead: text.lines().filter_map(id).collect() }
    }

    /// Sessions known to be ours and of no use any more.
    pub(super) fn dead(&self) -> Vec<i64> {
        self.dead.clone()
    }

    /// Writes down that `session` is about to register, beside those whose leftovers may still be there.
    pub(super) fn begin(&mut self, session: i64) {
        self.dead.retain(|dead| *dead != session);
        let all: Vec<i64> = std::iter::once(session).chain(self.dead.iter().copied()).collect();
        self.write(&all);
    }

    /// `session` is registered: nothing of earlier ones is left.
    pub(super) fn registered(&self, session: i64) {
        self.write(&[session]);
    }

    /// `session` has expired while this process lived.
    pub(super) fn ended(&mut self, session: i64) {
        if !self.dead.contains(&session) {
            self.dead.push(session);
        }
    }

    /// The session was closed in order: the next process has nothing to clear away.
    pub(super) fn forget(&self) {
        let _missing = std::fs::remove_file(&self.path);
    }

    fn write(&self, sessions: &[i64]) {
        let text: String = sessions.iter().map(|session| format!("{session:#x}\n")).collect();
        if let Err(error) = write_private(&self.path, text.as_bytes()) {
            // The broker works without; only its next start after a crash has to wait.
            tracing::warn!("{} cannot be written: {error}", self.path.display());
        }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn sessions_survive_a_crash_at_any_point() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = PreviousSessions::load(dir.path());
        assert!(first.dead().is_empty());
        first.begin(0x10);
        first.registered(0x10);
        let mut second = PreviousSessions::load(dir.path());
        assert_eq!(second.dead(), [0x10]);
        second.begin(0x20);
        // Killed before it had replaced the node of the first.
        let third = PreviousSessions::load(dir.path());
        assert_eq!(third.dead(), [0x20, 0x10]);
        third.registered(0x30);
        assert_eq!(PreviousSessions::load(dir.path()).dead(), [0x30]);
        third.forget();
        assert!(PreviousSessions::load(dir.path()).dead().is_empty());
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_nonsense_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        PreviousSessions::load(dir.path()).registered(-1);
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.path().join(FILE), "nonsense\n0x1f\n").unwrap();
        assert_eq!(PreviousSessions::load(dir.path()).dead(), [0x1f]);
    }
}
