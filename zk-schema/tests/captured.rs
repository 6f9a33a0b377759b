//! Every node a real Kafka 3.9.1 wrote is read, and written again to the same bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::nodes::config::ConfigEntity;
use zk_schema::nodes::{
    acl, broker_id, cluster_id, config, config_change, controller, controller_epoch, delegation_token, feature,
    isr_change, log_dir_event, migration, partition_state, preferred_election, producer_id_block, reassignment, topic,
};
use zk_schema::{BrokerId, TopicPartition, paths};

fn captured() -> Vec<(String, String)> {
    let lines = include_str!("data/captured-3.9.1.jsonl").lines();
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["path"].as_str().unwrap().to_owned(), line["data"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// Contents the encoders of Kafka returned for inputs of this kind.
fn encoded(kind: &str) -> Vec<(usize, String)> {
    let lines = include_str!("data/encoded-3.9.1.txt").lines();
    let of_kind = lines.filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    of_kind
        .map(|rest| match rest.split_once(' ') {
            Some((count, json)) if !count.starts_with('{') => (count.parse().unwrap(), json.to_owned()),
            _ => (0, rest.to_owned()),
        })
        .collect()
}

fn timestamp_in(content: &str) -> i64 {
    let json: serde_json::Value = serde_json::from_str(content).unwrap();
    json["timestamp"].as_str().unwrap().parse().unwrap()
}

fn rewritten(path: &str, content: &str) -> Option<Vec<u8>> {
    let bytes = content.as_bytes();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    Some(match parts.as_slice() {
        ["controller"] => controller::Controller::decode(bytes).unwrap().encode(timestamp_in(content)),
        ["controller_epoch"] => controller_epoch::encode(controller_epoch::decode(bytes).unwrap()),
        ["cluster", "id"] => cluster_id::encode(&cluster_id::decode(bytes).unwrap()),
        ["brokers", "ids", _] => broker_id::BrokerRegistration::decode(bytes).unwrap().encode(timestamp_in(content)),
        ["brokers", "topics", _] => topic::TopicAssignment::decode(bytes).unwrap().encode(),
        ["brokers", "topics", .., "state"] => partition_state::PartitionState::decode(bytes).unwrap().encode(),
        ["config", "changes", _] => config_change::encode(&config_change::decode(bytes).unwrap()),
        ["config", entity @ ..] => {
            assert_eq!(ConfigEntity::parse(&entity.join("/")).unwrap().path(), path);
            config::encode(&config::decode(bytes).unwrap())
        }
        ["feature"] => feature::Features::decode(bytes).unwrap().encode(),
        ["latest_producer_id_block"] => producer_id_block::ProducerIdBlock::decode(bytes).unwrap().unwrap().encode(),
        ["kafka-acl-changes", _] => acl::ResourcePattern::decode_literal_change(bytes).unwrap().encode_change(),
        ["kafka-acl-extended-changes", _] => {
            acl::ResourcePattern::decode_extended_change(bytes).unwrap().encode_change()
        }
        ["kafka-acl", ..] | ["kafka-acl-extended", ..] => acl::encode(&acl::decode(bytes).unwrap()),
        _ => return None,
    })
}

#[test]
fn captured_nodes_are_written_again_to_the_same_bytes() {
    let mut kinds = BTreeSet::new();
    for (path, content) in captured() {
        let Some(bytes) = rewritten(&path, &content) else {
            assert!(content.is_empty(), "{path} is not known");
            continue;
        };
        assert_eq!(String::from_utf8(bytes).unwrap(), content, "{path}");
        kinds.insert(path.split('/').nth(1).unwrap().to_owned());
    }
    assert!(11 <= kinds.len(), "{kinds:?}");
}

#[test]
fn brokers_of_every_version_are_written_as_kafka_writes_them() {
    let of_versions = encoded("BROKER");
    assert_eq!(of_versions.len(), 8);
    for (version, content) in of_versions {
        let broker = broker_id::BrokerRegistration::decode(content.as_bytes()).unwrap();
        assert_eq!(usize::try_from(broker.version).unwrap(), version);
        assert_eq!(String::from_utf8(broker.encode(timestamp_in(&content))).unwrap(), content);
    }
}

#[test]
fn many_listeners_come_in_kafkas_order() {
    for (count, content) in encoded("LISTENERS") {
        let mut broker = broker_id::BrokerRegistration::decode(content.as_bytes()).unwrap();
        assert_eq!(broker.endpoints.len(), count);
        // The test input passed port 1 as the first plaintext port, whatever the endpoints.
        broker.endpoints[0].port = 1;
        let content = content.replace("PLAINTEXT://h:0", "PLAINTEXT://h:1");
        assert_eq!(String::from_utf8(broker.encode(timestamp_in(&content))).unwrap(), content);
    }
}

#[test]
fn partitions_come_in_kafkas_order() {
    for (count, content) in encoded("TOPIC") {
        let decoded = topic::TopicAssignment::decode(content.as_bytes()).unwrap();
        assert_eq!(decoded.partitions.len(), count);
        assert_eq!(String::from_utf8(decoded.encode()).unwrap(), content);
    }
}

#[test]
fn overrides_come_in_kafkas_order() {
    for (count, content) in encoded("CONFIG").into_iter().chain([(1, encoded("ESC")[0].1.clone())]) {
        let decoded = config::decode(content.as_bytes()).unwrap();
        assert!(decoded.len() == count);
        assert_eq!(String::from_utf8(config::encode(&decoded)).unwrap(), content);
    }
}

#[test]
fn nodes_of_one_form_are_written_as_kafka_writes_them() {
    let only = |kind: &str| encoded(kind).remove(0).1;
    let t3 = BTreeSet::from([TopicPartition::new("t", 3)]);
    assert_eq!(String::from_utf8(isr_change::encode(&t3)).unwrap(), only("ISR"));
    assert_eq!(isr_change::decode(only("ISR").as_bytes()).unwrap(), t3);
    assert_eq!(String::from_utf8(preferred_election::encode(&t3)).unwrap(), only("PRE"));
    assert_eq!(preferred_election::decode(only("PRE").as_bytes()).unwrap(), t3);
    let moves = BTreeMap::from([(TopicPartition::new("t", 3), vec![BrokerId(1), BrokerId(2)])]);
    assert_eq!(String::from_utf8(reassignment::encode(&moves)).unwrap(), only("REA"));
    assert_eq!(reassignment::decode(only("REA").as_bytes()).unwrap(), moves);
    assert_eq!(String::from_utf8(log_dir_event::encode(BrokerId(4))).unwrap(), only("LOGDIR"));
    assert_eq!(log_dir_event::decode(only("LOGDIR").as_bytes()).unwrap(), BrokerId(4));
    let migration = migration::Migration::decode(only("MIG").as_bytes()).unwrap();
    assert_eq!((migration.kraft_controller_id, migration.kraft_metadata_offset), (3000, 10));
    let token = delegation_token::DelegationToken::decode(only("TOK").as_bytes()).unwrap().unwrap();
    assert_eq!((token.owner.as_str(), token.renewers[0].as_str()), ("User:a", "User:b"));
    assert_eq!(String::from_utf8(token.encode()).unwrap(), only("TOK"));
    for (_, content) in encoded("STATE") {
        let state = partition_state::PartitionState::decode(content.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(state.encode()).unwrap(), content);
    }
    for (_, content) in encoded("FEATURE") {
        let features = feature::Features::decode(content.as_bytes()).unwrap();
        assert_eq!(features.features["group.version"], 3);
        assert_eq!(String::from_utf8(features.encode()).unwrap(), content);
    }
}

#[test]
fn old_versions_are_still_read() {
    let v1 = br#"{"version":1,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"2233345666"}"#;
    let broker = broker_id::BrokerRegistration::decode(v1).unwrap();
    assert_eq!(broker.endpoints[0].connection_string(), "PLAINTEXT://localhost:9092");
    let v2 = br#"{"version":2,"host":"h","port":1,"jmx_port":-1,"timestamp":"1","endpoints":["SSL://[::1]:9093"]}"#;
    let broker = broker_id::BrokerRegistration::decode(v2).unwrap();
    assert_eq!(broker.endpoints[0].host, "::1");
    assert_eq!(broker.endpoints[0].connection_string(), "SSL://[::1]:9093");
    let topic = topic::TopicAssignment::decode(br#"{"version":1,"partitions":{"0":[1,2]}}"#).unwrap();
    assert_eq!((topic.topic_id, topic.partitions[&0].replicas.len()), (None, 2));
    let change = config_change::decode(br#"{"version":1,"entity_type":"topics","entity_name":"foo"}"#).unwrap();
    assert_eq!(change, ConfigEntity::Topic("foo".into()));
    let token = br#"{"version":1,"owner":"User%3Aa","renewers":[],"issueTimestamp":1,"maxTimestamp":2,"expiryTimestamp":2,"tokenId":"x"}"#;
    assert_eq!(delegation_token::DelegationToken::decode(token).unwrap().unwrap().token_requester, "User:a");
    assert!(!controller::Controller::decode(br#"{"version":1,"brokerid":1,"timestamp":"1"}"#).unwrap().is_kraft());
}

#[test]
fn unknown_keys_are_passed_over_and_missing_ones_named() {
    let more = br#"{"version":9,"brokerid":4,"kraftControllerEpoch":7,"new":[]}"#;
    let controller = controller::Controller::decode(more).unwrap();
    assert!(controller.is_kraft());
    let error = partition_state::PartitionState::decode(br#"{"leader":1}"#).unwrap_err();
    assert_eq!(error.to_string(), "/brokers/topics/T/partitions/P/state, field controller_epoch: missing");
    let error = topic::TopicAssignment::decode(br#"{"partitions":{"x":[1]}}"#).unwrap_err();
    assert!(error.to_string().contains("partitions.x: invalid"));
}

#[test]
fn acl_paths_follow_type_and_pattern() {
    let pattern = acl::ResourcePattern {
        resource_type: acl::ResourceType::TransactionalId,
        name: "x".to_owned(),
        pattern_type: acl::PatternType::Prefixed,
    };
    assert_eq!(pattern.path(), "/kafka-acl-extended/prefixed/TransactionalId/x");
    assert_eq!(pattern.change_path(), "/kafka-acl-extended-changes/acl_changes_");
    assert_eq!(paths::sequential(paths::CONFIG_CHANGES, paths::CONFIG_CHANGE_PREFIX), "/config/changes/config_change_");
}
