//! Moving replicas, step by step: say so in ZooKeeper, let the new replicas catch up, then let the old ones go.
//! Many partitions move in step: each phase is one round of writes for all of them.
//! Source: contract 2.7; `onPartitionReassignment` in Kafka 3.9.
//!
//! ```text
//!   RS replicas as written   TRS target   ORS origin   AR adding = TRS - ORS   RR removing = ORS - TRS
//!
//!   U  write RS = TRS ++ ORS, AR, RR
//!   A  while TRS is not within the ISR: bump the leader epoch, order RS, start AR; wait for an ISR change
//!   B  once it is: leader into TRS, RR out of the ISR and deleted, write RS = TRS
//! ```
//!
//! Differs from Kafka: the topic's znode is read, changed and written under its version, so that partitions somebody adds at
//! the same moment are kept. A new target (or none) that would drop every in-sync replica is refused, as KRaft does; where it
//! drops the leader, another one is elected at once.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::nodes::topic::TopicAssignment;
use zk_schema::{BrokerId, LeaderEpoch, TopicName, TopicPartition, ZkVersion, paths};

use super::active::Active;
use super::cluster::{Assignment, Key, Leadership, TopicIndex, without};
use super::effect::{Answer, ApiError, LogLevel, MovingReplicas, RequestToken, ZkAction, ZkRead, ZkWrite};
use super::election::Strategy;
use super::event::{Watched, ZkError};
use super::partition_state::{Fate, PartitionState, Proposal};
use super::replica_state::{Replica, ReplicaState};
use super::{Error, znodes};

/// Moves under way in one go, and those that failed.
#[derive(Debug, Default)]
struct Moves {
    assignments: BTreeMap<Key, Assignment>,
    failed: BTreeSet<Key>,
}

impl Active {
    // Requests.

    /// Starts or cancels moves for a client. Moves asked for through the znode give way.
    pub(super) fn alter_reassignments(
        &mut self,
        token: RequestToken,
        targets: Vec<(TopicPartition, Option<Vec<BrokerId>>)>,
    ) {
        let mut results: BTreeMap<TopicPartition, Result<(), ApiError>> = BTreeMap::new();
        let mut wanted: BTreeMap<Key, Assignment> = BTreeMap::new();
        let order: Vec<TopicPartition> = targets.iter().map(|(partition, _)| partition.clone()).collect();
        for (partition, target) in targets {
            match self.wanted_assignment(&partition, target.as_deref()) {
                Ok((key, assignment)) => drop(wanted.insert(key, assignment)),
                Err(error) => drop(results.insert(partition, Err(error))),
            }
        }
        let overridden: BTreeSet<TopicPartition> = wanted.keys().map(|&key| self.cluster.name(key)).collect();
        self.remove_from_znode(move |partition, _| overridden.contains(partition));
        self.reassign(wanted, move |c, failed| {
            let result_of = |partition: TopicPartition| {
                let failed = c.cluster.key(&partition).is_some_and(|key| failed.contains(&key));
                let result = results.remove(&partition).unwrap_or(match failed {
                    true => Err(ApiError::new(Error::UnknownServer)),
                    false => Ok(()),
                });
                (partition, result)
            };
            let answer = order.into_iter().map(result_of).collect();
            c.answer(token, Answer::AlterPartitionReassignments(Ok(answer)));
        });
    }

    /// The assignment a client asks for, or why it cannot have it.
    fn wanted_assignment(
        &self,
        partition: &TopicPartition,
        target: Option<&[BrokerId]>,
    ) -> Result<(Key, Assignment), ApiError> {
        let key = self.cluster.key(partition);
        let current = key.and_then(|key| self.cluster.partition(key)).map(|found| &found.assignment);
        if let Some(target) = target {
            self.check_target(target, current)?;
        }
        let unknown = || ApiError::with_message(Error::UnknownTopicOrPartition, "The partition does not exist.");
        let moving = current.filter(|assignment| assignment.is_moving());
        let target = match (target, moving) {
            (Some(target), _) => target.to_vec(),
            (None, Some(moving)) => moving.origin(),
            (None, None) => return Err(ApiError::new(Error::NoReassignmentInProgress)),
        };
        let (key, current) = key.zip(current).ok_or_else(unknown)?;
        if self.cluster.is_deleting(key) || current.replicas.is_empty() {
            return Err(unknown());
        }
        let wanted = current.moving_to(&target);
        if !self.keeps_records(key, &wanted) {
            let message = "The reassignment would drop every in-sync replica.";
            return Err(ApiError::with_message(Error::InvalidReplicaAssignment, message));
        }
        Ok((key, wanted))
    }

    /// Whether a replica that has all records stays. Another target, or none, drops replicas that were being added at once.
    fn keeps_records(&self, key: Key, wanted: &Assignment) -> bool {
        self.cluster
            .leadership(key)
            .is_none_or(|leadership| leadership.isr.iter().any(|id| wanted.replicas.contains(id)))
    }

    fn check_target(&self, target: &[BrokerId], current: Option<&Assignment>) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::with_message(Error::InvalidReplicaAssignment, message));
        let distinct: BTreeSet<BrokerId> = target.iter().copied().collect();
        let ids: Vec<i32> = target.iter().map(|id| id.0).collect();
        if target.is_empty() {
            return invalid("Empty replica list specified in partition reassignment.".to_owned());
        }
        if distinct.len() != target.len() {
            return invalid(format!("Duplicate replica ids in partition reassignment replica list: {ids:?}"));
        }
        if target.iter().any(|id| id.0 < 0) {
            return invalid(format!("Invalid broker id in replica list: {ids:?}"));
        }
        let added = without(target, &current.map(Assignment::origin).unwrap_or_default());
        if added.iter().all(|&id| self.cluster.is_live(id)) {
            return Ok(());
        }
        let added: Vec<i32> = added.iter().map(|id| id.0).collect();
        let live = self.cluster.broker_ids().into_iter().filter(|&id| self.cluster.is_live(id));
        let live: Vec<i32> = live.map(|id| id.0).collect();
        invalid(format!(
            "Replica assignment has brokers that are not alive. Replica list: {added:?}, live broker list: {live:?}"
        ))
    }

    pub(super) fn list_reassignments(&mut self, token: RequestToken, partitions: Option<Vec<TopicPartition>>) {
        let keys: Vec<Key> = match partitions {
            Some(partitions) => partitions.iter().filter_map(|partition| self.cluster.key(partition)).collect(),
            None => self.cluster.reassigning.iter().copied().collect(),
        };
        let mut moving: BTreeMap<TopicPartition, MovingReplicas> = BTreeMap::new();
        for key in keys {
            let Some(assignment) = self.cluster.partition(key).map(|partition| &partition.assignment) else { continue };
            if assignment.is_moving() {
                let Assignment { replicas, adding, removing } = assignment.clone();
                moving.insert(self.cluster.name(key), MovingReplicas { replicas, adding, removing });
            }
        }
        self.answer(token, Answer::ListPartitionReassignments(Ok(moving.into_iter().collect())));
    }

    // The znode of old tools.

    /// `/admin/reassign_partitions` was created or changed.
    pub(super) fn reassignments_changed(&mut self) {
        self.take_moves_from_znode(|_, _| {});
    }

    /// At the beginning of a term: moves in the znode first, then those recorded in topics.
    pub(super) fn start_reassignments(&mut self) {
        self.take_moves_from_znode(|c, taken| {
            let rest: Vec<Key> = c.cluster.reassigning.difference(&taken).copied().collect();
            c.continue_reassignments(&rest);
        });
    }

    fn take_moves_from_znode(&mut self, then: impl FnOnce(&mut Self, BTreeSet<Key>) + Send + 'static) {
        self.read(vec![ZkRead::Data(paths::REASSIGN_PARTITIONS.to_owned())], move |c, found| {
            let targets = match Self::data_of(found.into_iter().next()).map(|(data, _)| znodes::reassignment(&data)) {
                Some(Ok(targets)) => targets,
                Some(Err(error)) => {
                    c.log(LogLevel::Warn, format!("ignoring an unreadable reassignment: {error}"));
                    BTreeMap::new()
                }
                None => BTreeMap::new(),
            };
            let mut wanted = BTreeMap::new();
            let mut refused = BTreeSet::new();
            for (partition, target) in targets {
                match c.cluster.key(&partition).filter(|&key| !c.cluster.is_deleting(key) && !target.is_empty()) {
                    Some(key) => match c.cluster.partition(key).map(|found| found.assignment.moving_to(&target)) {
                        Some(assignment) if c.keeps_records(key, &assignment) => drop(wanted.insert(key, assignment)),
                        _ => drop(refused.insert(partition)),
                    },
                    None => drop(refused.insert(partition)),
                }
            }
            let taken: BTreeSet<Key> = wanted.keys().copied().collect();
            c.reassign(wanted, move |c, failed| {
                refused.extend(failed.iter().map(|&key| c.cluster.name(key)));
                if !refused.is_empty() {
                    c.log(LogLevel::Warn, format!("cannot reassign {refused:?}"));
                    c.remove_from_znode(move |partition, _| refused.contains(partition));
                }
                let taken = taken.difference(&failed).copied().collect();
                c.then(move |c| then(c, taken));
            });
        });
    }

    /// Takes entries out of the znode, if it exists.
    fn remove_from_znode(&mut self, is_done: impl Fn(&TopicPartition, &[BrokerId]) -> bool + Send + 'static) {
        let path = paths::REASSIGN_PARTITIONS;
        self.read(vec![ZkRead::Data(path.to_owned())], move |c, found| {
            let Some((data, _)) = Self::data_of(found.into_iter().next()) else { return };
            let Ok(mut targets) = znodes::reassignment(&data) else { return };
            let before = targets.len();
            targets.retain(|partition, target| !is_done(partition, target));
            if targets.is_empty() {
                c.delete(vec![path.to_owned()]);
                // Somebody may have been waiting to write the next one.
                c.then(|c| c.signal(Watched::Reassignments));
            } else if targets.len() < before {
                let data = zk_schema::nodes::reassignment::encode(&targets);
                let write = ZkWrite { path: path.to_owned(), action: ZkAction::SetData { data, expected: None } };
                c.write(vec![write], |_, _| {});
            }
        });
    }

    // The phases.

    /// Moves that brokers starting up may bring further.
    pub(super) fn resume_reassignments(&mut self, concerns: impl Fn(&[BrokerId]) -> bool) {
        let target = |key: &Key| self.cluster.partition(*key).map(|p| p.assignment.target()).unwrap_or_default();
        let keys: Vec<Key> = self.cluster.reassigning.iter().copied().filter(|key| concerns(&target(key))).collect();
        self.continue_reassignments(&keys);
    }

    /// Takes moves on from where they are.
    pub(super) fn continue_reassignments(&mut self, keys: &[Key]) {
        let current = |&key: &Key| Some((key, self.cluster.partition(key)?.assignment.clone()));
        let moves = keys.iter().filter_map(current).collect();
        self.reassign(moves, |_, _| {});
    }

    pub(super) fn is_moving(&self, key: Key) -> bool {
        self.cluster.reassigning.contains(&key) && self.cluster.partition(key).is_some_and(|p| p.assignment.is_moving())
    }

    /// Whether all target replicas are in the ISR.
    pub(super) fn is_caught_up(&self, key: Key) -> bool {
        self.cluster.partition(key).is_some_and(|partition| self.has_caught_up(key, &partition.assignment))
    }

    fn has_caught_up(&self, key: Key, assignment: &Assignment) -> bool {
        let isr = self.cluster.leadership(key).map(|leadership| leadership.isr.clone());
        !assignment.is_moving() || isr.is_some_and(|isr| assignment.target().iter().all(|id| isr.contains(id)))
    }

    /// Brings partitions to these assignments as far as possible now, then goes on with those that failed.
    fn reassign(
        &mut self,
        assignments: BTreeMap<Key, Assignment>,
        then: impl FnOnce(&mut Self, BTreeSet<Key>) + Send + 'static,
    ) {
        if assignments.is_empty() {
            self.then(|c| then(c, BTreeSet::new()));
            return;
        }
        let topics: BTreeSet<TopicIndex> = assignments.keys().map(|key| key.topic).collect();
        self.halt_deletion(topics);
        let changed: BTreeMap<Key, Assignment> = assignments
            .iter()
            .filter(|(key, wanted)| self.cluster.partition(**key).is_some_and(|p| p.assignment != **wanted))
            .map(|(&key, wanted)| (key, wanted.clone()))
            .collect();
        self.write_assignments(changed, move |c, written, failed| {
            let mut moves = Moves { assignments, failed };
            moves.assignments.retain(|key, _| !moves.failed.contains(key));
            let mut unneeded = Vec::new();
            for (key, assignment) in written {
                let old = c.cluster.partition(key).map(|p| p.assignment.replicas.clone());
                let dropped = without(&old.unwrap_or_else(|| c.nobody.clone()), &assignment.replicas);
                unneeded.extend(dropped.into_iter().map(|broker| (broker, key)));
                c.cluster.set_assignment(key, assignment);
            }
            c.cluster.reassigning.extend(moves.assignments.keys().copied());
            let dropped: BTreeSet<Key> = unneeded.iter().map(|(_, key)| *key).collect();
            c.then(move |c| c.stop_removed(unneeded));
            c.then(move |c| c.lead_after_dropping(dropped));
            c.then(move |c| c.start_or_finish(moves, then));
        });
    }

    /// Another leader where a dropped replica led.
    fn lead_after_dropping(&mut self, keys: BTreeSet<Key>) {
        let leaderless = |key: &Key| self.cluster.leadership(*key).is_some_and(|l| l.leader == BrokerId::NONE);
        let leaderless: Vec<Key> = keys.into_iter().filter(leaderless).collect();
        self.mark_partitions(&leaderless, PartitionState::Offline);
        self.bring_online(leaderless, Strategy::Offline { allow_unclean: false });
        self.then(|c| c.outcomes.clear());
    }

    fn start_or_finish(&mut self, moves: Moves, then: impl FnOnce(&mut Self, BTreeSet<Key>) + Send + 'static) {
        let Moves { assignments, failed } = moves;
        let (complete, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            assignments.into_iter().partition(|(key, assignment)| self.has_caught_up(*key, assignment));
        if !waiting.is_empty() {
            self.start_moves(waiting);
        }
        if !complete.is_empty() {
            self.finish_moves(complete);
        }
        self.then(move |c| then(c, failed));
    }

    /// Phase A.
    fn start_moves(&mut self, moves: BTreeMap<Key, Assignment>) {
        let added: Vec<Replica> =
            moves.iter().flat_map(|(&key, assignment)| of_partition(key, &assignment.adding)).collect();
        let keys: Vec<Key> = moves.keys().copied().collect();
        self.log(LogLevel::Info, format!("moving replicas of {} partitions", keys.len()));
        self.bump_leader_epochs(keys.clone(), |c, keys| {
            for key in keys {
                let Some(partition) = c.cluster.partition(key) else { continue };
                let (origin, adding) = (partition.assignment.origin(), partition.assignment.adding.clone());
                c.orders.lead_or_follow(&c.cluster, origin, key, false);
                c.orders.lead_or_follow(&c.cluster, adding.iter().copied(), key, true);
            }
            c.send_orders();
        });
        // Those that began to move in an earlier term are on their way already.
        self.then(move |c| {
            let fresh = |&(broker, key): &Replica| c.cluster.replica_state(broker, key) == ReplicaState::NonExistent;
            let fresh = added.into_iter().filter(fresh).collect();
            c.move_replicas(fresh, ReplicaState::New);
        });
        // A replica being added may be the first that lives.
        self.then(move |c| {
            let new = keys.into_iter().filter(|&key| c.cluster.state(key) == PartitionState::New).collect();
            c.bring_online(new, Strategy::Offline { allow_unclean: false });
            c.then(|c| c.outcomes.clear());
        });
    }

    /// Phase B.
    fn finish_moves(&mut self, moves: BTreeMap<Key, Assignment>) {
        let added: Vec<Replica> = moves.iter().flat_map(|(&key, moving)| of_partition(key, &moving.adding)).collect();
        let removed: Vec<Replica> =
            moves.iter().flat_map(|(&key, moving)| of_partition(key, &moving.removing)).collect();
        let finished: BTreeMap<Key, Assignment> =
            moves.iter().map(|(&key, moving)| (key, Assignment::of(moving.target().into()))).collect();
        self.then(move |c| c.move_replicas(added, ReplicaState::Online));
        let targets = finished.clone();
        self.then(move |c| {
            for (&key, assignment) in &targets {
                c.cluster.set_assignment(key, assignment.clone());
            }
            c.lead_within_target(targets.into_keys().collect());
        });
        self.then(move |c| c.stop_removed(removed));
        self.write_assignments(finished.clone(), |_, _, _| {});
        self.then(move |c| c.moves_finished(&finished));
    }

    fn moves_finished(&mut self, finished: &BTreeMap<Key, Assignment>) {
        self.log(LogLevel::Info, format!("moved replicas of {} partitions", finished.len()));
        for &key in finished.keys() {
            self.cluster.reassigning.remove(&key);
        }
        let done: BTreeMap<TopicPartition, Assignment> =
            finished.iter().map(|(&key, assignment)| (self.cluster.name(key), assignment.clone())).collect();
        self.remove_from_znode(move |partition, target| {
            done.get(partition).is_some_and(|assignment| *assignment.replicas == *target)
        });
        let keys: Vec<Key> = finished.keys().copied().collect();
        self.then(move |c| {
            for &key in &keys {
                c.orders.tell_all_about(&c.cluster, key);
            }
            c.send_orders();
            let topics = c.deleting_among(keys);
            c.resume_deletions_of(&topics);
        });
    }

    /// Leaders outside the target, or dead, are replaced; the others learn the new list of replicas under a new epoch.
    fn lead_within_target(&mut self, keys: Vec<Key>) {
        let stays = |&key: &Key| {
            let leader = self.cluster.leadership(key).map_or(BrokerId::NONE, |leadership| leadership.leader);
            let targets = self.cluster.partition(key).map(|partition| partition.assignment.replicas.clone());
            targets.is_some_and(|targets| targets.contains(&leader)) && self.cluster.is_online(leader, key)
        };
        let (staying, leaving): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(stays);
        self.then(move |c| c.bring_online(leaving, Strategy::Reassign));
        self.then(|c| c.outcomes.clear());
        self.bump_leader_epochs(staying, |c, keys| {
            for key in keys {
                let replicas: Vec<BrokerId> = c.replicas_of_partition(key).into_iter().map(|(id, _)| id).collect();
                c.orders.lead_or_follow(&c.cluster, replicas, key, false);
            }
            c.send_orders();
        });
    }

    /// Replicas that are no longer wanted: out of the ISR, off the disk, out of memory, without waiting for the brokers.
    fn stop_removed(&mut self, replicas: Vec<Replica>) {
        if replicas.is_empty() {
            return;
        }
        let states = [
            ReplicaState::Offline,
            ReplicaState::DeletionStarted,
            ReplicaState::DeletionSuccessful,
            ReplicaState::NonExistent,
        ];
        for state in states {
            let replicas = replicas.clone();
            self.then(move |c| c.move_replicas(replicas, state));
        }
    }

    /// Raises leader epochs without any other change, then goes on with the partitions where that worked.
    fn bump_leader_epochs(&mut self, keys: Vec<Key>, then: impl FnOnce(&mut Self, Vec<Key>) + Send + 'static) {
        if !self.config.protocol.alter_partition {
            self.refresh(keys.clone());
        }
        self.then(move |c| c.try_bump_leader_epochs(keys, Vec::new(), Box::new(then)));
    }

    fn try_bump_leader_epochs(&mut self, keys: Vec<Key>, mut bumped: Vec<Key>, then: OnBumped) {
        let controller_epoch = self.controller_epoch;
        let next = |key: Key| {
            let current =
                self.cluster.leadership(key).filter(|current| current.controller_epoch <= controller_epoch)?;
            let leader_epoch = LeaderEpoch(current.leader_epoch.0 + 1);
            Some(Proposal { key, leadership: Leadership { leader_epoch, controller_epoch, ..current.clone() } })
        };
        let proposals = keys.into_iter().filter_map(next).collect();
        self.propose(proposals, move |c, fates| {
            let mut again = Vec::new();
            for (Proposal { key, .. }, fate) in fates {
                match fate {
                    Fate::Settled => bumped.push(key),
                    Fate::Outdated => again.push(key),
                    Fate::Missing | Fate::Failed => {
                        let partition = c.cluster.name(key);
                        c.log(LogLevel::Error, format!("could not raise the leader epoch of {partition}"));
                    }
                }
            }
            if again.is_empty() {
                then(c, bumped);
            } else {
                c.try_bump_leader_epochs(again, bumped, then);
            }
        });
    }

    // Topic znodes.

    /// Writes assignments into their topics' znodes, then goes on with those written and those that failed.
    fn write_assignments(
        &mut self,
        assignments: BTreeMap<Key, Assignment>,
        then: impl FnOnce(&mut Self, BTreeMap<Key, Assignment>, BTreeSet<Key>) + Send + 'static,
    ) {
        self.then(move |c| c.try_write_assignments(assignments, BTreeMap::new(), BTreeSet::new(), Box::new(then)));
    }

    fn try_write_assignments(
        &mut self,
        pending: BTreeMap<Key, Assignment>,
        written: BTreeMap<Key, Assignment>,
        failed: BTreeSet<Key>,
        then: OnAssignmentsWritten,
    ) {
        let topics: BTreeSet<TopicIndex> = pending.keys().map(|key| key.topic).collect();
        let topics: Vec<(TopicIndex, TopicName)> =
            topics.into_iter().map(|topic| (topic, self.cluster.name_of(topic))).collect();
        let reads = topics.iter().map(|(_, name)| ZkRead::Data(paths::topic(name))).collect();
        self.read(reads, move |c, found| {
            let mut nodes = Vec::with_capacity(topics.len());
            for ((topic, name), found) in topics.into_iter().zip(found) {
                match znodes::topic(found) {
                    Ok(Some((node, version))) => nodes.push((topic, name, node, version)),
                    other => c.log(LogLevel::Error, format!("cannot reassign {name}: {other:?}")),
                }
            }
            c.write_topics(nodes, pending, written, failed, then);
        });
    }

    fn write_topics(
        &mut self,
        nodes: Vec<(TopicIndex, TopicName, TopicAssignment, ZkVersion)>,
        mut pending: BTreeMap<Key, Assignment>,
        mut written: BTreeMap<Key, Assignment>,
        mut failed: BTreeSet<Key>,
        then: OnAssignmentsWritten,
    ) {
        let mut topics = Vec::with_capacity(nodes.len());
        let mut writes = Vec::with_capacity(nodes.len());
        for (topic, name, mut node, version) in nodes {
            for (key, assignment) in of_topic(&pending, topic) {
                node.partitions.insert(key.partition, znodes::replica_assignment(assignment));
            }
            let action = ZkAction::SetData { data: node.encode(), expected: Some(version) };
            writes.push(ZkWrite { path: paths::topic(&name), action });
            topics.push(topic);
        }
        self.write(writes, move |c, results| {
            let mut again = BTreeSet::new();
            for (topic, result) in topics.into_iter().zip(results) {
                let keys: Vec<Key> = of_topic(&pending, topic).map(|(&key, _)| key).collect();
                match result {
                    Ok(_) => written.extend(keys.into_iter().filter_map(|key| pending.remove_entry(&key))),
                    Err(ZkError::BadVersion) => again.extend(keys),
                    Err(error) => {
                        let name = c.cluster.name_of(topic);
                        c.log(LogLevel::Error, format!("cannot write the assignment of {name}: {error}"));
                    }
                }
            }
            failed.extend(pending.keys().copied().filter(|key| !again.contains(key)));
            pending.retain(|key, _| again.contains(key));
            if pending.is_empty() {
                then(c, written, failed);
            } else {
                c.try_write_assignments(pending, written, failed, then);
            }
        });
    }
}

type OnBumped = Box<dyn FnOnce(&mut Active, Vec<Key>) + Send>;
type OnAssignmentsWritten = Box<dyn FnOnce(&mut Active, BTreeMap<Key, Assignment>, BTreeSet<Key>) + Send>;

fn of_topic(assignments: &BTreeMap<Key, Assignment>, topic: TopicIndex) -> impl Iterator<Item = (&Key, &Assignment)> {
    assignments.range(Key { topic, partition: i32::MIN }..=Key { topic, partition: i32::MAX })
}

fn of_partition(key: Key, brokers: &[BrokerId]) -> Vec<Replica> {
    brokers.iter().map(|&broker| (broker, key)).collect()
}
