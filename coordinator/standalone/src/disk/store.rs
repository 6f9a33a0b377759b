//! The data directory: opening it after any kind of end, and clearing away what snapshots have made superfluous.
//! Never guesses: what was acknowledged and cannot be read keeps the server from starting.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use zk_schema::model::{Model, Snapshot, Zxid};

use super::{Error, io_error, log_file, snapshot, sync_directory};

/// A data directory held by this server.
pub struct Store {
    directory: PathBuf,
    retain: usize,
    _lock: File,
}

/// What a restart found.
pub struct Recovered {
    /// The server as it was.
    pub model: Model,
    /// Transactions replayed since the snapshot.
    pub replayed: usize,
    /// Bytes of an unfinished group that were cut.
    pub cut_bytes: usize,
}

impl Store {
    /// Takes hold of a data directory, making it if need be. Keeps `retain` snapshots.
    pub fn open(data_dir: &Path, retain: usize) -> Result<Store, Error> {
        let foreign = data_dir.join("version-2");
        if foreign.exists() {
            return Err(Error::Foreign { path: foreign });
        }
        let directory = data_dir.join("milena");
        std::fs::create_dir_all(&directory).map_err(io_error(&directory))?;
        let path = directory.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::Locked { path }),
            Err(std::fs::TryLockError::Error(source)) => return Err(Error::Io { path, source }),
        }
        Ok(Store { directory, retain: retain.max(1), _lock: lock })
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Rebuilds the server from the newest good snapshot and the logs behind it. A torn tail of the last log is cut.
    pub fn recover(&self, tick_ms: i64, now_ms: i64) -> Result<Recovered, Error> {
        let mut model = self.newest_snapshot(tick_ms, now_ms)?;
        let from = model.last_zxid();
        let logs: Vec<(Zxid, PathBuf)> = self.files("log.")?.into_iter().collect();
        let mut cut_bytes = 0;
        for (place, (first, path)) in logs.iter().enumerate() {
            let next_file = logs.get(place + 1).map(|(first, _)| *first);
            if next_file.is_some_and(|next| next <= from.next()) {
                continue;
            }
            if model.last_zxid().next() < *first {
                return Err(self.missing(model.last_zxid().next(), *first));
            }
            let bytes = std::fs::read(path).map_err(io_error(path))?;
            let corrupt = |offset, what| Error::Corrupt { path: path.clone(), offset, what };
            let scan = log_file::scan(&bytes, *first).map_err(|damage| corrupt(damage.offset, damage.what))?;
            let torn = bytes.len() - scan.good_len;
            if torn > 0 && next_file.is_some() {
                return Err(corrupt(scan.good_len, "the group here is damaged, and later logs follow".to_owned()));
            }
            for transaction in scan.transactions.iter().filter(|transaction| from < transaction.zxid) {
                model.replay(transaction).map_err(|error| corrupt(scan.good_len, error.to_string()))?;
            }
            if torn > 0 {
                cut(path, scan.good_len)?;
                cut_bytes = torn;
            }
        }
        let replayed = usize::try_from(model.last_zxid().0 - from.0).unwrap_or(usize::MAX);
        model.touch_all(now_ms);
        Ok(Recovered { model, replayed, cut_bytes })
    }

    /// Keeps a snapshot, and clears away what it makes superfluous.
    pub fn keep(&self, snapshot: &Snapshot) -> Result<(), Error> {
        snapshot::write(&self.directory, snapshot)?;
        self.purge()
    }

    /// A snapshot that cannot be read is passed over if an older one and all logs since are there.
    fn newest_snapshot(&self, tick_ms: i64, now_ms: i64) -> Result<Model, Error> {
        let mut first_error = None;
        for (zxid, path) in self.files("snapshot.")?.into_iter().rev() {
            let restored = snapshot::read(&path).and_then(|snapshot| {
                let what = |orphan| format!("node {orphan} has no parent");
                let corrupt = |orphan| Error::Corrupt { path: path.clone(), offset: 0, what: what(orphan) };
                if snapshot.zxid != zxid {
                    return Err(corrupt("of another transaction".into()));
                }
                Model::restore(snapshot, tick_ms, now_ms).map_err(corrupt)
            });
            match restored {
                Ok(model) => return Ok(model),
                Err(error) => {
                    tracing::warn!(%error, "passing over a snapshot for an older one");
                    first_error.get_or_insert(error);
                }
            }
        }
        // Without any snapshot the logs must begin at the beginning.
        let begins = self.files("log.")?.keys().next().is_none_or(|first| *first == Zxid(1));
        match first_error {
            Some(error) if !begins => Err(error),
            _ => Ok(Model::new(tick_ms)),
        }
    }

    fn purge(&self) -> Result<(), Error> {
        let snapshots = self.files("snapshot.")?;
        let Some(oldest_kept) = snapshots.keys().rev().nth(self.retain - 1).copied() else { return Ok(()) };
        for path in snapshots.range(..oldest_kept).map(|(_, path)| path) {
            std::fs::remove_file(path).map_err(io_error(path))?;
        }
        let logs = self.files("log.")?;
        let needed_from = logs.range(..=oldest_kept.next()).next_back().map(|(first, _)| *first);
        for path in logs.range(..needed_from.unwrap_or_default()).map(|(_, path)| path) {
            std::fs::remove_file(path).map_err(io_error(path))?;
        }
        sync_directory(&self.directory)
    }

    fn files(&self, prefix: &str) -> Result<BTreeMap<Zxid, PathBuf>, Error> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&self.directory).map_err(io_error(&self.directory))? {
            let path = entry.map_err(io_error(&self.directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(zxid) = name.strip_prefix(prefix).and_then(|hex| i64::from_str_radix(hex, 16).ok()) {
                files.insert(Zxid(zxid), path);
            }
        }
        Ok(files)
    }

    fn missing(&self, from: Zxid, until: Zxid) -> Error {
        Error::Missing { directory: self.directory.clone(), from: from.0, until: until.0 }
    }
}

fn cut(path: &Path, len: usize) -> Result<(), Error> {
    let file = File::options().write(true).open(path).map_err(io_error(path))?;
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    file.set_len(len).and_then(|()| file.sync_all()).map_err(io_error(path))
}

#[cfg(test)]
mod tests;
