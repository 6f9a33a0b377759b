//! Time as deciders see it: a number handed in with every event, never read from a clock.

use std::fmt;
use std::ops::Add;

/// Milliseconds since the Unix epoch, as the shell's one clock says. Only moves forward within a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `duration_ms` later; stays at the end of time rather than wrapping.
    #[must_use]
    pub const fn plus_ms(self, duration_ms: i64) -> Self {
        Self(self.0.saturating_add(duration_ms))
    }
}

/// Adds milliseconds.
impl Add<i64> for Timestamp {
    type Output = Self;

    fn add(self, duration_ms: i64) -> Self {
        self.plus_ms(duration_ms)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
