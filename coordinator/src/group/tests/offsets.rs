//! Facts about committed offsets.

use super::*;

#[test]
fn an_offset_is_told_only_once_it_is_stored() {
    let mut world = World::new();
    world.hold_appends = true;
    let now = world.now;
    let asked = world.commit(commit(&[(0, 5)], now));
    assert_eq!(world.answer(asked), None);
    assert_eq!(world.fetch(0, false), Ok(None));
    assert_eq!(world.fetch(0, true), Err(Error::UnstableOffsetCommit));
    world.append_all();
    assert_eq!(world.committed(asked), [Ok(())]);
    assert_eq!(world.fetch(0, true), Ok(Some(5)));
}

#[test]
fn one_commit_is_one_batch() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5), (1, 6), (2, 7)], now));
    assert_eq!(world.log.len(), 1);
    assert_eq!(world.log[0].2.len(), 3);
}

#[test]
fn commit_errors_are_told_by_their_cause() {
    for (error, told) in [
        (AppendError::UnknownTopicOrPartition, Error::CoordinatorNotAvailable),
        (AppendError::NotEnoughReplicasAfterAppend, Error::CoordinatorNotAvailable),
        (AppendError::KafkaStorageError, Error::NotCoordinator),
        (AppendError::TooLarge, Error::InvalidCommitOffsetSize),
        (AppendError::RequestTimedOut, Error::RequestTimedOut),
    ] {
        let mut world = World::new();
        world.hold_appends = true;
        let now = world.now;
        let asked = world.commit(commit(&[(0, 5)], now));
        world.fail_one(error);
        assert_eq!(world.committed(asked), [Err(told)]);
        assert_eq!(world.fetch(0, true), Ok(None), "the failed commit is no longer on its way");
    }
}

#[test]
fn notes_that_are_too_long_spoil_only_their_partition() {
    let mut world = World::new();
    let now = world.now;
    let mut request = commit(&[(0, 5), (1, 6)], now);
    let long = request.offsets.get_mut(&TopicPartition::new("t", 0)).unwrap();
    long.metadata = Arc::from("x".repeat(17));
    let asked = world.commit(request.clone());
    assert_eq!(world.committed(asked), [Err(Error::OffsetMetadataTooLarge), Ok(())]);
    assert_eq!((world.fetch(0, false), world.fetch(1, false)), (Ok(None), Ok(Some(6))));
    request.offsets.retain(|partition, _| partition.partition == 0);
    let asked = world.commit(request);
    assert_eq!(world.committed(asked), [Err(Error::OffsetMetadataTooLarge)]);
}

#[test]
fn members_commit_under_their_generation() {
    let mut world = World::new();
    let members = world.stable(1);
    let now = world.now;
    let stranger = MemberId::new("stranger");
    for (request, outcome) in [
        (commit_as(&members[0], 1, &[(0, 5)], now), Ok(())),
        (commit_as(&members[0], 0, &[(0, 5)], now), Err(Error::IllegalGeneration)),
        (commit_as(&stranger, 1, &[(0, 5)], now), Err(Error::UnknownMemberId)),
        (commit(&[(0, 5)], now), Err(Error::UnknownMemberId)),
    ] {
        let asked = world.commit(request);
        assert_eq!(world.committed(asked), [outcome]);
    }
}

#[test]
fn a_commit_under_a_generation_needs_its_group() {
    let mut world = World::new();
    let now = world.now;
    let asked = world.commit(commit_as(&MemberId::new("m"), 1, &[(0, 5)], now));
    assert_eq!(world.committed(asked), [Err(Error::IllegalGeneration)]);
    assert_eq!(world.state(), StateName::Dead);
}

#[test]
fn members_may_commit_while_gathering_but_not_while_assignments_are_awaited() {
    let mut world = World::new();
    let members = world.stable(1);
    world.join_new("b");
    let now = world.now;
    let asked = world.commit(commit_as(&members[0], 1, &[(0, 5)], now));
    assert_eq!(world.committed(asked), [Ok(())]);
    world.rejoin(&members[0]);
    let asked = world.commit(commit_as(&members[0], 2, &[(0, 6)], now));
    assert_eq!(world.committed(asked), [Err(Error::RebalanceInProgress)]);
}

#[test]
fn commits_keep_a_member_alive() {
    let mut world = World::new();
    let members = world.stable(1);
    for offset in 0..10 {
        world.pass(i64::from(SESSION_MS) - 1);
        let now = world.now;
        let asked = world.commit(commit_as(&members[0], 1, &[(0, offset)], now));
        assert_eq!(world.committed(asked), [Ok(())]);
    }
}

#[test]
fn fetching_everything_tells_what_there_is() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5), (3, 6)], now));
    let asked =
        world.ask(Request::FetchOffsets(FetchOffsets { group: group(), partitions: None, require_stable: false }));
    let Some(Reply::FetchOffsets(Ok(offsets))) = world.answer(asked) else { panic!() };
    let found: Vec<_> = offsets.iter().map(|(partition, found)| (partition.partition, found.is_ok())).collect();
    assert_eq!(found, [(0, true), (3, true)]);
}

#[test]
fn a_transactions_offsets_count_once_it_commits() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5)], now));
    let asked = world.ask(in_transaction(9, commit(&[(0, 50)], now)));
    assert_eq!(world.committed(asked), [Ok(())]);
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
    assert_eq!(world.fetch(0, true), Err(Error::UnstableOffsetCommit));
    world.reload();
    assert_eq!(world.fetch(0, true), Err(Error::UnstableOffsetCommit));
    world.end_transaction(ProducerId(9), true);
    assert_eq!(world.fetch(0, true), Ok(Some(50)));
    world.reload();
    assert_eq!(world.fetch(0, true), Ok(Some(50)));
}

#[test]
fn an_aborted_transactions_offsets_never_count() {
    let mut world = World::new();
    let now = world.now;
    world.ask(in_transaction(9, commit(&[(0, 50)], now)));
    world.end_transaction(ProducerId(8), true);
    assert_eq!(world.fetch(0, true), Err(Error::UnstableOffsetCommit), "another producer's transaction");
    world.end_transaction(ProducerId(9), false);
    assert_eq!(world.fetch(0, true), Ok(None));
    world.reload();
    assert_eq!(world.fetch(0, true), Ok(None));
}

#[test]
fn of_two_commits_the_one_further_on_in_the_log_counts() {
    let mut world = World::new();
    let now = world.now;
    world.ask(in_transaction(9, commit(&[(0, 50)], now)));
    world.commit(commit(&[(0, 5)], now));
    world.end_transaction(ProducerId(9), true);
    assert_eq!(world.fetch(0, false), Ok(Some(5)), "as compaction will leave it");
    world.reload();
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
}

#[test]
fn a_transaction_that_ends_before_its_offsets_are_known_to_be_stored_stays_ended() {
    for (committed, found) in [(true, Some(50)), (false, None)] {
        let mut world = World::new();
        let now = world.now;
        world.hold_appends = true;
        world.ask(in_transaction(9, commit(&[(0, 50)], now)));
        let append = world.held.pop_front().unwrap();
        let done = world.write(&append);
        world.end_transaction(ProducerId(9), committed);
        world.tell(done);
        assert_eq!(world.fetch(0, true), Ok(found));
        world.reload();
        assert_eq!(world.fetch(0, true), Ok(found));
    }
}

#[test]
fn offsets_of_topics_a_member_reads_cannot_be_deleted() {
    let mut world = World::new();
    let members = world.stable(1);
    let now = world.now;
    world.commit(commit_as(&members[0], 1, &[(0, 5)], now));
    assert_eq!(world.delete_offsets(&[0]), Ok(vec![Err(Error::GroupSubscribedToTopic)]));
    world.leave(&[(members[0].as_str(), None)]);
    assert_eq!(world.delete_offsets(&[0, 1]), Ok(vec![Ok(()), Ok(())]));
    assert_eq!(world.fetch(0, false), Ok(None));
    world.reload();
    assert_eq!(world.fetch(0, false), Ok(None));
}

#[test]
fn offsets_of_groups_other_than_consumers_can_be_deleted_only_when_empty() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(Join {
        require_known_member_id: false,
        protocol_type: Arc::from("connect"),
        ..join("a", "")
    }));
    world.pass(DELAY_MS);
    assert_eq!(world.joined(asked).generation, GenerationId(1));
    assert_eq!(world.delete_offsets(&[0]), Err(Error::NonEmptyGroup));
}

#[test]
fn offsets_of_a_group_that_does_not_exist_cannot_be_deleted() {
    assert_eq!(World::new().delete_offsets(&[0]), Err(Error::GroupIdNotFound));
}

#[test]
fn deleted_partitions_take_their_offsets_with_them() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5), (1, 6)], now));
    world.ask(in_transaction(9, commit(&[(0, 50)], now)));
    world.tell(Event::PartitionsDeleted(partitions(&[0])));
    assert_eq!((world.fetch(0, true), world.fetch(1, true)), (Ok(None), Ok(Some(6))));
    world.end_transaction(ProducerId(9), true);
    assert_eq!(world.fetch(0, true), Ok(None));
}

#[test]
fn offsets_of_a_consumer_without_a_group_expire_after_their_commit() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5)], now));
    world.pass(RETENTION_MS - 1);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
    world.pass(1);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(None));
    assert_eq!(world.state(), StateName::Dead);
    assert!(world.notes.contains(&Note::OffsetsExpired(1)));
}

#[test]
fn offsets_of_an_empty_group_expire_after_its_last_member_left() {
    let mut world = World::new();
    let members = world.stable(1);
    let now = world.now;
    world.commit(commit_as(&members[0], 1, &[(0, 5)], now));
    for _ in 0..RETENTION_MS / 5_000 {
        world.pass(5_000);
        assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Ok(()));
    }
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(Some(5)), "somebody reads the topic");
    world.leave(&[(members[0].as_str(), None)]);
    world.pass(RETENTION_MS - 1);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
    world.pass(1);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(None));
    let tombstones = &world.log.last().unwrap().2;
    assert!(tombstones.iter().any(|record| matches!(record, Record::Group { value: None, .. })));
    world.reload();
    assert_eq!(world.state(), StateName::Dead);
}

#[test]
fn a_stable_group_loses_old_offsets_of_topics_it_no_longer_reads() {
    let mut world = World::new();
    let members = world.stable(1);
    let now = world.now;
    let other = TopicPartition::new("other", 0);
    let mut request = commit_as(&members[0], 1, &[(0, 5)], now);
    request.offsets.insert(other.clone(), committed_offset(7, now));
    world.commit(request);
    for _ in 0..RETENTION_MS / 5_000 {
        world.pass(5_000);
        world.heartbeat(&members[0], GenerationId(1)).unwrap();
    }
    world.tell(Event::ExpireOffsets);
    let asked =
        world.ask(Request::FetchOffsets(FetchOffsets { group: group(), partitions: None, require_stable: false }));
    let Some(Reply::FetchOffsets(Ok(offsets))) = world.answer(asked) else { panic!() };
    assert!(!offsets.contains_key(&other));
    assert_eq!(offsets.len(), 1);
}

#[test]
fn an_expiry_the_client_asked_for_counts_instead_of_the_retention() {
    let mut world = World::new();
    let now = world.now;
    let mut request = commit(&[(0, 5)], now);
    request.offsets.values_mut().for_each(|value| value.expire_timestamp = Some(now.plus_ms(10)));
    world.commit(request);
    world.pass(9);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
    world.pass(1);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.fetch(0, false), Ok(None));
}

#[test]
fn an_open_transaction_keeps_its_group() {
    let mut world = World::new();
    let now = world.now;
    world.ask(in_transaction(9, commit(&[(0, 50)], now)));
    world.pass(RETENTION_MS * 2);
    world.tell(Event::ExpireOffsets);
    assert_eq!(world.state(), StateName::Empty);
    world.end_transaction(ProducerId(9), true);
    assert_eq!(world.fetch(0, true), Ok(Some(50)));
}
