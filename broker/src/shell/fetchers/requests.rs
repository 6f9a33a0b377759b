//! A follower's three requests as they go over the wire, and what their answers say.
//! Source: contract 3.6 and 4.5; `RemoteLeaderEndPoint` in Kafka 3.9.

use wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use wire::messages::fetch_response::PartitionData;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::messages::{
    self, FetchRequest, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, TopicName,
};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, LeaderEpoch, Offset, TopicId, TopicPartition};

use super::Settings;
use crate::replica::fetcher::{FetchPlan, LeaderEnd, Pending};

/// First version of Fetch that says who fetches in a structure of its own.
const FIRST_WITH_REPLICA_STATE: i16 = 15;
/// ListOffsets: where the log ends.
pub(super) const LATEST: i64 = -1;
/// ListOffsets: where the log begins.
pub(super) const EARLIEST: i64 = -2;

pub(super) fn fetch(plan: &FetchPlan, settings: &Settings) -> FetchRequest {
    let mut request = FetchRequest::default();
    let us = messages::BrokerId(settings.broker.0);
    if plan.version >= FIRST_WITH_REPLICA_STATE {
        request.replica_state.replica_id = us;
    } else {
        request.replica_id = us;
    }
    request.max_wait_ms = settings.wait_max_ms;
    request.min_bytes = settings.min_bytes;
    request.max_bytes = settings.max_bytes;
    request.session_id = plan.session_id;
    request.session_epoch = plan.session_epoch;
    for (id, asked) in &plan.partitions {
        let mut partition = FetchPartition::default();
        partition.partition = id.partition;
        partition.current_leader_epoch = asked.leader_epoch.0;
        partition.fetch_offset = asked.fetch_offset;
        if settings.versions.truncates_on_fetch {
            partition.last_fetched_epoch = asked.last_fetched_epoch.map_or(-1, |epoch| epoch.0);
        }
        partition.log_start_offset = asked.log_start_offset;
        partition.partition_max_bytes = settings.partition_max_bytes;
        let (name, topic_id) = named(plan, id, asked.topic_id);
        match request.topics.last_mut().filter(|topic| topic.topic == name && topic.topic_id == topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let mut topic = FetchTopic::default();
                (topic.topic, topic.topic_id) = (name, topic_id);
                topic.partitions.push(partition);
                request.topics.push(topic);
            }
        }
    }
    for (id, topic_id) in &plan.forgotten {
        let (name, topic_id) = named(plan, id, *topic_id);
        let forgotten = &mut request.forgotten_topics_data;
        match forgotten.last_mut().filter(|topic| topic.topic == name && topic.topic_id == topic_id) {
            Some(topic) => topic.partitions.push(id.partition),
            None => {
                let mut topic = ForgottenTopic::default();
                (topic.topic, topic.topic_id) = (name, topic_id);
                topic.partitions.push(id.partition);
                forgotten.push(topic);
            }
        }
    }
    request
}

/// How a topic is named: by id or by name, never both.
fn named(plan: &FetchPlan, id: &TopicPartition, topic_id: TopicId) -> (TopicName, uuid::Uuid) {
    if plan.uses_topic_ids {
        (TopicName::default(), topic_id.0)
    } else {
        (TopicName(text(id.topic.as_str())), TopicId::ZERO.0)
    }
}

/// Where the leader says that our log left its own, if it does.
pub(super) fn diverging(data: &PartitionData) -> Option<LeaderEnd> {
    let diverging = &data.diverging_epoch;
    let is_told = diverging.epoch >= 0 || diverging.end_offset >= 0;
    is_told.then(|| leader_end(diverging.epoch, diverging.end_offset))
}

fn leader_end(epoch: i32, end_offset: Offset) -> LeaderEnd {
    LeaderEnd {
        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
        end_offset: (end_offset >= 0).then_some(end_offset),
    }
}

/// Asks where each of these epochs, the latest of its log, ends at the leader.
pub(super) fn epoch_ends(us: BrokerId, version: i16, asked: &[(Pending, LeaderEpoch)]) -> OffsetForLeaderEpochRequest {
    let mut request = OffsetForLeaderEpochRequest::default();
    request.replica_id = messages::BrokerId(if version >= 3 { us.0 } else { -2 });
    for (pending, leader_epoch) in asked {
        let mut partition = OffsetForLeaderPartition::default();
        partition.partition = pending.partition.partition;
        partition.current_leader_epoch = pending.leader_epoch.0;
        partition.leader_epoch = leader_epoch.0;
        let name = pending.partition.topic.as_str();
        match request.topics.last_mut().filter(|topic| topic.topic.as_str() == name) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let mut topic = OffsetForLeaderTopic::default();
                topic.topic = TopicName(text(name));
                topic.partitions.push(partition);
                request.topics.push(topic);
            }
        }
    }
    request
}

/// The leader's answer about one partition.
pub(super) fn epoch_end(
    response: &OffsetForLeaderEpochResponse,
    id: &TopicPartition,
) -> Option<Result<LeaderEnd, ErrorCode>> {
    let of_topic = response.topics.iter().filter(|topic| topic.topic.as_str() == id.topic.as_str());
    let end = of_topic.flat_map(|topic| &topic.partitions).find(|end| end.partition == id.partition)?;
    Some(match ErrorCode::from_code(end.error_code) {
        ErrorCode::None => Ok(leader_end(end.leader_epoch, end.end_offset)),
        error => Err(error),
    })
}

/// Asks where the leader's log of a partition begins or ends.
pub(super) fn list_offset(us: BrokerId, pending: &Pending, timestamp: i64) -> ListOffsetsRequest {
    let mut partition = ListOffsetsPartition::default();
    partition.partition_index = pending.partition.partition;
    partition.current_leader_epoch = pending.leader_epoch.0;
    partition.timestamp = timestamp;
    let mut topic = ListOffsetsTopic::default();
    topic.name = TopicName(text(pending.partition.topic.as_str()));
    topic.partitions.push(partition);
    let mut request = ListOffsetsRequest::default();
    request.replica_id = messages::BrokerId(us.0);
    request.topics.push(topic);
    request
}

/// The leader's answer.
pub(super) fn listed_offset(response: &ListOffsetsResponse, version: i16) -> Result<Offset, ErrorCode> {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let partition = partitions.next().ok_or(ErrorCode::UnknownServerError)?;
    match ErrorCode::from_code(partition.error_code) {
        ErrorCode::None if version == 0 => {
            partition.old_style_offsets.first().copied().ok_or(ErrorCode::UnknownServerError)
        }
        ErrorCode::None => Ok(partition.offset),
        error => Err(error),
    }
}
