//! Retries, order, splitting and giving up, against a broker that answers by script.

use std::sync::Mutex;

use wire::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use wire::messages::{InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId};
use wire::{RequestKind, ResponseKind};

use super::*;
use crate::fake::{FakeBroker, Reply, Script};

/// A batch as it arrived: partition, producer id, base sequence, values.
type Arrived = (i32, i64, i32, Vec<String>);

fn arrived(request: &ProduceRequest) -> Vec<Arrived> {
    let mut all = Vec::new();
    for topic in &request.topic_data {
        for partition in &topic.partition_data {
            let batch = record::batches(partition.records.clone().unwrap()).next().unwrap().unwrap();
            let text = |record: record::Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            let values = batch.records().unwrap().map(|record| text(record.unwrap())).collect();
            let header = batch.header().unwrap();
            all.push((partition.index, header.producer_id, header.base_sequence, values));
        }
    }
    all
}

fn answer(request: &ProduceRequest, code: ErrorCode, base_offset: i64) -> Reply {
    let mut response = ProduceResponse::default();
    for topic in &request.topic_data {
        let mut answer = TopicProduceResponse::default();
        answer.name = topic.name.clone();
        for partition in &topic.partition_data {
            let mut stored = PartitionProduceResponse::default();
            stored.index = partition.index;
            stored.error_code = code.code();
            stored.base_offset = base_offset;
            stored.log_append_time_ms = -1;
            answer.partition_responses.push(stored);
        }
        response.responses.push(answer);
    }
    Reply::Answer(ResponseKind::Produce(response))
}

/// A broker with topic `t` that hands out producer ids from 100 on and answers Produce as told, noting what arrives.
async fn broker(
    partition_count: i32,
    mut produce: impl FnMut(usize, &ProduceRequest) -> Reply + Send + 'static,
) -> (FakeBroker, Arc<Mutex<Vec<Arrived>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (noted, mut next_id, mut count) = (Arc::clone(&log), 100, 0);
    let script = Script::new(&[("t", partition_count)], move |_, request| match request {
        RequestKind::InitProducerId(_) => {
            let mut response = InitProducerIdResponse::default();
            response.producer_id = ProducerId(next_id);
            response.producer_epoch = 0;
            next_id += 1;
            Reply::Answer(ResponseKind::InitProducerId(response))
        }
        RequestKind::Produce(request) => {
            noted.lock().unwrap().extend(arrived(request));
            count += 1;
            produce(count, request)
        }
        _ => Reply::Usual,
    });
    (FakeBroker::start(script).await, log)
}

fn config() -> Config {
    Config { retry_backoff: Duration::from_millis(1), ..Config::default() }
}

fn record_of(value: &str) -> Outgoing {
    Outgoing {
        topic: "t".to_owned(),
        partition: Some(0),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Outgoing::default()
    }
}

/// Sends these values so that they share a batch, and gives what became of each.
async fn send(producer: &Producer, values: &[&str]) -> Vec<Result<i64, ErrorCode>> {
    let mut outcomes = Vec::new();
    for value in values {
        outcomes.push(producer.send(record_of(value)).await);
    }
    producer.flush().await;
    let mut results = Vec::new();
    for outcome in outcomes {
        let outcome = outcome.await.unwrap();
        results.push(outcome.map(|stored| stored.offset).map_err(|error| error.code().unwrap()));
    }
    results
}

#[tokio::test]
async fn a_batch_is_tried_again_as_it_was_until_it_is_stored() {
    let (broker, log) = broker(1, |count, request| match count {
        1 => answer(request, ErrorCode::NotLeaderOrFollower, -1),
        2 => Reply::HangUp,
        3 => answer(request, ErrorCode::NotEnoughReplicas, -1),
        _ => answer(request, ErrorCode::None, 40),
    })
    .await;
    let producer = Producer::new(broker.client(), Config { linger: Duration::from_secs(60), ..config() });
    assert_eq!(send(&producer, &["a", "b"]).await, [Ok(40), Ok(41)]);
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 4);
    assert!(log.iter().all(|batch| *batch == log[0]), "{log:?}");
    assert_eq!(log[0], (0, 100, 0, vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn sequences_go_on_from_batch_to_batch() {
    let (broker, log) = broker(1, |_, request| answer(request, ErrorCode::None, 0)).await;
    let producer = Producer::new(broker.client(), Config { linger: Duration::from_secs(60), ..config() });
    for values in [&["a", "b"][..], &["c"], &["d"]] {
        send(&producer, values).await;
    }
    let sequences: Vec<i32> = log.lock().unwrap().iter().map(|(_, _, sequence, _)| *sequence).collect();
    assert_eq!(sequences, [0, 2, 3]);
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_count_as_failure_when_it_was_stored() {
    let (broker, _) = broker(1, |count, request| match count {
        1 => Reply::HangUp,
        _ => answer(request, ErrorCode::DuplicateSequenceNumber, 7),
    })
    .await;
    let producer = Producer::new(broker.client(), config());
    assert_eq!(send(&producer, &["a"]).await, [Ok(7)]);
}

#[tokio::test]
async fn after_a_batch_is_given_up_a_new_producer_id_begins_anew() {
    let (broker, log) = broker(1, |count, request| match count {
        1 => answer(request, ErrorCode::TopicAuthorizationFailed, -1),
        _ => answer(request, ErrorCode::None, 0),
    })
    .await;
    let producer = Producer::new(broker.client(), Config { linger: Duration::from_secs(60), ..config() });
    let refused = Err(ErrorCode::TopicAuthorizationFailed);
    assert_eq!(send(&producer, &["a", "b"]).await, [refused, refused]);
    assert_eq!(send(&producer, &["c"]).await, [Ok(0)]);
    assert_eq!(log.lock().unwrap().last(), Some(&(0, 101, 0, vec!["c".to_owned()])));
}

#[tokio::test]
async fn a_batch_is_given_up_after_its_retries() {
    let (broker, log) = broker(1, |_, request| answer(request, ErrorCode::NotEnoughReplicas, -1)).await;
    let producer = Producer::new(broker.client(), Config { retries: 2, ..config() });
    assert_eq!(send(&producer, &["a"]).await, [Err(ErrorCode::NotEnoughReplicas)]);
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_batch_too_large_for_the_broker_is_cut_in_two() {
    let (broker, log) = broker(1, |_, request| {
        let (_, _, sequence, values) = &arrived(request)[0];
        if values.len() > 1 {
            answer(request, ErrorCode::MessageTooLarge, -1)
        } else {
            answer(request, ErrorCode::None, i64::from(*sequence) + 10)
        }
    })
    .await;
    let producer = Producer::new(broker.client(), Config { linger: Duration::from_secs(60), ..config() });
    assert_eq!(send(&producer, &["a", "b", "c"]).await, [Ok(10), Ok(11), Ok(12)]);
    let stored: Vec<Arrived> = log.lock().unwrap().iter().filter(|batch| batch.3.len() == 1).cloned().collect();
    assert_eq!(stored.iter().map(|batch| batch.2).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test]
async fn without_acks_a_record_is_settled_when_it_is_sent() {
    let (broker, log) = broker(1, |_, _| Reply::Silence).await;
    let producer = Producer::new(broker.client(), Config { acks: 0, ..config() });
    assert_eq!(send(&producer, &["a"]).await, [Ok(-1)]);
    drop(producer);
    // The broker reads it in its own time; asking something on the same connection waits for that.
    broker.client().metadata(None).await.unwrap();
    assert!(log.lock().unwrap().iter().all(|(_, id, sequence, _)| (*id, *sequence) == (-1, -1)), "not idempotent");
}

#[tokio::test]
async fn a_topic_that_does_not_come_is_told_in_javas_words() {
    let (broker, _) = broker(1, |_, request| answer(request, ErrorCode::None, 0)).await;
    let producer = Producer::new(broker.client(), Config { max_block: Duration::from_millis(20), ..config() });
    let missing = producer.send(Outgoing { topic: "no".to_owned(), ..record_of("a") }).await.await.unwrap();
    assert_eq!(missing.unwrap_err().message(), "Topic no not present in metadata after 20 ms.");
    let beyond = producer.send(Outgoing { partition: Some(5), ..record_of("a") }).await.await.unwrap();
    let text = "Partition 5 of topic t with partition count 1 is not present in metadata after 20 ms.";
    assert_eq!(beyond.unwrap_err().message(), text);
}

#[tokio::test]
async fn sends_wait_for_room() {
    let (broker, _) = broker(1, |_, _| Reply::Silence).await;
    let config = Config { buffer_bytes: 100, max_block: Duration::from_millis(20), ..config() };
    let producer = Producer::new(broker.client(), config);
    let _stays_unanswered = producer.send(record_of(&"x".repeat(80))).await;
    let refused = producer.send(record_of(&"y".repeat(80))).await.await.unwrap().unwrap_err();
    assert!(refused.message().starts_with("no room for "), "{refused}");
}

#[tokio::test]
async fn dropping_the_producer_still_sends_what_is_queued() {
    let (broker, log) = broker(1, |_, request| answer(request, ErrorCode::None, 3)).await;
    let producer = Producer::new(broker.client(), Config { linger: Duration::from_secs(60), ..config() });
    let outcome = producer.send(record_of("a")).await;
    drop(producer);
    assert_eq!(outcome.await.unwrap().unwrap().offset, 3);
    assert_eq!(log.lock().unwrap().len(), 1);
}
