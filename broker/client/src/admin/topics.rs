//! Topics and partitions: list, describe, create, grow, delete. Changes go to the controller.

use std::collections::BTreeMap;

use wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use wire::messages::delete_topics_request::DeleteTopicState;
use wire::messages::metadata_response::MetadataResponseTopic;
use wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, ListPartitionReassignmentsRequest,
    TopicName,
};
use wire::{ApiKey, ErrorCode};
use zk_schema::types::TopicId;

use super::{Admin, Partition, unanswered};
use crate::error::{Error, check};

/// A topic as a list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id, or zero.
    pub id: TopicId,
    /// Whether it is Kafka's own.
    pub internal: bool,
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, or zero.
    pub id: TopicId,
    /// Whether it is Kafka's own.
    pub internal: bool,
    /// In order of their index.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its index.
    pub partition: i32,
    /// Who leads, if anyone.
    pub leader: Option<i32>,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// A partition on the move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas while it moves.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that go.
    pub removing: Vec<i32>,
}

/// How a topic is to grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// How many partitions it is to have in all.
    pub partition_count: i32,
    /// Replicas of each new partition, by hand.
    pub assignment: Option<Vec<Vec<i32>>>,
}

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the cluster's default if `None`.
    pub partitions: Option<i32>,
    /// Replicas of each; the cluster's default if `None`.
    pub replication_factor: Option<i16>,
    /// Replicas of each partition by hand; the two counts must then be `None`.
    pub assignment: Vec<Vec<i32>>,
    /// Configs that differ from the defaults.
    pub configs: BTreeMap<String, String>,
}

impl Admin {
    /// Every topic, by name.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let response = self.retrying(async || self.cluster.metadata(None).await).await?;
        let mut topics: Vec<TopicListing> = response
            .topics
            .iter()
            .filter_map(|topic| {
                let name = topic.name.as_ref()?.0.to_string();
                Some(TopicListing { name, id: TopicId(topic.topic_id), internal: topic.is_internal })
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// The partitions of these topics, each or what refused it.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, Result<TopicDescription, Error>>, Error> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let response = self.retrying(async || self.cluster.metadata(Some(names)).await).await?;
        let mut found = BTreeMap::new();
        for topic in &response.topics {
            let Some(name) = topic.name.as_ref().map(|name| name.0.to_string()) else { continue };
            let checked = check(topic.error_code, None, || format!("topic '{name}'"));
            found.insert(name.clone(), checked.map(|()| description(name, topic)));
        }
        for name in names {
            found.entry((*name).to_owned()).or_insert_with(|| Err(unanswered(format!("topic '{name}'"))));
        }
        Ok(found)
    }

    /// Creates one topic. A quota that is used up is not waited for.
    ///
    /// # Errors
    /// What the controller refuses, or when there is none in time.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<(), Error> {
        let mut creatable = CreatableTopic::default();
        creatable.name = TopicName(wire::text(&topic.name));
        creatable.num_partitions = topic.partitions.unwrap_or(-1);
        creatable.replication_factor = topic.replication_factor.unwrap_or(-1);
        creatable.assignments = (0..)
            .zip(&topic.assignment)
            .map(|(partition_index, replicas)| {
                let mut assignment = CreatableReplicaAssignment::default();
                assignment.partition_index = partition_index;
                assignment.broker_ids = replicas.iter().map(|id| BrokerId(*id)).collect();
                assignment
            })
            .collect();
        creatable.configs = topic
            .configs
            .iter()
            .map(|(name, value)| {
                let mut config = CreatableTopicConfig::default();
                config.name = wire::text(name);
                config.value = Some(wire::text(value));
                config
            })
            .collect();
        let mut request = CreateTopicsRequest::default();
        request.topics = vec![creatable];
        request.timeout_ms = self.timeout_ms();
        self.retrying(async || {
            let response = self.cluster.controller().await?.call(&request).await?;
            let Some(answer) = response.topics.first() else { return Err(unanswered(topic.name.clone())) };
            check(answer.error_code, answer.error_message.as_deref(), || format!("topic '{}'", topic.name))
        })
        .await
    }

    /// Deletes topics; gives what became of each.
    ///
    /// # Errors
    /// When there is no controller in time.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<BTreeMap<String, Result<(), Error>>, Error> {
        let mut results = BTreeMap::new();
        if names.is_empty() {
            return Ok(results);
        }
        let response = self
            .retrying(async || {
                let connection = self.cluster.controller().await?;
                let version = connection.version_of::<DeleteTopicsRequest>(i16::MAX)?;
                let mut request = DeleteTopicsRequest::default();
                request.timeout_ms = self.timeout_ms();
                if version >= 6 {
                    let state = |name: &&str| {
                        let mut state = DeleteTopicState::default();
                        state.name = Some(TopicName(wire::text(name)));
                        state
                    };
                    request.topics = names.iter().map(state).collect();
                } else {
                    request.topic_names = names.iter().map(|name| TopicName(wire::text(name))).collect();
                }
                let response = connection.call_at(version, &request).await?;
                not_controller(response.responses.iter().map(|answer| answer.error_code))?;
                Ok(response)
            })
            .await?;
        for answer in response.responses {
            let name = answer.name.map(|name| name.0.to_string()).unwrap_or_default();
            let result = check(answer.error_code, answer.error_message.as_deref(), || format!("topic '{name}'"));
            results.insert(name, result);
        }
        for name in names {
            results.entry((*name).to_owned()).or_insert_with(|| Err(unanswered(format!("topic '{name}'"))));
        }
        Ok(results)
    }

    /// Gives topics more partitions, and tells what became of each.
    ///
    /// # Errors
    /// When there is no controller in time.
    pub async fn create_partitions(
        &self,
        topics: &BTreeMap<String, Growth>,
    ) -> Result<BTreeMap<String, Result<(), Error>>, Error> {
        let mut request = CreatePartitionsRequest::default();
        request.timeout_ms = self.timeout_ms();
        request.topics = topics
            .iter()
            .map(|(name, growth)| {
                let mut topic = CreatePartitionsTopic::default();
                topic.name = TopicName(wire::text(name));
                topic.count = growth.partition_count;
                topic.assignments = growth.assignment.as_ref().map(|new| {
                    let assignment = |replicas: &Vec<i32>| {
                        let mut assignment = CreatePartitionsAssignment::default();
                        assignment.broker_ids = replicas.iter().map(|id| BrokerId(*id)).collect();
                        assignment
                    };
                    new.iter().map(assignment).collect()
                });
                topic
            })
            .collect();
        let response = self
            .retrying(async || {
                let response = self.cluster.controller().await?.call(&request).await?;
                not_controller(response.results.iter().map(|answer| answer.error_code))?;
                Ok(response)
            })
            .await?;
        let mut results = BTreeMap::new();
        for answer in response.results {
            let name = answer.name.0.to_string();
            let result = check(answer.error_code, answer.error_message.as_deref(), || format!("topic '{name}'"));
            results.insert(name, result);
        }
        Ok(results)
    }

    /// Partitions being moved, of all topics. A broker that does not serve the question or forbids it has none to tell.
    ///
    /// # Errors
    /// What the controller refuses otherwise, or when there is none in time.
    pub async fn list_reassignments(&self) -> Result<BTreeMap<Partition, Reassignment>, Error> {
        let mut request = ListPartitionReassignmentsRequest::default();
        request.timeout_ms = self.timeout_ms();
        request.topics = None;
        let answer = self
            .retrying(async || {
                let connection = self.cluster.controller().await?;
                if connection.served(ApiKey::ListPartitionReassignments).is_none() {
                    return Ok(None);
                }
                let response = connection.call(&request).await?;
                if response.error_code == ErrorCode::ClusterAuthorizationFailed.code() {
                    return Ok(None);
                }
                check(response.error_code, response.error_message.as_deref(), || "reassignments".to_owned())?;
                Ok(Some(response))
            })
            .await?;
        let ids = |brokers: &[BrokerId]| brokers.iter().map(|id| id.0).collect();
        let mut moving = BTreeMap::new();
        for topic in answer.into_iter().flat_map(|response| response.topics) {
            for partition in &topic.partitions {
                let reassignment = Reassignment {
                    replicas: ids(&partition.replicas),
                    adding: ids(&partition.adding_replicas),
                    removing: ids(&partition.removing_replicas),
                };
                moving.insert((topic.name.0.to_string(), partition.partition_index), reassignment);
            }
        }
        Ok(moving)
    }
}

/// A controller that has just lost office refuses every item in the same words: the whole call is tried again.
fn not_controller(mut codes: impl Iterator<Item = i16>) -> Result<(), Error> {
    match codes.find(|code| *code == ErrorCode::NotController.code()) {
        Some(code) => check(code, None, || "controller".to_owned()),
        None => Ok(()),
    }
}

fn description(name: String, topic: &MetadataResponseTopic) -> TopicDescription {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|id| id.0).collect();
    let mut partitions: Vec<PartitionDescription> = topic
        .partitions
        .iter()
        .map(|partition| PartitionDescription {
            partition: partition.partition_index,
            leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
            replicas: ids(&partition.replica_nodes),
            isr: ids(&partition.isr_nodes),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicDescription { name, id: TopicId(topic.topic_id), internal: topic.is_internal, partitions }
}
