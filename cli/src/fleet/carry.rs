//! Carries a plan out, agent by agent; what fails with one does not keep the others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::future::join_all;
use wagglebus_nats::enrol::{Enroller, Unread, role, rooms};
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Id};

use super::plan::{Planned, Step};
use super::{Fleet, Member, Run};
use crate::attachment::{self, Attachment};
use crate::background;
use crate::failure::Failure;
use crate::up::{attached, logs};
use crate::verb::{own, record};

/// What became of each agent: its sidecar's process where one runs in the background, or what went wrong.
pub(crate) type Outcomes = BTreeMap<AgentId, Result<Option<u32>, Failure>>;

/// A sidecar that was just asked for.
struct Begun {
    agent: AgentId,
    log: PathBuf,
    logged: u64,
}

/// Does what was planned.
pub(crate) async fn carry(
    places: &Places,
    enroller: &Enroller<'_>,
    fleet: &Fleet,
    plan: &[Planned],
) -> Outcomes {
    let mut outcomes = Outcomes::new();
    // All together: each enrolment by itself would reload the server.
    let new: Vec<_> = plan
        .iter()
        .filter(|planned| planned.steps.contains(&Step::Enrol))
        .collect();
    let applicants: Result<Vec<_>, Failure> = new
        .iter()
        .map(|planned| own::applicant(&planned.agent, false))
        .collect();
    let enrolled = match applicants {
        Ok(applicants) if applicants.is_empty() => Ok(()),
        Ok(applicants) => enroller
            .enrol(&applicants)
            .await
            .map(|_| ())
            .map_err(|error| own::failure(&error)),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = enrolled {
        for planned in &new {
            outcomes.insert(planned.agent.clone(), Err(Failure::failed(failure.what())));
        }
    }
    let mut begun = Vec::new();
    for planned in plan {
        if outcomes.contains_key(&planned.agent) {
            continue;
        }
        let member = fleet.agents.iter().find(|member| member.agent == planned.agent);
        match steps(places, enroller, member, planned).await {
            Ok(Some(started)) => begun.push(started),
            Ok(None) => {
                outcomes.insert(planned.agent.clone(), Ok(None));
            }
            Err(failure) => {
                outcomes.insert(planned.agent.clone(), Err(failure));
            }
        }
    }
    let waits = begun.into_iter().map(|begun| async move {
        let ready = background::ready(places, &begun.agent, &begun.log, begun.logged).await;
        (begun.agent, ready.map(Some))
    });
    outcomes.extend(join_all(waits).await);
    outcomes
}

/// Does the steps of one agent. Returns its sidecar where it was asked for.
async fn steps(
    places: &Places,
    enroller: &Enroller<'_>,
    member: Option<&Member>,
    planned: &Planned,
) -> Result<Option<Begun>, Failure> {
    if let Some(obstacle) = &planned.obstacle {
        return Err(Failure::failed(obstacle.clone()));
    }
    let (agent, hive, admin) = (&planned.agent, places.hive(), enroller.admin);
    let mut begun = None;
    for step in &planned.steps {
        match step {
            // Done with those of the others.
            Step::Enrol => {}
            Step::Role => {
                let words = member.and_then(|member| member.role.as_deref());
                role::set(admin, hive, agent, words)
                    .await
                    .map_err(|error| Failure::caused(&error))?;
            }
            Step::Join(room) => {
                rooms::join(admin, hive, agent, room)
                    .await
                    .map_err(|error| Failure::caused(&error))?;
            }
            Step::Leave(room) => {
                rooms::leave(admin, hive, agent, room)
                    .await
                    .map_err(|error| Failure::caused(&error))?;
            }
            Step::Start | Step::Restart => {
                if *step == Step::Restart {
                    background::stop(places, agent).await?;
                }
                if let Some(member) = member {
                    begun = start(places, member).await?;
                }
            }
            Step::Stop => {
                background::stop(places, agent).await?;
                attachment::forget_pane(places, agent);
            }
            Step::Remove => {
                let removed = enroller.remove(agent, Unread::Keep).await;
                removed.map_err(|error| own::failure(&error))?;
            }
        }
    }
    Ok(begun)
}

/// Has `up` run the sidecar of an agent.
async fn start(places: &Places, member: &Member) -> Result<Option<Begun>, Failure> {
    let Some(asked) = member.asked() else {
        return Ok(None);
    };
    let agent = &member.agent;
    let arguments = match &member.run {
        // Whoever runs in the pane now is meant, also after the next start of `up`.
        Run::Pane {
            target,
            server,
            options,
        } => {
            let declared = member.declared();
            let pane = ["--target".to_owned(), target.clone()];
            let pane = [pane.to_vec(), server.clone(), options.clone()].concat();
            let recorded = record::record(places, agent, &declared, &pane).await?;
            [declared, recorded.arguments(), options.clone()].concat()
        }
        Run::Command { .. } | Run::Http | Run::Elsewhere => {
            // It may have run in one before.
            attachment::forget_pane(places, agent);
            asked.clone()
        }
    };
    let log = logs::file(places, &attached::name(agent));
    let logged = logs::length(&log);
    let wanted = Attachment {
        agent: agent.clone(),
        id: Id::from_uuid(uuid::Uuid::new_v4()),
        arguments,
        asked: Some(asked),
    };
    attachment::want(places, &wanted)?;
    Ok(Some(Begun {
        agent: agent.clone(),
        log,
        logged,
    }))
}
