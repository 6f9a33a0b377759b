//! The one clock of a broker: steady time for whatever waits or expires, wall time for whatever is written down.
//! Created in `server`, read by shells, handed as a number to everything that decides.
//! Not for measuring how long something takes: that is `Instant`'s business.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use coordinator::time::Timestamp;

/// Tells the time.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    started_wall_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now(), started_wall_ms: wall_ms() }
    }
}

impl Clock {
    /// A clock that starts with the system's time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Steady time in milliseconds: begins as wall time and then passes by itself, so that neither setting the system's
    /// clock back stops a timer nor setting it forward rings them all. For sessions, timers, lag and the like.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.started_wall_ms.saturating_add(passed_ms))
    }

    /// [`Clock::now`] as a bare number.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().0
    }

    /// What the system's clock says, in milliseconds since the Unix epoch; it may jump either way. For what is stored
    /// or compared with what was stored: timestamps of records, retention, creation times.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        Timestamp(wall_ms())
    }

    /// [`Clock::wall`] as a bare number.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        self.wall().0
    }
}

fn wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn steady_time_passes_whatever_the_systems_clock_says() {
        let started = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        // The system's clock was a day ahead when the broker started, and has been set right since.
        let started_wall_ms = wall_ms() + 86_400_000;
        let clock = Clock { started, started_wall_ms };
        let passed_ms = clock.now_ms() - started_wall_ms;
        assert!((60_000..120_000).contains(&passed_ms), "{passed_ms}");
        assert!(clock.wall_ms() < clock.now_ms());
    }
}
