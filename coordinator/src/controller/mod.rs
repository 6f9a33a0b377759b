//! The controller: one broker at a time decides who leads, who follows, and what becomes of topics.
//! Pure: it sees events and the time and answers with effects; it never touches ZooKeeper, a socket or a clock.
//! Source: contract section 2; `KafkaController.scala` in Kafka 3.9.

mod active;
mod admin;
mod agenda;
pub mod assignment;
mod balance;
mod brokers;
mod cluster;
mod deletion;
pub mod effect;
mod election;
mod error;
pub mod event;
mod failover;
mod invariants;
mod isr;
mod orders;
mod partition_state;
mod reassignment;
mod refusal;
mod replica_state;
mod state;
mod topic_ids;
mod topics;
mod znodes;

pub use effect::Effect;
pub use error::Error;
pub use event::Event;
pub use state::{ControllerState, Metrics};

use zk_schema::{BrokerId, ControllerEpoch};

use crate::time::Timestamp;
use active::{Active, Ending};

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
    active: Option<Box<Active>>,
    last_request: u64,
    /// Of all earlier terms.
    unclean_elections: u64,
}

impl Controller {
    /// An idle controller.
    #[must_use]
    pub const fn new(config: ControllerConfig) -> Self {
        Self { config, active: None, last_request: 0, unclean_elections: 0 }
    }

    /// Takes in one event and says what is to be done about it, in order.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Elected(elected) => {
                let mut effects = self.leave();
                let active = Active::new(self.config.clone(), &elected, self.last_request, now);
                self.active = Some(Box::new(active));
                effects.extend(self.work());
                effects
            }
            Event::Lost => self.leave(),
            Event::ConfigChanged(config) => {
                self.config = *config;
                if let Some(active) = &mut self.active {
                    active.config = self.config.clone();
                }
                Vec::new()
            }
            event => self.pass_on(event, now),
        }
    }

    fn pass_on(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match (&mut self.active, event) {
            (Some(active), event) => {
                active.take_in(event, now);
                self.work()
            }
            (None, Event::Request { token, request }) => {
                vec![Effect::Answer { token, answer: refusal::not_controller(&request) }]
            }
            (None, _) => Vec::new(),
        }
    }

    fn work(&mut self) -> Vec<Effect> {
        let Some(active) = &mut self.active else { return Vec::new() };
        active.work();
        let mut effects = active.take_effects();
        if let Some(ending) = active.ending() {
            let epoch_version = active.epoch_version;
            effects.extend(self.leave());
            effects.push(Effect::Resign { epoch_version, delete_controller: ending == Ending::Broken });
        }
        effects
    }

    /// Forgets everything about the term in office.
    fn leave(&mut self) -> Vec<Effect> {
        let Some(mut active) = self.active.take() else { return Vec::new() };
        self.last_request = active.last_request();
        self.unclean_elections += active.unclean_elections;
        active.dismiss();
        active.take_effects()
    }

    /// Whether this broker is the controller.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// The epoch of the term in office.
    #[must_use]
    pub fn controller_epoch(&self) -> Option<ControllerEpoch> {
        self.active.as_ref().map(|active| active.controller_epoch)
    }

    /// Whether no event is being worked on or waits: the moment to look at what was decided.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.active.as_ref().is_none_or(|active| active.is_idle())
    }

    /// What it is working on.
    #[must_use]
    pub fn state(&self) -> ControllerState {
        self.active.as_ref().map_or(ControllerState::Idle, |active| active.state)
    }

    /// How many events wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.queue_len())
    }

    /// Numbers for the metrics of contract 6.1; all zero (but for unclean elections) when not in office.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let earlier = self.unclean_elections;
        let mut metrics = self.active.as_ref().map(|active| active.metrics()).unwrap_or_default();
        metrics.unclean_elections += earlier;
        metrics
    }

    /// Checks what must hold between events.
    ///
    /// # Errors
    /// What does not.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.active.as_ref().map_or(Ok(()), |active| active.check_invariants())
    }
}
