//! How many connections there may be: in all, per listener, per address.
//! Counts only; the listener decides whether to wait or to refuse.
//! Source: `ConnectionQuotas`; `max.connections`, `max.connections.per.ip`, `max.connections.per.ip.overrides`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Bounds on connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `max.connections`: of the whole broker.
    pub broker_max: usize,
    /// `max.connections.per.ip`.
    pub per_ip_max: usize,
    /// `max.connections.per.ip.overrides`, hosts resolved.
    pub per_ip_overrides: HashMap<IpAddr, usize>,
    /// The listener whose connections are let in even when the broker is full: brokers must reach each other.
    pub protected_listener: Option<String>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            broker_max: usize::MAX,
            per_ip_max: usize::MAX,
            per_ip_overrides: HashMap::new(),
            protected_listener: None,
        }
    }
}

/// Counts of open connections against [`ConnectionLimits`].
pub(super) struct Counters {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    limits: ConnectionLimits,
    total: usize,
    per_listener: HashMap<Arc<str>, usize>,
    per_ip: HashMap<IpAddr, usize>,
}

/// A counted connection; uncounted when dropped.
pub(super) struct Slot {
    counters: Arc<Counters>,
    listener: Arc<str>,
    ip: IpAddr,
}

/// The address has as many connections as it may have.
pub(super) struct TooManyFromAddress {
    pub max: usize,
}

impl Counters {
    pub fn new(limits: ConnectionLimits) -> Self {
        let state = State { limits, total: 0, per_listener: HashMap::new(), per_ip: HashMap::new() };
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    /// Replaces the bounds; open connections stay.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.lock().limits = limits;
        self.freed.notify_waiters();
    }

    /// Waits until the listener may accept one more. `make_room` is called when only the protected listener may.
    pub async fn wait_for_room(&self, listener: &str, listener_max: usize, make_room: impl Fn()) {
        loop {
            let freed = self.freed.notified();
            match self.lock().room(listener, listener_max) {
                Room::Free => return,
                Room::OnlyByClosingAnother => return make_room(),
                Room::None => {}
            }
            freed.await;
        }
    }

    /// Counts a connection that has been accepted.
    pub fn count(self: &Arc<Self>, listener: &Arc<str>, ip: IpAddr) -> Result<Slot, TooManyFromAddress> {
        // An IPv4 client of a dual-stack socket is the same client.
        let ip = ip.to_canonical();
        let mut state = self.lock();
        let max = state.limits.per_ip_overrides.get(&ip).copied().unwrap_or(state.limits.per_ip_max);
        let count = state.per_ip.entry(ip).or_default();
        if *count >= max {
            return Err(TooManyFromAddress { max });
        }
        *count += 1;
        state.total += 1;
        *state.per_listener.entry(Arc::clone(listener)).or_default() += 1;
        Ok(Slot { counters: Arc::clone(self), listener: Arc::clone(listener), ip })
    }

    /// Open connections.
    pub fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Room {
    Free,
    OnlyByClosingAnother,
    None,
}

impl State {
    fn room(&self, listener: &str, listener_max: usize) -> Room {
        let of_listener = self.per_listener.get(listener).copied().unwrap_or(0);
        if of_listener >= listener_max {
            Room::None
        } else if self.total < self.limits.broker_max {
            Room::Free
        } else if self.limits.protected_listener.as_deref() == Some(listener) {
            Room::OnlyByClosingAnother
        } else {
            Room::None
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.counters.lock();
        state.total -= 1;
        if let Some(count) = state.per_listener.get_mut(&self.listener) {
            *count -= 1;
        }
        if let Some(count) = state.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.per_ip.remove(&self.ip);
            }
        }
        drop(state);
        self.counters.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn listener() -> Arc<str> {
        Arc::from("PLAINTEXT")
    }

    fn counters(limits: ConnectionLimits) -> Arc<Counters> {
        Arc::new(Counters::new(limits))
    }

    #[test]
    fn an_address_may_have_so_many_connections_and_again_once_one_closes() {
        let counters = counters(ConnectionLimits { per_ip_max: 1, ..ConnectionLimits::default() });
        let first = counters.count(&listener(), CLIENT).ok().unwrap();
        assert!(counters.count(&listener(), CLIENT).is_err());
        drop(first);
        assert!(counters.count(&listener(), CLIENT).is_ok());
    }

    #[test]
    fn an_override_beats_the_general_bound_also_for_mapped_addresses() {
        let per_ip_overrides = HashMap::from([(CLIENT, 0)]);
        let counters = counters(ConnectionLimits { per_ip_overrides, ..ConnectionLimits::default() });
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert!(counters.count(&listener(), mapped).is_err());
    }

    #[test]
    fn a_full_broker_accepts_again_once_a_connection_closes() {
        let counters = counters(ConnectionLimits { broker_max: 1, ..ConnectionLimits::default() });
        let slot = counters.count(&listener(), CLIENT).ok().unwrap();
        let waiting = counters.wait_for_room("PLAINTEXT", usize::MAX, || panic!("not protected"));
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(slot);
        assert!(waiting.now_or_never().is_some());
        assert_eq!(counters.total(), 0);
    }

    #[test]
    fn the_protected_listener_of_a_full_broker_closes_another_connection() {
        let protected_listener = Some("REPLICATION".to_owned());
        let counters = counters(ConnectionLimits { broker_max: 1, protected_listener, ..ConnectionLimits::default() });
        let _slot = counters.count(&listener(), CLIENT).ok().unwrap();
        let asked = std::cell::Cell::new(false);
        let waiting = counters.wait_for_room("REPLICATION", usize::MAX, || asked.set(true));
        assert!(waiting.now_or_never().is_some());
        assert!(asked.get());
    }
}
