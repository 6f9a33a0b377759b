//! Groups, offsets and patterns, against a broker that answers by script and keeps one group with one member.

use std::collections::BTreeMap;
use std::sync::Mutex;

use record::BatchBuilder;
use wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use wire::messages::join_group_response::JoinGroupResponseMember;
use wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use wire::messages::{
    FetchResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, ListOffsetsResponse, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupResponse,
};
use wire::{RequestKind, ResponseKind, text};

use super::*;
use crate::fake::{FakeBroker, Reply, Script};

/// What the broker keeps.
#[derive(Default)]
struct Kept {
    /// Values of each partition, from offset 0 on.
    logs: BTreeMap<Partition, Vec<&'static str>>,
    committed: BTreeMap<Partition, i64>,
    generation: i32,
    assignment: bytes::Bytes,
    subscribed: Vec<BTreeSet<String>>,
    heartbeat_error: i16,
    members_left: Vec<String>,
    broken: bool,
}

type Shared = Arc<Mutex<Kept>>;

async fn broker(logs: &[(&str, i32, &[&'static str])]) -> (FakeBroker, Shared) {
    let kept = Kept {
        logs: logs.iter().map(|(topic, index, values)| (((*topic).to_owned(), *index), values.to_vec())).collect(),
        ..Kept::default()
    };
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for (topic, _, _) in logs {
        *counts.entry(topic).or_default() += 1;
    }
    let counts: Vec<(&str, i32)> = counts.into_iter().collect();
    let kept = Arc::new(Mutex::new(kept));
    let shared = Arc::clone(&kept);
    let script = Script::new(&counts, move |_, request| answer(&mut shared.lock().unwrap(), request));
    (FakeBroker::start(script).await, kept)
}

fn answer(kept: &mut Kept, request: &RequestKind) -> Reply {
    Reply::Answer(match request {
        RequestKind::JoinGroup(request) if request.member_id.is_empty() && request.group_instance_id.is_none() => {
            let mut response = JoinGroupResponse::default();
            response.error_code = ErrorCode::MemberIdRequired.code();
            response.member_id = text("m-1");
            ResponseKind::JoinGroup(response)
        }
        RequestKind::JoinGroup(request) => {
            kept.generation += 1;
            kept.heartbeat_error = 0;
            let mut metadata = request.protocols[0].metadata.clone();
            kept.subscribed.push(subscribed_topics(&mut metadata).unwrap());
            let mut member = JoinGroupResponseMember::default();
            member.member_id = text("m-1");
            member.metadata = request.protocols[0].metadata.clone();
            let mut response = JoinGroupResponse::default();
            response.generation_id = kept.generation;
            response.protocol_name = Some(text("range"));
            response.leader = text("m-1");
            response.member_id = text("m-1");
            response.members = vec![member];
            ResponseKind::JoinGroup(response)
        }
        RequestKind::SyncGroup(request) => {
            kept.assignment = request.assignments[0].assignment.clone();
            let mut response = SyncGroupResponse::default();
            response.assignment = kept.assignment.clone();
            ResponseKind::SyncGroup(response)
        }
        RequestKind::Heartbeat(_) => {
            let mut response = HeartbeatResponse::default();
            response.error_code = kept.heartbeat_error;
            ResponseKind::Heartbeat(response)
        }
        RequestKind::LeaveGroup(request) => {
            kept.members_left.extend(request.members.iter().map(|member| member.member_id.to_string()));
            ResponseKind::LeaveGroup(LeaveGroupResponse::default())
        }
        RequestKind::OffsetFetch(request) => ResponseKind::OffsetFetch(committed(kept, request)),
        RequestKind::OffsetCommit(request) => {
            let mut response = OffsetCommitResponse::default();
            for topic in &request.topics {
                let mut answer = OffsetCommitResponseTopic::default();
                answer.name = topic.name.clone();
                for partition in &topic.partitions {
                    let home = (topic.name.0.to_string(), partition.partition_index);
                    kept.committed.insert(home, partition.committed_offset);
                    let mut stored = OffsetCommitResponsePartition::default();
                    stored.partition_index = partition.partition_index;
                    answer.partitions.push(stored);
                }
                response.topics.push(answer);
            }
            ResponseKind::OffsetCommit(response)
        }
        RequestKind::ListOffsets(request) => {
            let mut response = ListOffsetsResponse::default();
            for topic in &request.topics {
                let mut answer = ListOffsetsTopicResponse::default();
                answer.name = topic.name.clone();
                for partition in &topic.partitions {
                    let end = kept.logs[&(topic.name.0.to_string(), partition.partition_index)].len();
                    let mut found = ListOffsetsPartitionResponse::default();
                    found.partition_index = partition.partition_index;
                    found.offset =
                        if partition.timestamp == offsets::EARLIEST { 0 } else { i64::try_from(end).unwrap() };
                    answer.partitions.push(found);
                }
                response.topics.push(answer);
            }
            ResponseKind::ListOffsets(response)
        }
        RequestKind::Fetch(request) => ResponseKind::Fetch(fetched(kept, request)),
        _ => return Reply::Usual,
    })
}

fn committed(kept: &Kept, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let mut group = OffsetFetchResponseGroup::default();
    for topic in request.groups[0].topics.iter().flatten() {
        let mut answer = OffsetFetchResponseTopics::default();
        answer.name = topic.name.clone();
        for index in &topic.partition_indexes {
            let mut partition = OffsetFetchResponsePartitions::default();
            partition.partition_index = *index;
            partition.committed_offset = kept.committed.get(&(topic.name.0.to_string(), *index)).copied().unwrap_or(-1);
            answer.partitions.push(partition);
        }
        group.topics.push(answer);
    }
    let mut response = OffsetFetchResponse::default();
    response.groups = vec![group];
    response
}

/// Gives one record at a time, so that a poll is a step.
fn fetched(kept: &Kept, request: &FetchRequest) -> FetchResponse {
    let mut response = FetchResponse::default();
    for topic in &request.topics {
        let mut answer = FetchableTopicResponse::default();
        answer.topic = topic.topic.clone();
        for partition in &topic.partitions {
            let mut data = PartitionData::default();
            data.partition_index = partition.partition;
            let values = &kept.logs[&(topic.topic.0.to_string(), partition.partition)];
            let at = usize::try_from(partition.fetch_offset).unwrap();
            if let Some(value) = values.get(at) {
                let options = record::BatchOptions { base_offset: partition.fetch_offset, ..Default::default() };
                let mut builder = BatchBuilder::new(options);
                builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
                let mut bytes = builder.build().unwrap().to_vec();
                if kept.broken {
                    *bytes.last_mut().unwrap() ^= 1;
                }
                data.records = Some(bytes.into());
            } else if values.len() < at {
                data.error_code = ErrorCode::OffsetOutOfRange.code();
            }
            answer.partitions.push(data);
        }
        response.responses.push(answer);
    }
    response
}

fn config(group: Option<&str>) -> Config {
    Config {
        group: group.map(str::to_owned),
        offset_reset: OffsetReset::Earliest,
        auto_commit: Some(Duration::from_secs(3600)),
        heartbeat_interval: Duration::from_millis(5),
        fetch_wait: Duration::from_millis(1),
        ..Config::default()
    }
}

fn topics(names: &[&str]) -> Subscription {
    Subscription::Topics(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Polls until there are so many records; gives their values.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        for received in consumer.poll(Duration::from_secs(10)).await.unwrap() {
            values.push(String::from_utf8(received.record.value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

#[tokio::test]
async fn a_member_goes_on_where_the_group_stopped_and_leaves_when_closed() {
    let (broker, kept) = broker(&[("t", 0, &["a", "b", "c"])]).await;
    kept.lock().unwrap().committed.insert(("t".to_owned(), 0), 1);
    let mut consumer = Consumer::new(broker.client(), config(Some("g")), topics(&["t"]));
    assert_eq!(read(&mut consumer, 1).await, ["b"]);
    consumer.close().await.unwrap();
    let kept = kept.lock().unwrap();
    assert_eq!(kept.committed[&("t".to_owned(), 0)], 2);
    assert_eq!(kept.members_left, ["m-1"]);
}

#[tokio::test]
async fn a_static_member_stays_in_the_group() {
    let (broker, kept) = broker(&[("t", 0, &["a"])]).await;
    let config = Config { group_instance_id: Some("i".to_owned()), ..config(Some("g")) };
    let mut consumer = Consumer::new(broker.client(), config, topics(&["t"]));
    assert_eq!(read(&mut consumer, 1).await, ["a"]);
    consumer.close().await.unwrap();
    assert!(kept.lock().unwrap().members_left.is_empty());
}

#[tokio::test]
async fn a_rebalance_is_joined_after_what_was_read_is_committed() {
    let (broker, kept) = broker(&[("t", 0, &["a", "b"])]).await;
    let mut consumer = Consumer::new(broker.client(), config(Some("g")), topics(&["t"]));
    assert_eq!(read(&mut consumer, 1).await, ["a"]);
    kept.lock().unwrap().heartbeat_error = ErrorCode::RebalanceInProgress.code();
    while kept.lock().unwrap().generation < 2 {
        consumer.poll(Duration::from_millis(5)).await.unwrap();
    }
    let committed = kept.lock().unwrap().committed[&("t".to_owned(), 0)];
    assert!((1..=2).contains(&committed), "{committed}");
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn a_pattern_takes_in_the_topics_that_match_as_they_come() {
    let (broker, kept) = broker(&[("app-1", 0, &["a"]), ("other", 0, &["x"])]).await;
    let filter = TopicFilter::new(Arc::new(|topic: &str| topic.starts_with("app-")));
    let config = Config { metadata_max_age: Duration::from_millis(1), ..config(Some("g")) };
    let mut consumer = Consumer::new(broker.client(), config, Subscription::Matching(filter));
    assert_eq!(read(&mut consumer, 1).await, ["a"]);
    kept.lock().unwrap().logs.insert(("app-2".to_owned(), 0), vec!["b"]);
    broker.script.lock().unwrap().topics.insert("app-2".to_owned(), 1);
    let mut values = read(&mut consumer, 1).await;
    while !values.contains(&"b".to_owned()) {
        values.extend(read(&mut consumer, 1).await);
    }
    let subscribed = kept.lock().unwrap().subscribed.clone();
    assert_eq!(subscribed.first(), Some(&["app-1".to_owned()].into()));
    assert_eq!(subscribed.last(), Some(&["app-1".to_owned(), "app-2".to_owned()].into()));
}

#[tokio::test]
async fn partitions_are_read_from_where_they_are_told_to_without_a_group() {
    let (broker, kept) = broker(&[("t", 0, &["a", "b"]), ("t", 1, &["c", "d"])]).await;
    let partitions = [(("t".to_owned(), 0), Some(1)), (("t".to_owned(), 1), Some(offsets::EARLIEST))];
    let mut consumer = Consumer::new(broker.client(), config(None), Subscription::Partitions(partitions.into()));
    let mut values = read(&mut consumer, 3).await;
    values.sort();
    assert_eq!(values, ["b", "c", "d"]);
    consumer.close().await.unwrap();
    assert_eq!(kept.lock().unwrap().generation, 0);
}

#[tokio::test]
async fn an_offset_out_of_range_begins_anew_as_told() {
    let (broker, _) = broker(&[("t", 0, &["a", "b"])]).await;
    let partitions: BTreeMap<_, _> = [(("t".to_owned(), 0), Some(99))].into();
    let mut consumer = Consumer::new(broker.client(), config(None), Subscription::Partitions(partitions.clone()));
    assert_eq!(read(&mut consumer, 1).await, ["a"]);
    let config = Config { offset_reset: OffsetReset::None, ..config(None) };
    let mut consumer = Consumer::new(broker.client(), config, Subscription::Partitions(partitions));
    let error = loop {
        if let Err(error) = consumer.poll(Duration::from_secs(10)).await {
            break error;
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::OffsetOutOfRange));
}

#[tokio::test]
async fn what_is_sought_is_read_next() {
    let (broker, _) = broker(&[("t", 0, &["a", "b", "c"])]).await;
    let partitions = [(("t".to_owned(), 0), Some(0))].into();
    let mut consumer = Consumer::new(broker.client(), config(None), Subscription::Partitions(partitions));
    assert_eq!(read(&mut consumer, 2).await, ["a", "b"]);
    consumer.seek(("t".to_owned(), 0), 0);
    assert_eq!(read(&mut consumer, 1).await, ["a"]);
}

#[tokio::test]
async fn broken_records_are_told_and_not_read_again_for_ever() {
    let (broker, kept) = broker(&[("t", 0, &["a"])]).await;
    kept.lock().unwrap().broken = true;
    let partitions = [(("t".to_owned(), 0), Some(0))].into();
    let mut consumer = Consumer::new(broker.client(), config(None), Subscription::Partitions(partitions));
    let error = consumer.poll(Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_poll_ends_in_time_while_a_join_is_kept_waiting() {
    let script = |_: &_, request: &RequestKind| match request {
        RequestKind::JoinGroup(_) => Reply::Silence,
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[("t", 1)], script)).await;
    let mut consumer = Consumer::new(broker.client(), config(Some("g")), topics(&["t"]));
    assert!(consumer.poll(Duration::from_millis(20)).await.unwrap().is_empty());
    assert!(consumer.poll(Duration::from_millis(20)).await.unwrap().is_empty());
    consumer.close().await.unwrap();
}
