//! The controller's shell: stands for election, feeds the decider with signals, answers and requests, and carries out
//! what it asks for. Runs on a thread of its own, because the decider may think for long about many partitions.
//! Decides nothing. Source: contract 2.1 to 2.3 and 2.12; `KafkaController`, `ControllerEventManager`.

mod channel;
mod handle;
mod orders;
mod zookeeper;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use config::MetadataVersion;
use coordinator::controller::effect::{Answer, LogLevel, RequestToken, TimerKey, UpdateMetadata};
use coordinator::controller::event::Elected;
use coordinator::controller::{Controller, ControllerConfig, Effect, Event};
use coordinator::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use zk_schema::{BrokerId, ZkVersion, paths};

use handle::Command;
pub use handle::{Handle, Stopped};

use self::channel::{Channel, Order, Route};
use self::orders::Versions;
use crate::clock::Clock;
use crate::zk::{Election, Interest, Signal, Watching, Zk};

/// Events that may wait between the tasks of this shell and its loop.
const EVENTS_MAX: usize = 1024;
/// Pause before another try to be elected when ZooKeeper answered with an error.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the shell needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the decider.
    pub decider: ControllerConfig,
    /// `inter.broker.protocol.version`: versions of the orders.
    pub ibp: MetadataVersion,
    /// Listener brokers use among themselves.
    pub inter_broker_listener: String,
    /// `control.plane.listener.name`: where orders go, if brokers have it.
    pub control_plane_listener: Option<String>,
    /// `controller.socket.timeout.ms`.
    pub request_timeout: Duration,
}

/// Starts the shell. It does nothing before it hears of a registration.
///
/// # Errors
/// If no thread can be started.
pub fn start(settings: Settings, zk: Zk, clock: Arc<Clock>) -> std::io::Result<Handle> {
    let (commands, received) = mpsc::channel(EVENTS_MAX);
    let (active, is_active) = watch::channel(false);
    let (events, incoming) = mpsc::channel(EVENTS_MAX);
    let broker = settings.decider.broker_id;
    let route = Arc::new(Route {
        controller: broker,
        versions: Versions::of(settings.ibp),
        listeners: settings.control_plane_listener.iter().chain([&settings.inter_broker_listener]).cloned().collect(),
        inter_broker_listener: settings.inter_broker_listener,
        options: client::connection::Options {
            client_id: broker.to_string(),
            request_timeout: settings.request_timeout,
            connect_timeout: settings.request_timeout,
            ..client::connection::Options::default()
        },
    });
    let shell = Shell {
        broker,
        decider: Controller::new(settings.decider),
        controller_node: zk.watch(vec![Interest::Data(paths::CONTROLLER.to_owned())]),
        zk,
        clock,
        route,
        role: Role::Unregistered,
        dead_sessions: Vec::new(),
        session: 0,
        term: 0,
        events,
        incoming,
        active,
        office: None,
        waiting: HashMap::new(),
        next_token: 0,
        timers: BTreeMap::new(),
    };
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new()
        .name("controller-event-thread".to_owned())
        .spawn(move || runtime.block_on(shell.run(received)))?;
    Ok(Handle::new(commands, is_active, thread))
}

/// What this broker is to the cluster's controller.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    /// Not in the cluster: must not be elected.
    Unregistered,
    /// Another broker may be the controller; `/controller` is watched.
    Standby,
    /// Asking ZooKeeper. Whether something happened meanwhile that calls for asking again.
    Asking { again: bool },
    /// The controller.
    Active,
}

/// What only an active controller has; dropping it ends all of it.
struct Office {
    watching: Option<Watching>,
    armed: watch::Sender<bool>,
    channels: BTreeMap<BrokerId, Channel>,
    answers: mpsc::Sender<Event>,
    answered: mpsc::Receiver<Event>,
    tasks: Vec<AbortOnDropHandle<()>>,
}

/// What the tasks of this shell report.
enum Internal {
    Election(Result<Election, crate::zk::Error>),
    StillController(bool),
    AskAgain,
    Decider(u64, Vec<Event>),
}

struct Shell {
    broker: BrokerId,
    decider: Controller,
    zk: Zk,
    clock: Arc<Clock>,
    route: Arc<Route>,
    controller_node: Watching,
    role: Role,
    dead_sessions: Vec<i64>,
    session: u64,
    /// Counts this broker's times in office: what was started in one is not reported in the next.
    term: u64,
    events: mpsc::Sender<Internal>,
    incoming: mpsc::Receiver<Internal>,
    active: watch::Sender<bool>,
    office: Option<Office>,
    waiting: HashMap<RequestToken, oneshot::Sender<Answer>>,
    next_token: u64,
    timers: BTreeMap<TimerKey, Timestamp>,
}

/// What woke the loop.
enum Woken {
    Command(Option<Command>),
    ControllerNode(Option<Signal>),
    Internal(Internal),
    Watch(Option<Signal>),
    Answered(Event),
    Timer,
}

impl Shell {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            match self.woken(&mut commands).await {
                Woken::Command(None | Some(Command::Stop)) | Woken::ControllerNode(None) => break,
                Woken::Command(Some(command)) => self.on_command(command),
                Woken::ControllerNode(Some(_)) => self.on_controller_node(),
                Woken::Internal(internal) => self.on_internal(internal),
                Woken::Watch(signal) => self.on_watch(signal),
                Woken::Answered(event) => self.feed(event),
                Woken::Timer => self.on_timer(),
            }
        }
        self.leave_office();
        tracing::info!("[Controller id={}] stopped", self.broker);
    }

    async fn woken(&mut self, commands: &mut mpsc::Receiver<Command>) -> Woken {
        let due_ms = self.timers.values().min().map(|at| at.since(self.clock.now()).max(0));
        let timer = async {
            match due_ms {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await,
                None => std::future::pending().await,
            }
        };
        let office = async {
            match &mut self.office {
                Some(Office { watching: Some(watching), answered, .. }) => tokio::select! {
                    signal = watching.next() => Woken::Watch(signal),
                    Some(event) = answered.recv() => Woken::Answered(event),
                },
                Some(Office { answered, .. }) => match answered.recv().await {
                    Some(event) => Woken::Answered(event),
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => Woken::Command(command),
            signal = self.controller_node.next() => Woken::ControllerNode(signal),
            Some(internal) = self.incoming.recv() => Woken::Internal(internal),
            woken = office => woken,
            () = timer => Woken::Timer,
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Registered { session, dead_sessions } => {
                self.session = session;
                self.dead_sessions = dead_sessions;
                self.role = Role::Standby;
                self.stand_for_election();
            }
            Command::SessionLost => {
                self.leave_office();
                self.role = Role::Unregistered;
            }
            Command::Ask(request, answer) => {
                let token = RequestToken(self.next_token);
                self.next_token += 1;
                self.waiting.insert(token, answer);
                self.feed(Event::Request { token, request });
            }
            Command::Feed(event) => self.feed(event),
            Command::Stop => {}
        }
    }

    /// Something happened to `/controller`, or may have while nobody looked.
    fn on_controller_node(&mut self) {
        match &mut self.role {
            Role::Unregistered => {}
            Role::Standby => self.stand_for_election(),
            Role::Asking { again } => *again = true,
            Role::Active => {
                let (zk, events, session_id) = (self.zk.clone(), self.events.clone(), self.zk.status().session_id);
                self.in_office(async move {
                    let still = match zk.get(paths::CONTROLLER).await {
                        Ok(node) => node.is_some_and(|node| node.stat.ephemeral_owner == session_id),
                        Err(_) => true,
                    };
                    let _stopped = events.send(Internal::StillController(still)).await;
                });
            }
        }
    }

    fn stand_for_election(&mut self) {
        self.role = Role::Asking { again: false };
        let (zk, events, broker) = (self.zk.clone(), self.events.clone(), self.broker);
        let (now_ms, dead_sessions) = (self.clock.wall_ms(), self.dead_sessions.clone());
        tokio::spawn(async move {
            let result = zk.elect(broker, now_ms, &dead_sessions).await;
            let _stopped = events.send(Internal::Election(result)).await;
        });
    }

    fn on_internal(&mut self, internal: Internal) {
        match internal {
            Internal::Election(result) => self.on_election(result),
            Internal::AskAgain if self.role == Role::Standby => self.stand_for_election(),
            Internal::AskAgain => {}
            Internal::StillController(still) => {
                if !still && self.role == Role::Active {
                    tracing::info!("[Controller id={}] another controller was elected", self.broker);
                    self.leave_office();
                    self.role = Role::Standby;
                    self.stand_for_election();
                }
            }
            Internal::Decider(term, events) => {
                if self.role == Role::Active && term == self.term {
                    for event in events {
                        self.feed(event);
                    }
                }
            }
        }
    }

    fn on_election(&mut self, result: Result<Election, crate::zk::Error>) {
        let Role::Asking { again } = self.role else { return };
        self.role = Role::Standby;
        match result {
            // A win in a session that ended meanwhile is none.
            Ok(Election::Won { controller_epoch, epoch_version }) if self.zk.status().session == self.session => {
                tracing::info!(
                    "[Controller id={}] {} successfully elected as the controller. Epoch incremented to \
                     {controller_epoch} and epoch zk version is now {epoch_version}",
                    self.broker,
                    self.broker
                );
                self.role = Role::Active;
                self.term += 1;
                let (answers, answered) = mpsc::channel(EVENTS_MAX);
                let (armed, _) = watch::channel(false);
                self.office = Some(Office {
                    watching: None,
                    armed,
                    channels: BTreeMap::new(),
                    answers,
                    answered,
                    tasks: Vec::new(),
                });
                self.feed(Event::Elected(Elected { controller_epoch, epoch_version, seed: rand::random() }));
                self.active.send_replace(true);
            }
            Ok(Election::Won { .. }) => self.role = Role::Unregistered,
            Ok(Election::Lost(Some(controller))) => {
                tracing::debug!("[Controller id={}] broker {controller} is the controller", self.broker);
                if again {
                    self.stand_for_election();
                }
            }
            Ok(Election::Lost(None)) => self.stand_for_election(),
            Err(crate::zk::Error::Closed) => {}
            Err(error) => {
                tracing::error!("[Controller id={}] election failed, trying again: {error}", self.broker);
                let events = self.events.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    let _stopped = events.send(Internal::AskAgain).await;
                });
            }
        }
    }

    fn on_watch(&mut self, signal: Option<Signal>) {
        let Some(signal) = signal else { return };
        if let Some(watched) = zookeeper::watched(&signal) {
            return self.feed(Event::Changed(watched));
        }
        let Some(office) = &self.office else { return };
        // The first time nothing has been read yet, so there is nothing to look at again.
        if signal == Signal::Everything && office.armed.send_replace(true) {
            let (zk, events, term) = (self.zk.clone(), self.events.clone(), self.term);
            self.in_office(async move {
                let changes = zookeeper::everything(&zk).await;
                let _stopped = events.send(Internal::Decider(term, changes)).await;
            });
        }
    }

    fn on_timer(&mut self) {
        let now = self.clock.now();
        let due: Vec<TimerKey> = self.timers.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in due {
            self.timers.remove(&key);
            self.feed(Event::Timer(key));
        }
    }

    fn feed(&mut self, event: Event) {
        let now = self.clock.now();
        let mut effects: VecDeque<Effect> = self.decider.handle(event, now).into();
        while let Some(effect) = effects.pop_front() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::StartWatching => {
                let watching = self.zk.watch(zookeeper::interests());
                if let Some(office) = &mut self.office {
                    office.watching = Some(watching);
                }
            }
            Effect::ZkRead { request, reads } => {
                let zk = self.zk.clone();
                self.report(async move { zookeeper::read(&zk, request, reads).await });
            }
            Effect::ZkWrite { request, guard, writes } => {
                let zk = self.zk.clone();
                self.report(async move { zookeeper::write(&zk, request, guard, writes).await });
            }
            Effect::Connect(broker) => {
                if let Some(office) = &mut self.office {
                    let id = broker.id;
                    if let Some(open) = office.channels.get(&id).filter(|open| open.leads_to(&broker)) {
                        return open.readdress(broker);
                    }
                    let channel = Channel::open(broker, Arc::clone(&self.route), office.answers.clone());
                    office.channels.insert(id, channel);
                }
            }
            Effect::Disconnect(broker) => {
                if let Some(office) = &mut self.office {
                    office.channels.remove(&broker);
                }
            }
            Effect::LeaderAndIsr(order) => self.order(order.broker, Order::LeaderAndIsr(order)),
            Effect::UpdateMetadata(UpdateMetadata { brokers, body }) => {
                for (broker, broker_epoch) in brokers {
                    self.order(broker, Order::UpdateMetadata { broker_epoch, body: Arc::clone(&body) });
                }
            }
            Effect::StopReplica(order) => self.order(order.broker, Order::StopReplica(order)),
            Effect::Answer { token, answer } => {
                // Whoever asked may have gone.
                let _gone = self.waiting.remove(&token).map(|waiting| waiting.send(answer));
            }
            Effect::SetTimer { key, at } => drop(self.timers.insert(key, at)),
            Effect::CancelTimer(key) => drop(self.timers.remove(&key)),
            Effect::Resign { epoch_version, delete_controller } => self.resign(epoch_version, delete_controller),
            Effect::Log(level, line) => log(self.broker, level, &line),
        }
    }

    fn order(&self, broker: BrokerId, order: Order) {
        match self.office.as_ref().and_then(|office| office.channels.get(&broker)) {
            Some(channel) => channel.send(order),
            None => tracing::debug!("[Controller id={}] no channel to broker {broker}", self.broker),
        }
    }

    /// Carries out a read or write once the watches are set, and reports how it went.
    fn report(&mut self, work: impl Future<Output = Option<Event>> + Send + 'static) {
        let Some(office) = &self.office else { return };
        let mut armed = office.armed.subscribe();
        let is_watching = office.watching.is_some();
        let (events, term) = (self.events.clone(), self.term);
        self.in_office(async move {
            if is_watching && armed.wait_for(|armed| *armed).await.is_err() {
                return;
            }
            if let Some(event) = work.await {
                let _stopped = events.send(Internal::Decider(term, vec![event])).await;
            }
        });
    }

    /// Runs a task that ends with the office at the latest.
    fn in_office(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(office) = &mut self.office {
            office.tasks.retain(|task| !task.is_finished());
            office.tasks.push(AbortOnDropHandle::new(tokio::spawn(task)));
        }
    }

    fn resign(&mut self, epoch_version: ZkVersion, delete_controller: bool) {
        tracing::info!("[Controller id={}] resigned", self.broker);
        self.close_office();
        self.role = Role::Asking { again: true };
        let (zk, events, broker) = (self.zk.clone(), self.events.clone(), self.broker);
        let (now_ms, dead_sessions) = (self.clock.wall_ms(), self.dead_sessions.clone());
        tokio::spawn(async move {
            if delete_controller && let Err(error) = zk.resign(epoch_version).await {
                tracing::warn!("[Controller id={broker}] /controller could not be removed: {error}");
            }
            let result = zk.elect(broker, now_ms, &dead_sessions).await;
            let _stopped = events.send(Internal::Election(result)).await;
        });
    }

    /// Tells the decider that it is over, and ends everything it had started.
    fn leave_office(&mut self) {
        if self.role == Role::Active {
            self.feed(Event::Lost);
        }
        self.close_office();
    }

    fn close_office(&mut self) {
        self.office = None;
        self.timers.clear();
        self.active.send_replace(false);
    }
}

fn log(broker: BrokerId, level: LogLevel, line: &str) {
    match level {
        LogLevel::Debug => tracing::debug!("[Controller id={broker}] {line}"),
        LogLevel::Info => tracing::info!("[Controller id={broker}] {line}"),
        LogLevel::Warn => tracing::warn!("[Controller id={broker}] {line}"),
        LogLevel::Error => tracing::error!("[Controller id={broker}] {line}"),
    }
}
