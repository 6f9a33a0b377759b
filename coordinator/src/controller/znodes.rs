//! Between what ZooKeeper keeps and what the controller remembers: reads, writes and decoded nodes in the decider's terms.
//! Knows no JSON (that is `zk_schema`) and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::nodes::broker_id::BrokerRegistration;
use zk_schema::nodes::partition_state::PartitionState as StateNode;
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::nodes::{self};
use zk_schema::{BrokerEpoch, BrokerId, PartitionEpoch, TopicName, TopicPartition, ZkVersion, paths};

use super::cluster::{Assignment, Leadership, Topic};
use super::effect::{LiveBroker, ZkAction, ZkRead, ZkWrite};
use super::event::{ZkError, ZkFound};

/// Why a node could not be read: what ZooKeeper or the parser said.
pub(super) type Unreadable = String;

/// Data and versions of a node, or `None` if it is missing.
fn data(found: Result<ZkFound, ZkError>) -> Result<Option<(Vec<u8>, ZkVersion, i64)>, Unreadable> {
    match found {
        Ok(ZkFound::Data { data, version, czxid }) => Ok(Some((data, version, czxid))),
        Ok(ZkFound::Children(_)) => Err("children where data was asked for".to_owned()),
        Err(ZkError::NoNode) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

// Partition states.

pub(super) fn read_state(partition: &TopicPartition) -> ZkRead {
    ZkRead::Data(paths::partition_state(partition))
}

pub(super) fn create_partitions_node(topic: &TopicName) -> ZkWrite {
    ZkWrite { path: paths::partitions(topic), action: ZkAction::Create(None) }
}

pub(super) fn create_partition_node(partition: &TopicPartition) -> ZkWrite {
    ZkWrite { path: paths::partition(partition), action: ZkAction::Create(None) }
}

pub(super) fn create_state(partition: &TopicPartition, leadership: &Leadership) -> ZkWrite {
    let action = ZkAction::Create(Some(state_node(leadership).encode()));
    ZkWrite { path: paths::partition_state(partition), action }
}

/// Expects the partition epoch the leadership was derived from.
pub(super) fn set_state(partition: &TopicPartition, leadership: &Leadership) -> ZkWrite {
    let expected = Some(ZkVersion(leadership.partition_epoch.0));
    let action = ZkAction::SetData { data: state_node(leadership).encode(), expected };
    ZkWrite { path: paths::partition_state(partition), action }
}

fn state_node(leadership: &Leadership) -> StateNode {
    StateNode {
        controller_epoch: leadership.controller_epoch,
        leader: leadership.leader,
        leader_epoch: leadership.leader_epoch,
        isr: leadership.isr.to_vec(),
        leader_recovery_state: leadership.recovery,
    }
}

pub(super) fn leadership(found: Result<ZkFound, ZkError>) -> Result<Option<Leadership>, Unreadable> {
    let Some((data, version, _)) = data(found)? else { return Ok(None) };
    let node = StateNode::decode(&data).map_err(|error| error.to_string())?;
    Ok(Some(Leadership {
        leader: node.leader,
        leader_epoch: node.leader_epoch,
        isr: node.isr.into(),
        recovery: node.leader_recovery_state,
        controller_epoch: node.controller_epoch,
        partition_epoch: PartitionEpoch(version.0),
    }))
}

// Topics.

pub(super) fn topic(found: Result<ZkFound, ZkError>) -> Result<Option<(TopicAssignment, ZkVersion)>, Unreadable> {
    let Some((data, version, _)) = data(found)? else { return Ok(None) };
    let node = TopicAssignment::decode(&data).map_err(|error| error.to_string())?;
    Ok(Some((node, version)))
}

pub(super) fn assignment(node: &ReplicaAssignment) -> Assignment {
    Assignment {
        replicas: node.replicas.as_slice().into(),
        adding: node.adding_replicas.as_slice().into(),
        removing: node.removing_replicas.as_slice().into(),
    }
}

pub(super) fn replica_assignment(assignment: &Assignment) -> ReplicaAssignment {
    ReplicaAssignment {
        replicas: assignment.replicas.to_vec(),
        adding_replicas: assignment.adding.to_vec(),
        removing_replicas: assignment.removing.to_vec(),
    }
}

/// The node as memory has it.
pub(super) fn topic_node(topic: &Topic) -> TopicAssignment {
    let partitions = topic.partitions.iter();
    TopicAssignment {
        topic_id: topic.id.is_known().then_some(topic.id),
        partitions: partitions.map(|(&index, p)| (index, replica_assignment(&p.assignment))).collect(),
    }
}

pub(super) fn read_topic_config(topic: &TopicName) -> ZkRead {
    ZkRead::Data(paths::topic_config(topic))
}

/// What a topic's configuration says about unclean elections, if anything.
pub(super) fn unclean_override(found: Result<ZkFound, ZkError>) -> Result<Option<bool>, Unreadable> {
    let Some((data, ..)) = data(found)? else { return Ok(None) };
    let config = nodes::config::decode(&data).map_err(|error| error.to_string())?;
    let Some(value) = config.get("unclean.leader.election.enable") else { return Ok(None) };
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        text if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        text => Err(format!("'{text}' is not a boolean")),
    }
}

// Brokers.

pub(super) fn broker(id: BrokerId, found: Result<ZkFound, ZkError>) -> Result<Option<LiveBroker>, Unreadable> {
    let Some((data, _, czxid)) = data(found)? else { return Ok(None) };
    let node = BrokerRegistration::decode(&data).map_err(|error| error.to_string())?;
    let BrokerRegistration { endpoints, rack, features, .. } = node;
    Ok(Some(LiveBroker { id, epoch: BrokerEpoch(czxid), endpoints, rack, features }))
}

// Notifications and requests by znode.

pub(super) fn log_dir_event(found: &ZkFound) -> Result<BrokerId, Unreadable> {
    nodes::log_dir_event::decode(bytes(found)).map_err(|error| error.to_string())
}

pub(super) fn isr_change(found: &ZkFound) -> Result<BTreeSet<TopicPartition>, Unreadable> {
    nodes::isr_change::decode(bytes(found)).map_err(|error| error.to_string())
}

pub(super) fn preferred_election(data: &[u8]) -> Result<BTreeSet<TopicPartition>, Unreadable> {
    nodes::preferred_election::decode(data).map_err(|error| error.to_string())
}

pub(super) fn reassignment(data: &[u8]) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>, Unreadable> {
    nodes::reassignment::decode(data).map_err(|error| error.to_string())
}

fn bytes(found: &ZkFound) -> &[u8] {
    match found {
        ZkFound::Data { data, .. } => data,
        ZkFound::Children(_) => &[],
    }
}
