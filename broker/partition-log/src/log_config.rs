//! What one log needs to know of its topic's configuration, as numbers ready for use.
//! Parses nothing and knows no default: the values come from `config::TopicConfig`.

use config::{CompressionType, TopicConfig};
use record::{Codec, Compression, TimestampType};

/// Settings of one log. Swapped whole when the topic's configuration changes.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// Size above which the active segment is rolled, in bytes.
    pub segment_bytes: u64,
    /// Age above which the active segment is rolled, in milliseconds.
    pub segment_ms: i64,
    /// Most by which a segment is rolled earlier, at random, in milliseconds.
    pub segment_jitter_ms: i64,
    /// Size of a full index, in bytes.
    pub segment_index_bytes: usize,
    /// Bytes of records between two index entries.
    pub index_interval_bytes: u64,
    /// Age above which segments are deleted, in milliseconds; -1 keeps them.
    pub retention_ms: i64,
    /// Size above which the oldest segments are deleted, in bytes; -1 keeps them.
    pub retention_bytes: i64,
    /// Largest batch accepted from a client, in bytes.
    pub max_message_bytes: usize,
    /// Whether retention by age and size applies.
    pub delete: bool,
    /// Whether the log is compacted by key.
    pub compact: bool,
    /// Delay between taking a file out of use and deleting it, in milliseconds.
    pub file_delete_delay_ms: i64,
    /// Records after which an append is followed by a flush.
    pub flush_messages: i64,
    /// Milliseconds after which records are flushed.
    pub flush_ms: i64,
    /// Whether a new segment's file is extended to its full size at once.
    pub preallocate: bool,
    /// Who sets the timestamps.
    pub message_timestamp_type: TimestampType,
    /// How far a timestamp may lie in the past, in milliseconds.
    pub message_timestamp_before_max_ms: i64,
    /// How far a timestamp may lie in the future, in milliseconds.
    pub message_timestamp_after_max_ms: i64,
    /// Codec of stored batches; `None` keeps the producer's.
    pub compression: Option<Compression>,
    /// Format of stored batches: 0, 1 or 2.
    pub target_magic: i8,
}

impl From<&TopicConfig> for LogConfig {
    fn from(topic: &TopicConfig) -> Self {
        Self {
            segment_bytes: u64::try_from(topic.segment_bytes).unwrap_or(0),
            segment_ms: topic.segment_ms,
            segment_jitter_ms: topic.segment_jitter_ms,
            segment_index_bytes: usize::try_from(topic.segment_index_bytes).unwrap_or(0),
            index_interval_bytes: u64::try_from(topic.index_interval_bytes).unwrap_or(0),
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
            max_message_bytes: usize::try_from(topic.max_message_bytes).unwrap_or(0),
            delete: topic.cleanup_policy.delete,
            compact: topic.cleanup_policy.compact,
            file_delete_delay_ms: topic.file_delete_delay_ms,
            flush_messages: topic.flush_messages,
            flush_ms: topic.flush_ms,
            preallocate: topic.preallocate,
            message_timestamp_type: match topic.message_timestamp_type {
                config::TimestampType::CreateTime => TimestampType::CreateTime,
                config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            message_timestamp_before_max_ms: topic.message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: topic.message_timestamp_after_max_ms,
            compression: compression(topic),
            target_magic: topic.message_format_version.highest_record_version(),
        }
    }
}

fn compression(topic: &TopicConfig) -> Option<Compression> {
    let (codec, level) = match topic.compression_type {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => (Codec::None, None),
        CompressionType::Gzip => (Codec::Gzip, Some(topic.compression_gzip_level)),
        CompressionType::Snappy => (Codec::Snappy, None),
        CompressionType::Lz4 => (Codec::Lz4, Some(topic.compression_lz4_level)),
        CompressionType::Zstd => (Codec::Zstd, Some(topic.compression_zstd_level)),
    };
    Some(Compression { codec, level })
}

impl LogConfig {
    /// Size given to a new active index or segment file of this configuration.
    pub(crate) fn initial_file_bytes(&self) -> u64 {
        if self.preallocate { self.segment_bytes } else { 0 }
    }
}

#[cfg(test)]
impl LogConfig {
    pub(crate) fn for_tests() -> Self {
        let broker = config::BrokerConfig::for_tests();
        Self::from(&TopicConfig::resolve(&broker, &config::Texts::new()).expect("no overrides"))
    }
}
