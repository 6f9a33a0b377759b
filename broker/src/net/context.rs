//! What is known about a connection: who is at the other end, and where it came in.
//! Set when the connection is accepted; only what the client says of itself is added later.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// A connection as request handlers see it.
#[derive(Debug)]
pub struct ConnectionContext {
    /// Unique within this broker's life.
    pub id: u64,
    /// Name of the listener it came in by.
    pub listener: Arc<str>,
    /// Our end.
    pub local_addr: SocketAddr,
    /// Their end.
    pub peer_addr: SocketAddr,
    /// Who they are: `User:ANONYMOUS` without authentication.
    pub principal: Arc<str>,
    client_software: OnceLock<ClientSoftware>,
}

/// What a client said of itself in ApiVersions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSoftware {
    /// Such as `apache-kafka-java`.
    pub name: String,
    /// Such as `3.9.0`.
    pub version: String,
}

impl ConnectionContext {
    /// A connection of which nothing is known but its ends.
    #[must_use]
    pub fn new(id: u64, listener: Arc<str>, local_addr: SocketAddr, peer_addr: SocketAddr) -> Self {
        let principal = Arc::from("User:ANONYMOUS");
        Self { id, listener, local_addr, peer_addr, principal, client_software: OnceLock::new() }
    }

    /// What the client said of itself, once it did.
    #[must_use]
    pub fn client_software(&self) -> Option<&ClientSoftware> {
        self.client_software.get()
    }

    /// Keeps what the client said of itself; the first word counts.
    pub fn set_client_software(&self, software: ClientSoftware) {
        let _ = self.client_software.set(software);
    }
}
