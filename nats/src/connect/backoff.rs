//! When to try again to connect.

use std::time::Duration;

use super::RETRY_DELAY_MAX;

/// First wait; doubled up to [`RETRY_DELAY_MAX`].
const FIRST: Duration = Duration::from_millis(20);

/// Growing waits with jitter, so that a fleet does not come back in one moment.
#[derive(Debug)]
pub(super) struct Backoff {
    failed: u32,
    state: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            failed: 0,
            state: seed,
        }
    }

    /// Begins anew after a success.
    pub(super) const fn reset(&mut self) {
        self.failed = 0;
    }

    /// The wait before the next attempt: between half and all of the current step.
    pub(super) fn next(&mut self) -> Duration {
        let step = FIRST
            .saturating_mul(1 << self.failed.min(10))
            .min(RETRY_DELAY_MAX);
        self.failed = self.failed.saturating_add(1);
        let half = step / 2;
        half + half.mul_f64(self.fraction())
    }

    /// A number from 0 to 1 (splitmix64).
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit an f64 exactly")]
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as f64 / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_differ_between_clients() {
        let mut one = Backoff::new(1);
        let mut two = Backoff::new(2);
        let (a, b): (Vec<_>, Vec<_>) = (0..100).map(|_| (one.next(), two.next())).unzip();
        assert_ne!(a, b);
        assert!(a[0] <= FIRST);
        assert!(
            a.iter()
                .all(|wait| *wait >= FIRST / 2 && *wait <= RETRY_DELAY_MAX)
        );
        assert!(a[99] >= RETRY_DELAY_MAX / 2);
        one.reset();
        assert!(one.next() <= FIRST);
    }
}
