//! What is told of tasks: who can do what, what happens as it happens, why, and how it ended.

use serde_json::{Value, json};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::task_api::Explanation;

use super::crew::Crew;
use super::jobs::{Happened, Job, Jobs, What};
use super::show::chat;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;

/// Characters of a result that a line shows.
const RESULT_CHARS: usize = 60;
/// Characters of a reason.
const REASON_CHARS: usize = 60;

/// Who is there for the second act.
pub(super) fn crew(crew: &Crew, output: &mut Output) -> Result<(), Failure> {
    chat(output, "tasks    who can do what:")?;
    for [name, is, can] in &crew.told {
        let text = format!("           {name:<8} {can:<14} {is}");
        chat(output, text.trim_end())?;
    }
    chat(output, "")
}

/// One event of a task, as a line. `begin` is when the first message was accepted.
pub(super) fn event(job: &Job, happened: &Happened, begin: Timestamp) -> String {
    let said = match &happened.what {
        What::Submitted if job.depends_on.is_empty() => format!("submitted, needs {}", job.needs),
        What::Submitted => format!(
            "submitted, needs {}, waits for {} others",
            job.needs,
            job.depends_on.len()
        ),
        What::Ready => "can begin: what it waited for is completed".to_owned(),
        What::Assigned(agent, epoch) => format!("assigned to {agent}, assignment {epoch}"),
        What::Accepted(agent) => format!("accepted by {agent}"),
        What::Completed(agent, result) => {
            format!("completed by {agent}: {}", printable::line(result, RESULT_CHARS))
        }
        What::Released(agent, reason) => format!("taken from {agent}: {reason}"),
        What::Refused(agent, code) => format!("answer of {agent} refused: {code}"),
        What::Other(word) => word.clone(),
    };
    format!("{}{said}", head(begin, happened.at, &job.title))
}

/// Something that the demonstration itself does.
pub(super) fn aside(begin: Timestamp, at: Timestamp, text: &str, output: &mut Output) -> Result<(), Failure> {
    chat(output, format!("{}{text}", head(begin, at, "")))
}

fn head(begin: Timestamp, at: Timestamp, title: &str) -> String {
    let ms = at.unix_ms().saturating_sub(begin.unix_ms());
    format!("{ms:>6} ms  {title:<26} ")
}

/// Why a task went to whom.
pub(super) fn why(job: &Job, explained: &Explanation, output: &mut Output) -> Result<(), Failure> {
    let chosen = explained.chosen.as_ref();
    let score = explained.candidates.iter().find(|it| Some(&it.agent) == chosen);
    let score = score.map_or_else(String::new, |it| format!(" (score {:.3})", it.score));
    let others = explained.candidates.iter().filter(|it| Some(&it.agent) != chosen);
    let others: Vec<String> = others
        .map(|it| {
            let why_not = it.why_not.as_deref().unwrap_or("can do it, too");
            format!("{}: {}", it.agent, printable::line(why_not, REASON_CHARS))
        })
        .collect();
    let name = chosen.map_or("nobody", |agent| agent.as_str());
    let title = &job.title;
    chat(
        output,
        format!(
            "why      \"{title}\" → {name}{score}, by {}; {}",
            explained.strategy,
            others.join("; ")
        ),
    )
}

/// What became of each task.
pub(super) fn summary(jobs: &Jobs, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(());
    }
    let mut rows = table(["TASK", "NEEDS", "STATE", "HELD BY", "TOOK"]);
    for job in &jobs.jobs {
        let holders: Vec<&str> = job.holders().iter().map(|agent| agent.as_str()).collect();
        rows.add_row([
            job.title.clone(),
            job.needs.to_string(),
            job.state()
                .map_or_else(|| "-".to_owned(), |state| state.to_string()),
            holders.join(" → "),
            job.took_ms()
                .map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")),
        ]);
    }
    output.line("")?;
    output.table(&rows)?;
    output.line("")?;
    Ok(())
}

/// Everything about the tasks is proven.
pub(super) fn proven(jobs: &Jobs, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(());
    }
    output.line(format!(
        "ok: {} tasks, each given to an agent that can do it, as explained, and completed once",
        jobs.jobs.len()
    ))?;
    output.line("ok: the one that depends on others waited for them")?;
    if let (Some(killed), Some(ms)) = (&jobs.killed, jobs.takeover_ms()) {
        let agent = &killed.agent;
        let next = jobs
            .job(killed.task)
            .and_then(|job| job.holders().last().copied().cloned());
        let next = next.map_or_else(String::new, |next| next.to_string());
        output.line(format!(
            "ok: {agent} was killed with a task in hand; after {ms} ms it was {next}'s, and the late answer of {agent} was \
             refused (stale_epoch)"
        ))?;
    }
    output.line("ok: their submitter was told of each end, once")?;
    Ok(())
}

/// The tasks as data.
pub(super) fn record(jobs: &Jobs) -> Value {
    let tasks = jobs.jobs.iter().map(|job| {
        json!({
            "id": job.id,
            "title": job.title,
            "needs": job.needs,
            "depends_on": job.depends_on,
            "state": job.state(),
            "held_by": job.holders(),
            "took_ms": job.took_ms(),
            "explanation": job.explained,
        })
    });
    json!({
        "tasks": tasks.collect::<Vec<_>>(),
        "killed": jobs.killed.as_ref().map(|killed| &killed.agent),
        "takeover_ms": jobs.takeover_ms(),
    })
}
