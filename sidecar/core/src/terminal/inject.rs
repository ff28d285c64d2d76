//! One text into one pane: pasted once, Enter only after a look that allowed it, then verified on the screen.
//!
//! | state | a look shows | what follows |
//! |---|---|---|
//! | check | an empty input, and the program may be given something now | paste |
//! | pasted | our text in the input, nothing in the way, the delay is over | Enter |
//! | | our text has left the input | injected: a person pressed Enter |
//! | entered | our text has left the input | injected |
//! | | it is still there after a while | Enter again, at most [`ENTERS_MAX`] times, never the text |
//! | any | the program is gone | nothing until it is back; a restarted sidecar attaches anew |
//!
//! Everything else waits, and says why.

use wagglebus_schemas::reason::HoldReason;

use super::screen::{Condition, Input, Sight};

/// How often Enter is pressed at most.
pub const ENTERS_MAX: u32 = 4;
/// How often a mode of tmux is left before that is given up.
const LEAVES_MAX: u32 = 5;
/// Time between two looks while something is expected any moment, in milliseconds: at first and at last.
const SOON_MS: std::ops::RangeInclusive<u64> = 1..=40;
/// How long after an act that is, in milliseconds.
const SOON_FOR_MS: u64 = 2_000;
/// Time between two looks otherwise, in milliseconds.
pub const LATER_MS: u64 = 500;
/// How long a text may take from the paste to the screen, in milliseconds.
const ARRIVES_MS: u64 = 5_000;
/// The same for a text that a former process pasted, in milliseconds: it had more time already.
const RESUMED_ARRIVES_MS: u64 = 1_000;
/// How long after Enter the text may stay in the input before Enter is pressed again, in milliseconds; doubled each time.
const ENTER_AGAIN_MS: u64 = 1_000;
/// How long something must have been in the way before it is told, in milliseconds.
const HOLD_AFTER_MS: u64 = 1_000;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Paste the text, at once.
    Paste,
    /// Press Enter, at once.
    Enter,
    /// Leave the mode of tmux that takes the keys, at once.
    LeaveMode,
    /// Look again at this time, in milliseconds.
    LookAt(u64),
    /// It is over.
    End(End),
}

/// How an injection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program has the text.
    Injected,
    /// tmux failed, and nothing shows that the text ever came into the pane.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was pasted by this process.
    Check,
    /// The text was pasted.
    Pasted {
        enter_at_ms: u64,
        arrives_by_ms: u64,
        /// tmux confirmed it.
        certain: bool,
        /// It was seen in the input.
        arrived: bool,
    },
    /// Enter was pressed.
    Entered { presses: u32, again_at_ms: u64 },
}

/// One text on its way into a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    urgent: bool,
    enter_delay_ms: u64,
    ends_with_its_program: bool,
    state: State,
    leaves: u32,
    acted_at_ms: u64,
    in_the_way: Option<(HoldReason, u64)>,
}

impl Injection {
    /// A text that may interrupt its program if `urgent`, with this delay between text and Enter. Some programs read a
    /// line and end: `ends_with_its_program` counts that as read.
    pub const fn new(now_ms: u64, urgent: bool, enter_delay_ms: u64, ends_with_its_program: bool) -> Self {
        Self {
            urgent,
            enter_delay_ms,
            ends_with_its_program,
            state: State::Check,
            leaves: 0,
            acted_at_ms: now_ms,
            in_the_way: None,
        }
    }

    /// A text that a former process had pasted or, if `entered`, had begun to enter. What of it is not to be seen after a
    /// moment never came into the pane.
    pub const fn resumed(now_ms: u64, urgent: bool, entered: bool) -> Self {
        let mut injection = Self::new(now_ms, urgent, 0, false);
        injection.state = if entered {
            State::Entered {
                presses: 1,
                again_at_ms: now_ms,
            }
        } else {
            State::Pasted {
                enter_at_ms: now_ms,
                arrives_by_ms: now_ms.saturating_add(RESUMED_ARRIVES_MS),
                certain: false,
                arrived: false,
            }
        };
        injection
    }

    /// Nothing was pasted yet: another text may go first.
    pub const fn is_unbegun(&self) -> bool {
        matches!(self.state, State::Check)
    }

    /// Something urgent waits behind it: what is half done is in its way, and is finished as if it were urgent itself.
    pub const fn hasten(&mut self) {
        self.urgent |= !self.is_unbegun();
    }

    /// Why it does not go on, once that has lasted for a moment.
    pub fn hold(&self, now_ms: u64) -> Option<HoldReason> {
        let lasting = |since_ms: u64| now_ms.saturating_sub(since_ms) >= HOLD_AFTER_MS;
        self.in_the_way
            .filter(|(_, since_ms)| lasting(*since_ms))
            .map(|(reason, _)| reason)
    }

    /// A look showed this.
    pub fn seen(&mut self, now_ms: u64, sight: &Sight) -> Act {
        let act = self.decide(now_ms, sight);
        match act {
            Act::Paste | Act::Enter | Act::End(_) => self.in_the_way = None,
            Act::LeaveMode | Act::LookAt(_) => {}
        }
        act
    }

    /// A paste ended; `None`: tmux did not say how.
    pub const fn pasted(&mut self, now_ms: u64, done: Option<bool>) {
        self.acted_at_ms = now_ms;
        if let Some(false) = done {
            return;
        }
        self.state = State::Pasted {
            enter_at_ms: now_ms.saturating_add(self.enter_delay_ms),
            arrives_by_ms: now_ms.saturating_add(ARRIVES_MS),
            certain: done.is_some(),
            arrived: false,
        };
    }

    /// An Enter ended; `None`: tmux did not say how.
    pub const fn entered(&mut self, now_ms: u64, done: Option<bool>) {
        self.acted_at_ms = now_ms;
        if let Some(false) = done {
            return;
        }
        let presses = match self.state {
            State::Entered { presses, .. } => presses.saturating_add(1),
            State::Check | State::Pasted { .. } => 1,
        };
        let patience_ms = ENTER_AGAIN_MS.saturating_mul(1 << (presses.saturating_sub(1)));
        self.state = State::Entered {
            presses,
            again_at_ms: now_ms.saturating_add(patience_ms),
        };
    }

    fn decide(&mut self, now_ms: u64, sight: &Sight) -> Act {
        if sight.condition == Condition::Unreachable {
            // Nothing was seen, so nothing is concluded: least of all that a text is lost.
            self.wait_anew(now_ms);
            return self.wait_because(now_ms, HoldReason::CannotWake);
        }
        if sight.condition == Condition::Gone {
            let read = self.ends_with_its_program && matches!(self.state, State::Entered { .. });
            return if read {
                Act::End(End::Injected)
            } else {
                // It may only be stopped, and come back with what it was given.
                self.wait_because(now_ms, HoldReason::AgentGone)
            };
        }
        match self.state {
            State::Check => self.check(now_ms, sight),
            State::Pasted { .. } => self.wait_for_text(now_ms, sight),
            State::Entered { presses, again_at_ms } => self.verify(now_ms, sight, presses, again_at_ms),
        }
    }

    /// What tmux was given while it hung arrives once it goes on.
    const fn wait_anew(&mut self, now_ms: u64) {
        match &mut self.state {
            State::Check => {}
            State::Pasted { arrives_by_ms, .. } => *arrives_by_ms = now_ms.saturating_add(ARRIVES_MS),
            State::Entered { again_at_ms, .. } => *again_at_ms = now_ms.saturating_add(ENTER_AGAIN_MS),
        }
    }

    fn check(&mut self, now_ms: u64, sight: &Sight) -> Act {
        if sight.input == Input::Empty && self.may(sight.condition) {
            Act::Paste
        } else {
            self.wait(now_ms, sight)
        }
    }

    fn wait_for_text(&mut self, now_ms: u64, sight: &Sight) -> Act {
        let State::Pasted {
            enter_at_ms,
            arrives_by_ms,
            certain,
            arrived,
        } = &mut self.state
        else {
            return Act::LookAt(now_ms.saturating_add(LATER_MS));
        };
        let (enter_at_ms, overdue) = (*enter_at_ms, now_ms >= *arrives_by_ms);
        let (was_there, certain) = (*arrived, *certain);
        *arrived |= sight.input == Input::Ours;
        match sight.input {
            Input::Ours if !self.may(sight.condition) => self.wait(now_ms, sight),
            Input::Ours if now_ms < enter_at_ms => Act::LookAt(enter_at_ms),
            Input::Ours => Act::Enter,
            // Without a trace of it another look may come too early.
            Input::Empty | Input::Foreign if was_there || sight.submitted => Act::End(End::Injected),
            Input::Empty | Input::Foreign | Input::Hidden if overdue && !certain => Act::End(End::Lost),
            Input::Empty if overdue => self.wait_because(now_ms, HoldReason::CannotWake),
            Input::Empty | Input::Foreign | Input::Hidden | Input::Mixed => self.wait(now_ms, sight),
        }
    }

    fn verify(&mut self, now_ms: u64, sight: &Sight, presses: u32, again_at_ms: u64) -> Act {
        match sight.input {
            Input::Empty | Input::Foreign => Act::End(End::Injected),
            Input::Hidden if sight.submitted => Act::End(End::Injected),
            Input::Ours if presses >= ENTERS_MAX && now_ms >= again_at_ms => {
                self.wait_because(now_ms, HoldReason::CannotWake)
            }
            Input::Ours if now_ms >= again_at_ms && self.may(sight.condition) => Act::Enter,
            Input::Ours | Input::Mixed | Input::Hidden => self.wait(now_ms, sight),
        }
    }

    /// Whether a program in this condition may be given the text now.
    const fn may(&self, condition: Condition) -> bool {
        match condition {
            Condition::Idle => true,
            Condition::Busy => self.urgent,
            Condition::Occupied
            | Condition::DialogOpen
            | Condition::HumanTyping
            | Condition::RateLimited
            | Condition::Unclear
            | Condition::CannotWake
            | Condition::InMode
            | Condition::Unreachable
            | Condition::Gone => false,
        }
    }

    fn wait(&mut self, now_ms: u64, sight: &Sight) -> Act {
        if sight.condition == Condition::InMode && self.leaves < LEAVES_MAX {
            self.leaves = self.leaves.saturating_add(1);
            return Act::LeaveMode;
        }
        match hold_reason(sight.condition) {
            Some(reason) => self.wait_because(now_ms, reason),
            None => self.look_again(now_ms),
        }
    }

    fn wait_because(&mut self, now_ms: u64, reason: HoldReason) -> Act {
        if self.in_the_way.is_none_or(|(known, _)| known != reason) {
            self.in_the_way = Some((reason, now_ms));
        }
        self.look_again(now_ms)
    }

    fn look_again(&self, now_ms: u64) -> Act {
        let since_ms = now_ms.saturating_sub(self.acted_at_ms);
        let pause_ms = if since_ms < SOON_FOR_MS && !self.is_unbegun() {
            (since_ms / 2).clamp(*SOON_MS.start(), *SOON_MS.end())
        } else {
            LATER_MS
        };
        Act::LookAt(now_ms.saturating_add(pause_ms))
    }
}

/// Why nothing is put into a pane in this condition; `None` where it may be.
pub const fn hold_reason(condition: Condition) -> Option<HoldReason> {
    match condition {
        Condition::Idle => None,
        Condition::Busy | Condition::Occupied => Some(HoldReason::Busy),
        // A screen that is not understood is most often a dialog that is not known.
        Condition::DialogOpen | Condition::Unclear => Some(HoldReason::DialogOpen),
        Condition::HumanTyping => Some(HoldReason::HumanTyping),
        Condition::RateLimited => Some(HoldReason::RateLimited),
        Condition::CannotWake | Condition::InMode | Condition::Unreachable => Some(HoldReason::CannotWake),
        Condition::Gone => Some(HoldReason::AgentGone),
    }
}
