//! Facts about following: what is asked next, and what answers change.

use config::MetadataVersion;
use uuid::Uuid;
use zk_schema::types::BrokerId;

use super::*;

const BACKOFF: i64 = 1000;

fn id(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

fn target(index: i32, fetch_offset: Offset) -> FetchTarget {
    FetchTarget {
        partition: id(index),
        topic_id: Some(TopicId(Uuid::from_u128(7))),
        leader: BrokerId(2),
        leader_epoch: LeaderEpoch(4),
        fetch_offset,
        has_epochs: true,
    }
}

fn fetcher(ibp: &str, targets: &[FetchTarget]) -> Fetcher {
    let mut fetcher = Fetcher::new(Versions::of(MetadataVersion::from_name(ibp).unwrap()), BACKOFF);
    targets.iter().for_each(|target| fetcher.start(target, Some(LeaderEpoch(3))));
    fetcher
}

fn plan(fetcher: &mut Fetcher, now_ms: i64) -> FetchPlan {
    match fetcher.next(now_ms, |_| Some(0)) {
        Step::Fetch(plan) => plan,
        step => panic!("{step:?}"),
    }
}

fn named(plan: &FetchPlan) -> Vec<(i32, Offset)> {
    plan.partitions.iter().map(|(id, asked)| (id.partition, asked.fetch_offset)).collect()
}

fn pending(index: i32, fetch_offset: Offset) -> Pending {
    Pending { partition: id(index), leader_epoch: LeaderEpoch(4), fetch_offset }
}

#[test]
fn a_session_names_only_what_changed() {
    let mut fetcher = fetcher("3.9", &[target(0, 5), target(1, 6)]);
    let first = plan(&mut fetcher, 0);
    assert_eq!((first.version, first.session_id, first.session_epoch), (17, 0, 0));
    assert_eq!(named(&first), [(0, 5), (1, 6)]);
    fetcher.on_answered(77);
    fetcher.on_log_end(&id(1), 9, Some(LeaderEpoch(4)));
    let second = plan(&mut fetcher, 0);
    assert_eq!((second.session_id, second.session_epoch), (77, 1));
    assert_eq!(named(&second), [(1, 9)]);
    assert_eq!(second.partitions[0].1.last_fetched_epoch, Some(LeaderEpoch(4)));
    fetcher.on_answered(77);
    fetcher.stop(&id(0));
    let third = plan(&mut fetcher, 0);
    assert_eq!((third.session_epoch, named(&third), third.forgotten.len()), (2, vec![], 1));
}

#[test]
fn without_a_session_every_fetch_names_everything_and_begins_elsewhere() {
    let mut fetcher = fetcher("3.9", &[target(0, 5), target(1, 6)]);
    assert_eq!(named(&plan(&mut fetcher, 0)), [(0, 5), (1, 6)]);
    fetcher.on_answered(0);
    assert_eq!(named(&plan(&mut fetcher, 0)), [(1, 6), (0, 5)]);
}

#[test]
fn a_lost_session_is_begun_anew_at_once() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    plan(&mut fetcher, 0);
    fetcher.on_answered(77);
    plan(&mut fetcher, 0);
    fetcher.on_refused(ErrorCode::FetchSessionIdNotFound, 0);
    let again = plan(&mut fetcher, 0);
    assert_eq!((again.session_id, again.session_epoch, named(&again)), (0, 0, vec![(0, 5)]));
}

#[test]
fn a_topic_id_that_comes_or_goes_begins_a_new_session() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    plan(&mut fetcher, 0);
    fetcher.on_answered(77);
    fetcher.set_topic_id(&id(0), None);
    let named_plan = plan(&mut fetcher, 0);
    assert_eq!((named_plan.version, named_plan.session_id, named_plan.session_epoch), (12, 77, 0));
    assert!(!named_plan.uses_topic_ids && named(&named_plan) == [(0, 5)]);
}

#[test]
fn a_lost_connection_backs_off_what_was_asked_but_not_what_comes_anew() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    plan(&mut fetcher, 0);
    fetcher.on_connection_lost(0);
    assert_eq!(fetcher.next(1, |_| Some(0)), Step::Wait { until_ms: Some(BACKOFF) });
    fetcher.start(&target(1, 6), None);
    assert_eq!(named(&plan(&mut fetcher, 1)), [(1, 6)]);
    assert_eq!(plan(&mut fetcher, BACKOFF).partitions.len(), 2);
}

#[test]
fn an_answer_to_what_is_no_longer_asked_is_of_no_use() {
    let mut fetcher = fetcher("3.9", &[target(0, 5), target(1, 6)]);
    plan(&mut fetcher, 0);
    assert!(fetcher.asked(&id(0)).is_some());
    fetcher.start(&FetchTarget { leader_epoch: LeaderEpoch(5), ..target(0, 5) }, None);
    assert!(fetcher.asked(&id(0)).is_none(), "another leadership");
    fetcher.stop(&id(1));
    assert!(fetcher.asked(&id(1)).is_none());
}

#[test]
fn a_fenced_partition_waits_for_the_controller() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    plan(&mut fetcher, 0);
    assert_eq!(fetcher.on_error(&pending(0, 5), ErrorCode::FencedLeaderEpoch, 0), Reaction::None);
    assert_eq!(fetcher.next(i64::MAX, |_| Some(0)), Step::Wait { until_ms: None });
    fetcher.start(&FetchTarget { leader_epoch: LeaderEpoch(5), ..target(0, 5) }, None);
    assert_eq!(named(&plan(&mut fetcher, 0)), [(0, 5)]);
}

#[test]
fn other_errors_back_off_and_an_unknown_offset_is_looked_for() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    plan(&mut fetcher, 0);
    assert_eq!(fetcher.on_error(&pending(0, 5), ErrorCode::OffsetOutOfRange, 0), Reaction::FindOffset);
    for error in [ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownTopicId, ErrorCode::CorruptMessage] {
        assert_eq!(fetcher.on_error(&pending(0, 5), error, 10), Reaction::None);
        assert_eq!(fetcher.next(10, |_| Some(0)), Step::Wait { until_ms: Some(10 + BACKOFF) });
    }
}

#[test]
fn old_protocols_truncate_before_they_fetch() {
    let mut fetcher = fetcher("2.6", &[target(0, 5)]);
    assert_eq!(fetcher.next(0, |_| Some(0)), Step::Truncate(vec![pending(0, 5)]));
    fetcher.on_truncated(&id(0), 4, Some(LeaderEpoch(2)), false);
    assert_eq!(fetcher.next(0, |_| Some(0)), Step::Truncate(vec![pending(0, 4)]), "asked once more");
    fetcher.on_truncated(&id(0), 3, Some(LeaderEpoch(2)), true);
    assert_eq!(named(&plan(&mut fetcher, 0)), [(0, 3)]);
}

#[test]
fn a_log_without_epochs_is_cut_back_to_what_was_committed() {
    let mut fetcher = fetcher("3.9", &[FetchTarget { has_epochs: false, ..target(0, 5) }]);
    assert_eq!(fetcher.next(0, |_| Some(0)), Step::Truncate(vec![pending(0, 5)]));
}

#[test]
fn a_log_out_of_service_is_not_asked_for() {
    let mut fetcher = fetcher("3.9", &[target(0, 5)]);
    assert_eq!(fetcher.next(0, |_| None), Step::Wait { until_ms: Some(BACKOFF) });
}
