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
use crate::attachment;
use crate::failure::Failure;
use crate::redundancy::Redundancy;
use crate::up::furnish::connect_as;
use crate::up::kept::Kept;
use crate::up::{attached, lock, logs};
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

/// What ends a program that `up` keeps and starts it anew, behind what it says of itself.
fn renew(log: &Path) -> String {
    format!("{}; then: wagglebus down; wagglebus up --detach", show(log))
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
            renew(&log),
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
        let client = Client::new(Endpoint::Unix(file.socket.clone()));
        findings.push(match client.readyz().await {
            Ok(answer) if answer.value.ready => Finding::ok(check, format!("{} is ready", file.agent)),
            Ok(answer) => {
                let checks = answer.value.checks;
                let detail = format!(
                    "{}: bus {}, spool {}, lease {}",
                    file.agent, checks.bus, checks.spool, checks.lease
                );
                Finding::fail(check, detail, again(places, &file.agent, file.pid))
            }
            Err(error) => Finding::fail(
                check,
                format!("{}: {error}", file.agent),
                again(places, &file.agent, file.pid),
            ),
        });
    }
    findings
}

/// What starts a sidecar anew. `up` does that by itself for those that it keeps.
fn again(places: &Places, agent: &AgentId, pid: u32) -> String {
    let is_operator = *agent == AgentId::operator();
    if !is_operator && attachment::of(places, agent).is_none() {
        return format!("kill {pid}; then start it as before: its output says why");
    }
    let name = if is_operator {
        agent.to_string()
    } else {
        attached::name(agent)
    };
    let log = show(&logs::file(places, &name));
    format!("{log}; then: kill {pid}; `up` starts it again")
}

/// Who may log in; unknown when that cannot be read, which `up` would have told.
fn roster_file(places: &Places) -> Option<Roster> {
    let text = private_file::read(&ServerFiles::of(places).agents()).ok()??;
    Roster::parse(&text).ok()
}

async fn coordinator(places: &Places, bus: &BusFile) -> Finding {
    let check = "coordinator";
    let log = logs::file(places, "coordinator");
    let fix = format!("{} (messages flow without it)", renew(&log));
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
    let fix = format!("{} (messages flow without it)", renew(&log));
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
    if which.is_there(places) {
        return Finding::ok("context", format!("nats --context {}", which.name()));
    }
    // `up` writes over what another hive's wrote, and leaves alone what the user did.
    let (detail, fix) = if path.exists() {
        (
            format!(
                "{} is not of this hive: nats --context {} shows another bus",
                path.display(),
                which.name()
            ),
            "wagglebus down; wagglebus up --detach writes its own; first move it away if you wrote it",
        )
    } else {
        (
            format!("{} does not exist", path.display()),
            "wagglebus down; wagglebus up --detach",
        )
    };
    Finding::warn("context", detail, fix)
}

#[cfg(test)]
mod tests {
    use wagglebus_schemas::Hive;
    use wagglebus_schemas::places::PlacesSource;

    use super::*;

    /// The names of contexts are the same for all hives: the last `up` has them.
    #[test]
    fn a_context_of_another_hive_is_not_fine() {
        let home = tempfile::tempdir().unwrap();
        let places = |hive: &str| {
            let source = PlacesSource {
                home: Some(home.path().to_owned()),
                temporary: home.path().to_owned(),
                ..PlacesSource::default()
            };
            Places::new(hive.parse::<Hive>().unwrap(), &source).unwrap()
        };
        let (a, b) = (places("a"), places("b"));
        let which = StockContext::Inspector;
        let told = |places: &Places| format!("{:?}", context(places, which));
        assert!(told(&a).contains("does not exist"));
        which.write(&b, "nats://127.0.0.1:1").unwrap();
        assert!(told(&b).contains("nats --context") && !told(&b).contains("another bus"));
        assert!(told(&a).contains("shows another bus"), "{}", told(&a));
    }

    #[test]
    fn what_up_keeps_is_started_again_by_it() {
        let home = tempfile::tempdir().unwrap();
        let source = PlacesSource {
            home: Some(home.path().to_owned()),
            temporary: home.path().to_owned(),
            ..PlacesSource::default()
        };
        let places = Places::new(Hive::default(), &source).unwrap();
        let fix = again(&places, &AgentId::operator(), 7);
        assert!(
            fix.contains("operator.log") && fix.contains("kill 7; `up` starts"),
            "{fix}"
        );
        let fix = again(&places, &"bob".parse().unwrap(), 7);
        assert!(fix.contains("start it as before"), "{fix}");
    }
}
