//! What is told, for somebody who sees all this for the first time.

use serde_json::{Value, json};
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{Level, Priority, Timestamp};

use super::board::{Board, Lane, Letter, Step};
use super::jobs::Jobs;
use super::stage::Stage;
use super::tell;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::programs::{self, quoted};
use crate::up::logs;
use crate::up::ready::Ready;

const PICTURE: &str = r"
  agent.sh ◄─ stdin/stdout ─► sidecar ◄──► NATS JetStream ◄──► sidecar ◄─ HTTP ─► agent.py
    bash                       spool          streams           spool              Python

A message is   accepted by its sender's sidecar   → stored in the stream
             → fetched by the recipient's sidecar → injected: a line written to bash, or a lease given to Python
             → seen and done by the recipient's own word. Bash gives none here: messages to it end at injected.
";

/// Characters of a content that a line shows.
const CONTENT_CHARS: usize = 48;

/// What this is about.
pub(super) fn picture(output: &mut Output) -> Result<(), Failure> {
    chat(output, PICTURE)
}

/// The bus is there.
pub(super) fn bus(ready: &Ready, stage: &Stage, output: &mut Output) -> Result<(), Failure> {
    let text = format!(
        "bus      {} (nats-server {}); everything lies in {} and is removed at the end",
        ready.bus.url,
        ready.server_version,
        stage.path().display()
    );
    chat(output, text)
}

/// The agents are there.
pub(super) fn agents(output: &mut Output) -> Result<(), Failure> {
    chat(
        output,
        "agents   bash and python, each with its own sidecar, key and inbox",
    )?;
    chat(
        output,
        "errand   Python sends bash every type in every priority; bash answers questions and tasks\n",
    )
}

/// One step of one message, as a line. `begin` is when the first was accepted.
pub(super) fn step(step: &Step<'_>, begin: Timestamp) -> String {
    let message = &step.letter.message;
    let ms = step.at.unix_ms().saturating_sub(begin.unix_ms());
    let levels: Vec<&str> = step.levels.iter().map(|level| level.as_str()).collect();
    let detail = match step.by {
        Some((bridge, proof)) => format!("({bridge}: {proof})"),
        None => format!(
            "as {}: {}",
            step.letter.seq,
            printable::line(&message.content, CONTENT_CHARS)
        ),
    };
    format!(
        "{ms:>6} ms  {:>8} → {:<8} {:<7} {:<9} {} {detail}",
        message.from_agent.as_str(),
        message.to_agent.as_str(),
        message.priority.as_str(),
        message.message_type.as_str(),
        levels.join(", ")
    )
}

/// How far every kind of message came.
pub(super) fn summary(board: &Board, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(());
    }
    let mut rows = table(["DIRECTION", "PRIORITY", "TASK", "STATUS", "QUESTION", "RESPONSE"]);
    for lane in board.lanes() {
        for priority in Priority::ALL {
            let cell = |message_type| cell(board, lane, *priority, message_type);
            rows.add_row([
                format!("{} → {}", lane.from, lane.to),
                priority.to_string(),
                cell(MessageType::Task),
                cell(MessageType::Status),
                cell(MessageType::Question),
                cell(MessageType::Response),
            ]);
        }
    }
    output.line("")?;
    output.table(&rows)?;
    output.line("")?;
    Ok(())
}

fn cell(board: &Board, lane: &Lane, priority: Priority, message_type: MessageType) -> String {
    let levels: Vec<Level> = board
        .cell(lane, priority, message_type)
        .map(Letter::level)
        .collect();
    match levels.iter().min() {
        None => "-".into(),
        Some(level) if levels.len() == 1 => level.to_string(),
        Some(level) => format!("{} × {level}", levels.len()),
    }
}

/// Everything is proven.
pub(super) fn proven(board: &Board, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(());
    }
    let ours = board.exchange();
    let mut handed: Vec<i64> = ours
        .filter_map(|letter| letter.took_ms(Level::Injected))
        .collect();
    handed.sort_unstable();
    output.line(format!(
        "ok: {} messages, each as far as its recipient's bridge proves",
        handed.len()
    ))?;
    output.line("ok: each lies in the stream exactly once, as its sender's sidecar has it")?;
    output.line("ok: every question and task has exactly one answer")?;
    if let Some(median) = handed.get(handed.len() / 2) {
        output.line(format!(
            "half of them were in their recipient's hands within {median} ms; the others waited until it read"
        ))?;
    }
    Ok(())
}

/// Everything as data, once all is proven.
pub(super) fn record(board: &Board, jobs: &Jobs, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        let letters: Vec<Value> = board.exchange().map(letter).collect();
        let mut record = tell::record(jobs);
        if let Value::Object(fields) = &mut record {
            fields.insert("messages".to_owned(), letters.into());
            fields.insert("missing".to_owned(), json!([]));
        }
        output.record(&record)?;
    }
    Ok(())
}

fn letter(letter: &Letter) -> Value {
    let levels: Vec<Value> = letter
        .levels
        .iter()
        .map(|(level, at)| json!({ "level": level, "at": at }))
        .collect();
    json!({ "message": letter.message, "stream_seq": letter.seq, "level": letter.level(), "levels": levels })
}

/// Something is missing: the failure lists it, the logs may say why.
pub(super) fn missing(missing: &[String], stage: &Stage, output: &mut Output) -> Result<Failure, Failure> {
    for name in [
        "up",
        "bash-sidecar",
        "python-sidecar",
        "python",
        "python-worker",
        "rust-sidecar",
        "rust-worker",
        "pane-sidecar",
    ] {
        let said = logs::since(&stage.logs().join(format!("{name}.log")), 0);
        if !said.is_empty() {
            output.note(format!("--- {name}\n{}", printable::block(&said)))?;
        }
    }
    Ok(Failure::failed(format!("{} things are missing", missing.len()))
        .why(missing.join("\n       "))
        .fix("the ends of the logs are above; run it again, and see: wagglebus doctor"))
}

/// What to try once it is over.
pub(super) fn afterwards(output: &mut Output) -> Result<(), Failure> {
    output.note("\nnext:")?;
    if let Some(line) = programs::path_first() {
        output.note(format!("  {line}"))?;
    }
    output.note(
        "  wagglebus demo                          # the same, and it stays: try it from a second terminal
  wagglebus up --detach                   # a bus of your own; it survives restarts
  wagglebus sidecar --agent alice http &  # connect an agent, here one that you play yourself
  wagglebus send alice hello              # write to it
  wagglebus --as alice inbox --take 1     # and read what it got
  wagglebus sidecar --help                # stdio -- COMMAND: connect a program of yours",
    )?;
    Ok(())
}

/// What to try while it stays.
pub(super) fn meanwhile(stage: &Stage, output: &mut Output) -> Result<(), Failure> {
    output.note(format!(
        "\nIt stays until Ctrl-C; what happens is shown below. In a second terminal:
  . {}
  wagglebus send bash \"are you there?\" -t question --wait injected
  wagglebus inbox --take 1 --timeout 5s               # bash's answer
  wagglebus --as python send bash \"from Python\"       # speak as another agent
  wagglebus trace ID                                  # how far a message came, and why not farther
  wagglebus task submit 'Add them' --capability rust --input '{{\"numbers\":[1,2]}}'; wagglebus task ls
  wagglebus agents; wagglebus status; wagglebus tail --last 3 --no-follow
",
        quoted(&stage.exports())
    ))?;
    Ok(())
}

/// A line for people, which is no data where data was asked for.
pub(super) fn chat(output: &mut Output, text: impl AsRef<str>) -> Result<(), Failure> {
    if output.json() {
        output.note(text)?;
    } else {
        output.line(text)?;
    }
    Ok(())
}
