//! A controller in office: takes events one at a time, works through the steps each one means, and hands out effects.
//! Knows the order of things, not their meaning; that is in the files named after what they decide.
//! Source: `ControllerEventManager` and `KafkaController.process` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zk_schema::{BrokerEpoch, BrokerId, ControllerEpoch, TopicName, ZkVersion};

use super::agenda::{Agenda, Continuation, Found, Step, Written};
use super::cluster::{Cluster, Key};
use super::effect::{
    Answer, Effect, Guard, LogLevel, Replicas, RequestToken, TimerKey, ZkAction, ZkRead, ZkRequestId, ZkWrite,
};
use super::event::{Elected, Event, OrderAnswer, ProposedIsr, Request, TopicRef, Watched, ZkError, ZkFound, ZkOutcome};
use super::isr::ProposedIsrs;
use super::orders::Orders;
use super::partition_state::ElectionOutcome;
use super::refusal::not_controller;
use super::topic_ids::TopicIds;
use super::{ControllerConfig, ControllerState};
use crate::time::Timestamp;

/// Proposed ISRs beyond which further requests wait for the next round.
const PROPOSALS_TOGETHER_MAX: usize = 5_000;

/// Something that waits for its turn.
#[derive(Debug)]
enum Job {
    Changed(Watched),
    LeaderAndIsrAnswered {
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        answer: OrderAnswer,
    },
    StopReplicaAnswered {
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        answer: OrderAnswer,
    },
    Request(RequestToken, Request),
    Timer(TimerKey),
    UncleanElectionEnabled(Option<TopicName>),
    /// Moves that may be complete since these partitions got their first leader.
    LookAtMoves(Vec<Key>),
}

/// How a controller's time in office ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A guarded write was refused: somebody else is in office.
    Fenced,
    /// Something happened that must not: let another controller begin afresh.
    Broken,
}

/// Everything a controller in office knows and is doing. Dropped as a whole when it leaves.
#[derive(Debug)]
pub(super) struct Active {
    pub config: ControllerConfig,
    pub controller_epoch: ControllerEpoch,
    pub epoch_version: ZkVersion,
    pub cluster: Cluster,
    pub orders: Orders,
    pub topic_ids: TopicIds,
    /// Finalised features, as last read or written.
    pub finalised: BTreeMap<String, i16>,
    pub now: Timestamp,
    /// What the elections since the last [`Active::take_outcomes`] came to.
    pub outcomes: Vec<(Key, ElectionOutcome)>,
    pub unclean_elections: u64,
    pub state: ControllerState,
    /// An empty list of replicas, shared.
    pub nobody: Replicas,
    next_request: u64,
    agenda: Agenda,
    waiting: Option<(ZkRequestId, Continuation)>,
    queue: VecDeque<Job>,
    signalled: BTreeSet<Watched>,
    unanswered: Vec<(RequestToken, Request)>,
    effects: Vec<Effect>,
    ending: Option<Ending>,
}

impl Active {
    /// Takes office. `next_request` keeps request ids from being used twice across terms.
    pub(super) fn new(config: ControllerConfig, elected: &Elected, next_request: u64, now: Timestamp) -> Self {
        let mut active = Self {
            config,
            controller_epoch: elected.controller_epoch,
            epoch_version: elected.epoch_version,
            cluster: Cluster::default(),
            orders: Orders::default(),
            topic_ids: TopicIds::new(elected.seed),
            finalised: BTreeMap::new(),
            now,
            outcomes: Vec::new(),
            unclean_elections: 0,
            state: ControllerState::ControllerChange,
            nobody: Replicas::from([]),
            next_request,
            agenda: Agenda::default(),
            waiting: None,
            queue: VecDeque::new(),
            signalled: BTreeSet::new(),
            unanswered: Vec::new(),
            effects: Vec::new(),
            ending: None,
        };
        active.fail_over();
        active
    }

    /// Takes in an event; [`Event::Elected`], [`Event::Lost`] and [`Event::ConfigChanged`] are the caller's.
    pub(super) fn take_in(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        match event {
            Event::Elected(_) | Event::Lost | Event::ConfigChanged(_) => {}
            Event::Changed(watched) => self.signal(watched),
            Event::ZkRead { request, results } => self.resume_found(request, results),
            Event::ZkWritten { request, outcome } => self.resume_written(request, outcome),
            Event::OrderAnswered { broker, broker_epoch, answer } => self.order_answered(broker, broker_epoch, answer),
            Event::Request { token, request } => self.queue.push_back(Job::Request(token, request)),
            Event::Timer(key) => self.queue.push_back(Job::Timer(key)),
            Event::UncleanElectionEnabled(topic) => self.queue.push_back(Job::UncleanElectionEnabled(topic)),
        }
    }

    /// Works until ZooKeeper must answer or nothing is left to do.
    pub(super) fn work(&mut self) {
        while self.waiting.is_none() && self.ending.is_none() {
            match self.agenda.next() {
                Some(step) => self.take(step),
                None if !self.begin_next_job() => return,
                None => {}
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Run(run) => run(self),
            Step::Read(reads, then) if reads.is_empty() => then(self, Vec::new()),
            Step::Write(_, writes, then) if writes.is_empty() => then(self, Vec::new()),
            Step::Read(reads, then) => {
                let request = self.request_id();
                self.waiting = Some((request, Continuation::Found(then)));
                self.effects.push(Effect::ZkRead { request, reads });
            }
            Step::Write(guard, writes, then) => {
                let request = self.request_id();
                self.waiting = Some((request, Continuation::Written(then)));
                self.effects.push(Effect::ZkWrite { request, guard, writes });
            }
        }
    }

    fn request_id(&mut self) -> ZkRequestId {
        self.next_request += 1;
        ZkRequestId(self.next_request)
    }

    fn resume_found(&mut self, request: ZkRequestId, results: Found) {
        match self.waiting.take() {
            Some((id, Continuation::Found(then))) if id == request => then(self, results),
            other => self.waiting = other,
        }
    }

    fn resume_written(&mut self, request: ZkRequestId, outcome: ZkOutcome) {
        match (self.waiting.take(), outcome) {
            (Some((id, Continuation::Written(_))), ZkOutcome::Fenced) if id == request => self.end(Ending::Fenced),
            (Some((id, Continuation::Written(then))), ZkOutcome::Done(results)) if id == request => then(self, results),
            (other, _) => self.waiting = other,
        }
    }

    fn order_answered(&mut self, broker: BrokerId, broker_epoch: BrokerEpoch, answer: OrderAnswer) {
        match answer {
            OrderAnswer::UpdateMetadata { result: Ok(()) } => {}
            OrderAnswer::UpdateMetadata { result: Err(error) } => {
                self.log(LogLevel::Warn, format!("broker {broker} answered UpdateMetadata with {error:?}"));
            }
            answer @ OrderAnswer::LeaderAndIsr { .. } => {
                self.queue.push_back(Job::LeaderAndIsrAnswered { broker, broker_epoch, answer });
            }
            answer @ OrderAnswer::StopReplica { .. } => {
                self.queue.push_back(Job::StopReplicaAnswered { broker, broker_epoch, answer });
            }
        }
    }

    /// Whether there was one.
    fn begin_next_job(&mut self) -> bool {
        self.state = ControllerState::Idle;
        let Some(job) = self.queue.pop_front() else { return false };
        self.state = state_of(&job);
        match job {
            Job::Changed(watched) => {
                self.signalled.remove(&watched);
                self.changed(watched);
            }
            Job::LeaderAndIsrAnswered { broker, broker_epoch, answer } => {
                if let OrderAnswer::LeaderAndIsr { result, partitions } = answer
                    && self.cluster.broker_epoch(broker) == Some(broker_epoch)
                {
                    self.leader_and_isr_answered(broker, result, &partitions);
                }
            }
            Job::StopReplicaAnswered { broker, broker_epoch, answer } => {
                if let OrderAnswer::StopReplica { result, partitions } = answer
                    && self.cluster.broker_epoch(broker) == Some(broker_epoch)
                {
                    self.stop_replica_answered(broker, result, &partitions);
                }
            }
            Job::Request(token, Request::AlterPartition { broker, broker_epoch, partitions }) => {
                let first = ProposedIsrs { token, broker, broker_epoch, partitions };
                let together = self.proposals_together(first);
                self.alter_partitions(together);
            }
            Job::Request(token, request) => {
                self.unanswered.push((token, request.clone()));
                self.requested(token, request);
            }
            Job::Timer(TimerKey::LeaderRebalance) => self.rebalance_leaders(),
            Job::LookAtMoves(keys) => self.complete_reassignments(&keys),
            Job::UncleanElectionEnabled(None) => self.bring_all_online(),
            Job::UncleanElectionEnabled(Some(topic)) => self.bring_topic_online(&topic),
        }
        true
    }

    /// The proposals that follow in the queue, as long as no partition comes twice: one round of writes serves them all.
    fn proposals_together(&mut self, first: ProposedIsrs) -> Vec<ProposedIsrs> {
        let mut named: BTreeSet<(TopicRef, i32)> = BTreeSet::new();
        let mut note = |partitions: &[ProposedIsr]| {
            let names: BTreeSet<_> = partitions.iter().map(|item| (item.topic.clone(), item.partition)).collect();
            let fits = named.len() < PROPOSALS_TOGETHER_MAX && names.is_disjoint(&named);
            named.extend(names);
            fits
        };
        note(&first.partitions);
        let mut together = vec![first];
        while let Some(Job::Request(_, Request::AlterPartition { partitions, .. })) = self.queue.front()
            && note(partitions)
            && let Some(Job::Request(token, Request::AlterPartition { broker, broker_epoch, partitions })) =
                self.queue.pop_front()
        {
            together.push(ProposedIsrs { token, broker, broker_epoch, partitions });
        }
        for ProposedIsrs { token, broker, broker_epoch, .. } in &together {
            let request =
                Request::AlterPartition { broker: *broker, broker_epoch: *broker_epoch, partitions: Vec::new() };
            self.unanswered.push((*token, request));
        }
        together
    }

    /// This topic and those that follow in the queue: one round of reads serves them all.
    fn topics_together(&mut self, first: TopicName) -> Vec<TopicName> {
        let mut topics = vec![first];
        while matches!(self.queue.front(), Some(Job::Changed(Watched::Topic(_))))
            && let Some(Job::Changed(Watched::Topic(topic))) = self.queue.pop_front()
        {
            self.signalled.remove(&Watched::Topic(topic.clone()));
            topics.push(topic);
        }
        topics
    }

    fn changed(&mut self, watched: Watched) {
        match watched {
            Watched::Brokers => self.brokers_changed(),
            Watched::Broker(broker) => self.broker_changed(broker),
            Watched::Topics => self.topics_changed(),
            Watched::Topic(topic) => {
                let topics = self.topics_together(topic);
                self.topics_data_changed(topics);
            }
            Watched::PartitionState(partition) => self.partition_state_changed(&partition),
            Watched::DeleteTopics => self.deletions_changed(),
            Watched::Reassignments => self.reassignments_changed(),
            Watched::PreferredElection => self.preferred_election_changed(),
            Watched::IsrChanges => self.isr_changes_notified(),
            Watched::LogDirEvents => self.log_dir_events_notified(),
        }
    }

    fn requested(&mut self, token: RequestToken, request: Request) {
        match request {
            Request::AlterPartition { broker, broker_epoch, partitions } => {
                self.alter_partitions(vec![ProposedIsrs { token, broker, broker_epoch, partitions }]);
            }
            Request::ControlledShutdown { broker, broker_epoch } => {
                self.controlled_shutdown(token, broker, broker_epoch);
            }
            Request::ElectLeaders { partitions, election_type } => self.elect_leaders(token, partitions, election_type),
            Request::AlterPartitionReassignments { targets } => self.alter_reassignments(token, targets),
            Request::ListPartitionReassignments { partitions } => self.list_reassignments(token, partitions),
            Request::AllocateProducerIds { broker, broker_epoch } => {
                self.allocate_producer_ids(token, broker, broker_epoch);
            }
            Request::UpdateFeatures { updates } => self.update_features(token, updates),
            Request::QueuedForDeletion { topics } => {
                let queued = |topic: &TopicName| {
                    self.cluster.topic_named(topic.as_str()).is_some_and(|t| self.cluster.deleting.contains(&t))
                };
                let answer = topics.iter().map(queued).collect();
                self.answer(token, Answer::QueuedForDeletion(Ok(answer)));
            }
        }
    }

    // What the deciding files use.

    /// Does this once everything added so far is done.
    pub(super) fn then(&mut self, run: impl FnOnce(&mut Self) + Send + 'static) {
        self.agenda.add(Step::Run(Box::new(run)));
    }

    /// Reads, then goes on with what was found.
    pub(super) fn read(&mut self, reads: Vec<ZkRead>, then: impl FnOnce(&mut Self, Found) + Send + 'static) {
        self.agenda.add(Step::Read(reads, Box::new(then)));
    }

    /// Reads the children of one node (none if it is missing), then goes on with their names, sorted.
    pub(super) fn read_children(&mut self, path: &str, then: impl FnOnce(&mut Self, Vec<String>) + Send + 'static) {
        let path = path.to_owned();
        self.read(vec![ZkRead::Children(path.clone())], move |c, found| match found.into_iter().next() {
            Some(Ok(ZkFound::Children(mut names))) => {
                names.sort_unstable();
                then(c, names);
            }
            Some(Err(ZkError::NoNode)) => then(c, Vec::new()),
            other => c.give_up(format!("could not list {path}: {other:?}")),
        });
    }

    /// Writes under guard of the controller epoch, then goes on with what became of it.
    pub(super) fn write(&mut self, writes: Vec<ZkWrite>, then: impl FnOnce(&mut Self, Written) + Send + 'static) {
        let guard = Guard::ControllerEpoch(self.epoch_version);
        self.agenda.add(Step::Write(guard, writes, Box::new(then)));
    }

    /// Writes without a guard: only for nodes Kafka writes without one.
    pub(super) fn write_unguarded(
        &mut self,
        writes: Vec<ZkWrite>,
        then: impl FnOnce(&mut Self, Written) + Send + 'static,
    ) {
        self.agenda.add(Step::Write(Guard::None, writes, Box::new(then)));
    }

    /// Deletes nodes that may be gone already.
    pub(super) fn delete(&mut self, paths: Vec<String>) {
        let writes: Vec<ZkWrite> = paths.into_iter().map(|path| ZkWrite { path, action: ZkAction::Delete }).collect();
        let paths: Vec<String> = writes.iter().map(|write| write.path.clone()).collect();
        self.write(writes, move |c, written| {
            for (path, result) in paths.iter().zip(written) {
                if let Err(error @ (ZkError::Other(_) | ZkError::BadVersion | ZkError::NodeExists)) = result {
                    c.log(LogLevel::Error, format!("could not delete {path}: {error}"));
                }
            }
        });
    }

    /// Queues a look at something, unless one is queued already.
    pub(super) fn signal(&mut self, watched: Watched) {
        if self.signalled.insert(watched.clone()) {
            self.queue.push_back(Job::Changed(watched));
        }
    }

    /// Queues a look at those of these partitions that are moving.
    pub(super) fn look_at_moves_later(&mut self, keys: Vec<Key>) {
        let moving: Vec<Key> = keys.into_iter().filter(|&key| self.is_moving(key)).collect();
        if !moving.is_empty() {
            self.queue.push_back(Job::LookAtMoves(moving));
        }
    }

    /// Asks for something to be done.
    pub(super) fn ask(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        self.effects.push(Effect::Log(level, text.into()));
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, token: RequestToken, answer: Answer) {
        self.unanswered.retain(|(open, _)| *open != token);
        self.effects.push(Effect::Answer { token, answer });
    }

    /// Sends the orders gathered so far.
    pub(super) fn send_orders(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        self.orders.send(&self.cluster, self.controller_epoch, &self.nobody, &mut effects);
        self.effects = effects;
    }

    /// What the elections since the last call came to.
    pub(super) fn take_outcomes(&mut self) -> Vec<(Key, ElectionOutcome)> {
        std::mem::take(&mut self.outcomes)
    }

    /// Something happened that must not happen: leave office, so that a controller begins afresh.
    pub(super) fn give_up(&mut self, why: impl Into<String>) {
        self.log(LogLevel::Error, format!("resigning: {}", why.into()));
        self.end(Ending::Broken);
    }

    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    // What the owner uses.

    /// How it ended, if it did.
    pub(super) const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub(super) const fn last_request(&self) -> u64 {
        self.next_request
    }

    /// Whether no event is being worked on or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_none() && self.queue.is_empty() && self.agenda.is_empty()
    }

    pub(super) fn has_answered_all(&self) -> bool {
        self.unanswered.is_empty()
    }

    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Answers everything still open: we are not the controller any more.
    pub(super) fn dismiss(&mut self) {
        let queued = std::mem::take(&mut self.queue).into_iter().filter_map(|job| match job {
            Job::Request(token, request) => Some((token, request)),
            _ => None,
        });
        let open: Vec<_> = std::mem::take(&mut self.unanswered).into_iter().chain(queued).collect();
        for (token, request) in open {
            self.effects.push(Effect::Answer { token, answer: not_controller(&request) });
        }
        self.effects.push(Effect::CancelTimer(TimerKey::LeaderRebalance));
    }
}

const fn state_of(job: &Job) -> ControllerState {
    match job {
        Job::Changed(Watched::Brokers | Watched::Broker(_)) => ControllerState::BrokerChange,
        Job::Changed(Watched::Topics | Watched::Topic(_)) => ControllerState::TopicChange,
        Job::Changed(Watched::DeleteTopics) | Job::StopReplicaAnswered { .. } => ControllerState::TopicDeletion,
        Job::LookAtMoves(_) | Job::Changed(Watched::Reassignments | Watched::PartitionState(_)) => {
            ControllerState::AlterPartitionReassignment
        }
        Job::Changed(Watched::PreferredElection) => ControllerState::ManualLeaderBalance,
        Job::Changed(Watched::IsrChanges) => ControllerState::IsrChange,
        Job::Changed(Watched::LogDirEvents) => ControllerState::LogDirChange,
        Job::LeaderAndIsrAnswered { .. } => ControllerState::LeaderAndIsrResponseReceived,
        Job::Timer(TimerKey::LeaderRebalance) => ControllerState::AutoLeaderBalance,
        Job::UncleanElectionEnabled(None) => ControllerState::UncleanLeaderElectionEnable,
        Job::UncleanElectionEnabled(Some(_)) => ControllerState::TopicUncleanLeaderElectionEnable,
        Job::Request(_, request) => match request {
            Request::AlterPartition { .. } => ControllerState::IsrChange,
            Request::ControlledShutdown { .. } => ControllerState::ControlledShutdown,
            Request::ElectLeaders { .. } => ControllerState::ManualLeaderBalance,
            Request::AlterPartitionReassignments { .. } => ControllerState::AlterPartitionReassignment,
            Request::ListPartitionReassignments { .. } => ControllerState::ListPartitionReassignment,
            Request::UpdateFeatures { .. } => ControllerState::UpdateFeatures,
            Request::AllocateProducerIds { .. } | Request::QueuedForDeletion { .. } => ControllerState::Idle,
        },
    }
}
