//! Carries out the controller's orders: lead, follow, stop. Every epoch is checked, every partition answered for itself.
//! Source: `ReplicaManager.becomeLeaderOrFollower`, `makeLeaders`, `makeFollowers`, `stopReplicas` in Kafka 3.9.

use std::sync::{Arc, MutexGuard, PoisonError};

use config::MetadataVersion;
use partition_log::Log;
use wire::ErrorCode;
use zk_schema::types::{ControllerEpoch, LeaderEpoch, TopicId, TopicName, TopicPartition};

use super::{Hosted, ReplicaManager};
use crate::replica::Error;
use crate::replica::orders::{FetchTarget, LeadershipListener, PartitionOrder, StopOrder};
use crate::replica::partition::Partition;

/// The request is of a controller that has been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("controller epoch {got} is older than {current}")]
pub struct StaleControllerEpoch {
    /// Epoch of the request.
    pub got: ControllerEpoch,
    /// Latest epoch seen.
    pub current: ControllerEpoch,
}

type Answers = Vec<(TopicPartition, ErrorCode)>;

/// What an order asks of its partition.
enum Verdict {
    Lead(Arc<Partition>, PartitionOrder),
    Follow(Arc<Partition>, PartitionOrder),
    /// Only the topic id changes; whether a fetcher must hear of it.
    TopicId {
        for_follower: bool,
    },
    Refuse(ErrorCode),
}

impl ReplicaManager {
    /// The epoch of the controller last heard of.
    #[must_use]
    pub fn controller_epoch(&self) -> ControllerEpoch {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a controller's epoch, unless it is an old one. UpdateMetadata goes by it too.
    ///
    /// # Errors
    /// [`StaleControllerEpoch`].
    pub fn check_controller(&self, got: ControllerEpoch) -> Result<(), StaleControllerEpoch> {
        self.ordered(got).map(drop)
    }

    fn ordered(&self, got: ControllerEpoch) -> Result<MutexGuard<'_, ControllerEpoch>, StaleControllerEpoch> {
        let mut current = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if got < *current {
            return Err(StaleControllerEpoch { got, current: *current });
        }
        *current = got;
        Ok(current)
    }

    /// LeaderAndIsr: answers each partition, in no particular order.
    ///
    /// # Errors
    /// [`StaleControllerEpoch`]: nothing was changed.
    pub fn apply(
        &self,
        controller_epoch: ControllerEpoch,
        orders: Vec<PartitionOrder>,
        now_ms: i64,
    ) -> Result<Answers, StaleControllerEpoch> {
        let _ordered = self.ordered(controller_epoch)?;
        let (mut leaders, mut followers, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let mut topic_ids = Vec::new();
        for order in orders {
            let id = order.partition.clone();
            let topic_id = order.topic_id;
            match self.judge(order) {
                Verdict::Lead(partition, order) => leaders.push((partition, order)),
                Verdict::Follow(partition, order) => followers.push((partition, order)),
                Verdict::TopicId { for_follower } => {
                    if for_follower {
                        topic_ids.push((id.clone(), topic_id));
                    }
                    answers.push((id, ErrorCode::None));
                }
                Verdict::Refuse(error) => {
                    tracing::warn!(partition = %id, error = error.name(), "order of the controller refused");
                    answers.push((id, error));
                }
            }
        }
        self.make_leaders(leaders, now_ms, &mut answers);
        self.make_followers(followers, &mut answers);
        if let Some(fetchers) = self.fetchers.get() {
            if !topic_ids.is_empty() {
                fetchers.set_topic_ids(&topic_ids);
            }
            fetchers.stop_idle();
        }
        Ok(answers)
    }

    fn judge(&self, order: PartitionOrder) -> Verdict {
        let id = &order.partition;
        // The name becomes that of a directory.
        if TopicName::validate(id.topic.as_str()).is_err() || id.partition < 0 {
            return Verdict::Refuse(ErrorCode::InvalidTopicException);
        }
        let hosted = match self.find(id.topic.as_str(), id.partition) {
            Some(Hosted::Offline) => return Verdict::Refuse(ErrorCode::KafkaStorageError),
            Some(Hosted::Online(partition)) => Some(partition),
            None => None,
        };
        let log_topic_id = hosted.as_ref().and_then(|partition| partition.topic_id());
        let log_topic_id = log_topic_id.or_else(|| self.logs.get(id)?.topic_id());
        let topic_id = order.topic_id.filter(|id| id.is_known());
        if topic_id.is_some() && log_topic_id.is_some() && topic_id != log_topic_id {
            tracing::error!(partition = %id, ?topic_id, ?log_topic_id, "topic id is not that of the log");
            return Verdict::Refuse(ErrorCode::InconsistentTopicId);
        }
        let current = hosted.as_ref().map_or(LeaderEpoch::NONE, |partition| partition.leader_epoch());
        if order.leader_epoch < current {
            return Verdict::Refuse(ErrorCode::StaleControllerEpoch);
        }
        if order.leader_epoch == current {
            return self.judge_same_epoch(hosted.as_deref(), &order, topic_id, log_topic_id);
        }
        if !order.replicas.contains(&self.shared.broker_id) {
            return Verdict::Refuse(ErrorCode::UnknownTopicOrPartition);
        }
        let partition = hosted.unwrap_or_else(|| self.host(id));
        if order.leader == self.shared.broker_id {
            Verdict::Lead(partition, order)
        } else {
            Verdict::Follow(partition, order)
        }
    }

    /// An order under the epoch we know can only bring or take a topic id.
    fn judge_same_epoch(
        &self,
        hosted: Option<&Partition>,
        order: &PartitionOrder,
        topic_id: Option<TopicId>,
        log_topic_id: Option<TopicId>,
    ) -> Verdict {
        let for_follower = order.leader != self.shared.broker_id;
        let log = hosted.and_then(Partition::log);
        match (topic_id, log_topic_id, log) {
            (Some(topic_id), None, Some(log)) => match log.set_topic_id(topic_id) {
                Ok(()) => Verdict::TopicId { for_follower },
                Err(error) => {
                    tracing::error!(partition = %order.partition, %error, "topic id cannot be written");
                    Verdict::Refuse(ErrorCode::KafkaStorageError)
                }
            },
            (None, Some(_), _) if for_follower => Verdict::TopicId { for_follower },
            _ => Verdict::Refuse(ErrorCode::StaleControllerEpoch),
        }
    }

    fn host(&self, id: &TopicPartition) -> Arc<Partition> {
        let config = Arc::new(self.topic_config(id.topic.as_str()));
        let partition = Arc::new(Partition::new(id.clone(), Arc::clone(&self.shared), config));
        let hosted = Hosted::Online(Arc::clone(&partition));
        self.hosted_mut().entry(id.topic.clone()).or_default().insert(id.partition, hosted);
        partition
    }

    fn log_for(&self, partition: &Partition, order: &PartitionOrder) -> Result<Arc<Log>, Error> {
        let id = &order.partition;
        let log = self.logs.get_or_create(id, order.topic_id, &*partition.topic_config(), order.is_new);
        log.map_err(|error| {
            let error = Error::from(error);
            tracing::error!(partition = %id, %error, "order not carried out, for the log is offline");
            if error.is_storage() {
                self.mark_offline(id);
            }
            error
        })
    }

    fn make_leaders(&self, orders: Vec<(Arc<Partition>, PartitionOrder)>, now_ms: i64, answers: &mut Answers) {
        if orders.is_empty() {
            return;
        }
        if let Some(fetchers) = self.fetchers.get() {
            let ids: Vec<_> = orders.iter().map(|(partition, _)| partition.id().clone()).collect();
            fetchers.stop(&ids);
        }
        for (partition, order) in orders {
            answers.push((order.partition.clone(), self.make_leader(&partition, &order, now_ms)));
        }
    }

    fn make_leader(&self, partition: &Partition, order: &PartitionOrder, now_ms: i64) -> ErrorCode {
        if !partition.is_current(order) {
            tracing::info!(partition = %order.partition, epoch = %order.partition_epoch, "order was overtaken");
            return ErrorCode::None;
        }
        let Ok(log) = self.log_for(partition, order) else { return ErrorCode::KafkaStorageError };
        let is_new_leader = partition.make_leader(order, log, now_ms);
        tracing::info!(
            partition = %order.partition, leader_epoch = %order.leader_epoch, isr = ?order.isr, "leading"
        );
        if is_new_leader {
            self.tell(partition.id(), |listener| listener.became_leader(partition.id(), order.leader_epoch));
        }
        ErrorCode::None
    }

    fn make_followers(&self, orders: Vec<(Arc<Partition>, PartitionOrder)>, answers: &mut Answers) {
        let mut targets = Vec::new();
        for (partition, order) in orders {
            let (id, topic_id) = (order.partition.clone(), order.topic_id);
            let error = match self.make_follower(&partition, &order) {
                Ok(Some(log)) => {
                    targets.push(self.fetch_target(&order, &log, topic_id));
                    ErrorCode::None
                }
                Ok(None) => ErrorCode::None,
                Err(error) => error,
            };
            answers.push((id, error));
        }
        if let Some(fetchers) = self.fetchers.get().filter(|_| !targets.is_empty()) {
            let ids: Vec<_> = targets.iter().map(|target| target.partition.clone()).collect();
            fetchers.stop(&ids);
            fetchers.start(targets);
        }
    }

    /// The log to be fetched for, if the leadership to follow is a new one.
    fn make_follower(&self, partition: &Partition, order: &PartitionOrder) -> Result<Option<Arc<Log>>, ErrorCode> {
        if !partition.is_current(order) {
            tracing::info!(partition = %order.partition, epoch = %order.partition_epoch, "order was overtaken");
            return Ok(None);
        }
        let log = self.log_for(partition, order).map_err(|_| ErrorCode::KafkaStorageError)?;
        if !self.shared.metadata.snapshot().is_alive(order.leader) {
            // The log exists from now on, so that its high watermark is checkpointed; all else stays as it was.
            tracing::error!(partition = %order.partition, leader = %order.leader, "cannot follow a leader that is not alive");
            partition.set_log(log);
            return Ok(None);
        }
        let is_new_epoch = partition.make_follower(order, Arc::clone(&log));
        tracing::info!(
            partition = %order.partition, leader = %order.leader, leader_epoch = %order.leader_epoch, "following"
        );
        self.tell(partition.id(), |listener| listener.became_follower(partition.id(), Some(order.leader_epoch)));
        Ok(is_new_epoch.then_some(log))
    }

    fn fetch_target(&self, order: &PartitionOrder, log: &Log, topic_id: Option<TopicId>) -> FetchTarget {
        let has_epochs = self.ibp.at_least(MetadataVersion::IBP_2_7_IV1) && log.latest_epoch().is_some();
        FetchTarget {
            partition: order.partition.clone(),
            topic_id,
            leader: order.leader,
            leader_epoch: order.leader_epoch,
            fetch_offset: if has_epochs { log.log_end_offset() } else { log.high_watermark() },
            has_epochs,
        }
    }

    /// StopReplica: answers each partition.
    ///
    /// # Errors
    /// [`StaleControllerEpoch`]: nothing was changed.
    pub fn stop(
        &self,
        controller_epoch: ControllerEpoch,
        orders: Vec<StopOrder>,
    ) -> Result<Answers, StaleControllerEpoch> {
        let _ordered = self.ordered(controller_epoch)?;
        let mut answers = Vec::new();
        let (accepted, refused): (Vec<_>, Vec<_>) =
            orders.into_iter().map(|order| (self.judge_stop(&order), order)).partition(|(verdict, _)| verdict.is_ok());
        answers.extend(
            refused.into_iter().map(|(verdict, order)| (order.partition, verdict.err().unwrap_or(ErrorCode::None))),
        );
        if let Some(fetchers) = self.fetchers.get() {
            let ids: Vec<_> = accepted.iter().map(|(_, order)| order.partition.clone()).collect();
            fetchers.stop(&ids);
        }
        for (_, order) in accepted {
            let error = self.stop_one(&order);
            answers.push((order.partition, error));
        }
        Ok(answers)
    }

    fn judge_stop(&self, order: &StopOrder) -> Result<(), ErrorCode> {
        match self.find(order.partition.topic.as_str(), order.partition.partition) {
            Some(Hosted::Offline) => Err(ErrorCode::KafkaStorageError),
            Some(Hosted::Online(partition)) => {
                let epoch = order.leader_epoch;
                let is_exempt = epoch == LeaderEpoch::DURING_DELETE || epoch == LeaderEpoch::NONE;
                if is_exempt || partition.leader_epoch() <= epoch { Ok(()) } else { Err(ErrorCode::FencedLeaderEpoch) }
            }
            None => Ok(()),
        }
    }

    fn stop_one(&self, order: &StopOrder) -> ErrorCode {
        let id = &order.partition;
        if !order.delete {
            if let Some(Hosted::Online(partition)) = self.find(id.topic.as_str(), id.partition) {
                partition.waiters().wake_all();
            }
            return ErrorCode::None;
        }
        if let Some(Hosted::Online(partition)) = self.unhost(id) {
            partition.stop();
        }
        let epoch = (order.leader_epoch >= LeaderEpoch(0)).then_some(order.leader_epoch);
        self.tell(id, |listener| {
            listener.became_follower(id, epoch);
            listener.deleted(id);
        });
        match self.logs.delete(id) {
            Ok(_) => ErrorCode::None,
            Err(error) => {
                tracing::error!(partition = %id, %error, "log cannot be deleted");
                ErrorCode::KafkaStorageError
            }
        }
    }

    fn unhost(&self, id: &TopicPartition) -> Option<Hosted> {
        let mut hosted = self.hosted_mut();
        let topic = hosted.get_mut(&id.topic)?;
        let removed = topic.remove(&id.partition);
        if topic.is_empty() {
            hosted.remove(&id.topic);
        }
        removed
    }

    fn tell(&self, id: &TopicPartition, tell: impl Fn(&dyn LeadershipListener)) {
        if id.topic.is_internal() {
            let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
            listeners.iter().for_each(|listener| tell(&**listener));
        }
    }
}
