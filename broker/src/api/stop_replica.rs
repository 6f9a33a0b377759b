//! StopReplica: the controller orders replicas to be stopped, and perhaps their logs to be deleted.
//! Source: `KafkaApis.handleStopReplicaRequest`, `ReplicaManager.stopReplicas`; contract 3.5.

use wire::messages::stop_replica_response::StopReplicaPartitionError;
use wire::messages::{self, StopReplicaRequest, StopReplicaResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerEpoch, ControllerEpoch, LeaderEpoch, TopicPartition};

use super::RequestContext;
use crate::broker::Broker;
use crate::replica::StopOrder;

/// Applies the orders on a disk thread, because deleting means renaming directories.
pub async fn handle(
    broker: &Broker,
    _context: &RequestContext<'_>,
    request: StopReplicaRequest,
) -> StopReplicaResponse {
    if broker.fencing.is_broker_epoch_stale(BrokerEpoch(request.broker_epoch)) {
        return refused(super::control::stale_broker_epoch(broker, "StopReplica", request.broker_epoch));
    }
    let Some(replicas) = broker.replicas.clone() else { return refused(ErrorCode::BrokerNotAvailable) };
    let controller_epoch = ControllerEpoch(request.controller_epoch);
    let orders = orders(&request);
    let answers = match tokio::task::spawn_blocking(move || replicas.stop(controller_epoch, orders)).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(stale)) => {
            tracing::warn!("StopReplica of controller {} refused: {stale}", *request.controller_id);
            return refused(ErrorCode::StaleControllerEpoch);
        }
        Err(error) => {
            tracing::error!("StopReplica ended badly: {error}");
            return refused(ErrorCode::UnknownServerError);
        }
    };
    let mut response = StopReplicaResponse::default();
    response.partition_errors = answers.into_iter().map(|(partition, code)| answered(&partition, code)).collect();
    response
}

fn refused(code: ErrorCode) -> StopReplicaResponse {
    let mut response = StopReplicaResponse::default();
    response.error_code = code.code();
    response
}

fn answered(partition: &TopicPartition, code: ErrorCode) -> StopReplicaPartitionError {
    let mut error = StopReplicaPartitionError::default();
    error.topic_name = messages::TopicName(text(partition.topic.as_str()));
    error.partition_index = partition.partition;
    error.error_code = code.code();
    error
}

/// Before version 3 one flag goes for all partitions, and no leader epoch is named.
fn orders(request: &StopReplicaRequest) -> Vec<StopOrder> {
    let old = |topic: &str, partition: i32| StopOrder {
        partition: TopicPartition::new(topic, partition),
        leader_epoch: LeaderEpoch::NONE,
        delete: request.delete_partitions,
    };
    let mut orders: Vec<StopOrder> =
        request.ungrouped_partitions.iter().map(|state| old(&state.topic_name, state.partition_index)).collect();
    for topic in &request.topics {
        orders.extend(topic.partition_indexes.iter().map(|partition| old(&topic.name, *partition)));
    }
    for topic in &request.topic_states {
        orders.extend(topic.partition_states.iter().map(|state| StopOrder {
            partition: TopicPartition::new(topic.topic_name.as_str(), state.partition_index),
            leader_epoch: LeaderEpoch(state.leader_epoch),
            delete: state.delete_partition,
        }));
    }
    orders
}
