//! Where fetched clients and servers are kept between runs: outside the tree, so that a clean clone does not fetch again.
//! `MILENA_CACHE` names the folder; else `$XDG_CACHE_HOME/milena`, else `~/.cache/milena`.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder; made when missing.
///
/// # Errors
/// When no home is known or the folder cannot be made.
pub fn root() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("MILENA_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("milena")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/milena")))
        .context("set MILENA_CACHE or HOME: fetched test clients need a folder to live in")?;
    std::fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
    Ok(root)
}

/// Runs `install` into `cache/name` unless an earlier run finished it; two processes never install at once.
/// Returns the folder.
///
/// # Errors
/// Those of `install`; a half-made folder is removed and made anew next time.
pub fn installed(name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = root()?;
    let lock_path = root.join(format!("{name}.lock").replace('/', "-"));
    let lock = File::create(&lock_path).with_context(|| format!("create {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("lock {}", lock_path.display()))?;
    let folder = root.join(name);
    let done = folder.join(".complete");
    if !done.exists() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("remove half-made {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        install(&folder)?;
        File::create(&done)?;
    }
    Ok(folder)
}
