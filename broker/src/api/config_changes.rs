//! What AlterConfigs and IncrementalAlterConfigs have in common: which resources may be changed here, what their new
//! texts must be, and how they are written. Any broker changes a topic; a broker changes itself and the defaults of all.
//! Source: `ConfigAdminManager`, `ZkAdminManager`; contract 3.11.
//!
//! Differs from Kafka: passwords are refused, for they would lie in ZooKeeper as they are.

use std::collections::{BTreeMap, BTreeSet};

use config::{Error, Row, Texts, TopicConfig, broker_row, dynamic, topic_row};
use wire::ErrorCode;
use zk_schema::BrokerId;
use zk_schema::nodes::config::ConfigEntity;
use zk_schema::types::TopicName;

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use crate::broker::Broker;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

/// A resource whose properties are to change.
pub(super) struct Change<'a> {
    /// Its type, by its number on the wire.
    pub kind: i8,
    /// Its name.
    pub name: &'a str,
    /// The properties named, with whether a value is lacking.
    pub properties: Vec<(&'a str, bool)>,
    /// Levels of loggers may be changed this way.
    pub knows_loggers: bool,
    /// Only say what would happen.
    pub validate_only: bool,
}

/// Finds the properties of a kind of resource.
pub(super) type Rows = fn(&str) -> Option<&'static Row>;

/// Resources named more than once: none of them is changed.
pub(super) fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a str)>) -> BTreeSet<(i8, &'a str)> {
    let mut counts: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    resources.for_each(|resource| *counts.entry(resource).or_default() += 1);
    counts.into_iter().filter(|(_, count)| 1 < *count).map(|(resource, _)| resource).collect()
}

/// Gives a resource the texts that `next` makes of its present ones.
///
/// # Errors
/// What the client is told.
pub(super) async fn change(
    broker: &Broker,
    context: &RequestContext<'_>,
    repeated: &BTreeSet<(i8, &str)>,
    change: &Change<'_>,
    next: impl FnOnce(Texts, Rows) -> Result<Texts, Refusal>,
) -> Result<(), Refusal> {
    if repeated.contains(&(change.kind, change.name)) {
        return Err(invalid("Each resource must appear at most once."));
    }
    check_properties(&change.properties)?;
    match change.kind {
        TOPIC => change_topic(broker, context, change, next).await,
        BROKER => change_broker(broker, context, change, next).await,
        BROKER_LOGGER if change.knows_loggers => {
            check_broker_id(broker, change.name)?;
            // No logger has a level of its own here.
            let logger = change.properties.first().map_or("", |(name, _)| name);
            Err(Refusal::new(ErrorCode::InvalidConfig, format!("Logger {logger} does not exist!")))
        }
        CLIENT_METRICS => {
            Err(invalid("AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS"))
        }
        unknown => Err(invalid(format!("Unknown resource type {unknown}"))),
    }
}

fn check_properties(properties: &[(&str, bool)]) -> Result<(), Refusal> {
    let distinct: BTreeSet<&str> = properties.iter().map(|(name, _)| *name).collect();
    if distinct.len() < properties.len() {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let without_value: Vec<&str> = properties.iter().filter(|(_, lacks)| *lacks).map(|(name, _)| *name).collect();
    if without_value.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("Null value not supported for : {}", without_value.join(", "))))
}

async fn change_topic(
    broker: &Broker,
    context: &RequestContext<'_>,
    change: &Change<'_>,
    next: impl FnOnce(Texts, Rows) -> Result<Texts, Refusal>,
) -> Result<(), Refusal> {
    let name = change.name;
    if name.is_empty() {
        return Err(invalid("Default topic resources are not allowed."));
    }
    if !context.may(Operation::AlterConfigs, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    if broker.metadata.snapshot().topic(name).is_none() {
        let why = format!("The topic '{name}' does not exist.");
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, why));
    }
    let entity = ConfigEntity::Topic(TopicName::new(name));
    let texts = next(present(broker, &entity).await?, topic_row)?;
    TopicConfig::resolve(&broker.config(), &texts).map_err(|error| match error {
        Error::Invalid { .. } => invalid_value("TOPIC", name, &error),
        error => Refusal::new(ErrorCode::InvalidConfig, error.to_string()),
    })?;
    write(broker, change, &entity, &texts).await
}

async fn change_broker(
    broker: &Broker,
    context: &RequestContext<'_>,
    change: &Change<'_>,
    next: impl FnOnce(Texts, Rows) -> Result<Texts, Refusal>,
) -> Result<(), Refusal> {
    let own = (!change.name.is_empty()).then_some(broker.broker_id);
    if own.is_some() {
        check_broker_id(broker, change.name)?;
    }
    if !context.may(Operation::AlterConfigs, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let entity = ConfigEntity::Broker(own);
    let texts = next(present(broker, &entity).await?, broker_row)?;
    let refused = |error: Error| invalid_value("BROKER", change.name, &error);
    check_broker(broker, own, &texts).await?.map_err(refused)?;
    write(broker, change, &entity, &texts).await
}

/// Whether this broker could go on with these texts; the inner error is of the texts.
async fn check_broker(broker: &Broker, own: Option<BrokerId>, texts: &Texts) -> Result<Result<(), Error>, Refusal> {
    let other = ConfigEntity::Broker(if own.is_some() { None } else { Some(broker.broker_id) });
    let other_scope = if own.is_some() { dynamic::Scope::Cluster } else { dynamic::Scope::Broker };
    let (other, _) = dynamic::usable(&present(broker, &other).await?, other_scope);
    let current = broker.config();
    let check = || {
        let scope = if own.is_some() { dynamic::Scope::Broker } else { dynamic::Scope::Cluster };
        dynamic::validate(texts, scope)?;
        if texts.keys().any(|name| broker_row(name).is_some_and(Row::is_sensitive)) {
            return Err(Error::Conflict("Password encoder secret not configured".to_owned()));
        }
        let (cluster, broker) = if own.is_some() { (&other, texts) } else { (texts, &other) };
        current.check_step_to(&current.with_dynamic(cluster, broker)?)
    };
    Ok(check())
}

async fn present(broker: &Broker, entity: &ConfigEntity) -> Result<Texts, Refusal> {
    let zk = broker.zk.as_ref().ok_or(ErrorCode::BrokerNotAvailable)?;
    zk.config(entity).await.map_err(|error| Refusal::new(error.code(), error.to_string()))
}

async fn write(broker: &Broker, change: &Change<'_>, entity: &ConfigEntity, texts: &Texts) -> Result<(), Refusal> {
    if change.validate_only {
        return Ok(());
    }
    let zk = broker.zk.as_ref().ok_or(ErrorCode::BrokerNotAvailable)?;
    let written = zk.change_config(entity, texts).await;
    written.map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    tracing::info!("new configuration of {entity} written");
    Ok(())
}

fn check_broker_id(broker: &Broker, name: &str) -> Result<(), Refusal> {
    let own = broker.broker_id;
    match name.parse::<i32>() {
        Ok(id) if id == own.0 => Ok(()),
        Ok(_) => Err(invalid(format!("Unexpected broker id, expected {own}, but received {name}"))),
        Err(_) => Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
    }
}

fn invalid_value(kind: &str, name: &str, error: &Error) -> Refusal {
    let why = format!("Invalid config value for resource ConfigResource(type={kind}, name='{name}'): {error}");
    Refusal::new(ErrorCode::InvalidConfig, why)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_named_twice_are_found() {
        let named = [(TOPIC, "a"), (BROKER, "a"), (TOPIC, "b"), (TOPIC, "a")];
        assert_eq!(repeated(named.into_iter()), [(TOPIC, "a")].into());
    }

    #[test]
    fn a_property_is_named_once_and_with_a_value() {
        assert!(check_properties(&[("a", false), ("b", false)]).is_ok());
        let twice = check_properties(&[("a", false), ("a", false)]).unwrap_err();
        assert_eq!(twice.message.as_deref(), Some("Error due to duplicate config keys"));
        let lacking = check_properties(&[("a", true), ("b", false), ("c", true)]).unwrap_err();
        assert_eq!(lacking.message.as_deref(), Some("Null value not supported for : a, c"));
    }
}
