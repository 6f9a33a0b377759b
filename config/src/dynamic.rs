//! Values given to a running broker: which are allowed, and the configuration with them.
//! Keeps nothing: the caller holds what ZooKeeper says and asks for the whole again.
//! Source: `DynamicBrokerConfig`, `DynamicThreadPool` and `LogCleaner` in Kafka 3.9.

use std::collections::BTreeSet;

use crate::broker::{BrokerConfig, broker_row, broker_rows};
use crate::error::Error;
use crate::listeners;
use crate::sources::Origin;
use crate::table::{Texts, UpdateMode};

/// Listener settings that nevertheless may be given to all brokers.
const CLUSTER_LEVEL: [&str; 3] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Key material, which changes only behind a listener's prefix.
const KEY_MATERIAL: [&str; 10] = [
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.truststore.certificates",
];

/// For whom a value is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All brokers.
    Cluster,
    /// One broker.
    Broker,
}

/// Checks what AlterConfigs asks for, each value alone.
///
/// # Errors
/// [`Error::Conflict`] naming properties that may not change this way, or [`Error::Invalid`].
pub fn validate(texts: &Texts, scope: Scope) -> Result<(), Error> {
    refuse(texts, is_not_dynamic, "Cannot update these configs dynamically")?;
    refuse(
        texts,
        is_key_material,
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, text) in texts {
        if let Some(row) = broker_row(name) {
            row.canonical(text)?;
        }
    }
    match scope {
        Scope::Broker => Ok(()),
        Scope::Cluster => refuse(
            texts,
            is_per_broker,
            "Cannot update these configs at default cluster level, broker id must be specified",
        ),
    }
}

/// What of a ZooKeeper node's texts counts, and why the rest does not. A broker must start in spite of it.
pub fn usable(texts: &Texts, scope: Scope) -> (Texts, Vec<Error>) {
    let mut usable = Texts::new();
    let mut refused = Vec::new();
    for (name, text) in texts {
        let alone = Texts::from([(name.clone(), text.clone())]);
        match validate(&alone, scope) {
            Ok(()) => usable.extend(alone),
            Err(error) => refused.push(error),
        }
    }
    (usable, refused)
}

impl BrokerConfig {
    /// What this broker was started with, under what it was told since. Earlier dynamic values are forgotten.
    ///
    /// # Errors
    /// [`Error`] if a value, or all together, would have kept the broker from starting.
    pub fn with_dynamic(&self, cluster: &Texts, broker: &Texts) -> Result<Self, Error> {
        let mut given = self.given.without_dynamic();
        given.add(Origin::DynamicDefault, &self.resolve_variables(cluster.clone())?);
        given.add(Origin::DynamicBroker, &self.resolve_variables(broker.clone())?);
        let config = Self::with_given(given)?;
        config.check()?;
        Ok(config)
    }

    /// Whether a running broker may go from this configuration to `next`: thread counts at most double or halve, and
    /// a listener keeps its protocol.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming what moves too far.
    pub fn check_step_to(&self, next: &Self) -> Result<(), Error> {
        for (name, current, next) in [
            ("num.io.threads", self.num_io_threads, next.num_io_threads),
            ("num.network.threads", self.num_network_threads, next.num_network_threads),
            ("num.replica.fetchers", self.num_replica_fetchers, next.num_replica_fetchers),
            (
                "num.recovery.threads.per.data.dir",
                self.num_recovery_threads_per_data_dir,
                next.num_recovery_threads_per_data_dir,
            ),
            ("background.threads", self.background_threads, next.background_threads),
        ] {
            check_threads(name, current, next)?;
        }
        check_cleaner_threads(self.log_cleaner_threads, next.log_cleaner_threads)?;
        let protocols = next.bound_protocols();
        for (name, protocol) in self.bound_protocols() {
            if protocols.get(&name).is_some_and(|next| *next != protocol) {
                return Err(Error::Conflict(format!(
                    "Security protocol cannot be updated for existing listener {name}"
                )));
            }
        }
        Ok(())
    }
}

fn check_threads(name: &str, current: i32, next: i32) -> Result<(), Error> {
    let reason = if next == current {
        return Ok(());
    } else if next <= 0 {
        "value should be at least 1".to_owned()
    } else if next < current / 2 {
        format!("value should be at least half the current value {current}")
    } else if i64::from(next) > i64::from(current) * 2 {
        format!("value should not be greater than double the current value {current}")
    } else {
        return Ok(());
    };
    Err(Error::Conflict(format!("Dynamic thread count update validation failed for {name}={next}, {reason}")))
}

fn check_cleaner_threads(current: i32, next: i32) -> Result<(), Error> {
    let reason = if next < 1 {
        "should be at least 1".to_owned()
    } else if next < current / 2 {
        format!("cannot be reduced to less than half the current value {current}")
    } else if i64::from(next) > i64::from(current) * 2 {
        format!("cannot be increased to more than double the current value {current}")
    } else {
        return Ok(());
    };
    Err(Error::Conflict(format!("Log cleaner threads {reason}")))
}

fn is_not_dynamic(name: &str) -> bool {
    broker_rows().iter().any(|row| row.name == name && row.update == UpdateMode::ReadOnly)
}

fn is_key_material(name: &str) -> bool {
    KEY_MATERIAL.contains(&name)
}

fn is_per_broker(name: &str) -> bool {
    match listeners::base_name(name) {
        Some(base) => !CLUSTER_LEVEL.contains(&base),
        None => broker_row(name).is_some_and(|row| row.update == UpdateMode::PerBroker),
    }
}

fn refuse(texts: &Texts, is_wrong: impl Fn(&str) -> bool, why: &str) -> Result<(), Error> {
    let wrong: BTreeSet<&str> = texts.keys().map(String::as_str).filter(|name| is_wrong(name)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict(format!("{why}: Set({})", wrong.into_iter().collect::<Vec<_>>().join(", "))))
}

#[cfg(test)]
#[path = "dynamic/tests.rs"]
mod tests;
