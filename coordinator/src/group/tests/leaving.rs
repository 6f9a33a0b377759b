//! Facts about leaving, and about deleting what is left.

use super::*;

#[test]
fn a_member_that_leaves_makes_the_others_gather() {
    let mut world = World::new();
    let members = world.stable(2);
    assert_eq!(world.leave(&[(members[1].as_str(), None)]), [Ok(())]);
    assert_eq!(world.state(), StateName::PreparingRebalance);
    let rejoining = world.rejoin(&members[0]);
    assert_eq!(world.joined(rejoining).generation, GenerationId(2));
}

#[test]
fn the_last_member_leaves_an_empty_group_behind() {
    let mut world = World::new();
    let members = world.stable(1);
    assert_eq!(world.leave(&[(members[0].as_str(), None)]), [Ok(())]);
    assert_eq!(world.state(), StateName::Empty);
    let (_, stored) = stored_group(&world);
    assert_eq!((stored.generation, stored.protocol, stored.leader), (GenerationId(2), None, None));
    assert!(stored.members.is_empty());
}

fn stored_group(world: &World) -> (i64, GroupMetadata) {
    let last = world.log.last().unwrap();
    match &last.2[..] {
        [Record::Group { value: Some(value), .. }] => (last.0, value.clone()),
        other => panic!("not a group: {other:?}"),
    }
}

#[test]
fn strangers_cannot_leave() {
    let mut world = World::new();
    assert_eq!(world.leave(&[("stranger", None)]), [Err(Error::UnknownMemberId)], "no such group");
    world.stable(1);
    let outcomes = world.leave(&[("stranger", None), ("", Some("nobody")), ("", None)]);
    assert_eq!(outcomes, [Err(Error::UnknownMemberId); 3]);
}

#[test]
fn a_pending_member_may_leave() {
    let mut world = World::new();
    let asked = world.ask(Request::Join(join("client", "")));
    let id = world.join_refused(asked).member;
    assert_eq!(world.leave(&[(id.as_str(), None)]), [Ok(())]);
    let late = world.rejoin(&id);
    assert_eq!(world.join_refused(late).error, Error::UnknownMemberId);
}

#[test]
fn a_pending_member_holds_up_a_rebalance_until_its_time_is_over() {
    let mut world = World::new();
    let members = world.stable(1);
    world.ask(Request::Join(join("late", "")));
    let rejoining = world.rejoin(&members[0]);
    assert_eq!(world.answer(rejoining), None);
    world.pass(i64::from(SESSION_MS));
    assert_eq!(world.joined(rejoining).generation, GenerationId(2));
}

#[test]
fn only_an_empty_group_can_be_deleted() {
    let mut world = World::new();
    assert_eq!(world.delete(), Err(Error::GroupIdNotFound));
    let members = world.stable(1);
    assert_eq!(world.delete(), Err(Error::NonEmptyGroup));
    world.leave(&[(members[0].as_str(), None)]);
    assert_eq!(world.delete(), Ok(()));
    assert_eq!(world.state(), StateName::Dead);
    world.reload();
    assert_eq!(world.delete(), Err(Error::GroupIdNotFound));
}

#[test]
fn deleting_a_group_forgets_its_offsets_too() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5), (1, 6)], now));
    assert_eq!(world.delete(), Ok(()));
    assert_eq!(world.fetch(0, false), Ok(None));
    assert_eq!(world.log.last().unwrap().2.len(), 2, "a group without a generation has no record of its own");
    world.reload();
    assert_eq!(world.fetch(1, false), Ok(None));
}

#[test]
fn a_commit_still_on_its_way_does_not_survive_the_deletion_of_its_group() {
    let mut world = World::new();
    world.hold_appends = true;
    let now = world.now;
    let asked = world.commit(commit(&[(0, 5)], now));
    let append = world.held.pop_front().unwrap();
    let done = world.write(&append);
    assert_eq!(world.delete(), Ok(()));
    world.tell(done);
    assert_eq!(world.committed(asked), [Ok(())]);
    assert_eq!(world.state(), StateName::Dead);
    world.reload();
    assert_eq!(world.fetch(0, false), Ok(None));
}

#[test]
fn a_group_whose_deletion_could_not_be_written_lives_on() {
    let mut world = World::new();
    let now = world.now;
    world.commit(commit(&[(0, 5)], now));
    let from = RequestId(1_000);
    let effects = world.shard.handle(Event::Request { from, request: Request::Delete(group()) }, now);
    let [Effect::Append(append)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(append.acks, Acks::Leader);
    world.tell(Event::AppendDone { token: append.token, outcome: Err(AppendError::NotLeaderOrFollower) });
    assert_eq!(world.answer(from), Some(&Reply::Delete(Err(Error::NotCoordinator))));
    assert_eq!(world.fetch(0, false), Ok(Some(5)));
}

#[test]
fn groups_are_listed_with_their_states() {
    let mut world = World::new();
    world.stable(1);
    let now = world.now;
    world.commit(CommitOffsets { group: GroupId::new("simple"), ..commit(&[(0, 5)], now) });
    let mut listed = |states: Option<&[StateName]>| {
        let states = states.map(|states| states.iter().copied().collect());
        let asked = world.ask(Request::List { states });
        match world.answer(asked) {
            Some(Reply::List(Ok(groups))) => {
                groups.iter().map(|one| format!("{} {} {}", one.group, one.protocol_type, one.state)).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    let all: Vec<String> = listed(None);
    assert_eq!(all, ["g consumer Stable", "simple  Empty"]);
    assert_eq!(listed(Some(&[StateName::Empty])), ["simple  Empty"]);
    assert!(listed(Some(&[])).is_empty());
}

#[test]
fn only_a_stable_group_tells_what_its_members_said_and_got() {
    let mut world = World::new();
    let members = world.stable(1);
    let stable = world.describe();
    assert_eq!((&*stable.protocol_type, &*stable.protocol), ("consumer", "range"));
    assert_eq!(stable.members[0].assignment, members[0].as_str());
    assert_eq!(stable.members[0].metadata, subscription(&["t"]));
    world.join_new("b");
    let gathering = world.describe();
    assert_eq!((&*gathering.protocol_type, &*gathering.protocol), ("consumer", ""));
    assert!(gathering.members.iter().all(|member| member.assignment.is_empty() && member.metadata.is_empty()));
    assert_eq!(&*gathering.members[0].client_host, "/127.0.0.1");
}
