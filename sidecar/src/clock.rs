//! The clocks, read here and nowhere else.

use rustix::time::{ClockId, clock_gettime};
use wagglebus_schemas::Timestamp;
use wagglebus_sidecar_core::now::Now;

/// Reads both clocks. The monotonic one counts through suspend, where the system has such a clock.
pub(crate) fn now() -> Now {
    #[cfg(target_os = "linux")]
    let id = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    let mono = clock_gettime(id);
    let wall = clock_gettime(ClockId::Realtime);
    let ms = |seconds: i64, nanoseconds: i64| {
        seconds
            .saturating_mul(1_000)
            .saturating_add(nanoseconds / 1_000_000)
    };
    Now {
        mono_ms: u64::try_from(ms(mono.tv_sec, mono.tv_nsec)).unwrap_or(0),
        // A clock beyond the year 9999 is wrong anyhow.
        wall: Timestamp::from_unix_ms(ms(wall.tv_sec, wall.tv_nsec)).unwrap_or(Timestamp::EPOCH),
    }
}
