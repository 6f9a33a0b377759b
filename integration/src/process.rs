//! One child process of a test: its output goes to a file, it is signalled by name, and it never outlives the test.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, its output appended to `log`.
    ///
    /// # Errors
    /// When the program cannot be started or `log` not be opened.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let out =
            File::options().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Waits until `port` on loopback accepts connections.
    ///
    /// # Errors
    /// When the process ends first or the deadline passes; the end of its log is in the message.
    pub fn wait_for_port(&mut self, port: u16, deadline: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}; its log ends:\n{}", self.name, self.log_tail());
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            if start.elapsed() > deadline {
                bail!("{} does not answer on {port} after {deadline:?}; its log ends:\n{}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("send {signal:?} to {}", self.name))
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn kill(&mut self) -> Result<()> {
        let _already_gone = self.child.kill();
        self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        Ok(())
    }

    /// SIGTERM, and waits until it has ended by itself; gives its exit code.
    ///
    /// # Errors
    /// When it has not ended by the deadline.
    pub fn stop(&mut self, deadline: Duration) -> Result<Option<i32>> {
        self.signal(Signal::TERM)?;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if start.elapsed() > deadline {
                bail!("{} ignores SIGTERM for {deadline:?}; its log ends:\n{}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Resident memory in bytes, from `/proc`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS line")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number in VmRSS")?.parse()?;
        Ok(kib * 1024)
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _resumed_if_paused = self.signal(Signal::CONT);
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A program a test talks with: lines written to it, lines read from it. Killed when dropped.
#[derive(Debug)]
pub struct Conversation {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    seen: Vec<String>,
    errors: PathBuf,
}

impl Conversation {
    /// Starts `command`; what it says on standard error goes to the file `errors`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command, errors: &Path) -> Result<Self> {
        use std::io::{BufRead as _, BufReader};
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(errors)?)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, seen: Vec::new(), errors: errors.to_owned() })
    }

    /// Every line it has written so far.
    pub fn lines(&mut self) -> &[String] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }

    /// Waits until `wanted` holds of the lines written so far.
    ///
    /// # Panics
    /// When the deadline passes; what it did say is in the message.
    pub fn wait_for(&mut self, what: &str, deadline: Duration, mut wanted: impl FnMut(&[String]) -> bool) {
        let start = Instant::now();
        while !wanted(self.lines()) {
            if start.elapsed() > deadline {
                let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
                panic!("after {deadline:?} still waiting: {what}; it said:\n{}\n{errors}", self.seen.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends its standard input and waits for its end; gives every line it wrote.
    ///
    /// # Errors
    /// When it ends with another code than 0, or not in time.
    pub fn finish(mut self, deadline: Duration) -> Result<Vec<String>> {
        drop(self.child.stdin.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > deadline {
                bail!("it does not end {deadline:?} after its input did; it said:\n{}", self.lines().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        // The reader thread ends with the pipe, so this drains all there is.
        while let Ok(line) = self.lines.recv() {
            self.seen.push(line);
        }
        if !status.success() {
            let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
            bail!("it ended with {status}; it said:\n{}\n{errors}", self.seen.join("\n"));
        }
        Ok(std::mem::take(&mut self.seen))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port nothing listens on just now.
///
/// # Errors
/// When loopback has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// What a finished program said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// Standard output, if the program ended with 0.
    ///
    /// # Errors
    /// Everything it said, when it did not.
    pub fn ok(self) -> Result<String> {
        if self.code == Some(0) {
            Ok(self.stdout)
        } else {
            bail!("exit code {:?}\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr)
        }
    }
}

/// Runs a program to its end, `input` on its standard input, for at most `deadline`.
///
/// # Errors
/// When it cannot be started or does not end in time (it is killed then).
pub fn run(command: &mut Command, input: &str, deadline: Duration) -> Result<Said> {
    use std::io::{Read as _, Write as _};
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    let mut stdout = child.stdout.take().context("no stdout")?;
    let mut stderr = child.stderr.take().context("no stderr")?;
    let input = input.to_owned();
    let feed = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let start = Instant::now();
    let mut late = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > deadline {
            late = true;
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let joined = |thread: std::thread::JoinHandle<std::io::Result<Vec<u8>>>| -> Result<String> {
        let bytes = thread.join().map_err(|_| anyhow::anyhow!("reader thread panicked"))??;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let _input_may_be_refused = feed.join();
    let said = Said { code: status.code(), stdout: joined(out)?, stderr: joined(err)? };
    if late {
        bail!("{command:?} did not end within {deadline:?}; it said:\n{}\n{}", said.stdout, said.stderr);
    }
    Ok(said)
}
