//! Lines as Kafka 3.9.1 prints them.

use bytes::Bytes;
use record::{Record, RecordHeader};
use wire::internal::{
    GroupMetadataValue, OffsetCommitValue, OffsetsKey, StoredMember, TransactionLogKey, TransactionLogValue,
};
use zk_schema::types::{GenerationId, LeaderEpoch, ProducerEpoch, ProducerId, TopicName, TopicPartition};

use super::*;

fn written(class: &str, words: &[&str], record: Record) -> Result<String, String> {
    let mut settings = Settings::default();
    settings.add_words(words.iter().copied());
    let received = Received { topic: "t".to_owned(), partition: 3, log_append_time: false, record };
    let mut out = Vec::new();
    Formatter::of_class(class, &settings)?.write(&received, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn line(words: &[&str], record: Record) -> String {
    written("org.apache.kafka.tools.consumer.DefaultMessageFormatter", words, record).unwrap()
}

fn record(key: Option<&'static str>, value: Option<&'static str>) -> Record {
    let bytes = |text: Option<&'static str>| text.map(|text| Bytes::from_static(text.as_bytes()));
    Record { offset: 7, timestamp: 12, key: bytes(key), value: bytes(value), headers: Vec::new() }
}

const EVERYTHING: [&str; 5] =
    ["print.timestamp=true", "print.partition=true", "print.offset=true", "print.headers=true", "print.key=true"];

#[test]
fn a_line_is_the_value_unless_more_is_asked_for() {
    assert_eq!(line(&[], record(Some("k"), Some("v"))), "v\n");
    assert_eq!(line(&[], record(None, None)), "null\n");
    assert_eq!(line(&["print.value=false"], record(Some("k"), Some("v"))), "");
    let all = line(&EVERYTHING, record(Some("k"), Some("v")));
    assert_eq!(all, "CreateTime:12\tPartition:3\tOffset:7\tNO_HEADERS\tk\tv\n");
}

#[test]
fn separators_and_headers_are_as_asked_for() {
    let header = |key: &'static str, value: Option<&'static str>| RecordHeader {
        key: Bytes::from_static(key.as_bytes()),
        value: value.map(|value| Bytes::from_static(value.as_bytes())),
    };
    let with_headers = Record { headers: vec![header("a", Some("1")), header("b", None)], ..record(None, Some("v")) };
    let words =
        ["print.headers=true", "key.separator=|", "line.separator=;", "null.literal=NIL", "headers.separator=+"];
    assert_eq!(line(&words, with_headers), "a:1+b:NIL|v;");
}

#[test]
fn values_go_through_their_deserializer_and_null_does_not() {
    let words = ["value.deserializer=org.apache.kafka.common.serialization.IntegerDeserializer"];
    let number = Record { value: Some(Bytes::from_static(&[0, 0, 0, 9])), ..record(None, None) };
    assert_eq!(line(&words, number), "9\n");
    assert_eq!(line(&words, record(None, None)), "null\n");
    let class = "kafka.tools.DefaultMessageFormatter";
    assert!(written(class, &words, record(None, Some("x"))).unwrap_err().contains("is not 4"));
}

#[test]
fn an_unknown_formatter_is_refused_by_name() {
    assert_eq!(written("com.example.Mine", &[], record(None, None)), Err("com.example.Mine".to_owned()));
}

fn commit() -> Record {
    let partition = TopicPartition { topic: TopicName::new("plain"), partition: 0 };
    let value = OffsetCommitValue {
        offset: 1,
        leader_epoch: LeaderEpoch(0),
        metadata: "".into(),
        commit_timestamp: 1_795_419_578_763,
        expire_timestamp: -1,
    };
    let (key, value) = (OffsetsKey::encode_offset_commit("g1", &partition), value.encode(3));
    Record { key: Some(key), value: Some(value), ..record(None, None) }
}

fn group() -> Record {
    let member = StoredMember {
        member_id: "m".into(),
        group_instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Bytes::from_static(&[0, 3]),
        assignment: Bytes::from_static(&[0, 1, 2]),
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: GenerationId(1),
        protocol: Some("range".into()),
        leader: Some("m".into()),
        current_state_timestamp: 5,
        members: vec![member],
    };
    Record { key: Some(OffsetsKey::encode_group_metadata("g1")), value: Some(value.encode(3)), ..record(None, None) }
}

#[test]
fn committed_offsets_are_written_as_json_or_as_of_old() {
    let json = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
    let expected = r#"{"key":{"version":1,"data":{"group":"g1","topic":"plain","partition":0}},"value":{"version":3,"data":{"offset":1,"leaderEpoch":0,"metadata":"","commitTimestamp":1795419578763}}}"#;
    assert_eq!(written(json, &[], commit()).unwrap(), expected);
    let tombstone = Record { value: None, ..commit() };
    let expected = r#"{"key":{"version":1,"data":{"group":"g1","topic":"plain","partition":0}},"value":null}"#;
    assert_eq!(written(json, &[], tombstone.clone()).unwrap(), expected);
    assert_eq!(written(json, &[], group()).unwrap(), "", "groups are another formatter's");
    let old = "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter";
    let expected = "[g1,plain,0]::OffsetAndMetadata(offset=1, leaderEpoch=Optional[0], metadata=, \
                    commitTimestamp=1795419578763, expireTimestamp=None)\n";
    assert_eq!(written(old, &[], commit()).unwrap(), expected);
    assert_eq!(written(old, &[], tombstone).unwrap(), "[g1,plain,0]::NULL\n");
}

#[test]
fn groups_are_written_as_json_or_as_of_old() {
    let json = "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter";
    let expected = r#"{"key":{"version":2,"data":{"group":"g1"}},"value":{"version":3,"data":{"protocolType":"consumer","generation":1,"protocol":"range","leader":"m","currentStateTimestamp":5,"members":[{"memberId":"m","groupInstanceId":null,"clientId":"c","clientHost":"/127.0.0.1","rebalanceTimeout":300000,"sessionTimeout":45000,"subscription":"AAM=","assignment":"AAEC"}]}}}"#;
    assert_eq!(written(json, &[], group()).unwrap(), expected);
    assert_eq!(written(json, &[], commit()).unwrap(), "");
    let old = "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter";
    let expected = "g1::GroupMetadata(groupId=g1, generation=1, protocolType=Some(consumer), currentState=Stable, \
                    members=HashMap(m -> MemberMetadata(memberId=m, groupInstanceId=None, clientId=c, \
                    clientHost=/127.0.0.1, sessionTimeoutMs=45000, rebalanceTimeoutMs=300000, \
                    supportedProtocols=List(range))))\n";
    assert_eq!(written(old, &[], group()).unwrap(), expected);
}

#[test]
fn transactions_are_written_as_json_or_as_of_old() {
    let value = TransactionLogValue {
        producer_id: ProducerId(9),
        producer_epoch: ProducerEpoch(2),
        transaction_timeout_ms: 60_000,
        status: 1,
        partitions: Some(vec![(TopicName::new("t"), vec![0, 1])]),
        last_update_timestamp: 11,
        start_timestamp: 10,
    };
    let log = Record { key: Some(TransactionLogKey::encode("x")), value: Some(value.encode(0)), ..record(None, None) };
    let json = "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter";
    let expected = r#"{"key":{"version":0,"data":{"transactionalId":"x"}},"value":{"version":0,"data":{"producerId":9,"producerEpoch":2,"transactionTimeoutMs":60000,"transactionStatus":1,"transactionPartitions":[{"topic":"t","partitionIds":[0,1]}],"transactionLastUpdateTimestampMs":11,"transactionStartTimestampMs":10}}}"#;
    assert_eq!(written(json, &[], log.clone()).unwrap(), expected);
    let old = "kafka.coordinator.transaction.TransactionLog$TransactionLogMessageFormatter";
    let text = written(old, &[], log).unwrap();
    assert!(text.starts_with("x::TransactionMetadata(transactionalId=x, producerId=9, "), "{text}");
    assert!(text.contains("state=Ongoing, pendingState=None, topicPartitions=HashSet(t-0, t-1), "), "{text}");
}

#[test]
fn bytes_of_no_known_kind_are_told_as_such() {
    let odd = Record { key: Some(Bytes::from_static(&[0, 99])), value: None, ..record(None, None) };
    let json = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
    assert_eq!(written(json, &[], odd).unwrap(), r#"{"key":{"version":99,"data":"unknown"},"value":null}"#);
    let cut_off = Record { key: Some(Bytes::from_static(&[0])), ..record(None, None) };
    assert!(written(json, &[], cut_off).is_err());
}
