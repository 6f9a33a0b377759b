//! `/brokers/topics/T/partitions/P/state`: who leads a partition and who is in sync. The node's zkVersion is the
//! partition epoch. Source: `kafka.zk.TopicPartitionStateZNode`.

use crate::json::{Document, Error, Json};
use crate::{BrokerId, ControllerEpoch, LeaderEpoch};

const NODE: &str = "/brokers/topics/T/partitions/P/state";

/// Whether the leader was elected from outside the ISR and has not yet told that it made its log good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// The usual state.
    #[default]
    Recovered,
    /// After an unclean election.
    Recovering,
}

impl LeaderRecoveryState {
    /// The number znodes and the wire protocol use.
    #[must_use]
    pub fn code(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }
}

/// Content of a partition's `state` node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Epoch of the controller that last wrote the node.
    pub controller_epoch: ControllerEpoch,
    /// The leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Grows with every change the controller makes.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Whether an unclean election is still to be recovered from.
    pub leader_recovery_state: LeaderRecoveryState,
}

impl PartitionState {
    /// The bytes to write.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields: Vec<(&str, Json)> = vec![
            ("controller_epoch", self.controller_epoch.0.into()),
            ("leader", self.leader.into()),
            ("version", 1.into()),
        ];
        if self.leader_recovery_state != LeaderRecoveryState::Recovered {
            fields.push(("leader_recovery_state", i32::from(self.leader_recovery_state.code()).into()));
        }
        fields.push(("leader_epoch", self.leader_epoch.0.into()));
        fields.push(("isr", Json::list(self.isr.iter().copied())));
        Json::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()).encode()
    }

    /// Reads the one version there is.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        let leader_recovery_state = match object.get("leader_recovery_state") {
            Some(field) => i8::try_from(field.int()?)
                .ok()
                .and_then(LeaderRecoveryState::from_code)
                .ok_or_else(|| field.invalid("neither 0 nor 1"))?,
            None => LeaderRecoveryState::Recovered,
        };
        Ok(Self {
            controller_epoch: ControllerEpoch(object.require("controller_epoch")?.int()?),
            leader: BrokerId(object.require("leader")?.int()?),
            leader_epoch: LeaderEpoch(object.require("leader_epoch")?.int()?),
            isr: object.require("isr")?.list_of(|field| field.int().map(BrokerId))?,
            leader_recovery_state,
        })
    }
}
