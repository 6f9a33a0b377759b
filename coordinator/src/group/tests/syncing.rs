//! Facts about syncing and heartbeats.

use super::*;

#[test]
fn nobody_is_told_an_assignment_before_it_is_stored() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    let (follower, _) = world.join_new("b");
    world.pass(DELAY_MS * 2);
    let generation = world.joined(joining).generation;
    world.hold_appends = true;
    let fetched = world.sync(&follower, generation, &[]);
    let brought = world.sync(&leader, generation, &[(&leader, "one"), (&follower, "two")]);
    assert_eq!((world.answer(fetched), world.answer(brought)), (None, None));
    assert_eq!(world.state(), StateName::CompletingRebalance);
    world.append_all();
    assert_eq!(world.synced(fetched).unwrap(), "two");
    assert_eq!(world.synced(brought).unwrap(), "one");
    assert_eq!(world.state(), StateName::Stable);
}

#[test]
fn whoever_the_leader_leaves_out_gets_nothing() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    let (follower, _) = world.join_new("b");
    world.pass(DELAY_MS * 2);
    let generation = world.joined(joining).generation;
    world.sync(&leader, generation, &[(&leader, "all")]);
    let fetched = world.sync(&follower, generation, &[]);
    assert_eq!(world.synced(fetched).unwrap(), "");
}

#[test]
fn an_assignment_that_cannot_be_stored_starts_over() {
    for (error, told) in [
        (AppendError::NotEnoughReplicas, Error::CoordinatorNotAvailable),
        (AppendError::NotLeaderOrFollower, Error::NotCoordinator),
        (AppendError::RequestTimedOut, Error::RebalanceInProgress),
        (AppendError::TooLarge, Error::UnknownServerError),
    ] {
        let mut world = World::new();
        let (leader, joining) = world.join_new("a");
        world.pass(DELAY_MS);
        world.hold_appends = true;
        let generation = world.joined(joining).generation;
        let asked = world.sync(&leader, generation, &[(&leader, "all")]);
        world.fail_one(error);
        assert_eq!(world.synced(asked), Err(told));
        assert_eq!(world.state(), StateName::PreparingRebalance);
    }
}

#[test]
fn a_newcomer_during_the_sync_sends_everybody_back_to_join() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    world.pass(DELAY_MS);
    let generation = world.joined(joining).generation;
    world.hold_appends = true;
    let asked = world.sync(&leader, generation, &[(&leader, "all")]);
    world.join_new("b");
    assert_eq!(world.synced(asked), Err(Error::RebalanceInProgress));
    world.append_all();
    assert_eq!(world.state(), StateName::PreparingRebalance, "the late record changes nothing");
}

#[test]
fn a_sync_must_fit_the_generation() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    world.pass(DELAY_MS);
    let generation = world.joined(joining).generation;
    let right = sync(&leader, generation, &[]);
    let stranger = MemberId::new("stranger");
    for (wrong, error) in [
        (Sync { member: stranger, ..right.clone() }, Error::UnknownMemberId),
        (Sync { generation: GenerationId(0), ..right.clone() }, Error::IllegalGeneration),
        (Sync { protocol: Some(Arc::from("sticky")), ..right.clone() }, Error::InconsistentGroupProtocol),
        (Sync { protocol_type: Some(Arc::from("connect")), ..right.clone() }, Error::InconsistentGroupProtocol),
        (Sync { group: GroupId::new(""), ..right.clone() }, Error::InvalidGroupId),
        (Sync { group: GroupId::new("other"), ..right.clone() }, Error::UnknownMemberId),
    ] {
        let asked = world.ask(Request::Sync(wrong));
        assert_eq!(world.synced(asked), Err(error));
    }
}

#[test]
fn members_that_never_sync_are_let_go() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    let (follower, _) = world.join_new("b");
    world.pass(DELAY_MS * 2);
    let generation = world.joined(joining).generation;
    world.sync(&leader, generation, &[(&leader, "all")]);
    for _ in 0..12 {
        assert_eq!(world.heartbeat(&leader, generation), Ok(()));
        assert_eq!(world.heartbeat(&follower, generation), Ok(()));
        world.pass(i64::from(REBALANCE_MS) / 12);
    }
    assert_eq!(world.heartbeat(&leader, generation), Err(Error::RebalanceInProgress));
    assert_eq!(world.heartbeat(&follower, generation), Err(Error::UnknownMemberId));
}

#[test]
fn a_silent_member_is_let_go() {
    let mut world = World::new();
    let members = world.stable(2);
    world.pass(i64::from(SESSION_MS) - 1);
    assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Ok(()));
    world.pass(1);
    assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Err(Error::RebalanceInProgress));
    assert_eq!(world.heartbeat(&members[1], GenerationId(1)), Err(Error::UnknownMemberId));
}

#[test]
fn heartbeats_keep_a_member_for_ever() {
    let mut world = World::new();
    let members = world.stable(1);
    for _ in 0..100 {
        world.pass(i64::from(SESSION_MS) - 1);
        assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Ok(()));
    }
}

#[test]
fn a_heartbeat_must_fit_the_generation() {
    let mut world = World::new();
    let members = world.stable(1);
    assert_eq!(world.heartbeat(&members[0], GenerationId(0)), Err(Error::IllegalGeneration));
    assert_eq!(world.heartbeat(&MemberId::new("stranger"), GenerationId(1)), Err(Error::UnknownMemberId));
}

#[test]
fn a_group_whose_last_member_fell_silent_is_empty() {
    let mut world = World::new();
    world.stable(1);
    world.pass(i64::from(SESSION_MS));
    assert_eq!(world.state(), StateName::Empty);
    world.reload();
    assert_eq!(world.state(), StateName::Empty);
}

#[test]
fn a_leader_that_asks_again_while_storing_changes_nothing() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    world.pass(DELAY_MS);
    let generation = world.joined(joining).generation;
    world.hold_appends = true;
    let first = world.sync(&leader, generation, &[(&leader, "first")]);
    let second = world.sync(&leader, generation, &[(&leader, "second")]);
    assert_eq!(world.synced(first), Err(Error::RebalanceInProgress));
    world.append_all();
    assert_eq!(world.synced(second).unwrap(), "first");
    assert_eq!(world.log.len(), 1);
}
