//! What the operator wants of this agent: pause and halt, as the coordinator tells them, the latest of each scope.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wagglebus_schemas::command::ControlAction;
use wagglebus_schemas::control::{AgentControl, Control, ControlScope};
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::{AgentId, Timestamp, decode};

use crate::receipt::ReceiptRefusal;

/// What was said last of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlFact {
    /// Of whom.
    pub scope: ControlScope,
    /// Nothing is to be handed over.
    pub stopped: bool,
    /// The sequence in the coordinator's log up to which this is so.
    pub event_seq: u64,
    /// Since when.
    pub at: Timestamp,
}

impl From<Control> for ControlFact {
    fn from(control: Control) -> Self {
        Self {
            scope: control.scope,
            stopped: match control.action {
                ControlAction::Pause | ControlAction::Halt => true,
                ControlAction::Resume => false,
            },
            event_seq: control.event_seq,
            at: control.at,
        }
    }
}

/// What was said last, by scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controls {
    agent: Option<ControlFact>,
    hive: Option<ControlFact>,
}

impl Controls {
    /// Adds what was said: of each scope the latest.
    pub fn merge(&mut self, fact: ControlFact) {
        let known = match fact.scope {
            ControlScope::Agent => &mut self.agent,
            ControlScope::Hive => &mut self.hive,
        };
        if known.is_none_or(|known| rank(&known) < rank(&fact)) {
            *known = Some(fact);
        }
    }

    const fn of(&self, scope: ControlScope) -> Option<ControlFact> {
        match scope {
            ControlScope::Agent => self.agent,
            ControlScope::Hive => self.hive,
        }
    }

    /// Whether this is later than all that was heard of its scope. What it says may be what was known: an older word that
    /// comes after it must not count any more.
    pub fn is_news(&self, fact: &ControlFact) -> bool {
        let known = self.of(fact.scope).map_or(0, |known| known.event_seq);
        known < fact.event_seq
    }

    /// What the coordinator answered at `at`, one fact for each scope. What it confirms is so since it was first said.
    pub fn told(&self, state: AgentControl, at: Timestamp) -> [ControlFact; 2] {
        let fact = |scope, stopped| {
            let same = self.of(scope).filter(|known| known.stopped == stopped);
            ControlFact {
                scope,
                stopped,
                event_seq: state.event_seq,
                at: same.map_or(at, |known| known.at),
            }
        };
        [
            fact(ControlScope::Agent, state.paused),
            fact(ControlScope::Hive, state.halted),
        ]
    }

    /// Whether it is the latest of its scope.
    pub fn counts(&self, fact: &ControlFact) -> bool {
        self.of(fact.scope).as_ref() == Some(fact)
    }

    /// Since when nothing is to be handed over to this agent; `None`: it works. The operator is a person, who halts the
    /// others and still reads what they wrote.
    pub fn stopped_since(&self, me: &AgentId) -> Option<Timestamp> {
        let hive = self.hive.filter(|_| *me != AgentId::operator());
        let stopped = self.agent.into_iter().chain(hive).filter(|fact| fact.stopped);
        stopped.map(|fact| fact.at).min()
    }

    /// How the agent stands; `None`: nothing was ever said.
    pub fn state(&self) -> Option<AgentControl> {
        let stopped = |fact: Option<ControlFact>| fact.is_some_and(|fact| fact.stopped);
        let last = self.agent.into_iter().chain(self.hive);
        Some(AgentControl {
            paused: stopped(self.agent),
            halted: stopped(self.hive),
            event_seq: last.map(|fact| fact.event_seq).max()?,
        })
    }
}

/// Records come in any order and may come twice.
const fn rank(fact: &ControlFact) -> (u64, bool, i64) {
    (fact.event_seq, fact.stopped, fact.at.unix_ms())
}

/// Reads a control that was fetched among the receipts.
///
/// # Errors
/// When its bytes are none.
pub fn read(payload: &Bytes) -> Result<Control, ReceiptRefusal> {
    Ok(decode::record("control", payload, MESSAGE_BYTES_MAX)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    fn fact(scope: ControlScope, stopped: bool, event_seq: u64) -> ControlFact {
        let at = at(i64::try_from(event_seq).unwrap());
        ControlFact {
            scope,
            stopped,
            event_seq,
            at,
        }
    }

    fn bob() -> AgentId {
        "bob".parse().unwrap()
    }

    #[test]
    fn the_two_scopes_are_independent_and_the_latest_of_each_counts() {
        let (agent, hive) = (ControlScope::Agent, ControlScope::Hive);
        let mut controls = Controls::default();
        assert_eq!((controls.stopped_since(&bob()), controls.state()), (None, None));
        for (said, since) in [
            (fact(agent, true, 5), Some(5)),
            (fact(hive, true, 3), Some(3)),
            (fact(agent, false, 4), Some(3)),
            (fact(hive, false, 7), Some(5)),
            (fact(hive, true, 6), Some(5)),
            (fact(agent, false, 9), None),
            (fact(hive, true, 10), Some(10)),
        ] {
            controls.merge(said);
            assert_eq!(controls.stopped_since(&bob()), since.map(at), "{said:?}");
        }
        let state = AgentControl {
            paused: false,
            halted: true,
            event_seq: 10,
        };
        assert_eq!(controls.state(), Some(state));
    }

    #[test]
    fn the_operator_reads_while_the_hive_is_halted() {
        let mut controls = Controls::default();
        controls.merge(fact(ControlScope::Hive, true, 3));
        assert_eq!(controls.stopped_since(&AgentId::operator()), None);
        assert_eq!(controls.stopped_since(&bob()), Some(at(3)));
        controls.merge(fact(ControlScope::Agent, true, 4));
        assert_eq!(controls.stopped_since(&AgentId::operator()), Some(at(4)));
    }

    #[test]
    fn an_answer_counts_like_the_last_word_before_it() {
        let scope = ControlScope::Agent;
        let mut controls = Controls::default();
        let never = AgentControl {
            paused: false,
            halted: false,
            event_seq: 0,
        };
        assert!(
            controls
                .told(never, at(1))
                .iter()
                .all(|fact| !controls.is_news(fact))
        );
        controls.merge(fact(scope, true, 5));
        let paused = AgentControl {
            paused: true,
            event_seq: 8,
            ..never
        };
        let told = controls.told(paused, at(99));
        assert!(told.iter().all(|fact| controls.is_news(fact)));
        told.into_iter().for_each(|fact| controls.merge(fact));
        assert_eq!(
            controls.stopped_since(&bob()),
            Some(at(5)),
            "since it was first said"
        );
        for old in [fact(scope, false, 6), fact(ControlScope::Hive, true, 8)] {
            assert!(!controls.is_news(&old), "{old:?}");
        }
        assert!(controls.is_news(&fact(scope, false, 9)));
        assert!(!controls.counts(&fact(scope, true, 5)), "a later one counts");
    }

    proptest! {
        #[test]
        fn the_order_of_records_says_nothing(
            said in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..6), 0..8),
            turned in 0usize..8,
        ) {
            let scopes = [ControlScope::Agent, ControlScope::Hive];
            let fold = |said: &[(bool, bool, u64)]| {
                let mut controls = Controls::default();
                for (hive, stopped, seq) in said {
                    controls.merge(fact(scopes[usize::from(*hive)], *stopped, *seq));
                }
                controls
            };
            let mut other = said.clone();
            other.rotate_left(turned.min(said.len()));
            other.extend(said.first());
            prop_assert_eq!(fold(&said), fold(&other));
        }
    }
}
