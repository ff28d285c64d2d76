//! What the table says of a command, worked out beside the core.

use wagglebus_coordinator_core::log::TaskData;
use wagglebus_coordinator_core::task::{Ask, Asked};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::TaskAction;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::TaskState;

use crate::account::Account;
use crate::bus::Command;
use crate::checker::{Broken, check};
use crate::sabotage::Rule;

use TaskState as S;

/// What may become of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The epoch that it speaks of.
    pub(crate) epoch: Option<u64>,
    /// The codes with which it may be refused.
    refusals: Vec<ErrorCode>,
    /// Whether it may be done.
    may_be_done: bool,
}

/// Judges a command about a task, or about none.
pub(crate) fn judge(account: Option<&Account>, command: &Command, seq: u64) -> Judged {
    let ask = Ask::read(
        command.verb,
        command.from.clone(),
        seq,
        Some(&command.msg_id),
        &command.body,
    );
    let epoch = match &ask.asked {
        Ok(Asked::About { epoch, .. }) => *epoch,
        Ok(Asked::Submit(_) | Asked::Control { .. } | Asked::Strategy(_)) | Err(_) => None,
    };
    let judged = |may_be_done, refusals: &[ErrorCode]| Judged {
        epoch,
        refusals: refusals.to_vec(),
        may_be_done,
    };
    match (ask.asked, account) {
        (Err(error), _) => judged(false, &[error.code]),
        // Whether its dependencies and capabilities are known is not looked at here.
        (Ok(Asked::Submit(_)), None) => judged(
            true,
            &[
                ErrorCode::NotFound,
                ErrorCode::UnknownCapability,
                ErrorCode::InvalidMessage,
            ],
        ),
        (Ok(Asked::Submit(_)), Some(_)) => judged(true, &[ErrorCode::IdempotencyConflict]),
        // It is not about a task.
        (Ok(Asked::Control { .. } | Asked::Strategy(_)), _) => judged(false, &[]),
        (Ok(Asked::About { .. }), None) => judged(false, &[ErrorCode::NotFound]),
        (Ok(Asked::About { action, .. }), Some(account)) => match refusal(account, &ask.from, epoch, &action)
        {
            Some(code) => judged(false, &[code]),
            // These depend on who is enrolled, or known to be capable.
            None if matches!(action, TaskAction::Accept) && epoch.is_none() => judged(
                true,
                &[
                    ErrorCode::Forbidden,
                    ErrorCode::UnknownAgent,
                    ErrorCode::IllegalTransition,
                ],
            ),
            None if matches!(action, TaskAction::Assign { .. }) => {
                judged(true, &[ErrorCode::UnknownAgent, ErrorCode::IllegalTransition])
            }
            None => judged(true, &[]),
        },
    }
}

/// In the order of TASKS 2: epoch, sender, what is asked, state.
fn refusal(account: &Account, from: &AgentId, epoch: Option<u64>, action: &TaskAction) -> Option<ErrorCode> {
    let state = account.state;
    let unassigned = matches!(state, S::Pending | S::WaitingDependency);
    if epoch.is_some_and(|epoch| epoch != account.epoch || unassigned) {
        return Some(ErrorCode::StaleEpoch);
    }
    let operator = *from == AgentId::operator();
    let holds = account.holder.as_ref() == Some(from);
    let may = match action {
        TaskAction::Accept if epoch.is_none() => return None,
        TaskAction::Cancel { .. } => operator || *from == account.submitter,
        TaskAction::Assign { .. } => operator,
        _ => holds,
    };
    if !may {
        return Some(ErrorCode::Forbidden);
    }
    let legal: &[TaskState] = match action {
        TaskAction::Assign { .. } => return None,
        TaskAction::Accept => &[S::Assigned, S::InProgress],
        TaskAction::Refuse { .. } => &[S::Assigned, S::InProgress],
        TaskAction::Progress { progress, note } => {
            let started = matches!(state, S::Assigned | S::InProgress);
            if started && progress.get() < account.progress && note.is_none() {
                return Some(ErrorCode::InvalidMessage);
            }
            &[S::Assigned, S::InProgress]
        }
        TaskAction::Block { .. } => &[S::Assigned, S::InProgress, S::Blocked],
        TaskAction::Resume => &[S::Blocked, S::InProgress],
        TaskAction::Complete { .. } => &[S::Assigned, S::InProgress, S::Blocked, S::Completed],
        TaskAction::Fail { .. } => &[S::Assigned, S::InProgress, S::Blocked, S::Failed],
        TaskAction::Cancel { .. } => {
            let over = matches!(state, S::Completed | S::Failed);
            return over.then_some(ErrorCode::IllegalTransition);
        }
    };
    (!legal.contains(&state)).then_some(ErrorCode::IllegalTransition)
}

/// Whether what was decided is what was to be.
pub(crate) fn compare(
    judged: Option<Judged>,
    event: &str,
    data: &TaskData,
    state: Option<TaskState>,
) -> Result<(), Broken> {
    let Some(judged) = judged else { return Ok(()) };
    let fits = match &data.error {
        Some(error) => judged.refusals.contains(&error.code),
        None => judged.may_be_done,
    };
    check(Rule::Judgement, fits, || {
        format!(
            "{event} in {state:?} was judged {:?}, and should be {judged:?}",
            data.error
        )
    })
}
