//! A whole broker in this process, on our ZooKeeper: it joins, takes orders from itself, serves, and stops clean.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use broker::server::{Error, Server};
use broker::zk::State;
use client::Connection;
use client::connection::Options;
use config::BrokerConfig;
use wire::messages::create_topics_request::CreatableTopic;
use wire::messages::delete_topics_request::DeleteTopicState;
use wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use wire::messages::metadata_request::MetadataRequestTopic;
use wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, MetadataRequest, TopicName, create_partitions_request::CreatePartitionsTopic,
};
use wire::{ErrorCode, text};

struct Cluster {
    dir: tempfile::TempDir,
    zookeeper: standalone::Server,
}

impl Cluster {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let zookeeper = standalone::Server::start(standalone::Config::new(dir.path().join("zookeeper"))).await.unwrap();
        Self { dir, zookeeper }
    }

    fn config(&self, id: i32, log_dir: &str) -> BrokerConfig {
        let pairs = [
            ("broker.id", id.to_string()),
            ("listeners", "PLAINTEXT://127.0.0.1:0".to_owned()),
            ("zookeeper.connect", self.zookeeper.local_addr().to_string()),
            ("log.dirs", self.dir.path().join(log_dir).display().to_string()),
            ("zookeeper.session.timeout.ms", "6000".to_owned()),
            ("controlled.shutdown.retry.backoff.ms", "10".to_owned()),
        ];
        BrokerConfig::from_map(pairs.map(|(key, value)| (key.to_owned(), value)).into()).unwrap()
    }

    async fn broker(&self, id: i32) -> Server {
        Server::start(self.config(id, &format!("data-{id}"))).await.unwrap()
    }
}

/// A connection to a broker that knows itself as the controller.
async fn connect(server: &Server) -> Connection {
    let known = server.broker().metadata.wait_until(Duration::from_secs(20), |snapshot| {
        snapshot.controller_id == Some(server.broker().broker_id) && !snapshot.brokers.is_empty()
    });
    known.await.expect("the broker is the controller");
    let address = format!("127.0.0.1:{}", server.bound()["PLAINTEXT"]);
    Connection::negotiated(&address, &Options::default()).await.unwrap()
}

async fn create(connection: &Connection, name: &str, partitions: i32) -> ErrorCode {
    let mut topic = CreatableTopic::default();
    topic.name = TopicName(text(name));
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    let mut request = CreateTopicsRequest::default();
    request.topics = vec![topic];
    request.timeout_ms = 20_000;
    let response = connection.call(&request).await.unwrap();
    ErrorCode::from_code(response.topics[0].error_code)
}

async fn leaders(connection: &Connection, name: &str) -> Vec<i32> {
    let mut topic = MetadataRequestTopic::default();
    topic.name = Some(TopicName(text(name)));
    let mut request = MetadataRequest::default();
    request.topics = Some(vec![topic]);
    request.allow_auto_topic_creation = false;
    let response = connection.call(&request).await.unwrap();
    response.topics[0].partitions.iter().map(|partition| *partition.leader_id).collect()
}

/// Sets one property of a topic (2) or a broker (4): the code, and why.
async fn set(connection: &Connection, kind: i8, name: &str, property: &str, value: &str) -> (ErrorCode, String) {
    let mut config = AlterableConfig::default();
    config.name = text(property);
    config.value = Some(text(value));
    let mut resource = AlterConfigsResource::default();
    resource.resource_type = kind;
    resource.resource_name = text(name);
    resource.configs = vec![config];
    let mut request = IncrementalAlterConfigsRequest::default();
    request.resources = vec![resource];
    let response = connection.call(&request).await.unwrap().responses.remove(0);
    (ErrorCode::from_code(response.error_code), response.error_message.map(|why| why.to_string()).unwrap_or_default())
}

/// Asks something harmless again and again until `condition` holds.
async fn wait_until(connection: &Connection, what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            leaders(connection, "nothing").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

fn is_clean(dir: &Path) -> bool {
    dir.join(".kafka_cleanshutdown").exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_grown_kept_over_a_restart_and_deleted() {
    let cluster = Cluster::start().await;
    let server = cluster.broker(1).await;
    let connection = connect(&server).await;
    assert_eq!(create(&connection, "t", 2).await, ErrorCode::None);
    assert_eq!(create(&connection, "t", 2).await, ErrorCode::TopicAlreadyExists);
    assert_eq!(create(&connection, "no/slash", 1).await, ErrorCode::InvalidTopicException);
    assert_eq!(create(&connection, "none", 0).await, ErrorCode::InvalidPartitions);
    assert_eq!(leaders(&connection, "t").await, [1, 1]);

    let mut more = CreatePartitionsTopic::default();
    more.name = TopicName(text("t"));
    more.count = 3;
    more.assignments = None;
    let mut request = CreatePartitionsRequest::default();
    request.topics = vec![more];
    request.timeout_ms = 20_000;
    assert_eq!(connection.call(&request).await.unwrap().results[0].error_code, 0);
    assert_eq!(leaders(&connection, "t").await, [1, 1, 1]);
    server.stop().await;
    assert!(is_clean(&cluster.dir.path().join("data-1")));

    let server = cluster.broker(1).await;
    let connection = connect(&server).await;
    let led = server.broker().metadata.wait_until(Duration::from_secs(20), |now| now.partition_count("t") == 3);
    led.await.expect("the controller tells of the topic");
    let mut topic = DeleteTopicState::default();
    topic.name = Some(TopicName(text("t")));
    let mut request = DeleteTopicsRequest::default();
    request.topics = vec![topic];
    request.timeout_ms = 20_000;
    assert_eq!(connection.call(&request).await.unwrap().responses[0].error_code, 0);
    assert!(leaders(&connection, "t").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_properties_take_effect_while_the_broker_runs() {
    let cluster = Cluster::start().await;
    let server = cluster.broker(1).await;
    let connection = connect(&server).await;
    assert_eq!(create(&connection, "t", 1).await, ErrorCode::None);
    let partition = server.broker().replicas.as_ref().unwrap().partition("t", 0).unwrap();
    let fine = (ErrorCode::None, String::new());

    assert_eq!(set(&connection, 2, "t", "segment.bytes", "123456").await, fine);
    let log = partition.log().unwrap();
    wait_until(&connection, "the log goes by it", || log.config().segment_bytes == 123_456).await;
    assert_eq!(set(&connection, 4, "", "log.flush.interval.messages", "77").await, fine);
    wait_until(&connection, "topics fall back to it", || log.config().flush_messages == 77).await;
    assert_eq!(set(&connection, 4, "1", "max.connections", "3").await, fine);
    wait_until(&connection, "it is this broker's", || server.broker().config().max_connections == 3).await;

    let refusals = [
        (2, "t", "segment.bytes", "1", ErrorCode::InvalidConfig),
        (2, "t", "no.such.thing", "1", ErrorCode::InvalidConfig),
        (2, "gone", "segment.bytes", "123456", ErrorCode::UnknownTopicOrPartition),
        (4, "1", "log.dirs", "/elsewhere", ErrorCode::InvalidConfig),
        (4, "2", "max.connections", "3", ErrorCode::InvalidRequest),
        (7, "t", "segment.bytes", "123456", ErrorCode::InvalidRequest),
    ];
    for (kind, name, property, value, code) in refusals {
        let refused = set(&connection, kind, name, property, value).await;
        assert_eq!(refused.0, code, "{property} of {name}: {}", refused.1);
    }
    assert_eq!(log.config().segment_bytes, 123_456);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_producers_get_ids_that_differ() {
    let cluster = Cluster::start().await;
    let server = cluster.broker(1).await;
    let connection = connect(&server).await;
    let mut request = InitProducerIdRequest::default();
    request.transactional_id = None;
    let first = connection.call(&request).await.unwrap();
    let second = connection.call(&request).await.unwrap();
    assert_eq!((first.error_code, second.error_code), (0, 0));
    assert_eq!(*second.producer_id, *first.producer_id + 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_directory_of_another_broker_is_refused() {
    let cluster = Cluster::start().await;
    cluster.broker(1).await.stop().await;
    let refused = Server::start(cluster.config(2, "data-1")).await;
    assert!(matches!(refused, Err(Error::Identity(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_taken_is_refused_and_the_logs_are_closed_clean() {
    let cluster = Cluster::start().await;
    let first = cluster.broker(1).await;
    let refused = Server::start(cluster.config(1, "other")).await;
    assert!(matches!(refused, Err(Error::Zk(broker::zk::Error::DuplicateBrokerId { .. }))));
    assert!(is_clean(&cluster.dir.path().join("other")));
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_broker_takes_office_when_the_controller_stops() {
    let cluster = Cluster::start().await;
    let (first, second) = (cluster.broker(1).await, cluster.broker(2).await);
    connect(&first).await;
    let both = second.broker().metadata.wait_until(Duration::from_secs(20), |now| now.brokers.len() == 2);
    both.await.expect("the controller tells of both brokers");
    first.stop().await;
    let alone = second.broker().metadata.wait_until(Duration::from_secs(20), |now| {
        now.brokers.len() == 1 && now.controller_id == Some(second.broker().broker_id)
    });
    alone.await.expect("the second broker is the controller");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_stops_clean_while_zookeeper_is_away() {
    let cluster = Cluster::start().await;
    let server = cluster.broker(1).await;
    let connection = connect(&server).await;
    assert_eq!(create(&connection, "t", 3).await, ErrorCode::None);
    let mut status = server.broker().zk.as_ref().unwrap().follow();
    cluster.zookeeper.shutdown().await;
    while status.current().state == State::Connected {
        status.changed().await;
    }
    // What waits for ZooKeeper must not hold up the end.
    let waiting = tokio::spawn(async move { set(&connection, 2, "t", "segment.bytes", "123456").await });
    tokio::time::timeout(Duration::from_secs(60), server.stop()).await.expect("it stops");
    waiting.abort();
    assert!(is_clean(&cluster.dir.path().join("data-1")));
}
