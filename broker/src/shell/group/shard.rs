//! The task that owns the groups of one partition: it loads them, feeds them what happens, and does what they ask.
//! Decides nothing. One owner and one queue, so that no lock is needed and appends keep the order of decisions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use coordinator::group::{
    Acks, Append, AppendError, AppendToken, Census, Effect, Error, Event, GroupShard, Note, Reply, Request, RequestId,
};
use coordinator::time::Timestamp;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wire::ErrorCode;
use zk_schema::types::{LeaderEpoch, Offset, TopicPartition};

use super::load::Loading;
use super::stored::Format;
use super::timers::Timers;
use crate::clock::Clock;
use crate::shell::coordinator_log::CoordinatorLog;

/// How many commands are taken from the queue before the task looks at anything else.
const COMMANDS_AT_ONCE: usize = 64;

/// How long to wait before a log that could not be read is read again.
const LOAD_RETRY: Duration = Duration::from_secs(1);

/// What the task is told.
pub(super) enum Command {
    Ask(Request, oneshot::Sender<Reply>),
    Tell(Event),
    Count(oneshot::Sender<Census>),
}

/// What all shards of a broker share.
pub(super) struct Shared {
    pub(super) log: Arc<dyn CoordinatorLog>,
    pub(super) clock: Arc<Clock>,
    pub(super) config: coordinator::group::Config,
    pub(super) format: Format,
    /// `offsets.commit.timeout.ms`.
    pub(super) commit_timeout: Duration,
    /// `offsets.commit.required.acks`.
    pub(super) commit_required_acks: i16,
    /// `offsets.retention.check.interval.ms`.
    pub(super) expiry_interval: Duration,
    /// `offsets.load.buffer.size`.
    pub(super) load_buffer_size: usize,
    /// How many partitions load at once: each holds a buffer and a thread.
    pub(super) loading: Semaphore,
}

/// A partition being taken over.
pub(super) struct Start {
    pub(super) shared: Arc<Shared>,
    pub(super) partition: TopicPartition,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Cancelled when the partition is given up.
    pub(super) given_up: CancellationToken,
    /// The task that served the partition the last time this broker led it. It may still be at its last append.
    pub(super) previous: Option<JoinHandle<()>>,
}

impl Start {
    /// Serves the partition until it is given up.
    pub(super) async fn run(mut self) {
        if let Some(previous) = self.previous.take() {
            let _ended = previous.await;
        }
        if let Some((shard, deferred)) = self.load().await {
            let mut serving = Serving::new(self, shard);
            serving.feed(Event::Loaded);
            deferred.into_iter().for_each(|event| serving.feed(event));
            serving.run().await;
        }
    }

    /// Loads the shard, meanwhile telling clients to wait. `None` if the partition was given up.
    async fn load(&mut self) -> Option<(GroupShard, Vec<Event>)> {
        let began = Instant::now();
        let loading = Arc::new(Loading {
            log: Arc::clone(&self.shared.log),
            partition: self.partition.clone(),
            config: self.shared.config.clone(),
            buffer_size: self.shared.load_buffer_size,
            given_up: self.given_up.clone(),
        });
        let mut read = std::pin::pin!(read_until_it_works(Arc::clone(&self.shared), loading));
        let mut deferred = Vec::new();
        let shard = loop {
            tokio::select! {
                biased;
                () = self.given_up.cancelled() => break None,
                shard = &mut read => break shard,
                Some(command) = self.commands.recv() => defer(command, &mut deferred),
            }
        };
        let Some(shard) = shard else {
            refuse_all(&mut self.commands).await;
            return None;
        };
        let census = shard.census();
        tracing::info!(
            partition = %self.partition, leader_epoch = %self.leader_epoch, offsets = census.offsets,
            groups = census.groups.values().sum::<usize>(), took = ?began.elapsed(), "loaded groups and offsets"
        );
        Some((shard, deferred))
    }
}

async fn read_until_it_works(shared: Arc<Shared>, loading: Arc<Loading>) -> Option<GroupShard> {
    loop {
        let one_of_few = shared.loading.acquire().await.ok()?;
        let reading = Arc::clone(&loading);
        let outcome = tokio::task::spawn_blocking(move || reading.run()).await;
        drop(one_of_few);
        match outcome {
            Ok(Ok(shard)) => return Some(shard),
            Ok(Err(error)) => {
                tracing::error!(partition = %loading.partition, error = error.name(), "cannot load groups and offsets; trying again");
            }
            Err(error) => {
                tracing::error!(partition = %loading.partition, %error, "loading groups and offsets ended badly")
            }
        }
        tokio::time::sleep(LOAD_RETRY).await;
    }
}

/// While loading, clients must wait; what is not a question is kept for later.
fn defer(command: Command, deferred: &mut Vec<Event>) {
    match command {
        Command::Ask(request, answer) => refuse(request, Error::CoordinatorLoadInProgress, answer),
        Command::Tell(event) => deferred.push(event),
        Command::Count(answer) => drop(answer.send(Census::default())),
    }
}

fn refuse(request: Request, error: Error, answer: oneshot::Sender<Reply>) {
    let error = request.validate_group_id().err().unwrap_or(error);
    let _gone = answer.send(request.refuse(error));
}

async fn refuse_all(commands: &mut mpsc::Receiver<Command>) {
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Ask(request, answer) = command {
            refuse(request, Error::NotCoordinator, answer);
        }
    }
}

/// A partition being served.
struct Serving {
    shared: Arc<Shared>,
    partition: TopicPartition,
    commands: mpsc::Receiver<Command>,
    given_up: CancellationToken,
    shard: GroupShard,
    timers: Timers,
    appends: FuturesUnordered<BoxFuture<'static, Done>>,
    answers: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    last_request: u64,
}

type Done = (AppendToken, Result<Offset, AppendError>);

impl Serving {
    fn new(start: Start, shard: GroupShard) -> Self {
        Self {
            shared: start.shared,
            partition: start.partition,
            commands: start.commands,
            given_up: start.given_up,
            shard,
            timers: Timers::default(),
            appends: FuturesUnordered::new(),
            answers: BTreeMap::new(),
            last_request: 0,
        }
    }

    async fn run(mut self) {
        let given_up = self.given_up.clone();
        let mut expiry = tokio::time::interval(self.shared.expiry_interval);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut alarm_at = None;
        let mut taken = Vec::with_capacity(COMMANDS_AT_ONCE);
        loop {
            let next = self.timers.next();
            if next != alarm_at {
                alarm.as_mut().reset(Instant::now() + self.until(next));
                alarm_at = next;
            }
            tokio::select! {
                biased;
                () = given_up.cancelled() => break,
                Some((token, outcome)) = self.appends.next() => self.feed(Event::AppendDone { token, outcome }),
                () = &mut alarm, if alarm_at.is_some() => alarm_at = self.ring(),
                count = self.commands.recv_many(&mut taken, COMMANDS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    taken.drain(..).for_each(|command| self.obey(command));
                }
                _ = expiry.tick() => self.feed(Event::ExpireOffsets),
            }
        }
        self.give_up().await;
    }

    async fn give_up(&mut self) {
        self.feed(Event::Unload);
        refuse_all(&mut self.commands).await;
        tracing::info!(partition = %self.partition, "gave up groups and offsets");
    }

    fn until(&self, at: Option<Timestamp>) -> Duration {
        let wait_ms = at.map_or(0, |at| at.since(self.shared.clock.now()));
        Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
    }

    /// Rings what is due. The alarm is spent; it is set anew for what comes next.
    fn ring(&mut self) -> Option<Timestamp> {
        while let Some(key) = self.timers.pop_due(self.shared.clock.now()) {
            self.feed(Event::Timer(key));
        }
        None
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ask(request, answer) => {
                self.last_request += 1;
                let from = RequestId(self.last_request);
                self.answers.insert(from, answer);
                self.feed(Event::Request { from, request });
            }
            Command::Tell(event) => self.feed(event),
            Command::Count(answer) => drop(answer.send(self.shard.census())),
        }
    }

    /// Tells the decider, and does what it asks for, and tells it how that went, until nothing is left to do.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = match event {
                // Ages of offsets are counted from when they were committed, which is wall time.
                Event::ExpireOffsets => self.shared.clock.wall(),
                _ => self.shared.clock.now(),
            };
            for effect in self.shard.handle(event, now) {
                events.extend(self.carry_out(effect));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Append(append) => return self.append(&append),
            Effect::Reply { to, reply } => {
                if let Some(answer) = self.answers.remove(&to) {
                    let _gone = answer.send(reply);
                }
            }
            Effect::SetTimer { key, at } => self.timers.set(key, at),
            Effect::CancelTimer(key) => self.timers.cancel(&key),
            Effect::Note(note) => self.note(&note),
        }
        None
    }

    /// Appends to our own log at once, and waits for the other replicas on the side.
    fn append(&mut self, append: &Append) -> Option<Event> {
        let token = append.token;
        let required_acks = match append.acks {
            Acks::All => self.shared.commit_required_acks,
            Acks::Leader => 0,
        };
        let batch = self.shared.format.batch(&append.records, append.transaction, self.shared.clock.wall());
        let appended = batch
            .map_err(|_| ErrorCode::MessageTooLarge)
            .and_then(|batch| self.shared.log.append(&self.partition, batch, required_acks));
        let appended = match appended {
            Ok(appended) => appended,
            Err(error) => return Some(Event::AppendDone { token, outcome: Err(append_error(error)) }),
        };
        let base_offset = appended.base_offset;
        if required_acks != -1 {
            return Some(Event::AppendDone { token, outcome: Ok(base_offset) });
        }
        let committed = tokio::time::timeout(self.shared.commit_timeout, appended.committed);
        self.appends.push(Box::pin(async move {
            let outcome = committed.await.unwrap_or(Err(ErrorCode::RequestTimedOut));
            (token, outcome.map(|()| base_offset).map_err(append_error))
        }));
        None
    }

    fn note(&self, note: &Note) {
        let partition = &self.partition;
        match note {
            Note::Rebalancing { group, generation, reason } => {
                tracing::info!(%partition, %group, %generation, %reason, "preparing to rebalance");
            }
            Note::NewGeneration { group, generation, members } => {
                tracing::info!(%partition, %group, %generation, members, "new generation");
            }
            Note::MemberFailed { group, member } => {
                tracing::info!(%partition, %group, %member, "member failed, removing it");
            }
            Note::GroupNotStored { group, error } => tracing::warn!(%partition, %group, %error, "group not stored"),
            Note::OffsetsExpired(count) => tracing::info!(%partition, count, "offsets expired"),
            Note::OffsetsDeleted(count) => tracing::info!(%partition, count, "offsets deleted"),
            Note::RebalanceCompleted | Note::OffsetsCommitted(_) => {}
        }
    }
}

/// What the groups understand of a failed append.
const fn append_error(error: ErrorCode) -> AppendError {
    match error {
        ErrorCode::UnknownTopicOrPartition => AppendError::UnknownTopicOrPartition,
        ErrorCode::NotEnoughReplicas => AppendError::NotEnoughReplicas,
        ErrorCode::NotEnoughReplicasAfterAppend => AppendError::NotEnoughReplicasAfterAppend,
        ErrorCode::NotLeaderOrFollower => AppendError::NotLeaderOrFollower,
        ErrorCode::KafkaStorageError => AppendError::KafkaStorageError,
        ErrorCode::RequestTimedOut => AppendError::RequestTimedOut,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            AppendError::TooLarge
        }
        ErrorCode::InvalidProducerEpoch => AppendError::InvalidProducerEpoch,
        ErrorCode::InvalidTxnState => AppendError::InvalidTxnState,
        _ => AppendError::Other,
    }
}
