//! Injections into panes that do what they like: whatever happens, one paste, no Enter without a look that allowed it,
//! and an end as soon as the pane is left in peace.

use proptest::prelude::*;

use crate::terminal::inject::{Act, ENTERS_MAX, End, Injection};
use crate::terminal::screen::{Condition, Input, Sight};

/// What a pane does between two looks.
#[derive(Debug, Clone, Copy)]
enum Whim {
    Nothing,
    Becomes(Condition),
    LeftInPeace,
    PersonTypes,
    PersonClears,
    PersonSubmits,
    /// The next act is refused by its guard.
    Refuses,
    /// The next Enter is swallowed.
    SwallowsEnter,
    /// The process is killed and started again.
    Restart,
    /// The screen lags: this look shows the input as it was.
    Lags,
}

fn whim() -> impl Strategy<Value = Whim> {
    prop_oneof![
        6 => Just(Whim::Nothing),
        3 => prop::sample::select(vec![
            Condition::Idle, Condition::Busy, Condition::Occupied, Condition::DialogOpen, Condition::RateLimited,
            Condition::Unclear, Condition::CannotWake, Condition::InMode, Condition::Unreachable,
        ]).prop_map(Whim::Becomes),
        1 => Just(Whim::PersonTypes),
        1 => Just(Whim::PersonClears),
        1 => Just(Whim::PersonSubmits),
        1 => Just(Whim::Refuses),
        1 => Just(Whim::SwallowsEnter),
        1 => Just(Whim::Restart),
        1 => Just(Whim::Lags),
    ]
}

#[derive(Debug, Default)]
struct Pane {
    ours: u32,
    foreign: bool,
    submitted: u32,
    former: Option<Input>,
}

impl Pane {
    fn input(&self) -> Input {
        match (self.ours, self.foreign) {
            (0, false) => Input::Empty,
            (0, true) => Input::Foreign,
            (_, false) => Input::Ours,
            (_, true) => Input::Mixed,
        }
    }

    fn submit(&mut self) {
        self.submitted += self.ours;
        (self.ours, self.foreign) = (0, false);
    }
}

fn run(urgent: bool, whims: &[Whim]) -> Result<(), TestCaseError> {
    let mut pane = Pane::default();
    let mut condition = Condition::Idle;
    let mut injection = Injection::new(0, urgent, 100, false);
    let (mut now_ms, mut pastes, mut presses) = (0, 0, 0);
    // What is written to disk before each step: begun, and begun to enter.
    let mut stage: Option<bool> = None;
    let peace = std::iter::repeat_n(Whim::LeftInPeace, 400);
    for whim in whims.iter().copied().chain(peace) {
        let (mut refuses, mut swallows, mut lags) = (false, false, false);
        match whim {
            Whim::Nothing => {}
            Whim::Becomes(next) => condition = next,
            Whim::LeftInPeace => (condition, pane.foreign) = (Condition::Idle, false),
            Whim::PersonTypes => pane.foreign = true,
            Whim::PersonClears => pane.foreign = false,
            Whim::PersonSubmits => pane.submit(),
            Whim::Refuses => refuses = true,
            Whim::SwallowsEnter => swallows = true,
            Whim::Restart => {
                injection = stage.map_or_else(
                    || Injection::new(now_ms, urgent, 100, false),
                    |entered| Injection::resumed(now_ms, urgent, entered),
                );
                presses = 0;
            }
            // A process that starts takes longer than a program that draws.
            Whim::Lags => lags = !injection.is_unbegun(),
        }
        let shown = pane.input();
        let input = pane.former.replace(shown).filter(|_| lags).unwrap_or(shown);
        let input = if condition == Condition::Unreachable {
            Input::Hidden
        } else {
            input
        };
        let half_typed = matches!(input, Input::Foreign | Input::Mixed) && condition == Condition::Idle;
        let sight = Sight {
            condition: if half_typed {
                Condition::HumanTyping
            } else {
                condition
            },
            input,
            submitted: pane.submitted > 0 && condition != Condition::Unreachable,
        };
        let allowed = sight.condition == Condition::Idle || (urgent && sight.condition == Condition::Busy);
        match injection.seen(now_ms, &sight) {
            Act::Paste => {
                prop_assert!(allowed && input == Input::Empty, "{sight:?}");
                stage = Some(false);
                if !refuses {
                    pastes += 1;
                    pane.ours += 1;
                }
                injection.pasted(now_ms, Some(!refuses));
                stage = stage.filter(|_| !refuses);
            }
            Act::Enter => {
                prop_assert!(allowed && input == Input::Ours, "{sight:?}");
                stage = Some(true);
                if !refuses {
                    presses += 1;
                    if !swallows {
                        pane.submit();
                    }
                }
                injection.entered(now_ms, Some(!refuses));
            }
            Act::LeaveMode => condition = Condition::Idle,
            Act::LookAt(at_ms) => {
                prop_assert!(at_ms > now_ms);
                now_ms = at_ms;
            }
            Act::End(end) => {
                prop_assert_eq!(end, End::Injected);
                prop_assert_eq!(pastes, 1);
                return Ok(());
            }
        }
        prop_assert!(pastes <= 1, "pasted twice");
        prop_assert!(presses <= ENTERS_MAX, "Enter without end");
        now_ms += 1;
    }
    prop_assert_eq!(
        presses,
        ENTERS_MAX,
        "in peace it ends: {:?} {:?}",
        injection,
        pane
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn one_paste_and_every_enter_after_a_look(urgent: bool, whims in prop::collection::vec(whim(), 0..60)) {
        run(urgent, &whims)?;
    }
}
