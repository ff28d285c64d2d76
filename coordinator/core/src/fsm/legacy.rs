//! The state names of six older systems, and ours for them: whoever asks by an old name is understood.
//!
//! One old name may stand for several of ours, and several old ones for one of ours; ours are never given back as old ones.

use wagglebus_schemas::fsm_api::FsmEntity;
use wagglebus_schemas::state::{AgentState, SwarmState};
use wagglebus_schemas::task::TaskState;

/// The states of agents in older systems: (1) `runtime/fsm/fsm_spec.yaml`, whose names are ours; (2) the onboarding
/// coordination; (3) the coordination's `fsm_system`; the acknowledgement of a contract.
const AGENT: &[(&str, &[AgentState])] = {
    use AgentState as S;
    &[
        ("uninitialized", &[S::Onboarding]),
        ("onboarded", &[S::Active]),
        ("idle", &[S::Active]),
        ("contract_negotiation", &[S::Active]),
        ("collaboration", &[S::ContractExecutionActive]),
        ("contract_active", &[S::ContractExecutionActive]),
        ("working", &[S::ContractExecutionActive]),
        ("task_execution", &[S::ContractExecutionActive]),
        ("progress_reporting", &[S::ContractExecutionActive]),
        ("waiting", &[S::Paused]),
        ("error", &[S::Error, S::Reset]),
        ("error_recovery", &[S::Error, S::Reset]),
        ("completed", &[S::SurveyMissionCompleted]),
        ("cycle_completion", &[S::SurveyMissionCompleted]),
    ]
};

/// The states of tasks: (4) the bridge of tasks and messages; (5) the orchestrator; (6) the states of a delivery; those of
/// contracts.
const TASK: &[(&str, &[TaskState])] = {
    use TaskState as S;
    &[
        ("todo", &[S::Pending]),
        ("new", &[S::Pending]),
        ("available", &[S::Pending]),
        ("claimed", &[S::Assigned]),
        ("active", &[S::InProgress]),
        ("doing", &[S::InProgress]),
        ("done", &[S::Completed]),
        ("canceled", &[S::Cancelled]),
        ("plan", &[S::Pending]),
        ("start", &[S::Pending]),
        ("build", &[S::InProgress]),
        ("review", &[S::InProgress]),
        ("deploy", &[S::InProgress]),
        ("process", &[S::InProgress]),
        ("quarantine", &[S::Blocked]),
        ("rollback", &[S::Failed]),
        ("end", &[S::Completed]),
    ]
};

/// Our names of the states that a name means, upper case or not; none when nobody called a state so.
pub fn states(entity: FsmEntity, name: &str) -> Vec<&'static str> {
    let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    match entity {
        FsmEntity::Agent => named(&name, AGENT, AgentState::ALL, AgentState::as_str),
        FsmEntity::Task => named(&name, TASK, TaskState::ALL, TaskState::as_str),
        FsmEntity::Swarm => named(&name, &[], SwarmState::ALL, SwarmState::as_str),
    }
}

fn named<S: Copy>(
    name: &str,
    old: &[(&str, &[S])],
    ours: &[S],
    as_str: impl Fn(S) -> &'static str,
) -> Vec<&'static str> {
    let known = old
        .iter()
        .find(|(word, _)| *word == name)
        .map(|(_, states)| *states);
    let own = ours.iter().filter(|state| as_str(**state) == name);
    let mut words: Vec<_> = known
        .into_iter()
        .flatten()
        .chain(own)
        .map(|state| as_str(*state))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vocabularies as LEGACY 0.2 lists them, each name with ours.
    const VOCABULARIES: [(FsmEntity, &str); 7] = [
        (
            FsmEntity::Agent,
            "ONBOARDING=onboarding ACTIVE=active CONTRACT_EXECUTION_ACTIVE=contract_execution_active \
             SURVEY_MISSION_COMPLETED=survey_mission_completed PAUSED=paused ERROR=error,reset RESET=reset \
             SHUTDOWN=shutdown",
        ),
        (
            FsmEntity::Swarm,
            "IDLE=idle COORDINATING=coordinating BROADCAST=broadcast DEGRADED=degraded HALT=halt",
        ),
        (
            FsmEntity::Agent,
            "uninitialized=onboarding onboarding=onboarding idle=active contract_negotiation=active \
             task_execution=contract_execution_active collaboration=contract_execution_active \
             progress_reporting=contract_execution_active cycle_completion=survey_mission_completed \
             error_recovery=error,reset",
        ),
        (
            FsmEntity::Agent,
            "idle=active working=contract_execution_active waiting=paused error=error,reset \
             completed=survey_mission_completed ONBOARDED=active CONTRACT_ACTIVE=contract_execution_active",
        ),
        (
            FsmEntity::Task,
            "todo=pending doing=in_progress blocked=blocked done=completed cancelled=cancelled",
        ),
        (
            FsmEntity::Task,
            "new=pending in_progress=in_progress completed=completed failed=failed cancelled=cancelled",
        ),
        (
            FsmEntity::Task,
            "Plan=pending Build=in_progress Review=in_progress Deploy=in_progress Done=completed \
             Quarantine=blocked Rollback=failed Blocked=blocked start=pending process=in_progress end=completed",
        ),
    ];

    #[test]
    fn every_old_name_is_understood() {
        for (entity, vocabulary) in VOCABULARIES {
            for pair in vocabulary.split_whitespace() {
                let (name, ours) = pair.split_once('=').unwrap();
                assert_eq!(states(entity, name).join(","), ours, "{entity} {name}");
            }
        }
    }

    #[test]
    fn every_name_of_ours_means_itself() {
        for state in TaskState::ALL {
            assert_eq!(states(FsmEntity::Task, state.as_str()), [state.as_str()]);
        }
        for state in AgentState::ALL {
            assert!(states(FsmEntity::Agent, state.as_str()).contains(&state.as_str()));
        }
        assert!(states(FsmEntity::Agent, "asleep").is_empty());
    }
}
