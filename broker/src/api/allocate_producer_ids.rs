//! AllocateProducerIds: the controller gives a broker a block of producer ids.
//! Source: `KafkaController.allocateProducerIds`; contract 2.14.

use coordinator::controller::effect::{Answer, ProducerIdBlock};
use coordinator::controller::event::Request;
use wire::ErrorCode;
use wire::messages::{self, AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use zk_schema::{BrokerEpoch, BrokerId};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

/// Asks the controller.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: AllocateProducerIdsRequest,
) -> AllocateProducerIdsResponse {
    let mut response = AllocateProducerIdsResponse::default();
    match allocate(broker, context, &request).await {
        Ok(block) => {
            response.producer_id_start = messages::ProducerId(block.start);
            response.producer_id_len = block.len;
        }
        Err(code) => response.error_code = code.code(),
    }
    response
}

async fn allocate(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &AllocateProducerIdsRequest,
) -> Result<ProducerIdBlock, ErrorCode> {
    if !context.may(Operation::ClusterAction, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    let asked = Request::AllocateProducerIds {
        broker: BrokerId(*request.broker_id),
        broker_epoch: BrokerEpoch(request.broker_epoch),
    };
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(asked).await {
        Ok(Answer::AllocateProducerIds(answer)) => answer.map_err(|error| error.code()),
        Ok(_) | Err(_) => Err(ErrorCode::NotController),
    }
}
