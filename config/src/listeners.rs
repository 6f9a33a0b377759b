//! Listeners, what each advertises, and the security protocol behind each name.
//! Opens nothing and resolves no host names. Source: `SocketServerConfigs.listenerListToEndPoints`,
//! `CoreUtils.listenerListToEndPoints` and `ListenerName` in Kafka 3.9.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::Error;
use crate::value::SecurityProtocol;

const PREFIX: &str = "listener.name.";
const PROTOCOL_MAP: &str = "listener.security.protocol.map";

/// One address with a name and a protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// Name in capitals.
    pub name: String,
    /// What protects it.
    pub protocol: SecurityProtocol,
    /// Host as written, IPv6 without its brackets; `None` means every interface, or this machine's own name when
    /// advertised.
    pub host: Option<String>,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            Some(host) if host.contains(':') => write!(formatter, "{}://[{host}]:{}", self.name, self.port),
            Some(host) => write!(formatter, "{}://{host}:{}", self.name, self.port),
            None => write!(formatter, "{}://:{}", self.name, self.port),
        }
    }
}

/// A listener's name as it is compared.
pub fn normalized(name: &str) -> String {
    name.trim().to_uppercase()
}

/// What stands before the properties of one listener.
pub fn prefix(listener_name: &str) -> String {
    format!("{PREFIX}{}.", listener_name.trim().to_lowercase())
}

/// The plain name behind a listener's prefix, and behind a mechanism's if there is one.
pub(crate) fn base_name(name: &str) -> Option<&str> {
    const OF_MECHANISMS: [&str; 5] = [
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "sasl.login.class",
        "sasl.server.callback.handler.class",
        "connections.max.reauth.ms",
    ];
    let (_, base) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some(OF_MECHANISMS.into_iter().find(|of_mechanism| base.ends_with(of_mechanism)).unwrap_or(base))
}

/// Reads `name:protocol` pairs between commas.
///
/// # Errors
/// [`Error::Invalid`] naming the pair that is wrong.
pub fn security_protocols(text: &str) -> Result<BTreeMap<String, SecurityProtocol>, Error> {
    let mut protocols = BTreeMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, protocol) = pair
            .rsplit_once(':')
            .ok_or_else(|| Error::invalid(PROTOCOL_MAP, text, format!("expected name:protocol, found {pair}")))?;
        let protocol = SecurityProtocol::from_name(protocol).ok_or_else(|| {
            Error::invalid(
                PROTOCOL_MAP,
                text,
                format!("unknown security protocol {protocol}; use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
            )
        })?;
        protocols.insert(normalized(name), protocol);
    }
    Ok(protocols)
}

/// Reads `name://host:port` entries between commas. Names must differ.
///
/// # Errors
/// [`Error::Invalid`] naming `property` and the entry that is wrong.
pub fn parse(
    property: &str,
    text: &str,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Listener>, Error> {
    let mut listeners: Vec<Listener> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let listener = parse_one(entry, protocols).map_err(|reason| Error::invalid(property, text, reason))?;
        if listeners.iter().any(|earlier| earlier.name == listener.name) {
            return Err(Error::invalid(
                property,
                text,
                format!("Each listener must have a different name, found {} twice", listener.name),
            ));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn parse_one(entry: &str, protocols: &BTreeMap<String, SecurityProtocol>) -> Result<Listener, String> {
    let unreadable = || format!("Unable to parse {entry} to a broker endpoint; expected name://host:port");
    let (name, address) = entry.split_once("://").ok_or_else(unreadable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte)) {
        return Err(unreadable());
    }
    let port = port.parse().map_err(|_| format!("{entry} needs a port from 0 to 65535"))?;
    let name = normalized(name);
    let protocol = *protocols
        .get(&name)
        .ok_or_else(|| format!("No security protocol defined for listener {name}; add it to {PROTOCOL_MAP}"))?;
    Ok(Listener { name, protocol, host: (!host.is_empty()).then(|| host.to_owned()), port })
}

/// Two listeners may share a port only if one host is an IPv4 address and the other an IPv6 address. Port 0 may repeat.
///
/// # Errors
/// [`Error::Invalid`] naming the port.
pub fn check_distinct_ports(listeners: &[Listener], text: &str) -> Result<(), Error> {
    let mut by_port: BTreeMap<u16, Vec<&Listener>> = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| listener.port != 0) {
        by_port.entry(listener.port).or_default().push(listener);
    }
    for (port, sharing) in by_port {
        let is_fine = match sharing.as_slice() {
            [_] => true,
            [first, second] => differ_in_family(first, second),
            _ => false,
        };
        if !is_fine {
            return Err(Error::invalid(
                "listeners",
                text,
                format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                     other IPv6 address; port {port} is used more than once"
                ),
            ));
        }
    }
    Ok(())
}

fn differ_in_family(first: &Listener, second: &Listener) -> bool {
    let is_v4 = |listener: &Listener| listener.host.as_deref().is_some_and(|host| host.parse::<Ipv4Addr>().is_ok());
    let is_v6 = |listener: &Listener| listener.host.as_deref().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok());
    (is_v4(first) && is_v6(second)) || (is_v6(first) && is_v4(second))
}

#[cfg(test)]
#[path = "listeners/tests.rs"]
mod tests;
