//! The command line of `wagglebus-sidecar`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wagglebus_nats::config::ConfigChoice;
use wagglebus_nats::context::BusOptions;
use wagglebus_schemas::heartbeat::{Capability, Proficiency};
use wagglebus_schemas::{AgentId, Hive, Resources};
use wagglebus_sidecar_core::event::Inject;
use wagglebus_sidecar_core::terminal::profile::{self, Profile};

use crate::bridge::tmux::Which;

/// Bridges one agent to the bus: durable messages out, one at a time and by priority in, each step proven.
#[derive(Debug, Parser)]
#[command(name = "wagglebus-sidecar", version)]
pub(crate) struct Arguments {
    /// The agent that this sidecar speaks for
    #[arg(long, env = "WAGGLEBUS_AGENT")]
    pub(crate) agent: AgentId,

    /// A capability that the agent declares, with its proficiency from 1 to 10 (may be repeated)
    #[arg(long = "capability", value_name = "NAME[:PROFICIENCY]", value_parser = parse_capability)]
    pub(crate) capabilities: Vec<Capability>,

    /// What the agent has for tasks: cpu_cores, memory_mb, disk_mb, network_mbps or tokens (may be repeated)
    #[arg(long = "resource", value_name = "NAME=AMOUNT", value_parser = parse_resource)]
    pub(crate) resources: Vec<String>,

    /// The hive; else as a configuration file says, else wb
    #[arg(long, value_name = "NAME", env = "WAGGLEBUS_HIVE")]
    pub(crate) hive: Option<Hive>,

    /// This configuration file alone, or `none`; else wagglebus.toml here or above, and the user's config.toml
    #[arg(long, value_name = "FILE", env = "WAGGLEBUS_CONFIG")]
    pub(crate) config: Option<ConfigChoice>,

    /// How many messages and tasks the agent works on at once, beside one urgent message [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) slots: Option<u16>,

    /// Take the agent over from a living sidecar on another machine; on this one, stop the other
    #[arg(long)]
    pub(crate) takeover: bool,

    /// Remove the agent one hour after its last heartbeat
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Folder for spool and lock instead of the user's state folder
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Also write the ready file here
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,

    /// Also listen on this loopback address, with a bearer token
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    #[command(flatten)]
    pub(crate) bus: BusArguments,

    #[command(subcommand)]
    pub(crate) mode: Mode,
}

/// Which NATS, when it is not the running `wagglebus up` of this user.
#[derive(Debug, Args)]
pub(crate) struct BusArguments {
    /// Addresses of NATS, separated by commas; else --context, NATS_URL, NATS_CONTEXT [env: WAGGLEBUS_SERVER]
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// Connect as this context of the stock `nats` CLI says [env: WAGGLEBUS_CONTEXT]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// File with the agent's nkey seed [env: WAGGLEBUS_NKEY]
    #[arg(long, value_name = "FILE", conflicts_with = "creds")]
    nkey: Option<PathBuf>,

    /// File with the agent's JWT and seed [env: WAGGLEBUS_CREDS]
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,

    /// Beginning of the JetStream API as the agent's account sees it [env: WAGGLEBUS_API_PREFIX]
    #[arg(long, value_name = "PREFIX")]
    api_prefix: Option<String>,
}

impl BusArguments {
    /// As all programs understand them; variables are read with them.
    pub(crate) fn options(&self) -> BusOptions {
        BusOptions {
            server: self.server.clone(),
            context: self.context.clone(),
            nkey: self.nkey.clone(),
            creds: self.creds.clone(),
            api_prefix: self.api_prefix.clone(),
            ..BusOptions::default()
        }
    }
}

/// How the agent is reached.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Run the agent as a child and speak JSON lines on its standard input and output
    Stdio(StdioArguments),
    /// Put messages into a tmux pane in which the agent already runs; its process is never touched
    Tmux(TmuxArguments),
    /// Serve the local HTTP API only; the agent asks for its messages
    Http,
}

/// The pane and how it is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct TmuxArguments {
    /// The pane: an id such as %3, or session:window.pane
    #[arg(long, value_name = "PANE", allow_hyphen_values = true)]
    pub(crate) target: String,

    /// Name of the tmux server, as for `tmux -L`; else the one of this terminal, else the user's default
    #[arg(
        short = 'L',
        long = "tmux-server",
        value_name = "NAME",
        conflicts_with = "socket"
    )]
    pub(crate) name: Option<String>,

    /// Socket of the tmux server, as for `tmux -S`
    #[arg(short = 'S', long = "tmux-socket", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Messages as text, or lines that say that messages wait; auto: short ones as text until the agent takes one itself
    #[arg(long, value_enum, default_value_t = InjectMode::Auto)]
    pub(crate) inject: InjectMode,

    /// What runs in the pane; else as its command says
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileName>,

    /// Whether lines such as `@bob: text` that the pane prints are sent; auto: in plain and shell
    #[arg(long, value_enum, default_value_t = ReadOutput::Auto)]
    pub(crate) read_output: ReadOutput,

    /// Milliseconds between text and Enter, instead of the profile's
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub(crate) enter_delay: Option<u64>,

    /// Milliseconds without change after which the screen counts as idle, instead of the profile's
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub(crate) quiet: Option<u64>,

    /// Go on with the attachment that is recorded, even if its program is gone: then messages are held. Without one, attach
    #[arg(long)]
    pub(crate) resume: bool,

    /// Record the attachment, say what it is, and end: `wagglebus attach` looks before a sidecar runs in the background
    #[arg(long, hide = true, conflicts_with = "resume")]
    pub(crate) record: bool,
}

impl TmuxArguments {
    /// Which tmux server is meant.
    pub(crate) fn which(&self) -> Which {
        match (&self.socket, &self.name) {
            (Some(path), _) => Which::Socket(path.clone()),
            (None, Some(name)) => Which::Named(name.clone()),
            (None, None) => Which::Usual,
        }
    }

    /// Whether what the pane prints is read.
    pub(crate) const fn reads_output(&self, profile: &Profile) -> bool {
        match self.read_output {
            ReadOutput::Auto => profile.reads_output,
            ReadOutput::On => true,
            ReadOutput::Off => false,
        }
    }
}

/// How messages are brought to a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InjectMode {
    /// Short ones as text, until the agent takes one by itself
    Auto,
    /// By a line that says that messages wait
    Nudge,
    /// As text
    Body,
}

impl InjectMode {
    /// As the machine knows it.
    pub(crate) const fn inject(self) -> Inject {
        match self {
            Self::Auto => Inject::Auto,
            Self::Nudge => Inject::Nudge,
            Self::Body => Inject::Body,
        }
    }
}

/// What runs in a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
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

impl ProfileName {
    /// What is known of it.
    pub(crate) const fn profile(self) -> &'static Profile {
        match self {
            Self::Claude => &profile::CLAUDE,
            Self::Codex => &profile::CODEX,
            Self::Aider => &profile::AIDER,
            Self::Shell => &profile::SHELL,
            Self::Plain => &profile::PLAIN,
        }
    }
}

/// Whether a pane's output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadOutput {
    /// As the profile says
    Auto,
    /// Yes
    On,
    /// No
    Off,
}

/// The child and how to speak with it.
#[derive(Debug, Clone, Args)]
pub(crate) struct StdioArguments {
    /// When a message counts as delivered: at the write, or when the child acknowledges it
    #[arg(long, value_enum, default_value_t = AckMode::Auto)]
    pub(crate) ack: AckMode,

    /// What is spoken
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,

    /// Which control frames the child gets
    #[arg(long, value_enum, default_value_t = Frames::Errors)]
    pub(crate) frames: Frames,

    /// Run the child in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// What the agent is there for, in words; the child finds it in WAGGLEBUS_ROLE
    #[arg(long, value_name = "TEXT")]
    pub(crate) role: Option<String>,

    /// The agent's command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// When a message on stdio counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AckMode {
    /// At the write
    Auto,
    /// When the child acknowledges it
    Explicit,
}

/// What is spoken on stdio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    Jsonl,
    /// Lines such as `@bob !urgent: text`
    Text,
}

/// Which control frames a child gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Frames {
    /// Errors, and `accepted` for each line
    All,
    /// Errors
    Errors,
    /// None
    None,
}

/// Only checked here: several belong together.
fn parse_resource(text: &str) -> Result<String, String> {
    match Resources::of_texts([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_capability(text: &str) -> Result<Capability, String> {
    let (name, proficiency) = match text.split_once(':') {
        None => (text, Proficiency::DEFAULT),
        Some((name, number)) => {
            let number: u8 = number
                .parse()
                .map_err(|_| format!("{number:?} is no number from 1 to 10"))?;
            (name, Proficiency::try_from(number).map_err(|e| e.to_string())?)
        }
    };
    let name = name
        .parse()
        .map_err(|e: wagglebus_schemas::id::NameError| e.to_string())?;
    Ok(Capability { name, proficiency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_has_a_proficiency_from_1_to_10() {
        assert_eq!(parse_capability("rust:9").unwrap().proficiency.get(), 9);
        assert_eq!(
            parse_capability("rust").unwrap().proficiency,
            Proficiency::DEFAULT
        );
        for bad in ["rust:0", "rust:11", "rust:x", "Rust", ":3"] {
            assert!(parse_capability(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resource_is_a_name_and_an_amount() {
        assert!(parse_resource("memory_mb=2048").is_ok());
        for bad in ["memory_mb", "memory=1", "cpu_cores=-1"] {
            assert!(parse_resource(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
