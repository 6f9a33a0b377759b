//! Facts about joining and about when a generation begins.

use super::*;

#[test]
fn a_new_dynamic_member_must_come_back_with_its_id() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(join("client", "")));
    let refused = world.join_refused(asked);
    assert_eq!(refused.error, Error::MemberIdRequired);
    assert_eq!(refused.member.as_str(), "client-00000000-0000-0000-0000-000000000007");
    assert_eq!(world.state(), StateName::Empty);
}

#[test]
fn clients_that_cannot_come_back_with_an_id_join_at_once() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(Join { require_known_member_id: false, ..join("old", "") }));
    world.pass(DELAY_MS);
    assert_eq!(world.joined(asked).generation, GenerationId(1));
}

#[test]
fn an_id_not_used_within_the_session_timeout_is_forgotten() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(join("client", "")));
    let id = world.join_refused(asked).member;
    world.pass(i64::from(SESSION_MS));
    let late = world.rejoin(&id);
    assert_eq!(world.join_refused(late).error, Error::UnknownMemberId);
}

#[test]
fn an_empty_group_waits_for_more_members_before_its_first_generation() {
    let mut world = World::new();
    let (_, first) = world.join_new("a");
    world.pass(DELAY_MS - 1);
    assert_eq!(world.answer(first), None);
    let (_, second) = world.join_new("b");
    world.pass(DELAY_MS);
    assert_eq!(world.answer(first), None, "a newcomer extends the wait");
    world.pass(1);
    assert_eq!(world.joined(first).generation, GenerationId(1));
    assert_eq!(world.joined(second).generation, GenerationId(1));
}

#[test]
fn newcomers_cannot_extend_the_first_wait_beyond_the_rebalance_timeout() {
    let mut world = World::new();
    let (_, first) = world.join_new("m0");
    for nth in 1..=i64::from(REBALANCE_MS) / DELAY_MS {
        assert_eq!(world.answer(first), None, "step {nth}");
        world.pass(DELAY_MS - 1);
        world.join_new(&format!("m{nth}"));
        world.pass(1);
    }
    assert_eq!(world.joined(first).generation, GenerationId(1));
}

#[test]
fn only_the_leader_is_told_who_joined() {
    let mut world = World::new();
    let (a, first) = world.join_new("a");
    let (b, second) = world.join_new("b");
    world.pass(DELAY_MS * 2);
    let (leader, follower) = (world.joined(first), world.joined(second));
    assert_eq!(leader.leader, Some(a.clone()));
    assert_eq!(follower.leader, Some(a.clone()));
    let members: Vec<_> = leader.members.iter().map(|member| &member.member).collect();
    assert_eq!(members, [&a, &b]);
    assert_eq!(leader.members[0].metadata, subscription(&["t"]));
    assert!(follower.members.is_empty());
}

#[test]
fn a_newcomer_makes_a_stable_group_gather_again() {
    let mut world = World::new();
    let members = world.stable(1);
    let (newcomer, joining) = world.join_new("b");
    assert_eq!(world.heartbeat(&members[0], GenerationId(1)), Err(Error::RebalanceInProgress));
    assert_eq!(world.answer(joining), None);
    let rejoining = world.rejoin(&members[0]);
    assert_eq!(world.joined(rejoining).generation, GenerationId(2));
    assert_eq!(world.joined(joining).member, newcomer);
}

#[test]
fn members_that_do_not_join_again_in_time_are_let_go() {
    let mut world = World::new();
    let members = world.stable(2);
    let rejoining = world.rejoin(&members[0]);
    for _ in 0..12 {
        assert_eq!(world.heartbeat(&members[1], GenerationId(1)), Err(Error::RebalanceInProgress));
        assert_eq!(world.answer(rejoining), None);
        world.pass(i64::from(REBALANCE_MS) / 12);
    }
    assert_eq!(world.joined(rejoining).members.len(), 1);
    assert_eq!(world.heartbeat(&members[1], GenerationId(1)), Err(Error::UnknownMemberId));
}

#[test]
fn a_leader_that_does_not_join_again_loses_the_lead() {
    let mut world = World::new();
    let members = world.stable(2);
    world.ask(Request::Join(Join {
        protocols: vec![protocol("range", &["t", "u"])],
        ..join("client1", members[1].as_str())
    }));
    world.pass(i64::from(SESSION_MS));
    let description = world.describe();
    assert_eq!(description.state, StateName::CompletingRebalance);
    assert_eq!(description.members[0].member, members[1]);
}

#[test]
fn a_follower_joining_again_unchanged_is_told_the_current_generation() {
    let mut world = World::new();
    let members = world.stable(2);
    let asked = world.rejoin(&members[1]);
    assert_eq!(world.joined(asked).generation, GenerationId(1));
    assert_eq!(world.state(), StateName::Stable);
}

#[test]
fn a_leader_joining_again_starts_a_rebalance() {
    let mut world = World::new();
    let members = world.stable(2);
    world.rejoin(&members[0]);
    assert_eq!(world.state(), StateName::PreparingRebalance);
}

#[test]
fn a_member_that_lost_its_answer_is_told_again_while_assignments_are_awaited() {
    let mut world = World::new();
    let (member, first) = world.join_new("a");
    world.pass(DELAY_MS);
    let again = world.rejoin(&member);
    assert_eq!(world.joined(again), world.joined(first));
}

#[test]
fn the_chosen_protocol_is_known_to_all_and_preferred_by_most() {
    let mut world = World::new();
    let with = |client: &str, names: &[&str]| Join {
        require_known_member_id: false,
        protocols: names.iter().map(|name| protocol(name, &["t"])).collect(),
        ..join(client, "")
    };
    let asked = world.ask(Request::Join(with("a", &["sticky", "range", "robin"])));
    world.ask(Request::Join(with("b", &["range", "robin"])));
    world.ask(Request::Join(with("c", &["robin", "range"])));
    world.ask(Request::Join(with("d", &["range", "robin"])));
    world.pass(DELAY_MS * 2);
    assert_eq!(world.joined(asked).protocol.as_deref(), Some("range"));
}

#[test]
fn protocols_must_fit_those_of_the_others() {
    let mut world = World::new();
    world.stable(1);
    let other_protocol = Join { protocols: vec![protocol("sticky", &["t"])], ..join("b", "") };
    let other_type = Join { protocol_type: Arc::from("connect"), ..join("b", "") };
    let none = Join { protocols: Vec::new(), ..join("b", "") };
    for wrong in [other_protocol, other_type, none] {
        let asked = world.ask(Request::Join(wrong));
        assert_eq!(world.join_refused(asked).error, Error::InconsistentGroupProtocol);
    }
}

#[test]
fn session_timeouts_must_lie_within_the_brokers_bounds() {
    let mut world = World::new();
    for session_timeout_ms in [5_999, 1_800_001, -1] {
        let asked = world.ask(Request::Join(Join { session_timeout_ms, ..join("a", "") }));
        assert_eq!(world.join_refused(asked).error, Error::InvalidSessionTimeout);
    }
}

#[test]
fn errors_come_in_kafkas_order() {
    let mut world = World::new();
    let nowhere = Join { group: GroupId::new(""), session_timeout_ms: 0, ..join("a", "ghost") };
    let asked = world.ask(Request::Join(nowhere));
    assert_eq!(world.join_refused(asked).error, Error::InvalidGroupId);
    let asked = world.ask(Request::Join(Join { session_timeout_ms: 0, ..join("a", "ghost") }));
    assert_eq!(world.join_refused(asked).error, Error::InvalidSessionTimeout);
    let asked = world.ask(Request::Join(join("a", "ghost")));
    assert_eq!(
        world.join_refused(asked),
        JoinRefused { member: MemberId::new("ghost"), error: Error::UnknownMemberId }
    );
}

#[test]
fn a_full_group_refuses_newcomers() {
    let mut world = World::with(|config| config.max_size = 2);
    world.stable(2);
    let asked = world.ask(Request::Join(join("c", "")));
    assert_eq!(world.join_refused(asked).error, Error::GroupMaxSizeReached);
    assert_eq!(world.state(), StateName::Stable);
}

#[test]
fn a_group_loaded_over_its_maximum_size_shrinks() {
    let mut world = World::with(|config| config.max_size = 2);
    world.config.max_size = 3;
    world.shard = GroupShard::new(world.config.clone());
    world.tell(Event::Loaded);
    let members = world.stable(3);
    world.config.max_size = 2;
    world.reload();
    assert_eq!(world.state(), StateName::PreparingRebalance);
    let joins: Vec<_> = members.iter().map(|member| world.rejoin(member)).collect();
    assert_eq!(world.join_refused(joins[2]).error, Error::GroupMaxSizeReached);
    assert_eq!(world.joined(joins[0]).generation, GenerationId(2));
}

#[test]
fn a_member_never_told_its_id_is_dropped_after_five_minutes() {
    let mut world = World::new();
    let patient = |client: &str, member: &str| Join { rebalance_timeout_ms: 3_600_000, ..join(client, member) };
    let asked = world.ask(Request::Join(Join { require_known_member_id: false, ..patient("a", "") }));
    world.pass(DELAY_MS);
    let member = world.joined(asked).member;
    world.sync(&member, GenerationId(1), &[]);
    let ghost = world.ask(Request::Join(Join { require_known_member_id: false, ..patient("b", "") }));
    for _ in 0..60 {
        assert_eq!(world.heartbeat(&member, GenerationId(1)), Err(Error::RebalanceInProgress));
        world.pass(5_000);
    }
    assert_eq!(world.join_refused(ghost).error, Error::UnknownMemberId);
}

#[test]
fn a_second_join_of_one_member_answers_the_first() {
    let mut world = World::new();
    let members = world.stable(2);
    let first = world.rejoin(&members[0]);
    let second = world.rejoin(&members[0]);
    assert_eq!(world.join_refused(first).error, Error::RebalanceInProgress);
    assert_eq!(world.answer(second), None);
}
