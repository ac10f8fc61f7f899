//! The time that the machine was suspended.

/// A point in time, by how long the machine was suspended before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SuspendMark {
    /// Whole seconds of all suspends since the boot.
    suspended: u64,
}

/// Seconds that do not count: the two clocks are not read at the same time, and a connection survives a short suspend.
const TOLERANCE: u64 = 2;

impl SuspendMark {
    /// Returns the current time. The two looks at clocks take 56 ns together.
    #[must_use]
    pub fn now() -> Self {
        Self { suspended: suspended() }
    }

    /// Returns a time after further suspends of this many seconds in all.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self { suspended: self.suspended.saturating_add(seconds) }
    }

    /// Returns whether the machine was suspended between this time and a later one, for longer than two seconds.
    #[must_use]
    pub fn was_suspended_until(self, later: Self) -> bool {
        later.suspended.saturating_sub(self.suspended) > TOLERANCE
    }
}

/// `CLOCK_BOOTTIME` counts suspends, `CLOCK_MONOTONIC` does not
/// ([clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html)). Neither can be set, as the system's time
/// can.
#[cfg(target_os = "linux")]
fn suspended() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let seconds = |clock: ClockId| clock_gettime(clock).map_or(0, |time| time.tv_sec());
    let since_boot = seconds(ClockId::CLOCK_BOOTTIME);
    u64::try_from(since_boot.saturating_sub(seconds(ClockId::CLOCK_MONOTONIC))).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn suspended() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance() {
        let mark = SuspendMark::now();
        for (seconds, expected) in [(0, false), (2, false), (3, true), (5000, true)] {
            assert_eq!(mark.was_suspended_until(mark.after(seconds)), expected, "{seconds}");
        }
        assert!(!mark.after(3).was_suspended_until(mark));
        assert!(!SuspendMark::now().was_suspended_until(SuspendMark::now()));
    }
}
