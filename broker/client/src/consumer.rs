//! Reads records, by itself or as a member of a group: joins, shares out partitions by range, heartbeats, commits, leaves.
//! Fetching and committing are done inside [`Consumer::poll`]; joining and heartbeats go on between polls.

mod decode;
mod membership;
mod protocol;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use record::Record;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wire::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::messages::{BrokerId, FetchRequest, GroupId, OffsetCommitRequest, TopicName};
use wire::{ErrorCode, StrBytes};

use crate::cluster::ClusterClient;
use crate::connection::Connection;
use crate::error::{Error, check};
use crate::offsets;
use decode::{Fetched, decode};
use membership::{JoinOutcome, Joiner, Membership};

pub use protocol::{decode_assignment, encode_assignment, encode_subscription, subscribed_topics};

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
    /// `metadata.max.age.ms`: how often to look for new topics and partitions.
    pub metadata_max_age: Duration,
    /// `allow.auto.create.topics`: whether asking for a missing topic may create it.
    pub allow_auto_create_topics: bool,
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
            metadata_max_age: Duration::from_secs(300),
            allow_auto_create_topics: true,
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

/// A consumer. Leaves its group only by [`Consumer::close`].
///
/// Consumers that share one [`ClusterClient`] also share its connections for fetching: one that waits for records makes
/// the others wait. Give each its own where that matters.
pub struct Consumer {
    cluster: Arc<ClusterClient>,
    config: Config,
    subscription: Subscription,
    standing: Standing,
    member_id: StrBytes,
    /// Topics wanted, as of the last look; none before the first.
    topics: BTreeSet<String>,
    /// As the group's leader: partition counts when they were last shared out.
    shared_out: Option<BTreeMap<String, i32>>,
    look_due: Instant,
    positions: BTreeMap<Partition, i64>,
    committed: BTreeMap<Partition, i64>,
    leaders: BTreeMap<Partition, i32>,
    coordinator: Option<Arc<Connection>>,
    commit_due: Option<Instant>,
    resumed: bool,
    next_leader: usize,
    /// Found while there were still records to hand out first.
    failed: Option<Error>,
}

/// Where a consumer stands in its group.
enum Standing {
    /// Not in it, or not yet.
    Outside,
    /// Asking to join.
    Joining(Joiner, JoinHandle<JoinOutcome>),
    /// In it.
    Member(Membership),
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
            standing: Standing::Outside,
            member_id: StrBytes::default(),
            topics: BTreeSet::new(),
            shared_out: None,
            look_due: Instant::now(),
            positions: BTreeMap::new(),
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            coordinator: None,
            commit_due: config.auto_commit.map(|every| Instant::now() + every),
            resumed: false,
            next_leader: 0,
            failed: None,
            config,
        }
    }

    /// The partitions read now, and the offset of the next record of each (negative while it is not known).
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

    /// Gives the next records, or none when `timeout` passes first. Dropping it before it is done loses nothing.
    ///
    /// # Errors
    /// What no retry can mend. Lost connections and rebalances are dealt with inside.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<Received>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.step(deadline).await {
                Ok(records) if !records.is_empty() => return Ok(records),
                Ok(_) => {}
                Err(error) if self.recover(&error) => {
                    tracing::debug!("{error}");
                    tokio::time::sleep_until(deadline.min(Instant::now() + RETRY_BACKOFF)).await;
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    async fn step(&mut self, deadline: Instant) -> Result<Vec<Received>, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.is_shared() && !self.be_member(deadline).await? {
            return Ok(Vec::new());
        }
        self.begin_positions().await?;
        if self.commit_due.is_some_and(|due| due <= Instant::now()) {
            self.commit().await?;
        }
        let wait = self.config.fetch_wait.min(deadline.saturating_duration_since(Instant::now()));
        if self.positions.is_empty() {
            tokio::time::sleep(wait.min(RETRY_BACKOFF)).await;
            return Ok(Vec::new());
        }
        self.fetch(wait).await
    }

    fn is_shared(&self) -> bool {
        !matches!(self.subscription, Subscription::Partitions(_))
    }

    /// Puts right what an error says is out of date; `false` if the error is to be passed on.
    fn recover(&mut self, error: &Error) -> bool {
        use ErrorCode::{
            CoordinatorLoadInProgress, CoordinatorNotAvailable, FencedLeaderEpoch, IllegalGeneration,
            LeaderNotAvailable, NotCoordinator, NotLeaderOrFollower, RebalanceInProgress, UnknownLeaderEpoch,
            UnknownMemberId, UnknownTopicOrPartition,
        };
        match error.code() {
            Some(RebalanceInProgress) => self.standing = Standing::Outside,
            Some(IllegalGeneration | UnknownMemberId) => {
                self.standing = Standing::Outside;
                self.member_id = StrBytes::default();
            }
            Some(NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress) => {
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
                self.coordinator.take_if(|connection| connection.is_closed());
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

    /// The coordinator, on a connection of its own.
    async fn coordinator(&mut self) -> Result<Arc<Connection>, Error> {
        if let Some(connection) = self.coordinator.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let group = self.group()?;
        let node = self.cluster.find_coordinator(&group.0).await?;
        let connection = Arc::new(self.cluster.connect_apart(&node.address()).await?);
        self.coordinator = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Sees to it that we are a member; `false` if that takes longer than there is time.
    async fn be_member(&mut self, deadline: Instant) -> Result<bool, Error> {
        if let Standing::Member(membership) = &self.standing {
            if let Some(error) = membership.poll() {
                if error.code() == Some(ErrorCode::RebalanceInProgress) {
                    self.commit_before_rebalance().await;
                }
                return Err(error);
            }
            if !membership.is_beating() || self.coordinator.as_ref().is_none_or(|connection| connection.is_closed()) {
                // The coordinator is lost or another one; the group and our place in it are not.
                let coordinator = self.coordinator().await?;
                if let Standing::Member(membership) = &mut self.standing {
                    membership.resume(&coordinator);
                }
            }
            if Instant::now() < self.look_due || !self.look_at_topics().await? {
                return Ok(true);
            }
            self.commit_before_rebalance().await;
            self.standing = Standing::Outside;
        }
        if matches!(self.standing, Standing::Outside) {
            self.start_joining().await?;
        }
        let Standing::Joining(_, joining) = &mut self.standing else { return Ok(false) };
        let Ok(outcome) = tokio::time::timeout_at(deadline, joining).await else { return Ok(false) };
        let Standing::Joining(joiner, _) = std::mem::replace(&mut self.standing, Standing::Outside) else {
            return Ok(false);
        };
        let (member_id, joined) =
            outcome.map_err(|_| Error::broker("join group", ErrorCode::RebalanceInProgress, None))?;
        self.member_id = member_id.clone();
        let joined = joined?;
        self.standing = Standing::Member(Membership::begin(&joiner, member_id, joined.generation));
        self.shared_out = joined.shared_out;
        self.positions = joined.assigned.into_iter().map(|partition| (partition, UNKNOWN)).collect();
        Ok(true)
    }

    async fn start_joining(&mut self) -> Result<(), Error> {
        self.positions.clear();
        self.committed.clear();
        self.resumed = false;
        self.shared_out = None;
        self.look_at_topics().await?;
        let joiner = Joiner {
            cluster: Arc::clone(&self.cluster),
            coordinator: self.coordinator().await?,
            group: self.group()?,
            config: self.config.clone(),
            topics: self.topics.clone(),
            member_id: self.member_id.clone(),
        };
        let joining = tokio::spawn(joiner.clone().run());
        self.standing = Standing::Joining(joiner, joining);
        Ok(())
    }

    /// What was read so far is committed before another member may get it.
    async fn commit_before_rebalance(&mut self) {
        if self.config.auto_commit.is_some()
            && let Err(error) = self.commit().await
        {
            tracing::debug!("commit before a rebalance: {error}");
        }
    }

    /// Looks which topics there are; says whether the group has to share out anew.
    async fn look_at_topics(&mut self) -> Result<bool, Error> {
        let auto_create = self.config.allow_auto_create_topics;
        let counts = match &self.subscription {
            Subscription::Topics(topics) => {
                let shared: BTreeSet<&String> =
                    topics.iter().chain(self.shared_out.iter().flat_map(BTreeMap::keys)).collect();
                let names: Vec<&str> = shared.into_iter().map(String::as_str).collect();
                self.cluster.partition_counts(&names, auto_create).await?
            }
            Subscription::Matching(_) => self.cluster.all_partition_counts().await?,
            Subscription::Partitions(_) => return Ok(false),
        };
        let wanted: BTreeSet<String> = match &self.subscription {
            Subscription::Topics(topics) => topics.iter().cloned().collect(),
            Subscription::Matching(filter) => counts.keys().filter(|topic| filter.contains(topic)).cloned().collect(),
            Subscription::Partitions(_) => BTreeSet::new(),
        };
        // A topic that is missing may come any moment, above all one that was just asked for.
        let is_complete = wanted.iter().all(|topic| counts.contains_key(topic));
        let pause = if is_complete { self.config.metadata_max_age } else { MISSING_TOPIC_LOOK };
        self.look_due = Instant::now() + pause;
        let has_grown = self.shared_out.as_ref().is_some_and(|before| {
            let now = |topic: &String| counts.get(topic);
            before.iter().any(|(topic, count)| now(topic).is_some_and(|now| now != count))
                || wanted.iter().any(|topic| now(topic).is_some() && !before.contains_key(topic))
        });
        let is_different = wanted != self.topics;
        self.topics = wanted;
        Ok(is_different || has_grown)
    }

    /// Finds where to begin in every partition that has no position yet.
    async fn begin_positions(&mut self) -> Result<(), Error> {
        if let (Subscription::Partitions(partitions), false) = (&self.subscription, self.resumed) {
            self.positions =
                partitions.iter().map(|(partition, offset)| (partition.clone(), offset.unwrap_or(UNKNOWN))).collect();
        }
        if !self.resumed && self.config.group.is_some() {
            let unknown = self.positions_at(UNKNOWN);
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
        let unknown = self.positions_at(UNKNOWN);
        let reset = match self.config.offset_reset {
            OffsetReset::Earliest => offsets::EARLIEST,
            OffsetReset::Latest => offsets::LATEST,
            OffsetReset::None if unknown.is_empty() => offsets::LATEST,
            OffsetReset::None => {
                let what = format!("no committed offset for {unknown:?} and no reset policy");
                return Err(Error::broker(what, ErrorCode::OffsetOutOfRange, None));
            }
        };
        let marked = [offsets::EARLIEST, offsets::LATEST].map(|end| (self.positions_at(end), end));
        for (partitions, timestamp) in [(unknown, reset)].into_iter().chain(marked) {
            self.begin_at(&partitions, timestamp).await?;
        }
        Ok(())
    }

    fn positions_at(&self, mark: i64) -> Vec<Partition> {
        self.positions.iter().filter(|(_, at)| **at == mark).map(|(partition, _)| partition.clone()).collect()
    }

    async fn begin_at(&mut self, partitions: &[Partition], timestamp: i64) -> Result<(), Error> {
        if partitions.is_empty() {
            return Ok(());
        }
        for (leader, partitions) in self.by_leader(partitions).await? {
            let timestamps = partitions.into_iter().map(|partition| (partition, timestamp)).collect();
            let connection = self.cluster.broker(leader).await?;
            for (partition, offset) in offsets::list(&connection, &timestamps, self.config.read_committed).await? {
                let offset = offset?;
                // 0 where a log is empty and the broker names no offset.
                self.positions.insert(partition, offset.max(0));
            }
        }
        Ok(())
    }

    /// Splits partitions by their leader. Those without one are left out and looked for next time.
    ///
    /// # Errors
    /// When none of them has a leader.
    async fn by_leader(&mut self, partitions: &[Partition]) -> Result<BTreeMap<i32, Vec<Partition>>, Error> {
        if partitions.iter().any(|partition| !self.leaders.contains_key(partition)) {
            let topics: BTreeSet<&str> = partitions.iter().map(|(topic, _)| topic.as_str()).collect();
            let topics: Vec<&str> = topics.into_iter().collect();
            let found = self.cluster.leaders(&topics).await?;
            self.leaders.extend(found);
        }
        let mut by_leader: BTreeMap<i32, Vec<Partition>> = BTreeMap::new();
        for partition in partitions {
            if let Some(leader) = self.leaders.get(partition) {
                by_leader.entry(*leader).or_default().push(partition.clone());
            }
        }
        match partitions.first() {
            Some((topic, index)) if by_leader.is_empty() => {
                Err(Error::broker(format!("{topic}-{index}"), ErrorCode::LeaderNotAvailable, None))
            }
            _ => Ok(by_leader),
        }
    }

    /// Fetches from every leader at once; with several of them, none waits long for another.
    async fn fetch(&mut self, wait: Duration) -> Result<Vec<Received>, Error> {
        let partitions: Vec<Partition> =
            self.positions.iter().filter(|(_, at)| 0 <= **at).map(|(partition, _)| partition.clone()).collect();
        let by_leader = self.by_leader(&partitions).await?;
        let wait = if by_leader.len() > 1 { wait.min(RETRY_BACKOFF) } else { wait };
        // Each leader gets to be first in turn.
        let mut order: Vec<(i32, Vec<Partition>)> = by_leader.into_iter().collect();
        self.next_leader = (self.next_leader + 1) % order.len().max(1);
        order.rotate_left(self.next_leader);
        let calls = order.iter().map(|(leader, partitions)| self.fetch_from(*leader, partitions, wait));
        let (mut answers, mut failed) = (Vec::new(), None);
        for answer in futures::future::join_all(calls).await {
            match answer {
                Ok(answer) => answers.extend(answer),
                Err(error) => failed = Some(error),
            }
        }
        // From here on nothing waits: records taken and positions moved belong together.
        let mut records = Vec::new();
        for (partition, code, fetched) in answers {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            match code {
                ErrorCode::None => {
                    let decoded = decode(&fetched, *position, self.config.read_committed);
                    *position = decoded.next;
                    if let Some(broken) = decoded.broken {
                        let what = format!("{}-{} at offset {position}", partition.0, partition.1);
                        failed = Some(Error::Corrupt { what, source: broken });
                    }
                    records.extend(decoded.records.into_iter().map(|(record, log_append_time)| {
                        let (topic, partition) = partition.clone();
                        Received { topic, partition, log_append_time, record }
                    }));
                }
                ErrorCode::OffsetOutOfRange => *position = UNKNOWN,
                code => failed = Some(Error::broker(format!("fetch {}-{}", partition.0, partition.1), code, None)),
            }
        }
        match failed {
            Some(error) if records.is_empty() => Err(error),
            Some(error) => {
                if !self.recover(&error) {
                    self.failed = Some(error);
                }
                Ok(records)
            }
            None => Ok(records),
        }
    }

    async fn fetch_from(
        &self,
        leader: i32,
        partitions: &[Partition],
        wait: Duration,
    ) -> Result<Vec<(Partition, ErrorCode, Fetched)>, Error> {
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
        if version >= 3 {
            request.max_bytes = self.config.fetch_bytes_max;
        }
        if version >= 4 {
            request.isolation_level = i8::from(self.config.read_committed);
        }
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
                let home = (topic.topic.0.to_string(), partition.partition_index);
                let records = partition.records.unwrap_or_default();
                fetched.push((home, ErrorCode::from_code(partition.error_code), Fetched { records, aborted }));
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
        let generation = match &self.standing {
            Standing::Member(membership) => Some(membership.generation),
            _ if self.is_shared() => return Ok(()),
            _ => None,
        };
        let moved: BTreeMap<Partition, i64> = self
            .positions
            .iter()
            .filter(|(partition, at)| 0 <= **at && self.committed.get(*partition) != Some(*at))
            .map(|(partition, at)| (partition.clone(), *at))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let mut request = offsets::commit_request(self.group()?, &moved);
        let connection = self.coordinator().await?;
        let version = connection.version_of::<OffsetCommitRequest>(i16::MAX)?;
        if let Some(generation) = generation.filter(|_| version >= 1) {
            request.generation_id_or_member_epoch = generation;
            request.member_id = self.member_id.clone();
            if version >= 7 {
                request.group_instance_id = self.config.group_instance_id.as_deref().map(wire::text);
            }
        }
        offsets::commit(&connection, version, &request).await?;
        self.committed.extend(moved);
        Ok(())
    }

    /// Commits if it does so by itself, and leaves the group (a static member stays).
    ///
    /// # Errors
    /// When the commit fails; the group learns of the leave by timeout at the latest.
    pub async fn close(mut self) -> Result<(), Error> {
        let committed = if self.config.auto_commit.is_some() { self.commit_at_last().await } else { Ok(()) };
        if let Standing::Joining(_, joining) = &self.standing {
            // Its connection waits for the join to be answered: a leave has to go over another.
            joining.abort();
            self.coordinator = None;
        }
        self.standing = Standing::Outside;
        if self.is_shared() && !self.member_id.is_empty() && self.config.group_instance_id.is_none() {
            let (group, member_id) = (self.group()?, self.member_id.clone());
            let connection = self.coordinator().await?;
            if let Err(error) = membership::leave(&connection, &group, &member_id).await {
                tracing::debug!("leave group: {error}");
            }
        }
        committed
    }

    /// Commits, trying again a few times: there is no later poll to do it.
    async fn commit_at_last(&mut self) -> Result<(), Error> {
        for _ in 0..10 {
            match self.commit().await {
                Err(error) if error.is_retriable() => {
                    self.coordinator = None;
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
                done => return done,
            }
        }
        self.commit().await
    }
}

/// A position to be found out. Next to it stand [`offsets::EARLIEST`] and [`offsets::LATEST`], the ends to begin at.
const UNKNOWN: i64 = i64::MIN;
/// Pause before something is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// How often to look for a topic that is missing.
const MISSING_TOPIC_LOOK: Duration = Duration::from_millis(500);

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
