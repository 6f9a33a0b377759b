//! Produce, Fetch and their kin on a broker with partitions of its own: what clients are told, and when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::BrokerConfig;
use record::{Codec, Record, batches};
use wire::fetch_response::{FetchResponse, Partition as Answer};
use wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use wire::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::produce_response::PartitionProduceResponse;
use wire::messages::{self, *};
use wire::{ApiKey, ErrorCode, RequestHeader, text};
use zk_schema::types::{BrokerId, Offset, TopicPartition};

use super::{RequestContext, delete_records, fetch, list_offsets, produce};
use crate::broker::Broker;
use crate::net::{ConnectionContext, FileRange, Records};
use crate::replica::testing::*;
use crate::replica::{Acks, PartitionOrder};

struct Served {
    host: Host,
    broker: Broker,
    connection: ConnectionContext,
}

impl Served {
    fn new() -> Self {
        let host = Host::new();
        let mut broker = Broker::new(US, "cluster".to_owned(), BrokerConfig::for_tests());
        broker.metadata = Arc::clone(&host.metadata);
        broker.replicas = Some(Arc::clone(&host.replicas));
        let address = "127.0.0.1:1".parse().unwrap();
        Self { host, broker, connection: ConnectionContext::new(1, Arc::from("L"), address, address) }
    }

    fn alone() -> Self {
        let served = Self::new();
        served.host.lead_alone(0);
        served
    }

    fn context(&self, api: ApiKey, api_version: i16) -> RequestContext<'_> {
        let header =
            RequestHeader { api_key: api.key(), api_version, correlation_id: 1, client_id: Some(text("client")) };
        RequestContext::new(&self.broker, &self.connection, header, api)
    }

    async fn produce(&self, version: i16, acks: i16, records: Bytes) -> PartitionProduceResponse {
        let data = PartitionProduceData::default().with_records(Some(records));
        let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(60_000).with_topic_data(vec![topic]);
        let response = produce::handle(&self.broker, &self.context(ApiKey::Produce, version), request).await;
        response.responses[0].partition_responses[0].clone()
    }

    async fn fetch(&self, version: i16, request: FetchRequest) -> FetchResponse<Records> {
        fetch::handle(&self.broker, &self.context(ApiKey::Fetch, version), request).await
    }

    async fn fetch_one(&self, version: i16, offset: Offset) -> Answer<Records> {
        let mut response = self.fetch(version, asks(offset)).await;
        response.topics.remove(0).partitions.remove(0)
    }
}

fn name(topic: &str) -> messages::TopicName {
    messages::TopicName(text(topic))
}

/// A consumer's fetch of `t-0` that does not wait.
fn asks(offset: Offset) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic =
        FetchTopic::default().with_topic(name("t")).with_topic_id(topic_id().0).with_partitions(vec![partition]);
    FetchRequest::default().with_min_bytes(1).with_topics(vec![topic])
}

fn bytes(answer: &Answer<Records>) -> Bytes {
    match &answer.records {
        None => Bytes::new(),
        Some(Records::Memory(bytes)) => bytes.clone(),
        Some(Records::File(FileRange { file, position, len })) => {
            let mut read = vec![0; *len];
            std::os::unix::fs::FileExt::read_exact_at(&**file, &mut read, *position).unwrap();
            read.into()
        }
    }
}

fn records(answer: &Answer<Records>) -> Vec<Record> {
    let batches = batches(bytes(answer)).map(Result::unwrap);
    batches.flat_map(|batch| batch.records().unwrap().collect::<Vec<_>>()).map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_is_produced_is_fetched_from_its_file() {
    let served = Served::alone();
    let response = served.produce(9, -1, batch(3)).await;
    assert_eq!((response.error_code, response.base_offset, response.log_append_time_ms), (0, 0, -1));
    assert_eq!(served.produce(9, 1, batch(2)).await.base_offset, 3);
    for version in [4, 11, 12, 13, 17] {
        let answer = served.fetch_one(version, 3).await;
        assert!(matches!(answer.records, Some(Records::File(_))));
        let offsets: Vec<_> = records(&answer).iter().map(|record| record.offset).collect();
        assert_eq!((offsets, answer.high_watermark, answer.log_start_offset), (vec![3, 4], 5, 0), "v{version}");
    }
}

#[tokio::test]
async fn old_clients_get_the_format_they_know() {
    let served = Served::alone();
    served.produce(9, 1, batch(3)).await;
    for (version, magic) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let answer = served.fetch_one(version, 1).await;
        let entries: Vec<_> = batches(bytes(&answer)).map(Result::unwrap).collect();
        let found: Vec<_> = entries.iter().map(|entry| (entry.magic(), entry.last_offset())).collect();
        assert_eq!(found, [(magic, 1), (magic, 2)], "v{version}");
    }
    served.host.set_topic_config("message.downconversion.enable", "false");
    assert_eq!(served.fetch_one(3, 0).await.error_code, ErrorCode::UnsupportedVersion);
}

#[tokio::test]
async fn zstd_is_for_those_who_know_it() {
    let served = Served::alone();
    let mut builder = record::BatchBuilder::with_codec(Codec::Zstd);
    builder.append(0, None, Some(b"value"), &[]).unwrap();
    let zstd = builder.build().unwrap();
    let refused = served.produce(6, 1, zstd.clone()).await;
    assert_eq!(refused.error_code, ErrorCode::UnsupportedCompressionType.code());
    assert_eq!(served.produce(7, 1, zstd).await.error_code, 0);
    for version in [3, 9] {
        assert_eq!(served.fetch_one(version, 0).await.error_code, ErrorCode::UnsupportedCompressionType);
    }
    assert_eq!(records(&served.fetch_one(10, 0).await).len(), 1);
}

#[tokio::test]
async fn refused_records_are_named_one_by_one() {
    let served = Served::alone();
    served.host.set_topic_config("cleanup.policy", "compact");
    let mut builder = record::BatchBuilder::default();
    builder.append(NOW, Some(b"key"), None, &[]).unwrap();
    builder.append(NOW, None, Some(b"value"), &[]).unwrap();
    let response = served.produce(9, 1, builder.build().unwrap()).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRecord.code());
    assert_eq!((response.record_errors.len(), response.record_errors[0].batch_index), (1, 1));
    assert!(response.error_message.is_some());
}

#[tokio::test]
async fn a_batch_sent_twice_is_appended_once() {
    let served = Served::alone();
    let options = record::BatchOptions { producer_id: 5, producer_epoch: 0, base_sequence: 0, ..Default::default() };
    for _ in 0..2 {
        let response = served.produce(9, -1, batch_with(options.clone(), 2)).await;
        assert_eq!((response.error_code, response.base_offset), (0, 0));
    }
    assert_eq!(served.host.replicas.logs().get(&id()).unwrap().log_end_offset(), 2);
}

#[tokio::test]
async fn acks_that_mean_nothing_and_topics_that_do_not_exist_are_refused() {
    let served = Served::new();
    assert_eq!(served.produce(9, 1, batch(1)).await.error_code, ErrorCode::UnknownTopicOrPartition.code());
    served.host.lead_alone(0);
    assert_eq!(served.produce(9, 2, batch(1)).await.error_code, ErrorCode::InvalidRequiredAcks.code());
    served.host.apply(order(1, 2, &[2], &[1, 2]));
    let response = served.produce(10, 1, batch(1)).await;
    assert_eq!(response.error_code, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!((*response.current_leader.leader_id, response.current_leader.leader_epoch), (2, 1));
}

#[tokio::test]
async fn acks_all_waits_for_the_followers() {
    let served = Served::new();
    let partition = served.host.lead(order(0, 1, &[1, 2], &[1, 2]));
    let producing = served.produce(9, -1, batch(3));
    let following = async {
        assert_eq!(partition.waiters().len(), 1);
        partition.read(&follower(2, 3, NOW)).unwrap();
    };
    let (response, ()) = tokio::join!(biased; producing, following);
    assert_eq!((response.error_code, response.base_offset), (0, 0));
    assert!(partition.waiters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn acks_all_times_out_and_says_where_the_records_are() {
    let served = Served::new();
    served.host.lead(order(0, 1, &[1, 2], &[1, 2]));
    let response = served.produce(9, -1, batch(3)).await;
    assert_eq!((response.error_code, response.base_offset), (ErrorCode::RequestTimedOut.code(), 0));
}

#[tokio::test]
async fn a_lost_leadership_ends_the_wait() {
    let served = Served::new();
    served.host.lead(order(0, 1, &[1, 2], &[1, 2]));
    let losing = async {
        served.host.apply(order(1, 2, &[1, 2], &[1, 2]));
    };
    let (response, ()) = tokio::join!(biased; served.produce(9, -1, batch(3)), losing);
    assert_eq!(response.error_code, ErrorCode::NotLeaderOrFollower.code());
}

#[tokio::test]
async fn a_long_poll_ends_with_the_records_it_waited_for() {
    let served = Served::alone();
    let polling = served.fetch(11, asks(0).with_max_wait_ms(60_000).with_min_bytes(300));
    let producing = async {
        served.produce(9, 1, batch(1)).await;
        tokio::task::yield_now().await;
        served.produce(9, 1, batch(1)).await
    };
    let (response, _) = tokio::join!(biased; polling, producing);
    assert_eq!(records(&response.topics[0].partitions[0]).len(), 2, "one was not enough");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_empty_when_its_time_is_up() {
    let served = Served::alone();
    let started = tokio::time::Instant::now();
    let response = served.fetch(11, asks(0).with_max_wait_ms(500)).await;
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    assert!(records(&response.topics[0].partitions[0]).is_empty());
}

#[tokio::test]
async fn a_session_names_only_what_is_news() {
    let served = Served::alone();
    served.produce(9, 1, batch(1)).await;
    let first = served.fetch(11, asks(0).with_session_epoch(0)).await;
    assert!(first.session_id != 0 && first.topics.len() == 1);
    let next =
        |epoch| FetchRequest::default().with_session_id(first.session_id).with_session_epoch(epoch).with_min_bytes(1);
    let mut moved = next(1);
    moved.topics = asks(1).topics;
    let second = served.fetch(11, moved).await;
    assert!((second.session_id, second.topics.len()) == (first.session_id, 0), "nothing new");
    served.produce(9, 1, batch(1)).await;
    assert_eq!(records(&served.fetch(11, next(2)).await.topics[0].partitions[0]).len(), 1);
    assert_eq!(served.fetch(11, next(2)).await.error_code, ErrorCode::InvalidFetchSessionEpoch);
}

#[tokio::test]
async fn errors_of_a_fetch_are_told_at_once() {
    let served = Served::alone();
    let wait = |request: FetchRequest| request.with_max_wait_ms(60_000);
    let beyond = served.fetch(11, wait(asks(5))).await;
    assert_eq!(beyond.topics[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange);
    let mut unknown = asks(0);
    unknown.topics[0].topic_id = uuid::Uuid::from_u128(99);
    assert_eq!(served.fetch(13, wait(unknown)).await.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicId);
    served.host.apply(order(1, 2, &[2], &[1, 2]));
    let moved = served.fetch(
        17,
        wait(asks(0)).with_replica_state(messages::fetch_request::ReplicaState::default().with_replica_id(2.into())),
    );
    let answer = moved.await.topics.remove(0).partitions.remove(0);
    assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower);
    assert_eq!(answer.current_leader.map(|leader| leader.leader_id), Some(2));
}

#[tokio::test]
async fn room_is_given_out_in_order_and_the_first_batch_is_whole() {
    let served = Served::alone();
    served.host.lead_alone(1);
    for partition in 0..2 {
        served.host.append(&TopicPartition::new("t", partition), batch(5), Acks::Leader).unwrap();
    }
    let mut request = asks(0).with_max_bytes(10);
    let other = request.topics[0].partitions[0].clone().with_partition(1);
    request.topics[0].partitions.push(other);
    let response = served.fetch(11, request.clone()).await;
    let counts: Vec<_> = response.topics[0].partitions.iter().map(|answer| records(answer).len()).collect();
    assert_eq!(counts, [5, 0]);
    request.topics[0].partitions[0].partition_max_bytes = 7;
    let cut = served.fetch(2, request).await;
    assert!(bytes(&cut.topics[0].partitions[0]).len() <= 7, "before version 3 limits are hard");
}

#[tokio::test]
async fn offsets_are_listed_by_version() {
    let served = Served::alone();
    served.produce(9, 1, batch(3)).await;
    let list = async |version, timestamp| {
        let asked = ListOffsetsPartition::default().with_timestamp(timestamp).with_max_num_offsets(9);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
        let context = served.context(ApiKey::ListOffsets, version);
        list_offsets::handle(&served.broker, &context, request).await.topics.remove(0).partitions.remove(0)
    };
    assert_eq!(list(1, -1).await.offset, 3);
    assert_eq!(list(1, -2).await.offset, 0);
    assert_eq!((list(4, -1).await.leader_epoch, list(3, -1).await.leader_epoch), (0, -1));
    assert_eq!(list(7, -3).await.timestamp, NOW);
    assert_eq!(list(6, -3).await.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!((list(8, -4).await.offset, list(9, -5).await.offset), (0, -1));
    assert_eq!(list(7, -6).await.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!((list(1, NOW).await.offset, list(1, NOW + 1).await.offset), (0, -1));
    assert_eq!(list(0, -1).await.old_style_offsets, [3, 0]);
    assert_eq!(list(0, -2).await.old_style_offsets, [0]);
}

#[tokio::test]
async fn deleting_records_waits_for_the_followers() {
    let served = Served::new();
    let partition = served.host.lead(order(0, 1, &[1, 2], &[1, 2]));
    served.host.append(&id(), batch(3), Acks::Leader).unwrap();
    partition.read(&follower(2, 3, NOW)).unwrap();
    let asked = DeleteRecordsPartition::default().with_offset(2);
    let topic = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![asked]);
    let request = DeleteRecordsRequest::default().with_timeout_ms(60_000).with_topics(vec![topic]);
    let context = served.context(ApiKey::DeleteRecords, 2);
    let deleting = delete_records::handle(&served.broker, &context, request);
    let following = async {
        let seen = crate::replica::ReadRequest { log_start_offset: 2, ..follower(2, 3, NOW) };
        partition.read(&seen).unwrap();
    };
    let (response, ()) = tokio::join!(biased; deleting, following);
    let result = &response.topics[0].partitions[0];
    assert_eq!((result.error_code, result.low_watermark), (0, 2));
}

#[tokio::test]
async fn internal_topics_are_not_for_clients() {
    let served = Served::new();
    let offsets = PartitionOrder {
        partition: TopicPartition::new("__consumer_offsets", 0),
        leader: BrokerId(1),
        ..order(0, 1, &[1], &[1])
    };
    served.host.lead(offsets);
    let data = PartitionProduceData::default().with_records(Some(batch(1)));
    let topic = TopicProduceData::default().with_name(name("__consumer_offsets")).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(1).with_topic_data(vec![topic]);
    let response = produce::handle(&served.broker, &served.context(ApiKey::Produce, 9), request).await;
    let told = response.responses[0].partition_responses[0].error_code;
    assert_eq!(told, ErrorCode::InvalidTopicException.code());
}
