//! Facts about one partition: what leaders accept, commit and give, and what followers take over.

use bytes::Bytes;
use wire::ErrorCode;

use super::*;
use crate::replica::isr::FollowerFetch;
use crate::replica::orders::IsrDecision;
use crate::replica::testing::*;

fn three() -> PartitionOrder {
    order(0, 1, &[1, 2, 3], &[1, 2, 3])
}

fn fetch(partition: &Partition, broker: i32, offset: Offset) -> Option<crate::replica::IsrProposal> {
    partition.read(&follower(broker, offset, NOW)).unwrap().1
}

fn high_watermark(partition: &Partition) -> Offset {
    partition.log().unwrap().high_watermark()
}

#[test]
fn alone_a_leader_commits_at_once() {
    let host = Host::new();
    let partition = host.lead_alone(0);
    let appended = host.append(&id(), batch(3), Acks::All).unwrap();
    assert_eq!((appended.info.first_offset, appended.info.last_offset, appended.awaits), (0, 2, None));
    assert_eq!(high_watermark(&partition), 3);
    let (read, _) = partition.read(&consumer(1)).unwrap();
    assert_eq!((read.slice.len, read.high_watermark), (appended.info.bytes, 3), "whole batches, from the first");
}

#[test]
fn consumers_see_what_is_committed_and_followers_all() {
    let host = Host::new();
    let partition = host.lead(three());
    let appended = host.append(&id(), batch(3), Acks::All).unwrap();
    assert_eq!(appended.awaits, Some(3));
    assert!(partition.read(&consumer(0)).unwrap().0.slice.is_empty());
    assert!(!partition.read(&follower(2, 0, NOW)).unwrap().0.slice.is_empty());
    fetch(&partition, 2, 3);
    assert_eq!(high_watermark(&partition), 0, "broker 3 has fetched nothing yet");
    assert!(!partition.is_acknowledged(3, appended.tenure).unwrap());
    fetch(&partition, 3, 3);
    assert_eq!(high_watermark(&partition), 3);
    assert!(partition.is_acknowledged(3, appended.tenure).unwrap());
}

#[test]
fn records_of_an_earlier_time_of_leading_are_not_acknowledged() {
    let host = Host::new();
    let partition = host.lead(three());
    let before = host.append(&id(), batch(3), Acks::All).unwrap();
    assert_eq!(host.apply(order(1, 2, &[1, 2, 3], &[1, 2, 3])), ErrorCode::None);
    partition.log().unwrap().truncate_to(0).unwrap();
    host.lead(order(2, 1, &[1], &[1, 2, 3]));
    let after = host.append(&id(), batch(3), Acks::All).unwrap();
    assert_eq!(high_watermark(&partition), 3);
    assert!(partition.is_acknowledged(3, after.tenure).unwrap());
    assert!(matches!(partition.is_acknowledged(3, before.tenure), Err(Error::NotLeaderOrFollower(_))));
}

#[test]
fn too_few_in_sync_refuse_acks_all_and_take_the_rest() {
    let host = Host::new();
    host.set_topic_config("min.insync.replicas", "2");
    let partition = host.lead(order(0, 1, &[1], &[1, 2, 3]));
    let refused = host.append(&id(), batch(1), Acks::All);
    assert!(matches!(refused, Err(Error::NotEnoughReplicas { in_sync: 1, needed: 2, .. })));
    assert!(host.append(&id(), batch(1), Acks::Leader).is_ok());
    assert_eq!(high_watermark(&partition), 0, "and do not commit it");
}

#[test]
fn a_fetch_read_under_an_earlier_leadership_says_nothing_of_its_follower() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    let (read, _) = partition.read(&ReadRequest { is_again: true, ..follower(2, 3, NOW) }).unwrap();
    host.lead(order(1, 1, &[1, 2], &[1, 2]));
    let fetch = |offset| FollowerFetch { offset, log_start_offset: 0, leader_end_offset: 3, now_ms: NOW };
    assert_eq!(partition.on_follower_fetch(BrokerId(2), fetch(3), read.generation()), None);
    assert_eq!(high_watermark(&partition), 0);
}

#[test]
fn a_follower_that_catches_up_is_proposed_for_the_isr() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    assert_eq!(fetch(&partition, 2, 0), None, "it is behind the high watermark");
    let proposal = fetch(&partition, 2, 3).expect("an ISR");
    assert_eq!(proposal.isr, [BrokerId(1), BrokerId(2)].into());
    assert_eq!((proposal.leader_epoch, proposal.partition_epoch), (LeaderEpoch(0), PartitionEpoch(0)));
    assert_eq!(fetch(&partition, 2, 3), None, "one proposal at a time");
    host.append(&id(), batch(1), Acks::Leader).unwrap();
    assert_eq!(high_watermark(&partition), 3, "it may be in the ISR already");

    let decision = IsrDecision {
        leader: US,
        leader_epoch: LeaderEpoch(0),
        isr: vec![BrokerId(1), BrokerId(2)],
        partition_epoch: PartitionEpoch(1),
    };
    assert_eq!(partition.on_isr_answer(&proposal, Ok(decision), NOW), None);
    assert_eq!(partition.standing().isr, [BrokerId(1), BrokerId(2)]);
    assert_eq!(partition.standing().partition_epoch, PartitionEpoch(1));
}

#[test]
fn a_dead_follower_is_not_proposed() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1], &[1, 2]));
    host.know_brokers(&[1]);
    assert_eq!(fetch(&partition, 2, 0), None);
}

#[test]
fn a_follower_that_lags_is_proposed_to_leave_and_the_rest_commit() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    assert_eq!(partition.maybe_shrink_isr(NOW + 30_000), None);
    let proposal = partition.maybe_shrink_isr(NOW + 30_001).expect("an ISR");
    assert_eq!(proposal.isr, [BrokerId(1)].into());
    assert_eq!(high_watermark(&partition), 0, "until the controller agrees");
    let decision = IsrDecision {
        leader: US,
        leader_epoch: LeaderEpoch(0),
        isr: vec![BrokerId(1)],
        partition_epoch: PartitionEpoch(1),
    };
    partition.on_isr_answer(&proposal, Ok(decision), NOW + 30_001);
    assert_eq!(high_watermark(&partition), 3);
}

#[test]
fn the_controllers_refusals_are_taken_each_in_its_way() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1], &[1, 2]));
    let proposal = fetch(&partition, 2, 0).expect("an ISR");
    let again = partition.on_isr_answer(&proposal, Err(ErrorCode::RequestTimedOut), NOW);
    assert_eq!(again.as_ref(), Some(&proposal), "tried again");
    assert_eq!(partition.on_isr_answer(&proposal, Err(ErrorCode::FencedLeaderEpoch), NOW), None);
    assert_eq!(fetch(&partition, 2, 0), None, "given up until the controller speaks");
    assert_eq!(partition.on_isr_answer(&proposal, Err(ErrorCode::IneligibleReplica), NOW), None);
    assert!(fetch(&partition, 2, 0).is_some(), "may be tried later");
}

#[test]
fn an_answer_to_an_older_proposal_changes_nothing() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1], &[1, 2]));
    let proposal = fetch(&partition, 2, 0).expect("an ISR");
    host.lead(order(1, 1, &[1], &[1, 2]));
    let decision = IsrDecision {
        leader: US,
        leader_epoch: LeaderEpoch(0),
        isr: vec![BrokerId(1), BrokerId(2)],
        partition_epoch: PartitionEpoch(5),
    };
    partition.on_isr_answer(&proposal, Ok(decision), NOW);
    assert_eq!(partition.standing().isr, [BrokerId(1)]);
}

#[test]
fn epochs_that_do_not_fit_are_refused() {
    let host = Host::new();
    let partition = host.lead(order(5, 1, &[1, 2], &[1, 2]));
    let with = |epoch| ReadRequest { current_leader_epoch: Some(LeaderEpoch(epoch)), ..consumer(0) };
    assert!(matches!(partition.read(&with(4)), Err(Error::FencedLeaderEpoch { .. })));
    assert!(matches!(partition.read(&with(6)), Err(Error::UnknownLeaderEpoch { .. })));
    assert!(partition.read(&with(5)).is_ok());
    let stranger = ReadRequest { current_leader_epoch: Some(LeaderEpoch(5)), ..follower(9, 0, NOW) };
    assert!(matches!(partition.read(&stranger), Err(Error::NotAReplica { named_epoch: true, .. })));
}

#[test]
fn a_follower_whose_log_diverged_is_told_where() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    host.lead(order(4, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(2), Acks::Leader).unwrap();
    let with = |offset, epoch| ReadRequest { last_fetched_epoch: Some(LeaderEpoch(epoch)), ..follower(2, offset, NOW) };
    let diverging = |request: &ReadRequest| partition.read(request).unwrap().0.diverging;
    assert_eq!(diverging(&with(5, 4)), None);
    assert_eq!(diverging(&with(4, 0)), Some((LeaderEpoch(0), 3)), "it has more of epoch 0 than we");
    assert_eq!(diverging(&with(3, 2)), Some((LeaderEpoch(0), 3)), "we never had epoch 2");
    assert!(matches!(partition.read(&with(3, 9)), Err(Error::OffsetOutOfRange { .. })));
    assert_eq!(high_watermark(&partition), 5, "only the first said how far it has got");
}

#[test]
fn followers_can_be_read_up_to_the_high_watermark() {
    let host = Host::new();
    let leader = host.lead_alone(1);
    host.append(leader.id(), batch(3), Acks::Leader).unwrap();
    let records = leader.read(&consumer(0)).unwrap().0.slice.read_to_bytes().unwrap();

    assert_eq!(host.apply(order(0, 2, &[1, 2], &[1, 2])), ErrorCode::None);
    let partition = host.replicas.partition("t", 0).unwrap();
    partition.append_as_follower(records, LeaderEpoch(0), 2, 0, NOW).unwrap();
    assert!(matches!(partition.read(&consumer(0)), Err(Error::NotLeaderOrFollower(_))));
    let any = Reader::Consumer { read_committed: false, only_leader: false };
    let (read, _) = partition.read(&ReadRequest { reader: any, ..consumer(0) }).unwrap();
    assert_eq!((read.high_watermark, read.log_end_offset), (2, 3));
    let stale = partition.append_as_follower(Bytes::new(), LeaderEpoch(7), 3, 0, NOW);
    assert!(matches!(stale, Err(Error::UnknownLeaderEpoch { .. })));
    assert!(matches!(host.append(&id(), batch(1), Acks::Leader), Err(Error::NotLeaderOrFollower(_))));
}

#[test]
fn offsets_are_found_by_time_as_far_as_the_reader_may_read() {
    let host = Host::new();
    let partition = host.lead(order(3, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    fetch(&partition, 2, 3);
    host.append(&id(), batch(2), Acks::Leader).unwrap();
    let reader = consumer(0).reader;
    let find = |query, reader| partition.find_offset(query, reader, None).unwrap().map(|found| found.offset);
    assert_eq!(find(OffsetQuery::Latest, reader), Some(3));
    assert_eq!(find(OffsetQuery::Latest, Reader::Debug), Some(5));
    assert_eq!(find(OffsetQuery::Earliest, reader), Some(0));
    assert_eq!(find(OffsetQuery::Timestamp(NOW), reader), Some(0));
    assert_eq!(find(OffsetQuery::Timestamp(NOW + 1), reader), None);
    let latest = partition.find_offset(OffsetQuery::Latest, reader, None).unwrap().unwrap();
    assert_eq!(latest.leader_epoch, Some(LeaderEpoch(3)));
}

#[test]
fn a_new_leader_says_no_latest_offset_before_it_knows_what_is_committed() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    host.lead(order(1, 1, &[1, 2], &[1, 2]));
    let latest = partition.find_offset(OffsetQuery::Latest, consumer(0).reader, None);
    assert!(matches!(latest, Err(Error::OffsetNotAvailable(_))));
    assert!(partition.find_offset(OffsetQuery::Earliest, consumer(0).reader, None).unwrap().is_some());
}

#[test]
fn deleted_records_are_gone_on_the_leader_at_once_and_elsewhere_when_followers_say_so() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1, 2], &[1, 2]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    fetch(&partition, 2, 3);
    let deleted = partition.delete_records(Some(2)).unwrap();
    assert_eq!((deleted.offset, deleted.low_watermark), (2, 0));
    assert!(matches!(partition.read(&consumer(1)), Err(Error::Read(_))));
    partition.read(&ReadRequest { log_start_offset: 2, ..follower(2, 3, NOW) }).unwrap();
    assert_eq!(partition.low_watermark_as_leader().unwrap(), 2);
    assert_eq!(partition.delete_records(None).unwrap().offset, 3, "all that is committed");
    assert!(partition.delete_records(Some(4)).is_err());
    assert!(matches!(partition.delete_records(Some(-5)), Err(Error::OffsetOutOfRange { .. })));
}

#[test]
fn compacted_records_are_not_deleted_by_offset() {
    let host = Host::new();
    let partition = host.lead_alone(0);
    host.set_topic_config("cleanup.policy", "compact");
    assert!(matches!(partition.delete_records(Some(0)), Err(Error::PolicyViolation(_))));
}

#[test]
fn the_end_of_an_epoch_is_where_the_next_begins() {
    let host = Host::new();
    let partition = host.lead(order(0, 1, &[1], &[1]));
    host.append(&id(), batch(3), Acks::Leader).unwrap();
    host.lead(order(5, 1, &[1], &[1]));
    host.append(&id(), batch(1), Acks::Leader).unwrap();
    let end = |epoch| {
        let end = partition.end_of_epoch(LeaderEpoch(epoch), None, true).unwrap();
        end.map(|end| (end.leader_epoch.0, end.end_offset))
    };
    assert_eq!((end(0), end(3), end(5), end(6)), (Some((0, 3)), Some((0, 3)), Some((5, 4)), None));
}
