//! Puts this broker into `/brokers/ids`; the czxid of the node is the broker's epoch.
//!
//! The node of a broker killed a moment ago is still there, owned by a session the ensemble has not yet given up. If that
//! session is known to be our own (an earlier one of this process, or one the previous process left in its log directory,
//! whose lock we now hold), the node is replaced in one step. Source: contract 1.3 `/brokers/ids/N`.
//!
//! Differs from Kafka: Kafka forgets its sessions when it dies and cannot start again until the old one has timed out.

use std::time::{Duration, Instant};

use zk_schema::nodes::broker_id::BrokerRegistration;
use zk_schema::{BrokerEpoch, BrokerId, paths};

use super::request::{MultiOutcome, Op, Stat};
use super::{Error, Zk};

/// How often a node that must go by itself is looked at.
const POLL: Duration = Duration::from_millis(200);

impl Zk {
    /// Registers this broker; also after a session has ended.
    ///
    /// `dead_sessions` are sessions known to be ours and of no use any more. A node of any other session is waited for if
    /// it has our own endpoints (no other process can be listening there), for a session timeout and a half.
    ///
    /// # Errors
    /// [`Error::DuplicateBrokerId`], or what the server said.
    pub async fn register_broker(
        &self,
        broker: BrokerId,
        registration: &BrokerRegistration,
        timestamp_ms: i64,
        dead_sessions: &[i64],
    ) -> Result<BrokerEpoch, Error> {
        let path = paths::broker(broker);
        let content = registration.encode(timestamp_ms);
        let deadline = Instant::now() + self.shared.settings.session_timeout.mul_f32(1.5);
        let mut told = false;
        loop {
            let make = [
                Op::Create { path: &path, data: b"", ephemeral: true },
                Op::Set { path: &path, data: &content, expected: Some(0) },
            ];
            if let Some(stat) = self.done(&make).await? {
                return Ok(BrokerEpoch(stat.czxid));
            }
            let Some(found) = self.get(&path).await? else { continue };
            let owner = found.stat.ephemeral_owner;
            if owner == self.status().session_id {
                return Ok(BrokerEpoch(found.stat.czxid));
            }
            if dead_sessions.contains(&owner) {
                tracing::info!("Replacing {path}, left behind by our own session {owner:#x}");
                let replace = [Op::Delete { path: &path, expected: Some(found.stat.version) }, make[0], make[1]];
                if let Some(stat) = self.done(&replace).await? {
                    return Ok(BrokerEpoch(stat.czxid));
                }
                continue;
            }
            let same_place = BrokerRegistration::decode(&found.data)
                .is_ok_and(|other| !other.endpoints.is_empty() && other.endpoints == registration.endpoints);
            if !same_place || deadline < Instant::now() {
                return Err(Error::DuplicateBrokerId { broker, owner });
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!("{path} with our own address is owned by session {owner:#x}; waiting for that to end");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Replaces what the registration says; the broker epoch stays.
    ///
    /// # Errors
    /// What the server said.
    pub async fn update_registration(
        &self,
        broker: BrokerId,
        registration: &BrokerRegistration,
        timestamp_ms: i64,
    ) -> Result<(), Error> {
        self.set(&paths::broker(broker), &registration.encode(timestamp_ms), None).await.map(drop)
    }

    /// All registered brokers. Those whose node makes no sense are left out and logged.
    ///
    /// # Errors
    /// What the server said.
    pub async fn brokers(&self) -> Result<Vec<(BrokerId, BrokerRegistration)>, Error> {
        let mut brokers = Vec::new();
        for name in self.children(paths::BROKER_IDS).await?.unwrap_or_default() {
            let Ok(id) = name.parse().map(BrokerId) else { continue };
            let Some(node) = self.get(&paths::broker(id)).await? else { continue };
            match BrokerRegistration::decode(&node.data) {
                Ok(registration) => brokers.push((id, registration)),
                Err(error) => tracing::warn!("registration of broker {id} cannot be read: {error}"),
            }
        }
        Ok(brokers)
    }

    /// Does all or nothing; the stat after the last set, or `None` if it was refused.
    async fn done(&self, ops: &[Op<'_>]) -> Result<Option<Stat>, Error> {
        match self.multi(ops).await? {
            MultiOutcome::Done(stats) => Ok(stats.last().copied().flatten()),
            MultiOutcome::Refused { error: Error::Other { path, reason }, .. } => Err(Error::Other { path, reason }),
            MultiOutcome::Refused { .. } => Ok(None),
        }
    }
}
