//! ConsumerGroupHeartbeat: the newer group protocol, which a broker in ZooKeeper mode advertises but does not speak.
//! Source: `KafkaApis.handleConsumerGroupHeartbeat` with the classic coordinator.

use wire::ErrorCode;
use wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::RequestContext;
use crate::broker::Broker;

/// Always `UNSUPPORTED_VERSION`.
pub async fn handle(
    _: &Broker,
    _: &RequestContext<'_>,
    _: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(ErrorCode::UnsupportedVersion.code())
}
