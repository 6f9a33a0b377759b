//! Facts about orders: which epochs are believed, what is answered, who is told.

use uuid::Uuid;
use zk_schema::types::{LeaderEpoch, PartitionEpoch, TopicId};

use super::*;
use crate::replica::testing::*;
use crate::replica::{FetchTarget, PartitionOrder, StopOrder};

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<String>>,
}

impl Seen {
    fn note(&self, event: String) {
        self.events.lock().unwrap().push(event);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

impl Fetchers for Seen {
    fn start(&self, targets: Vec<FetchTarget>) {
        for target in targets {
            self.note(format!("fetch {} from {} at {}", target.partition, target.leader, target.fetch_offset));
        }
    }

    fn stop(&self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|partition| self.note(format!("stop {partition}")));
    }

    fn set_topic_ids(&self, ids: &[(TopicPartition, Option<TopicId>)]) {
        ids.iter().for_each(|(partition, id)| self.note(format!("id of {partition}: {}", id.is_some())));
    }

    fn stop_idle(&self) {}
}

impl LeadershipListener for Seen {
    fn became_leader(&self, partition: &TopicPartition, leader_epoch: LeaderEpoch) {
        self.note(format!("lead {partition} in {leader_epoch}"));
    }

    fn became_follower(&self, partition: &TopicPartition, leader_epoch: Option<LeaderEpoch>) {
        self.note(format!("follow {partition} in {}", leader_epoch.map_or(-1, |epoch| epoch.0)));
    }

    fn deleted(&self, partition: &TopicPartition) {
        self.note(format!("deleted {partition}"));
    }
}

fn watched() -> (Host, Arc<Seen>) {
    let (host, seen) = (Host::new(), Arc::new(Seen::default()));
    host.replicas.set_fetchers(Arc::clone(&seen) as Arc<dyn Fetchers>);
    host.replicas.add_listener(Arc::clone(&seen) as Arc<dyn LeadershipListener>);
    (host, seen)
}

fn offsets(order: PartitionOrder) -> PartitionOrder {
    PartitionOrder { partition: TopicPartition::new("__consumer_offsets", 7), ..order }
}

fn stop(leader_epoch: i32, delete: bool) -> Vec<StopOrder> {
    vec![StopOrder { partition: id(), leader_epoch: LeaderEpoch(leader_epoch), delete }]
}

#[test]
fn an_old_controller_is_not_obeyed() {
    let host = Host::new();
    let newer = ControllerEpoch(5);
    assert!(host.replicas.apply(newer, vec![order(0, 1, &[1], &[1])], NOW).is_ok());
    let older = ControllerEpoch(4);
    assert_eq!(
        host.replicas.apply(older, vec![order(1, 1, &[1], &[1])], NOW),
        Err(StaleControllerEpoch { got: older, current: newer })
    );
    assert!(host.replicas.stop(older, stop(-2, true)).is_err());
    assert!(host.replicas.check_controller(older).is_err() && host.replicas.check_controller(newer).is_ok());
    assert!(host.replicas.partition("t", 0).is_ok());
}

#[test]
fn leader_epochs_must_grow() {
    let host = Host::new();
    assert_eq!(host.apply(order(3, 1, &[1], &[1])), ErrorCode::None);
    assert_eq!(host.apply(order(2, 1, &[1], &[1])), ErrorCode::StaleControllerEpoch);
    assert_eq!(host.apply(order(3, 1, &[1], &[1])), ErrorCode::StaleControllerEpoch);
    assert_eq!(host.apply(order(4, 1, &[1], &[1])), ErrorCode::None);
}

#[test]
fn an_order_overtaken_by_a_newer_partition_epoch_is_skipped_without_a_word() {
    let host = Host::new();
    host.apply(PartitionOrder { partition_epoch: PartitionEpoch(9), ..order(3, 1, &[1], &[1, 2]) });
    let late = PartitionOrder { partition_epoch: PartitionEpoch(8), ..order(4, 2, &[2], &[1, 2]) };
    assert_eq!(host.apply(late), ErrorCode::None);
    assert!(host.replicas.partition("t", 0).unwrap().is_leader());
}

#[test]
fn a_broker_that_is_no_replica_hosts_nothing() {
    let host = Host::new();
    assert_eq!(host.apply(order(0, 2, &[2], &[2, 3])), ErrorCode::UnknownTopicOrPartition);
    assert!(host.replicas.partitions().is_empty());
    assert!(matches!(host.replicas.partition("t", 0), Err(Error::NotLeaderOrFollower(_))), "it exists elsewhere");
    assert!(matches!(host.replicas.partition("u", 0), Err(Error::UnknownTopicOrPartition(_))));
}

#[test]
fn a_topic_recreated_under_its_name_is_not_mistaken_for_the_old_one() {
    let host = Host::new();
    host.apply(order(0, 1, &[1], &[1]));
    let other = PartitionOrder { topic_id: Some(TopicId(Uuid::from_u128(8))), ..order(1, 1, &[1], &[1]) };
    assert_eq!(host.apply(other), ErrorCode::InconsistentTopicId);
    let nameless = PartitionOrder { topic_id: None, ..order(1, 1, &[1], &[1]) };
    assert_eq!(host.apply(nameless), ErrorCode::None, "a controller without ids is always right");
}

#[test]
fn a_topic_id_can_come_and_go_within_an_epoch() {
    let (host, seen) = watched();
    let nameless = PartitionOrder { topic_id: None, ..order(0, 2, &[2], &[1, 2]) };
    host.apply(nameless.clone());
    assert_eq!(host.apply(order(0, 2, &[2], &[1, 2])), ErrorCode::None);
    assert_eq!(host.replicas.partition("t", 0).unwrap().topic_id(), Some(topic_id()));
    assert_eq!(host.apply(nameless), ErrorCode::None, "a controller that went back a version");
    assert_eq!(seen.take()[2..], ["id of t-0: true", "id of t-0: false"]);
    assert_eq!(host.apply(order(0, 2, &[2], &[1, 2])), ErrorCode::StaleControllerEpoch);
}

#[test]
fn followers_fetch_and_leaders_stop_fetching() {
    let (host, seen) = watched();
    host.apply(order(0, 2, &[1, 2], &[1, 2]));
    assert_eq!(seen.take(), ["stop t-0", "fetch t-0 from 2 at 0"]);
    host.apply(order(1, 1, &[1, 2], &[1, 2]));
    assert_eq!(seen.take(), ["stop t-0"]);
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    host.apply(order(2, 2, &[1, 2], &[1, 2]));
    assert_eq!(seen.take(), ["stop t-0", "fetch t-0 from 2 at 3"], "from the log end, for there are epochs");
}

#[test]
fn a_leader_that_is_not_alive_is_not_followed_but_the_order_is_answered() {
    let (host, seen) = watched();
    host.apply(order(0, 1, &[1, 2], &[1, 2]));
    seen.take();
    assert_eq!(host.apply(order(1, 9, &[9], &[1, 9])), ErrorCode::None);
    assert!(seen.take().is_empty());
    let partition = host.replicas.partition("t", 0).unwrap();
    assert!(partition.is_leader() && partition.leader_epoch() == LeaderEpoch(0), "all stays as it was");
    assert_eq!(host.apply(order(1, 2, &[2], &[1, 2])), ErrorCode::None, "and the same epoch may come again");
}

#[test]
fn coordinators_hear_of_their_partitions_only() {
    let (host, seen) = watched();
    host.apply(order(0, 1, &[1], &[1, 2]));
    host.apply(offsets(order(0, 1, &[1], &[1, 2])));
    let told = |seen: &Seen| seen.take().into_iter().filter(|event| !event.contains("stop")).collect::<Vec<_>>();
    assert_eq!(told(&seen), ["lead __consumer_offsets-7 in 0"]);
    host.apply(offsets(order(1, 1, &[1], &[1, 2])));
    assert!(told(&seen).is_empty(), "it led before");
    host.apply(offsets(order(2, 2, &[2], &[1, 2])));
    assert_eq!(told(&seen)[0], "follow __consumer_offsets-7 in 2");
    let partition = TopicPartition::new("__consumer_offsets", 7);
    let order = StopOrder { partition, leader_epoch: LeaderEpoch(-2), delete: true };
    host.replicas.stop(ControllerEpoch(1), vec![order]).unwrap();
    assert_eq!(told(&seen), ["follow __consumer_offsets-7 in -1", "deleted __consumer_offsets-7"]);
}

#[test]
fn stop_needs_an_epoch_that_is_no_older() {
    let host = Host::new();
    host.apply(order(3, 1, &[1], &[1]));
    let answer = |epoch| host.replicas.stop(ControllerEpoch(1), stop(epoch, false)).unwrap()[0].1;
    assert_eq!(answer(2), ErrorCode::FencedLeaderEpoch);
    for epoch in [3, 4, -1, -2] {
        assert_eq!(answer(epoch), ErrorCode::None, "{epoch}");
    }
    assert!(host.replicas.partition("t", 0).is_ok(), "stopped without being deleted");
}

#[test]
fn a_deleted_partition_is_gone_from_disk_and_one_unknown_too() {
    let host = Host::new();
    let partition = host.lead_alone(0);
    assert_eq!(host.replicas.stop(ControllerEpoch(1), stop(-2, true)).unwrap(), [(id(), ErrorCode::None)]);
    assert!(host.replicas.logs().get(&id()).is_none());
    assert!(host.replicas.partitions().is_empty());
    assert!(matches!(partition.read(&consumer(0)), Err(Error::NotLeaderOrFollower(_))));
    assert_eq!(host.replicas.stop(ControllerEpoch(1), stop(-2, true)).unwrap(), [(id(), ErrorCode::None)]);
}

#[test]
fn internal_topics_are_for_coordinators() {
    let host = Host::new();
    let partition = host.lead(offsets(order(0, 1, &[1], &[1])));
    let refused = host.append(partition.id(), batch(1), Acks::Leader);
    assert!(matches!(refused, Err(Error::Refused { code: ErrorCode::InvalidTopicException, .. })));
    let entry = (partition.id().clone(), batch(1), VerificationGuard::NONE);
    let outcome = host.replicas.append([entry], &AppendOptions::coordinator(Acks::All, NOW, NOW)).pop().unwrap();
    assert!(outcome.result.is_ok());
}

#[test]
fn a_failed_log_directory_takes_its_partitions_out_of_service() {
    let (host, seen) = watched();
    let partition = host.lead_alone(0);
    seen.take();
    let dir = partition.log().unwrap().parent_dir().to_owned();
    assert_eq!(host.replicas.on_log_dir_failure(&dir), [id()]);
    assert_eq!(seen.take(), ["stop t-0"]);
    assert!(matches!(host.replicas.partition("t", 0), Err(Error::Offline(_))));
    assert_eq!(host.apply(order(9, 1, &[1], &[1])), ErrorCode::KafkaStorageError);
    assert_eq!(host.replicas.stop(ControllerEpoch(1), stop(-2, true)).unwrap()[0].1, ErrorCode::KafkaStorageError);
    assert_eq!(host.replicas.counts(), Counts { partitions: 1, offline: 1, ..Counts::default() });
}

#[test]
fn what_is_led_is_counted() {
    let host = Host::new();
    host.set_topic_config("min.insync.replicas", "2");
    let at = |index, isr: &[i32]| PartitionOrder {
        partition: TopicPartition::new("t", index),
        ..order(0, 1, isr, &[1, 2, 3])
    };
    host.apply(at(0, &[1, 2, 3]));
    host.apply(at(1, &[1, 2]));
    host.apply(PartitionOrder { adding_replicas: vec![BrokerId(3)], ..at(2, &[1]) });
    host.apply(PartitionOrder { leader: BrokerId(2), ..at(3, &[2]) });
    let expected = Counts {
        partitions: 4,
        leaders: 3,
        offline: 0,
        under_replicated: 2,
        under_min_isr: 1,
        at_min_isr: 1,
        reassigning: 1,
    };
    assert_eq!(host.replicas.counts(), expected);
}

#[test]
fn a_name_that_is_no_topics_makes_no_directory() {
    let host = Host::new();
    for (name, index) in [("../escaped", 0), ("a/b", 0), ("", 0), ("t", -1)] {
        let partition = TopicPartition::new(name, index);
        let refused = host.apply(PartitionOrder { partition, ..order(0, 1, &[1], &[1]) });
        assert_eq!(refused, ErrorCode::InvalidTopicException, "{name:?}");
    }
    assert!(host.replicas.logs().all().is_empty());
}
