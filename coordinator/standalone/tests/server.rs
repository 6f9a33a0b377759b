//! Facts about this server that no other ZooKeeper need share: restarts, bounds, and what it leaves out.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::time::Duration;

use standalone::{Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error};

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

async fn start(dir: &std::path::Path) -> Server {
    Server::start(Config::new(dir)).await.unwrap()
}

async fn connect(server: &Server) -> Client {
    Client::connect(&server.local_addr().to_string()).await.unwrap()
}

/// The frame of a first packet without a session.
fn hello() -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 45];
    frame.extend([0; 12]);
    frame.extend(30_000i32.to_be_bytes());
    frame.extend([0; 8]);
    frame.extend(16i32.to_be_bytes());
    frame.extend([0; 17]);
    frame
}

async fn session(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&hello()).await.unwrap();
    let mut answer = [0; 41];
    stream.read_exact(&mut answer).await.unwrap();
    stream
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.unwrap() {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn nodes_and_sessions_survive_a_clean_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path()).await;
    let client = connect(&server).await;
    let (created, _) = client.create("/a", b"1", &PERSISTENT).await.unwrap();
    client.create("/e", b"", &EPHEMERAL).await.unwrap();
    let detached = Client::connector().with_detached().connect(&server.local_addr().to_string()).await.unwrap();
    detached.create("/d", b"", &EPHEMERAL).await.unwrap();
    let session = detached.into_session();
    server.shutdown().await;

    let server = start(dir.path()).await;
    let back =
        Client::connector().with_session(session.clone()).connect(&server.local_addr().to_string()).await.unwrap();
    assert_eq!(back.session_id(), session.id());
    assert_eq!(back.list_ephemerals("/").await.unwrap(), ["/d"]);
    assert_eq!(back.get_data("/a").await.unwrap(), (b"1".to_vec(), created));
    let (stat, _) = back.create("/b", b"", &PERSISTENT).await.unwrap();
    assert!(created.czxid < stat.czxid);
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let server = start(dir.path()).await;
        let client = connect(&server).await;
        for earlier in 0..round {
            assert!(client.check_stat(&format!("/{earlier}")).await.unwrap().is_some());
        }
        client.create(&format!("/{round}"), b"", &PERSISTENT).await.unwrap();
        let taken = server.local_addr();
        drop((client, server));
        // The port is free once the last task has let go of the directory as well.
        while TcpStream::connect(taken).await.is_ok() {}
        wait_for_the_lock(dir.path()).await;
    }
}

async fn wait_for_the_lock(dir: &std::path::Path) {
    let path = dir.join("milena/lock");
    tokio::task::spawn_blocking(move || std::fs::File::open(path).unwrap().lock().unwrap()).await.unwrap();
}

#[tokio::test]
async fn snapshots_are_taken_while_serving_and_replace_old_logs() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.snap_count = 50;
    config.snap_retain_count = 1;
    let server = Server::start(config).await.unwrap();
    let client = connect(&server).await;
    for number in 0..500 {
        client.create(&format!("/{number}"), b"", &PERSISTENT).await.unwrap();
    }
    server.shutdown().await;
    let names = std::fs::read_dir(dir.path().join("milena")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("snapshot.")), "{names:?}");
    assert!(names.iter().filter(|name| name.starts_with("log.")).count() < 5, "{names:?}");
    let server = start(dir.path()).await;
    assert_eq!(connect(&server).await.list_children("/").await.unwrap().len(), 501);
}

#[tokio::test]
async fn sasl_is_refused_with_an_error_and_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path()).await;
    let mut stream = session(&server).await;
    let request = [0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 102, 0, 0, 0, 0];
    stream.write_all(&request).await.unwrap();
    let mut reply = [0; 20];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(i32::from_be_bytes(reply[16..].try_into().unwrap()), -115);
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn connections_from_one_address_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.max_client_connections = 2;
    let server = Server::start(config).await.unwrap();
    let _kept = (session(&server).await, session(&server).await);
    let mut third = TcpStream::connect(server.local_addr()).await.unwrap();
    assert!(is_closed(&mut third).await);
}

#[tokio::test]
async fn words_that_are_not_allowed_are_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path()).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"dump").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "dump is not executed because it is not in the whitelist.\n");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_answered_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path()).await;
    let client = connect(&server).await;
    client.create("/a", &vec![0; 900_000], &PERSISTENT).await.unwrap();
    let mut deaf = session(&server).await;
    let mut get = vec![0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, b'/', b'a', 0];
    get = get.repeat(5_000);
    deaf.write_all(&get).await.unwrap();
    // Others are served meanwhile, and what waits for the deaf one stays near the bound.
    assert_eq!(client.get_data("/a").await.unwrap().0.len(), 900_000);
    drop(deaf);
    assert_eq!(client.delete("/b", None).await.unwrap_err(), Error::NoNode);
}

#[tokio::test]
async fn random_bytes_never_hurt_anybody_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path()).await;
    let client = connect(&server).await;
    let seed = 4711;
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    for round in 0..300 {
        let mut stream = if round % 2 == 0 {
            TcpStream::connect(server.local_addr()).await.unwrap()
        } else {
            session(&server).await
        };
        // Half are frames of proper length with an operation that exists.
        let mut bytes: Vec<u8> = (0..rand::Rng::random_range(&mut random, 8..200)).map(|_| rand::random()).collect();
        if round % 4 < 2 {
            let len = i32::try_from(bytes.len()).unwrap();
            bytes[..4].copy_from_slice(&[0, 0, 0, 1]);
            bytes[4..8].copy_from_slice(&(round % 23i32).to_be_bytes());
            let mut frame = len.to_be_bytes().to_vec();
            frame.append(&mut bytes);
            bytes = frame;
        }
        // A server that hangs up in the middle is within its rights.
        drop(stream.write_all(&bytes).await);
    }
    assert!(client.check_stat("/").await.unwrap().is_some(), "seed {seed}");
}

#[tokio::test]
async fn the_admin_server_answers_what_dashboards_ask() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.admin_address = Some("127.0.0.1:0".parse().unwrap());
    let server = Server::start(config).await.unwrap();
    for (target, expected) in [
        ("/commands/monitor", "\"znode_count\" : 4"),
        ("/commands/ruok", "\"error\" : null"),
        ("/commands", "\"monitor\""),
        ("/commands/restore", "404 Not Found"),
    ] {
        let mut stream = TcpStream::connect(server.admin_addr().unwrap()).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(expected), "{target}: {answer}");
    }
}
