//! Keeps one ZooKeeper session alive, and opens another when the server says it is gone.
//!
//! The client below declares a session expired by itself after 7/5 of its timeout without a server, though the ensemble
//! may still know it (all servers may have been down). So a lost session is first asked for again; only the server's
//! word ends it. Every connection and every session has a number, because state changes reach us coalesced: who must act
//! on a reconnect or a new session compares numbers instead of counting events.
//! Source: contract 1.1 and 3.4; `kafka.zookeeper.ZooKeeperClient`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zookeeper_client::{Client, SessionInfo, SessionState};

use super::Error;
use crate::metrics::names;

/// How to reach ZooKeeper.
#[derive(Clone)]
pub struct Settings {
    /// `zookeeper.connect`: servers, and perhaps a chroot at the end.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`: how long the first connection may take.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`.
    pub max_in_flight_requests: usize,
    /// `zookeeper.set.acl`.
    pub set_acl: bool,
    /// TLS, when `zookeeper.ssl.client.enable` is set.
    pub tls: Option<zookeeper_client::TlsOptions>,
    /// User and password of a SASL DIGEST-MD5 login.
    pub digest: Option<(String, String)>,
}

impl Settings {
    /// Kafka's defaults for these servers.
    #[must_use]
    pub fn new(connect: impl Into<String>) -> Self {
        Self {
            connect: connect.into(),
            session_timeout: Duration::from_secs(18),
            connection_timeout: Duration::from_secs(18),
            max_in_flight_requests: 10,
            set_acl: false,
            tls: None,
            digest: None,
        }
    }

    /// Servers without the chroot, and the chroot if there is one.
    fn split(&self) -> (&str, Option<&str>) {
        match self.connect.find('/') {
            // A trailing slash is no chroot.
            Some(at) if at + 1 < self.connect.len() => (&self.connect[..at], Some(&self.connect[at..])),
            Some(at) => (&self.connect[..at], None),
            None => (&self.connect, None),
        }
    }

    /// A session besides the main one, for watches that session should not carry.
    pub(super) async fn open_another(&self) -> Result<Client, zookeeper_client::Error> {
        self.open(&self.connect, None).await
    }

    async fn open(&self, cluster: &str, session: Option<SessionInfo>) -> Result<Client, zookeeper_client::Error> {
        let mut connector = Client::connector().with_session_timeout(self.session_timeout);
        if let Some(tls) = &self.tls {
            connector = connector.with_tls(tls.clone());
        }
        if let Some((user, password)) = &self.digest {
            let options = zookeeper_client::SaslOptions::digest_md5(user.clone(), password.clone());
            connector = connector.with_sasl(options);
        }
        if let Some(session) = session {
            connector = connector.with_session(session);
        }
        if self.tls.is_some() { connector.secure_connect(cluster).await } else { connector.connect(cluster).await }
    }
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Counts sessions of this process from 1. A new number means that the one before has expired, and its ephemeral
    /// nodes with it.
    pub session: u64,
    /// ZooKeeper's id of the session: the `ephemeralOwner` of its nodes.
    pub session_id: i64,
    /// Counts connections from 1. A new number means that watches may have been missed.
    pub connection: u64,
    /// Whether requests get through now.
    pub state: State,
}

/// Whether requests get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Connected,
    /// Not now; the session may still be alive.
    Disconnected,
    /// Never again: [`Zk::close`] was called.
    Closed,
}

/// The session as requests see it: the status and the client to use.
#[derive(Clone)]
pub(super) struct Link {
    pub status: Status,
    pub client: Option<Client>,
}

/// The gateway to ZooKeeper. Cheap to clone; all clones share one session.
#[derive(Clone)]
pub struct Zk {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub settings: Settings,
    pub link: watch::Sender<Link>,
    pub permits: Semaphore,
    /// Whether the servers know `multiRead` and persistent watches (3.6 and later). Found out at connect; turned off
    /// for good when a server says otherwise.
    pub modern: AtomicBool,
    closing: CancellationToken,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Zk {
    /// Connects, creating the chroot if it is missing.
    ///
    /// # Errors
    /// [`Error::ConnectTimeout`], or what the server said.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let timeout = settings.connection_timeout;
        let connect = settings.connect.clone();
        let connected = tokio::time::timeout(timeout, Self::connect_now(settings)).await;
        connected.unwrap_or(Err(Error::ConnectTimeout { connect, timeout }))
    }

    async fn connect_now(settings: Settings) -> Result<Self, Error> {
        let (servers, chroot) = settings.split();
        let first = until_reached(&settings, servers).await?;
        let modern = super::request::is_modern(&first).await;
        // An old server drops the connection when asked for what it does not know; then begin with a fresh one.
        let first = if modern { first } else { until_reached(&settings, servers).await? };
        let client = match chroot {
            Some(chroot) => {
                super::request::create_chroot(&first, chroot, settings.set_acl).await?;
                until_reached(&settings, &settings.connect).await?
            }
            None => first,
        };
        tracing::info!(session = %client.session_id(), modern, "Connected to ZooKeeper at {}", settings.connect);
        let status = Status { session: 1, session_id: client.session_id().0, connection: 1, state: State::Connected };
        let shared = Arc::new(Shared {
            permits: Semaphore::new(settings.max_in_flight_requests.max(1)),
            settings,
            link: watch::Sender::new(Link { status, client: Some(client.clone()) }),
            modern: AtomicBool::new(modern),
            closing: CancellationToken::new(),
            keeper: Mutex::new(None),
        });
        let keeper = tokio::spawn(Keeper { shared: shared.clone(), status }.run(client));
        *shared.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(keeper);
        Ok(Self { shared })
    }

    /// Where the session stands now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.link.borrow().status
    }

    /// Follows the session: each change wakes the watcher, which then looks at the newest status.
    #[must_use]
    pub fn follow(&self) -> StatusWatcher {
        StatusWatcher { link: self.shared.link.subscribe() }
    }

    /// Closes the session, so that its ephemeral nodes go at once; waits for the server's word no longer than this.
    pub async fn close(&self, patience: Duration) {
        self.shared.closing.cancel();
        let keeper = self.shared.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(keeper) = keeper
            && tokio::time::timeout(patience, keeper).await.is_err()
        {
            tracing::warn!("ZooKeeper did not confirm the end of the session in {} ms", patience.as_millis());
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        self.shared.modern.load(Ordering::Relaxed)
    }

    pub(super) fn set_old(&self) {
        if self.shared.modern.swap(false, Ordering::Relaxed) {
            tracing::warn!("ZooKeeper servers before 3.6 found: reading and watching the slower way");
        }
    }
}

/// Follows the session.
#[derive(Clone)]
pub struct StatusWatcher {
    link: watch::Receiver<Link>,
}

impl StatusWatcher {
    /// The newest status; marks it as seen.
    pub fn current(&mut self) -> Status {
        self.link.borrow_and_update().status
    }

    /// Waits until something changed since the status last seen. A gateway dropped without being closed counts as closed.
    pub async fn changed(&mut self) -> Status {
        if self.link.changed().await.is_err() {
            let last = self.link.borrow().status;
            return Status { state: State::Closed, ..last };
        }
        self.current()
    }
}

/// Opens a session, trying again until the caller gives up.
async fn until_reached(settings: &Settings, cluster: &str) -> Result<Client, Error> {
    loop {
        match settings.open(cluster, None).await {
            Ok(client) => return Ok(client),
            Err(zookeeper_client::Error::BadArguments(why)) => {
                return Err(Error::Other { path: "zookeeper.connect".to_owned(), reason: (*why).to_owned() });
            }
            Err(error) => {
                tracing::debug!("no ZooKeeper session yet: {error}");
                tokio::time::sleep(RETRY_PAUSE / 10).await;
            }
        }
    }
}

/// How long to wait between two attempts to open a session.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The task that owns the session.
struct Keeper {
    shared: Arc<Shared>,
    status: Status,
}

impl Keeper {
    async fn run(mut self, mut client: Client) {
        let closing = self.shared.closing.clone();
        loop {
            let reason = tokio::select! {
                state = self.until_lost(&client) => state,
                () = closing.cancelled() => return self.close(client).await,
            };
            tracing::warn!("ZooKeeper session {} is {reason}; asking for it again", client.session_id());
            self.publish(State::Disconnected, None);
            let session = client.into_session();
            client = tokio::select! {
                client = self.reopen(session) => client,
                () = closing.cancelled() => return self.publish(State::Closed, None),
            };
        }
    }

    /// Publishes what becomes of the connection until the client gives the session up.
    async fn until_lost(&mut self, client: &Client) -> SessionState {
        let mut watcher = client.state_watcher();
        // The client's task could end without a word; a request then fails in a way it never does otherwise.
        let mut probe = tokio::time::interval(self.shared.settings.session_timeout.max(Duration::from_secs(3)));
        loop {
            let state = tokio::select! {
                state = watcher.changed() => state,
                _ = probe.tick() => match client.check_stat("/").await {
                    Err(zookeeper_client::Error::ClientClosed | zookeeper_client::Error::UnexpectedError(_)) => {
                        SessionState::Closed
                    }
                    _ => continue,
                },
            };
            match state {
                SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                    self.status.connection += 1;
                    tracing::info!("Reconnected to ZooKeeper, session {}", client.session_id());
                    self.publish(State::Connected, Some(client.clone()));
                }
                SessionState::Disconnected => {
                    tracing::warn!("Disconnected from ZooKeeper, session {}", client.session_id());
                    names::ZOOKEEPER_DISCONNECTS.increment();
                    self.publish(State::Disconnected, Some(client.clone()));
                }
                terminal => return terminal,
            }
        }
    }

    /// Gets the session back, or a new one once the server says that it is gone.
    async fn reopen(&mut self, session: SessionInfo) -> Client {
        let mut wanted = Some(session);
        loop {
            let settings = &self.shared.settings;
            match settings.open(&settings.connect, wanted.clone()).await {
                Ok(client) => {
                    if wanted.is_none() {
                        self.status.session += 1;
                        self.status.session_id = client.session_id().0;
                        tracing::info!("New ZooKeeper session {}", client.session_id());
                    } else {
                        tracing::info!("ZooKeeper session {} was still alive", client.session_id());
                    }
                    self.status.connection += 1;
                    self.publish(State::Connected, Some(client.clone()));
                    return client;
                }
                Err(zookeeper_client::Error::SessionExpired) if wanted.is_some() => {
                    tracing::warn!("ZooKeeper session {:#x} has expired", self.status.session_id);
                    names::ZOOKEEPER_EXPIRES.increment();
                    wanted = None;
                }
                Err(error) => {
                    tracing::warn!("no ZooKeeper session yet, trying again: {error}");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn close(mut self, client: Client) {
        let mut watcher = client.state_watcher();
        self.publish(State::Closed, None);
        // The client closes its session once the last handle is gone.
        drop(client);
        while !watcher.changed().await.is_terminated() {}
    }

    fn publish(&mut self, state: State, client: Option<Client>) {
        self.status.state = state;
        self.shared.link.send_replace(Link { status: self.status, client });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chroot_is_what_follows_the_servers() {
        assert_eq!(Settings::new("a:1,b:2").split(), ("a:1,b:2", None));
        assert_eq!(Settings::new("a:1,b:2/").split(), ("a:1,b:2", None));
        assert_eq!(Settings::new("a:1,b:2/kafka/x").split(), ("a:1,b:2", Some("/kafka/x")));
    }
}
