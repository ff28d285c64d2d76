//! Flap damping: who comes and goes again and again gets no work until it has held for a while.

use wagglebus_schemas::state::Presence;

use crate::attention::Attended;

/// Marks that cost nothing: an agent may be restarted twice, or be late four times.
pub const FREE_MARKS: u32 = 4;
/// Marks for a return from the lost.
const LOST_MARKS: u32 = 2;
/// Marks for a heartbeat that came late.
const LATE_MARKS: u32 = 1;
/// Most marks: they are forgotten within some minutes whatever happened before.
const MARKS_MAX: u32 = FREE_MARKS + 6;
/// For how long an agent must hold after its first mark too many, in milliseconds; twice as long after each further one.
pub const HOLD_FIRST_MS: u64 = 2_000;
/// Longest time for which it must hold, in milliseconds.
pub const HOLD_MAX_MS: u64 = 60_000;
/// Time after which one mark is forgotten, in milliseconds.
pub const FORGET_MS: u64 = 30_000;

/// How steadily one agent was there.
///
/// It changes nothing about presence: who holds a task keeps it, and who is there can be written to. Only new work waits
/// until it is worth giving: an agent whose program dies after each start would otherwise eat up the attempts of every
/// task that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steadiness {
    marks: u32,
    /// Up to when marks were forgotten.
    counted: Attended,
    until: Option<Attended>,
}

impl Steadiness {
    /// Presence changed.
    pub fn changed(&mut self, from: Presence, to: Presence, at: Attended) {
        let marks = match (from, to) {
            (Presence::Lost, Presence::Alive | Presence::Suspect) => LOST_MARKS,
            (Presence::Suspect, Presence::Alive) => LATE_MARKS,
            // Who goes is marked when it comes back; nobody is given work meanwhile.
            (Presence::Never | Presence::Alive, _)
            | (Presence::Lost | Presence::Suspect, Presence::Lost | Presence::Suspect | Presence::Never) => {
                return;
            }
        };
        let forgotten = at.since(self.counted) / FORGET_MS;
        let left = self
            .marks
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        self.counted = if left == 0 {
            at
        } else {
            self.counted.after(forgotten.saturating_mul(FORGET_MS))
        };
        self.marks = left.saturating_add(marks).min(MARKS_MAX);
        let beyond = self.marks.saturating_sub(FREE_MARKS);
        if let Some(doublings) = beyond.checked_sub(1) {
            let hold_ms = HOLD_FIRST_MS.saturating_mul(1_u64 << doublings.min(16));
            self.until = Some(at.after(hold_ms.min(HOLD_MAX_MS)));
        }
    }

    /// When it may be given work again; `None`: it may be now.
    pub fn until(&self, at: Attended) -> Option<Attended> {
        self.until.filter(|until| *until > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes and comes back `times` times, `every_ms` apart; returns the last return and the hold after it.
    fn flap(steadiness: &mut Steadiness, mut at: Attended, times: u32, every_ms: u64) -> (Attended, u64) {
        for _ in 0..times {
            at = at.after(every_ms);
            steadiness.changed(Presence::Alive, Presence::Lost, at);
            steadiness.changed(Presence::Lost, Presence::Alive, at);
        }
        (at, steadiness.until(at).map_or(0, |until| until.since(at)))
    }

    #[test]
    fn each_return_too_many_doubles_the_time_to_hold() {
        let holds: Vec<u64> = (1..=8)
            .map(|times| flap(&mut Steadiness::default(), Attended::default(), times, 3_000).1)
            .collect();
        assert_eq!(holds, [0, 0, 4_000, 16_000, 60_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn late_heartbeats_count_half_and_going_counts_nothing() {
        let mut steadiness = Steadiness::default();
        let at = Attended::default();
        for _ in 0..FREE_MARKS {
            steadiness.changed(Presence::Alive, Presence::Suspect, at);
            steadiness.changed(Presence::Suspect, Presence::Alive, at);
        }
        assert_eq!(steadiness.until(at), None);
        steadiness.changed(Presence::Alive, Presence::Suspect, at);
        steadiness.changed(Presence::Suspect, Presence::Lost, at);
        assert_eq!(steadiness.until(at), None);
        steadiness.changed(Presence::Never, Presence::Alive, at);
        assert_eq!(steadiness.until(at), None);
        steadiness.changed(Presence::Suspect, Presence::Alive, at);
        assert_eq!(steadiness.until(at), Some(at.after(HOLD_FIRST_MS)));
        assert_eq!(steadiness.until(at.after(HOLD_FIRST_MS)), None);
    }

    #[test]
    fn whoever_holds_is_forgiven() {
        let mut steadiness = Steadiness::default();
        let (at, hold_ms) = flap(&mut steadiness, Attended::default(), 20, 1_000);
        assert_eq!(hold_ms, HOLD_MAX_MS);
        let (_, hold_ms) = flap(&mut steadiness, at.after(FORGET_MS * 10), 1, 0);
        assert_eq!(hold_ms, 0);
        // A flap each minute is a restart now and then.
        let (_, hold_ms) = flap(
            &mut Steadiness::default(),
            Attended::default(),
            100,
            2 * FORGET_MS,
        );
        assert_eq!(hold_ms, 0);
    }
}
