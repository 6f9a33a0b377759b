//! A cluster in memory: controller deciders over the model ZooKeeper, with brokers that obey orders, and a network between
//! them that delays, loses and repeats. The shell here is the smallest one that keeps the decider's contract.
//! Time moves by hand; the same seed gives the same run.

#![expect(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "part of tests")]

pub mod broker;
pub mod render;
pub mod rng;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use broker::Broker;
use coordinator::controller::effect::{
    Answer, Effect, Guard, LeaderAndIsr, LogLevel, RequestToken, StopReplica, TimerKey, UpdateMetadata, ZkAction,
    ZkRead, ZkRequestId, ZkWrite,
};
use coordinator::controller::event::{Elected, Event, OrderAnswer, Request, Watched, ZkError, ZkFound, ZkOutcome};
use coordinator::controller::{Controller, ControllerConfig};
use coordinator::time::Timestamp;
use rng::Rng;
use rules::Rules;
use zk_schema::model::{self, CreateMode, EventKind, Model, Reply, SessionId, WatchMode, Write, Written};
use zk_schema::nodes::broker_id::{BrokerRegistration, Endpoint, SecurityProtocol};
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::{BrokerEpoch, BrokerId, ControllerEpoch, TopicId, TopicName, TopicPartition, ZkVersion, paths};

const SESSION_TIMEOUT_MS: i32 = 6_000;
const RETRY_MS: i64 = 100;

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay_ms_max: u64,
    pub loss_percent: u64,
    /// How many writes ZooKeeper takes before other requests get in between; 0 is all at once.
    pub writes_at_once: usize,
    /// Whether brokers propose ISRs and retry by themselves.
    pub ticks: bool,
}

impl Weather {
    pub const FAIR: Self = Self { delay_ms_max: 0, loss_percent: 0, writes_at_once: 0, ticks: false };
    pub const FOUL: Self = Self { delay_ms_max: 40, loss_percent: 4, writes_at_once: 3, ticks: true };
}

/// One broker process, its controller decider included.
pub struct Node {
    pub id: BrokerId,
    pub running: bool,
    /// Cut off from ZooKeeper.
    pub cut_off: bool,
    pub session: Option<SessionId>,
    pub broker_epoch: BrokerEpoch,
    pub controller: Controller,
    pub broker: Broker,
    pub stopping: bool,
    /// Lost its session since the process began, and may have missed that topics were deleted.
    pub was_away: bool,
    pub incarnation: u64,
    epoch_version: Option<ZkVersion>,
    channels: BTreeMap<BrokerId, Channel>,
    timer: Option<i64>,
    rack: Option<String>,
    /// Answers and watch events of one session keep their order.
    last_from_zk: i64,
}

struct Channel {
    number: u64,
    epoch: BrokerEpoch,
    queue: VecDeque<Order>,
    busy: bool,
}

#[derive(Clone, Debug)]
enum Order {
    Lead(LeaderAndIsr),
    Learn(UpdateMetadata),
    Stop(StopReplica),
}

/// A request on its way through ZooKeeper.
#[derive(Clone, Debug)]
enum Work {
    Read { request: ZkRequestId, reads: Vec<ZkRead> },
    Write { request: ZkRequestId, guard: Guard, writes: Vec<ZkWrite>, done: Vec<Result<ZkVersion, ZkError>> },
}

#[derive(Clone, Debug)]
enum Action {
    Register(BrokerId, u64),
    Elect(BrokerId, u64),
    Zk(BrokerId, SessionId, Work),
    Hear(BrokerId, u64, Event),
    Watch(BrokerId, SessionId, EventKind, Arc<str>),
    Carry { from: BrokerId, incarnation: u64, to: BrokerId, channel: u64 },
    Answered { from: BrokerId, incarnation: u64, to: BrokerId, channel: u64, answer: OrderAnswer },
    Timer(BrokerId, u64, i64),
    Tick(BrokerId, u64),
    AskController { from: BrokerId, incarnation: u64, request: Request },
}

/// Where an answer goes.
#[derive(Clone, Debug)]
enum Asker {
    Test,
    Broker { id: BrokerId, incarnation: u64 },
}

pub struct Cluster {
    pub zk: Model,
    pub now: i64,
    pub nodes: BTreeMap<BrokerId, Node>,
    pub weather: Weather,
    pub rng: Rng,
    pub rules: Rules,
    /// What happened, in words.
    pub lines: Vec<String>,
    pub answers: BTreeMap<u64, Answer>,
    /// Effects of controllers since last taken, with who asked.
    pub effects: Vec<(BrokerId, Effect)>,
    pub config: ControllerConfig,
    admin: SessionId,
    schedule: BTreeMap<(i64, u64), Action>,
    sequence: u64,
    tokens: u64,
    askers: BTreeMap<u64, Asker>,
}

impl Cluster {
    pub fn new(seed: u64, weather: Weather) -> Self {
        let mut zk = Model::new(1);
        let admin = zk.connect(i32::MAX, 0);
        let mut cluster = Self {
            zk,
            now: 1_000,
            nodes: BTreeMap::new(),
            weather,
            rng: Rng(seed),
            rules: Rules::default(),
            lines: Vec::new(),
            answers: BTreeMap::new(),
            effects: Vec::new(),
            config: ControllerConfig::new(BrokerId(0)),
            admin,
            schedule: BTreeMap::new(),
            sequence: 0,
            tokens: 0,
            askers: BTreeMap::new(),
        };
        for path in paths::PERSISTENT {
            for (at, _) in path.match_indices('/').skip(1) {
                cluster.create(&path[..at], None);
            }
            cluster.create(path, None);
        }
        cluster.create(paths::CONTROLLER_EPOCH, Some(b"0"));
        cluster
    }

    // What tests do.

    pub fn start(&mut self, id: i32) {
        let id = BrokerId(id);
        let config = ControllerConfig { broker_id: id, ..self.config.clone() };
        let node = self.nodes.entry(id).or_insert_with(|| Node {
            id,
            running: false,
            cut_off: false,
            session: None,
            broker_epoch: BrokerEpoch::NONE,
            controller: Controller::new(config.clone()),
            broker: Broker::default(),
            stopping: false,
            was_away: false,
            incarnation: 0,
            epoch_version: None,
            channels: BTreeMap::new(),
            timer: None,
            rack: None,
            last_from_zk: 0,
        });
        node.running = true;
        node.stopping = false;
        node.was_away = false;
        node.incarnation += 1;
        node.controller = Controller::new(config);
        node.broker.forget();
        node.channels.clear();
        node.epoch_version = None;
        node.timer = None;
        let incarnation = node.incarnation;
        self.note(format!("broker {id} starts"));
        self.at(0, Action::Register(id, incarnation));
        if self.weather.ticks {
            self.at(500, Action::Tick(id, incarnation));
        }
    }

    /// The process dies. Its session lives on until it times out.
    pub fn kill(&mut self, id: i32) {
        let Some(node) = self.nodes.get_mut(&BrokerId(id)) else { return };
        node.running = false;
        node.incarnation += 1;
        node.session = None;
        node.channels.clear();
        self.note(format!("broker {id} dies"));
    }

    /// The process ends in good order, its session too.
    pub fn stop(&mut self, id: i32) {
        let session = self.nodes.get(&BrokerId(id)).and_then(|node| node.session);
        self.kill(id);
        if let Some(session) = session {
            self.zk_apply(session, model::Request::CloseSession).ok();
        }
    }

    /// The session ends, the process does not.
    pub fn expire(&mut self, id: i32) {
        let Some(session) = self.nodes.get(&BrokerId(id)).and_then(|node| node.session) else { return };
        self.note(format!("the session of broker {id} expires"));
        self.zk_apply(session, model::Request::CloseSession).ok();
    }

    pub fn cut_off(&mut self, id: i32, cut_off: bool) {
        if let Some(node) = self.nodes.get_mut(&BrokerId(id)) {
            node.cut_off = cut_off;
        }
    }

    pub fn create_topic(&mut self, name: &str, partitions: &[&[i32]]) {
        let lists = partitions.iter().map(|list| list.iter().map(|&id| BrokerId(id)).collect());
        let node = TopicAssignment {
            topic_id: Some(self.topic_id()),
            partitions: (0..).zip(lists.map(ReplicaAssignment::of)).collect(),
        };
        self.create(&format!("/config/topics/{name}"), Some(br#"{"version":1,"config":{}}"#));
        self.create(&paths::topic(&TopicName::new(name)), Some(&node.encode()));
    }

    pub fn topic_id(&mut self) -> TopicId {
        loop {
            let (high, low) = (self.rng.next().to_be_bytes(), self.rng.next().to_be_bytes());
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high);
            bytes[8..].copy_from_slice(&low);
            if let Some(id) = TopicId::from_random(bytes) {
                return id;
            }
        }
    }

    /// Adds partitions as CreatePartitions does.
    pub fn add_partitions(&mut self, name: &str, partitions: &[&[i32]]) {
        let Some(mut node) = self.topic(name) else { return };
        for list in partitions {
            let next = i32::try_from(node.partitions.len()).unwrap();
            let replicas = list.iter().map(|&id| BrokerId(id)).collect();
            node.partitions.insert(next, ReplicaAssignment::of(replicas));
        }
        self.set(&paths::topic(&TopicName::new(name)), &node.encode());
    }

    pub fn delete_topic(&mut self, name: &str) {
        self.create(&paths::delete_topic(&TopicName::new(name)), None);
    }

    pub fn create(&mut self, path: &str, data: Option<&[u8]>) -> bool {
        let write = Write::Create {
            path: path.to_owned(),
            data: data.map(Into::into),
            acl: model::Acl::open(),
            mode: CreateMode::Persistent,
        };
        self.zk_apply(self.admin, model::Request::Write(write)).is_ok()
    }

    pub fn set(&mut self, path: &str, data: &[u8]) -> bool {
        self.zk_apply(self.admin, model::Request::set_data(path, data, model::ANY_VERSION)).is_ok()
    }

    pub fn notify(&mut self, parent: &str, prefix: &str, data: &[u8]) {
        let path = paths::sequential(parent, prefix);
        self.zk_apply(self.admin, model::Request::create(&path, data, CreateMode::PersistentSequential)).ok();
    }

    /// A log directory with these partitions fails.
    pub fn fail_log_dir(&mut self, id: i32, partitions: &[TopicPartition]) {
        let Some(node) = self.nodes.get_mut(&BrokerId(id)) else { return };
        node.broker.offline_logs.extend(partitions.iter().cloned());
        for partition in partitions {
            node.broker.replicas.remove(partition);
        }
        let data = zk_schema::nodes::log_dir_event::encode(BrokerId(id));
        self.notify(paths::LOG_DIR_EVENTS, paths::LOG_DIR_EVENT_PREFIX, &data);
    }

    /// Sends a request to whoever is in office; the answer turns up in [`Cluster::answers`] under the number returned.
    pub fn ask(&mut self, request: Request) -> u64 {
        self.tokens += 1;
        let token = self.tokens;
        self.askers.insert(token, Asker::Test);
        match self.controller() {
            Some(id) => self.hear(id, Event::Request { token: RequestToken(token), request }),
            None => drop(self.askers.remove(&token)),
        }
        token
    }

    /// The broker in office, by its own account and ZooKeeper's.
    pub fn controller(&self) -> Option<BrokerId> {
        let in_office = |node: &&Node| node.running && node.controller.is_active();
        let epoch = |node: &&Node| node.controller.controller_epoch().map_or(0, |epoch| epoch.0);
        self.nodes.values().filter(in_office).max_by_key(epoch).map(|node| node.id)
    }

    /// Every broker that leads proposes the ISRs it would like.
    pub fn propose_isrs(&mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.propose_isr_of(id);
        }
    }

    // What tests look at.

    pub fn topic(&self, name: &str) -> Option<TopicAssignment> {
        let data = self.zk.data(&paths::topic(&TopicName::new(name)))?;
        Some(TopicAssignment::decode(data).unwrap())
    }

    pub fn topics(&self) -> Vec<TopicName> {
        self.zk.children(paths::TOPICS).iter().map(|name| TopicName::new(name)).collect()
    }

    pub fn state(&self, topic: &str, partition: i32) -> Option<zk_schema::nodes::partition_state::PartitionState> {
        let data = self.zk.data(&paths::partition_state(&TopicPartition::new(topic, partition)))?;
        Some(zk_schema::nodes::partition_state::PartitionState::decode(data).unwrap())
    }

    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.state(topic, partition).map_or(-1, |state| state.leader.0)
    }

    pub fn isr(&self, topic: &str, partition: i32) -> Vec<i32> {
        self.state(topic, partition).map_or_else(Vec::new, |state| state.isr.iter().map(|id| id.0).collect())
    }

    pub fn leader_epoch(&self, topic: &str, partition: i32) -> i32 {
        self.state(topic, partition).map_or(-1, |state| state.leader_epoch.0)
    }

    pub fn node(&self, id: i32) -> &Node {
        &self.nodes[&BrokerId(id)]
    }

    pub fn take_effects(&mut self) -> Vec<(BrokerId, Effect)> {
        std::mem::take(&mut self.effects)
    }

    // Time.

    /// Runs until nothing but ticks and timers is left to happen.
    pub fn settle(&mut self) {
        for _ in 0..200_000 {
            let quiet = |action: &Action| matches!(action, Action::Tick(..) | Action::Timer(..));
            if self.schedule.values().all(quiet) {
                return;
            }
            self.step();
        }
        panic!("still busy after 200,000 steps: {:?}", self.schedule.values().take(5).collect::<Vec<_>>());
    }

    /// Lets time pass, keeping sessions of running brokers alive.
    pub fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.schedule.keys().next().is_some_and(|(at, _)| *at <= end) {
            self.step();
        }
        self.advance_to(end);
    }

    /// Lets one thing happen; false if there is nothing left.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), action)) = self.schedule.pop_first() else { return false };
        self.advance_to(at);
        self.act(action);
        true
    }

    fn advance_to(&mut self, at: i64) {
        while self.now < at {
            self.now = at.min(self.now + 500);
            for node in self.nodes.values().filter(|node| node.running && !node.cut_off) {
                if let Some(session) = node.session {
                    self.zk.touch(session, self.now);
                }
            }
            self.zk.touch(self.admin, self.now);
            for outcome in self.zk.tick(self.now) {
                self.spread(outcome.events);
            }
            self.drop_dead_sessions();
        }
    }

    fn drop_dead_sessions(&mut self) {
        let dead = |node: &Node| node.session.is_some_and(|session| !self.zk.is_open(session));
        let dead: Vec<BrokerId> =
            self.nodes.values().filter(|node| dead(node) && !node.cut_off).map(|n| n.id).collect();
        for id in dead {
            self.lose_session(id);
        }
    }

    fn lose_session(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.session.take().is_none() {
            return;
        }
        node.was_away = true;
        let incarnation = node.incarnation;
        self.note(format!("broker {id} lost its session"));
        self.hear(id, Event::Lost);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.channels.clear();
        }
        self.at(10, Action::Register(id, incarnation));
    }

    fn at(&mut self, delay_ms: i64, action: Action) {
        self.sequence += 1;
        self.schedule.insert((self.now + delay_ms, self.sequence), action);
    }

    fn delay(&mut self) -> i64 {
        i64::try_from(self.rng.below(self.weather.delay_ms_max + 1)).unwrap()
    }

    fn lost(&mut self) -> bool {
        let percent = self.weather.loss_percent;
        self.rng.percent(percent)
    }

    pub fn note(&mut self, line: String) {
        self.lines.push(format!("{:>7} {line}", self.now));
    }

    // The shell.

    fn act(&mut self, action: Action) {
        match action {
            Action::Register(id, incarnation) => self.register(id, incarnation),
            Action::Elect(id, incarnation) => self.elect(id, incarnation),
            Action::Zk(id, session, work) => self.work(id, session, work),
            Action::Hear(id, incarnation, event) => {
                if self.nodes.get(&id).is_some_and(|node| node.incarnation == incarnation) {
                    self.hear(id, event);
                }
            }
            Action::Watch(id, session, kind, path) => self.watch(id, session, kind, &path),
            Action::Carry { from, incarnation, to, channel } => self.carry(from, incarnation, to, channel),
            Action::Answered { from, incarnation, to, channel, answer } => {
                self.order_answered(from, incarnation, to, channel, answer);
            }
            Action::Timer(id, incarnation, at) => {
                let due = |node: &Node| node.incarnation == incarnation && node.timer == Some(at);
                if self.nodes.get(&id).is_some_and(due) {
                    self.hear(id, Event::Timer(TimerKey::LeaderRebalance));
                }
            }
            Action::Tick(id, incarnation) => self.tick(id, incarnation),
            Action::AskController { from, incarnation, request } => self.ask_controller(from, incarnation, request),
        }
    }

    /// Applies a request to ZooKeeper, checks what it did to partition states, and spreads the watch events.
    fn zk_apply(&mut self, session: SessionId, request: model::Request) -> Result<Reply, model::Error> {
        let watched = rules::states_in(&request);
        let before: Vec<Option<Vec<u8>>> = watched.iter().map(|path| self.zk.data(path).map(<[u8]>::to_vec)).collect();
        let outcome = self.zk.apply(session, request, self.now);
        for (path, before) in watched.iter().zip(before) {
            let after = self.zk.data(path).map(<[u8]>::to_vec);
            if before != after {
                let text = after.as_deref().map_or_else(|| "gone".into(), |d| String::from_utf8_lossy(d).into_owned());
                self.note(format!("{path} {text}"));
                self.rules.state_changed(path, before.as_deref(), after.as_deref());
            }
        }
        self.spread(outcome.events);
        outcome.reply
    }

    fn spread(&mut self, events: model::Events) {
        for (session, event) in events {
            let Some(node) = self.nodes.values().find(|node| node.session == Some(session)) else { continue };
            let id = node.id;
            self.hand_from_zk(id, Action::Watch(id, session, event.kind, event.path));
        }
    }

    /// Delivers something from ZooKeeper, not before what was delivered earlier.
    fn hand_from_zk(&mut self, id: BrokerId, action: Action) {
        let at = self.now + self.delay();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.last_from_zk = node.last_from_zk.max(at);
        let delay = node.last_from_zk - self.now;
        self.at(delay, action);
    }

    fn register(&mut self, id: BrokerId, incarnation: u64) {
        let Some(node) = self.nodes.get(&id).filter(|node| node.incarnation == incarnation && node.running) else {
            return;
        };
        if node.cut_off || node.session.is_some() {
            self.at(200, Action::Register(id, incarnation));
            return;
        }
        // The node of an earlier session is in the way until that session has timed out.
        let path = paths::broker(id);
        if self.zk.stat(&path).is_some() {
            self.at(200, Action::Register(id, incarnation));
            return;
        }
        let rack = node.rack.clone();
        let session = self.zk.connect(SESSION_TIMEOUT_MS, self.now);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.session = Some(session);
        }
        let registration = BrokerRegistration {
            version: 5,
            endpoints: vec![Endpoint {
                listener: "PLAINTEXT".to_owned(),
                host: format!("b{id}"),
                port: 9092,
                security_protocol: SecurityProtocol::Plaintext,
            }],
            jmx_port: -1,
            rack,
            features: BTreeMap::new(),
        };
        let writes = vec![
            Write::create(&path, b"", CreateMode::Ephemeral),
            Write::set_data(&path, &registration.encode(self.now), 0),
        ];
        for path in [
            paths::CONTROLLER,
            paths::BROKER_IDS,
            paths::TOPICS,
            paths::ADMIN,
            paths::ISR_CHANGES,
            paths::LOG_DIR_EVENTS,
        ] {
            let watch = model::Request::AddWatch { path: path.to_owned(), mode: WatchMode::PersistentRecursive };
            self.zk_apply(session, watch).ok();
        }
        match self.zk_apply(session, model::Request::Multi(writes)) {
            Ok(Reply::Multi(written)) => {
                let Some(Written::Set(stat)) = written.get(1) else { panic!("a set was asked for") };
                let czxid = stat.czxid;
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.broker_epoch = BrokerEpoch(czxid);
                }
                self.note(format!("broker {id} registered under epoch {czxid}"));
                self.at(0, Action::Elect(id, incarnation));
            }
            other => panic!("could not register broker {id}: {other:?}"),
        }
    }

    fn elect(&mut self, id: BrokerId, incarnation: u64) {
        let Some(node) = self.nodes.get(&id) else { return };
        let Some(session) = node.session.filter(|_| node.incarnation == incarnation && node.running) else { return };
        if node.cut_off || self.zk.stat(paths::CONTROLLER).is_some() {
            return;
        }
        let text = self.zk.data(paths::CONTROLLER_EPOCH).map(|data| String::from_utf8_lossy(data).into_owned());
        let epoch: i32 = text.and_then(|text| text.parse().ok()).unwrap();
        let version = self.zk.stat(paths::CONTROLLER_EPOCH).unwrap().version;
        let controller =
            format!(r#"{{"version":2,"brokerid":{id},"timestamp":"{}","kraftControllerEpoch":-1}}"#, self.now);
        let writes = vec![
            Write::create(paths::CONTROLLER, controller.as_bytes(), CreateMode::Ephemeral),
            Write::set_data(paths::CONTROLLER_EPOCH, (epoch + 1).to_string().as_bytes(), version),
        ];
        if let Ok(Reply::Multi(_)) = self.zk_apply(session, model::Request::Multi(writes)) {
            self.note(format!("broker {id} is elected, epoch {}", epoch + 1));
            let epoch_version = ZkVersion(version + 1);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.epoch_version = Some(epoch_version);
            }
            let seed = u128::from(self.rng.next());
            let elected = Elected { controller_epoch: ControllerEpoch(epoch + 1), epoch_version, seed };
            self.hand_from_zk(id, Action::Hear(id, incarnation, Event::Elected(elected)));
        }
    }

    fn watch(&mut self, id: BrokerId, session: SessionId, kind: EventKind, path: &str) {
        let Some(node) = self.nodes.get(&id).filter(|node| node.session == Some(session)) else { return };
        if path == paths::CONTROLLER {
            if kind == EventKind::Deleted {
                let incarnation = node.incarnation;
                self.at(0, Action::Elect(id, incarnation));
            } else if node.controller.is_active() && !self.is_controller(id) {
                self.hear(id, Event::Lost);
            }
            return;
        }
        if let Some(watched) = watched_by(kind, path) {
            self.hear(id, Event::Changed(watched));
        }
    }

    fn is_controller(&self, id: BrokerId) -> bool {
        let needle = format!(r#""brokerid":{id},"#);
        self.zk.data(paths::CONTROLLER).is_some_and(|data| String::from_utf8_lossy(data).contains(&needle))
    }

    /// Hands an event to a decider and carries out the effects.
    pub fn hear(&mut self, id: BrokerId, event: Event) {
        let now = Timestamp(self.now);
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.running) else { return };
        let incarnation = node.incarnation;
        let effects = node.controller.handle(event, now);
        if let Err(violation) = node.controller.check_invariants() {
            self.rules.broken.push(format!("controller {id}: {violation}"));
        }
        for effect in effects {
            // An answer may have told this very broker that it may stop.
            if self.nodes[&id].incarnation == incarnation {
                self.effects.push((id, effect.clone()));
                self.carry_out(id, effect);
            }
        }
    }

    fn carry_out(&mut self, id: BrokerId, effect: Effect) {
        match effect {
            Effect::StartWatching => {}
            Effect::ZkRead { request, reads } => self.send_to_zk(id, Work::Read { request, reads }),
            Effect::ZkWrite { request, guard, writes } => {
                self.send_to_zk(id, Work::Write { request, guard, writes, done: Vec::new() });
            }
            Effect::Connect(broker) => self.connect(id, broker.id, broker.epoch),
            Effect::Disconnect(broker) => {
                self.nodes.get_mut(&id).and_then(|node| node.channels.remove(&broker));
            }
            Effect::LeaderAndIsr(order) => self.send(id, order.broker, Order::Lead(order)),
            Effect::UpdateMetadata(order) => {
                for (broker, _) in order.brokers.clone() {
                    self.send(id, broker, Order::Learn(order.clone()));
                }
            }
            Effect::StopReplica(order) => self.send(id, order.broker, Order::Stop(order)),
            Effect::Answer { token, answer } => self.deliver(token, answer),
            Effect::SetTimer { at, .. } => {
                let Some(node) = self.nodes.get_mut(&id) else { return };
                node.timer = Some(at.0);
                let (incarnation, delay) = (node.incarnation, at.0 - self.now);
                self.at(delay, Action::Timer(id, incarnation, at.0));
            }
            Effect::CancelTimer(_) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.timer = None;
                }
            }
            Effect::Resign { epoch_version, delete_controller } => self.resign(id, epoch_version, delete_controller),
            Effect::Log(level, text) => {
                if level == LogLevel::Error {
                    self.rules.errors.push(text.clone());
                }
                if LogLevel::Info <= level {
                    self.note(format!("controller {id}: {level:?} {text}"));
                }
            }
        }
    }

    fn resign(&mut self, id: BrokerId, epoch_version: ZkVersion, delete_controller: bool) {
        self.note(format!("controller {id} resigns"));
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.channels.clear();
        let (session, incarnation) = (node.session, node.incarnation);
        if let Some(session) = session.filter(|_| delete_controller) {
            let writes = vec![
                Write::check(paths::CONTROLLER_EPOCH, epoch_version.0),
                Write::Delete { path: paths::CONTROLLER.to_owned(), version: model::ANY_VERSION },
            ];
            self.zk_apply(session, model::Request::Multi(writes)).ok();
        }
        self.at(50, Action::Elect(id, incarnation));
    }

    fn send_to_zk(&mut self, id: BrokerId, work: Work) {
        let Some(session) = self.nodes.get(&id).and_then(|node| node.session) else { return };
        let delay = self.delay();
        self.at(delay, Action::Zk(id, session, work));
    }

    fn work(&mut self, id: BrokerId, session: SessionId, work: Work) {
        let Some(node) = self.nodes.get(&id).filter(|node| node.session == Some(session) && node.running) else {
            return;
        };
        let incarnation = node.incarnation;
        if node.cut_off {
            self.at(RETRY_MS, Action::Zk(id, session, work));
            return;
        }
        if !self.zk.is_open(session) {
            self.lose_session(id);
            return;
        }
        match work {
            Work::Read { request, reads } => {
                let results = reads.iter().map(|read| self.read(read)).collect();
                self.hand_from_zk(id, Action::Hear(id, incarnation, Event::ZkRead { request, results }));
            }
            Work::Write { request, guard, writes, mut done } => {
                let limit = if self.weather.writes_at_once == 0 { usize::MAX } else { self.weather.writes_at_once };
                let from = done.len();
                for write in writes.iter().skip(from).take(limit) {
                    match self.write(session, guard, write) {
                        Ok(result) => done.push(result),
                        Err(Fenced) => {
                            let event = Event::ZkWritten { request, outcome: ZkOutcome::Fenced };
                            self.hand_from_zk(id, Action::Hear(id, incarnation, event));
                            return;
                        }
                    }
                }
                // An answer that is lost makes the shell send the same writes again.
                if self.lost() {
                    done.truncate(from);
                }
                if done.len() < writes.len() {
                    let delay = self.delay();
                    self.at(delay, Action::Zk(id, session, Work::Write { request, guard, writes, done }));
                } else {
                    let event = Event::ZkWritten { request, outcome: ZkOutcome::Done(done) };
                    self.hand_from_zk(id, Action::Hear(id, incarnation, event));
                }
            }
        }
    }

    fn read(&self, read: &ZkRead) -> Result<ZkFound, ZkError> {
        match read {
            ZkRead::Data(path) => {
                let stat = self.zk.stat(path).ok_or(ZkError::NoNode)?;
                let data = self.zk.data(path).unwrap_or_default().to_vec();
                Ok(ZkFound::Data { data, version: ZkVersion(stat.version), czxid: stat.czxid })
            }
            ZkRead::Children(path) => {
                self.zk.stat(path).ok_or(ZkError::NoNode)?;
                Ok(ZkFound::Children(self.zk.children(path).iter().map(ToString::to_string).collect()))
            }
        }
    }

    fn write(
        &mut self,
        session: SessionId,
        guard: Guard,
        write: &ZkWrite,
    ) -> Result<Result<ZkVersion, ZkError>, Fenced> {
        let path = write.path.clone();
        let write = match &write.action {
            ZkAction::Create(data) => Write::Create {
                path,
                data: data.as_deref().map(Into::into),
                acl: model::Acl::open(),
                mode: CreateMode::Persistent,
            },
            ZkAction::SetData { data, expected } => {
                let version = expected.map_or(model::ANY_VERSION, |version| version.0);
                Write::SetData { path, data: Some(data.as_slice().into()), version }
            }
            ZkAction::Delete => Write::Delete { path, version: model::ANY_VERSION },
            ZkAction::DeleteTree => {
                for child in self.zk.children(&path) {
                    let below = ZkWrite { path: format!("{path}/{child}"), action: ZkAction::DeleteTree };
                    self.write(session, guard, &below)?.ok();
                }
                let gone = Write::Delete { path, version: model::ANY_VERSION };
                return Ok(match self.guarded(session, guard, gone)? {
                    Err(ZkError::NoNode) => Ok(ZkVersion(0)),
                    other => other,
                });
            }
        };
        self.guarded(session, guard, write)
    }

    fn guarded(
        &mut self,
        session: SessionId,
        guard: Guard,
        write: Write,
    ) -> Result<Result<ZkVersion, ZkError>, Fenced> {
        let mut writes = Vec::new();
        if let Guard::ControllerEpoch(version) = guard {
            writes.push(Write::check(paths::CONTROLLER_EPOCH, version.0));
        }
        writes.push(write);
        let count = writes.len();
        match self.zk_apply(session, model::Request::Multi(writes)) {
            Ok(Reply::Multi(written)) => Ok(Ok(match written.last() {
                Some(Written::Set(stat)) => ZkVersion(stat.version),
                _ => ZkVersion(0),
            })),
            Ok(Reply::MultiFailed { index, error, .. }) if index + 1 == count => Ok(Err(translated(error))),
            Ok(Reply::MultiFailed { .. }) => Err(Fenced),
            other => panic!("no answer to a multi: {other:?}"),
        }
    }

    // Orders.

    fn connect(&mut self, from: BrokerId, to: BrokerId, epoch: BrokerEpoch) {
        self.sequence += 1;
        let number = self.sequence;
        let Some(node) = self.nodes.get_mut(&from) else { return };
        if node.channels.get(&to).is_none_or(|channel| channel.epoch != epoch) {
            node.channels.insert(to, Channel { number, epoch, queue: VecDeque::new(), busy: false });
        }
    }

    fn send(&mut self, from: BrokerId, to: BrokerId, order: Order) {
        let Some(node) = self.nodes.get_mut(&from) else { return };
        let incarnation = node.incarnation;
        let Some(channel) = node.channels.get_mut(&to) else {
            self.rules.broken.push(format!("controller {from} orders broker {to} without being connected"));
            return;
        };
        channel.queue.push_back(order);
        let number = channel.number;
        if !std::mem::replace(&mut channel.busy, true) {
            let delay = self.delay();
            self.at(delay, Action::Carry { from, incarnation, to, channel: number });
        }
    }

    fn order_at(&self, from: BrokerId, incarnation: u64, to: BrokerId, channel: u64) -> Option<Order> {
        let node = self.nodes.get(&from).filter(|node| node.incarnation == incarnation)?;
        node.channels.get(&to).filter(|open| open.number == channel)?.queue.front().cloned()
    }

    fn carry(&mut self, from: BrokerId, incarnation: u64, to: BrokerId, channel: u64) {
        let Some(order) = self.order_at(from, incarnation, to, channel) else { return };
        let again = Action::Carry { from, incarnation, to, channel };
        let reachable = self.nodes.get(&to).is_some_and(|node| node.running);
        if !reachable || self.lost() {
            self.at(RETRY_MS, again);
            return;
        }
        let Some(node) = self.nodes.get_mut(&to) else { return };
        let own = node.broker_epoch;
        let answer = match &order {
            Order::Lead(order) => node.broker.lead_or_follow(to, own, order),
            Order::Stop(order) => node.broker.stop(own, order),
            Order::Learn(order) => {
                let meant = order.brokers.iter().find(|(id, _)| *id == to).map_or(BrokerEpoch::NONE, |(_, e)| *e);
                node.broker.learn(own, meant, &order.body)
            }
        };
        self.rules.broker_obeyed(to, &self.nodes[&to].broker);
        // The answer may be lost: the order is repeated.
        if self.lost() {
            self.at(RETRY_MS, again);
        } else {
            let delay = self.delay();
            self.at(delay, Action::Answered { from, incarnation, to, channel, answer });
        }
    }

    fn order_answered(&mut self, from: BrokerId, incarnation: u64, to: BrokerId, channel: u64, answer: OrderAnswer) {
        let Some(node) = self.nodes.get_mut(&from).filter(|node| node.incarnation == incarnation) else { return };
        let Some(open) = node.channels.get_mut(&to).filter(|open| open.number == channel) else { return };
        open.queue.pop_front();
        let broker_epoch = open.epoch;
        open.busy = !open.queue.is_empty();
        if open.busy {
            let delay = self.delay();
            self.at(delay, Action::Carry { from, incarnation, to, channel });
        }
        self.hear(from, Event::OrderAnswered { broker: to, broker_epoch, answer });
    }

    // Brokers on their own account.

    fn tick(&mut self, id: BrokerId, incarnation: u64) {
        let Some(node) = self.nodes.get(&id).filter(|node| node.incarnation == incarnation && node.running) else {
            return;
        };
        let stopping = node.stopping;
        let delay = 500 + self.delay();
        self.at(delay, Action::Tick(id, incarnation));
        self.propose_isr_of(id);
        if stopping {
            let node = &self.nodes[&id];
            let request = Request::ControlledShutdown { broker: id, broker_epoch: node.broker_epoch };
            self.at(0, Action::AskController { from: id, incarnation, request });
        }
    }

    pub fn propose_isr_of(&mut self, id: BrokerId) {
        let followers: BTreeMap<BrokerId, BTreeMap<TopicPartition, (BrokerId, zk_schema::LeaderEpoch)>> = self
            .nodes
            .values()
            .filter(|node| node.running && !node.stopping)
            .map(|node| {
                let replicas = node.broker.replicas.iter();
                (node.id, replicas.map(|(p, r)| (p.clone(), (r.leader, r.leader_epoch))).collect())
            })
            .collect();
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.running && !node.stopping) else { return };
        let (incarnation, broker_epoch) = (node.incarnation, node.broker_epoch);
        let live = node.broker.live.clone();
        let proposals = node.broker.proposals(id, |follower, partition, epoch| {
            live.contains(&follower)
                && followers.get(&follower).and_then(|f| f.get(partition)).is_some_and(|f| *f == (id, epoch))
        });
        if !self.config.protocol.alter_partition {
            self.write_isrs(id, proposals);
        } else if !proposals.is_empty() {
            let request = Request::AlterPartition { broker: id, broker_epoch, partitions: proposals };
            let delay = self.delay();
            self.at(delay, Action::AskController { from: id, incarnation, request });
        }
    }

    /// What a leader did before it could ask the controller: writes the state itself, then leaves a note.
    fn write_isrs(&mut self, id: BrokerId, proposals: Vec<coordinator::controller::event::ProposedIsr>) {
        let Some(session) = self.nodes[&id].session.filter(|_| !self.nodes[&id].cut_off) else { return };
        let mut changed = BTreeSet::new();
        for item in proposals {
            let coordinator::controller::event::TopicRef::Name(topic) = item.topic else { continue };
            let partition = TopicPartition { topic, partition: item.partition };
            let path = paths::partition_state(&partition);
            let Some(data) = self.zk.data(&path) else { continue };
            let mut state = zk_schema::nodes::partition_state::PartitionState::decode(data).unwrap();
            state.isr = item.isr.clone();
            state.leader_recovery_state = item.leader_recovery;
            let request = model::Request::set_data(&path, &state.encode(), item.partition_epoch.0);
            let written = self.zk_apply(session, request);
            let replica = self.nodes.get_mut(&id).and_then(|node| node.broker.replicas.get_mut(&partition)).unwrap();
            replica.pending = None;
            if let Ok(Reply::Written(Written::Set(stat))) = written {
                replica.isr = item.isr;
                replica.recovery = item.leader_recovery;
                replica.partition_epoch = zk_schema::PartitionEpoch(stat.version);
                changed.insert(partition);
            }
        }
        if !changed.is_empty() {
            let data = zk_schema::nodes::isr_change::encode(&changed);
            self.notify(paths::ISR_CHANGES, paths::ISR_CHANGE_PREFIX, &data);
        }
    }

    fn ask_controller(&mut self, from: BrokerId, incarnation: u64, request: Request) {
        if self.lost() || self.nodes.get(&from).is_none_or(|node| node.incarnation != incarnation) {
            return;
        }
        let Some(controller) = self.controller() else { return };
        self.tokens += 1;
        self.askers.insert(self.tokens, Asker::Broker { id: from, incarnation });
        self.hear(controller, Event::Request { token: RequestToken(self.tokens), request });
    }

    fn deliver(&mut self, token: RequestToken, answer: Answer) {
        match self.askers.remove(&token.0) {
            None => self.rules.broken.push(format!("request {} was answered twice: {answer:?}", token.0)),
            Some(Asker::Test) => drop(self.answers.insert(token.0, answer)),
            Some(Asker::Broker { id, incarnation }) => {
                if self.lost() || self.nodes.get(&id).is_none_or(|node| node.incarnation != incarnation) {
                    return;
                }
                match answer {
                    Answer::AlterPartition(Ok(altered)) => self.take_isrs(id, altered),
                    Answer::ControlledShutdown(Ok(led)) if led.is_empty() => self.stop(id.0),
                    _ => {}
                }
            }
        }
    }

    fn take_isrs(&mut self, id: BrokerId, altered: Vec<coordinator::controller::effect::AlteredPartition>) {
        use coordinator::controller::Error;
        use coordinator::controller::event::TopicRef;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        for item in altered {
            let TopicRef::Name(topic) = item.topic else { continue };
            let partition = TopicPartition { topic, partition: item.partition };
            let Some(replica) = node.broker.replicas.get_mut(&partition) else { continue };
            match item.result {
                Ok(now)
                    if now.leader_epoch == replica.leader_epoch && replica.partition_epoch <= now.partition_epoch =>
                {
                    replica.isr = now.isr.to_vec();
                    replica.partition_epoch = now.partition_epoch;
                    replica.recovery = now.leader_recovery;
                    replica.pending = None;
                }
                Ok(_) => {}
                Err(Error::NotController | Error::UnknownServer) => {}
                // Try with other members, next time.
                Err(Error::IneligibleReplica) => replica.pending = None,
                // Wait for a newer order.
                Err(_) => {}
            }
        }
    }
}

struct Fenced;

fn translated(error: model::Error) -> ZkError {
    match error {
        model::Error::NoNode => ZkError::NoNode,
        model::Error::NodeExists => ZkError::NodeExists,
        model::Error::BadVersion => ZkError::BadVersion,
        other => ZkError::Other(other.to_string()),
    }
}

/// Which signal a recursive watch's event means.
fn watched_by(kind: EventKind, path: &str) -> Option<Watched> {
    let comes_or_goes = matches!(kind, EventKind::Created | EventKind::Deleted);
    if let Some(id) = path.strip_prefix("/brokers/ids/") {
        let id = BrokerId(id.parse().ok()?);
        return Some(if comes_or_goes { Watched::Brokers } else { Watched::Broker(id) });
    }
    match paths::below_topics(path) {
        Some(paths::BelowTopics::Topic(_)) if comes_or_goes => return Some(Watched::Topics),
        Some(paths::BelowTopics::Topic(topic)) => return Some(Watched::Topic(topic)),
        Some(paths::BelowTopics::State(partition)) => return Some(Watched::PartitionState(partition)),
        Some(_) => return None,
        None => {}
    }
    if path.starts_with("/admin/delete_topics/") {
        return Some(Watched::DeleteTopics);
    }
    match path {
        paths::REASSIGN_PARTITIONS if kind != EventKind::Deleted => Some(Watched::Reassignments),
        paths::PREFERRED_REPLICA_ELECTION if kind == EventKind::Created => Some(Watched::PreferredElection),
        _ if path.starts_with("/isr_change_notification/") => Some(Watched::IsrChanges),
        _ if path.starts_with("/log_dir_event_notification/") => Some(Watched::LogDirEvents),
        _ => None,
    }
}

/// All replicas of a partition's topic node.
pub fn replicas_of(node: &TopicAssignment, partition: i32) -> BTreeSet<BrokerId> {
    node.partitions.get(&partition).map(|p| p.replicas.iter().copied().collect()).unwrap_or_default()
}
