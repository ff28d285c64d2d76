//! `fleet apply`: makes the agents be as a file says.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::task::Strategy;

use crate::failure::Failure;
use crate::fleet::carry::{Outcomes, carry};
use crate::fleet::found::look;
use crate::fleet::kept::Kept;
use crate::fleet::plan::{Planned, plan};
use crate::fleet::strategy;
use crate::fleet::{FILE_BYTES_MAX, Fleet, folder_of, parse};
use crate::output::Output;
use crate::session::Session;
use crate::verb::own::Own;

/// Make the agents be as a fleet file says: let them in, put them into rooms, run their sidecars in the background
///
/// What must be done is shown first; what is there already stays untouched, so it may be repeated. Nothing that runs is
/// ended without --yes, and nobody is removed without --prune.
#[derive(Debug, clap::Args)]
#[command(after_help = "A file:
  name = \"crew\"
  rooms = [\"crew\"]

  [agents.builder]
  role = \"Builds what others design\"
  capabilities = { rust = 9, review = 5 }
  resources = { memory_mb = 2048 }
  command = [\"python3\", \"agent.py\"]     # or pane = \"main:1.2\", or http = true; without: let in only

Examples:
  wagglebus fleet apply crew.toml --dry-run
  wagglebus fleet apply crew.toml --prune --yes")]
pub(crate) struct Args {
    /// The fleet file
    file: PathBuf,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Also end sidecars that must be restarted
    #[arg(short, long)]
    yes: bool,
    /// Also take away what the file does not name any more: agents that it named before, and rooms
    #[arg(long)]
    prune: bool,
}

pub(super) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let fleet = read(&args.file)?;
    let own = Own::open(places).await?;
    let done = apply(&args, &fleet, &own, places, output).await;
    own.close().await;
    done
}

async fn apply(
    args: &Args,
    fleet: &Fleet,
    own: &Own,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    let enroller = own.enroller(places);
    let found = look(places, &enroller, fleet).await?;
    let plan = plan(fleet, &found, args.prune);
    if !output.json() {
        for planned in &plan {
            output.line(planned.told())?;
        }
    }
    let wanted = fleet.strategy;
    let wanted = match wanted {
        Some(wanted) if strategy::current(own, places.hive()).await != Some(wanted) => Some(wanted),
        Some(_) | None => None,
    };
    if let Some(wanted) = wanted
        && !output.json()
    {
        output.line(format!("~ strategy: {wanted}"))?;
    }
    let waits: Vec<&str> = plan
        .iter()
        .filter(|planned| planned.takes_away())
        .map(|planned| planned.agent.as_str())
        .collect();
    if args.dry_run {
        return told((fleet, wanted), &plan, None, output);
    }
    if !waits.is_empty() && !args.yes {
        let file = args.file.display();
        let prune = if args.prune { " --prune" } else { "" };
        return Err(Failure::usage(&format!(
            "nothing was done: something would end for {}",
            waits.join(", ")
        ))
        .fix(format!("do it: wagglebus fleet apply {file}{prune} --yes")));
    }
    if let Some(wanted) = wanted
        && !strategy::set(own, places.hive(), wanted).await?
    {
        output.note("no coordinator has decided about the strategy yet; it is kept until one does")?;
    }
    let outcomes = carry(places, &enroller, fleet, &plan).await;
    keep(places, fleet, &found.former, &plan, &outcomes)?;
    told((fleet, wanted), &plan, Some(&outcomes), output)?;
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .map(|(agent, _)| agent.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let first = outcomes.values().find_map(|outcome| outcome.as_ref().err());
    let why = first.map(Failure::what).unwrap_or_default();
    Err(Failure::failed(format!(
        "{} of {} agents are not as the file says: {}",
        failed.len(),
        plan.len(),
        failed.join(", ")
    ))
    .why(why)
    .fix(format!(
        "mend it, then again: wagglebus fleet apply {}",
        args.file.display()
    )))
}

/// Keeps whom this file brought in, and forgets whom it removed.
fn keep(
    places: &Places,
    fleet: &Fleet,
    former: &std::collections::BTreeSet<wagglebus_schemas::AgentId>,
    plan: &[Planned],
    outcomes: &Outcomes,
) -> Result<(), Failure> {
    use crate::fleet::plan::Step;
    let removed = |planned: &&Planned| {
        planned.steps.contains(&Step::Remove) && outcomes.get(&planned.agent).is_some_and(Result::is_ok)
    };
    let mut agents = former.clone();
    agents.extend(fleet.agents.iter().map(|member| member.agent.clone()));
    for planned in plan.iter().filter(removed) {
        agents.remove(&planned.agent);
    }
    let kept = Kept { agents };
    if kept.agents == *former {
        Ok(())
    } else {
        kept.save(places, &fleet.name)
    }
}

/// What was planned and what became of it, with the strategy that was to be set; without outcomes nothing was done.
fn told(
    (fleet, strategy): (&Fleet, Option<Strategy>),
    plan: &[Planned],
    outcomes: Option<&Outcomes>,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json() {
        let agents: Vec<Value> = plan.iter().map(|planned| agent_json(planned, outcomes)).collect();
        return Ok(output.record(&json!({
            "fleet": fleet.name,
            "strategy": strategy,
            "applied": outcomes.is_some(),
            "agents": agents,
        }))?);
    }
    let Some(outcomes) = outcomes else {
        return Ok(output.note("nothing was done yet")?);
    };
    for planned in plan {
        match outcomes.get(&planned.agent) {
            Some(Ok(Some(pid))) => output.line(format!("{} runs, sidecar process {pid}", planned.agent))?,
            Some(Ok(None)) if !planned.steps.is_empty() => output.line(format!("{} done", planned.agent))?,
            Some(Err(failure)) => output.line(format!("{} failed: {}", planned.agent, failure.what()))?,
            Some(Ok(None)) | None => {}
        }
    }
    output.note("see them: wagglebus agent ls; one of them: wagglebus agent show NAME")?;
    Ok(())
}

fn agent_json(planned: &Planned, outcomes: Option<&Outcomes>) -> Value {
    let outcome = outcomes.and_then(|outcomes| outcomes.get(&planned.agent));
    let result = match outcome {
        _ if outcomes.is_none() => "planned",
        Some(Err(_)) => "failed",
        _ if planned.steps.is_empty() => "unchanged",
        Some(Ok(_)) | None => "applied",
    };
    let more = match outcome {
        Some(Ok(Some(pid))) => Some(("sidecar_pid", json!(pid))),
        Some(Err(failure)) => failure
            .json()
            .get_mut("error")
            .map(|error| ("error", error.take())),
        Some(Ok(None)) | None => None,
    };
    let mut record = planned.json();
    if let Some(fields) = record.as_object_mut() {
        fields.insert("result".to_owned(), result.into());
        fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    record
}

/// The fleet that a file describes.
fn read(file: &Path) -> Result<Fleet, Failure> {
    let unreadable = |error: &std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound {
            ErrorCode::NotFound
        } else {
            ErrorCode::InvalidMessage
        };
        Failure::contract(code, format!("{} cannot be read", file.display()))
            .why(error.to_string())
            .fix(format!(
                "see whether it is there and yours to read: ls -l {}",
                file.display()
            ))
    };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| unreadable(&error))?;
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let told = format!("{} has more than {FILE_BYTES_MAX} bytes", file.display());
        return Err(Failure::contract(ErrorCode::TooLarge, told)
            .fix("split it into several files, and apply each: wagglebus fleet apply FILE"));
    }
    let folder = folder_of(file)
        .canonicalize()
        .map_err(|error| unreadable(&error))?;
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    parse(&text, &stem, &folder).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| fault.told(file)).collect();
        Failure::invalid(format!(
            "{} is no fleet file:\n{}",
            file.display(),
            lines.join("\n")
        ))
        .details(json!({ "faults": faults }))
        .fix("wagglebus fleet apply --help shows one")
    })
}
