//! A cluster as a client sees it: who its brokers are, who leads a partition, who is the controller, who coordinates a
//! group; and one connection to each, made when needed and made anew when lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wire::messages::metadata_request::MetadataRequestTopic;
use wire::messages::metadata_response::MetadataResponseTopic;
use wire::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName};
use wire::{ApiKey, ErrorCode, Request};

use crate::connection::{Connection, Options};
use crate::error::{Error, check};

/// Pause before a call is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// What a client must know to begin.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`, some of the cluster's brokers.
    pub bootstrap: Vec<String>,
    /// How to connect.
    pub options: Options,
    /// How long calls that may be retried are retried.
    pub retry_for: Duration,
}

impl Config {
    /// From `host:port,host:port`, everything else by default.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn new(bootstrap: &str) -> Result<Self, Error> {
        let bootstrap: Vec<String> =
            bootstrap.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let is_address = |text: &str| {
            text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        match bootstrap.iter().find(|text| !is_address(text)) {
            Some(bad) => Err(Error::BadAddress(bad.clone())),
            None if bootstrap.is_empty() => Err(Error::BadAddress(String::new())),
            None => Ok(Self { bootstrap, options: Options::default(), retry_for: Duration::from_secs(60) }),
        }
    }
}

/// A broker's id and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `broker.id`.
    pub id: i32,
    /// Host of the listener we came in by.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
}

impl Node {
    /// `host:port`, IPv6 in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[derive(Default)]
struct Known {
    nodes: BTreeMap<i32, Node>,
    controller: Option<i32>,
    connections: BTreeMap<String, Arc<Connection>>,
}

/// A client of a cluster; cheap to share by reference.
pub struct ClusterClient {
    config: Config,
    known: Mutex<Known>,
}

impl std::fmt::Debug for ClusterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClient").field("bootstrap", &self.config.bootstrap).finish_non_exhaustive()
    }
}

impl ClusterClient {
    /// A client that connects when first used.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, known: Mutex::default() }
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection to an address: the one open, or a new one.
    ///
    /// # Errors
    /// Those of [`Connection::negotiated`].
    pub async fn connect(&self, address: &str) -> Result<Arc<Connection>, Error> {
        let open = self.with(|known| known.connections.get(address).filter(|open| !open.is_closed()).cloned());
        if let Some(connection) = open {
            return Ok(connection);
        }
        let connection = Arc::new(Connection::negotiated(address, &self.config.options).await?);
        self.with(|known| known.connections.insert(address.to_owned(), Arc::clone(&connection)));
        Ok(connection)
    }

    /// A new connection to an address, for one caller alone: what waits on it keeps nobody else waiting.
    ///
    /// # Errors
    /// Those of [`Connection::negotiated`].
    pub async fn connect_apart(&self, address: &str) -> Result<Connection, Error> {
        Connection::negotiated(address, &self.config.options).await
    }

    /// Any broker that answers: one already connected to, else known ones, else the bootstrap addresses.
    ///
    /// # Errors
    /// [`Error::NoBroker`] when none does.
    pub async fn any(&self) -> Result<Arc<Connection>, Error> {
        let open = self.with(|known| {
            let mut nodes = known.nodes.values().filter_map(|node| known.connections.get(&node.address()));
            nodes.find(|open| !open.is_closed()).cloned()
        });
        if let Some(connection) = open {
            return Ok(connection);
        }
        let mut addresses: Vec<String> = self.with(|known| known.nodes.values().map(Node::address).collect());
        addresses.extend(self.config.bootstrap.iter().cloned());
        let mut last = Error::BadAddress(String::new());
        for address in addresses {
            match self.connect(&address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(Error::NoBroker { bootstrap: self.config.bootstrap.join(","), last: Box::new(last) })
    }

    /// Asks for metadata of these topics (`None`: all) and remembers the brokers it names.
    ///
    /// # Errors
    /// When no broker answers. Errors of single topics stay in the response.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse, Error> {
        let mut request = MetadataRequest::default();
        request.allow_auto_topic_creation = false;
        request.topics = topics.map(|names| names.iter().map(|name| topic_request(name)).collect());
        self.metadata_as(&request).await
    }

    /// Asks for metadata with a request of the caller's making.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn metadata_as(&self, request: &MetadataRequest) -> Result<MetadataResponse, Error> {
        let connection = self.any().await?;
        let version = connection.version_of::<MetadataRequest>(i16::MAX)?;
        let response = if version < 4 && !request.allow_auto_topic_creation {
            // Versions that cannot say no create what they are asked about, if the broker is set to.
            let mut old = request.clone();
            old.allow_auto_topic_creation = true;
            connection.call_at(version, &old).await?
        } else {
            connection.call_at(version, request).await?
        };
        let nodes: BTreeMap<i32, Node> = response
            .brokers
            .iter()
            .map(|broker| {
                let id = broker.node_id.0;
                let port = u16::try_from(broker.port).unwrap_or_default();
                let rack = broker.rack.as_ref().map(ToString::to_string);
                (id, Node { id, host: broker.host.to_string(), port, rack })
            })
            .collect();
        self.with(|known| {
            known.nodes = nodes;
            known.controller = Some(response.controller_id.0).filter(|id| *id >= 0);
        });
        Ok(response)
    }

    /// The brokers last heard of.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.with(|known| known.nodes.values().cloned().collect())
    }

    /// A connection to one broker; asks for metadata if the id is not known.
    ///
    /// # Errors
    /// [`Error::UnknownBroker`], or those of connecting.
    pub async fn broker(&self, id: i32) -> Result<Arc<Connection>, Error> {
        let known = self.with(|known| known.nodes.get(&id).cloned());
        let node = match known {
            Some(node) => node,
            None => {
                self.metadata(Some(&[])).await?;
                self.with(|known| known.nodes.get(&id).cloned()).ok_or(Error::UnknownBroker(id))?
            }
        };
        match self.connect(&node.address()).await {
            // It may have come back under another address.
            Err(error @ Error::Connect { .. }) => {
                self.with(|known| known.nodes.remove(&id));
                Err(error)
            }
            connected => connected,
        }
    }

    /// A connection to the controller, asked for anew each time since it moves.
    ///
    /// # Errors
    /// [`Error::UnknownBroker`] while there is none.
    pub async fn controller(&self) -> Result<Arc<Connection>, Error> {
        self.metadata(Some(&[])).await?;
        let id = self.with(|known| known.controller).ok_or(Error::UnknownBroker(-1))?;
        self.broker(id).await
    }

    /// Asks the controller, again after [`RETRY_BACKOFF`] while it is another one or does not answer.
    /// `refused` reads the error code that says "not the controller" out of a response.
    ///
    /// # Errors
    /// The last one, once retrying has taken as long as configured.
    pub async fn ask_controller<R: Request>(
        &self,
        request: &R,
        refused: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response, Error> {
        let deadline = tokio::time::Instant::now() + self.config.retry_for;
        loop {
            let answer = match self.controller().await {
                Ok(connection) => connection.call(request).await,
                Err(error) => Err(error),
            };
            let late = tokio::time::Instant::now() >= deadline;
            match answer {
                Ok(response) if late || !refused(&response) => return Ok(response),
                Err(error) if late || !error.is_retriable() => return Err(error),
                Ok(_) | Err(_) => tokio::time::sleep(RETRY_BACKOFF).await,
            }
        }
    }

    /// The broker that coordinates a group, waiting while there is none yet.
    ///
    /// # Errors
    /// [`Error::Broker`] when the group cannot be coordinated, or the last error once retrying has taken as long as configured.
    pub async fn coordinator(&self, group: &str) -> Result<Node, Error> {
        let deadline = tokio::time::Instant::now() + self.config.retry_for;
        loop {
            match self.find_coordinator(group).await {
                Err(error) if error.is_retriable() && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
                found => return found,
            }
        }
    }

    /// Asks once who coordinates a group.
    ///
    /// # Errors
    /// When no broker answers or none coordinates it.
    pub async fn find_coordinator(&self, group: &str) -> Result<Node, Error> {
        let what = || format!("coordinator of group '{group}'");
        let connection = self.any().await?;
        let version = connection.version_of::<FindCoordinatorRequest>(i16::MAX)?;
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![wire::text(group)];
        } else {
            request.key = wire::text(group);
        }
        let response = connection.call_at(version, &request).await?;
        let node = |id: i32, host: &str, port: i32| Node {
            id,
            host: host.to_owned(),
            port: u16::try_from(port).unwrap_or_default(),
            rack: None,
        };
        let found = if version >= 4 {
            let Some(found) = response.coordinators.first() else {
                return Err(Error::broker(what(), ErrorCode::CoordinatorNotAvailable, None));
            };
            check(found.error_code, found.error_message.as_deref(), what)?;
            node(found.node_id.0, &found.host, found.port)
        } else {
            check(response.error_code, response.error_message.as_deref(), what)?;
            node(response.node_id.0, &response.host, response.port)
        };
        self.with(|known| known.nodes.insert(found.id, found.clone()));
        Ok(found)
    }

    /// Leaders of these topics' partitions: `(topic, partition) → broker id`, only those that have one.
    ///
    /// # Errors
    /// When no broker answers, or a topic has an error that will not pass.
    pub async fn leaders(&self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i32>, Error> {
        let response = self.metadata(Some(topics)).await?;
        let mut leaders = BTreeMap::new();
        for topic in &response.topics {
            let name = topic.name.as_ref().map(|name| name.0.to_string()).unwrap_or_default();
            let code = ErrorCode::from_code(topic.error_code);
            if code.is_error() && !code.is_retriable() {
                return Err(Error::broker(format!("topic '{name}'"), code, None));
            }
            for partition in &topic.partitions {
                if partition.leader_id.0 >= 0 {
                    leaders.insert((name.clone(), partition.partition_index), partition.leader_id.0);
                }
            }
        }
        Ok(leaders)
    }

    /// Metadata of one topic, which asking for may create.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn topic_metadata(&self, topic: &str, auto_create: bool) -> Result<MetadataResponse, Error> {
        let mut request = MetadataRequest::default();
        request.allow_auto_topic_creation = auto_create;
        request.topics = Some(vec![topic_request(topic)]);
        self.metadata_as(&request).await
    }

    /// How many partitions each of these topics has; topics that are missing or cannot be told of are left out.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn partition_counts(&self, topics: &[&str], auto_create: bool) -> Result<BTreeMap<String, i32>, Error> {
        let mut request = MetadataRequest::default();
        request.allow_auto_topic_creation = auto_create;
        request.topics = Some(topics.iter().map(|name| topic_request(name)).collect());
        Ok(counts(&self.metadata_as(&request).await?))
    }

    /// How many partitions each topic there is has.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn all_partition_counts(&self) -> Result<BTreeMap<String, i32>, Error> {
        Ok(counts(&self.metadata(None).await?))
    }

    /// Whether any broker at hand serves this API.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn serves(&self, api: ApiKey) -> Result<bool, Error> {
        Ok(self.any().await?.served(api).is_some())
    }
}

fn counts(response: &MetadataResponse) -> BTreeMap<String, i32> {
    let healthy = response.topics.iter().filter(|topic| topic.error_code == 0);
    let count = |topic: &MetadataResponseTopic| {
        let name = topic.name.as_ref()?.0.to_string();
        Some((name, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    };
    healthy.filter_map(count).collect()
}

fn topic_request(name: &str) -> MetadataRequestTopic {
    let mut topic = MetadataRequestTopic::default();
    topic.name = Some(TopicName(wire::text(name)));
    topic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_addresses_are_checked_before_they_are_used() {
        assert_eq!(Config::new("a:1, b:2").unwrap().bootstrap, ["a:1", "b:2"]);
        for bad in ["", "a", "a:", ":1", "a:99999"] {
            assert!(Config::new(bad).is_err(), "{bad}");
        }
    }
}
