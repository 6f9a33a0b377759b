//! Values that are each right and wrong together, refused at start.
//! Pure. Source: `KafkaConfig.validateValues` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use super::BrokerConfig;
use crate::error::Error;
use crate::listeners;
use crate::metadata_version::MetadataVersion;
use crate::value::SecurityProtocol;

const MIB: i64 = 1024 * 1024;

impl BrokerConfig {
    /// Everything Kafka checks of a broker in ZooKeeper mode before it starts.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_refused()?;
        self.check_identity()?;
        self.check_logs()?;
        self.check_replication()?;
        self.check_listeners()?;
        self.check_security()?;
        self.check_connections()
    }

    /// What Kafka can be and this broker cannot.
    fn check_refused(&self) -> Result<(), Error> {
        if !self.process_roles.is_empty() {
            return Err(Error::Unsupported {
                name: "process.roles",
                value: self.process_roles.join(","),
                reason: "it means KRaft, and this broker runs with ZooKeeper only; remove it and set zookeeper.connect",
            });
        }
        if self.zookeeper_metadata_migration_enable {
            return Err(Error::Unsupported {
                name: "zookeeper.metadata.migration.enable",
                value: "true".to_owned(),
                reason: "this broker cannot take part in a move to KRaft; remove it or set it to false",
            });
        }
        if self.remote_log_storage_system_enable {
            return Err(Error::Unsupported {
                name: "remote.log.storage.system.enable",
                value: "true".to_owned(),
                reason: "there is no tiered storage here; remove it or set it to false",
            });
        }
        if let Some(names) = self.controller_listener_names.as_deref().filter(|names| !names.is_empty()) {
            return conflict(format!(
                "controller.listener.names must be empty when not running in KRaft mode: {names}"
            ));
        }
        let protocols = &self.group_coordinator_rebalance_protocols;
        if !protocols.iter().any(|protocol| protocol == "classic") {
            return conflict("Disabling the 'classic' protocol is not supported.");
        }
        if protocols.iter().any(|protocol| protocol == "consumer") {
            return conflict("The new 'consumer' rebalance protocol is only supported in KRaft cluster.");
        }
        Ok(())
    }

    fn check_identity(&self) -> Result<(), Error> {
        if self.node_id != self.broker_id {
            return conflict("You must set `node.id` to the same value as `broker.id`.");
        }
        if self.zookeeper_connect().trim().is_empty() {
            return Err(Error::Missing("zookeeper.connect"));
        }
        if !self.broker_id_generation_enable && self.broker_id < 0 {
            return conflict("broker.id must be greater than or equal to 0");
        }
        if self.broker_id < -1 || (self.broker_id_generation_enable && self.broker_id > self.reserved_broker_max_id) {
            return conflict(
                "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
            );
        }
        Ok(())
    }

    fn check_logs(&self) -> Result<(), Error> {
        require(self.log_roll_ms() >= 1, "log.roll.ms must be greater than or equal to 1")?;
        require(self.log_roll_jitter_ms() >= 0, "log.roll.jitter.ms must be greater than or equal to 0")?;
        let retention_ms = self.log_retention_ms();
        require(
            retention_ms >= 1 || retention_ms == -1,
            "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        )?;
        require(!self.log_dirs().is_empty(), "At least one log directory must be defined via log.dirs or log.dir.")?;
        let threads = i64::from(self.log_cleaner_threads.max(1));
        require(
            self.log_cleaner_dedupe_buffer_size / threads > MIB,
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        )?;
        require(
            self.log_cleaner_min_compaction_lag_ms <= self.log_cleaner_max_compaction_lag_ms,
            "log.cleaner.min.compaction.lag.ms must not exceed log.cleaner.max.compaction.lag.ms",
        )?;
        let ibp = self.ibp();
        let format = self.log_message_format_version;
        require_with(ibp.highest_record_version() >= format.highest_record_version(), || {
            format!(
                "log.message.format.version {format} can only be used when inter.broker.protocol.version is set to \
                 version {} or higher; set log.message.format.version to the same version",
                MetadataVersion::first_with_records(format.highest_record_version()).short_name()
            )
        })
    }

    fn check_replication(&self) -> Result<(), Error> {
        require(
            self.replica_fetch_wait_max_ms <= self.replica_socket_timeout_ms,
            "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
             timeouts",
        )?;
        require(
            i64::from(self.replica_fetch_wait_max_ms) <= self.replica_lag_time_max_ms,
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
             changes in ISR",
        )?;
        require(
            (0..=4).contains(&self.offsets_topic_compression_codec),
            "offsets.topic.compression.codec must be 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) or 4 (zstd)",
        )?;
        require(
            self.offsets_commit_required_acks >= -1
                && self.offsets_commit_required_acks <= self.offsets_topic_replication_factor,
            "offsets.commit.required.acks must be greater or equal to -1 and less or equal to \
             offsets.topic.replication.factor",
        )
    }

    fn check_listeners(&self) -> Result<(), Error> {
        if self.inter_broker_listener_name.is_some() && self.given.text("security.inter.broker.protocol").is_some() {
            return conflict(
                "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
            );
        }
        let protocols = listeners::security_protocols(&self.listener_security_protocol_map)?;
        let bound = listeners::parse("listeners", &self.listeners, &protocols)?;
        listeners::check_distinct_ports(&bound, &self.listeners)?;
        let advertised = match &self.advertised_listeners {
            Some(text) => listeners::parse("advertised.listeners", text, &protocols)?,
            None => bound.clone(),
        };
        let bound: BTreeSet<&str> = bound.iter().map(|listener| listener.name.as_str()).collect();
        let names: BTreeSet<&str> = advertised.iter().map(|listener| listener.name.as_str()).collect();
        let options = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(",");

        require(!names.is_empty(), "There must be at least one broker advertised listener.")?;
        self.check_listener_is_mapped("inter.broker.listener.name", self.inter_broker_listener_name.as_deref())?;
        self.check_listener_is_mapped("control.plane.listener.name", self.control_plane_listener_name.as_deref())?;
        let inter_broker = self.inter_broker_listener_name();
        require_with(names.contains(inter_broker.as_str()), || {
            format!(
                "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
                 based on currently configured listeners are {}",
                options(&names)
            )
        })?;
        require_with(names.is_subset(&bound), || {
            format!(
                "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {}",
                options(&names),
                options(&bound)
            )
        })?;
        require(
            !advertised.iter().any(|listener| listener.host.as_deref() == Some("0.0.0.0")),
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        )?;
        let Some(control_plane) = self.control_plane_listener_name() else {
            return Ok(());
        };
        require_with(names.contains(control_plane.as_str()), || {
            format!(
                "control.plane.listener.name must be a listener name defined in advertised.listeners. The valid options \
                 based on currently configured listeners are {}",
                options(&names)
            )
        })?;
        require_with(control_plane != inter_broker, || {
            format!(
                "control.plane.listener.name, when defined, should have a different value from the inter broker listener \
                 name. Currently they both have the value {control_plane}"
            )
        })
    }

    fn check_listener_is_mapped(&self, property: &str, name: Option<&str>) -> Result<(), Error> {
        let Some(name) = name.map(listeners::normalized) else {
            return Ok(());
        };
        let protocols = listeners::security_protocols(&self.listener_security_protocol_map)?;
        require_with(protocols.contains_key(&name), || {
            format!("Listener with name {name} defined in {property} not found in listener.security.protocol.map.")
        })
    }

    fn check_security(&self) -> Result<(), Error> {
        if !self.inter_broker_security_protocol().uses_sasl() {
            return Ok(());
        }
        let listener = self.for_listener(&self.inter_broker_listener_name())?;
        require(
            listener.sasl_enabled_mechanisms.contains(&self.sasl_mechanism_inter_broker_protocol),
            "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for \
             inter-broker communication",
        )
    }

    fn check_connections(&self) -> Result<(), Error> {
        require(
            self.queued_max_request_bytes <= 0
                || self.queued_max_request_bytes >= i64::from(self.socket_request_max_bytes),
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        )?;
        let overrides = connections_per_ip_overrides(&self.max_connections_per_ip_overrides)?;
        require(
            self.max_connections_per_ip != 0 || !overrides.is_empty(),
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        )?;
        require_with(
            self.connections_max_idle_ms < 0
                || i64::from(self.connection_failed_authentication_delay_ms) < self.connections_max_idle_ms,
            || {
                format!(
                    "connection.failed.authentication.delay.ms={} should always be less than connections.max.idle.ms={} \
                     to prevent failed authentication responses from timing out",
                    self.connection_failed_authentication_delay_ms, self.connections_max_idle_ms
                )
            },
        )
    }

    /// The security protocol of each bound listener.
    pub(crate) fn bound_protocols(&self) -> BTreeMap<String, SecurityProtocol> {
        self.listeners().into_iter().map(|listener| (listener.name, listener.protocol)).collect()
    }
}

/// Reads `host:number` pairs between commas; an IPv6 address is everything before the last colon.
pub(super) fn connections_per_ip_overrides(text: &str) -> Result<BTreeMap<String, i32>, Error> {
    let invalid = |reason: &str| Error::invalid("max.connections.per.ip.overrides", text, reason);
    let mut overrides = BTreeMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (host, number) = pair.rsplit_once(':').ok_or_else(|| invalid("expected host:number between commas"))?;
        let host = host.trim();
        let is_host =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte));
        if !is_host {
            return Err(invalid("it contains an invalid address"));
        }
        let number = number.trim().parse().map_err(|_| invalid("expected host:number between commas"))?;
        overrides.insert(host.to_owned(), number);
    }
    Ok(overrides)
}

fn conflict<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Conflict(message.into()))
}

fn require(holds: bool, message: &str) -> Result<(), Error> {
    require_with(holds, || message.to_owned())
}

fn require_with(holds: bool, message: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { conflict(message()) }
}
