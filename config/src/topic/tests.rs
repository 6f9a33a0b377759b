//! Facts about topic settings over a broker's.

use super::*;

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let mut all = texts(pairs);
    all.insert("zookeeper.connect".to_owned(), "localhost:2181".to_owned());
    BrokerConfig::from_map(all).unwrap()
}

#[test]
fn every_default_of_a_row_passes_its_own_check() {
    TopicConfig::defaults();
}

#[test]
fn without_settings_a_topic_has_kafkas_defaults() {
    let config = TopicConfig::resolve(&BrokerConfig::for_tests(), &Texts::new()).unwrap();
    for row in topic_rows() {
        assert_eq!(config.own(row.name), None);
    }
    assert_eq!((config.segment_bytes, config.segment_ms), (1_073_741_824, 604_800_000));
    assert_eq!((config.retention_ms, config.retention_bytes), (604_800_000, -1));
    assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: false });
    assert_eq!((config.max_message_bytes, config.min_insync_replicas), (1_048_588, 1));
    assert_eq!((config.flush_ms, config.flush_messages), (i64::MAX, i64::MAX));
    assert_eq!(config.message_timestamp_before_max_ms, i64::MAX);
}

#[test]
fn a_broker_setting_reaches_topics_through_its_coarser_name() {
    let broker = broker(&[("log.retention.hours", "2"), ("log.roll.hours", "3"), ("log.retention.minutes", "1")]);
    let config = TopicConfig::resolve(&broker, &Texts::new()).unwrap();
    assert_eq!((config.retention_ms, config.segment_ms), (60_000, 10_800_000));
}

#[test]
fn a_topics_own_setting_wins() {
    let broker = broker(&[("log.retention.ms", "5000")]);
    let config = TopicConfig::resolve(&broker, &texts(&[("retention.ms", "-1")])).unwrap();
    assert_eq!((config.retention_ms, config.own("retention.ms")), (-1, Some("-1")));
}

#[test]
fn unknown_names_are_refused_from_clients_and_passed_over_from_zookeeper() {
    let broker = BrokerConfig::for_tests();
    let own = texts(&[("retention.msec", "1")]);
    let error = TopicConfig::resolve(&broker, &own).unwrap_err();
    assert_eq!(error.to_string(), "Unknown topic config name: retention.msec");
    assert!(TopicConfig::resolve_known(&broker, &own).is_ok());
}

#[test]
fn bounds_are_those_of_the_rows() {
    let broker = BrokerConfig::for_tests();
    for (name, text) in [
        ("segment.bytes", "13"),
        ("segment.ms", "0"),
        ("segment.index.bytes", "3"),
        ("retention.ms", "-2"),
        ("min.insync.replicas", "0"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("compression.type", "lzma"),
        ("leader.replication.throttled.replicas", "1-2"),
        ("cleanup.policy", "shred"),
    ] {
        let error = TopicConfig::resolve(&broker, &texts(&[(name, text)])).unwrap_err().to_string();
        assert!(error.starts_with(&format!("Invalid value {text} for configuration {name}: ")), "{error}");
    }
}

#[test]
fn compaction_lags_may_not_cross() {
    let own = texts(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "9")]);
    assert!(matches!(TopicConfig::resolve(&BrokerConfig::for_tests(), &own), Err(Error::Conflict(_))));
}

#[test]
fn tiered_storage_is_refused() {
    for name in ["remote.storage.enable", "remote.log.copy.disable", "remote.log.delete.on.disable"] {
        assert!(TopicConfig::resolve(&BrokerConfig::for_tests(), &texts(&[(name, "true")])).is_err(), "{name}");
    }
}

#[test]
fn the_deprecated_timestamp_bound_counts_where_the_newer_are_not_set() {
    let own = texts(&[("message.timestamp.difference.max.ms", "7"), ("message.timestamp.after.max.ms", "3")]);
    let config = TopicConfig::resolve(&BrokerConfig::for_tests(), &own).unwrap();
    assert_eq!((config.message_timestamp_before_max_ms, config.message_timestamp_after_max_ms), (7, 3));
}

#[test]
fn the_message_format_is_ignored_from_3_0_on_and_never_newer_than_the_protocol() {
    let own = texts(&[("message.format.version", "0.10.2")]);
    let config = TopicConfig::resolve(&BrokerConfig::for_tests(), &own).unwrap();
    assert_eq!(config.message_format_version, MetadataVersion::IBP_3_0_IV1);

    let old = broker(&[("inter.broker.protocol.version", "2.8"), ("log.message.format.version", "2.8")]);
    assert_eq!(TopicConfig::resolve(&old, &own).unwrap().message_format_version, MetadataVersion::IBP_0_10_2_IV0);
    let newer = texts(&[("message.format.version", "3.9")]);
    assert_eq!(TopicConfig::resolve(&old, &newer).unwrap().message_format_version, MetadataVersion::IBP_2_8_IV1);
}

#[test]
fn a_compacted_topic_rolls_within_its_longest_lag() {
    let own = texts(&[("cleanup.policy", "compact"), ("max.compaction.lag.ms", "60000")]);
    let config = TopicConfig::resolve(&BrokerConfig::for_tests(), &own).unwrap();
    assert_eq!(config.max_segment_ms(), 60_000);
}

#[test]
fn every_synonym_is_a_broker_property() {
    for row in topic_rows() {
        for synonym in row.synonyms {
            assert!(crate::broker_row(synonym).is_some(), "{} falls back to {synonym}", row.name);
        }
    }
}
