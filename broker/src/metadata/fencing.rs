//! Refuses orders meant for an earlier registration of this broker. Orders of a controller that has been replaced are
//! refused by the replica manager. Source: contract 3.4; `KafkaApis.isBrokerEpochStale`.

use std::sync::atomic::{AtomicI64, Ordering};

use zk_schema::BrokerEpoch;

/// The epoch of this broker's registration.
#[derive(Debug)]
pub struct Fencing {
    broker_epoch: AtomicI64,
}

impl Default for Fencing {
    fn default() -> Self {
        Self { broker_epoch: AtomicI64::new(BrokerEpoch::NONE.0) }
    }
}

impl Fencing {
    /// This broker's epoch; [`BrokerEpoch::NONE`] before it is registered.
    #[must_use]
    pub fn broker_epoch(&self) -> BrokerEpoch {
        BrokerEpoch(self.broker_epoch.load(Ordering::Acquire))
    }

    /// This broker was registered.
    pub fn set_broker_epoch(&self, epoch: BrokerEpoch) {
        self.broker_epoch.store(epoch.0, Ordering::Release);
    }

    /// Whether an order was meant for an earlier registration. A newer one than ours means that the answer to our
    /// registration is still on its way; orders too old to name one are taken.
    #[must_use]
    pub fn is_broker_epoch_stale(&self, ordered: BrokerEpoch) -> bool {
        ordered != BrokerEpoch::NONE && ordered < self.broker_epoch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_orders_for_an_earlier_registration_are_stale() {
        let fencing = Fencing::default();
        fencing.set_broker_epoch(BrokerEpoch(10));
        assert!(fencing.is_broker_epoch_stale(BrokerEpoch(9)));
        for fine in [10, 11, -1] {
            assert!(!fencing.is_broker_epoch_stale(BrokerEpoch(fine)));
        }
    }
}
