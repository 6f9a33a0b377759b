//! Faults a test can inflict: a disk that fills up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::run;
use crate::wait::wait_until;

/// A small file system of its own, seen only by programs started through [`SmallDisk::prefix`]. It lives in memory, in a
/// mount namespace that a sleeping process keeps open, so it outlasts the programs that fill it.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts `mebibytes` at `path`. Needs root, or a kernel that lets users have namespaces.
    ///
    /// # Errors
    /// When the namespace or the mount is refused.
    pub fn mount(path: &Path, mebibytes: u32) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let script = format!(
            "mount -t tmpfs -o size={mebibytes}m tmpfs '{}' && touch '{}/.mounted' && exec sleep 3600",
            path.display(),
            path.display()
        );
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .context("start unshare")?;
        let disk = Self { holder, path: path.to_owned() };
        wait_until("the small disk is mounted", Duration::from_secs(10), || {
            disk.sh(&format!("test -e '{}/.mounted'", path.display())).is_ok()
        });
        disk.sh(&format!("rm '{}/.mounted'", path.display()))?;
        Ok(disk)
    }

    /// The words before a command that make it see this disk.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", &target, "--"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Gives it more room.
    ///
    /// # Errors
    /// When the mount is refused.
    pub fn grow(&self, mebibytes: u32) -> Result<()> {
        self.sh(&format!("mount -o remount,size={mebibytes}m '{}'", self.path.display()))
    }

    fn sh(&self, script: &str) -> Result<()> {
        let prefix = self.prefix();
        let (program, args) = prefix.split_first().context("the prefix is never empty")?;
        run(Command::new(program).args(args).args(["sh", "-c", script]), "", Duration::from_secs(10))?.ok()?;
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _already_gone = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}
