//! LeaderAndIsr: the controller orders partitions to lead or to follow.
//! Source: `KafkaApis.handleLeaderAndIsrRequest`, `ReplicaManager.becomeLeaderOrFollower`; contract 3.5.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::messages::leader_and_isr_request::LeaderAndIsrPartitionState;
use wire::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use wire::messages::{self, LeaderAndIsrRequest, LeaderAndIsrResponse};
use wire::{ErrorCode, text};
use zk_schema::{
    BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId, TopicName, TopicPartition,
};

use super::RequestContext;
use crate::broker::Broker;
use crate::replica::PartitionOrder;

/// From this version on answers name topics by their ids.
const TOPIC_IDS: i16 = 5;

/// Applies the orders on a disk thread, because each new replica is a directory to be made.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: LeaderAndIsrRequest,
) -> LeaderAndIsrResponse {
    if broker.fencing.is_broker_epoch_stale(BrokerEpoch(request.broker_epoch)) {
        return refused(super::control::stale_broker_epoch(broker, "LeaderAndIsr", request.broker_epoch));
    }
    let Some(replicas) = broker.replicas.clone() else { return refused(ErrorCode::BrokerNotAvailable) };
    let controller_epoch = ControllerEpoch(request.controller_epoch);
    let orders = orders(&request);
    let ids: BTreeMap<TopicName, TopicId> =
        orders.iter().filter_map(|order| Some((order.partition.topic.clone(), order.topic_id?))).collect();
    if let Some(zk) = &broker.zk {
        let topics = orders.iter().map(|order| order.partition.topic.clone());
        if let Err(error) = broker.topic_configs.load_missing(zk, topics).await {
            tracing::error!("topic configs cannot be read, defaults are used: {error}");
        }
    }
    let named: Vec<TopicPartition> = orders.iter().map(|order| order.partition.clone()).collect();
    let clock = Arc::clone(&broker.clock);
    let applied = tokio::task::spawn_blocking(move || replicas.apply(controller_epoch, orders, clock.now_ms())).await;
    let answers = match applied {
        Ok(Ok(answers)) => answers,
        Ok(Err(stale)) => {
            tracing::warn!("LeaderAndIsr of controller {} refused: {stale}", *request.controller_id);
            let answers = named.into_iter().map(|partition| (partition, ErrorCode::StaleControllerEpoch)).collect();
            let mut response = answered(context.version(), answers, &ids);
            response.error_code = ErrorCode::StaleControllerEpoch.code();
            return response;
        }
        Err(error) => {
            tracing::error!("LeaderAndIsr ended badly: {error}");
            return refused(ErrorCode::UnknownServerError);
        }
    };
    answered(context.version(), answers, &ids)
}

fn refused(code: ErrorCode) -> LeaderAndIsrResponse {
    let mut response = LeaderAndIsrResponse::default();
    response.error_code = code.code();
    response
}

fn orders(request: &LeaderAndIsrRequest) -> Vec<PartitionOrder> {
    let ungrouped = request.ungrouped_partition_states.iter();
    let mut orders: Vec<PartitionOrder> =
        ungrouped.map(|state| order(TopicName::new(&state.topic_name), None, state)).collect();
    for topic in &request.topic_states {
        let name = TopicName::new(&topic.topic_name);
        let id = Some(TopicId(topic.topic_id)).filter(|id| id.is_known());
        orders.extend(topic.partition_states.iter().map(|state| order(name.clone(), id, state)));
    }
    orders
}

fn order(topic: TopicName, topic_id: Option<TopicId>, state: &LeaderAndIsrPartitionState) -> PartitionOrder {
    let ids = |ids: &[messages::BrokerId]| ids.iter().map(|id| BrokerId(**id)).collect();
    PartitionOrder {
        partition: TopicPartition { topic, partition: state.partition_index },
        topic_id,
        controller_epoch: ControllerEpoch(state.controller_epoch),
        leader: BrokerId(*state.leader),
        leader_epoch: LeaderEpoch(state.leader_epoch),
        isr: ids(&state.isr),
        partition_epoch: PartitionEpoch(state.partition_epoch),
        replicas: ids(&state.replicas),
        adding_replicas: ids(&state.adding_replicas),
        removing_replicas: ids(&state.removing_replicas),
        is_new: state.is_new,
        leader_recovery_state: state.leader_recovery_state,
    }
}

fn answered(
    version: i16,
    answers: Vec<(TopicPartition, ErrorCode)>,
    ids: &BTreeMap<TopicName, TopicId>,
) -> LeaderAndIsrResponse {
    let mut response = LeaderAndIsrResponse::default();
    let mut topics: BTreeMap<TopicId, Vec<LeaderAndIsrPartitionError>> = BTreeMap::new();
    for (partition, code) in answers {
        let mut error = LeaderAndIsrPartitionError::default();
        error.partition_index = partition.partition;
        error.error_code = code.code();
        if version < TOPIC_IDS {
            error.topic_name = messages::TopicName(text(partition.topic.as_str()));
            response.partition_errors.push(error);
        } else {
            let id = ids.get(&partition.topic).copied().unwrap_or(TopicId::ZERO);
            topics.entry(id).or_default().push(error);
        }
    }
    for (id, partition_errors) in topics {
        let mut topic = LeaderAndIsrTopicError::default();
        topic.topic_id = id.0;
        topic.partition_errors = partition_errors;
        response.topics.push(topic);
    }
    response
}
