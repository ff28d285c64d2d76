//! Who takes part and what is to be done: agents of differing abilities, speeds and tempers, and tasks that fit them.

use std::collections::BTreeSet;

use wagglebus_schemas::{AgentId, CapabilityName, Id, Priority};

use crate::rng::Rng;

/// What agents can do.
const CAPABILITIES: [&str; 6] = ["rust", "python", "docs", "tests", "ops", "data"];
/// Agents that never refuse and could do a task, at least: with fewer, one that is lost could leave it waiting for ever.
const CAPABLE_MIN: usize = 3;
/// Of 100 tasks: with a deadline, with two capabilities, depending on others.
const WITH_DEADLINE: u64 = 20;
const WITH_TWO: u64 = 25;
const DEPENDING: u64 = 10;
/// How far back a task may depend on others of its submitter.
const BACK_MAX: u64 = 20;

/// How an agent behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Does what it is given.
    Steady,
    /// Completes what it does not hold, under numbers that it makes up; claims what it cannot do; completes twice.
    Liar,
    /// Takes an assignment and says nothing until long after it was taken away; then it answers.
    Sluggard,
    /// Refuses.
    Picky,
    /// Fails, mostly such that another attempt may work.
    Clumsy,
}

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct Player {
    pub(super) agent: AgentId,
    pub(super) capabilities: BTreeSet<CapabilityName>,
    pub(super) temper: Temper,
    /// How long a task takes it, in milliseconds: at least, and how much more at most.
    pub(super) work_ms: (u64, u64),
}

/// A task that is to be submitted.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) id: Id,
    /// Which of the submitters.
    pub(super) by: usize,
    pub(super) capabilities: Vec<CapabilityName>,
    pub(super) priority: Priority,
    /// From its submission, in milliseconds.
    pub(super) deadline_ms: Option<u64>,
    pub(super) depends_on: Vec<Id>,
}

/// The agents, as many as asked for.
///
/// # Errors
/// Never with names of ours; the type of a name says so only at run time.
pub(super) fn players(count: usize, rng: &Rng) -> anyhow::Result<Vec<Player>> {
    (0..count)
        .map(|n| {
            let mut rng = rng.fork(n as u64);
            // Neighbours share a part of what they can do.
            let mut able = vec![n, n + 1 + n / CAPABILITIES.len()];
            able.extend((n % 3 == 0).then_some(n + 3));
            let named = able.iter().map(|n| CAPABILITIES.iter().cycle().nth(n % 6));
            let capabilities: Result<_, _> = named.flatten().map(|name| name.parse()).collect();
            Ok(Player {
                agent: format!("worker-{n}").parse()?,
                capabilities: capabilities?,
                temper: match n % 10 {
                    5 => Temper::Liar,
                    6 => Temper::Sluggard,
                    7 => Temper::Picky,
                    8 => Temper::Clumsy,
                    _ => Temper::Steady,
                },
                work_ms: (1 + rng.below(10), 1 + rng.below(30)),
            })
        })
        .collect()
}

impl Player {
    pub(super) fn can(&self, needed: &[CapabilityName]) -> bool {
        needed.iter().all(|name| self.capabilities.contains(name))
    }
}

/// The tasks in the order in which each submitter submits its own.
pub(super) fn tasks(count: u64, submitters: usize, players: &[Player], rng: &mut Rng) -> Vec<Planned> {
    let fitting = |needed: &[CapabilityName]| {
        let willing = players.iter().filter(|player| player.temper != Temper::Picky);
        willing.filter(|player| player.can(needed)).count() >= CAPABLE_MIN
    };
    let mut needs: [BTreeSet<Vec<CapabilityName>>; 2] = Default::default();
    for player in players {
        for one in &player.capabilities {
            let [single, double] = &mut needs;
            single.insert(vec![one.clone()]);
            let more = player.capabilities.iter().filter(|other| *other > one);
            double.extend(more.map(|other| vec![one.clone(), other.clone()]));
        }
    }
    let [single, double] = needs.map(|needs| needs.into_iter().filter(|n| fitting(n)).collect::<Vec<_>>());
    let mut planned: Vec<Planned> = Vec::new();
    for n in 0..count {
        let of = if rng.percent(WITH_TWO) && !double.is_empty() {
            &double
        } else {
            &single
        };
        let by = usize::try_from(n).unwrap_or(0) % submitters.max(1);
        let depends_on = if rng.percent(DEPENDING) {
            let mine = planned
                .iter()
                .rev()
                .filter(|task| task.by == by)
                .map(|task| task.id);
            let back = usize::try_from(rng.below(BACK_MAX)).unwrap_or(0);
            let count = if rng.percent(50) { 1 } else { 2 };
            mine.skip(back).take(count).collect()
        } else {
            Vec::new()
        };
        planned.push(Planned {
            id: rng.id(),
            by,
            capabilities: rng.pick(of).cloned().unwrap_or_default(),
            priority: *rng.pick(Priority::ALL).unwrap_or(&Priority::Normal),
            deadline_ms: rng.percent(WITH_DEADLINE).then(|| 5_000 + rng.below(120_000)),
            depends_on,
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_can_be_done_by_some_and_all_tempers_are_there() {
        for count in [10, 20, 100] {
            let rng = Rng::new(7);
            let players = players(count, &rng).unwrap();
            let tasks = tasks(500, 2, &players, &mut rng.fork(1));
            for task in &tasks {
                let able = players.iter().filter(|player| player.can(&task.capabilities));
                assert!(
                    able.count() >= CAPABLE_MIN && !task.capabilities.is_empty(),
                    "{task:?}"
                );
            }
            let depending = tasks.iter().filter(|task| !task.depends_on.is_empty()).count();
            assert!((20..100).contains(&depending), "{depending}");
            for temper in [Temper::Liar, Temper::Sluggard, Temper::Picky, Temper::Clumsy] {
                assert!(players.iter().any(|player| player.temper == temper));
            }
        }
    }

    #[test]
    fn dependencies_are_submitted_before_by_the_same() {
        let players = players(20, &Rng::new(1)).unwrap();
        let tasks = tasks(300, 2, &players, &mut Rng::new(2));
        for (n, task) in tasks.iter().enumerate() {
            for id in &task.depends_on {
                let other = tasks[..n].iter().find(|other| other.id == *id).unwrap();
                assert_eq!(other.by, task.by);
            }
        }
    }
}
