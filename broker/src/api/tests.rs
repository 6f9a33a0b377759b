//! The table over real sockets: what is served, what is refused, and the smaller handlers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::BrokerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::messages::describe_configs_request::DescribeConfigsResource;
use wire::{ErrorCode, Request, decode_response_body, encode_request_body, text};
use zk_schema::types::BrokerId;

use super::*;
use crate::net::{ListenerSettings, Network, NetworkSettings};

struct Server {
    _network: Network,
    address: SocketAddr,
}

fn serve() -> Server {
    let broker = Broker::new(BrokerId(1), "cluster".to_owned(), BrokerConfig::for_tests());
    let listener = ListenerSettings {
        name: "PLAINTEXT".to_owned(),
        host: Some("127.0.0.1".to_owned()),
        port: 0,
        connections_max: usize::MAX,
    };
    let settings = NetworkSettings { listeners: vec![listener], ..NetworkSettings::default() };
    let mut network = Network::bind(&settings).unwrap();
    let address = network.bound()[0].1;
    network.start(Arc::new(Table::new(Arc::new(broker))));
    Server { _network: network, address }
}

async fn frame(stream: &mut TcpStream) -> Option<Bytes> {
    let reading = async {
        let len = stream.read_i32().await?;
        let mut body = BytesMut::zeroed(len as usize);
        stream.read_exact(&mut body).await?;
        std::io::Result::Ok(body.freeze())
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time").ok()
}

async fn ask<R: Request>(server: &Server, version: i16, request: &R) -> R::Response {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&encode_request_body(version, 9, Some(text("test")), request).unwrap()).await.unwrap();
    let (correlation_id, response) = decode_response_body::<R>(frame(&mut stream).await.unwrap(), version).unwrap();
    assert_eq!(correlation_id, 9);
    response
}

fn api_versions_request() -> ApiVersionsRequest {
    ApiVersionsRequest::default().with_client_software_name(text("test")).with_client_software_version(text("1.0"))
}

#[tokio::test]
async fn api_versions_lists_exactly_the_rows_that_have_a_handler() {
    let server = serve();
    for version in ApiKey::ApiVersions.versions() {
        let request = if version < 3 { ApiVersionsRequest::default() } else { api_versions_request() };
        let response = ask(&server, version, &request).await;
        let listed: Vec<_> = response.api_keys.iter().map(|range| range.api_key).collect();
        let served: Vec<_> = ApiKey::ALL.iter().filter(|api| is_served(**api)).map(|api| api.key()).collect();
        assert_eq!(listed, served);
        let metadata = response.api_keys.iter().find(|range| range.api_key == 3).unwrap();
        assert_eq!((metadata.min_version, metadata.max_version), (0, 12));
    }
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let server = serve();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut request = encode_request_body(4, 5, None, &api_versions_request()).unwrap().to_vec();
    request[7] = 99;
    stream.write_all(&request).await.unwrap();
    let answer = frame(&mut stream).await.unwrap();
    let (correlation_id, response) = decode_response_body::<ApiVersionsRequest>(answer, 0).unwrap();
    assert_eq!((correlation_id, response.error_code), (5, ErrorCode::UnsupportedVersion.code()));
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 4));
}

#[tokio::test]
async fn client_software_that_is_no_word_is_an_invalid_request() {
    let response = ask(&serve(), 3, &api_versions_request().with_client_software_name(text("-"))).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
}

#[tokio::test]
async fn what_is_not_served_closes_the_connection() {
    let server = serve();
    let unknown_key = [0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let unknown_version = [0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff];
    let no_header = [0, 0, 0, 2, 0, 3];
    let hostile_count = [0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff];
    for bytes in [&unknown_key[..], &unknown_version, &no_header, &hostile_count] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert!(frame(&mut stream).await.is_none(), "{bytes:?}");
    }
}

#[tokio::test]
async fn sasl_has_no_place_on_a_plain_listener() {
    let server = serve();
    for version in 0..=1 {
        let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
        assert_eq!(ask(&server, version, &request).await.error_code, ErrorCode::IllegalSaslState.code());
    }
}

#[tokio::test]
async fn a_cluster_of_which_nothing_is_known_has_no_coordinators() {
    let server = serve();
    for version in ApiKey::FindCoordinator.versions() {
        let request = FindCoordinatorRequest::default();
        let request =
            if version < 4 { request.with_key(text("g")) } else { request.with_coordinator_keys(vec![text("g")]) };
        let response = ask(&server, version, &request).await;
        let error = response.coordinators.first().map_or(response.error_code, |coordinator| coordinator.error_code);
        assert_eq!(error, ErrorCode::CoordinatorNotAvailable.code(), "v{version}");
    }
}

#[tokio::test]
async fn describe_cluster_knows_brokers_only() {
    let server = serve();
    let response = ask(&server, 1, &DescribeClusterRequest::default()).await;
    assert_eq!((&*response.cluster_id, *response.controller_id), ("cluster", -1));
    let response = ask(&server, 1, &DescribeClusterRequest::default().with_endpoint_type(2)).await;
    assert_eq!(response.error_code, ErrorCode::MismatchedEndpointType.code());
    let response = ask(&server, 1, &DescribeClusterRequest::default().with_endpoint_type(9)).await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedEndpointType.code());
}

#[tokio::test]
async fn describe_configs_answers_for_this_broker_in_every_version() {
    let server = serve();
    let resource = |resource_type, name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(resource_type)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let resources = vec![resource(4, "1"), resource(4, "2"), resource(4, "x"), resource(2, "none"), resource(4, "")];
    for version in ApiKey::DescribeConfigs.versions() {
        let request = DescribeConfigsRequest::default().with_resources(resources.clone());
        let results = ask(&server, version, &request).await.results;
        let errors: Vec<_> = results.iter().map(|result| ErrorCode::from_code(result.error_code)).collect();
        use ErrorCode::{InvalidRequest, None, UnknownTopicOrPartition};
        assert_eq!(errors, [None, InvalidRequest, InvalidRequest, UnknownTopicOrPartition, None], "v{version}");
        assert!(results[0].configs.iter().any(|entry| &*entry.name == "log.segment.bytes"));
    }
    let unknown_type = DescribeConfigsRequest::default().with_resources(vec![resource(77, "x")]);
    assert_eq!(ask(&server, 4, &unknown_type).await.results[0].error_code, ErrorCode::InvalidRequest.code());
}

#[tokio::test]
async fn describe_configs_answers_for_the_named_properties_only() {
    let server = serve();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configuration_keys(Some(vec![text("log.segment.bytes")]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_documentation(true);
    let configs = &ask(&server, 4, &request).await.results[0].configs;
    assert_eq!(configs.len(), 1);
    assert_eq!(configs[0].value.as_deref(), Some("1073741824"));
    assert!(configs[0].documentation.is_some());
}
