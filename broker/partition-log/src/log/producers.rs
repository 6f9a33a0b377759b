//! What others ask a log about its producers and transactions.
//! Source: `UnifiedLog.maybeStartTransactionVerification`, `activeProducers`, `hasLateTransaction` in Kafka 3.9.

use std::sync::atomic::Ordering;

use zk_schema::types::{ProducerEpoch, ProducerId};

use super::Log;
use crate::producer_state::{ActiveProducer, VerificationGuard};

/// How much longer than allowed a transaction may be open before it counts as late.
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60 * 1000;

impl Log {
    /// A guard to verify the producer's transaction with, and then to append its first batch with;
    /// [`VerificationGuard::NONE`] if the transaction is open here already.
    pub fn start_transaction_verification(
        &self,
        producer_id: ProducerId,
        sequence: i32,
        epoch: ProducerEpoch,
        now_ms: i64,
    ) -> VerificationGuard {
        self.writer().producers.start_verification(producer_id, sequence, epoch, now_ms)
    }

    /// Whether the producer has an open transaction here.
    #[must_use]
    pub fn has_ongoing_transaction(&self, producer_id: ProducerId) -> bool {
        self.writer().producers.has_ongoing_transaction(producer_id)
    }

    /// All producers known.
    #[must_use]
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        self.writer().producers.active_producers()
    }

    /// How many producers are known.
    #[must_use]
    pub fn producer_id_count(&self) -> usize {
        self.writer().producers.len()
    }

    /// Whether a transaction has been open longer than any may be.
    #[must_use]
    pub fn has_late_transaction(&self, now_ms: i64) -> bool {
        let allowed_ms =
            self.settings.transaction_max_timeout_ms.load(Ordering::Relaxed).saturating_add(LATE_TRANSACTION_BUFFER_MS);
        let oldest = self.writer().producers.oldest_transaction_timestamp();
        oldest.is_some_and(|timestamp| 0 < timestamp && allowed_ms < now_ms.saturating_sub(timestamp))
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub fn remove_expired_producers(&self, now_ms: i64) {
        let expiration_ms = self.settings.producer_id_expiration_ms.load(Ordering::Relaxed);
        self.writer().producers.expire(now_ms.saturating_sub(expiration_ms));
    }
}
