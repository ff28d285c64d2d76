//! The coordinator's HTTP: how soon it answers at a thousand requests a second, and how soon its readers see an event.

mod feed;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use wagglebus_client::{Client, ClientError, Endpoint, Token};
use wagglebus_schemas::Id;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::task::{TaskDraft, Title};
use wagglebus_schemas::task_api::TasksRequest;

use super::Plan;
use super::pair::Latencies;
use super::report::{Goal, Report, Unit};
use super::tasks::hive::Hive;

/// Requests that begin in a second, and how many of ten are about a task.
const PER_SECOND: u32 = 1_000;
const VERBS_OF_TEN: u64 = 1;
/// How much longer a round is than that of other rates: there are few verbs in it.
const ROUND_TIMES: u32 = 3;
/// Goals of S4.31 and S3.37.
const P95_MS: f64 = 100.0;
const ERRORS_PERCENT: f64 = 0.1;
/// Agents that there are to be told of.
const AGENTS: usize = 20;
/// What they can do.
const CAN: &str = "rust";
/// Tasks that are read.
const TASKS: usize = 100;
/// How long the last answers may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Measures both.
pub(super) async fn measure(plan: &Plan, report: &mut Report, mut progress: impl FnMut(&str)) -> Result<()> {
    let mut hive = Hive::open(plan.durability).await?;
    let client = Arc::new(client(&hive, 0)?);
    if let Some(why) = missing(&client).await {
        report.leave_out(&format!("the coordinator's HTTP is not measured: {why}"));
        return Ok(());
    }
    hive.join("api", AGENTS.min(plan.simulated), CAN, SessionState::Idle)
        .await?;
    let mut tasks = Vec::new();
    for _ in 0..TASKS.min(plan.samples) {
        // Nobody can do it: it stays as it is.
        let task = hive.submit("nothing").await?;
        ensure!(hive.verdict(task).await?.0, "a submission was refused");
        tasks.push(task);
    }
    progress(&format!("the coordinator's HTTP at {PER_SECOND} requests/s"));
    load(plan, &client, &Arc::new(tasks), report).await?;
    progress("readers of events");
    feed::measure(plan, &mut hive, report).await
}

/// A client of a coordinator, as the operator.
fn client(hive: &Hive, place: usize) -> Result<Client> {
    let url = hive.fleet.coordinator_http(place)?;
    Ok(Client::new(Endpoint::tcp(&url, Token::new(&token(hive)?)?)?))
}

fn token(hive: &Hive) -> Result<String> {
    let file = hive
        .fleet
        .bus()
        .places()
        .state_dir()
        .join("keys")
        .join("coordinator.token");
    let token = std::fs::read_to_string(&file);
    Ok(token.map_or_else(|_| "none".to_owned(), |token| token.trim().to_owned()))
}

/// Why there is nothing to be measured.
async fn missing(client: &Client) -> Option<String> {
    match client.tasks(&TasksRequest::default()).await {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// What came of one round.
#[derive(Default)]
struct Round {
    reads: Latencies,
    verbs: Latencies,
    failed: u32,
    why: Option<String>,
}

async fn load(plan: &Plan, client: &Arc<Client>, tasks: &Arc<Vec<Id>>, report: &mut Report) -> Result<()> {
    let mut figures: [Vec<f64>; 6] = Default::default();
    for _ in 0..plan.rounds {
        let begun = Instant::now();
        let round = one_round(plan.round * ROUND_TIMES, client, tasks).await?;
        let took = begun.elapsed().as_secs_f64();
        let all = round.reads.len() + round.verbs.len();
        let (all, failed) = (f64::from(u32::try_from(all)?), f64::from(round.failed));
        let [reads_50, reads_95, verbs_50, verbs_95, rate, errors] = &mut figures;
        let ms = |latencies: &Latencies, percent| latencies.percentile_us(percent) / 1_000.0;
        reads_50.push(ms(&round.reads, 50));
        reads_95.push(ms(&round.reads, 95));
        verbs_50.push(ms(&round.verbs, 50));
        verbs_95.push(ms(&round.verbs, 95));
        rate.push(all / took);
        errors.push(failed * 100.0 / (all + failed).max(1.0));
        if let Some(why) = round.why {
            report.leave_out(&format!("HTTP at {PER_SECOND} requests/s, an error: {why}"));
        }
    }
    let case = |what: &str| format!("coordinator's HTTP at {PER_SECOND} requests/s, {what}");
    let slow = Some(Goal::Max(P95_MS));
    let [reads_50, reads_95, verbs_50, verbs_95, rate, errors] = figures;
    for (what, unit, rounds, goal) in [
        ("reads, p50", Unit::Milliseconds, reads_50, None),
        ("reads, p95", Unit::Milliseconds, reads_95, slow),
        ("task verbs, p50", Unit::Milliseconds, verbs_50, None),
        ("task verbs, p95", Unit::Milliseconds, verbs_95, slow),
        ("answered", Unit::PerSecond, rate, None),
        ("errors", Unit::Percent, errors, Some(Goal::Max(ERRORS_PERCENT))),
    ] {
        report.add(&case(what), unit, rounds, Vec::new(), goal);
    }
    Ok(())
}

/// Requests begin when they are due, whether those before were answered or not; what counts is the time since they were
/// due.
async fn one_round(lasts: Duration, client: &Arc<Client>, tasks: &Arc<Vec<Id>>) -> Result<Round> {
    let every = Duration::from_secs(1) / PER_SECOND;
    let count = lasts.as_nanos() / every.as_nanos();
    let begin = Instant::now();
    let mut asked = JoinSet::new();
    for n in 0..u64::try_from(count)? {
        let due = begin + every * u32::try_from(n)?;
        sleep_until(due).await;
        let (client, tasks) = (Arc::clone(client), Arc::clone(tasks));
        asked.spawn(async move {
            let is_verb = n % 10 < VERBS_OF_TEN;
            let answered = ask(&client, &tasks, n, is_verb).await;
            (
                is_verb,
                due.elapsed(),
                answered.err().map(|error| error.to_string()),
            )
        });
    }
    let mut round = Round::default();
    let answers = async {
        while let Some(answer) = asked.join_next().await {
            match answer? {
                (_, _, Some(why)) => {
                    round.failed += 1;
                    round.why.get_or_insert(why);
                }
                (true, took, None) => round.verbs.add(took),
                (false, took, None) => round.reads.add(took),
            }
        }
        anyhow::Ok(())
    };
    timeout(WITHIN, answers)
        .await
        .context("requests were not answered")??;
    Ok(round)
}

/// One of ten is a submission; of the others half read one task, the rest lists of tasks and agents.
async fn ask(client: &Client, tasks: &[Id], n: u64, is_verb: bool) -> Result<(), ClientError> {
    if is_verb {
        let Ok(title) = "a task of the benchmark".parse::<Title>() else {
            return Ok(());
        };
        let draft = TaskDraft {
            id: Some(Id::from_uuid(uuid::Uuid::now_v7())),
            park: true,
            capabilities: "nothing".parse().into_iter().collect(),
            ..TaskDraft::titled(title)
        };
        return client.submit_task(&draft).await.map(drop);
    }
    let some = usize::try_from(n)
        .unwrap_or(0)
        .checked_rem(tasks.len())
        .unwrap_or(0);
    match (n % 4, tasks.get(some)) {
        (0 | 2, Some(task)) => client.task(*task).await.map(drop),
        (1, _) => {
            let request = TasksRequest {
                limit: Some(20),
                ..TasksRequest::default()
            };
            client.tasks(&request).await.map(drop)
        }
        _ => client.agents(None).await.map(drop),
    }
}
