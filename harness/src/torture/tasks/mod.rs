//! Tasks among many agents of which some lie, keep still, refuse and fail, while leaders and agents are killed and
//! stopped.
//!
//! | question | answer |
//! |---|---|
//! | who takes part, and what is to be done? | [`cast`] |
//! | what does an agent do, and a submitter? | [`agent`], [`submitter`] |
//! | what is struck when? | [`strikes`] |
//! | what happened? | [`follower`], [`facts`] |
//! | was it right? | [`judge`], [`account`] |
//! | how long did it take, and how much memory? | [`takeover`], [`scale`] |

mod account;
mod agent;
mod cast;
mod facts;
mod follower;
mod judge;
mod scale;
mod strikes;
mod submitter;
mod takeover;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use wagglebus_schemas::AgentId;

use self::agent::Agent;
use self::cast::{Planned, Player};
use self::facts::{Book, Facts};
use self::follower::Follower;
use self::judge::{Judgement, judge};
use self::scale::{Scale, Weight};
use self::strikes::{SILENCE, strike_all};
use super::{Report, count};
use crate::fleet::{Fleet, Options};
use crate::rng::Rng;

/// How often a task is tried.
const MAX_ATTEMPTS: Option<NonZeroU32> = NonZeroU32::new(8);
/// Within which time an assignment must be accepted, in milliseconds.
const ACCEPT_TIMEOUT_MS: u64 = 4_000;
/// Who submits.
const SUBMITTERS: [&str; 2] = ["boss-0", "boss-1"];
/// How many coordinators there are.
const COORDINATORS: usize = 2;
/// Tasks that have not ended, for each agent: enough that always some wait.
const OPEN_PER_AGENT: u64 = 4;
/// How long the last news may take to reach their readers, and everybody to end.
const QUIET_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many agents, at least ten: with fewer there is not somebody of every temper.
    pub agents: usize,
    /// How many tasks.
    pub tasks: u64,
    /// Decides who can do what, what is to be done, who misbehaves and what is struck when.
    pub seed: u64,
}

/// Carries out the run and judges it; `progress` is told how far it is.
///
/// # Errors
/// When there is no nats-server, or a program does not start or does not come back after a blow.
pub async fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Report> {
    let rng = Rng::new(plan.seed);
    let players = cast::players(plan.agents, &rng)?;
    let planned = cast::tasks(plan.tasks, SUBMITTERS.len(), &players, &mut rng.fork(1 << 32));
    let blows = strikes::plan(plan.tasks, &mut rng.fork(1 << 33));
    let mut fleet = open(&players).await?;
    let begun = Instant::now();
    let (js, hive) = (fleet.bus().admin().clone(), fleet.bus().places().hive().clone());
    let follower = Follower::begin(&js, &hive).await?;
    let scale = Scale::begin(&fleet)?;
    let work = Work::begin(&fleet, &follower, &players, planned, &rng)?;
    let agents: Vec<AgentId> = players.iter().map(|player| player.agent.clone()).collect();
    let now = follower.progress();
    strike_all(
        &mut fleet,
        (&follower, &work.book, &scale),
        &agents,
        &blows,
        |struck| {
            let ended = now.borrow().ended;
            progress(&format!("{ended} of {} tasks ended, {struck} blows", plan.tasks));
        },
    )
    .await?;
    follower.ended(plan.tasks, SILENCE).await;
    let took = begun.elapsed();
    progress("everything was struck; waiting for the last news");
    let book = work.end(&follower).await;
    let commands = follower::commands(&js, &hive).await?;
    let last = commands.last().map_or(0, |command| command.seq);
    follower.decided(last, SILENCE).await;
    let mut facts = Facts {
        able: players
            .iter()
            .map(|player| (player.agent.clone(), player.capabilities.clone()))
            .collect(),
        commands,
        lines: follower.finish(),
        ..Facts::default()
    };
    let odd = book.close(&mut facts);
    let judged = judge(&facts);
    Ok(report(plan, took, (&facts, odd, judged), scale.heaviest()))
}

/// A hive with two coordinators and a sidecar for everybody.
async fn open(players: &[Player]) -> Result<Fleet> {
    let mut fleet = Fleet::open().await?;
    let workers = players.iter().map(|player| player.agent.as_str());
    let everybody: Vec<&str> = workers.chain(SUBMITTERS).collect();
    fleet.enrol(&everybody).await?;
    for _ in 0..COORDINATORS {
        fleet.start_coordinator().await?;
    }
    for player in players {
        let able = player.capabilities.iter();
        let arguments: Vec<&str> = able.flat_map(|name| ["--capability", name.as_str()]).collect();
        let options = Options::http().with(&arguments);
        fleet.prepare(player.agent.as_str(), &options)?.launch().await?;
    }
    for name in SUBMITTERS {
        fleet.prepare(name, &Options::http())?.launch().await?;
    }
    for name in everybody {
        fleet.sidecar_mut(name)?.ready().await?;
    }
    Ok(fleet)
}

/// Everybody who does something.
struct Work {
    book: Arc<Book>,
    closing: watch::Sender<bool>,
    everybody: JoinSet<()>,
}

impl Work {
    fn begin(
        fleet: &Fleet,
        follower: &Follower,
        players: &[Player],
        planned: Vec<Planned>,
        rng: &Rng,
    ) -> Result<Self> {
        let book: Arc<Book> = Arc::default();
        let closing = watch::Sender::new(false);
        let mut everybody = JoinSet::new();
        for (n, player) in (0..).zip(players) {
            let client = fleet.sidecar(player.agent.as_str())?.client();
            let agent = Agent::new(player.clone(), client, Arc::clone(&book), rng.fork((1 << 34) + n));
            everybody.spawn(agent.work(closing.subscribe()));
        }
        let open_max = OPEN_PER_AGENT.saturating_mul(count(players.len()));
        for (n, name) in SUBMITTERS.into_iter().enumerate() {
            let sidecar = fleet.sidecar(name)?;
            let mine = planned.iter().filter(|task| task.by == n).cloned().collect();
            let (one, other) = (Arc::clone(&book), Arc::clone(&book));
            let progress = follower.progress();
            everybody.spawn(submitter::submit(sidecar.client(), mine, one, progress, open_max));
            everybody.spawn(submitter::listen(sidecar.client(), other, closing.subscribe()));
        }
        Ok(Self {
            book,
            closing,
            everybody,
        })
    }

    /// Waits until all ends were told, and everybody has ended; whoever hangs is left.
    async fn end(mut self, follower: &Follower) -> Arc<Book> {
        let ended = usize::try_from(follower.progress().borrow().ended).unwrap_or(usize::MAX);
        let told = async {
            while self.book.ends_told() < ended {
                sleep(LOOK_EVERY).await;
            }
        };
        // What was not told by then is a violation.
        timeout(QUIET_WITHIN, told).await.ok();
        self.closing.send_replace(true);
        let ended = async { while self.everybody.join_next().await.is_some() {} };
        if timeout(QUIET_WITHIN, ended).await.is_err() {
            let left = self.everybody.len();
            self.book
                .odd(format!("{left} agents or submitters did not come to an end"));
        }
        self.book
    }
}

fn report(
    plan: &Plan,
    took: Duration,
    (facts, odd, judged): (&Facts, Vec<String>, Judgement),
    weight: Weight,
) -> Report {
    let per_second = u128::from(plan.tasks) * 1_000 / took.as_millis().max(1);
    let leaders = takeover::leaders(facts);
    let (killed, stopped) = (takeover::agents(facts, true), takeover::agents(facts, false));
    // The casts saturate.
    let mib = |mib: f64| mib.ceil() as u64;
    let mut figures = vec![
        ("agents", count(plan.agents)),
        ("tasks", plan.tasks),
        ("completed", count(judged.completed)),
        ("failed", count(judged.failed)),
        ("assignments_and_claims", count(judged.given)),
        ("released", count(judged.released)),
        ("commands", count(facts.commands.len())),
        ("commands_refused", count(judged.refused)),
        ("lines_of_the_log", count(facts.lines.len())),
        ("blows", count(facts.faults.len())),
        ("leaders", count(judged.leaders)),
    ];
    let names = [
        [
            "leader_takeovers",
            "leader_takeover_p50_ms",
            "leader_takeover_max_ms",
        ],
        [
            "lost_by_killed_agents",
            "killed_takeover_p50_ms",
            "killed_takeover_max_ms",
        ],
        [
            "lost_by_stopped_agents",
            "stopped_takeover_p50_ms",
            "stopped_takeover_max_ms",
        ],
    ];
    for ([counted, p50_ms, max_ms], times) in names.into_iter().zip([leaders, killed, stopped]) {
        let (p50, max) = times.p50_and_max();
        figures.extend([(counted, count(times.count())), (p50_ms, p50), (max_ms, max)]);
    }
    figures.extend([
        ("coordinator_rss_max_mib", mib(weight.coordinator_mib)),
        ("server_rss_max_mib", mib(weight.server_mib)),
        ("elapsed_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        ("tasks_per_second", u64::try_from(per_second).unwrap_or(u64::MAX)),
    ]);
    let mut violations = judged.violations;
    violations.extend(odd);
    Report {
        case: "tasks",
        seed: Some(plan.seed),
        figures,
        verdict: None,
        violations,
    }
}
