//! InitProducerId without a transactional id: a fresh id for an idempotent producer.
//! Source: `KafkaApis.handleInitProducerIdRequest`, `TransactionCoordinator.handleInitProducerId`.

use wire::ErrorCode;
use wire::messages::{self, InitProducerIdRequest, InitProducerIdResponse};
use zk_schema::ProducerId;

use super::RequestContext;
use super::access::{Operation, Resource};
use crate::broker::Broker;

/// Gives a producer its id. Transactions have no coordinator here yet.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let mut response = InitProducerIdResponse::default();
    match producer_id(broker, context, &request).await {
        Ok(id) => {
            response.producer_id = messages::ProducerId(id.0);
            response.producer_epoch = 0;
        }
        Err(code) => {
            response.error_code = code.code();
            response.producer_id = messages::ProducerId(ProducerId::NONE.0);
            response.producer_epoch = -1;
        }
    }
    response
}

async fn producer_id(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &InitProducerIdRequest,
) -> Result<ProducerId, ErrorCode> {
    if let Some(id) = &request.transactional_id {
        if !context.may(Operation::Write, Resource::TransactionalId(id)) {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        return Err(if id.is_empty() { ErrorCode::InvalidRequest } else { ErrorCode::CoordinatorNotAvailable });
    }
    if !context.may(Operation::IdempotentWrite, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    // Either both are known from before, or neither.
    if (*request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    let ids = broker.producer_ids.as_ref().ok_or(ErrorCode::CoordinatorNotAvailable)?;
    ids.next().await
}
