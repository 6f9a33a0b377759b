//! The open connections, so that idle ones can be found and all of them closed.
//! Holds no socket: a connection's own task closes it when told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// All open connections.
pub(super) struct Registry {
    connections: Mutex<HashMap<u64, Arc<Handle>>>,
    started: Instant,
    /// Milliseconds since `started`, advanced by [`Registry::tick`]: reading a clock per request would cost more than
    /// the answer is worth.
    now_ms: AtomicU64,
}

/// What others may do to a connection.
pub(super) struct Handle {
    pub id: u64,
    listener: Arc<str>,
    last_active_ms: AtomicU64,
    busy: AtomicBool,
    closing: AtomicBool,
    waker: AtomicWaker,
}

impl Registry {
    pub fn new() -> Self {
        Self { connections: Mutex::new(HashMap::new()), started: Instant::now(), now_ms: AtomicU64::new(0) }
    }

    /// Enters a connection.
    pub fn enter(&self, id: u64, listener: &Arc<str>) -> Arc<Handle> {
        let handle = Arc::new(Handle {
            id,
            listener: Arc::clone(listener),
            last_active_ms: AtomicU64::new(self.now_ms()),
            busy: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        self.lock().insert(id, Arc::clone(&handle));
        handle
    }

    /// Strikes a connection off.
    pub fn leave(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Coarse time, in milliseconds since this registry was made.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Advances the coarse time and closes connections that have been silent for longer than `idle_max`, none of
    /// whose requests is being handled. Returns how many.
    pub fn tick(&self, idle_max: Option<Duration>) -> usize {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.store(now_ms, Ordering::Relaxed);
        let Some(idle_max) = idle_max else { return 0 };
        let idle_max_ms = u64::try_from(idle_max.as_millis()).unwrap_or(u64::MAX);
        let is_expired = |handle: &&Arc<Handle>| handle.idle_ms(now_ms) > idle_max_ms;
        let expired: Vec<_> = self.lock().values().filter(is_expired).cloned().collect();
        expired.iter().for_each(|handle| handle.close());
        expired.len()
    }

    /// Closes the connection silent for longest that came in by another listener than this one.
    pub fn close_one_not_of(&self, listener: &str) {
        let now_ms = self.now_ms();
        let connections = self.lock();
        let others = connections.values().filter(|handle| handle.listener.as_ref() != listener && !handle.is_closing());
        if let Some(handle) = others.max_by_key(|handle| (handle.idle_ms(now_ms), u64::MAX - handle.id)) {
            handle.close();
        }
    }

    /// Closes all.
    pub fn close_all(&self) {
        self.lock().values().for_each(|handle| handle.close());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Handle>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Tells the connection's task to close.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it has been told to close.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Whether it has been told to close; if not, the task of `cx` is woken when it is.
    pub fn poll_closing(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.is_closing()
    }

    /// Notes traffic, and whether requests are being handled.
    pub fn note(&self, now_ms: u64, busy: bool) {
        self.last_active_ms.store(now_ms, Ordering::Relaxed);
        self.busy.store(busy, Ordering::Relaxed);
    }

    fn idle_ms(&self, now_ms: u64) -> u64 {
        if self.busy.load(Ordering::Relaxed) {
            0
        } else {
            now_ms.saturating_sub(self.last_active_ms.load(Ordering::Relaxed))
        }
    }
}
