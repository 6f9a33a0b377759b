//! Facts about loading a partition and giving it up.

use super::*;

#[test]
fn while_loading_clients_are_told_to_wait() {
    let mut shard = GroupShard::new(World::new().config);
    let mut answer = |request: Request| {
        let mut effects = shard.handle(Event::Request { from: RequestId(1), request }, Timestamp(0));
        match effects.pop() {
            Some(Effect::Reply { reply, .. }) => reply,
            other => panic!("{other:?}"),
        }
    };
    let loading = Error::CoordinatorLoadInProgress;
    let refused = JoinRefused { member: MemberId::new("m"), error: loading };
    assert_eq!(answer(Request::Join(join("a", "m"))), Reply::Join(Err(refused)));
    let member = MemberId::new("m");
    let heartbeat = Heartbeat { group: group(), member: member.clone(), instance: None, generation: GenerationId(1) };
    assert_eq!(answer(Request::Heartbeat(heartbeat)), Reply::Heartbeat(Ok(())), "taken blindly");
    let syncing = Request::Sync(sync(&member, GenerationId(1), &[]));
    assert_eq!(answer(syncing), Reply::Sync(Err(Error::RebalanceInProgress)), "must start over");
    assert_eq!(answer(Request::Describe(group())), Reply::Describe(Err(loading)));
    assert_eq!(answer(Request::List { states: None }), Reply::List(Err(loading)));
    let Reply::CommitOffsets(outcome) = answer(Request::CommitOffsets(commit(&[(0, 5)], Timestamp(0)))) else {
        panic!()
    };
    assert!(outcome.values().all(|outcome| *outcome == Err(loading)));
}

#[test]
fn a_stable_group_goes_on_with_its_new_coordinator() {
    let mut world = World::new();
    let members = world.stable(2);
    let before = world.describe();
    world.reload();
    assert_eq!(world.describe(), before);
    assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Ok(()));
    let asked = world.sync(&members[1], GenerationId(1), &[]);
    assert_eq!(world.synced(asked).unwrap(), members[1].as_str());
}

#[test]
fn members_that_do_not_find_the_new_coordinator_are_let_go() {
    let mut world = World::new();
    world.stable(2);
    world.reload();
    world.pass(i64::from(SESSION_MS));
    assert_eq!(world.state(), StateName::Empty);
}

#[test]
fn giving_up_the_partition_answers_everybody_who_waits() {
    let mut world = World::new();
    let members = world.stable(2);
    let joining = world.rejoin(&members[0]);
    let now = world.now;
    world.hold_appends = true;
    let committing = world.commit(commit_as(&members[1], 1, &[(0, 5)], now));
    world.unload();
    assert_eq!(world.join_refused(joining).error, Error::NotCoordinator);
    assert_eq!(world.committed(committing), [Err(Error::NotCoordinator)]);
    assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Err(Error::NotCoordinator));
}

#[test]
fn giving_up_the_partition_answers_those_who_wait_for_an_assignment() {
    let mut world = World::new();
    let (leader, joining) = world.join_new("a");
    world.pass(DELAY_MS);
    let generation = world.joined(joining).generation;
    world.hold_appends = true;
    let asked = world.sync(&leader, generation, &[]);
    world.unload();
    assert_eq!(world.synced(asked), Err(Error::NotCoordinator));
}

#[test]
fn a_group_forgotten_in_the_log_stays_forgotten_but_keeps_offsets_written_since() {
    let mut world = World::new();
    let members = world.stable(1);
    world.leave(&[(members[0].as_str(), None)]);
    assert_eq!(world.delete(), Ok(()));
    let now = world.now;
    world.commit(commit(&[(0, 5)], now));
    world.reload();
    assert_eq!(world.state(), StateName::Empty);
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
    assert_eq!(&*world.describe().protocol_type, "");
}

#[test]
fn a_group_is_not_revived_by_records_of_its_former_self() {
    let mut world = World::new();
    let members = world.stable(1);
    world.hold_appends = true;
    world.leave(&[(members[0].as_str(), None)]);
    let append = world.held.pop_front().unwrap();
    let done = world.write(&append);
    assert_eq!(world.delete(), Ok(()));
    world.tell(done);
    assert_eq!(world.state(), StateName::Dead);
    world.reload();
    assert_eq!(world.state(), StateName::Dead);
}

#[test]
fn the_census_counts_groups_and_offsets() {
    let mut world = World::new();
    world.stable(1);
    let now = world.now;
    world.commit(CommitOffsets { group: GroupId::new("simple"), ..commit(&[(0, 5), (1, 6)], now) });
    let census = world.shard.census();
    assert_eq!(census.offsets, 2);
    assert_eq!(census.groups, BTreeMap::from([(StateName::Stable, 1), (StateName::Empty, 1)]));
}
