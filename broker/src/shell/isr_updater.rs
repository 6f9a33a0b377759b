//! Carries the ISRs that leaders propose to the controller, all that wait in one request, one request at a time.
//! Source: contract 2.10; `DefaultAlterPartitionManager`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wire::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use wire::messages::alter_partition_response::PartitionData as Decided;
use wire::messages::{self, AlterPartitionRequest, AlterPartitionResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, LeaderEpoch, PartitionEpoch, TopicId, TopicPartition};

use super::controller_client::ControllerClient;
use crate::clock::Clock;
use crate::metadata::Fencing;
use crate::replica::{IsrDecision, IsrProposal, IsrUpdater, ReplicaManager};

/// Pause after a request that did not get through.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The last version that names topics instead of their ids.
const LAST_WITH_NAMES: i16 = 1;

/// Proposals that wait to be sent, at most one per partition.
#[derive(Default)]
pub struct Proposals {
    waiting: Mutex<BTreeMap<TopicPartition, IsrProposal>>,
    arrived: Notify,
}

impl Proposals {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, IsrProposal>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A proposal was answered. One that has taken its place meanwhile, under another epoch, still waits: without an
    /// answer of its own its partition would never propose again.
    fn settle(&self, answered: &IsrProposal) {
        let mut waiting = self.lock();
        if waiting.get(&answered.partition) == Some(answered) {
            waiting.remove(&answered.partition);
        }
    }

    /// Whether any of these waits still, or again.
    fn contains_any(&self, proposals: &[IsrProposal]) -> bool {
        let waiting = self.lock();
        proposals.iter().any(|proposal| waiting.get(&proposal.partition) == Some(proposal))
    }
}

impl IsrUpdater for Proposals {
    fn propose(&self, proposal: IsrProposal) {
        self.lock().insert(proposal.partition.clone(), proposal);
        self.arrived.notify_one();
    }
}

/// Sends proposals and brings the answers back.
pub struct Sender {
    /// Who proposes.
    pub broker: BrokerId,
    /// What waits to be sent.
    pub proposals: Arc<Proposals>,
    /// Whom to ask.
    pub controller: Arc<ControllerClient>,
    /// Our registration.
    pub fencing: Arc<Fencing>,
    /// Whom to answer.
    pub replicas: Arc<ReplicaManager>,
    /// The clock.
    pub clock: Arc<Clock>,
}

impl Sender {
    /// Sends for ever; ends when the task is aborted.
    pub async fn run(self) {
        loop {
            let arrived = self.proposals.arrived.notified();
            let batch: Vec<IsrProposal> = self.proposals.lock().values().cloned().collect();
            if batch.is_empty() {
                arrived.await;
                continue;
            }
            if let Err(why) = self.send(&batch).await {
                tracing::warn!("ISR changes are not with the controller yet: {why}");
            }
            // Not through, passed over, or refused for now.
            if self.proposals.contains_any(&batch) {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    async fn send(&self, batch: &[IsrProposal]) -> Result<(), String> {
        let all_have_ids = batch.iter().all(|proposal| proposal.topic_id.is_some_and(TopicId::is_known));
        let newest = if all_have_ids { i16::MAX } else { LAST_WITH_NAMES };
        let version = self.controller.version_of::<AlterPartitionRequest>(newest).await;
        let version = version.map_err(|error| error.to_string())?;
        let request = self.request(batch, version);
        let response = self.controller.call(&request, version).await.map_err(|error| error.to_string())?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                self.answer(batch, &response, version);
                Ok(())
            }
            code => {
                self.controller.forget().await;
                Err(format!("the controller says {}", code.name()))
            }
        }
    }

    fn request(&self, batch: &[IsrProposal], version: i16) -> AlterPartitionRequest {
        let mut topics: BTreeMap<&str, TopicData> = BTreeMap::new();
        for proposal in batch {
            let name = proposal.partition.topic.as_str();
            let topic = topics.entry(name).or_insert_with(|| {
                let mut topic = TopicData::default();
                if version <= LAST_WITH_NAMES {
                    topic.topic_name = messages::TopicName(text(name));
                } else {
                    topic.topic_id = proposal.topic_id.unwrap_or(TopicId::ZERO).0;
                }
                topic
            });
            topic.partitions.push(partition(proposal, version));
        }
        let mut request = AlterPartitionRequest::default();
        request.broker_id = messages::BrokerId(self.broker.0);
        request.broker_epoch = self.fencing.broker_epoch().0;
        request.topics = topics.into_values().collect();
        request
    }

    /// Tells each partition what became of its proposal. One the controller passed over is sent again.
    fn answer(&self, batch: &[IsrProposal], response: &AlterPartitionResponse, version: i16) {
        for proposal in batch {
            let of_topic = response.topics.iter().filter(|topic| {
                if version <= LAST_WITH_NAMES {
                    topic.topic_name.as_str() == proposal.partition.topic.as_str()
                } else {
                    Some(TopicId(topic.topic_id)) == proposal.topic_id
                }
            });
            let mut decided = of_topic.flat_map(|topic| &topic.partitions);
            let index = proposal.partition.partition;
            let Some(decided) = decided.find(|decided| decided.partition_index == index) else { continue };
            // Out of the way first, as the partition may propose again at once.
            self.proposals.settle(proposal);
            self.replicas.on_isr_answer(proposal, decision(decided), self.clock.now_ms());
        }
    }
}

fn partition(proposal: &IsrProposal, version: i16) -> PartitionData {
    let mut data = PartitionData::default();
    data.partition_index = proposal.partition.partition;
    data.leader_epoch = proposal.leader_epoch.0;
    data.partition_epoch = proposal.partition_epoch.0;
    if 1 <= version {
        data.leader_recovery_state = proposal.leader_recovery_state;
    }
    let isr = proposal.isr.iter().map(|id| messages::BrokerId(id.0));
    if version < 3 {
        data.new_isr = isr.collect();
    } else {
        data.new_isr_with_epochs = isr
            .map(|id| {
                let mut state = BrokerState::default();
                state.broker_id = id;
                state.broker_epoch = -1;
                state
            })
            .collect();
    }
    data
}

fn decision(decided: &Decided) -> Result<IsrDecision, ErrorCode> {
    match ErrorCode::from_code(decided.error_code) {
        ErrorCode::None => Ok(IsrDecision {
            leader: BrokerId(*decided.leader_id),
            leader_epoch: LeaderEpoch(decided.leader_epoch),
            isr: decided.isr.iter().map(|id| BrokerId(**id)).collect(),
            partition_epoch: PartitionEpoch(decided.partition_epoch),
        }),
        code => Err(code),
    }
}

#[cfg(test)]
mod tests {
    use zk_schema::ControllerEpoch;

    use super::*;

    fn proposal(leader_epoch: i32) -> IsrProposal {
        IsrProposal {
            partition: TopicPartition::new("t", 0),
            topic_id: None,
            leader_epoch: LeaderEpoch(leader_epoch),
            partition_epoch: PartitionEpoch(0),
            controller_epoch: ControllerEpoch(1),
            isr: [BrokerId(1)].into(),
            leader_recovery_state: 0,
        }
    }

    #[test]
    fn the_answer_to_an_older_proposal_leaves_the_newer_waiting() {
        let proposals = Proposals::default();
        proposals.propose(proposal(1));
        let sent = [proposal(1)];
        proposals.propose(proposal(2));
        proposals.settle(&sent[0]);
        assert!(!proposals.contains_any(&sent));
        assert!(proposals.contains_any(&[proposal(2)]));
        proposals.settle(&proposal(2));
        assert!(!proposals.contains_any(&[proposal(2)]));
    }
}
