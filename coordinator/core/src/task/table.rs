//! The table: a state and an event to the next state.

use wagglebus_schemas::task::TaskState;

/// What can happen to a task that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// All that it depends on is completed.
    Ready,
    /// Something that it depends on failed or was cancelled.
    DependencyFailed,
    /// It is given to an agent.
    Assign,
    /// The operator gives it to an agent, also away from another.
    AssignByForce,
    /// Its holder takes it on.
    Accept,
    /// Somebody takes it who was not asked.
    Claim,
    /// Its holder does not want it.
    Refuse,
    /// Its holder says how far it is.
    Progress,
    /// Its holder waits for something.
    Block,
    /// Its holder goes on.
    Resume,
    /// It is done.
    Complete,
    /// It did not work, and is given up.
    Fail,
    /// It did not work, and is tried again.
    Retry,
    /// Its holder is lost or silent, and it is tried again.
    Release,
    /// Its holder is lost or silent at the last attempt.
    GiveUp,
    /// It is not wanted any more.
    Cancel,
}

impl TaskEvent {
    /// Every event.
    pub const ALL: [Self; 16] = [
        Self::Ready,
        Self::DependencyFailed,
        Self::Assign,
        Self::AssignByForce,
        Self::Accept,
        Self::Claim,
        Self::Refuse,
        Self::Progress,
        Self::Block,
        Self::Resume,
        Self::Complete,
        Self::Fail,
        Self::Retry,
        Self::Release,
        Self::GiveUp,
        Self::Cancel,
    ];

    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready | Self::DependencyFailed => "ready",
            Self::Assign | Self::AssignByForce => "assign",
            Self::Accept | Self::Claim => "accept",
            Self::Refuse => "refuse",
            Self::Progress => "progress",
            Self::Block => "block",
            Self::Resume => "resume",
            Self::Complete => "complete",
            Self::Fail | Self::Retry => "fail",
            Self::Release | Self::GiveUp => "release",
            Self::Cancel => "cancel",
        }
    }

    /// What had to hold, where one word of the log has several ways.
    pub const fn guard(self) -> Option<&'static str> {
        match self {
            Self::DependencyFailed => Some("dependency_failed"),
            Self::AssignByForce => Some("force"),
            Self::Claim => Some("claim"),
            Self::Retry => Some("retryable"),
            Self::GiveUp => Some("last_attempt"),
            Self::Ready
            | Self::Assign
            | Self::Accept
            | Self::Refuse
            | Self::Progress
            | Self::Block
            | Self::Resume
            | Self::Complete
            | Self::Fail
            | Self::Release
            | Self::Cancel => None,
        }
    }
}

/// Where an event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To this state.
    To(TaskState),
    /// It has happened already: the answer is the unchanged task.
    Unchanged,
    /// Nowhere: it cannot happen here.
    Illegal,
}

/// The table of TASKS 2.
pub const fn step(state: TaskState, event: TaskEvent) -> Step {
    use TaskEvent as E;
    use TaskState as S;
    match (event, state) {
        (E::Ready, S::WaitingDependency) => Step::To(S::Pending),
        (E::DependencyFailed, S::WaitingDependency) => Step::To(S::Failed),
        (E::Assign, S::Pending) => Step::To(S::Assigned),
        (E::AssignByForce, S::Pending | S::Assigned | S::InProgress | S::Blocked) => Step::To(S::Assigned),
        (E::Accept, S::Assigned) => Step::To(S::InProgress),
        (E::Claim, S::Pending) => Step::To(S::InProgress),
        (E::Refuse, S::Assigned | S::InProgress) => Step::To(S::Pending),
        (E::Progress, S::Assigned | S::InProgress) => Step::To(S::InProgress),
        (E::Block, S::Assigned | S::InProgress) => Step::To(S::Blocked),
        (E::Resume, S::Blocked) => Step::To(S::InProgress),
        (E::Complete, S::Assigned | S::InProgress | S::Blocked) => Step::To(S::Completed),
        (E::Fail | E::GiveUp, S::Assigned | S::InProgress | S::Blocked) => Step::To(S::Failed),
        (E::Retry | E::Release, S::Assigned | S::InProgress | S::Blocked) => Step::To(S::Pending),
        (E::Cancel, S::Pending | S::WaitingDependency | S::Assigned | S::InProgress | S::Blocked) => {
            Step::To(S::Cancelled)
        }
        (E::Accept | E::Resume, S::InProgress)
        | (E::Block, S::Blocked)
        | (E::Complete, S::Completed)
        | (E::Fail | E::Retry, S::Failed)
        | (E::Cancel, S::Cancelled) => Step::Unchanged,
        _ => Step::Illegal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state and every event; `=` is unchanged, `.` is illegal.
    const TABLE: &str = "\
event           pending             waiting_dependency  assigned            in_progress         blocked             completed           failed              cancelled
Ready           .                   pending             .                   .                   .                   .                   .                   .
DependencyFailed .                  failed              .                   .                   .                   .                   .                   .
Assign          assigned            .                   .                   .                   .                   .                   .                   .
AssignByForce   assigned            .                   assigned            assigned            assigned            .                   .                   .
Accept          .                   .                   in_progress         =                   .                   .                   .                   .
Claim           in_progress         .                   .                   .                   .                   .                   .                   .
Refuse          .                   .                   pending             pending             .                   .                   .                   .
Progress        .                   .                   in_progress         in_progress         .                   .                   .                   .
Block           .                   .                   blocked             blocked             =                   .                   .                   .
Resume          .                   .                   .                   =                   in_progress         .                   .                   .
Complete        .                   .                   completed           completed           completed           =                   .                   .
Fail            .                   .                   failed              failed              failed              .                   =                   .
Retry           .                   .                   pending             pending             pending             .                   =                   .
Release         .                   .                   pending             pending             pending             .                   .                   .
GiveUp          .                   .                   failed              failed              failed              .                   .                   .
Cancel          cancelled           cancelled           cancelled           cancelled           cancelled           .                   .                   =
";

    #[test]
    fn every_state_and_every_event() {
        let mut lines = TABLE.lines();
        let states: Vec<TaskState> = lines
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|word| word.parse().unwrap())
            .collect();
        assert_eq!(states, TaskState::ALL);
        for (line, event) in lines.by_ref().zip(TaskEvent::ALL) {
            let words: Vec<&str> = line.split_whitespace().collect();
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

    #[test]
    fn nothing_leaves_the_end() {
        for state in TaskState::ALL.iter().filter(|state| state.is_terminal()) {
            for event in TaskEvent::ALL {
                assert!(!matches!(step(*state, event), Step::To(_)), "{state} {event:?}");
            }
        }
    }
}
