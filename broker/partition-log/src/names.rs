//! Names of files and directories, byte for byte those of Kafka, and reading them back.
//! Pure: touches no disk.
//! Source: `LogFileUtils`, `LocalLog.parseTopicPartitionName`, `LocalLog.logDeleteDirName` in Kafka 3.9.

use uuid::Uuid;
use zk_schema::types::{Offset, TopicPartition};

/// Held locked while a broker uses the directory.
pub const LOCK_FILE: &str = ".lock";
/// There only if the last broker closed every log of the directory.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";
/// Offsets up to which each log is known to be on disk.
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARK_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Log start offsets that lie inside a segment.
pub const LOG_START_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// First dirty offset of each compacted log.
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
/// Leader epochs of one log.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// Topic id of one log.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// Records.
pub const LOG_SUFFIX: &str = ".log";
/// Offset index.
pub const INDEX_SUFFIX: &str = ".index";
/// Time index.
pub const TIME_INDEX_SUFFIX: &str = ".timeindex";
/// Aborted transactions.
pub const TRANSACTION_INDEX_SUFFIX: &str = ".txnindex";
/// Producer state.
pub const SNAPSHOT_SUFFIX: &str = ".snapshot";
/// Waiting to be deleted.
pub const DELETED_SUFFIX: &str = ".deleted";
/// Output of compaction that is not complete.
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Output of compaction that is complete and being moved into place.
pub const SWAP_SUFFIX: &str = ".swap";

const DELETE_DIR_SUFFIX: &str = "-delete";
const FUTURE_DIR_SUFFIX: &str = "-future";
const STRAY_DIR_SUFFIX: &str = "-stray";
const DIR_NAME_MAX: usize = 255;

/// The four files of a segment, in the order they are created.
pub const SEGMENT_SUFFIXES: [&str; 4] = [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX];

/// `00000000000000000042.log` and its like.
#[must_use]
pub fn file_name(offset: Offset, suffix: &str) -> String {
    format!("{offset:020}{suffix}")
}

/// The offset in front of the first dot of a file name, if that is what the name begins with.
#[must_use]
pub fn offset_of(name: &str) -> Option<Offset> {
    let (digits, _) = name.split_once('.')?;
    let offset = digits.parse::<Offset>().ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(offset)
}

/// What a directory below a log directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirKind {
    /// A log in use.
    Current,
    /// A log being deleted.
    Delete,
    /// A copy being made by `AlterReplicaLogDirs`.
    Future,
    /// Set aside by a migration; kept, never used.
    Stray,
}

/// Reads a directory name; `None` if it is none of Kafka's.
#[must_use]
pub fn parse_dir_name(name: &str) -> Option<(TopicPartition, DirKind)> {
    let suffixed = [
        (DELETE_DIR_SUFFIX, DirKind::Delete),
        (FUTURE_DIR_SUFFIX, DirKind::Future),
        (STRAY_DIR_SUFFIX, DirKind::Stray),
    ]
    .into_iter()
    .find_map(|(suffix, kind)| name.strip_suffix(suffix).map(|rest| (rest, kind)));
    let (partition_name, kind) = match suffixed {
        Some((rest, kind)) => (rest.rsplit_once('.')?.0, kind),
        None => (name, DirKind::Current),
    };
    let (topic, partition) = partition_name.rsplit_once('-')?;
    let partition = partition.parse::<i32>().ok()?;
    (!topic.is_empty()).then(|| (TopicPartition::new(topic, partition), kind))
}

/// Directory of a log in use.
#[must_use]
pub fn dir_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// Directory of a log being deleted. The topic is cut so that the name stays within what file systems allow.
#[must_use]
pub fn delete_dir_name(partition: &TopicPartition, unique: Uuid) -> String {
    let tail = format!("-{}.{}{DELETE_DIR_SUFFIX}", partition.partition, unique.simple());
    let topic = partition.topic.as_str();
    let kept = topic.len().min(DIR_NAME_MAX - tail.len());
    format!("{}{tail}", topic.get(..kept).unwrap_or(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_twenty_digits() {
        assert_eq!(file_name(42, LOG_SUFFIX), "00000000000000000042.log");
        assert_eq!(offset_of("00000000000000000042.timeindex.deleted"), Some(42));
        assert_eq!(offset_of("leader-epoch-checkpoint"), None);
        assert_eq!(offset_of("partition.metadata"), None);
        assert_eq!(offset_of("-1.log"), None);
    }

    #[test]
    fn the_partition_is_behind_the_last_dash() {
        assert_eq!(parse_dir_name("a-b-3"), Some((TopicPartition::new("a-b", 3), DirKind::Current)));
        for bad in ["plain", "-3", "a-", "a-x", "a-1.x-y", "a-1-delete"] {
            assert_eq!(parse_dir_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_directories_being_deleted_read_back_and_stay_short() {
        let long = TopicPartition::new("t".repeat(249).as_str(), 12);
        let name = delete_dir_name(&long, Uuid::nil());
        assert_eq!(name.len(), 255);
        let (parsed, kind) = parse_dir_name(&name).unwrap();
        assert_eq!((parsed.partition, kind), (12, DirKind::Delete));
        let future = "t-0.0123456789abcdef0123456789abcdef-future";
        assert_eq!(parse_dir_name(future), Some((TopicPartition::new("t", 0), DirKind::Future)));
    }
}
