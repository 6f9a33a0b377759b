//! What administrators ask of a cluster: topics, partitions, configs, groups, offsets, deleting records.
//! Every call goes to the broker whose business it is and is tried again while that may help, up to a time limit;
//! what a broker refuses for good is handed back item by item. Keeps nothing between calls.
//! Source: `KafkaAdminClient` in Kafka 3.9 for who is asked what. Topics are described by Metadata alone:
//! a broker in ZooKeeper mode does not serve DescribeTopicPartitions.

mod groups;
mod records;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wire::messages::describe_configs_request::DescribeConfigsResource;
use wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use wire::{ApiKey, ErrorCode};

use crate::cluster::{ClusterClient, Node};
use crate::connection::Connection;
use crate::error::{Error, check};

pub use groups::{GroupDescription, GroupListing, GroupMember, ListedGroups};
pub use topics::{Growth, NewTopic, PartitionDescription, Reassignment, TopicDescription, TopicListing};

/// `(topic, partition)`.
pub type Partition = (String, i32);

/// Pause before a call is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// An administrator's client.
#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Arc<ClusterClient>,
    /// How long a call may take, with all that is tried again.
    timeout: Duration,
}

/// What a config belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name stands for all.
    Broker,
}

impl ResourceType {
    fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
        }
    }
}

/// One config of a topic or broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` when it is null or secret.
    pub value: Option<String>,
    /// Whether it has its default value (also where the broker names no source).
    pub is_default: bool,
    /// Whether its value is kept secret.
    pub is_sensitive: bool,
    /// Whether it cannot be altered.
    pub read_only: bool,
}

/// The cluster as one of its brokers sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Cluster id.
    pub cluster_id: Option<String>,
    /// The controller's broker id, if there is one.
    pub controller: Option<i32>,
    /// Live brokers by id.
    pub nodes: Vec<Node>,
}

/// What to do to one config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterConfig {
    /// Give it this value.
    Set(String),
    /// Take the override away.
    Delete,
    /// Add these to a list.
    Append(String),
    /// Take these out of a list.
    Subtract(String),
}

impl Admin {
    /// A client whose calls take no longer than `timeout` each.
    #[must_use]
    pub fn new(cluster: Arc<ClusterClient>, timeout: Duration) -> Self {
        Self { cluster, timeout }
    }

    /// The cluster's connections, for calls this type has no method for.
    #[must_use]
    pub fn cluster(&self) -> &Arc<ClusterClient> {
        &self.cluster
    }

    /// The cluster's id, controller and brokers.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let response = self.retrying(async || self.cluster.metadata(Some(&[])).await).await?;
        Ok(ClusterDescription {
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
            controller: Some(response.controller_id.0).filter(|id| *id >= 0),
            nodes: self.cluster.nodes(),
        })
    }

    /// The configs of topics or brokers, each or what refused it. A broker is asked itself.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_configs(
        &self,
        of: ResourceType,
        names: &[&str],
    ) -> Result<BTreeMap<String, Result<Vec<ConfigEntry>, Error>>, Error> {
        let mut found = BTreeMap::new();
        for (broker, names) in by_broker(of, names) {
            let resource = |name: &str| {
                let mut resource = DescribeConfigsResource::default();
                resource.resource_type = of.code();
                resource.resource_name = wire::text(name);
                resource.configuration_keys = None;
                resource
            };
            let mut request = DescribeConfigsRequest::default();
            request.resources = names.iter().map(|name| resource(name)).collect();
            let response = self.retrying(async || self.asked(broker).await?.call(&request).await).await?;
            for result in response.results {
                let name = result.resource_name.to_string();
                let checked =
                    check(result.error_code, result.error_message.as_deref(), || format!("configs of '{name}'"));
                let entries = || {
                    result.configs.into_iter().map(|config| {
                        // Version 0 has a flag instead of a source; 5 is "default".
                        let is_default =
                            if config.config_source < 0 { config.is_default } else { config.config_source == 5 };
                        ConfigEntry {
                            name: config.name.to_string(),
                            value: config.value.as_ref().map(ToString::to_string),
                            is_default,
                            is_sensitive: config.is_sensitive,
                            read_only: config.read_only,
                        }
                    })
                };
                let entries = checked.map(|()| entries().collect());
                found.insert(name, entries);
            }
        }
        Ok(found)
    }

    /// Alters single configs of one topic or broker.
    ///
    /// # Errors
    /// What the broker refuses, or when it does not answer in time.
    pub async fn incremental_alter_configs(
        &self,
        of: ResourceType,
        name: &str,
        changes: &BTreeMap<String, AlterConfig>,
    ) -> Result<(), Error> {
        let mut resource = AlterConfigsResource::default();
        resource.resource_type = of.code();
        resource.resource_name = wire::text(name);
        resource.configs = changes
            .iter()
            .map(|(name, change)| {
                let (operation, value) = match change {
                    AlterConfig::Set(value) => (0, Some(value)),
                    AlterConfig::Delete => (1, None),
                    AlterConfig::Append(value) => (2, Some(value)),
                    AlterConfig::Subtract(value) => (3, Some(value)),
                };
                let mut config = AlterableConfig::default();
                config.name = wire::text(name);
                config.config_operation = operation;
                config.value = value.map(|value| wire::text(value));
                config
            })
            .collect();
        let mut request = IncrementalAlterConfigsRequest::default();
        request.resources = vec![resource];
        let broker = by_broker(of, &[name]).into_keys().next().flatten();
        let response = self.retrying(async || self.asked(broker).await?.call(&request).await).await?;
        response.responses.iter().try_for_each(|answer| {
            check(answer.error_code, answer.error_message.as_deref(), || format!("configs of '{name}'"))
        })
    }

    /// A connection to one broker, or to any.
    async fn asked(&self, broker: Option<i32>) -> Result<Arc<Connection>, Error> {
        match broker {
            Some(id) => self.cluster.broker(id).await,
            None => self.cluster.any().await,
        }
    }

    /// Runs a call until it succeeds, fails for good, or time is up.
    async fn retrying<T>(&self, call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut last = None;
        loop {
            match tokio::time::timeout_at(deadline, call()).await {
                Ok(Err(error)) if error.is_retriable() && Instant::now() + RETRY_BACKOFF < deadline => {
                    last = Some(error);
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
                Ok(answer) => return answer,
                Err(_) => return Err(last.unwrap_or_else(|| self.late())),
            }
        }
    }

    /// Nobody answered, or nobody could be found to ask, before time was up.
    fn late(&self) -> Error {
        let bootstrap = self.cluster.config().bootstrap.join(",");
        let timed_out = Error::TimedOut { address: bootstrap.clone(), api: ApiKey::Metadata, after: self.timeout };
        Error::NoBroker { bootstrap, last: Box::new(timed_out) }
    }

    /// The limit as a request's own timeout field: no longer than its answer is waited for.
    fn timeout_ms(&self) -> i32 {
        let limit = self.timeout.min(self.cluster.config().options.request_timeout);
        i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
    }
}

/// Configs of a broker are its own business, all others anybody's.
fn by_broker<'a>(of: ResourceType, names: &[&'a str]) -> BTreeMap<Option<i32>, Vec<&'a str>> {
    let mut parts: BTreeMap<Option<i32>, Vec<&'a str>> = BTreeMap::new();
    for name in names {
        let broker = if of == ResourceType::Broker { name.parse().ok() } else { None };
        parts.entry(broker).or_default().push(name);
    }
    parts
}

/// An item asked for that the answer does not mention.
fn unanswered(what: String) -> Error {
    Error::broker(what, ErrorCode::UnknownServerError, Some("The broker's answer does not mention it."))
}
