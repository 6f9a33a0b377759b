//! A broker as the controller sees it: obeys orders by Kafka's rules, and proposes ISRs for what it leads.
//! Keeps no records; a follower counts as caught up when it follows the same leader under the same epoch.
//! Source: contract 3.5 and 3.7.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::controller::effect::{LEADER_DURING_DELETE, LeaderAndIsr, MetadataBody, StopReplica};
use coordinator::controller::event::{
    LeaderRecovery, OrderAnswer, OrderError, ProposedIsr, StopReplicaAnswer, TopicRef,
};
use zk_schema::{BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicPartition};

/// A replica this broker hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    pub isr: Vec<BrokerId>,
    pub partition_epoch: PartitionEpoch,
    pub replicas: Vec<BrokerId>,
    pub recovery: LeaderRecovery,
    /// A proposal without an answer, sent again as it was.
    pub pending: Option<ProposedIsr>,
}

/// What a broker's cache says about a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    pub isr: Vec<BrokerId>,
    pub replicas: Vec<BrokerId>,
    pub offline: Vec<BrokerId>,
}

/// What a broker process remembers; logs survive it.
#[derive(Clone, Debug, Default)]
pub struct Broker {
    pub controller_epoch: ControllerEpochSeen,
    pub replicas: BTreeMap<TopicPartition, Replica>,
    pub logs: BTreeSet<TopicPartition>,
    pub offline_logs: BTreeSet<TopicPartition>,
    pub cache: BTreeMap<TopicPartition, Cached>,
    pub live: BTreeSet<BrokerId>,
}

/// The largest controller epoch seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControllerEpochSeen(i32);

impl Broker {
    /// The process is gone; the disk is not.
    pub fn forget(&mut self) {
        let logs = std::mem::take(&mut self.logs);
        *self = Self { logs, ..Self::default() };
    }

    fn check(
        &mut self,
        own: BrokerEpoch,
        meant: BrokerEpoch,
        controller_epoch: ControllerEpoch,
    ) -> Result<(), OrderError> {
        if meant != BrokerEpoch::NONE && meant < own {
            return Err(OrderError::StaleBrokerEpoch);
        }
        if controller_epoch.0 < self.controller_epoch.0 {
            return Err(OrderError::StaleControllerEpoch);
        }
        self.controller_epoch.0 = controller_epoch.0;
        Ok(())
    }

    pub fn lead_or_follow(&mut self, me: BrokerId, own: BrokerEpoch, order: &LeaderAndIsr) -> OrderAnswer {
        let result = self.check(own, order.broker_epoch, order.controller_epoch);
        if result.is_err() {
            return OrderAnswer::LeaderAndIsr { result, partitions: Vec::new() };
        }
        let mut partitions = Vec::new();
        for topic in &order.topics {
            for item in &topic.partitions {
                let partition = TopicPartition { topic: topic.topic.clone(), partition: item.partition };
                let result = self.lead_or_follow_one(me, &partition, item);
                partitions.push((partition, result));
            }
        }
        OrderAnswer::LeaderAndIsr { result: Ok(()), partitions }
    }

    fn lead_or_follow_one(
        &mut self,
        me: BrokerId,
        partition: &TopicPartition,
        item: &coordinator::controller::effect::PartitionOrder,
    ) -> Result<(), OrderError> {
        if self.offline_logs.contains(partition) {
            return Err(OrderError::KafkaStorage);
        }
        let known = self.replicas.get(partition);
        if known.is_some_and(|known| item.leader_epoch <= known.leader_epoch) {
            return Err(OrderError::StaleControllerEpoch);
        }
        if !item.replicas.contains(&me) {
            return Err(OrderError::Other(3));
        }
        self.logs.insert(partition.clone());
        // A follower that does not know its leader's address gives up, and says nothing of it.
        if item.leader != me && !self.live.contains(&item.leader) {
            return Ok(());
        }
        let replica = Replica {
            leader: item.leader,
            leader_epoch: item.leader_epoch,
            isr: item.isr.to_vec(),
            partition_epoch: item.partition_epoch,
            replicas: item.replicas.to_vec(),
            recovery: item.leader_recovery,
            pending: None,
        };
        self.replicas.insert(partition.clone(), replica);
        Ok(())
    }

    pub fn stop(&mut self, own: BrokerEpoch, order: &StopReplica) -> OrderAnswer {
        let result = self.check(own, order.broker_epoch, order.controller_epoch);
        let mut partitions = Vec::new();
        for topic in &order.topics {
            for item in &topic.partitions {
                let partition = TopicPartition { topic: topic.topic.clone(), partition: item.partition };
                let stopped = result.and_then(|()| self.stop_one(&partition, item.leader_epoch, item.delete));
                partitions.push(StopReplicaAnswer { partition, delete: item.delete, result: stopped });
            }
        }
        OrderAnswer::StopReplica { result, partitions }
    }

    fn stop_one(&mut self, partition: &TopicPartition, epoch: LeaderEpoch, delete: bool) -> Result<(), OrderError> {
        if self.offline_logs.contains(partition) {
            return Err(OrderError::KafkaStorage);
        }
        let known = self.replicas.get(partition).map(|replica| replica.leader_epoch);
        if 0 <= epoch.0 && known.is_some_and(|known| epoch < known) {
            return Err(OrderError::Other(74));
        }
        self.replicas.remove(partition);
        if delete {
            self.logs.remove(partition);
        }
        Ok(())
    }

    pub fn learn(&mut self, own: BrokerEpoch, meant: BrokerEpoch, body: &MetadataBody) -> OrderAnswer {
        let result = self.check(own, meant, body.controller_epoch);
        if result.is_err() {
            return OrderAnswer::UpdateMetadata { result };
        }
        self.live = body.live_brokers.iter().map(|broker| broker.id).collect();
        for topic in &body.topics {
            for item in &topic.partitions {
                let partition = TopicPartition { topic: topic.topic.clone(), partition: item.partition };
                if item.leader == LEADER_DURING_DELETE {
                    self.cache.remove(&partition);
                    continue;
                }
                let cached = Cached {
                    leader: item.leader,
                    leader_epoch: item.leader_epoch,
                    isr: item.isr.to_vec(),
                    replicas: item.replicas.to_vec(),
                    offline: item.offline_replicas.to_vec(),
                };
                self.cache.insert(partition, cached);
            }
        }
        OrderAnswer::UpdateMetadata { result }
    }

    /// ISRs this broker would like to change, given who has caught up with it.
    pub fn proposals(
        &mut self,
        me: BrokerId,
        caught_up: impl Fn(BrokerId, &TopicPartition, LeaderEpoch) -> bool,
    ) -> Vec<ProposedIsr> {
        let mut proposals = Vec::new();
        for (partition, replica) in self.replicas.iter_mut().filter(|(_, replica)| replica.leader == me) {
            if let Some(pending) = &replica.pending {
                proposals.push(pending.clone());
                continue;
            }
            let mut isr: Vec<BrokerId> = replica.isr.clone();
            isr.retain(|&id| id == me || caught_up(id, partition, replica.leader_epoch));
            for &id in &replica.replicas {
                if id != me && !isr.contains(&id) && caught_up(id, partition, replica.leader_epoch) {
                    isr.push(id);
                }
            }
            let recovering = replica.recovery == LeaderRecovery::Recovering;
            if isr == replica.isr && !recovering {
                continue;
            }
            let proposal = ProposedIsr {
                topic: TopicRef::Name(partition.topic.clone()),
                partition: partition.partition,
                leader_epoch: replica.leader_epoch,
                isr,
                leader_recovery: LeaderRecovery::Recovered,
                partition_epoch: replica.partition_epoch,
            };
            replica.pending = Some(proposal.clone());
            proposals.push(proposal);
        }
        proposals
    }
}
