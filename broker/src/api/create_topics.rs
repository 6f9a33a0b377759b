//! CreateTopics: on the controller's broker, and answered once the new partitions have leaders.
//! Source: `KafkaApis.handleCreateTopicsRequest`, `ZkAdminManager.createTopics`; contract 3.11.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use config::TopicConfig;
use config::effective::describe_topic;
use wire::messages::create_topics_request::CreatableTopic;
use wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, TopicName};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use super::leaders;
use crate::broker::Broker;
use crate::shell::topics::{Created, NewTopic, Replicas};

/// The version from which answers describe the topic.
const DESCRIBED: i16 = 5;

/// Creates each topic by itself, then waits for all of them.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut response = CreateTopicsResponse::default();
    if !broker.is_controller() {
        let refused = |topic: &CreatableTopic| refused(topic, ErrorCode::NotController.into());
        response.topics = request.topics.iter().map(refused).collect();
        return response;
    }
    let repeated = repeated(&request);
    let mut awaited: Vec<(usize, TopicName, Vec<i32>)> = Vec::new();
    for topic in &request.topics {
        let name = &*topic.name;
        if repeated.contains(name.as_str()) {
            let why = "Found multiple entries for this topic.";
            response.topics.push(refused(topic, Refusal::new(ErrorCode::InvalidRequest, why)));
            continue;
        }
        match create(broker, context, topic, request.validate_only).await {
            Ok(created) => {
                let partitions = created.assignments.keys().copied().collect();
                awaited.push((response.topics.len(), TopicName::new(name), partitions));
                let mut result = accepted(broker, context, topic, &created);
                if request.validate_only {
                    // There is no such topic yet.
                    result.topic_id = uuid::Uuid::nil();
                }
                response.topics.push(result);
            }
            Err(refusal) => response.topics.push(refused(topic, refusal)),
        }
    }
    if !request.validate_only {
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let topics: Vec<_> = awaited.iter().map(|(_, topic, partitions)| (topic.clone(), partitions.clone())).collect();
        let late = leaders::wait(broker, &topics, timeout).await;
        for (index, topic, _) in awaited.into_iter().filter(|(_, topic, _)| late.contains(topic)) {
            let request = request.topics.iter().find(|requested| &*requested.name == topic.as_str());
            if let (Some(result), Some(request)) = (response.topics.get_mut(index), request) {
                *result = refused(request, ErrorCode::RequestTimedOut.into());
            }
        }
    }
    response
}

fn repeated(request: &CreateTopicsRequest) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let names = request.topics.iter().map(|topic| topic.name.to_string());
    names.filter(|name| !seen.insert(name.clone())).collect()
}

async fn create(
    broker: &Broker,
    context: &RequestContext<'_>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<Created, Refusal> {
    let may = context.may(Operation::Create, Resource::Cluster)
        || context.may(Operation::Create, Resource::Topic(&topic.name));
    if !may {
        return Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed."));
    }
    let topics = broker.topics.as_ref().ok_or(ErrorCode::NotController)?;
    let created = topics.create(&new_topic(broker, topic)?, validate_only).await;
    created.map_err(|error| Refusal::new(error.code(), error.to_string()))
}

fn new_topic(broker: &Broker, topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
    let without_value = topic.configs.iter().filter(|config| config.value.is_none());
    let without_value: Vec<&str> = without_value.map(|config| &*config.name).collect();
    if !without_value.is_empty() {
        let why = format!("Null value not supported for topic configs: {}", without_value.join(","));
        return Err(Refusal::new(ErrorCode::InvalidConfig, why));
    }
    let value = |value: &Option<wire::StrBytes>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let overrides: BTreeMap<String, String> =
        topic.configs.iter().map(|config| (config.name.to_string(), value(&config.value))).collect();
    let name = TopicName::new(&topic.name);
    Ok(NewTopic { name, replicas: replicas(broker, topic)?, overrides })
}

fn replicas(broker: &Broker, topic: &CreatableTopic) -> Result<Replicas, Refusal> {
    if topic.assignments.is_empty() {
        let config = broker.config();
        let or_default = |asked: i32, default: i32| if asked == -1 { default } else { asked };
        return Ok(Replicas::Count {
            partitions: or_default(topic.num_partitions, config.num_partitions),
            replication_factor: or_default(i32::from(topic.replication_factor), config.default_replication_factor),
        });
    }
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let why = "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the \
                   same time.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let chosen = topic.assignments.iter().map(|assignment| {
        (assignment.partition_index, assignment.broker_ids.iter().map(|id| BrokerId(**id)).collect())
    });
    Ok(Replicas::Chosen(chosen.collect()))
}

fn refused(topic: &CreatableTopic, refusal: Refusal) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default();
    result.name = topic.name.clone();
    result.error_code = refusal.code.code();
    result.error_message = refusal.message.as_deref().map(text);
    result.num_partitions = -1;
    result.replication_factor = -1;
    result.configs = Some(Vec::new());
    result
}

fn accepted(
    broker: &Broker,
    context: &RequestContext<'_>,
    topic: &CreatableTopic,
    created: &Created,
) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default();
    result.name = topic.name.clone();
    result.error_message = None;
    result.topic_id = created.topic_id.0;
    if context.version() < DESCRIBED {
        return result;
    }
    if !context.may(Operation::DescribeConfigs, Resource::Topic(&topic.name)) {
        result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        return result;
    }
    result.num_partitions = i32::try_from(created.assignments.len()).unwrap_or(i32::MAX);
    let replicas = created.assignments.values().next().map_or(0, Vec::len);
    result.replication_factor = i16::try_from(replicas).unwrap_or(i16::MAX);
    let overrides =
        topic.configs.iter().filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
    let config = broker.config();
    let described = TopicConfig::resolve_known(&config, &overrides.collect())
        .map(|topic_config| describe_topic(&config, &topic_config))
        .unwrap_or_default();
    let configs = described.iter().map(|property| {
        let mut entry = CreatableTopicConfigs::default();
        entry.name = text(&property.name);
        entry.value = property.value.as_deref().map(text);
        entry.read_only = property.is_read_only;
        entry.config_source = property.source.code();
        entry.is_sensitive = property.is_sensitive;
        entry
    });
    result.configs = Some(configs.collect());
    result
}
