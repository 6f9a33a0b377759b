//! Processes: going to the background as `-daemon` asks, and finding the server that `zookeeper-server-stop` ends.
//! Never forks a running runtime: the server is started anew, detached, and its parent leaves.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the started process that it is to leave its parent's session.
const DETACHED: &str = "MILENA_ZOOKEEPER_DETACHED";
/// The name under which a server runs.
pub const SERVER: &str = "zookeeper-server-start";

/// Starts this program again in the background with these arguments; its output goes to `zookeeper.out`.
/// Returns where that is.
///
/// # Errors
/// If the output file or the process cannot be made.
pub fn spawn_detached(arguments: &[std::ffi::OsString]) -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = log_directory(&program);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("zookeeper.out");
    let output = File::create(&path)?;
    Command::new(&program)
        .args(arguments)
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(path)
}

/// Leaves the terminal's session if we were started by [`spawn_detached`].
///
/// # Errors
/// If the system refuses, which it does only to the leader of a process group.
pub fn detach_if_asked() -> io::Result<()> {
    if std::env::var_os(DETACHED).is_some() {
        rustix::process::setsid()?;
    }
    Ok(())
}

/// Sends SIGTERM to every running server of this machine we may signal, and says how many there were.
///
/// # Errors
/// If processes cannot be listed.
pub fn stop_servers() -> io::Result<usize> {
    let mut stopped = 0;
    for pid in server_pids()? {
        let Some(pid) = rustix::process::Pid::from_raw(pid) else { continue };
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
            stopped += 1;
        }
    }
    Ok(stopped)
}

/// As Kafka's script does, the list comes from `ps`, which every system has.
fn server_pids() -> io::Result<Vec<i32>> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,args="]).stderr(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&listed.stdout).lines().filter_map(server_pid).collect())
}

/// The process of a line of `ps`, if its program is the server.
fn server_pid(line: &str) -> Option<i32> {
    let (pid, arguments) = line.trim_start().split_once(' ')?;
    let program = Path::new(arguments.trim_start().split(' ').next()?);
    (program.file_name()? == SERVER).then(|| pid.parse().ok())?
}

fn log_directory(program: &Path) -> PathBuf {
    if let Some(directory) = std::env::var_os("LOG_DIR").filter(|directory| !directory.is_empty()) {
        return directory.into();
    }
    let installed_in = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    installed_in.join("logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_process_is_found() {
        assert_eq!(server_pid("  412 /opt/milena/bin/zookeeper-server-start config/zookeeper.properties"), Some(412));
        assert_eq!(server_pid("412 zookeeper-server-start z.properties"), Some(412));
        assert_eq!(server_pid("413 vi zookeeper-server-start"), None);
        assert_eq!(server_pid("414 /opt/bin/zookeeper-server-stop"), None);
        assert_eq!(server_pid(""), None);
    }
}
