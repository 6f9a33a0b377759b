//! Order, timeouts, hang-ups and versions of one connection.

use std::sync::atomic::AtomicUsize;

use wire::messages::{FindCoordinatorRequest, HeartbeatRequest, HeartbeatResponse, MetadataRequest};
use wire::{RequestKind, ResponseKind};

use super::*;
use crate::fake::{FakeBroker, Reply, Script};

fn heartbeat(throttle_time_ms: i32) -> Reply {
    let mut response = HeartbeatResponse::default();
    response.throttle_time_ms = throttle_time_ms;
    Reply::Answer(ResponseKind::Heartbeat(response))
}

fn options(timeout_ms: u64) -> Options {
    Options { request_timeout: Duration::from_millis(timeout_ms), ..Options::default() }
}

#[tokio::test]
async fn overlapping_calls_get_their_own_answers() {
    let script = |_: &_, request: &RequestKind| match request {
        RequestKind::Heartbeat(request) => heartbeat(request.generation_id * 10),
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[], script)).await;
    let connection = Connection::negotiated(&broker.address, &options(10_000)).await.unwrap();
    let ask = async |generation| {
        let mut request = HeartbeatRequest::default();
        request.generation_id = generation;
        connection.call(&request).await.unwrap().throttle_time_ms
    };
    let answers = futures::future::join_all((0..50).map(ask)).await;
    assert_eq!(answers, (0..50).map(|generation| generation * 10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_hangs_up_fails_every_call_that_waits() {
    let asked = AtomicUsize::new(0);
    let script = move |_: &_, request: &RequestKind| match request {
        RequestKind::Heartbeat(_) if asked.fetch_add(1, Ordering::Relaxed) == 0 => Reply::Silence,
        RequestKind::Heartbeat(_) => Reply::HangUp,
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[], script)).await;
    let connection = Connection::negotiated(&broker.address, &options(10_000)).await.unwrap();
    let request = HeartbeatRequest::default();
    let (first, second) = tokio::join!(connection.call(&request), connection.call(&request));
    for answer in [first, second, connection.call(&request).await] {
        assert!(matches!(answer, Err(Error::Disconnected { .. })), "{answer:?}");
    }
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_silent_broker_is_given_up_and_the_connection_with_it() {
    let script = |_: &_, request: &RequestKind| match request {
        RequestKind::Heartbeat(_) => Reply::Silence,
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[], script)).await;
    let connection = Connection::negotiated(&broker.address, &options(50)).await.unwrap();
    let answer = connection.call(&HeartbeatRequest::default()).await;
    assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    assert!(connection.is_closed(), "a late answer would be taken for another's");
}

#[tokio::test]
async fn calls_are_made_in_the_newest_version_both_sides_speak() {
    let script = |header: &wire::RequestHeader, request: &RequestKind| match request {
        RequestKind::Heartbeat(_) => heartbeat(header.api_version.into()),
        _ => Reply::Usual,
    };
    let mut script = Script::new(&[], script);
    script.versions.insert(ApiKey::Heartbeat, 0..=2);
    script.versions.insert(ApiKey::FindCoordinator, 90..=99);
    let broker = FakeBroker::start(script).await;
    let connection = Connection::negotiated(&broker.address, &options(10_000)).await.unwrap();
    assert_eq!(connection.call(&HeartbeatRequest::default()).await.unwrap().throttle_time_ms, 2);
    let unknown = connection.call(&FindCoordinatorRequest::default()).await;
    assert!(matches!(unknown, Err(Error::Unsupported { api: ApiKey::FindCoordinator, .. })), "{unknown:?}");
}

#[tokio::test]
async fn an_older_broker_is_asked_for_its_versions_again() {
    let script = |header: &wire::RequestHeader, request: &RequestKind| match request {
        RequestKind::ApiVersions(_) if header.api_version > 2 => {
            let mut row = wire::messages::api_versions_response::ApiVersion::default();
            (row.api_key, row.max_version) = (ApiKey::ApiVersions.key(), 2);
            let mut response = ApiVersionsResponse::default();
            response.error_code = ErrorCode::UnsupportedVersion.code();
            response.api_keys = vec![row];
            Reply::Answer(ResponseKind::ApiVersions(response))
        }
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[("t", 1)], script)).await;
    let connection = Connection::negotiated(&broker.address, &options(10_000)).await.unwrap();
    assert!(connection.served(ApiKey::Metadata).is_some());
    assert_eq!(connection.call(&MetadataRequest::default()).await.unwrap().topics.len(), 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_connection_in_order() {
    let script = |_: &_, request: &RequestKind| match request {
        RequestKind::Heartbeat(request) => heartbeat(request.generation_id),
        _ => Reply::Usual,
    };
    let broker = FakeBroker::start(Script::new(&[], script)).await;
    let connection = Connection::negotiated(&broker.address, &options(10_000)).await.unwrap();
    let mut request = HeartbeatRequest::default();
    request.generation_id = 1;
    // Polled once: the request is on its way, its answer will find nobody.
    assert!(futures::poll!(Box::pin(connection.call(&request))).is_pending());
    request.generation_id = 2;
    assert_eq!(connection.call(&request).await.unwrap().throttle_time_ms, 2);
}
