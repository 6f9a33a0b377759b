//! Everything that touches the data directory: the log, the snapshots, and what a restart makes of them.
//! Knows nothing of connections. A reply may leave once [`Log::durable`] has reached its transaction.
//!
//! ```text
//! dataDir/milena/lock             held while a server runs
//! dataDir/milena/snapshot.<zxid>  everything up to and including zxid
//! dataDir/milena/log.<zxid>       transactions from zxid on, until the next log begins
//! ```

mod log;
mod log_file;
mod snapshot;
mod store;
mod transaction;

use std::io;
use std::path::{Path, PathBuf};

pub use log::{Durable, Log};
pub use store::{Recovered, Store};

/// What keeps a server from starting or going on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Bytes that were written and acknowledged are not what they were.
    #[error("{}: corrupt at byte {offset}: {what}; nothing was changed, restore the file or remove it knowing what is lost", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// How it shows.
        what: String,
    },
    /// A file between two others is missing.
    #[error("{}: transactions {from} to {until} are in no file", directory.display())]
    Missing {
        /// Where they should be.
        directory: PathBuf,
        /// The first one missing.
        from: i64,
        /// The first one there is again.
        until: i64,
    },
    /// Another server uses the directory.
    #[error("{}: another server is using this directory", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory is Apache ZooKeeper's.
    #[error("{}: holds the data of an Apache ZooKeeper server, which this one cannot read; give another dataDir", path.display())]
    Foreign {
        /// The directory that shows it.
        path: PathBuf,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), Error> {
    std::fs::File::open(directory).and_then(|file| file.sync_all()).map_err(io_error(directory))
}

fn crc32c(bytes: &[u8]) -> u32 {
    u32::try_from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) & 0xffff_ffff).unwrap_or(0)
}
