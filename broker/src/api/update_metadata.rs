//! UpdateMetadata: the controller tells what the cluster looks like.
//! Source: `KafkaApis.handleUpdateMetadataRequest`; contract 3.5.

use wire::ErrorCode;
use wire::messages::{UpdateMetadataRequest, UpdateMetadataResponse};
use zk_schema::{BrokerEpoch, ControllerEpoch};

use super::RequestContext;
use crate::broker::Broker;

/// Applies what the controller says, unless it has been replaced or means an earlier registration of ours.
pub async fn handle(
    broker: &Broker,
    _context: &RequestContext<'_>,
    request: UpdateMetadataRequest,
) -> UpdateMetadataResponse {
    let mut response = UpdateMetadataResponse::default();
    response.error_code = apply(broker, &request).code();
    response
}

fn apply(broker: &Broker, request: &UpdateMetadataRequest) -> ErrorCode {
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
    }
    ErrorCode::None
}
