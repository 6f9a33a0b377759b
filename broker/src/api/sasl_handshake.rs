//! SaslHandshake outside of an authentication: on a listener without SASL, or once authenticated.
//! Source: `KafkaApis.handleSaslHandshakeRequest`.

use wire::ErrorCode;
use wire::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::RequestContext;
use crate::broker::Broker;

/// Always out of place here.
pub async fn handle(_: &Broker, _: &RequestContext<'_>, _: SaslHandshakeRequest) -> SaslHandshakeResponse {
    SaslHandshakeResponse::default().with_error_code(ErrorCode::IllegalSaslState.code())
}
