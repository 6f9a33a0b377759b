//! The one clock: wall time that does not jump while sessions are being timed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the wall clock may run away before we follow it.
const DRIFT_MAX: Duration = Duration::from_secs(1);

/// Counts on from a moment of wall time.
pub struct Clock {
    anchor: Mutex<(Instant, i64)>,
}

impl Clock {
    /// A clock that agrees with the wall now.
    pub fn new() -> Clock {
        Clock { anchor: Mutex::new((Instant::now(), wall_ms())) }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let (instant, wall_ms) = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        wall_ms.saturating_add(millis(instant.elapsed()))
    }

    /// Agrees with the wall again if it was set, or the machine slept. Says whether it had to: then every deadline moved.
    pub fn follow_the_wall(&self) -> bool {
        let drift_ms = wall_ms().saturating_sub(self.now_ms());
        if drift_ms.abs() <= millis(DRIFT_MAX) {
            return false;
        }
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), wall_ms());
        true
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
