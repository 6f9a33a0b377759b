//! Facts about static members.

use super::*;

/// A stable group of two static members, `i1` leading; ids carry the number they joined with.
fn stable_static(world: &mut World) -> [MemberId; 2] {
    let first = world.ask(Request::Join(static_join("i1", 1)));
    let second = world.ask(Request::Join(static_join("i2", 2)));
    world.pass(DELAY_MS * 2);
    let ids = [world.joined(first).member, world.joined(second).member];
    let generation = world.joined(first).generation;
    let shares = [(&ids[0], "one"), (&ids[1], "two")];
    world.sync(&ids[0], generation, &shares);
    world.sync(&ids[1], generation, &[]);
    assert_eq!(world.state(), StateName::Stable);
    ids
}

#[test]
fn static_members_join_at_once_under_their_instance_id() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(static_join("i1", 1)));
    world.pass(DELAY_MS);
    assert_eq!(world.joined(asked).member.as_str(), "i1-00000000-0000-0000-0000-000000000001");
}

#[test]
fn a_restarted_follower_keeps_its_place_without_a_rebalance() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    let asked = world.ask(Request::Join(static_join("i2", 22)));
    let back = world.joined(asked);
    assert_eq!(back.generation, GenerationId(1));
    assert_eq!(back.leader, Some(ids[0].clone()));
    assert!(!back.skip_assignment);
    assert_eq!(world.state(), StateName::Stable);
    let fetched = world.sync(&back.member, GenerationId(1), &[]);
    assert_eq!(world.synced(fetched).unwrap(), "two");
    world.reload();
    assert_eq!(world.heartbeat(&back.member, GenerationId(1)), Ok(()), "its new id was stored");
}

#[test]
fn a_restarted_leader_is_told_to_lead_without_assigning() {
    let mut world = World::new();
    stable_static(&mut world);
    let asked = world.ask(Request::Join(static_join("i1", 11)));
    let back = world.joined(asked);
    assert_eq!(back.leader, Some(back.member.clone()));
    assert!(back.skip_assignment);
    assert_eq!(back.members.len(), 2);
}

#[test]
fn an_old_client_that_led_is_told_that_somebody_else_does() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    let asked = world.ask(Request::Join(Join { can_skip_assignment: false, ..static_join("i1", 11) }));
    let back = world.joined(asked);
    assert_eq!(back.leader, Some(ids[0].clone()));
    assert!(back.members.is_empty() && !back.skip_assignment);
}

#[test]
fn the_process_that_lost_its_place_is_fenced() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    world.ask(Request::Join(static_join("i2", 22)));
    let instance = Some(InstanceId::new("i2"));
    let heartbeat =
        Heartbeat { group: group(), member: ids[1].clone(), instance: instance.clone(), generation: GenerationId(1) };
    let asked = world.ask(Request::Heartbeat(heartbeat));
    assert_eq!(world.answer(asked), Some(&Reply::Heartbeat(Err(Error::FencedInstanceId))));
    let asked = world.ask(Request::Join(Join { instance: instance.clone(), ..join("old", ids[1].as_str()) }));
    assert_eq!(world.join_refused(asked).error, Error::FencedInstanceId);
    let now = world.now;
    let asked = world.commit(CommitOffsets { instance, ..commit_as(&ids[1], 1, &[(0, 1)], now) });
    assert_eq!(world.committed(asked), [Err(Error::FencedInstanceId)]);
    assert_eq!(world.leave(&[(ids[1].as_str(), Some("i2"))]), [Err(Error::FencedInstanceId)]);
}

#[test]
fn a_fenced_process_waiting_to_join_is_told_so() {
    let mut world = World::new();
    let first = world.ask(Request::Join(static_join("i1", 1)));
    let second = world.ask(Request::Join(static_join("i1", 2)));
    assert_eq!(world.join_refused(first).error, Error::FencedInstanceId);
    world.pass(DELAY_MS * 2);
    assert_eq!(world.joined(second).members.len(), 1);
}

#[test]
fn a_static_member_that_cannot_be_stored_leaves_the_old_one_in_place() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    world.hold_appends = true;
    let asked = world.ask(Request::Join(static_join("i2", 22)));
    assert_eq!(world.answer(asked), None);
    world.fail_one(AppendError::NotEnoughReplicas);
    assert_eq!(
        world.join_refused(asked),
        JoinRefused { member: MemberId::new(""), error: Error::CoordinatorNotAvailable }
    );
    assert_eq!(world.heartbeat(&ids[1], GenerationId(1)), Ok(()));
}

#[test]
fn a_static_member_being_stored_when_a_rebalance_begins_waits_in_it() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    world.hold_appends = true;
    let back = world.ask(Request::Join(static_join("i2", 22)));
    let third = world.ask(Request::Join(static_join("i3", 3)));
    world.append_all();
    assert_eq!(world.answer(back), None);
    let first = world.ask(Request::Join(Join { instance: Some(InstanceId::new("i1")), ..join("c", ids[0].as_str()) }));
    for asked in [back, third, first] {
        assert_eq!(world.joined(asked).generation, GenerationId(2));
    }
}

#[test]
fn a_static_member_back_during_the_sync_starts_over() {
    let mut world = World::new();
    let first = world.ask(Request::Join(static_join("i1", 1)));
    world.pass(DELAY_MS);
    let generation = world.joined(first).generation;
    let asked = world.ask(Request::Join(static_join("i1", 11)));
    assert_eq!(world.joined(asked).generation, GenerationId(generation.0 + 1));
}

#[test]
fn a_static_member_that_changes_the_groups_protocol_makes_it_gather() {
    let mut world = World::new();
    let with = |instance: &str, uuid: u128, names: &[&str]| Join {
        protocols: names.iter().map(|name| protocol(name, &["t"])).collect(),
        ..static_join(instance, uuid)
    };
    let first = world.ask(Request::Join(with("i1", 1, &["range", "robin"])));
    world.pass(DELAY_MS);
    let id = world.joined(first).member;
    world.sync(&id, GenerationId(1), &[(&id, "all")]);
    let asked = world.ask(Request::Join(with("i1", 11, &["robin"])));
    let back = world.joined(asked);
    assert_eq!((back.generation, back.protocol.as_deref()), (GenerationId(2), Some("robin")));
}

#[test]
fn static_members_keep_their_place_through_a_rebalance_they_miss() {
    let mut world = World::new();
    let ids = stable_static(&mut world);
    let patient = |join: Join| Join { session_timeout_ms: 600_000, ..join };
    let away = world.ask(Request::Join(patient(static_join("i2", 22))));
    let away = world.joined(away).member;
    world.ask(Request::Join(Join { instance: Some(InstanceId::new("i1")), ..join("c", ids[0].as_str()) }));
    world.pass(i64::from(REBALANCE_MS));
    let description = world.describe();
    assert_eq!(description.state, StateName::CompletingRebalance);
    assert!(description.members.iter().any(|member| member.member == away));
}

#[test]
fn an_administrator_removes_static_members_by_instance_id() {
    let mut world = World::new();
    stable_static(&mut world);
    assert_eq!(
        world.leave(&[("", Some("i1")), ("", Some("i2")), ("", Some("i3"))]),
        [Ok(()), Ok(()), Err(Error::UnknownMemberId)]
    );
    assert_eq!(world.state(), StateName::Empty);
}
