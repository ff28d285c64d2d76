//! Figures of rounds: percentiles within a round, medians over rounds.

use std::time::Duration;

/// The latencies of one round.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// The smallest latency that `percent` of all are not above, in microseconds; 0 without any.
    pub(super) fn percentile_us(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = sorted.len().saturating_mul(percent).div_ceil(100).max(1);
        sorted
            .get(rank - 1)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }

    /// The mean, in microseconds; 0 without any.
    pub(super) fn mean_us(&self) -> f64 {
        let sum: f64 = self.0.iter().map(Duration::as_secs_f64).sum();
        sum * 1e6 / f64::from(u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Latencies {
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

#[cfg(test)]
impl Extend<Duration> for Latencies {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, latencies: T) {
        self.0.extend(latencies);
    }
}

/// The median: of an even number, the mean of the middle two. 0 without any.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(upper), _) => sorted
            .get(middle.wrapping_sub(1))
            .map_or(*upper, |lower| f64::midpoint(*lower, *upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
        let mut latencies = Latencies::default();
        latencies.extend((1..=200).map(Duration::from_micros));
        assert!((latencies.percentile_us(50) - 100.0).abs() < 1e-6);
        assert!((latencies.percentile_us(99) - 198.0).abs() < 1e-6);
        assert!((latencies.percentile_us(100) - 200.0).abs() < 1e-6);
        assert!((latencies.mean_us() - 100.5).abs() < 1e-6);
        assert!(Latencies::default().mean_us().abs() < 1e-6);
    }
}
