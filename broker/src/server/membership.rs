//! Keeps this broker in the cluster: registers it, and again whenever its ZooKeeper session had to be replaced, and
//! tells the controller's shell in between. Source: contract 1.3 `/brokers/ids/N`, 2.2, 3.4.
//!
//! Differs from Kafka: a registration that fails after an expired session is tried again instead of leaving the broker
//! out of the cluster until it is restarted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::{BrokerConfig, MetadataVersion};
use tokio_util::sync::CancellationToken;
use zk_schema::nodes::broker_id::{BrokerRegistration, Endpoint, SecurityProtocol};
use zk_schema::{BrokerEpoch, BrokerId};

use super::Error;
use super::previous_sessions::PreviousSessions;
use crate::clock::Clock;
use crate::metadata::Fencing;
use crate::shell::controller;
use crate::zk::{State, Zk};

const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// This broker's place in the cluster.
pub(super) struct Membership {
    zk: Zk,
    clock: Arc<Clock>,
    broker: BrokerId,
    registration: BrokerRegistration,
    sessions: PreviousSessions,
    fencing: Arc<Fencing>,
    session: u64,
    session_id: i64,
}

impl Membership {
    /// A place not yet taken.
    pub(super) fn new(
        zk: Zk,
        clock: Arc<Clock>,
        broker: BrokerId,
        registration: BrokerRegistration,
        sessions: PreviousSessions,
        fencing: Arc<Fencing>,
    ) -> Self {
        Self { zk, clock, broker, registration, sessions, fencing, session: 0, session_id: 0 }
    }

    /// Which session the registration was made in, and which are known to be dead.
    pub(super) fn session(&self) -> (u64, Vec<i64>) {
        (self.session, self.sessions.dead())
    }

    /// Registers in the current session.
    pub(super) async fn register(&mut self) -> Result<BrokerEpoch, Error> {
        loop {
            let status = self.zk.status();
            if self.session_id != 0 && self.session_id != status.session_id {
                self.sessions.ended(self.session_id);
            }
            (self.session, self.session_id) = (status.session, status.session_id);
            self.sessions.begin(status.session_id);
            let dead = self.sessions.dead();
            let epoch = self.zk.register_broker(self.broker, &self.registration, self.clock.wall_ms(), &dead).await?;
            // A session that ended meanwhile has taken the node along.
            if self.zk.status().session == status.session {
                self.sessions.registered(status.session_id);
                self.fencing.set_broker_epoch(epoch);
                let addresses: Vec<String> =
                    self.registration.endpoints.iter().map(Endpoint::connection_string).collect();
                tracing::info!(
                    target: "kafka.zk.KafkaZkClient",
                    "Registered broker {} at path /brokers/ids/{} with addresses: {}, czxid (broker epoch): {epoch}",
                    self.broker, self.broker, addresses.join(",")
                );
                return Ok(epoch);
            }
        }
    }

    /// Follows the session until told to stop; then forgets it, since it is about to be closed.
    pub(super) async fn keep(mut self, controller: Arc<controller::Handle>, stop: CancellationToken) {
        let mut status = self.zk.follow();
        loop {
            let newest = status.current();
            if newest.session != self.session && newest.state != State::Closed {
                controller.session_lost().await;
                tokio::select! {
                    () = self.register_again() => {}
                    () = stop.cancelled() => break,
                }
                let (session, dead) = self.session();
                controller.registered(session, dead).await;
                continue;
            }
            tokio::select! {
                newest = status.changed() => if newest.state == State::Closed { break },
                () = stop.cancelled() => break,
            }
        }
        self.sessions.forget();
    }

    async fn register_again(&mut self) {
        while let Err(error) = self.register().await {
            tracing::error!("broker {} is not registered, trying again: {error}", self.broker);
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// What to tell the cluster about this broker.
pub(super) fn registration(config: &BrokerConfig, endpoints: Vec<Endpoint>) -> BrokerRegistration {
    let ibp = config.ibp();
    let version = if ibp.has_feature_versioning() {
        5
    } else if ibp.at_least(MetadataVersion::IBP_0_10_0_IV1) {
        4
    } else {
        2
    };
    BrokerRegistration { version, endpoints, jmx_port: -1, rack: config.broker_rack.clone(), features: BTreeMap::new() }
}

/// Advertised addresses, with what is known only now: this machine's name, and ports the system chose.
pub(super) fn endpoints(config: &BrokerConfig, bound: &BTreeMap<String, u16>) -> Vec<Endpoint> {
    let advertised = config.advertised_listeners().into_iter();
    advertised
        .map(|listener| {
            let port = match listener.port {
                0 => bound.get(&listener.name).copied().unwrap_or(0),
                port => port,
            };
            Endpoint {
                host: listener.host.clone().unwrap_or_else(host_name),
                port: i32::from(port),
                security_protocol: protocol(listener.protocol),
                listener: listener.name,
            }
        })
        .collect()
}

fn protocol(protocol: config::SecurityProtocol) -> SecurityProtocol {
    SecurityProtocol::from_code(protocol.id()).unwrap_or(SecurityProtocol::Plaintext)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Two brokers must not advertise one address.
pub(super) async fn check_endpoints_are_free(zk: &Zk, broker: BrokerId, ours: &[Endpoint]) -> Result<(), Error> {
    for (other, registration) in zk.brokers().await? {
        let same = |theirs: &&Endpoint| ours.iter().any(|e| (&e.host, e.port) == (&theirs.host, theirs.port));
        if other != broker
            && let Some(endpoint) = registration.endpoints.iter().find(same)
        {
            return Err(Error::Identity(format!(
                "Configured end points {}:{} in advertised listeners are already registered by broker {other}",
                endpoint.host, endpoint.port
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> BrokerConfig {
        let pairs = pairs.iter().chain(&[("zookeeper.connect", "localhost:2181")]);
        BrokerConfig::from_map(pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()).unwrap()
    }

    #[test]
    fn endpoints_say_the_port_the_system_chose_and_the_machines_name() {
        let config = config(&[("listeners", "PLAINTEXT://127.0.0.1:0,SSL://:9093")]);
        let endpoints = endpoints(&config, &BTreeMap::from([("PLAINTEXT".to_owned(), 4711)]));
        assert_eq!(endpoints[0].connection_string(), "PLAINTEXT://127.0.0.1:4711");
        assert_eq!(endpoints[1].security_protocol, SecurityProtocol::Ssl);
        assert!(!endpoints[1].host.is_empty());
    }

    #[test]
    fn the_registrations_layout_follows_the_inter_broker_protocol() {
        let version = |ibp: &str| {
            // Records of a later format than the brokers agree on are refused.
            let versions = [("inter.broker.protocol.version", ibp), ("log.message.format.version", ibp)];
            registration(&config(&versions), Vec::new()).version
        };
        assert_eq!((version("3.9"), version("2.6"), version("0.9.0")), (5, 4, 2));
    }
}
