//! The controller: one broker at a time decides who leads, who follows, and what becomes of topics.
//! Pure: it sees events and the time and answers with effects; it never touches ZooKeeper, a socket or a clock.
//! Source: contract section 2; `KafkaController.scala` in Kafka 3.9.

pub mod effect;
mod error;
pub mod event;

pub use effect::Effect;
pub use error::Error;
pub use event::Event;

use zk_schema::BrokerId;

use crate::time::Timestamp;

/// What the controller needs to know of this broker's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// `broker.id`.
    pub broker_id: BrokerId,
    /// What `inter.broker.protocol.version` allows.
    pub protocol: Protocol,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `unclean.leader.election.enable`, the cluster default.
    pub unclean_leader_election_enable: bool,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance_enable: bool,
    /// `leader.imbalance.check.interval.seconds`, in milliseconds.
    pub leader_imbalance_check_interval_ms: i64,
    /// `leader.imbalance.per.broker.percentage`.
    pub leader_imbalance_per_broker_percentage: i32,
}

impl ControllerConfig {
    /// Kafka's defaults for this broker.
    #[must_use]
    pub const fn new(broker_id: BrokerId) -> Self {
        Self {
            broker_id,
            protocol: Protocol::LATEST,
            delete_topic_enable: true,
            unclean_leader_election_enable: false,
            auto_leader_rebalance_enable: true,
            leader_imbalance_check_interval_ms: 300_000,
            leader_imbalance_per_broker_percentage: 10,
        }
    }
}

/// What the decider may do, by `inter.broker.protocol.version` (contract, appendix A). Request versions are the shell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// `/feature` is enabled: 2.7-IV0.
    pub feature_versioning: bool,
    /// `/feature` is written in its version 2: 3.3-IV0.
    pub feature_node_v2: bool,
    /// Leaders send AlterPartition instead of writing state themselves: 2.7-IV2.
    pub alter_partition: bool,
    /// Topics get ids: 2.8-IV0.
    pub topic_ids: bool,
    /// Unclean elections are recorded as recovering: 3.2-IV0.
    pub leader_recovery: bool,
}

impl Protocol {
    /// Everything, as from 3.3-IV0 on.
    pub const LATEST: Self = Self {
        feature_versioning: true,
        feature_node_v2: true,
        alter_partition: true,
        topic_ids: true,
        leader_recovery: true,
    };
}

/// The controller decider. Lives as long as the broker; idle until [`Event::Elected`].
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
}

impl Controller {
    /// An idle controller.
    #[must_use]
    pub const fn new(config: ControllerConfig) -> Self {
        Self { config }
    }

    /// Takes in one event and says what is to be done about it, in order.
    #[must_use]
    pub fn handle(&mut self, event: Event, _now: Timestamp) -> Vec<Effect> {
        if let Event::ConfigChanged(config) = event {
            self.config = *config;
        }
        Vec::new()
    }

    /// Whether this broker is the controller.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        false
    }
}
