//! Listening sockets: binding them, accepting from them.
//! Source: `Acceptor`; `listeners`, `socket.*.buffer.bytes`, `socket.listen.backlog.size`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::Error;
use super::server::Shared;

/// How long to wait after an accept failed for lack of files or memory.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Its name, such as `PLAINTEXT`.
    pub name: String,
    /// Host to bind; `None` means every address, of IPv6 and IPv4.
    pub host: Option<String>,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Connections it may have: `listener.name.L.max.connections`.
    pub connections_max: usize,
}

/// What all sockets share.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketOptions {
    pub backlog: i32,
    pub send_buffer: Option<usize>,
    pub receive_buffer: Option<usize>,
}

pub(super) struct Listener {
    pub name: Arc<str>,
    connections_max: usize,
    options: SocketOptions,
    socket: TcpListener,
}

impl Listener {
    /// Binds the socket and lets connections queue up; none is accepted yet.
    pub fn bind(settings: &ListenerSettings, options: SocketOptions) -> Result<Self, Error> {
        let mut failure = None;
        for address in addresses(settings)? {
            match bind(address, options) {
                Ok(socket) => {
                    let name = Arc::from(settings.name.as_str());
                    return Ok(Self { name, connections_max: settings.connections_max, options, socket });
                }
                Err(error) => failure = Some((address, error)),
            }
        }
        let listener = settings.name.clone();
        let host = settings.host.clone().unwrap_or_default();
        Err(match failure {
            Some((address, source)) => Error::Bind { listener, address: address.to_string(), source },
            None => Error::Resolve { listener, host, source: io::ErrorKind::NotFound.into() },
        })
    }

    /// Where it is bound, the port filled in.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until cancelled.
    pub async fn run(self, shared: Arc<Shared>) {
        loop {
            let make_room = || shared.registry.close_one_not_of(&self.name);
            shared.counters.wait_for_room(&self.name, self.connections_max, make_room).await;
            match self.socket.accept().await {
                Ok((stream, peer_addr)) => self.accepted(&shared, stream, peer_addr),
                // The peer gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(listener = %self.name, %error, "accept failed");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn accepted(&self, shared: &Arc<Shared>, stream: TcpStream, peer_addr: SocketAddr) {
        let slot = match shared.counters.count(&self.name, peer_addr.ip()) {
            Ok(slot) => slot,
            Err(refusal) => {
                tracing::info!(%peer_addr, max = refusal.max, "rejected connection: address has too many");
                return;
            }
        };
        match self.prepare(&stream) {
            Ok(local_addr) => shared.spawn(stream, &self.name, local_addr, peer_addr, slot),
            Err(error) => tracing::debug!(%peer_addr, %error, "connection lost while it was accepted"),
        }
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_keepalive(true)?;
        if let Some(len) = self.options.send_buffer {
            socket.set_send_buffer_size(len)?;
        }
        stream.local_addr()
    }
}

fn addresses(settings: &ListenerSettings) -> Result<Vec<SocketAddr>, Error> {
    let Some(host) = settings.host.as_deref().filter(|host| !host.is_empty()) else {
        let any =
            [SocketAddr::from((Ipv6Addr::UNSPECIFIED, settings.port)), (Ipv4Addr::UNSPECIFIED, settings.port).into()];
        return Ok(any.to_vec());
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let resolved = (bare, settings.port).to_socket_addrs().map_err(|source| Error::Resolve {
        listener: settings.name.clone(),
        host: host.to_owned(),
        source,
    })?;
    Ok(resolved.collect())
}

fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Must be set before listening, or the window scale is settled without it.
    if let Some(len) = options.receive_buffer {
        socket.set_recv_buffer_size(len)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    TcpListener::from_std(socket.into())
}
