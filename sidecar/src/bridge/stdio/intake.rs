//! What the child says: drafts and control frames, line by line and in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::{Draft, Id, Level, Recipient, decode};
use wagglebus_sidecar_core::command::TaskCommand;
use wagglebus_sidecar_core::text::{self, TextLine};

use super::frame::{self, Line};
use crate::args::{Format, Frames, StdioArguments};
use crate::gate::{CommandSent, Gate, Submitted, TaskOutcome};

/// Bytes read from the child at a time.
const READ_BYTES: usize = 64 * 1024;
/// Drafts whose answers are awaited at once. The child is not read further while so many are open.
const OPEN_MAX: usize = 1_024;
/// How long a command waits for its verdict: as long as it is kept for another publish.
const DECIDED_WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// How long a draft may wait for the disk.
const ACCEPT_WITHIN: Duration = Duration::from_secs(30);

/// What is to be told of a line, or of one recipient of a line that has several.
struct Told {
    /// The line, from 1.
    line: u64,
    /// Whom it went to, where the line alone does not say it.
    to: Option<Recipient>,
    outcome: Outcome,
}

enum Outcome {
    /// A draft was handed over; its answer is awaited.
    Submitted(Submitted),
    /// A command was handed over; its verdict is awaited.
    Commanded(CommandSent, OwnedSemaphorePermit),
    /// Nothing was sent.
    Refused(ErrorDetail),
}

/// What a line asks for beside a verb that is done with.
enum Said {
    /// To send these; none of a line that is done with.
    Drafts(Vec<Draft>),
    /// To command something about a task.
    Task(TaskCommand),
}

/// Reads one child's standard output.
pub(super) struct Intake {
    gate: Gate,
    format: Format,
    shown: Frames,
    frames: mpsc::Sender<Vec<u8>>,
    /// One permit for each command that waits for its verdict.
    commands: Arc<Semaphore>,
}

impl Intake {
    pub(super) fn new(gate: Gate, arguments: &StdioArguments, frames: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            gate,
            format: arguments.format,
            shown: arguments.frames,
            frames,
            commands: Arc::new(Semaphore::new(OPEN_MAX)),
        }
    }

    /// Reads until the child closes its output. Answers are told in the order of the lines, verdicts as they come, until
    /// the child is `gone`: the coordinator may be away for hours.
    pub(super) async fn run(self, stdout: impl AsyncRead + Unpin, mut gone: oneshot::Receiver<Infallible>) {
        let (answers, mut open) = mpsc::channel::<Told>(OPEN_MAX);
        let telling = async {
            let mut verdicts = FuturesUnordered::new();
            loop {
                let told = tokio::select! {
                    told = open.recv() => told,
                    Some((line, verdict)) = verdicts.next() => {
                        self.tell_verdict(line, verdict);
                        continue;
                    }
                };
                let Some(Told { line, to, outcome }) = told else {
                    break;
                };
                let answer = match outcome {
                    Outcome::Submitted(submitted) => submitted.answer().await.map(|answer| answer.id),
                    Outcome::Refused(error) => Err(error),
                    Outcome::Commanded(sent, permit) => {
                        verdicts.push(async move {
                            let verdict = sent.verdict().await;
                            drop(permit);
                            (line, verdict)
                        });
                        continue;
                    }
                };
                self.tell(line, answer.map_err(|error| about(to, error)));
            }
            // The child says nothing more, but may still listen.
            loop {
                tokio::select! {
                    biased;
                    _ = &mut gone => return,
                    Some((line, verdict)) = verdicts.next() => self.tell_verdict(line, verdict),
                    else => return,
                }
            }
        };
        tokio::join!(self.read(stdout, answers), telling);
    }

    async fn read(&self, stdout: impl AsyncRead + Unpin, answers: mpsc::Sender<Told>) {
        let mut lines = BufReader::with_capacity(READ_BYTES, stdout);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let said = match read_line(&mut lines, &mut line).await {
                Ok(ReadLine::End) | Err(_) => return,
                Ok(ReadLine::TooLong) => Err(too_long()),
                Ok(ReadLine::Whole) => self.take(&mut line).await,
            };
            let drafts = match said {
                Ok(Said::Drafts(drafts)) => drafts,
                other => {
                    let outcome = match other {
                        Ok(Said::Task(command)) => self.command(command).await,
                        Ok(Said::Drafts(_)) => continue,
                        Err(error) => Outcome::Refused(error),
                    };
                    // Only a teller that has ended refuses, and it ends after this.
                    answers
                        .send(Told {
                            line: number,
                            to: None,
                            outcome,
                        })
                        .await
                        .ok();
                    continue;
                }
            };
            // The grammar refuses a malformed address before anything of its line is sent. What the addresses stand for
            // is found out one by one, and any of them may still be refused when the others are accepted (an unknown
            // agent, a full spool): so each recipient has a result of its own, and whoever repeats the line knows whom
            // to leave out.
            let several = drafts.len() > 1;
            for draft in drafts {
                let to = several.then(|| draft.to_agent.clone());
                let outcome = match self.submit(draft).await {
                    Ok(submitted) => Outcome::Submitted(submitted),
                    Err(error) => Outcome::Refused(error),
                };
                answers
                    .send(Told {
                        line: number,
                        to,
                        outcome,
                    })
                    .await
                    .ok();
            }
        }
    }

    /// The drafts of a line; none for a control frame, which is done then, or for other output.
    async fn take(&self, line: &mut Vec<u8>) -> Result<Said, ErrorDetail> {
        match self.format {
            Format::Jsonl if line.first() == Some(&b'{') => self.take_json(line).await,
            Format::Text if line.first() == Some(&b'@') => take_text(line).await.map(Said::Drafts),
            Format::Jsonl | Format::Text => {
                pass_on(line).await;
                Ok(Said::Drafts(Vec::new()))
            }
        }
    }

    async fn take_json(&self, line: &[u8]) -> Result<Said, ErrorDetail> {
        match frame::read(line)? {
            Line::Draft => {
                let draft = decode::draft(line).map_err(|error| frame::refused(&error))?;
                Ok(Said::Drafts(vec![draft]))
            }
            Line::Task(command) => Ok(Said::Task(command)),
            verb @ (Line::Ack { .. } | Line::Nak { .. } | Line::Progress { .. } | Line::Ready) => {
                self.verb(verb).await.map(|()| Said::Drafts(Vec::new()))
            }
        }
    }

    async fn submit(&self, draft: Draft) -> Result<Submitted, ErrorDetail> {
        self.gate
            .submit(draft, None, Some(Level::Accepted), ACCEPT_WITHIN, false)
            .await
    }

    async fn command(&self, command: TaskCommand) -> Outcome {
        let Ok(permit) = self.commands.clone().try_acquire_owned() else {
            let message = format!("{OPEN_MAX} commands of this program wait for their verdict");
            let error = ErrorDetail::new(ErrorCode::RateLimited, message);
            return Outcome::Refused(
                error.hint("wait for verdicts before more is asked; nothing of this line was sent"),
            );
        };
        match self.gate.command(command, None, DECIDED_WITHIN).await {
            Ok(sent) => Outcome::Commanded(sent, permit),
            Err(error) => Outcome::Refused(error),
        }
    }

    async fn verb(&self, line: Line) -> Result<(), ErrorDetail> {
        match line {
            Line::Draft | Line::Task(_) | Line::Ready => {}
            Line::Ack { id, lease, done } => {
                self.gate.ack(id, lease, done).await?;
            }
            Line::Nak {
                id,
                lease,
                delay_ms,
                reason,
            } => {
                self.gate.nak(id, lease, delay_ms, reason).await?;
            }
            Line::Progress { id, lease, extend_ms } => {
                self.gate.progress(id, lease, extend_ms).await?;
            }
        }
        Ok(())
    }

    /// Tells the child the verdict on its command.
    fn tell_verdict(&self, line: u64, verdict: Result<TaskOutcome, ErrorDetail>) {
        match verdict {
            Ok(TaskOutcome::Decided { task, .. }) => {
                if self.shown != Frames::None {
                    self.frames.try_send(frame::decided(line, &task)).ok();
                }
            }
            Ok(TaskOutcome::Undecided(answer)) => {
                let message = format!("command {} is {}, but nobody decided it", answer.id, answer.level);
                let error = ErrorDetail::new(ErrorCode::LevelNotReached, message);
                self.tell(line, Err(error.hint("repeat it with the same id")));
            }
            Err(error) => self.tell(line, Err(error)),
        }
    }

    /// Tells the child what came of a line, as far as it wants to know. A child that reads nothing must not stop its
    /// own output, so a frame that finds no room is left out.
    fn tell(&self, line: u64, result: Result<Id, ErrorDetail>) {
        let frame = match (result, self.shown) {
            (Err(error), shown) => {
                tracing::info!(line, code = %error.code, message = %error.message, "a line of the agent was refused");
                (shown != Frames::None).then(|| frame::error(line, &error))
            }
            (Ok(id), Frames::All) => Some(frame::accepted(line, id)),
            (Ok(_), Frames::Errors | Frames::None) => None,
        };
        if let Some(frame) = frame {
            self.frames.try_send(frame).ok();
        }
    }
}

async fn take_text(line: &[u8]) -> Result<Vec<Draft>, ErrorDetail> {
    let invalid = |message: String| ErrorDetail::new(ErrorCode::InvalidMessage, message);
    let text =
        std::str::from_utf8(line).map_err(|error| invalid(format!("the line is not UTF-8: {error}")))?;
    match text::parse(text).map_err(|error| invalid(error.to_string()))? {
        TextLine::Output(output) => {
            pass_on(&mut output.into_bytes()).await;
            Ok(Vec::new())
        }
        TextLine::Drafts(drafts) => Ok(drafts),
    }
}

/// The error with the recipient that it is about, in words and, for programs, as `details.to_agent`.
fn about(to: Option<Recipient>, mut error: ErrorDetail) -> ErrorDetail {
    let Some(to) = to else {
        return error;
    };
    error.message = format!("to {to}: {}", error.message);
    let details = error.details.get_or_insert_with(|| Value::Object(Map::new()));
    if let Some(details) = details.as_object_mut() {
        details.insert("to_agent".into(), to.to_string().into());
    }
    error
}

enum ReadLine {
    Whole,
    TooLong,
    End,
}

/// Reads one line without its end. A line over the bound is read to its end and dropped.
async fn read_line(
    lines: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<ReadLine> {
    let bound = u64::try_from(LINE_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let read = (&mut *lines).take(bound).read_until(b'\n', line).await?;
    if read == 0 {
        return Ok(ReadLine::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(ReadLine::Whole);
    }
    if line.len() <= LINE_BYTES_MAX {
        // The last line, without its end.
        return Ok(ReadLine::Whole);
    }
    let mut rest = Vec::new();
    loop {
        rest.clear();
        let read = (&mut *lines).take(bound).read_until(b'\n', &mut rest).await?;
        if read == 0 || rest.last() == Some(&b'\n') {
            return Ok(ReadLine::TooLong);
        }
    }
}

fn too_long() -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::TooLarge,
        format!("the line is over the bound of {LINE_BYTES_MAX} bytes"),
    )
    .hint("nothing of this line was sent; write shorter lines")
}

/// What is no message is the agent's ordinary output.
async fn pass_on(line: &mut Vec<u8>) {
    line.push(b'\n');
    let mut stdout = tokio::io::stdout();
    if stdout.write_all(line).await.is_ok() {
        stdout.flush().await.ok();
    }
}
