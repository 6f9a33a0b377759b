//! UpdateMetadata: the controller tells what the cluster looks like.
//! Source: `KafkaApis.handleUpdateMetadataRequest`; contract 3.5.

use std::collections::BTreeSet;

use wire::ErrorCode;
use wire::messages::{UpdateMetadataRequest, UpdateMetadataResponse};
use zk_schema::types::CONSUMER_OFFSETS;
use zk_schema::{BrokerEpoch, ControllerEpoch, TopicPartition};

use super::RequestContext;
use crate::broker::Broker;
use crate::shell::group::GroupCoordinator;

/// Applies what the controller says, unless it has been replaced or means an earlier registration of ours.
pub async fn handle(
    broker: &Broker,
    _context: &RequestContext<'_>,
    request: UpdateMetadataRequest,
) -> UpdateMetadataResponse {
    let mut deleted = BTreeSet::new();
    let code = apply(broker, &request, &mut deleted);
    if let Some(groups) = &broker.groups {
        tell_groups(broker, groups, &deleted).await;
    }
    let mut response = UpdateMetadataResponse::default();
    response.error_code = code.code();
    response
}

/// Groups lie where the partition count of their topic says, and remember nothing of partitions that are gone.
async fn tell_groups(broker: &Broker, groups: &GroupCoordinator, deleted: &BTreeSet<TopicPartition>) {
    let partition_count = broker.metadata.snapshot().partition_count(CONSUMER_OFFSETS);
    if let Some(count) = i32::try_from(partition_count).ok().filter(|count| *count > 0) {
        groups.set_partition_count(count);
    }
    if !deleted.is_empty() {
        groups.partitions_deleted(deleted).await;
    }
}

fn apply(broker: &Broker, request: &UpdateMetadataRequest, all_deleted: &mut BTreeSet<TopicPartition>) -> ErrorCode {
    if broker.fencing.is_broker_epoch_stale(BrokerEpoch(request.broker_epoch)) {
        return super::control::stale_broker_epoch(broker, "UpdateMetadata", request.broker_epoch);
    }
    let Some(replicas) = &broker.replicas else { return ErrorCode::BrokerNotAvailable };
    if let Err(stale) = replicas.check_controller(ControllerEpoch(request.controller_epoch)) {
        tracing::warn!("UpdateMetadata of controller {} refused: {stale}", *request.controller_id);
        return ErrorCode::StaleControllerEpoch;
    }
    for deleted in broker.metadata.update(request) {
        if broker.metadata.snapshot().topic(deleted.topic.as_str()).is_none() {
            broker.topic_configs.forget(&deleted.topic);
        }
        all_deleted.insert(deleted);
    }
    ErrorCode::None
}
