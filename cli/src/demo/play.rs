//! The order of things, and the end of all of them.

use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout_at};
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Level, Timestamp};

use super::board::{Board, Lane};
use super::bus::Bus;
use super::cast::{Cast, ERRAND_WITHIN, Interpreters, Names};
use super::checks::disagreements;
use super::crew::Crew;
use super::jobs::Jobs;
use super::stage::Stage;
use super::watch::{Sight, Watch};
use super::{show, tell};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::up::prepare::binary;
use crate::up::signals::End;

/// How long the last receipts may take after the Python program has ended, and their way to the senders' sidecars.
const RECEIPTS_WITHIN: Duration = Duration::from_secs(10);
/// Distance of two questions to the sidecars.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Everything that must be ended.
#[derive(Debug, Default)]
struct Running {
    bus: Option<Bus>,
    cast: Option<Cast>,
    crew: Option<Crew>,
}

/// Shows the exchange; with `once` that is all, otherwise it stays until told to stop. Nothing is left in any case.
pub(crate) async fn play(once: bool, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let end = End::listen(false)?;
    let interpreters = Interpreters::find()?;
    show::picture(output)?;
    let (server, _) = binary(output).await?;
    let stage = Stage::set(session.places().hive(), server)?;
    let mut running = Running::default();
    let played = tokio::select! {
        played = perform(once, &stage, &interpreters, &mut running, output) => played,
        wish = end.wished() => match wish.failure() {
            Some(interrupted) => Err(interrupted),
            None if once => Err(Failure::failed("told to stop before everything was proven")),
            None => Ok(()),
        },
    };
    let cleared = clear(stage, running).await;
    played.and(cleared)?;
    if once {
        show::afterwards(output)?;
    }
    Ok(())
}

async fn perform(
    once: bool,
    stage: &Stage,
    interpreters: &Interpreters,
    running: &mut Running,
    output: &mut Output,
) -> Result<(), Failure> {
    let names = Names::new().map_err(|error| Failure::caused(&error))?;
    let ready = running.bus.insert(Bus::start(stage)?).ready().await?;
    show::bus(&ready, stage, output)?;
    let cast = running
        .cast
        .insert(Cast::enter(stage, &names, interpreters).await?);
    show::agents(output)?;
    let mut scene = Scene {
        watch: Watch::open(stage.places(), &ready.bus.url).await?,
        board: Board::new(lanes(&names)),
        jobs: Jobs::default(),
        begin: None,
        output,
    };
    let errand = cast.errand(stage, &names, interpreters)?;
    let mut missing = scene.exchange(errand).await?;
    show::summary(&scene.board, scene.output)?;
    if missing.is_empty() {
        missing = agreed(&scene.board, stage.places()).await?;
    }
    if !missing.is_empty() {
        return Err(show::missing(&missing, stage, scene.output)?);
    }
    show::proven(&scene.board, scene.output)?;
    let entered = Crew::enter(stage, &names, cast, interpreters).await?;
    let crew = running.crew.insert(entered);
    let missing = scene.tasks(stage, cast, crew).await?;
    tell::summary(&scene.jobs, scene.output)?;
    if !missing.is_empty() {
        return Err(show::missing(&missing, stage, scene.output)?);
    }
    tell::proven(&scene.jobs, scene.output)?;
    show::record(&scene.board, &scene.jobs, scene.output)?;
    if once {
        return Ok(());
    }
    show::meanwhile(stage, scene.output)?;
    loop {
        scene.look().await?;
        scene.output.finish()?;
        scene.watch.hint().await;
    }
}

fn lanes(names: &Names) -> Vec<Lane> {
    let Names { bash, python } = names;
    vec![
        Lane {
            from: python.clone(),
            to: bash.clone(),
            goal: Level::Injected,
            types: MessageType::ALL,
        },
        Lane {
            from: bash.clone(),
            to: python.clone(),
            goal: Level::Done,
            types: &[MessageType::Response],
        },
    ]
}

/// What is going on.
pub(super) struct Scene<'a> {
    pub(super) watch: Watch,
    board: Board,
    pub(super) jobs: Jobs,
    /// When the first message was accepted.
    pub(super) begin: Option<Timestamp>,
    pub(super) output: &'a mut Output,
}

impl Scene<'_> {
    /// Watches until the Python program has ended and every message came as far as it can. Returns what is missing.
    async fn exchange(&mut self, mut errand: Child) -> Result<Vec<String>, Failure> {
        let mut deadline = Instant::now() + ERRAND_WITHIN + RECEIPTS_WITHIN;
        let mut wrong = Vec::new();
        let mut ended = false;
        loop {
            self.look().await?;
            let missing = self.board.missing();
            if (ended && missing.is_empty()) || Instant::now() >= deadline {
                wrong.extend(missing);
                if !ended {
                    wrong.push("the Python program did not end".into());
                }
                return Ok(wrong);
            }
            tokio::select! {
                status = errand.wait(), if !ended => {
                    ended = true;
                    deadline = Instant::now();
                    match status {
                        Ok(status) if status.success() => deadline += RECEIPTS_WITHIN,
                        Ok(status) => wrong.push(format!("the Python program ended with {status}")),
                        Err(error) => wrong.push(format!("the Python program cannot be waited for: {error}")),
                    }
                }
                // Never beyond the deadline.
                _ = timeout_at(deadline, self.watch.hint()) => {}
            }
        }
    }

    /// Tells everything that is new, in the order of time.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        let mut lines = Vec::new();
        let coordinator = AgentId::coordinator();
        for sight in self.watch.look().await? {
            let step = match sight {
                // What goes to and fro with the coordinator is told as what came of it.
                Sight::Message(message, ..)
                    if message.from_agent == coordinator
                        || message.to_agent.agent() == Some(&coordinator) =>
                {
                    None
                }
                Sight::Message(message, seq, at) => {
                    self.begin.get_or_insert(message.timestamp);
                    self.board.stored(message, seq, at)
                }
                Sight::Event(event, at) => {
                    let begin = self.begin.unwrap_or(at);
                    let happened = self.jobs.happened(&event, at);
                    lines.extend(happened.map(|(job, happened)| (at, tell::event(job, happened, begin))));
                    None
                }
                Sight::Receipt(receipt) => self.board.reached(&receipt),
                Sight::Refused(why) => {
                    self.output.note(format!("refused by recipients: {why}"))?;
                    None
                }
            };
            if let (Some(step), Some(begin)) = (step, self.begin) {
                lines.push((step.at, show::step(&step, begin)));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        for (_, line) in lines {
            show::chat(self.output, line)?;
        }
        Ok(())
    }
}

/// Waits until the senders' sidecars know what the bus knows. Returns where they do not.
async fn agreed(board: &Board, places: &Places) -> Result<Vec<String>, Failure> {
    let deadline = Instant::now() + RECEIPTS_WITHIN;
    loop {
        let wrong = disagreements(board, places).await?;
        if wrong.is_empty() || Instant::now() >= deadline {
            return Ok(wrong);
        }
        sleep(ASK_EVERY).await;
    }
}

/// Ends everything, the agents first, and removes every file.
async fn clear(stage: Stage, running: Running) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    if let Some(crew) = running.crew {
        wrong.extend(crew.leave().await);
    }
    if let Some(cast) = running.cast {
        wrong.extend(cast.leave().await);
    }
    if let Some(bus) = running.bus
        && let Err(failure) = bus.end().await
    {
        wrong.push(failure.what());
    }
    stage.strike()?;
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed("the demonstration did not end well")
            .why(wrong.join("; "))
            .fix("see what this machine lacks: wagglebus doctor"))
    }
}
