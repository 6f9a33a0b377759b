//! One client's connection: cuts frames, decodes them, and sends what the outbox lets go.
//! Never answers by itself. Whatever comes here costs this connection at worst, and no more memory than its bounds.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;
use zk_schema::model::{Error as Refusal, Password, SessionId, Zxid};

use crate::core::{Ask, Core, Flow, Incoming};
use crate::disk::Durable;
use crate::jute::{self, Reader};
use crate::outbox::Outbox;
use crate::protocol::{self, Connect, Header, RECONFIG_DISABLED, Refused, op};
use crate::stats::Stats;
use crate::words;

/// How long a client may take to say who it is, and to read its last replies.
const PATIENCE: Duration = Duration::from_secs(10);
/// Packets decoded before they are answered.
const PACKETS_AHEAD: usize = 256;
/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 << 10;

/// A connection as others see it.
pub struct Connection {
    /// Its number, never used again.
    pub id: u64,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// When it was accepted.
    pub established: std::time::SystemTime,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// Its counters.
    pub stats: Stats,
    session: AtomicI64,
    timeout_ms: AtomicI32,
    last_xid: AtomicI32,
    last_op: AtomicI32,
    last_zxid: AtomicI64,
    ended: CancellationToken,
}

impl Connection {
    /// A connection without a session.
    pub fn new(id: u64, peer: SocketAddr) -> Connection {
        Connection {
            id,
            peer,
            established: std::time::SystemTime::now(),
            outbox: Outbox::default(),
            stats: Stats::default(),
            session: AtomicI64::new(0),
            timeout_ms: AtomicI32::new(0),
            last_xid: AtomicI32::new(0),
            last_op: AtomicI32::new(0),
            last_zxid: AtomicI64::new(0),
            ended: CancellationToken::new(),
        }
    }

    /// Its session, once it has one.
    pub fn session(&self) -> Option<SessionId> {
        Some(SessionId(self.session.load(Relaxed))).filter(|session| session.0 != 0)
    }

    /// The timeout agreed for its session, in milliseconds.
    pub fn timeout_ms(&self) -> i32 {
        self.timeout_ms.load(Relaxed)
    }

    /// The last request answered: its number, operation and transaction.
    pub fn last(&self) -> (i32, i32, i64) {
        (self.last_xid.load(Relaxed), self.last_op.load(Relaxed), self.last_zxid.load(Relaxed))
    }

    /// Gives it a session.
    pub fn attach(&self, session: SessionId, timeout_ms: i32) {
        self.session.store(session.0, Relaxed);
        self.timeout_ms.store(timeout_ms, Relaxed);
    }

    /// Notes the request answered last.
    pub fn note(&self, header: Header, zxid: Zxid) {
        self.last_xid.store(header.xid, Relaxed);
        self.last_op.store(header.op, Relaxed);
        self.last_zxid.store(zxid.0, Relaxed);
    }

    /// Sends a packet once `zxid` is synced.
    pub fn send(&self, zxid: Zxid, received: Option<Instant>, encode: impl FnOnce(&mut Vec<u8>)) {
        self.outbox.push(zxid, received, encode);
    }

    /// Closes it now.
    pub fn end(&self) {
        self.ended.cancel();
    }
}

/// Why a connection ended without its client wishing so.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Malformed(#[from] jute::Error),
    #[error("a packet of {0} bytes")]
    PacketLength(i32),
    #[error("nothing said for {0:?}")]
    Silent(Duration),
    #[error("the client saw transaction {seen:#x}, and our last is {last}")]
    FromTheFuture { seen: i64, last: Zxid },
    #[error("the log failed")]
    LogFailed,
}

/// Serves a client until it leaves, misbehaves or `stop` is called.
pub async fn serve(core: Arc<Core>, stream: TcpStream, connection: Arc<Connection>, stop: CancellationToken) {
    let ended = connection.ended.clone();
    let served = tokio::select! {
        served = serve_stream(&core, stream, &connection) => served,
        () = ended.cancelled() => Ok(()),
        () = stop.cancelled() => Ok(()),
    };
    core.dismiss(&connection);
    match served {
        Ok(()) => {}
        Err(Error::Io(error)) => tracing::debug!(peer = %connection.peer, %error, "connection lost"),
        Err(error) => tracing::warn!(peer = %connection.peer, %error, "connection closed"),
    }
}

async fn serve_stream(core: &Arc<Core>, stream: TcpStream, connection: &Arc<Connection>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let mut frames = Frames { read, buffer: BytesMut::new(), bytes_max: core.config.packet_bytes_max };
    let first = tokio::time::timeout(PATIENCE, frames.first()).await.map_err(|_| Error::Silent(PATIENCE))??;
    let connect = match first {
        First::Nothing => return Ok(()),
        First::Word(word) => return answer_word(core, write, &word).await,
        First::Connect(connect) => connect,
    };
    connection.stats.received.fetch_add(1, Relaxed);
    core.stats.received.fetch_add(1, Relaxed);
    let Some(flow) = core.connect(connection, &connect, Password(rand::random())) else {
        return Err(Error::FromTheFuture { seen: connect.last_zxid_seen, last: core.lock().last_zxid() });
    };
    let reading = async {
        if flow == Flow::Continue {
            answer_all(core, &mut frames, connection).await?;
        }
        connection.outbox.finish();
        Ok::<(), Error>(())
    };
    let sending = send_all(core, write, connection);
    tokio::pin!(reading, sending);
    tokio::select! {
        read = &mut reading => read?,
        sent = &mut sending => return sent,
    }
    // The client's last replies may still wait for the disk.
    tokio::time::timeout(PATIENCE, sending).await.unwrap_or(Ok(()))
}

async fn answer_word(core: &Core, mut write: OwnedWriteHalf, word: &str) -> Result<(), Error> {
    let answer = words::answer(core, word);
    tokio::time::timeout(PATIENCE, async {
        write.write_all(answer.as_bytes()).await?;
        write.shutdown().await
    })
    .await
    .unwrap_or(Ok(()))?;
    Ok(())
}

/// Answers everything the client asks, until it leaves or may not go on.
async fn answer_all(core: &Core, frames: &mut Frames, connection: &Arc<Connection>) -> Result<(), Error> {
    let mut durable = core.log.durable();
    let mut packets = VecDeque::new();
    loop {
        if packets.is_empty() && !frames.fill(&mut packets).await? {
            return Ok(());
        }
        let came = u64::try_from(packets.len()).unwrap_or(0);
        connection.stats.received.fetch_add(came, Relaxed);
        core.stats.received.fetch_add(came, Relaxed);
        while !packets.is_empty() {
            connection.outbox.room().await;
            while !core.log.has_room() {
                durable.changed().await.map_err(|_| Error::LogFailed)?;
            }
            if core.serve(connection, &mut packets) == Flow::Finish {
                return Ok(());
            }
        }
    }
}

/// Sends what the outbox lets go, until it is finished and empty.
async fn send_all(core: &Core, mut write: OwnedWriteHalf, connection: &Connection) -> Result<(), Error> {
    let mut durable = core.log.durable();
    while let Some(zxid) = connection.outbox.next().await {
        let reached = durable.wait_for(|durable| durable.covers(zxid) || *durable == Durable::Failed).await;
        let durable = *reached.map_err(|_| Error::LogFailed)?;
        if durable == Durable::Failed {
            return Err(Error::LogFailed);
        }
        let batch = connection.outbox.take(durable);
        write.write_all(&batch.bytes).await?;
        for stats in [&connection.stats, &core.stats] {
            stats.sent.fetch_add(batch.packets, Relaxed);
            batch.replies.iter().for_each(|(received, count)| stats.replied(*count, received.elapsed()));
        }
    }
    write.shutdown().await?;
    Ok(())
}

/// What a client says first.
enum First {
    Nothing,
    Word(String),
    Connect(Connect),
}

/// The incoming bytes, cut into frames. The buffer grows as bytes come, never because a length says so.
struct Frames {
    read: OwnedReadHalf,
    buffer: BytesMut,
    bytes_max: usize,
}

impl Frames {
    async fn first(&mut self) -> Result<First, Error> {
        while self.buffer.len() < 4 {
            if !self.read_more().await? {
                return Ok(First::Nothing);
            }
        }
        if let Some(word) = self.buffer.first_chunk::<4>().and_then(words::recognise) {
            return Ok(First::Word(word));
        }
        loop {
            if let Some(len) = self.next_len()? {
                let connect = Connect::decode(self.buffer.get(4..4 + len).unwrap_or_default())?;
                self.buffer.advance(4 + len);
                return Ok(First::Connect(connect));
            }
            if !self.read_more().await? {
                return Ok(First::Nothing);
            }
        }
    }

    /// Waits for packets and decodes what is there. False at the end.
    async fn fill(&mut self, packets: &mut VecDeque<Incoming>) -> Result<bool, Error> {
        loop {
            let received = Instant::now();
            while packets.len() < PACKETS_AHEAD
                && let Some(len) = self.next_len()?
            {
                let packet = decode(self.buffer.get(4..4 + len).unwrap_or_default(), received)?;
                self.buffer.advance(4 + len);
                packets.push_back(packet);
            }
            if !packets.is_empty() {
                return Ok(true);
            }
            if !self.read_more().await? {
                return Ok(false);
            }
        }
    }

    /// The length of the next frame, if it is here whole.
    fn next_len(&self) -> Result<Option<usize>, Error> {
        let Some(len) = self.buffer.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        let size = usize::try_from(len).ok().filter(|size| *size <= self.bytes_max).ok_or(Error::PacketLength(len))?;
        Ok((4 + size <= self.buffer.len()).then_some(size))
    }

    async fn read_more(&mut self) -> Result<bool, Error> {
        self.buffer.reserve(READ_BYTES);
        Ok(self.read.read_buf(&mut self.buffer).await? != 0)
    }
}

fn decode(frame: &[u8], received: Instant) -> Result<Incoming, Error> {
    let mut reader = Reader::new(frame);
    let header = Header::decode(&mut reader)?;
    let ask = match header.op {
        op::PING => Ask::Ping,
        op::AUTH => decode_auth(&mut reader)?,
        op::SASL => {
            tracing::warn!("a client asks for SASL, which this server does not offer");
            Ask::Fatal(Refusal::AuthFailed.code())
        }
        op::RECONFIG => Ask::Refused(RECONFIG_DISABLED),
        _ => match protocol::decode_request(header.op, &mut reader) {
            Ok((request, kinds)) => Ask::Request(request, kinds),
            Err(Refused::Malformed(error)) => {
                tracing::debug!(xid = header.xid, op = header.op, %error, "malformed request");
                Ask::Refused(Refusal::MarshallingError.code())
            }
            Err(Refused::Invalid(error)) => Ask::Refused(error.code()),
            Err(Refused::Unknown) => Ask::Fatal(Refusal::Unimplemented.code()),
        },
    };
    Ok(Incoming { header, ask, received })
}

fn decode_auth(reader: &mut Reader<'_>) -> Result<Ask, jute::Error> {
    reader.int()?;
    Ok(Ask::Authenticate { scheme: reader.string()?, proof: reader.buffer()?.unwrap_or_default().to_vec() })
}
