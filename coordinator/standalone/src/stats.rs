//! What operators count: packets and how long replies took, of one connection or of the server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Packets and latencies since the start.
#[derive(Debug)]
pub struct Stats {
    /// Packets that came.
    pub received: AtomicU64,
    /// Packets that went.
    pub sent: AtomicU64,
    replies: AtomicU64,
    total_us: AtomicU64,
    min_us: AtomicU64,
    max_us: AtomicU64,
}

impl Default for Stats {
    fn default() -> Stats {
        let zero = || AtomicU64::new(0);
        Stats {
            received: zero(),
            sent: zero(),
            replies: zero(),
            total_us: zero(),
            min_us: AtomicU64::new(u64::MAX),
            max_us: zero(),
        }
    }
}

impl Stats {
    /// So many replies left this long after their requests came.
    pub fn replied(&self, count: u64, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.replies.fetch_add(count, Relaxed);
        self.total_us.fetch_add(us.saturating_mul(count), Relaxed);
        self.min_us.fetch_min(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    /// Shortest latency, in milliseconds.
    pub fn min_ms(&self) -> u64 {
        match self.min_us.load(Relaxed) {
            u64::MAX => 0,
            us => us / 1000,
        }
    }

    /// Longest latency, in milliseconds.
    pub fn max_ms(&self) -> u64 {
        self.max_us.load(Relaxed) / 1000
    }

    /// Mean latency, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "a mean is shown to four places")]
    pub fn avg_ms(&self) -> f64 {
        let replies = self.replies.load(Relaxed).max(1);
        self.total_us.load(Relaxed) as f64 / replies as f64 / 1000.0
    }
}
