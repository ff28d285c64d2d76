//! The stdio bridge: the agent is a child process, and speaks JSON lines on its standard input and output.

mod child;
pub(in crate::bridge) mod frame;
mod intake;
mod task;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot, watch};
use wagglebus_breaker::Leave;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::{Level, Message, decode};
use wagglebus_sidecar_core::event::ReaderKind;
use wagglebus_sidecar_core::text;

use super::breaker::BridgeBreaker;
use crate::args::{AckMode, Format, StdioArguments};
use crate::clock;
use crate::failure::Failure;
use crate::gate::{Gate, Reader, ReaderItem};
use crate::shutdown::Shutdown;

use child::{Backoff, CRASHES, RECOVERED_AFTER, Running};
pub(crate) use child::{ChildState, Environment};

/// How long a child may take to end after its standard input was closed, before it is told to by a signal.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Control frames that may wait for the child to read; more are left out.
const FRAMES_MAX: usize = 256;

/// The agent's child process and how to speak with it.
pub(crate) struct StdioBridge {
    gate: Gate,
    arguments: StdioArguments,
    environment: Environment,
    state: Arc<watch::Sender<ChildState>>,
    crashes: BridgeBreaker,
}

impl StdioBridge {
    /// `breaker` is 1 while a child that keeps ending is left alone.
    pub(crate) fn new(
        gate: Gate,
        arguments: StdioArguments,
        environment: Environment,
        breaker: Gauge,
    ) -> Self {
        Self {
            gate,
            arguments,
            environment,
            state: Arc::new(watch::Sender::new(ChildState::Starting)),
            crashes: BridgeBreaker::new("the agent's program", CRASHES, breaker),
        }
    }

    /// Refuses a command that can never start: to try it again and again would only look like an agent.
    pub(crate) fn check(arguments: &StdioArguments) -> Result<(), Failure> {
        let program = arguments.command.first();
        let obstacle = program.and_then(|program| Some((program, child::obstacle(program)?)));
        obstacle.map_or(Ok(()), |(program, why)| {
            Err(Failure::Program {
                program: program.to_string_lossy().into_owned(),
                why,
            })
        })
    }

    /// What the child is doing, for heartbeats.
    pub(crate) fn state(&self) -> watch::Receiver<ChildState> {
        self.state.subscribe()
    }

    /// The highest level that this bridge proves.
    pub(crate) const fn proves(&self) -> Level {
        match self.arguments.ack {
            AckMode::Auto => Level::Injected,
            AckMode::Explicit => Level::Done,
        }
    }

    /// Runs the child, and again after it ended, until the shutdown. Returns when the child is gone.
    pub(crate) async fn run(mut self, slots: usize, mut shutdown: Shutdown) {
        let mut backoff = Backoff::default();
        let mut gone = None;
        loop {
            let Life::Ended { lasted } = self.live(slots, &mut shutdown).await else {
                return;
            };
            self.crashes.failed("it ended too often");
            let pause = backoff.after(lasted);
            let pause = if self.crashes.is_closed() {
                gone = None;
                self.state.send_replace(ChildState::Gone);
                tracing::warn!(
                    pause_ms = pause.as_millis(),
                    "the agent ended; it is started again"
                );
                pause
            } else {
                // Lives that were only tries do not count: it is one hold.
                let since = *gone.get_or_insert(clock::now().wall);
                self.state.send_replace(ChildState::Resting { since });
                Duration::ZERO
            };
            tokio::select! {
                () = self.rest(pause) => {}
                () = shutdown.begun() => return,
            }
        }
    }

    /// Waits so long, and until the breaker lets a child be started.
    async fn rest(&mut self, pause: Duration) {
        tokio::time::sleep(pause).await;
        while let Leave::No { until_ms } = self.crashes.ask() {
            let now_ms = clock::now().mono_ms;
            let pause_ms = until_ms.unwrap_or(now_ms).saturating_sub(now_ms).max(1);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// One life of the child.
    async fn live(&mut self, slots: usize, shutdown: &mut Shutdown) -> Life {
        let started = std::time::Instant::now();
        let ended = || Life::Ended {
            lasted: started.elapsed(),
        };
        let Running {
            mut child,
            stdin,
            stdout,
        } = match child::start(&self.arguments.command, &self.environment) {
            Ok(running) => running,
            Err(error) => {
                tracing::error!(command = ?self.arguments.command.first(), %error, "cannot start the agent");
                return ended();
            }
        };
        self.state.send_replace(ChildState::Running { pid: child.id() });
        let kind = ReaderKind {
            bridge: Bridge::Stdio,
            slots,
            auto: self.arguments.ack == AckMode::Auto,
            lease_ms: None,
            pane: None,
        };
        let Ok(reader) = self.gate.open(kind).await else {
            return Life::ShutDown;
        };
        let (frames, frames_end) = mpsc::channel(FRAMES_MAX);
        let intake = intake::Intake::new(self.gate.clone(), &self.arguments, frames);
        let to_child = ToChild {
            stdin,
            frames: frames_end,
            format: self.arguments.format,
            shutdown: shutdown.clone(),
        };
        let mut delivery = tokio::spawn(deliver(reader, to_child));
        let (lives, gone) = oneshot::channel();
        let mut reading = tokio::spawn(intake.run(stdout, gone));
        let mut lives = Some(lives);
        let mut recovered = pin!(tokio::time::sleep(RECOVERED_AFTER));
        let mut recovers = true;
        let life = loop {
            tokio::select! {
                status = child.wait() => {
                    tracing::info!(status = %status.map_or_else(|e| e.to_string(), |s| s.to_string()), "the agent ended");
                    lives.take();
                    // What it had written before it ended still counts.
                    tokio::time::timeout(CLOSE_WITHIN, &mut reading).await.ok();
                    break ended();
                }
                () = shutdown.begun() => break Life::ShutDown,
                () = &mut recovered, if recovers => {
                    recovers = false;
                    self.crashes.succeeded();
                }
            }
        };
        if matches!(life, Life::ShutDown) {
            // What the child has in its hands stays there until it has ended: its last lines may be acks.
            let held = (&mut delivery).await.ok().flatten();
            child::end(child, CLOSE_WITHIN).await;
            drop(lives);
            tokio::time::timeout(CLOSE_WITHIN, &mut reading).await.ok();
            drop(held);
        }
        delivery.abort();
        reading.abort();
        life
    }
}

enum Life {
    Ended { lasted: Duration },
    ShutDown,
}

/// What goes to the child, and how.
struct ToChild {
    stdin: ChildStdin,
    frames: mpsc::Receiver<Vec<u8>>,
    format: Format,
    shutdown: Shutdown,
}

/// Writes messages and control frames to the child, one line each, and confirms each message that was written whole. At
/// the shutdown the child's standard input is closed, its sign to end, and the reader takes nothing more; dropping it
/// gives back what the child still holds.
async fn deliver(mut reader: Reader, to_child: ToChild) -> Option<Reader> {
    let ToChild {
        mut stdin,
        mut frames,
        format,
        mut shutdown,
    } = to_child;
    loop {
        let (line, key) = tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(frame) = frames.recv() => (frame, None),
            item = reader.next() => match item {
                None => return None,
                Some(ReaderItem::Receipt(_) | ReaderItem::Look | ReaderItem::Nudge(_) | ReaderItem::Withdraw) => continue,
                Some(ReaderItem::Message { key, handed }) => {
                    let Some(mut line) = written(format, &handed.raw) else { continue };
                    line.push(b'\n');
                    (line, Some(key))
                }
            },
        };
        let written = tokio::select! {
            biased;
            written = stdin.write_all(&line) => written,
            // It does not read; half a line is no message.
            () = shutdown.begun() => break,
        };
        if let Err(error) = written {
            tracing::debug!(%error, "the agent does not read any more");
            return None;
        }
        if let Some(key) = key {
            reader.injected(key);
        }
    }
    reader.pause(true);
    Some(reader)
}

/// A message as the child reads it. The machine has decoded it before, so it can be read.
fn written(format: Format, raw: &[u8]) -> Option<Vec<u8>> {
    match format {
        Format::Jsonl => Some(raw.to_vec()),
        Format::Text => {
            let message: Message = decode::record("message", raw, MESSAGE_BYTES_MAX).ok()?;
            Some(text::line(&message).into_bytes())
        }
    }
}
