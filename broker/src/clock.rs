//! The one clock of a broker: wall time in milliseconds that never runs backwards. Created in `server`, read by shells,
//! handed as a number to everything that decides.
//! Not for measuring how long something takes: that is `Instant`'s business.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use coordinator::time::Timestamp;

/// Tells the time.
#[derive(Debug, Default)]
pub struct Clock {
    last_ms: AtomicI64,
}

impl Clock {
    /// A clock that has not been read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Now, in milliseconds since the Unix epoch; the last answer again while the system's clock is set back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.last_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms))
    }

    /// [`Clock::now`] as a bare number.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards() {
        let clock = Clock::new();
        let ahead = clock.now_ms() + 1_000_000;
        clock.last_ms.store(ahead, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), ahead);
    }
}
