//! Looking at tasks: one, all, and why one went to whom.

use serde_json::{Value, json};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::TasksRequest;
use wagglebus_schemas::{AgentId, Task};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;

/// Most pages that are asked for.
const PAGES_MAX: usize = 40;
/// Tasks of a page.
const PAGE_SIZE: usize = 500;
/// Characters of a title, of a result or of an error in a line.
const LINE_CHARS: usize = 120;

/// Show a task
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The task
    task: String,
}

/// List tasks, the latest first
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = value::words::<TaskState>(TaskState::ALL.iter().map(|s| s.as_str())))]
    state: Option<TaskState>,
    /// Only those that this agent holds, held last or submitted
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// At most this many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Show why a task went to whom
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The task
    task: String,
}

pub(super) async fn show(args: Show, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let answer = session.client()?.task(value::id(&args.task)?).await?;
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    for (name, text) in facts(&answer.value) {
        output.foreign(&format!("{name:<13} {text}"))?;
    }
    Ok(())
}

/// What there is to say of a task, line by line.
fn facts(task: &Task) -> Vec<(&'static str, String)> {
    let joined = |items: Vec<String>| items.join(",");
    let value = |value: &Value| (!value.is_null()).then(|| printable::line(&value.to_string(), LINE_CHARS));
    let capabilities = joined(task.capabilities.iter().map(ToString::to_string).collect());
    let depends_on = joined(task.depends_on.iter().map(ToString::to_string).collect());
    let facts = [
        ("task", Some(task.id.to_string())),
        ("title", Some(task.title.as_str().to_owned())),
        ("state", Some(task.state.to_string())),
        (
            "progress",
            Some(format!("{:.0}%", f64::from(task.progress) * 100.0)),
        ),
        ("priority", Some(task.priority.to_string())),
        ("submitted by", Some(task.submitted_by.to_string())),
        ("assigned to", task.assigned_to.as_ref().map(ToString::to_string)),
        (
            "attempt",
            Some(format!("{} of {}", task.attempt, task.max_attempts)),
        ),
        ("epoch", Some(task.epoch.to_string())),
        ("capabilities", Some(capabilities)),
        ("depends on", Some(depends_on)),
        ("deadline", task.deadline.map(|at| at.to_string())),
        ("input", value(&task.input)),
        ("result", value(&task.result)),
        (
            "error",
            task.error.as_ref().map(|text| printable::line(text, LINE_CHARS)),
        ),
        ("created", Some(task.created_at.to_string())),
        ("updated", Some(task.updated_at.to_string())),
    ];
    let said = facts.into_iter().filter_map(|(name, text)| Some((name, text?)));
    said.filter(|(_, text)| !text.is_empty()).collect()
}

pub(super) async fn ls(args: Ls, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let agent: Option<Result<AgentId, _>> = args.agent.as_deref().map(str::parse);
    let agent = agent.transpose();
    let mut request = TasksRequest {
        state: args.state,
        agent: agent
            .map_err(|error: wagglebus_schemas::id::NameError| Failure::invalid(error.to_string()))?,
        ..TasksRequest::default()
    };
    let mut tasks = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = args.limit.saturating_sub(tasks.len());
        request.limit = Some(left.clamp(1, PAGE_SIZE));
        let page = client.tasks(&request).await?.value;
        tasks.extend(page.items);
        request.cursor = page.next_cursor;
        if request.cursor.is_none() || tasks.len() >= args.limit {
            break;
        }
    }
    if output.json() {
        let next_cursor = request.cursor.map_or(Value::Null, Value::from);
        return Ok(output.record(&json!({ "items": tasks, "next_cursor": next_cursor }))?);
    }
    let mut rows = table([
        "ID", "STATE", "PRIORITY", "PROGRESS", "HOLDER", "ATTEMPT", "UPDATED", "TITLE",
    ]);
    for task in &tasks {
        rows.add_row(row(task));
    }
    output.table(&rows)?;
    if request.cursor.is_some() {
        output.note(format!(
            "there are more: wagglebus task ls -n {}",
            args.limit.saturating_mul(2)
        ))?;
    } else if tasks.is_empty() {
        output.note("no such task; submit one: wagglebus task submit 'what is to be done'")?;
    }
    Ok(())
}

fn row(task: &Task) -> [String; 8] {
    let holder = task.assigned_to.as_ref();
    [
        task.id.to_string(),
        task.state.to_string(),
        task.priority.to_string(),
        format!("{:.0}%", f64::from(task.progress) * 100.0),
        holder.map_or_else(|| "-".to_owned(), ToString::to_string),
        format!("{}/{}", task.attempt, task.max_attempts),
        task.updated_at.to_string(),
        printable::line(task.title.as_str(), LINE_CHARS),
    ]
}

pub(super) async fn explain(args: Explain, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let answer = session.client()?.explain_task(value::id(&args.task)?).await?;
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    let explanation = answer.value;
    let mut rows = table(["AGENT", "CHOSEN", "SCORE", "WHY NOT", "TERMS"]);
    for candidate in &explanation.candidates {
        let chosen = explanation.chosen.as_ref() == Some(&candidate.agent);
        let terms = candidate.terms.iter();
        let terms: Vec<String> = terms
            .map(|term| format!("{}={}", term.name, term.value))
            .collect();
        rows.add_row([
            candidate.agent.to_string(),
            if chosen { "yes" } else { "" }.to_owned(),
            format!("{:.3}", candidate.score),
            printable::line(candidate.why_not.as_deref().unwrap_or("-"), LINE_CHARS),
            printable::line(&terms.join(" "), LINE_CHARS),
        ]);
    }
    output.table(&rows)?;
    let chosen = match &explanation.chosen {
        Some(agent) => format!("{agent} was chosen by {}", explanation.strategy),
        None => format!("nobody was chosen by {} yet", explanation.strategy),
    };
    output.note(match explanation.overridden {
        Some(overridden) => format!("{chosen}, but {} decided by hand", overridden.by),
        None => chosen,
    })?;
    Ok(())
}
