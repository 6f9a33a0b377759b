//! How long the controller thinks: taking office over many partitions, and a broker's death among them. ZooKeeper here is a
//! map that answers at once, so only the decider's own time is measured.
//!
//! `cargo run --release -p coordinator --example failover [partitions]`
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures time; the decider does not")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use coordinator::controller::effect::{Effect, Guard, ZkAction, ZkRead, ZkWrite};
use coordinator::controller::event::{Elected, Event, Watched, ZkError, ZkFound, ZkOutcome};
use coordinator::controller::{Controller, ControllerConfig};
use coordinator::time::Timestamp;
use zk_schema::nodes::broker_id::BrokerRegistration;
use zk_schema::nodes::partition_state::PartitionState;
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::{BrokerId, ControllerEpoch, LeaderEpoch, TopicName, TopicPartition, ZkVersion, paths};

const BROKERS: i32 = 6;
const PARTITIONS_PER_TOPIC: i32 = 20;

/// Data and version by path, and children by parent.
#[derive(Default)]
struct Store {
    nodes: BTreeMap<String, (Vec<u8>, i32)>,
    children: BTreeMap<String, BTreeSet<String>>,
}

impl Store {
    fn put(&mut self, path: &str, data: Vec<u8>) -> i32 {
        if let Some(node) = self.nodes.get_mut(path) {
            *node = (data, node.1 + 1);
            return node.1;
        }
        if let Some((parent, name)) = path.rsplit_once('/') {
            self.children.entry(parent.to_owned()).or_default().insert(name.to_owned());
        }
        self.nodes.insert(path.to_owned(), (data, 0));
        0
    }

    fn read(&self, read: &ZkRead) -> Result<ZkFound, ZkError> {
        match read {
            ZkRead::Data(path) => {
                let (data, version) = self.nodes.get(path).ok_or(ZkError::NoNode)?;
                Ok(ZkFound::Data { data: data.clone(), version: ZkVersion(*version), czxid: 1 })
            }
            ZkRead::Children(path) => {
                Ok(ZkFound::Children(self.children.get(path).into_iter().flatten().cloned().collect()))
            }
        }
    }

    fn write(&mut self, write: &ZkWrite) -> Result<ZkVersion, ZkError> {
        match &write.action {
            ZkAction::Create(data) => Ok(ZkVersion(self.put(&write.path, data.clone().unwrap_or_default()))),
            ZkAction::SetData { data, expected } => {
                let version = self.nodes.get(&write.path).ok_or(ZkError::NoNode)?.1;
                if expected.is_some_and(|expected| expected.0 != version) {
                    return Err(ZkError::BadVersion);
                }
                Ok(ZkVersion(self.put(&write.path, data.clone())))
            }
            ZkAction::Delete | ZkAction::DeleteTree => Ok(ZkVersion(0)),
        }
    }
}

fn cluster(partitions: i32) -> Store {
    let mut store = Store::default();
    for id in 1..=BROKERS {
        let registration = BrokerRegistration {
            version: 5,
            endpoints: Vec::new(),
            jmx_port: -1,
            rack: None,
            features: BTreeMap::new(),
        };
        store.put(&paths::broker(BrokerId(id)), registration.encode(0));
    }
    for number in 0..partitions / PARTITIONS_PER_TOPIC {
        let topic = TopicName::from(format!("topic-{number}"));
        let mut node =
            TopicAssignment { topic_id: Some(zk_schema::TopicId(uuid::Uuid::new_v4())), ..Default::default() };
        for partition in 0..PARTITIONS_PER_TOPIC {
            let replica = |step: i32| BrokerId((number + partition + step).rem_euclid(BROKERS) + 1);
            let replicas: Vec<BrokerId> = (0..3).map(replica).collect();
            let state = PartitionState {
                controller_epoch: ControllerEpoch(1),
                leader: replicas[0],
                leader_epoch: LeaderEpoch(3),
                isr: replicas.clone(),
                leader_recovery_state: Default::default(),
            };
            let name = TopicPartition { topic: topic.clone(), partition };
            store.put(&paths::partition_state(&name), state.encode());
            node.partitions.insert(partition, ReplicaAssignment::of(replicas));
        }
        store.put(&paths::topic(&topic), node.encode());
    }
    store
}

/// Hands over an event and answers ZooKeeper requests until there are none; the time spent in the decider, what it wrote and
/// how many orders it gave.
fn drive(controller: &mut Controller, store: &mut Store, event: Event) -> (Duration, usize, usize) {
    let (mut thinking, mut written, mut orders) = (Duration::ZERO, 0, 0);
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        let begun = Instant::now();
        let effects = controller.handle(event, Timestamp(0));
        thinking += begun.elapsed();
        for effect in effects {
            match effect {
                Effect::ZkRead { request, reads } => {
                    let results = reads.iter().map(|read| store.read(read)).collect();
                    events.push(Event::ZkRead { request, results });
                }
                Effect::ZkWrite { request, guard, writes } => {
                    assert!(guard != Guard::None || writes.iter().all(|write| write.path == paths::FEATURE));
                    written += writes.len();
                    let done = writes.iter().map(|write| store.write(write)).collect();
                    events.push(Event::ZkWritten { request, outcome: ZkOutcome::Done(done) });
                }
                Effect::LeaderAndIsr(_) | Effect::UpdateMetadata(_) | Effect::StopReplica(_) => orders += 1,
                _ => {}
            }
        }
    }
    (thinking, written, orders)
}

fn main() {
    let sizes =
        std::env::args().nth(1).and_then(|text| text.parse().ok()).map_or(vec![10_000, 100_000, 200_000], |n| vec![n]);
    for partitions in sizes {
        let mut store = cluster(partitions);
        let mut controller = Controller::new(ControllerConfig::new(BrokerId(1)));
        let elected = Elected { controller_epoch: ControllerEpoch(2), epoch_version: ZkVersion(2), seed: 1 };
        let (office, ..) = drive(&mut controller, &mut store, Event::Elected(elected));
        store.children.entry(paths::BROKER_IDS.to_owned()).or_default().remove("6");
        let (death, written, orders) = drive(&mut controller, &mut store, Event::Changed(Watched::Brokers));
        println!(
            "{partitions} partitions: office {office:.0?}, death of one of {BROKERS} brokers {death:.0?} \
             ({written} states written, {orders} orders)"
        );
    }
}
