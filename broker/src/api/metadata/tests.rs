//! What Metadata tells of a small cluster, version by version.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use config::BrokerConfig;
use wire::messages::UpdateMetadataRequest;
use wire::messages::metadata_request::MetadataRequestTopic;
use wire::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use wire::{ApiKey, RequestHeader, encode_response_body};

use super::*;
use crate::broker::{BoxFuture, CreateMissingTopic, MissingTopic};
use crate::net::ConnectionContext;

const TOPIC_ID: u128 = 77;

fn endpoint(listener: &str, port: i32) -> UpdateMetadataEndpoint {
    UpdateMetadataEndpoint::default().with_host(text("host")).with_port(port).with_listener(text(listener))
}

/// Brokers 1 and 2, of which only 1 has the listener REPLICATION. Topic `t`: partition 0 led by 1, 1 led by the dead 3,
/// 2 led by 2.
fn cluster() -> UpdateMetadataRequest {
    let broker = |id: i32, endpoints| UpdateMetadataBroker::default().with_id(id.into()).with_endpoints(endpoints);
    let partition = |index: i32, leader: i32| {
        UpdateMetadataPartitionState::default()
            .with_partition_index(index)
            .with_leader(leader.into())
            .with_leader_epoch(5)
            .with_replicas(vec![leader.into(), 1.into()])
            .with_isr(vec![leader.into()])
            .with_offline_replicas(if leader == 3 { vec![3.into()] } else { vec![] })
    };
    let topic = UpdateMetadataTopicState::default()
        .with_topic_name(messages::TopicName(text("t")))
        .with_topic_id(uuid::Uuid::from_u128(TOPIC_ID))
        .with_partition_states(vec![partition(0, 1), partition(1, 3), partition(2, 2)]);
    UpdateMetadataRequest::default()
        .with_controller_id(2.into())
        .with_live_brokers(vec![
            broker(1, vec![endpoint("PLAINTEXT", 9092), endpoint("REPLICATION", 9093)]),
            broker(2, vec![endpoint("PLAINTEXT", 9094)]),
        ])
        .with_topic_states(vec![topic])
}

#[derive(Default)]
struct Creations(Mutex<Vec<MissingTopic>>);

impl CreateMissingTopic for Creations {
    fn create(&self, topic: MissingTopic) -> BoxFuture<'_, Result<(), ErrorCode>> {
        self.0.lock().unwrap().push(topic);
        Box::pin(async { Ok(()) })
    }
}

struct World {
    broker: Broker,
    created: Arc<Creations>,
}

fn world() -> World {
    let mut broker = Broker::new(BrokerId(1), "cluster".to_owned(), BrokerConfig::for_tests());
    let created = Arc::new(Creations::default());
    broker.auto_topics = Some(Arc::<Creations>::clone(&created));
    broker.metadata.update(&cluster());
    World { broker, created }
}

impl World {
    async fn ask_on(&self, listener: &str, version: i16, request: MetadataRequest) -> MetadataResponse {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = ConnectionContext::new(1, Arc::from(listener), address, address);
        let header = RequestHeader { api_key: 3, api_version: version, correlation_id: 1, client_id: None };
        let context = RequestContext::new(&self.broker, &connection, header, ApiKey::Metadata);
        let response = handle(&self.broker, &context, request).await;
        let mut frame = bytes::BytesMut::new();
        encode_response_body(ApiKey::Metadata, version, 1, &response, &mut frame).unwrap();
        response
    }

    async fn ask(&self, version: i16, request: MetadataRequest) -> MetadataResponse {
        self.ask_on("PLAINTEXT", version, request).await
    }
}

fn of(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(messages::TopicName(text(name))));
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
}

fn errors(response: &MetadataResponse) -> Vec<ErrorCode> {
    response.topics.iter().map(|topic| ErrorCode::from_code(topic.error_code)).collect()
}

#[tokio::test]
async fn every_version_can_be_answered() {
    let world = world();
    for version in ApiKey::Metadata.versions() {
        let response = world.ask(version, of(&["t", "unknown"])).await;
        assert_eq!(response.brokers.len(), 2, "v{version}");
        assert_eq!(*response.controller_id, 2);
        assert_eq!(errors(&response), [ErrorCode::None, ErrorCode::UnknownTopicOrPartition], "v{version}");
    }
}

#[tokio::test]
async fn no_list_means_all_topics_and_so_does_an_empty_one_in_version_0() {
    let world = world();
    let all = MetadataRequest::default().with_topics(None);
    assert_eq!(world.ask(1, all).await.topics.len(), 1);
    assert_eq!(world.ask(0, of(&[])).await.topics.len(), 1);
    assert_eq!(world.ask(1, of(&[])).await.topics.len(), 0);
}

#[tokio::test]
async fn a_partition_whose_leader_is_dead_has_no_leader() {
    let response = world().ask(9, of(&["t"])).await;
    let partition = &response.topics[0].partitions[1];
    assert_eq!(partition.error_code, ErrorCode::LeaderNotAvailable.code());
    assert_eq!((*partition.leader_id, partition.leader_epoch), (-1, 5));
    assert_eq!(partition.replica_nodes, [3, 1].map(messages::BrokerId));
    assert_eq!(partition.offline_replicas, [3].map(messages::BrokerId));
}

#[tokio::test]
async fn a_leader_without_the_listener_is_told_as_such_from_version_6() {
    let world = world();
    let error = async |version| {
        let response = world.ask_on("REPLICATION", version, of(&["t"])).await;
        assert_eq!(response.brokers.len(), 1);
        ErrorCode::from_code(response.topics[0].partitions[2].error_code)
    };
    assert_eq!(error(5).await, ErrorCode::LeaderNotAvailable);
    assert_eq!(error(6).await, ErrorCode::ListenerNotFound);
}

#[tokio::test]
async fn version_0_leaves_out_dead_replicas_and_says_so() {
    let mut request = cluster();
    request.topic_states[0].partition_states[0].replicas = vec![1.into(), 3.into()];
    let world = world();
    world.broker.metadata.update(&request);
    let response = world.ask(0, of(&["t"])).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::ReplicaNotAvailable.code());
    assert_eq!(partition.replica_nodes, [1].map(messages::BrokerId));
    assert_eq!(world.ask(1, of(&["t"])).await.topics[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn a_missing_topic_is_created_when_asked_for_and_allowed() {
    let world = world();
    let response = world.ask(4, of(&["new"]).with_allow_auto_topic_creation(true)).await;
    assert_eq!(errors(&response), [ErrorCode::LeaderNotAvailable]);
    let created = world.created.0.lock().unwrap();
    assert_eq!((created[0].name.as_str(), created[0].partition_count), ("new", 1));
}

#[tokio::test]
async fn a_name_no_topic_may_have_is_refused_whether_created_or_not() {
    let world = world();
    for allow in [false, true] {
        let response = world.ask(4, of(&["a b"]).with_allow_auto_topic_creation(allow)).await;
        assert_eq!(errors(&response), [ErrorCode::InvalidTopicException]);
    }
    assert!(world.created.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn topics_are_found_by_id_in_version_12_only() {
    let world = world();
    let by_id = |id: u128| {
        let topic = MetadataRequestTopic::default().with_name(None).with_topic_id(uuid::Uuid::from_u128(id));
        MetadataRequest::default().with_topics(Some(vec![topic]))
    };
    let found = world.ask(12, by_id(TOPIC_ID)).await;
    assert_eq!(found.topics[0].name.as_ref().unwrap().as_str(), "t");
    let unknown = world.ask(12, by_id(1)).await;
    assert_eq!(errors(&unknown), [ErrorCode::UnknownTopicId]);
    assert!(unknown.topics[0].name.is_none());
    assert_eq!(errors(&world.ask(11, by_id(TOPIC_ID)).await), [ErrorCode::InvalidRequest]);
}

#[tokio::test]
async fn authorized_operations_are_told_when_asked_for() {
    let world = world();
    let request =
        of(&["t"]).with_include_topic_authorized_operations(true).with_include_cluster_authorized_operations(true);
    let response = world.ask(8, request).await;
    assert_eq!(response.topics[0].topic_authorized_operations, 3576);
    assert_eq!(response.cluster_authorized_operations, 8096);
    assert_eq!(world.ask(8, of(&["t"])).await.cluster_authorized_operations, i32::MIN);
}
