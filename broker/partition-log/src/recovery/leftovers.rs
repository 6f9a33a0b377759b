//! Files an interrupted deletion or compaction left in a log's directory: finished or undone before segments are opened.
//!
//! `.deleted` goes. `.cleaned` was being written: goes, and with it every `.swap` at or above the lowest of them, which
//! belongs to the same unfinished step. Any other `.swap` is complete: the segments it replaces go, and it takes its
//! final name.
//! Source: `LogLoader.load`, `removeTempFilesAndCollectSwapFiles` in Kafka 3.9.

use std::collections::BTreeSet;
use std::io;

use zk_schema::types::Offset;

use crate::disk::Disk;
use crate::log_dir::LogPath;
use crate::names;
use crate::scan::{Scan, ScanError};

/// What is left afterwards.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Base offsets of segments, in order.
    pub logs: BTreeSet<Offset>,
    /// Base offsets of offset indexes.
    pub indexes: BTreeSet<Offset>,
    /// Offsets of producer snapshots.
    pub snapshots: BTreeSet<Offset>,
}

/// Cleans up, and lists what is left.
pub(super) fn clear(disk: &Disk, dir: &LogPath) -> io::Result<Files> {
    let mut names: Vec<String> =
        disk.list(&dir.get())?.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
    let is_leftover = |name: &String| {
        [names::DELETED_SUFFIX, names::CLEANED_SUFFIX, names::SWAP_SUFFIX].iter().any(|suffix| name.ends_with(suffix))
    };
    if names.iter().any(is_leftover) {
        remove_unfinished(disk, dir, &mut names)?;
        finish_swaps(disk, dir, &mut names)?;
    }
    let mut files = Files::default();
    let of = |suffix: &str| -> BTreeSet<Offset> {
        names.iter().filter(|name| name.ends_with(suffix)).filter_map(|name| names::offset_of(name)).collect()
    };
    files.logs = of(names::LOG_SUFFIX);
    files.indexes = of(names::INDEX_SUFFIX);
    files.snapshots = of(names::SNAPSHOT_SUFFIX);
    for suffix in [names::INDEX_SUFFIX, names::TIME_INDEX_SUFFIX, names::TRANSACTION_INDEX_SUFFIX] {
        for orphan in of(suffix).difference(&files.logs) {
            tracing::warn!(dir = %dir.get().display(), base_offset = orphan, suffix, "deleting an index without a segment");
            disk.remove_if_exists(&dir.join(&names::file_name(*orphan, suffix)))?;
        }
    }
    Ok(files)
}

fn remove_unfinished(disk: &Disk, dir: &LogPath, names: &mut Vec<String>) -> io::Result<()> {
    let lowest_cleaned = names
        .iter()
        .filter(|name| name.ends_with(names::CLEANED_SUFFIX))
        .filter_map(|name| names::offset_of(name))
        .min();
    let is_unfinished = |name: &mut String| {
        let is_void_swap = name.ends_with(names::SWAP_SUFFIX)
            && lowest_cleaned.is_some_and(|lowest| names::offset_of(name).is_some_and(|offset| lowest <= offset));
        is_void_swap || name.ends_with(names::DELETED_SUFFIX) || name.ends_with(names::CLEANED_SUFFIX)
    };
    for name in names.extract_if(.., is_unfinished) {
        disk.remove_if_exists(&dir.join(&name))?;
    }
    Ok(())
}

fn finish_swaps(disk: &Disk, dir: &LogPath, names: &mut Vec<String>) -> io::Result<()> {
    let swap_log = format!("{}{}", names::LOG_SUFFIX, names::SWAP_SUFFIX);
    let (mut lowest, mut end) = (Offset::MAX, Offset::MIN);
    for name in names.iter().filter(|name| name.ends_with(&swap_log)) {
        if let Some(base_offset) = names::offset_of(name) {
            tracing::info!(dir = %dir.get().display(), name, "finishing an interrupted swap");
            lowest = lowest.min(base_offset);
            end = end.max(next_offset(disk, dir, name, base_offset)?);
        }
    }
    let is_replaced = |name: &mut String| {
        let offset = names::offset_of(name).filter(|_| !name.ends_with(names::SWAP_SUFFIX));
        offset.is_some_and(|offset| lowest <= offset && offset < end)
    };
    for name in names.extract_if(.., is_replaced) {
        disk.remove_if_exists(&dir.join(&name))?;
    }
    for name in names.iter_mut() {
        if let Some(last) = name.strip_suffix(names::SWAP_SUFFIX) {
            disk.rename(&dir.join(name), &dir.join(last))?;
            *name = last.to_owned();
        }
    }
    Ok(())
}

fn next_offset(disk: &Disk, dir: &LogPath, name: &str, base_offset: Offset) -> io::Result<Offset> {
    let file = disk.open(&dir.join(name))?;
    let mut scan = Scan::new(&file, 0, file.len()?);
    let mut next = base_offset;
    loop {
        match scan.next() {
            Ok(Some(located)) => next = located.last_offset + 1,
            Ok(None) | Err(ScanError::Corrupt { .. }) => return Ok(next),
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(names: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        clear(&Disk::real(), &LogPath::new(dir.path().to_owned())).unwrap();
        Disk::real().list(dir.path()).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    const LOG_0: &str = "00000000000000000000.log";
    const INDEX_0: &str = "00000000000000000000.index";
    const LOG_7: &str = "00000000000000000007.log";

    #[test]
    fn deleted_files_and_orphaned_indexes_go() {
        let kept = after(&[
            LOG_0,
            INDEX_0,
            "00000000000000000003.log.deleted",
            "00000000000000000007.timeindex",
            "leader-epoch-checkpoint",
        ]);
        assert_eq!(kept, [INDEX_0, LOG_0, "leader-epoch-checkpoint"]);
    }

    #[test]
    fn a_cleaned_file_voids_the_swaps_of_its_step_and_no_others() {
        let kept = after(&[
            LOG_0,
            LOG_7,
            "00000000000000000007.log.cleaned",
            "00000000000000000009.log.swap",
            "00000000000000000000.index.swap",
        ]);
        assert_eq!(kept, [INDEX_0, LOG_0, LOG_7]);
    }
}
