//! ISR changes: proposed by leaders in AlterPartition, or made by leaders of old protocol versions and then notified.
//! Checks a proposal against memory, lets ZooKeeper decide races, and never changes a leader epoch.
//! Source: contract 2.10; `tryProcessAlterPartition` and `processIsrChangeNotification` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::{BrokerEpoch, BrokerId, TopicPartition, paths};

use super::Error;
use super::active::Active;
use super::cluster::{Key, Leadership};
use super::effect::{AlteredPartition, Answer, LogLevel, PartitionLeadership, RequestToken, ZkRead};
use super::event::{LeaderRecovery, ProposedIsr, TopicRef};
use super::partition_state::{Fate, Proposal};
use super::znodes;

/// An AlterPartition request.
#[derive(Debug)]
pub(super) struct ProposedIsrs {
    pub token: RequestToken,
    pub broker: BrokerId,
    pub broker_epoch: BrokerEpoch,
    pub partitions: Vec<ProposedIsr>,
}

/// A request being judged: what is known so far about each of its partitions.
#[derive(Debug)]
struct Judged {
    token: RequestToken,
    partitions: Vec<ProposedIsr>,
    verdicts: Vec<Option<Result<PartitionLeadership, Error>>>,
}

impl Active {
    /// Leaders propose ISRs. No partition is named in two of the requests.
    pub(super) fn alter_partitions(&mut self, requests: Vec<ProposedIsrs>) {
        let mut judged: Vec<Judged> = Vec::with_capacity(requests.len());
        let mut proposals = Vec::new();
        // Where the verdict on each proposal goes.
        let mut places: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for ProposedIsrs { token, broker, broker_epoch, partitions } in requests {
            if self.cluster.broker_epoch(broker) != Some(broker_epoch) {
                self.answer(token, Answer::AlterPartition(Err(Error::StaleBrokerEpoch)));
                continue;
            }
            let mut verdicts = Vec::with_capacity(partitions.len());
            for item in &partitions {
                let key = self.proposed_key(item);
                named.extend(key.ok());
                verdicts.push(match key.and_then(|key| Ok((key, self.judge(broker, key, item)?))) {
                    Ok((_, Judgement::AlreadySo(current))) => Some(Ok(answer_of(&current))),
                    Ok((key, Judgement::Write(leadership))) if !places.contains_key(&key) => {
                        places.insert(key, (judged.len(), verdicts.len()));
                        proposals.push(Proposal { key, leadership });
                        None
                    }
                    // The same partition twice in one request: the first proposal counts.
                    Ok(_) => Some(Err(Error::InvalidUpdateVersion)),
                    Err(error) => Some(Err(error)),
                });
            }
            judged.push(Judged { token, partitions, verdicts });
        }
        self.propose(proposals, move |c, fates| {
            let mut changed = Vec::new();
            for (proposal, fate) in fates {
                let verdict = match fate {
                    Fate::Settled => {
                        changed.push(proposal.key);
                        Ok(answer_of(&proposal.leadership))
                    }
                    Fate::Outdated => Err(Error::InvalidUpdateVersion),
                    Fate::Missing | Fate::Failed => Err(Error::UnknownServer),
                };
                let place = places.get(&proposal.key).copied();
                let slot = place.and_then(|(request, at)| judged.get_mut(request)?.verdicts.get_mut(at));
                if let Some(slot) = slot {
                    *slot = Some(verdict);
                }
            }
            for key in named {
                c.orders.tell_all_about(&c.cluster, key);
            }
            c.send_orders();
            for Judged { token, partitions, verdicts } in judged {
                c.answer(token, Answer::AlterPartition(Ok(altered(partitions, verdicts))));
            }
            c.complete_reassignments(&changed);
        });
    }

    fn proposed_key(&self, item: &ProposedIsr) -> Result<Key, Error> {
        let topic = match &item.topic {
            TopicRef::Name(name) => self.cluster.topic_named(name.as_str()).ok_or(Error::UnknownTopicOrPartition)?,
            TopicRef::Id(id) => self.cluster.topic_with_id(*id).ok_or(Error::UnknownTopicId)?,
        };
        let key = Key { topic, partition: item.partition };
        self.cluster.leadership(key).map(|_| key).ok_or(Error::UnknownTopicOrPartition)
    }

    fn judge(&self, broker: BrokerId, key: Key, item: &ProposedIsr) -> Result<Judgement, Error> {
        let current = self.cluster.leadership(key).ok_or(Error::UnknownTopicOrPartition)?;
        // The leader knows something newer: we may be a controller that has been replaced.
        if current.partition_epoch < item.partition_epoch || current.leader_epoch < item.leader_epoch {
            return Err(Error::NotController);
        }
        if item.leader_epoch < current.leader_epoch {
            return Err(Error::FencedLeaderEpoch);
        }
        if says_the_same(broker, item, current) {
            return Ok(Judgement::AlreadySo(current.clone()));
        }
        if item.partition_epoch < current.partition_epoch {
            return Err(Error::InvalidUpdateVersion);
        }
        let recovering = item.leader_recovery == LeaderRecovery::Recovering;
        if recovering && (1 < item.isr.len() || current.recovery == LeaderRecovery::Recovered) {
            return Err(Error::InvalidRequest);
        }
        if !item.isr.iter().all(|&replica| self.cluster.is_live(replica)) {
            return Err(Error::IneligibleReplica);
        }
        Ok(Judgement::Write(Leadership {
            leader: broker,
            leader_epoch: item.leader_epoch,
            isr: item.isr.as_slice().into(),
            recovery: item.leader_recovery,
            controller_epoch: self.controller_epoch,
            partition_epoch: current.partition_epoch,
        }))
    }

    /// Reassignments that wait for one of these ISRs may be complete.
    pub(super) fn complete_reassignments(&mut self, changed: &[Key]) {
        let moving = changed.iter().copied().filter(|&key| self.is_moving(key));
        let complete: Vec<Key> = moving.filter(|&key| self.is_caught_up(key)).collect();
        if !complete.is_empty() {
            self.then(move |c| c.continue_reassignments(&complete));
        }
    }

    // Leaders that write for themselves.

    /// The children of `/isr_change_notification` changed.
    pub(super) fn isr_changes_notified(&mut self) {
        self.read_children(paths::ISR_CHANGES, |c, names| {
            let nodes: Vec<String> = names.iter().map(|name| format!("{}/{name}", paths::ISR_CHANGES)).collect();
            let reads = nodes.iter().cloned().map(ZkRead::Data).collect();
            c.read(reads, move |c, found| {
                let mut partitions: BTreeSet<TopicPartition> = BTreeSet::new();
                for result in found {
                    match result.map(|found| znodes::isr_change(&found)) {
                        Ok(Ok(changed)) => partitions.extend(changed),
                        Ok(Err(error)) => c.log(LogLevel::Error, format!("cannot read an ISR change: {error}")),
                        Err(_) => {}
                    }
                }
                let keys: Vec<Key> = partitions.iter().filter_map(|partition| c.cluster.key(partition)).collect();
                c.isrs_changed(keys);
                c.delete(nodes);
            });
        });
    }

    /// The `state` znode of a moving partition changed.
    pub(super) fn partition_state_changed(&mut self, partition: &TopicPartition) {
        let moving = self.cluster.key(partition).filter(|key| self.cluster.reassigning.contains(key));
        if let Some(key) = moving.filter(|_| !self.config.protocol.alter_partition) {
            self.refresh(vec![key]);
            self.then(move |c| c.complete_reassignments(&[key]));
        }
    }

    fn isrs_changed(&mut self, keys: Vec<Key>) {
        if keys.is_empty() {
            return;
        }
        self.refresh(keys.clone());
        self.then(move |c| {
            for &key in &keys {
                c.orders.tell_all_about(&c.cluster, key);
            }
            c.send_orders();
            c.complete_reassignments(&keys);
        });
    }
}

/// What a proposal calls for, if it is acceptable.
enum Judgement {
    /// Nothing: it is so already.
    AlreadySo(Leadership),
    /// A write.
    Write(Leadership),
}

/// The partition epoch may be an older one: an answer may have been lost.
fn says_the_same(broker: BrokerId, item: &ProposedIsr, current: &Leadership) -> bool {
    let proposed: BTreeSet<BrokerId> = item.isr.iter().copied().collect();
    let known: BTreeSet<BrokerId> = current.isr.iter().copied().collect();
    broker == current.leader
        && item.leader_epoch == current.leader_epoch
        && item.leader_recovery == current.recovery
        && proposed == known
}

fn answer_of(leadership: &Leadership) -> PartitionLeadership {
    PartitionLeadership {
        leader: leadership.leader,
        leader_epoch: leadership.leader_epoch,
        isr: leadership.isr.clone(),
        leader_recovery: leadership.recovery,
        partition_epoch: leadership.partition_epoch,
    }
}

fn altered(
    proposed: Vec<ProposedIsr>,
    verdicts: Vec<Option<Result<PartitionLeadership, Error>>>,
) -> Vec<AlteredPartition> {
    let item = |(item, verdict): (ProposedIsr, Option<_>)| AlteredPartition {
        topic: item.topic,
        partition: item.partition,
        result: verdict.unwrap_or(Err(Error::UnknownServer)),
    };
    proposed.into_iter().zip(verdicts).map(item).collect()
}
