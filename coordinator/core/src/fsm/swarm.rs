//! The table of the hive as a whole: a state and an event to the next state.

use wagglebus_schemas::state::SwarmState;

use super::Step;

/// What can happen to the hive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmEvent {
    /// Two agents or more are active.
    Gather,
    /// Fewer are.
    Scatter,
    /// Something was said to everybody.
    Announce,
    /// It is stored, and everybody gets it.
    Stored,
    /// More than a quarter of the enrolled agents are unhealthy.
    Degrade,
    /// None is.
    Recover,
    /// The operator stops everything.
    Halt,
    /// The operator lets it go on.
    Resume,
}

impl SwarmEvent {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Gather,
        Self::Scatter,
        Self::Announce,
        Self::Stored,
        Self::Degrade,
        Self::Recover,
        Self::Halt,
        Self::Resume,
    ];

    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::Scatter => "scatter",
            Self::Announce => "announce",
            Self::Stored => "stored",
            Self::Degrade => "degrade",
            Self::Recover => "recover",
            Self::Halt => "halt",
            Self::Resume => "resume",
        }
    }

    /// What had to hold.
    pub const fn guard(self) -> Option<&'static str> {
        match self {
            Self::Gather => Some("two_active"),
            Self::Scatter => Some("fewer_than_two_active"),
            Self::Degrade => Some("over_a_quarter_unhealthy"),
            Self::Recover => Some("none_unhealthy"),
            Self::Announce | Self::Stored | Self::Halt | Self::Resume => None,
        }
    }
}

/// The table of TASKS 4.
pub const fn step(state: SwarmState, event: SwarmEvent) -> Step<SwarmState> {
    use SwarmEvent as E;
    use SwarmState as S;
    match (event, state) {
        (E::Gather, S::Idle) | (E::Stored, S::Broadcast) | (E::Recover, S::Degraded) => {
            Step::To(S::Coordinating)
        }
        (E::Scatter, S::Coordinating) | (E::Resume, S::Halt) => Step::To(S::Idle),
        (E::Announce, S::Coordinating) => Step::To(S::Broadcast),
        (E::Degrade, S::Idle | S::Coordinating | S::Broadcast) => Step::To(S::Degraded),
        (E::Halt, S::Idle | S::Coordinating | S::Broadcast | S::Degraded) => Step::To(S::Halt),
        (E::Announce, S::Broadcast)
        | (E::Halt, S::Halt)
        | (E::Resume, S::Idle | S::Coordinating | S::Broadcast | S::Degraded) => Step::Unchanged,
        _ => Step::Illegal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state and every event; `=` is unchanged, `.` is illegal.
    const TABLE: &str = "\
event     idle          coordinating  broadcast     degraded      halt
Gather    coordinating  .             .             .             .
Scatter   .             idle          .             .             .
Announce  .             broadcast     =             .             .
Stored    .             .             coordinating  .             .
Degrade   degraded      degraded      degraded      .             .
Recover   .             .             .             coordinating  .
Halt      halt          halt          halt          halt          =
Resume    =             =             =             =             idle
";

    #[test]
    fn every_state_and_every_event() {
        let mut lines = TABLE.lines();
        let states: Vec<SwarmState> = lines
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|word| word.parse().unwrap())
            .collect();
        assert_eq!(states, SwarmState::ALL);
        for event in SwarmEvent::ALL {
            let words: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
            assert_eq!(words[0], format!("{event:?}"));
            for (word, state) in words[1..].iter().zip(&states) {
                let expected = match *word {
                    "." => Step::Illegal,
                    "=" => Step::Unchanged,
                    state => Step::To(state.parse().unwrap()),
                };
                assert_eq!(step(*state, event), expected, "{state} {event:?}");
            }
        }
        assert_eq!(lines.next(), None);
    }
}
