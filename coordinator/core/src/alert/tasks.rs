//! The rules about tasks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use wagglebus_schemas::failure::Severity;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::{AgentId, CapabilityName, Id, Timestamp};

use super::agents::Scene;
use super::rule::Rule;
use super::seen::{Seen, Sighting, evidence};
use super::watch::OPEN_MAX;
use crate::assign::estimate;
use crate::log::TaskEntry;
use crate::roster::{Member, Roster};

const RULES: [Rule; 4] = [
    Rule::TaskStuck,
    Rule::TaskOverdue,
    Rule::TaskAtRisk,
    Rule::TaskUnassigned,
];
/// States in which a task goes on or could.
const OPEN: [TaskState; 5] = [
    TaskState::Pending,
    TaskState::WaitingDependency,
    TaskState::Assigned,
    TaskState::InProgress,
    TaskState::Blocked,
];

/// Judges the rules about tasks.
pub fn judge(scene: Scene<'_>, seen: &mut Seen) {
    let listed = scene.roster.is_listed() && !scene.patient;
    for rule in RULES {
        // Right after a takeover nobody was heard, and nobody is missing for that.
        if rule != Rule::TaskUnassigned || listed {
            seen.judged.insert(rule);
        }
    }
    let now = scene.at.unix_ms();
    let look = &mut Look::new(scene, seen);
    for entry in OPEN.iter().flat_map(|state| scene.world.in_state(*state)) {
        let task = &entry.task;
        match task.state {
            TaskState::InProgress | TaskState::Blocked => stuck(scene, task, now, look),
            TaskState::Pending if listed => unassigned(scene, entry, now, look),
            TaskState::Pending
            | TaskState::WaitingDependency
            | TaskState::Assigned
            | TaskState::Completed
            | TaskState::Failed
            | TaskState::Cancelled => {}
        }
        if let Some(deadline) = task.deadline {
            late(scene, entry, (now, deadline), look);
        }
    }
}

/// What is seen of tasks. Of thousands only those are described that may be told of.
struct Look<'a> {
    seen: &'a mut Seen,
    /// What was told and is not over.
    open: BTreeSet<(Rule, Id)>,
    /// How many more of each rule may be told of.
    room: BTreeMap<Rule, usize>,
    roster: &'a Roster,
    /// Who is there for what, as far as it was asked.
    able: BTreeMap<&'a [CapabilityName], Vec<&'a AgentId>>,
    workers: Option<Vec<Worker<'a>>>,
}

/// Somebody who is there and takes tasks, and what it can do.
type Worker<'a> = (&'a AgentId, BTreeSet<&'a CapabilityName>);

impl<'a> Look<'a> {
    fn new(scene: Scene<'a>, seen: &'a mut Seen) -> Self {
        let open = scene.world.alerts().open().into_keys();
        let open: BTreeSet<(Rule, Id)> = open
            .filter_map(|key| Some((key.rule, key.about.parse().ok()?)))
            .collect();
        let told = |rule| open.iter().filter(|(known, _)| *known == rule).count();
        let room = RULES.map(|rule| (rule, OPEN_MAX.saturating_sub(told(rule))));
        Self {
            seen,
            room: room.into(),
            open,
            roster: scene.roster,
            able: BTreeMap::new(),
            workers: None,
        }
    }

    fn hold(&mut self, rule: Rule, task: Id, sighting: impl FnOnce() -> Sighting) {
        if self.open.contains(&(rule, task)) {
            // It was told: nothing more is, while it holds.
            return self.seen.unclear(rule, task);
        }
        if let Some(room) = self.room.get_mut(&rule).filter(|room| **room > 0) {
            *room -= 1;
            self.seen.hold(rule, task, sighting());
        }
    }

    /// Whether an agent is there that could do a task once it is free.
    fn has_somebody(&mut self, entry: &'a TaskEntry) -> bool {
        let needed = &entry.task.capabilities[..];
        let roster = self.roster;
        let workers = self.workers.get_or_insert_with(|| workers(roster));
        let able = self.able.entry(needed).or_insert_with(|| {
            let able = workers
                .iter()
                .filter(|(_, has)| needed.iter().all(|name| has.contains(name)));
            able.map(|(agent, _)| *agent).collect()
        });
        able.iter().any(|agent| !entry.refused_by.contains(*agent))
    }
}

fn stuck(scene: Scene<'_>, task: &Task, now: i64, look: &mut Look<'_>) {
    let stall = i64::try_from(task.stall_ms.get()).unwrap_or(i64::MAX);
    let silent = now.saturating_sub(task.updated_at.unix_ms());
    if silent < stall.saturating_add(scene.settings.limit(Rule::TaskStuck)) {
        return;
    }
    look.hold(Rule::TaskStuck, task.id, || {
        let holder = task.assigned_to.as_ref();
        let who = holder.map_or_else(|| "its holder".to_owned(), ToString::to_string);
        let what = format!("{who} has said nothing about it for {} s", silent / 1_000);
        let more = [("silent_ms", json!(silent)), ("stall_ms", json!(task.stall_ms))];
        sighting(task, (Severity::Warning, &what), more, task.updated_at)
    });
}

fn late(scene: Scene<'_>, entry: &TaskEntry, (now, deadline): (i64, Timestamp), look: &mut Look<'_>) {
    let task = &entry.task;
    let left = deadline.unix_ms().saturating_sub(now);
    if left <= 0 {
        if left.saturating_neg() >= scene.settings.limit(Rule::TaskOverdue) {
            look.hold(Rule::TaskOverdue, task.id, || {
                let what = format!("it was to be done by {deadline}");
                let more = [("deadline", json!(deadline)), ("slack_ms", json!(left))];
                sighting(task, (Severity::Error, &what), more, deadline)
            });
        }
        return;
    }
    let Some(needed) = needed(scene, entry, now) else {
        return;
    };
    let slack = left.saturating_sub(needed);
    if slack.saturating_sub(scene.settings.limit(Rule::TaskAtRisk)) < 0 {
        look.hold(Rule::TaskAtRisk, task.id, || {
            let (needed_s, left_s) = (needed / 1_000, left / 1_000);
            let what = format!("about {needed_s} s of work are left, and {left_s} s until its deadline");
            let more = [("deadline", json!(deadline)), ("slack_ms", json!(slack))];
            sighting(task, (Severity::Warning, &what), more, scene.at)
        });
    }
}

/// How long a task will still take, in milliseconds: as its progress says, else as tasks of this hive do; `None` while
/// nothing is known of them.
fn needed(scene: Scene<'_>, entry: &TaskEntry, now: i64) -> Option<i64> {
    let task = &entry.task;
    let held = task.state.is_held();
    let elapsed = now.saturating_sub(entry.held_since.unix_ms()).max(0);
    let progress = f64::from(task.progress);
    if held && progress >= 0.05 {
        return Some((elapsed as f64 * (1.0 - progress) / progress) as i64);
    }
    let estimates = scene.world.practice().estimates();
    if !estimates.is_learned() {
        return None;
    }
    let elapsed_ms = if held {
        u64::try_from(elapsed).unwrap_or(0)
    } else {
        0
    };
    let remaining = estimate::remaining_ms(estimates.mean_task_ms(), elapsed_ms);
    Some(i64::try_from(remaining).unwrap_or(i64::MAX))
}

fn unassigned<'a>(scene: Scene<'a>, entry: &'a TaskEntry, now: i64, look: &mut Look<'a>) {
    let task = &entry.task;
    let waited = now.saturating_sub(task.updated_at.unix_ms());
    if waited < scene.settings.limit(Rule::TaskUnassigned) {
        return;
    }
    if look.has_somebody(entry) {
        return;
    }
    look.hold(Rule::TaskUnassigned, task.id, || {
        let needs: Vec<String> = task.capabilities.iter().map(ToString::to_string).collect();
        let what = if needs.is_empty() {
            "no agent is there for it".to_owned()
        } else {
            format!("no agent is there who can do {}", needs.join(", "))
        };
        let more = [
            ("capabilities", json!(task.capabilities)),
            ("refused_by", json!(entry.refused_by)),
        ];
        sighting(task, (Severity::Warning, &what), more, task.updated_at)
    });
}

/// Whoever is there, does not leave, and takes tasks.
fn workers(roster: &Roster) -> Vec<Worker<'_>> {
    let worker = |member| {
        let beat = Member::heartbeat(member)?;
        let there = matches!(member.presence(), Presence::Alive | Presence::Suspect);
        let leaves = matches!(
            beat.state,
            SessionState::Gone | SessionState::Detached | SessionState::Draining
        );
        let works = there && !leaves && *member.agent() != AgentId::operator();
        let able = beat.capabilities.iter().map(|able| &able.name);
        works.then(|| (member.agent(), able.collect()))
    };
    roster.members().filter_map(worker).collect()
}

fn sighting<const N: usize>(
    task: &Task,
    (severity, what): (Severity, &str),
    more: [(&str, serde_json::Value); N],
    since: Timestamp,
) -> Sighting {
    let title: String = task.title.as_str().chars().take(80).collect();
    let mut evidence = evidence(more);
    evidence.extend([
        ("state".to_owned(), json!(task.state)),
        ("assigned_to".to_owned(), json!(task.assigned_to)),
    ]);
    Sighting {
        severity,
        summary: format!("task {title:?} is {}: {what}", task.state),
        hint: format!("wagglebus task show {}", task.id),
        evidence,
        since,
    }
}
