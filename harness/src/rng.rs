//! Seeded chance: the same seed makes the same run, on any machine.

use wagglebus_schemas::Id;

/// A small generator (SplitMix64): good enough to mix load and faults, and nothing else.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Everything that follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent generator for one part of the run: what one part draws does not move the others.
    #[must_use]
    pub fn fork(&self, part: u64) -> Self {
        Self(mix(self.0 ^ mix(part.wrapping_add(1))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// True in `percent` of all cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them; `None` when there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len() as u64);
        of.get(usize::try_from(at).unwrap_or(0))
    }

    /// A random UUID (version 4).
    pub fn id(&mut self) -> Id {
        let bits = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        Id::from_uuid(uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid())
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_parts_do_not_move_each_other() {
        let draw = |mut rng: Rng| [rng.bits(), rng.bits(), rng.bits()];
        assert_eq!(draw(Rng::new(7)), draw(Rng::new(7)));
        assert_ne!(draw(Rng::new(7)), draw(Rng::new(8)));
        assert_ne!(draw(Rng::new(7).fork(0)), draw(Rng::new(7).fork(1)));
        assert_ne!(draw(Rng::new(7).fork(0)), draw(Rng::new(8).fork(0)));
    }

    #[test]
    fn bounds_hold_and_ids_are_version_4() {
        let mut rng = Rng::new(1);
        assert!((0..1_000).all(|_| rng.below(3) < 3));
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.pick::<u8>(&[]), None);
        assert_eq!(rng.id().to_string().as_bytes()[14], b'4');
    }
}
