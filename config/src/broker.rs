//! A broker's configuration: read from a file with overrides, checked, and asked for what follows from it.
//! Never reads the file twice and never guesses: what is not given has the default of its row.
//! Source: `KafkaConfig` in Kafka 3.9.

mod checks;
mod rows;
mod startable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use rows::BrokerConfig;

use crate::error::Error;
use crate::listeners::{self, Listener};
use crate::metadata_version::MetadataVersion;
use crate::properties_file;
use crate::providers;
use crate::sources::{Given, Origin};
use crate::table::{Row, Texts, find};
use crate::value::{Password, SecurityProtocol};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Properties that say which listeners there are, so a listener cannot have them to itself.
const OF_ALL_LISTENERS: [&str; 3] = ["listeners", "advertised.listeners", "listener.security.protocol.map"];

/// The broker rows.
pub fn broker_rows() -> &'static [Row] {
    rows::ROWS
}

/// The row of one broker property, looked up by its plain name or by its name behind a listener's prefix.
pub fn broker_row(name: &str) -> Option<&'static Row> {
    find(rows::ROWS, name).or_else(|| find(rows::ROWS, listeners::base_name(name)?))
}

impl BrokerConfig {
    /// Reads a properties file, lets `overrides` win, and checks everything.
    ///
    /// # Errors
    /// [`Error`] naming the file, or the property, its value and what would be right.
    pub fn load(path: impl AsRef<Path>, overrides: &[(String, String)]) -> Result<Self, Error> {
        let file = properties_file::read(path.as_ref())?;
        let overrides: Texts = overrides.iter().cloned().collect();
        Self::from_layers(&[(Origin::File, &file), (Origin::Override, &overrides)])
    }

    /// As if the map had been a file.
    ///
    /// # Errors
    /// As [`BrokerConfig::load`].
    pub fn from_map(texts: BTreeMap<String, String>) -> Result<Self, Error> {
        Self::from_layers(&[(Origin::File, &texts)])
    }

    /// Every default, with ZooKeeper at `localhost:2181`.
    pub fn for_tests() -> Self {
        Self::from_map(BTreeMap::from([("zookeeper.connect".to_owned(), "localhost:2181".to_owned())]))
            .expect("defaults and a ZooKeeper address make a configuration")
    }

    fn from_layers(layers: &[(Origin, &Texts)]) -> Result<Self, Error> {
        let all = layers.iter().flat_map(|(_, texts)| (*texts).clone()).collect::<Texts>();
        let providers = providers::configured(&all)?;
        let mut resolved = Vec::with_capacity(layers.len());
        for (origin, texts) in layers {
            resolved.push((*origin, with_both_ids(providers.resolve_all((*texts).clone())?)));
        }
        let layers: Vec<_> = resolved.iter().map(|(origin, texts)| (*origin, texts)).collect();
        let config = Self::defaults().overlaid(Given::merged(&layers)?)?;
        config.check()?;
        Ok(config)
    }

    /// This configuration with more layers over it, each value checked alone.
    pub(crate) fn with_given(given: Given) -> Result<Self, Error> {
        Self::defaults().overlaid(given)
    }

    /// Replaces `${provider:path:key}` as the providers of this configuration say.
    pub(crate) fn resolve_variables(&self, texts: Texts) -> Result<Texts, Error> {
        providers::configured(&self.given.texts())?.resolve_all(texts)
    }

    /// The texts that were set and where each came from, unknown names included.
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Names that were set and that no row knows: kept for plug-ins, for the caller to log.
    pub fn unknown_names(&self) -> Vec<&str> {
        self.given
            .iter()
            .map(|(name, _)| name)
            .filter(|name| broker_row(name).is_none() && !providers::owns(name))
            .collect()
    }

    /// The version spoken between brokers.
    pub fn ibp(&self) -> MetadataVersion {
        self.inter_broker_protocol_version
    }

    /// ZooKeeper's addresses and chroot.
    pub fn zookeeper_connect(&self) -> &str {
        self.zookeeper_connect.as_deref().unwrap_or_default()
    }

    /// How long to wait for the first connection to ZooKeeper, in milliseconds.
    pub fn zookeeper_connection_timeout_ms(&self) -> i32 {
        self.zookeeper_connection_timeout_ms.unwrap_or(self.zookeeper_session_timeout_ms)
    }

    /// Every log directory, in the order written.
    pub fn log_dirs(&self) -> Vec<PathBuf> {
        let text = self.log_dirs.as_deref().unwrap_or(&self.log_dir);
        text.split(',').map(str::trim).filter(|dir| !dir.is_empty()).map(PathBuf::from).collect()
    }

    /// Oldest age of a segment before a new one is begun, in milliseconds.
    pub fn log_roll_ms(&self) -> i64 {
        self.log_roll_ms.unwrap_or_else(|| HOUR_MS * i64::from(self.log_roll_hours))
    }

    /// Most that is taken off [`BrokerConfig::log_roll_ms`] at random, in milliseconds.
    pub fn log_roll_jitter_ms(&self) -> i64 {
        self.log_roll_jitter_ms.unwrap_or_else(|| HOUR_MS * i64::from(self.log_roll_jitter_hours))
    }

    /// How long records are kept, in milliseconds; -1 for ever.
    pub fn log_retention_ms(&self) -> i64 {
        let retention_ms = self.log_retention_ms.unwrap_or_else(|| match self.log_retention_minutes {
            Some(minutes) => MINUTE_MS * i64::from(minutes),
            None => HOUR_MS * i64::from(self.log_retention_hours),
        });
        retention_ms.max(-1)
    }

    /// Longest a record stays unflushed, in milliseconds.
    pub fn log_flush_interval_ms(&self) -> i64 {
        self.log_flush_interval_ms.unwrap_or(self.log_flush_scheduler_interval_ms)
    }

    /// Threads that move replicas between log directories.
    pub fn replica_alter_log_dirs_threads(&self) -> usize {
        self.num_replica_alter_log_dirs_threads
            .and_then(|threads| usize::try_from(threads).ok())
            .unwrap_or_else(|| self.log_dirs().len())
    }

    /// Bounds on connections for single addresses or host names.
    pub fn connections_per_ip_overrides(&self) -> BTreeMap<String, i32> {
        checks::connections_per_ip_overrides(&self.max_connections_per_ip_overrides).unwrap_or_default()
    }

    /// Secret that delegation tokens are signed with, under either of its names.
    pub fn delegation_token_secret(&self) -> Option<&Password> {
        self.delegation_token_secret_key.as_ref().or(self.delegation_token_master_key.as_ref())
    }

    /// Principals that may do everything.
    pub fn super_users(&self) -> Vec<String> {
        self.super_users.split(';').map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned).collect()
    }

    /// Security protocol of each listener name.
    pub fn security_protocols(&self) -> BTreeMap<String, SecurityProtocol> {
        listeners::security_protocols(&self.listener_security_protocol_map).expect("checked when read")
    }

    /// Where this broker listens.
    pub fn listeners(&self) -> Vec<Listener> {
        listeners::parse("listeners", &self.listeners, &self.security_protocols()).expect("checked when read")
    }

    /// What clients and brokers are told to connect to. A host that is `None` is for the caller to fill in with this
    /// machine's own name.
    pub fn advertised_listeners(&self) -> Vec<Listener> {
        match &self.advertised_listeners {
            Some(text) => listeners::parse("advertised.listeners", text, &self.security_protocols()),
            None => listeners::parse("listeners", &self.listeners, &self.security_protocols()),
        }
        .expect("checked when read")
    }

    /// Name of the listener that brokers use among themselves.
    pub fn inter_broker_listener_name(&self) -> String {
        match &self.inter_broker_listener_name {
            Some(name) => listeners::normalized(name),
            None => self.security_inter_broker_protocol.name().to_owned(),
        }
    }

    /// Security protocol that brokers use among themselves.
    pub fn inter_broker_security_protocol(&self) -> SecurityProtocol {
        match &self.inter_broker_listener_name {
            Some(name) => self
                .security_protocols()
                .get(&listeners::normalized(name))
                .copied()
                .unwrap_or(self.security_inter_broker_protocol),
            None => self.security_inter_broker_protocol,
        }
    }

    /// Name of the listener for the controller's requests alone, if there is one.
    pub fn control_plane_listener_name(&self) -> Option<String> {
        self.control_plane_listener_name.as_deref().map(listeners::normalized)
    }

    /// This configuration as one listener sees it: values behind `listener.name.<listener>.` win over plain ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] if such a value does not parse.
    pub fn for_listener(&self, listener_name: &str) -> Result<Self, Error> {
        let prefix = listeners::prefix(listener_name);
        let own: Texts = self
            .given
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(&prefix)?.to_owned(), text.to_owned())))
            .filter(|(name, _)| !OF_ALL_LISTENERS.contains(&name.as_str()))
            .collect();
        let mut given = self.given.clone();
        given.add(Origin::File, &own);
        Self::with_given(given)
    }

    /// The text of `name` for one mechanism of one listener: behind `listener.name.<listener>.<mechanism>.`, else
    /// behind `listener.name.<listener>.`, else plain.
    pub fn listener_text(&self, listener_name: &str, mechanism: &str, name: &str) -> Option<&str> {
        let prefix = listeners::prefix(listener_name);
        let mechanism = mechanism.to_lowercase();
        self.given
            .text(&format!("{prefix}{mechanism}.{name}"))
            .or_else(|| self.given.text(&format!("{prefix}{name}")))
            .or_else(|| self.given.text(name))
    }
}

/// `broker.id` and `node.id` stand in for each other where only one is given.
fn with_both_ids(mut texts: Texts) -> Texts {
    let (broker_id, node_id) = (texts.get("broker.id").cloned(), texts.get("node.id").cloned());
    match (broker_id, node_id) {
        (Some(id), None) => texts.insert("node.id".to_owned(), id),
        (None, Some(id)) => texts.insert("broker.id".to_owned(), id),
        _ => None,
    };
    texts
}

#[cfg(test)]
mod tests;
