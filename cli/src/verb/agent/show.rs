//! `agent show`: everything that is known of one agent.

use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::agent_detail::{
    AgentDetail, AgentShown, HeldTask, LastDecision, ResourceUse, SkillShown, TaskLoad,
};
use wagglebus_schemas::heartbeat::LaneDepth;
use wagglebus_schemas::{AgentId, Priority};

use crate::failure::Failure;
use crate::output::Output;
use crate::printable;
use crate::session::Session;

/// Characters of a text of others that a line shows.
const TEXT_CHARS: usize = 200;

/// Show everything about an agent: whether it is there, what it can do, holds and has, its mail and its rooms
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent
    #[arg(value_name = "ID")]
    agent: AgentId,
}

pub(super) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let answer = session.client()?.agent(&args.agent).await?;
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    let shown: AgentShown = serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::failed("the answer cannot be read").why(error.to_string()))?;
    for (label, text) in lines(&shown) {
        output.line(format!("{label:<14}{text}"))?;
    }
    if shown.agent.stale {
        output.note("note: from the sidecar's cache, since no coordinator answers; it may be old")?;
    }
    Ok(())
}

/// What is said of an agent: a label and a text each. A label that is empty goes on with the one before.
fn lines(shown: &AgentShown) -> Vec<(&'static str, String)> {
    let AgentShown { agent, detail } = shown;
    let mut lines = record(agent);
    match detail {
        Some(detail) => lines.extend(details(agent, detail)),
        None => lines.extend(each(
            "can",
            agent
                .capabilities
                .iter()
                .map(|able| format!("{}, declared {} of 10", able.name, able.proficiency.get())),
        )),
    }
    lines
}

fn record(agent: &Agent) -> Vec<(&'static str, String)> {
    let or = |text: Option<String>, otherwise: &str| text.unwrap_or_else(|| otherwise.to_owned());
    let seen = or(agent.last_seen.map(|at| at.to_string()), "never");
    let version = match printable::line(&agent.version, 30) {
        version if version.is_empty() => "unknown".to_owned(),
        version => version,
    };
    let ephemeral = if agent.ephemeral {
        ", goes an hour after it is last seen"
    } else {
        ""
    };
    let bridges = agent
        .bridges
        .iter()
        .map(|bridge| format!("{} up to {}", bridge.name, bridge.proves));
    let rooms = agent
        .rooms
        .iter()
        .map(|room| format!("{} since {}", room.name, room.joined_seq));
    let mut lines = vec![
        ("agent", agent.agent.to_string()),
        ("presence", format!("{}, last seen {seen}", agent.presence)),
        (
            "state",
            or(agent.state.map(|state| state.to_string()), "never heard of"),
        ),
        ("machine", or(agent.fsm.map(|fsm| fsm.to_string()), "not known")),
        ("lease epoch", agent.epoch.to_string()),
        ("version", version),
        ("enrolled", format!("{}{ephemeral}", agent.enrolled_at)),
    ];
    lines.extend(each("reached by", bridges));
    lines.extend(each("rooms", rooms));
    lines
}

fn details(agent: &Agent, detail: &AgentDetail) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(role) = &detail.role {
        lines.push(("role", printable::line(role, TEXT_CHARS)));
    }
    let slots = match detail.slots {
        1 => "one task at a time".to_owned(),
        slots => format!("{slots} tasks at once"),
    };
    let TaskLoad {
        assigned,
        in_progress,
        blocked,
    } = detail.load;
    lines.push(("work", format!("{}, {slots}", detail.health)));
    lines.push((
        "load",
        format!("{assigned} assigned, {in_progress} in progress, {blocked} blocked"),
    ));
    if let Some(hold) = &detail.hold {
        lines.push(("holds back", format!("{} since {}", hold.reason, hold.since)));
    }
    lines.extend(each("can", detail.skills.iter().map(skill)));
    lines.extend(each("has", detail.resources.iter().map(resource)));
    let current = |task: &HeldTask| detail.current == Some(task.id) && detail.tasks.len() > 1;
    lines.extend(each(
        "tasks",
        detail.tasks.iter().map(|held| task(held, current(held))),
    ));
    let decision = detail.last_decision.as_ref();
    lines.push((
        "last decision",
        decision.map_or_else(|| "none".to_owned(), last_decision),
    ));
    if agent.last_seen.is_some() {
        let lane = |priority: &Priority| {
            let LaneDepth { pending, oldest_ms } = detail.inbox.get(*priority);
            let oldest =
                oldest_ms.map_or_else(String::new, |ms| format!(" (oldest in hand {} s)", ms / 1_000));
            format!("{pending} {priority}{oldest}")
        };
        let waiting: Vec<String> = Priority::ALL.iter().map(lane).collect();
        lines.push((
            "mail",
            format!("{}, {} in its hands", waiting.join(", "), detail.in_flight.len()),
        ));
    }
    lines
}

fn skill(skill: &SkillShown) -> String {
    let name = skill
        .capability
        .as_ref()
        .map_or("work that needs nothing", |name| name.as_str());
    let declared = match skill.declared {
        Some(proficiency) => format!("declared {} of 10", proficiency.get()),
        None if skill.capability.is_some() => "no longer declared".to_owned(),
        None => "open to all".to_owned(),
    };
    if skill.outcomes == 0.0 {
        return format!("{name}, {declared}, not measured yet");
    }
    let percent = skill.success * 100.0;
    format!(
        "{name}, {declared}, measured {percent:.0} % success over {:.1} outcomes at {:.2} times the usual time",
        skill.outcomes, skill.pace
    )
}

fn resource(resource: &ResourceUse) -> String {
    let ResourceUse {
        name,
        total,
        used,
        free,
    } = resource;
    format!("{name} {total}: {used} used, {free} free")
}

fn task(task: &HeldTask, is_current: bool) -> String {
    let progress = task.progress.get() * 100.0;
    let title = printable::line(&task.title, TEXT_CHARS);
    let current = if is_current { " (the current one)" } else { "" };
    format!(
        "{} {} {progress:.0} % since {}: {title}{current}",
        task.id, task.state, task.since
    )
}

/// The assignment, and the weightiest of what spoke for it.
fn last_decision(decision: &LastDecision) -> String {
    let LastDecision {
        task_id,
        epoch,
        at,
        explanation,
    } = decision;
    let why = explanation.as_ref().map(|explanation| {
        let chosen = explanation.chosen.as_ref();
        let mut candidates = explanation.candidates.iter();
        let score = candidates.find(|candidate| Some(&candidate.agent) == chosen);
        match (&explanation.overridden, score) {
            (Some(by), _) => format!(", by {}", by.by),
            (None, Some(candidate)) => format!(", {} with {:.2}", explanation.strategy, candidate.score),
            (None, None) => format!(", {}", explanation.strategy),
        }
    });
    let why = why.unwrap_or_default();
    format!("{task_id}, assignment {epoch}, {at}{why}")
}

/// One line for each, `none` where there is nothing.
fn each(label: &'static str, texts: impl Iterator<Item = String>) -> Vec<(&'static str, String)> {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        return vec![(label, "none".to_owned())];
    }
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(texts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(detail: serde_json::Value) -> String {
        let mut agent = json!({
            "agent": "bob", "presence": "alive", "state": "busy", "fsm": "active",
            "bridges": [{"name": "http", "proves": "done"}], "capabilities": [{"name": "rust", "proficiency": 8}],
            "rooms": [{"name": "all", "joined_seq": 0}], "epoch": 7, "version": "0.1.0", "ephemeral": false,
            "enrolled_at": "2026-01-02T03:04:05.678Z", "last_seen": "2026-01-02T03:05:05.678Z", "stale": false,
        });
        if !detail.is_null() {
            agent["detail"] = detail;
        }
        let shown: AgentShown = serde_json::from_value(agent).unwrap();
        let lines = lines(&shown).into_iter();
        lines.map(|(label, text)| format!("{label}|{text}\n")).collect()
    }

    #[test]
    fn everything_is_shown() {
        let lane = json!({"pending": 2, "oldest_ms": null});
        let text = shown(json!({
            "role": "reviews\u{1b}[31m", "inbox": {"urgent": lane, "high": lane, "normal": lane, "low": lane},
            "in_flight": [], "health": "ready", "slots": 2,
            "tasks": [{"id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d", "title": "Review", "state": "in_progress",
                       "priority": "high", "epoch": 1, "progress": 0.5, "resources": {"memory_mb": 512},
                       "since": "2026-01-02T03:04:05.678Z"}],
            "current": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d",
            "load": {"assigned": 0, "in_progress": 1, "blocked": 0}, "event_seq": 7,
            "last_decision": {"task_id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d", "epoch": 1,
                              "at": "2026-01-02T03:04:05.678Z",
                              "explanation": {"task_id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d",
                                              "strategy": "intelligent", "chosen": "bob",
                                              "candidates": [{"agent": "bob", "eligible": true, "score": 1.5}]}},
            "resources": [{"name": "memory_mb", "total": 2048.0, "used": 512.0, "free": 1536.0}],
            "skills": [{"capability": "rust", "declared": 8, "success": 0.9, "outcomes": 4.0, "pace": 1.25},
                       {"capability": "go", "declared": null, "success": 0.25, "outcomes": 0.0, "pace": 1.0}],
        }));
        for expected in [
            "presence|alive, last seen 2026-01-02T03:05:05.678Z\n",
            "machine|active\n",
            "role|reviews\u{fffd}[31m\n",
            "work|ready, 2 tasks at once\n",
            "load|0 assigned, 1 in progress, 0 blocked\n",
            "last decision|0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d, assignment 1, 2026-01-02T03:04:05.678Z, \
             intelligent with 1.50\n",
            "can|rust, declared 8 of 10, measured 90 % success over 4.0 outcomes at 1.25 times the usual time\n",
            "|go, no longer declared, not measured yet\n",
            "has|memory_mb 2048: 512 used, 1536 free\n",
            "tasks|0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d in_progress 50 % since 2026-01-02T03:04:05.678Z: Review\n",
            "mail|2 urgent, 2 high, 2 normal, 2 low, 0 in its hands\n",
        ] {
            assert!(text.contains(expected), "{expected}{text}");
        }
    }

    #[test]
    fn a_remembered_record_has_no_detail() {
        let text = shown(serde_json::Value::Null);
        assert!(text.contains("can|rust, declared 8 of 10\n"), "{text}");
        assert!(
            text.contains("rooms|all since 0\n") && !text.contains("mail"),
            "{text}"
        );
    }
}
