//! What must hold of ZooKeeper and the brokers after every step, whoever caused it.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::model::{Request, Write};
use zk_schema::nodes::partition_state::{LeaderRecoveryState, PartitionState};
use zk_schema::{BrokerId, LeaderEpoch, TopicPartition};

use super::broker::Broker;

/// Remembers what was, to judge what is.
#[derive(Debug, Default)]
pub struct Rules {
    /// Rules that were broken, in words.
    pub broken: Vec<String>,
    /// Errors that controllers logged.
    pub errors: Vec<String>,
    /// Unclean elections are allowed somewhere.
    pub unclean: bool,
    leaders: BTreeMap<(String, LeaderEpoch), BrokerId>,
    claims: BTreeMap<(TopicPartition, LeaderEpoch), BTreeSet<BrokerId>>,
}

impl Rules {
    /// A partition state was written or deleted.
    pub fn state_changed(&mut self, path: &str, before: Option<&[u8]>, after: Option<&[u8]>) {
        let Some(after) = after else {
            // The topic is gone; one of the same name begins anew.
            self.leaders.retain(|(known, _), _| known != path);
            let topic = path.split('/').nth(3).unwrap_or_default().to_owned();
            self.claims.retain(|(partition, _), _| partition.topic.as_str() != topic);
            return;
        };
        let after = PartitionState::decode(after).unwrap();
        let before = before.map(|data| PartitionState::decode(data).unwrap());
        if let Some(violation) = self.judge(path, before.as_ref(), &after) {
            self.broken.push(format!("{path}: {violation}; {before:?} -> {after:?}"));
        }
    }

    fn judge(&mut self, path: &str, before: Option<&PartitionState>, after: &PartitionState) -> Option<String> {
        if after.isr.is_empty() {
            return Some("empty ISR".to_owned());
        }
        if after.leader.0 != -1 && !after.isr.contains(&after.leader) {
            return Some("the leader is not in the ISR".to_owned());
        }
        if after.leader.0 != -1 {
            let known = *self.leaders.entry((path.to_owned(), after.leader_epoch)).or_insert(after.leader);
            if known != after.leader {
                return Some(format!("two leaders in one epoch: {known} and {}", after.leader));
            }
        }
        let before = before?;
        if after.leader_epoch < before.leader_epoch || after.controller_epoch < before.controller_epoch {
            return Some("an epoch went back".to_owned());
        }
        if after.leader != before.leader && after.leader_epoch == before.leader_epoch {
            return Some("the leader changed within an epoch".to_owned());
        }
        let clean = after.leader.0 == -1 || before.isr.contains(&after.leader);
        let allowed = self.unclean && after.leader_recovery_state == LeaderRecoveryState::Recovering;
        if !clean && !allowed {
            return Some("elected from outside the ISR".to_owned());
        }
        None
    }

    /// A broker has carried out an order.
    pub fn broker_obeyed(&mut self, id: BrokerId, broker: &Broker) {
        for (partition, replica) in broker.replicas.iter().filter(|(_, replica)| replica.leader == id) {
            let claims = self.claims.entry((partition.clone(), replica.leader_epoch)).or_default();
            claims.insert(id);
            if 1 < claims.len() {
                let epoch = replica.leader_epoch;
                self.broken.push(format!("{partition}: {claims:?} all lead under epoch {epoch}"));
            }
        }
    }
}

/// Paths of partition states a request may change.
pub fn states_in(request: &Request) -> Vec<String> {
    let path_of = |write: &Write| match write {
        Write::Create { path, .. } | Write::Delete { path, .. } | Write::SetData { path, .. } => Some(path.clone()),
        Write::SetAcl { .. } | Write::Check { .. } => None,
    };
    let writes: &[Write] = match request {
        Request::Write(write) => std::slice::from_ref(write),
        Request::Multi(writes) => writes,
        _ => &[],
    };
    writes.iter().filter_map(path_of).filter(|path| path.ends_with("/state")).collect()
}
