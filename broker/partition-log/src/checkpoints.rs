//! The small text files beside the logs: offset checkpoints, leader epochs, topic id.
//! Formats and parsing only, through the disk; what the numbers mean is decided elsewhere.
//! Source: `CheckpointFile`, `OffsetCheckpointFile`, `LeaderEpochCheckpointFile`, `PartitionMetadataFile` in Kafka 3.9.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use zk_schema::types::{LeaderEpoch, Offset, TopicId, TopicPartition};

use crate::disk::Disk;

const VERSION: &str = "0";

/// Reads `<topic> <partition> <offset>` lines. A missing or empty file holds nothing.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the text is not a checkpoint, or whatever the file system says.
pub fn read_offsets(disk: &Disk, path: &Path) -> io::Result<BTreeMap<TopicPartition, Offset>> {
    read(disk, path, |line| {
        let mut words = line.split_whitespace();
        let topic = words.next()?;
        let partition = words.next()?.parse().ok()?;
        let offset = words.next()?.parse().ok()?;
        words.next().is_none().then(|| (TopicPartition::new(topic, partition), offset))
    })
    .map(|entries| entries.into_iter().collect())
}

/// Writes `<topic> <partition> <offset>` lines, whole or not at all.
///
/// # Errors
/// Whatever the file system says.
pub fn write_offsets<'a>(
    disk: &Disk,
    path: &Path,
    offsets: impl ExactSizeIterator<Item = (&'a TopicPartition, Offset)>,
) -> io::Result<()> {
    let mut text = format!("{VERSION}\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    disk.write_atomically(path, text.as_bytes())
}

/// Reads `<epoch> <start offset>` lines. A missing or empty file holds nothing.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the text is not a checkpoint, or whatever the file system says.
pub fn read_leader_epochs(disk: &Disk, path: &Path) -> io::Result<Vec<(LeaderEpoch, Offset)>> {
    read(disk, path, |line| {
        let (epoch, offset) = line.trim_end().split_once(' ')?;
        Some((LeaderEpoch(epoch.parse().ok()?), offset.parse().ok()?))
    })
}

/// Writes `<epoch> <start offset>` lines, whole or not at all.
///
/// # Errors
/// Whatever the file system says.
pub fn write_leader_epochs(disk: &Disk, path: &Path, entries: &[(LeaderEpoch, Offset)]) -> io::Result<()> {
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for (epoch, offset) in entries {
        let _ = writeln!(text, "{epoch} {offset}");
    }
    disk.write_atomically(path, text.as_bytes())
}

/// Reads the topic id of `partition.metadata`, if there is such a file.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the text is something else, or whatever the file system says.
pub fn read_topic_id(disk: &Disk, path: &Path) -> io::Result<Option<TopicId>> {
    let Some(bytes) = disk.read_if_exists(path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix("version: "));
    let id = lines.next().and_then(|line| line.strip_prefix("topic_id: ")).and_then(|id| id.trim().parse().ok());
    match (version, id) {
        (Some(VERSION), Some(id)) => Ok(Some(id)),
        _ => Err(malformed(path, "no version 0 and topic id")),
    }
}

/// Writes `partition.metadata`, whole or not at all.
///
/// # Errors
/// Whatever the file system says.
pub fn write_topic_id(disk: &Disk, path: &Path, id: TopicId) -> io::Result<()> {
    disk.write_atomically(path, format!("version: {VERSION}\ntopic_id: {id}").as_bytes())
}

fn read<T>(disk: &Disk, path: &Path, parse: impl Fn(&str) -> Option<T>) -> io::Result<Vec<T>> {
    let Some(bytes) = disk.read_if_exists(path)? else { return Ok(Vec::new()) };
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let text = str::from_utf8(&bytes).map_err(|_| malformed(path, "not text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return Err(malformed(path, "its version is not 0"));
    }
    let expected: usize =
        lines.next().and_then(|line| line.parse().ok()).ok_or_else(|| malformed(path, "no number of entries"))?;
    let entries: Vec<T> =
        lines.map(|line| parse(line).ok_or_else(|| malformed(path, line))).collect::<io::Result<_>>()?;
    if entries.len() != expected {
        return Err(malformed(path, "another number of entries than it says"));
    }
    Ok(entries)
}

fn malformed(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed checkpoint {}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_java_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let disk = Disk::real();
        let offsets = BTreeMap::from([(TopicPartition::new("a", 0), 1234), (TopicPartition::new("b", 7), 0)]);
        write_offsets(&disk, &path, offsets.iter().map(|(partition, offset)| (partition, *offset))).unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"0\n2\na 0 1234\nb 7 0\n");
        assert_eq!(read_offsets(&disk, &path).unwrap(), offsets);
    }

    #[test]
    fn an_empty_or_missing_checkpoint_holds_nothing_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let disk = Disk::real();
        assert!(read_offsets(&disk, &path).unwrap().is_empty());
        disk.write(&path, b"").unwrap();
        assert!(read_offsets(&disk, &path).unwrap().is_empty());
        for bad in ["1\n0\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na 0 1 2\n", "0\n", "x"] {
            disk.write(&path, bad.as_bytes()).unwrap();
            assert_eq!(read_offsets(&disk, &path).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bad:?}");
        }
    }

    #[test]
    fn the_topic_id_has_no_newline_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("partition.metadata");
        let disk = Disk::real();
        let id: TopicId = "Yo3Nyt7LQn6QBlkFqkTDLQ".parse().unwrap();
        write_topic_id(&disk, &path, id).unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"version: 0\ntopic_id: Yo3Nyt7LQn6QBlkFqkTDLQ");
        assert_eq!(read_topic_id(&disk, &path).unwrap(), Some(id));
    }
}
