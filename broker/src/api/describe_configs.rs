//! DescribeConfigs: every property of a topic or a broker, where its value came from, and what it is for.
//! What to say is decided by `config::effective`; this file asks for the right resource and translates.
//! Source: `ConfigHelper`.

use config::effective::{ConfigSource, Described, describe_broker, describe_broker_default, describe_topic};
use config::{BrokerConfig, TopicConfig};
use wire::messages::describe_configs_request::DescribeConfigsResource;
use wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use wire::{ErrorCode, text};
use zk_schema::nodes::config::ConfigEntity;
use zk_schema::types::TopicName;

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

type Refusal = (ErrorCode, String);

/// Answers for each resource by itself.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let unexpected = request.resources.iter().find(|resource| !is_known_type(resource.resource_type));
    let unexpected = unexpected.map(|_| told(ErrorCode::InvalidRequest));
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let described = match &unexpected {
            Some(refusal) => Err(refusal.clone()),
            None => describe(broker, context, resource).await,
        };
        results.push(result(&request, context.version(), resource, described));
    }
    DescribeConfigsResponse::default().with_results(results)
}

const fn is_known_type(resource_type: i8) -> bool {
    matches!(resource_type, TOPIC | BROKER | BROKER_LOGGER | CLIENT_METRICS)
}

async fn describe(
    broker: &Broker,
    context: &RequestContext<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Described>, Refusal> {
    let name = &*resource.resource_name;
    if resource.resource_type == TOPIC {
        if !context.may(Operation::DescribeConfigs, Resource::Topic(name)) {
            return Err(told(ErrorCode::TopicAuthorizationFailed));
        }
        return topic(broker, name).await;
    }
    if !context.may(Operation::DescribeConfigs, Resource::Cluster) {
        return Err(told(ErrorCode::ClusterAuthorizationFailed));
    }
    let config = broker.config();
    match resource.resource_type {
        BROKER if name.is_empty() => Ok(describe_broker_default(&config)),
        BROKER => {
            check_broker_id(broker, name, "or empty string, ")?;
            Ok(describe_broker(&config))
        }
        BROKER_LOGGER => {
            if name.is_empty() {
                return Err(invalid("Broker id must not be empty"));
            }
            check_broker_id(broker, name, "")?;
            Ok(Vec::new())
        }
        _ if name.is_empty() => Err(invalid("Client metrics subscription name must not be empty")),
        // Client metrics exist only in KRaft mode.
        _ => Ok(Vec::new()),
    }
}

async fn topic(broker: &Broker, name: &str) -> Result<Vec<Described>, Refusal> {
    TopicName::validate(name).map_err(|reason| (ErrorCode::InvalidTopicException, reason))?;
    if broker.metadata.snapshot().topic(name).is_none() {
        return Err((ErrorCode::UnknownTopicOrPartition, String::new()));
    }
    let entity = ConfigEntity::Topic(TopicName::new(name));
    let overrides = match &broker.zk {
        Some(zk) => zk.config(&entity).await.map_err(|error| (error.code(), error.to_string()))?,
        None => Default::default(),
    };
    let config: &BrokerConfig = &broker.config();
    let resolved = TopicConfig::resolve_known(config, &overrides);
    let resolved = resolved.map_err(|error| (ErrorCode::InvalidConfig, error.to_string()))?;
    Ok(describe_topic(config, &resolved))
}

fn check_broker_id(broker: &Broker, name: &str, or: &str) -> Result<(), Refusal> {
    let own = broker.broker_id;
    match name.parse::<i32>() {
        Ok(id) if id == own.0 => Ok(()),
        Ok(_) if or.is_empty() => Err(invalid(format!("Unexpected broker id, expected {own} but received {name}"))),
        Ok(_) => Err(invalid(format!("Unexpected broker id, expected {own} {or}but received {name}"))),
        Err(_) => Err(invalid(format!("Broker id must be an integer, but it is: {name}"))),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    (ErrorCode::InvalidRequest, message.into())
}

fn told(error: ErrorCode) -> Refusal {
    (error, error.message().to_owned())
}

fn result(
    request: &DescribeConfigsRequest,
    version: i16,
    resource: &DescribeConfigsResource,
    described: Result<Vec<Described>, Refusal>,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    match described {
        Ok(described) => {
            let wanted = |property: &&Described| is_wanted(resource, &property.name);
            result.with_error_message(Some(text(""))).with_configs(
                described.iter().filter(wanted).map(|property| entry(request, version, property)).collect(),
            )
        }
        Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(&message))),
    }
}

/// No list, or an empty one, asks for all.
fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
    keys.is_none_or(|keys| keys.iter().any(|key| &**key == name))
}

fn entry(request: &DescribeConfigsRequest, version: i16, property: &Described) -> DescribeConfigsResourceResult {
    let synonyms = property.synonyms.iter().filter(|_| request.include_synonyms).map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(&synonym.name))
            .with_value(synonym.value.as_deref().map(text))
            .with_source(synonym.source.code())
    });
    let documentation = property.documentation.as_deref().filter(|_| request.include_documentation);
    DescribeConfigsResourceResult::default()
        .with_name(text(&property.name))
        .with_value(property.value.as_deref().map(text))
        .with_read_only(property.is_read_only)
        // Version 0 had no source to tell. Differs from Kafka: there no value is ever told to be a default.
        .with_is_default(version == 0 && property.source == ConfigSource::Default)
        .with_config_source(property.source.code())
        .with_is_sensitive(property.is_sensitive)
        .with_synonyms(synonyms.collect())
        .with_config_type(property.kind_code())
        .with_documentation(documentation.map(text))
}
