//! `attach` and `detach`: bring messages to programs that already run in tmux panes, without touching them.

mod panes;
pub(crate) mod record;

use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;
use tokio::time::{Instant, sleep};
use wagglebus_client::discovery;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Id};

use crate::attachment::{self, Attachment};
use crate::background::{WITHIN, ready, stop};
use crate::failure::Failure;
use crate::output::Output;
use crate::programs::quoted;
use crate::session::Session;
use crate::up::{attached, logs};
use record::Recorded;

/// Distance of two looks at a pane whose former sidecar is ending.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Bring messages to a program that already runs in a tmux pane; without a pane: list panes
///
/// The program is not restarted, changed or signalled. Its sidecar runs in the background, as long as `up` does, and
/// again with the next `up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// The pane: an id such as %3, or session:window.pane
    #[arg(requires = "agent", allow_hyphen_values = true)]
    pane: Option<String>,
    /// The agent that the program is from now on
    #[arg(long, value_name = "ID", requires = "pane")]
    agent: Option<AgentId>,
    /// A capability that the agent declares, with its proficiency from 1 to 10 (may be repeated)
    #[arg(long = "capability", value_name = "NAME[:PROFICIENCY]")]
    capabilities: Vec<String>,
    /// What the agent has for tasks, such as memory_mb=2048 (may be repeated)
    #[arg(long = "resource", value_name = "NAME=AMOUNT")]
    resources: Vec<String>,
    /// Messages as text, or lines that say that messages wait; auto: short ones as text until the agent takes one itself
    #[arg(long, value_enum)]
    inject: Option<Inject>,
    /// What runs in the pane; else as its command says
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Whether lines such as `@bob: text` that the pane prints are sent; else: in plain and shell
    #[arg(long, value_enum)]
    read_output: Option<ReadOutput>,
    #[command(flatten)]
    server: TmuxServer,
}

/// Which tmux server.
#[derive(Debug, clap::Args)]
struct TmuxServer {
    /// Name of the tmux server, as for `tmux -L`; else the one of this terminal, else the user's default
    #[arg(
        short = 'L',
        long = "tmux-server",
        value_name = "NAME",
        conflicts_with = "tmux_socket"
    )]
    tmux_server: Option<String>,
    /// Socket of the tmux server, as for `tmux -S`
    #[arg(short = 'S', long = "tmux-socket", value_name = "PATH")]
    tmux_socket: Option<String>,
}

impl TmuxServer {
    /// As arguments, of tmux and of our sidecar alike.
    fn arguments(&self) -> Vec<String> {
        let named = |flag: &str, value: &Option<String>| {
            value
                .iter()
                .flat_map(|value| [flag.to_owned(), value.clone()])
                .collect::<Vec<_>>()
        };
        [named("-L", &self.tmux_server), named("-S", &self.tmux_socket)].concat()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Inject {
    /// Short ones as text, until the agent takes one by itself
    Auto,
    /// By a line that says that messages wait
    Nudge,
    /// As text
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Claude Code
    Claude,
    /// Codex CLI
    Codex,
    /// aider
    Aider,
    /// An interactive shell, for which messages are lines that do nothing
    Shell,
    /// Any program that reads lines
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReadOutput {
    /// Yes
    On,
    /// No
    Off,
}

/// Stop bringing messages to a pane, whose program goes on, or end an agent of a fleet file; its messages wait
#[derive(Debug, clap::Args)]
pub(crate) struct Detach {
    /// The agent
    agent: AgentId,
}

impl Attach {
    /// What the sidecar is told of the pane, beside the pane itself.
    fn how(&self) -> Vec<String> {
        fn named<T: ValueEnum>(flag: &str, value: Option<T>) -> Vec<String> {
            let value = value.as_ref().and_then(ValueEnum::to_possible_value);
            let value = value.map(|value| value.get_name().to_owned());
            value.map_or_else(Vec::new, |value| vec![flag.to_owned(), value])
        }
        [
            named("--inject", self.inject),
            named("--profile", self.profile),
            named("--read-output", self.read_output),
        ]
        .concat()
    }

    /// What the sidecar is told of the agent.
    fn declared(&self) -> Vec<String> {
        let capabilities = self.capabilities.iter().map(|name| ("--capability", name));
        let resources = self.resources.iter().map(|amount| ("--resource", amount));
        let flag = |(flag, value): (&str, &String)| [flag.to_owned(), value.clone()];
        capabilities.chain(resources).flat_map(flag).collect()
    }
}

pub(crate) async fn attach(args: Attach, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let (Some(pane), Some(agent)) = (&args.pane, &args.agent) else {
        return panes::list(&args.server.arguments(), session.places(), output).await;
    };
    let places = session.places();
    discovery::bus(places)?;
    let former = attachment::of(places, agent);
    if former.is_some() {
        stop(places, agent).await?;
    }
    let declared = args.declared();
    let target = ["--target".to_owned(), pane.clone()];
    let asked = [target.to_vec(), args.server.arguments(), args.how()].concat();
    let recorded = match look(places, agent, &declared, &asked, former.is_some()).await {
        Ok(recorded) => recorded,
        Err(failure) => {
            // What ran before goes on as it was.
            if let Some(former) = former {
                attachment::want(places, &former)?;
            }
            return Err(failure);
        }
    };
    let wanted = Attachment {
        agent: agent.clone(),
        id: Id::from_uuid(uuid::Uuid::new_v4()),
        arguments: [declared, recorded.arguments(), args.how()].concat(),
        asked: None,
    };
    let log = logs::file(places, &attached::name(agent));
    let logged = logs::length(&log);
    attachment::want(places, &wanted)?;
    let sidecar = ready(places, agent, &log, logged).await?;
    tell(agent, &recorded, sidecar, &log, output)
}

/// Looks at the pane and records it. `again`: `up` may just be ending the sidecar of the former attachment.
async fn look(
    places: &Places,
    agent: &AgentId,
    declared: &[String],
    pane: &[String],
    again: bool,
) -> Result<Recorded, Failure> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let looked = record::record(places, agent, declared, pane).await;
        let in_the_way = again && looked.is_err() && !attachment::is_free(places, agent);
        if !in_the_way || Instant::now() >= deadline {
            return looked;
        }
        sleep(LOOK_EVERY).await;
    }
}

fn tell(
    agent: &AgentId,
    recorded: &Recorded,
    sidecar: u32,
    log: &std::path::Path,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json() {
        return Ok(output.record(&json!({
            "agent": agent,
            "pane": recorded.pane,
            "socket": recorded.socket,
            "profile": recorded.profile,
            "pid": recorded.pid,
            "sidecar_pid": sidecar,
            "log": log,
        }))?);
    }
    output.line(format!(
        "{agent} {} ({}, process {})",
        recorded.pane, recorded.profile, recorded.pid
    ))?;
    output.note(format!(
        "try it: wagglebus send {agent} 'hello' --wait injected\nend it: wagglebus detach {agent}   (its program goes on)\nlog:    {}",
        log.display()
    ))?;
    Ok(())
}

pub(crate) async fn detach(args: Detach, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let (places, agent) = (session.places(), &args.agent);
    if attachment::of(places, agent).is_none() {
        let (attached, _) = attachment::all(places);
        let names: Vec<&str> = attached.iter().map(|one| one.agent.as_str()).collect();
        let known = if names.is_empty() {
            "nobody is".to_owned()
        } else {
            format!("attached: {}", names.join(", "))
        };
        return Err(Failure::not_found(format!("{agent} is not attached to a pane"))
            .why(known)
            .fix("see what runs: wagglebus status"));
    }
    let by_file = attachment::of(places, agent).is_some_and(|attachment| attachment.asked.is_some());
    stop(places, agent).await?;
    let was = attachment::pane(places, agent);
    attachment::forget_pane(places, agent);
    if output.json() {
        return Ok(output.record(&json!({ "agent": agent, "detached": true }))?);
    }
    output.line(format!("{agent} detached"))?;
    if by_file {
        output.note("its messages wait; start it again: wagglebus fleet apply FILE")?;
        return Ok(());
    }
    let (pane, server) = was.map_or_else(
        || ("PANE".to_owned(), String::new()),
        |was| (was.pane, format!(" -S {}", quoted(&was.socket))),
    );
    output.note(format!(
        "its messages wait; attach again: wagglebus attach {pane} --agent {agent}{server}"
    ))?;
    Ok(())
}
