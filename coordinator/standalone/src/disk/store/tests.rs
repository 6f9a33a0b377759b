//! Crashes: the files cut and damaged at every byte, against what the server had been at each transaction.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zk_schema::model::{CreateMode, Password, Request, SessionId, Write};

use super::*;
use crate::disk::Log;

const NOW_MS: i64 = 1_000;

/// A server on a directory, and what it was after each transaction.
struct Running {
    store: Store,
    log: Log,
    model: Model,
    session: SessionId,
    history: BTreeMap<Zxid, Snapshot>,
    random: StdRng,
}

impl Running {
    fn start(directory: &Path, seed: u64) -> Running {
        let store = Store::open(directory, 2).unwrap();
        let mut model = store.recover(1, NOW_MS).unwrap().model;
        let log = Log::start(store.directory().to_owned(), model.last_zxid().next()).unwrap();
        let mut history = BTreeMap::from([(model.last_zxid(), model.snapshot())]);
        let opened = model.open_session(6_000, Password([1; 16]), NOW_MS);
        log.append(&opened);
        history.insert(opened.zxid, model.snapshot());
        let random = StdRng::seed_from_u64(seed);
        Running { store, log, model, session: opened.session, history, random }
    }

    /// Some requests that a client might send; each group of them is synced by itself.
    fn work(&mut self, groups: usize) {
        for _ in 0..groups {
            for _ in 0..self.random.random_range(1..4) {
                let request = self.request();
                if let Some(transaction) = self.model.apply(self.session, request, NOW_MS).transaction {
                    self.log.append(&transaction);
                    self.history.insert(transaction.zxid, self.model.snapshot());
                }
            }
            self.wait();
        }
    }

    fn request(&mut self) -> Request {
        let path = format!("/n{}", self.random.random_range(0..6));
        let data = vec![b'x'; self.random.random_range(0..30)];
        match self.random.random_range(0..5) {
            0 => Request::create(&path, &data, CreateMode::Persistent),
            1 => Request::create(&path, &data, CreateMode::Ephemeral),
            2 => Request::delete(&path),
            3 => Request::set_data(&path, &data, -1),
            _ => Request::Multi(vec![
                Write::create(&format!("{path}/s-"), &data, CreateMode::PersistentSequential),
                Write::set_data(&path, &data, -1),
            ]),
        }
    }

    fn wait(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut durable, zxid) = (self.log.durable(), self.model.last_zxid());
        runtime.block_on(durable.wait_for(|durable| durable.covers(zxid))).unwrap();
    }

    fn keep_snapshot(&mut self) {
        self.log.roll();
        self.store.keep(&self.model.snapshot()).unwrap();
    }

    fn crash(self) -> BTreeMap<Zxid, Snapshot> {
        self.history
    }
}

/// Thousands of crashes are played here, none of them of the machine: memory will do where there is such a file system.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn last_log(directory: &Path) -> PathBuf {
    let store = Store { directory: directory.join("milena"), retain: 1, _lock: tempfile::tempfile().unwrap() };
    store.files("log.").unwrap().pop_last().unwrap().1
}

fn copy_with(directory: &Path, path: &Path, bytes: &[u8]) -> tempfile::TempDir {
    let copy = scratch();
    let files = copy.path().join("milena");
    std::fs::create_dir(&files).unwrap();
    for entry in std::fs::read_dir(directory.join("milena")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, files.join(from.file_name().unwrap())).unwrap();
    }
    std::fs::write(files.join(path.file_name().unwrap()), bytes).unwrap();
    copy
}

fn recover(directory: &Path) -> Result<Model, Error> {
    Store::open(directory, 2)?.recover(1, NOW_MS).map(|recovered| recovered.model)
}

#[test]
fn cut_at_any_byte_of_the_last_log_the_server_is_as_it_once_was_and_goes_on() {
    for seed in [4711, 4712] {
        let directory = scratch();
        let mut running = Running::start(directory.path(), seed);
        running.work(6);
        running.keep_snapshot();
        running.work(4);
        let history = running.crash();
        let log = last_log(directory.path());
        let bytes = std::fs::read(&log).unwrap();
        let mut before = Zxid(0);
        for cut in 0..=bytes.len() {
            let copy = copy_with(directory.path(), &log, &bytes[..cut]);
            let model = recover(copy.path()).unwrap();
            assert_eq!(model.snapshot(), history[&model.last_zxid()], "seed {seed}, cut at {cut}");
            assert!(before <= model.last_zxid(), "seed {seed}, cut at {cut}: fewer transactions than from fewer bytes");
            before = model.last_zxid();
            // What was cut is gone for good: work goes on over it, and the next restart finds all of that.
            if cut % 16 == 0 {
                let mut again = Running::start(copy.path(), seed);
                again.work(1);
                let last = again.model.snapshot();
                again.crash();
                assert_eq!(recover(copy.path()).unwrap().snapshot(), last, "seed {seed}, cut at {cut}");
            }
        }
        assert_eq!(before, *history.last_key_value().unwrap().0, "seed {seed}: the whole file loses nothing");
    }
}

#[test]
fn a_flipped_bit_never_changes_history_unseen() {
    let seed = 4713;
    let directory = scratch();
    let mut running = Running::start(directory.path(), seed);
    running.work(5);
    let history = running.crash();
    let log = last_log(directory.path());
    let bytes = std::fs::read(&log).unwrap();
    let (mut refused, mut cut) = (0, 0);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let copy = copy_with(directory.path(), &log, &damaged);
        match recover(copy.path()) {
            Err(Error::Corrupt { offset, path, .. }) => {
                assert!(offset <= at && path.ends_with(log.file_name().unwrap()), "seed {seed}, flipped at {at}");
                refused += 1;
            }
            Err(error) => panic!("seed {seed}, flipped at {at}: {error}"),
            // Only in the last group, which might as well never have finished.
            Ok(model) => {
                assert_eq!(model.snapshot(), history[&model.last_zxid()], "seed {seed}, flipped at {at}");
                cut += 1;
            }
        }
    }
    assert!(cut < refused, "seed {seed}: {refused} refused, {cut} cut");
}

#[test]
fn a_damaged_snapshot_gives_way_to_an_older_one_with_its_logs() {
    let directory = scratch();
    let mut running = Running::start(directory.path(), 4714);
    for _ in 0..2 {
        running.work(3);
        running.keep_snapshot();
    }
    running.work(2);
    let newest = running.store.files("snapshot.").unwrap().pop_last().unwrap().1;
    let last = running.model.snapshot();
    running.crash();
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    assert_eq!(recover(directory.path()).unwrap().snapshot(), last);
}

#[test]
fn old_logs_and_snapshots_are_cleared_away_and_nothing_needed_is() {
    let directory = scratch();
    let mut running = Running::start(directory.path(), 4715);
    for _ in 0..6 {
        running.work(2);
        running.keep_snapshot();
    }
    running.work(1);
    let snapshots = running.store.files("snapshot.").unwrap();
    let logs = running.store.files("log.").unwrap();
    assert_eq!(snapshots.len(), 2);
    assert!(logs.len() <= 3, "{logs:?}");
    let last = running.model.snapshot();
    running.crash();
    assert_eq!(recover(directory.path()).unwrap().snapshot(), last);
}

#[test]
fn a_missing_log_is_named() {
    let directory = scratch();
    let mut running = Running::start(directory.path(), 4716);
    running.work(3);
    running.log.roll();
    running.work(2);
    let first = running.store.files("log.").unwrap().pop_first().unwrap().1;
    running.crash();
    std::fs::remove_file(first).unwrap();
    assert!(matches!(recover(directory.path()), Err(Error::Missing { from: 1, .. })));
}

#[test]
fn a_directory_is_one_servers_at_a_time_and_never_apaches() {
    let directory = scratch();
    let _store = Store::open(directory.path(), 1).unwrap();
    assert!(matches!(Store::open(directory.path(), 1), Err(Error::Locked { .. })));
    let foreign = scratch();
    std::fs::create_dir(foreign.path().join("version-2")).unwrap();
    assert!(matches!(Store::open(foreign.path(), 1), Err(Error::Foreign { .. })));
}
