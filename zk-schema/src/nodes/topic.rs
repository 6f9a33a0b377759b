//! `/brokers/topics/T`: a topic's id and which brokers hold each partition. Source: `kafka.zk.TopicZNode`.

use std::collections::BTreeMap;

use crate::java_order;
use crate::json::{Document, Error, Field, Json, Object};
use crate::{BrokerId, TopicId};

const NODE: &str = "/brokers/topics/T";

/// Which brokers hold one partition. While replicas move, `replicas` holds the union, target first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// All replicas; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// Those being added by a reassignment.
    pub adding_replicas: Vec<BrokerId>,
    /// Those that leave once the reassignment is complete.
    pub removing_replicas: Vec<BrokerId>,
}

impl ReplicaAssignment {
    /// Replicas at rest.
    #[must_use]
    pub fn of(replicas: Vec<BrokerId>) -> Self {
        Self { replicas, ..Self::default() }
    }

    /// Whether a reassignment is under way.
    #[must_use]
    pub fn is_being_reassigned(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }
}

/// Content of `/brokers/topics/T`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicAssignment {
    /// The topic's id, unless it was created by something too old to give one.
    pub topic_id: Option<TopicId>,
    /// Every partition's replicas.
    pub partitions: BTreeMap<i32, ReplicaAssignment>,
}

impl TopicAssignment {
    /// The bytes to write; always version 3.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = vec![("partitions".to_owned(), self.json_of(|replicas| &replicas.replicas, true))];
        fields.extend(self.topic_id.map(|id| ("topic_id".to_owned(), id.to_string().into())));
        fields.push(("adding_replicas".to_owned(), self.json_of(|replicas| &replicas.adding_replicas, false)));
        fields.push(("removing_replicas".to_owned(), self.json_of(|replicas| &replicas.removing_replicas, false)));
        fields.push(("version".to_owned(), 3.into()));
        Json::Object(fields).encode()
    }

    fn json_of(&self, list: impl Fn(&ReplicaAssignment) -> &Vec<BrokerId>, keep_empty: bool) -> Json {
        let entries = self.partitions.iter().map(|(partition, replicas)| (partition, list(replicas)));
        let entries = entries.filter(|(_, brokers)| keep_empty || !brokers.is_empty());
        let entries = entries.map(|(partition, brokers)| (partition.to_string(), Json::list(brokers.iter().copied())));
        Json::Object(java_order::scala_mutable(entries.collect()))
    }

    /// Reads versions 1 (no reassignment), 2 (no id) and 3. Like Kafka, goes by the fields and not by the version.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        let adding = moving(&object, "adding_replicas")?;
        let removing = moving(&object, "removing_replicas")?;
        let mut partitions = BTreeMap::new();
        let map = object.get("partitions").map(|field| field.object()).transpose()?;
        for (key, field) in map.iter().flat_map(Object::iter) {
            let partition = key.parse().ok().filter(|partition| 0 <= *partition);
            let partition = partition.ok_or_else(|| field.invalid("not a partition number"))?;
            let of = |map: &BTreeMap<String, Vec<BrokerId>>| map.get(key).cloned().unwrap_or_default();
            let replicas = ReplicaAssignment {
                replicas: brokers(&field)?,
                adding_replicas: of(&adding),
                removing_replicas: of(&removing),
            };
            partitions.insert(partition, replicas);
        }
        let topic_id = match object.get("topic_id") {
            Some(field) => Some(field.text()?.parse().map_err(|why| field.invalid(format!("{why}")))?),
            None => None,
        };
        Ok(Self { topic_id, partitions })
    }
}

fn brokers(field: &Field<'_>) -> Result<Vec<BrokerId>, Error> {
    field.list_of(|field| field.int().map(BrokerId))
}

fn moving(object: &Object<'_>, key: &str) -> Result<BTreeMap<String, Vec<BrokerId>>, Error> {
    let map = object.get(key).map(|field| field.object()).transpose()?;
    map.iter().flat_map(Object::iter).map(|(key, field)| Ok((key.to_owned(), brokers(&field)?))).collect()
}
