//! Facts about the server as a process: killed without warning, told to stop, given a bad file.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zookeeper_client::{Acls, Client, CreateMode, CreateOptions};

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
const DEADLINE: Duration = Duration::from_secs(30);

struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// A server on this directory; its port is whatever it says it is.
    fn start(dir: &Path) -> Process {
        let properties = dir.join("zookeeper.properties");
        let text =
            format!("dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n", dir.display());
        std::fs::write(&properties, text).unwrap();
        let log = std::fs::File::create(dir.join("out")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_zookeeper-server-start"));
        let child = command.arg(properties).stdout(log).stderr(Stdio::null()).spawn().unwrap();
        let mut process = Process { child, address: String::new() };
        let start = Instant::now();
        loop {
            let said = std::fs::read_to_string(dir.join("out")).unwrap();
            let line = said.lines().find(|line| line.contains("serving ZooKeeper's client protocol"));
            if let Some((_, address)) = line.and_then(|line| line.split_once("address=")) {
                process.address = address.trim_end().to_owned();
                return process;
            }
            assert!(start.elapsed() < DEADLINE, "the server did not start: {said}");
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_writes_it_keeps_every_acknowledged_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..4 {
        let process = Process::start(dir.path());
        let client = Client::connect(&process.address).await.unwrap();
        let kept = client.list_children("/").await.unwrap().len() - 1;
        // One more may have been written without its reply having come.
        assert!(acknowledged <= kept, "round {round}: {acknowledged} acknowledged, {kept} kept");
        acknowledged = kept;
        let mut pending = std::collections::VecDeque::new();
        let base = kept;
        for number in 0..400 + round * 150 {
            let (client, path) = (client.clone(), format!("/{round}-{}", base + number));
            pending.push_back(tokio::spawn(async move { client.create(&path, b"x", &PERSISTENT).await.is_ok() }));
            if 100 < pending.len() {
                acknowledged += usize::from(pending.pop_front().unwrap().await.unwrap());
            }
        }
        process.signal(rustix::process::Signal::KILL);
        for write in pending {
            acknowledged += usize::from(write.await.unwrap());
        }
    }
}

#[test]
fn told_to_stop_it_ends_cleanly() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut process = Process::start(dir.path());
        process.signal(signal);
        assert!(process.child.wait().unwrap().success());
        assert!(std::fs::read_to_string(dir.path().join("out")).unwrap().contains("stopped"));
    }
}

#[test]
fn wrong_arguments_and_files_are_explained() {
    let says = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zookeeper-server-start"));
        let output = command.args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(says(&[]), "USAGE: zookeeper-server-start [-daemon] zookeeper.properties\n");
    assert!(says(&["/no/such/file"]).contains("/no/such/file: "));
    assert!(says(&["-daemon", "/no/such/file"]).contains("/no/such/file: "));
}

#[test]
fn as_a_daemon_it_outlives_the_command_and_writes_to_the_log_directory() {
    let dir = tempfile::tempdir().unwrap();
    let properties = dir.path().join("zookeeper.properties");
    let text = format!("dataDir={}\nclientPort=0\nadmin.enableServer=false\n", dir.path().display());
    std::fs::write(&properties, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zookeeper-server-start"));
    let status = command.arg("-daemon").arg(&properties).env("LOG_DIR", dir.path().join("logs")).status().unwrap();
    assert!(status.success());
    let out = dir.path().join("logs/zookeeper.out");
    let start = Instant::now();
    let mut said = String::new();
    while !said.contains("serving ZooKeeper's client protocol") {
        assert!(start.elapsed() < DEADLINE, "{said}");
        said.clear();
        std::fs::File::open(&out).unwrap().read_to_string(&mut said).unwrap();
    }
    let pid = daemon_pid(&properties);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    while rustix::process::test_kill_process(pid).is_ok() && !said.contains("stopped") {
        assert!(start.elapsed() < DEADLINE, "{said}");
        said = std::fs::read_to_string(&out).unwrap();
    }
}

/// The process that was given this very file.
fn daemon_pid(properties: &Path) -> rustix::process::Pid {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,args="]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = listed.lines().find(|line| line.contains(&*properties.to_string_lossy())).unwrap();
    let pid = line.split_whitespace().next().unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}
