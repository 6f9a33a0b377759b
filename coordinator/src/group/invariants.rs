//! What holds for every group between two events.
//! Never repairs anything: a broken invariant is a bug to be found by its test.

use std::collections::BTreeMap;

use super::group::{Group, State, StateName};

pub(super) fn check(group: &Group, active: bool) -> Result<(), String> {
    if !active {
        return Ok(());
    }
    let fail = |what: &str| Err(format!("group {}, {}: {what}", group.id, group.state_name()));
    let members = &group.members;
    let state = group.state_name();

    if let Some(leader) = &group.leader
        && !members.contains_key(leader)
    {
        return fail("the leader is not a member");
    }
    if group.leader.is_none() && !members.is_empty() {
        return fail("there are members but no leader");
    }
    if matches!(state, StateName::Empty | StateName::Dead) && !members.is_empty() {
        return fail("there are members");
    }
    if matches!(state, StateName::CompletingRebalance | StateName::Stable) {
        if members.is_empty() {
            return fail("there are no members");
        }
        if group.protocol.is_none() {
            return fail("no protocol is chosen");
        }
    }
    if group.joining_count != members.values().filter(|member| member.joining.is_some()).count() {
        return fail("the count of joining members is wrong");
    }
    if state == StateName::CompletingRebalance && group.joining_count > 0 {
        return fail("a member waits for a generation that has begun");
    }
    for member in members.values() {
        if member.syncing.is_some() && state != StateName::CompletingRebalance {
            return fail("a member waits for an assignment that will not come");
        }
        if !member.assignment.is_empty() && state != StateName::Stable {
            return fail("a member has an assignment");
        }
        if group.pending_members.contains(&member.id) {
            return fail("a member is also pending");
        }
        let mapped = member.instance.as_ref().map(|instance| group.static_members.get(instance));
        if mapped.is_some_and(|id| id != Some(&member.id)) {
            return fail("a static member's instance leads elsewhere");
        }
    }
    if group.static_members.len() != members.values().filter(|member| member.instance.is_some()).count() {
        return fail("an instance leads nowhere");
    }
    if let State::CompletingRebalance { unsynced, .. } | State::Stable { unsynced, .. } = &group.state
        && unsynced.iter().any(|id| !members.contains_key(id))
    {
        return fail("somebody who is no member is expected to sync");
    }
    check_protocols(group)?;
    check_saved(group)
}

fn check_protocols(group: &Group) -> Result<(), String> {
    let mut support = BTreeMap::new();
    for protocol in group.members.values().flat_map(|member| &member.terms.protocols) {
        *support.entry(protocol.name.clone()).or_insert(0) += 1;
    }
    if support != group.protocol_support {
        return Err(format!("group {}: the count of supported protocols is wrong", group.id));
    }
    Ok(())
}

/// A stable group is what the log says it is; a generation never falls behind the stored one.
fn check_saved(group: &Group) -> Result<(), String> {
    let Some(saved) = group.saved.metadata() else { return Ok(()) };
    if group.generation < saved.generation {
        return Err(format!(
            "group {}: generation {} is behind the stored {}",
            group.id, group.generation, saved.generation
        ));
    }
    if !matches!(group.state, State::Stable { .. }) || group.joining_count > 0 {
        return Ok(());
    }
    let live: Vec<_> = group.members.values().map(|member| (&member.id, &member.assignment)).collect();
    let stored: Vec<_> = saved.members.iter().map(|member| (&member.member, &member.assignment)).collect();
    if group.generation != saved.generation || live != stored {
        return Err(format!("group {}: stable, but not as stored", group.id));
    }
    Ok(())
}
