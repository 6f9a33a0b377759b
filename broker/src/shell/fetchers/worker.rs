//! One connection to one leader: fetches, appends what comes, truncates where the leader says so.
//! Appends happen under the lock that also guards what is fetched, so that none follows once a partition is stopped.
//! Source: `ReplicaFetcherThread`, `AbstractFetcherThread` in Kafka 3.9.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use client::connection::Options;
use client::{Connection, Error};
use partition_log::{AppendError, Log};
use tokio::sync::Notify;
use wire::messages::FetchResponse;
use wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use wire::{ErrorCode, Request};
use zk_schema::{BrokerId, Offset, TopicId, TopicName, TopicPartition};

use super::{Settings, requests};
use crate::clock::Clock;
use crate::metadata;
use crate::metrics::Flow;
use crate::replica::fetcher::{
    Asked, FetchPlan, Fetcher, LeaderEnd, LogEnd, Pending, Reaction, Step, Truncation, truncation,
};
use crate::replica::{FetchTarget, Partition, ReplicaManager};

/// One fetcher.
pub(super) struct Worker {
    leader: BrokerId,
    options: Options,
    settings: Arc<Settings>,
    metadata: Arc<metadata::Cache>,
    replicas: Weak<ReplicaManager>,
    clock: Arc<Clock>,
    fetcher: Mutex<Fetcher>,
    changed: Notify,
}

/// A partition that needs more than an append.
enum Special {
    /// The leader says where its log and ours part.
    Diverged(Pending, LeaderEnd),
    /// The leader does not have the offset asked for.
    OutOfRange(Pending),
}

/// What the leader has of a partition of which it does not have our offset.
enum Range {
    EndsAt(Offset),
    BeginsAt(Offset),
}

impl Worker {
    pub(super) fn new(
        leader: BrokerId,
        options: Options,
        settings: Arc<Settings>,
        metadata: Arc<metadata::Cache>,
        replicas: Weak<ReplicaManager>,
        clock: Arc<Clock>,
    ) -> Self {
        let backoff_ms = i64::try_from(settings.backoff.as_millis()).unwrap_or(i64::MAX);
        let fetcher = Mutex::new(Fetcher::new(settings.versions, backoff_ms));
        Self { leader, options, settings, metadata, replicas, clock, fetcher, changed: Notify::new() }
    }

    fn fetcher(&self) -> MutexGuard<'_, Fetcher> {
        self.fetcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start(&self, targets: &[FetchTarget]) {
        let mut fetcher = self.fetcher();
        for target in targets {
            let latest_epoch = self.log(&target.partition).and_then(|log| log.latest_epoch());
            fetcher.start(target, latest_epoch);
        }
        drop(fetcher);
        self.changed.notify_one();
    }

    pub(super) fn stop(&self, partitions: &[TopicPartition]) {
        let mut fetcher = self.fetcher();
        partitions.iter().for_each(|partition| fetcher.stop(partition));
    }

    pub(super) fn set_topic_ids(&self, ids: &[(TopicPartition, Option<TopicId>)]) {
        let mut fetcher = self.fetcher();
        ids.iter().for_each(|(partition, id)| fetcher.set_topic_id(partition, *id));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.fetcher().is_empty()
    }

    fn partition(&self, id: &TopicPartition) -> Option<Arc<Partition>> {
        self.replicas.upgrade()?.partition(id.topic.as_str(), id.partition).ok()
    }

    fn log(&self, id: &TopicPartition) -> Option<Arc<Log>> {
        self.partition(id)?.log()
    }

    /// Fetches for ever; ends when the task is aborted.
    pub(super) async fn run(self: Arc<Self>) {
        let mut connection = None;
        loop {
            let now_ms = self.clock.now_ms();
            let step = self.fetcher().next(now_ms, |id| Some(self.log(id)?.log_start_offset()));
            match step {
                Step::Wait { until_ms } => self.wait(until_ms, now_ms).await,
                Step::Truncate(pending) => self.find_ends(&mut connection, pending).await,
                Step::Fetch(plan) => self.fetch(&mut connection, &plan).await,
            }
        }
    }

    async fn wait(&self, until_ms: Option<i64>, now_ms: i64) {
        let changed = self.changed.notified();
        match until_ms {
            Some(until_ms) => {
                let pause = Duration::from_millis(u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0).max(1));
                // Either way there may be something to do.
                let _woken = tokio::time::timeout(pause, changed).await;
            }
            None => changed.await,
        }
    }

    async fn call<R: Request>(
        &self,
        connection: &mut Option<Connection>,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        let open = match connection.take().filter(|connection| !connection.is_closed()) {
            Some(open) => open,
            None => Connection::plain(&self.address()?, &self.options).await?,
        };
        let answer = open.call_at(version, request).await?;
        *connection = Some(open);
        Ok(answer)
    }

    fn address(&self) -> Result<String, Error> {
        let snapshot = self.metadata.snapshot();
        let endpoint = snapshot.endpoint(self.leader, &self.settings.listener);
        let endpoint = endpoint.ok_or(Error::UnknownBroker(self.leader.0))?;
        Ok(if endpoint.host.contains(':') {
            format!("[{}]:{}", endpoint.host, endpoint.port)
        } else {
            format!("{}:{}", endpoint.host, endpoint.port)
        })
    }

    async fn fetch(self: &Arc<Self>, connection: &mut Option<Connection>, plan: &FetchPlan) {
        let request = requests::fetch(plan, &self.settings);
        let response = match self.call(connection, plan.version, &request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(leader = %self.leader, "fetch failed, trying again: {error}");
                return self.fetcher().on_connection_lost(self.clock.now_ms());
            }
        };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let special = self.take_in(response, plan);
                if !special.is_empty() {
                    self.resolve(connection, special).await;
                }
            }
            error => {
                tracing::info!(leader = %self.leader, error = error.name(), "fetch refused; beginning a new session");
                self.fetcher().on_refused(error, self.clock.now_ms());
            }
        }
    }

    /// Appends what the leader sent; gives what needs more than that.
    fn take_in(&self, response: FetchResponse, plan: &FetchPlan) -> Vec<Special> {
        self.fetcher().on_answered(response.session_id);
        let mut special = Vec::new();
        for topic in response.responses {
            let Some(name) = self.name_of(&topic, plan) else {
                tracing::warn!(leader = %self.leader, topic = %topic.topic_id, "answer about a topic not asked for");
                continue;
            };
            for data in topic.partitions {
                let id = TopicPartition { topic: name.clone(), partition: data.partition_index };
                special.extend(self.take_in_partition(&id, data));
            }
        }
        special
    }

    fn name_of(&self, topic: &FetchableTopicResponse, plan: &FetchPlan) -> Option<TopicName> {
        if plan.uses_topic_ids {
            self.fetcher().topic_name(TopicId(topic.topic_id)).cloned()
        } else {
            Some(TopicName::new(topic.topic.as_str()))
        }
    }

    fn take_in_partition(&self, id: &TopicPartition, data: PartitionData) -> Option<Special> {
        let mut fetcher = self.fetcher();
        // Stopped, or ordered anew, while the leader answered.
        let asked = *fetcher.asked(id)?;
        let pending =
            Pending { partition: id.clone(), leader_epoch: asked.leader_epoch, fetch_offset: asked.fetch_offset };
        match ErrorCode::from_code(data.error_code) {
            ErrorCode::None => match requests::diverging(&data) {
                Some(end) => Some(Special::Diverged(pending, end)),
                None => {
                    self.append(&mut fetcher, id, &asked, data);
                    None
                }
            },
            error => match fetcher.on_error(&pending, error, self.clock.now_ms()) {
                Reaction::FindOffset => Some(Special::OutOfRange(pending)),
                Reaction::None => None,
            },
        }
    }

    fn append(&self, fetcher: &mut Fetcher, id: &TopicPartition, asked: &Asked, data: PartitionData) {
        let now_ms = self.clock.now_ms();
        let Some(partition) = self.partition(id) else { return fetcher.back_off(id, now_ms) };
        let Some(log) = partition.log() else { return fetcher.back_off(id, now_ms) };
        if log.log_end_offset() != asked.fetch_offset {
            tracing::error!(partition = %id, fetched = asked.fetch_offset, end = log.log_end_offset(), "the log does not end where it was fetched from; fetching stops");
            return fetcher.fail(id);
        }
        let records = data.records.unwrap_or_default();
        let appended = partition.append_as_follower(
            records,
            asked.leader_epoch,
            data.high_watermark,
            data.log_start_offset,
            self.clock.wall_ms(),
        );
        match appended {
            Ok(info) if info.bytes > 0 => {
                Flow::FromLeader.count(info.bytes);
                fetcher.on_log_end(id, info.log_end_offset, log.latest_epoch());
            }
            Ok(_) => {}
            Err(crate::replica::Error::Append(error @ (AppendError::Record { .. } | AppendError::Invalid { .. }))) => {
                tracing::error!(partition = %id, %error, "the leader sent records that cannot be appended; trying again");
                fetcher.back_off(id, now_ms);
            }
            Err(error) => {
                tracing::error!(partition = %id, %error, "records of the leader not appended; fetching stops");
                fetcher.fail(id);
            }
        }
    }

    async fn resolve(self: &Arc<Self>, connection: &mut Option<Connection>, special: Vec<Special>) {
        let mut ends = Vec::new();
        for special in special {
            match special {
                Special::Diverged(pending, end) => ends.push((pending, end)),
                Special::OutOfRange(pending) => self.find_offset(connection, pending).await,
            }
        }
        self.truncate_all(ends).await;
    }

    /// Finds out where logs have to end before anything is fetched for them.
    async fn find_ends(self: &Arc<Self>, connection: &mut Option<Connection>, pending: Vec<Pending>) {
        let (mut asked, mut ends) = (Vec::new(), Vec::new());
        let version = self.settings.versions.offset_for_leader_epoch;
        for pending in pending {
            let latest_epoch = self.log(&pending.partition).and_then(|log| log.latest_epoch());
            match latest_epoch.filter(|_| version.is_some()) {
                Some(epoch) => asked.push((pending, epoch)),
                // Nothing to compare: back to what was committed.
                None => ends.push((pending, LeaderEnd { leader_epoch: None, end_offset: None })),
            }
        }
        if let Some(version) = version.filter(|_| !asked.is_empty()) {
            let request = requests::epoch_ends(self.settings.broker, version, &asked);
            match self.call(connection, version, &request).await {
                Ok(response) => {
                    for (pending, _) in asked {
                        match requests::epoch_end(&response, &pending.partition) {
                            Some(Ok(end)) => ends.push((pending, end)),
                            told => {
                                let error = told.and_then(Result::err).unwrap_or(ErrorCode::UnknownServerError);
                                self.refused(&pending, error);
                            }
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(leader = %self.leader, "ends of epochs not known, trying again: {error}");
                    let (mut fetcher, now_ms) = (self.fetcher(), self.clock.now_ms());
                    asked.iter().for_each(|(pending, _)| fetcher.back_off(&pending.partition, now_ms));
                }
            }
        }
        self.truncate_all(ends).await;
    }

    fn refused(&self, pending: &Pending, error: ErrorCode) {
        let (mut fetcher, now_ms) = (self.fetcher(), self.clock.now_ms());
        if fetcher.is_current(pending) && fetcher.on_error(pending, error, now_ms) == Reaction::FindOffset {
            fetcher.back_off(&pending.partition, now_ms);
        }
    }

    /// Truncates on a disk thread, as checkpoints are written with it.
    async fn truncate_all(self: &Arc<Self>, ends: Vec<(Pending, LeaderEnd)>) {
        if ends.is_empty() {
            return;
        }
        self.on_disk_thread(move |worker| {
            for (pending, end) in ends {
                worker.truncate(&pending, end);
            }
        })
        .await;
    }

    fn truncate(&self, pending: &Pending, leader: LeaderEnd) {
        let id = &pending.partition;
        let mut fetcher = self.fetcher();
        if !fetcher.is_current(pending) {
            return;
        }
        let Some(log) = self.log(id) else { return fetcher.back_off(id, self.clock.now_ms()) };
        let end = LogEnd {
            end_offset: log.log_end_offset(),
            high_watermark: pending.fetch_offset,
            of_leaders_epoch: leader.leader_epoch.and_then(|epoch| log.end_offset_for_epoch(epoch)),
        };
        let Truncation { offset, is_complete } = truncation(leader, end);
        if offset < log.high_watermark() {
            tracing::warn!(partition = %id, offset, high_watermark = log.high_watermark(), "truncating below the high watermark");
        }
        match log.truncate_to(offset) {
            Ok(_) => fetcher.on_truncated(id, log.log_end_offset(), log.latest_epoch(), is_complete),
            Err(error) => {
                tracing::error!(partition = %id, %error, "log not truncated; fetching stops");
                fetcher.fail(id);
            }
        }
    }

    /// The leader does not have our offset: finds out what it has, and goes on from there.
    async fn find_offset(self: &Arc<Self>, connection: &mut Option<Connection>, pending: Pending) {
        let range = match self.leaders_range(connection, &pending).await {
            Ok(Ok(range)) => range,
            Ok(Err(error)) => return self.refused(&pending, error),
            Err(error) => {
                tracing::warn!(leader = %self.leader, partition = %pending.partition, "the leader's offsets not known, trying again: {error}");
                return self.fetcher().back_off(&pending.partition, self.clock.now_ms());
            }
        };
        self.on_disk_thread(move |worker| worker.move_into(&pending, &range)).await;
    }

    async fn leaders_range(
        &self,
        connection: &mut Option<Connection>,
        pending: &Pending,
    ) -> Result<Result<Range, ErrorCode>, Error> {
        let end = match self.leaders_offset(connection, pending, requests::LATEST).await? {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        if end < pending.fetch_offset {
            return Ok(Ok(Range::EndsAt(end)));
        }
        let start = self.leaders_offset(connection, pending, requests::EARLIEST).await?;
        Ok(start.map(Range::BeginsAt))
    }

    async fn leaders_offset(
        &self,
        connection: &mut Option<Connection>,
        pending: &Pending,
        timestamp: i64,
    ) -> Result<Result<Offset, ErrorCode>, Error> {
        let version = self.settings.versions.list_offsets;
        let request = requests::list_offset(self.settings.broker, pending, timestamp);
        let response = self.call(connection, version, &request).await?;
        Ok(requests::listed_offset(&response, version))
    }

    fn move_into(&self, pending: &Pending, range: &Range) {
        let id = &pending.partition;
        let mut fetcher = self.fetcher();
        if !fetcher.is_current(pending) {
            return;
        }
        let Some(log) = self.log(id) else { return fetcher.back_off(id, self.clock.now_ms()) };
        let end = log.log_end_offset();
        let moved = match *range {
            Range::EndsAt(leader_end) => {
                tracing::warn!(partition = %id, end, leader_end, leader = %self.leader, "the leader has less than we have; truncating");
                log.truncate_to(leader_end).map(drop)
            }
            Range::BeginsAt(leader_start) if end < leader_start => {
                tracing::warn!(partition = %id, end, leader_start, leader = %self.leader, "the leader no longer has what we need; beginning anew");
                log.truncate_fully_and_start_at(leader_start)
            }
            Range::BeginsAt(_) => {
                // It has the offset, and yet refused it: something is about to change.
                return fetcher.back_off(id, self.clock.now_ms());
            }
        };
        match moved {
            Ok(()) => fetcher.on_truncated(id, log.log_end_offset(), log.latest_epoch(), true),
            Err(error) => {
                tracing::error!(partition = %id, %error, "log not truncated; fetching stops");
                fetcher.fail(id);
            }
        }
    }

    async fn on_disk_thread(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let worker = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || work(&worker)).await {
            tracing::error!("truncation ended badly: {error}");
        }
    }
}
