//! What must be right about a bus that runs.

use std::path::Path;

use wagglebus_client::{Client, Endpoint, discovery};
use wagglebus_nats::conf::{Roster, ServerFiles};
use wagglebus_nats::context_file::StockContext;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::plan::{Action, Wanted};
use wagglebus_nats::private_file;
use wagglebus_nats::provision;
use wagglebus_nats::server::monitor::Scope;
use wagglebus_nats::server::{Health, Monitor};
use wagglebus_nats::topology::streams;
use wagglebus_nats::trust::meaning;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::{BusFile, Durability, Places, Trust};

use super::{Finding, fill};
use crate::failure::Failure;
use crate::redundancy::Redundancy;
use crate::up::furnish::connect_as;
use crate::up::kept::Kept;
use crate::up::{lock, logs};
use crate::verb::status;

/// How a coordinator's `/readyz` begins to tell that lines of its log are gone.
const INCOMPLETE: &str = "log incomplete:";
const INCOMPLETE_FIX: &str = "run a coordinator of the release that wrote the snapshots; or go on without what those lines \
                              said: wagglebus coordinator rebuild --accept-loss";

/// Every check of this kind; one only when no bus runs.
pub(super) async fn look(places: &Places) -> Vec<Finding> {
    let bus = match discovery::bus(places) {
        Ok(bus) => bus,
        Err(error) => return vec![Finding::warn("bus", error.to_string(), "wagglebus up --detach")],
    };
    let mut findings = vec![
        supervisor(places, &bus),
        health(places, &bus).await,
        durability(&bus),
        // An own bus is one server.
        Finding::redundancy(Redundancy::of([1])),
    ];
    findings.extend(topology(places, &bus).await);
    findings.extend(fill::look(places, &bus).await);
    findings.push(trust());
    findings.extend(sidecars(places, true).await);
    findings.push(coordinator(places, &bus).await);
    findings.push(roster(places).await);
    findings.extend(StockContext::ALL.map(|which| context(places, which)));
    findings
}

/// The end of a log.
fn show(log: &Path) -> String {
    format!("tail -n 20 {}", log.display())
}

fn supervisor(places: &Places, bus: &BusFile) -> Finding {
    let check = "bus";
    match lock::acquire(places) {
        Ok(lock::Acquired::Theirs(Some(pid))) if pid == bus.supervisor_pid => {
            Finding::ok(check, format!("`up` is process {pid}, {}", bus.url))
        }
        Ok(lock::Acquired::Theirs(_)) => Finding::warn(
            check,
            "bus.json is of another `up` than the running one",
            "wagglebus down; wagglebus up --detach",
        ),
        Ok(lock::Acquired::Ours(_)) => Finding::fail(
            check,
            "`up` has ended, bus.json was left over",
            "wagglebus down; wagglebus up --detach",
        ),
        Err(failure) => Finding::fail(
            check,
            failure.what(),
            format!(
                "ls -ld {}; it must be yours, with mode 0700",
                places.state_dir().display()
            ),
        ),
    }
}

async fn health(places: &Places, bus: &BusFile) -> Finding {
    let check = "server";
    let log = logs::file(places, "nats-server");
    let Ok(monitor) = Monitor::from_url(&bus.monitor) else {
        return Finding::fail(
            check,
            format!("bus.json names no monitor: {}", bus.monitor),
            "wagglebus down; wagglebus up --detach",
        );
    };
    match monitor.health(Scope::Everything).await {
        Health::Well => Finding::ok(check, "nats-server says that it is well"),
        Health::Ill(reason) => Finding::fail(
            check,
            format!("nats-server is not well: {reason}"),
            format!(
                "{}; if it stays so: wagglebus down; wagglebus up --detach",
                show(&log)
            ),
        ),
    }
}

fn durability(bus: &BusFile) -> Finding {
    let check = "durability";
    match bus.durability {
        Durability::Always => Finding::ok(check, "what is acknowledged survives a power loss"),
        Durability::Relaxed => Finding::warn(
            check,
            "a power loss may cost the last 2 minutes",
            "wagglebus down; wagglebus up --detach (without --relaxed)",
        ),
    }
}

async fn topology(places: &Places, bus: &BusFile) -> Vec<Finding> {
    let check = "streams";
    match differences(places, bus).await {
        Ok(findings) if findings.is_empty() => vec![Finding::ok(
            check,
            "all streams and buckets are as they should be",
        )],
        Ok(findings) => findings,
        Err(failure) => vec![Finding::fail(
            check,
            failure.what(),
            format!(
                "{}; then: wagglebus provision",
                show(&logs::file(places, "nats-server"))
            ),
        )],
    }
}

async fn differences(places: &Places, bus: &BusFile) -> Result<Vec<Finding>, Failure> {
    let specs = streams(places.hive(), Kept::load(places)?.sizing()?);
    let wanted: Vec<Wanted> = specs.iter().map(Wanted::from).collect();
    let (connection, admin) = connect_as(places, &bus.url, BusUser::Admin).await?;
    let plan = provision::plan(admin.jetstream(), &wanted)
        .await
        .map_err(|error| Failure::caused(&error))?;
    connection.close().await;
    let finding = |step: &wagglebus_nats::plan::Step| match &step.action {
        Action::Ok => None,
        Action::Create(_) | Action::Update { .. } => {
            Some(Finding::fail("streams", step.to_string(), "wagglebus provision"))
        }
        Action::Refuse(refusal) => Some(Finding::fail(
            "streams",
            format!("{}: {refusal}", step.object),
            "wagglebus provision --plan",
        )),
    };
    Ok(plan.steps.iter().filter_map(finding).collect())
}

/// Agents of an own bus have accounts of their own.
fn trust() -> Finding {
    Finding::ok(
        "trust",
        format!("{}: {}", Trust::Isolated, meaning(Trust::Isolated)),
    )
}

/// The sidecars of this machine; the operator's is one of them where an `up` runs it.
pub(super) async fn sidecars(places: &Places, with_operator: bool) -> Vec<Finding> {
    let check = "sidecar";
    let files = match discovery::sidecars(places) {
        Ok(files) => files,
        Err(error) => {
            return vec![Finding::fail(
                check,
                error.to_string(),
                format!(
                    "ls -ld {}; it must be yours, with mode 0700",
                    places.run_dir().display()
                ),
            )];
        }
    };
    let mut findings = Vec::new();
    if with_operator && !files.iter().any(|file| file.agent == AgentId::operator()) {
        let log = logs::file(places, "operator");
        findings.push(Finding::fail(
            check,
            "the operator's sidecar does not run",
            show(&log),
        ));
    }
    let roster = with_operator.then(|| roster_file(places)).flatten();
    for file in files {
        if roster
            .as_ref()
            .is_some_and(|roster| !roster.agents().contains_key(&file.agent))
        {
            let (detail, fix) = (
                format!("{} runs and is not let in", file.agent),
                format!("wagglebus auth add {}; or end it: kill {}", file.agent, file.pid),
            );
            findings.push(Finding::fail(check, detail, fix));
            continue;
        }
        let client = Client::new(Endpoint::Unix(file.socket));
        findings.push(match client.readyz().await {
            Ok(answer) if answer.value.ready => Finding::ok(check, format!("{} is ready", file.agent)),
            Ok(answer) => {
                let checks = answer.value.checks;
                let detail = format!(
                    "{}: bus {}, spool {}, lease {}",
                    file.agent, checks.bus, checks.spool, checks.lease
                );
                let again = format!("kill {}; then start it as before: its output says why", file.pid);
                Finding::fail(check, detail, again)
            }
            Err(error) => Finding::fail(
                check,
                format!("{}: {error}", file.agent),
                format!("kill {}; then start it as before", file.pid),
            ),
        });
    }
    findings
}

/// Who may log in; unknown when that cannot be read, which `up` would have told.
fn roster_file(places: &Places) -> Option<Roster> {
    let text = private_file::read(&ServerFiles::of(places).agents()).ok()??;
    Roster::parse(&text).ok()
}

async fn coordinator(places: &Places, bus: &BusFile) -> Finding {
    let check = "coordinator";
    let log = logs::file(places, "coordinator");
    let fix = format!("{} (messages flow without it)", show(&log));
    match &bus.coordinator {
        None => Finding::warn(check, "it is not ready", fix),
        Some(address) => match status::coordinator(address).await.as_str() {
            "ok" => Finding::ok(check, format!("{} is ready", address.http)),
            state if state.contains(INCOMPLETE) => {
                Finding::fail(check, format!("{}: {state}", address.http), INCOMPLETE_FIX)
            }
            state => Finding::warn(check, format!("{}: {state}", address.http), fix),
        },
    }
}

async fn roster(places: &Places) -> Finding {
    let check = "roster";
    let log = logs::file(places, "coordinator");
    let fix = format!("{} (messages flow without it)", show(&log));
    let agents = match Client::of_agent(places, &AgentId::operator()) {
        Ok(client) => client.agents(None).await,
        Err(error) => Err(error),
    };
    match agents {
        Ok(page) if page.value.items.iter().any(|agent| agent.stale) => {
            Finding::warn(check, "no coordinator answers; the roster is from a cache", fix)
        }
        Ok(page) => Finding::ok(
            check,
            format!("it is answered; {} agents", page.value.items.len()),
        ),
        Err(error) => Finding::warn(check, format!("the roster cannot be had: {error}"), fix),
    }
}

fn context(places: &Places, which: StockContext) -> Finding {
    let path = which.file(places);
    if path.is_file() {
        Finding::ok("context", format!("nats --context {}", which.name()))
    } else {
        Finding::warn(
            "context",
            format!("{} does not exist", path.display()),
            "wagglebus down; wagglebus up --detach",
        )
    }
}
