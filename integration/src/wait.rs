//! Waiting for a fact instead of sleeping: polls a condition until it holds or the deadline passes.

use std::time::{Duration, Instant};

/// Polls `condition` every 20 ms until it gives a value, and returns it.
///
/// # Panics
/// When `deadline` passes first; the message names `what`.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "after {deadline:?} still waiting: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Polls `condition` every 20 ms until it holds.
///
/// # Panics
/// When `deadline` passes first; the message names `what`.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}
