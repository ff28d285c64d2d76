//! The clock that judges silence: it runs only while the coordinator could have heard something.

use wagglebus_schemas::Timestamp;

/// How late a promised wake-up may be, in milliseconds, before it is taken for a standstill of our own process.
pub const STANDSTILL_MS: u64 = 1_000;

/// The time of a step, by both clocks of the coordinator's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never jumps and counts suspended time; for durations.
    pub boot_ms: u64,
    /// Time of day; for display only.
    pub wall: Timestamp,
}

/// A point on the attention clock: milliseconds for which the coordinator has listened since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Attended(u64);

impl Attended {
    /// Milliseconds from `earlier` to this point; 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `ms` milliseconds later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Turns clock time into attended time.
///
/// Time in which the coordinator was cut off is not silence of others (DESIGN 3.6), nor is time in which its own process
/// stood still: when it comes back later than it promised, nothing since its last step counts, since what arrived
/// meanwhile still waits unread.
#[derive(Debug, Clone, Default)]
pub struct Attention {
    attended: Attended,
    stepped_ms: u64,
    promised_ms: Option<u64>,
    listening: bool,
}

impl Attention {
    /// Moves to `boot_ms` and returns the attended time.
    pub fn advance(&mut self, boot_ms: u64) -> Attended {
        let gap = boot_ms.saturating_sub(self.stepped_ms);
        let stood_still = self
            .promised_ms
            .is_some_and(|promised| boot_ms > promised.saturating_add(STANDSTILL_MS));
        if self.listening && !stood_still {
            self.attended = self.attended.after(gap);
        }
        self.stepped_ms = self.stepped_ms.max(boot_ms);
        self.promised_ms = None;
        self.attended
    }

    /// Starts or stops the clock from the last step on.
    pub const fn listen(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// The clock time at which `due` is reached if nothing stops the clock, to be kept by the shell.
    pub fn promise(&mut self, due: Option<Attended>) -> Option<u64> {
        let wait = due.filter(|_| self.listening)?.since(self.attended);
        self.promised_ms = Some(self.stepped_ms.saturating_add(wait));
        self.promised_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening_at(boot_ms: u64) -> Attention {
        let mut attention = Attention::default();
        attention.advance(boot_ms);
        attention.listen(true);
        attention
    }

    #[test]
    fn time_cut_off_does_not_count() {
        let mut attention = listening_at(100);
        assert_eq!(attention.advance(150), Attended(50));
        attention.listen(false);
        assert_eq!(attention.advance(9_000), Attended(50));
        assert_eq!(attention.promise(Some(Attended(60))), None);
        attention.listen(true);
        assert_eq!(attention.advance(9_001), Attended(51));
    }

    #[test]
    fn a_standstill_does_not_count_but_a_late_timer_does() {
        let mut attention = listening_at(0);
        assert_eq!(attention.promise(Some(Attended(500))), Some(500));
        assert_eq!(attention.advance(500 + STANDSTILL_MS), Attended(1_500));
        assert_eq!(attention.promise(Some(Attended(2_000))), Some(2_000));
        assert_eq!(attention.advance(2_000 + STANDSTILL_MS + 1), Attended(1_500));
        assert_eq!(attention.advance(3_002), Attended(1_501));
    }

    #[test]
    fn a_clock_that_steps_back_is_waited_for() {
        let mut attention = listening_at(100);
        assert_eq!(attention.advance(50), Attended(0));
        assert_eq!(attention.advance(110), Attended(10));
    }
}
