//! The network's settings, read off the configuration. Source: `SocketServer`, `ConnectionQuotas`.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use config::BrokerConfig;

use crate::net::{ConnectionLimits, ListenerSettings, NetworkSettings};

/// What the network is to listen on and within which bounds.
pub(super) fn settings(config: &BrokerConfig) -> NetworkSettings {
    let listeners = config.listeners().into_iter().map(|listener| ListenerSettings {
        connections_max: count(
            config.for_listener(&listener.name).map_or(config.max_connections, |own| own.max_connections),
        ),
        name: listener.name,
        host: listener.host,
        port: listener.port,
    });
    NetworkSettings {
        listeners: listeners.collect(),
        frame_size_max: count(config.socket_request_max_bytes),
        queued_bytes_max: (0 < config.queued_max_request_bytes).then_some(config.queued_max_request_bytes),
        idle_max: u64::try_from(config.connections_max_idle_ms).ok().map(Duration::from_millis),
        send_buffer: usize::try_from(config.socket_send_buffer_bytes).ok(),
        receive_buffer: usize::try_from(config.socket_receive_buffer_bytes).ok(),
        backlog: config.socket_listen_backlog_size,
        limits: limits(config),
    }
}

/// Bounds on connections; these may change while the broker runs.
pub(super) fn limits(config: &BrokerConfig) -> ConnectionLimits {
    let mut per_ip_overrides: HashMap<IpAddr, usize> = HashMap::new();
    for (host, max) in config.connections_per_ip_overrides() {
        match (host.as_str(), 0u16).to_socket_addrs() {
            Ok(addresses) => per_ip_overrides.extend(addresses.map(|address| (address.ip(), count(max)))),
            Err(error) => tracing::warn!("max.connections.per.ip.overrides: {host} has no address: {error}"),
        }
    }
    let protected = config.inter_broker_listener_name();
    ConnectionLimits {
        broker_max: count(config.max_connections),
        per_ip_max: count(config.max_connections_per_ip),
        per_ip_overrides,
        protected_listener: (1 < config.listeners().len()).then_some(protected),
    }
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
