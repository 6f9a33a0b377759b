//! What the controller's three orders have in common. Holds no state.

use wire::ErrorCode;

use crate::broker::Broker;

/// Refuses an order meant for an earlier registration of this broker.
pub(super) fn stale_broker_epoch(broker: &Broker, order: &str, ordered: i64) -> ErrorCode {
    tracing::info!(
        "{order} refused: broker epoch {ordered} is older than the current broker epoch {}",
        broker.fencing.broker_epoch()
    );
    ErrorCode::StaleBrokerEpoch
}
