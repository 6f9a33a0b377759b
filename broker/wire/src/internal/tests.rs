//! Facts about the stored records, checked against bytes written by Kafka 3.9.1.

use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{GenerationId, LeaderEpoch, ProducerEpoch, ProducerId, TopicName, TopicPartition};

use super::*;

const VERSIONS: &str = include_str!("../../tests/data/internal_versions.txt");
const LOG: &str = include_str!("../../tests/data/internal_log.txt");

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn recorded(record: &str) -> Vec<(i16, Bytes)> {
    let of_record: Vec<_> = lines(VERSIONS)
        .filter(|words| words[0] == record)
        .map(|words| (words[1].parse().unwrap(), unhex(words[2])))
        .collect();
    assert!(!of_record.is_empty(), "{record}");
    of_record
}

fn group() -> GroupMetadataValue {
    let text = Arc::<str>::from;
    GroupMetadataValue {
        protocol_type: text("consumer"),
        generation: GenerationId(42),
        protocol: Some(text("range")),
        leader: Some(text("m-1")),
        current_state_timestamp: 1_700_000_000_123,
        members: vec![
            StoredMember {
                member_id: text("m-1"),
                group_instance_id: Some(text("inst")),
                client_id: text("cli"),
                client_host: text("/10.0.0.1"),
                rebalance_timeout_ms: 300_000,
                session_timeout_ms: 45_000,
                subscription: Bytes::from_static(&[1, 2, 3]),
                assignment: Bytes::from_static(&[4]),
            },
            StoredMember {
                member_id: text("m-2"),
                group_instance_id: None,
                client_id: text(""),
                client_host: text("/::1"),
                rebalance_timeout_ms: 60_000,
                session_timeout_ms: 6_000,
                subscription: Bytes::from(vec![0; 200]),
                assignment: Bytes::new(),
            },
        ],
    }
}

/// What is left of `group` after a trip through `version`.
fn as_kept_by(version: i16, mut group: GroupMetadataValue) -> GroupMetadataValue {
    if version < 2 {
        group.current_state_timestamp = -1;
    }
    for member in &mut group.members {
        if version < 3 {
            member.group_instance_id = None;
        }
        if version < 1 {
            member.rebalance_timeout_ms = member.session_timeout_ms;
        }
    }
    group
}

#[test]
fn groups_match_kafkas_bytes_in_every_version() {
    let empty = GroupMetadataValue {
        protocol_type: Arc::from(""),
        generation: GenerationId(3),
        protocol: None,
        leader: None,
        current_state_timestamp: 5,
        members: Vec::new(),
    };
    for (record, value) in [("GroupMetadataValue", group()), ("EmptyGroupMetadataValue", empty)] {
        for (version, bytes) in recorded(record) {
            assert_eq!(value.encode(version), bytes, "{record} v{version}");
            assert_eq!(GroupMetadataValue::decode(&bytes).unwrap(), as_kept_by(version, value.clone()));
        }
    }
}

#[test]
fn committed_offsets_match_kafkas_bytes_in_every_version() {
    let value = OffsetCommitValue {
        offset: 123_456_789_012,
        leader_epoch: LeaderEpoch(17),
        metadata: Arc::from("note"),
        commit_timestamp: 1_700_000_000_123,
        expire_timestamp: 1_700_000_900_456,
    };
    for (version, bytes) in recorded("OffsetCommitValue") {
        assert_eq!(value.encode(version), bytes, "v{version}");
        let decoded = OffsetCommitValue::decode(&bytes).unwrap();
        assert_eq!(decoded.offset, value.offset);
        assert_eq!(decoded.leader_epoch, if version >= 3 { value.leader_epoch } else { LeaderEpoch::NONE });
        assert_eq!(decoded.expire_timestamp, if version == 1 { value.expire_timestamp } else { -1 });
    }
}

#[test]
fn keys_match_kafkas_bytes() {
    let partition = TopicPartition::new("topic.a", 7);
    for (version, bytes) in recorded("OffsetCommitKey") {
        let key = OffsetsKey::OffsetCommit { group: Arc::from("grüppe"), partition: partition.clone() };
        assert_eq!(OffsetsKey::decode(&bytes).unwrap(), key);
        if version == 1 {
            assert_eq!(OffsetsKey::encode_offset_commit("grüppe", &partition), bytes);
        }
    }
    let (_, bytes) = recorded("GroupMetadataKey").remove(0);
    assert_eq!(OffsetsKey::encode_group_metadata("grüppe"), bytes);
    let (_, bytes) = recorded("TransactionLogKey").remove(0);
    assert_eq!(TransactionLogKey::encode("tx-é"), bytes);
    assert_eq!(&*TransactionLogKey::decode(&bytes).unwrap().transactional_id, "tx-é");
}

#[test]
fn transactions_match_kafkas_bytes_in_every_version() {
    let ongoing = TransactionLogValue {
        producer_id: ProducerId(4711),
        producer_epoch: ProducerEpoch(3),
        transaction_timeout_ms: 60_000,
        status: 1,
        partitions: Some(vec![(TopicName::new("a"), vec![0, 5]), (TopicName::new("b"), vec![1])]),
        last_update_timestamp: 1_700_000_000_123,
        start_timestamp: 1_700_000_000_100,
    };
    let empty = TransactionLogValue {
        producer_epoch: ProducerEpoch(0),
        status: 0,
        partitions: None,
        start_timestamp: -1,
        ..ongoing.clone()
    };
    for (record, value) in [("TransactionLogValue", ongoing), ("EmptyTransactionLogValue", empty)] {
        for (version, bytes) in recorded(record) {
            assert_eq!(value.encode(version), bytes, "{record} v{version}");
            assert_eq!(TransactionLogValue::decode(&bytes).unwrap(), value);
        }
    }
}

#[test]
fn a_kafka_brokers_log_reads_and_writes_back_the_same() {
    let mut read = 0;
    for words in lines(LOG) {
        let (key, value) = (unhex(words[1]), words[2]);
        if words[0] == "__transaction_state" {
            let id = TransactionLogKey::decode(&key).unwrap().transactional_id;
            assert_eq!(TransactionLogKey::encode(&id), key);
            assert_eq!(TransactionLogValue::decode(&unhex(value)).unwrap().encode(0), unhex(value));
        } else {
            match OffsetsKey::decode(&key).unwrap() {
                OffsetsKey::OffsetCommit { group, partition } => {
                    assert_eq!(OffsetsKey::encode_offset_commit(&group, &partition), key);
                    if value != "-" {
                        assert_eq!(OffsetCommitValue::decode(&unhex(value)).unwrap().encode(3), unhex(value));
                    }
                }
                OffsetsKey::GroupMetadata { group } => {
                    assert_eq!(OffsetsKey::encode_group_metadata(&group), key);
                    if value != "-" {
                        assert_eq!(GroupMetadataValue::decode(&unhex(value)).unwrap().encode(3), unhex(value));
                    }
                }
                OffsetsKey::Unknown(version) => panic!("key version {version}"),
            }
        }
        read += 1;
    }
    assert!(read > 12);
}

#[test]
fn keys_of_other_coordinators_are_handed_back_as_unknown() {
    for version in [3i16, 8, -1] {
        assert_eq!(
            OffsetsKey::decode(&Bytes::copy_from_slice(&version.to_be_bytes())),
            Ok(OffsetsKey::Unknown(version))
        );
    }
}

#[test]
fn hostile_bytes_are_refused_without_trusting_their_lengths() {
    let whole = group().encode(4);
    for end in 0..whole.len() {
        assert!(GroupMetadataValue::decode(&whole.slice(..end)).is_err(), "{end}");
    }
    // Version 3, empty strings, then two thousand million members.
    let many = unhex("000300000000000000000000000000000000000000007fffffff");
    assert!(GroupMetadataValue::decode(&many).is_err());
    assert!(matches!(GroupMetadataValue::decode(&unhex("0005")), Err(Error::Version { version: 5, .. })));
    assert!(matches!(OffsetsKey::decode(&unhex("00020001ff")), Err(Error::Text { .. })));
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let mut bytes = recorded("OffsetCommitValue").pop().unwrap().1.to_vec();
    let last = bytes.pop().unwrap();
    assert_eq!(last, 0);
    bytes.extend([1, 9, 2, 0xaa, 0xbb]);
    assert_eq!(OffsetCommitValue::decode(&Bytes::from(bytes)).unwrap().leader_epoch, LeaderEpoch(17));
}
