//! The machine's clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wagglebus_coordinator_core::Now;
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::time::TimestampError;

/// Counts time in which the machine was suspended, where the system has such a clock.
#[cfg(target_os = "linux")]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// Both clocks.
#[derive(Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
}

impl Clock {
    /// Fails when the time of day is beyond what can be written.
    pub(crate) fn new() -> Result<Self, TimestampError> {
        Ok(Self { wall: wall()? })
    }

    /// What the clocks say now. A time of day that was set beyond what can be written stays as it was.
    pub(crate) fn now(&mut self) -> Now {
        self.wall = wall().unwrap_or(self.wall);
        Now {
            boot_ms: boot_ms(),
            wall: self.wall,
        }
    }
}

/// Resolves at `boot_ms`, or later when the machine was suspended; never when there is nothing to wait for.
pub(crate) async fn reach(boot_ms: Option<u64>) {
    match boot_ms {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(self::boot_ms()))).await,
        None => std::future::pending().await,
    }
}

fn boot_ms() -> u64 {
    let boot = clock_gettime(BOOT_CLOCK);
    let seconds = u64::try_from(boot.tv_sec).unwrap_or_default();
    let millis = u64::try_from(boot.tv_nsec / 1_000_000).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(millis)
}

/// The time of day.
///
/// # Errors
/// When it is beyond what can be written.
pub(crate) fn wall() -> Result<Timestamp, TimestampError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
