//! The controller's orders as requests on the wire, and brokers' answers as events. The versions come from the
//! controller's own inter-broker protocol version: brokers are never asked which they know.
//! Source: contract 2.12 and 4.4; `AbstractControllerBrokerRequestBatch`.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::MetadataVersion;
use coordinator::controller::effect::{
    LeaderAndIsr, LiveBroker, MetadataBody, OfTopic, PartitionMetadata, PartitionOrder, Replicas, StopReplica,
};
use coordinator::controller::event::{LeaderRecovery, OrderAnswer, OrderError, StopReplicaAnswer};
use wire::messages::leader_and_isr_request::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrTopicState,
};
use wire::messages::stop_replica_request::{
    StopReplicaPartitionState, StopReplicaPartitionV0, StopReplicaTopicState, StopReplicaTopicV1,
};
use wire::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use wire::messages::{
    self, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest,
    UpdateMetadataResponse,
};
use wire::{ErrorCode, text};
use zk_schema::{BrokerEpoch, BrokerId, TopicName, TopicPartition};

/// Versions of the three orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub leader_and_isr: i16,
    pub update_metadata: i16,
    pub stop_replica: i16,
}

impl Versions {
    pub(super) fn of(ibp: MetadataVersion) -> Self {
        use MetadataVersion as V;
        let newest = |steps: &[(MetadataVersion, i16)]| {
            steps.iter().find(|(from, _)| ibp.at_least(*from)).map_or(0, |(_, version)| *version)
        };
        Self {
            leader_and_isr: newest(&[
                (V::IBP_3_4_IV0, 7),
                (V::IBP_3_2_IV0, 6),
                (V::IBP_2_8_IV1, 5),
                (V::IBP_2_4_IV1, 4),
                (V::IBP_2_4_IV0, 3),
                (V::IBP_2_2_IV0, 2),
                (V::IBP_1_0_IV0, 1),
            ]),
            update_metadata: newest(&[
                (V::IBP_3_4_IV0, 8),
                (V::IBP_2_8_IV1, 7),
                (V::IBP_2_4_IV1, 6),
                (V::IBP_2_2_IV0, 5),
                (V::IBP_1_0_IV0, 4),
                (V::IBP_0_10_2_IV0, 3),
                (V::IBP_0_10_0_IV1, 2),
                (V::IBP_0_9_0, 1),
            ]),
            stop_replica: newest(&[(V::IBP_3_4_IV0, 4), (V::IBP_2_6_IV0, 3), (V::IBP_2_4_IV1, 2), (V::IBP_2_2_IV0, 1)]),
        }
    }
}

fn id(broker: BrokerId) -> messages::BrokerId {
    messages::BrokerId(broker.0)
}

fn ids(brokers: &Replicas) -> Vec<messages::BrokerId> {
    brokers.iter().copied().map(id).collect()
}

fn topic(name: &TopicName) -> messages::TopicName {
    messages::TopicName(text(name.as_str()))
}

/// An order of kind LeaderAndIsr.
pub(super) fn leader_and_isr(
    controller: BrokerId,
    order: &LeaderAndIsr,
    version: i16,
    listener: &str,
) -> LeaderAndIsrRequest {
    let mut request = LeaderAndIsrRequest::default();
    request.controller_id = id(controller);
    request.controller_epoch = order.controller_epoch.0;
    if 2 <= version {
        request.broker_epoch = order.broker_epoch.0;
        request.topic_states = order.topics.iter().map(|of| leader_and_isr_topic(of, version)).collect();
    } else {
        let states = order.topics.iter().flat_map(|of| {
            of.partitions.iter().map(|order| {
                let mut state = leader_and_isr_partition(order, version);
                state.topic_name = topic(&of.topic);
                state
            })
        });
        request.ungrouped_partition_states = states.collect();
    }
    let leader = |broker: &Arc<LiveBroker>| {
        let endpoint = broker.endpoints.iter().find(|endpoint| endpoint.listener == listener)?;
        let mut leader = LeaderAndIsrLiveLeader::default();
        leader.broker_id = id(broker.id);
        leader.host_name = text(&endpoint.host);
        leader.port = endpoint.port;
        Some(leader)
    };
    request.live_leaders = order.live_leaders.iter().filter_map(leader).collect();
    request
}

fn leader_and_isr_topic(of: &OfTopic<PartitionOrder>, version: i16) -> LeaderAndIsrTopicState {
    let mut state = LeaderAndIsrTopicState::default();
    state.topic_name = topic(&of.topic);
    if 5 <= version {
        state.topic_id = of.topic_id.0;
    }
    state.partition_states = of.partitions.iter().map(|order| leader_and_isr_partition(order, version)).collect();
    state
}

fn leader_and_isr_partition(order: &PartitionOrder, version: i16) -> LeaderAndIsrPartitionState {
    let mut state = LeaderAndIsrPartitionState::default();
    state.partition_index = order.partition;
    state.controller_epoch = order.controller_epoch.0;
    state.leader = id(order.leader);
    state.leader_epoch = order.leader_epoch.0;
    state.isr = ids(&order.isr);
    state.partition_epoch = order.partition_epoch.0;
    state.replicas = ids(&order.replicas);
    if 1 <= version {
        state.is_new = order.is_new;
    }
    if 3 <= version {
        state.adding_replicas = ids(&order.adding);
        state.removing_replicas = ids(&order.removing);
    }
    if 6 <= version {
        state.leader_recovery_state = match order.leader_recovery {
            LeaderRecovery::Recovered => 0,
            LeaderRecovery::Recovering => 1,
        };
    }
    state
}

/// What a broker said to a LeaderAndIsr; from version 5 on topics are named by id and found again in the order.
pub(super) fn leader_and_isr_answer(order: &LeaderAndIsr, response: &LeaderAndIsrResponse) -> OrderAnswer {
    let mut partitions: Vec<(TopicPartition, Result<(), OrderError>)> = Vec::new();
    for error in &response.partition_errors {
        let partition = TopicPartition::new(error.topic_name.as_str(), error.partition_index);
        partitions.push((partition, result(error.error_code)));
    }
    let names: BTreeMap<_, _> = order.topics.iter().map(|of| (of.topic_id.0, &of.topic)).collect();
    for of in &response.topics {
        let Some(name) = names.get(&of.topic_id) else { continue };
        for error in &of.partition_errors {
            let partition = TopicPartition::new((*name).clone(), error.partition_index);
            partitions.push((partition, result(error.error_code)));
        }
    }
    OrderAnswer::LeaderAndIsr { result: result(response.error_code), partitions }
}

/// An order of kind UpdateMetadata. The same for all brokers but for the broker epoch.
pub(super) fn update_metadata(
    controller: BrokerId,
    broker_epoch: BrokerEpoch,
    body: &MetadataBody,
    version: i16,
) -> UpdateMetadataRequest {
    let mut request = UpdateMetadataRequest::default();
    request.controller_id = id(controller);
    request.controller_epoch = body.controller_epoch.0;
    request.live_brokers = body.live_brokers.iter().map(|broker| live_broker(broker, version)).collect();
    if 5 <= version {
        request.broker_epoch = broker_epoch.0;
        request.topic_states = body.topics.iter().map(|of| update_metadata_topic(of, version)).collect();
    } else {
        let states = body.topics.iter().flat_map(|of| {
            of.partitions.iter().map(|partition| {
                let mut state = update_metadata_partition(partition, version);
                state.topic_name = topic(&of.topic);
                state
            })
        });
        request.ungrouped_partition_states = states.collect();
    }
    request
}

fn update_metadata_topic(of: &OfTopic<PartitionMetadata>, version: i16) -> UpdateMetadataTopicState {
    let mut state = UpdateMetadataTopicState::default();
    state.topic_name = topic(&of.topic);
    if 7 <= version {
        state.topic_id = of.topic_id.0;
    }
    state.partition_states = of.partitions.iter().map(|part| update_metadata_partition(part, version)).collect();
    state
}

fn update_metadata_partition(partition: &PartitionMetadata, version: i16) -> UpdateMetadataPartitionState {
    let mut state = UpdateMetadataPartitionState::default();
    state.partition_index = partition.partition;
    state.controller_epoch = partition.controller_epoch.0;
    state.leader = id(partition.leader);
    state.leader_epoch = partition.leader_epoch.0;
    state.isr = ids(&partition.isr);
    state.zk_version = partition.partition_epoch.0;
    state.replicas = ids(&partition.replicas);
    if 4 <= version {
        state.offline_replicas = ids(&partition.offline_replicas);
    }
    state
}

fn live_broker(broker: &LiveBroker, version: i16) -> UpdateMetadataBroker {
    let mut live = UpdateMetadataBroker::default();
    live.id = id(broker.id);
    if version == 0 {
        if let Some(endpoint) = broker.endpoints.iter().find(|endpoint| endpoint.listener == "PLAINTEXT") {
            live.v0_host = text(&endpoint.host);
            live.v0_port = endpoint.port;
        }
        return live;
    }
    live.endpoints = broker
        .endpoints
        .iter()
        .map(|endpoint| {
            let mut address = UpdateMetadataEndpoint::default();
            address.host = text(&endpoint.host);
            address.port = endpoint.port;
            address.security_protocol = endpoint.security_protocol as i16;
            if 3 <= version {
                address.listener = text(&endpoint.listener);
            }
            address
        })
        .collect();
    if 2 <= version {
        live.rack = broker.rack.as_deref().map(text);
    }
    live
}

/// What a broker said to an UpdateMetadata.
pub(super) fn update_metadata_answer(response: &UpdateMetadataResponse) -> OrderAnswer {
    OrderAnswer::UpdateMetadata { result: result(response.error_code) }
}

/// One or two requests of kind StopReplica, each with the order it stands for: below version 3 partitions to be deleted
/// and those to be kept cannot share a request.
pub(super) fn stop_replica(
    controller: BrokerId,
    order: &StopReplica,
    version: i16,
) -> Vec<(StopReplica, StopReplicaRequest)> {
    if 3 <= version {
        return vec![(order.clone(), stop_replica_request(controller, order, version, false))];
    }
    let with = |delete: bool| {
        let mut part = order.clone();
        for of in &mut part.topics {
            of.partitions.retain(|replica| replica.delete == delete);
        }
        part.topics.retain(|of| !of.partitions.is_empty());
        part
    };
    [(false, with(false)), (true, with(true))]
        .into_iter()
        .filter(|(_, part)| !part.topics.is_empty())
        .map(|(delete, part)| {
            let request = stop_replica_request(controller, &part, version, delete);
            (part, request)
        })
        .collect()
}

fn stop_replica_request(controller: BrokerId, order: &StopReplica, version: i16, delete: bool) -> StopReplicaRequest {
    let mut request = StopReplicaRequest::default();
    request.controller_id = id(controller);
    request.controller_epoch = order.controller_epoch.0;
    if 1 <= version {
        request.broker_epoch = order.broker_epoch.0;
    }
    if version < 3 {
        request.delete_partitions = delete;
    }
    for of in &order.topics {
        let partitions = of.partitions.iter();
        match version {
            0 => request.ungrouped_partitions.extend(partitions.map(|replica| {
                let mut partition = StopReplicaPartitionV0::default();
                partition.topic_name = topic(&of.topic);
                partition.partition_index = replica.partition;
                partition
            })),
            1 | 2 => {
                let mut named = StopReplicaTopicV1::default();
                named.name = topic(&of.topic);
                named.partition_indexes = partitions.map(|replica| replica.partition).collect();
                request.topics.push(named);
            }
            _ => {
                let mut state = StopReplicaTopicState::default();
                state.topic_name = topic(&of.topic);
                state.partition_states = partitions
                    .map(|replica| {
                        let mut state = StopReplicaPartitionState::default();
                        state.partition_index = replica.partition;
                        state.leader_epoch = replica.leader_epoch.0;
                        state.delete_partition = replica.delete;
                        state
                    })
                    .collect();
                request.topic_states.push(state);
            }
        }
    }
    request
}

/// What a broker said to a StopReplica. Partitions it does not name share the fate of the whole request.
pub(super) fn stop_replica_answer(order: &StopReplica, response: &StopReplicaResponse) -> OrderAnswer {
    let whole = result(response.error_code);
    let named: BTreeMap<TopicPartition, i16> = response
        .partition_errors
        .iter()
        .map(|error| (TopicPartition::new(error.topic_name.as_str(), error.partition_index), error.error_code))
        .collect();
    let partitions = order.topics.iter().flat_map(|of| {
        of.partitions.iter().map(|replica| {
            let partition = TopicPartition::new(of.topic.clone(), replica.partition);
            let result = named.get(&partition).map_or(whole, |code| result(*code));
            StopReplicaAnswer { partition, delete: replica.delete, result }
        })
    });
    OrderAnswer::StopReplica { result: whole, partitions: partitions.collect() }
}

fn result(code: i16) -> Result<(), OrderError> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        ErrorCode::KafkaStorageError => Err(OrderError::KafkaStorage),
        ErrorCode::StaleControllerEpoch => Err(OrderError::StaleControllerEpoch),
        ErrorCode::StaleBrokerEpoch => Err(OrderError::StaleBrokerEpoch),
        _ => Err(OrderError::Other(code)),
    }
}

#[cfg(test)]
#[path = "orders/tests.rs"]
mod tests;
