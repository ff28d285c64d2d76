//! How often an agent succeeds at something: a Beta distribution that outcomes move.

/// Where random numbers come from: the caller's generator.
pub trait Uniform {
    /// The next number, at least 0 and below 1, evenly spread.
    fn next(&mut self) -> f64;
}

impl<F: FnMut() -> f64> Uniform for F {
    fn next(&mut self) -> f64 {
        self()
    }
}

/// A belief about a success rate: Beta(`alpha`, `beta`), where each success adds one to `alpha` and each failure to `beta`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skill {
    /// Successes, the assumed ones included; above 0.
    pub alpha: f64,
    /// Failures, the assumed ones included; above 0.
    pub beta: f64,
}

impl Skill {
    /// What is believed before any outcome: who declares a capability is taken at its word as far as eight successes in
    /// ten would convince, who does not is expected to fail (INTELLIGENCE 4.1, where these two priors were measured).
    pub const fn prior(declared: bool) -> Self {
        if declared {
            Self {
                alpha: 8.0,
                beta: 2.0,
            }
        } else {
            Self {
                alpha: 2.0,
                beta: 6.0,
            }
        }
    }

    /// The expected success rate.
    pub fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// Learns from an outcome that is this skill's doing to the part `responsibility`, 0 to 1.
    pub fn observe(&mut self, success: bool, responsibility: f64) {
        let part = responsibility.clamp(0.0, 1.0);
        let count = if success { &mut self.alpha } else { &mut self.beta };
        *count += if part.is_finite() { part } else { 0.0 };
    }

    /// Draws a success rate from the belief (Thompson sampling): uncertain agents are sometimes given a try.
    pub fn sample(&self, random: &mut dyn Uniform) -> f64 {
        let (a, b) = (gamma(self.alpha, random), gamma(self.beta, random));
        if a + b > 0.0 { a / (a + b) } else { self.mean() }
    }
}

/// Draws from Gamma(`shape`, 1) by the method of Marsaglia and Tsang.
fn gamma(shape: f64, random: &mut dyn Uniform) -> f64 {
    if shape < 1.0 {
        // Gamma(k) = Gamma(k + 1) · U^(1/k).
        let boost = random.next().max(f64::MIN_POSITIVE).powf(1.0 / shape.max(1e-3));
        return gamma(shape + 1.0, random) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    // Nineteen draws in twenty are accepted at once; the bound is for generators that are none.
    for _ in 0..64 {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        let u = random.next().max(f64::MIN_POSITIVE);
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
    shape
}

/// Draws from the standard normal distribution (Box and Muller).
fn normal(random: &mut dyn Uniform) -> f64 {
    let radius = (-2.0 * random.next().max(f64::MIN_POSITIVE).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.next()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator for tests (SplitMix64).
    fn generator(mut state: u64) -> impl FnMut() -> f64 {
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn outcomes_move_the_mean() {
        let mut skill = Skill::prior(true);
        assert_eq!(skill.mean(), 0.8);
        skill.observe(false, 1.0);
        assert_eq!((skill.alpha, skill.beta), (8.0, 3.0));
        skill.observe(true, 0.25);
        assert_eq!((skill.alpha, skill.beta), (8.25, 3.0));
        skill.observe(true, f64::NAN);
        assert_eq!(skill.alpha, 8.25);
        assert_eq!(Skill::prior(false).mean(), 0.25);
    }

    #[test]
    fn samples_have_the_mean_and_the_spread_of_the_belief() {
        for (alpha, beta) in [(8.0, 2.0), (2.0, 6.0), (0.5, 0.5), (200.0, 50.0)] {
            let (skill, mut random) = (Skill { alpha, beta }, generator(7));
            let draws: Vec<f64> = (0..20_000).map(|_| skill.sample(&mut random)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let spread = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = alpha * beta / ((alpha + beta).powi(2) * (alpha + beta + 1.0));
            assert!((mean - skill.mean()).abs() < 0.01, "{skill:?}: mean {mean}");
            assert!(
                (spread / expected - 1.0).abs() < 0.1,
                "{skill:?}: variance {spread}"
            );
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn a_generator_that_is_none_still_gives_a_rate() {
        for stuck in [0.0, 0.999_999] {
            let rate = Skill::prior(true).sample(&mut || stuck);
            assert!((0.0..=1.0).contains(&rate), "{rate}");
        }
    }
}
