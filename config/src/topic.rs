//! The topic rows, each naming the broker properties it falls back to, and how a topic's own settings
//! lie over the broker's. Source: `LogConfig`, `TopicConfig` and `ServerTopicConfigSynonyms` in Kafka 3.9.

use crate::broker::BrokerConfig;
use crate::error::Error;
use crate::metadata_version::MetadataVersion;
use crate::sources::{Given, Origin};
use crate::table::{Check, Texts, find, properties};
use crate::value::{CleanupPolicy, CompressionType, TimestampType};

properties! {
    /// What holds for one topic. A field is its property with `.` as `_`.
    ///
    /// Of the fields that depend on others, `message_timestamp_before_max_ms`, `message_timestamp_after_max_ms`
    /// and `message_format_version` hold what counts in the end, not what was written.
    pub struct TopicConfig;

    /// What happens to old segments: delete by age and size, compact by key, or both.
    cleanup_policy: CleanupPolicy = "cleanup.policy", "delete",
        Check::Any, Medium, ClusterWide, Built, synonyms ["log.cleanup.policy"];
    /// Codec of stored batches; producer keeps what the producer chose.
    compression_type: CompressionType = "compression.type", "producer",
        Check::Any, Medium, ClusterWide, Built, synonyms ["compression.type"];
    /// Gzip level when compression.type is gzip; -1 for the codec's own.
    compression_gzip_level: i32 = "compression.gzip.level", "-1",
        Check::BetweenOr(1, 9, -1), Medium, ClusterWide, Built, synonyms ["compression.gzip.level"];
    /// LZ4 level when compression.type is lz4.
    compression_lz4_level: i32 = "compression.lz4.level", "9",
        Check::Between(1, 17), Medium, ClusterWide, Built, synonyms ["compression.lz4.level"];
    /// Zstandard level when compression.type is zstd.
    compression_zstd_level: i32 = "compression.zstd.level", "3",
        Check::Between(-131072, 22), Medium, ClusterWide, Built, synonyms ["compression.zstd.level"];
    /// How long a deletion marker stays in a compacted log, in milliseconds.
    delete_retention_ms: i64 = "delete.retention.ms", "86400000",
        Check::AtLeast(0), Medium, ClusterWide, NotYet, synonyms ["log.cleaner.delete.retention.ms"];
    /// Milliseconds a deleted segment's file stays before it is removed from disk.
    file_delete_delay_ms: i64 = "file.delete.delay.ms", "60000",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.segment.delete.delay.ms"];
    /// Records appended before the log is flushed to disk.
    flush_messages: i64 = "flush.messages", "9223372036854775807",
        Check::AtLeast(1), Medium, ClusterWide, Built, synonyms ["log.flush.interval.messages"];
    /// Longest a record stays unflushed, in milliseconds.
    flush_ms: i64 = "flush.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    /// Replicas whose copying is throttled on the follower: * or partition:broker pairs.
    follower_replication_throttled_replicas: Vec<String> = "follower.replication.throttled.replicas", "",
        Check::ThrottledReplicas, Medium, ClusterWide, NotYet;
    /// Replicas whose copying is throttled on the leader: * or partition:broker pairs.
    leader_replication_throttled_replicas: Vec<String> = "leader.replication.throttled.replicas", "",
        Check::ThrottledReplicas, Medium, ClusterWide, NotYet;
    /// Bytes of records between two entries of the offset index.
    index_interval_bytes: i32 = "index.interval.bytes", "4096",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.index.interval.bytes"];
    /// Oldest a record may get before the log is compacted, in milliseconds.
    max_compaction_lag_ms: i64 = "max.compaction.lag.ms", "9223372036854775807",
        Check::AtLeast(1), Medium, ClusterWide, NotYet, synonyms ["log.cleaner.max.compaction.lag.ms"];
    /// Youngest a record may be to be compacted away, in milliseconds.
    min_compaction_lag_ms: i64 = "min.compaction.lag.ms", "0",
        Check::AtLeast(0), Medium, ClusterWide, NotYet, synonyms ["log.cleaner.min.compaction.lag.ms"];
    /// Largest record batch, compressed, in bytes.
    max_message_bytes: i32 = "max.message.bytes", "1048588",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["message.max.bytes"];
    /// Whether records are converted for consumers that only read older formats.
    message_downconversion_enable: bool = "message.downconversion.enable", "true",
        Check::Any, Low, ClusterWide, Built, synonyms ["log.message.downconversion.enable"];
    /// Record format written. Ignored from inter.broker.protocol.version 3.0 on.
    message_format_version: MetadataVersion = "message.format.version", "3.0-IV1",
        Check::Any, Medium, ClusterWide, Built, synonyms ["log.message.format.version"];
    /// Whether a record carries the time it was created or the time it was appended.
    message_timestamp_type: TimestampType = "message.timestamp.type", "CreateTime",
        Check::Any, Medium, ClusterWide, Built, synonyms ["log.message.timestamp.type"];
    /// Most a record's timestamp may lie before the broker's clock, in milliseconds.
    message_timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.message.timestamp.before.max.ms"];
    /// Most a record's timestamp may lie after the broker's clock, in milliseconds.
    message_timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.message.timestamp.after.max.ms"];
    /// Most a record's timestamp may differ from the broker's clock, in milliseconds. Deprecated: used only where
    /// the two above are not set.
    message_timestamp_difference_max_ms: i64 = "message.timestamp.difference.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.message.timestamp.difference.max.ms"];
    /// Share of the log that must be uncompacted before it is compacted.
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", "0.5",
        Check::RealBetween(0.0, 1.0), Medium, ClusterWide, NotYet, synonyms ["log.cleaner.min.cleanable.ratio"];
    /// Replicas that must be in sync for a write with acks=all to be accepted.
    min_insync_replicas: i32 = "min.insync.replicas", "1",
        Check::AtLeast(1), Medium, ClusterWide, Built, synonyms ["min.insync.replicas"];
    /// Whether a new segment's file takes its full size at once.
    preallocate: bool = "preallocate", "false", Check::Any, Medium, ClusterWide, Built, synonyms ["log.preallocate"];
    /// Size of a partition beyond which its oldest segments are deleted, in bytes; -1 for no bound.
    retention_bytes: i64 = "retention.bytes", "-1",
        Check::Any, Medium, ClusterWide, Built, synonyms ["log.retention.bytes"];
    /// How long records are kept, in milliseconds; -1 for ever.
    retention_ms: i64 = "retention.ms", "604800000",
        Check::AtLeast(-1), Medium, ClusterWide, Built, synonyms ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    /// Largest size of one segment in bytes.
    segment_bytes: i32 = "segment.bytes", "1073741824",
        Check::AtLeast(14), Medium, ClusterWide, Built, synonyms ["log.segment.bytes"];
    /// Largest size of an offset index in bytes.
    segment_index_bytes: i32 = "segment.index.bytes", "10485760",
        Check::AtLeast(4), Medium, ClusterWide, Built, synonyms ["log.index.size.max.bytes"];
    /// Oldest age of a segment before a new one is begun, in milliseconds.
    segment_ms: i64 = "segment.ms", "604800000",
        Check::AtLeast(1), Medium, ClusterWide, Built, synonyms ["log.roll.ms", "log.roll.hours"];
    /// Most that is taken off segment.ms at random, in milliseconds.
    segment_jitter_ms: i64 = "segment.jitter.ms", "0",
        Check::AtLeast(0), Medium, ClusterWide, Built, synonyms ["log.roll.jitter.ms", "log.roll.jitter.hours"];
    /// Whether a replica outside the ISR may lead when nobody else is left. Loses records.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable", "false",
        Check::Any, Medium, ClusterWide, Built, synonyms ["unclean.leader.election.enable"];
    /// Tiered storage. Must stay false.
    remote_storage_enable: bool = "remote.storage.enable", "false", Check::Any, Medium, ClusterWide, Never;
    /// Tiered storage: how long segments stay on local disk, in milliseconds; -2 means as long as retention.ms.
    local_retention_ms: i64 = "local.retention.ms", "-2",
        Check::AtLeast(-2), Medium, ClusterWide, Never, synonyms ["log.local.retention.ms"];
    /// Tiered storage: bytes kept on local disk; -2 means as many as retention.bytes.
    local_retention_bytes: i64 = "local.retention.bytes", "-2",
        Check::AtLeast(-2), Medium, ClusterWide, Never, synonyms ["log.local.retention.bytes"];
    /// Tiered storage: whether copying to remote storage stops. Must stay false.
    remote_log_copy_disable: bool = "remote.log.copy.disable", "false", Check::Any, Medium, ClusterWide, Never;
    /// Tiered storage: whether remote data goes when tiered storage is turned off. Must stay false.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable", "false",
        Check::Any, Medium, ClusterWide, Never;
}

/// The topic rows.
pub fn topic_rows() -> &'static [crate::table::Row] {
    ROWS
}

/// The row of one topic property.
pub fn topic_row(name: &str) -> Option<&'static crate::table::Row> {
    find(ROWS, name)
}

impl TopicConfig {
    /// What holds for a topic whose own settings are `overrides`, on this broker.
    ///
    /// # Errors
    /// [`Error::UnknownTopicConfig`], [`Error::Invalid`], or [`Error::Conflict`] if two settings exclude each other.
    ///
    /// Source: `LogConfig.fromProps` and `LogConfig.validate`.
    pub fn resolve(broker: &BrokerConfig, overrides: &Texts) -> Result<Self, Error> {
        if let Some(name) = overrides.keys().find(|name| topic_row(name).is_none()) {
            return Err(Error::UnknownTopicConfig(name.clone()));
        }
        Self::resolve_known(broker, overrides)
    }

    /// As [`TopicConfig::resolve`], for settings read back from ZooKeeper: unknown names are passed over, because a
    /// newer broker may have written them.
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Conflict`].
    pub fn resolve_known(broker: &BrokerConfig, overrides: &Texts) -> Result<Self, Error> {
        let mut config = Self::of_broker(broker).overlaid(Given::of(Origin::Entity, overrides))?;
        config.settle(broker);
        config.check()?;
        Ok(config)
    }

    /// What holds for a topic without settings of its own.
    pub fn of_broker(broker: &BrokerConfig) -> Self {
        let mut config = Self {
            cleanup_policy: broker.log_cleanup_policy,
            compression_type: broker.compression_type,
            compression_gzip_level: broker.compression_gzip_level,
            compression_lz4_level: broker.compression_lz4_level,
            compression_zstd_level: broker.compression_zstd_level,
            delete_retention_ms: broker.log_cleaner_delete_retention_ms,
            file_delete_delay_ms: broker.log_segment_delete_delay_ms,
            flush_messages: broker.log_flush_interval_messages,
            flush_ms: broker.log_flush_interval_ms(),
            index_interval_bytes: broker.log_index_interval_bytes,
            max_compaction_lag_ms: broker.log_cleaner_max_compaction_lag_ms,
            min_compaction_lag_ms: broker.log_cleaner_min_compaction_lag_ms,
            max_message_bytes: broker.message_max_bytes,
            message_downconversion_enable: broker.log_message_downconversion_enable,
            message_format_version: broker.log_message_format_version,
            message_timestamp_type: broker.log_message_timestamp_type,
            message_timestamp_before_max_ms: broker.log_message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: broker.log_message_timestamp_after_max_ms,
            message_timestamp_difference_max_ms: broker.log_message_timestamp_difference_max_ms,
            min_cleanable_dirty_ratio: broker.log_cleaner_min_cleanable_ratio,
            min_insync_replicas: broker.min_insync_replicas,
            preallocate: broker.log_preallocate,
            retention_bytes: broker.log_retention_bytes,
            retention_ms: broker.log_retention_ms(),
            segment_bytes: broker.log_segment_bytes,
            segment_index_bytes: broker.log_index_size_max_bytes,
            segment_ms: broker.log_roll_ms(),
            segment_jitter_ms: broker.log_roll_jitter_ms(),
            unclean_leader_election_enable: broker.unclean_leader_election_enable,
            local_retention_ms: broker.log_local_retention_ms,
            local_retention_bytes: broker.log_local_retention_bytes,
            ..Self::defaults()
        };
        config.settle(broker);
        config
    }

    /// Oldest age of a segment before a new one is begun, in milliseconds. A compacted topic rolls at least as often
    /// as its longest compaction lag asks for.
    ///
    /// Source: `LogConfig.maxSegmentMs`.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.max_compaction_lag_ms.min(self.segment_ms)
        } else {
            self.segment_ms
        }
    }

    /// The text this topic itself set for a property.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.given.text(name)
    }

    /// Every property this topic itself set.
    pub fn own_texts(&self) -> Texts {
        self.given.texts()
    }

    fn settle(&mut self, broker: &BrokerConfig) {
        let ibp = broker.ibp();
        if ibp.ignores_message_format_version() {
            self.message_format_version = MetadataVersion::IBP_3_0_IV1;
        } else if ibp < self.message_format_version {
            self.message_format_version = broker.log_message_format_version;
        }
        if self.message_timestamp_before_max_ms == i64::MAX {
            self.message_timestamp_before_max_ms = self.message_timestamp_difference_max_ms;
        }
        if self.message_timestamp_after_max_ms == i64::MAX {
            self.message_timestamp_after_max_ms = self.message_timestamp_difference_max_ms;
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms {
            return Err(Error::Conflict(format!(
                "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
                self.min_compaction_lag_ms, self.max_compaction_lag_ms
            )));
        }
        if self.remote_storage_enable {
            return Err(Error::Unsupported {
                name: "remote.storage.enable",
                value: "true".to_owned(),
                reason: "there is no tiered storage here; remove it or set it to false",
            });
        }
        if self.remote_log_copy_disable || self.remote_log_delete_on_disable {
            return Err(Error::Conflict(
                "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "topic/tests.rs"]
mod tests;
