//! What an UpdateMetadata request of any version changes. Pure.
//! Source: `ZkMetadataCache.updateMetadata`, `UpdateMetadataRequest.normalize`.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::messages::UpdateMetadataRequest;
use wire::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState,
};
use zk_schema::types::{BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition};

use super::snapshot::{Broker, Endpoint, Partition, Snapshot, Topic};

/// The leader of a partition that is being deleted.
const LEADER_DURING_DELETE: i32 = -2;
const PLAINTEXT: i16 = 0;

/// The snapshot after `request`, and the partitions it deleted. Brokers are replaced by the request's, topics merged.
pub(super) fn apply(before: &Snapshot, request: &UpdateMetadataRequest) -> (Snapshot, Vec<TopicPartition>) {
    let mut after = Snapshot {
        controller_id: (*request.controller_id >= 0).then_some(BrokerId(*request.controller_id)),
        brokers: request.live_brokers.iter().map(broker).map(|broker| (broker.id, Arc::new(broker))).collect(),
        topics: before.topics.clone(),
        topic_names: before.topic_names.clone(),
    };
    let mut deleted = Vec::new();
    // Versions before 5 name the topic with each partition.
    for state in &request.ungrouped_partition_states {
        set_partition(&mut after, &state.topic_name, None, state, &mut deleted);
    }
    for topic in &request.topic_states {
        let id = TopicId(topic.topic_id);
        set_topic_id(&mut after, &topic.topic_name, id);
        for state in &topic.partition_states {
            set_partition(&mut after, &topic.topic_name, Some(id), state, &mut deleted);
        }
    }
    (after, deleted)
}

fn set_topic_id(snapshot: &mut Snapshot, name: &str, id: TopicId) {
    let Some((name, topic)) = snapshot.topics.get_key_value(name) else { return };
    if topic.id == id {
        return;
    }
    let (name, mut topic) = (name.clone(), Arc::clone(topic));
    snapshot.topic_names.remove(&topic.id);
    if id.is_known() {
        snapshot.topic_names.insert(id, name.clone());
    }
    Arc::make_mut(&mut topic).id = id;
    snapshot.topics.insert(name, topic);
}

fn set_partition(
    snapshot: &mut Snapshot,
    name: &str,
    id: Option<TopicId>,
    state: &UpdateMetadataPartitionState,
    deleted: &mut Vec<TopicPartition>,
) {
    let index = state.partition_index;
    if *state.leader == LEADER_DURING_DELETE {
        remove_partition(snapshot, name, index);
        deleted.push(TopicPartition::new(name, index));
        return;
    }
    deleted.retain(|partition| partition.partition != index || partition.topic.as_str() != name);
    if let Some(topic) = snapshot.topics.get_mut(name) {
        Arc::make_mut(topic).partitions.insert(index, partition(state));
        return;
    }
    // The name is copied: a slice of the request would keep all of it in memory.
    let name = TopicName::new(name);
    let id = id.unwrap_or(TopicId::ZERO);
    if id.is_known() {
        snapshot.topic_names.insert(id, name.clone());
    }
    let partitions = BTreeMap::from([(index, partition(state))]);
    snapshot.topics.insert(name, Arc::new(Topic { id, partitions }));
}

fn remove_partition(snapshot: &mut Snapshot, name: &str, index: i32) {
    let Some(topic) = snapshot.topics.get_mut(name) else { return };
    let topic = Arc::make_mut(topic);
    topic.partitions.remove(&index);
    if topic.partitions.is_empty() {
        snapshot.topic_names.remove(&topic.id);
        snapshot.topics.remove(name);
    }
}

fn partition(state: &UpdateMetadataPartitionState) -> Partition {
    let ids = |ids: &[wire::messages::BrokerId]| ids.iter().map(|id| BrokerId(**id)).collect();
    Partition {
        leader: BrokerId(*state.leader),
        leader_epoch: LeaderEpoch(state.leader_epoch),
        controller_epoch: ControllerEpoch(state.controller_epoch),
        partition_epoch: PartitionEpoch(state.zk_version),
        isr: ids(&state.isr),
        replicas: ids(&state.replicas),
        offline_replicas: ids(&state.offline_replicas),
    }
}

fn broker(broker: &UpdateMetadataBroker) -> Broker {
    let mut endpoints: Vec<_> = broker.endpoints.iter().map(endpoint).collect();
    if endpoints.is_empty() && !broker.v0_host.is_empty() {
        let host = broker.v0_host.to_string();
        endpoints.push(Endpoint {
            listener: "PLAINTEXT".to_owned(),
            host,
            port: broker.v0_port,
            security_protocol: PLAINTEXT,
        });
    }
    Broker { id: BrokerId(*broker.id), rack: broker.rack.as_ref().map(ToString::to_string), endpoints }
}

/// Before version 3 listeners had no name of their own: that of their security protocol stands for it.
fn endpoint(endpoint: &UpdateMetadataEndpoint) -> Endpoint {
    let listener = if endpoint.listener.is_empty() {
        let protocol = config::SecurityProtocol::from_id(endpoint.security_protocol);
        protocol.map_or_else(String::new, |protocol| protocol.name().to_owned())
    } else {
        endpoint.listener.to_string()
    };
    Endpoint {
        listener,
        host: endpoint.host.to_string(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use wire::messages::update_metadata_request::UpdateMetadataTopicState;
    use wire::{messages, text};

    use super::*;

    fn state(index: i32, leader: i32) -> UpdateMetadataPartitionState {
        UpdateMetadataPartitionState::default()
            .with_partition_index(index)
            .with_leader(leader.into())
            .with_leader_epoch(3)
            .with_isr(vec![1.into()])
            .with_replicas(vec![1.into(), 2.into()])
    }

    fn topic(name: &str, id: u128, states: Vec<UpdateMetadataPartitionState>) -> UpdateMetadataTopicState {
        UpdateMetadataTopicState::default()
            .with_topic_name(messages::TopicName(text(name)))
            .with_topic_id(Uuid::from_u128(id))
            .with_partition_states(states)
    }

    fn request(topics: Vec<UpdateMetadataTopicState>) -> UpdateMetadataRequest {
        let endpoint = UpdateMetadataEndpoint::default().with_host(text("h")).with_port(9092).with_listener(text("L"));
        let broker = UpdateMetadataBroker::default().with_id(1.into()).with_endpoints(vec![endpoint]);
        UpdateMetadataRequest::default()
            .with_controller_id(1.into())
            .with_live_brokers(vec![broker])
            .with_topic_states(topics)
    }

    #[test]
    fn brokers_are_replaced_and_topics_are_merged() {
        let (first, _) = apply(&Snapshot::default(), &request(vec![topic("a", 7, vec![state(0, 1), state(1, 1)])]));
        let mut second = request(vec![topic("b", 8, vec![state(0, 2)])]);
        second.live_brokers[0].id = 2.into();
        let (after, deleted) = apply(&first, &second);
        assert_eq!(after.brokers.keys().copied().collect::<Vec<_>>(), [BrokerId(2)]);
        assert_eq!(after.partition_count("a"), 2);
        assert_eq!(after.partition_of("b", 0).unwrap().leader, BrokerId(2));
        assert_eq!(after.topic_name(TopicId(Uuid::from_u128(7))).unwrap().as_str(), "a");
        assert!(deleted.is_empty());
    }

    #[test]
    fn partitions_without_a_live_leader_are_counted() {
        let states = vec![state(0, 1), state(1, -1), state(2, 9)];
        let (after, _) = apply(&Snapshot::default(), &request(vec![topic("a", 7, states)]));
        let census = after.census();
        assert_eq!((census.brokers, census.topics, census.partitions, census.leaderless), (1, 1, 3, 2));
    }

    #[test]
    fn the_last_partition_takes_its_topic_along() {
        let (before, _) = apply(&Snapshot::default(), &request(vec![topic("a", 7, vec![state(0, 1)])]));
        let (after, deleted) = apply(&before, &request(vec![topic("a", 7, vec![state(0, LEADER_DURING_DELETE)])]));
        assert!(after.topics.is_empty());
        assert!(after.topic_name(TopicId(Uuid::from_u128(7))).is_none());
        assert_eq!(deleted, [TopicPartition::new("a", 0)]);
    }

    #[test]
    fn a_topic_recreated_under_its_name_gets_the_new_id() {
        let (before, _) = apply(&Snapshot::default(), &request(vec![topic("a", 7, vec![state(0, 1)])]));
        let (after, _) = apply(&before, &request(vec![topic("a", 9, vec![state(0, 1)])]));
        assert_eq!(after.topic_id("a"), TopicId(Uuid::from_u128(9)));
        assert!(after.topic_name(TopicId(Uuid::from_u128(7))).is_none());
    }

    #[test]
    fn a_controller_without_topic_ids_takes_the_id_away() {
        let (before, _) = apply(&Snapshot::default(), &request(vec![topic("a", 7, vec![state(0, 1)])]));
        let (after, _) = apply(&before, &request(vec![topic("a", 0, vec![state(0, 1)])]));
        assert_eq!(after.topic_id("a"), TopicId::ZERO);
        assert!(after.topic_name(TopicId::ZERO).is_none());
    }

    #[test]
    fn old_versions_name_topics_per_partition_and_listeners_by_protocol() {
        let mut old = request(vec![]);
        old.live_brokers[0].endpoints[0].listener = text("");
        old.ungrouped_partition_states = vec![state(4, 1).with_topic_name(messages::TopicName(text("a")))];
        let (after, _) = apply(&Snapshot::default(), &old);
        assert_eq!(after.partition_of("a", 4).unwrap().replicas, [BrokerId(1), BrokerId(2)]);
        assert_eq!(after.endpoint(BrokerId(1), "PLAINTEXT").unwrap().port, 9092);
    }

    #[test]
    fn version_0_gives_a_host_and_a_port_only() {
        let broker = UpdateMetadataBroker::default().with_id(1.into()).with_v0_host(text("h")).with_v0_port(9);
        let (after, _) = apply(&Snapshot::default(), &request(vec![]).with_live_brokers(vec![broker]));
        assert_eq!(after.endpoint(BrokerId(1), "PLAINTEXT").unwrap().port, 9);
    }

    #[test]
    fn no_controller_is_told_as_minus_one() {
        let (after, _) = apply(&Snapshot::default(), &request(vec![]).with_controller_id((-1).into()));
        assert_eq!(after.controller_id, None);
    }
}
