//! Reads records, by itself or as a member of a group: joins, shares out partitions by range, heartbeats, commits, leaves.
//! All work is done inside [`Consumer::poll`], so a caller that stops polling is taken for dead, as with Java's client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use record::Record;
use tokio::time::Instant;
use wire::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use wire::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::messages::join_group_request::JoinGroupRequestProtocol;
use wire::messages::leave_group_request::MemberIdentity;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::messages::sync_group_request::SyncGroupRequestAssignment;
use wire::messages::{
    BrokerId, ConsumerProtocolAssignment, ConsumerProtocolSubscription, FetchRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListOffsetsRequest, OffsetCommitRequest, SyncGroupRequest,
    TopicName,
};
use wire::{Decodable as _, Encodable as _, ErrorCode, StrBytes};

use crate::assignor::{self, Member};
use crate::cluster::ClusterClient;
use crate::connection::Connection;
use crate::error::{Error, check};
use crate::offsets;

/// `(topic, partition)`.
pub type Partition = (String, i32);

/// Where to begin without a committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the log start offset.
    Earliest,
    /// At the end.
    Latest,
    /// Nowhere: fail.
    None,
}

/// What to read.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// These topics, shared within the group.
    Topics(Vec<String>),
    /// Topics whose names match, as they come and go, shared within the group.
    Matching(TopicFilter),
    /// These partitions, all of them, from these offsets (`None`: the commit, or the reset policy;
    /// [`offsets::EARLIEST`] and [`offsets::LATEST`]: the partition's ends).
    Partitions(BTreeMap<Partition, Option<i64>>),
}

/// Chooses topics by their names.
#[derive(Clone)]
pub struct TopicFilter(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl TopicFilter {
    /// A filter that lets pass what `contains` says.
    #[must_use]
    pub fn new(contains: Arc<dyn Fn(&str) -> bool + Send + Sync>) -> Self {
        Self(contains)
    }

    /// Whether a topic is to be read.
    #[must_use]
    pub fn contains(&self, topic: &str) -> bool {
        (self.0)(topic)
    }
}

impl std::fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopicFilter")
    }
}

/// How a consumer reads.
#[derive(Clone, Debug)]
pub struct Config {
    /// `group.id`; needed to subscribe to topics and to commit.
    pub group: Option<String>,
    /// `group.instance.id`: a static member.
    pub group_instance_id: Option<String>,
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// How often to commit by itself; never when `None`.
    pub auto_commit: Option<Duration>,
    /// Skip records of transactions that are open or aborted.
    pub read_committed: bool,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: how long a rebalance may wait for this member.
    pub rebalance_timeout: Duration,
    /// `fetch.max.wait.ms`.
    pub fetch_wait: Duration,
    /// `fetch.min.bytes`.
    pub fetch_bytes_min: i32,
    /// `fetch.max.bytes`.
    pub fetch_bytes_max: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_bytes_max: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: None,
            group_instance_id: None,
            offset_reset: OffsetReset::Latest,
            auto_commit: Some(Duration::from_secs(5)),
            read_committed: false,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            fetch_wait: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
        }
    }
}

/// A record read.
#[derive(Clone, Debug)]
pub struct Received {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Whether the broker stamped it.
    pub log_append_time: bool,
    /// Offset, timestamp, key, value, headers.
    pub record: Record,
}

struct Membership {
    member_id: StrBytes,
    generation: i32,
    heartbeat_due: Instant,
    last_contact: Instant,
}

/// A consumer. Leaves its group only by [`Consumer::close`].
pub struct Consumer {
    cluster: Arc<ClusterClient>,
    config: Config,
    subscription: Subscription,
    membership: Option<Membership>,
    member_id: StrBytes,
    positions: BTreeMap<Partition, i64>,
    committed: BTreeMap<Partition, i64>,
    leaders: BTreeMap<Partition, i32>,
    coordinator: Option<Arc<Connection>>,
    commit_due: Option<Instant>,
    resumed: bool,
    next_leader: usize,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

impl Consumer {
    /// A consumer that begins when first polled.
    #[must_use]
    pub fn new(cluster: Arc<ClusterClient>, config: Config, subscription: Subscription) -> Self {
        Self {
            cluster,
            subscription,
            membership: None,
            member_id: StrBytes::default(),
            positions: BTreeMap::new(),
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            coordinator: None,
            commit_due: config.auto_commit.map(|every| Instant::now() + every),
            resumed: false,
            next_leader: 0,
            config,
        }
    }

    /// The partitions read now, and the offset of the next record of each.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<Partition, i64> {
        &self.positions
    }

    /// Sets the offset of the next record of a partition that is read now; others are left alone.
    pub fn seek(&mut self, partition: Partition, offset: i64) {
        if let Some(position) = self.positions.get_mut(&partition) {
            *position = offset;
        }
    }

    /// Gives the next records, or none when `timeout` passes first.
    ///
    /// # Errors
    /// What no retry can mend. Lost connections and rebalances are dealt with inside.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<Received>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let step = self.step(deadline).await;
            match step {
                Ok(records) if !records.is_empty() => return Ok(records),
                Ok(_) => {}
                Err(error) if self.recover(&error) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    async fn step(&mut self, deadline: Instant) -> Result<Vec<Received>, Error> {
        self.keep_membership().await?;
        self.begin_positions().await?;
        if self.commit_due.is_some_and(|due| due <= Instant::now()) {
            self.commit().await?;
        }
        let wait = self.config.fetch_wait.min(deadline.saturating_duration_since(Instant::now()));
        if self.positions.is_empty() {
            tokio::time::sleep(wait.min(Duration::from_millis(100))).await;
            return Ok(Vec::new());
        }
        self.fetch(wait).await
    }

    /// Puts right what an error says is out of date; `false` if the error is to be passed on.
    fn recover(&mut self, error: &Error) -> bool {
        use ErrorCode::{
            FencedLeaderEpoch, IllegalGeneration, LeaderNotAvailable, NotCoordinator, NotLeaderOrFollower,
            RebalanceInProgress, UnknownLeaderEpoch, UnknownMemberId, UnknownTopicOrPartition,
        };
        match error.code() {
            Some(RebalanceInProgress) => self.membership = None,
            Some(IllegalGeneration | UnknownMemberId) => {
                self.membership = None;
                self.member_id = StrBytes::default();
            }
            Some(NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress) => {
                self.coordinator = None;
            }
            Some(
                NotLeaderOrFollower
                | LeaderNotAvailable
                | FencedLeaderEpoch
                | UnknownLeaderEpoch
                | UnknownTopicOrPartition,
            ) => {
                self.leaders.clear();
            }
            None if error.is_retriable() => {
                self.coordinator = None;
                self.leaders.clear();
            }
            Some(code) if code.is_retriable() => {}
            _ => return false,
        }
        true
    }

    fn group(&self) -> Result<GroupId, Error> {
        let group = self.config.group.as_deref();
        group
            .map(|group| GroupId(wire::text(group)))
            .ok_or_else(|| Error::broker("consumer without group.id", ErrorCode::InvalidGroupId, None))
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.config.group_instance_id.as_deref().map(wire::text)
    }

    async fn coordinator(&mut self) -> Result<Arc<Connection>, Error> {
        if let Some(connection) = self.coordinator.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let group = self.group()?;
        let node = self.cluster.coordinator(&group.0).await?;
        let connection = self.cluster.connect(&node.address()).await?;
        self.coordinator = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Joins if not a member; heartbeats if due.
    async fn keep_membership(&mut self) -> Result<(), Error> {
        let Subscription::Topics(topics) = &self.subscription else { return Ok(()) };
        let topics = topics.clone();
        let Some(membership) = &self.membership else { return self.join(&topics).await };
        let now = Instant::now();
        if now.duration_since(membership.last_contact) > self.config.session_timeout {
            self.membership = None;
            return self.join(&topics).await;
        }
        if membership.heartbeat_due <= now {
            let mut request = HeartbeatRequest::default();
            request.group_id = self.group()?;
            request.generation_id = membership.generation;
            request.member_id = membership.member_id.clone();
            let instance_id = self.instance_id();
            let connection = self.coordinator().await?;
            let version = connection.version_of::<HeartbeatRequest>(i16::MAX)?;
            if version >= 3 {
                request.group_instance_id = instance_id;
            }
            let response = connection.call_at(version, &request).await?;
            let code = ErrorCode::from_code(response.error_code);
            if code == ErrorCode::RebalanceInProgress && self.config.auto_commit.is_some() {
                // What was read so far is committed before another member may get it.
                let _best_effort = self.commit().await;
            }
            check(response.error_code, None, || "heartbeat".to_owned())?;
            let now = Instant::now();
            if let Some(membership) = &mut self.membership {
                membership.last_contact = now;
                membership.heartbeat_due = now + self.config.heartbeat_interval;
            }
        }
        Ok(())
    }

    async fn join(&mut self, topics: &[String]) -> Result<(), Error> {
        self.positions.clear();
        self.committed.clear();
        self.resumed = false;
        let mut joined = self.send_join(topics).await?;
        if ErrorCode::from_code(joined.error_code) == ErrorCode::MemberIdRequired {
            self.member_id = owned(&joined.member_id);
            joined = self.send_join(topics).await?;
        }
        check(joined.error_code, None, || "join group".to_owned())?;
        self.member_id = owned(&joined.member_id);
        let shares = if joined.leader == joined.member_id && !joined.skip_assignment {
            self.share_out(&joined).await?
        } else {
            BTreeMap::new()
        };
        let assigned = self.sync(&joined, shares).await?;
        let now = Instant::now();
        self.membership = Some(Membership {
            member_id: self.member_id.clone(),
            generation: joined.generation_id,
            heartbeat_due: now + self.config.heartbeat_interval,
            last_contact: now,
        });
        self.positions = assigned.into_iter().map(|partition| (partition, UNKNOWN)).collect();
        Ok(())
    }

    async fn send_join(&mut self, topics: &[String]) -> Result<JoinGroupResponse, Error> {
        let mut subscription = ConsumerProtocolSubscription::default();
        subscription.topics = topics.iter().map(|topic| wire::text(topic)).collect();
        let mut protocol = JoinGroupRequestProtocol::default();
        protocol.name = StrBytes::from_static_str("range");
        protocol.metadata = versioned(1, |out| subscription.encode(out, 1).map_err(|error| error.to_string()))?;
        let mut request = JoinGroupRequest::default();
        request.group_id = self.group()?;
        request.session_timeout_ms = millis(self.config.session_timeout);
        request.rebalance_timeout_ms = millis(self.config.rebalance_timeout);
        request.member_id = self.member_id.clone();
        request.protocol_type = StrBytes::from_static_str("consumer");
        request.protocols = vec![protocol];
        let instance_id = self.instance_id();
        let connection = self.coordinator().await?;
        let version = connection.version_of::<JoinGroupRequest>(i16::MAX)?;
        if version >= 5 {
            request.group_instance_id = instance_id;
        }
        let wait = self.config.rebalance_timeout + Duration::from_secs(5);
        connection.call_within(version, &request, wait).await
    }

    /// The leader's part: who gets which partitions.
    async fn share_out(&self, joined: &JoinGroupResponse) -> Result<BTreeMap<String, Vec<Partition>>, Error> {
        let mut members = Vec::new();
        let mut topics = BTreeSet::new();
        for member in &joined.members {
            let mut metadata = member.metadata.clone();
            let subscribed = subscribed_topics(&mut metadata)?;
            topics.extend(subscribed.iter().cloned());
            let instance_id = member.group_instance_id.as_ref().map(ToString::to_string);
            members.push(Member { id: member.member_id.to_string(), instance_id, topics: subscribed });
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let metadata = self.cluster.metadata(Some(&names)).await?;
        let counts = metadata
            .topics
            .iter()
            .filter_map(|topic| {
                let name = topic.name.as_ref()?.0.to_string();
                Some((name, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
            })
            .collect();
        Ok(assignor::range(&members, &counts))
    }

    async fn sync(
        &mut self,
        joined: &JoinGroupResponse,
        shares: BTreeMap<String, Vec<Partition>>,
    ) -> Result<Vec<Partition>, Error> {
        let mut request = SyncGroupRequest::default();
        request.group_id = self.group()?;
        request.generation_id = joined.generation_id;
        request.member_id = joined.member_id.clone();
        for (member, partitions) in shares {
            let mut assignment = SyncGroupRequestAssignment::default();
            assignment.member_id = wire::text(&member);
            assignment.assignment = encode_assignment(&partitions)?;
            request.assignments.push(assignment);
        }
        let instance_id = self.instance_id();
        let connection = self.coordinator().await?;
        let version = connection.version_of::<SyncGroupRequest>(i16::MAX)?;
        if version >= 3 {
            request.group_instance_id = instance_id;
        }
        if version >= 5 {
            request.protocol_type = Some(StrBytes::from_static_str("consumer"));
            request.protocol_name.clone_from(&joined.protocol_name);
        }
        let response = connection.call_at(version, &request).await?;
        check(response.error_code, None, || "sync group".to_owned())?;
        decode_assignment(response.assignment)
    }

    /// Finds where to begin in every partition that has no position yet.
    async fn begin_positions(&mut self) -> Result<(), Error> {
        if let (Subscription::Partitions(partitions), false) = (&self.subscription, self.resumed) {
            self.positions =
                partitions.iter().map(|(partition, offset)| (partition.clone(), offset.unwrap_or(UNKNOWN))).collect();
        }
        if !self.resumed && self.config.group.is_some() {
            let unknown: Vec<Partition> =
                self.positions.iter().filter(|(_, at)| **at == UNKNOWN).map(|(p, _)| p.clone()).collect();
            if !unknown.is_empty() {
                let group = self.group()?;
                let connection = self.coordinator().await?;
                for (partition, offset) in offsets::committed(&connection, &group.0, Some(&unknown)).await? {
                    self.committed.insert(partition.clone(), offset);
                    self.positions.insert(partition, offset);
                }
            }
        }
        self.resumed = true;
        let unknown: Vec<Partition> =
            self.positions.iter().filter(|(_, at)| **at == UNKNOWN).map(|(p, _)| p.clone()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let timestamp = match self.config.offset_reset {
            OffsetReset::Earliest => offsets::EARLIEST,
            OffsetReset::Latest => offsets::LATEST,
            OffsetReset::None => {
                let what = format!("no committed offset for {unknown:?} and no reset policy");
                return Err(Error::broker(what, ErrorCode::OffsetOutOfRange, None));
            }
        };
        for (partition, offset) in self.list_offsets(&unknown, timestamp).await? {
            self.positions.insert(partition, offset);
        }
        Ok(())
    }

    async fn list_offsets(&mut self, partitions: &[Partition], timestamp: i64) -> Result<Vec<(Partition, i64)>, Error> {
        let by_leader = self.by_leader(partitions).await?;
        let mut found = Vec::new();
        for (leader, partitions) in by_leader {
            let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for (topic, index) in &partitions {
                let mut partition = ListOffsetsPartition::default();
                partition.partition_index = *index;
                partition.current_leader_epoch = -1;
                partition.timestamp = timestamp;
                topics.entry(topic).or_default().push(partition);
            }
            let mut request = ListOffsetsRequest::default();
            request.replica_id = BrokerId(-1);
            request.isolation_level = i8::from(self.config.read_committed);
            request.topics = topics
                .into_iter()
                .map(|(name, partitions)| {
                    let mut topic = ListOffsetsTopic::default();
                    topic.name = TopicName(wire::text(name));
                    topic.partitions = partitions;
                    topic
                })
                .collect();
            let connection = self.cluster.broker(leader).await?;
            let version = connection.version_of::<ListOffsetsRequest>(i16::MAX)?;
            if version < 2 {
                request.isolation_level = 0;
            }
            let response = connection.call_at(version, &request).await?;
            for topic in response.topics {
                for partition in topic.partitions {
                    let home = (topic.name.0.to_string(), partition.partition_index);
                    check(partition.error_code, None, || format!("offsets of {}-{}", home.0, home.1))?;
                    found.push((home, partition.offset));
                }
            }
        }
        Ok(found)
    }

    async fn by_leader(&mut self, partitions: &[Partition]) -> Result<BTreeMap<i32, Vec<Partition>>, Error> {
        if partitions.iter().any(|partition| !self.leaders.contains_key(partition)) {
            let topics: BTreeSet<&str> = partitions.iter().map(|(topic, _)| topic.as_str()).collect();
            let topics: Vec<&str> = topics.into_iter().collect();
            self.leaders = self.cluster.leaders(&topics).await?;
        }
        let mut by_leader: BTreeMap<i32, Vec<Partition>> = BTreeMap::new();
        for partition in partitions {
            let leader = self.leaders.get(partition).copied().ok_or_else(|| {
                Error::broker(format!("{}-{}", partition.0, partition.1), ErrorCode::LeaderNotAvailable, None)
            })?;
            by_leader.entry(leader).or_default().push(partition.clone());
        }
        Ok(by_leader)
    }

    /// Fetches from every leader at once; with several of them, none waits long for another.
    async fn fetch(&mut self, wait: Duration) -> Result<Vec<Received>, Error> {
        let partitions: Vec<Partition> = self.positions.keys().cloned().collect();
        let by_leader = self.by_leader(&partitions).await?;
        let wait = if by_leader.len() > 1 { wait.min(Duration::from_millis(100)) } else { wait };
        // Each leader gets to be first in turn.
        let mut order: Vec<(i32, Vec<Partition>)> = by_leader.into_iter().collect();
        self.next_leader = (self.next_leader + 1) % order.len().max(1);
        order.rotate_left(self.next_leader);
        let calls = order.iter().map(|(leader, partitions)| self.fetch_from(*leader, partitions, wait));
        let mut received = Vec::new();
        let mut failed = None;
        for answer in futures::future::join_all(calls).await {
            match answer {
                Ok(answers) => received.extend(answers),
                Err(error) => failed = Some(error),
            }
        }
        let mut records = Vec::new();
        let mut out_of_range = Vec::new();
        for answer in received {
            match ErrorCode::from_code(answer.error) {
                ErrorCode::None => {
                    let Some(position) = self.positions.get_mut(&answer.partition) else { continue };
                    let next = decode(&answer, *position, self.config.read_committed, &mut records)?;
                    *position = next.max(*position);
                }
                ErrorCode::OffsetOutOfRange => out_of_range.push(answer.partition),
                code => {
                    failed =
                        Some(Error::broker(format!("fetch {}-{}", answer.partition.0, answer.partition.1), code, None))
                }
            }
        }
        for partition in out_of_range {
            self.positions.insert(partition, UNKNOWN);
        }
        match failed {
            Some(error) if records.is_empty() => Err(error),
            Some(error) => {
                let _mended_next_time = self.recover(&error);
                Ok(records)
            }
            None => Ok(records),
        }
    }

    async fn fetch_from(&self, leader: i32, partitions: &[Partition], wait: Duration) -> Result<Vec<Fetched>, Error> {
        let connection = self.cluster.broker(leader).await?;
        // Names, not ids: 12 is the newest that has them.
        let version = connection.version_of::<FetchRequest>(12)?;
        let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
        for (topic, index) in partitions {
            let mut partition = FetchPartition::default();
            partition.partition = *index;
            partition.current_leader_epoch = -1;
            partition.fetch_offset = self.positions.get(&(topic.clone(), *index)).copied().unwrap_or(0);
            partition.last_fetched_epoch = -1;
            partition.log_start_offset = -1;
            partition.partition_max_bytes = self.config.partition_bytes_max;
            topics.entry(topic).or_default().push(partition);
        }
        let mut request = FetchRequest::default();
        request.replica_id = BrokerId(-1);
        request.max_wait_ms = millis(wait);
        request.min_bytes = self.config.fetch_bytes_min;
        request.max_bytes = self.config.fetch_bytes_max;
        request.isolation_level = if version >= 4 { i8::from(self.config.read_committed) } else { 0 };
        request.session_id = 0;
        request.session_epoch = -1;
        request.topics = topics
            .into_iter()
            .map(|(name, partitions)| {
                let mut topic = FetchTopic::default();
                topic.topic = TopicName(wire::text(name));
                topic.partitions = partitions;
                topic
            })
            .collect();
        let response = connection.call_at(version, &request).await?;
        check(response.error_code, None, || "fetch".to_owned())?;
        let mut fetched = Vec::new();
        for topic in response.responses {
            for partition in topic.partitions {
                let mut aborted: Vec<(i64, i64)> = partition
                    .aborted_transactions
                    .unwrap_or_default()
                    .into_iter()
                    .map(|aborted| (aborted.first_offset, aborted.producer_id.0))
                    .collect();
                aborted.sort_unstable();
                fetched.push(Fetched {
                    partition: (topic.topic.0.to_string(), partition.partition_index),
                    error: partition.error_code,
                    records: partition.records.unwrap_or_default(),
                    aborted,
                });
            }
        }
        Ok(fetched)
    }

    /// Commits every position that moved since the last commit.
    ///
    /// # Errors
    /// When the coordinator refuses or cannot be reached.
    pub async fn commit(&mut self) -> Result<(), Error> {
        self.commit_due = self.config.auto_commit.map(|every| Instant::now() + every);
        if self.config.group.is_none() {
            return Ok(());
        }
        let moved: Vec<(Partition, i64)> = self
            .positions
            .iter()
            .filter(|(partition, at)| **at != UNKNOWN && self.committed.get(*partition) != Some(*at))
            .map(|(partition, at)| (partition.clone(), *at))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let mut request = OffsetCommitRequest::default();
        request.group_id = self.group()?;
        request.generation_id_or_member_epoch = self.membership.as_ref().map_or(-1, |membership| membership.generation);
        request.member_id = self.membership.as_ref().map(|membership| membership.member_id.clone()).unwrap_or_default();
        request.retention_time_ms = -1;
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, index), offset) in &moved {
            let mut partition = OffsetCommitRequestPartition::default();
            partition.partition_index = *index;
            partition.committed_offset = *offset;
            partition.committed_leader_epoch = -1;
            partition.committed_metadata = Some(StrBytes::default());
            topics.entry(topic).or_default().push(partition);
        }
        request.topics = topics
            .into_iter()
            .map(|(name, partitions)| {
                let mut topic = OffsetCommitRequestTopic::default();
                topic.name = TopicName(wire::text(name));
                topic.partitions = partitions;
                topic
            })
            .collect();
        let instance_id = self.membership.is_some().then(|| self.instance_id()).flatten();
        let connection = self.coordinator().await?;
        let version = connection.version_of::<OffsetCommitRequest>(i16::MAX)?;
        if version >= 7 {
            request.group_instance_id = instance_id;
        }
        let response = connection.call_at(version, &request).await?;
        for topic in &response.topics {
            for partition in &topic.partitions {
                check(partition.error_code, None, || format!("commit {}-{}", topic.name.0, partition.partition_index))?;
            }
        }
        self.committed.extend(moved);
        Ok(())
    }

    /// Commits if it does so by itself, and leaves the group (a static member stays).
    ///
    /// # Errors
    /// When the commit fails; the group learns of the leave by timeout at the latest.
    pub async fn close(mut self) -> Result<(), Error> {
        let committed = if self.config.auto_commit.is_some() { self.commit().await } else { Ok(()) };
        if let (Some(membership), None) = (self.membership.take(), self.instance_id()) {
            let mut request = LeaveGroupRequest::default();
            request.group_id = self.group()?;
            let connection = self.coordinator().await?;
            let version = connection.version_of::<LeaveGroupRequest>(i16::MAX)?;
            if version >= 3 {
                let mut member = MemberIdentity::default();
                member.member_id = membership.member_id;
                request.members = vec![member];
            } else {
                request.member_id = membership.member_id;
            }
            let _left_by_timeout_else = connection.call_at(version, &request).await?;
        }
        committed
    }
}

/// A position to be found out.
const UNKNOWN: i64 = -1;

struct Fetched {
    partition: Partition,
    error: i16,
    records: Bytes,
    /// `(first offset, producer id)`, ascending.
    aborted: Vec<(i64, i64)>,
}

/// Appends the records from `position` on and gives the next position. A batch cut off at the end is for the next fetch.
fn decode(fetched: &Fetched, position: i64, read_committed: bool, records: &mut Vec<Received>) -> Result<i64, Error> {
    let mut next = position;
    let mut aborted = fetched.aborted.iter().peekable();
    let mut aborting = BTreeSet::new();
    let corrupt = |error: record::Error| {
        let what = format!("{}-{} at offset {position}", fetched.partition.0, fetched.partition.1);
        Error::broker(what, ErrorCode::CorruptMessage, Some(&error.to_string()))
    };
    for batch in record::batches(fetched.records.clone()) {
        let batch = batch.map_err(corrupt)?;
        next = next.max(batch.next_offset());
        while let Some((_, producer)) = aborted.next_if(|(first, _)| *first <= batch.last_offset()) {
            aborting.insert(*producer);
        }
        if batch.is_control() {
            // An abort marker ends its producer's aborted range; a commit marker has none open.
            aborting.remove(&batch.producer_id());
            continue;
        }
        if read_committed && batch.is_transactional() && aborting.contains(&batch.producer_id()) {
            continue;
        }
        let log_append_time = batch.timestamp_type() == record::TimestampType::LogAppendTime;
        for record in batch.records().map_err(corrupt)? {
            let record = record.map_err(corrupt)?;
            if record.offset >= position {
                let (topic, partition) = fetched.partition.clone();
                records.push(Received { topic, partition, log_append_time, record });
            }
        }
    }
    Ok(next)
}

/// Encodes a group protocol's message: its version, then the message.
fn versioned(version: i16, encode: impl FnOnce(&mut BytesMut) -> Result<(), String>) -> Result<Bytes, Error> {
    let mut out = BytesMut::new();
    out.extend_from_slice(&version.to_be_bytes());
    encode(&mut out).map_err(|error| Error::broker("group protocol", ErrorCode::UnknownServerError, Some(&error)))?;
    Ok(out.freeze())
}

fn take_version(bytes: &mut Bytes) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    let _version = bytes.split_to(2);
    Some(version)
}

fn inconsistent(what: &str) -> Error {
    Error::broker(what, ErrorCode::InconsistentGroupProtocol, None)
}

/// The topics of an encoded subscription of any version.
///
/// # Errors
/// When the bytes are no subscription.
pub fn subscribed_topics(bytes: &mut Bytes) -> Result<BTreeSet<String>, Error> {
    let version = take_version(bytes).ok_or_else(|| inconsistent("subscription of a member"))?;
    let subscription = ConsumerProtocolSubscription::decode(bytes, version.clamp(0, 3))
        .map_err(|_| inconsistent("subscription of a member"))?;
    Ok(subscription.topics.iter().map(ToString::to_string).collect())
}

/// Encodes what a member is assigned.
///
/// # Errors
/// When a topic's name is too long.
pub fn encode_assignment(partitions: &[Partition]) -> Result<Bytes, Error> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let mut assignment = ConsumerProtocolAssignment::default();
    for (name, partitions) in topics {
        let mut topic = AssignedTopic::default();
        topic.topic = TopicName(wire::text(name));
        topic.partitions = partitions;
        assignment.assigned_partitions.push(topic);
    }
    versioned(1, |out| assignment.encode(out, 1).map_err(|error| error.to_string()))
}

/// The partitions of an encoded assignment of any version; none for empty bytes.
///
/// # Errors
/// When the bytes are no assignment.
pub fn decode_assignment(mut bytes: Bytes) -> Result<Vec<Partition>, Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let version = take_version(&mut bytes).ok_or_else(|| inconsistent("assignment"))?;
    let assignment =
        ConsumerProtocolAssignment::decode(&mut bytes, version.clamp(0, 3)).map_err(|_| inconsistent("assignment"))?;
    let mut partitions = Vec::new();
    for topic in assignment.assigned_partitions {
        partitions.extend(topic.partitions.iter().map(|partition| (topic.topic.0.to_string(), *partition)));
    }
    Ok(partitions)
}

/// A copy that does not keep the answer's whole frame in memory.
fn owned(text: &StrBytes) -> StrBytes {
    wire::text(text)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
