//! What holds whenever the controller is between events. Checked by the simulation after every step.
//! Only looks; a violation is reported, never repaired.

use zk_schema::{BrokerId, TopicPartition};

use super::active::Active;
use super::cluster::Partition;
use super::partition_state::PartitionState;
use super::replica_state::ReplicaState;

impl Active {
    /// The first violation found, if any. Costs a look at every partition.
    pub(super) fn check_invariants(&self) -> Result<(), String> {
        self.cluster.check_indexes()?;
        if !self.is_idle() {
            return Ok(());
        }
        if !self.has_answered_all() {
            return Err("a request was worked off without an answer".to_owned());
        }
        for key in self.cluster.all_keys() {
            let Some(partition) = self.cluster.partition(key) else { continue };
            let name = self.cluster.name(key);
            check_leadership(&name, partition)?;
            check_state(&name, partition)?;
            if !self.cluster.is_deleting(key) {
                check_replicas(&name, partition)?;
                if partition.assignment.is_moving() != self.cluster.reassigning.contains(&key) {
                    return Err(format!("{name} moves, or does not, but the list of moves disagrees"));
                }
            }
        }
        for topic in &self.cluster.deletion_started {
            if !self.cluster.deleting.contains(topic) {
                return Err(format!("{} is being deleted without being queued", self.cluster.name_of(*topic)));
            }
        }
        Ok(())
    }
}

fn check_leadership(name: &TopicPartition, partition: &Partition) -> Result<(), String> {
    let Some(leadership) = &partition.leadership else { return Ok(()) };
    let replicas = &partition.assignment.replicas;
    if leadership.isr.is_empty() {
        return Err(format!("{name} has an empty ISR"));
    }
    if leadership.leader != BrokerId::NONE && !leadership.isr.contains(&leadership.leader) {
        return Err(format!("{name} is led by {}, who is not in the ISR {:?}", leadership.leader, leadership.isr));
    }
    if !replicas.is_empty() && !leadership.isr.iter().all(|replica| replicas.contains(replica)) {
        return Err(format!("{name} has the ISR {:?} outside its replicas {replicas:?}", leadership.isr));
    }
    Ok(())
}

fn check_state(name: &TopicPartition, partition: &Partition) -> Result<(), String> {
    let leader = partition.leadership.as_ref().map(|leadership| leadership.leader);
    match partition.state {
        PartitionState::Online if leader.is_none_or(|leader| leader == BrokerId::NONE) => {
            Err(format!("{name} is online without a leader"))
        }
        PartitionState::New if leader.is_some() => Err(format!("{name} is new, yet has been led")),
        _ => Ok(()),
    }
}

fn check_replicas(name: &TopicPartition, partition: &Partition) -> Result<(), String> {
    for &broker in partition.assignment.replicas.iter() {
        let state = partition.replica_state(broker);
        if !matches!(state, ReplicaState::New | ReplicaState::Online | ReplicaState::Offline) {
            return Err(format!("replica {broker} of {name} is assigned but {state:?}"));
        }
    }
    Ok(())
}
