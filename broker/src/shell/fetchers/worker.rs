//! One connection to one leader: fetches, and appends what comes.
//! Appends happen under the lock that also guards what is fetched, so that none follows once a partition is stopped.
//! Source: `ReplicaFetcherThread`, `AbstractFetcherThread` in Kafka 3.9.

mod ends;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use client::connection::Options;
use client::{Connection, Error};
use partition_log::{AppendError, Log};
use tokio::sync::Notify;
use wire::messages::FetchResponse;
use wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use wire::{ErrorCode, Request};
use zk_schema::{BrokerId, TopicId, TopicName, TopicPartition};

use super::{Settings, requests};
use crate::clock::Clock;
use crate::metadata;
use crate::metrics::Flow;
use crate::replica::fetcher::{Asked, FetchPlan, Fetcher, LeaderEnd, Pending, Reaction, Step};
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

    async fn on_disk_thread(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let worker = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || work(&worker)).await {
            tracing::error!("truncation ended badly: {error}");
        }
    }
}
