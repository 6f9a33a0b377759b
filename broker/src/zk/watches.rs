//! Watches turned into signals: "look at this node again". Signals carry no content, equal ones that still wait are
//! merged, and a broken connection becomes the one signal to look at everything again, because nothing the servers did
//! meanwhile is told afterwards.
//!
//! Servers from 3.6 on hold a few persistent watches, which the session that owns our ephemeral nodes can carry across a
//! reconnect; they are lost on each reconnect and set anew. Older servers get one-shot watches. The many data watches
//! on topics then live on sessions of their own, each with few enough that reconnecting stays possible: the client cannot
//! reconnect with more than 128 KiB of watched paths. Source: contract 1.1, "Watch model".

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use zk_schema::paths;
use zookeeper_client::{AddWatchMode, Client, EventType, SessionState, WatchedEvent};

use super::session::State;
use super::{Settings, Zk};

/// Something to be watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Which children a node has.
    Children(String),
    /// Whether a node exists and what it holds.
    Data(String),
    /// Both: which children a node has, and what each of them holds. Nothing further down.
    ChildrenAndTheirData(String),
}

/// Look again at this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// At everything: the watches have only now been set, or set again after a broken connection.
    Everything,
    /// At the children of a node.
    Children(String),
    /// At a node: it was created, changed or deleted.
    Data(String),
}

/// Signals that may wait; beyond that they become [`Signal::Everything`].
const WAITING_MAX: usize = 20_000;
/// Signals handed over ahead of the reader.
const CHANNEL_SIZE: usize = 64;
/// Watched path bytes per session with one-shot watches, well below the 128 KiB a client can reconnect with.
const SESSION_PATHS_MAX_BYTES: usize = 64 * 1024;

/// Watches that are set as long as this lives.
pub struct Watching {
    signals: mpsc::Receiver<Signal>,
    _stop: DropGuard,
}

impl Watching {
    /// The next signal; `None` once the gateway is closed. The first is always [`Signal::Everything`], sent when all
    /// watches are set.
    pub async fn next(&mut self) -> Option<Signal> {
        self.signals.recv().await
    }

    /// A signal that waits already, if there is one.
    pub fn try_next(&mut self) -> Option<Signal> {
        self.signals.try_recv().ok()
    }
}

impl Zk {
    /// Sets watches; they are kept across reconnects and sessions until the answer is dropped.
    #[must_use]
    pub fn watch(&self, interests: Vec<Interest>) -> Watching {
        let (sender, signals) = mpsc::channel(CHANNEL_SIZE);
        let stop = CancellationToken::new();
        let waiting = Arc::new(Waiting::default());
        let task = Task { zk: self.clone(), interests, waiting };
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task.run(sender) => {}
                () = stopped.cancelled() => {}
            }
        });
        Watching { signals, _stop: stop.drop_guard() }
    }
}

/// Signals on their way to the reader, merged.
#[derive(Default)]
struct Waiting {
    signals: Mutex<BTreeSet<Signal>>,
    arrived: Notify,
}

impl Waiting {
    fn add(&self, signal: Signal) {
        let mut signals = self.lock();
        if signal == Signal::Everything || WAITING_MAX <= signals.len() {
            signals.clear();
            signals.insert(Signal::Everything);
        } else if !signals.contains(&Signal::Everything) {
            signals.insert(signal);
        }
        drop(signals);
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<Signal> {
        self.lock().pop_first()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Signal>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task behind one [`Watching`].
struct Task {
    zk: Zk,
    interests: Vec<Interest>,
    waiting: Arc<Waiting>,
}

impl Task {
    async fn run(self, sender: mpsc::Sender<Signal>) {
        let delivery = deliver(self.waiting.clone(), sender);
        tokio::select! {
            () = delivery => {}
            () = self.keep_set() => {}
        }
    }

    /// Sets all watches for each connection anew. The old ones are dropped only afterwards, so that the client does not
    /// tell the server to remove what was just set.
    async fn keep_set(&self) {
        let mut held = Watchers::default();
        let mut link = self.zk.shared.link.subscribe();
        loop {
            let connected = link.wait_for(|link| link.status.state != State::Disconnected).await;
            let Ok(found) = connected.map(|link| link.clone()) else { return };
            let Some(client) = found.client else { return };
            let set =
                if self.zk.is_modern() { self.set_persistent(&client).await } else { self.set_one_shot(&client).await };
            match set {
                Ok(new) => {
                    drop(std::mem::replace(&mut held, new));
                    self.waiting.add(Signal::Everything);
                    let connection = found.status.connection;
                    let other = link
                        .wait_for(|link| link.status.connection != connection || link.status.state == State::Closed);
                    if other.await.is_err() {
                        return;
                    }
                }
                Err(zookeeper_client::Error::Unimplemented) => self.zk.set_old(),
                Err(error) => {
                    tracing::debug!("watches not set yet: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn set_persistent(&self, client: &Client) -> Result<Watchers, zookeeper_client::Error> {
        let mut watchers = Watchers::default();
        for interest in &self.interests {
            let (path, mode) = match interest {
                Interest::Children(path) | Interest::Data(path) => (path, AddWatchMode::Persistent),
                Interest::ChildrenAndTheirData(path) => (path, AddWatchMode::PersistentRecursive),
            };
            let mut watcher = client.watch(path, mode).await?;
            let (waiting, interest) = (self.waiting.clone(), interest.clone());
            watchers.tasks.spawn(async move {
                loop {
                    let event = watcher.changed().await;
                    if event.event_type == EventType::Session {
                        // Reconnects are seen elsewhere; after a terminal state the watcher must not be asked again.
                        if event.session_state.is_terminated() {
                            return;
                        }
                    } else if let Some(signal) = signal(&interest, &event) {
                        waiting.add(signal);
                    }
                }
            });
        }
        Ok(watchers)
    }

    async fn set_one_shot(&self, client: &Client) -> Result<Watchers, zookeeper_client::Error> {
        let mut watchers = Watchers::default();
        for interest in &self.interests {
            match interest {
                Interest::Children(path) => {
                    watchers.tasks.spawn(watch_children(client.clone(), path.clone(), self.waiting.clone()));
                }
                Interest::Data(path) => {
                    watchers.tasks.spawn(watch_data(client.clone(), path.clone(), self.waiting.clone()));
                }
                Interest::ChildrenAndTheirData(path) => {
                    let many = ManyData {
                        settings: self.zk.shared.settings.clone(),
                        parent: path.clone(),
                        waiting: self.waiting.clone(),
                        watched: HashMap::new(),
                        sessions: Vec::new(),
                    };
                    watchers.tasks.spawn(many.run(client.clone()));
                }
            }
        }
        Ok(watchers)
    }
}

/// The tasks of one connection; dropping them drops their watches.
#[derive(Default)]
struct Watchers {
    tasks: JoinSet<()>,
}

async fn deliver(waiting: Arc<Waiting>, sender: mpsc::Sender<Signal>) {
    loop {
        let arrived = waiting.arrived.notified();
        if waiting.lock().is_empty() {
            arrived.await;
            continue;
        }
        // Room first: a signal taken out no longer merges with equal ones.
        let Ok(room) = sender.reserve().await else { return };
        if let Some(signal) = waiting.take() {
            room.send(signal);
        }
    }
}

/// What an event of a persistent watch means.
fn signal(interest: &Interest, event: &WatchedEvent) -> Option<Signal> {
    let path = event.path.as_str();
    match interest {
        Interest::Children(wanted) => {
            let gone_or_made = matches!(event.event_type, EventType::NodeCreated | EventType::NodeDeleted);
            let wanted_event = event.event_type == EventType::NodeChildrenChanged || gone_or_made;
            (path == wanted && wanted_event).then(|| Signal::Children(path.to_owned()))
        }
        Interest::Data(wanted) => {
            let about_children = event.event_type == EventType::NodeChildrenChanged;
            (path == wanted && !about_children).then(|| Signal::Data(path.to_owned()))
        }
        Interest::ChildrenAndTheirData(parent) => match event.event_type {
            _ if path == parent => Some(Signal::Children(parent.clone())),
            _ if paths::parent(path) != Some(parent) => None,
            EventType::NodeDataChanged => Some(Signal::Data(path.to_owned())),
            EventType::NodeCreated | EventType::NodeDeleted => Some(Signal::Children(parent.clone())),
            EventType::NodeChildrenChanged | EventType::Session => None,
        },
    }
}

async fn watch_children(client: Client, path: String, waiting: Arc<Waiting>) {
    let mut first = true;
    loop {
        match client.list_and_watch_children(&path).await {
            Ok((_, watcher)) => {
                // Something may have happened between the last event and this watch.
                if !std::mem::take(&mut first) {
                    waiting.add(Signal::Children(path.clone()));
                }
                if watcher.changed().await.session_state.is_terminated() {
                    return;
                }
                waiting.add(Signal::Children(path.clone()));
            }
            // The node is made at start by every broker; until then its creation is what to wait for.
            Err(zookeeper_client::Error::NoNode) => match client.check_and_watch_stat(&path).await {
                Ok((None, watcher)) => {
                    if watcher.changed().await.session_state.is_terminated() {
                        return;
                    }
                }
                Ok((Some(_), _)) => {}
                Err(_) => return,
            },
            Err(_) => return,
        }
    }
}

async fn watch_data(client: Client, path: String, waiting: Arc<Waiting>) {
    let mut first = true;
    while let Ok((_, watcher)) = client.check_and_watch_stat(&path).await {
        if !std::mem::take(&mut first) {
            waiting.add(Signal::Data(path.clone()));
        }
        let event = watcher.changed().await;
        if event.event_type == EventType::Session && event.session_state != SessionState::SyncConnected {
            return;
        }
        waiting.add(Signal::Data(path.clone()));
    }
}

/// One-shot data watches on all children of a node, spread over sessions of their own.
struct ManyData {
    settings: Settings,
    parent: String,
    waiting: Arc<Waiting>,
    watched: HashMap<String, AbortOnDropHandle<()>>,
    sessions: Vec<(Client, usize)>,
}

impl ManyData {
    async fn run(mut self, client: Client) {
        loop {
            let (children, watcher) = match client.list_and_watch_children(&self.parent).await {
                Ok(listed) => listed,
                Err(_) => return,
            };
            self.waiting.add(Signal::Children(self.parent.clone()));
            if self.follow(children).await.is_err() {
                self.waiting.add(Signal::Everything);
                return;
            }
            if watcher.changed().await.session_state.is_terminated() {
                return;
            }
        }
    }

    async fn follow(&mut self, children: Vec<String>) -> Result<(), zookeeper_client::Error> {
        let wanted: BTreeSet<String> = children.into_iter().map(|name| format!("{}/{name}", self.parent)).collect();
        self.watched.retain(|path, _| wanted.contains(path));
        for path in wanted {
            // A session that has ended takes its watches with it; they are then set on another.
            if self.watched.get(&path).is_some_and(|task| !task.is_finished()) {
                continue;
            }
            let client = self.session_for(path.len()).await?;
            let task = tokio::spawn(watch_data(client, path.clone(), self.waiting.clone()));
            self.watched.insert(path, AbortOnDropHandle::new(task));
        }
        Ok(())
    }

    async fn session_for(&mut self, bytes: usize) -> Result<Client, zookeeper_client::Error> {
        self.sessions.retain(|(client, _)| !client.state().is_terminated());
        if let Some((client, used)) =
            self.sessions.iter_mut().find(|(_, used)| used.saturating_add(bytes) < SESSION_PATHS_MAX_BYTES)
        {
            *used += bytes;
            return Ok(client.clone());
        }
        let client = self.settings.open_another().await?;
        self.sessions.push((client.clone(), bytes));
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventType, path: &str) -> WatchedEvent {
        WatchedEvent::new(kind, path)
    }

    #[test]
    fn a_recursive_watch_tells_of_two_levels_only() {
        let topics = Interest::ChildrenAndTheirData("/brokers/topics".to_owned());
        let of = |kind, path| signal(&topics, &event(kind, path));
        let children = Some(Signal::Children("/brokers/topics".to_owned()));
        assert_eq!(of(EventType::NodeCreated, "/brokers/topics/t"), children);
        assert_eq!(of(EventType::NodeDeleted, "/brokers/topics/t"), children);
        let data = Some(Signal::Data("/brokers/topics/t".to_owned()));
        assert_eq!(of(EventType::NodeDataChanged, "/brokers/topics/t"), data);
        assert_eq!(of(EventType::NodeDataChanged, "/brokers/topics/t/partitions/0/state"), None);
        assert_eq!(of(EventType::NodeCreated, "/brokers/topics/t/partitions"), None);
    }

    #[test]
    fn children_and_data_are_told_apart() {
        let ids = Interest::Children("/brokers/ids".to_owned());
        assert_eq!(signal(&ids, &event(EventType::NodeDataChanged, "/brokers/ids")), None);
        assert!(signal(&ids, &event(EventType::NodeChildrenChanged, "/brokers/ids")).is_some());
        let controller = Interest::Data("/controller".to_owned());
        assert!(signal(&controller, &event(EventType::NodeDeleted, "/controller")).is_some());
        assert_eq!(signal(&controller, &event(EventType::NodeChildrenChanged, "/controller")), None);
    }

    #[test]
    fn waiting_signals_merge_and_never_grow_beyond_the_bound() {
        let waiting = Waiting::default();
        for _ in 0..2 {
            waiting.add(Signal::Data("/controller".to_owned()));
        }
        assert_eq!(waiting.take(), Some(Signal::Data("/controller".to_owned())));
        assert_eq!(waiting.take(), None);
        for n in 0..=WAITING_MAX {
            waiting.add(Signal::Data(n.to_string()));
        }
        assert_eq!(waiting.take(), Some(Signal::Everything));
        assert_eq!(waiting.take(), None);
    }
}
