//! Facts about the controller, told through a small cluster in memory.

#![expect(clippy::unwrap_used, reason = "part of tests")]

mod cluster;

use cluster::{Cluster, Weather};
use coordinator::controller::Error;
use coordinator::controller::effect::Answer;
use coordinator::controller::event::{ElectionType, Request};
use zk_schema::{BrokerId, TopicPartition, paths};

/// Brokers 1 to `count`, in fair weather; broker 1 is the controller.
fn brokers(count: i32) -> Cluster {
    let mut cluster = Cluster::new(1, Weather::FAIR);
    for id in 1..=count {
        cluster.start(id);
        cluster.settle();
    }
    cluster
}

fn check(cluster: &Cluster) {
    assert_eq!(cluster.rules.broken, Vec::<String>::new());
    assert_eq!(cluster.rules.errors, Vec::<String>::new());
}

fn part(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// Kills a broker and waits until ZooKeeper and the controller have noticed.
fn lose(cluster: &mut Cluster, id: i32) {
    cluster.kill(id);
    cluster.pass(7_000);
    cluster.settle();
}

fn answer(cluster: &mut Cluster, request: Request) -> Answer {
    let token = cluster.ask(request);
    cluster.settle();
    cluster.answers.remove(&token).expect("an answer")
}

#[test]
fn one_broker_leads_what_it_hosts() {
    let mut cluster = brokers(1);
    cluster.create_topic("t", &[&[1], &[1]]);
    cluster.settle();
    assert_eq!((cluster.leader("t", 0), cluster.leader("t", 1)), (1, 1));
    assert_eq!(cluster.leader_epoch("t", 0), 0);
    assert!(cluster.node(1).broker.replicas.contains_key(&part("t", 1)));
    assert_eq!(cluster.node(1).broker.cache[&part("t", 0)].leader, BrokerId(1));
    check(&cluster);
}

#[test]
fn the_first_live_replica_of_a_new_topic_leads_and_all_live_ones_are_in_sync() {
    let mut cluster = brokers(3);
    lose(&mut cluster, 2);
    cluster.create_topic("t", &[&[2, 3, 1]]);
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 3);
    assert_eq!(cluster.isr("t", 0), [3, 1]);
    check(&cluster);
}

#[test]
fn a_topic_without_a_live_replica_waits_for_one() {
    let mut cluster = brokers(2);
    lose(&mut cluster, 2);
    cluster.create_topic("t", &[&[2]]);
    cluster.settle();
    assert_eq!(cluster.state("t", 0), None);
    cluster.start(2);
    cluster.pass(7_000);
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 2);
}

#[test]
fn a_dead_leader_is_replaced_from_the_isr() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[2, 3, 1], &[3, 2, 1]]);
    cluster.settle();
    lose(&mut cluster, 2);
    assert_eq!(cluster.leader("t", 0), 3);
    assert_eq!(cluster.isr("t", 0), [3, 1]);
    assert_eq!(cluster.isr("t", 1), [3, 1]);
    assert_eq!(cluster.node(1).broker.cache[&part("t", 0)].offline, [BrokerId(2)]);
    check(&cluster);
}

#[test]
fn a_new_controller_carries_on_when_the_old_one_dies() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[1, 2, 3]]);
    cluster.settle();
    lose(&mut cluster, 1);
    assert_eq!(cluster.controller(), Some(BrokerId(2)));
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.state("t", 0).unwrap().controller_epoch.0, 2);
    check(&cluster);
}

#[test]
fn the_last_in_sync_replica_stays_in_the_isr_when_it_dies() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2]]);
    cluster.settle();
    lose(&mut cluster, 2);
    assert_eq!(cluster.leader("t", 0), -1);
    assert_eq!(cluster.isr("t", 0), [2]);
    assert_eq!(cluster.node(1).controller.metrics().offline_partitions, 1);
    cluster.start(2);
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.node(1).controller.metrics().offline_partitions, 0);
    check(&cluster);
}

/// A partition of brokers 2 and 3 whose only in-sync replica is 2, with 2 dead.
fn only_the_dead_are_in_sync(cluster: &mut Cluster) {
    cluster.create_topic("t", &[&[2, 3]]);
    cluster.settle();
    lose(cluster, 3);
    lose(cluster, 2);
    assert_eq!(cluster.isr("t", 0), [2]);
    cluster.start(3);
    cluster.settle();
}

#[test]
fn nobody_outside_the_isr_leads_unless_allowed() {
    let mut cluster = brokers(3);
    only_the_dead_are_in_sync(&mut cluster);
    assert_eq!(cluster.leader("t", 0), -1);
    check(&cluster);
}

#[test]
fn a_topic_may_allow_unclean_elections() {
    let mut cluster = brokers(3);
    cluster.rules.unclean = true;
    only_the_dead_are_in_sync(&mut cluster);
    let config = br#"{"version":1,"config":{"unclean.leader.election.enable":"true"}}"#;
    cluster.set("/config/topics/t", config);
    cluster.hear(BrokerId(1), coordinator::controller::Event::UncleanElectionEnabled(Some("t".into())));
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 3);
    check(&cluster);
}

#[test]
fn an_operator_may_elect_uncleanly() {
    let mut cluster = brokers(3);
    cluster.rules.unclean = true;
    only_the_dead_are_in_sync(&mut cluster);
    let partitions = Some(vec![part("t", 0)]);
    let request = Request::ElectLeaders { partitions, election_type: ElectionType::Unclean };
    assert_eq!(answer(&mut cluster, request), Answer::ElectLeaders(vec![(part("t", 0), Ok(BrokerId(3)))]));
    assert_eq!(cluster.isr("t", 0), [3]);
    let text = String::from_utf8_lossy(cluster.zk.data(&paths::partition_state(&part("t", 0))).unwrap()).into_owned();
    assert!(text.contains(r#""leader_recovery_state":1"#), "{text}");
    assert_eq!(cluster.node(1).controller.metrics().unclean_elections, 1);
    cluster.propose_isrs();
    cluster.settle();
    let text = String::from_utf8_lossy(cluster.zk.data(&paths::partition_state(&part("t", 0))).unwrap()).into_owned();
    assert!(!text.contains("leader_recovery_state"), "{text}");
    check(&cluster);
}

#[test]
fn a_returning_follower_joins_the_isr_again() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[1, 2, 3]]);
    cluster.settle();
    lose(&mut cluster, 3);
    assert_eq!(cluster.isr("t", 0), [1, 2]);
    let epoch = cluster.leader_epoch("t", 0);
    cluster.start(3);
    cluster.settle();
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(cluster.isr("t", 0), [1, 2, 3]);
    assert_eq!(cluster.leader_epoch("t", 0), epoch, "an ISR change keeps the leader epoch");
    assert_eq!(cluster.node(2).broker.cache[&part("t", 0)].isr.len(), 3);
    check(&cluster);
}

#[test]
fn a_restarted_broker_is_told_again_under_its_new_epoch() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1]]);
    cluster.settle();
    cluster.stop(2);
    cluster.start(2);
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 1);
    assert_eq!(cluster.node(2).broker.replicas[&part("t", 0)].leader, BrokerId(1));
    check(&cluster);
}

#[test]
fn leadership_goes_home_after_a_while() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1]]);
    cluster.settle();
    cluster.stop(2);
    cluster.start(2);
    cluster.settle();
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 1);
    assert_eq!(cluster.node(1).controller.metrics().imbalanced_partitions, 1);
    cluster.pass(300_001);
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.node(1).controller.metrics().imbalanced_partitions, 0);
    check(&cluster);
}

#[test]
fn preferred_leaders_are_elected_on_request() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1], &[1, 2]]);
    cluster.settle();
    cluster.stop(2);
    cluster.start(2);
    cluster.settle();
    let request = Request::ElectLeaders { partitions: None, election_type: ElectionType::Preferred };
    let Answer::ElectLeaders(results) = answer(&mut cluster, request.clone()) else { panic!() };
    assert_eq!(results[0].1.as_ref().unwrap_err().error, Error::PreferredLeaderNotAvailable);
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(answer(&mut cluster, request), Answer::ElectLeaders(vec![(part("t", 0), Ok(BrokerId(2)))]));
    let partitions = Some(vec![part("t", 0), part("t", 9)]);
    let request = Request::ElectLeaders { partitions, election_type: ElectionType::Preferred };
    let Answer::ElectLeaders(results) = answer(&mut cluster, request) else { panic!() };
    let errors: Vec<Error> = results.into_iter().map(|(_, result)| result.unwrap_err().error).collect();
    assert_eq!(errors, [Error::ElectionNotNeeded, Error::UnknownTopicOrPartition]);
    check(&cluster);
}

#[test]
fn preferred_leaders_are_elected_by_znode() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1]]);
    cluster.settle();
    cluster.stop(2);
    cluster.start(2);
    cluster.settle();
    cluster.propose_isrs();
    cluster.settle();
    let data = br#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#;
    cluster.create(paths::PREFERRED_REPLICA_ELECTION, Some(data));
    cluster.settle();
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.zk.data(paths::PREFERRED_REPLICA_ELECTION), None);
    check(&cluster);
}

#[test]
fn added_partitions_get_leaders() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1, 2]]);
    cluster.settle();
    cluster.add_partitions("t", &[&[2, 1], &[1, 2]]);
    cluster.settle();
    assert_eq!((cluster.leader("t", 1), cluster.leader("t", 2)), (2, 1));
    check(&cluster);
}

#[test]
fn a_deleted_topic_leaves_nothing_behind() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1, 2], &[2, 1]]);
    cluster.settle();
    cluster.delete_topic("t");
    cluster.settle();
    assert_eq!(cluster.topic("t"), None);
    assert_eq!(cluster.zk.data("/config/topics/t"), None);
    assert_eq!(cluster.zk.children(paths::DELETE_TOPICS).len(), 0);
    for id in [1, 2] {
        let broker = &cluster.node(id).broker;
        assert!(broker.replicas.is_empty() && broker.logs.is_empty() && broker.cache.is_empty());
    }
    assert_eq!(cluster.node(1).controller.metrics().topics, 0);
    check(&cluster);
}

#[test]
fn a_deletion_waits_for_brokers_that_are_away() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1, 2]]);
    cluster.settle();
    lose(&mut cluster, 2);
    cluster.delete_topic("t");
    cluster.settle();
    assert!(cluster.topic("t").is_some());
    assert_eq!(cluster.node(1).controller.metrics().topics_ineligible_to_delete, 1);
    cluster.start(2);
    cluster.settle();
    assert_eq!(cluster.topic("t"), None);
    assert!(cluster.node(2).broker.logs.is_empty());
    check(&cluster);
}

#[test]
fn a_name_can_be_used_again_after_deletion() {
    let mut cluster = brokers(1);
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    let old = cluster.topic("t").unwrap().topic_id;
    cluster.delete_topic("t");
    cluster.settle();
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    assert_ne!(cluster.topic("t").unwrap().topic_id, old);
    assert_eq!(cluster.leader("t", 0), 1);
    check(&cluster);
}

#[test]
fn deleting_what_does_not_exist_only_removes_the_wish() {
    let mut cluster = brokers(1);
    cluster.delete_topic("nope");
    cluster.settle();
    assert_eq!(cluster.zk.children(paths::DELETE_TOPICS).len(), 0);
    check(&cluster);
}

#[test]
fn a_topic_without_an_id_gets_one() {
    let mut cluster = brokers(1);
    let data = br#"{"version":1,"partitions":{"0":[1]}}"#;
    cluster.create("/brokers/topics/t", Some(data));
    cluster.settle();
    assert!(cluster.topic("t").unwrap().topic_id.is_some());
    assert_eq!(cluster.leader("t", 0), 1);
    check(&cluster);
}

#[test]
fn an_unreadable_topic_does_not_keep_others_from_service() {
    let mut cluster = brokers(1);
    cluster.create("/brokers/topics/bad", Some(b"{"));
    cluster.create_topic("good", &[&[1]]);
    cluster.settle();
    assert_eq!(cluster.leader("good", 0), 1);
    cluster.set("/brokers/topics/bad", br#"{"version":1,"partitions":{"0":[1]}}"#);
    cluster.settle();
    assert_eq!(cluster.leader("bad", 0), 1);
    assert_eq!(cluster.rules.broken, Vec::<String>::new());
}

#[test]
fn a_stopping_broker_hands_on_what_it_leads() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[2, 3, 1], &[3, 2, 1], &[2]]);
    cluster.settle();
    let broker_epoch = cluster.node(2).broker_epoch;
    let request = Request::ControlledShutdown { broker: BrokerId(2), broker_epoch };
    assert_eq!(answer(&mut cluster, request), Answer::ControlledShutdown(Ok(Vec::new())));
    assert_eq!(cluster.leader("t", 0), 3);
    assert_eq!(cluster.isr("t", 0), [3, 1]);
    assert_eq!(cluster.isr("t", 1), [3, 1]);
    assert_eq!(cluster.leader("t", 2), 2, "a single replica cannot be handed on");
    cluster.stop(2);
    cluster.settle();
    assert_eq!(cluster.leader("t", 2), -1);
    check(&cluster);
}

#[test]
fn a_stopping_broker_hears_what_it_could_not_hand_on() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1]]);
    cluster.settle();
    cluster.stop(1);
    cluster.settle();
    assert_eq!(cluster.isr("t", 0), [2]);
    let broker_epoch = cluster.node(2).broker_epoch;
    let request = Request::ControlledShutdown { broker: BrokerId(2), broker_epoch };
    assert_eq!(answer(&mut cluster, request), Answer::ControlledShutdown(Ok(vec![part("t", 0)])));
    let stale = Request::ControlledShutdown { broker: BrokerId(2), broker_epoch: zk_schema::BrokerEpoch(0) };
    assert_eq!(answer(&mut cluster, stale), Answer::ControlledShutdown(Err(Error::StaleBrokerEpoch)));
    let stranger = Request::ControlledShutdown { broker: BrokerId(9), broker_epoch: zk_schema::BrokerEpoch(0) };
    assert_eq!(answer(&mut cluster, stranger), Answer::ControlledShutdown(Err(Error::BrokerNotAvailable)));
}

fn reassign(cluster: &mut Cluster, partition: TopicPartition, target: Option<&[i32]>) -> Option<Error> {
    let target = target.map(|ids| ids.iter().map(|&id| BrokerId(id)).collect());
    let request = Request::AlterPartitionReassignments { targets: vec![(partition, target)] };
    let Answer::AlterPartitionReassignments(Ok(results)) = answer(cluster, request) else { panic!() };
    results[0].1.as_ref().err().map(|error| error.error)
}

fn replicas(cluster: &Cluster, topic: &str) -> Vec<i32> {
    cluster.topic(topic).unwrap().partitions[&0].replicas.iter().map(|id| id.0).collect()
}

#[test]
fn replicas_move_once_the_new_ones_have_caught_up() {
    let mut cluster = brokers(4);
    cluster.create_topic("t", &[&[1, 2]]);
    cluster.settle();
    assert_eq!(reassign(&mut cluster, part("t", 0), Some(&[3, 4])), None);
    assert_eq!(replicas(&cluster, "t"), [3, 4, 1, 2]);
    let request = Request::ListPartitionReassignments { partitions: None };
    let Answer::ListPartitionReassignments(Ok(moving)) = answer(&mut cluster, request) else { panic!() };
    assert_eq!(*moving[0].1.adding, [BrokerId(3), BrokerId(4)]);
    assert_eq!(*moving[0].1.removing, [BrokerId(1), BrokerId(2)]);
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(replicas(&cluster, "t"), [3, 4]);
    assert_eq!(cluster.leader("t", 0), 3);
    assert_eq!(cluster.isr("t", 0), [3, 4]);
    for (id, hosts) in [(1, false), (2, false), (3, true), (4, true)] {
        assert_eq!(cluster.node(id).broker.logs.contains(&part("t", 0)), hosts, "broker {id}");
    }
    check(&cluster);
}

#[test]
fn a_move_can_be_cancelled() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[1, 2]]);
    cluster.settle();
    assert_eq!(reassign(&mut cluster, part("t", 0), None), Some(Error::NoReassignmentInProgress));
    reassign(&mut cluster, part("t", 0), Some(&[1, 3]));
    assert_eq!(reassign(&mut cluster, part("t", 0), None), None);
    assert_eq!(replicas(&cluster, "t"), [1, 2]);
    assert!(!cluster.node(3).broker.logs.contains(&part("t", 0)));
    check(&cluster);
}

#[test]
fn a_move_can_be_given_another_target() {
    let mut cluster = brokers(4);
    cluster.create_topic("t", &[&[1, 2]]);
    cluster.settle();
    reassign(&mut cluster, part("t", 0), Some(&[1, 3]));
    reassign(&mut cluster, part("t", 0), Some(&[1, 4]));
    assert_eq!(replicas(&cluster, "t"), [1, 4, 2]);
    assert!(!cluster.node(3).broker.logs.contains(&part("t", 0)));
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(replicas(&cluster, "t"), [1, 4]);
    check(&cluster);
}

#[test]
fn impossible_targets_are_refused() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    for target in [&[][..], &[1, 1], &[-1], &[9]] {
        assert_eq!(reassign(&mut cluster, part("t", 0), Some(target)), Some(Error::InvalidReplicaAssignment));
    }
    assert_eq!(reassign(&mut cluster, part("no", 0), Some(&[1])), Some(Error::UnknownTopicOrPartition));
    assert_eq!(reassign(&mut cluster, part("t", 0), Some(&[1])), None, "where it is already");
    check(&cluster);
}

#[test]
fn replicas_move_by_znode() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    let data = br#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2]},{"topic":"no","partition":0,"replicas":[2]}]}"#;
    cluster.create(paths::REASSIGN_PARTITIONS, Some(data));
    cluster.settle();
    assert_eq!(replicas(&cluster, "t"), [2, 1]);
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(replicas(&cluster, "t"), [2]);
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.zk.data(paths::REASSIGN_PARTITIONS), None);
    check(&cluster);
}

#[test]
fn a_new_controller_finishes_the_moves_of_the_old_one() {
    let mut cluster = brokers(4);
    cluster.create_topic("t", &[&[2, 3]]);
    cluster.settle();
    reassign(&mut cluster, part("t", 0), Some(&[4, 3]));
    lose(&mut cluster, 1);
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(replicas(&cluster, "t"), [4, 3]);
    assert_eq!(cluster.leader("t", 0), 4);
    check(&cluster);
}

#[test]
fn a_topic_on_the_move_is_deleted_when_it_has_arrived() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    reassign(&mut cluster, part("t", 0), Some(&[2]));
    cluster.delete_topic("t");
    cluster.settle();
    assert!(cluster.topic("t").is_some());
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(cluster.topic("t"), None);
    check(&cluster);
}

#[test]
fn partitions_added_to_a_moving_topic_are_kept() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[1]]);
    cluster.settle();
    reassign(&mut cluster, part("t", 0), Some(&[2]));
    cluster.add_partitions("t", &[&[1]]);
    cluster.propose_isrs();
    cluster.settle();
    assert_eq!(cluster.topic("t").unwrap().partitions.len(), 2);
    assert_eq!(cluster.leader("t", 1), 1);
    check(&cluster);
}

#[test]
fn a_failed_log_directory_costs_its_leaders_their_office() {
    let mut cluster = brokers(2);
    cluster.create_topic("t", &[&[2, 1], &[2, 1]]);
    cluster.settle();
    cluster.fail_log_dir(2, &[part("t", 0)]);
    cluster.settle();
    assert_eq!((cluster.leader("t", 0), cluster.leader("t", 1)), (1, 2));
    assert_eq!(cluster.isr("t", 0), [1]);
    assert_eq!(cluster.node(1).broker.cache[&part("t", 0)].offline, [BrokerId(2)]);
    assert_eq!(cluster.zk.children(paths::LOG_DIR_EVENTS).len(), 0);
    check(&cluster);
}

#[test]
fn blocks_of_producer_ids_follow_each_other() {
    let mut cluster = brokers(1);
    let broker_epoch = cluster.node(1).broker_epoch;
    let mut block =
        |broker: i32| answer(&mut cluster, Request::AllocateProducerIds { broker: BrokerId(broker), broker_epoch });
    let start = |answer: Answer| match answer {
        Answer::AllocateProducerIds(Ok(block)) => block.start,
        other => panic!("{other:?}"),
    };
    assert_eq!(start(block(1)), 0);
    assert_eq!(start(block(1)), 1000);
    assert_eq!(block(7), Answer::AllocateProducerIds(Err(Error::BrokerIdNotRegistered)));
}

#[test]
fn whoever_is_not_in_office_says_so() {
    let mut cluster = brokers(2);
    let node = cluster.nodes.get_mut(&BrokerId(2)).unwrap();
    let request = Request::ListPartitionReassignments { partitions: None };
    let event =
        coordinator::controller::Event::Request { token: coordinator::controller::effect::RequestToken(77), request };
    let effects = node.controller.handle(event, coordinator::time::Timestamp(0));
    assert_eq!(effects.len(), 1);
    assert!(format!("{effects:?}").contains("NotController"));
}

#[test]
fn features_are_set_up_at_the_first_election() {
    let cluster = brokers(1);
    let text = String::from_utf8_lossy(cluster.zk.data(paths::FEATURE).unwrap()).into_owned();
    assert!(text.contains(r#""status":1"#), "{text}");
    assert!(text.contains(r#""version":2"#), "{text}");
}

#[test]
fn a_controller_that_lost_its_session_is_fenced_and_returns_as_a_broker() {
    let mut cluster = brokers(3);
    cluster.create_topic("t", &[&[1, 2, 3]]);
    cluster.settle();
    cluster.expire(1);
    cluster.pass(1_000);
    cluster.settle();
    assert_eq!(cluster.controller(), Some(BrokerId(2)));
    assert_eq!(cluster.leader("t", 0), 2);
    assert_eq!(cluster.node(1).broker.replicas[&part("t", 0)].leader, BrokerId(2));
    check(&cluster);
}
