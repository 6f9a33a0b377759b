//! Fetch sessions (KIP-227): the server's half of a fetch whose partitions need not be named every time.
//! Remembers what a client asks for and what it was told last, and leaves out of an answer what would be no news.
//! Knows nothing of records; memory is bounded by the number of slots and by what one request may name.
//! Source: `FetchSession`, `FetchManager`, `FetchMetadata` in Kafka 3.9.

mod shard;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::ErrorCode;
use zk_schema::types::{LeaderEpoch, Offset, TopicId, TopicName};

use shard::Shard;

/// "No session".
pub const NO_SESSION: i32 = 0;
/// Epoch of a request that asks for a new session.
pub const INITIAL_EPOCH: i32 = 0;
/// Epoch of a request that wants no session, or no longer.
pub const FINAL_EPOCH: i32 = -1;
/// Milliseconds a session may lie unused before another may take its slot.
const EVICTION_MS: i64 = 120_000;
const SHARDS_MAX: usize = 8;

/// What a client asks of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Name; `None` if the id is unknown to us.
    pub topic: Option<TopicName>,
    /// Id; zero below version 13.
    pub topic_id: TopicId,
    /// Index.
    pub partition: i32,
    /// Where to read.
    pub fetch_offset: Offset,
    /// The follower's log start offset, -1 from consumers.
    pub log_start_offset: Offset,
    /// Most bytes.
    pub max_bytes: i32,
    /// The epoch the client believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Epoch of the follower's last record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
}

/// How a partition is told from others: by topic id where there is one, else by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    topic: TopicKey,
    partition: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TopicKey {
    Id(TopicId),
    Name(TopicName),
}

impl Key {
    /// The key of a partition named so. A zero id does not count.
    #[must_use]
    pub fn new(topic_id: TopicId, topic: Option<&TopicName>, partition: i32) -> Self {
        let topic = match topic {
            Some(name) if !topic_id.is_known() => TopicKey::Name(name.clone()),
            _ => TopicKey::Id(topic_id),
        };
        Self { topic, partition }
    }
}

impl FetchPartition {
    /// How it is told from others.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(self.topic_id, self.topic.as_ref(), self.partition)
    }
}

/// The session part of a fetch request, and the partitions it names.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// Session, 0 for none.
    pub session_id: i32,
    /// Epoch: -1 and 0 are full fetches, above that the fetch only names what changed.
    pub epoch: i32,
    /// A follower asks: it is evicted last.
    pub is_follower: bool,
    /// Version 13 and later.
    pub uses_topic_ids: bool,
    /// Partitions named.
    pub partitions: Vec<FetchPartition>,
    /// Partitions to forget.
    pub forgotten: Vec<Key>,
}

/// What an answer says of a partition, as far as it decides whether it is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// There are records in it.
    pub has_records: bool,
    /// High watermark told.
    pub high_watermark: Offset,
    /// Log start offset told.
    pub log_start_offset: Offset,
    /// An error, a preferred replica or a diverging epoch.
    pub must_tell: bool,
    /// An error: the high watermark told before no longer counts.
    pub is_error: bool,
}

/// What becomes of a session with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Error of the whole request; then no partition is answered.
    pub error: ErrorCode,
    /// Session to be told.
    pub session_id: i32,
    /// For each answer, whether it leaves.
    pub is_sent: Vec<bool>,
}

#[derive(Debug)]
struct CachedPartition {
    request: FetchPartition,
    high_watermark: Offset,
    log_start_offset: Offset,
}

impl CachedPartition {
    /// Whether the answer is news; what is told is remembered.
    fn take(&mut self, answer: &AnswerFacts) -> bool {
        let is_news = answer.has_records
            || answer.must_tell
            || self.high_watermark != answer.high_watermark
            || self.log_start_offset != answer.log_start_offset;
        self.high_watermark = if answer.is_error { -1 } else { answer.high_watermark };
        self.log_start_offset = answer.log_start_offset;
        is_news
    }
}

/// One session. Partitions are answered in `order`; one that gave records goes to the end, so that all get their turn.
#[derive(Debug)]
struct Session {
    id: i32,
    epoch: i32,
    uses_topic_ids: bool,
    positions: HashMap<Key, u64>,
    order: BTreeMap<u64, CachedPartition>,
    next_position: u64,
}

impl Session {
    fn new(id: i32, uses_topic_ids: bool) -> Self {
        let (positions, order) = (HashMap::new(), BTreeMap::new());
        Self { id, epoch: next_epoch(INITIAL_EPOCH), uses_topic_ids, positions, order, next_position: 0 }
    }

    fn push(&mut self, key: Key, partition: CachedPartition) {
        if let Some(old) = self.positions.insert(key, self.next_position) {
            self.order.remove(&old);
        }
        self.order.insert(self.next_position, partition);
        self.next_position += 1;
    }

    fn update(&mut self, partitions: Vec<FetchPartition>, forgotten: &[Key]) {
        for request in partitions {
            let key = request.key();
            match self.positions.get(&key).and_then(|position| self.order.get_mut(position)) {
                Some(cached) => {
                    let topic = cached.request.topic.take();
                    cached.request = FetchPartition { topic: request.topic.or(topic), ..request };
                }
                None => self.push(key, CachedPartition { request, high_watermark: -1, log_start_offset: -1 }),
            }
        }
        for key in forgotten {
            if let Some(position) = self.positions.remove(key) {
                self.order.remove(&position);
            }
        }
    }

    fn take(&mut self, key: Key, answer: &AnswerFacts) -> bool {
        let Some(position) = self.positions.get(&key).copied() else { return true };
        let Some(cached) = self.order.get_mut(&position) else { return true };
        let is_sent = cached.take(answer);
        if answer.has_records
            && let Some(cached) = self.order.remove(&position)
        {
            self.push(key, cached);
        }
        is_sent
    }
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The epoch after this one: 2^31-1 is followed by 1, for 0 and -1 mean something else.
#[must_use]
pub fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..=-1 => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}

/// All sessions of a broker.
#[derive(Debug)]
pub struct FetchSessions {
    shards: Vec<Mutex<Shard>>,
    next_shard: AtomicUsize,
}

/// One fetch within its session.
#[derive(Debug)]
pub struct FetchContext {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Refused(ErrorCode),
    Sessionless(Vec<FetchPartition>),
    Full { partitions: Vec<FetchPartition>, is_follower: bool, uses_topic_ids: bool },
    Incremental { session: Arc<Mutex<Session>>, epoch: i32, partitions: Vec<FetchPartition> },
}

impl FetchSessions {
    /// Room for `slots` sessions (`max.incremental.fetch.session.cache.slots`).
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let shard_count = slots.clamp(1, SHARDS_MAX);
        let shards = (0..shard_count).map(|index| Mutex::new(Shard::new(slots / shard_count, index, shard_count)));
        Self { shards: shards.collect(), next_shard: AtomicUsize::new(0) }
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index % self.shards.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard_of(&self, session_id: i32) -> MutexGuard<'_, Shard> {
        self.shard(shard::index_of(session_id, self.shards.len()))
    }

    /// Finds or closes the session a request names, and tells what is to be fetched.
    /// `resolve` gives the name of a topic id that was unknown when it was first asked for.
    pub fn begin(
        &self,
        request: SessionRequest,
        resolve: impl Fn(TopicId) -> Option<TopicName>,
        now_ms: i64,
    ) -> FetchContext {
        let kind = if request.epoch == INITIAL_EPOCH || request.epoch == FINAL_EPOCH {
            if request.session_id != NO_SESSION {
                self.shard_of(request.session_id).remove(request.session_id);
            }
            let SessionRequest { partitions, is_follower, uses_topic_ids, .. } = request;
            if request.epoch == FINAL_EPOCH {
                Kind::Sessionless(partitions)
            } else {
                Kind::Full { partitions, is_follower, uses_topic_ids }
            }
        } else {
            self.begin_incremental(request, resolve, now_ms)
        };
        FetchContext { kind }
    }

    fn begin_incremental(
        &self,
        request: SessionRequest,
        resolve: impl Fn(TopicId) -> Option<TopicName>,
        now_ms: i64,
    ) -> Kind {
        let mut shard = self.shard_of(request.session_id);
        let Some(shared) = shard.get(request.session_id) else {
            return Kind::Refused(ErrorCode::FetchSessionIdNotFound);
        };
        let mut session = lock(&shared);
        if session.epoch != request.epoch {
            return Kind::Refused(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != request.uses_topic_ids {
            return Kind::Refused(ErrorCode::FetchSessionTopicIdError);
        }
        session.update(request.partitions, &request.forgotten);
        if session.order.is_empty() {
            drop(session);
            shard.remove(request.session_id);
            return Kind::Sessionless(Vec::new());
        }
        shard.touch(session.id, session.order.len(), now_ms);
        session.epoch = next_epoch(session.epoch);
        for cached in session.order.values_mut().filter(|cached| cached.request.topic.is_none()) {
            cached.request.topic = resolve(cached.request.topic_id);
        }
        let partitions = session.order.values().map(|cached| cached.request.clone()).collect();
        let epoch = session.epoch;
        drop(session);
        Kind::Incremental { session: shared, epoch, partitions }
    }

    /// Ends a fetch: remembers what is told, and says which answers are news. `answers` are in the order of
    /// [`FetchContext::partitions`].
    #[must_use]
    pub fn finish(&self, context: FetchContext, answers: &[AnswerFacts], now_ms: i64) -> Finished {
        let all = |session_id| Finished { error: ErrorCode::None, session_id, is_sent: vec![true; answers.len()] };
        match context.kind {
            Kind::Refused(error) => Finished { error, session_id: NO_SESSION, is_sent: vec![false; answers.len()] },
            Kind::Sessionless(_) => all(NO_SESSION),
            Kind::Full { partitions, is_follower, uses_topic_ids } => {
                let index = self.next_shard.fetch_add(1, Ordering::Relaxed);
                let mut shard = self.shard(index);
                let Some(id) = shard.claim(partitions.len(), is_follower, now_ms) else { return all(NO_SESSION) };
                let mut session = Session::new(id, uses_topic_ids);
                for (request, answer) in partitions.into_iter().zip(answers) {
                    let (high_watermark, log_start_offset) = (answer.high_watermark, answer.log_start_offset);
                    session.push(request.key(), CachedPartition { request, high_watermark, log_start_offset });
                }
                let size = session.order.len();
                shard.insert(session, is_follower, size, now_ms);
                all(id)
            }
            Kind::Incremental { session, epoch, partitions } => {
                let mut session = lock(&session);
                if session.epoch != epoch {
                    let error = ErrorCode::InvalidFetchSessionEpoch;
                    return Finished { error, session_id: session.id, is_sent: vec![false; answers.len()] };
                }
                let tell = |(request, answer): (&FetchPartition, &AnswerFacts)| session.take(request.key(), answer);
                let is_sent = partitions.iter().zip(answers).map(tell).collect();
                Finished { error: ErrorCode::None, session_id: session.id, is_sent }
            }
        }
    }

    /// Sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        (0..self.shards.len()).map(|index| self.shard(index).session_count()).sum()
    }

    /// Partitions in all sessions.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        (0..self.shards.len()).map(|index| self.shard(index).partition_count()).sum()
    }

    /// Sessions that lost their slot to others since the start.
    #[must_use]
    pub fn eviction_count(&self) -> u64 {
        (0..self.shards.len()).map(|index| self.shard(index).eviction_count()).sum()
    }
}

impl FetchContext {
    /// What is to be fetched, in the order in which it is to be answered.
    #[must_use]
    pub fn partitions(&self) -> &[FetchPartition] {
        match &self.kind {
            Kind::Refused(_) => &[],
            Kind::Sessionless(partitions) | Kind::Full { partitions, .. } | Kind::Incremental { partitions, .. } => {
                partitions
            }
        }
    }

    /// Why nothing is to be fetched, if the session is refused.
    #[must_use]
    pub fn error(&self) -> Option<ErrorCode> {
        match self.kind {
            Kind::Refused(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
