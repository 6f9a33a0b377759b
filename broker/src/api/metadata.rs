//! Metadata: brokers, controller, topics and leaders as this broker knows them, through the client's listener.
//! Source: `KafkaApis.handleTopicMetadataRequest`, `ZkMetadataCache.getTopicMetadata`; contract 3.11.

use std::collections::BTreeSet;

use wire::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::messages::{self, MetadataRequest, MetadataResponse};
use wire::{ErrorCode, StrBytes, text};
use zk_schema::types::{BrokerId, TopicId, TopicName};

use super::access::{NOT_REQUESTED, Operation, Resource};
use super::{RequestContext, missing_topics};
use crate::broker::Broker;
use crate::metadata::{Partition, Snapshot, Topic};

/// Answers from one snapshot; topics that are missing are created if the client and the configuration allow it.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: MetadataRequest) -> MetadataResponse {
    let snapshot = broker.metadata.snapshot();
    let view = View { snapshot: &snapshot, listener: context.listener(), version: context.version() };
    let mut topics = match Asked::of(&request, context.version()) {
        Asked::All => view.all_topics(context),
        Asked::Names(names) => named_topics(broker, context, &view, &request, names).await,
        Asked::Ids(ids) => ids.into_iter().map(|id| view.topic_by_id(context, id)).collect(),
        Asked::Nonsense => return refused(&request),
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code != ErrorCode::TopicAuthorizationFailed.code()) {
            let name = topic.name.as_ref().map_or("", |name| name.as_str());
            topic.topic_authorized_operations = context.authorized_operations(Resource::Topic(name));
        }
    }
    MetadataResponse::default()
        .with_brokers(view.brokers())
        .with_cluster_id(Some(text(&broker.cluster_id)))
        .with_controller_id(snapshot.controller_id.unwrap_or(BrokerId::NONE).0.into())
        .with_topics(topics)
        .with_cluster_authorized_operations(cluster_operations(context, &request))
}

/// What the client wants to know about.
enum Asked {
    All,
    Names(BTreeSet<String>),
    Ids(BTreeSet<TopicId>),
    /// A topic without a name, or by id, in a version that has only names.
    Nonsense,
}

impl Asked {
    fn of(request: &MetadataRequest, version: i16) -> Self {
        let Some(topics) = request.topics.as_ref().filter(|topics| version > 0 || !topics.is_empty()) else {
            return Self::All;
        };
        if version < 12 && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_nil()) {
            return Self::Nonsense;
        }
        let ids: BTreeSet<_> = topics.iter().map(|topic| TopicId(topic.topic_id)).filter(|id| id.is_known()).collect();
        if ids.is_empty() {
            Self::Names(topics.iter().filter_map(|topic| Some(topic.name.as_ref()?.to_string())).collect())
        } else {
            Self::Ids(ids)
        }
    }
}

async fn named_topics(
    broker: &Broker,
    context: &RequestContext<'_>,
    view: &View<'_>,
    request: &MetadataRequest,
    names: BTreeSet<String>,
) -> Vec<MetadataResponseTopic> {
    let may_create = request.allow_auto_topic_creation && broker.config().auto_create_topics_enable;
    let mut topics = Vec::with_capacity(names.len());
    for name in names {
        topics.push(if !context.may(Operation::Describe, Resource::Topic(&name)) {
            failed(ErrorCode::TopicAuthorizationFailed, &name)
        } else if let Some(topic) = view.snapshot.topic(&name) {
            view.topic(&name, topic)
        } else if !may_create {
            failed(unknown(&name), &name)
        } else if may_be_created(context, &name) {
            failed(missing_topics::create(broker, &name).await, &name)
        } else {
            failed(ErrorCode::TopicAuthorizationFailed, &name)
        });
    }
    topics
}

fn may_be_created(context: &RequestContext<'_>, name: &str) -> bool {
    context.may(Operation::Create, Resource::Cluster) || context.may(Operation::Create, Resource::Topic(name))
}

fn unknown(name: &str) -> ErrorCode {
    match TopicName::validate(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn failed(error: ErrorCode, name: &str) -> MetadataResponseTopic {
    let is_internal = error != ErrorCode::TopicAuthorizationFailed && TopicName::new(name).is_internal();
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(messages::TopicName(text(name))))
        .with_is_internal(is_internal)
}

/// Nothing else is told to who asks so.
fn refused(request: &MetadataRequest) -> MetadataResponse {
    let refuse = |topic: &messages::metadata_request::MetadataRequestTopic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    };
    MetadataResponse::default()
        .with_cluster_id(None)
        .with_controller_id(BrokerId::NONE.0.into())
        .with_topics(request.topics.iter().flatten().map(refuse).collect())
}

fn cluster_operations(context: &RequestContext<'_>, request: &MetadataRequest) -> i32 {
    if !request.include_cluster_authorized_operations {
        NOT_REQUESTED
    } else if context.may(Operation::Describe, Resource::Cluster) {
        context.authorized_operations(Resource::Cluster)
    } else {
        0
    }
}

/// A snapshot as the clients of one listener see it.
struct View<'a> {
    snapshot: &'a Snapshot,
    listener: &'a str,
    version: i16,
}

impl View<'_> {
    /// Live brokers that have the listener.
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let brokers = self.snapshot.brokers.values().filter_map(|broker| {
            let endpoint = broker.endpoint(self.listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(broker.id.0.into())
                    .with_host(text(&endpoint.host))
                    .with_port(endpoint.port)
                    .with_rack(broker.rack.as_deref().map(text)),
            )
        });
        brokers.collect()
    }

    fn all_topics(&self, context: &RequestContext<'_>) -> Vec<MetadataResponseTopic> {
        let topics = self.snapshot.topics.iter();
        let visible = topics.filter(|(name, _)| context.may(Operation::Describe, Resource::Topic(name.as_str())));
        visible.map(|(name, topic)| self.topic(name.as_str(), topic)).collect()
    }

    fn topic_by_id(&self, context: &RequestContext<'_>, id: TopicId) -> MetadataResponseTopic {
        let failed = |error: ErrorCode| {
            MetadataResponseTopic::default().with_error_code(error.code()).with_name(None).with_topic_id(id.0)
        };
        let named = self.snapshot.topic_name(id).and_then(|name| Some((name, self.snapshot.topic(name.as_str())?)));
        match named {
            None => failed(ErrorCode::UnknownTopicId),
            Some((name, _)) if !context.may(Operation::Describe, Resource::Topic(name.as_str())) => {
                failed(ErrorCode::TopicAuthorizationFailed)
            }
            Some((name, topic)) => self.topic(name.as_str(), topic),
        }
    }

    fn topic(&self, name: &str, topic: &Topic) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter().map(|(index, partition)| self.partition(*index, partition));
        MetadataResponseTopic::default()
            .with_name(Some(messages::TopicName(StrBytes::from_string(name.to_owned()))))
            .with_topic_id(topic.id.0)
            .with_is_internal(TopicName::new(name).is_internal())
            .with_partitions(partitions.collect())
    }

    fn partition(&self, index: i32, partition: &Partition) -> MetadataResponsePartition {
        let (replicas, isr) = (self.visible(&partition.replicas), self.visible(&partition.isr));
        let has_leader = self.snapshot.endpoint(partition.leader, self.listener).is_some();
        let error = if !has_leader {
            self.leader_error(partition.leader)
        } else if replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len() {
            ErrorCode::ReplicaNotAvailable
        } else {
            ErrorCode::None
        };
        MetadataResponsePartition::default()
            .with_error_code(error.code())
            .with_partition_index(index)
            .with_leader_id(if has_leader { partition.leader.0 } else { BrokerId::NONE.0 }.into())
            .with_leader_epoch(partition.leader_epoch.0)
            .with_replica_nodes(replicas)
            .with_isr_nodes(isr)
            .with_offline_replicas(partition.offline_replicas.iter().map(|id| id.0.into()).collect())
    }

    fn leader_error(&self, leader: BrokerId) -> ErrorCode {
        if self.snapshot.is_alive(leader) && self.version >= 6 {
            ErrorCode::ListenerNotFound
        } else {
            ErrorCode::LeaderNotAvailable
        }
    }

    /// Replicas as they are told: version 0 leaves out those that cannot be reached.
    fn visible(&self, replicas: &[BrokerId]) -> Vec<messages::BrokerId> {
        let is_told = |id: &&BrokerId| self.version > 0 || self.snapshot.endpoint(**id, self.listener).is_some();
        replicas.iter().filter(is_told).map(|id| id.0.into()).collect()
    }
}

#[cfg(test)]
mod tests;
