//! Groups: finding the coordinator, the rounds of members, offsets, and what is told of groups.

use std::fmt::Debug;

use anyhow::Result;
use bytes::Bytes;
use wire::messages::join_group_request::JoinGroupRequestProtocol;
use wire::messages::leave_group_request::MemberIdentity;
use wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use wire::messages::sync_group_request::SyncGroupRequestAssignment;
use wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use wire::{Request, StrBytes, text};

use crate::pair::{Pair, Side, both, topic, versions};

/// Name under which a test keeps its member's id.
const MEMBER: &str = "member";

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Waits until both can coordinate groups: the offsets topic is made on demand.
async fn coordinated(pair: &mut Pair) -> Result<()> {
    let request = FindCoordinatorRequest::default().with_key(text("any"));
    pair.until("a coordinator", 2, &request, |response: &FindCoordinatorResponse| response.error_code == 0).await?;
    for name in ["any", "g", "h", "i", "j", "k", "l", "m"] {
        let request = HeartbeatRequest::default().with_group_id(group(name)).with_member_id(text("x"));
        pair.until("a loaded coordinator", 2, &request, |response| ![14, 15, 16].contains(&response.error_code))
            .await?;
    }
    Ok(())
}

/// Member ids end in a random part.
fn plain_id(id: &mut StrBytes) {
    if let Some(at) = id.len().checked_sub(37).filter(|at| *at > 0 && id.as_bytes()[*at] == b'-') {
        *id = text(&format!("{}-random", &id[..at]));
    }
}

fn joined(response: &mut JoinGroupResponse) {
    plain_id(&mut response.leader);
    plain_id(&mut response.member_id);
    response.members.iter_mut().for_each(|member| plain_id(&mut member.member_id));
}

fn join(version: i16, name: &str, member_id: StrBytes, session_timeout_ms: i32) -> JoinGroupRequest {
    let protocol = |name: &str| {
        JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(Bytes::from_static(b"\0\x01\0\0\0\0\0\0\0\0"))
    };
    let request = JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(session_timeout_ms)
        .with_member_id(member_id)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol("range"), protocol("roundrobin")]);
    if version >= 1 { request.with_rebalance_timeout_ms(10_000) } else { request }
}

fn sync(version: i16, name: &str, member_id: StrBytes, generation_id: i32) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member_id.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let request = SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation_id)
        .with_member_id(member_id)
        .with_assignments(vec![assignment]);
    if version < 5 {
        return request;
    }
    request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
}

fn heartbeat(name: &str, member_id: StrBytes, generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest::default().with_group_id(group(name)).with_member_id(member_id).with_generation_id(generation_id)
}

fn leave(version: i16, name: &str, member_id: StrBytes) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group(name));
    if version < 3 {
        return request.with_member_id(member_id);
    }
    request.with_members(vec![MemberIdentity::default().with_member_id(member_id)])
}

fn left(response: &mut LeaveGroupResponse) {
    response.members.iter_mut().for_each(|member| plain_id(&mut member.member_id));
}

fn commit(
    version: i16,
    name: &str,
    member: StrBytes,
    generation: i32,
    of: &str,
    partition: i32,
) -> OffsetCommitRequest {
    let mut partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(40 + i64::from(version))
        .with_committed_metadata(Some(text("note")));
    if version >= 6 {
        partition.committed_leader_epoch = 3;
    }
    let topics = OffsetCommitRequestTopic::default().with_name(topic(of)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default().with_group_id(group(name)).with_topics(vec![topics]);
    if version == 0 {
        return request;
    }
    request.with_member_id(member).with_generation_id_or_member_epoch(generation)
}

fn offsets(version: i16, name: &str, of: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    if version < 8 {
        let one = |(name, partitions): &(&str, &[i32])| {
            OffsetFetchRequestTopic::default().with_name(topic(name)).with_partition_indexes(partitions.to_vec())
        };
        let topics = of.map(|of| of.iter().map(one).collect());
        return OffsetFetchRequest::default().with_group_id(group(name)).with_topics(topics);
    }
    let one = |(name, partitions): &(&str, &[i32])| {
        OffsetFetchRequestTopics::default().with_name(topic(name)).with_partition_indexes(partitions.to_vec())
    };
    let topics = of.map(|of| of.iter().map(one).collect());
    let asked = OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(topics);
    OffsetFetchRequest::default().with_groups(vec![asked])
}

/// Kafka tells topics in no order.
fn fetched(response: &mut OffsetFetchResponse) {
    response.topics.sort_by(|a, b| a.name.cmp(&b.name));
    response.topics.iter_mut().for_each(|topic| topic.partitions.sort_by_key(|partition| partition.partition_index));
    for group in &mut response.groups {
        group.topics.sort_by(|a, b| a.name.cmp(&b.name));
        group.topics.iter_mut().for_each(|topic| topic.partitions.sort_by_key(|partition| partition.partition_index));
    }
}

fn described(response: &mut DescribeGroupsResponse) {
    response.groups.iter_mut().flat_map(|group| &mut group.members).for_each(|member| plain_id(&mut member.member_id));
}

fn describe(names: &[&str]) -> DescribeGroupsRequest {
    DescribeGroupsRequest::default().with_groups(names.iter().map(|name| group(name)).collect())
}

async fn every<R: Request + Debug>(pair: &mut Pair, what: &str, request: impl Fn(&Side, i16) -> R) -> Result<()>
where
    R::Response: Debug + Clone,
{
    pair.same_in_every_version(what, request, |_| {}).await
}

#[test]
fn coordinators_are_found_alike() -> Result<()> {
    both(async |pair| {
        coordinated(pair).await?;
        let normalised = |response: &mut FindCoordinatorResponse| {
            response.port = response.port.min(1);
            response.coordinators.iter_mut().for_each(|coordinator| coordinator.port = coordinator.port.min(1));
        };
        for key in ["g", "any", ""] {
            for key_type in [0, 3, -1] {
                let request = |_: &Side, version| {
                    let request = FindCoordinatorRequest::default();
                    let request = if version >= 1 { request.with_key_type(key_type) } else { request };
                    if version >= 4 {
                        request.with_coordinator_keys(vec![text(key)])
                    } else {
                        request.with_key(text(key))
                    }
                };
                pair.same_in_every_version(&format!("{key:?} of type {key_type}"), request, normalised).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_member_goes_its_rounds() -> Result<()> {
    both(async |pair| {
        coordinated(pair).await?;
        pair.create_topic("rounds", 2, &[]).await?;
        let note = |side: &mut Side, response: &JoinGroupResponse| {
            side.words.insert(MEMBER, response.member_id.to_string());
        };
        for version in versions::<JoinGroupRequest>() {
            let name = format!("rounds-{version}");
            for side in &mut pair.sides {
                side.words.remove(MEMBER);
            }
            let request = |side: &Side| join(version, &name, side.word(MEMBER), 10_000);
            pair.same_and_note("joins", version, request, joined, note).await?;
            if version >= 4 {
                pair.same_and_note("joins with its id", version, request, joined, note).await?;
            }
            pair.same("described while it waits", 5, |_| describe(&[&name]), described).await?;
            let generations = [(7, "wrong generation"), (1, "right generation")];
            for (generation, what) in generations {
                let sync_version = version.min(5);
                pair.same(what, sync_version, |side| sync(sync_version, &name, side.word(MEMBER), generation), |_| {})
                    .await?;
                let beat = |side: &Side| heartbeat(&name, side.word(MEMBER), generation);
                pair.same(what, version.min(4), beat, |_| {}).await?;
                for of in ["rounds", "nowhere"] {
                    let request = |side: &Side| commit(version.max(1), &name, side.word(MEMBER), generation, of, 1);
                    pair.same(&format!("commit {of}, {what}"), version.max(1), request, |_| {}).await?;
                }
            }
            let synced = version.min(5);
            pair.same("synced again", synced, |side| sync(synced, &name, side.word(MEMBER), 1), |_| {}).await?;
            pair.same("joins again", version, request, joined).await?;
            pair.same("syncs again", synced, |side| sync(synced, &name, side.word(MEMBER), 2), |_| {}).await?;
            every(pair, "a stranger's heartbeat", |_, _| heartbeat(&name, text("stranger"), 2)).await?;
            every(pair, "a stranger's assignment", |_, v| sync(v, &name, text("stranger"), 2)).await?;
            every(pair, "a stranger leaves", |_, v| leave(v, &name, text("stranger"))).await?;
            pair.same_in_every_version("described", |_, _| describe(&[&name, "nobody", ""]), described).await?;
            let inconsistent =
                |_: &Side| join(version, &name, StrBytes::default(), 10_000).with_protocol_type(text("other"));
            pair.same("another kind of member", version, inconsistent, joined).await?;
            let nothing_common = |_: &Side| {
                let mut request = join(version, &name, StrBytes::default(), 10_000);
                request.protocols.truncate(1);
                request.protocols[0].name = text("strange");
                request
            };
            pair.same("nothing in common", version, nothing_common, joined).await?;
            every(pair, "not empty", |_, _| DeleteGroupsRequest::default().with_groups_names(vec![group(&name)]))
                .await?;
            let leaves = version.min(5);
            pair.same("leaves", leaves, |side| leave(leaves, &name, side.word(MEMBER)), left).await?;
            pair.same("beats once gone", version.min(4), |side| heartbeat(&name, side.word(MEMBER), 2), |_| {}).await?;
            pair.same_in_every_version("empty", |_, _| describe(&[&name]), described).await?;
            every(pair, "deleted", |_, _| DeleteGroupsRequest::default().with_groups_names(vec![group(&name)])).await?;
        }
        Ok(())
    })
}

#[test]
fn refusals() -> Result<()> {
    both(async |pair| {
        coordinated(pair).await?;
        for timeout_ms in [1, 5_999, 1_800_001, -1] {
            let request = |_: &Side, version| join(version, "g", StrBytes::default(), timeout_ms);
            pair.same_in_every_version(&format!("session of {timeout_ms} ms"), request, joined).await?;
        }
        let request = |_: &Side, version| join(version, "", StrBytes::default(), 10_000);
        pair.same_in_every_version("no group id", request, joined).await?;
        let request = |_: &Side, version| join(version, "h", text("unknown"), 10_000);
        pair.same_in_every_version("unknown member", request, joined).await?;
        let request = |_: &Side, version| join(version, "i", StrBytes::default(), 10_000).with_protocols(Vec::new());
        pair.same_in_every_version("no protocols", request, joined).await?;
        let request = |_: &Side, version| join(version, "i", StrBytes::default(), 10_000).with_protocol_type(text(""));
        pair.same_in_every_version("no protocol type", request, joined).await?;
        for name in ["nobody", ""] {
            every(pair, "sync", |_, version| sync(version, name, text("m"), 1)).await?;
            every(pair, "heartbeat", |_, _| heartbeat(name, text("m"), 1)).await?;
            every(pair, "leave", |_, version| leave(version, name, text("m"))).await?;
            every(pair, "delete", |_, _| DeleteGroupsRequest::default().with_groups_names(vec![group(name)])).await?;
            let of = |_: &Side, _| {
                let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
                let topics =
                    OffsetDeleteRequestTopic::default().with_name(topic("rounds")).with_partitions(vec![partition]);
                OffsetDeleteRequest::default().with_group_id(group(name)).with_topics(vec![topics])
            };
            every(pair, "delete offsets", of).await?;
        }
        Ok(())
    })
}

#[test]
fn offsets_are_kept_alike() -> Result<()> {
    both(async |pair| {
        coordinated(pair).await?;
        pair.create_topic("committed", 3, &[]).await?;
        for version in versions::<OffsetCommitRequest>() {
            let name = format!("offsets-{version}");
            for (of, partition) in [("committed", 0), ("committed", 2), ("committed", 9), ("nowhere", 0)] {
                let request = |_: &Side| commit(version, &name, StrBytes::default(), -1, of, partition);
                pair.same(&format!("commit {of}-{partition}"), version, request, |_| {}).await?;
            }
            let stranger = |_: &Side| commit(version, &name, text("stranger"), 4, "committed", 0);
            pair.same("a stranger commits", version, stranger, |_| {}).await?;
            let long = |_: &Side| {
                let mut request = commit(version, &name, StrBytes::default(), -1, "committed", 1);
                request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(5000)));
                request
            };
            pair.same("a long note", version, long, |_| {}).await?;
            let null = |_: &Side| {
                let mut request = commit(version, &name, StrBytes::default(), -1, "committed", 1);
                request.topics[0].partitions[0].committed_metadata = None;
                request
            };
            pair.same("no note", version, null, |_| {}).await?;
            let asked: &[(&str, &[i32])] = &[("committed", &[0, 1, 2, 9]), ("nowhere", &[0])];
            let some = |_: &Side, version| offsets(version, &name, Some(asked));
            pair.same_in_every_version("fetch", some, fetched).await?;
            for version in 2..=9 {
                pair.same("fetch all", version, |_| offsets(version, &name, None), fetched).await?;
                pair.same("fetch none", version, |_| offsets(version, &name, Some(&[])), fetched).await?;
            }
            for (of, partition) in [("committed", 0), ("committed", 1), ("nowhere", 0)] {
                let request = |_: &Side, _| {
                    let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
                    let topics =
                        OffsetDeleteRequestTopic::default().with_name(topic(of)).with_partitions(vec![partition]);
                    OffsetDeleteRequest::default().with_group_id(group(&name)).with_topics(vec![topics])
                };
                every(pair, &format!("delete {of}-{partition}"), request).await?;
            }
            pair.same_in_every_version("fetch what is left", some, fetched).await?;
            let listed = |response: &mut ListGroupsResponse| {
                response.groups.retain(|group| group.group_id.starts_with("offsets-"));
                response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
            };
            pair.same_in_every_version("list", |_, _| ListGroupsRequest::default(), listed).await?;
            for (states, types) in [("Empty", ""), ("stable", ""), ("", "classic"), ("", "consumer"), ("nonsense", "")]
            {
                let filter = |word: &str| if word.is_empty() { Vec::new() } else { vec![text(word)] };
                let request = |_: &Side| {
                    ListGroupsRequest::default().with_states_filter(filter(states)).with_types_filter(filter(types))
                };
                pair.same(&format!("list {states}{types}"), 5, request, listed).await?;
            }
        }
        Ok(())
    })
}
