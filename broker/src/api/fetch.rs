//! Fetch: records for consumers and followers, from where they lie, within sessions.
//! Waiting is [`crate::purgatory::fetch`]'s, sessions are [`crate::replica::fetch_session`]'s.
//! Source: `KafkaApis.handleFetchRequest` in Kafka 3.9.

mod down_conversion;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use wire::ErrorCode;
use wire::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchResponse, LeaderIdAndEpoch, NodeEndpoint, Partition as Answer, Topic,
};
use wire::messages::FetchRequest;
use zk_schema::types::{BrokerId, LeaderEpoch, TopicId, TopicName};

use super::access::{Operation, Resource};
use super::current_leader::{self, Node};
use super::errors::KafkaError as _;
use super::{RequestContext, current_leader::CurrentLeader};
use crate::broker::Broker;
use crate::metadata::Snapshot;
use crate::net::{FileRange, Records};
use crate::purgatory::fetch::{self, Fetch};
use crate::replica::fetch_session::{AnswerFacts, FetchPartition, Key, SessionRequest};
use crate::replica::{Error, Partition, PartitionRead, ReadRequest, Reader};

const CONSUMER: i32 = -1;
const READ_COMMITTED: i8 = 1;

/// Reads, waits if that is too little, and tells what is news.
pub async fn handle(broker: &Broker, context: &RequestContext<'_>, request: FetchRequest) -> FetchResponse<Records> {
    let version = context.version();
    let now_ms = broker.clock.now_ms();
    let snapshot = broker.metadata.snapshot();
    let reader = reader(&request, version);
    let limits = Limits::of(&request, broker, version);
    let session = session_request(request, &snapshot, reader, version);
    let session = broker.fetch_sessions.begin(session, |id| snapshot.topic_name(id).cloned(), now_ms);
    if let Some(error) = session.error() {
        return empty(error, 0);
    }
    let targets: Vec<_> =
        session.partitions().iter().map(|asked| target(broker, context, &snapshot, asked, reader, now_ms)).collect();
    let is_urgent = targets.iter().any(Result::is_err);
    let is_at_once: Vec<_> = targets.iter().map(|target| matches!(target, Err(Refusal::AtOnce(_)))).collect();
    let entries: Vec<_> = targets.iter().filter_map(|target| target.as_ref().ok().cloned()).collect();
    let reads = match &broker.replicas {
        Some(replicas) => fetch::read(replicas, limits.over(entries, is_urgent)).await,
        None => Vec::new(),
    };
    let mut reads = reads.into_iter();
    let mut endpoints = BTreeMap::new();
    let answers: Vec<_> = session
        .partitions()
        .iter()
        .zip(targets)
        .map(|(asked, target)| {
            let read = match target {
                Ok((partition, _)) => reads.next().map(|read| (partition, read)),
                Err(refusal) => return refused(broker, context, asked, refusal, &mut endpoints),
            };
            match read {
                Some((partition, Ok(read))) => found(asked, reader, &partition, read),
                Some((_, Err(error))) => failed(broker, context, asked, told(&error, version), &mut endpoints),
                None => failed(broker, context, asked, ErrorCode::NotLeaderOrFollower, &mut endpoints),
            }
        })
        .collect();
    let facts: Vec<_> = answers.iter().map(facts).collect();
    let asked = session.partitions().to_vec();
    let finished = broker.fetch_sessions.finish(session, &facts, broker.clock.now_ms());
    if finished.error != ErrorCode::None {
        return empty(finished.error, finished.session_id);
    }
    let mut news: Vec<_> = asked.into_iter().zip(answers).zip(is_at_once).zip(finished.is_sent).collect();
    news.retain(|(_, is_sent)| *is_sent);
    // What was refused at once is told last.
    news.sort_by_key(|((_, is_at_once), _)| *is_at_once);
    let converted = news.into_iter().map(|(((asked, answer), _), _)| {
        let answer = down_conversion::convert(broker, version, reader, &asked, answer);
        (asked, answer)
    });
    FetchResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None,
        session_id: finished.session_id,
        topics: by_topic(converted),
        node_endpoints: endpoints.into_iter().map(|(id, node)| node_endpoint(id, node)).collect(),
    }
}

fn empty(error_code: ErrorCode, session_id: i32) -> FetchResponse<Records> {
    FetchResponse { throttle_time_ms: 0, error_code, session_id, topics: Vec::new(), node_endpoints: Vec::new() }
}

fn reader(request: &FetchRequest, version: i16) -> Reader {
    let replica_id = if version >= 15 { *request.replica_state.replica_id } else { *request.replica_id };
    match replica_id {
        CONSUMER => {
            Reader::Consumer { read_committed: request.isolation_level == READ_COMMITTED, only_leader: version <= 10 }
        }
        id if id >= 0 => Reader::Follower(BrokerId(id)),
        _ => Reader::Debug,
    }
}

/// How much, and how long to wait for it.
struct Limits {
    min_bytes: usize,
    max_bytes: usize,
    wait_max: Duration,
    is_hard: bool,
}

impl Limits {
    /// Differs from Kafka: a negative limit is 0, here and for one partition; Kafka fails with `UNKNOWN_SERVER_ERROR`.
    fn of(request: &FetchRequest, broker: &Broker, version: i16) -> Self {
        let max_bytes = request.max_bytes.min(broker.config().fetch_max_bytes);
        Self {
            min_bytes: usize::try_from(request.min_bytes.min(max_bytes)).unwrap_or(0),
            max_bytes: usize::try_from(max_bytes).unwrap_or(0),
            wait_max: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
            is_hard: version <= 2,
        }
    }

    fn over(&self, entries: Vec<(Arc<Partition>, ReadRequest)>, is_urgent: bool) -> Fetch {
        Fetch {
            entries,
            min_bytes: self.min_bytes,
            max_bytes: self.max_bytes,
            is_limit_hard: self.is_hard,
            wait_max: self.wait_max,
            is_urgent,
        }
    }
}

fn session_request(request: FetchRequest, snapshot: &Snapshot, reader: Reader, version: i16) -> SessionRequest {
    let uses_topic_ids = version >= 13;
    let identify = |name: &str, id: uuid::Uuid| -> (Option<TopicName>, TopicId) {
        if uses_topic_ids {
            let id = TopicId(id);
            return (snapshot.topic_name(id).cloned(), id);
        }
        // The name known to metadata is shared; only one nobody knows is copied.
        let name = snapshot.topics.get_key_value(name).map_or_else(|| TopicName::new(name), |(name, _)| name.clone());
        (Some(name), TopicId::ZERO)
    };
    let epoch = |epoch: i32| (epoch >= 0).then_some(LeaderEpoch(epoch));
    let mut partitions: Vec<FetchPartition> = Vec::new();
    for topic in request.topics {
        let (name, topic_id) = identify(&topic.topic.0, topic.topic_id);
        partitions.extend(topic.partitions.into_iter().map(|asked| FetchPartition {
            topic: name.clone(),
            topic_id,
            partition: asked.partition,
            fetch_offset: asked.fetch_offset,
            log_start_offset: asked.log_start_offset,
            max_bytes: asked.partition_max_bytes,
            current_leader_epoch: epoch(asked.current_leader_epoch),
            last_fetched_epoch: epoch(asked.last_fetched_epoch),
        }));
    }
    last_of_each(&mut partitions);
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let (name, topic_id) = identify(&topic.topic.0, topic.topic_id);
        topic.partitions.iter().map(move |partition| Key::new(topic_id, name.as_ref(), *partition))
    });
    SessionRequest {
        session_id: request.session_id,
        epoch: request.session_epoch,
        is_follower: matches!(reader, Reader::Follower(_)),
        uses_topic_ids,
        forgotten: forgotten.collect(),
        partitions,
    }
}

/// Why a partition is not even read.
#[derive(Clone, Copy)]
enum Refusal {
    /// It cannot be told or may not be known.
    AtOnce(ErrorCode),
    /// It is not here, or not the one that is meant.
    Elsewhere(ErrorCode),
}

/// A partition that is named twice is asked for as it was named last, in the place where it was named first.
fn last_of_each(partitions: &mut Vec<FetchPartition>) {
    let mut places = HashMap::with_capacity(partitions.len());
    let mut is_first = Vec::with_capacity(partitions.len());
    for at in 0..partitions.len() {
        let first = *places.entry(partitions[at].key()).or_insert(at);
        if first != at {
            partitions[first] = partitions[at].clone();
        }
        is_first.push(first == at);
    }
    let mut is_first = is_first.into_iter();
    partitions.retain(|_| is_first.next().unwrap_or(true));
}

fn target(
    broker: &Broker,
    context: &RequestContext<'_>,
    snapshot: &Snapshot,
    asked: &FetchPartition,
    reader: Reader,
    now_ms: i64,
) -> Result<(Arc<Partition>, ReadRequest), Refusal> {
    let name = asked.topic.as_ref().ok_or(Refusal::AtOnce(ErrorCode::UnknownTopicId))?;
    let is_allowed = match reader {
        Reader::Follower(_) => context.may(Operation::ClusterAction, Resource::Cluster),
        Reader::Consumer { .. } | Reader::Debug => context.may(Operation::Read, Resource::Topic(name.as_str())),
    };
    if !is_allowed {
        return Err(Refusal::AtOnce(ErrorCode::TopicAuthorizationFailed));
    }
    if snapshot.partition_of(name.as_str(), asked.partition).is_none() {
        return Err(Refusal::AtOnce(ErrorCode::UnknownTopicOrPartition));
    }
    let elsewhere = |error: Error| Refusal::Elsewhere(told(&error, context.version()));
    let partition = broker.partition(name.as_str(), asked.partition).map_err(elsewhere)?;
    if asked.topic_id.is_known() && partition.topic_id().is_some_and(|id| id != asked.topic_id) {
        return Err(Refusal::Elsewhere(ErrorCode::InconsistentTopicId));
    }
    let request = ReadRequest {
        reader,
        fetch_offset: asked.fetch_offset,
        max_bytes: usize::try_from(asked.max_bytes).unwrap_or(0),
        min_one_batch: false,
        current_leader_epoch: asked.current_leader_epoch,
        last_fetched_epoch: asked.last_fetched_epoch,
        log_start_offset: asked.log_start_offset,
        now_ms,
        is_again: false,
    };
    Ok((partition, request))
}

/// Storage errors came with version 6.
fn told(error: &Error, version: i16) -> ErrorCode {
    match error.code() {
        ErrorCode::KafkaStorageError if version <= 5 => ErrorCode::NotLeaderOrFollower,
        code => code,
    }
}

fn refused(
    broker: &Broker,
    context: &RequestContext<'_>,
    asked: &FetchPartition,
    refusal: Refusal,
    endpoints: &mut BTreeMap<BrokerId, Node>,
) -> Answer<Records> {
    match refusal {
        Refusal::AtOnce(error) => without_read(asked, error),
        Refusal::Elsewhere(error) => failed(broker, context, asked, error, endpoints),
    }
}

/// An error that does not come from a read. Kafka tells such errors with an empty list of aborted transactions, those
/// of a read with none.
fn without_read(asked: &FetchPartition, error: ErrorCode) -> Answer<Records> {
    Answer { aborted_transactions: Some(Vec::new()), ..Answer::failed(asked.partition, error) }
}

fn failed(
    broker: &Broker,
    context: &RequestContext<'_>,
    asked: &FetchPartition,
    error: ErrorCode,
    endpoints: &mut BTreeMap<BrokerId, Node>,
) -> Answer<Records> {
    let mut answer = Answer::failed(asked.partition, error);
    let is_about_leader = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    if let Some(name) = asked.topic.as_ref().filter(|_| is_about_leader && context.version() >= 16) {
        let CurrentLeader { id, epoch, node } = current_leader::find(broker, context, name.as_str(), asked.partition);
        answer.current_leader = Some(LeaderIdAndEpoch { leader_id: id.0, leader_epoch: epoch.0 });
        if let Some(node) = node {
            endpoints.insert(id, node);
        }
    }
    answer
}

fn found(asked: &FetchPartition, reader: Reader, partition: &Partition, read: PartitionRead) -> Answer<Records> {
    let is_follower = matches!(reader, Reader::Follower(_));
    let aborted_transactions = match reader {
        Reader::Consumer { read_committed: true, .. } => match aborted(asked, &read) {
            Ok(aborted) => Some(aborted),
            Err(error) => {
                tracing::error!(partition = %partition.id(), %error, "aborted transactions cannot be read");
                return Answer::failed(asked.partition, error.code());
            }
        },
        _ => None,
    };
    let diverging_epoch = read.diverging.map(|(epoch, end_offset)| EpochEndOffset { epoch: epoch.0, end_offset });
    let range = read.slice.file.map(|file| FileRange { file, position: read.slice.position, len: read.slice.len });
    Answer {
        partition_index: asked.partition,
        error_code: ErrorCode::None,
        high_watermark: read.high_watermark,
        last_stable_offset: if is_follower { -1 } else { read.last_stable_offset },
        log_start_offset: read.log_start_offset,
        diverging_epoch,
        current_leader: None,
        aborted_transactions,
        preferred_read_replica: -1,
        records: range.map(Records::File),
    }
}

fn aborted(asked: &FetchPartition, read: &PartitionRead) -> Result<Vec<AbortedTransaction>, partition_log::ReadError> {
    if read.slice.is_empty() {
        return Ok(Vec::new());
    }
    let aborted = read.log.aborted_transactions(asked.fetch_offset, read.end_offset)?;
    let told = aborted
        .into_iter()
        .map(|aborted| AbortedTransaction { producer_id: aborted.producer_id.0, first_offset: aborted.first_offset });
    Ok(told.collect())
}

fn facts(answer: &Answer<Records>) -> AnswerFacts {
    let is_error = answer.error_code != ErrorCode::None;
    AnswerFacts {
        has_records: answer.records.as_ref().is_some_and(|records| !wire::rope::Payload::is_empty(records)),
        high_watermark: answer.high_watermark,
        log_start_offset: answer.log_start_offset,
        must_tell: is_error || answer.preferred_read_replica >= 0 || answer.diverging_epoch.is_some(),
        is_error,
    }
}

fn by_topic(answers: impl Iterator<Item = (FetchPartition, Answer<Records>)>) -> Vec<Topic<Records>> {
    let mut topics: Vec<Topic<Records>> = Vec::new();
    for (asked, answer) in answers {
        let name = asked.topic.unwrap_or_else(|| TopicName::new(""));
        match topics.last_mut().filter(|topic| topic.id == asked.topic_id.0 && topic.name == name) {
            Some(topic) => topic.partitions.push(answer),
            None => topics.push(Topic { name, id: asked.topic_id.0, partitions: vec![answer] }),
        }
    }
    topics
}

fn node_endpoint(id: BrokerId, node: Node) -> NodeEndpoint {
    NodeEndpoint { node_id: id.0, host: node.host, port: node.port, rack: node.rack }
}
