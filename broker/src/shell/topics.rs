//! Creates topics and adds partitions to them, on any broker: places the replicas and writes the znodes. The controller
//! hears of it by its watches and does the rest.
//! Source: contract 1.3 `/brokers/topics/T`, 3.11; `AdminZkClient`, `ZkAdminManager`.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{BrokerConfig, TopicConfig};
use coordinator::controller::assignment::{self, Assignments, Candidate, Start};
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::{BrokerId, TopicId, TopicName};

use crate::metadata;
use crate::zk::{self, Zk};

/// Why a topic is not created or grown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name, its replicas or their number.
    #[error(transparent)]
    Assignment(#[from] assignment::Error),
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// There is no such topic.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(TopicName),
    /// Its replicas are being moved.
    #[error("A partition reassignment is in progress for the topic '{0}'.")]
    ReassignmentInProgress(TopicName),
    /// ZooKeeper.
    #[error(transparent)]
    Zk(#[from] zk::Error),
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// Where its replicas go.
    pub replicas: Replicas,
    /// Its config overrides.
    pub overrides: BTreeMap<String, String>,
}

/// Where the replicas of a new topic go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// Anywhere.
    Count {
        /// How many partitions.
        partitions: i32,
        /// How many replicas each.
        replication_factor: i32,
    },
    /// Where the client says.
    Chosen(Assignments),
}

/// A topic that was created, or could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id; zero if it has none.
    pub topic_id: TopicId,
    /// Its replicas.
    pub assignments: Assignments,
}

/// Creates topics.
pub struct Topics {
    zk: Zk,
    metadata: Arc<metadata::Cache>,
    config: Box<dyn Fn() -> Arc<BrokerConfig> + Send + Sync>,
}

impl Topics {
    /// Creates topics by what this cache knows of the cluster, with this broker's defaults.
    pub fn new(
        zk: Zk,
        metadata: Arc<metadata::Cache>,
        config: impl Fn() -> Arc<BrokerConfig> + Send + Sync + 'static,
    ) -> Self {
        Self { zk, metadata, config: Box::new(config) }
    }

    /// Creates a topic, unless `validate_only`. Returns once ZooKeeper has it, before it has leaders.
    ///
    /// # Errors
    /// [`Error`]; then nothing was created.
    pub async fn create(&self, topic: &NewTopic, validate_only: bool) -> Result<Created, Error> {
        let config = (self.config)();
        let name = topic.name.as_str();
        TopicName::validate(name).map_err(assignment::Error::InvalidTopic)?;
        if self.metadata.snapshot().topic(name).is_some() {
            return Err(assignment::Error::TopicExists(format!("Topic '{name}' already exists.")).into());
        }
        let assignments = match &topic.replicas {
            Replicas::Chosen(assignments) => assignments.clone(),
            Replicas::Count { partitions, replication_factor } => {
                let brokers = self.brokers().await?;
                let start = Start::from_random(rand::random(), rand::random(), brokers.len());
                assignment::place(&brokers, *partitions, *replication_factor, start)?
            }
        };
        let existing = self.zk.topics().await?;
        let being_deleted = self.zk.is_topic_being_deleted(&topic.name).await?;
        assignment::validate_new_topic(name, &assignments, &existing, being_deleted)?;
        TopicConfig::resolve(&config, &topic.overrides)?;
        let topic_id = if config.ibp().has_topic_ids() { fresh_topic_id() } else { TopicId::ZERO };
        if !validate_only {
            self.write(topic, topic_id, &assignments).await?;
        }
        Ok(Created { topic_id, assignments })
    }

    async fn write(&self, topic: &NewTopic, topic_id: TopicId, assignments: &Assignments) -> Result<(), Error> {
        let partitions = assignments.iter().map(|(index, replicas)| (*index, ReplicaAssignment::of(replicas.clone())));
        let assignment =
            TopicAssignment { topic_id: Some(topic_id).filter(|id| id.is_known()), partitions: partitions.collect() };
        tracing::info!(
            "Creating topic {} with configuration {:?} and initial partition assignment {assignments:?}",
            topic.name,
            topic.overrides
        );
        match self.zk.create_topic(&topic.name, &topic.overrides, &assignment).await {
            Err(zk::Error::NodeExists(_)) => {
                Err(assignment::Error::TopicExists(format!("Topic '{}' already exists.", topic.name)).into())
            }
            written => Ok(written?),
        }
    }

    /// Adds partitions up to `total`, unless `validate_only`. Gives the indexes of all partitions the topic then has.
    ///
    /// # Errors
    /// [`Error`]; then nothing was added.
    pub async fn grow(
        &self,
        topic: &TopicName,
        total: i32,
        chosen: Option<&[Vec<BrokerId>]>,
        validate_only: bool,
    ) -> Result<Vec<i32>, Error> {
        let Some((mut assignment, _)) = self.zk.topic(topic).await? else {
            return Err(Error::UnknownTopic(topic.clone()));
        };
        if assignment.partitions.values().any(ReplicaAssignment::is_being_reassigned) {
            return Err(Error::ReassignmentInProgress(topic.clone()));
        }
        let existing: Assignments =
            assignment.partitions.iter().map(|(index, replicas)| (*index, replicas.replicas.clone())).collect();
        let added = assignment::extend(topic.as_str(), &existing, &self.registered().await?, total, chosen)?;
        assignment.partitions.extend(added.into_iter().map(|(index, on)| (index, ReplicaAssignment::of(on))));
        if !validate_only {
            tracing::info!("Adding partitions to topic {topic}, up to {total}");
            self.zk.grow_topic(topic, &assignment).await?;
        }
        Ok(assignment.partitions.into_keys().collect())
    }

    /// Brokers as the controller told of them; as registered while it has told of none.
    async fn brokers(&self) -> Result<Vec<Candidate>, zk::Error> {
        let snapshot = self.metadata.snapshot();
        if snapshot.brokers.is_empty() {
            return self.registered().await;
        }
        Ok(snapshot.brokers.values().map(|broker| Candidate { id: broker.id, rack: broker.rack.clone() }).collect())
    }

    async fn registered(&self) -> Result<Vec<Candidate>, zk::Error> {
        let brokers = self.zk.brokers().await?;
        Ok(brokers.into_iter().map(|(id, registration)| Candidate { id, rack: registration.rack }).collect())
    }
}

fn fresh_topic_id() -> TopicId {
    loop {
        if let Some(id) = TopicId::from_random(rand::random()) {
            return id;
        }
    }
}
