//! A broker for tests: listens on a port of its own and answers as a script says. Versions and metadata it knows by itself:
//! one broker, number 1, that leads and coordinates everything.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use wire::messages::api_versions_response::ApiVersion;
use wire::messages::find_coordinator_response::Coordinator;
use wire::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::messages::{
    ApiVersionsResponse, BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse,
    TopicName,
};
use wire::{ApiKey, RequestHeader, RequestKind, ResponseKind, text};

use crate::cluster::{ClusterClient, Config};

/// What becomes of a request.
#[expect(clippy::large_enum_variant, reason = "a handful live at a time")]
pub enum Reply {
    /// This answer.
    Answer(ResponseKind),
    /// What the broker answers by itself.
    Usual,
    /// Nothing, ever.
    Silence,
    /// The connection ends.
    HangUp,
}

/// Script and knowledge of a broker.
pub struct Script {
    /// Topics and their partition counts.
    pub topics: BTreeMap<String, i32>,
    /// APIs served in other versions than ours; an empty range stands for not at all.
    pub versions: BTreeMap<ApiKey, RangeInclusive<i16>>,
    /// Asked first.
    pub answer: Answer,
}

/// Says what becomes of each request.
type Answer = Box<dyn FnMut(&RequestHeader, &RequestKind) -> Reply + Send>;

impl Script {
    /// Knows these topics and answers as `answer` says.
    pub fn new(
        topics: &[(&str, i32)],
        answer: impl FnMut(&RequestHeader, &RequestKind) -> Reply + Send + 'static,
    ) -> Self {
        let topics = topics.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Self { topics, versions: BTreeMap::new(), answer: Box::new(answer) }
    }
}

/// A broker that runs until it is dropped.
pub struct FakeBroker {
    /// `host:port`.
    pub address: String,
    /// May be changed while it runs.
    pub script: Arc<Mutex<Script>>,
    _connections: JoinSet<()>,
}

impl FakeBroker {
    /// Starts a broker.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(script));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&script);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                connections.spawn(async move {
                    let _hung_up = serve(stream, port, &script).await;
                });
            }
        });
        Self { address: format!("127.0.0.1:{port}"), script, _connections: tasks }
    }

    /// A client of it.
    pub fn client(&self) -> Arc<ClusterClient> {
        Arc::new(ClusterClient::new(Config::new(&self.address).unwrap()))
    }
}

async fn serve(mut stream: TcpStream, port: u16, script: &Mutex<Script>) -> std::io::Result<()> {
    loop {
        let size = stream.read_i32().await?;
        let mut frame = BytesMut::zeroed(usize::try_from(size).unwrap());
        stream.read_exact(&mut frame).await?;
        let frame = frame.freeze();
        let (header, request) = match wire::decode_request(frame) {
            Ok(decoded) => decoded,
            Err(error) => panic!("a request that makes no sense: {error}"),
        };
        let answer = {
            let script = &mut *script.lock().unwrap();
            match (script.answer)(&header, &request) {
                Reply::Answer(answer) => Some(answer),
                Reply::Usual => Some(usual(&request, script, port)),
                Reply::Silence => None,
                Reply::HangUp => return Ok(()),
            }
        };
        if let Some(answer) = answer {
            stream.write_all(&encoded(&header, &answer)).await?;
        }
    }
}

/// The frame of an answer.
pub fn encoded(header: &RequestHeader, answer: &ResponseKind) -> Bytes {
    // A version the broker does not know is refused in one everybody knows.
    let refuses = matches!(answer, ResponseKind::ApiVersions(versions) if versions.error_code != 0);
    let header = if refuses { &RequestHeader { api_version: 0, ..header.clone() } } else { header };
    wire::encode_response(header, answer).unwrap()
}

fn usual(request: &RequestKind, script: &Script, port: u16) -> ResponseKind {
    match request {
        RequestKind::ApiVersions(_) => ResponseKind::ApiVersions(versions(script)),
        RequestKind::Metadata(request) => ResponseKind::Metadata(metadata(request, script, port)),
        RequestKind::FindCoordinator(request) => ResponseKind::FindCoordinator(coordinator(request, port)),
        other => panic!("no answer in the script to {other:?}"),
    }
}

fn versions(script: &Script) -> ApiVersionsResponse {
    let mut response = ApiVersionsResponse::default();
    for api in ApiKey::ALL {
        let range = script.versions.get(api).cloned().unwrap_or_else(|| api.versions().clone());
        if !range.is_empty() {
            let mut row = ApiVersion::default();
            (row.api_key, row.min_version, row.max_version) = (api.key(), *range.start(), *range.end());
            response.api_keys.push(row);
        }
    }
    response
}

fn metadata(request: &MetadataRequest, script: &Script, port: u16) -> MetadataResponse {
    let mut broker = MetadataResponseBroker::default();
    (broker.node_id, broker.host, broker.port) = (BrokerId(1), text("127.0.0.1"), port.into());
    let mut response = MetadataResponse::default();
    response.brokers = vec![broker];
    response.controller_id = BrokerId(1);
    let all = || script.topics.keys().cloned().collect();
    let named = |topics: &Vec<_>| {
        let name = |topic: &wire::messages::metadata_request::MetadataRequestTopic| {
            topic.name.as_ref().map(|n| n.0.to_string())
        };
        topics.iter().filter_map(name).collect()
    };
    let names: Vec<String> = request.topics.as_ref().map_or_else(all, named);
    response.topics = names.into_iter().map(|name| topic(name, script)).collect();
    response
}

fn topic(name: String, script: &Script) -> MetadataResponseTopic {
    let mut topic = MetadataResponseTopic::default();
    match script.topics.get(&name) {
        None => topic.error_code = 3,
        Some(count) => {
            let partition = |index| {
                let mut partition = MetadataResponsePartition::default();
                partition.partition_index = index;
                partition.leader_id = BrokerId(1);
                partition.replica_nodes = vec![BrokerId(1)];
                partition.isr_nodes = vec![BrokerId(1)];
                partition
            };
            topic.partitions = (0..*count).map(partition).collect();
        }
    }
    topic.name = Some(TopicName(text(&name)));
    topic
}

fn coordinator(request: &FindCoordinatorRequest, port: u16) -> FindCoordinatorResponse {
    let mut response = FindCoordinatorResponse::default();
    let mut found = Coordinator::default();
    found.key = request.coordinator_keys.first().cloned().unwrap_or_default();
    (found.node_id, found.host, found.port) = (BrokerId(1), text("127.0.0.1"), port.into());
    if request.coordinator_keys.is_empty() {
        (response.node_id, response.host, response.port) = (BrokerId(1), text("127.0.0.1"), port.into());
    } else {
        response.coordinators = vec![found];
    }
    response
}
