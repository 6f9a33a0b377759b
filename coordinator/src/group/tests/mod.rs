//! Facts about groups, told through a small world that plays the shell: it keeps time, a log, and every answer.

mod joining;
mod leaving;
mod log;
mod offsets;
mod simulation;
mod static_members;
mod syncing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;
use zk_schema::types::{GenerationId, ProducerEpoch, ProducerId, TopicPartition};

use super::*;

pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;
pub(super) const DELAY_MS: i64 = 3_000;
pub(super) const RETENTION_MS: i64 = 1_000_000;

/// Plays the shell. Appends succeed at once unless `hold_appends` is set.
pub(super) struct World {
    pub(super) shard: GroupShard,
    pub(super) now: Timestamp,
    pub(super) log: Vec<(i64, Option<ProducerId>, Vec<Record>)>,
    pub(super) notes: Vec<Note>,
    pub(super) hold_appends: bool,
    pub(super) held: VecDeque<Append>,
    timers: BTreeMap<TimerKey, Timestamp>,
    answers: BTreeMap<RequestId, Reply>,
    last_request: u64,
    next_offset: i64,
    config: Config,
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: 1_000,
            initial_rebalance_delay_ms: i32::try_from(DELAY_MS).unwrap(),
            offset_metadata_max: 16,
            offsets_retention_ms: RETENTION_MS,
        };
        change(&mut config);
        let mut world = Self {
            shard: GroupShard::new(config.clone()),
            now: Timestamp(1_000_000),
            log: Vec::new(),
            notes: Vec::new(),
            hold_appends: false,
            held: VecDeque::new(),
            timers: BTreeMap::new(),
            answers: BTreeMap::new(),
            last_request: 0,
            next_offset: 0,
            config,
            trace: Vec::new(),
        };
        world.tell(Event::Loaded);
        world
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.trace.push(format!("{} {event:?}", self.now));
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.shard.handle(event, self.now) {
                self.trace.push(format!("  {effect:?}"));
                events.extend(self.carry_out(effect));
            }
            if let Err(broken) = self.shard.check_invariants() {
                let last = self.trace.len().saturating_sub(60);
                panic!("{broken}, after\n{}", self.trace[last..].join("\n"));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Append(append) if self.hold_appends && append.acks == Acks::All => self.held.push_back(append),
            Effect::Append(append) => return Some(self.write(&append)),
            Effect::Reply { to, reply } => {
                assert!(self.answers.insert(to, reply).is_none(), "{to:?} was answered twice");
            }
            Effect::SetTimer { key, at } => drop(self.timers.insert(key, at)),
            Effect::CancelTimer(key) => drop(self.timers.remove(&key)),
            Effect::Note(note) => self.notes.push(note),
        }
        None
    }

    fn write(&mut self, append: &Append) -> Event {
        let base = self.next_offset;
        self.next_offset += i64::try_from(append.records.len()).unwrap();
        self.log.push((base, append.transaction.map(|(id, _)| id), append.records.to_vec()));
        Event::AppendDone { token: append.token, outcome: Ok(base) }
    }

    /// The oldest held append succeeds.
    pub(super) fn append_one(&mut self) {
        let append = self.held.pop_front().expect("an append is held");
        let done = self.write(&append);
        self.tell(done);
    }

    pub(super) fn append_all(&mut self) {
        while !self.held.is_empty() {
            self.append_one();
        }
    }

    /// The oldest held append fails.
    pub(super) fn fail_one(&mut self, error: AppendError) {
        let append = self.held.pop_front().expect("an append is held");
        self.tell(Event::AppendDone { token: append.token, outcome: Err(error) });
    }

    pub(super) fn end_transaction(&mut self, producer_id: ProducerId, committed: bool) {
        let base = self.next_offset;
        self.next_offset += 1;
        self.log.push((base, Some(producer_id), vec![Record::TransactionEnd { producer_id, committed }]));
        self.tell(Event::TransactionEnded { producer_id, committed });
    }

    /// Rings every timer due in the meantime, in order.
    pub(super) fn pass(&mut self, duration_ms: i64) {
        let end = self.now.plus_ms(duration_ms);
        while let Some((key, at)) = self.next_timer().filter(|(_, at)| *at <= end) {
            self.timers.remove(&key);
            self.now = at.max(self.now);
            self.tell(Event::Timer(key));
        }
        self.now = end;
    }

    fn next_timer(&self) -> Option<(TimerKey, Timestamp)> {
        self.timers.iter().min_by_key(|(_, at)| **at).map(|(key, at)| (key.clone(), *at))
    }

    pub(super) fn unload(&mut self) {
        self.tell(Event::Unload);
        self.timers.clear();
        self.held.clear();
    }

    /// Another broker takes over: it knows what the log says, and nothing else.
    pub(super) fn reload(&mut self) {
        self.unload();
        self.shard = GroupShard::new(self.config.clone());
        for (base, transaction, records) in &self.log {
            for record in records {
                let at = Position { batch_base_offset: *base, transaction: *transaction };
                self.shard.replay(record, at);
            }
        }
        self.tell(Event::Loaded);
    }

    pub(super) fn ask(&mut self, request: Request) -> RequestId {
        self.last_request += 1;
        let from = RequestId(self.last_request);
        self.tell(Event::Request { from, request });
        from
    }

    pub(super) fn answer(&self, to: RequestId) -> Option<&Reply> {
        self.answers.get(&to)
    }

    pub(super) fn joined(&self, to: RequestId) -> Joined {
        match self.answer(to) {
            Some(Reply::Join(Ok(joined))) => joined.clone(),
            other => panic!("not joined: {other:?}"),
        }
    }

    pub(super) fn join_refused(&self, to: RequestId) -> JoinRefused {
        match self.answer(to) {
            Some(Reply::Join(Err(refused))) => refused.clone(),
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(super) fn synced(&self, to: RequestId) -> Result<Bytes, Error> {
        match self.answer(to) {
            Some(Reply::Sync(outcome)) => outcome.clone().map(|synced| synced.assignment),
            other => panic!("not synced: {other:?}"),
        }
    }

    /// Joins as a dynamic member the way modern clients do: first for an id, then with it.
    pub(super) fn join_new(&mut self, client: &str) -> (MemberId, RequestId) {
        let asked = self.ask(Request::Join(join(client, "")));
        let refused = self.join_refused(asked);
        assert_eq!(refused.error, Error::MemberIdRequired);
        let again = self.ask(Request::Join(join(client, refused.member.as_str())));
        (refused.member, again)
    }

    pub(super) fn rejoin(&mut self, member: &MemberId) -> RequestId {
        self.ask(Request::Join(join("again", member.as_str())))
    }

    pub(super) fn sync(
        &mut self,
        member: &MemberId,
        generation: GenerationId,
        shares: &[(&MemberId, &str)],
    ) -> RequestId {
        self.ask(Request::Sync(sync(member, generation, shares)))
    }

    pub(super) fn heartbeat(&mut self, member: &MemberId, generation: GenerationId) -> Result<(), Error> {
        let request = Heartbeat { group: group(), member: member.clone(), instance: None, generation };
        let asked = self.ask(Request::Heartbeat(request));
        match self.answer(asked) {
            Some(Reply::Heartbeat(outcome)) => *outcome,
            other => panic!("no heartbeat: {other:?}"),
        }
    }

    pub(super) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<Result<(), Error>> {
        let one = |(member, instance): &(&str, Option<&str>)| LeavingMember {
            member: MemberId::new(member),
            instance: instance.map(InstanceId::new),
            reason: None,
        };
        let asked = self.ask(Request::Leave(Leave { group: group(), members: members.iter().map(one).collect() }));
        match self.answer(asked) {
            Some(Reply::Leave(Ok(left))) => left.iter().map(|left| left.outcome).collect(),
            other => panic!("not left: {other:?}"),
        }
    }

    /// A stable group of dynamic members, each assigned its own id; the leader first.
    pub(super) fn stable(&mut self, count: usize) -> Vec<MemberId> {
        let joins: Vec<_> = (0..count).map(|nth| self.join_new(&format!("client{nth}"))).collect();
        self.pass(DELAY_MS * 3);
        self.settle(joins)
    }

    /// Everybody has joined: the leader shares out the work, the others fetch theirs.
    pub(super) fn settle(&mut self, joins: Vec<(MemberId, RequestId)>) -> Vec<MemberId> {
        let generation = self.joined(joins[0].1).generation;
        let leader = self.joined(joins[0].1).leader.unwrap();
        let mut members: Vec<_> = joins.into_iter().map(|(member, _)| member).collect();
        members.sort_by_key(|member| *member != leader);
        let everybody = members.clone();
        let shares: Vec<_> = everybody.iter().map(|member| (member, member.as_str())).collect();
        for member in &members {
            let asked = self.sync(member, generation, &shares);
            if !self.hold_appends {
                assert_eq!(self.synced(asked).unwrap(), member.as_str());
            }
        }
        members
    }

    pub(super) fn describe(&mut self) -> Description {
        let asked = self.ask(Request::Describe(group()));
        match self.answer(asked) {
            Some(Reply::Describe(Ok(description))) => description.clone(),
            other => panic!("not described: {other:?}"),
        }
    }

    pub(super) fn state(&mut self) -> StateName {
        self.describe().state
    }

    pub(super) fn commit(&mut self, commit: CommitOffsets) -> RequestId {
        self.ask(Request::CommitOffsets(commit))
    }

    pub(super) fn committed(&self, asked: RequestId) -> Vec<Result<(), Error>> {
        match self.answer(asked) {
            Some(Reply::CommitOffsets(outcome)) => outcome.values().copied().collect(),
            other => panic!("not committed: {other:?}"),
        }
    }

    pub(super) fn fetch(&mut self, partition: i32, require_stable: bool) -> Result<Option<i64>, Error> {
        let partition = TopicPartition::new("t", partition);
        let fetch = FetchOffsets { group: group(), partitions: Some(vec![partition.clone()]), require_stable };
        let asked = self.ask(Request::FetchOffsets(fetch));
        match self.answer(asked) {
            Some(Reply::FetchOffsets(Ok(offsets))) => {
                offsets[&partition].clone().map(|found| found.map(|found| found.offset))
            }
            other => panic!("not fetched: {other:?}"),
        }
    }

    pub(super) fn delete(&mut self) -> Result<(), Error> {
        let asked = self.ask(Request::Delete(group()));
        match self.answer(asked) {
            Some(Reply::Delete(outcome)) => *outcome,
            other => panic!("not deleted: {other:?}"),
        }
    }

    pub(super) fn delete_offsets(&mut self, partitions: &[i32]) -> Result<Vec<Result<(), Error>>, Error> {
        let partitions = partitions.iter().map(|&partition| TopicPartition::new("t", partition)).collect();
        let asked = self.ask(Request::DeleteOffsets(DeleteOffsets { group: group(), partitions }));
        match self.answer(asked) {
            Some(Reply::DeleteOffsets(outcome)) => outcome.clone().map(|outcome| outcome.into_values().collect()),
            other => panic!("not deleted: {other:?}"),
        }
    }
}

pub(super) fn group() -> GroupId {
    GroupId::new("g")
}

/// What a consumer of `topics` says about itself.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}

pub(super) fn protocol(name: &str, topics: &[&str]) -> Protocol {
    Protocol { name: Arc::from(name), metadata: subscription(topics) }
}

/// A dynamic consumer of topic `t`, whose new id, should it need one, is `client-` and always the same UUID.
pub(super) fn join(client: &str, member: &str) -> Join {
    Join {
        group: group(),
        member: MemberId::new(member),
        instance: None,
        require_known_member_id: true,
        can_skip_assignment: true,
        client_id: Arc::from(client),
        client_host: Arc::from("/127.0.0.1"),
        rebalance_timeout_ms: REBALANCE_MS,
        session_timeout_ms: SESSION_MS,
        protocol_type: Arc::from("consumer"),
        protocols: vec![protocol("range", &["t"])],
        reason: None,
        uuid: Uuid::from_u128(7),
    }
}

pub(super) fn static_join(instance: &str, uuid: u128) -> Join {
    Join { instance: Some(InstanceId::new(instance)), uuid: Uuid::from_u128(uuid), ..join("client", "") }
}

pub(super) fn sync(member: &MemberId, generation: GenerationId, shares: &[(&MemberId, &str)]) -> Sync {
    Sync {
        group: group(),
        generation,
        member: member.clone(),
        instance: None,
        protocol_type: None,
        protocol: None,
        assignments: shares
            .iter()
            .map(|(member, share)| ((*member).clone(), Bytes::copy_from_slice(share.as_bytes())))
            .collect(),
    }
}

pub(super) fn committed_offset(offset: i64, at: Timestamp) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: None,
        metadata: Arc::from(""),
        commit_timestamp: at,
        expire_timestamp: None,
    }
}

/// A commit by nobody in particular: a consumer that manages its partitions by itself.
pub(super) fn commit(offsets: &[(i32, i64)], at: Timestamp) -> CommitOffsets {
    let one = |&(partition, offset): &(i32, i64)| (TopicPartition::new("t", partition), committed_offset(offset, at));
    CommitOffsets {
        group: group(),
        member: MemberId::new(""),
        instance: None,
        generation: GenerationId(-1),
        offsets: offsets.iter().map(one).collect(),
    }
}

pub(super) fn commit_as(member: &MemberId, generation: i32, offsets: &[(i32, i64)], at: Timestamp) -> CommitOffsets {
    CommitOffsets { member: member.clone(), generation: GenerationId(generation), ..commit(offsets, at) }
}

pub(super) fn in_transaction(producer: i64, commit: CommitOffsets) -> Request {
    Request::CommitTransactionOffsets(CommitTransactionOffsets {
        commit,
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
    })
}

pub(super) fn partitions(numbers: &[i32]) -> BTreeSet<TopicPartition> {
    numbers.iter().map(|&partition| TopicPartition::new("t", partition)).collect()
}
