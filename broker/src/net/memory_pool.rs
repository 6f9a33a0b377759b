//! How much memory requests that are being read or handled may take together: `queued.max.request.bytes`.
//! A request is let in while anything is left, so that one larger than the whole pool still gets through.
//! Source: `SimpleMemoryPool`, not strict, as the broker uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

/// Bytes left for requests; `None` inside means no bound.
#[derive(Clone)]
pub(super) struct MemoryPool(Option<Arc<Pool>>);

struct Pool {
    left: AtomicI64,
    freed: Notify,
}

/// Memory taken; given back when dropped.
pub(super) struct Permit {
    pool: Option<Arc<Pool>>,
    len: i64,
}

impl MemoryPool {
    /// A pool of so many bytes.
    pub fn new(capacity: Option<i64>) -> Self {
        Self(capacity.map(|capacity| Arc::new(Pool { left: AtomicI64::new(capacity), freed: Notify::new() })))
    }

    /// Takes `len` bytes if anything is left.
    pub fn try_take(&self, len: usize) -> Option<Permit> {
        let Some(pool) = &self.0 else {
            return Some(Permit { pool: None, len: 0 });
        };
        let len = i64::try_from(len).unwrap_or(i64::MAX / 2);
        let take = |left: i64| (left > 0).then(|| left.saturating_sub(len));
        pool.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(Permit { pool: Some(Arc::clone(pool)), len })
    }

    /// Takes `len` bytes as soon as anything is left.
    pub async fn take(&self, len: usize) -> Permit {
        loop {
            let freed = self.0.as_ref().map(|pool| pool.freed.notified());
            if let Some(permit) = self.try_take(len) {
                return permit;
            }
            if let Some(freed) = freed {
                freed.await;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.left.fetch_add(self.len, Ordering::AcqRel);
            pool.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_full_pool_lets_in_nothing_until_memory_comes_back() {
        let pool = MemoryPool::new(Some(100));
        let first = pool.try_take(150).expect("something is left");
        assert!(pool.try_take(1).is_none());
        let waiting = pool.take(1);
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn a_pool_without_bound_is_never_full() {
        let pool = MemoryPool::new(None);
        let _permits: Vec<_> = (0..10).map(|_| pool.try_take(usize::MAX).unwrap()).collect();
    }
}
