//! Committed offsets of a group, asked for in whichever form the coordinator understands.

use std::collections::BTreeMap;

use wire::StrBytes;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use wire::messages::{BrokerId, GroupId, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName};

use crate::connection::Connection;
use crate::error::{Error, check};

/// ListOffsets timestamp for the end.
pub const LATEST: i64 = -1;
/// ListOffsets timestamp for the log start offset.
pub const EARLIEST: i64 = -2;

type Partition = (String, i32);

/// The offsets `group` has committed for these partitions (`None`: for all it has any). Partitions without are left out.
///
/// # Errors
/// When the coordinator refuses, for the group or for one partition.
pub async fn committed(
    coordinator: &Connection,
    group: &str,
    partitions: Option<&[Partition]>,
) -> Result<BTreeMap<Partition, i64>, Error> {
    let version = coordinator.version_of::<OffsetFetchRequest>(i16::MAX)?;
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions.unwrap_or_default() {
        by_topic.entry(topic).or_default().push(*partition);
    }
    let mut request = OffsetFetchRequest::default();
    let mut found = BTreeMap::new();
    let mut take = |topic: &str, partition: i32, offset: i64, code: i16| -> Result<(), Error> {
        check(code, None, || format!("committed offset of {topic}-{partition} in group '{group}'"))?;
        if offset >= 0 {
            found.insert((topic.to_owned(), partition), offset);
        }
        Ok(())
    };
    if version >= 8 {
        let mut wanted = OffsetFetchRequestGroup::default();
        wanted.group_id = GroupId(wire::text(group));
        wanted.member_epoch = -1;
        wanted.topics = partitions.is_some().then(|| {
            let topic = |(name, indexes)| {
                let mut topic = OffsetFetchRequestTopics::default();
                topic.name = TopicName(wire::text(name));
                topic.partition_indexes = indexes;
                topic
            };
            by_topic.into_iter().map(topic).collect()
        });
        request.groups = vec![wanted];
        for answer in coordinator.call_at(version, &request).await?.groups {
            check(answer.error_code, None, || format!("committed offsets of group '{group}'"))?;
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    take(&topic.name.0, partition.partition_index, partition.committed_offset, partition.error_code)?;
                }
            }
        }
    } else {
        request.group_id = GroupId(wire::text(group));
        request.topics = (partitions.is_some() || version < 2).then(|| {
            let topic = |(name, indexes)| {
                let mut topic = OffsetFetchRequestTopic::default();
                topic.name = TopicName(wire::text(name));
                topic.partition_indexes = indexes;
                topic
            };
            by_topic.into_iter().map(topic).collect()
        });
        let response = coordinator.call_at(version, &request).await?;
        check(response.error_code, None, || format!("committed offsets of group '{group}'"))?;
        for topic in &response.topics {
            for partition in &topic.partitions {
                take(&topic.name.0, partition.partition_index, partition.committed_offset, partition.error_code)?;
            }
        }
    }
    Ok(found)
}

/// Asks a leader for the first offset whose record is not older than a timestamp, or that of a special time; -1 where
/// there is none. Every partition it answers for is in the result.
///
/// # Errors
/// When the leader does not answer. Errors of single partitions are in the result.
pub async fn list(
    leader: &Connection,
    timestamps: &BTreeMap<Partition, i64>,
    read_committed: bool,
) -> Result<BTreeMap<Partition, Result<i64, Error>>, Error> {
    let version = leader.version_of::<ListOffsetsRequest>(i16::MAX)?;
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for ((topic, index), timestamp) in timestamps {
        let mut partition = ListOffsetsPartition::default();
        partition.partition_index = *index;
        partition.current_leader_epoch = -1;
        partition.timestamp = *timestamp;
        topics.entry(topic).or_default().push(partition);
    }
    let mut request = ListOffsetsRequest::default();
    request.replica_id = BrokerId(-1);
    request.isolation_level = if version >= 2 { i8::from(read_committed) } else { 0 };
    request.topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            let mut topic = ListOffsetsTopic::default();
            topic.name = TopicName(wire::text(name));
            topic.partitions = partitions;
            topic
        })
        .collect();
    let response = leader.call_at(version, &request).await?;
    let mut found = BTreeMap::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let home = (topic.name.0.to_string(), partition.partition_index);
            let checked = check(partition.error_code, None, || format!("offsets of {}-{}", home.0, home.1));
            // Version 0 lists segment starts, newest first.
            let offset = partition.old_style_offsets.first().copied().unwrap_or(partition.offset);
            found.insert(home, checked.map(|()| offset));
        }
    }
    Ok(found)
}

/// A request to commit these offsets from outside the group; a member adds who it is.
#[must_use]
pub fn commit_request(group: GroupId, offsets: &BTreeMap<Partition, i64>) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, index), offset) in offsets {
        let mut partition = OffsetCommitRequestPartition::default();
        partition.partition_index = *index;
        partition.committed_offset = *offset;
        partition.committed_leader_epoch = -1;
        partition.committed_metadata = Some(StrBytes::default());
        topics.entry(topic).or_default().push(partition);
    }
    let mut request = OffsetCommitRequest::default();
    request.group_id = group;
    request.generation_id_or_member_epoch = -1;
    request.retention_time_ms = -1;
    request.topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            let mut topic = OffsetCommitRequestTopic::default();
            topic.name = TopicName(wire::text(name));
            topic.partitions = partitions;
            topic
        })
        .collect();
    request
}

/// Commits offsets.
///
/// # Errors
/// When the coordinator refuses any of them or does not answer.
pub async fn commit(coordinator: &Connection, version: i16, request: &OffsetCommitRequest) -> Result<(), Error> {
    let response = coordinator.call_at(version, request).await?;
    for topic in &response.topics {
        for partition in &topic.partitions {
            let home = || format!("offset of {}-{}", &*topic.name.0, partition.partition_index);
            check(partition.error_code, None, home)?;
        }
    }
    Ok(())
}
