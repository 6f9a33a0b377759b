//! What the controller tells of itself: which kind of event it works on, and the numbers behind Kafka's metrics.
//! Source: contract 2.2 and 6.1; `ControllerState` and `KafkaController.updateMetrics` in Kafka 3.9.

use super::active::Active;
use super::cluster::TopicIndex;
use super::partition_state::PartitionState;
use super::replica_state::ReplicaState;

/// What the controller is working on. The numbers are those of the `ControllerState` gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ControllerState {
    /// Nothing, or something without a number of its own.
    #[default]
    Idle = 0,
    /// Taking office.
    ControllerChange = 1,
    /// Brokers coming and going.
    BrokerChange = 2,
    /// Topics appearing, growing or vanishing.
    TopicChange = 3,
    /// Deleting topics.
    TopicDeletion = 4,
    /// Moving replicas.
    AlterPartitionReassignment = 5,
    /// Electing preferred leaders by itself.
    AutoLeaderBalance = 6,
    /// Electing leaders on request.
    ManualLeaderBalance = 7,
    /// Handing on what a stopping broker leads.
    ControlledShutdown = 8,
    /// Changing ISRs.
    IsrChange = 9,
    /// Reading a broker's answer to LeaderAndIsr.
    LeaderAndIsrResponseReceived = 10,
    /// Finding out which replicas lost their log directory.
    LogDirChange = 11,
    /// Electing uncleanly now that it is allowed.
    UncleanLeaderElectionEnable = 13,
    /// The same for one topic.
    TopicUncleanLeaderElectionEnable = 14,
    /// Listing moves.
    ListPartitionReassignment = 15,
    /// Changing finalised features.
    UpdateFeatures = 17,
}

impl ControllerState {
    /// The timer this state's time is measured under, if it has one.
    #[must_use]
    pub const fn timer_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Idle => return None,
            Self::ControllerChange => "ControllerChangeRateAndTimeMs",
            Self::BrokerChange => "LeaderElectionRateAndTimeMs",
            Self::TopicChange => "TopicChangeRateAndTimeMs",
            Self::TopicDeletion => "TopicDeletionRateAndTimeMs",
            Self::AlterPartitionReassignment => "PartitionReassignmentRateAndTimeMs",
            Self::AutoLeaderBalance => "AutoLeaderBalanceRateAndTimeMs",
            Self::ManualLeaderBalance => "ManualLeaderBalanceRateAndTimeMs",
            Self::ControlledShutdown => "ControlledShutdownRateAndTimeMs",
            Self::IsrChange => "IsrChangeRateAndTimeMs",
            Self::LeaderAndIsrResponseReceived => "LeaderAndIsrResponseReceivedRateAndTimeMs",
            Self::LogDirChange => "LogDirChangeRateAndTimeMs",
            Self::UncleanLeaderElectionEnable => "UncleanLeaderElectionEnableRateAndTimeMs",
            Self::TopicUncleanLeaderElectionEnable => "TopicUncleanLeaderElectionEnableRateAndTimeMs",
            Self::ListPartitionReassignment => "ListPartitionReassignmentRateAndTimeMs",
            Self::UpdateFeatures => "UpdateFeaturesRateAndTimeMs",
        })
    }
}

/// The numbers behind the gauges and meters of contract 6.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// ActiveControllerCount: 1 in office, else 0.
    pub active_controllers: usize,
    /// OfflinePartitionsCount.
    pub offline_partitions: usize,
    /// PreferredReplicaImbalanceCount.
    pub imbalanced_partitions: usize,
    /// GlobalTopicCount.
    pub topics: usize,
    /// GlobalPartitionCount: partitions that have had a leader.
    pub partitions: usize,
    /// ActiveBrokerCount.
    pub brokers: usize,
    /// TopicsToDeleteCount.
    pub topics_to_delete: usize,
    /// ReplicasToDeleteCount.
    pub replicas_to_delete: usize,
    /// TopicsIneligibleToDeleteCount.
    pub topics_ineligible_to_delete: usize,
    /// ReplicasIneligibleToDeleteCount.
    pub replicas_ineligible_to_delete: usize,
    /// UncleanLeaderElectionsPerSec counts these; only grows.
    pub unclean_elections: u64,
}

impl Active {
    /// Costs as much as there are partitions without a leader and replicas being deleted.
    pub(super) fn metrics(&self) -> Metrics {
        let cluster = &self.cluster;
        let is_offline =
            |topic: &TopicIndex, state| state == PartitionState::Offline && !cluster.deletion_started.contains(topic);
        let offline = cluster.unled().iter().filter(|key| is_offline(&key.topic, cluster.state(**key)));
        let dying: Vec<ReplicaState> = cluster
            .deleting
            .iter()
            .flat_map(|&topic| cluster.replicas_of(topic))
            .map(|(broker, key)| cluster.replica_state(broker, key))
            .collect();
        Metrics {
            active_controllers: 1,
            offline_partitions: offline.count(),
            imbalanced_partitions: cluster.imbalanced_count(),
            topics: cluster.topic_count(),
            partitions: cluster.led_count(),
            brokers: cluster.brokers().len(),
            topics_to_delete: cluster.deleting.len(),
            replicas_to_delete: dying.iter().filter(|state| **state != ReplicaState::DeletionSuccessful).count(),
            topics_ineligible_to_delete: cluster.deletion_halted.len(),
            replicas_ineligible_to_delete: dying
                .iter()
                .filter(|state| **state == ReplicaState::DeletionIneligible)
                .count(),
            unclean_elections: self.unclean_elections,
        }
    }
}
