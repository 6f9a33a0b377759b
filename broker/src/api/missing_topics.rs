//! Topics created because somebody named them: which shape they get, and what the client is told.
//! Source: `AutoTopicCreationManager`; contract 3.11. Differs from Kafka: any broker creates them in ZooKeeper itself,
//! as brokers before 2.8 did, instead of asking the controller.

use std::collections::BTreeMap;

use config::BrokerConfig;
use wire::ErrorCode;
use zk_schema::types::{CONSUMER_OFFSETS, TRANSACTION_STATE, TopicName};

use crate::broker::{Broker, MissingTopic};

/// Creates a topic. What the client is told is never success: the topic has no leader yet.
pub async fn create(broker: &Broker, name: &str) -> ErrorCode {
    if TopicName::validate(name).is_err() {
        return ErrorCode::InvalidTopicException;
    }
    let Some(creator) = &broker.auto_topics else {
        return ErrorCode::UnknownTopicOrPartition;
    };
    match creator.create(missing_topic(&broker.config(), name)).await {
        Ok(()) | Err(ErrorCode::TopicAlreadyExists | ErrorCode::RequestTimedOut) => ErrorCode::LeaderNotAvailable,
        Err(error) => {
            tracing::info!(topic = name, %error, "topic could not be created");
            error
        }
    }
}

fn missing_topic(config: &BrokerConfig, name: &str) -> MissingTopic {
    let overrides = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let name = TopicName::new(name);
    match name.as_str() {
        CONSUMER_OFFSETS => MissingTopic {
            name,
            partition_count: config.offsets_topic_num_partitions,
            replication_factor: config.offsets_topic_replication_factor,
            overrides: overrides(&[
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "producer".to_owned()),
                ("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
            ]),
        },
        TRANSACTION_STATE => MissingTopic {
            name,
            partition_count: config.transaction_state_log_num_partitions,
            replication_factor: config.transaction_state_log_replication_factor,
            overrides: overrides(&[
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "uncompressed".to_owned()),
                ("min.insync.replicas", config.transaction_state_log_min_isr.to_string()),
                ("segment.bytes", config.transaction_state_log_segment_bytes.to_string()),
                ("unclean.leader.election.enable", "false".to_owned()),
            ]),
        },
        _ => MissingTopic {
            name,
            partition_count: config.num_partitions,
            replication_factor: i16::try_from(config.default_replication_factor).unwrap_or(i16::MAX),
            overrides: BTreeMap::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_topic_is_compacted_and_has_its_own_partition_count() {
        let topic = missing_topic(&BrokerConfig::for_tests(), CONSUMER_OFFSETS);
        assert_eq!((topic.partition_count, topic.replication_factor), (50, 3));
        assert_eq!(topic.overrides["cleanup.policy"], "compact");
    }

    #[test]
    fn other_topics_take_the_brokers_defaults() {
        let topic = missing_topic(&BrokerConfig::for_tests(), "t");
        assert_eq!((topic.partition_count, topic.replication_factor), (1, 1));
        assert!(topic.overrides.is_empty());
    }
}
