//! The log's thread: takes all transactions that came while it was syncing, writes them as one group, syncs once.
//! Never waits for more to come. A failed write or sync is final: nothing later becomes durable.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;
use zk_schema::model::{Transaction, Zxid};

use super::log_file::{Frame, file_header};
use super::{Error, io_error, sync_directory};

/// How far the log is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Every transaction up to this one.
    UpTo(Zxid),
    /// The log failed; no reply may leave any more.
    Failed,
}

impl Durable {
    /// Whether what depends on this transaction may be shown to a client.
    pub fn covers(self, zxid: Zxid) -> bool {
        matches!(self, Durable::UpTo(durable) if zxid <= durable)
    }
}

/// The bytes that may wait for the disk before connections stop reading.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// The bytes written and synced as one group at most, unless one transaction is larger.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// The open log. Dropping it without [`Log::close`] is like a crash: what was not yet written is lost.
pub struct Log {
    shared: Arc<Shared>,
    durable: watch::Receiver<Durable>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

struct Queue {
    items: VecDeque<Item>,
    waiting_bytes: usize,
    /// The number the next transaction has.
    next: Zxid,
    /// Bytes handed in since the last roll.
    bytes_since_roll: u64,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Clean,
    Crash,
}

enum Item {
    Group(Frame),
    Roll(Zxid),
}

impl Log {
    /// Begins a log file for transaction `first` and the thread that fills it.
    pub fn start(directory: PathBuf, first: Zxid) -> Result<Log, Error> {
        let file = LogFile::create(&directory, first)?;
        let before = Zxid(first.0 - 1);
        let (sender, durable) = watch::channel(Durable::UpTo(before));
        let queue = Queue { items: VecDeque::new(), waiting_bytes: 0, next: first, bytes_since_roll: 0, stop: None };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), wake: Condvar::new() });
        let writer = Writer { shared: Arc::clone(&shared), directory: directory.clone(), file, sender };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(io_error(&directory))?;
        Ok(Log { shared, durable, thread: Mutex::new(Some(thread)) })
    }

    /// How far the log is on disk.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }

    /// Hands in the next transaction.
    pub fn append(&self, transaction: &Transaction) {
        let mut queue = self.shared.lock();
        assert!(transaction.zxid == queue.next, "transaction {} handed in for {}", transaction.zxid, queue.next);
        queue.next = transaction.zxid.next();
        if !matches!(queue.items.back(), Some(Item::Group(frame)) if frame.payload_len() < GROUP_BYTES_MAX) {
            queue.items.push_back(Item::Group(Frame::new(transaction.zxid)));
        }
        if let Some(Item::Group(frame)) = queue.items.back_mut() {
            let before = frame.payload_len();
            frame.push(transaction);
            let added = frame.payload_len() - before;
            queue.waiting_bytes += added;
            queue.bytes_since_roll += u64::try_from(added).unwrap_or(0);
        }
        self.shared.wake.notify_one();
    }

    /// Whether more may be handed in; if not, wait until [`Log::durable`] changes.
    pub fn has_room(&self) -> bool {
        self.shared.lock().waiting_bytes < WAITING_BYTES_MAX
    }

    /// Bytes handed in since the last roll.
    pub fn bytes_since_roll(&self) -> u64 {
        self.shared.lock().bytes_since_roll
    }

    /// Puts what comes next into a new file: a snapshot covers the rest.
    pub fn roll(&self) {
        let mut queue = self.shared.lock();
        let next = queue.next;
        queue.items.push_back(Item::Roll(next));
        queue.bytes_since_roll = 0;
        self.shared.wake.notify_one();
    }

    /// Writes what waits and the mark of a clean stop.
    pub fn close(&self) {
        self.stop(Stop::Clean);
    }

    fn stop(&self, how: Stop) {
        self.shared.lock().stop.get_or_insert(how);
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by itself.
            drop(thread.join());
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop(Stop::Crash);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; `None` is the end.
    fn take(&self) -> Result<VecDeque<Item>, (Stop, Zxid)> {
        let mut queue = self.lock();
        loop {
            if queue.stop == Some(Stop::Crash) {
                return Err((Stop::Crash, queue.next));
            }
            if !queue.items.is_empty() {
                return Ok(std::mem::take(&mut queue.items));
            }
            if let Some(stop) = queue.stop {
                return Err((stop, queue.next));
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    directory: PathBuf,
    file: LogFile,
    sender: watch::Sender<Durable>,
}

impl Writer {
    fn run(mut self) {
        if let Err(error) = self.write_until_stopped() {
            tracing::error!(%error, "the log cannot be written: no reply leaves any more");
            self.sender.send_replace(Durable::Failed);
        }
    }

    fn write_until_stopped(&mut self) -> Result<(), Error> {
        loop {
            let items = match self.shared.take() {
                Ok(items) => items,
                Err((Stop::Clean, next)) => return self.file.write(&Frame::new(next).finish()),
                Err((Stop::Crash, _)) => return Ok(()),
            };
            for item in items {
                self.write(item)?;
            }
        }
    }

    fn write(&mut self, item: Item) -> Result<(), Error> {
        match item {
            Item::Roll(first) => {
                // A file that ends here ends cleanly, which makes its last group provable.
                self.file.write(&Frame::new(first).finish())?;
                self.file = LogFile::create(&self.directory, first)?;
            }
            Item::Group(frame) => {
                let (last, payload_len) = (frame.last(), frame.payload_len());
                self.file.write(&frame.finish())?;
                // The room is free before the replies go out, so that whoever waits for the one finds the other.
                let mut queue = self.shared.lock();
                queue.waiting_bytes = queue.waiting_bytes.saturating_sub(payload_len);
                drop(queue);
                self.sender.send_replace(Durable::UpTo(last));
            }
        }
        Ok(())
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn create(directory: &std::path::Path, first: Zxid) -> Result<LogFile, Error> {
        let path = directory.join(format!("log.{:x}", first.0));
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        private(&mut options);
        let file = options.open(&path).map_err(io_error(&path))?;
        let mut log = LogFile { path, file };
        log.write(&file_header(first))?;
        sync_directory(directory)?;
        Ok(log)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).and_then(|()| self.file.sync_data()).map_err(io_error(&self.path))
    }
}

/// The files hold session passwords and data that ACLs guard.
pub(super) fn private(options: &mut std::fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}
