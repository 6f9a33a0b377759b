//! Whatever is written is read back the same, and no bytes at all make a reader panic.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use zk_schema::nodes::config::ConfigEntity;
use zk_schema::nodes::partition_state::{LeaderRecoveryState, PartitionState};
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::nodes::*;
use zk_schema::{BrokerId, ControllerEpoch, LeaderEpoch, ProducerId, TopicId, TopicPartition};

fn brokers() -> impl Strategy<Value = Vec<BrokerId>> {
    vec((0..2000i32).prop_map(BrokerId), 0..5)
}

fn assignment() -> impl Strategy<Value = TopicAssignment> {
    let replicas = (brokers(), brokers(), brokers()).prop_map(|(replicas, adding_replicas, removing_replicas)| {
        ReplicaAssignment { replicas, adding_replicas, removing_replicas }
    });
    (option::of(any::<[u8; 16]>()), btree_map(0..5000i32, replicas, 0..60)).prop_map(|(id, partitions)| {
        TopicAssignment { topic_id: id.map(|bytes| TopicId(uuid::Uuid::from_bytes(bytes))), partitions }
    })
}

fn entity() -> impl Strategy<Value = ConfigEntity> {
    let name = || option::of("\\PC{1,12}".prop_filter("not the default's name", |name| name != "<default>"));
    prop_oneof![
        "[A-Za-z0-9._-]{1,20}".prop_map(|topic| ConfigEntity::Topic(topic.into())),
        option::of(0..i32::MAX).prop_map(|id| ConfigEntity::Broker(id.map(BrokerId))),
        name().prop_map(ConfigEntity::Client),
        name().prop_map(ConfigEntity::User),
        (name(), name()).prop_map(|(user, client)| ConfigEntity::UserClient { user, client }),
        option::of("[0-9a-f.:]{1,20}").prop_map(ConfigEntity::Ip),
    ]
}

fn broker() -> impl Strategy<Value = broker_id::BrokerRegistration> {
    let protocol = (0..4i16).prop_map(|code| broker_id::SecurityProtocol::from_code(code).unwrap());
    let endpoint = ("[0-9a-zA-Z.:-]{0,20}", 0..65536i32, protocol);
    let range =
        (0..9i16, 0..9i16).prop_map(|(min_version, max_version)| broker_id::VersionRange { min_version, max_version });
    (
        btree_map("[A-Z_]{1,9}", endpoint, 1..9),
        any::<i32>(),
        option::of("\\PC{0,9}"),
        btree_map("[a-z.]{1,9}", range, 0..3),
    )
        .prop_map(|(endpoints, jmx_port, rack, features)| broker_id::BrokerRegistration {
            version: 5,
            endpoints: endpoints
                .into_iter()
                .map(|(listener, (host, port, security_protocol))| broker_id::Endpoint {
                    listener,
                    host,
                    port,
                    security_protocol,
                })
                .collect(),
            jmx_port,
            rack,
            features,
        })
}

proptest! {
    #[test]
    fn topics_round_trip(topic in assignment()) {
        prop_assert_eq!(TopicAssignment::decode(&topic.encode()).unwrap(), topic);
    }

    #[test]
    fn partition_states_round_trip(
        (controller, leader, epoch) in (any::<i32>(), any::<i32>(), any::<i32>()), isr in brokers(), recovering: bool
    ) {
        let state = PartitionState {
            controller_epoch: ControllerEpoch(controller),
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(epoch),
            isr,
            leader_recovery_state:
                if recovering { LeaderRecoveryState::Recovering } else { LeaderRecoveryState::Recovered },
        };
        prop_assert_eq!(PartitionState::decode(&state.encode()).unwrap(), state);
    }

    #[test]
    fn configs_round_trip(overrides in btree_map(".{0,20}", ".{0,20}", 0..60)) {
        prop_assert_eq!(config::decode(&config::encode(&overrides)).unwrap(), overrides);
    }

    #[test]
    fn config_changes_round_trip(entity in entity()) {
        prop_assert_eq!(config_change::decode(&config_change::encode(&entity)).unwrap(), entity);
    }

    #[test]
    fn brokers_round_trip(broker in broker(), timestamp_ms: i64) {
        prop_assert_eq!(broker_id::BrokerRegistration::decode(&broker.encode(timestamp_ms)).unwrap(), broker);
    }

    #[test]
    fn small_nodes_round_trip(id in any::<i32>(), number in 0..i64::MAX - 1000, text in "\\PC{0,20}") {
        let controller = controller::Controller::new(BrokerId(id));
        prop_assert_eq!(controller::Controller::decode(&controller.encode(number)).unwrap(), controller);
        let epoch = ControllerEpoch(id);
        prop_assert_eq!(controller_epoch::decode(&controller_epoch::encode(epoch)).unwrap(), epoch);
        prop_assert_eq!(cluster_id::decode(&cluster_id::encode(&text)).unwrap(), text);
        prop_assert_eq!(consumer_offset::decode(&consumer_offset::encode(number)).unwrap(), number);
        prop_assert_eq!(log_dir_event::decode(&log_dir_event::encode(BrokerId(id))).unwrap(), BrokerId(id));
        let last = ProducerId(number + 999);
        let block = producer_id_block::ProducerIdBlock { broker: BrokerId(id), first: ProducerId(number), last };
        prop_assert_eq!(producer_id_block::ProducerIdBlock::decode(&block.encode()).unwrap(), Some(block));
    }

    #[test]
    fn requests_of_old_tools_round_trip(moves in btree_map(("[a-z]{1,5}", 0..9i32), brokers(), 0..9)) {
        let moves: BTreeMap<_, _> = moves.into_iter().map(|((t, p), to)| (TopicPartition::new(t, p), to)).collect();
        prop_assert_eq!(&reassignment::decode(&reassignment::encode(&moves)).unwrap(), &moves);
        let partitions: BTreeSet<_> = moves.into_keys().collect();
        prop_assert_eq!(&isr_change::decode(&isr_change::encode(&partitions)).unwrap(), &partitions);
        prop_assert_eq!(preferred_election::decode(&preferred_election::encode(&partitions)).unwrap(), partitions);
    }

    #[test]
    fn features_round_trip(features in btree_map("\\PC{0,9}", 1..i16::MAX, 0..5), version in 1..=2i32, enabled: bool) {
        let features = feature::Features { version, enabled, features };
        prop_assert_eq!(feature::Features::decode(&features.encode()).unwrap(), features);
    }

    #[test]
    fn acls_round_trip(rules in btree_set(("\\PC{0,9}", "\\PC{0,9}", 2..15i8, 2..4i8), 0..9), name in "\\PC{0,9}", kind in 2..8i8) {
        let entry = |(name, host, operation, permission): (String, String, i8, i8)| acl::AccessControlEntry {
            principal: format!("User:{name}"),
            host,
            operation: acl::AclOperation::from_code(operation).unwrap(),
            permission: acl::Permission::from_code(permission).unwrap(),
        };
        let entries: BTreeSet<_> = rules.into_iter().map(entry).collect();
        prop_assert_eq!(acl::decode(&acl::encode(&entries)).unwrap(), entries);
        let resource_type = acl::ResourceType::from_code(kind).unwrap();
        let literal = acl::ResourcePattern { resource_type, name, pattern_type: acl::PatternType::Literal };
        prop_assert_eq!(&acl::ResourcePattern::decode_literal_change(&literal.encode_change()).unwrap(), &literal);
        let prefixed = acl::ResourcePattern { pattern_type: acl::PatternType::Prefixed, ..literal };
        prop_assert_eq!(acl::ResourcePattern::decode_extended_change(&prefixed.encode_change()).unwrap(), prefixed);
    }

    #[test]
    fn tokens_round_trip(names in vec("\\PC{0,9}", 3), id in "[A-Za-z0-9_-]{1,22}", times: (i64, i64, i64)) {
        let name = |index: usize| format!("User:{}", names[index]);
        let token = delegation_token::DelegationToken {
            token_id: id,
            owner: name(0),
            token_requester: name(1),
            renewers: vec![name(2)],
            issue_timestamp_ms: times.0,
            max_timestamp_ms: times.1,
            expiry_timestamp_ms: times.2,
        };
        prop_assert_eq!(delegation_token::DelegationToken::decode(&token.encode()).unwrap(), Some(token));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>) {
        read_with_all(&bytes);
    }

    #[test]
    fn no_json_makes_a_reader_panic(
        key in "version|partitions|endpoints|config|isr|acls|features", value in "-?[0-9]{1,25}|\"[a-z:%/]{0,9}\"|\\[\\]|\\{\"0\":[0-9]\\}|null"
    ) {
        read_with_all(format!("{{\"version\":1,\"{key}\":{value}}}").as_bytes());
    }
}

fn read_with_all(bytes: &[u8]) {
    let _ = acl::decode(bytes);
    let _ = acl::ResourcePattern::decode_literal_change(bytes);
    let _ = acl::ResourcePattern::decode_extended_change(bytes);
    let _ = broker_id::BrokerRegistration::decode(bytes);
    let _ = cluster_id::decode(bytes);
    let _ = config::decode(bytes);
    let _ = config_change::decode(bytes);
    let _ = consumer_offset::decode(bytes);
    let _ = controller::Controller::decode(bytes);
    let _ = controller_epoch::decode(bytes);
    let _ = delegation_token::DelegationToken::decode(bytes);
    let _ = feature::Features::decode(bytes);
    let _ = isr_change::decode(bytes);
    let _ = log_dir_event::decode(bytes);
    let _ = migration::Migration::decode(bytes);
    let _ = PartitionState::decode(bytes);
    let _ = preferred_election::decode(bytes);
    let _ = producer_id_block::ProducerIdBlock::decode(bytes);
    let _ = reassignment::decode(bytes);
    let _ = TopicAssignment::decode(bytes);
}
