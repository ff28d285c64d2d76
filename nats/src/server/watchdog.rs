//! When a supervised nats-server is started again. Rules only: time comes in as an argument, nothing is done here.
//!
//! - One that ended is started again at once, and ever later if it keeps ending early.
//! - One that reports a write error is replaced at once: it refuses every publish until then, even after space was
//!   freed (RELIABILITY 0.8). One that is ill for another reason has some time to recover.
//! - Starts keep a distance, so an ill server whose time has not come stays: it may still answer reads.
//! - A server that never came up is a matter for a human; one that did come up is never given up.

use std::time::Duration;

use super::monitor::Health;

/// What a server that cannot write says on `/healthz`.
const WRITE_ERROR: &str = "write error";

/// Times and counts of supervision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Distance between two looks at `/healthz`.
    pub check_every: Duration,
    /// How long a server may be ill before it is replaced.
    pub ill_for_max: Duration,
    /// Least distance between two starts after the second early end in a row; doubles with each further one.
    pub distance_first: Duration,
    /// The distance grows no further than this.
    pub distance_max: Duration,
    /// A server that ran for this long did not end early.
    pub early: Duration,
    /// Starts that may fail in a row before the first success.
    pub first_starts_max: u32,
    /// How long a server may take to end when asked to, before it is killed.
    pub stop_within: Duration,
}

impl Default for Limits {
    /// Five checks decide, and the first restart is within the 2 s in which publishing shall work again (DESIGN 8).
    fn default() -> Self {
        Self {
            check_every: Duration::from_secs(2),
            ill_for_max: Duration::from_secs(10),
            distance_first: Duration::from_millis(250),
            distance_max: Duration::from_secs(10),
            early: Duration::from_secs(30),
            first_starts_max: 5,
            stop_within: Duration::from_secs(5),
        }
    }
}

/// Judges one supervised server. All times count from the beginning of supervision.
#[derive(Debug)]
pub struct Watchdog {
    limits: Limits,
    last_start: Duration,
    ill_since: Option<Duration>,
    /// Early ends and failed starts in a row.
    failures: u32,
    ever_ready: bool,
}

impl Watchdog {
    /// Before the first start.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            last_start: Duration::ZERO,
            ill_since: None,
            failures: 0,
            ever_ready: false,
        }
    }

    /// The server is being started.
    pub fn starting(&mut self, now: Duration) {
        self.last_start = now;
        self.ill_since = None;
    }

    /// It came up.
    pub fn ready(&mut self) {
        self.ever_ready = true;
    }

    /// It did not come up. Returns when to try again; `None` = give up.
    #[must_use]
    pub fn start_failed(&mut self, now: Duration) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let hopeless = !self.ever_ready && self.failures >= self.limits.first_starts_max;
        (!hopeless).then(|| self.next_start().max(now))
    }

    /// It ended. Returns when to start it again.
    #[must_use]
    pub fn ended(&mut self, now: Duration) -> Duration {
        self.count_failure(now);
        self.next_start().max(now)
    }

    /// It was asked for its health. Returns whether to replace it now.
    #[must_use]
    pub fn checked(&mut self, now: Duration, health: &Health) -> bool {
        let Health::Ill(reason) = health else {
            self.ill_since = None;
            return false;
        };
        let since = *self.ill_since.get_or_insert(now);
        let hopeless = reason.contains(WRITE_ERROR) || now.saturating_sub(since) >= self.limits.ill_for_max;
        if !hopeless {
            return false;
        }
        let before = self.failures;
        self.count_failure(now);
        let due = self.next_start() <= now;
        if !due {
            self.failures = before;
        }
        due
    }

    fn count_failure(&mut self, now: Duration) {
        if now.saturating_sub(self.last_start) >= self.limits.early {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// The earliest time for the next start, given the failures so far.
    fn next_start(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(2) else {
            return Duration::ZERO;
        };
        let factor = 2_u32.saturating_pow(doublings);
        self.last_start
            + self
                .limits
                .distance_first
                .saturating_mul(factor)
                .min(self.limits.distance_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        check_every: Duration::from_secs(2),
        ill_for_max: Duration::from_secs(10),
        distance_first: Duration::from_secs(1),
        distance_max: Duration::from_secs(8),
        early: Duration::from_secs(30),
        first_starts_max: 3,
        stop_within: Duration::from_secs(5),
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ill(reason: &str) -> Health {
        Health::Ill(reason.to_owned())
    }

    fn started(at: Duration) -> Watchdog {
        let mut watchdog = Watchdog::new(LIMITS);
        watchdog.starting(at);
        watchdog.ready();
        watchdog
    }

    #[test]
    fn early_ends_are_answered_ever_later_up_to_the_bound() {
        let mut watchdog = started(s(100));
        let mut waits = Vec::new();
        let mut now = s(100);
        for _ in 0..8 {
            let next = watchdog.ended(now);
            waits.push((next - now).as_secs());
            now = next;
            watchdog.starting(now);
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 8, 8, 8]);
    }

    #[test]
    fn the_distance_counts_from_start_to_start() {
        let mut watchdog = started(s(0));
        for (lived, wait) in [(29, 0), (29, 0), (1, 1), (1, 3), (30, 0), (0, 1)] {
            let start = s(1000);
            watchdog.starting(start);
            let end = start + s(lived);
            assert_eq!(watchdog.ended(end) - end, s(wait), "after {lived} s");
        }
    }

    #[test]
    fn a_server_that_never_came_up_is_given_up() {
        let mut watchdog = Watchdog::new(LIMITS);
        watchdog.starting(s(0));
        assert_eq!(watchdog.start_failed(s(0)), Some(s(0)));
        watchdog.starting(s(0));
        assert_eq!(watchdog.start_failed(s(0)), Some(s(1)));
        watchdog.starting(s(1));
        assert_eq!(watchdog.start_failed(s(1)), None);
    }

    #[test]
    fn a_server_that_came_up_once_is_never_given_up() {
        let mut watchdog = started(s(0));
        for _ in 0..1000 {
            watchdog.starting(s(5));
            assert!(
                watchdog
                    .start_failed(s(5))
                    .is_some_and(|next| next <= s(5) + LIMITS.distance_max)
            );
        }
    }

    #[test]
    fn only_lasting_illness_counts() {
        let mut watchdog = started(s(0));
        assert!(!watchdog.checked(s(100), &ill("stream not found")));
        assert!(!watchdog.checked(s(109), &ill("stream not found")));
        assert!(!watchdog.checked(s(111), &Health::Well));
        assert!(!watchdog.checked(s(120), &ill("silent")));
        assert!(!watchdog.checked(s(129), &ill("silent")));
        assert!(watchdog.checked(s(130), &ill("silent")));
    }

    #[test]
    fn a_new_server_is_not_ill_from_before() {
        let mut watchdog = started(s(0));
        assert!(!watchdog.checked(s(100), &ill("silent")));
        watchdog.starting(s(105));
        assert!(!watchdog.checked(s(110), &ill("silent")));
        assert!(!watchdog.checked(s(119), &ill("silent")));
        assert!(watchdog.checked(s(120), &ill("silent")));
    }

    #[test]
    fn a_write_error_is_answered_at_once_but_not_in_a_tight_loop() {
        let disk_full = ill("JetStream stream '$G > S' write error: no space left on device");
        let mut watchdog = started(s(0));
        let mut replaced = Vec::new();
        for second in (0..60).step_by(2) {
            if watchdog.checked(s(second), &disk_full) {
                replaced.push(second);
                watchdog.starting(s(second));
            }
        }
        assert_eq!(replaced, [0, 2, 4, 8, 16, 24, 32, 40, 48, 56]);
    }
}
