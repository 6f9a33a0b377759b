//! Connections over real sockets on the loopback, with handlers that answer as each test needs.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use super::*;

/// What a frame's first byte asks the test handler to do.
const ECHO: u8 = 0;
const WAIT: u8 = 1;
const WAIT_ALONE: u8 = 2;
const CLOSE: u8 = 3;
const BIG: u8 = 4;
const FILE: u8 = 5;
const SILENT: u8 = 6;
const MUTE: u8 = 7;

#[derive(Default)]
struct TestHandler {
    started: AtomicUsize,
    finished: AtomicUsize,
    changed: Notify,
    held: Mutex<Vec<oneshot::Sender<()>>>,
    file: Option<FileRange>,
}

impl TestHandler {
    /// Lets the request held at `index` go.
    fn release(&self, index: usize) {
        let _ = self.held.lock().unwrap().remove(index).send(());
    }

    async fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("{what}"));
    }

    fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(body.len() as i32);
    frame.put_slice(body);
    frame.freeze()
}

impl RequestHandler for TestHandler {
    fn handle<'a>(&'a self, _: &'a ConnectionContext, frame: Bytes) -> Handling<'a> {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        let hold = || {
            let (release, held) = oneshot::channel();
            self.held.lock().unwrap().push(release);
            self.changed.notify_waiters();
            let frame = frame.clone();
            Box::pin(async move {
                let _ = held.await;
                self.finished.fetch_add(1, Ordering::SeqCst);
                self.changed.notify_waiters();
                Reply::frame(framed(&frame))
            })
        };
        match frame.first().copied().unwrap_or(ECHO) {
            WAIT => Handling::Overlapping(hold()),
            WAIT_ALONE => Handling::Alone(hold()),
            CLOSE => Handling::Done(Reply::close("asked to")),
            BIG => Handling::Done(Reply::frame(framed(&vec![BIG; 1 << 20]))),
            SILENT => Handling::Done(Reply::nothing()),
            MUTE => Handling::Done(Reply { mute_for: Duration::from_millis(300), ..Reply::frame(framed(&frame)) }),
            FILE => {
                let range = self.file.clone().unwrap();
                let size = (range.len as i32).to_be_bytes();
                let pieces = vec![Piece::Bytes(Bytes::copy_from_slice(&size)), Piece::Payload(Records::File(range))];
                Handling::Done(Reply::from(Rope { pieces }))
            }
            _ => Handling::Done(Reply::frame(framed(&frame))),
        }
    }
}

struct Server {
    network: Network,
    handler: Arc<TestHandler>,
    address: std::net::SocketAddr,
}

fn settings() -> NetworkSettings {
    let listener = ListenerSettings {
        name: "PLAINTEXT".to_owned(),
        host: Some("127.0.0.1".to_owned()),
        port: 0,
        connections_max: usize::MAX,
    };
    NetworkSettings { listeners: vec![listener], ..NetworkSettings::default() }
}

fn serve(settings: &NetworkSettings, handler: TestHandler) -> Server {
    let mut network = Network::bind(settings).unwrap();
    let address = network.bound()[0].1;
    let handler = Arc::new(handler);
    network.start(Arc::<TestHandler>::clone(&handler));
    Server { network, handler, address }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let reading = async {
        let len = stream.read_i32().await?;
        let mut body = vec![0; len as usize];
        stream.read_exact(&mut body).await?;
        std::io::Result::Ok(body)
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time").expect("an answer")
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    match tokio::time::timeout(Duration::from_secs(10), reading).await {
        Ok(Ok(_)) => rest.is_empty(),
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

#[tokio::test]
async fn many_frames_of_one_write_are_answered_in_order() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    let frames: Vec<u8> = (0..200u8).flat_map(|i| framed(&[ECHO, i])).collect();
    client.write_all(&frames).await.unwrap();
    for i in 0..200u8 {
        assert_eq!(answer(&mut client).await, [ECHO, i]);
    }
}

#[tokio::test]
async fn a_frame_may_arrive_byte_by_byte() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.set_nodelay(true).unwrap();
    for byte in framed(&[ECHO, 1, 2, 3]) {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut client).await, [ECHO, 1, 2, 3]);
}

#[tokio::test]
async fn a_frame_of_several_megabytes_arrives_whole() {
    let server = serve(&settings(), TestHandler::default());
    let client = server.connect().await;
    let body: Vec<u8> = std::iter::once(ECHO).chain((0..5 << 20).map(|i: u32| (i % 251) as u8)).collect();
    let (mut reader, mut writer) = client.into_split();
    let frame = framed(&body);
    let writing = tokio::spawn(async move {
        writer.write_all(&frame).await.unwrap();
        writer
    });
    assert_eq!(reader.read_i32().await.unwrap() as usize, body.len());
    let mut echoed = vec![0; body.len()];
    reader.read_exact(&mut echoed).await.unwrap();
    assert!(echoed == body);
    writing.await.unwrap();
}

#[tokio::test]
async fn later_requests_start_but_their_replies_wait_for_earlier_ones() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    let frames = [framed(&[WAIT, 1]), framed(&[WAIT, 2]), framed(&[ECHO, 3])].concat();
    client.write_all(&frames).await.unwrap();
    server.handler.wait_until("all three start", |handler| handler.started() == 3).await;
    server.handler.release(1);
    server.handler.wait_until("the second ends", |handler| handler.finished.load(Ordering::SeqCst) == 1).await;
    server.handler.release(0);
    assert_eq!(answer(&mut client).await, [WAIT, 1]);
    assert_eq!(answer(&mut client).await, [WAIT, 2]);
    assert_eq!(answer(&mut client).await, [ECHO, 3]);
}

#[tokio::test]
async fn nothing_starts_while_a_request_runs_alone() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.write_all(&[framed(&[WAIT_ALONE]), framed(&[ECHO])].concat()).await.unwrap();
    // Another connection is served meanwhile, which also gives the first the time to err.
    let mut other = server.connect().await;
    other.write_all(&framed(&[ECHO, 9])).await.unwrap();
    assert_eq!(answer(&mut other).await, [ECHO, 9]);
    server.handler.wait_until("the first starts", |handler| handler.held.lock().unwrap().len() == 1).await;
    assert_eq!(server.handler.started(), 2);
    server.handler.release(0);
    assert_eq!(answer(&mut client).await, [WAIT_ALONE]);
    assert_eq!(answer(&mut client).await, [ECHO]);
}

#[tokio::test]
async fn a_request_ends_though_its_client_is_gone() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.write_all(&framed(&[WAIT])).await.unwrap();
    server.handler.wait_until("it starts", |handler| handler.held.lock().unwrap().len() == 1).await;
    drop(client);
    while server.network.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
    server.handler.release(0);
    server.handler.wait_until("it ends", |handler| handler.finished.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn bad_sizes_close_the_connection_and_no_other() {
    let server = serve(&settings(), TestHandler::default());
    let mut good = server.connect().await;
    for size in [-1i32, i32::MIN, (100 << 20) + 1, i32::MAX] {
        let mut bad = server.connect().await;
        bad.write_all(&size.to_be_bytes()).await.unwrap();
        assert!(is_closed(&mut bad).await, "{size}");
    }
    good.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut good).await, [ECHO]);
}

#[tokio::test]
async fn a_reply_that_closes_lets_earlier_replies_out_first() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.write_all(&[framed(&[ECHO, 1]), framed(&[CLOSE])].concat()).await.unwrap();
    assert_eq!(answer(&mut client).await, [ECHO, 1]);
    assert!(is_closed(&mut client).await);
}

#[tokio::test]
async fn a_request_without_reply_leaves_the_order_intact() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.write_all(&[framed(&[SILENT]), framed(&[ECHO, 2])].concat()).await.unwrap();
    assert_eq!(answer(&mut client).await, [ECHO, 2]);
}

#[tokio::test]
async fn a_client_that_never_reads_is_not_read_from_for_ever() {
    let server = serve(&settings(), TestHandler::default());
    let client = server.connect().await;
    let (reader, mut writer) = client.into_split();
    let flood = tokio::spawn(async move {
        // Each asks for a megabyte; far more than sockets hold.
        for _ in 0..1000 {
            writer.write_all(&framed(&[BIG])).await.unwrap();
        }
        writer
    });
    flood.await.unwrap();
    let mut other = server.connect().await;
    other.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut other).await, [ECHO]);
    assert!(server.handler.started() < 50, "{} replies of 1 MiB were made for it", server.handler.started());
    drop(reader);
}

#[tokio::test]
async fn records_are_sent_from_their_file() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..3u32 << 20).map(|i| (i % 253) as u8).collect();
    file.write_all(&content).unwrap();
    let range = FileRange { file: Arc::new(file), position: 1000, len: 2 << 20 };
    let server = serve(&settings(), TestHandler { file: Some(range), ..TestHandler::default() });
    let mut client = server.connect().await;
    client.write_all(&[framed(&[FILE]), framed(&[ECHO, 1])].concat()).await.unwrap();
    assert!(answer(&mut client).await == content[1000..1000 + (2 << 20)]);
    assert_eq!(answer(&mut client).await, [ECHO, 1]);
}

#[tokio::test]
async fn pieces_of_every_size_arrive_in_order() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..1u32 << 20).map(|i| (i % 251) as u8).collect();
    file.write_all(&content).unwrap();
    let file = Arc::new(file);
    let mut pieces = Vec::new();
    let mut expected = Vec::new();
    for (index, len) in [1, 100, 8191, 8192, 70_000, 3, 20_000, 9, 200_000, 5].into_iter().enumerate() {
        let position = index * 50_000;
        let header = Bytes::from(vec![index as u8; len % 30_000]);
        expected.extend_from_slice(&header);
        expected.extend_from_slice(&content[position..position + len]);
        pieces.push(Piece::Bytes(header));
        let range = FileRange { file: Arc::clone(&file), position: position as u64, len };
        pieces.push(Piece::Payload(Records::File(range)));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut output = send::Output::default();
    output.push_rope(Rope { pieces });
    let sending = tokio::spawn(async move {
        std::future::poll_fn(|cx| output.poll_send(&mut stream, cx)).await.unwrap();
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    sending.await.unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn a_file_cut_short_meanwhile_closes_the_connection() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 4096]).unwrap();
    let file = Arc::new(file);
    for len in [4097, 100_000] {
        let range = FileRange { file: Arc::clone(&file), position: 0, len };
        let server = serve(&settings(), TestHandler { file: Some(range), ..TestHandler::default() });
        let mut client = server.connect().await;
        client.write_all(&framed(&[FILE])).await.unwrap();
        let mut received = Vec::new();
        let _ = client.read_to_end(&mut received).await;
        assert!(received.len() < 4 + len);
    }
}

#[tokio::test]
async fn a_muted_connection_is_answered_at_once_and_read_later() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    let sent = std::time::Instant::now();
    client.write_all(&framed(&[MUTE])).await.unwrap();
    assert_eq!(answer(&mut client).await, [MUTE]);
    client.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut client).await, [ECHO]);
    assert!(sent.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn idle_connections_close_and_waiting_ones_do_not() {
    let settings = NetworkSettings { idle_max: Some(Duration::from_millis(100)), ..settings() };
    let server = serve(&settings, TestHandler::default());
    let mut waiting = server.connect().await;
    waiting.write_all(&framed(&[WAIT])).await.unwrap();
    server.handler.wait_until("it starts", |handler| handler.held.lock().unwrap().len() == 1).await;
    let mut idle = server.connect().await;
    assert!(is_closed(&mut idle).await);
    server.handler.release(0);
    assert_eq!(answer(&mut waiting).await, [WAIT]);
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused() {
    let limits = ConnectionLimits { per_ip_max: 1, ..ConnectionLimits::default() };
    let server = serve(&NetworkSettings { limits, ..settings() }, TestHandler::default());
    let mut first = server.connect().await;
    first.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut first).await, [ECHO]);
    let mut second = server.connect().await;
    assert!(is_closed(&mut second).await);
}

#[tokio::test]
async fn requests_wait_for_memory_and_get_it() {
    let settings = NetworkSettings { queued_bytes_max: Some(1), ..settings() };
    let server = serve(&settings, TestHandler::default());
    let mut holder = server.connect().await;
    holder.write_all(&framed(&[WAIT])).await.unwrap();
    server.handler.wait_until("it starts", |handler| handler.held.lock().unwrap().len() == 1).await;
    let mut client = server.connect().await;
    client.write_all(&framed(&[ECHO])).await.unwrap();
    server.handler.release(0);
    assert_eq!(answer(&mut holder).await, [WAIT]);
    assert_eq!(answer(&mut client).await, [ECHO]);
}

#[tokio::test]
async fn stopping_closes_listeners_and_connections() {
    let server = serve(&settings(), TestHandler::default());
    let mut client = server.connect().await;
    client.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut client).await, [ECHO]);
    server.network.stop(Duration::from_secs(5)).await;
    assert!(is_closed(&mut client).await);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_listener_without_host_takes_ipv4_and_ipv6() {
    let mut settings = settings();
    settings.listeners[0].host = None;
    let server = serve(&settings, TestHandler::default());
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, server.address.port())).await.unwrap();
    client.write_all(&framed(&[ECHO])).await.unwrap();
    assert_eq!(answer(&mut client).await, [ECHO]);
}

#[test]
fn a_taken_port_says_which_listener_and_where() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let taken = Network::bind(&settings()).unwrap();
    let mut second = settings();
    second.listeners[0].port = taken.bound()[0].1.port();
    let error = Network::bind(&second).err().unwrap().to_string();
    assert!(error.starts_with("listener PLAINTEXT: socket server failed to bind to 127.0.0.1:"), "{error}");
}
