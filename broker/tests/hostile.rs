//! Strangers at the door: a broker's listeners and its table of APIs under bytes no client sends.
//! Each may cost itself its connection, and nobody else anything: the process lives, memory stays bounded, and a good
//! client is answered. One process, real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::api::Table;
use broker::broker::Broker;
use broker::net::{ListenerSettings, Network, NetworkSettings};
use bytes::{BufMut as _, BytesMut};
use config::BrokerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::messages::{ApiVersionsRequest, MetadataRequest};
use wire::{ApiKey, decode_response_body, encode_request_body, text};
use zk_schema::types::BrokerId;

const PATIENCE: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;

struct Server {
    network: Network,
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
    let settings = NetworkSettings { listeners: vec![listener], backlog: 1024, ..NetworkSettings::default() };
    let mut network = Network::bind(&settings).expect("a free port");
    let address = network.bound()[0].1;
    network.start(Arc::new(Table::new(Arc::new(broker))));
    Server { network, address }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        tokio::time::timeout(PATIENCE, TcpStream::connect(self.address)).await.expect("in time").expect("a connection")
    }

    /// Panics unless a well-behaved client is answered.
    async fn answers_good_clients(&self) {
        let mut stream = self.connect().await;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("good"))
            .with_client_software_version(text("1"));
        stream.write_all(&encode_request_body(4, 1, None, &request).expect("it encodes")).await.expect("it is sent");
        let answer = async {
            let mut frame = vec![0; stream.read_i32().await? as usize];
            stream.read_exact(&mut frame).await.map(|_| frame)
        };
        let frame = tokio::time::timeout(PATIENCE, answer).await.expect("in time").expect("an answer");
        let (_, response) = decode_response_body::<ApiVersionsRequest>(frame.into(), 4).expect("it decodes");
        assert_eq!(response.error_code, 0);
    }

    /// Sends `bytes`, says no more, and waits until the server has hung up.
    async fn is_hung_up_on(&self, bytes: &[u8]) {
        let mut stream = self.connect().await;
        // The server may hang up before it has all of it.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("hung up in time");
    }
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

/// A generator whose seed is printed by the assertion that fails.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let size = i32::try_from(body.len()).expect("a small frame");
    [&size.to_be_bytes(), body].concat()
}

fn header(api: ApiKey, version: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i16(api.key());
    out.put_i16(version);
    out.put_i32(7);
    if api.request_header_version(version) >= 1 {
        out.put_i16(-1);
    }
    if api.request_header_version(version) >= 2 {
        out.put_u8(0);
    }
    out.to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_cost_their_sender_the_connection() {
    let server = serve();
    let mut random = Random(4711);
    for _ in 0..200 {
        let len = random.next() as usize % 2000;
        server.is_hung_up_on(&random.bytes(len)).await;
    }
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bodies_behind_good_headers_hurt_nobody() {
    let server = serve();
    let mut random = Random(1147);
    for api in ApiKey::ALL {
        for version in api.versions() {
            let len = random.next() as usize % 100;
            let body = [header(*api, version), random.bytes(len)].concat();
            server.is_hung_up_on(&framed(&body)).await;
        }
    }
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_without_bytes_reserve_no_memory_in_any_version() {
    let server = serve();
    let before = resident();
    for api in ApiKey::ALL {
        for version in api.versions() {
            for lead in [0, 1, 2, 4, 6, 10] {
                let count: &[u8] =
                    if api.is_flexible(version) { &[0xff, 0xff, 0xff, 0xff, 0x0f] } else { &[0x7f, 0xff, 0xff, 0xff] };
                let body = [&header(*api, version)[..], &vec![0; lead], count, &[0; 16]].concat();
                server.is_hung_up_on(&framed(&body)).await;
            }
        }
    }
    assert!(resident() < before + 64 * MIB, "{} MiB more", (resident() - before) / MIB);
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_cut_short_or_too_long_close_the_connection() {
    let server = serve();
    let whole = encode_request_body(1, 1, None, &MetadataRequest::default().with_topics(None)).expect("it encodes");
    for len in 0..whole.len() {
        server.is_hung_up_on(&whole[..len]).await;
    }
    for size in [-1, i32::MIN, i32::MAX, (100 << 20) + 1] {
        server.is_hung_up_on(&size.to_be_bytes()).await;
    }
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_promises_of_a_hundred_megabytes_take_what_was_sent() {
    let server = serve();
    let before = resident();
    let mut promising = Vec::new();
    for _ in 0..50 {
        let mut stream = server.connect().await;
        stream.write_all(&(100i32 << 20).to_be_bytes()).await.expect("the promise");
        stream.write_all(&[0; 1000]).await.expect("its beginning");
        promising.push(stream);
    }
    server.answers_good_clients().await;
    assert!(resident() < before + 100 * MIB, "{} MiB more", (resident() - before) / MIB);
    drop(promising);
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_read_are_not_answered_for_ever() {
    let server = serve();
    let before = resident();
    let request = encode_request_body(1, 1, None, &MetadataRequest::default().with_topics(None)).expect("it encodes");
    let flood: Vec<u8> = (0..1000).flat_map(|_| request.to_vec()).collect();
    let mut floods = Vec::new();
    for _ in 0..20 {
        let mut stream = server.connect().await;
        // Until the sockets are full on both ways and the server has stopped reading.
        while let Ok(sent) = tokio::time::timeout(Duration::from_millis(200), stream.write_all(&flood)).await {
            sent.expect("the connection stays open");
        }
        floods.push(stream);
    }
    assert!(resident() < before + 100 * MIB, "{} MiB more", (resident() - before) / MIB);
    server.answers_good_clients().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_cost_little_and_block_nobody() {
    let server = serve();
    let before = resident();
    let mut idle = Vec::new();
    // Both ends of each connection are files of this process.
    for _ in 0..connections_possible().min(10_000) {
        idle.push(server.connect().await);
    }
    server.answers_good_clients().await;
    let each = resident().saturating_sub(before) / idle.len();
    assert!(each < 32 << 10, "{} connections of {each} bytes each", idle.len());
    drop(idle);
    let closed = async {
        while server.network.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("all connections are closed");
}

/// Raises the bound on open files as far as it goes. How many connections fit under it, tests beside this one spared.
fn connections_possible() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    files.unwrap_or(30_000).saturating_sub(1000) / 2
}
