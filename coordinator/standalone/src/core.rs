//! The model behind one lock, and the order in which things leave it: transaction to the log, events to their
//! connections, then the reply to its own. Never waits for the disk or a socket.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use sha1::{Digest, Sha1};
use tokio::sync::mpsc;
use zk_schema::model::{Error, Identity, Model, Outcome, Password, Request, SessionId, Snapshot, Zxid};

use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Connection;
use crate::disk::Log;
use crate::protocol::{self, Connect, Header};
use crate::stats::Stats;

/// Requests answered under one hold of the lock.
const REQUESTS_PER_HOLD: usize = 64;
/// Containers and TTL nodes deleted at one look.
const SWEPT_AT_ONCE: usize = 1_000;
/// Log bytes after which a snapshot is due, whatever the number of transactions.
const SNAPSHOT_LOG_BYTES: u64 = 64 << 20;

/// What all connections share.
pub struct Core {
    /// The server's configuration.
    pub config: Config,
    /// The server's counters.
    pub stats: Stats,
    /// The server's clock.
    pub clock: Clock,
    /// The log.
    pub log: Log,
    state: Mutex<State>,
}

/// What the lock guards.
pub struct State {
    /// The nodes, sessions and watches.
    pub model: Model,
    /// Connections with a session.
    pub attached: BTreeMap<SessionId, Arc<Connection>>,
    /// All connections.
    pub connections: BTreeMap<u64, Arc<Connection>>,
    next_connection: u64,
    transactions_since_snapshot: usize,
    snapshots: mpsc::Sender<Snapshot>,
}

/// One packet of a client, decoded.
pub struct Incoming {
    /// The client's number, and the operation.
    pub header: Header,
    /// What it asks.
    pub ask: Ask,
    /// When it came.
    pub received: Instant,
}

/// What a packet asks.
pub enum Ask {
    /// Something for the model, and the kinds of a multi's operations.
    Request(Request, Vec<i32>),
    /// To keep the session alive.
    Ping,
    /// To add an identity.
    Authenticate { scheme: String, proof: Vec<u8> },
    /// Something that is answered with this error.
    Refused(i32),
    /// Something that is answered with this error, and ends the connection.
    Fatal(i32),
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It ends once everything is sent.
    Finish,
}

impl Core {
    /// A core round a recovered model. Snapshots that are due go to `snapshots`.
    pub fn new(config: Config, model: Model, replayed: usize, log: Log, snapshots: mpsc::Sender<Snapshot>) -> Core {
        let state = State {
            model,
            attached: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            transactions_since_snapshot: replayed,
            snapshots,
        };
        Core { config, stats: Stats::default(), clock: Clock::new(), log, state: Mutex::new(state) }
    }

    /// Holds the lock.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, unless there are too many.
    pub fn admit(&self, peer: std::net::SocketAddr) -> Option<Arc<Connection>> {
        let mut state = self.lock();
        let from_there = state.connections.values().filter(|connection| connection.peer.ip() == peer.ip()).count();
        let is_over = |count: usize, max: usize| 0 < max && max <= count;
        if is_over(from_there, self.config.max_client_connections)
            || is_over(state.connections.len(), self.config.max_connections)
        {
            return None;
        }
        let connection = Arc::new(Connection::new(state.next_connection, peer));
        state.next_connection += 1;
        state.connections.insert(connection.id, Arc::clone(&connection));
        Some(connection)
    }

    /// A connection is gone. Its session lives on without watches.
    pub fn dismiss(&self, connection: &Connection) {
        let mut state = self.lock();
        state.connections.remove(&connection.id);
        if let Some(session) = connection.session()
            && state.is_attached(session, connection)
        {
            state.attached.remove(&session);
            state.model.detach(session);
        }
    }

    /// Opens a session for a connection, or brings it back to the one it had. `None` if the client saw more than we have.
    pub fn connect(&self, connection: &Arc<Connection>, connect: &Connect, password: Password) -> Option<Flow> {
        let now_ms = self.clock.now_ms();
        let timeout_ms = self.config.session_timeout_ms(connect.timeout_ms);
        let mut state = self.lock();
        if state.model.last_zxid().0 < connect.last_zxid_seen {
            return None;
        }
        let (session, password) = if connect.session == 0 {
            let transaction = state.model.open_session(timeout_ms, password, now_ms);
            self.log(&mut state, &transaction);
            (transaction.session, password)
        } else {
            let session = SessionId(connect.session);
            let shown = connect.password.as_slice().try_into().map(Password).ok();
            match shown.map(|shown| (shown, state.model.reattach(session, shown, timeout_ms, now_ms))) {
                Some((shown, Ok(()))) => (session, shown),
                _ => {
                    let zxid = state.model.last_zxid();
                    connection.send(zxid, None, |out| {
                        protocol::encode_connected(out, 0, 0, [0; 16], connect.read_only);
                    });
                    return Some(Flow::Finish);
                }
            }
        };
        state.model.authenticate(session, Identity::new("ip", ip_text(connection.peer.ip())));
        connection.attach(session, timeout_ms);
        if let Some(previous) = state.attached.insert(session, Arc::clone(connection)) {
            previous.end();
        }
        connection.send(state.model.last_zxid(), None, |out| {
            protocol::encode_connected(out, timeout_ms, session.0, password.0, connect.read_only);
        });
        Some(Flow::Continue)
    }

    /// Answers packets in order, as many as there is room for; those left over stay in the queue.
    pub fn serve(&self, connection: &Arc<Connection>, packets: &mut VecDeque<Incoming>) -> Flow {
        let Some(session) = connection.session() else { return Flow::Finish };
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        for _ in 0..REQUESTS_PER_HOLD {
            if !state.is_attached(session, connection) {
                return Flow::Finish;
            }
            if !connection.outbox.has_room() {
                return Flow::Continue;
            }
            let Some(packet) = packets.pop_front() else { return Flow::Continue };
            if self.serve_one(&mut state, connection, session, packet, now_ms) == Flow::Finish {
                return Flow::Finish;
            }
        }
        Flow::Continue
    }

    fn serve_one(
        &self,
        state: &mut State,
        connection: &Arc<Connection>,
        session: SessionId,
        packet: Incoming,
        now_ms: i64,
    ) -> Flow {
        let Incoming { header, ask, received } = packet;
        let received = Some(received);
        let (error, flow) = match ask {
            Ask::Request(request, kinds) => {
                let closes = matches!(request, Request::CloseSession);
                let outcome = state.model.apply(session, request, now_ms);
                self.deliver(state, &outcome);
                let zxid = state.model.last_zxid();
                connection.send(zxid, received, |out| {
                    protocol::encode_reply(out, header, zxid.0, &outcome.reply, &kinds);
                });
                connection.note(header, zxid);
                if !closes {
                    return Flow::Continue;
                }
                state.attached.remove(&session);
                return Flow::Finish;
            }
            Ask::Ping => {
                state.model.touch(session, now_ms);
                (0, Flow::Continue)
            }
            Ask::Authenticate { scheme, proof } => match self.identities(connection, &scheme, &proof) {
                Some(identities) => {
                    identities.into_iter().for_each(|identity| state.model.authenticate(session, identity));
                    (0, Flow::Continue)
                }
                None => (Error::AuthFailed.code(), Flow::Finish),
            },
            Ask::Refused(error) => (error, Flow::Continue),
            Ask::Fatal(error) => (error, Flow::Finish),
        };
        let zxid = state.model.last_zxid();
        connection.send(zxid, received, |out| protocol::encode_header(out, header.xid, zxid.0, error));
        connection.note(header, zxid);
        flow
    }

    /// Lets time pass. `was_deaf` says that clients could not be heard since the last time.
    pub fn tick(&self, was_deaf: bool) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        if was_deaf || !self.log.has_room() {
            state.model.touch_all(now_ms);
            return;
        }
        for session in state.model.expired(now_ms) {
            tracing::info!(%session, "session expired");
            let outcome = state.model.apply(session, Request::CloseSession, now_ms);
            self.deliver(&mut state, &outcome);
            if let Some(connection) = state.attached.remove(&session) {
                connection.end();
            }
        }
    }

    /// Deletes containers and TTL nodes whose time has come.
    pub fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        for outcome in state.model.sweep(now_ms, SWEPT_AT_ONCE) {
            self.deliver(&mut state, &outcome);
        }
    }

    fn deliver(&self, state: &mut State, outcome: &Outcome) {
        if let Some(transaction) = &outcome.transaction {
            self.log(state, transaction);
        }
        let zxid = state.model.last_zxid();
        for (session, event) in &outcome.events {
            let Some(connection) = state.attached.get(session) else { continue };
            connection.send(zxid, None, |out| protocol::encode_event(out, event));
            if connection.outbox.overflows() {
                tracing::warn!(peer = %connection.peer, "client does not read its watch events: connection closed");
                connection.end();
            }
        }
    }

    fn log(&self, state: &mut State, transaction: &zk_schema::model::Transaction) {
        self.log.append(transaction);
        state.transactions_since_snapshot += 1;
        let is_due = self.config.snap_count <= state.transactions_since_snapshot
            || SNAPSHOT_LOG_BYTES <= self.log.bytes_since_roll();
        if !is_due {
            return;
        }
        // While one snapshot is being written the next one waits.
        if let Ok(permit) = state.snapshots.try_reserve() {
            self.log.roll();
            permit.send(state.model.snapshot());
            state.transactions_since_snapshot = 0;
        }
    }

    fn identities(&self, connection: &Connection, scheme: &str, proof: &[u8]) -> Option<Vec<Identity>> {
        match scheme {
            "digest" => {
                let digest = digest(std::str::from_utf8(proof).ok()?);
                let is_super = self.config.super_digest.as_ref() == Some(&digest);
                let super_identity = is_super.then(|| Identity::new("super", ""));
                Some(super_identity.into_iter().chain([Identity::new("digest", digest)]).collect())
            }
            "ip" => Some(vec![Identity::new("ip", ip_text(connection.peer.ip()))]),
            "sasl" => {
                tracing::warn!(peer = %connection.peer, "client asks for SASL, which this server does not offer");
                None
            }
            _ => None,
        }
    }
}

impl State {
    fn is_attached(&self, session: SessionId, connection: &Connection) -> bool {
        self.attached.get(&session).is_some_and(|attached| attached.id == connection.id)
    }

    /// The last transaction.
    pub fn last_zxid(&self) -> Zxid {
        self.model.last_zxid()
    }
}

/// The id of scheme digest for `user:password`.
fn digest(user_and_password: &str) -> String {
    let user = user_and_password.split(':').next().unwrap_or_default();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha1::digest(user_and_password.as_bytes()));
    format!("{user}:{hash}")
}

/// An address as an ACL would name it: IPv4 also when it came over an IPv6 socket.
fn ip_text(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_one_zookeeper_makes() {
        assert_eq!(digest("super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }
}
