//! The table of agents: a state and an event to the next state.

use wagglebus_schemas::state::AgentState;

use super::Step;

/// What can happen to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentEvent {
    /// It is enrolled, or enrolled again.
    Enrol,
    /// Its first heartbeat with a lease.
    Join,
    /// The same, of an agent that is to be paused.
    JoinPaused,
    /// It took a task on.
    Accept,
    /// It completed the last task that it had taken on.
    Finish,
    /// The last task that it had taken on ended otherwise, or is not its any more.
    LetGo,
    /// It says that it is idle, after the end of its last task.
    Idle,
    /// The operator pauses it.
    Pause,
    /// The operator lets it go on.
    Resume,
    /// The same, while it has a task.
    ResumeTask,
    /// The same, and it was paused before it was idle again.
    ResumeSurvey,
    /// No heartbeat comes.
    Lose,
    /// Its process is gone.
    Go,
    /// A heartbeat that does not say `gone`.
    Return,
    /// Two more of them.
    Recover,
    /// The same, of an agent that is to be paused.
    RecoverPaused,
    /// Its sidecar left on purpose.
    Detach,
    /// It is not enrolled any more.
    Remove,
    /// A sidecar of a new lease speaks for it.
    NewEpoch,
    /// It says that it can do something else than before.
    Declare,
}

impl AgentEvent {
    /// Every event.
    pub const ALL: [Self; 20] = [
        Self::Enrol,
        Self::Join,
        Self::JoinPaused,
        Self::Accept,
        Self::Finish,
        Self::LetGo,
        Self::Idle,
        Self::Pause,
        Self::Resume,
        Self::ResumeTask,
        Self::ResumeSurvey,
        Self::Lose,
        Self::Go,
        Self::Return,
        Self::Recover,
        Self::RecoverPaused,
        Self::Detach,
        Self::Remove,
        Self::NewEpoch,
        Self::Declare,
    ];

    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrol => "enrol",
            Self::Join | Self::JoinPaused | Self::Return | Self::Recover | Self::RecoverPaused => "heartbeat",
            Self::Accept => "accept",
            Self::Finish => "complete",
            Self::LetGo => "let_go",
            Self::Idle => "idle",
            Self::Pause => "pause",
            Self::Resume | Self::ResumeTask | Self::ResumeSurvey => "resume",
            Self::Lose | Self::Go => "lost",
            Self::Detach | Self::Remove => "leave",
            Self::NewEpoch => "new_epoch",
            Self::Declare => "declare",
        }
    }

    /// What had to hold.
    pub const fn guard(self) -> Option<&'static str> {
        match self {
            Self::Join => Some("lease"),
            Self::JoinPaused => Some("lease_of_paused"),
            Self::Finish | Self::LetGo => Some("last_task"),
            Self::Resume => Some("was_active"),
            Self::ResumeTask => Some("has_task"),
            Self::ResumeSurvey => Some("was_survey_mission_completed"),
            Self::Lose => Some("no_heartbeat"),
            Self::Go => Some("gone"),
            Self::Return => Some("not_gone"),
            Self::Recover => Some("two_heartbeats"),
            Self::RecoverPaused => Some("two_heartbeats_of_paused"),
            Self::Detach => Some("detached"),
            Self::Remove => Some("removed"),
            Self::Enrol | Self::Accept | Self::Idle | Self::Pause | Self::NewEpoch | Self::Declare => None,
        }
    }
}

/// The table of TASKS 4. A pause of an agent that is not there is remembered: it begins paused.
pub const fn step(state: AgentState, event: AgentEvent) -> Step<AgentState> {
    use AgentEvent as E;
    use AgentState as S;
    match (event, state) {
        (E::Enrol | E::NewEpoch, S::Shutdown) => Step::To(S::Onboarding),
        (E::Join, S::Onboarding) | (E::Recover, S::Reset) => Step::To(S::Active),
        (E::JoinPaused, S::Onboarding) | (E::RecoverPaused, S::Reset) => Step::To(S::Paused),
        (E::Accept, S::Active | S::SurveyMissionCompleted) => Step::To(S::ContractExecutionActive),
        (E::Finish, S::ContractExecutionActive) => Step::To(S::SurveyMissionCompleted),
        (E::LetGo, S::ContractExecutionActive) | (E::Idle, S::SurveyMissionCompleted) => Step::To(S::Active),
        (E::Pause, S::Active | S::ContractExecutionActive | S::SurveyMissionCompleted) => Step::To(S::Paused),
        (E::Pause | E::Resume, S::Onboarding | S::Error | S::Reset | S::Shutdown)
        | (E::Remove, S::Shutdown) => Step::To(state),
        (E::Resume, S::Paused) => Step::To(S::Active),
        (E::ResumeTask, S::Paused) => Step::To(S::ContractExecutionActive),
        (E::ResumeSurvey, S::Paused) => Step::To(S::SurveyMissionCompleted),
        (
            E::Lose | E::Go,
            S::Onboarding
            | S::Active
            | S::ContractExecutionActive
            | S::SurveyMissionCompleted
            | S::Paused
            | S::Reset,
        ) => Step::To(S::Error),
        (E::Return, S::Error) => Step::To(S::Reset),
        (
            E::Detach | E::Remove,
            S::Onboarding
            | S::Active
            | S::ContractExecutionActive
            | S::SurveyMissionCompleted
            | S::Paused
            | S::Error
            | S::Reset,
        ) => Step::To(S::Shutdown),
        (E::Accept, S::ContractExecutionActive)
        | (E::Pause, S::Paused)
        | (E::Resume, S::Active | S::ContractExecutionActive | S::SurveyMissionCompleted)
        | (E::Lose | E::Go, S::Error)
        | (E::Detach, S::Shutdown)
        | (
            E::Declare,
            S::Onboarding
            | S::Active
            | S::ContractExecutionActive
            | S::SurveyMissionCompleted
            | S::Paused
            | S::Error
            | S::Reset,
        ) => Step::Unchanged,
        _ => Step::Illegal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state and every event, the states by the first letter of `AgentState::ALL` in its order: o a c s p e r, and x
    /// for shutdown. `=` is unchanged, `.` is illegal.
    const TABLE: &str = "\
event         o a c s p e r x
Enrol         . . . . . . . o
Join          a . . . . . . .
JoinPaused    p . . . . . . .
Accept        . c = c . . . .
Finish        . . s . . . . .
LetGo         . . a . . . . .
Idle          . . . a . . . .
Pause         o p p p = e r x
Resume        o = = = a e r x
ResumeTask    . . . . c . . .
ResumeSurvey  . . . . s . . .
Lose          e e e e e = e .
Go            e e e e e = e .
Return        . . . . . r . .
Recover       . . . . . . a .
RecoverPaused . . . . . . p .
Detach        x x x x x x x =
Remove        x x x x x x x x
NewEpoch      . . . . . . . o
Declare       = = = = = = = .
";

    #[test]
    fn every_state_and_every_event() {
        let letters: Vec<&str> = TABLE.lines().next().unwrap().split_whitespace().skip(1).collect();
        assert_eq!(letters.len(), AgentState::ALL.len());
        let named =
            |letter: &str| AgentState::ALL[letters.iter().position(|known| *known == letter).unwrap()];
        for (state, letter) in AgentState::ALL.iter().zip(&letters) {
            assert!(
                *letter == "x" || state.as_str().starts_with(letter),
                "{state} {letter}"
            );
        }
        let mut lines = TABLE.lines().skip(1);
        for event in AgentEvent::ALL {
            let words: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
            assert_eq!(words[0], format!("{event:?}"));
            for (word, state) in words[1..].iter().zip(AgentState::ALL) {
                let expected = match *word {
                    "." => Step::Illegal,
                    "=" => Step::Unchanged,
                    letter => Step::To(named(letter)),
                };
                assert_eq!(step(*state, event), expected, "{state} {event:?}");
            }
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn what_the_log_calls_alike_differs_by_its_guard() {
        let mut seen = std::collections::BTreeSet::new();
        for event in AgentEvent::ALL {
            assert!(seen.insert((event.as_str(), event.guard())), "{event:?}");
        }
    }

    #[test]
    fn every_state_can_be_left_and_reached() {
        for state in AgentState::ALL {
            let leaves = |event| matches!(step(*state, event), Step::To(to) if to != *state);
            assert!(AgentEvent::ALL.into_iter().any(leaves), "{state} is a trap");
            let others = AgentState::ALL.iter().filter(|other| *other != state);
            let reached = |other: &AgentState| {
                AgentEvent::ALL
                    .into_iter()
                    .any(|event| step(*other, event) == Step::To(*state))
            };
            assert!(others.into_iter().any(reached), "{state} is never reached");
        }
    }
}
