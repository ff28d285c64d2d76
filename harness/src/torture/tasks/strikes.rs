//! What is struck, when, and for how long: leaders, standbys and agents, killed and stopped, by the seed.
//!
//! A blow falls when so many tasks have ended, and what was struck comes back after a time. Agents may be down side by
//! side; of the two coordinators one is always well, or nothing would go on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep, sleep_until};
use wagglebus_schemas::AgentId;

use super::facts::{Book, Fault, On, now_ms};
use super::follower::Follower;
use super::scale::Scale;
use crate::fleet::Fleet;
use crate::rng::Rng;

/// One blow for so many tasks, and how many there are at least.
const TASKS_PER_BLOW: u64 = 125;
const BLOWS_MIN: u64 = 8;
/// Of so many agents at most one is down.
const AGENTS_PER_DOWN: usize = 6;
/// How long a coordinator may take to begin to lead before a blow on the leader falls on anybody.
const LED_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long is waited for somebody who is at work.
const BUSY_WITHIN: Duration = Duration::from_secs(1);
/// Nothing is written to the log for so long: what is to end does not.
pub(super) const SILENCE: Duration = Duration::from_secs(40);

/// Whom a blow hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Leader,
    Standby,
    /// An agent that is at work, the longest if there are several; else one by chance.
    Agent,
}

/// A blow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blow {
    /// It falls when so many tasks have ended.
    at: u64,
    whom: Whom,
    /// Killed, else stopped.
    killed: bool,
    /// How long it lasts.
    lasts: Duration,
    /// Which agent.
    chance: u64,
}

/// What comes back.
#[derive(Debug)]
enum Down {
    Agent(AgentId, bool),
    /// A coordinator that was stopped, by its process; none: one was killed, and another one is started.
    Coordinator(Option<u32>),
}

/// Blows for so many tasks: of eight, five hit agents.
pub(super) fn plan(tasks: u64, rng: &mut Rng) -> Vec<Blow> {
    let count = (tasks / TASKS_PER_BLOW).max(BLOWS_MIN);
    let turns = [
        (Whom::Agent, true),
        (Whom::Leader, true),
        (Whom::Agent, false),
        (Whom::Agent, true),
        (Whom::Leader, false),
        (Whom::Agent, true),
        (Whom::Standby, true),
        (Whom::Agent, false),
    ];
    // The first and the last tenth are left alone: there it has to begin and to end.
    let gap = tasks * 8 / 10 / count.max(1);
    (0..count)
        .zip(turns.iter().cycle())
        .map(|(n, (whom, killed))| {
            let (short, long) = match (whom, killed) {
                // Some are back before they are missed, the others after their tasks went to somebody else.
                (Whom::Agent, true) => (200, 6_000),
                (Whom::Agent, false) => (2_000, 13_000),
                // Another coordinator is started soon; a stopped one thinks that it still leads.
                (Whom::Leader | Whom::Standby, true) => (200, 1_000),
                (Whom::Leader | Whom::Standby, false) => (5_000, 7_000),
            };
            let least = if rng.percent(30) { short } else { long };
            Blow {
                at: tasks / 10 + n * gap + rng.below(gap / 2 + 1),
                whom: *whom,
                killed: *killed,
                lasts: Duration::from_millis(least + rng.below(2_000)),
                chance: rng.bits(),
            }
        })
        .collect()
}

/// Strikes as planned, and brings everybody back. `progress` is told after each blow.
pub(super) async fn strike_all(
    fleet: &mut Fleet,
    (follower, book, scale): (&Follower, &Book, &Scale),
    agents: &[AgentId],
    blows: &[Blow],
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let mut down: Vec<(Instant, Down)> = Vec::new();
    let mut blows = blows.iter().enumerate().peekable();
    loop {
        down.sort_by_key(|(due, _)| *due);
        let due = down.first().map(|(due, _)| *due);
        let Some((n, blow)) = blows.peek() else {
            let Some(due) = due else { return Ok(()) };
            sleep_until(due).await;
            recover(fleet, down.remove(0).1).await?;
            scale.watch(fleet);
            continue;
        };
        let must_wait = match blow.whom {
            Whom::Leader | Whom::Standby => down.iter().any(|(_, down)| matches!(down, Down::Coordinator(_))),
            Whom::Agent => {
                let agents_down = down.iter().filter(|(_, down)| matches!(down, Down::Agent(..)));
                agents_down.count() >= (agents.len() / AGENTS_PER_DOWN).max(1)
            }
        };
        tokio::select! {
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                recover(fleet, down.remove(0).1).await?;
                scale.watch(fleet);
            }
            // When nothing goes on any more, the judge says so.
            came = follower.ended(blow.at, SILENCE), if !must_wait => {
                let at_work = if came { busy(follower, agents, &down).await } else { None };
                if came && let Some(fallen) = fall(fleet, book, (agents, at_work), &down, blow).await? {
                    down.push((Instant::now() + blow.lasts, fallen));
                }
                progress(*n + 1);
                blows.next();
            }
        }
    }
}

/// Somebody who is well and at work; waits a little for one.
async fn busy(follower: &Follower, agents: &[AgentId], down: &[(Instant, Down)]) -> Option<AgentId> {
    let deadline = Instant::now() + BUSY_WITHIN;
    while Instant::now() < deadline {
        let mut at_work = follower.at_work().into_iter();
        if let Some(agent) = at_work.find(|agent| agents.contains(agent) && is_up(down, agent)) {
            return Some(agent);
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

fn is_up(down: &[(Instant, Down)], agent: &AgentId) -> bool {
    let is_down = |(_, down): &(Instant, Down)| matches!(down, Down::Agent(other, _) if other == agent);
    !down.iter().any(is_down)
}

async fn fall(
    fleet: &mut Fleet,
    book: &Book,
    (agents, at_work): (&[AgentId], Option<AgentId>),
    down: &[(Instant, Down)],
    blow: &Blow,
) -> Result<Option<Down>> {
    let killed = blow.killed;
    let struck = |on| {
        let at_ms = now_ms();
        book.struck(Fault { at_ms, on, killed });
    };
    match blow.whom {
        Whom::Agent => {
            let up: Vec<&AgentId> = agents.iter().filter(|agent| is_up(down, agent)).collect();
            let at = blow.chance.checked_rem(up.len() as u64).unwrap_or(0);
            let by_chance = usize::try_from(at).ok().and_then(|at| up.get(at)).copied();
            let Some(agent) = at_work.as_ref().or(by_chance) else {
                return Ok(None);
            };
            struck(On::Agent(agent.clone()));
            let sidecar = fleet.sidecar_mut(agent.as_str())?;
            if killed {
                sidecar.kill().await?;
            } else {
                sidecar.process()?.pause()?;
            }
            Ok(Some(Down::Agent(agent.clone(), killed)))
        }
        Whom::Leader | Whom::Standby => {
            let leader = leader(fleet).await;
            let (place, on) = match blow.whom {
                Whom::Standby => (usize::from(leader == 0), On::Standby),
                Whom::Leader | Whom::Agent => (leader, On::Leader),
            };
            struck(on);
            if killed {
                fleet.kill_coordinator(place).await?;
                return Ok(Some(Down::Coordinator(None)));
            }
            let process = fleet.coordinators().get(place).context("no coordinator")?;
            process.pause()?;
            Ok(Some(Down::Coordinator(Some(process.pid()))))
        }
    }
}

async fn recover(fleet: &mut Fleet, down: Down) -> Result<()> {
    match down {
        Down::Agent(agent, true) => fleet.sidecar_mut(agent.as_str())?.start().await.map(drop),
        Down::Agent(agent, false) => fleet.sidecar(agent.as_str())?.process()?.resume(),
        Down::Coordinator(None) => fleet.start_coordinator().await,
        Down::Coordinator(Some(pid)) => {
            let stopped = fleet.coordinators().iter().find(|process| process.pid() == pid);
            stopped.context("the stopped coordinator has ended")?.resume()
        }
    }
}

/// The place of the coordinator that leads: the one that said so last. The first one when none does for long.
async fn leader(fleet: &Fleet) -> usize {
    let deadline = Instant::now() + LED_WITHIN;
    while Instant::now() < deadline {
        let leads = |log: String| {
            let said = log.rfind("leads=true");
            said.is_some_and(|at| log.rfind("leads=false").is_none_or(|other| other < at))
        };
        let place = fleet
            .coordinators()
            .iter()
            .position(|process| leads(process.log()));
        if let Some(place) = place {
            return place;
        }
        sleep(LOOK_EVERY).await;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blows_follow_from_the_seed_and_hit_everybody() {
        let of = |seed| plan(2_000, &mut Rng::new(seed));
        let blows = of(3);
        assert_eq!(blows, of(3));
        assert_ne!(blows, of(4));
        assert!(blows.is_sorted_by_key(|blow| blow.at));
        assert!(
            blows.iter().all(|blow| (200..=1_800).contains(&blow.at)),
            "{blows:?}"
        );
        for (whom, killed) in [
            (Whom::Leader, true),
            (Whom::Leader, false),
            (Whom::Standby, true),
            (Whom::Agent, true),
            (Whom::Agent, false),
        ] {
            assert!(
                blows
                    .iter()
                    .any(|blow| (blow.whom, blow.killed) == (whom, killed))
            );
        }
    }
}
