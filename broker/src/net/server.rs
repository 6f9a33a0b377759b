//! All listeners and connections of a broker: bound first, started later, stopped in order.
//! Every task it starts ends with [`Network::stop`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Surroundings};
use super::limits::{ConnectionLimits, Counters, Slot};
use super::listener::{Listener, ListenerSettings, SocketOptions};
use super::memory_pool::MemoryPool;
use super::registry::{Handle, Registry};
use super::{ConnectionContext, Error, RequestHandler};

/// What listeners and connections share.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The listeners.
    pub listeners: Vec<ListenerSettings>,
    /// `socket.request.max.bytes`.
    pub frame_size_max: usize,
    /// `queued.max.request.bytes`; `None` for no bound.
    pub queued_bytes_max: Option<i64>,
    /// `connections.max.idle.ms`; `None` for ever.
    pub idle_max: Option<Duration>,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system.
    pub send_buffer: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub receive_buffer: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// Bounds on connections.
    pub limits: ConnectionLimits,
}

impl Default for NetworkSettings {
    /// Kafka's defaults, and no listener.
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            frame_size_max: 100 << 20,
            queued_bytes_max: None,
            idle_max: Some(Duration::from_secs(600)),
            send_buffer: Some(100 << 10),
            receive_buffer: Some(100 << 10),
            backlog: 50,
            limits: ConnectionLimits::default(),
        }
    }
}

/// The listeners of a broker and their connections.
pub struct Network {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What acceptors and connections share.
pub(super) struct Shared {
    pub counters: Arc<Counters>,
    pub registry: Registry,
    pool: MemoryPool,
    handler: std::sync::OnceLock<Arc<dyn RequestHandler>>,
    frame_size_max: usize,
    idle_max: Option<Duration>,
    next_id: AtomicU64,
    connections: TaskTracker,
}

impl Network {
    /// Binds all listeners. Clients may connect from now on, but nobody answers before [`Network::start`].
    ///
    /// # Errors
    /// [`Error`] of the first listener that cannot be bound.
    pub fn bind(settings: &NetworkSettings) -> Result<Self, Error> {
        let options = SocketOptions {
            backlog: settings.backlog,
            send_buffer: settings.send_buffer,
            receive_buffer: settings.receive_buffer,
        };
        let listeners = settings.listeners.iter().map(|listener| Listener::bind(listener, options));
        let shared = Shared {
            counters: Arc::new(Counters::new(settings.limits.clone())),
            registry: Registry::new(),
            pool: MemoryPool::new(settings.queued_bytes_max),
            handler: std::sync::OnceLock::new(),
            frame_size_max: settings.frame_size_max,
            idle_max: settings.idle_max,
            next_id: AtomicU64::new(0),
            connections: TaskTracker::new(),
        };
        Ok(Self { listeners: listeners.collect::<Result<_, _>>()?, shared: Arc::new(shared), tasks: Vec::new() })
    }

    /// Where each listener is bound, by name, ports filled in. Empty once started.
    #[must_use]
    pub fn bound(&self) -> Vec<(String, SocketAddr)> {
        let bound = |listener: &Listener| Some((listener.name.to_string(), listener.local_addr().ok()?));
        self.listeners.iter().filter_map(bound).collect()
    }

    /// Starts to accept and to call `handler`.
    pub fn start(&mut self, handler: Arc<dyn RequestHandler>) {
        let _ = self.shared.handler.set(handler);
        for listener in self.listeners.drain(..) {
            self.tasks.push(tokio::spawn(listener.run(Arc::clone(&self.shared))));
        }
        self.tasks.push(tokio::spawn(watch_idle(Arc::clone(&self.shared))));
    }

    /// Replaces the bounds on connections.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.shared.counters.set_limits(limits);
    }

    /// [`Network::set_limits`], for parts that do not own the network.
    pub fn limiter(&self) -> impl Fn(ConnectionLimits) + Send + Sync + use<> {
        let counters = Arc::clone(&self.shared.counters);
        move |limits| counters.set_limits(limits)
    }

    /// Tells the number of open connections, to parts that do not own the network.
    pub fn counter(&self) -> impl Fn() -> usize + Send + use<> {
        let counters = Arc::clone(&self.shared.counters);
        move || counters.total()
    }

    /// Open connections.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.counters.total()
    }

    /// Stops accepting and closes all connections; requests being handled get `grace` to end.
    pub async fn stop(self, grace: Duration) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            let _ = task.await;
        }
        self.shared.registry.close_all();
        self.shared.connections.close();
        if tokio::time::timeout(grace, self.shared.connections.wait()).await.is_err() {
            tracing::warn!(count = self.shared.connections.len(), "requests were still being handled at shutdown");
        }
    }
}

impl Shared {
    /// Serves an accepted connection in a task of its own.
    pub fn spawn(
        self: &Arc<Self>,
        stream: TcpStream,
        listener: &Arc<str>,
        local_addr: SocketAddr,
        peer_addr: SocketAddr,
        slot: Slot,
    ) {
        let Some(handler) = self.handler.get().cloned() else { return };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let context = ConnectionContext::new(id, Arc::clone(listener), local_addr, peer_addr);
        // Entered here, not in the task: nobody accepted may be missed when all are closed.
        let handle = self.registry.enter(id, listener);
        self.connections.spawn(serve(Arc::clone(self), stream, context, handle, handler, slot));
    }
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    context: ConnectionContext,
    handle: Arc<Handle>,
    handler: Arc<dyn RequestHandler>,
    slot: Slot,
) {
    let around = Surroundings {
        handler: handler.as_ref(),
        context: &context,
        handle: &handle,
        registry: &shared.registry,
        pool: &shared.pool,
        frame_size_max: shared.frame_size_max,
    };
    let (end, unfinished) = Connection::new(stream, around).serve().await;
    shared.registry.leave(context.id);
    drop(slot);
    tracing::debug!(peer = %context.peer_addr, listener = %context.listener, reason = %end, "connection closed");
    unfinished.finish().await;
    handler.closed(&context);
}

async fn watch_idle(shared: Arc<Shared>) {
    let period = shared.idle_max.map_or(Duration::from_secs(1), |idle_max| idle_max / 10);
    let period = period.clamp(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        tokio::time::sleep(period).await;
        let expired = shared.registry.tick(shared.idle_max);
        if expired > 0 {
            tracing::debug!(count = expired, "closed idle connections");
        }
    }
}
